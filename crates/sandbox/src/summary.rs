//! What a run comes to: counts, the gateway's own delay, its processor time, the verdict.

use crate::bank::fault::Fault;
use crate::checker::evidence::Evidence;
use crate::checker::index::Index;
use crate::checker::{INVARIANTS, Violation};
use crate::drain::Ending;
use crate::footprint::Footprint;
use crate::history::{Act, ClientEvent, Phase};
use crate::load::Load;
use crate::meanwhile::Happened;
use crate::proxy::Counts;
use crate::screen::Screen;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Percentiles of a delay, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half are no longer.
    pub p50: u64,
    /// 99 of 100 are no longer.
    pub p99: u64,
    /// 999 of 1000 are no longer.
    pub p999: u64,
}

/// The one JSON object on the last line.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// All payments; the sum of the next six.
    pub payments: u64,
    /// Told as approved.
    pub approved: u64,
    /// Told as declined.
    pub declined: u64,
    /// Told as reversed.
    pub reversed: u64,
    /// Not accepted.
    pub refused: u64,
    /// Waiting for a person.
    pub parked: u64,
    /// Neither final nor parked after the drain.
    pub pending: u64,
    /// Reversed, and yet to be cleared by reconciliation.
    pub suspect: u64,
    /// How the payments ended, by operation.
    pub operations: BTreeMap<&'static str, BTreeMap<Ending, u64>>,
    /// How many conversations each host had: requests and advices, with all that followed for silence.
    pub hosts: BTreeMap<String, u64>,
    /// How many violations the checker found.
    pub violations: u64,
    /// How many, by invariant.
    pub by_invariant: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub found: Vec<Violation>,
    /// Payments a second, from the first sending to the last answer.
    pub tps: u64,
    /// The gateway's own delay: from sending to answer, less the time between the bank's reading the
    /// request and its writing the reply. Payments answered at the first sending alone.
    pub own_delay_us: Percentiles,
    /// How many payments that was measured on.
    pub own_delay_payments: u64,
    /// Processor time of the gateway, all its lives together, by payments.
    pub gateway_cpu_us_per_payment: u64,
    /// How often the gateway was killed.
    pub kills: u64,
    /// How often its configuration was reloaded while payments were made.
    pub reloads: u64,
    /// How often it was stopped in order and started again meanwhile.
    pub restarts: u64,
    /// How often it ended by itself and was started again; such an end counts as a kill too.
    pub own_ends: u64,
    /// How often the wall clock jumped.
    pub clock_jumps: usize,
    /// What the gateway held after the drain.
    pub footprint: Footprint,
    /// What the proxy before the bank did.
    pub proxied: Counts,
    /// Sendings that got no answer.
    pub unanswered: u64,
    /// Sendings that were answered 429 or 503: come again.
    pub busy: u64,
    /// The seed.
    pub seed: u64,
    /// The faults.
    pub faults: Vec<Fault>,
    /// How long the load took, in milliseconds.
    pub load_ms: u64,
    /// How long everything took, in seconds.
    pub seconds: u64,
}

/// What is not in the evidence.
pub struct Measured {
    /// The seed.
    pub seed: u64,
    /// The faults.
    pub faults: Vec<Fault>,
    /// How long the load took.
    pub load: Duration,
    /// How long everything took.
    pub whole: Duration,
    /// The gateway's processor time.
    pub cpu_us: u64,
    /// What happened to the gateway meanwhile.
    pub happened: Happened,
    /// How the payments ended, by operation.
    pub operations: BTreeMap<&'static str, BTreeMap<Ending, u64>>,
}

