//! Reads what every message begins with: its type and its bitmaps.

use crate::{
    bitmap::Bitmap,
    charset::all_hex,
    cursor::Cursor,
    dialect::{BitmapEncoding, MtiEncoding},
    digits::{halves, hex_value, unhexed},
    error::{Expected, FieldPath, Found, MtiFault, ParseError},
    field::CodePage,
    mti::Mti,
};

pub(crate) fn read_mti(cursor: &mut Cursor<'_>, encoding: MtiEncoding) -> Result<Mti, ParseError> {
    let path = FieldPath::Mti;
    let offset = cursor.offset();
    let wrong = |position, value| {
        let found = Found::Byte { value, position };
        ParseError { path, offset, found, expected: Expected::Mti }
    };
    let bytes = cursor.take(encoding.wire_len());
    let bytes = bytes.ok_or_else(|| cursor.short(path, Expected::Mti))?;
    let mut digits = [0_u8; 4];
    match encoding {
        MtiEncoding::Ascii => digits.copy_from_slice(bytes),
        MtiEncoding::Ebcdic => {
            for (digit, &byte) in digits.iter_mut().zip(bytes) {
                *digit = CodePage::Cp037.ascii(byte);
            }
        }
        MtiEncoding::Bcd => {
            if let Some((position, byte)) = wrong_packed(bytes) {
                return Err(wrong(position, byte));
            }
            for (digit, half) in digits.iter_mut().zip(halves(bytes)) {
                *digit = b'0' | half;
            }
        }
    }
    Mti::from_digits(digits).map_err(|MtiFault { position, .. }| {
        wrong(position, bytes.get(position).copied().unwrap_or(0))
    })
}

pub(crate) fn read_bitmaps(
    cursor: &mut Cursor<'_>,
    encoding: BitmapEncoding,
) -> Result<Bitmap, ParseError> {
    let primary = read_bitmap(cursor, FieldPath::Bitmap, encoding)?;
    let secondary = if primary >> 63 == 1 {
        read_bitmap(cursor, FieldPath::SecondaryBitmap, encoding)?
    } else {
        0
    };
    Ok(Bitmap::new(primary, secondary))
}

/// Reads 64 bits.
pub(crate) fn read_bitmap(
    cursor: &mut Cursor<'_>,
    path: FieldPath,
    encoding: BitmapEncoding,
) -> Result<u64, ParseError> {
    let expected = match encoding {
        BitmapEncoding::Binary => Expected::BitmapBinary,
        BitmapEncoding::Hex => Expected::BitmapHex,
        BitmapEncoding::HexEbcdic => Expected::BitmapHexEbcdic,
    };
    let offset = cursor.offset();
    let bytes = cursor.take(encoding.wire_len());
    let bytes = bytes.ok_or_else(|| cursor.short(path, expected))?;
    if encoding == BitmapEncoding::Binary {
        let bytes = <[u8; 8]>::try_from(bytes).unwrap_or_default();
        return Ok(u64::from_be_bytes(bytes));
    }
    if encoding == BitmapEncoding::Hex
        && all_hex(bytes)
        && let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
    {
        let ([a, b, c, d], [e, f, g, h]) = (unhexed(*first), unhexed(*last));
        return Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
    }
    let mut bits = 0_u64;
    for (position, &value) in bytes.iter().enumerate() {
        let digit = match encoding {
            BitmapEncoding::HexEbcdic => CodePage::Cp037.ascii(value),
            _ => value,
        };
        let Some(half) = hex_value(digit) else {
            let found = Found::Byte { value, position };
            return Err(ParseError { path, offset, found, expected });
        };
        bits = (bits << 4) | u64::from(half);
    }
    Ok(bits)
}

fn wrong_packed(bytes: &[u8]) -> Option<(usize, u8)> {
    bytes.iter().copied().enumerate().find(|(_, byte)| byte >> 4 > 9 || byte & 0x0F > 9)
}
