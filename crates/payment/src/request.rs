//! What a merchant asks, decoded, authenticated and with its card data sealed.

use crate::card::CardRef;
use crate::id::{
    ChannelId, HostId, IdempotencyKey, MerchantId, Nonce, OrderId, PaymentId, Rrn, Stan, TerminalId,
};
use crate::money::Money;
use crate::time::{BusinessDate, LocalTime, Timestamp};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use sha2::{Digest, Sha256};

/// What can be asked. Each operation is a payment of its own, with its own id and result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Goods or services for money, authorised and taken in one step.
    Purchase,
    /// Money is set aside on the card; a completion takes it, a void lets it go.
    PreAuthorization,
    /// Takes what a pre-authorization set aside, or less (a merchant's "capture").
    Completion,
    /// Undoes a purchase or a pre-authorization in full, before the money is settled.
    Void,
    /// Gives money back that was taken, in full or in part.
    Refund,
    /// How much there is on a card.
    BalanceInquiry,
    /// Whether a card is good; no money moves.
    CardVerification,
}

impl Operation {
    /// The name in definitions, records and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::PreAuthorization => "pre_authorization",
            Self::Completion => "completion",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::BalanceInquiry => "balance_inquiry",
            Self::CardVerification => "card_verification",
        }
    }

    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Purchase,
        Self::PreAuthorization,
        Self::Completion,
        Self::Void,
        Self::Refund,
        Self::BalanceInquiry,
        Self::CardVerification,
    ];

    /// The operation of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// Whether it takes money for an order, now or later: what an order has one of.
    pub fn pays_for_order(self) -> bool {
        matches!(self, Self::Purchase | Self::PreAuthorization)
    }

    /// The operations that know each other's idempotency keys. To a merchant a purchase and a
    /// pre-authorization are one request, with `capture` or without: one key, one of them.
    pub fn sharing_keys(self) -> [Self; 2] {
        match self {
            Self::Purchase | Self::PreAuthorization => [Self::Purchase, Self::PreAuthorization],
            other => [other, other],
        }
    }

    /// The first of [`Operation::sharing_keys`], which stands for all of them.
    pub fn key_scope(self) -> Self {
        let [first, _] = self.sharing_keys();
        first
    }

    /// Whether it is about an earlier payment, of which it takes order and card.
    pub fn is_follow_up(self) -> bool {
        matches!(self, Self::Completion | Self::Void | Self::Refund)
    }
}

/// What a host's silence calls for; chosen for each operation in the mapping file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// A request that may have moved money: it is reversed.
    Reversal,
    /// An advice: repeated until the host answers, never reversed.
    Advice,
    /// A question: it counts as declined, nothing more is sent.
    Inquiry,
}

impl Silence {
    /// The name in definitions and exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reversal => "reversal",
            Self::Advice => "advice",
            Self::Inquiry => "inquiry",
        }
    }
}

/// A merchant's request after decode: all that may be written down, and nothing more. A security
/// code travels beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub merchant: MerchantId,
    /// By which channel.
    pub channel: ChannelId,
    /// What for.
    pub operation: Operation,
    /// How the merchant will recognise its own retry.
    pub key: IdempotencyKey,
    /// The nonce and creation time of the signed message.
    pub freshness: Freshness,
    /// The merchant's order.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// From which card.
    pub card: CardRef,
    /// Electronic commerce indicator, two digits, if the merchant gave one.
    pub eci: Option<Eci>,
    /// The directory server's transaction id of a 3-D Secure authentication, if there was one.
    pub ds_transaction: Option<DsTransaction>,
    /// The payment that it is about, for a [follow-up](Operation::is_follow_up).
    pub original: Option<PaymentId>,
}

/// What a merchant asks about an earlier payment. Order and card are the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// Who asks.
    pub merchant: MerchantId,
    /// By which channel.
    pub channel: ChannelId,
    /// Completion, void or refund.
    pub operation: Operation,
    /// How the merchant will recognise its own retry.
    pub key: IdempotencyKey,
    /// The nonce and creation time of the signed message.
    pub freshness: Freshness,
    /// The earlier payment.
    pub original: PaymentId,
    /// How much; `None` for a void, which is of all.
    pub amount: Option<Money>,
}

impl FollowUp {
    /// The whole request, once its original is known.
    pub fn complete(&self, original: &Request, amount: Money) -> Request {
        Request {
            merchant: self.merchant.clone(),
            channel: self.channel.clone(),
            operation: self.operation,
            key: self.key.clone(),
            freshness: self.freshness.clone(),
            order: original.order.clone(),
            amount,
            card: original.card.clone(),
            eci: original.eci,
            ds_transaction: None,
            original: Some(self.original),
        }
    }

    /// As [`Request::fingerprint`]: operation, original and amount. A completion that names no amount is of
    /// the whole, as its record says.
    pub fn fingerprint(&self, whole: Option<Money>) -> Fingerprint {
        fingerprint_about(self.operation, self.original, self.amount.or(whole))
    }
}

