//! The axes of a field: content, encoding, length, padding and mask. A field of a dialect is one
//! choice on each; a new encoding or length prefix is a new variant here and its arm in `parse` and
//! `pack`.
//!
//! Content classes: ISO 8583:1987, the attributes `n`, `a`, `an`, `ans`, `b`, `z` and `x+n`.

use alloc::string::String;
use core::fmt;

/// One field of a dialect, as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// The field's number, 2..=128. The bitmaps are not fields.
    pub number: u8,
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
    /// Two ASCII hex digits a byte. For content `b`; read in either case, written in upper case.
    Hex,
    /// The bytes as they are. For content `b`.
    Raw,
    /// Packed decimal, two digits a byte. For content `n` and `z`. An odd number of digits leaves
    /// half a byte, which the filler names.
    Bcd(Filler),
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
/// whatever room they take on the wire; so does the length that stands before a variable field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Always this long.
    Fixed(usize),
    /// Its own length stands before it: LLVAR has two digits, LLLVAR three.
    Var {
        /// Decimal digits of the length, 1..=4.
        digits: u8,
        /// The greatest length allowed.
        max: usize,
        /// How the length is written on the wire.
        prefix: Prefix,
    },
}

/// How the length before a variable field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// One ASCII byte a digit.
    Ascii,
    /// Packed decimal in whole bytes: LLVAR takes one byte, LLLVAR two, the first half byte zero.
    Bcd,
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
        Self::Var { digits: 2, max, prefix: Prefix::Ascii }
    }

    /// A variable length of three ASCII digits.
    #[must_use]
    pub const fn lllvar(max: usize) -> Self {
        Self::Var { digits: 3, max, prefix: Prefix::Ascii }
    }

    /// The greatest length that the field may have.
    #[must_use]
    pub const fn max(self) -> usize {
        match self {
            Self::Fixed(length) => length,
            Self::Var { max, .. } => max,
        }
    }
}

impl Prefix {
    /// The bytes that a length of so many digits takes on the wire.
    pub(crate) fn wire_len(self, digits: u8) -> usize {
        match self {
            Self::Ascii => usize::from(digits),
            Self::Bcd => usize::from(digits).div_ceil(2),
        }
    }
}

impl Encoding {
    /// The bytes that content of this length takes on the wire.
    pub(crate) fn wire_len(self, units: usize) -> usize {
        match self {
            Self::Ascii | Self::Raw => units,
            Self::Hex => units.saturating_mul(2),
            Self::Bcd(_) => units.div_ceil(2),
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
    /// The place of the first character that may not stand in the field, its filling left out of
    /// account. `text` holds one ASCII character a byte.
    pub(crate) fn first_wrong(&self, text: &[u8]) -> Option<usize> {
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

    /// Whether anything of the field may be shown as it is.
    pub(crate) fn is_clear(&self) -> bool {
        self.mask == Mask::Clear
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
            Self::Hex => "hex",
            Self::Raw => "raw",
            Self::Bcd(_) => "bcd",
        })
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Var { digits, max, .. } => write!(f, "{:.<1$}{max}", "", usize::from(*digits)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{borrow::ToOwned, string::ToString};

    use super::*;

    fn spec(content: Content, padding: Padding) -> FieldSpec {
        FieldSpec {
            number: 48,
            name: "test".to_owned(),
            content,
            encoding: Encoding::Ascii,
            length: Length::Fixed(6),
            padding,
            mask: Mask::Clear,
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
