//! The journal for people and for the checker: JSON, one record a line, without card data.
//!
//! Every line has `sequence` (number), `epoch` (number), `at` (RFC 3339, UTC, microseconds), `kind` (the
//! record's name) and, if it is about one, `payment` (UUID). Amounts are `{"minor", "currency"}`; a card is
//! `{"bin", "last4"}`, never more: no sealed number, no hash, no expiry. Absent values are `null`. By kind:
//!
//! | kind | further keys |
//! | --- | --- |
//! | `accepted` | `merchant`, `channel`, `operation`, `idempotency_key`, `nonce`, `nonce_created`, `order_id`, `amount`, `card`, `eci`, `original` (payment id) |
//! | `send_intent` | `host`, `acquirer`, `forwarder`, `dialect` and `mapping` (SHA-256, hex), `category`, `terminal`, `acceptor`, `name_location`, `stan`, `rrn`, `transmitted`, `local` (`MMDDhhmmss`), `business_date`, `silence` (`reversal`, `advice` or `inquiry`) |
//! | `answered`, `late_answer` | `class`, `response_code`, `approval_code`, `amount`, `line`, `balances` (each `kind`, `amount`) |
//! | `not_sent`, `timed_out`, `reversal_parked`, `advice_parked`, `lapsed` | `why` |
//! | `reversal_due` | none |
//! | `reversal_repeated`, `advice_repeated` | `attempt` |
//! | `reversal_answered` | `verdict`, `response_code`, `line` |
//! | `reversed` | `suspect` |
//! | `case_retried` | `by`, `reason` |
//! | `case_closed` | `resolution`, `by`, `reason` |
//! | `close_proposed` | `resolution`, `by`, `reason` |
//! | `deferred`, `advice_refused` | `response_code`, `line` |
//! | `repeat_abandoned` | none |
//! | `date_moved` | `business_date` |
//! | `leased` | `space` (`stan` or `rrn`), `host` (`stan` only), `first`, `count` |

use super::StoreError;
use super::journal::disk::Folder;
use super::journal::frame::Place;
use super::journal::scan::scan;
use super::ledger::LedgerError;
use super::record_code;
use super::recovery::{Paths, stop};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use tidegate_payment::durable::Sequence;
use tidegate_payment::id::LineId;
use tidegate_payment::money::{Balance, Money};
use tidegate_payment::record::{
    AnswerClass, Block, HostAnswer, NotSentReason, ParkReason, Record, Resolution, ReversalVerdict,
    SilenceReason,
};
use tidegate_payment::request::{HostFields, Request};
use tidegate_payment::time::Timestamp;

/// Writes every record of the journal in `folder` to `out`, one JSON object a line. Changes nothing and
/// may be used beside a running gateway. Gives back the last sequence written.
///
/// # Errors
/// [`StoreError::Damaged`] at the first damage, or what kept it from being read or written; what was
/// written until then is right.
pub fn export(folder: &Path, out: &mut impl Write) -> Result<Sequence, StoreError> {
    let paths = Paths::of(folder);
    let disk = Folder::look(&paths.journal, &paths.archive);
    let tail = scan(&disk, Place::START, |epoch, raw| -> Result<(), StoreError> {
        let record = record_code::decode(raw.kind, raw.version, raw.body);
        let line = masked(&record.map_err(LedgerError::from)?, raw.sequence, epoch);
        writeln!(out, "{line}").map_err(StoreError::file("write the export"))
    })
    .map_err(stop)?;
    out.flush().map_err(StoreError::file("write the export"))?;
    Ok(tail.place.last)
}

/// A record as a JSON object without card data; the keys are those of the module's table. An epoch of 0
/// stands for "not known" and is left out.
pub fn masked(record: &Record, sequence: Sequence, epoch: u32) -> Value {
    let mut object = Map::new();
    object.insert("sequence".into(), sequence.0.into());
    if epoch > 0 {
        object.insert("epoch".into(), epoch.into());
    }
    object.insert("at".into(), rfc3339(record.at()));
    object.insert("kind".into(), record.name().into());
    if let Some(id) = record.payment() {
        object.insert("payment".into(), id.to_string().into());
    }
    if let Value::Object(further) = further(record) {
        object.extend(further);
    }
    Value::Object(object)
}

