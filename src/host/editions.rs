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
}
