//! A payment's state and what is still owed of it, as its records tell. The journal's ledger and the
//! store in memory judge by the same rule what a start must bring back.

use tidegate_payment::payment::{Payment, State, WrongTurn};
use tidegate_payment::record::{Accepted, Record};
use tidegate_payment::time::Timestamp;

/// A payment on its way.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) payment: Payment,
}

impl Course {
    pub(super) fn begin(accepted: &Accepted) -> Self {
        Self { payment: Payment::begin(accepted) }
    }

    /// Folds a further record in.
    pub(super) fn add(&mut self, record: &Record) -> Result<(), WrongTurn> {
        self.payment.apply(record)
    }

    /// Since when its reversal is due, while it is.
    pub(super) fn reversal_due_at(&self) -> Option<Timestamp> {
        let reversing = matches!(self.payment.state, State::TimedOut(_) | State::Reversing(_));
        self.payment.owed_at.filter(|_| reversing)
    }

    /// Whether a start must have it in memory.
    pub(super) fn is_open(&self) -> bool {
        !self.payment.is_settled()
    }
}
