//! What operators do to a gateway while merchants pay: they reload it and restart it, and nobody may
//! notice.

use crate::checker::Violation;
use crate::checker::evidence::Evidence;
use crate::gateway::second::Turn;
use crate::history::{Act, ClientEvent, Phase};
use crate::world::World;
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// How often operators do what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upheaval {
    /// Reloads of the configuration.
    pub reloads: u64,
    /// Orderly stops, each with a start.
    pub restarts: u64,
}

/// Reloads in turns, spread over the payments, while payments are made. Returns how often.
/// # Errors
/// If a sound configuration was refused.
pub async fn reload_now_and_then(
    world: Arc<World>,
    wanted: u64,
    payments: u64,
    mut done: watch::Receiver<u64>,
) -> anyhow::Result<u64> {
    let mut turn = Turn::First;
    for index in 0..wanted {
        if done.wait_for(|done| *done >= due(index, wanted, payments)).await.is_err() {
            return Ok(index);
        }
        turn = turn.other();
        // The lock keeps the gateway from being killed or stopped meanwhile.
        let gateway = world.gateway.lock().await;
        gateway.take_turn(turn).await.with_context(|| format!("reload {index}"))?;
    }
    Ok(wanted)
}

/// Stops the gateway in order and starts it again, spread over the payments. Returns how often.
/// # Errors
/// If it does not stop or start as it should.
pub async fn restart_now_and_then(
    world: Arc<World>,
    wanted: u64,
    payments: u64,
    mut done: watch::Receiver<u64>,
) -> anyhow::Result<u64> {
    for index in 0..wanted {
        let due = due(index, wanted, payments);
        if done.wait_for(|done| *done >= due).await.is_err() {
            return Ok(index);
        }
        world.restart_gateway().await.with_context(|| format!("restart {index}"))?;
    }
    Ok(wanted)
}

