//! The dialect `iso87-binary`: two digits a byte, bitmaps and binary fields as bytes, text in ASCII. An
//! odd number of digits begins with a half byte of zero. A length is packed as well, in one byte or two,
//! and counts digits, characters or bytes.

use super::shape::{Content, Length, Shape, shape};
use super::{IsoError, Message};
use data_encoding::HEXUPPER;
use std::collections::BTreeMap;

pub(super) fn decode(bytes: &[u8]) -> Result<Message, IsoError> {
    let mut rest = Rest { all: bytes.len(), bytes };
    let mti = rest.digits(4, "the message type")?;
    let first = rest.bitmap()?;
    let second = if first >> 63 == 1 { rest.bitmap()? } else { 0 };
    let present = u128::from(first) << 64 | u128::from(second);
    let mut fields = BTreeMap::new();
    // The first bit says that there is a second bitmap.
    for field in 2..=128_u8 {
        if present >> 128_u32.saturating_sub(u32::from(field)) & 1 == 1 {
            fields.insert(field, rest.field(field)?);
        }
    }
    match rest.bytes.len() {
        0 => Ok(Message { mti, fields }),
        count => Err(IsoError::Trailing { count }),
    }
}

pub(super) fn encode(message: &Message) -> Result<Vec<u8>, IsoError> {
    let mut bits = [0_u64; 2];
    let mut body = Vec::new();
    for (&field, value) in &message.fields {
        let piece = shape(field).and_then(|shape| piece(shape, value));
        body.extend(piece.ok_or(IsoError::Length { field, length: value.len() })?);
        let [first, second] = &mut bits;
        match field.checked_sub(65) {
            None => *first |= 1 << 64_u32.saturating_sub(u32::from(field)),
            Some(beyond) => *second |= 1 << 63_u32.saturating_sub(u32::from(beyond)),
        }
    }
    let [first, second] = bits;
    let wrong_type = || IsoError::Malformed { what: "the message type".to_owned(), at: 0 };
    let mut bytes = pack(&message.mti).filter(|it| it.len() == 2).ok_or_else(wrong_type)?;
    if second == 0 {
        bytes.extend(first.to_be_bytes());
    } else {
        bytes.extend((first | 1 << 63).to_be_bytes());
        bytes.extend(second.to_be_bytes());
    }
    bytes.extend(body);
    Ok(bytes)
}

/// A field with its length, if it has one of its own; `None` if it cannot be carried so.
fn piece(shape: Shape, value: &str) -> Option<Vec<u8>> {
    let (length, bytes) = match shape.content {
        Content::Digits => (value.len(), pack(value)?),
        Content::Text => (value.len(), value.is_ascii().then(|| value.as_bytes().to_vec())?),
        Content::Binary => {
            let bytes = HEXUPPER.decode(value.replace('*', "F").as_bytes()).ok()?;
            (bytes.len(), bytes)
        }
        Content::Track => return None,
    };
    match shape.length {
        Length::Fixed(wanted) => (length == wanted).then_some(bytes),
        Length::Counted { max, .. } if length > max => None,
        Length::Counted { digits, .. } => {
            Some([pack(&format!("{length:0digits$}"))?, bytes].concat())
        }
    }
}

/// Digits, two a byte. A digit that is hidden from people (`*`) becomes a half byte that no reader takes.
fn pack(digits: &str) -> Option<Vec<u8>> {
    let halves: Option<Vec<u8>> = digits
        .chars()
        .map(|digit| match digit {
            '*' => Some(0xf),
            _ => u8::try_from(digit.to_digit(10)?).ok(),
        })
        .collect();
    // From the right, so that the one without a neighbour is the first.
    Some(
        halves?
            .rchunks(2)
            .rev()
            .map(|pair| pair.iter().fold(0, |all, half| all << 4 | half))
            .collect(),
    )
}

struct Rest<'a> {
    all: usize,
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn at(&self) -> usize {
        self.all.saturating_sub(self.bytes.len())
    }

    fn take(&mut self, count: usize, inside: &str) -> Result<&'a [u8], IsoError> {
        let short = || IsoError::Short { at: self.all, inside: inside.to_owned() };
        let (piece, rest) = self.bytes.split_at_checked(count).ok_or_else(short)?;
        self.bytes = rest;
        Ok(piece)
    }

    fn digits(&mut self, count: usize, inside: &str) -> Result<String, IsoError> {
        let at = self.at();
        let malformed = || IsoError::Malformed { what: inside.to_owned(), at };
        let halves =
            self.take(count.div_ceil(2), inside)?.iter().flat_map(|it| [it >> 4, it & 0xf]);
        let digits: Option<String> =
            halves.map(|half| char::from_digit(u32::from(half), 10)).collect();
        let digits = digits.ok_or_else(malformed)?;
        if count.is_multiple_of(2) {
            return Ok(digits);
        }
        digits.strip_prefix('0').map(str::to_owned).ok_or_else(malformed)
    }

    fn bitmap(&mut self) -> Result<u64, IsoError> {
        let bytes = self.take(8, "a bitmap")?;
        Ok(bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
    }

    fn field(&mut self, field: u8) -> Result<String, IsoError> {
        let inside = format!("DE {field}");
        let at = self.at();
        let malformed = |what: String| IsoError::Malformed { what, at };
        let unknown = || malformed(format!("{inside} (unknown)"));
        let Shape { content, length } = shape(field).ok_or_else(unknown)?;
        let length = match length {
            Length::Fixed(length) => length,
            Length::Counted { digits, max } => {
                // Whole bytes: three digits have a zero before them.
                let text = self.digits(digits, &inside)?;
                let length = text.parse().map_err(|_| malformed(inside.clone()))?;
                if length > max {
                    return Err(IsoError::Length { field, length });
                }
                length
            }
        };
        match content {
            Content::Digits => self.digits(length, &inside),
            Content::Text => {
                let bytes = self.take(length, &inside)?;
                let printable = bytes.iter().all(|byte| (0x20..0x7f).contains(byte));
                let text = std::str::from_utf8(bytes).ok().filter(|_| printable);
                text.map(str::to_owned).ok_or_else(|| malformed(inside))
            }
            Content::Binary => Ok(HEXUPPER.encode(self.take(length, &inside)?)),
            Content::Track => Err(unknown()),
        }
    }
}
