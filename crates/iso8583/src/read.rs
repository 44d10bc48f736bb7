//! Reads the elements of a body one after the other: type, bitmaps, lengths, content. Takes bytes only
//! through a cursor that knows its offset, so every fault carries its place.

use alloc::vec::Vec;
use core::ops::Range;

use nom::{Parser, bytes::complete::take};

use crate::{
    bitmap::Bitmap,
    dialect::{BitmapEncoding, Dialect, MtiEncoding},
    digits::{halves, hex_value},
    error::{Expected, FieldPath, Found, MtiFault, ParseError},
    field::{Content, Encoding, FieldSpec, Filler, Length, Prefix},
    mti::Mti,
};

/// Where the content of one field lies, and how it is written.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) number: u8,
    /// Where the field's own length begins; the same as `start` when it has none.
    pub(crate) prefix: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The length in digits, characters or bytes.
    pub(crate) units: usize,
    pub(crate) encoding: Encoding,
}

/// What was read of a body so far: all of it, or what stood before the fault.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) mti: Option<Mti>,
    pub(crate) bitmap: Option<(Bitmap, Range<usize>)>,
    pub(crate) spans: Vec<Span>,
}

/// Reads a body and leaves in `reading` what was read, also when the rest has a fault.
pub(crate) fn read(
    dialect: &Dialect,
    body: &[u8],
    reading: &mut Reading,
) -> Result<(Mti, Bitmap), ParseError> {
    let mut cursor = Cursor { body, rest: body };
    let mti = read_mti(&mut cursor, dialect.mti_encoding())?;
    reading.mti = Some(mti);
    let start = cursor.offset();
    let bitmap = read_bitmaps(&mut cursor, dialect.bitmap_encoding())?;
    reading.bitmap = Some((bitmap, start..cursor.offset()));
    reading.spans.reserve_exact(bitmap.count());
    for number in bitmap.fields() {
        let path = FieldPath::Field(number);
        let spec = dialect
            .field(number)
            .ok_or_else(|| cursor.error(path, Found::Bit, Expected::DefinedField))?;
        reading.spans.push(read_field(&mut cursor, path, spec)?);
    }
    match cursor.rest.len() {
        0 => Ok((mti, bitmap)),
        left => Err(cursor.error(FieldPath::End, Found::More { left }, Expected::End)),
    }
}

/// The part of the body that is still to be read.
struct Cursor<'a> {
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn offset(&self) -> usize {
        self.body.len().saturating_sub(self.rest.len())
    }

    fn error(&self, path: FieldPath, found: Found, expected: Expected) -> ParseError {
        ParseError { path, offset: self.offset(), found, expected }
    }

    fn take(
        &mut self,
        path: FieldPath,
        count: usize,
        expected: Expected,
    ) -> Result<&'a [u8], ParseError> {
        let taken: nom::IResult<_, _, ()> = take(count).parse(self.rest);
        let (rest, taken) = taken
            .map_err(|_| self.error(path, Found::Short { left: self.rest.len() }, expected))?;
        self.rest = rest;
        Ok(taken)
    }
}

fn read_mti(cursor: &mut Cursor<'_>, encoding: MtiEncoding) -> Result<Mti, ParseError> {
    let path = FieldPath::Mti;
    let offset = cursor.offset();
    let wrong = |position, value| {
        let found = Found::Byte { value, position };
        ParseError { path, offset, found, expected: Expected::Mti }
    };
    let mut digits = [0_u8; 4];
    match encoding {
        MtiEncoding::Ascii => digits.copy_from_slice(cursor.take(path, 4, Expected::Mti)?),
        MtiEncoding::Bcd => {
            let bytes = cursor.take(path, 2, Expected::Mti)?;
            if let Some((position, byte)) = wrong_packed(bytes) {
                return Err(wrong(position, byte));
            }
            for (digit, half) in digits.iter_mut().zip(halves(bytes)) {
                *digit = b'0' | half;
            }
        }
    }
    Mti::from_digits(digits).map_err(|MtiFault { position, byte }| wrong(position, byte))
}

fn read_bitmaps(cursor: &mut Cursor<'_>, encoding: BitmapEncoding) -> Result<Bitmap, ParseError> {
    let primary = read_bitmap(cursor, FieldPath::Bitmap, encoding)?;
    let secondary = if primary >> 63 == 1 {
        read_bitmap(cursor, FieldPath::SecondaryBitmap, encoding)?
    } else {
        0
    };
    Ok(Bitmap::new(primary, secondary))
}

