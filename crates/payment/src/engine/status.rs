//! How much of everything there is.

use super::Engine;
use crate::payment::State;
use crate::time::Timestamp;

/// How much of everything there is; for operators and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Payments in memory.
    pub in_memory: usize,
    /// Payments that wait for the host's answer.
    pub awaiting_host: usize,
    /// Reversals under way.
    pub reversing: usize,
    /// Since when the oldest of them is owed.
    pub oldest_reversal: Option<Timestamp>,
    /// Advices that are repeated.
    pub repeating: usize,
    /// Since when the oldest of them waits for an answer.
    pub oldest_advice: Option<Timestamp>,
    /// Reversals and repeats that wait for their turn at a host that is up.
    pub paced: usize,
    /// Cases open.
    pub cases: usize,
    /// Inputs that wait for a group under way or for something to be loaded.
    pub waiting: usize,
}

impl Engine {
    /// How much of everything there is.
    pub fn status(&self) -> Status {
        let mut status = Status {
            in_memory: self.book.len(),
            waiting: self.sequencer.waiting(),
            paced: self.lanes.waiting(),
            ..Status::default()
        };
        for entry in self.book.open() {
            match entry.payment.state {
                State::MaybeSent => status.awaiting_host = status.awaiting_host.saturating_add(1),
                State::Parked(_) => status.cases = status.cases.saturating_add(1),
                State::Repeating(_) => {
                    status.repeating = status.repeating.saturating_add(1);
                    let owed = entry.payment.owed_at;
                    status.oldest_advice = [status.oldest_advice, owed].into_iter().flatten().min();
                }
                _ => {
                    status.reversing = status.reversing.saturating_add(1);
                    let due = entry.payment.owed_at;
                    status.oldest_reversal =
                        [status.oldest_reversal, due].into_iter().flatten().min();
                }
            }
        }
        status
    }
}
