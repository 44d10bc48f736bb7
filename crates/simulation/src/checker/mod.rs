//! Judges from outside: what merchants were told, what crossed the wire and when its intent became
//! durable, what the bank's books hold, and what the journal says about itself. Each violation names the
//! invariant that it breaks.

pub mod day;
pub mod end;
pub mod journal;
pub mod told;
pub mod wire;

use journal::Known;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegate::store::journal::Chain;
use tidegate_payment::id::PaymentId;
use tidegate_payment::time::BusinessDate;

/// How many violations are kept.
const KEPT: usize = 20;

/// The invariants that are judged here.
pub const JUDGED: [&str; 36] = [
    "M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9", "M10", "M11", "M12", "M13", "M14", "M15",
    "M16", "D1", "D2", "D3", "D4", "D5", "D6", "D8", "D10", "S1", "S2", "S3", "S4", "S5", "S7",
    "S8", "F1", "F3", "K2", "L1", "X6",
];

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its id, one of [`JUDGED`]; `T` for a fault that a part found in itself.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// After how many events.
    pub step: u64,
    /// When.
    pub at: Duration,
}

/// The checker.
#[derive(Debug, Default)]
pub struct Checker {
    violations: Vec<Violation>,
    count: u64,
    /// When and after how many events it is now.
    pub now: (Duration, u64),
    payments: BTreeMap<PaymentId, Known>,
    by_wide: BTreeMap<String, PaymentId>,
    /// Which payments of a key had their request on the wire.
    sent_by_key: BTreeMap<(String, String), BTreeSet<PaymentId>>,
    by_key: BTreeMap<(String, String), PaymentId>,
    by_rrn: BTreeMap<String, PaymentId>,
    /// The chain value of each record that was told to be durable, or found at a start.
    chains: Vec<Chain>,
    /// When each run of the gateway ended.
    ends: BTreeMap<u64, Duration>,
    /// Reversals of an earlier run that have not left, by card.
    held: BTreeMap<String, BTreeSet<PaymentId>>,
    /// Reversals that have not left since they became due, by card, with the record that says so.
    waits: BTreeMap<String, BTreeMap<PaymentId, u64>>,
    /// The business date by the journal.
    date: Option<BusinessDate>,
    /// The date that the bank's cut-over tells, by its STAN.
    cut_overs: BTreeMap<String, Option<BusinessDate>>,
    /// Who said of a case that it was posted.
    posted_by: BTreeMap<PaymentId, BTreeSet<String>>,
}

impl Checker {
    /// What was found.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How much was found.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Something is wrong.
    pub fn breaks(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.count = self.count.saturating_add(1);
        if self.violations.len() < KEPT {
            let (at, step) = self.now;
            self.violations.push(Violation { invariant, what: what.into(), step, at });
        }
    }

    /// What the journal says of a payment.
    pub fn known(&self, id: PaymentId) -> Option<&Known> {
        self.payments.get(&id)
    }

    /// What the journal says of the payment that this message is of.
    pub fn by_wide(&self, wide: &str) -> Option<&Known> {
        self.by_wide.get(wide).and_then(|id| self.payments.get(id))
    }

    /// The payment of a key, if the journal has one.
    pub fn by_key(&self, merchant: &str, key: &str) -> Option<&Known> {
        let key = (merchant.to_owned(), key.to_owned());
        self.by_key.get(&key).and_then(|id| self.payments.get(id))
    }

    /// A run of the gateway ended.
    pub fn run_ended(&mut self, life: u64) {
        self.ends.insert(life, self.now.0);
    }

    /// A conflict refused a record of a payment.
    pub fn conflict(&mut self, id: PaymentId) {
        if let Some(known) = self.payments.get_mut(&id) {
            known.conflicted = true;
        }
    }

    /// All payments that the journal tells of.
    pub fn payments(&self) -> impl Iterator<Item = &Known> {
        self.payments.values()
    }

    /// Whether a reversal of this card has not left.
    pub fn owes_reversal(&self, card: &str) -> bool {
        self.payments.values().any(|it| it.card == card && it.reversal_owed() && it.reversals == 0)
    }
}

/// The elements by which the host knows a message: DE 7, 11, 37, 41 and 42.
pub fn wide(de7: &str, stan: &str, rrn: &str, terminal: &str, shop: &str) -> String {
    format!("{de7}|{stan}|{rrn}|{}|{}", terminal.trim_end(), shop.trim_end())
}
