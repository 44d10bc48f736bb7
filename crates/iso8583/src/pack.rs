//! Makes the bytes of a message. A value is checked and encoded when it is set; packing only puts the
//! parts together, so a message that cannot be sent is refused before anything is written.
//!
//! A builder may hold a card number: its buffer is wiped when it grows and when it is dropped.

use alloc::{vec, vec::Vec};
use core::fmt;

use zeroize::Zeroize;

use crate::{
    bitmap::Bitmap,
    dialect::{BitmapEncoding, Dialect, Holding, MtiEncoding},
    digits::hexed,
    error::{FieldPath, ParseError},
    field::{CodePage, Content, FieldSpec, Filler, Length},
    frame::FrameFormat,
    mti::Mti,
    parts::PartPath,
    plan::LENGTH_MOST,
    tree::{self, Value},
    write::{Given, push_element, push_hex, push_packed, reserve_wiping},
};

/// A value that a message cannot carry. Holds places and lengths, never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The dialect has no such field or part, or none in messages of this kind.
    #[error("{path}: the dialect does not define it")]
    Undefined {
        /// The field, or the part of one.
        path: FieldPath,
    },
    /// A value too long, or too short for a fixed field without filling.
    #[error("{path}: expected a length of {expected}, found {found}")]
    Length {
        /// The field, or the part of one.
        path: FieldPath,
        /// The length that the dialect wants; `..19` is "up to 19".
        expected: Length,
        /// The length of the value in digits, characters or bytes.
        found: usize,
    },
    /// A character that the field's content class does not have.
    #[error("{path}: expected content `{content}`, found another character at position {position}")]
    Content {
        /// The field, or the part of one.
        path: FieldPath,
        /// The class of the content.
        content: Content,
        /// The character's place in the value, from 0.
        position: usize,
    },
    /// Binary content given as text that is not pairs of hex digits.
    #[error("{path}: expected pairs of hex digits, found something else at position {position}")]
    NotHex {
        /// The field, or the part of one.
        path: FieldPath,
        /// The place in the text, from 0.
        position: usize,
    },
    /// A number that its bytes cannot hold.
    #[error("{path}: expected a number that {bytes} bytes can hold, found a greater one")]
    Number {
        /// The field, or the part of one.
        path: FieldPath,
        /// How many bytes it has.
        bytes: u8,
    },
    /// A part that must not be left out.
    #[error("{path}: missing, and the parts behind it cannot stand without it")]
    Missing {
        /// The part.
        path: FieldPath,
    },
    /// Parts for a field that has none.
    #[error("{path}: the dialect gives it no parts")]
    NoParts {
        /// The field, or the part of one.
        path: FieldPath,
    },
    /// A composite given as a whole, whose parts are not what the dialect says. Its bytes are counted from
    /// those of its own length.
    #[error("its parts: {0}")]
    Parts(ParseError),
    /// A message longer than any frame can carry.
    #[error("a message of {length} bytes, limit {max}")]
    TooLong {
        /// The length of the message in bytes.
        length: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// Room that nearly every message fits into, in bytes.
const ROOM: usize = 512;

/// Collects the fields of one message, in any order, and packs them.
///
/// Its `Debug` names the fields and shows none of their values.
pub struct Builder<'d> {
    dialect: &'d Dialect,
    mti: Mti,
    holding: Holding,
    present: Bitmap,
    /// Encoded fields, lengths included, in the order in which they were set, and room behind them.
    encoded: Vec<u8>,
    /// How many bytes of it are fields.
    used: usize,
    /// Where each field that is present lies in `encoded`, by its number; that of 128 stands first.
    places: [Place; 128],
    /// The last field that was set.
    last: u8,
    /// Whether `encoded` holds the fields one behind the other and nothing else.
    in_order: bool,
}

/// Where an encoded field lies.
#[derive(Clone, Copy, Default)]
struct Place {
    start: u32,
    end: u32,
}

impl Place {
    fn range(self) -> core::ops::Range<usize> {
        let wide = |number| usize::try_from(number).unwrap_or(usize::MAX);
        wide(self.start)..wide(self.end)
    }
}

impl<'d> Builder<'d> {
    /// Begins a message of this type.
    #[must_use]
    pub fn new(dialect: &'d Dialect, mti: Mti) -> Self {
        Self {
            dialect,
            mti,
            holding: dialect.holding(mti),
            present: Bitmap::default(),
            encoded: vec![0; ROOM],
            used: 0,
            places: [Place::default(); 128],
            last: 0,
            in_order: true,
        }
    }

