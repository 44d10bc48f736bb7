//! The bank's books: double entry, append only. Every entry moves an amount from one account to
//! another; balances are what the entries add up to. Written and synced before the bank answers.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Whose money.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// The bank's own: card accounts are funded from it.
    Bank,
    /// A card holder's, by the card's token.
    Card(String),
    /// Money held for a card's purchases, not yet posted.
    Holds(String),
    /// A merchant's, by card acceptor (DE 42).
    Merchant(String),
}

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A card account got its balance.
    Funding,
    /// An authorised amount was set aside.
    Hold,
    /// A held amount went to the merchant.
    Posting,
    /// A held amount went back to the card.
    Release,
    /// A posted amount went back to the card.
    Reversal,
    /// What a completion did not take of a held amount went back to the card.
    Surplus,
    /// A void gave back what was held or posted.
    Void,
    /// A refund.
    Refund,
}

/// What a movement is about, as the host message says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// DE 37.
    pub rrn: String,
    /// DE 11.
    pub stan: String,
    /// DE 41.
    pub terminal: String,
    /// DE 42.
    pub acceptor: String,
    /// DE 15, `MMDD`, or empty.
    pub date: String,
    /// DE 38 of the approval.
    pub approval_code: String,
    /// DE 37 of the payment that a completion, void or refund is about, or empty.
    #[serde(default)]
    pub original: String,
}

/// One movement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1, without gaps.
    pub number: u64,
    /// Microseconds since the world began.
    pub at_us: u64,
    /// Why.
    pub cause: Cause,
    /// What it is about.
    pub about: About,
    /// Whence.
    pub debit: Account,
    /// Whither.
    pub credit: Account,
    /// Minor units, above 0.
    pub minor: i64,
    /// DE 49.
    pub currency: String,
}

/// The books.
pub struct Ledger {
    entries: Vec<Entry>,
    balances: BTreeMap<(Account, String), i64>,
    written: usize,
    file: Option<File>,
}

impl Ledger {
    /// Books kept in memory alone, for measuring.
    pub fn in_memory() -> Self {
        Self { entries: Vec::new(), balances: BTreeMap::new(), written: 0, file: None }
    }

    /// Books kept in a file, one JSON line per entry.
    /// # Errors
    /// Whatever creating the file says.
    pub fn in_file(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Some(File::create(path)?), ..Self::in_memory() })
    }

    /// What an account holds in a currency.
    pub fn balance(&self, account: &Account, currency: &str) -> i64 {
        let key = (account.clone(), currency.to_owned());
        self.balances.get(&key).copied().unwrap_or(0)
    }

    /// Moves money. What would overflow an account is refused and moves nothing.
    pub fn post(&mut self, movement: Movement<'_>) -> bool {
        let Movement { at_us, cause, about, debit, credit, minor, currency } = movement;
        let from = (debit.clone(), currency.to_owned());
        let to = (credit.clone(), currency.to_owned());
        let before = |key| self.balances.get(key).copied().unwrap_or(0);
        let (Some(less), Some(more)) =
            (before(&from).checked_sub(minor), before(&to).checked_add(minor))
        else {
            return false;
        };
        if minor <= 0 {
            return false;
        }
        self.balances.insert(from, less);
        self.balances.insert(to, more);
        let number = u64::try_from(self.entries.len()).unwrap_or(u64::MAX).saturating_add(1);
        let currency = currency.to_owned();
        let about = about.clone();
        self.entries.push(Entry { number, at_us, cause, about, debit, credit, minor, currency });
        true
    }

    /// Makes all entries so far durable. Until it returns, nobody may be told of them.
    /// # Errors
    /// Whatever the disk says; the bank stops then.
    pub fn sync(&mut self) -> io::Result<()> {
        let fresh = self.entries.get(self.written..).unwrap_or_default();
        if let Some(file) = &mut self.file
            && !fresh.is_empty()
        {
            let mut lines = Vec::new();
            for entry in fresh {
                serde_json::to_writer(&mut lines, entry)?;
                lines.push(b'\n');
            }
            file.write_all(&lines)?;
            file.sync_data()?;
        }
        self.written = self.entries.len();
        Ok(())
    }

    /// All entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The balance of every account, by account and currency.
    pub fn balances(&self) -> &BTreeMap<(Account, String), i64> {
        &self.balances
    }
}

/// A movement that is to be made.
pub struct Movement<'a> {
    /// Microseconds since the world began.
    pub at_us: u64,
    /// Why.
    pub cause: Cause,
    /// What it is about.
    pub about: &'a About,
    /// Whence.
    pub debit: Account,
    /// Whither.
    pub credit: Account,
    /// Minor units.
    pub minor: i64,
    /// DE 49.
    pub currency: &'a str,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn movement(about: &About, minor: i64) -> Movement<'_> {
        let debit = Account::Card("c".into());
        let credit = Account::Merchant("m".into());
        Movement { at_us: 1, cause: Cause::Posting, about, debit, credit, minor, currency: "978" }
    }

    #[test]
    fn an_entry_moves_and_never_makes_money() {
        let mut ledger = Ledger::in_memory();
        let about = About::default();
        assert!(ledger.post(movement(&about, 250)));
        assert_eq!(ledger.balance(&Account::Card("c".into()), "978"), -250);
        assert_eq!(ledger.balance(&Account::Merchant("m".into()), "978"), 250);
        assert_eq!(ledger.balances().values().sum::<i64>(), 0);
        assert!(!ledger.post(movement(&about, 0)), "nothing is not a movement");
        assert!(!ledger.post(movement(&about, i64::MAX)), "an overflow is refused whole");
        assert_eq!(ledger.entries().len(), 1);
    }

    #[test]
    fn what_is_synced_can_be_read_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let mut ledger = Ledger::in_file(&path).unwrap();
        ledger.post(movement(&About::default(), 5));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        ledger.sync().unwrap();
        ledger.post(movement(&About::default(), 6));
        ledger.sync().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let read: Vec<Entry> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, ledger.entries());
    }
}
