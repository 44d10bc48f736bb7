//! Reads a body by its dialect. The message borrows the body: nothing is copied but the places of the
//! fields, and nothing is allocated. Every byte is accounted for, so whatever parses can be packed again.

use alloc::{
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, ops::Range};

use crate::{
    dialect::Dialect,
    error::{FieldPath, ParseError},
    field::FieldSpec,
    mti::Mti,
    parts::PartPath,
    read::{Reading, Span, locate, read},
    value,
    walk::{Composite, Part, walk},
};

/// A message that follows its dialect. Borrows the bytes that it was read from.
///
/// Its `Debug` names the fields and shows none of their values.
#[derive(Clone)]
pub struct Message<'a> {
    body: &'a [u8],
    dialect: &'a Dialect,
    mti: Mti,
    reading: Reading,
}

impl Dialect {
    /// Reads a body: message type, bitmaps and every field that they announce, with the parts of composites.
    ///
    /// Accepts, beyond what [`crate::pack::Builder`] would write: lower-case hex digits, a secondary bitmap
    /// without any bit, and BER lengths in more bytes than they need.
    ///
    /// # Errors
    /// [`ParseError`] with the element or part, its offset, what stood there and what was expected. Bytes
    /// behind the last field are an error too.
    pub fn parse<'a>(&'a self, body: &'a [u8]) -> Result<Message<'a>, ParseError> {
        let mti = Mti::UNREAD;
        let mut message = Message { body, dialect: self, mti, reading: Reading::default() };
        message.mti = read(self, body, &mut message.reading)?;
        Ok(message)
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
        self.reading.field(number).is_some()
    }

