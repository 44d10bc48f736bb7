//! Dates and times of day by zone: the bank's business date, and the merchant's local time.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use tidegate_payment::time::{BusinessDate, LocalTime, Timestamp};

/// How many days a bank may close at a stretch: a cut-over further away is a mistake.
pub const HOLIDAYS_MAX: u32 = 14;

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
        business_date(date)
    }

    /// The business date that a host's cut-over at an instant begins. A message that names none begins
    /// the date after the nearest midnight: however often it comes, of however many hosts, that is one
    /// date. A message that names month and day begins the one nearest to that; `None` if there is no
    /// such day within [`HOLIDAYS_MAX`] days.
    pub fn cut_over(&self, at: Timestamp, announced: Option<(u8, u8)>) -> Option<BusinessDate> {
        let half_a_day = jiff::Span::new().hours(12);
        let nearest = zoned(&self.zone, at).datetime().checked_add(half_a_day).ok()?.date();
        let Some((month, day)) = announced else { return Some(business_date(nearest)) };
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        let year = nearest.year();
        let years = [year, year.saturating_sub(1), year.saturating_add(1)].into_iter();
        let dates = years.filter_map(|year| jiff::civil::Date::new(year, month, day).ok());
        let away = |date: &jiff::civil::Date| {
            let span = nearest.until(*date).map(|span| span.get_days().unsigned_abs());
            span.unwrap_or(u32::MAX)
        };
        let date = dates.min_by_key(away)?;
        (away(&date) <= HOLIDAYS_MAX).then(|| business_date(date))
    }
}

fn business_date(date: jiff::civil::Date) -> BusinessDate {
    BusinessDate {
        year: date.year().unsigned_abs(),
        month: date.month().unsigned_abs(),
        day: date.day().unsigned_abs(),
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

    #[test]
    fn a_cut_over_without_a_date_begins_the_one_after_the_nearest_midnight() {
        let day = berlin(jiff::civil::time(23, 0, 0, 0));
        let begins = |text: &str| day.cut_over(at(text), None).unwrap().to_string();
        for evening_or_night in ["20:00", "23:59", "00:00", "02:30", "10:59"] {
            let date = if evening_or_night > "11:00" { "2026-11-22" } else { "2026-11-23" };
            let text = format!("{date}T{evening_or_night}:00Z");
            assert_eq!(begins(&text), "2026-11-23", "{text}");
        }
        assert_eq!(begins("2026-11-23T11:01:00Z"), "2026-11-24");
    }

    #[test]
    fn a_cut_over_with_a_date_begins_that_of_the_right_year_and_no_other() {
        let day = berlin(jiff::civil::time(23, 0, 0, 0));
        let begins = |text: &str, said| day.cut_over(at(text), Some(said)).map(|it| it.to_string());
        let evening = "2026-12-31T21:00:00Z";
        assert_eq!(begins(evening, (1, 1)).as_deref(), Some("2027-01-01"));
        assert_eq!(begins(evening, (1, 4)).as_deref(), Some("2027-01-04"), "over the holidays");
        assert_eq!(begins(evening, (12, 31)).as_deref(), Some("2026-12-31"));
        assert_eq!(begins(evening, (6, 1)), None, "half a year ahead");
        assert_eq!(begins("2027-01-01T01:00:00Z", (12, 31)).as_deref(), Some("2026-12-31"));
        assert_eq!(begins("2028-02-28T21:00:00Z", (2, 29)).as_deref(), Some("2028-02-29"));
        assert_eq!(begins("2026-02-28T21:00:00Z", (2, 29)), None, "no such day");
    }
}
