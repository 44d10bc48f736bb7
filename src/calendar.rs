//! Dates and times of day by zone: the bank's business date, and the merchant's local time.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use tidegate_payment::time::{BusinessDate, LocalTime, Timestamp};

/// When the bank's business date changes.
#[derive(Debug, Clone)]
pub struct BusinessDay {
    /// The bank's zone.
    pub zone: TimeZone,
    /// The time of day at which the next date's business begins.
    pub ends: Time,
}

impl BusinessDay {
    /// The business date of an instant: the calendar date in the bank's zone, or the next one from
    /// the end of the business day on.
    pub fn date(&self, at: Timestamp) -> BusinessDate {
        let local = zoned(&self.zone, at);
        let date = if local.time() < self.ends {
            local.date()
        } else {
            local.date().tomorrow().unwrap_or(local.date())
        };
        BusinessDate {
            year: date.year().unsigned_abs(),
            month: date.month().unsigned_abs(),
            day: date.day().unsigned_abs(),
        }
    }
}

/// The time of day in a zone, for DE 12 and DE 13.
pub fn local_time(zone: &TimeZone, at: Timestamp) -> LocalTime {
    let local = zoned(zone, at);
    LocalTime {
        month: local.month().unsigned_abs(),
        day: local.day().unsigned_abs(),
        hour: local.hour().unsigned_abs(),
        minute: local.minute().unsigned_abs(),
        second: local.second().unsigned_abs(),
    }
}

fn zoned(zone: &TimeZone, at: Timestamp) -> jiff::Zoned {
    let instant = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    instant.to_zoned(zone.clone())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn berlin(ends: Time) -> BusinessDay {
        BusinessDay { zone: TimeZone::get("Europe/Berlin").unwrap(), ends }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    #[test]
    fn business_moves_to_the_next_date_at_the_banks_own_hour() {
        let day = berlin(jiff::civil::time(23, 0, 0, 0));
        assert_eq!(day.date(at("2026-11-22T21:59:59Z")).to_string(), "2026-11-22");
        assert_eq!(day.date(at("2026-11-22T22:00:00Z")).to_string(), "2026-11-23");
        assert_eq!(day.date(at("2026-12-31T22:30:00Z")).to_string(), "2027-01-01");
    }

    #[test]
    fn local_time_follows_the_merchants_zone() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let local = local_time(&zone, at("2026-11-22T20:05:06Z"));
        let wanted = LocalTime { month: 11, day: 23, hour: 4, minute: 5, second: 6 };
        assert_eq!(local, wanted);
    }
}
