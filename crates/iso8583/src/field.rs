//! The axes of a field: content, encoding, length, padding, mask, and the parts that it may have. A field
//! of a dialect is one choice on each; they are independent of each other, as far as they make sense together.
//!
//! Content classes: ISO 8583:1987, the attributes `n`, `a`, `an`, `ans`, `b`, `z` and `x+n`.

use alloc::{boxed::Box, string::String};
use core::fmt;

use crate::{charset, parts::Parts};

/// One field of a dialect, or one part of a field, as plain data. Its number or tag stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// What people call it, such as "primary account number".
    pub name: String,
    /// Which characters or bytes may stand in it.
    pub content: Content,
    /// How its content is written on the wire.
    pub encoding: Encoding,
    /// How long it is.
    pub length: Length,
    /// How a value shorter than a fixed length is filled up.
    pub padding: Padding,
    /// What of it may be shown to people.
    pub mask: Mask,
    /// What its content is made of, if it is a composite.
    pub parts: Option<Box<Parts>>,
}

/// Which characters or bytes may stand in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `n`: digits.
    N,
    /// `a`: letters A-Z and a-z.
    A,
    /// `an`: letters and digits.
    An,
    /// `ans`: letters, digits and special characters, which is printable ASCII with the space.
    Ans,
    /// `b`: any bytes.
    B,
    /// `z`: track 2 or 3 code set: the characters `0123456789:;<=>?`, and `D`, which many hosts write
    /// for the separator `=`.
    Z,
    /// `x+n`: `C` (credit) or `D` (debit), then digits. Its length is fixed and counts the letter too.
    Xn,
}

/// How a field's content is written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One ASCII byte a character. For every content but `b`.
    Ascii,
    /// One EBCDIC byte a character. For every content but `b`.
    Ebcdic(CodePage),
    /// Two ASCII hex digits a byte. For content `b`; read in either case, written in upper case.
    Hex,
    /// Two EBCDIC hex digits a byte. For content `b`; read in either case, written in upper case.
    HexEbcdic,
    /// The bytes as they are. For content `b`.
    Raw,
    /// Packed decimal, two digits a byte. For content `n` and `z`, and for `x+n`, whose letter is an ASCII
    /// byte before the digits. An odd number of digits leaves half a byte, which the filler names.
    Bcd(Filler),
    /// An unsigned number in so many bytes (1..=8), big-endian. For content `n` of a fixed length, which
    /// says how many decimal digits it has; as text it has leading zeros.
    Binary(u8),
}

/// A code page of EBCDIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePage {
    /// 037, USA and Canada.
    Cp037,
    /// 1047, Latin 1 open systems.
    Cp1047,
}

/// The half byte that an odd number of packed digits leaves over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filler {
    /// A zero before the first digit.
    LeadingZero,
    /// A zero behind the last digit.
    TrailingZero,
    /// An `F` behind the last digit.
    TrailingF,
}

/// How long a field is. Counted in digits or characters for text and in bytes for content `b`,
/// whatever room they take on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Always this long.
    Fixed(usize),
    /// Its own length stands before it: LLVAR has two digits, LLLVAR three.
    Var {
        /// Places of the length, 1..=6: decimal digits, hex digits or bytes, as the prefix says.
        digits: u8,
        /// The greatest length allowed.
        max: usize,
        /// How the length is written on the wire.
        prefix: Prefix,
        /// What the length counts.
        counts: Counts,
    },
    /// All that is left, of at most this length. For the last part of a composite.
    Rest {
        /// The greatest length allowed.
        max: usize,
    },
}

/// How the length before a variable field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// One ASCII byte a digit.
    Ascii,
    /// One EBCDIC byte a digit.
    Ebcdic,
    /// Packed decimal in whole bytes: LLVAR takes one byte, LLLVAR two, the first half byte zero.
    Bcd,
    /// One ASCII hex digit a place.
    Hex,
    /// A big-endian number, one byte a place.
    Binary,
    /// The length of BER-TLV, ISO/IEC 8825-1: up to 127 in one byte, longer ones behind their own length.
    Ber,
}