fn read_bitmap(
    cursor: &mut Cursor<'_>,
    path: FieldPath,
    encoding: BitmapEncoding,
) -> Result<u64, ParseError> {
    let offset = cursor.offset();
    match encoding {
        BitmapEncoding::Binary => {
            let bytes = cursor.take(path, Bitmap::BYTES, Expected::BitmapBinary)?;
            Ok(bytes.iter().fold(0, |bits, &byte| (bits << 8) | u64::from(byte)))
        }
        BitmapEncoding::Hex => {
            let count = Bitmap::BYTES.saturating_mul(2);
            let digits = cursor.take(path, count, Expected::BitmapHex)?;
            let mut bits = 0_u64;
            for (position, &value) in digits.iter().enumerate() {
                let half = hex_value(value).ok_or(ParseError {
                    path,
                    offset,
                    found: Found::Byte { value, position },
                    expected: Expected::BitmapHex,
                })?;
                bits = (bits << 4) | u64::from(half);
            }
            Ok(bits)
        }
    }
}

fn read_field(
    cursor: &mut Cursor<'_>,
    path: FieldPath,
    spec: &FieldSpec,
) -> Result<Span, ParseError> {
    let prefix = cursor.offset();
    let units = match spec.length {
        Length::Fixed(units) => units,
        Length::Var { digits, max, prefix } => read_length(cursor, path, digits, max, prefix)?,
    };
    let expected = Expected::Content { content: spec.content, encoding: spec.encoding, units };
    let start = cursor.offset();
    let bytes = cursor.take(path, spec.encoding.wire_len(units), expected)?;
    if let Some((position, expected)) = wrong_content(spec, bytes, units, expected) {
        let found = match bytes.get(position) {
            Some(&value) if spec.is_clear() => Found::Byte { value, position },
            _ => Found::Hidden { position },
        };
        return Err(ParseError { path, offset: start, found, expected });
    }
    let (number, encoding) = (spec.number, spec.encoding);
    Ok(Span { number, prefix, start, end: cursor.offset(), units, encoding })
}

fn read_length(
    cursor: &mut Cursor<'_>,
    path: FieldPath,
    digits: u8,
    max: usize,
    prefix: Prefix,
) -> Result<usize, ParseError> {
    let offset = cursor.offset();
    let expected = Expected::LengthDigits(digits);
    let bytes = cursor.take(path, prefix.wire_len(digits), expected)?;
    let wrong = match prefix {
        Prefix::Ascii => bytes.iter().copied().enumerate().find(|(_, byte)| !byte.is_ascii_digit()),
        Prefix::Bcd => wrong_packed(bytes),
    };
    if let Some((position, value)) = wrong {
        let found = Found::Byte { value, position };
        return Err(ParseError { path, offset, found, expected });
    }
    let add = |length: usize, digit: u8| {
        length.saturating_mul(10).saturating_add(usize::from(digit & 0x0F))
    };
    let length = match prefix {
        Prefix::Ascii => bytes.iter().copied().fold(0, add),
        Prefix::Bcd => halves(bytes).fold(0, add),
    };
    if length > max {
        let (found, expected) = (Found::Length(length), Expected::LengthAtMost(max));
        return Err(ParseError { path, offset, found, expected });
    }
    Ok(length)
}

/// The place of the first byte that the content class or the encoding does not allow.
fn wrong_content(
    spec: &FieldSpec,
    bytes: &[u8],
    units: usize,
    expected: Expected,
) -> Option<(usize, Expected)> {
    match spec.encoding {
        Encoding::Raw => None,
        Encoding::Ascii => spec.first_wrong(bytes).map(|place| (place, expected)),
        Encoding::Hex => {
            let place = bytes.iter().position(|&byte| hex_value(byte).is_none())?;
            Some((place, expected))
        }
        Encoding::Bcd(filler) => {
            if units % 2 == 1 {
                let half = match filler {
                    Filler::LeadingZero => bytes.first().map(|byte| byte >> 4),
                    _ => bytes.last().map(|byte| byte & 0x0F),
                };
                if half != Some(filler.half()) {
                    let last = bytes.len().saturating_sub(1);
                    let place = if filler == Filler::LeadingZero { 0 } else { last };
                    return Some((place, Expected::Filler(filler.half())));
                }
            }
            let skipped = usize::from(units % 2 == 1 && filler == Filler::LeadingZero);
            let mut digits = halves(bytes).skip(skipped).take(units);
            let place = match spec.content {
                Content::N => digits.position(|half| half > 9)?,
                _ => return None,
            };
            Some((place.saturating_add(skipped).checked_div(2).unwrap_or(0), expected))
        }
    }
}

fn wrong_packed(bytes: &[u8]) -> Option<(usize, u8)> {
    bytes.iter().copied().enumerate().find(|(_, byte)| byte >> 4 > 9 || byte & 0x0F > 9)
}
