//! The banks' own reading and writing of ISO 8583:1987, in two dialects: [`Dialect`].
//!
//! Deliberately apart from the gateway's codec and written differently: the banks and the checker must
//! not share a mistake with what they judge. Whatever the dialect, every field is text, and a message is
//! a map of fields.

mod ascii;
pub mod dialect;
mod packed;
mod shape;
#[cfg(test)]
mod tests;

pub use dialect::Dialect;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// A message: its type and its fields by number. Prints as [`Message::masked`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message type, four digits.
    pub mti: String,
    /// The fields, DE 2 to DE 128, as their characters; binary ones in hexadecimal.
    pub fields: BTreeMap<u8, String>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.mti)?;
        f.debug_map().entries(&self.masked().fields).finish()
    }
}

/// Bytes that are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsoError {
    /// The bytes ended inside something.
    #[error("the message ends at byte {at}, inside {inside}")]
    Short {
        /// Where.
        at: usize,
        /// Inside what.
        inside: String,
    },
    /// Something is not of its format.
    #[error("{what} at byte {at} is not what the standard asks for")]
    Malformed {
        /// What.
        what: String,
        /// Where.
        at: usize,
    },
    /// A field that this dialect does not have, or that is too long for it.
    #[error("DE {field} cannot carry {length} characters so")]
    Length {
        /// The field.
        field: u8,
        /// Its length.
        length: usize,
    },
    /// Bytes after the last field.
    #[error("{count} bytes follow the last field")]
    Trailing {
        /// How many.
        count: usize,
    },
}

/// The name of a field, for people.
pub const fn name(field: u8) -> &'static str {
    match field {
        2 => "card number",
        3 => "processing code",
        4 => "amount",
        7 => "transmitted (UTC)",
        11 => "trace number (STAN)",
        12 => "local time",
        13 => "local date",
        14 => "card expiry YYMM",
        15 => "settlement date",
        18 => "merchant category",
        22 => "entry mode",
        25 => "condition code",
        32 => "acquirer",
        33 => "forwarder",
        35 => "track 2",
        37 => "retrieval reference (RRN)",
        38 => "approval code",
        39 => "response code",
        41 => "terminal",
        42 => "card acceptor",
        43 => "acceptor name, place",
        44 => "additional response",
        48 => "additional data",
        49 => "currency",
        52 => "PIN block",
        54 => "additional amounts",
        64 | 128 => "message authentication",
        70 => "network code",
        90 => "original data",
        95 => "replacement amounts",
        _ => "private or reserved",
    }
}

impl Message {
    /// A message of a type with no fields yet.
    pub fn new(mti: &str) -> Self {
        Self { mti: mti.to_owned(), fields: BTreeMap::new() }
    }

    /// A field's text, or nothing.
    pub fn get(&self, field: u8) -> &str {
        self.fields.get(&field).map_or("", String::as_str)
    }

    /// Sets a field.
    pub fn set(&mut self, field: u8, value: impl Into<String>) {
        self.fields.insert(field, value.into());
    }

    /// The same message with everything hidden that may not be shown: the card number but its first
    /// six and last four digits, track, PIN block, and the security code inside DE 48.
    pub fn masked(&self) -> Self {
        let mut masked = self.clone();
        for (&field, value) in &mut masked.fields {
            match field {
                2 => *value = mask_card(value),
                35 | 36 | 45 | 52 | 55 => *value = "*".repeat(value.len()),
                48 => *value = mask_additional(value),
                _ => {}
            }
        }
        masked
    }
}

/// Hides a card number but its first six and last four digits (PCI DSS 4.0, requirement 3.4.1). A
/// token (the same, then `#` and a hash) comes back without its hash.
pub fn mask_card(number: &str) -> String {
    let number = number.split('#').next().unwrap_or("");
    let length = number.chars().count();
    let hidden = |at: usize| at >= 6 && at.saturating_add(4) < length;
    number.chars().enumerate().map(|(at, c)| if hidden(at) { '*' } else { c }).collect()
}

/// The parts of DE 48 as this host has agreed them: a two-character tag, two digits of length, the value.
pub fn additional_parts(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (tag, after) = rest.split_at_checked(2)?;
        let (length, after) = after.split_at_checked(2)?;
        let (value, after) = after.split_at_checked(length.parse().ok()?)?;
        parts.push((tag, value));
        rest = after;
    }
    Some(parts)
}

fn mask_additional(text: &str) -> String {
    let Some(parts) = additional_parts(text) else {
        return "*".repeat(text.len());
    };
    parts.iter().fold(String::new(), |mut out, (tag, value)| {
        let shown = if *tag == "CV" { "*".repeat(value.len()) } else { (*value).to_owned() };
        let _ = write!(out, "{tag}{:02}{shown}", value.len());
        out
    })
}