/// After how many payments the next of so many upheavals is due: the last well before the end.
fn due(index: u64, wanted: u64, payments: u64) -> u64 {
    let share = u128::from(payments) * u128::from(index) / u128::from(wanted.saturating_add(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// R1: a reload fails nobody: every sending is answered, and none is told to come again, except for a
/// card whose reversal goes first. R2: over a
/// restart, whoever hears nothing was not accepted, and who is told to come again is told when. Only
/// where nothing else happened to the gateway and its lines.
pub fn check(evidence: &Evidence, did: Upheaval) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut found = |invariant, event: &ClientEvent, found: String| {
        let about = format!("payment {}", event.op);
        violations.push(Violation { invariant, about, found });
    };
    let held = cards_in_doubt(evidence);
    for event in &evidence.history {
        let note = event.note.as_deref().unwrap_or_default();
        if note == NO_RETRY_AFTER {
            found("R2", event, NO_RETRY_AFTER.to_owned());
        }
        let unanswered = event.phase == Phase::Info;
        let put_off = matches!(event.status, Some(429 | 503)) && !held.contains(&event.op);
        if did.restarts == 0 && (unanswered || put_off) {
            found("R1", event, format!("{:?} {:?}: {note}", event.act, event.status));
        }
    }
    if did.restarts > 0 {
        for (event, record) in lost_after_acceptance(evidence) {
            found("R2", event, format!("accepted at record {record}, and no answer came"));
        }
    }
    let mappings: BTreeSet<String> =
        evidence.journal.iter().filter_map(|record| record.find("mapping")).collect();
    // The first host's has two editions.
    let in_use = evidence.layout.hosts.len().saturating_add(1);
    if did.reloads >= 4 && mappings.len() != in_use {
        let found =
            format!("payments began with {} mappings, {in_use} were in use", mappings.len());
        violations.push(Violation { invariant: "R1", about: "the journal".to_owned(), found });
    }
    violations
}

/// The payments by cards of which one was in doubt or given back: a new one waits until the reversal has
/// left.
fn cards_in_doubt(evidence: &Evidence) -> BTreeSet<u64> {
    let history = &evidence.history;
    let asked = || history.iter().filter_map(|event| Some((event.op, &event.asked.as_ref()?.card)));
    let doubtful: BTreeSet<u64> = history
        .iter()
        .filter(|event| {
            let told = event.told.as_ref();
            told.is_some_and(|told| matches!(told.result.as_str(), "pending" | "reversed"))
        })
        .map(|event| event.op)
        .collect();
    let cards: BTreeSet<&String> =
        asked().filter(|(op, _)| doubtful.contains(op)).map(|(_, card)| card).collect();
    asked().filter(|(_, card)| cards.contains(card)).map(|(op, _)| op).collect()
}

/// What a merchant notes of a 503 that does not say when to come again.
pub const NO_RETRY_AFTER: &str = "503 without Retry-After";

/// Sendings without an answer during which the payment was accepted, unless another sending of the
/// same payment was under way at that instant. (A payment that the gateway killed by an operator had
/// accepted is another matter.)
fn lost_after_acceptance(evidence: &Evidence) -> Vec<(&ClientEvent, u64)> {
    let mut accepted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for record in evidence.journal.iter().filter(|record| record.kind == "accepted") {
        let since = record.at_us.saturating_sub(evidence.began_wall_us);
        if let (Some(key), Ok(at_us)) = (record.find("idempotency_key"), u64::try_from(since)) {
            accepted.insert(key, (at_us, record.sequence));
        }
    }
    let paying = |event: &&ClientEvent| matches!(event.act, Act::Pay | Act::Retry);
    let ends = || evidence.history.iter().filter(paying).filter(|it| it.sent_us.is_some());
    // Not by order: what follows a payment bears its order too.
    let keys: BTreeMap<u64, &str> = evidence
        .history
        .iter()
        .filter_map(|event| Some((event.op, event.asked.as_ref()?.key.as_str())))
        .collect();
    let within = |event: &ClientEvent, at_us: u64| {
        event.sent_us.is_some_and(|sent_us| (sent_us..=event.at_us).contains(&at_us))
    };
    let lost = ends().filter(|event| event.phase == Phase::Info).filter_map(|event| {
        let (at_us, record) = *accepted.get(*keys.get(&event.op)?)?;
        let others = ends().filter(|other| other.op == event.op && !std::ptr::eq(*other, event));
        let alone = others.clone().all(|other| !within(other, at_us));
        (within(event, at_us) && alone).then_some((event, record))
    });
    lost.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::checker::evidence::JournalRecord;
    use crate::history::Asked;

    fn event(op: u64, phase: Phase, sent_us: Option<u64>, at_us: u64) -> ClientEvent {
        let asked = Asked {
            operation: crate::operation::Operation::default(),
            original: None,
            key: format!("k{op}"),
            order_id: format!("o{op}"),
            minor: 1,
            currency: "EUR".into(),
            card: "c".into(),
            expiry: "2030-12".into(),
            terminal: "t".into(),
            acceptor: "a".into(),
        };
        ClientEvent {
            at_us,
            op,
            act: Act::Pay,
            phase,
            merchant: "m".into(),
            sent_us,
            asked: sent_us.is_none().then_some(asked),
            status: None,
            told: None,
            note: None,
        }
    }

    /// A payment that was lost between 10 and 20, and its retry, answered between 30 and 40; accepted
    /// at the given instant.
    fn lost_and_retried(accepted_us: u64) -> Evidence {
        let history = vec![
            event(1, Phase::Invoke, None, 10),
            event(1, Phase::Info, Some(10), 20),
            event(1, Phase::Invoke, None, 30),
            event(1, Phase::Ok, Some(30), 40),
        ];
        let at = format!("1970-01-01T00:00:00.{accepted_us:06}Z");
        let record = serde_json::json!({
            "sequence": 7, "at": at, "kind": "accepted", "payment": "p", "order_id": "o1",
            "idempotency_key": "k1",
        });
        let journal = JournalRecord::read_all(&record.to_string()).unwrap();
        Evidence { history, journal, ..Evidence::default() }
    }

    #[test]
    fn an_accepted_payment_whose_answer_a_restart_lost_is_found() {
        let restarts = Upheaval { reloads: 0, restarts: 1 };
        let violations = check(&lost_and_retried(15), restarts);
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations.iter().all(|violation| violation.invariant == "R2"));
        assert_eq!(check(&lost_and_retried(35), restarts), []);
    }

    #[test]
    fn what_was_accepted_of_the_same_order_meanwhile_is_not_taken_for_it() {
        let mut evidence = lost_and_retried(35);
        let of_a_void = serde_json::json!({
            "sequence": 8, "at": "1970-01-01T00:00:00.000015Z", "kind": "accepted", "payment": "v",
            "order_id": "o1", "idempotency_key": "k1-1",
        });
        evidence.journal.extend(JournalRecord::read_all(&of_a_void.to_string()).unwrap());
        assert_eq!(check(&evidence, Upheaval { reloads: 0, restarts: 1 }), []);
    }

    #[test]
    fn an_unanswered_sending_during_reloads_is_found() {
        let violations = check(&lost_and_retried(35), Upheaval { reloads: 1, restarts: 0 });
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations.iter().all(|violation| violation.invariant == "R1"));
    }

    #[test]
    fn the_last_upheaval_is_due_before_the_last_payment() {
        assert_eq!((due(0, 4, 100), due(3, 4, 100)), (0, 60));
    }
}
