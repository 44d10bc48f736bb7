//! The one clock of a run: everything that the sandbox notes down carries microseconds since the world
//! began, so that the merchants' history and the bank's capture can be laid beside each other.

use jiff::Timestamp;
use std::time::{Duration, Instant};

/// When the world began.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    began_wall: Timestamp,
}

impl Clock {
    /// The world begins now.
    pub fn start() -> Self {
        Self { began: Instant::now(), began_wall: Timestamp::now() }
    }

    /// Microseconds since the world began.
    pub fn now_us(&self) -> u64 {
        micros(self.began.elapsed())
    }

    /// The wall time, in microseconds since 1970, of an instant of this world. The gateway under test
    /// stamps its records with the same machine's wall clock.
    pub fn wall_us(&self, at_us: u64) -> i64 {
        self.began_wall.as_microsecond().saturating_add(i64::try_from(at_us).unwrap_or(i64::MAX))
    }
}

/// A duration in whole microseconds.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
