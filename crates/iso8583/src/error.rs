//! What this crate answers instead of panicking. Every error holds values for a program and reads
//! as a sentence for an operator; none holds card data.

use core::fmt;

use crate::field::{Content, Encoding, Length};

/// A message type with a byte that is no digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message type has 4 digits, found {byte:#04X} at position {position}")]
pub struct MtiFault {
    /// The byte's place in the message type, from 0.
    pub position: usize,
    /// The byte.
    pub byte: u8,
}

/// A text that is no message type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MtiError {
    /// Too few or too many bytes.
    #[error("a message type has 4 digits, found {found} bytes")]
    Length {
        /// How many bytes there were.
        found: usize,
    },
    /// A byte that is no digit.
    #[error(transparent)]
    Digit(#[from] MtiFault),
}

/// A frame that cannot be cut out of the stream, or cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is above what is allowed here.
    #[error("a frame of {length} bytes, limit {max}")]
    TooLong {
        /// The length of the body in bytes.
        length: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A byte of a length in digits is no digit.
    #[error("a frame length has decimal digits, found {found:#04X} at position {offset}")]
    NotADigit {
        /// The byte's place in the frame, from 0.
        offset: usize,
        /// The byte.
        found: u8,
    },
}

/// The part of a message that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldPath {
    /// The message type identifier.
    Mti,
    /// The primary bitmap.
    Bitmap,
    /// The secondary bitmap.
    SecondaryBitmap,
    /// A field by its number.
    Field(u8),
    /// What stands behind the last field.
    End,
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mti => f.pad("MTI"),
            Self::Bitmap => f.pad("bitmap"),
            Self::SecondaryBitmap => f.pad("bitmap 2"),
            Self::Field(number) => f.pad(&alloc::format!("DE{number}")),
            Self::End => f.pad("end"),
        }
    }
}

/// A body that does not follow its dialect: where, what stood there, and what was expected.
///
/// Reads as `DE4 at byte 34: expected 12 digits, found 0x41 at position 3`. Bytes of a masked field are
/// never in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} at byte {offset}: expected {expected}, found {found}")]
pub struct ParseError {
    /// The element that could not be read.
    pub path: FieldPath,
    /// Where the part of the element that was being read begins (its length, or its content), in bytes
    /// from the start of the body. Never beyond the body's length.
    pub offset: usize,
    /// What stood there.
    pub found: Found,
    /// What the dialect says should stand there.
    pub expected: Expected,
}

impl ParseError {
    /// The byte that is wrong, or the first that is missing, from the start of the body.
    #[must_use]
    pub fn at(&self) -> usize {
        self.offset.saturating_add(match self.found {
            Found::Byte { position, .. } | Found::Hidden { position } => position,
            Found::Short { left } => left,
            Found::Length(_) | Found::Bit | Found::More { .. } => 0,
        })
    }
}

/// What stood where something else was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A wrong byte.
    Byte {
        /// The byte.
        value: u8,
        /// Its place, from the error's offset.
        position: usize,
    },
    /// A wrong byte in a field that must not be shown.
    Hidden {
        /// Its place, from the error's offset.
        position: usize,
    },
    /// The body ends too early.
    Short {
        /// How many bytes were left.
        left: usize,
    },
    /// A length that is read well but not allowed.
    Length(usize),
    /// A bit in the bitmap.
    Bit,
    /// Bytes behind the last field.
    More {
        /// How many.
        left: usize,
    },
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte { value, position } => write!(f, "{value:#04X} at position {position}"),
            Self::Hidden { position } => write!(f, "another byte at position {position}"),
            Self::Short { left: 0 } => f.write_str("the end of the message"),
            Self::Short { left: 1 } => f.write_str("only 1 byte left"),
            Self::Short { left } => write!(f, "only {left} bytes left"),
            Self::Length(length) => write!(f, "{length}"),
            Self::Bit => f.write_str("its bit set in the bitmap"),
            Self::More { left: 1 } => f.write_str("1 more byte"),
            Self::More { left } => write!(f, "{left} more bytes"),
        }
    }
}

/// What the dialect says should have stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A message type.
    Mti,
    /// A bitmap of 16 hex digits.
    BitmapHex,
    /// A bitmap of 8 bytes.
    BitmapBinary,
    /// A length of so many decimal digits.
    LengthDigits(u8),
    /// A length of no more than this.
    LengthAtMost(usize),
    /// Content of this class and length.
    Content {
        /// The class of the content.
        content: Content,
        /// How it is written.
        encoding: Encoding,
        /// Its length in digits, characters or bytes.
        units: usize,
    },
    /// The half byte that fills up an odd number of packed digits.
    Filler(u8),
    /// A field that the dialect defines.
    DefinedField,
    /// The end of the message.
    End,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Mti => f.write_str("4 digits"),
            Self::BitmapHex => f.write_str("16 hex digits"),
            Self::BitmapBinary => f.write_str("8 bytes"),
            Self::LengthDigits(digits) => write!(f, "a length of {digits} digits"),
            Self::LengthAtMost(max) => write!(f, "a length of at most {max}"),
            Self::Content { content, encoding, units } => describe(f, content, encoding, units),
            Self::Filler(half) => write!(f, "the filling half byte {half:#X}"),
            Self::DefinedField => f.write_str("a field that the dialect defines"),
            Self::End => f.write_str("the end of the message"),
        }
    }
}

