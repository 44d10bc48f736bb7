//! Time as it is handed in: a monotonic reading for deadlines, a wall reading for records.

use core::fmt;
use core::time::Duration;

/// A wall-clock instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

/// A reading of the monotonic clock since the process began. Nothing durable holds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub Duration);

impl Mono {
    /// This instant and `wait` later; saturates.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

/// What both clocks said when an input arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Deadlines run on this one.
    pub mono: Mono,
    /// Records and freshness windows use this one.
    pub wall: Timestamp,
}

/// A bank's business date (ISO 8583 DE 15 carries its month and day).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BusinessDate {
    /// Four-digit year.
    pub year: u16,
    /// 1..=12.
    pub month: u8,
    /// 1..=31.
    pub day: u8,
}

impl BusinessDate {
    /// The day of the year, 1..=366 (RRN, ISO 8583 DE 37, begins with `YDDD`).
    pub fn day_of_year(self) -> u16 {
        const BEFORE: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let leap = self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let before = usize::from(self.month).checked_sub(1).and_then(|index| BEFORE.get(index));
        let leap_day = u16::from(leap && self.month > 2);
        before.copied().unwrap_or(0).saturating_add(u16::from(self.day)).saturating_add(leap_day)
    }
}

impl fmt::Display for BusinessDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for BusinessDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A date and time of day in the merchant's zone, for DE 12 (`hhmmss`) and DE 13 (`MMDD`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// 1..=12.
    pub month: u8,
    /// 1..=31.
    pub day: u8,
    /// 0..=23.
    pub hour: u8,
    /// 0..=59.
    pub minute: u8,
    /// 0..=59.
    pub second: u8,
}
