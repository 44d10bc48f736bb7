//! Makes the bytes of a message. A value is checked and encoded when it is set; packing only puts the
//! parts together, so a message that cannot be sent is refused before anything is written.
//!
//! A builder may hold a card number: its buffer is wiped when it grows and when it is dropped.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroize;

use crate::{
    bitmap::Bitmap,
    dialect::{BitmapEncoding, Dialect, MtiEncoding},
    digits::{hex_digit, hex_value},
    error::PackError,
    field::{Content, Encoding, FieldSpec, Filler, Length, Padding, Prefix},
    frame::FrameFormat,
    mti::Mti,
};

/// Room that nearly every message fits into, in bytes.
const ROOM: usize = 512;

/// Collects the fields of one message, in any order, and packs them.
///
/// Its `Debug` names the fields and shows none of their values.
pub struct Builder<'d> {
    dialect: &'d Dialect,
    mti: Mti,
    present: Bitmap,
    /// Encoded fields, lengths included, in the order in which they were set.
    encoded: Vec<u8>,
    /// Where each field that counts lies in `encoded`, in order of the numbers.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy)]
struct Slot {
    number: u8,
    start: usize,
    end: usize,
}

impl<'d> Builder<'d> {
    /// Begins a message of this type.
    #[must_use]
    pub fn new(dialect: &'d Dialect, mti: Mti) -> Self {
        Self {
            dialect,
            mti,
            present: Bitmap::default(),
            encoded: Vec::with_capacity(ROOM),
            slots: Vec::with_capacity(24),
        }
    }

    /// Sets a field from text: its characters, or pairs of hex digits for content `b`. Setting a field
    /// again replaces its value.
    ///
    /// # Errors
    /// [`PackError`] when the dialect has no such field, or the value does not fit its length or
    /// content; the builder is then as it was.
    pub fn set(&mut self, number: u8, text: &str) -> Result<&mut Self, PackError> {
        let spec = self.spec(number)?;
        let value = match spec.content {
            Content::B => Value::HexText(text.as_bytes()),
            _ => Value::Bytes(text.as_bytes()),
        };
        self.encode(spec, value)
    }

    /// Sets a field from bytes: those of content `b` as they are, or the ASCII characters of text.
    ///
    /// # Errors
    /// As [`Builder::set`].
    pub fn set_bytes(&mut self, number: u8, bytes: &[u8]) -> Result<&mut Self, PackError> {
        let spec = self.spec(number)?;
        self.encode(spec, Value::Bytes(bytes))
    }

    /// Appends the message to `out`: type, bitmaps, and the fields in order. `out` grows at most once,
    /// and what it held before is wiped when it moves.
    ///
    /// # Errors
    /// [`PackError::TooLong`] for a message longer than any frame can carry; `out` is then untouched.
    pub fn pack(&self, out: &mut Vec<u8>) -> Result<(), PackError> {
        let max = FrameFormat::LengthBe2.longest_body();
        let fields = self.slots.iter().map(|slot| slot.end.saturating_sub(slot.start));
        let length = fields.fold(self.head_len(), usize::saturating_add);
        if length > max {
            return Err(PackError::TooLong { length, max });
        }
        reserve_wiping(out, length);
        match self.dialect.mti_encoding() {
            MtiEncoding::Ascii => out.extend_from_slice(&self.mti.digits()),
            MtiEncoding::Bcd => {
                let digits = self.mti.digits();
                push_packed(out, digits.iter().copied(), digits.len(), Filler::LeadingZero);
            }
        }
        self.pack_bitmap(out, self.present.primary());
        if self.present.needs_secondary() {
            self.pack_bitmap(out, self.present.secondary());
        }
        for slot in &self.slots {
            out.extend_from_slice(self.encoded.get(slot.start..slot.end).unwrap_or_default());
        }
        Ok(())
    }