/// How the payments of a load ended, by operation.
pub fn by_operation(
    load: &Load,
    endings: &[Ending],
) -> BTreeMap<&'static str, BTreeMap<Ending, u64>> {
    let mut counts: BTreeMap<_, BTreeMap<Ending, u64>> = BTreeMap::new();
    for (end, ending) in load.ends.iter().zip(endings) {
        let count =
            counts.entry(end.order.operation.name()).or_default().entry(*ending).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

/// How many violations are shown in full.
const VIOLATIONS_SHOWN: usize = 20;

impl Summary {
    /// Sums up.
    pub fn of(
        endings: &[Ending],
        evidence: &Evidence,
        violations: &[Violation],
        measured: Measured,
    ) -> Self {
        let count = |wanted| number(endings.iter().filter(|ending| **ending == wanted).count());
        let payments = number(endings.len());
        let happened = measured.happened;
        let mut delays = own_delays(evidence);
        delays.sort_unstable();
        let load_us = crate::clock::micros(measured.load).max(1);
        let per_payment = measured.cpu_us.checked_div(payments).unwrap_or(0);
        Self {
            payments,
            approved: count(Ending::Approved),
            declined: count(Ending::Declined),
            reversed: count(Ending::Reversed),
            refused: count(Ending::Refused),
            parked: count(Ending::Parked),
            pending: count(Ending::Pending),
            suspect: number(suspects(evidence)),
            operations: measured.operations,
            hosts: by_host(evidence),
            violations: number(violations.len()),
            by_invariant: by_invariant(violations),
            found: violations.iter().take(VIOLATIONS_SHOWN).cloned().collect(),
            tps: payments.saturating_mul(1_000_000).checked_div(load_us).unwrap_or(0),
            own_delay_us: Percentiles::of(&delays),
            own_delay_payments: number(delays.len()),
            gateway_cpu_us_per_payment: per_payment,
            kills: number(evidence.lives.iter().filter(|life| life.killed).count()),
            reloads: happened.did.reloads,
            restarts: happened.did.restarts,
            own_ends: happened.own_ends,
            clock_jumps: happened.jumps.count(),
            footprint: happened.footprint,
            proxied: happened.proxied,
            unanswered: sendings(evidence, |event| event.phase == Phase::Info),
            busy: sendings(evidence, |event| matches!(event.status, Some(429 | 503))),
            seed: measured.seed,
            faults: measured.faults,
            load_ms: load_us.checked_div(1000).unwrap_or(0),
            seconds: measured.whole.as_secs(),
        }
    }

    /// The figures and the verdict, for people.
    pub fn tell(&self, screen: Screen) {
        let Self { payments, approved, declined, reversed, refused, parked, pending, .. } = self;
        screen.line(&format!(
            "  {payments} payments: {approved} approved, {declined} declined, {reversed} reversed, \
             {refused} refused, {parked} with a person, {pending} pending ({} suspect)",
            self.suspect
        ));
        for (operation, endings) in &self.operations {
            let endings: Vec<String> = endings
                .iter()
                .map(|(ending, count)| format!("{count} {}", ending.name()))
                .collect();
            screen.line(&format!("    {:<20}{}", operation.replace('_', " "), endings.join(", ")));
        }
        if self.hosts.len() > 1 {
            let hosts: Vec<String> =
                self.hosts.iter().map(|(host, count)| format!("{host} {count}")).collect();
            screen.line(&format!("  conversations by host: {}", hosts.join(", ")));
        }
        let delay = self.own_delay_us;
        screen.line(&format!(
            "  the gateway's own delay: {} us for half of them, {} us for 99 of 100, {} us for 999 of \
             1000 ({} payments measured)",
            delay.p50, delay.p99, delay.p999, self.own_delay_payments
        ));
        screen.line(&format!(
            "  {} payments a second, {} us of processor time each; killed {} times; {} s in all",
            self.tps, self.gateway_cpu_us_per_payment, self.kills, self.seconds
        ));
        if self.proxied.frames > 0 {
            let treated: Vec<String> = self
                .proxied
                .treated
                .iter()
                .map(|(fault, count)| format!("{count} {fault}"))
                .collect();
            screen.line(&format!(
                "  {} frames through the proxy: {}; {} false replies",
                self.proxied.frames,
                treated.join(", "),
                self.proxied.lies
            ));
        }
        if self.reloads > 0 || self.restarts > 0 {
            screen.line(&format!(
                "  reloaded {} times, restarted {} times; {} sendings without an answer, {} told to \
                 come again",
                self.reloads, self.restarts, self.unanswered, self.busy
            ));
        }
        let checked = INVARIANTS.len();
        if self.violations == 0 {
            screen.verdict(true, &format!("{checked} invariants checked from outside, all hold"));
        } else {
            let found = format!("{checked} invariants checked, {} violations:", self.violations);
            screen.verdict(false, &found);
            for violation in &self.found {
                screen.line(&format!("    {violation}"));
            }
        }
    }
}

impl Percentiles {
    /// Of values in ascending order; zeroes of none.
    pub fn of(sorted: &[u64]) -> Self {
        let at = |per_mille: usize| {
            let last = sorted.len().saturating_sub(1);
            let place = last.saturating_mul(per_mille).checked_div(1000).unwrap_or(0);
            sorted.get(place).copied().unwrap_or(0)
        };
        Self { p50: at(500), p99: at(990), p999: at(999) }
    }
}

fn by_invariant(violations: &[Violation]) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for violation in violations {
        let count = counts.entry(violation.invariant).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

fn by_host(evidence: &Evidence) -> BTreeMap<String, u64> {
    let hosts = evidence.layout.hosts.iter();
    let mut counts: BTreeMap<String, u64> = hosts.map(|host| (host.name.to_owned(), 0)).collect();
    for talk in Index::of(evidence).talks.values() {
        if let Some(first) = talk.first_seen() {
            let count = counts.entry(first.event.line.host.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }
    counts
}

fn sendings(evidence: &Evidence, counted: impl Fn(&&ClientEvent) -> bool) -> u64 {
    number(evidence.history.iter().filter(counted).count())
}

fn suspects(evidence: &Evidence) -> usize {
    let suspect = |record: &&crate::checker::evidence::JournalRecord| {
        record.kind == "reversed" && record.find("suspect").as_deref() == Some("true")
    };
    evidence.journal.iter().filter(suspect).count()
}

/// The gateway's own delay of each payment that was answered at its first sending by the host's word.
fn own_delays(evidence: &Evidence) -> Vec<u64> {
    let index = Index::of(evidence);
    let mut host_us: BTreeMap<&str, u64> = BTreeMap::new();
    for (reference, talk) in &index.talks {
        if let (Some(request), Some(reply)) = (talk.requests.first(), talk.replies.first()) {
            let time = reply.event.at_us.saturating_sub(request.event.at_us);
            host_us.insert(reference, time);
        }
    }
    let answered = evidence.history.iter().filter_map(|event| {
        let told = event.told.as_ref()?;
        let direct = event.act == Act::Pay && event.phase == Phase::Ok;
        (direct && told.response_code.is_some()).then_some(())?;
        let total = event.at_us.checked_sub(event.sent_us?)?;
        Some(total.saturating_sub(*host_us.get(told.rrn.as_deref()?)?))
    });
    answered.collect()
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<u64> = (1..=1000).collect();
        assert_eq!(Percentiles::of(&sorted), Percentiles { p50: 500, p99: 990, p999: 999 });
        assert_eq!(Percentiles::of(&[7]), Percentiles { p50: 7, p99: 7, p999: 7 });
        assert_eq!(Percentiles::of(&[]), Percentiles::default());
    }

    #[test]
    fn the_counts_add_up_to_the_payments() {
        use Ending::{Approved, Declined, Parked, Pending, Refused, Reversed};
        let endings = [Approved, Approved, Declined, Reversed, Refused, Parked, Pending];
        let measured = Measured {
            seed: 1,
            faults: Vec::new(),
            load: Duration::from_secs(2),
            whole: Duration::from_secs(3),
            cpu_us: 700,
            happened: Happened::default(),
            operations: BTreeMap::new(),
        };
        let summary = Summary::of(&endings, &Evidence::default(), &[], measured);
        let Summary { approved, declined, reversed, refused, parked, pending, .. } = summary;
        assert_eq!(summary.payments, approved + declined + reversed + refused + parked + pending);
        assert_eq!((summary.tps, summary.gateway_cpu_us_per_payment), (3, 100));
    }
}
