//! What happened: a hash of everything, and the last events for people.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// How many events are shown when a run fails.
const SHOWN: usize = 40;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Which, from 1.
    pub step: u64,
    /// When.
    pub at: Duration,
    /// What.
    pub what: &'static str,
    /// Its numbers: what they are depends on the event.
    pub numbers: (u64, u64),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, at, what, numbers: (first, second) } = self;
        let (seconds, micros) = (at.as_secs(), at.subsec_micros());
        write!(f, "{step:>7} {seconds:>6}.{micros:06} s  {what:<28} {first} {second}")
    }
}

/// The log of one run.
#[derive(Debug, Clone)]
pub struct Log {
    hash: u64,
    step: u64,
    last: VecDeque<Line>,
}

impl Default for Log {
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, step: 0, last: VecDeque::with_capacity(SHOWN) }
    }
}

impl Log {
    /// Something happened.
    pub fn note(&mut self, at: Duration, what: &'static str, first: u64, second: u64) {
        self.step = self.step.saturating_add(1);
        let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        for byte in what.bytes() {
            self.mix(u64::from(byte));
        }
        for number in [micros, first, second] {
            self.mix(number);
        }
        if self.last.len() >= SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(Line { step: self.step, at, what, numbers: (first, second) });
    }

    /// How many events there were.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The hash of all of them.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The last ones.
    pub fn last(&self) -> Vec<Line> {
        self.last.iter().copied().collect()
    }

    fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5);
    }
}
