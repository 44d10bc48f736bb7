//! How payments are shown to the bank's staff: amounts with their point, times with their zone, cards by
//! their ends.

use serde_json::{Value, json};
use tidegate_payment::money::{Currency, Money};
use tidegate_payment::payment::{PendingReason, Verdict, View};
use tidegate_payment::time::Timestamp;

/// An amount as people write it.
pub(super) fn amount(minor: i64, currency: &str) -> String {
    match Currency::from_alphabetic(currency) {
        Ok(currency) => Money { minor, currency }.to_string(),
        Err(_) => format!("{minor} minor units of {currency}"),
    }
}

/// A time, as RFC 3339 writes it.
pub(super) fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}

/// A payment as the bank's staff may see it.
pub(super) fn payment(view: &View) -> Value {
    let (result, reason) = match view.verdict {
        Verdict::Approved => ("approved", None),
        Verdict::Reversed => ("reversed", None),
        Verdict::Declined(reason) => ("declined", Some(format!("{reason:?}"))),
        Verdict::Pending(PendingReason::InProgress) => ("pending", Some("in_progress".to_owned())),
        Verdict::Pending(PendingReason::HostTimeout) => {
            ("pending", Some("host_timeout".to_owned()))
        }
        Verdict::Pending(PendingReason::AwaitingHost) => {
            ("pending", Some("awaiting_host".to_owned()))
        }
        Verdict::Pending(PendingReason::UnderReview) => {
            ("pending", Some("under_review".to_owned()))
        }
    };
    let request = &view.request;
    let fields = view.fields.as_ref();
    let sums = view.follow_ups;
    let currency = request.amount.currency;
    let sum = |minor| (minor != 0).then(|| Money { minor, currency }.to_string());
    json!({
        "id": view.id.to_string(),
        "merchant": request.merchant.as_str(),
        "operation": request.operation.name(),
        "original": request.original.map(|original| original.to_string()),
        "order_id": request.order.as_str(),
        "amount": request.amount.to_string(),
        "card": format!("{}…{}", request.card.bin, request.card.last4),
        "result": result,
        "reason": reason,
        "approved": view.approved.map(|approved| approved.to_string()),
        "captured": sum(sums.captured),
        "captures_reserved": sum(sums.captures_reserved),
        "refunded": sum(sums.refunded),
        "refunds_reserved": sum(sums.refunds_reserved),
        "voided": sums.voided,
        "host": fields.map(|fields| fields.route.host.as_str()),
        "response_code": view.response_code,
        "rrn": fields.map(|fields| fields.rrn.as_str()),
        "stan": fields.map(|fields| fields.stan.to_string()),
        "business_date": fields.map(|fields| fields.business_date.to_string()),
        "accepted_at": rfc3339(view.accepted_at),
        "version": view.version,
    })
}