/// What the length before a variable field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Digits, characters, or bytes of content `b`.
    Units,
    /// Bytes of the content on the wire. An odd number of packed digits is filled up to whole bytes and
    /// is read back with its filling, unless that is an `F`.
    Bytes,
    /// Bytes of the content on the wire and those of the length itself.
    BytesAndItself,
    /// Half bytes: digits of packed content, twice the bytes of any other.
    Nibbles,
}

/// How a value shorter than a fixed length is filled up when it is packed. A parsed value keeps its
/// filling: `get` shows what the wire said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// It is not; a shorter value is refused.
    #[default]
    None,
    /// This ASCII character before the value, as often as needed.
    Left(u8),
    /// This ASCII character behind the value, as often as needed.
    Right(u8),
}

/// What of a field may be shown to people. The default shows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mask {
    /// All of it.
    Clear,
    /// A card number: the first six and the last four digits.
    Pan,
    /// Its length and nothing else: tracks, PIN blocks, security codes, chip data.
    #[default]
    Never,
}

impl Length {
    /// A variable length of two ASCII digits.
    #[must_use]
    pub const fn llvar(max: usize) -> Self {
        Self::Var { digits: 2, max, prefix: Prefix::Ascii, counts: Counts::Units }
    }

    /// A variable length of three ASCII digits.
    #[must_use]
    pub const fn lllvar(max: usize) -> Self {
        Self::Var { digits: 3, max, prefix: Prefix::Ascii, counts: Counts::Units }
    }

    /// The greatest length that the field may have.
    #[must_use]
    pub const fn max(self) -> usize {
        match self {
            Self::Fixed(length) => length,
            Self::Var { max, .. } | Self::Rest { max } => max,
        }
    }
}

impl Prefix {
    /// The bytes that a length of so many places takes on the wire; for [`Prefix::Ber`] the fewest.
    pub(crate) fn wire_len(self, digits: u8) -> usize {
        match self {
            Self::Ascii | Self::Ebcdic | Self::Hex | Self::Binary => usize::from(digits),
            Self::Bcd => usize::from(digits).div_ceil(2),
            Self::Ber => 1,
        }
    }

    /// The greatest number that so many places can say.
    pub(crate) fn most(self, digits: u8) -> usize {
        let digits = u32::from(digits);
        match self {
            Self::Ascii | Self::Ebcdic | Self::Bcd => {
                10_usize.saturating_pow(digits).saturating_sub(1)
            }
            Self::Hex => 16_usize.saturating_pow(digits).saturating_sub(1),
            Self::Binary => 256_usize.saturating_pow(digits).saturating_sub(1),
            Self::Ber => usize::MAX,
        }
    }
}

impl Filler {
    /// The half byte itself.
    pub(crate) fn half(self) -> u8 {
        match self {
            Self::LeadingZero | Self::TrailingZero => 0,
            Self::TrailingF => 0x0F,
        }
    }
}

impl Content {
    /// Whether this ASCII byte may stand at this place of the text.
    pub(crate) fn allows(self, place: usize, byte: u8) -> bool {
        match self {
            Self::N => byte.is_ascii_digit(),
            Self::A => byte.is_ascii_alphabetic(),
            Self::An => byte.is_ascii_alphanumeric(),
            Self::Ans => matches!(byte, b' '..=b'~'),
            Self::B => true,
            Self::Z => matches!(byte, b'0'..=b'?' | b'D'),
            Self::Xn if place == 0 => matches!(byte, b'C' | b'D'),
            Self::Xn => byte.is_ascii_digit(),
        }
    }
}

impl FieldSpec {
    /// The bytes that content of this length takes on the wire.
    #[inline(always)]
    pub(crate) fn wire_len(&self, units: usize) -> usize {
        match self.encoding {
            Encoding::Ascii | Encoding::Ebcdic(_) | Encoding::Raw => units,
            Encoding::Hex | Encoding::HexEbcdic => units.saturating_mul(2),
            Encoding::Bcd(_) if self.content == Content::Xn => {
                units.saturating_sub(1).div_ceil(2).saturating_add(1)
            }
            Encoding::Bcd(_) => units.div_ceil(2),
            Encoding::Binary(bytes) => usize::from(bytes),
        }
    }

