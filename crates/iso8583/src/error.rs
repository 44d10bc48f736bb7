//! What reading answers instead of panicking. Every error holds values for a program and reads
//! as a sentence for an operator; none holds card data.

use core::fmt;

use crate::{
    field::{Content, Encoding, Prefix},
    parts::{PartKey, PartPath},
};

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
    #[error("a frame of {} bytes, limit {max}", Count(*length))]
    TooLong {
        /// The length of the body in bytes.
        length: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A byte of a length in digits is no digit.
    #[error("a frame length has decimal digits, found {found:#04X} at byte {offset}")]
    NotADigit {
        /// The byte's place in the frame, from 0.
        offset: usize,
        /// The byte.
        found: u8,
    },
    /// A byte of a length in hex digits is none.
    #[error("a frame length has hex digits, found {found:#04X} at byte {offset}")]
    NotHex {
        /// The byte's place in the frame, from 0.
        offset: usize,
        /// The byte.
        found: u8,
    },
    /// A byte of a packed length is no pair of decimal digits.
    #[error("a frame length has packed decimal digits, found {found:#04X} at byte {offset}")]
    NotPacked {
        /// The byte's place in the frame, from 0.
        offset: usize,
        /// The byte.
        found: u8,
    },
    /// A length that does not even cover what must be there.
    #[error("a length of {length}, at least {min} bytes must be there")]
    TooShort {
        /// The length in bytes.
        length: usize,
        /// What must be there, in bytes.
        min: usize,
    },
    /// A byte that is the same in every frame is another one.
    #[error("a frame has {expected:#04X} at byte {offset}, found {found:#04X}")]
    Unexpected {
        /// The byte's place in the frame, from 0.
        offset: usize,
        /// The byte.
        found: u8,
        /// What should stand there.
        expected: u8,
    },
    /// The header says another length than the frame.
    #[error("the frame has {frame} bytes, its header says {}", Said(*.header))]
    LengthsDiffer {
        /// What the frame's length counts, in bytes.
        frame: usize,
        /// What the header says; `None` for no number.
        header: Option<usize>,
    },
    /// A header of BASE I that another one follows.
    #[error("the header announces another one (bit 0x80 of byte {offset}), which is not read")]
    Chained {
        /// The byte's place in the frame, from 0.
        offset: usize,
    },
    /// A header of BASE I by which the network rejects a message.
    #[error("a header of {length} bytes: the network rejects a message, which is not read")]
    Rejected {
        /// The length of the header in bytes.
        length: usize,
    },
    /// A header that does not have the form.
    #[error("a header of another form, {wanted} expected")]
    Header {
        /// The form.
        wanted: &'static str,
    },
}

/// A number, or that there is none.
struct Said(Option<usize>);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{number}"),
            None => f.write_str("no number"),
        }
    }
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
    /// A part of a field, by the field's number and where it lies in it.
    Part(u8, PartPath),
    /// What stands behind the last field.
    End,
}

impl FieldPath {
    /// The path of a field or of a part of it.
    pub(crate) fn of(number: u8, part: &PartPath) -> Self {
        if part.keys().is_empty() { Self::Field(number) } else { Self::Part(number, *part) }
    }

    /// The number of the field, if it is about one.
    #[must_use]
    pub fn field(&self) -> Option<u8> {
        match self {
            Self::Field(number) | Self::Part(number, _) => Some(*number),
            Self::Mti | Self::Bitmap | Self::SecondaryBitmap | Self::End => None,
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mti => f.pad("MTI"),
            Self::Bitmap => f.pad("bitmap"),
            Self::SecondaryBitmap => f.pad("bitmap 2"),
            Self::Field(number) => f.pad(&alloc::format!("DE{number}")),
            Self::Part(number, part) => f.pad(&alloc::format!("DE{number}{part}")),
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
            Found::Short { left } | Found::ShortPart { left } => left,
            Found::Length(_) | Found::Bit | Found::Tag(_) | Found::More { .. } => 0,
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
    /// The field ends too early, or the composite within it.
    ShortPart {
        /// How many bytes of it were left.
        left: usize,
    },
    /// A length that is read well but not allowed.
    Length(usize),
    /// A bit in the bitmap.
    Bit,
    /// A tag.
    Tag(PartKey),
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
            Self::ShortPart { left: 0 } => f.write_str("the end of the field"),
            Self::ShortPart { left: 1 } => f.write_str("only 1 byte left in the field"),
            Self::ShortPart { left } => write!(f, "only {left} bytes left in the field"),
            Self::Short { left: 1 } => f.write_str("only 1 byte left"),
            Self::Short { left } => write!(f, "only {left} bytes left"),
            Self::Length(length) => write!(f, "{}", Count(*length)),
            Self::Bit => f.write_str("its bit set in the bitmap"),
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::More { left: 1 } => f.write_str("1 more byte"),
            Self::More { left } => write!(f, "{left} more bytes"),
        }
    }
}

