//! What a merchant asks, decoded, authenticated and with its card data sealed.

use crate::card::CardRef;
use crate::id::{
    ChannelId, HostId, IdempotencyKey, MerchantId, Nonce, OrderId, Rrn, Stan, TerminalId,
};
use crate::money::Money;
use crate::time::{BusinessDate, LocalTime, Timestamp};
use alloc::string::String;
use core::fmt;
use sha2::{Digest, Sha256};

/// What can be asked. Each operation is a payment of its own, with its own id and result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Goods or services for money, authorised and taken in one step.
    Purchase,
}

impl Operation {
    /// The name in definitions, records and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
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
}

impl Request {
    /// A hash of the decoded content: operation, amount, currency, order, keyed card hash and expiry.
    /// An honest retry is signed and encrypted afresh, so bytes cannot decide sameness; the security
    /// code is not part of it. SHA-256.
    pub fn fingerprint(&self) -> Fingerprint {
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
}
