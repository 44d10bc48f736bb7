//! The editions of a host's definition: new messages are worded by the present one, what is under way
//! by the one that it began with.

use super::wording::{Judged, Wording, WordingError};
use crate::definitions::Shelf;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use tidegate_line::event::{Ask, Read};
use tidegate_line::name::MatchKey;
use tidegate_payment::card::{Pan, Secrets};
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::{LineId, Stan};
use tidegate_payment::request::Definitions;
use tidegate_payment::time::Timestamp;
use tidegate_protocol::definition::Definition;

/// How many earlier editions stay in memory; the shelf has them all.
const HELD_MAX: usize = 16;

/// All editions of one host's definition.
///
/// Frames are read, and network messages worded, by the present edition: what may change while the
/// gateway runs leaves alone which reply finds which request
/// ([`Definition::pairs_like`]).
#[derive(Debug)]
pub struct Editions {
    shelf: Shelf,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    present: Arc<Definition>,
    /// The last one used stands last.
    earlier: VecDeque<Arc<Definition>>,
}

impl Editions {
    /// One edition; earlier ones are looked for on the shelf.
    pub fn new(present: Arc<Definition>, shelf: Shelf) -> Self {
        let state = RwLock::new(State { present, earlier: VecDeque::new() });
        Self { shelf, state }
    }

    /// The edition that payments begin with now.
    pub fn present(&self) -> Arc<Definition> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).present)
    }

    /// From now on payments begin with another edition.
    pub fn replace(&self, present: Arc<Definition>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.present.hashes() != present.hashes() {
            let before = std::mem::replace(&mut state.present, present);
            state.hold(before);
        }
    }

    /// The edition that a payment began with. May read two small files: called where blocking is
    /// allowed, and at the start.
    fn of(&self, wanted: &Definitions) -> Arc<Definition> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = state.find(wanted) {
            return held;
        }
        let present = Arc::clone(&state.present);
        drop(state);
        match self.shelf.find(wanted) {
            Ok(Some(found)) => {
                let found = Arc::new(found);
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                state.hold(Arc::clone(&found));
                found
            }
            Ok(None) => {
                tracing::error!(alarm = true, "the definition that a payment began with is lost");
                present
            }
            Err(error) => {
                tracing::error!(%error, alarm = true, "an earlier definition cannot be read");
                present
            }
        }
    }
}

impl State {
    fn find(&self, wanted: &Definitions) -> Option<Arc<Definition>> {
        let mut all = std::iter::once(&self.present).chain(self.earlier.iter().rev());
        all.find(|held| held.hashes() == *wanted).cloned()
    }

    fn hold(&mut self, edition: Arc<Definition>) {
        let hashes = edition.hashes();
        self.earlier.retain(|held| held.hashes() != hashes);
        self.earlier.push_back(edition);
        while self.earlier.len() > HELD_MAX {
            self.earlier.pop_front();
        }
    }
}

impl Wording for Editions {
    fn encode(
        &self,
        out: &Outgoing,
        card: &Pan,
        secrets: &Secrets,
        body: &mut Vec<u8>,
    ) -> Result<MatchKey, WordingError> {
        let edition = self.of(&out.fields.route.definitions);
        Wording::encode(&*edition, out, card, secrets, body)
    }

    fn key(&self, out: &Outgoing) -> Result<MatchKey, WordingError> {
        Wording::key(&*self.of(&out.fields.route.definitions), out)
    }

    fn read(&self, body: &[u8]) -> Read {
        Wording::read(&*self.present(), body)
    }

    fn judge(
        &self,
        body: &[u8],
        out: &Outgoing,
        line: &LineId,
        is_card: &dyn Fn(&str) -> bool,
    ) -> Judged {
        let edition = self.of(&out.fields.route.definitions);
        Wording::judge(&*edition, body, out, line, is_card)
    }

    fn ask(
        &self,
        ask: Ask,
        stan: Stan,
        transmitted: Timestamp,
        body: &mut Vec<u8>,
    ) -> Result<MatchKey, WordingError> {
        Wording::ask(&*self.present(), ask, stan, transmitted, body)
    }

