//! Errors as merchants see them: problem details (RFC 9457) with a stable code, the failing field and
//! what was expected. Nothing here ever holds a value that a merchant sent.

use crate::edge::seam::Answer;
use serde::Serialize;
use tidegate_payment::effect::Refusal;

/// The stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The sender is not known, or the message is not fresh, whole or single; never says which.
    NotAuthenticated,
    /// The body is no JSON, or the request has a form that no endpoint takes.
    Malformed,
    /// A member or header that is not as it should be.
    InvalidField,
    /// The encrypted part does not open.
    CardDataUnreadable,
    /// The merchant may not do this.
    NotPermitted,
    /// The amount is above the merchant's limit.
    LimitExceeded,
    /// The idempotency key was used for another content.
    IdempotencyMismatch,
    /// The order has a payment that is pending or approved.
    OrderInUse,
    /// The original is not final yet.
    OriginalNotFinal,
    /// The original was not approved.
    OriginalNotApproved,
    /// The operation cannot follow an original of this kind.
    WrongOriginal,
    /// The pre-authorization has a capture.
    AlreadyCaptured,
    /// The original has a void.
    AlreadyVoided,
    /// Too late for a void: a refund is the way.
    UseRefund,
    /// More than is left on the original, or in another currency.
    AmountExceedsOriginal,
    /// No such thing, or another merchant's.
    NotFound,
    /// The method does not go with the path.
    MethodNotAllowed,
    /// The body is of another type than JSON.
    UnsupportedMediaType,
    /// Too much work is in progress; nothing was accepted.
    Busy,
    /// Too much work of this merchant is in progress while others want their share; nothing was
    /// accepted.
    TooManyRequests,
    /// The gateway stopped while it worked; the merchant learns the outcome by a retry.
    OutcomeUnknown,
    /// No line to the host is open; nothing was accepted.
    HostUnavailable,
}

impl Code {
    /// Code, HTTP status and title: one table.
    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::NotAuthenticated => {
                ("not_authenticated", 401, "The request is not authenticated")
            }
            Self::Malformed => ("malformed", 400, "The request cannot be read"),
            Self::InvalidField => ("invalid_field", 422, "A field is not as it should be"),
            Self::CardDataUnreadable => ("card_data_unreadable", 422, "Card data cannot be read"),
            Self::NotPermitted => ("not_permitted", 403, "This is not permitted"),
            Self::LimitExceeded => ("limit_exceeded", 422, "A limit is exceeded"),
            Self::IdempotencyMismatch => {
                ("idempotency_mismatch", 409, "The idempotency key was used for another request")
            }
            Self::OrderInUse => ("order_in_use", 409, "The order is being paid or was paid"),
            Self::OriginalNotFinal => {
                ("original_not_final", 409, "The original payment is not final yet")
            }
            Self::OriginalNotApproved => {
                ("original_not_approved", 409, "The original payment was not approved")
            }
            Self::WrongOriginal => {
                ("wrong_original", 409, "The operation does not go with the original payment")
            }
            Self::AlreadyCaptured => {
                ("already_captured", 409, "The pre-authorization has a capture")
            }
            Self::AlreadyVoided => ("already_voided", 409, "The original payment has a void"),
            Self::UseRefund => ("use_refund", 409, "The money was taken; a refund is the way"),
            Self::AmountExceedsOriginal => {
                ("amount_exceeds_original", 422, "The amount is more than the original has left")
            }
            Self::NotFound => ("not_found", 404, "Not found"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "Method not allowed"),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", 415, "The media type is not supported")
            }
            Self::TooManyRequests => {
                ("too_many_requests", 429, "Your share is used up; nothing was accepted")
            }
            Self::Busy => ("busy", 503, "The gateway is busy; nothing was accepted"),
            Self::OutcomeUnknown => {
                ("outcome_unknown", 500, "It is not known here whether the request was accepted")
            }
            Self::HostUnavailable => {
                ("host_unavailable", 503, "The bank's host is not reachable; nothing was accepted")
            }
        }
    }

    /// The code as merchants and counters see it.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.row().1
    }
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong.
    pub code: Code,
    /// One sentence about this case.
    pub detail: String,
    /// The failing field: a JSON pointer into the body, or the name of a header. Members of the
    /// encrypted part stand below `/card/jwe`.
    pub field: Option<String>,
    /// What was expected there.
    pub expected: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    field: Option<&'a str>,
    expected: Option<&'a str>,
}

