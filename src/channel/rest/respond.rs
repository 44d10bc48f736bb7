//! Respond: an outcome or a refusal becomes JSON, bound to its request and signed.

use super::problem::{Code, Problem};
use super::{RestParts, Screened};
use crate::channel::digest::content_digest;
use crate::channel::signature::Binding;
use crate::edge::seam::Answer;
use crate::keys::jwks;
use data_encoding::BASE64;
use serde::Serialize;
use tidegate_payment::effect::{Refusal, Reply};
use tidegate_payment::money::Money;
use tidegate_payment::payment::{DeclineReason, PendingReason, Verdict, View};
use tidegate_payment::request::Operation;
use tidegate_payment::time::Timestamp;

/// A payment as its merchant sees it. Absent values are null.
#[derive(Serialize)]
struct PaymentBody<'a> {
    id: String,
    operation: &'a str,
    result: &'a str,
    reason: Option<&'a str>,
    will_be_approved: Option<bool>,
    order_id: &'a str,
    amount: AmountBody,
    /// Only when less was approved than asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_amount: Option<AmountBody>,
    /// Of a capture, void or refund: the payment that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<String>,
    /// Of a purchase or pre-authorization that was approved: what became of it since.
    #[serde(flatten)]
    follow_ups: Option<FollowUpsBody>,
    /// What is on the card, if the bank's host said so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    balances: Vec<BalanceBody>,
    card: CardBody<'a>,
    response_code: Option<&'a str>,
    approval_code: Option<&'a str>,
    rrn: Option<&'a str>,
    stan: Option<String>,
    business_date: Option<String>,
    created: String,
    version: u32,
}

#[derive(Serialize)]
struct AmountBody {
    minor: i64,
    currency: &'static str,
}

/// The sums over a payment's captures, voids and refunds that were approved.
#[derive(Serialize)]
struct FollowUpsBody {
    captured_amount: AmountBody,
    refunded_amount: AmountBody,
    voided: bool,
}

impl FollowUpsBody {
    fn of(view: &View) -> Option<Self> {
        let approved = view.approved.filter(|_| view.request.operation.pays_for_order())?;
        let sums = view.follow_ups;
        let captured = match view.request.operation {
            Operation::Purchase if !sums.voided => approved.minor,
            Operation::Purchase => 0,
            _ => sums.captured,
        };
        let amount = |minor| AmountBody::from(Money { minor, ..approved });
        Some(Self {
            captured_amount: amount(captured),
            refunded_amount: amount(sums.refunded),
            voided: sums.voided,
        })
    }
}

#[derive(Serialize)]
struct BalanceBody {
    kind: &'static str,
    amount: AmountBody,
}

#[derive(Serialize)]
struct CardBody<'a> {
    bin: &'a str,
    last4: &'a str,
}

#[derive(Serialize)]
struct ListBody<'a> {
    payments: Vec<PaymentBody<'a>>,
}

impl From<Money> for AmountBody {
    fn from(money: Money) -> Self {
        Self { minor: money.minor, currency: money.currency.alphabetic() }
    }
}

impl<'a> PaymentBody<'a> {
    fn of(view: &'a View) -> Self {
        let (result, reason, will_be_approved) = verdict(view.verdict);
        let request = &view.request;
        let fields = view.fields.as_ref();
        Self {
            id: view.id.to_string(),
            operation: request.operation.name(),
            result,
            reason,
            will_be_approved,
            order_id: request.order.as_str(),
            amount: request.amount.into(),
            approved_amount: view
                .approved
                .filter(|approved| *approved != request.amount)
                .map(AmountBody::from),
            original: request.original.map(|original| original.to_string()),
            follow_ups: FollowUpsBody::of(view),
            balances: view
                .balances
                .iter()
                .map(|it| BalanceBody { kind: it.kind.name(), amount: it.amount.into() })
                .collect(),
            card: CardBody { bin: &request.card.bin, last4: &request.card.last4 },
            response_code: view.response_code.as_deref(),
            approval_code: view.approval_code.as_deref(),
            rrn: fields.map(|fields| fields.rrn.as_str()),
            stan: fields.map(|fields| fields.stan.to_string()),
            business_date: fields.map(|fields| fields.business_date.to_string()),
            created: rfc3339(view.accepted_at),
            version: view.version,
        }
    }
}

