//! Civil dates from counted days and back, in the proleptic Gregorian calendar, UTC. Valid for
//! every year that four digits can write.
//!
//! The arithmetic is Howard Hinnant's `days_from_civil` and `civil_from_days` (public domain):
//! years begin in March, so that the leap day is the last day of a year; 400 years have 146 097
//! days.

use tidegate_payment::time::Timestamp;

const DAY_S: i64 = 86_400;

/// A date and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

/// The UTC date and time of an instant, its fraction of a second cut off.
pub(crate) fn civil(at: Timestamp) -> Civil {
    let seconds = at.0.div_euclid(1_000_000);
    let (days, rest) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    let from_march_0000 = days + 719_468;
    let era = from_march_0000.div_euclid(146_097);
    let day_of_era = from_march_0000.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * from_march + 2) / 5 + 1,
        hour: rest / 3_600,
        minute: rest / 60 % 60,
        second: rest % 60,
    }
}

/// The instant of a UTC date and time.
pub(crate) fn instant(at: Civil) -> Timestamp {
    let year = at.year - i64::from(at.month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = (at.month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + at.day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = days * DAY_S + at.hour * 3_600 + at.minute * 60 + at.second;
    Timestamp(seconds.saturating_mul(1_000_000))
}

/// Reads `YYYY-MM-DDThh:mm:ssZ` (RFC 3339 in UTC, whole seconds).
pub(crate) fn parse_instant(text: &str) -> Option<Timestamp> {
    let shape = "dddd-dd-ddTdd:dd:ddZ";
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'd' => byte.is_ascii_digit(),
        exactly => byte == exactly,
    };
    if text.len() != shape.len() || !text.bytes().zip(shape.bytes()).all(fits) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse().ok();
    let civil_time = Civil {
        year: part(0..4)?,
        month: part(5..7)?,
        day: part(8..10)?,
        hour: part(11..13)?,
        minute: part(14..16)?,
        second: part(17..19)?,
    };
    // A date that does not exist, such as 31 April, comes back as another one.
    let at = instant(civil_time);
    (civil(at) == civil_time).then_some(at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_instants_have_their_dates() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in table {
            assert_eq!(parse_instant(text), Some(Timestamp(seconds * 1_000_000)), "{text}");
        }
        assert_eq!(civil(Timestamp(-1)).second, 59, "half a second before 1970 is 1969");
    }

    #[test]
    fn a_date_that_does_not_exist_is_refused() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "+026-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_comes_back(seconds in 0_i64..253_402_300_800) {
            let at = Timestamp(seconds * 1_000_000);
            prop_assert_eq!(instant(civil(at)), at);
        }
    }
}