    /// What the dialect says about a field in this message.
    #[must_use]
    pub fn spec(&self, number: u8) -> Option<&'a FieldSpec> {
        self.dialect.field_in(self.reading.holding, number)
    }

    /// The value of a field as text, its filling kept: characters for text, upper-case hex digits for
    /// content `b`, and for packed track data `=` for the separator. Text in ASCII is borrowed.
    ///
    /// The owned text of a packed card number is the caller's to wipe.
    #[must_use]
    pub fn get(&self, number: u8) -> Option<Cow<'a, str>> {
        let (spec, span) = self.found(number)?;
        value::text(spec, self.content(span)?, span.units())
    }

    /// The value of a field as [`Message::get`] tells it, written into the caller's room, which may be one
    /// that is wiped. `None` for a field that is absent, or a room too small.
    pub fn read<'r>(&self, number: u8, room: &'r mut [u8]) -> Option<&'r str> {
        let (spec, span) = self.found(number)?;
        let length = value::write_text(spec, self.content(span)?, span.units(), room)?;
        core::str::from_utf8(room.get(..length)?).ok()
    }

    /// The bytes of a field's content as they stand on the wire, without its length.
    #[must_use]
    pub fn bytes(&self, number: u8) -> Option<&'a [u8]> {
        self.content(self.found(number)?.1)
    }

    /// The bytes that a field of content `b` stands for: decoded when it is written in hex, borrowed
    /// when it is not. `None` for text.
    #[must_use]
    pub fn binary(&self, number: u8) -> Option<Cow<'a, [u8]>> {
        let (spec, span) = self.found(number)?;
        value::binary(spec, self.content(span)?)
    }

    /// The fields in order of their numbers, each with its value as [`Message::get`] tells it.
    pub fn fields(&self) -> impl Iterator<Item = (u8, Cow<'a, str>)> {
        self.numbers().filter_map(|number| Some((number, self.get(number)?)))
    }

    /// The numbers of the fields, in order.
    pub fn numbers(&self) -> impl Iterator<Item = u8> {
        self.reading.fields().map(|(number, _)| number)
    }

    /// The value of a part, by its path such as `48.01`, `55.9F26` or `127.25.3`: text as [`Message::get`]
    /// tells it, and hex digits for a tag that the dialect does not name. The first of several.
    #[must_use]
    pub fn part(&self, path: &str) -> Option<String> {
        let (number, inner) = path.split_once('.')?;
        let mut found = None;
        self.walk(number.parse().ok()?, &mut |part| {
            if found.is_none() && part.path.is_named(inner) {
                found = self.part_text(part);
            }
        });
        found
    }

    /// All parts of a field in the order of the wire, composites before their own parts: the path, and the
    /// value as [`Message::part`] tells it. None for a field that is no composite.
    #[must_use]
    pub fn parts(&self, number: u8) -> Vec<(PartPath, String)> {
        let mut parts = Vec::new();
        self.walk(number, &mut |part| {
            parts.extend(self.part_text(part).map(|text| (part.path, text)));
        });
        parts
    }

    /// All fields and parts with their paths as people write them, such as `4` and `55.9F26`.
    #[must_use]
    pub fn all(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (number, text) in self.fields() {
            all.push((number.to_string(), text.into_owned()));
            let parts = self.parts(number).into_iter();
            all.extend(parts.map(|(path, text)| (alloc::format!("{number}{path}"), text)));
        }
        all
    }

    /// Where a field's content lies in the body, its length left out.
    #[must_use]
    pub fn span(&self, number: u8) -> Option<Range<usize>> {
        Some(self.found(number)?.1.range())
    }

    /// Where a field lies in the body with the length before it. What a MAC covers often ends where the
    /// MAC's own field begins: `..message.whole_span(128)?.start`.
    #[must_use]
    pub fn whole_span(&self, number: u8) -> Option<Range<usize>> {
        self.reading.field(number)
    }

    /// The whole body that the message was read from.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    fn found(&self, number: u8) -> Option<(&'a FieldSpec, Span)> {
        let whole = self.reading.field(number)?;
        let spec = self.spec(number)?;
        Some((spec, locate(spec, self.body, whole.start)?))
    }

    fn content(&self, span: Span) -> Option<&'a [u8]> {
        self.body.get(span.range())
    }

    fn walk(&self, number: u8, visit: &mut dyn FnMut(&Part<'a>)) {
        let Some((spec, span)) = self.found(number) else { return };
        let (Some(parts), Some(content)) = (&spec.parts, self.content(span)) else { return };
        let (start, units) = (span.start(), span.units());
        let composite = Composite { spec, parts, content, start, units };
        // What was read well is walked well.
        let _ = walk(composite, number, &PartPath::FIELD, visit);
    }

    fn part_text(&self, part: &Part<'_>) -> Option<String> {
        part.text(self.body.get(part.content.clone())?)
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}", self.mti)?;
        for number in self.numbers() {
            write!(f, " {}", FieldPath::Field(number))?;
        }
        write!(f, ", {} bytes)", self.body.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#[allow(clippy::too_many_lines, reason = "a table of faults is read at a glance")]
mod tests {
    use alloc::{format, string::ToString, vec};

    use super::*;
    use crate::sample;

    /// A purchase: DE2, DE3, DE4, DE11, DE41.
    const PURCHASE: &str = "02007020000000800000165555555555554444000000000000001234000042TERM0001";

    #[test]
    fn a_purchase_is_read_field_by_field() {
        let dialect = sample::ascii();
        let message = dialect.parse(PURCHASE.as_bytes()).unwrap();
        assert_eq!(message.mti().as_str(), "0200");
        let fields: Vec<_> = message.fields().collect();
        let expected = [
            (2, "5555555555554444"),
            (3, "000000"),
            (4, "000000001234"),
            (11, "000042"),
            (41, "TERM0001"),
        ];
        assert_eq!(fields, expected.map(|(number, value)| (number, Cow::Borrowed(value))));
        assert!(fields.iter().all(|(_, value)| matches!(value, Cow::Borrowed(_))), "no copies");
        for (number, value) in expected {
            assert!(message.has(number));
            assert_eq!(message.get(number).unwrap(), value);
            assert_eq!(message.bytes(number).unwrap(), value.as_bytes());
            let span = message.span(number).unwrap();
            assert_eq!(PURCHASE.get(span).unwrap(), value);
        }
        for absent in [0, 1, 5, 64, 65, 128, 129, 255] {
            assert_eq!(message.get(absent), None, "DE{absent}");
        }
        assert_eq!(message.binary(41), None, "text is not binary");
        assert_eq!(format!("{message:?}"), "Message(0200 DE2 DE3 DE4 DE11 DE41, 70 bytes)");
    }

    #[test]
    fn a_secondary_bitmap_carries_fields_above_64() {
        let dialect = sample::ascii();
        let body = format!(
            "0421C0200000000000000000004000000001{}{}{}{}",
            "164000000000000002",
            "000043",
            "0".repeat(42),
            "0123456789abcdef"
        );
        let message = dialect.parse(body.as_bytes()).unwrap();
        assert_eq!(message.numbers().collect::<Vec<_>>(), [2, 11, 90, 128]);
        assert_eq!(message.get(90).unwrap(), "0".repeat(42));
        assert_eq!(message.get(128).unwrap(), "0123456789ABCDEF");
        let mac = [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF];
        assert_eq!(message.binary(128).unwrap().as_ref(), mac);
        assert_eq!(message.bytes(128).unwrap(), b"0123456789abcdef");
    }

    #[test]
    fn packed_digits_lengths_and_bitmaps_are_read() {
        let dialect = sample::packed();
        // DE2 of 15 digits and a filler, DE3 of 5 behind a filler, track 2 of 9, chip data of 3 bytes.
        let body = [
            &[0x02, 0x00, 0x60, 0, 0, 0, 0x20, 0, 0x02, 0][..],
            &[0x15, 0x37, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2F],
            &[0x01, 0x23, 0x45],
            &[0x09, 0x40, 0x00, 0xD9, 0x91, 0x20],
            &[0x00, 0x03, 0x9F, 0x26, 0x08],
        ]
        .concat();
        let message = dialect.parse(&body).unwrap();
        assert_eq!(message.get(2).unwrap(), "370000000000002");
        assert_eq!(message.get(3).unwrap(), "12345");
        assert_eq!(message.get(35).unwrap(), "4000=9912");
        assert_eq!(message.get(55).unwrap(), "9F2608");
        assert_eq!(message.binary(55).unwrap(), Cow::Borrowed(&[0x9F, 0x26, 0x08][..]));
        assert_eq!(message.span(55), Some(30..33));
    }

    #[track_caller]
    fn refused(dialect: &Dialect, body: &[u8], expected: &str, at: usize) {
        let error = dialect.parse(body).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.at(), at, "{expected}");
    }

    #[test]
    fn each_fault_in_ascii_is_told_with_its_place_and_what_was_expected() {
        let dialect = sample::ascii();
        let with_bits = |bits: &str, rest: &str| format!("0200{bits}{rest}").into_bytes();
        let table: Vec<(Vec<u8>, &str, usize)> = vec![
            (vec![], "MTI at byte 0: expected 4 digits, found the end of the message", 0),
            (b"02".to_vec(), "MTI at byte 0: expected 4 digits, found only 2 bytes left", 2),
            (b"02x0".to_vec(), "MTI at byte 0: expected 4 digits, found 0x78 at position 2", 2),
            (
                b"0200123".to_vec(),
                "bitmap at byte 4: expected 16 hex digits, found only 3 bytes left",
                7,
            ),
            (
                with_bits("00000000000G0000", ""),
                "bitmap at byte 4: expected 16 hex digits, found 0x47 at position 11",
                15,
            ),
            (
                with_bits("8000000000000000", "00"),
                "bitmap 2 at byte 20: expected 16 hex digits, found only 2 bytes left",
                22,
            ),
            (
                with_bits("1000000000000000", "000A00001234"),
                "DE4 at byte 20: expected 12 digits, found 0x41 at position 3",
                23,
            ),
            (
                with_bits("1000000000000000", "0000"),
                "DE4 at byte 20: expected 12 digits, found only 4 bytes left",
                24,
            ),
            (
                with_bits("0800000000000000", "1"),
                "DE5 at byte 20: expected a field that the dialect defines, \
                 found its bit set in the bitmap",
                20,
            ),
            (
                with_bits("0000000000000000", "rest"),
                "end at byte 20: expected the end of the message, found 4 more bytes",
                20,
            ),
            (
                with_bits("4000000000000000", "1"),
                "DE2 at byte 20: expected a length of 2 digits, found only 1 byte left",
                21,
            ),
            (
                with_bits("4000000000000000", "1-55"),
                "DE2 at byte 20: expected a length of 2 digits, found 0x2D at position 1",
                21,
            ),
            (
                with_bits("4000000000000000", "2055555555555544445555"),
                "DE2 at byte 20: expected a length of at most 19, found 20",
                20,
            ),
            (
                with_bits("4000000000000000", "165555555555554a44"),
                "DE2 at byte 22: expected 16 digits, found another byte at position 13",
                35,
            ),
            (
                with_bits("0000001000000000", "X00000100"),
                "DE28 at byte 20: expected C or D and 8 digits, found 0x58 at position 0",
                20,
            ),
            (
                with_bits("0000000000004000", "U5D"),
                "DE50 at byte 20: expected 3 letters, found 0x35 at position 1",
                21,
            ),
            (
                with_bits("0000000000001000", "0123456789ABCDEG"),
                "DE52 at byte 20: expected 16 hex digits, found another byte at position 15",
                35,
            ),
            (
                with_bits("0000000000800000", "TERM\r\n00"),
                "DE41 at byte 20: expected 8 printable characters, found 0x0D at position 4",
                24,
            ),
        ];
        for (body, expected, at) in table {
            refused(&dialect, &body, expected, at);
        }
    }

    #[test]
    fn each_fault_in_packed_form_is_told_too() {
        let dialect = sample::packed();
        let with_bits =
            |first: u8, rest: &[u8]| [&[0x02, 0x00, first, 0, 0, 0, 0, 0, 0, 0], rest].concat();
        let table: Vec<(Vec<u8>, &str, usize)> = vec![
            (vec![0x02, 0x0A], "MTI at byte 0: expected 4 digits, found 0x0A at position 1", 1),
            (
                vec![0x02, 0x00, 0x40],
                "bitmap at byte 2: expected 8 bytes, found only 1 byte left",
                3,
            ),
            (
                with_bits(0x40, &[0x1A]),
                "DE2 at byte 10: expected a length of 2 digits, found 0x1A at position 0",
                10,
            ),
            (
                with_bits(0x40, &[0x03, 0x12, 0x30]),
                "DE2 at byte 11: expected the filling half byte 0xF, found another byte at position 1",
                12,
            ),
            (
                with_bits(0x20, &[0x10, 0x00, 0x00]),
                "DE3 at byte 10: expected the filling half byte 0x0, found 0x10 at position 0",
                10,
            ),
            (
                with_bits(0x20, &[0x00, 0x0B, 0x00]),
                "DE3 at byte 10: expected 5 packed digits, found 0x0B at position 1",
                11,
            ),
            (
                with_bits(0x10, &[0, 0, 0, 0, 0, 0xA0]),
                "DE4 at byte 10: expected 12 packed digits, found 0xA0 at position 5",
                15,
            ),
        ];
        for (body, expected, at) in table {
            refused(&dialect, &body, expected, at);
        }
    }

    #[test]
    fn every_truncation_is_refused_inside_the_body() {
        let dialect = sample::ascii();
        for length in 0..PURCHASE.len() {
            let body = PURCHASE.as_bytes().get(..length).unwrap();
            let error = dialect.parse(body).unwrap_err();
            assert!(error.offset <= length && error.at() <= length, "{length}: {error}");
        }
    }
}