    /// The place of the first character that may not stand in the field, its filling left out of
    /// account. `text` holds one ASCII character a byte.
    pub(crate) fn first_wrong(&self, text: &[u8]) -> Option<usize> {
        if charset::all_allowed(self.content, text) {
            return None;
        }
        let filled_before = match self.padding {
            Padding::Left(filling) => text.iter().take_while(|&&byte| byte == filling).count(),
            _ => 0,
        };
        let filled_behind = match self.padding {
            Padding::Right(filling) => text.iter().rev().take_while(|&&b| b == filling).count(),
            _ => 0,
        };
        let end = text.len().saturating_sub(filled_behind);
        let value = text.get(filled_before..end).unwrap_or_default();
        let wrong =
            value.iter().enumerate().position(|(place, &byte)| !self.content.allows(place, byte));
        wrong.map(|place| place.saturating_add(filled_before))
    }

    /// Whether anything of the field may be shown as it is. A composite shows its parts instead.
    pub(crate) fn is_clear(&self) -> bool {
        self.mask == Mask::Clear && self.parts.is_none()
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::N => "n",
            Self::A => "a",
            Self::An => "an",
            Self::Ans => "ans",
            Self::B => "b",
            Self::Z => "z",
            Self::Xn => "x+n",
        })
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ascii => "ascii",
            Self::Ebcdic(CodePage::Cp037) => "ebcdic",
            Self::Ebcdic(CodePage::Cp1047) => "ebcdic-1047",
            Self::Hex => "hex",
            Self::HexEbcdic => "hex-ebcdic",
            Self::Raw => "raw",
            Self::Bcd(_) => "bcd",
            Self::Binary(_) => "binary",
        })
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Var { digits, max, .. } => write!(f, "{:.<1$}{max}", "", usize::from(*digits)),
            Self::Rest { max } => write!(f, "rest, up to {max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{borrow::ToOwned, string::ToString};

    use super::*;

    fn spec(content: Content, padding: Padding) -> FieldSpec {
        FieldSpec {
            name: "test".to_owned(),
            content,
            encoding: Encoding::Ascii,
            length: Length::Fixed(6),
            padding,
            mask: Mask::Clear,
            parts: None,
        }
    }

    #[test]
    fn each_content_class_names_its_first_wrong_character() {
        use Content::{A, An, Ans, N, Xn, Z};
        let table: [(Content, Padding, &str, Option<usize>); 18] = [
            (N, Padding::None, "000123", None),
            (N, Padding::None, "00 123", Some(2)),
            (N, Padding::Left(b' '), "   123", None),
            (N, Padding::Left(b' '), "  1 23", Some(3)),
            (N, Padding::None, "00012\u{7f}", Some(5)),
            (A, Padding::None, "abcXYZ", None),
            (A, Padding::None, "abc1YZ", Some(3)),
            (An, Padding::None, "abc1YZ", None),
            (An, Padding::None, "abc1Y ", Some(5)),
            (An, Padding::Right(b' '), "abc1Y ", None),
            (An, Padding::Right(b' '), "      ", None),
            (Ans, Padding::None, "a ~!{\"", None),
            (Ans, Padding::None, "a\n~!{\"", Some(1)),
            (Z, Padding::None, "12=99D", None),
            (Z, Padding::None, "12=99C", Some(5)),
            (Xn, Padding::None, "D00123", None),
            (Xn, Padding::None, "000123", Some(0)),
            (Xn, Padding::None, "C001D3", Some(4)),
        ];
        for (content, padding, text, wrong) in table {
            assert_eq!(spec(content, padding).first_wrong(text.as_bytes()), wrong, "{text:?}");
        }
        assert_eq!(spec(N, Padding::None).first_wrong(b""), None);
    }

    #[test]
    fn lengths_read_as_the_standard_writes_them() {
        assert_eq!(Length::Fixed(12).to_string(), "12");
        assert_eq!(Length::llvar(19).to_string(), "..19");
        assert_eq!(Length::lllvar(999).to_string(), "...999");
    }

    #[test]
    fn a_mask_that_nobody_chose_shows_nothing() {
        assert_eq!(Mask::default(), Mask::Never);
    }
}