fn further(record: &Record) -> Value {
    match record {
        Record::Accepted(accepted) => request(&accepted.request),
        Record::SendIntent(intent) => fields(&intent.fields),
        Record::NotSent(not_sent) => json!({ "why": not_sent_name(not_sent.why) }),
        Record::Answered(answered) | Record::LateAnswer(answered) => answer(&answered.answer),
        Record::TimedOut(timed_out) => json!({ "why": silence_name(timed_out.why) }),
        Record::ReversalDue(_) | Record::RepeatAbandoned(_) => Value::Null,
        Record::Deferred(deferred) => refused(&deferred.response_code, &deferred.line),
        Record::AdviceRefused(answer) => refused(&answer.response_code, &answer.line),
        Record::ReversalRepeated(repeated) => json!({ "attempt": repeated.attempt }),
        Record::AdviceRepeated(repeated) => json!({ "attempt": repeated.attempt }),
        Record::AdviceParked(parked) => json!({ "why": park_name(parked.why) }),
        Record::Lapsed(lapsed) => json!({ "why": silence_name(lapsed.why) }),
        Record::ReversalAnswered(answered) => json!({
            "verdict": verdict_name(answered.verdict),
            "response_code": answered.response_code,
            "line": answered.line.as_str(),
        }),
        Record::Reversed(reversed) => json!({ "suspect": reversed.suspect }),
        Record::ReversalParked(parked) => json!({ "why": park_name(parked.why) }),
        Record::CaseRetried(retried) => json!({ "by": retried.by, "reason": retried.reason }),
        Record::CaseClosed(closed) => json!({
            "resolution": resolution_name(closed.resolution),
            "by": closed.by,
            "reason": closed.reason,
        }),
        Record::CloseProposed(proposed) => json!({
            "resolution": resolution_name(proposed.resolution),
            "by": proposed.by,
            "reason": proposed.reason,
        }),
        Record::DateMoved(moved) => json!({ "business_date": moved.date.to_string() }),
        Record::Leased(leased) => match &leased.block {
            Block::Stan { host, first, count } => {
                let (host, first) = (host.as_str(), first.number());
                json!({ "space": "stan", "host": host, "first": first, "count": count })
            }
            Block::Rrn { first, count } => {
                json!({ "space": "rrn", "first": first, "count": count })
            }
        },
    }
}

/// A response code by which the host took nothing.
fn refused(response_code: &str, line: &LineId) -> Value {
    json!({ "response_code": response_code, "line": line.as_str() })
}

fn request(request: &Request) -> Value {
    json!({
        "merchant": request.merchant.as_str(),
        "channel": request.channel.as_str(),
        "operation": request.operation.name(),
        "idempotency_key": request.key.as_str(),
        "nonce": request.freshness.nonce.as_str(),
        "nonce_created": rfc3339(request.freshness.created),
        "order_id": request.order.as_str(),
        "amount": money(request.amount),
        "card": { "bin": request.card.bin, "last4": request.card.last4 },
        "eci": request.eci.as_ref().map(|eci| eci.as_str()),
        "original": request.original.map(|original| original.to_string()),
    })
}

fn fields(fields: &HostFields) -> Value {
    let (route, acceptor, local) = (&fields.route, &fields.acceptor, fields.local);
    let local = format!(
        "{:02}{:02}{:02}{:02}{:02}",
        local.month, local.day, local.hour, local.minute, local.second
    );
    json!({
        "host": route.host.as_str(),
        "acquirer": route.acquirer,
        "forwarder": route.forwarder,
        "dialect": HEXLOWER.encode(&route.definitions.dialect),
        "mapping": HEXLOWER.encode(&route.definitions.mapping),
        "category": acceptor.category,
        "terminal": acceptor.terminal.as_str(),
        "acceptor": acceptor.number,
        "name_location": acceptor.name_location,
        "stan": fields.stan.to_string(),
        "rrn": fields.rrn.as_str(),
        "transmitted": rfc3339(fields.transmitted),
        "local": local,
        "business_date": fields.business_date.to_string(),
        "silence": route.silence.name(),
    })
}

