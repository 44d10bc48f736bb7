//! Reads a body by its dialect. The message borrows the body: nothing is copied but the places of the
//! fields. Every byte is accounted for, so whatever parses can be packed again.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::{fmt, ops::Range};

use nom::{Parser, bytes::complete::take};

use crate::{
    bitmap::Bitmap,
    dialect::{BitmapEncoding, Dialect, MtiEncoding},
    error::{Expected, FieldPath, Found, MtiFault, ParseError},
    field::{Content, Encoding, FieldSpec, Filler, Length, Prefix},
    mti::Mti,
};

/// A message that follows its dialect. Borrows the bytes that it was read from.
///
/// Its `Debug` names the fields and shows none of their values.
#[derive(Clone)]
pub struct Message<'a> {
    body: &'a [u8],
    mti: Mti,
    bitmap: Bitmap,
    /// One for each bit of the bitmap, in order.
    spans: Vec<Span>,
}

/// Where the content of one field lies, and how it is written.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) number: u8,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The length in digits, characters or bytes.
    pub(crate) units: usize,
    encoding: Encoding,
}

/// What was read of a body so far: all of it, or what stood before the fault.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) mti: Option<Mti>,
    pub(crate) bitmap: Option<(Bitmap, Range<usize>)>,
    pub(crate) spans: Vec<Span>,
}

impl Dialect {
    /// Reads a body: message type, bitmaps and every field that they announce.
    ///
    /// Accepts, beyond what [`crate::pack::Builder`] would write, lower-case hex digits and a secondary
    /// bitmap without any bit; every other body has exactly one way to be written.
    ///
    /// # Errors
    /// [`ParseError`] with the element, its offset, what stood there and what was expected. Bytes
    /// behind the last field are an error too.
    pub fn parse<'a>(&self, body: &'a [u8]) -> Result<Message<'a>, ParseError> {
        let mut reading = Reading::default();
        let (mti, bitmap) = read(self, body, &mut reading)?;
        Ok(Message { body, mti, bitmap, spans: reading.spans })
    }
}

impl<'a> Message<'a> {
    /// The message type.
    #[must_use]
    pub fn mti(&self) -> Mti {
        self.mti
    }

    /// Whether the message carries this field.
    #[must_use]
    pub fn has(&self, number: u8) -> bool {
        self.span_of(number).is_some()
    }

    /// The value of a field as text, its filling kept: characters for text, upper-case hex digits for
    /// content `b`, and for packed track data `=` for the separator. Text in ASCII is borrowed.
    ///
    /// The owned text of a packed card number is the caller's to wipe.
    #[must_use]
    pub fn get(&self, number: u8) -> Option<Cow<'a, str>> {
        let span = self.span_of(number)?;
        text(span, self.content(span)?)
    }

    /// The bytes of a field's content as they stand on the wire, without its length.
    #[must_use]
    pub fn bytes(&self, number: u8) -> Option<&'a [u8]> {
        self.content(self.span_of(number)?)
    }

    /// The bytes that a field of content `b` stands for: decoded when it is written in hex, borrowed
    /// when it is not. `None` for text.
    #[must_use]
    pub fn binary(&self, number: u8) -> Option<Cow<'a, [u8]>> {
        let span = self.span_of(number)?;
        let bytes = self.content(span)?;
        match span.encoding {
            Encoding::Raw => Some(Cow::Borrowed(bytes)),
            Encoding::Hex => unhex(bytes).map(Cow::Owned),
            Encoding::Ascii | Encoding::Bcd(_) => None,
        }
    }

    /// The fields in order of their numbers, each with its value as [`Message::get`] tells it.
    pub fn fields(&self) -> impl Iterator<Item = (u8, Cow<'a, str>)> {
        self.spans.iter().filter_map(|span| Some((span.number, text(span, self.content(span)?)?)))
    }

    /// The numbers of the fields, in order.
    pub fn numbers(&self) -> impl Iterator<Item = u8> {
        self.spans.iter().map(|span| span.number)
    }

    /// Where a field's content lies in the body, its length left out.
    #[must_use]
    pub fn span(&self, number: u8) -> Option<Range<usize>> {
        self.span_of(number).map(|span| span.start..span.end)
    }

    /// The whole body that the message was read from.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    fn span_of(&self, number: u8) -> Option<&Span> {
        if number < 2 || !self.bitmap.contains(number) {
            return None;
        }
        self.spans.get(self.bitmap.fields_before(number))
    }

    fn content(&self, span: &Span) -> Option<&'a [u8]> {
        self.body.get(span.start..span.end)
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}", self.mti)?;
        for number in self.numbers() {
            write!(f, " DE{number}")?;
        }
        write!(f, ", {} bytes)", self.body.len())
    }
}

