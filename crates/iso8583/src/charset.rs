//! Character sets and classes: which bytes may stand in text, eight at a time, and EBCDIC as ASCII.
//!
//! EBCDIC has many code pages; of its 256 places only those of the 95 printable ASCII characters are
//! used here. Code pages 037 and 1047 differ in three of them: `[`, `]` and `^`.

use crate::field::{CodePage, Content};

/// The printable ASCII character at each place of code page 037; 0 where there is none.
#[rustfmt::skip]
const CP037: [u8; 256] = [
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2E, 0x3C, 0x28, 0x2B, 0x7C,
    0x26, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x24, 0x2A, 0x29, 0x3B, 0x00,
    0x2D, 0x2F, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2C, 0x25, 0x5F, 0x3E, 0x3F,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x60, 0x3A, 0x23, 0x40, 0x27, 0x3D, 0x22,
    0x00, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70, 0x71, 0x72, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x7E, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x5E, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x5B, 0x5D, 0x00, 0x00, 0x00, 0x00,
    0x7B, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x7D, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F, 0x50, 0x51, 0x52, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x5C, 0x00, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];
const CP1047: [u8; 256] = cp1047();
const TO_CP037: [u8; 256] = inverse(&CP037);
const TO_CP1047: [u8; 256] = inverse(&CP1047);

const fn cp1047() -> [u8; 256] {
    let mut table = CP037;
    (table[0xBA], table[0xBB], table[0xB0]) = (0, 0, 0);
    (table[0xAD], table[0xBD], table[0x5F]) = (b'[', b']', b'^');
    table
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "run by the compiler alone, over the 256 places of a table"
)]
const fn inverse(table: &[u8; 256]) -> [u8; 256] {
    let mut inverse = [0; 256];
    let mut place = 0;
    while place < 256 {
        if table[place] != 0 {
            inverse[table[place] as usize] = place as u8;
        }
        place += 1;
    }
    inverse
}

impl CodePage {
    /// The printable ASCII character that a byte stands for; 0 for any other.
    pub(crate) fn ascii(self, byte: u8) -> u8 {
        let table = match self {
            Self::Cp037 => &CP037,
            Self::Cp1047 => &CP1047,
        };
        table.get(usize::from(byte)).copied().unwrap_or(0)
    }

    /// The byte that stands for a printable ASCII character; 0 for any other.
    pub(crate) fn byte(self, ascii: u8) -> u8 {
        let table = match self {
            Self::Cp037 => &TO_CP037,
            Self::Cp1047 => &TO_CP1047,
        };
        table.get(usize::from(ascii)).copied().unwrap_or(0)
    }
}

/// Whether every byte may stand in text of this class, its filling not considered: what the answer
/// `true` says is certain, and nearly every value of the field gets it.
#[inline(always)]
pub(crate) fn all_allowed(content: Content, bytes: &[u8]) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic();
    match content {
        Content::N => each_word(bytes, digits, |byte| byte.is_ascii_digit()),
        Content::Ans => each_word(
            bytes,
            |word| is_ascii(word) & printable(word),
            |byte| matches!(byte, b' '..=b'~'),
        ),
        Content::A => each_word(bytes, |word| is_ascii(word) & every(letters(word)), letter),
        Content::An => each_word(
            bytes,
            |word| is_ascii(word) & every(letters(word) | within(word, b'0', b'9')),
            |byte| byte.is_ascii_alphanumeric(),
        ),
        Content::Z => each_word(
            bytes,
            |word| is_ascii(word) & every(within(word, b'0', b'?') | within(word, b'D', b'D')),
            |byte| matches!(byte, b'0'..=b'?' | b'D'),
        ),
        Content::B => true,
        Content::Xn => bytes.iter().enumerate().all(|(place, &byte)| content.allows(place, byte)),
    }
}

/// Whether all bytes are hex digits of either case.
#[inline(always)]
pub(crate) fn all_hex(bytes: &[u8]) -> bool {
    let hex = |word| within(word, b'0', b'9') | within(word | eight(0x20), b'a', b'f');
    each_word(bytes, |word| is_ascii(word) & every(hex(word)), |byte| byte.is_ascii_hexdigit())
}

/// Whether all bytes are hex digits as they are written: in upper case.
#[inline(always)]
pub(crate) fn all_upper_hex(bytes: &[u8]) -> bool {
    let hex = |word| within(word, b'0', b'9') | within(word, b'A', b'F');
    let upper = |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    each_word(bytes, |word| is_ascii(word) & every(hex(word)), upper)
}