/// A number of bytes or digits that a message says. No element is longer than six digits can say: a greater
/// number is none, and may be digits of a card number that stand in the wrong place.
pub(crate) struct Count(pub(crate) usize);

/// The greatest length that is told.
const COUNT_MOST: usize = 999_999;

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=COUNT_MOST => write!(f, "{}", self.0),
            _ => write!(f, "more than {COUNT_MOST}"),
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
    /// A bitmap of 16 hex digits in EBCDIC.
    BitmapHexEbcdic,
    /// A bitmap of 8 bytes.
    BitmapBinary,
    /// A length of so many places.
    Length(u8, Prefix),
    /// A length of no more than this.
    LengthAtMost(usize),
    /// A length of no less than this.
    LengthAtLeast(usize),
    /// A length that is exactly this.
    LengthExactly(usize),
    /// A length that whole units have.
    LengthEven,
    /// A tag of so many characters, digits or bytes.
    Tag(u8, Encoding),
    /// A tag of BER-TLV: at most 4 bytes.
    BerTag,
    /// A tag that the dialect names.
    KnownTag,
    /// One more part of a composite.
    Part,
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
    /// So many bytes of a value.
    Bytes(usize),
    /// The end of the message.
    End,
    /// The end of a composite.
    PartsEnd,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Mti => f.write_str("4 digits"),
            Self::BitmapHex => f.write_str("16 hex digits"),
            Self::BitmapBinary => f.write_str("8 bytes"),
            Self::BitmapHexEbcdic => f.write_str("16 EBCDIC hex digits"),
            Self::Length(digits, prefix) => describe_length(f, digits, prefix),
            Self::LengthAtMost(max) => write!(f, "a length of at most {max}"),
            Self::LengthAtLeast(min) => write!(f, "a length of at least {min}"),
            Self::LengthExactly(length) => write!(f, "a length of {length}"),
            Self::LengthEven => f.write_str("an even length"),
            Self::Tag(length, Encoding::Raw) => write!(f, "a tag of {length} bytes"),
            Self::Tag(length, Encoding::Bcd(_)) => write!(f, "a tag of {length} packed digits"),
            Self::Tag(length, Encoding::Ebcdic(_)) => {
                write!(f, "a tag of {length} EBCDIC characters")
            }
            Self::Tag(length, _) => write!(f, "a tag of {length} characters"),
            Self::BerTag => f.write_str("a BER tag of at most 4 bytes"),
            Self::KnownTag => f.write_str("a tag that the dialect names"),
            Self::Part => f.write_str("one more part"),
            Self::Content { content, encoding, units } => describe(f, content, encoding, units),
            Self::Filler(half) => write!(f, "the filling half byte {half:#X}"),
            Self::DefinedField => f.write_str("a field that the dialect defines"),
            Self::Bytes(count) => write!(f, "{} bytes", Count(count)),
            Self::End => f.write_str("the end of the message"),
            Self::PartsEnd => f.write_str("the end of its parts"),
        }
    }
}

fn describe_length(f: &mut fmt::Formatter<'_>, digits: u8, prefix: Prefix) -> fmt::Result {
    match prefix {
        Prefix::Ascii | Prefix::Bcd => write!(f, "a length of {digits} digits"),
        Prefix::Ebcdic => write!(f, "a length of {digits} EBCDIC digits"),
        Prefix::Hex => write!(f, "a length of {digits} hex digits"),
        Prefix::Binary => write!(f, "a length of {digits} bytes"),
        Prefix::Ber => f.write_str("a BER length of at most 4 bytes behind the first"),
    }
}

fn describe(
    f: &mut fmt::Formatter<'_>,
    content: Content,
    encoding: Encoding,
    units: usize,
) -> fmt::Result {
    let written = match encoding {
        Encoding::Bcd(_) => "packed ",
        Encoding::Ebcdic(_) | Encoding::HexEbcdic => "EBCDIC ",
        Encoding::Ascii | Encoding::Hex | Encoding::Raw | Encoding::Binary(_) => "",
    };
    match (content, encoding) {
        (Content::N, Encoding::Binary(bytes)) => {
            write!(f, "a number of at most {units} digits in {bytes} bytes")
        }
        (Content::N, _) => write!(f, "{units} {written}digits"),
        (Content::A, _) => write!(f, "{units} {written}letters"),
        (Content::An, _) => write!(f, "{units} {written}letters or digits"),
        (Content::Ans, _) => write!(f, "{units} {written}printable characters"),
        (Content::Z, _) => write!(f, "{units} {written}track characters"),
        (Content::Xn, _) => {
            write!(f, "C or D and {} {written}digits", units.saturating_sub(1))
        }
        (Content::B, Encoding::Hex | Encoding::HexEbcdic) => {
            write!(f, "{} {written}hex digits", units.saturating_mul(2))
        }
        (Content::B, _) => write!(f, "{units} bytes"),
    }
}
