//! How doubt was ended: M14 to M16, D8.

use super::Findings;
use super::evidence::Life;
use super::frames::READ_LAG_US;
use super::index::Index;
use crate::bank::capture::{Seen, Sender, WireEvent};
use crate::operation::Silence;
use std::collections::BTreeMap;

/// Codes by which the bank approves.
const APPROVED: &[&str] = &["00", "08", "10", "11"];

/// M14: an approval that the merchant was not told of meets a reversal that the host took, and the
/// journal knows of it unless the gateway or the line died about then.
pub(super) fn late_approvals_reversed(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        let approved = payment.told.iter().any(|(_, told)| told.result == "approved");
        if approved || payment.is_parked() || !payment.is_reversed_after_silence() {
            continue;
        }
        for talk in index.talks_of(payment) {
            let Some(reply) =
                talk.true_replies().find(|reply| APPROVED.contains(&reply.message.get(39)))
            else {
                continue;
            };
            let about = || format!("payment {op}, reference {}", reply.message.get(37));
            let taken = talk.reversal_replies.iter().any(|reply| reply.message.get(39) == "00");
            if talk.reversals.is_empty() {
                findings.push((about(), "approved, not told, never reversed".to_owned()));
            } else if !taken {
                findings.push((about(), "approved, not told, no reversal was taken".to_owned()));
            }
            // A partial approval that the merchant does not take is recorded as the reason of its end.
            let recorded = payment.last().is_some_and(|told| {
                index.records(&told.id).iter().any(|record| match record.kind.as_str() {
                    "late_answer" | "answered" => true,
                    "timed_out" => record.find("why").as_deref() == Some("partial_refused"),
                    _ => false,
                })
            });
            if index.has_journal() && !recorded && was_received(index, reply.event) {
                findings.push((about(), "a late approval is not in the journal".to_owned()));
            }
        }
    }
    findings
}

/// Whether the gateway surely got what the bank sent: neither it nor the connection had ended, or did
/// within the next second.
fn was_received(index: &Index<'_>, sent: &WireEvent) -> bool {
    let until = sent.at_us.saturating_add(1_000_000);
    let survived = |life: &Life| life.started_us <= sent.at_us && life.ended_us > until;
    let closed = index.evidence.wire.iter().any(|event| {
        event.connection == sent.connection && event.seen == Seen::Closed && event.at_us < until
    });
    index.evidence.lives.iter().any(survived) && !closed
}

/// M15: of what the journal calls not sent, no byte was seen.
pub(super) fn not_sent_is_true(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        let Some(told) = payment.last() else { continue };
        let not_sent = index.records(&told.id).iter().any(|record| record.kind == "not_sent");
        let seen = index.talks_of(payment).any(|talk| talk.asking().next().is_some());
        if not_sent && seen {
            let about = format!("payment {op} ({})", told.id);
            findings.push((about, "called not sent, and the host got it".to_owned()));
        }
    }
    findings
}

/// M16: once an answer is durable no time-out reversal goes out; and an advice or an inquiry is never
/// reversed, nor an inquiry or a request asked again.
pub(super) fn answered_not_reversed(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        let Some(told) = payment.last() else { continue };
        let answered = index.records(&told.id).iter().any(|record| record.kind == "answered");
        let final_by_host =
            matches!(told.result.as_str(), "approved" | "declined") && told.response_code.is_some();
        let reversed = index.talks_of(payment).any(|talk| !talk.reversals.is_empty());
        if (answered || final_by_host) && reversed {
            let about = format!("payment {op} ({})", told.id);
            findings.push((about, format!("{} and yet reversed", told.result)));
        }
        let operation = payment.operation();
        let about = || format!("payment {op} ({}), a {}", told.id, operation.name());
        if operation.silence() != Silence::Reversal && reversed {
            findings.push((about(), "was reversed for silence".to_owned()));
        }
        let repeated = index.talks_of(payment).any(|talk| !talk.repeats.is_empty());
        if operation.silence() != Silence::Advice && repeated {
            findings.push((about(), "was repeated after silence".to_owned()));
        }
    }
    findings
}

/// Whether the gateway sent one frame before another: on one connection as the bank read them, on two
/// only if it read them so far apart that it cannot just have been slow to turn to one of them.
fn surely_earlier(one: &WireEvent, other: &WireEvent) -> bool {
    let lag_us = if one.connection == other.connection { 0 } else { READ_LAG_US };
    one.at_us.saturating_add(lag_us) < other.at_us
}

/// D8: what was in doubt at a restart is reversed before anything new for that card is sent.
pub(super) fn restart_reverses_first(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    let mut purchases_by_card: BTreeMap<&str, Vec<(&WireEvent, &str)>> = BTreeMap::new();
    for event in &index.evidence.wire {
        if let Seen::Message(Sender::Gateway, message) = &event.seen
            && ["0100", "0200"].contains(&message.mti.as_str())
        {
            let list = purchases_by_card.entry(message.get(2)).or_default();
            list.push((event, message.get(37)));
        }
    }
    for (op, payment, asked) in index.asked() {
        let Some(told) = payment.last() else { continue };
        let records = index.records(&told.id);
        let kind = |kind: &str| records.iter().find(|record| record.kind == kind);
        let ends =
            ["answered", "not_sent", "timed_out", "advice_repeated", "advice_parked", "lapsed"];
        let outcome = ends.into_iter().find_map(kind);
        if kind("send_intent").is_some() && outcome.is_none() {
            let about = format!("payment {op} ({})", told.id);
            findings.push((about, "its intent has no outcome in the journal".to_owned()));
        }
        let at_restart = kind("timed_out")
            .is_some_and(|record| record.find("why").is_some_and(|why| why == "restart"));
        let Some(timed_out) = kind("timed_out").filter(|_| at_restart) else { continue };
        let reversal = index.talks_of(payment).flat_map(|talk| &talk.reversals).next();
        let reversed_us = reversal.map_or(u64::MAX, |sighting| sighting.event.at_us);
        let overtook = purchases_by_card.get(asked.card.as_str()).into_iter().flatten().find(
            |(event, reference)| {
                index.wall_us(event.at_us) > timed_out.at_us
                    && reversal.is_none_or(|sighting| surely_earlier(event, sighting.event))
                    && !payment.references.contains(reference)
            },
        );
        // What the gateway had written to a line that the bank closed unread is in no capture.
        let lost_with_a_line = index.evidence.wire.iter().any(|event| {
            event.seen == Seen::Closed
                && index.wall_us(event.at_us) > timed_out.at_us
                && event.at_us < reversed_us
        });
        if let Some((_, reference)) = overtook.filter(|_| !lost_with_a_line) {
            let about = format!("payment {op} ({})", told.id);
            findings
                .push((about, format!("{reference} for its card went out before its reversal")));
        }
    }
    findings
}
