//! What operators must hear of again and again, as long as it is so.

use crate::calendar::BusinessDay;
use std::time::Duration;
use tidegate_payment::engine::Status;
use tidegate_payment::time::{BusinessDate, Mono, Now, Timestamp};

/// How often it is said that something owed is too old.
const OWED_EVERY: Duration = Duration::from_secs(60);

/// How often it is said that a cut-over did not come.
const CUT_OVER_EVERY: Duration = Duration::from_secs(3600);

/// How long after the configured end of the business day a host's cut-over is missed.
const CUT_OVER_GRACE: Duration = Duration::from_secs(2 * 3600);

/// When each alarm was raised last.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    owed: Option<Mono>,
    cut_over: Option<Mono>,
}

impl Alarms {
    /// Raises an alarm while the oldest reversal or advice is older than `limit`.
    pub(super) fn look_at_owed(&mut self, now: Now, status: &Status, limit: Duration) {
        let oldest = [status.oldest_reversal, status.oldest_advice].into_iter().flatten().min();
        let Some(age) = oldest.and_then(|since| age(now, since)).filter(|age| *age >= limit) else {
            self.owed = None;
            return;
        };
        if is_due(&mut self.owed, now, OWED_EVERY) {
            let (reversing, repeating) = (status.reversing, status.repeating);
            tracing::error!(
                age_s = age.as_secs(),
                limit_s = limit.as_secs(),
                reversing,
                repeating,
                paced = status.paced,
                alarm = true,
                "a reversal or an advice waits too long for its host"
            );
        }
    }

    /// Raises an alarm while a host's cut-over is long due.
    pub(super) fn look_at_cut_over(&mut self, now: Now, current: BusinessDate, day: &BusinessDay) {
        let grace_us = i64::try_from(CUT_OVER_GRACE.as_micros()).unwrap_or(0);
        let wanted = day.date(Timestamp(now.wall.0.saturating_sub(grace_us)));
        if current >= wanted {
            self.cut_over = None;
        } else if is_due(&mut self.cut_over, now, CUT_OVER_EVERY) {
            tracing::error!(
                %current, %wanted, alarm = true,
                "the host's cut-over did not come: payments go on under the old date"
            );
        }
    }
}

fn age(now: Now, since: Timestamp) -> Option<Duration> {
    let micros = u64::try_from(now.wall.0.saturating_sub(since.0)).ok()?;
    Some(Duration::from_micros(micros))
}

fn is_due(last: &mut Option<Mono>, now: Now, every: Duration) -> bool {
    let due = last.is_none_or(|last| now.mono >= last.after(every));
    if due {
        *last = Some(now.mono);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        let wall = Timestamp(i64::try_from(seconds).unwrap_or(0) * 1_000_000);
        Now { mono: Mono(Duration::from_secs(seconds)), wall }
    }

    #[test]
    fn what_is_owed_too_long_is_told_each_minute_and_anew_after_it_was_well() {
        let limit = Duration::from_secs(900);
        let status = Status { oldest_advice: Some(Timestamp(0)), ..Status::default() };
        let mut alarms = Alarms::default();
        let mut raised = Vec::new();
        for second in 0..=1_000 {
            alarms.look_at_owed(at(second), &status, limit);
            raised.extend(alarms.owed.filter(|last| last.0.as_secs() == second).map(|_| second));
        }
        assert_eq!(raised, [900, 960]);
        alarms.look_at_owed(at(1_001), &Status::default(), limit);
        alarms.look_at_owed(at(1_002), &status, limit);
        assert_eq!(alarms.owed, Some(at(1_002).mono));
    }

    #[test]
    fn a_cut_over_that_did_not_come_is_missed_two_hours_later() {
        let ends = jiff::civil::time(23, 0, 0, 0);
        let day = BusinessDay { zone: jiff::tz::TimeZone::UTC, ends };
        let current = BusinessDate { year: 1970, month: 1, day: 1 };
        let mut alarms = Alarms::default();
        alarms.look_at_cut_over(at(25 * 3600 - 1), current, &day);
        assert_eq!(alarms.cut_over, None);
        alarms.look_at_cut_over(at(25 * 3600), current, &day);
        assert!(alarms.cut_over.is_some());
    }
}