/// Result, reason, and whether it is decided already that a pending payment will not be approved.
/// Under review it is not: two people may still approve it.
fn verdict(verdict: Verdict) -> (&'static str, Option<&'static str>, Option<bool>) {
    match verdict {
        Verdict::Pending(PendingReason::InProgress) => ("pending", Some("in_progress"), None),
        Verdict::Pending(PendingReason::HostTimeout) => {
            ("pending", Some("host_timeout"), Some(false))
        }
        // An advice is repeated until the host takes it: it may well be approved.
        Verdict::Pending(PendingReason::AwaitingHost) => ("pending", Some("awaiting_host"), None),
        Verdict::Pending(PendingReason::UnderReview) => ("pending", Some("under_review"), None),
        Verdict::Approved => ("approved", None, None),
        Verdict::Reversed => ("reversed", None, None),
        Verdict::Declined(reason) => {
            let reason = match reason {
                DeclineReason::Host => "host_declined",
                DeclineReason::PickUp => "pick_up",
                DeclineReason::HostUnavailable => "host_unavailable",
                DeclineReason::HostTimeout => "host_timeout",
                DeclineReason::NeverPosted => "never_posted",
            };
            ("declined", Some(reason), None)
        }
    }
}

fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map(|at| at.to_string()).unwrap_or_default()
}

/// The answer to a payment (`posted`) or a question, not yet signed. A status follows the result: 201
/// for a final one, 202 while it is pending. `objection`: what the screen held against it.
pub fn answer(
    reply: &Reply,
    posted: bool,
    objection: Option<Screened>,
    retry_after_s: u32,
) -> Answer {
    match reply {
        Reply::Outcome { view, replayed } => {
            let view = view.get();
            let status = match (posted, view.verdict) {
                (false, _) => 200,
                (true, Verdict::Pending(_)) => 202,
                (true, _) => 201,
            };
            let mut answer = json(status, &PaymentBody::of(view));
            if posted {
                answer.headers.push(("location".into(), format!("/v1/payments/{}", view.id)));
            }
            if *replayed {
                answer.headers.push(("idempotency-replayed".into(), "true".into()));
            }
            answer
        }
        Reply::List(views) => {
            let payments = views.iter().map(|view| PaymentBody::of(view.get())).collect();
            json(200, &ListBody { payments })
        }
        Reply::Refusal(refusal) => refused(*refusal, objection).answer(retry_after_s),
    }
}

/// A refusal in the merchant's words: the screen knows best what the profile does not permit.
pub(super) fn refused(refusal: Refusal, objection: Option<Screened>) -> Problem {
    match (refusal, objection) {
        (Refusal::NotPermitted, Some(screened)) => screened.into(),
        _ => refusal.into(),
    }
}

fn json(status: u16, body: &impl Serialize) -> Answer {
    let headers = vec![
        ("content-type".into(), "application/json".into()),
        ("cache-control".into(), "no-store".into()),
    ];
    // Strings and numbers always serialize.
    Answer { status, headers, body: serde_json::to_vec(body).unwrap_or_default() }
}

/// Signs an answer and binds it to its request. An answer that cannot be signed is not sent: the
/// merchant is told to ask again, and finds the stored result under its idempotency key.
pub fn sign(mut answer: Answer, binding: &Binding, parts: &RestParts, now_s: i64) -> Answer {
    let digest = content_digest(&answer.body);
    let key = parts.keys.response_key(binding.algorithm);
    let key = key.ok_or_else(|| format!("no signing key for {}", binding.algorithm.name()));
    let signed = key.and_then(|key| {
        let based = binding.answer_base(answer.status, &digest, now_s, key);
        let (covered, base) = based.map_err(|error| error.to_string())?;
        let value = parts.keys.sign_response(key, base.as_bytes());
        Ok((covered, value.map_err(|error| error.to_string())?))
    });
    match signed {
        Ok((covered, value)) => {
            answer.headers.push(("content-digest".into(), digest));
            answer.headers.push(("signature-input".into(), format!("sig1={covered}")));
            answer.headers.push(("signature".into(), format!("sig1=:{}:", BASE64.encode(&value))));
            answer
        }
        Err(error) => {
            tracing::error!(error, "an answer cannot be signed");
            unsigned_busy(parts)
        }
    }
}

/// For the few cases in which nothing can be signed.
pub(super) fn unsigned_busy(parts: &RestParts) -> Answer {
    let problem = Problem::new(Code::Busy, "Try again with the same idempotency key.");
    problem.answer(parts.retry_after_s())
}

/// The answer to `GET /v1/keys`, unsigned: it is what a signature would be checked with.
pub(super) fn keys_answer(parts: &RestParts) -> Answer {
    let body = jwks(&parts.keys.public_keys()).to_string().into_bytes();
    let headers = vec![
        ("content-type".into(), "application/jwk-set+json".into()),
        ("cache-control".into(), "max-age=300".into()),
    ];
    Answer { status: 200, headers, body }
}