fn describe(
    f: &mut fmt::Formatter<'_>,
    content: Content,
    encoding: Encoding,
    units: usize,
) -> fmt::Result {
    match (content, encoding) {
        (Content::N, Encoding::Bcd(_)) => write!(f, "{units} packed digits"),
        (Content::Z, Encoding::Bcd(_)) => write!(f, "{units} packed track characters"),
        (Content::N, _) => write!(f, "{units} digits"),
        (Content::A, _) => write!(f, "{units} letters"),
        (Content::An, _) => write!(f, "{units} letters or digits"),
        (Content::Ans, _) => write!(f, "{units} printable characters"),
        (Content::Z, _) => write!(f, "{units} track characters"),
        (Content::Xn, _) => {
            write!(f, "C or D and {} digits", units.saturating_sub(1))
        }
        (Content::B, Encoding::Hex) => write!(f, "{} hex digits", units.saturating_mul(2)),
        (Content::B, _) => write!(f, "{units} bytes"),
    }
}

/// A value that a message cannot carry. Holds places and lengths, never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The dialect has no such field.
    #[error("DE{field}: the dialect does not define it")]
    Undefined {
        /// The field's number.
        field: u8,
    },
    /// A value too long, or too short for a fixed field without filling.
    #[error("DE{field}: expected a length of {expected}, found {found}")]
    Length {
        /// The field's number.
        field: u8,
        /// The length that the dialect wants; `..19` is "up to 19".
        expected: Length,
        /// The length of the value in digits, characters or bytes.
        found: usize,
    },
    /// A character that the field's content class does not have.
    #[error(
        "DE{field}: expected content `{content}`, found another character at position {position}"
    )]
    Content {
        /// The field's number.
        field: u8,
        /// The class of the content.
        content: Content,
        /// The character's place in the value, from 0.
        position: usize,
    },
    /// Binary content given as text that is not pairs of hex digits.
    #[error("DE{field}: expected pairs of hex digits, found something else at position {position}")]
    NotHex {
        /// The field's number.
        field: u8,
        /// The place in the text, from 0.
        position: usize,
    },
    /// A message longer than any frame can carry.
    #[error("a message of {length} bytes, limit {max}")]
    TooLong {
        /// The length of the message in bytes.
        length: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// A fault in a dialect: the field, what it says, and what was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialectFault {
    /// A number that no bit stands for.
    #[error("DE{field}: the number must be 2..=128")]
    Number {
        /// The number that was given.
        field: u8,
    },
    /// The same number twice.
    #[error("DE{field}: defined more than once")]
    Repeated {
        /// The field's number.
        field: u8,
    },
    /// A length that no message can have.
    #[error("DE{field}: a length of {length}, wanted 1..={most}")]
    Length {
        /// The field's number.
        field: u8,
        /// The fixed or greatest length that was given.
        length: usize,
        /// The greatest length that is possible here.
        most: usize,
    },
    /// A letter and digits of variable length, or without a digit.
    #[error("DE{field}: content `x+n`, wanted a fixed length of 2 or more")]
    Letter {
        /// The field's number.
        field: u8,
    },
    /// A length prefix that nobody writes.
    #[error("DE{field}: a length of {digits} digits, wanted 1..=4")]
    Digits {
        /// The field's number.
        field: u8,
        /// The number of digits that was given.
        digits: u8,
    },
    /// Content that cannot be written so.
    #[error("DE{field}: content `{content}` cannot be written as {encoding}, wanted {wanted}")]
    Encoding {
        /// The field's number.
        field: u8,
        /// The content that was given.
        content: Content,
        /// The encoding that was given.
        encoding: Encoding,
        /// The encodings that go with the content.
        wanted: &'static str,
    },
    /// Filling where nothing is filled up, or with what cannot be written.
    #[error("DE{field}: padding, wanted {wanted}")]
    Padding {
        /// The field's number.
        field: u8,
        /// What was wanted.
        wanted: &'static str,
    },
    /// A field that carries card data by definition, but is shown.
    #[error("DE{field}: carries card data, wanted mask {wanted}")]
    Mask {
        /// The field's number.
        field: u8,
        /// The masks that are allowed.
        wanted: &'static str,
    },
}

impl DialectFault {
    /// The number of the field that is at fault.
    #[must_use]
    pub fn field(&self) -> u8 {
        match *self {
            Self::Number { field }
            | Self::Repeated { field }
            | Self::Length { field, .. }
            | Self::Letter { field }
            | Self::Digits { field, .. }
            | Self::Encoding { field, .. }
            | Self::Padding { field, .. }
            | Self::Mask { field, .. } => field,
        }
    }
}
