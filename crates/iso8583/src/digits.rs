//! Hex digits and half bytes.

use alloc::{string::String, vec::Vec};

/// The half bytes, high one first.
pub(crate) fn halves(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F])
}

/// What a hex digit of either case stands for.
pub(crate) fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit & 0x0F),
        b'a'..=b'f' | b'A'..=b'F' => Some((digit & 0x0F).saturating_add(9)),
        _ => None,
    }
}

/// Bytes as upper-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    text.extend(halves(bytes).map(|half| char::from(hex_digit(half))));
    text
}

/// The upper-case hex digit of a half byte.
pub(crate) fn hex_digit(half: u8) -> u8 {
    match half & 0x0F {
        digit @ 0..=9 => b'0' | digit,
        letter => letter.saturating_sub(10).saturating_add(b'A'),
    }
}

/// The bytes that hex digits of either case stand for; `None` when they are not pairs of those.
pub(crate) fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len().div_ceil(2));
    for pair in digits.chunks(2) {
        let &[high, low] = pair else { return None };
        bytes.push((hex_value(high)? << 4) | hex_value(low)?);
    }
    Some(bytes)
}
