//! Hex digits and half bytes.

use alloc::{string::String, vec::Vec};

/// The half bytes, high one first.
pub(crate) fn halves(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F])
}

/// What each byte stands for as a hex digit of either case; 0xFF where it is none.
const HEX: [u8; 256] = hex_table();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "run by the compiler alone, over the 16 digits"
)]
const fn hex_table() -> [u8; 256] {
    let mut table = [0xFF; 256];
    let mut half = 0;
    while half < 16 {
        table[b"0123456789ABCDEF"[half] as usize] = half as u8;
        table[b"0123456789abcdef"[half] as usize] = half as u8;
        half += 1;
    }
    table
}

/// What a hex digit of either case stands for.
#[inline]
pub(crate) fn hex_value(digit: u8) -> Option<u8> {
    HEX.get(usize::from(digit)).copied().filter(|&half| half < 16)
}

/// The byte that two hex digits stand for; of others, whatever.
#[inline]
pub(crate) fn hex_pair(high: u8, low: u8) -> u8 {
    let half = |digit: u8| HEX.get(usize::from(digit)).copied().unwrap_or(0);
    (half(high) << 4) | (half(low) & 0x0F)
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
