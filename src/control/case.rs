//! What operators see of a case: why it is one, what the host said, what people did, what they may do.

use crate::store::export;
use crate::store::ledger::TimelineEntry;
use serde_json::{Value, json};
use tidegate_payment::payment::{Payment, State};
use tidegate_payment::record::Record;

/// A case as its payment's records tell it. `state` is `open`, `closed` (by people) or `none`.
pub(super) fn about(timeline: &[TimelineEntry]) -> Value {
    let records: Vec<Record> = timeline.iter().map(|entry| entry.record.clone()).collect();
    let Ok(Some(payment)) = Payment::fold(&records) else { return Value::Null };
    let parked = last(timeline, |record| {
        matches!(record, Record::ReversalParked(_) | Record::AdviceParked(_))
    });
    let said = last(timeline, |record| {
        matches!(
            record,
            Record::ReversalAnswered(_)
                | Record::AdviceRefused(_)
                | Record::Deferred(_)
                | Record::LateAnswer(_)
        )
    });
    let proposed = payment
        .proposal
        .as_ref()
        .and_then(|_| last(timeline, |record| matches!(record, Record::CloseProposed(_))));
    let (state, attempts) = match payment.state {
        State::Parked(parked) => ("open", Some(parked.attempt)),
        State::Closed(_) => ("closed", None),
        _ => ("none", None),
    };
    json!({
        "state": state,
        "what": if payment.is_advice() { "advice" } else { "reversal" },
        "reason": parked.as_ref().map(|parked| parked.get("why")),
        "since": parked.as_ref().map(|parked| parked.get("at")),
        "attempts": attempts,
        "host_said": said,
        "proposed": proposed,
        "operators": operators(timeline),
        "may": may(&payment),
    })
}

/// What can be done about it.
fn may(payment: &Payment) -> Vec<&'static str> {
    let mut acts = Vec::new();
    if payment.is_case() {
        acts.extend(["retry", "close --as reversed", "close --as never-posted"]);
        if payment.is_advice() {
            acts.push(match payment.proposal {
                Some(_) => "close --as posted (another person has proposed it)",
                None => "close --as posted (takes two people)",
            });
        }
    }
    acts
}

fn operators(timeline: &[TimelineEntry]) -> Vec<Value> {
    let acts = timeline.iter().filter(|entry| {
        matches!(
            entry.record,
            Record::CaseRetried(_) | Record::CloseProposed(_) | Record::CaseClosed(_)
        )
    });
    acts.map(shown).collect()
}

fn last(timeline: &[TimelineEntry], wanted: impl Fn(&Record) -> bool) -> Option<Value> {
    timeline.iter().rev().find(|entry| wanted(&entry.record)).map(shown)
}

fn shown(entry: &TimelineEntry) -> Value {
    let mut record = export::masked(&entry.record, entry.sequence, 0);
    if let Some(members) = record.as_object_mut() {
        members.retain(|name, _| name != "payment" && name != "sequence");
    }
    record
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::store::samples;
    use tidegate_payment::durable::Sequence;

    fn timeline(records: Vec<Record>) -> Vec<TimelineEntry> {
        let numbered = (1..).zip(records);
        numbered
            .map(|(number, record)| TimelineEntry { sequence: Sequence(number), record })
            .collect()
    }

    #[test]
    fn a_case_tells_its_reason_its_history_and_what_may_be_done() {
        let mut records = vec![
            samples::accepted(7),
            samples::send_intent(7),
            samples::timed_out(7),
            samples::reversal_due(7),
            samples::reversal_repeated(7, 2),
            samples::parked(7),
        ];
        let open = about(&timeline(records.clone()));
        assert_eq!((&open["state"], &open["reason"]), (&json!("open"), &json!("refused")));
        assert_eq!(open["attempts"], 2);
        assert_eq!(open["may"][0], "retry");
        assert_eq!(open["may"].as_array().map(Vec::len), Some(3), "a reversal is never posted");
        records.push(samples::case_retried(7));
        let retried = about(&timeline(records.clone()));
        assert_eq!((&retried["state"], &retried["may"]), (&json!("none"), &json!([])));
        records.push(samples::parked(7));
        records.push(samples::case_closed(7));
        let closed = about(&timeline(records));
        assert_eq!(closed["state"], "closed");
        let names: Vec<_> = closed["operators"].as_array().into_iter().flatten().collect();
        assert_eq!(names[0]["kind"], "case_retried");
        assert_eq!((&names[1]["kind"], &names[1]["by"]), (&json!("case_closed"), &json!("anna")));
    }
}
