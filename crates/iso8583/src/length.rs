//! Reads the length that stands before an element, and says how many units and bytes it means.

use crate::{
    cursor::Cursor,
    digits::hex_value,
    error::{Expected, FieldPath, Found, ParseError},
    field::{Counts, Encoding, FieldSpec, Prefix},
};

/// How the length before an element is written.
#[derive(Clone, Copy)]
pub(crate) struct LengthForm {
    pub(crate) digits: u8,
    pub(crate) max: usize,
    pub(crate) prefix: Prefix,
    pub(crate) counts: Counts,
}

/// Reads the length before an element: its units, and its bytes on the wire.
#[inline]
pub(crate) fn read_length(
    cursor: &mut Cursor<'_>,
    spec: &FieldSpec,
    form: LengthForm,
    path: impl Fn() -> FieldPath,
) -> Result<(usize, usize), ParseError> {
    let offset = cursor.offset();
    let fault = |found, expected| ParseError { path: path(), offset, found, expected };
    let mut counted = read_number(cursor, form.digits, form.prefix, &path)?;
    if form.counts == Counts::BytesAndItself {
        let own = cursor.offset().saturating_sub(offset);
        counted = counted
            .checked_sub(own)
            .ok_or_else(|| fault(Found::Length(counted), Expected::LengthAtLeast(own)))?;
    }
    let Some((units, wire)) = measured(spec, form.counts, counted) else {
        return Err(fault(Found::Length(counted), Expected::LengthEven));
    };
    if units > form.max {
        return Err(fault(Found::Length(units), Expected::LengthAtMost(form.max)));
    }
    Ok((units, wire))
}

/// The units and the bytes on the wire of content whose length counts so much; `None` when it counts half
/// a byte too many.
#[inline(always)]
pub(crate) fn measured(spec: &FieldSpec, counts: Counts, counted: usize) -> Option<(usize, usize)> {
    let of_bytes = |bytes: usize| match spec.encoding {
        Encoding::Hex | Encoding::HexEbcdic => {
            bytes.is_multiple_of(2).then_some((bytes >> 1, bytes))
        }
        Encoding::Bcd(_) => Some((bytes.saturating_mul(2), bytes)),
        _ => Some((bytes, bytes)),
    };
    match (counts, spec.encoding) {
        (Counts::Units, _) | (Counts::Nibbles, Encoding::Bcd(_)) => {
            Some((counted, spec.wire_len(counted)))
        }
        (Counts::Bytes | Counts::BytesAndItself, _) => of_bytes(counted),
        (Counts::Nibbles, _) => counted.is_multiple_of(2).then(|| of_bytes(counted >> 1))?,
    }
}

/// Reads the number that a length is written as.
#[inline]
pub(crate) fn read_number(
    cursor: &mut Cursor<'_>,
    digits: u8,
    prefix: Prefix,
    path: impl Fn() -> FieldPath,
) -> Result<usize, ParseError> {
    if prefix == Prefix::Ber {
        return read_ber_length(cursor, path);
    }
    let offset = cursor.offset();
    let expected = Expected::Length(digits, prefix);
    let bytes = cursor.take(prefix.wire_len(digits));
    let bytes = bytes.ok_or_else(|| cursor.short(path(), expected))?;
    let mut number = 0_usize;
    for (position, &value) in bytes.iter().enumerate() {
        let next = match prefix {
            Prefix::Ascii if value.is_ascii_digit() => (10, value & 0x0F),
            Prefix::Ebcdic if (0xF0..=0xF9).contains(&value) => (10, value & 0x0F),
            Prefix::Bcd if value >> 4 <= 9 && value & 0x0F <= 9 => {
                (100, (value >> 4).saturating_mul(10).saturating_add(value & 0x0F))
            }
            Prefix::Hex if let Some(half) = hex_value(value) => (16, half),
            Prefix::Binary => (256, value),
            _ => {
                let found = Found::Byte { value, position };
                return Err(ParseError { path: path(), offset, found, expected });
            }
        };
        number = number.saturating_mul(next.0).saturating_add(usize::from(next.1));
    }
    Ok(number)
}

/// ISO/IEC 8825-1, 8.1.3, definite forms alone.
fn read_ber_length(
    cursor: &mut Cursor<'_>,
    path: impl Fn() -> FieldPath,
) -> Result<usize, ParseError> {
    let offset = cursor.offset();
    let expected = Expected::Length(1, Prefix::Ber);
    let first = cursor.take(1).and_then(|bytes| bytes.first().copied());
    let first = first.ok_or_else(|| cursor.short(path(), expected))?;
    match first {
        0..=0x7F => Ok(usize::from(first)),
        0x81..=0x84 => {
            let bytes = cursor.take(usize::from(first & 0x7F));
            let bytes = bytes.ok_or_else(|| cursor.short(path(), expected))?;
            Ok(bytes.iter().fold(0, |number, &byte| (number << 8) | usize::from(byte)))
        }
        value => {
            let found = Found::Byte { value, position: 0 };
            Err(ParseError { path: path(), offset, found, expected })
        }
    }
}
