//! Reads and shows frames by the host's own definition, with code that the gateway does not have.
//!
//! Nothing clear leaves this file that may not be shown. A field is shown whole only if the definition
//! says `mask = "clear"`, it is none of those that always hold card data, and no card number stands in
//! it; what the definition does not know makes the whole frame unreadable, and then nothing is shown.

use super::shown::{Shown, ShownField, ShownValue, hide_across, masked};
use crate::cards::check_digit_is_valid;
use anyhow::{Context as _, anyhow, bail};
use data_encoding::{HEXLOWER, HEXUPPER};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Tracks, the extended number, PIN block, chip data: hidden whatever a definition says.
const NEVER_SHOWN: &[u8] = &[34, 35, 36, 45, 52, 55];
/// The primary account number.
const CARD_NUMBER: u8 = 2;
/// The card acceptor's number, which may look like a card's.
const ACCEPTOR: u8 = 42;

/// How a host writes messages.
pub struct Dialect {
    packed_type: bool,
    binary_bitmap: bool,
    fields: BTreeMap<u8, Field>,
    /// Card numbers that are shown nowhere.
    cards: Vec<String>,
}

struct Field {
    name: String,
    in_bytes: bool,
    encoding: Encoding,
    length: Length,
    mask: Mask,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Ascii,
    Hex,
    Raw,
    /// Two digits a byte; of an odd number the first half byte is empty.
    PackedRight,
    /// The same; the last half byte is empty.
    PackedLeft,
}

#[derive(Clone, Copy)]
enum Length {
    Fixed(usize),
    Counted { digits: usize, max: usize, packed: bool },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mask {
    Clear,
    CardNumber,
    Hidden,
}

#[derive(Deserialize)]
struct RawDialect {
    mti: String,
    bitmap: String,
    field: BTreeMap<String, RawField>,
}

#[derive(Deserialize)]
struct RawField {
    name: String,
    content: String,
    length: toml::Value,
    encoding: Option<String>,
    prefix: Option<String>,
    mask: Option<String>,
}

impl Dialect {
    /// Reads `dialects/NAME/dialect.toml`. Of `cards` no number is ever shown, wherever it stands.
    /// # Errors
    /// If there is no such file, or it says something that is not known here.
    pub fn open(protocols: &Path, name: &str, cards: Vec<String>) -> anyhow::Result<Self> {
        let path = protocols.join("dialects").join(name).join("dialect.toml");
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        let raw: RawDialect =
            toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        let mut fields = BTreeMap::new();
        for (number, field) in raw.field {
            let built = number.parse::<u8>().ok().and_then(|number| Some((number, build(field)?)));
            let (number, field) =
                built.ok_or_else(|| anyhow!("{}: field {number} is not known", path.display()))?;
            fields.insert(number, field);
        }
        let (packed_type, binary_bitmap) = (raw.mti == "bcd", raw.bitmap == "binary");
        Ok(Self { packed_type, binary_bitmap, fields, cards })
    }

    /// What may be shown of a message.
    /// # Errors
    /// A sentence that names the field and the byte, and no content.
    pub fn show(&self, bytes: &[u8]) -> anyhow::Result<Shown> {
        let mut cursor = Cursor { bytes, at: 0 };
        let mti = match self.packed_type {
            true => packed_digits(cursor.take(2, "the message type")?, 4, Encoding::PackedRight),
            false => printable(cursor.take(4, "the message type")?),
        };
        let mti = mti.filter(|mti| mti.bytes().all(|byte| byte.is_ascii_digit()));
        let mti = mti.context("the message type is no four digits")?;
        let mut present = self.bitmap(&mut cursor)?;
        if present & 1 << 127 != 0 {
            present |= self.bitmap(&mut cursor)? >> 64;
        }
        let mut raw = bytes.to_vec();
        let mut fields = BTreeMap::new();
        let mut spans = Vec::new();
        for number in 2..=128_u8 {
            if present >> 128_u32.saturating_sub(u32::from(number)) & 1 == 0 {
                continue;
            }
            let Some(field) = self.fields.get(&number) else {
                bail!("field {number} at byte {} is not in the dialect", cursor.at);
            };
            let (text, span) = field.read(number, &mut cursor)?;
            let value = self.value(number, field, &text);
            if value != ShownValue::Value(text.clone())
                && let Some(bytes) = raw.get_mut(span.clone())
            {
                let shown: Vec<bool> = match &value {
                    ShownValue::Value(masked) => masked.chars().map(|c| c != '*').collect(),
                    ShownValue::Hidden(_) => Vec::new(),
                };
                conceal(bytes, field.encoding, text.len(), &shown);
            }
            spans.push((number, span, text.len()));
            fields.insert(number, ShownField { name: field.name.clone(), value });
        }
        if let count @ 1.. = bytes.len().saturating_sub(cursor.at) {
            bail!("{count} bytes follow the last field");
        }
        for (number, hidden) in hide_across(&mut raw, &spans, &self.cards) {
            if let Some(field) = fields.get_mut(&number) {
                field.value = ShownValue::Hidden(hidden);
            }
        }
        Ok(Shown { mti, fields, raw: HEXLOWER.encode(&raw) })
    }

