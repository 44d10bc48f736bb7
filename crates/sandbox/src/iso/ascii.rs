//! The dialect `iso87-ascii`: every character a byte, bitmaps and binary fields in hexadecimal.

use super::shape::{Content, Length, shape};
use super::{IsoError, Message};
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(super) fn decode(bytes: &[u8]) -> Result<Message, IsoError> {
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
        0 => Ok(Message { mti, fields }),
        count => Err(IsoError::Trailing { count }),
    }
}

pub(super) fn encode(message: &Message) -> Result<Vec<u8>, IsoError> {
    let mut bitmap: u128 = 0;
    let mut body = String::new();
    for (&field, value) in &message.fields {
        match length_of(field) {
            Some(Length::Fixed(length)) if value.len() == length => {}
            Some(Length::Counted { digits, max }) if value.len() <= max => {
                let _ = write!(body, "{:0digits$}", value.len());
            }
            _ => return Err(IsoError::Length { field, length: value.len() }),
        }
        body.push_str(value);
        bitmap |= 1_u128 << 128_u32.saturating_sub(u32::from(field));
    }
    let mut text = message.mti.clone();
    if message.fields.keys().any(|&field| field > 64) {
        let _ = write!(text, "{:032X}", bitmap | 1 << 127);
    } else {
        let _ = write!(text, "{:016X}", bitmap >> 64);
    }
    text.push_str(&body);
    Ok(text.into_bytes())
}

/// In characters: two for each byte of a binary field.
fn length_of(field: u8) -> Option<Length> {
    let shape = shape(field)?;
    Some(match shape.length {
        Length::Fixed(bytes) if shape.content == Content::Binary => {
            Length::Fixed(bytes.saturating_mul(2))
        }
        Length::Counted { digits, max } if shape.content == Content::Binary => {
            Length::Counted { digits, max: max.saturating_mul(2) }
        }
        length => length,
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
        match length_of(field) {
            Some(Length::Fixed(length)) => self.take(length, &inside),
            Some(Length::Counted { digits, max }) => {
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
