//! What operators have taken out of service: routes and hosts that take no new payments, lines that are signed
//! off. Kept in a file of the data folder, written before the operator is answered, so that no restart puts back
//! what a person took out.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use thiserror::Error;
use tidegate_payment::id::{HostId, LineId};

/// The file's name in the data folder.
const FILE: &str = "out-of-service.json";

/// Something that can be taken out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// A route, or a host with all that would go to it, by name: it takes no new payments.
    Way(&'a str),
    /// A line of a host: it is signed off and stays down.
    Line(&'a HostId, &'a LineId),
}

/// Who took something out of service, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The operator's account.
    pub by: String,
    /// The operator's words.
    pub reason: String,
    /// When, as RFC 3339 writes it.
    pub since: String,
}

/// Everything that is out of service, as it stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    /// Routes and hosts by name.
    pub declined: BTreeMap<String, Order>,
    /// Lines by `HOST/LINE`.
    pub signed_off: BTreeMap<String, Order>,
}

/// Why what is out of service cannot be read or kept.
#[derive(Debug, Error)]
pub enum OutOfServiceError {
    /// The system refuses.
    #[error("cannot {act} {}", path.display())]
    File {
        /// `read` or `write`.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// It is not what this program writes.
    #[error(
        "{} is damaged: routes, hosts and lines stand in it that operators took out of service; mend \
         it, or remove it to begin with everything in service",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: serde_json::Error,
    },
}

/// What is out of service, for all who ask; by default nothing, and then it is kept in memory alone.
#[derive(Debug, Default)]
pub struct OutOfService {
    file: Option<PathBuf>,
    orders: RwLock<Orders>,
}

impl OutOfService {
    /// What was out of service when the gateway that used this data folder ended.
    /// # Errors
    /// [`OutOfServiceError`] if the file cannot be read, or is damaged.
    pub fn open(data_dir: &Path) -> Result<Self, OutOfServiceError> {
        let path = data_dir.join(FILE);
        let orders = match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(orders) => orders,
                Err(source) => return Err(OutOfServiceError::Damaged { path, source }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Orders::default(),
            Err(source) => return Err(OutOfServiceError::File { act: "read", path, source }),
        };
        Ok(Self { file: Some(path), orders: RwLock::new(orders) })
    }

    /// Takes a part out. Whether it was in service; otherwise the earlier order stands.
    /// # Errors
    /// [`OutOfServiceError::File`]: then nothing has changed.
    pub fn take_out(&self, part: Part<'_>, order: Order) -> Result<bool, OutOfServiceError> {
        self.change(part, |entry| match entry {
            Entry::Vacant(free) => {
                free.insert(order);
                true
            }
            Entry::Occupied(_) => false,
        })
    }

    /// Puts a part back. Whether it was out.
    /// # Errors
    /// [`OutOfServiceError::File`]: then nothing has changed.
    pub fn put_back(&self, part: Part<'_>) -> Result<bool, OutOfServiceError> {
        self.change(part, |entry| match entry {
            Entry::Occupied(held) => {
                held.remove();
                true
            }
            Entry::Vacant(_) => false,
        })
    }

    /// Whether a route or a host, by name, takes no new payments.
    pub fn declines(&self, name: &str) -> bool {
        self.orders.read().unwrap_or_else(PoisonError::into_inner).declined.contains_key(name)
    }

    /// Whether a line is to stay down.
    pub fn holds(&self, host: &HostId, line: &LineId) -> bool {
        let name = line_name(host, line);
        self.orders.read().unwrap_or_else(PoisonError::into_inner).signed_off.contains_key(&name)
    }

    /// Everything that is out of service.
    pub fn all(&self) -> Orders {
        self.orders.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(
        &self,
        part: Part<'_>,
        change: impl FnOnce(Entry<'_, String, Order>) -> bool,
    ) -> Result<bool, OutOfServiceError> {
        let mut orders = self.orders.write().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = orders.clone();
        let changed = change(match part {
            Part::Way(name) => wanted.declined.entry(name.to_owned()),
            Part::Line(host, line) => wanted.signed_off.entry(line_name(host, line)),
        });
        if changed {
            if let Some(path) = &self.file {
                let fault =
                    |source| OutOfServiceError::File { act: "write", path: path.clone(), source };
                write(path, &wanted).map_err(fault)?;
            }
            *orders = wanted;
        }
        Ok(changed)
    }
}

/// A line's name among all lines.
fn line_name(host: &HostId, line: &LineId) -> String {
    format!("{host}/{line}")
}

/// Puts another file in the place of the old one, in one step.
fn write(path: &Path, orders: &Orders) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec_pretty(orders)?)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn order(reason: &str) -> Order {
        let since = "2026-11-22T12:00:00Z".to_owned();
        Order { by: "anna".to_owned(), reason: reason.to_owned(), since }
    }

    fn line() -> (HostId, LineId) {
        (HostId::parse("bank").unwrap(), LineId::parse("a").unwrap())
    }

    #[test]
    fn what_a_person_took_out_is_out_after_a_restart_and_what_was_put_back_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (host, id) = line();
        let first = OutOfService::open(folder.path()).unwrap();
        assert_eq!(first.all(), Orders::default());
        assert!(first.take_out(Part::Way("visa"), order("repair")).unwrap());
        assert!(!first.take_out(Part::Way("visa"), order("again")).unwrap(), "once is enough");
        assert!(first.take_out(Part::Way("debit"), order("repair")).unwrap());
        assert!(first.take_out(Part::Line(&host, &id), order("the circuit moves")).unwrap());
        assert!(first.put_back(Part::Way("debit")).unwrap());
        assert!(!first.put_back(Part::Way("debit")).unwrap());

        let again = OutOfService::open(folder.path()).unwrap();
        assert_eq!(again.all(), first.all());
        assert!(again.declines("visa") && !again.declines("debit"));
        assert!(again.holds(&host, &id) && !again.declines("bank"));
        assert_eq!(again.all().declined.get("visa"), Some(&order("repair")));
        assert_eq!(again.all().signed_off.get("bank/a"), Some(&order("the circuit moves")));
    }

    #[test]
    fn a_damaged_file_stops_the_start_and_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), b"{\"declined\": {}, \"signed_off\": {").unwrap();
        let error = OutOfService::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("remove it to begin with everything in service"));
    }

    #[test]
    fn an_order_that_cannot_be_kept_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        fs::create_dir(&gone).unwrap();
        let held = OutOfService::open(&gone).unwrap();
        fs::remove_dir(&gone).unwrap();
        held.take_out(Part::Way("visa"), order("repair")).unwrap_err();
        assert!(!held.declines("visa"));
    }
}
