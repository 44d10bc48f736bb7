//! A request and what came of it.

use super::Outcome;
use super::connection::RawAnswer;
use std::time::Duration;

/// How often to send a payment, and how long to wait in between.
#[derive(Debug, Clone, Copy)]
pub struct Tries {
    /// How often in all.
    pub count: u32,
    /// The wait.
    pub gap: Duration,
}

/// A request and what came of it.
pub struct Exchange {
    /// What became of it.
    pub outcome: Outcome,
    /// When it was sent, in microseconds since the world began.
    pub sent_us: u64,
    /// When that was known.
    pub told_us: u64,
    /// The answer, if one came.
    pub answer: Option<RawAnswer>,
}
