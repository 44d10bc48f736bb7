//! What the bytes of an element stand for: text, digits, numbers and bytes, decoded when somebody reads
//! them, into new room or into the reader's own.

use alloc::{borrow::Cow, string::String, vec, vec::Vec};

use zeroize::Zeroize;

use crate::{
    digits::{halves, hex_digit, hex_value},
    field::{CodePage, Content, Encoding, FieldSpec, Filler},
};

/// The text of content that was read: its characters, upper-case hex digits for content `b`, and for packed
/// track data `=` for the separator. Borrowed where the bytes are that text already.
pub(crate) fn text<'a>(spec: &FieldSpec, bytes: &'a [u8], units: usize) -> Option<Cow<'a, str>> {
    let borrowed = match spec.encoding {
        Encoding::Ascii => true,
        Encoding::Hex => !bytes.iter().any(u8::is_ascii_lowercase),
        _ => false,
    };
    if borrowed {
        return core::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    }
    let mut room = vec![0; text_len(spec, bytes.len(), units)];
    let written = write_text(spec, bytes, units, &mut room)?;
    room.truncate(written);
    match String::from_utf8(room) {
        Ok(text) => Some(Cow::Owned(text)),
        Err(fault) => {
            fault.into_bytes().zeroize();
            None
        }
    }
}

/// The room that [`write_text`] needs, in bytes.
fn text_len(spec: &FieldSpec, wire: usize, units: usize) -> usize {
    match spec.encoding {
        Encoding::Raw => wire.saturating_mul(2),
        Encoding::Bcd(_) | Encoding::Binary(_) => units,
        Encoding::Ascii | Encoding::Ebcdic(_) | Encoding::Hex | Encoding::HexEbcdic => wire,
    }
}

/// Writes the text into `room`, from its beginning; how many bytes that took, `None` when it has too little.
pub(crate) fn write_text(
    spec: &FieldSpec,
    bytes: &[u8],
    units: usize,
    room: &mut [u8],
) -> Option<usize> {
    let length = text_len(spec, bytes.len(), units);
    let room = room.get_mut(..length)?;
    match spec.encoding {
        Encoding::Ascii => room.copy_from_slice(bytes),
        Encoding::Ebcdic(page) => fill(room, bytes.iter().map(|&byte| page.ascii(byte))),
        Encoding::Hex => fill(room, bytes.iter().map(u8::to_ascii_uppercase)),
        Encoding::HexEbcdic => {
            fill(room, bytes.iter().map(|&byte| CodePage::Cp037.ascii(byte).to_ascii_uppercase()))
        }
        Encoding::Raw => fill(room, halves(bytes).map(hex_digit)),
        Encoding::Bcd(filler) if spec.content == Content::Xn => {
            let (letter, digits) = (bytes.first(), bytes.get(1..).unwrap_or_default());
            let digits = unpacked(digits, skipped(units.saturating_sub(1), filler));
            fill(room, letter.copied().into_iter().chain(digits));
        }
        Encoding::Bcd(filler) => fill(room, unpacked(bytes, skipped(units, filler))),
        Encoding::Binary(_) => {
            let mut rest = number(bytes);
            for digit in room.iter_mut().rev() {
                *digit = b'0' | u8::try_from(rest % 10).unwrap_or(0);
                rest = rest.checked_div(10).unwrap_or(0);
            }
        }
    }
    Some(length)
}

fn fill(room: &mut [u8], text: impl Iterator<Item = u8>) {
    for (place, character) in room.iter_mut().zip(text) {
        *place = character;
    }
}

/// How many half bytes stand before the first digit.
pub(crate) fn skipped(units: usize, filler: Filler) -> usize {
    usize::from(units % 2 == 1 && filler == Filler::LeadingZero)
}

/// The digits behind so many half bytes. 0-9 are digits; in track data A-F continue as the code set does:
/// `:;<=>?`.
pub(crate) fn unpacked(bytes: &[u8], skipped: usize) -> impl Iterator<Item = u8> {
    halves(bytes).skip(skipped).map(|half| b'0'.saturating_add(half))
}

/// A big-endian number of up to 8 bytes.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte))
}

/// The bytes that content `b` stands for; `None` for text.
pub(crate) fn binary<'a>(spec: &FieldSpec, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let digit = |byte: u8| match spec.encoding {
        Encoding::HexEbcdic => hex_value(CodePage::Cp037.ascii(byte)),
        _ => hex_value(byte),
    };
    match spec.encoding {
        Encoding::Raw => Some(Cow::Borrowed(bytes)),
        Encoding::Hex | Encoding::HexEbcdic => {
            let pairs = bytes.as_chunks::<2>().0.iter();
            let bytes = pairs.map(|&[high, low]| Some((digit(high)? << 4) | digit(low)?));
            bytes.collect::<Option<Vec<u8>>>().map(Cow::Owned)
        }
        _ => None,
    }
}