/// Whether all bytes are of the code set of tracks, from `0` to `?`: their low halves are what is packed.
#[inline(always)]
pub(crate) fn all_code_set(bytes: &[u8]) -> bool {
    each_word(bytes, |word| word & eight(0xF0) == eight(0x30), |byte| byte >> 4 == 3)
}

/// Whether all half bytes are decimal digits.
#[inline(always)]
pub(crate) fn all_packed(bytes: &[u8]) -> bool {
    each_word(bytes, packed, |byte| byte >> 4 <= 9 && byte & 0x0F <= 9)
}

/// Looks at eight bytes at a time; the last eight may overlap those before them.
#[inline(always)]
fn each_word(bytes: &[u8], word: impl Fn(u64) -> bool, byte: impl Fn(u8) -> bool) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        return words.iter().all(|it| word(u64::from_le_bytes(*it)))
            && word(u64::from_le_bytes(*last));
    }
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            word((u64::from(first) << 32) | u64::from(last))
        }
        _ => bytes.iter().all(|&it| byte(it)),
    }
}

/// The same byte eight times.
#[inline]
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Eight ASCII digits: the high halves are 3, and stay so when 6 is added to each.
#[inline]
fn digits(word: u64) -> bool {
    let high = eight(0xF0);
    word & high == eight(0x30) && word.wrapping_add(eight(0x06)) & high == eight(0x30)
}

#[inline]
fn is_ascii(word: u64) -> bool {
    word & eight(0x80) == 0
}

/// The high bit of each byte, set where an ASCII byte lies between two others.
#[inline]
fn within(word: u64, least: u8, most: u8) -> u64 {
    let at_least = word.wrapping_add(eight(0x80_u8.wrapping_sub(least)));
    let above = word.wrapping_add(eight(0x7F_u8.wrapping_sub(most)));
    at_least & !above & eight(0x80)
}

#[inline]
fn letters(word: u64) -> u64 {
    within(word | eight(0x20), b'a', b'z')
}

/// Whether the high bit of each byte is set.
#[inline]
fn every(marks: u64) -> bool {
    marks == eight(0x80)
}

/// Eight ASCII characters from the space to the tilde. A borrow into a neighbour begins at a byte that is
/// refused itself.
#[inline]
fn printable(word: u64) -> bool {
    let below = word.wrapping_sub(eight(0x20));
    let above = word.wrapping_add(eight(0x01));
    (below | above) & eight(0x80) == 0
}

/// Sixteen half bytes up to 9: one is more if its 8 is set and its 4 or its 2.
#[inline]
fn packed(word: u64) -> bool {
    word & ((word << 1) | (word << 2)) & eight(0x88) == 0
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn words_say_what_each_byte_says_at_every_place_and_length() {
        for content in [Content::N, Content::Ans, Content::A, Content::An, Content::Z] {
            for length in 0..20 {
                let good = vec![if content == Content::A { b'Q' } else { b'7' }; length];
                assert!(all_allowed(content, &good), "{content} {length}");
                for place in 0..length {
                    for byte in 0..=255 {
                        let mut text = good.clone();
                        text.splice(place..=place, [byte]);
                        let expected = content.allows(place, byte);
                        assert_eq!(all_allowed(content, &text), expected, "{content} {text:?}");
                    }
                }
            }
        }
        for length in 0..20 {
            for place in 0..length {
                for byte in 0..=255 {
                    let mut text = vec![b'b'; length];
                    text.splice(place..=place, [byte]);
                    assert_eq!(all_hex(&text), byte.is_ascii_hexdigit(), "{text:?}");
                    let mut text = vec![0x99; length];
                    text.splice(place..=place, [byte]);
                    let expected = byte >> 4 <= 9 && byte & 15 <= 9;
                    assert_eq!(all_packed(&text), expected, "{text:02X?}");
                }
            }
        }
    }

    #[test]
    fn each_printable_character_has_one_place_in_each_code_page() {
        for page in [CodePage::Cp037, CodePage::Cp1047] {
            let printable = (0..=255).filter(|&byte| page.ascii(byte) != 0).count();
            assert_eq!(printable, 95);
            for character in b' '..=b'~' {
                assert_eq!(page.ascii(page.byte(character)), character);
            }
            assert_eq!(page.byte(b'\n'), 0);
            assert_eq!((page.byte(b'0'), page.byte(b'A'), page.byte(b' ')), (0xF0, 0xC1, 0x40));
        }
        let brackets = |page: CodePage| [b'[', b']', b'^'].map(|it| page.byte(it));
        assert_eq!(brackets(CodePage::Cp037), [0xBA, 0xBB, 0xB0]);
        assert_eq!(brackets(CodePage::Cp1047), [0xAD, 0xBD, 0x5F]);
    }
}