    /// Begins another message in the room of the one before, so that nothing is allocated. What that held
    /// is written over, and wiped with the builder.
    pub fn restart(&mut self, mti: Mti) {
        self.mti = mti;
        self.holding = self.dialect.holding(mti);
        self.present = Bitmap::default();
        self.used = 0;
        self.last = 0;
        self.in_order = true;
    }

    /// Sets a field from text: its characters, or pairs of hex digits for content `b`. Setting a field
    /// again replaces its value. Where a dialect has other fields by processing code, DE3 comes first.
    ///
    /// # Errors
    /// [`PackError`] when the dialect has no such field in this message, or the value does not fit its
    /// length, content or parts; the builder is then as it was.
    #[inline]
    pub fn set(&mut self, number: u8, text: &str) -> Result<&mut Self, PackError> {
        let text = text.as_bytes();
        let most = self.used.saturating_add(text.len()).saturating_add(LENGTH_MOST);
        if most > self.encoded.len() {
            self.make_room(most);
        }
        let room = self.encoded.get_mut(self.used..).unwrap_or_default();
        match self.dialect.step(number).put(room, text) {
            Some(length) => {
                self.keep(number, self.used.wrapping_add(length));
                Ok(self)
            }
            None => self.encode(number, Given::Text(text)),
        }
    }

    /// Sets a field from bytes: those of content `b` as they are, or the ASCII characters of text.
    ///
    /// # Errors
    /// As [`Builder::set`].
    pub fn set_bytes(&mut self, number: u8, bytes: &[u8]) -> Result<&mut Self, PackError> {
        self.encode(number, Given::Bytes(bytes))
    }

    /// Sets a field from a text, or a composite from the values of its parts.
    ///
    /// # Errors
    /// As [`Builder::set`], with the path of the part that cannot be written; and what is missing.
    pub fn set_value(&mut self, number: u8, value: &Value) -> Result<&mut Self, PackError> {
        match value {
            Value::Text(text) => self.set(number, text),
            Value::Parts(values) => {
                let spec = self.spec(number)?;
                let mut content = tree::content(spec, values, number, &PartPath::FIELD)?;
                let set = self.encode(number, Given::Wire(&content.bytes, content.units));
                content.bytes.zeroize();
                set
            }
        }
    }

