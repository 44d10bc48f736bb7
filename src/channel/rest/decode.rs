//! Decode: a merchant's JSON becomes a `payment::Request`. The clear card number lives in here alone:
//! it is decrypted, sealed again at once under our own key, and wiped.

use super::authenticate::Authenticated;
use super::problem::{Code, Problem};
use super::{Asked, DecodedRequest, Endpoint, RestParts};
use crate::channel::json::{self, Fault, JsonError};
use crate::channel::jwe::{self, JweError};
use crate::edge::seam::Received;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::sync::Arc;
use tidegate_payment::card::{CardRef, Cavv, Expiry, Pan, Secrets, SecurityCode, has_card_number};
use tidegate_payment::effect::Refusal;
use tidegate_payment::id::{IdempotencyKey, OrderId, PaymentId};
use tidegate_payment::input::QueryBy;
use tidegate_payment::money::{Currency, Money};
use tidegate_payment::request::{DsTransaction, Eci, FollowUp, Operation, Request};

/// The body of `POST /v1/payments`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentBody {
    order_id: String,
    amount: AmountBody,
    card: CardBody,
    /// Whether the money is taken at once, which it is if nothing is said.
    capture: Option<bool>,
}

/// The body of `POST /v1/cards/verify` and `/v1/cards/balance`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InquiryBody {
    order_id: String,
    currency: String,
    card: CardBody,
}

/// The body of `POST /v1/payments/{id}/captures`, `/voids` and `/refunds`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FollowUpBody {
    amount: Option<AmountBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountBody {
    minor: i64,
    currency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardBody {
    jwe: String,
}

/// The encrypted part. It borrows from memory that is wiped, and has no Debug.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardData<'a> {
    #[serde(borrow)]
    number: Clear<'a>,
    expiry: Clear<'a>,
    security_code: Option<Clear<'a>>,
    eci: Option<Clear<'a>>,
    cavv: Option<Clear<'a>>,
    ds_transaction_id: Option<Clear<'a>>,
}

/// A text that stays where it was decrypted. Anything else in its place, a card number written as a
/// JSON number for example, is refused by an error that does not hold it: serde's own would carry the
/// value into memory that nobody wipes.
struct Clear<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Clear<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_str(ClearVisitor).map(Clear)
    }
}

struct ClearVisitor;