/// The content of a follow-up: a void is of all, so its amount says nothing.
fn fingerprint_about(
    operation: Operation,
    original: PaymentId,
    amount: Option<Money>,
) -> Fingerprint {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(operation.name().as_bytes());
    hasher.update([0]);
    hasher.update(original.0.to_be_bytes());
    if let Some(amount) = amount.filter(|_| operation != Operation::Void) {
        hasher.update(amount.minor.to_be_bytes());
        hasher.update(amount.currency.numeric().to_be_bytes());
    }
    Fingerprint(hasher.finalize().into())
}

impl Request {
    /// A hash of the decoded content: operation, amount, currency, order, keyed card hash and expiry.
    /// An honest retry is signed and encrypted afresh, so bytes cannot decide sameness; the security
    /// code is not part of it. SHA-256.
    pub fn fingerprint(&self) -> Fingerprint {
        if let Some(original) = self.original {
            return fingerprint_about(self.operation, original, Some(self.amount));
        }
        let mut hasher = Sha256::new();
        for part in [self.operation.name().as_bytes(), self.order.as_str().as_bytes()] {
            hasher.update([0]);
            hasher.update(part);
        }
        hasher.update([0]);
        hasher.update(self.amount.minor.to_be_bytes());
        hasher.update(self.amount.currency.numeric().to_be_bytes());
        hasher.update(self.card.hash.0);
        hasher.update(self.card.expiry.year().to_be_bytes());
        hasher.update([self.card.expiry.month()]);
        Fingerprint(hasher.finalize().into())
    }
}

/// The hash of a request's content, 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// When a signed message was made and the nonce that makes it single.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// `created` of the signature.
    pub created: Timestamp,
    /// `nonce` of the signature.
    pub nonce: Nonce,
}

/// An electronic commerce indicator: two digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Eci([u8; 2]);

impl Eci {
    /// Reads two digits.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => Some(Self([*a, *b])),
            _ => None,
        }
    }

    /// The two digits.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for Eci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The directory server's transaction id (EMV 3-D Secure, `dsTransID`): a UUID, 36 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DsTransaction(String);

impl DsTransaction {
    /// Reads `8-4-4-4-12` hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let place = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        (text.len() == 36 && text.bytes().enumerate().all(place)).then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who the merchant is to the host: what its profile fills into every message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptor {
    /// Merchant category code, four digits (DE 18, ISO 18245).
    pub category: String,
    /// Terminal (DE 41).
    pub terminal: TerminalId,
    /// Card acceptor identification, 1 to 15 characters (DE 42).
    pub number: String,
    /// Card acceptor name and location, up to 40 characters (DE 43).
    pub name_location: String,
}

/// Where a request goes and by which definitions it is written; chosen by routing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The host.
    pub host: HostId,
    /// Acquiring institution, 1 to 11 digits (DE 32).
    pub acquirer: String,
    /// Forwarding institution, 1 to 11 digits (DE 33), if the host wants one.
    pub forwarder: Option<String>,
    /// The definitions in use, kept by hash.
    pub definitions: Definitions,
    /// What the host's silence will call for.
    pub silence: Silence,
}

/// What a host takes at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The definitions in use.
    pub definitions: Definitions,
    /// The operations that its mapping has, and what silence calls for in each.
    pub operations: BTreeMap<Operation, Silence>,
}

/// Content hashes of the dialect and the mapping with which a payment began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definitions {
    /// SHA-256 of the dialect file.
    pub dialect: [u8; 32],
    /// SHA-256 of the mapping file.
    pub mapping: [u8; 32],
}

/// Every resolved host field that the request and any reversal of it need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFields {
    /// Where it goes.
    pub route: Route,
    /// Who the merchant is to the host.
    pub acceptor: Acceptor,
    /// DE 11.
    pub stan: Stan,
    /// DE 37.
    pub rrn: Rrn,
    /// DE 7, UTC unless the dialect says otherwise; whole seconds.
    pub transmitted: Timestamp,
    /// DE 12 and DE 13, in the merchant's zone.
    pub local: LocalTime,
    /// DE 15.
    pub business_date: BusinessDate,
    /// How the host knows the original of a follow-up.
    pub original: Option<Box<OriginalFields>>,
}

/// How the host knows the original of a follow-up: all that its message and any repeat of it need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalFields {
    /// What the original was: by it the mapping knows the type of its message.
    pub operation: Operation,
    /// Its DE 11.
    pub stan: Stan,
    /// Its DE 37.
    pub rrn: Rrn,
    /// Its DE 7.
    pub transmitted: Timestamp,
    /// Its DE 15.
    pub business_date: BusinessDate,
    /// The DE 38 of its answer, if that had one.
    pub approval_code: Option<String>,
    /// How much was approved.
    pub amount: Money,
}