impl Problem {
    /// An error about no field in particular.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, expected: None }
    }

    /// An error about a field.
    pub fn field(code: Code, field: impl Into<String>, expected: impl Into<String>) -> Self {
        let detail = "The named field is not as expected.".into();
        Self { code, detail, field: Some(field.into()), expected: Some(expected.into()) }
    }

    /// The one answer to everything that is not authenticated.
    pub fn not_authenticated() -> Self {
        Self::new(
            Code::NotAuthenticated,
            "The signature, its freshness, the digest or the key is not as required.",
        )
    }

    /// The answer, not yet signed. `retry_after_s` goes with the codes that mean "later".
    pub fn answer(&self, retry_after_s: u32) -> Answer {
        let (code, status, title) = self.code.row();
        let body = Body {
            kind: format!("urn:tidegate:problem:{code}"),
            title,
            status,
            detail: &self.detail,
            code,
            field: self.field.as_deref(),
            expected: self.expected.as_deref(),
        };
        let mut headers = vec![
            ("content-type".into(), "application/problem+json".into()),
            ("cache-control".into(), "no-store".into()),
        ];
        match self.code {
            Code::Busy | Code::TooManyRequests | Code::HostUnavailable => {
                headers.push(("retry-after".into(), retry_after_s.to_string()));
            }
            Code::MethodNotAllowed => {
                headers.push(("allow".into(), self.expected.clone().unwrap_or_default()));
            }
            // RFC 9110, 11.6.1: a 401 names a scheme.
            Code::NotAuthenticated => headers.push(("www-authenticate".into(), "Signature".into())),
            _ => {}
        }
        // Strings and numbers always serialize.
        Answer { status, headers, body: serde_json::to_vec(&body).unwrap_or_default() }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (code, detail) = match refusal {
            Refusal::KeyMismatch => (
                Code::IdempotencyMismatch,
                "The key belongs to an earlier request with another content.",
            ),
            Refusal::OrderInUse => {
                (Code::OrderInUse, "One order has at most one payment that is pending or approved.")
            }
            Refusal::OriginalNotFinal => (
                Code::OriginalNotFinal,
                "It, or its capture, is pending. Ask for it, and try again with the same key.",
            ),
            Refusal::OriginalNotApproved => {
                (Code::OriginalNotApproved, "There is nothing to take, undo or give back.")
            }
            Refusal::WrongOriginal => (
                Code::WrongOriginal,
                "Only a pre-authorization is captured; only purchases and pre-authorizations are \
                 voided and refunded.",
            ),
            Refusal::AlreadyCaptured => {
                (Code::AlreadyCaptured, "There is one capture for each pre-authorization.")
            }
            Refusal::AlreadyVoided => (Code::AlreadyVoided, "It was voided, or a void is pending."),
            Refusal::UseRefund => {
                (Code::UseRefund, "It was captured or refunded, or is of an earlier business date.")
            }
            Refusal::OverOriginal => (
                Code::AmountExceedsOriginal,
                "Pending captures and refunds count; the currency is the original's.",
            ),
            Refusal::NotPermitted => (Code::NotPermitted, "Your profile does not permit it."),
            Refusal::NotOffered => (Code::NotPermitted, "The bank's host does not take this."),
            Refusal::HostUnavailable => {
                (Code::HostUnavailable, "Nothing was accepted. Try again with the same key.")
            }
            Refusal::Busy | Refusal::Stopping => {
                (Code::Busy, "Nothing was accepted. Try again with the same key.")
            }
            Refusal::OverShare => (
                Code::TooManyRequests,
                "The gateway is full. Nothing was accepted. Try again with the same key.",
            ),
            Refusal::Unknown => (
                Code::OutcomeUnknown,
                "The gateway stopped while it worked on this. Repeat it with the same key, or ask.",
            ),
            Refusal::NotFound
            | Refusal::NoCase
            | Refusal::NotAnAdvice
            | Refusal::SecondPersonWanted => (Code::NotFound, "There is no such payment."),
        };
        Self::new(code, detail)
    }
}