fn answer(answer: &HostAnswer) -> Value {
    json!({
        "class": class_name(answer.class),
        "response_code": answer.response_code,
        "approval_code": answer.approval_code,
        "amount": money(answer.amount),
        "line": answer.line.as_str(),
        "balances": answer.balances.iter().map(balance).collect::<Vec<_>>(),
    })
}

fn balance(balance: &Balance) -> Value {
    json!({ "kind": balance.kind.name(), "amount": money(balance.amount) })
}

fn money(money: Money) -> Value {
    json!({ "minor": money.minor, "currency": money.currency.alphabetic() })
}

/// A time of RFC 3339; one outside of jiff's years (±9999) is shown in microseconds since 1970.
pub(super) fn rfc3339(at: Timestamp) -> Value {
    match jiff::Timestamp::from_microsecond(at.0) {
        Ok(time) => format!("{time:.6}").into(),
        Err(_) => at.0.into(),
    }
}

fn not_sent_name(why: NotSentReason) -> &'static str {
    match why {
        NotSentReason::NoLine => "no_line",
        NotSentReason::QueueFull => "queue_full",
        NotSentReason::Overdue => "overdue",
        NotSentReason::EncodeFailed => "encode_failed",
    }
}

fn silence_name(why: SilenceReason) -> &'static str {
    match why {
        SilenceReason::Deadline => "deadline",
        SilenceReason::Restart => "restart",
        SilenceReason::PartialRefused => "partial_refused",
    }
}

fn class_name(class: AnswerClass) -> &'static str {
    match class {
        AnswerClass::Approved => "approved",
        AnswerClass::Partial => "partial",
        AnswerClass::Declined => "declined",
        AnswerClass::PickUp => "pick_up",
    }
}

fn verdict_name(verdict: ReversalVerdict) -> &'static str {
    match verdict {
        ReversalVerdict::Accepted => "accepted",
        ReversalVerdict::UnknownOriginal => "unknown_original",
        ReversalVerdict::Refused => "refused",
    }
}

fn park_name(why: ParkReason) -> &'static str {
    match why {
        ParkReason::Refused => "refused",
        ParkReason::Exhausted => "exhausted",
    }
}

fn resolution_name(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Reversed => "reversed",
        Resolution::DeclinedNeverPosted => "declined_never_posted",
        Resolution::Posted => "posted",
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use crate::store::samples;

    #[test]
    fn no_line_shows_more_of_a_card_than_bin_and_last_four() {
        for record in samples::every_kind() {
            let line = masked(&record, Sequence(5), 2).to_string();
            for secret in ["c5c5", "abab", "197,197", "171,171", "2029", "sealed", "hash"] {
                assert!(!line.contains(secret), "{secret} in {line}");
            }
        }
    }

    #[test]
    fn an_accepted_request_is_shown_with_its_documented_keys() {
        let line = masked(&samples::accepted(7), Sequence(5), 2);
        let expected = json!({
            "sequence": 5, "epoch": 2, "at": "2026-11-22T12:00:07.000000Z", "kind": "accepted",
            "payment": samples::id(7).to_string(), "merchant": "m-1001", "channel": "rest",
            "operation": "purchase", "idempotency_key": "key-7", "nonce": "nonce-0007",
            "nonce_created": "2026-11-22T12:00:07.000000Z", "order_id": "A-7",
            "amount": { "minor": 1234, "currency": "EUR" },
            "card": { "bin": "400000", "last4": "0002" }, "eci": "05",
            "original": null,
        });
        assert_eq!(line, expected);
    }
}