    /// Writes a message of digits.
    /// # Errors
    /// If a field is not in the dialect, or does not take such a value.
    pub fn write(&self, mti: &str, fields: &BTreeMap<u8, String>) -> anyhow::Result<Vec<u8>> {
        let mut bitmap = 0_u128;
        let mut body = Vec::new();
        for (&number, value) in fields {
            let field = self.fields.get(&number).filter(|field| field.takes(value));
            let field = field.with_context(|| format!("field {number} takes no such value"))?;
            bitmap |= 1 << 128_u32.saturating_sub(u32::from(number));
            body.extend(match field.encoding {
                Encoding::Ascii => value.clone().into_bytes(),
                _ => packed(value, field.encoding)?,
            });
        }
        let second = bitmap << 64 != 0;
        if second {
            bitmap |= 1 << 127;
        }
        let bitmap = bitmap.to_be_bytes();
        let bitmap = bitmap.get(..if second { 16 } else { 8 }).unwrap_or_default();
        let mut bytes = match self.packed_type {
            true => packed(mti, Encoding::PackedRight)?,
            false => mti.as_bytes().to_vec(),
        };
        match self.binary_bitmap {
            true => bytes.extend(bitmap),
            false => bytes.extend(HEXUPPER.encode(bitmap).bytes()),
        }
        bytes.extend(body);
        Ok(bytes)
    }

    /// In the upper half.
    fn bitmap(&self, cursor: &mut Cursor) -> anyhow::Result<u128> {
        let bytes = match self.binary_bitmap {
            true => cursor.take(8, "a bitmap")?.to_vec(),
            false => {
                let digits = cursor.take(16, "a bitmap")?.to_ascii_uppercase();
                HEXUPPER.decode(&digits).ok().context("a bitmap is no hexadecimal")?
            }
        };
        Ok(bytes.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte)) << 64)
    }

    fn value(&self, number: u8, field: &Field, text: &str) -> ShownValue {
        let hidden = ShownValue::Hidden(text.len());
        match field.mask {
            Mask::CardNumber => ShownValue::Value(masked(text)),
            _ if NEVER_SHOWN.contains(&number) || number == CARD_NUMBER => hidden,
            Mask::Clear if !self.holds_a_card(number, text) => ShownValue::Value(text.to_owned()),
            _ => hidden,
        }
    }

    /// One of the script's, or a run of digits that looks like one.
    fn holds_a_card(&self, number: u8, text: &str) -> bool {
        self.cards.iter().any(|card| text.contains(card.as_str()))
            || number != ACCEPTOR
                && text
                    .split(|c: char| !c.is_ascii_digit())
                    .any(|run| (13..=19).contains(&run.len()) && check_digit_is_valid(run))
    }
}

fn build(raw: RawField) -> Option<Field> {
    let encoding = match raw.encoding.as_deref() {
        None | Some("ascii") => Encoding::Ascii,
        Some("hex") => Encoding::Hex,
        Some("raw") => Encoding::Raw,
        Some("bcd-0n") => Encoding::PackedRight,
        Some("bcd-n0" | "bcd-nF") => Encoding::PackedLeft,
        Some(_) => return None,
    };
    let length = match &raw.length {
        toml::Value::Integer(length) => Length::Fixed(usize::try_from(*length).ok()?),
        toml::Value::String(text) => {
            let max = text.trim_start_matches('.');
            let digits = text.len().checked_sub(max.len()).filter(|digits| *digits > 0)?;
            let packed = raw.prefix.as_deref() == Some("bcd");
            Length::Counted { digits, max: max.parse().ok()?, packed }
        }
        _ => return None,
    };
    let mask = match raw.mask.as_deref() {
        Some("clear") => Mask::Clear,
        Some("pan") => Mask::CardNumber,
        _ => Mask::Hidden,
    };
    Some(Field { name: raw.name, in_bytes: raw.content == "b", encoding, length, mask })
}