    fn spec(&self, number: u8) -> Result<&'d FieldSpec, PackError> {
        self.dialect.field(number).ok_or(PackError::Undefined { field: number })
    }

    fn encode(&mut self, spec: &FieldSpec, value: Value<'_>) -> Result<&mut Self, PackError> {
        let given = value.units(spec.number)?;
        let filling = filling(spec, given)?;
        if let (Value::Bytes(text), true) = (value, spec.content != Content::B)
            && let Some(place) = spec.first_wrong(text)
        {
            return Err(PackError::Content {
                field: spec.number,
                content: spec.content,
                position: place,
            });
        }
        let units = given.saturating_add(filling);
        // At most 4 digits of length stand before the content.
        reserve_wiping(&mut self.encoded, spec.encoding.wire_len(units).saturating_add(4));
        let start = self.encoded.len();
        if let Length::Var { digits, prefix, .. } = spec.length {
            push_length(&mut self.encoded, units, digits, prefix);
        }
        push_content(&mut self.encoded, spec, value, filling, units);
        self.keep(Slot { number: spec.number, start, end: self.encoded.len() });
        Ok(self)
    }

    fn keep(&mut self, slot: Slot) {
        self.present.insert(slot.number);
        match self.slots.binary_search_by_key(&slot.number, |slot| slot.number) {
            Ok(place) => {
                if let Some(known) = self.slots.get_mut(place) {
                    *known = slot;
                }
            }
            Err(place) => self.slots.insert(place, slot),
        }
    }

    /// The bytes of type and bitmaps.
    fn head_len(&self) -> usize {
        let mti: usize = match self.dialect.mti_encoding() {
            MtiEncoding::Ascii => 4,
            MtiEncoding::Bcd => 2,
        };
        let bitmaps = if self.present.needs_secondary() { 2 } else { 1 };
        let bitmap = match self.dialect.bitmap_encoding() {
            BitmapEncoding::Hex => Bitmap::BYTES.saturating_mul(2),
            BitmapEncoding::Binary => Bitmap::BYTES,
        };
        mti.saturating_add(bitmap.saturating_mul(bitmaps))
    }

    fn pack_bitmap(&self, out: &mut Vec<u8>, bitmap: [u8; Bitmap::BYTES]) {
        match self.dialect.bitmap_encoding() {
            BitmapEncoding::Binary => out.extend_from_slice(&bitmap),
            BitmapEncoding::Hex => push_hex(out, bitmap.into_iter()),
        }
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
        for slot in &self.slots {
            write!(f, " DE{}", slot.number)?;
        }
        f.write_str(")")
    }
}

/// A value as it was given.
#[derive(Clone, Copy)]
enum Value<'v> {
    /// Bytes of content `b`, or the ASCII characters of text.
    Bytes(&'v [u8]),
    /// Hex digits that stand for bytes of content `b`.
    HexText(&'v [u8]),
}

impl Value<'_> {
    /// Its length in digits, characters or bytes.
    fn units(self, field: u8) -> Result<usize, PackError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len()),
            Self::HexText(digits) => {
                let wrong = digits.iter().position(|&digit| hex_value(digit).is_none());
                let odd = (digits.len() % 2 == 1).then_some(digits.len());
                match wrong.or(odd) {
                    Some(position) => Err(PackError::NotHex { field, position }),
                    None => Ok(digits.len().checked_div(2).unwrap_or(0)),
                }
            }
        }
    }
}

/// How many filling characters a value of this length needs.
fn filling(spec: &FieldSpec, given: usize) -> Result<usize, PackError> {
    let wrong = PackError::Length { field: spec.number, expected: spec.length, found: given };
    match spec.length {
        Length::Var { max, .. } if given > max => Err(wrong),
        // Filling alone is no value: an amount that is missing must not become zero.
        Length::Fixed(_) if given == 0 => Err(wrong),
        Length::Var { .. } => Ok(0),
        Length::Fixed(length) => match (length.checked_sub(given), spec.padding) {
            (Some(0), _) => Ok(0),
            (Some(missing), Padding::Left(_) | Padding::Right(_)) => Ok(missing),
            (Some(_), Padding::None) | (None, _) => Err(wrong),
        },
    }
}