/// Reads a body and leaves in `reading` what was read, also when the rest has a fault.
pub(crate) fn read(
    dialect: &Dialect,
    body: &[u8],
    reading: &mut Reading,
) -> Result<(Mti, Bitmap), ParseError> {
    let mut cursor = Cursor { body, rest: body };
    let mti = read_mti(&mut cursor, dialect.mti_encoding())?;
    reading.mti = Some(mti);
    let start = cursor.offset();
    let bitmap = read_bitmaps(&mut cursor, dialect.bitmap_encoding())?;
    reading.bitmap = Some((bitmap, start..cursor.offset()));
    reading.spans.reserve_exact(bitmap.count());
    for number in bitmap.fields() {
        let path = FieldPath::Field(number);
        let spec = dialect
            .field(number)
            .ok_or_else(|| cursor.error(path, Found::Bit, Expected::DefinedField))?;
        reading.spans.push(read_field(&mut cursor, path, spec)?);
    }
    match cursor.rest.len() {
        0 => Ok((mti, bitmap)),
        left => Err(cursor.error(FieldPath::End, Found::More { left }, Expected::End)),
    }
}

/// The part of the body that is still to be read.
struct Cursor<'a> {
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn offset(&self) -> usize {
        self.body.len().saturating_sub(self.rest.len())
    }

    fn error(&self, path: FieldPath, found: Found, expected: Expected) -> ParseError {
        ParseError { path, offset: self.offset(), found, expected }
    }

    fn take(
        &mut self,
        path: FieldPath,
        count: usize,
        expected: Expected,
    ) -> Result<&'a [u8], ParseError> {
        let taken: nom::IResult<_, _, ()> = take(count).parse(self.rest);
        let (rest, taken) = taken
            .map_err(|_| self.error(path, Found::Short { left: self.rest.len() }, expected))?;
        self.rest = rest;
        Ok(taken)
    }
}

fn read_mti(cursor: &mut Cursor<'_>, encoding: MtiEncoding) -> Result<Mti, ParseError> {
    let path = FieldPath::Mti;
    let offset = cursor.offset();
    let wrong = |position, value| {
        let found = Found::Byte { value, position };
        ParseError { path, offset, found, expected: Expected::Mti }
    };
    let mut digits = [0_u8; 4];
    match encoding {
        MtiEncoding::Ascii => digits.copy_from_slice(cursor.take(path, 4, Expected::Mti)?),
        MtiEncoding::Bcd => {
            let bytes = cursor.take(path, 2, Expected::Mti)?;
            if let Some((position, byte)) = wrong_packed(bytes) {
                return Err(wrong(position, byte));
            }
            for (digit, half) in digits.iter_mut().zip(halves(bytes)) {
                *digit = b'0' | half;
            }
        }
    }
    Mti::from_digits(digits).map_err(|MtiFault { position, byte }| wrong(position, byte))
}

fn read_bitmaps(cursor: &mut Cursor<'_>, encoding: BitmapEncoding) -> Result<Bitmap, ParseError> {
    let primary = read_bitmap(cursor, FieldPath::Bitmap, encoding)?;
    let secondary = if primary >> 63 == 1 {
        read_bitmap(cursor, FieldPath::SecondaryBitmap, encoding)?
    } else {
        0
    };
    Ok(Bitmap::new(primary, secondary))
}

fn read_bitmap(
    cursor: &mut Cursor<'_>,
    path: FieldPath,
    encoding: BitmapEncoding,
) -> Result<u64, ParseError> {
    let offset = cursor.offset();
    match encoding {
        BitmapEncoding::Binary => {
            let bytes = cursor.take(path, Bitmap::BYTES, Expected::BitmapBinary)?;
            Ok(bytes.iter().fold(0, |bits, &byte| (bits << 8) | u64::from(byte)))
        }
        BitmapEncoding::Hex => {
            let count = Bitmap::BYTES.saturating_mul(2);
            let digits = cursor.take(path, count, Expected::BitmapHex)?;
            let mut bits = 0_u64;
            for (position, &value) in digits.iter().enumerate() {
                let half = hex_value(value).ok_or(ParseError {
                    path,
                    offset,
                    found: Found::Byte { value, position },
                    expected: Expected::BitmapHex,
                })?;
                bits = (bits << 4) | u64::from(half);
            }
            Ok(bits)
        }
    }
}