impl Field {
    /// The text (bytes in hexadecimal), and where it stands.
    fn read(&self, number: u8, cursor: &mut Cursor) -> anyhow::Result<(String, Range<usize>)> {
        let inside = format!("field {number}");
        let length = match self.length {
            Length::Fixed(length) => length,
            Length::Counted { digits, max, packed } => {
                let text = match packed {
                    true => {
                        let bytes = cursor.take(digits.div_ceil(2), &inside)?;
                        packed_digits(bytes, digits, Encoding::PackedRight)
                    }
                    false => printable(cursor.take(digits, &inside)?),
                };
                let length = text.and_then(|text| text.parse().ok()).filter(|it| *it <= max);
                length.with_context(|| format!("the length of {inside} is none"))?
            }
        };
        let room = match self.encoding {
            Encoding::Ascii | Encoding::Raw => length,
            Encoding::Hex => length.saturating_mul(2),
            Encoding::PackedRight | Encoding::PackedLeft => length.div_ceil(2),
        };
        let start = cursor.at;
        let bytes = cursor.take(room, &inside)?;
        let text = match self.encoding {
            Encoding::Raw => Some(HEXUPPER.encode(bytes)),
            Encoding::Ascii | Encoding::Hex => printable(bytes),
            packed => packed_digits(bytes, length, packed),
        };
        let text = text.with_context(|| format!("{inside} at byte {start} is not of its form"))?;
        Ok((text, start..cursor.at))
    }

    /// Whether a text of digits can be written into it: of fixed length and none of bytes.
    fn takes(&self, value: &str) -> bool {
        !self.in_bytes && matches!(self.length, Length::Fixed(length) if length == value.len())
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize, inside: &str) -> anyhow::Result<&'a [u8]> {
        let end = self.at.saturating_add(count);
        let piece = self.bytes.get(self.at..end);
        let piece = piece.with_context(|| format!("the message ends inside {inside}"))?;
        self.at = end;
        Ok(piece)
    }
}

fn printable(bytes: &[u8]) -> Option<String> {
    let fits = bytes.iter().all(|byte| (0x20..0x7f).contains(byte));
    fits.then(|| bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// A track has other half bytes than digits; they are written as hexadecimal.
fn packed_digits(bytes: &[u8], count: usize, encoding: Encoding) -> Option<String> {
    let empty = usize::from(encoding == Encoding::PackedRight && !count.is_multiple_of(2));
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).skip(empty).take(count);
    halves.map(|half| char::from_digit(half.into(), 16)).collect()
}

fn packed(digits: &str, encoding: Encoding) -> anyhow::Result<Vec<u8>> {
    let odd = !digits.len().is_multiple_of(2);
    let digits = match encoding {
        Encoding::PackedLeft if odd => format!("{digits}0"),
        _ if odd => format!("0{digits}"),
        _ => digits.to_owned(),
    };
    HEXLOWER.decode(digits.as_bytes()).ok().context("no digits")
}

/// Spoils what is not shown; what `shown` does not reach is not.
fn conceal(bytes: &mut [u8], encoding: Encoding, count: usize, shown: &[bool]) {
    let is_shown = |at: usize| shown.get(at).copied().unwrap_or(false);
    match encoding {
        Encoding::Raw => bytes.fill(0xff),
        Encoding::Ascii | Encoding::Hex => {
            for (at, byte) in bytes.iter_mut().enumerate() {
                if !is_shown(at) {
                    *byte = b'*';
                }
            }
        }
        Encoding::PackedRight | Encoding::PackedLeft => {
            let empty = usize::from(encoding == Encoding::PackedRight && !count.is_multiple_of(2));
            for at in (0..count).filter(|at| !is_shown(*at)) {
                let place = at.saturating_add(empty);
                if let Some(byte) = bytes.get_mut(place >> 1) {
                    *byte |= if place.is_multiple_of(2) { 0xf0 } else { 0x0f };
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "dialect_tests.rs"]
mod tests;
