//! Names and numbers that must never be mistaken for one another.

use alloc::string::String;
use core::fmt;

/// A payment's id: a UUID (version 7 when the gateway makes it; RFC 9562).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentId(pub u128);

impl PaymentId {
    /// Reads the hyphenated form, `8-4-4-4-12` hex digits.
    /// # Errors
    /// [`IdError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        const WANTED: &str = "a UUID of 8-4-4-4-12 hex digits";
        let fault = IdError { what: "payment id", wanted: WANTED };
        let mut value: u128 = 0;
        for (index, byte) in text.bytes().enumerate() {
            match (index, byte) {
                (8 | 13 | 18 | 23, b'-') => {}
                (8 | 13 | 18 | 23, _) => return Err(fault),
                (_, byte) => {
                    let digit = char::from(byte).to_digit(16).ok_or(fault)?;
                    value = (value << 4) | u128::from(digit);
                }
            }
        }
        if text.len() == 36 { Ok(Self(value)) } else { Err(fault) }
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            (v >> 80) & 0xffff,
            (v >> 64) & 0xffff,
            (v >> 48) & 0xffff,
            v & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text did not have the shape of the id that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {wanted} expected")]
pub struct IdError {
    /// Which id.
    pub what: &'static str,
    /// The shape that was wanted.
    pub wanted: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $lengths:expr, $wanted:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("Reads a ", $what, ": ", $wanted, ".")]
            /// # Errors
            /// [`IdError`] for anything else.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let allowed: fn(u8) -> bool = $allowed;
                if $lengths.contains(&text.len()) && text.bytes().all(allowed) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError { what: $what, wanted: $wanted })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':')
}

fn printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

text_id! {
    /// A merchant, as configuration names it.
    MerchantId, "merchant id", (1..=32), "1 to 32 of A-Z a-z 0-9 . _ : -", token
}
text_id! {
    /// The key by which a merchant recognises its own retry. Chosen and kept by the merchant before
    /// it sends.
    IdempotencyKey, "idempotency key", (1..=64), "1 to 64 of A-Z a-z 0-9 . _ : -", token
}
text_id! {
    /// The merchant's own number of the order that is paid.
    OrderId, "order id", (1..=40), "1 to 40 of A-Z a-z 0-9 . _ : -", token
}
text_id! {
    /// The nonce of a signed request (RFC 9421, section 2.3).
    Nonce, "nonce", (8..=64), "8 to 64 printable ASCII characters", printable
}
text_id! {
    /// A bank host, as configuration names it.
    HostId, "host name", (1..=32), "1 to 32 of A-Z a-z 0-9 . _ : -", token
}
text_id! {
    /// A bank line, as configuration names it; unique within its host.
    LineId, "line name", (1..=32), "1 to 32 of A-Z a-z 0-9 . _ : -", token
}
text_id! {
    /// A channel, as configuration names it.
    ChannelId, "channel name", (1..=32), "1 to 32 of A-Z a-z 0-9 . _ : -", token
}
text_id! {
    /// A terminal: `ans 8` (ISO 8583 DE 41).
    TerminalId, "terminal id", (8..=8), "8 printable ASCII characters", printable
}
text_id! {
    /// A retrieval reference number: `an 12` (ISO 8583 DE 37); here `YDDD` and 8 digits.
    Rrn, "retrieval reference number", (12..=12), "12 letters or digits", |b| b.is_ascii_alphanumeric()
}

/// A system trace audit number: 1..=999_999 (ISO 8583 DE 11, `n 6`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stan(u32);

impl Stan {
    /// The largest STAN.
    pub const MAX: u32 = 999_999;

    /// A STAN from its number.
    /// # Errors
    /// [`IdError`] unless `1 <= number <= 999_999`.
    pub fn new(number: u32) -> Result<Self, IdError> {
        if (1..=Self::MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(IdError { what: "STAN", wanted: "a number from 1 to 999999" })
        }
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Stan {
    /// Six digits, zero-filled.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}