impl<'de> Visitor<'de> for ClearVisitor {
    type Value = &'de str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string without escapes")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<&'de str, E> {
        Ok(text)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<&'de str, E> {
        Err(E::custom(self.wanted()))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<&'de str, E> {
        Err(E::custom(self.wanted()))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<&'de str, E> {
        Err(E::custom(self.wanted()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<&'de str, E> {
        Err(E::custom(self.wanted()))
    }
}

impl ClearVisitor {
    fn wanted(&self) -> &'static str {
        "a string without escapes is expected"
    }
}

/// Decodes a request. The body was authenticated before.
/// # Errors
/// [`Problem`], naming the member that is wrong.
pub fn decode(
    received: &Received,
    endpoint: &Endpoint,
    sender: &Authenticated,
    parts: &RestParts,
) -> Result<DecodedRequest, Problem> {
    check_media_type(received)?;
    let key = idempotency_key(received)?;
    let (asked, secrets) = match endpoint {
        Endpoint::Follow(operation, original) => {
            let asked = follow_up(received, *operation, original, key, sender, parts)?;
            (Asked::FollowUp(asked), Secrets::default())
        }
        endpoint => {
            let (request, secrets) = of_card(received, endpoint, key, sender, parts)?;
            (Asked::New(request), secrets)
        }
    };
    let merchant = Arc::clone(&sender.merchant);
    Ok(DecodedRequest { asked, merchant, secrets, objection: None })
}

/// A payment, or a question about a card.
fn of_card(
    received: &Received,
    endpoint: &Endpoint,
    key: IdempotencyKey,
    sender: &Authenticated,
    parts: &RestParts,
) -> Result<(Request, Secrets), Problem> {
    let (operation, order_id, amount, jwe) = match endpoint {
        Endpoint::Inquire(operation) => {
            let body: InquiryBody = read(received)?;
            // The host is asked about nothing, in this currency.
            let amount = Money { minor: 0, currency: currency(&body.currency, "/currency")? };
            (*operation, body.order_id, amount, body.card.jwe)
        }
        _ => {
            let body: PaymentBody = read(received)?;
            let operation = match body.capture {
                Some(false) => Operation::PreAuthorization,
                Some(true) | None => Operation::Purchase,
            };
            (operation, body.order_id, payable(&body.amount)?, body.card.jwe)
        }
    };
    let order = order(&order_id)?;
    let Card { card, secrets, eci, ds_transaction } = card(&jwe, parts)?;
    let request = Request {
        merchant: sender.merchant.id.clone(),
        channel: parts.settings.channel.clone(),
        operation,
        key,
        freshness: sender.freshness.clone(),
        order,
        amount,
        card,
        eci,
        ds_transaction,
        original: None,
    };
    Ok((request, secrets))
}

fn follow_up(
    received: &Received,
    operation: Operation,
    original: &str,
    key: IdempotencyKey,
    sender: &Authenticated,
    parts: &RestParts,
) -> Result<FollowUp, Problem> {
    let original = PaymentId::parse(original).map_err(|_| Problem::from(Refusal::NotFound))?;
    let body: FollowUpBody = read(received)?;
    let amount = match (operation, body.amount) {
        (Operation::Void, Some(_)) => {
            return Err(invalid("/amount", "no such member: a void is of all"));
        }
        (Operation::Refund, None) => {
            return Err(invalid("/amount", "a value: the member is missing"));
        }
        (_, amount) => amount.as_ref().map(payable).transpose()?,
    };
    Ok(FollowUp {
        merchant: sender.merchant.id.clone(),
        channel: parts.settings.channel.clone(),
        operation,
        key,
        freshness: sender.freshness.clone(),
        original,
        amount,
    })
}

fn read<T: serde::de::DeserializeOwned>(received: &Received) -> Result<T, Problem> {
    json::read(&received.body).map_err(|error| unreadable(&error, ""))
}

fn order(text: &str) -> Result<OrderId, Problem> {
    if has_card_number(text) {
        return Err(invalid("/order_id", "no card number: it is kept and shown in clear"));
    }
    OrderId::parse(text).map_err(|error| invalid("/order_id", error.wanted))
}

fn payable(amount: &AmountBody) -> Result<Money, Problem> {
    let currency = currency(&amount.currency, "/amount/currency")?;
    Money::payable(amount.minor, currency)
        .map_err(|_| invalid("/amount/minor", "an integer from 1 to 999999999999"))
}

fn currency(text: &str, field: &str) -> Result<Currency, Problem> {
    Currency::from_alphabetic(text)
        .map_err(|_| invalid(field, "an ISO 4217 code in capitals, such as EUR"))
}

/// What the encrypted part holds. It has no Debug: secrets are in it.
struct Card {
    card: CardRef,
    secrets: Secrets,
    eci: Option<Eci>,
    ds_transaction: Option<DsTransaction>,
}

fn card(compact: &str, parts: &RestParts) -> Result<Card, Problem> {
    let clear = jwe::open(compact, parts.keys.as_ref()).map_err(|error| {
        parts.tally.refused(error.reason());
        tracing::info!(reason = error.reason(), "card data cannot be read");
        undecryptable(&error)
    })?;
    let data: CardData<'_> = json::read(&clear).map_err(|error| unreadable(&error, "/card/jwe"))?;
    let pan = Pan::parse(data.number.0)
        .map_err(|_| invalid("/card/jwe/number", "a card number of 12 to 19 digits"))?;
    let expiry = Expiry::parse_iso(data.expiry.0)
        .map_err(|_| invalid("/card/jwe/expiry", "YYYY-MM with a year from 2000 to 2099"))?;
    let security_code = member(&data.security_code, |it| SecurityCode::parse(it).ok())
        .ok_or_else(|| invalid("/card/jwe/security_code", "3 or 4 digits, or no such member"))?;
    let cavv = member(&data.cavv, |it| Cavv::parse(it).ok()).ok_or_else(|| {
        invalid("/card/jwe/cavv", "20 bytes as 28 characters of base64, or no such member")
    })?;
    let eci = member(&data.eci, Eci::parse)
        .ok_or_else(|| invalid("/card/jwe/eci", "two digits, or no such member"))?;
    let ds_transaction = member(&data.ds_transaction_id, DsTransaction::parse)
        .ok_or_else(|| invalid("/card/jwe/ds_transaction_id", "a UUID, or no such member"))?;
    let sealed = parts.keys.seal(&pan).map_err(|error| {
        tracing::error!(%error, "a card number cannot be sealed");
        Problem::new(Code::Busy, "Nothing was accepted. Try again with the same key.")
    })?;
    let card = CardRef {
        bin: pan.bin().into(),
        last4: pan.last4().into(),
        hash: sealed.hash,
        expiry,
        sealed: sealed.sealed,
    };
    Ok(Card { card, secrets: Secrets { security_code, cavv }, eci, ds_transaction })
}

/// A member that may be missing; `None` if it is there and not as it should be.
fn member<T>(text: &Option<Clear<'_>>, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => parse(text.0).map(Some),
    }
}