    /// Appends the message to `out`: type, bitmaps, and the fields in order. `out` grows at most once,
    /// and what it held before is wiped when it moves.
    ///
    /// # Errors
    /// [`PackError::TooLong`] for a message longer than any frame can carry; `out` is then untouched.
    pub fn pack(&self, out: &mut Vec<u8>) -> Result<(), PackError> {
        let max = FrameFormat::LENGTH_BE2.longest_body();
        let fields = if self.in_order { self.used } else { self.ranges().map(|it| it.len()).sum() };
        let length = self.head_len().saturating_add(fields);
        if length > max {
            return Err(PackError::TooLong { length, max });
        }
        reserve_wiping(out, length);
        let digits = self.mti.digits();
        match self.dialect.mti_encoding() {
            MtiEncoding::Ascii => out.extend_from_slice(&digits),
            MtiEncoding::Ebcdic => {
                out.extend(digits.iter().map(|&digit| CodePage::Cp037.byte(digit)));
            }
            MtiEncoding::Bcd => {
                push_packed(out, digits.iter().copied(), digits.len(), Filler::LeadingZero);
            }
        }
        push_bitmap(out, self.dialect.bitmap_encoding(), self.present.primary());
        if self.present.needs_secondary() {
            push_bitmap(out, self.dialect.bitmap_encoding(), self.present.secondary());
        }
        if self.in_order {
            out.extend_from_slice(self.encoded.get(..self.used).unwrap_or_default());
        } else {
            for range in self.ranges() {
                out.extend_from_slice(self.encoded.get(range).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn spec(&self, number: u8) -> Result<&'d FieldSpec, PackError> {
        let path = FieldPath::Field(number);
        self.dialect.field_in(self.holding, number).ok_or(PackError::Undefined { path })
    }

    #[inline(never)]
    fn encode(&mut self, number: u8, given: Given<'_>) -> Result<&mut Self, PackError> {
        let spec = self.spec(number)?;
        let start = self.used;
        self.encoded.truncate(start);
        let pushed = push_element(&mut self.encoded, spec, given, number, &PartPath::FIELD);
        pushed.and_then(|()| match &spec.parts {
            Some(_) if !matches!(given, Given::Wire(..)) => self.check_parts(spec, number, start),
            _ => Ok(()),
        })?;
        self.keep(number, self.encoded.len());
        if number == 3 && self.dialect.looks_at_processing_code() {
            self.look_at_processing_code(start);
        }
        Ok(self)
    }

    /// A composite given as a whole must have the parts that the dialect gives it.
    #[cold]
    fn check_parts(&self, spec: &FieldSpec, number: u8, start: usize) -> Result<(), PackError> {
        let element = self.encoded.get(start..).unwrap_or_default();
        tree::check(spec, element, number)
    }

    #[cold]
    fn look_at_processing_code(&mut self, start: usize) {
        let Ok(spec) = self.spec(3) else { return };
        let content = self.encoded.get(start..).unwrap_or_default();
        let code = crate::value::text(spec, content, spec.length.max());
        let code = code.as_deref().unwrap_or_default().as_bytes();
        self.holding = self.dialect.holding_with(self.mti, code);
    }

    /// Keeps the field that was put behind the others, up to `end`.
    #[inline(always)]
    fn keep(&mut self, number: u8, end: usize) {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let place = Place { start: narrow(self.used), end: narrow(end) };
        if let Some(slot) = self.places.get_mut(usize::from(number & 127)) {
            *slot = place;
        }
        self.present.insert(number);
        self.in_order &= self.last < number;
        self.last = number;
        self.used = end;
    }

    /// Where the fields lie in `encoded`, in order of their numbers.
    fn ranges(&self) -> impl Iterator<Item = core::ops::Range<usize>> {
        let place = |number: u8| self.places.get(usize::from(number & 127));
        self.present.fields().filter_map(move |number| place(number).map(|place| place.range()))
    }

    /// Makes room for so many bytes; when that means moving, the old place is wiped.
    #[cold]
    fn make_room(&mut self, bytes: usize) {
        reserve_wiping(&mut self.encoded, bytes);
        self.encoded.resize(self.encoded.capacity(), 0);
    }

    /// The bytes of type and bitmaps.
    fn head_len(&self) -> usize {
        let bitmaps = if self.present.needs_secondary() { 2 } else { 1 };
        let bitmap = self.dialect.bitmap_encoding().wire_len();
        self.dialect.mti_encoding().wire_len().saturating_add(bitmap.saturating_mul(bitmaps))
    }
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        self.encoded.zeroize();
    }
}

impl fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Builder({}", self.mti)?;
        for number in self.present.fields() {
            write!(f, " DE{number}")?;
        }
        f.write_str(")")
    }
}

/// Writes 64 bits.
pub(crate) fn push_bitmap(
    out: &mut Vec<u8>,
    encoding: BitmapEncoding,
    bitmap: [u8; Bitmap::BYTES],
) {
    match encoding {
        BitmapEncoding::Binary => out.extend_from_slice(&bitmap),
        BitmapEncoding::Hex => {
            let [a, b, c, d, e, f, g, h] = bitmap;
            out.extend_from_slice(&hexed([a, b, c, d]));
            out.extend_from_slice(&hexed([e, f, g, h]));
        }
        BitmapEncoding::HexEbcdic => {
            push_hex(out, bitmap.into_iter(), |digit| CodePage::Cp037.byte(digit));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use alloc::{
        format,
        string::{String, ToString},
        vec,
    };

    use super::*;
    use crate::{digits::hex, field::Padding, sample};

    fn mti(text: &str) -> Mti {
        Mti::parse(text).unwrap()
    }

    #[track_caller]
    fn packed(builder: &Builder<'_>) -> Vec<u8> {
        let mut out = vec![];
        builder.pack(&mut out).unwrap();
        out
    }

    #[test]
    fn fields_are_filled_up_and_ordered_however_they_were_set() {
        let dialect = sample::ascii();
        let mut builder = Builder::new(&dialect, mti("0200"));
        builder.set(41, "TERM1").unwrap();
        builder.set(4, "999").unwrap().set(2, "5555555555554444").unwrap().set(11, "42").unwrap();
        builder.set_bytes(3, b"000000").unwrap().set(4, "1234").unwrap();
        let text = String::from_utf8(packed(&builder)).unwrap();
        let expected = "02007020000000800000165555555555554444000000000000001234000042TERM1   ";
        assert_eq!(text, expected);
        assert_eq!(format!("{builder:?}"), "Builder(0200 DE2 DE3 DE4 DE11 DE41)");
    }

    #[test]
    fn a_field_above_64_brings_the_secondary_bitmap() {
        let dialect = sample::ascii();
        let mut builder = Builder::new(&dialect, mti("0800"));
        builder.set(128, "0123456789abcdef").unwrap();
        let expected = "0800800000000000000000000000000000010123456789ABCDEF";
        assert_eq!(packed(&builder), expected.as_bytes());
    }

    #[test]
    fn an_original_data_element_is_filled_with_zeros_on_the_left() {
        let dialect = sample::ascii();
        let mut builder = Builder::new(&dialect, mti("0420"));
        // Original type, trace number, date and time, acquirer; the forwarder is all zeros.
        builder.set(90, "020000004211221545070000012345600000000000").unwrap();
        let body = packed(&builder);
        let message = dialect.parse(&body).unwrap();
        assert_eq!(message.get(90).unwrap(), "020000004211221545070000012345600000000000");
    }

    #[test]
    fn packed_dialects_write_half_bytes() {
        let dialect = sample::packed();
        let mut builder = Builder::new(&dialect, mti("0200"));
        builder.set(2, "370000000000002").unwrap().set(3, "12345").unwrap();
        builder.set(35, "4000D9912").unwrap().set_bytes(55, &[0x9F, 0x26, 0x08]).unwrap();
        let expected = concat!(
            "0200",
            "6000000020000200",
            "15370000000000002F",
            "012345",
            "094000D99120",
            "00039F2608"
        );
        assert_eq!(hex(&packed(&builder)), expected);
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_without_being_shown() {
        let dialect = sample::ascii();
        let table = [
            (5, "1", "DE5: the dialect does not define it"),
            (1, "1", "DE1: the dialect does not define it"),
            (2, "55555555555544445555", "DE2: expected a length of ..19, found 20"),
            (
                2,
                "555555555555444X",
                "DE2: expected content `n`, found another character at position 15",
            ),
            (4, "1234567890123", "DE4: expected a length of 12, found 13"),
            (4, "", "DE4: expected a length of 12, found 0"),
            (4, "12.34", "DE4: expected content `n`, found another character at position 2"),
            (50, "US", "DE50: expected a length of 3, found 2"),
            (
                41,
                "Z\u{fc}rich",
                "DE41: expected content `ans`, found another character at position 1",
            ),
            (52, "01234567", "DE52: expected a length of 8, found 4"),
            (
                52,
                "0123456",
                "DE52: expected pairs of hex digits, found something else at position 7",
            ),
            (
                52,
                "0123456789ABCDEX",
                "DE52: expected pairs of hex digits, found something else at position 15",
            ),
            (35, "4000A", "DE35: expected content `z`, found another character at position 4"),
            (28, "00000100", "DE28: expected a length of 9, found 8"),
        ];
        let mut builder = Builder::new(&dialect, mti("0200"));
        builder.set(11, "000042").unwrap();
        let before = packed(&builder);
        for (number, value, expected) in table {
            let error = builder.set(number, value).map(|_| ()).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(packed(&builder), before, "a refused value changes nothing");
        }
    }

    #[test]
    fn a_message_that_no_frame_can_carry_is_refused() {
        let mut spec = sample::ascii_spec();
        spec.fields.retain(|(number, _)| *number == 48);
        let mut field = spec.fields.pop().unwrap();
        for number in 101..=107 {
            field.0 = number;
            field.1.length = Length::Fixed(9_999);
            field.1.padding = Padding::Right(b' ');
            spec.fields.push(field.clone());
        }
        let dialect = Dialect::build(spec).unwrap();
        let mut builder = Builder::new(&dialect, mti("0600"));
        for number in 101..=107 {
            builder.set(number, "text").unwrap();
        }
        let mut out = b"kept".to_vec();
        let refused = builder.pack(&mut out).unwrap_err();
        assert_eq!(refused, PackError::TooLong { length: 7 * 9_999 + 36, max: 65_535 });
        assert_eq!(out, b"kept");
    }

    #[test]
    fn a_buffer_that_grows_keeps_what_it_held() {
        let mut buffer = Vec::with_capacity(4);
        buffer.extend_from_slice(b"1234");
        reserve_wiping(&mut buffer, 1);
        assert_eq!(buffer, b"1234");
        assert!(buffer.capacity() >= 8);
    }
}