    fn answer(&self, request: &[u8], accept: bool, body: &mut Vec<u8>) -> Result<(), WordingError> {
        Wording::answer(&*self.present(), request, accept, body)
    }

    fn cut_over_date(&self, request: &[u8]) -> Result<Option<(u8, u8)>, WordingError> {
        Wording::cut_over_date(&*self.present(), request)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::super::bank_tests::{PAN, outgoing};
    use super::*;
    use crate::definitions::{Edition, load_edition};
    use std::path::Path;
    use tempfile::TempDir;
    use tidegate_payment::input::Attempt;
    use tidegate_payment::time::Mono;

    /// The shipped definition, its point of service written so.
    fn edition(folder: &TempDir, entry_mode: &str) -> Edition {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols");
        let files = ["dialects/iso87-ascii/dialect.toml", "mappings/iso87-ascii.toml"];
        for file in files {
            let to = folder.path().join(file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            let text = std::fs::read_to_string(shipped.join(file)).unwrap();
            std::fs::write(to, text.replace("\"812\"", &format!("\"{entry_mode}\""))).unwrap();
        }
        load_edition(folder.path(), "iso87-ascii", "iso87-ascii").unwrap()
    }

    /// DE 22 of the reversal of a payment that began with an edition, as it is worded now.
    fn entry_mode(editions: &Editions, began_with: &Edition) -> String {
        let out = outgoing(7, Attempt::Reversal(1), false, Mono(std::time::Duration::ZERO));
        let out = out.map(|mut out| {
            out.fields.route.definitions = began_with.hashes();
            out
        });
        let (mut body, card) = (Vec::new(), Pan::parse(PAN).unwrap());
        let key = editions.encode(out.get(), &card, &Secrets::default(), &mut body).unwrap();
        assert_eq!(editions.key(out.get()).unwrap(), key);
        let message = began_with.wire().parse(&body).unwrap();
        message.get(22).unwrap().to_string()
    }

    #[test]
    fn what_is_under_way_is_worded_as_it_began_also_after_a_restart() {
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let shelf = Shelf::of(data.path());
        let (old, new) = (edition(&folder, "812"), edition(&folder, "010"));
        for edition in [&old, &new, &old] {
            shelf.keep(edition).unwrap();
        }
        let editions = Editions::new(Arc::clone(&old.definition), shelf.clone());
        editions.replace(Arc::clone(&new.definition));
        assert_eq!(editions.present().hashes(), new.hashes());
        assert_eq!((entry_mode(&editions, &old), entry_mode(&editions, &new)), both("812", "010"));
        let restarted = Editions::new(Arc::clone(&new.definition), shelf);
        assert_eq!(
            (entry_mode(&restarted, &old), entry_mode(&restarted, &new)),
            both("812", "010")
        );
        // Lost, it is worded by what there is, and alarmed.
        let elsewhere = Shelf::of(folder.path());
        let lost = Editions::new(Arc::clone(&new.definition), elsewhere);
        assert_eq!(entry_mode(&lost, &old), "010");
    }

    fn both(old: &str, new: &str) -> (String, String) {
        (old.to_owned(), new.to_owned())
    }

    #[test]
    fn a_text_on_the_shelf_that_was_changed_is_not_taken_for_what_it_was() {
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let shelf = Shelf::of(data.path());
        let old = edition(&folder, "812");
        shelf.keep(&old).unwrap();
        assert!(shelf.find(&old.hashes()).unwrap().is_some());
        for file in std::fs::read_dir(data.path().join("definitions")).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, format!("{text}\n# changed\n")).unwrap();
        }
        assert!(shelf.find(&old.hashes()).unwrap().is_none());
    }

    #[test]
    fn however_many_editions_there_were_few_stay_in_memory() {
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = edition(&folder, "100");
        let shelf = Shelf::of(data.path());
        shelf.keep(&first).unwrap();
        let editions = Editions::new(Arc::clone(&first.definition), shelf);
        for number in 101..140 {
            editions.replace(edition(&folder, &number.to_string()).definition);
        }
        assert_eq!(editions.state.read().unwrap().earlier.len(), HELD_MAX);
        assert_eq!(entry_mode(&editions, &first), "100");
    }
}
