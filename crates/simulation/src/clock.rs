//! Virtual time: a monotonic reading that only the agenda moves, and a wall clock that jumps.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use std::time::Duration;
use tidegate::calendar::BusinessDay;
use tidegate_payment::time::{BusinessDate, Mono, Now, Timestamp};

/// 2026-11-22T20:30:00Z, in microseconds: half an hour before the business day of the world ends.
const BEGIN: i64 = 1_795_379_400_000_000;

/// Both clocks.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Since the world began.
    pub mono: Duration,
    /// What a person or a time server did to the wall clock, in microseconds.
    pub skew: i64,
    day: BusinessDay,
}

impl Default for Clock {
    fn default() -> Self {
        let ends = Time::constant(21, 0, 0, 0);
        Self { mono: Duration::ZERO, skew: 0, day: BusinessDay { zone: TimeZone::UTC, ends } }
    }
}

impl Clock {
    /// What they say.
    pub fn now(&self) -> Now {
        let mono = i64::try_from(self.mono.as_micros()).unwrap_or(i64::MAX);
        let wall = BEGIN.saturating_add(mono).saturating_add(self.skew);
        Now { mono: Mono(self.mono), wall: Timestamp(wall) }
    }

    /// The business date by the wall clock.
    pub fn date(&self) -> BusinessDate {
        self.day.date(self.now().wall)
    }

    /// The date that a cut-over begins now; see [`BusinessDay::cut_over`].
    pub fn cut_over(&self, announced: Option<(u8, u8)>) -> Option<BusinessDate> {
        self.day.cut_over(self.now().wall, announced)
    }
}