fn push_content(
    out: &mut Vec<u8>,
    spec: &FieldSpec,
    value: Value<'_>,
    filling: usize,
    units: usize,
) {
    let (before, behind, character) = match spec.padding {
        Padding::Left(character) => (filling, 0, character),
        Padding::Right(character) => (0, filling, character),
        Padding::None => (0, 0, 0),
    };
    let before = core::iter::repeat_n(character, before);
    let behind = core::iter::repeat_n(character, behind);
    match (value, spec.encoding) {
        (Value::Bytes(bytes), Encoding::Ascii | Encoding::Raw) => {
            out.extend(before);
            out.extend_from_slice(bytes);
            out.extend(behind);
        }
        (Value::Bytes(bytes), Encoding::Hex) => push_hex(out, bytes.iter().copied()),
        (Value::Bytes(bytes), Encoding::Bcd(filler)) => {
            let digits = before.chain(bytes.iter().copied()).chain(behind);
            push_packed(out, digits, units, filler);
        }
        (Value::HexText(digits), Encoding::Hex) => {
            out.extend(digits.iter().map(u8::to_ascii_uppercase));
        }
        (Value::HexText(digits), _) => {
            let halves = digits.iter().map(|&digit| hex_value(digit).unwrap_or(0));
            push_packed(out, halves, digits.len(), Filler::LeadingZero);
        }
    }
}

fn push_length(out: &mut Vec<u8>, length: usize, digits: u8, prefix: Prefix) {
    let places = (0..u32::from(digits)).rev();
    let digit = |place: u32| {
        let rest = length.checked_div(10_usize.saturating_pow(place)).unwrap_or(0) % 10;
        b'0'.saturating_add(u8::try_from(rest).unwrap_or(0))
    };
    match prefix {
        Prefix::Ascii => out.extend(places.map(digit)),
        Prefix::Bcd => {
            push_packed(out, places.map(digit), usize::from(digits), Filler::LeadingZero);
        }
    }
}

/// Packs half bytes, two a byte. Of an ASCII digit, and of the track code set, the low half counts;
/// the letter `D` stands for the separator.
fn push_packed(out: &mut Vec<u8>, digits: impl Iterator<Item = u8>, count: usize, filler: Filler) {
    let half = |digit: u8| if digit == b'D' { 0x0D } else { digit & 0x0F };
    let odd = count % 2 == 1;
    let leading = (odd && filler == Filler::LeadingZero).then_some(0);
    let trailing = (odd && filler != Filler::LeadingZero).then(|| filler.half());
    let mut halves = leading.into_iter().chain(digits.map(half)).chain(trailing);
    while let (Some(high), Some(low)) = (halves.next(), halves.next()) {
        out.push((high << 4) | low);
    }
}

fn push_hex(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>) {
    out.extend(bytes.flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte)]));
}

/// Makes room for `more` bytes; when that means moving, the old place is wiped.
pub(crate) fn reserve_wiping(buffer: &mut Vec<u8>, more: usize) {
    let wanted = buffer.len().saturating_add(more);
    if wanted > buffer.capacity() {
        let mut bigger = Vec::with_capacity(wanted.max(buffer.capacity().saturating_mul(2)));
        bigger.extend_from_slice(buffer);
        buffer.zeroize();
        *buffer = bigger;
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
    use crate::{digits::hex, sample};

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
        spec.fields.retain(|field| field.number == 48);
        let mut field = spec.fields.pop().unwrap();
        for number in 101..=107 {
            field.number = number;
            field.length = Length::Fixed(9_999);
            field.padding = Padding::Right(b' ');
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
