//! What came of one phase of a load.

use super::range::End;
use crate::history::Told;
use crate::summary::Percentiles;
use serde::Serialize;
use std::collections::BTreeMap;

/// So many purchases a second, for so long.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) per_second: u64,
    pub(super) seconds: u64,
}

/// The gateway at an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) at_us: u64,
    pub(super) cpu_us: u64,
    pub(super) rss_kib: u64,
}

/// A merchant waits no longer: what is answered later is no goodput.
pub(super) const PATIENCE_US: u64 = 2_000_000;

/// What came of a phase. All times count from the instant at which a request was due.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Purchases that were due in a second.
    pub offered_per_second: u64,
    /// How long it was.
    pub seconds: u64,
    /// Approved or declined within the merchant's patience, in a second.
    pub goodput_per_second: u64,
    /// Approved or declined within the merchant's patience.
    pub in_time: u64,
    /// Approved or declined later.
    pub too_late: u64,
    /// Accepted, and its outcome not known when it was answered.
    pub pending: u64,
    /// Refused, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Not answered.
    pub unanswered: u64,
    /// Of what was approved or declined: until the answer was there, in microseconds.
    pub total_us: Percentiles,
    /// Of what was approved or declined: the total less the time that the bank had it.
    pub own_us: Percentiles,
    /// Of what was refused: until that was known.
    pub refusal_us: Percentiles,
    /// How late the load generator itself was for 99 of 100.
    pub sent_late_us: u64,
    /// The gateway's processor time.
    pub cpu_us: u64,
    /// The gateway's memory, the most seen.
    pub rss_kib: u64,
    /// The p99 of the total, second by second.
    pub p99_by_second_us: Vec<u64>,
}

impl Step {
    pub(super) fn of<'a>(
        phase: &Phase,
        from_us: u64,
        ends: impl Iterator<Item = (&'a End, Option<&'a Told>)>,
        host_us: &BTreeMap<String, u64>,
    ) -> Self {
        let mut step = Self {
            name: phase.name.clone(),
            offered_per_second: phase.per_second,
            seconds: phase.seconds,
            ..Self::default()
        };
        let (mut totals, mut own, mut refusals, mut late) = (vec![], vec![], vec![], vec![]);
        let mut by_second: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (end, told) in ends {
            late.push(end.sent_us.saturating_sub(end.due_us));
            let total = end.done_us.saturating_sub(end.due_us);
            match told {
                Some(told) if told.is_final() => {
                    let count =
                        if total <= PATIENCE_US { &mut step.in_time } else { &mut step.too_late };
                    *count = count.saturating_add(1);
                    totals.push(total);
                    let second = end.due_us.saturating_sub(from_us) / 1_000_000;
                    by_second.entry(second).or_default().push(total);
                    let host = told.rrn.as_ref().and_then(|rrn| host_us.get(rrn));
                    own.extend(host.map(|host| total.saturating_sub(*host)));
                }
                Some(_) => step.pending = step.pending.saturating_add(1),
                None if end.status == 0 => step.unanswered = step.unanswered.saturating_add(1),
                None => {
                    refusals.push(total);
                    let count = step.refused.entry(end.status).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
        step.goodput_per_second = step.in_time.checked_div(phase.seconds).unwrap_or(0);
        step.total_us = percentiles(totals);
        step.own_us = percentiles(own);
        step.refusal_us = percentiles(refusals);
        step.sent_late_us = percentiles(late).p99;
        let seconds = 0..phase.seconds;
        let of_second = |second| percentiles(by_second.remove(&second).unwrap_or_default()).p99;
        step.p99_by_second_us = seconds.map(of_second).collect();
        step
    }

    /// Adds what the gateway used and held meanwhile.
    pub(super) fn footprint(&mut self, from_us: u64, to_us: u64, samples: &[Sample]) {
        let at = |wanted: u64| samples.iter().min_by_key(|it| it.at_us.abs_diff(wanted));
        if let (Some(first), Some(last)) = (at(from_us), at(to_us)) {
            self.cpu_us = last.cpu_us.saturating_sub(first.cpu_us);
        }
        let within = samples.iter().filter(|it| (from_us..to_us).contains(&it.at_us));
        self.rss_kib = within.map(|it| it.rss_kib).max().unwrap_or(0);
    }

    /// How many were refused.
    pub(super) fn refusals(&self) -> u64 {
        self.refused.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many were accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.in_time.saturating_add(self.too_late).saturating_add(self.pending)
    }
}

fn percentiles(mut values: Vec<u64>) -> Percentiles {
    values.sort_unstable();
    Percentiles::of(&values)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;

    fn end(due_us: u64, took_us: u64, status: u16) -> End {
        let done_us = due_us + took_us;
        End { due_us, sent_us: due_us + 10, done_us, status, body: Vec::new() }
    }

    fn told(result: &str, rrn: &str) -> Told {
        let text = format!(
            r#"{{"id":"1","result":"{result}","order_id":"o","amount":{{"minor":1,"currency":"EUR"}},
            "card":{{"bin":"400000","last4":"0002"}},"rrn":"{rrn}","version":1}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_comes_too_late_or_is_refused_is_no_goodput() {
        let phase = Phase { name: "x".into(), per_second: 4, seconds: 2 };
        let tolds = [told("approved", "a"), told("declined", "b"), told("pending", "c")];
        let ends = [
            (end(1_000_000, 9_000, 201), Some(&tolds[0])),
            (end(2_000_000, 3_000_000, 201), Some(&tolds[1])),
            (end(2_100_000, 5_000, 202), Some(&tolds[2])),
            (end(2_200_000, 700, 503), None),
            (end(2_300_000, 0, 0), None),
        ];
        let host = BTreeMap::from([("a".to_owned(), 6_000)]);
        let ends = ends.iter().map(|(end, told)| (end, *told));
        let mut step = Step::of(&phase, 1_000_000, ends, &host);
        assert_eq!((step.in_time, step.too_late, step.pending, step.unanswered), (1, 1, 1, 1));
        assert_eq!((step.refusals(), step.accepted(), step.refusal_us.p50), (1, 3, 700));
        assert_eq!((step.own_us.p99, step.sent_late_us), (3_000, 10));
        assert_eq!(step.p99_by_second_us, [9_000, 3_000_000]);
        let sample = |at_us, cpu_us, rss_kib| Sample { at_us, cpu_us, rss_kib };
        let samples = [sample(990_000, 50, 7), sample(2_000_000, 90, 9), sample(3_010_000, 250, 8)];
        step.footprint(1_000_000, 3_000_000, &samples);
        assert_eq!((step.cpu_us, step.rss_kib), (200, 9));
    }
}
