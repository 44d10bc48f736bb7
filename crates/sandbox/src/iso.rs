//! The bank's own reading and writing of ISO 8583:1987 in ASCII, with hexadecimal bitmaps.
//!
//! Deliberately apart from the gateway's codec and written differently: the bank and the checker must
//! not share a mistake with what they judge. Every field is text; a message is a map of fields.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// A message: its type and its fields by number. Prints as [`Message::masked`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message type, four digits.
    pub mti: String,
    /// The fields, DE 2 to DE 128, as their characters.
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
    /// The text ended inside something.
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
    #[error("DE {field} cannot carry {length} characters")]
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

#[derive(Clone, Copy)]
enum Shape {
    Fixed(usize),
    Counted { digits: usize, max: usize },
}

const fn ll(max: usize) -> Option<Shape> {
    Some(Shape::Counted { digits: 2, max })
}

const fn lll(max: usize) -> Option<Shape> {
    Some(Shape::Counted { digits: 3, max })
}

const fn fixed(length: usize) -> Option<Shape> {
    Some(Shape::Fixed(length))
}

/// The fields that this bank knows (ISO 8583:1987, data element definitions; binary fields as hex).
const fn shape(field: u8) -> Option<Shape> {
    match field {
        2 | 34 => ll(if field == 2 { 19 } else { 28 }),
        3 | 11 | 12 | 38 => fixed(6),
        4..=6 | 37 => fixed(12),
        7 => fixed(10),
        13..=18 | 73 => fixed(4),
        19..=24 | 40 | 49..=51 | 70 => fixed(3),
        25..=27 | 39 => fixed(2),
        32 | 33 => ll(11),
        35 => ll(37),
        36 => lll(104),
        41 => fixed(8),
        42 => fixed(15),
        43 => fixed(40),
        44 | 45 => ll(if field == 44 { 25 } else { 76 }),
        46..=48 | 56..=63 | 104..=127 => lll(999),
        52 | 64 | 128 => fixed(16),
        54 => lll(120),
        55 => lll(510),
        90 | 95 => fixed(42),
        100 => ll(11),
        102 | 103 => ll(28),
        _ => None,
    }
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

    /// Reads one message.
    /// # Errors
    /// [`IsoError`] naming the byte.
    pub fn decode(bytes: &[u8]) -> Result<Self, IsoError> {
        let mut cursor = Cursor { bytes, at: 0 };
        let mti = cursor.digits(4, "the message type")?.to_owned();
        let mut present = cursor.bitmap(0)?;
        if present.first() == Some(&1) {
            present.remove(0);
            present.extend(cursor.bitmap(64)?);
        }
        let mut fields = BTreeMap::new();
        for field in present {
            fields.insert(field, cursor.field(field)?.to_owned());
        }
        match bytes.len().saturating_sub(cursor.at) {
            0 => Ok(Self { mti, fields }),
            count => Err(IsoError::Trailing { count }),
        }
    }

    /// Writes the message.
    /// # Errors
    /// [`IsoError::Length`] for a field that the dialect cannot carry so.
    pub fn encode(&self) -> Result<Vec<u8>, IsoError> {
        let mut bitmap: u128 = 0;
        let mut body = String::new();
        for (&field, value) in &self.fields {
            let refused = IsoError::Length { field, length: value.len() };
            match shape(field) {
                Some(Shape::Fixed(length)) if value.len() == length => {}
                Some(Shape::Counted { digits, max }) if value.len() <= max => {
                    let _ = write!(body, "{:0digits$}", value.len());
                }
                _ => return Err(refused),
            }
            body.push_str(value);
            bitmap |= 1_u128 << 128_u32.saturating_sub(u32::from(field));
        }
        let mut text = self.mti.clone();
        if self.fields.keys().any(|&field| field > 64) {
            let _ = write!(text, "{:032X}", bitmap | 1 << 127);
        } else {
            let _ = write!(text, "{:016X}", bitmap >> 64);
        }
        text.push_str(&body);
        Ok(text.into_bytes())
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

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize, inside: &str) -> Result<&'a str, IsoError> {
        let end = self.at.saturating_add(count);
        let short = || IsoError::Short { at: self.bytes.len(), inside: inside.to_owned() };
        let piece = self.bytes.get(self.at..end).ok_or_else(short)?;
        let text = std::str::from_utf8(piece)
            .ok()
            .filter(|text| text.bytes().all(|byte| (0x20..0x7f).contains(&byte)))
            .ok_or_else(|| IsoError::Malformed { what: inside.to_owned(), at: self.at })?;
        self.at = end;
        Ok(text)
    }

    fn digits(&mut self, count: usize, inside: &str) -> Result<&'a str, IsoError> {
        let at = self.at;
        let text = self.take(count, inside)?;
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(text)
        } else {
            Err(IsoError::Malformed { what: inside.to_owned(), at })
        }
    }

    /// Sixteen hexadecimal characters as the numbers of the fields present, counted from `base`.
    fn bitmap(&mut self, base: u8) -> Result<Vec<u8>, IsoError> {
        let at = self.at;
        let text = self.take(16, "a bitmap")?;
        let bits = u64::from_str_radix(text, 16)
            .ok()
            .filter(|_| !text.starts_with('+'))
            .ok_or_else(|| IsoError::Malformed { what: "a bitmap".to_owned(), at })?;
        let set = |bit: &u8| bits >> 64_u32.saturating_sub(u32::from(*bit)) & 1 == 1;
        Ok((1..=64_u8).filter(set).map(|bit| base.saturating_add(bit)).collect())
    }

    fn field(&mut self, field: u8) -> Result<&'a str, IsoError> {
        let inside = format!("DE {field}");
        match shape(field) {
            Some(Shape::Fixed(length)) => self.take(length, &inside),
            Some(Shape::Counted { digits, max }) => {
                let at = self.at;
                let length: usize = self
                    .digits(digits, &inside)?
                    .parse()
                    .map_err(|_| IsoError::Malformed { what: inside.clone(), at })?;
                if length > max {
                    return Err(IsoError::Length { field, length });
                }
                self.take(length, &inside)
            }
            None => Err(IsoError::Malformed { what: format!("{inside} (unknown)"), at: self.at }),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;

    /// Put together by hand from the standard: 0800 with DE 7, 11 and 70.
    const SIGN_ON: &str = "08008220000000000000040000000000000011221015300000\
                           01001";

    #[test]
    fn a_sign_on_written_by_hand_is_read_and_written_the_same() {
        let text = SIGN_ON.replace(char::is_whitespace, "");
        let message = Message::decode(text.as_bytes()).unwrap();
        assert_eq!(message.mti, "0800");
        assert_eq!(message.get(7), "1122101530");
        assert_eq!(message.get(11), "000001");
        assert_eq!(message.get(70), "001");
        assert_eq!(message.encode().unwrap(), text.as_bytes());
    }

    #[test]
    fn every_truncation_and_a_trailing_byte_are_refused() {
        let text = SIGN_ON.as_bytes();
        for end in 0..text.len() {
            assert!(Message::decode(&text[..end]).is_err(), "cut at {end}");
        }
        let longer = [text, b"X"].concat();
        assert_eq!(Message::decode(&longer).err(), Some(IsoError::Trailing { count: 1 }));
    }

    #[test]
    fn a_field_that_lies_about_its_length_is_refused() {
        let mut message = Message::new("0200");
        message.set(2, "4000000000000002");
        let good = message.encode().unwrap();
        assert_eq!(good, b"02004000000000000000164000000000000002");
        let text = String::from_utf8(good).unwrap();
        let lie = text.replace("164000", "994000");
        assert_eq!(
            Message::decode(lie.as_bytes()).err(),
            Some(IsoError::Length { field: 2, length: 99 })
        );
        let letters = text.replace("164000", "1x4000");
        assert!(matches!(
            Message::decode(letters.as_bytes()),
            Err(IsoError::Malformed { at: 20, .. })
        ));
    }

    #[test]
    fn what_may_not_be_shown_is_masked() {
        let mut message = Message::new("0200");
        message.set(2, "4000000000000002");
        message.set(48, "CV03123EC0205");
        message.set(52, "0123456789ABCDEF");
        let masked = message.masked();
        assert_eq!(masked.get(2), "400000******0002");
        assert_eq!(masked.get(48), "CV03***EC0205");
        assert_eq!(masked.get(52), "****************");
        message.set(48, "free text with 123");
        assert!(!message.masked().get(48).contains("123"), "what cannot be read is hidden whole");
    }
}
