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

/// Writes what hex digits of either case stand for, two a byte. Others stand for whatever.
#[inline(always)]
pub(crate) fn unhex_into(to: &mut [u8], digits: &[u8]) {
    let (words, rest) = digits.as_chunks::<8>();
    let (fours, last) = to.as_chunks_mut::<4>();
    for (four, word) in fours.iter_mut().zip(words) {
        *four = unhexed(*word);
    }
    let (pairs, _) = rest.as_chunks::<2>();
    for (byte, &[high, low]) in last.iter_mut().zip(pairs) {
        *byte = hex_pair(high, low);
    }
}

/// The four bytes that eight hex digits of either case stand for; of others, whatever.
#[inline]
pub(crate) fn unhexed(digits: [u8; 8]) -> [u8; 4] {
    let word = u64::from_le_bytes(digits);
    // A letter has its 0x40 set, and is nine more than its low half.
    let letters = (word >> 6) & each(0x01);
    joined((word & each(0x0F)).wrapping_add(letters.wrapping_mul(9)))
}

/// Writes the low halves of characters, two a byte; an odd number of them stands behind a zero.
#[inline(always)]
pub(crate) fn pack_into(to: &mut [u8], digits: &[u8]) {
    let odd = digits.len() % 2;
    let (first, digits) = digits.split_at_checked(odd).unwrap_or_default();
    let (single, to) = to.split_at_mut_checked(odd).unwrap_or_default();
    if let (Some(to), Some(first)) = (single.first_mut(), first.first()) {
        *to = first & 0x0F;
    }
    let (words, rest) = digits.as_chunks::<8>();
    let (fours, last) = to.as_chunks_mut::<4>();
    for (four, word) in fours.iter_mut().zip(words) {
        *four = joined(u64::from_le_bytes(*word) & each(0x0F));
    }
    let (pairs, _) = rest.as_chunks::<2>();
    for (byte, &[high, low]) in last.iter_mut().zip(pairs) {
        *byte = (high << 4) | (low & 0x0F);
    }
}

/// Eight half bytes, a byte each, as four bytes.
#[inline]
fn joined(halves: u64) -> [u8; 4] {
    let pairs = ((halves << 4) | (halves >> 8)) & 0x00FF_00FF_00FF_00FF;
    let quads = (pairs | (pairs >> 8)) & 0x0000_FFFF_0000_FFFF;
    let [a, b, c, d, ..] = (quads | (quads >> 16)).to_le_bytes();
    [a, b, c, d]
}

/// Four bytes as eight upper-case hex digits.
#[inline]
pub(crate) fn hexed(bytes: [u8; 4]) -> [u8; 8] {
    let word = u64::from(u32::from_le_bytes(bytes));
    let pairs = (word | (word << 16)) & 0x0000_FFFF_0000_FFFF;
    let single = (pairs | (pairs << 8)) & 0x00FF_00FF_00FF_00FF;
    let halves = ((single >> 4) & each(0x0F)) | ((single << 8) & each(0x0F));
    let halves = halves & each(0x0F);
    // Six more reaches 16 from 10 on; there the letters begin, seven behind the digits.
    let letters = (halves.wrapping_add(each(0x06)) >> 4) & each(0x01);
    halves.wrapping_add(each(0x30)).wrapping_add(letters.wrapping_mul(7)).to_le_bytes()
}

/// The same byte eight times.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
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
