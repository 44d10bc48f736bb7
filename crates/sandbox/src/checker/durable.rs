//! What survived: D1 to D4.

use super::Findings;
use super::evidence::JournalRecord;
use super::index::{Index, Sighting};
use crate::history::{Act, Phase, Told};

/// The journal's times are wall times; the sandbox's run on from the wall time of its start, and the
/// wall clock may be slewed meanwhile.
const CLOCK_SLACK_US: i64 = 50_000;

/// How late the bank reads, at most, what a gateway wrote before it was killed.
const LAST_WORDS_US: u64 = 1_000_000;

/// D1: every request on the wire has its intent in the journal, decided before; every reversal too,
/// and each repeat its own record, but that a restart may send an intended attempt once more.
pub(super) fn intent_first(index: &Index<'_>) -> Findings {
    if !index.has_journal() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        let records = payment.last().map_or(&[][..], |told| index.records(&told.id));
        for talk in index.talks_of(payment) {
            for (what, sightings, kinds) in [
                ("a request", &talk.requests, &["send_intent"][..]),
                ("a repeat", &talk.repeats, &["advice_repeated", "case_retried"][..]),
                (
                    "a reversal",
                    &talk.reversals,
                    &["reversal_due", "reversal_repeated", "case_retried"][..],
                ),
            ] {
                for (place, sighting) in sightings.iter().enumerate() {
                    let sent_us =
                        index.wall_us(sighting.event.at_us).saturating_add(CLOCK_SLACK_US);
                    let intents = records
                        .iter()
                        .filter(|record| kinds.contains(&&*record.kind) && record.at_us <= sent_us);
                    let restarts = match what {
                        "a request" => 0,
                        _ => restarts_between(index, sightings.first(), sighting.event.at_us),
                    };
                    if intents.count().saturating_add(restarts) <= place {
                        let about = format!("payment {op}, {}", sighting.message.get(37));
                        let found = format!("{what} was sent without an intent before it");
                        findings.push((about, found));
                    }
                }
            }
        }
    }
    findings
}

fn restarts_between(index: &Index<'_>, first: Option<&Sighting<'_>>, until_us: u64) -> usize {
    // What a killed gateway has written may be read by the bank after the next one was started.
    let first_us = first.map_or(u64::MAX, |sighting| sighting.event.at_us);
    let from_us = first_us.saturating_sub(LAST_WORDS_US);
    let lives = index.evidence.lives.iter();
    lives.filter(|life| (from_us..=until_us).contains(&life.started_us)).count()
}

/// D2: every told outcome is in the journal, decided before it was told.
pub(super) fn outcome_first(index: &Index<'_>) -> Findings {
    if !index.has_journal() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        for (event, told) in &payment.told {
            let told_us = index.wall_us(event.at_us).saturating_add(CLOCK_SLACK_US);
            let kinds = kinds_behind(told);
            let known = index
                .records(&told.id)
                .iter()
                .any(|record| kinds.contains(&&*record.kind) && record.at_us <= told_us);
            if !known {
                let about = format!("payment {op} ({})", told.id);
                let found = format!("told {}; the journal has no {kinds:?} before", told.result);
                findings.push((about, found));
                break;
            }
        }
    }
    findings
}

/// The records of which one must stand behind a told result.
fn kinds_behind(told: &Told) -> &'static [&'static str] {
    match (told.result.as_str(), told.reason.as_deref()) {
        ("approved", _) => &["answered"],
        ("declined", _) if told.response_code.is_some() => &["answered"],
        ("declined", _) => &["not_sent", "lapsed", "case_closed"],
        ("reversed", _) => &["reversed", "case_closed"],
        ("pending", Some("host_timeout")) => &["timed_out"],
        ("pending", Some("awaiting_host")) => &["advice_repeated"],
        ("pending", Some("under_review")) => &["reversal_parked", "advice_parked"],
        _ => &["accepted"],
    }
}

/// D3: a payment that was acknowledged is found ever after.
pub(super) fn nothing_forgotten(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        let Some((acknowledged, told)) = payment.told.first() else { continue };
        let about = || format!("payment {op} ({})", told.id);
        let forgotten = payment.events.iter().any(|event| {
            event.act == Act::Query
                && event.phase == Phase::Fail
                && matches!(event.status, Some(200 | 404))
                && event.sent_us.unwrap_or(0) > acknowledged.at_us
        });
        if forgotten {
            findings.push((about(), "acknowledged, and later not found".to_owned()));
        }
        let accepted = index.records(&told.id).iter().any(|record| record.kind == "accepted");
        if index.has_journal() && !accepted {
            findings.push((about(), "acknowledged, and not in the journal".to_owned()));
        }
    }
    findings
}

/// D4: after another start and stop the journal says the same of every payment.
pub(super) fn recovery_is_idempotent(index: &Index<'_>) -> Findings {
    let Some(again) = &index.evidence.journal_again else { return Vec::new() };
    let first = &index.evidence.journal;
    let about_payments = |records: &[JournalRecord]| -> Vec<(u64, String, String)> {
        let of_payments = records.iter().filter_map(|record| {
            Some((record.sequence, record.kind.clone(), record.payment.clone()?))
        });
        of_payments.collect()
    };
    let (before, after) = (about_payments(first), about_payments(again));
    let mut findings = Vec::new();
    if before.len() > after.len() || before.iter().ne(after.iter().take(before.len())) {
        findings.push(("the journal".to_owned(), "was rewritten by a restart".to_owned()));
    }
    for (sequence, kind, payment) in after.iter().skip(before.len()) {
        let found = format!("record {sequence} ({kind}) was added though nothing was open");
        if !index
            .payments
            .values()
            .any(|p| p.is_parked() && p.last().is_some_and(|t| t.id == *payment))
        {
            findings.push((format!("payment {payment}"), found));
        }
    }
    findings
}