/// One answer for every reason: which check failed would help to guess.
fn undecryptable(_: &JweError) -> Problem {
    Problem {
        detail: "The encrypted part does not open under the key that it names.".into(),
        ..Problem::field(
            Code::CardDataUnreadable,
            "/card/jwe",
            "a compact JWE, ECDH-ES or RSA-OAEP-256, A256GCM, under a key of /v1/keys",
        )
    }
}

fn unreadable(error: &JsonError, below: &str) -> Problem {
    let (pointer, fault) = match error {
        JsonError::Member { pointer, fault } => (pointer.as_str(), *fault),
        JsonError::Syntax { .. } if below.is_empty() => {
            return Problem::new(Code::Malformed, format!("The body is {error}."));
        }
        JsonError::Syntax { .. } => return invalid(below, "one JSON object"),
    };
    let expected = match (fault, pointer) {
        (Fault::Missing, _) => "a value: the member is missing",
        (Fault::Unexpected, _) => "no such member",
        (Fault::Twice, _) => "the member once",
        (Fault::Array, _) => "no array",
        (Fault::Type, "" | "/amount" | "/card") => "an object",
        (Fault::Type, "/amount/minor") => "an integer, without point and exponent",
        (Fault::Type, "/capture") => "true or false",
        (Fault::Type, _) => "a string",
    };
    invalid(&format!("{below}{pointer}"), expected)
}

fn invalid(field: &str, expected: &str) -> Problem {
    Problem::field(Code::InvalidField, field, expected)
}

fn check_media_type(received: &Received) -> Result<(), Problem> {
    let value = received.only_header("content-type").unwrap_or_default();
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
    if media_type.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    Err(Problem::field(Code::UnsupportedMediaType, "content-type", "application/json"))
}

/// The key stands there as a token; the same text in quotes is the same key.
fn idempotency_key(received: &Received) -> Result<IdempotencyKey, Problem> {
    const WANTED: &str = "1 to 64 of A-Z a-z 0-9 . _ : -, and no card number";
    let wrong = || invalid("idempotency-key", WANTED);
    let value = received.only_header("idempotency-key").unwrap_or_default();
    let text = std::str::from_utf8(value).map_err(|_| wrong())?.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    IdempotencyKey::parse(bare).ok().filter(|_| !has_card_number(bare)).ok_or_else(wrong)
}

/// Decodes the query of `GET /v1/payments`: `order_id=X`, and nothing else.
pub(super) fn order_query(query: &str) -> Result<QueryBy, Problem> {
    let wrong =
        || invalid("order_id", "one query parameter order_id: 1 to 40 of A-Z a-z 0-9 . _ : -");
    let value = query.strip_prefix("order_id=").ok_or_else(wrong)?;
    let value = percent_decoded(value).ok_or_else(wrong)?;
    OrderId::parse(&value).map(QueryBy::Order).map_err(|_| wrong())
}

/// RFC 3986, 2.1; some clients escape the colon.
fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('%') {
        let (hex, after) = escaped.split_at_checked(2)?;
        let digits = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = u8::from_str_radix(hex, 16).ok().filter(|byte| digits && byte.is_ascii())?;
        decoded.push_str(plain);
        decoded.push(char::from(byte));
        rest = after;
    }
    decoded.push_str(rest);
    Some(decoded)
}

/// The members that each part of a request may have, by its name in the channel's description: as serde
/// names them when it meets another.
#[cfg(test)]
pub(super) fn members() -> Vec<(&'static str, Vec<String>)> {
    fn of<T>(read: serde_json::Result<T>) -> Vec<String> {
        let said = read.err().map(|error| error.to_string()).unwrap_or_default();
        said.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }
    const STRANGE: &str = r#"{"?":0}"#;
    vec![
        ("PaymentRequest", of(serde_json::from_str::<PaymentBody>(STRANGE))),
        ("InquiryRequest", of(serde_json::from_str::<InquiryBody>(STRANGE))),
        ("FollowUpRequest", of(serde_json::from_str::<FollowUpBody>(STRANGE))),
        ("AmountRequest", of(serde_json::from_str::<AmountBody>(STRANGE))),
        ("CardRequest", of(serde_json::from_str::<CardBody>(STRANGE))),
        ("CardData", of(serde_json::from_str::<CardData<'_>>(STRANGE))),
    ]
}