fn read_field(
    cursor: &mut Cursor<'_>,
    path: FieldPath,
    spec: &FieldSpec,
) -> Result<Span, ParseError> {
    let units = match spec.length {
        Length::Fixed(units) => units,
        Length::Var { digits, max, prefix } => read_length(cursor, path, digits, max, prefix)?,
    };
    let expected = Expected::Content { content: spec.content, encoding: spec.encoding, units };
    let start = cursor.offset();
    let bytes = cursor.take(path, spec.encoding.wire_len(units), expected)?;
    if let Some((position, expected)) = wrong_content(spec, bytes, units, expected) {
        let found = match bytes.get(position) {
            Some(&value) if spec.is_clear() => Found::Byte { value, position },
            _ => Found::Hidden { position },
        };
        return Err(ParseError { path, offset: start, found, expected });
    }
    Ok(Span { number: spec.number, start, end: cursor.offset(), units, encoding: spec.encoding })
}

fn read_length(
    cursor: &mut Cursor<'_>,
    path: FieldPath,
    digits: u8,
    max: usize,
    prefix: Prefix,
) -> Result<usize, ParseError> {
    let offset = cursor.offset();
    let expected = Expected::LengthDigits(digits);
    let bytes = cursor.take(path, prefix.wire_len(digits), expected)?;
    let wrong = match prefix {
        Prefix::Ascii => bytes.iter().copied().enumerate().find(|(_, byte)| !byte.is_ascii_digit()),
        Prefix::Bcd => wrong_packed(bytes),
    };
    if let Some((position, value)) = wrong {
        let found = Found::Byte { value, position };
        return Err(ParseError { path, offset, found, expected });
    }
    let add = |length: usize, digit: u8| {
        length.saturating_mul(10).saturating_add(usize::from(digit & 0x0F))
    };
    let length = match prefix {
        Prefix::Ascii => bytes.iter().copied().fold(0, add),
        Prefix::Bcd => halves(bytes).fold(0, add),
    };
    if length > max {
        let (found, expected) = (Found::Length(length), Expected::LengthAtMost(max));
        return Err(ParseError { path, offset, found, expected });
    }
    Ok(length)
}

/// The place of the first byte that the content class or the encoding does not allow.
fn wrong_content(
    spec: &FieldSpec,
    bytes: &[u8],
    units: usize,
    expected: Expected,
) -> Option<(usize, Expected)> {
    match spec.encoding {
        Encoding::Raw => None,
        Encoding::Ascii => spec.first_wrong(bytes).map(|place| (place, expected)),
        Encoding::Hex => {
            let place = bytes.iter().position(|&byte| hex_value(byte).is_none())?;
            Some((place, expected))
        }
        Encoding::Bcd(filler) => {
            if units % 2 == 1 {
                let half = match filler {
                    Filler::LeadingZero => bytes.first().map(|byte| byte >> 4),
                    _ => bytes.last().map(|byte| byte & 0x0F),
                };
                if half != Some(filler.half()) {
                    let last = bytes.len().saturating_sub(1);
                    let place = if filler == Filler::LeadingZero { 0 } else { last };
                    return Some((place, Expected::Filler(filler.half())));
                }
            }
            let skipped = usize::from(units % 2 == 1 && filler == Filler::LeadingZero);
            let mut digits = halves(bytes).skip(skipped).take(units);
            let place = match spec.content {
                Content::N => digits.position(|half| half > 9)?,
                _ => return None,
            };
            Some((place.saturating_add(skipped).checked_div(2).unwrap_or(0), expected))
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

fn text<'a>(span: &Span, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    match span.encoding {
        Encoding::Ascii => core::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Encoding::Hex if bytes.iter().any(u8::is_ascii_lowercase) => {
            let upper = core::str::from_utf8(bytes).ok()?.to_ascii_uppercase();
            Some(Cow::Owned(upper))
        }
        Encoding::Hex => core::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Encoding::Raw => Some(Cow::Owned(hex(bytes))),
        Encoding::Bcd(filler) => {
            let skipped = usize::from(span.units % 2 == 1 && filler == Filler::LeadingZero);
            let digits = halves(bytes).skip(skipped).take(span.units);
            // 0-9 are digits; in track data A-F continue as the code set does: `:;<=>?`.
            let mut text = String::with_capacity(span.units);
            text.extend(digits.map(|half| char::from(b'0'.saturating_add(half))));
            Some(Cow::Owned(text))
        }
    }
}

/// The half bytes, high one first.
fn halves(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F])
}

fn wrong_packed(bytes: &[u8]) -> Option<(usize, u8)> {
    bytes.iter().copied().enumerate().find(|(_, byte)| byte >> 4 > 9 || byte & 0x0F > 9)
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

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len().div_ceil(2));
    for pair in digits.chunks(2) {
        let &[high, low] = pair else { return None };
        bytes.push((hex_value(high)? << 4) | hex_value(low)?);
    }
    Some(bytes)
}
