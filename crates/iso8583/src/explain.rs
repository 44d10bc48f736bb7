//! Tells a person what a message says, or where it breaks, without showing card data.
//!
//! In a message that parses, each field shows what its mask allows. In one that does not, nothing is
//! surely where it seems to be: a bitmap without bit 2 makes the card number look like a processing
//! code and an amount. So by default a broken message shows the shape of its values only (every digit
//! a `9`, every letter an `A`), and an operator must ask for more.

use alloc::{
    borrow::{Cow, ToOwned},
    string::String,
    vec::Vec,
};
use core::ops::Range;

use crate::{
    diagnosis::{Finding, LIKELY, NOT_READ, Scene, diagnose},
    dialect::{BitmapEncoding, Dialect},
    digits::{halves, hex},
    emv,
    error::{FieldPath, Found, ParseError},
    field::{CodePage, FieldSpec, Length},
    mti::Mti,
    parts::{PartKey, PartPath},
    read::{Reading, Span, locate, read},
    shown::{Shown, View, value},
    suspect::holds_card,
    value::text,
    walk::{Composite, Part, walk},
};

/// What an explanation may show beyond the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExplainOptions {
    /// What is shown of a message that does not parse.
    pub broken: BrokenValues,
    /// Card data is shown as it is: for test data, and for eyes that may see it.
    pub unmasked: bool,
}

/// What is shown of a message that does not parse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrokenValues {
    /// Type, bitmap, lengths, and the shape of values: safe for a log.
    #[default]
    Shapes,
    /// The values before the fault, each as its mask allows. They may be parts of a card number that
    /// stands in the wrong place, so this is for test data and for eyes that may see card data.
    Values,
}

/// What a message says, field by field, up to its end or its fault. Prints as a table, and below it,
/// if there is a fault, as what is known of it and a hex dump with the failing byte marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The message type, if it could be read and may be shown.
    pub mti: Option<Mti>,
    /// The bitmaps, if they could be read and may be shown.
    pub bitmap: Option<BitmapLine>,
    /// The fields that could be read, in order.
    pub fields: Vec<FieldLine>,
    /// Why and where the message breaks.
    pub fault: Option<ParseError>,
    /// What is said of the fault, and of what is not shown: the place, the rule, what stood there, and guesses
    /// at the cause.
    pub findings: Vec<Finding>,
    /// Every byte of the body; `None` for one that is not shown.
    pub bytes: Vec<Option<u8>>,
}

/// Both bitmaps of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitmapLine {
    /// Where they begin, in bytes from the start of the body.
    pub offset: usize,
    /// What they say, as hex digits.
    pub raw: String,
    /// The fields that they announce, in order.
    pub fields: Vec<u8>,
}

/// One field of a message, or one part of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLine {
    /// Its number, and where the part lies in it.
    pub path: FieldPath,
    /// What people call it.
    pub name: String,
    /// Its class of content and the length that the dialect wants, such as `n ..19`.
    pub attribute: String,
    /// Where its content begins, in bytes from the start of the body.
    pub offset: usize,
    /// The length of its content in digits, characters or bytes.
    pub length: usize,
    /// The bytes of its content on the wire, as hex digits; `None` when they are not shown.
    pub raw: Option<String>,
    /// Its value, as far as it is shown.
    pub value: Shown,
}

/// Explains a body by its dialect; never fails, and never shows what [`Mask`] forbids.
#[must_use]
pub fn explain(dialect: &Dialect, body: &[u8], options: ExplainOptions) -> Explanation {
    let mut reading = Reading::default();
    let fault = read(dialect, body, &mut reading).err();
    let view = match (fault, options.broken) {
        _ if options.unmasked => View::Unmasked,
        (None, _) => View::Sound,
        (Some(_), BrokenValues::Values) => View::Broken,
        (Some(_), BrokenValues::Shapes) => View::Shapes,
    };
    let heading = view != View::Shapes || has_heading(dialect, body, &reading);
    let last = match view {
        View::Shapes => last_believed(dialect, body, &reading),
        View::Sound | View::Broken | View::Unmasked => 128,
    };
    let mut bytes = Vec::new();
    bytes.resize(body.len(), None);
    if heading && reading.mti.is_some() {
        show(&mut bytes, body, 0..dialect.mti_encoding().wire_len());
    }
    let bitmap = (heading && !reading.bitmaps.is_empty()).then(|| {
        let (offset, end) = (reading.bitmaps.start, bitmap_end(dialect, &reading.bitmaps, last));
        show(&mut bytes, body, 0..end);
        let written = body.get(offset..end).unwrap_or_default();
        let raw = match dialect.bitmap_encoding() {
            BitmapEncoding::Hex => String::from_utf8_lossy(written).into_owned(),
            BitmapEncoding::HexEbcdic => {
                written.iter().map(|&byte| char::from(CodePage::Cp037.ascii(byte))).collect()
            }
            BitmapEncoding::Binary => hex(written),
        };
        let announced = reading.bitmap.fields().take_while(|&number| number <= last);
        BitmapLine { offset, raw, fields: announced.collect() }
    });
    let mut fields = Vec::new();
    for (number, whole) in reading.fields() {
        if !heading || number > last {
            break;
        }
        let Some(spec) = dialect.field_in(reading.holding, number) else { continue };
        let Some(span) = locate(spec, body, whole.start) else { continue };
        match view {
            View::Shapes => {}
            _ if may_show(spec, view) => show(&mut bytes, body, whole),
            _ => show(&mut bytes, body, whole.start..span.start()),
        }
        let content = body.get(span.range()).unwrap_or_default();
        fields.push(line(spec, number, span, content, view));
        part_lines(spec, number, span, body, view, &mut fields, &mut bytes);
    }
    let mut findings = Vec::new();
    if let Some(fault) = &fault {
        show_fault(dialect, body, fault, view, &mut bytes);
        let last = if heading { last } else { 0 };
        findings = diagnose(&Scene { dialect, body, reading: &reading, fault, last });
        findings.extend(unshown(&reading, heading, last, &fields));
    }
    Explanation { mti: reading.mti.filter(|_| heading), bitmap, fields, fault, findings, bytes }
}

/// Whether a broken message begins as messages do: one of which the standard has no type may be all card data.
/// Where the bitmap was left out, a card number stands in its place, perhaps without its end: a bitmap without
/// A to F has many zeros, a card number few.
fn has_heading(dialect: &Dialect, body: &[u8], reading: &Reading) -> bool {
    let [first, _] = reading.bitmap.words();
    let first = first.to_be_bytes();
    let like_card = halves(&first).all(|digit| digit <= 9)
        && halves(&first).filter(|digit| *digit == 0).count() < CARD_ZEROS
        && !reading.bitmaps.is_empty();
    let end = if reading.bitmaps.is_empty() {
        dialect.mti_encoding().wire_len()
    } else {
        bitmap_end(dialect, &reading.bitmaps, 64)
    };
    reading.mti.is_some_and(|mti| mti.is_usual()) && !like_card && !holds_card(body, &(0..end))
}

/// So many zeros among 16 digits are no card number's.
const CARD_ZEROS: usize = 4;

/// What is said of the values that a broken message does not show.
fn unshown(
    reading: &Reading,
    heading: bool,
    last: u8,
    fields: &[FieldLine],
) -> impl Iterator<Item = Finding> {
    let type_alone = !heading && reading.mti.is_some();
    let second = heading && last < 128 && reading.bitmap.contains(1);
    let shapes = fields.iter().any(|field| matches!(field.value, Shown::Shape(_)));
    let say =
        |about, text: &str, holds: bool| holds.then(|| Finding { about, text: text.to_owned() });
    [
        say(
            "hidden",
            "the message type and the bitmap: they may be part of a card number",
            type_alone,
        ),
        say("hidden", "the second bitmap: it may be part of a card number", second),
        say(
            "values",
            "9 is any digit, A is any letter: of a broken message no value is shown",
            shapes,
        ),
    ]
    .into_iter()
    .flatten()
}

/// The most fields above 64 that a broken message may announce and still be believed.
const SECONDARY_MOST: usize = 8;

/// So many zeros among the 16 hex digits of a bitmap are no card number's.
const BITMAP_ZEROS: usize = 10;

/// The last field that a broken message shows: 64 when its secondary bitmap looks like something else.
/// A stray bit 1 makes the card number stand where that bitmap should, and it would be shown as one; the
/// digits of a card number set far more bits, and bits of fields that no host uses.
fn last_believed(dialect: &Dialect, body: &[u8], reading: &Reading) -> u8 {
    let mut above = reading.bitmap.fields().filter(|&number| number > 64);
    let few = above.clone().count() <= SECONDARY_MOST;
    let defined = |number| dialect.field_in(reading.holding, number).is_some();
    let [_, second] = reading.bitmap.words();
    let zeros = halves(&second.to_be_bytes()).filter(|digit| *digit == 0).count();
    let bitmaps = &reading.bitmaps;
    let card = holds_card(body, &(bitmap_end(dialect, bitmaps, 64)..bitmaps.end));
    if few && !card && (zeros >= BITMAP_ZEROS || above.all(defined)) { 128 } else { 64 }
}

/// Where the bitmaps that are shown end.
fn bitmap_end(dialect: &Dialect, range: &Range<usize>, last: u8) -> usize {
    let primary = dialect.bitmap_encoding().wire_len();
    if last > 64 { range.end } else { range.start.saturating_add(primary) }
}

fn line(spec: &FieldSpec, number: u8, span: Span, content: &[u8], view: View) -> FieldLine {
    let shown = match &spec.parts {
        Some(_) => Shown::Parts,
        None => text(spec, content, span.units())
            .map_or(Shown::Hidden, |text| value(spec.mask, spec.content, text, view)),
    };
    FieldLine {
        path: FieldPath::Field(number),
        name: spec.name.clone(),
        attribute: attribute(spec),
        offset: span.start(),
        length: span.units(),
        raw: may_show(spec, view).then(|| hex(content)),
        value: shown,
    }
}

/// Whether the bytes of a field may be shown. A composite shows its parts instead.
fn may_show(spec: &FieldSpec, view: View) -> bool {
    match view {
        View::Unmasked => spec.parts.is_none(),
        View::Sound | View::Broken => spec.is_clear(),
        View::Shapes => false,
    }
}

/// The parts of a composite, down to its end or its fault.
fn part_lines(
    spec: &FieldSpec,
    number: u8,
    span: Span,
    body: &[u8],
    view: View,
    lines: &mut Vec<FieldLine>,
    bytes: &mut [Option<u8>],
) {
    let (Some(parts), Some(content)) = (&spec.parts, body.get(span.range())) else { return };
    let composite = Composite { spec, parts, content, start: span.start(), units: span.units() };
    // A fault in it is told as that of the message.
    let _ = walk(composite, number, &PartPath::FIELD, &mut |part| {
        // In a message that breaks, a long tag that nobody names may be part of a card number.
        let short = part.path.keys().last().is_none_or(PartKey::is_short);
        if view == View::Shapes && part.spec.is_none() && !short {
            return;
        }
        let content = body.get(part.content.clone()).unwrap_or_default();
        let clear = part.spec.map_or(view == View::Unmasked, |spec| may_show(spec, view));
        if view != View::Shapes {
            let end = if clear { part.content.end } else { part.content.start };
            show(bytes, body, part.prefix..end);
        }
        lines.push(part_line(number, part, content, clear, view));
    });
}

fn part_line(number: u8, part: &Part<'_>, content: &[u8], clear: bool, view: View) -> FieldLine {
    let tag = part.path.keys().last();
    let known = tag.and_then(|tag| emv::name(tag.as_bytes())).unwrap_or("not named by the dialect");
    let shown = match part.spec {
        Some(spec) if spec.parts.is_some() => Shown::Parts,
        Some(spec) => match part.text(content) {
            Some(text) => value(spec.mask, spec.content, Cow::Owned(text), view),
            None => Shown::Hidden,
        },
        None if view == View::Unmasked => Shown::Clear(hex(content)),
        None => Shown::Hidden,
    };
    FieldLine {
        path: FieldPath::of(number, &part.path),
        name: part.spec.map_or(known, |spec| &spec.name).to_owned(),
        attribute: part.spec.map_or(String::new(), attribute),
        offset: part.content.start,
        length: part.units,
        raw: (clear && part.skipped.is_none()).then(|| hex(content)),
        value: shown,
    }
}

fn attribute(spec: &FieldSpec) -> String {
    alloc::format!("{} {}", spec.content, spec.length)
}

fn show(bytes: &mut [Option<u8>], body: &[u8], range: Range<usize>) {
    let (Some(shown), Some(body)) = (bytes.get_mut(range.clone()), body.get(range)) else { return };
    for (shown, &byte) in shown.iter_mut().zip(body) {
        *shown = Some(byte);
    }
}

/// Shows the failing byte if the fault itself names it. Before it, more is shown only in a fixed field
/// without mask: a variable one may have swallowed anything.
fn show_fault(
    dialect: &Dialect,
    body: &[u8],
    fault: &ParseError,
    view: View,
    bytes: &mut [Option<u8>],
) {
    if !matches!(fault.found, Found::Byte { .. }) {
        return;
    }
    let spec = match fault.path {
        FieldPath::Field(number) => dialect.field(number).filter(|spec| spec.parts.is_none()),
        _ => None,
    };
    let fixed = spec.is_some_and(|spec| spec.is_clear() && matches!(spec.length, Length::Fixed(_)));
    let from = if view == View::Broken && fixed { fault.offset } else { fault.at() };
    show(bytes, body, from..fault.at().saturating_add(1));
}

impl Explanation {
    /// Adds a guess at the cause of the fault, before those that were made here: what is known from outside
    /// of the message says more.
    pub fn add_cause(&mut self, text: String) {
        let mut findings = self.findings.iter();
        let place = findings.position(|it| it.about == LIKELY || it.about == NOT_READ);
        self.findings.insert(place.unwrap_or(self.findings.len()), Finding { about: LIKELY, text });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use alloc::{
        format,
        string::{String, ToString},
        vec::Vec,
    };

    use super::*;
    use crate::{pack::Builder, sample};

    const PAN: &str = "5555555555554444";
    const VALUES: ExplainOptions = ExplainOptions { broken: BrokenValues::Values, unmasked: false };

    fn purchase() -> Vec<u8> {
        let dialect = sample::ascii();
        let mut builder = Builder::new(&dialect, Mti::parse("0200").unwrap());
        builder.set(2, PAN).unwrap().set(3, "000000").unwrap().set(4, "1234").unwrap();
        builder.set(35, "5555555555554444=2912").unwrap().set(52, "0123456789ABCDEF").unwrap();
        builder.set(41, "TERM0001").unwrap();
        let mut body = Vec::new();
        builder.pack(&mut body).unwrap();
        body
    }

    fn explained(body: &[u8], options: ExplainOptions) -> String {
        explain(&sample::ascii(), body, options).to_string()
    }

    #[test]
    fn a_sound_message_is_a_table_with_card_data_masked() {
        let body = purchase();
        let expected = concat!(
            "element   byte  form      name                             value  [bytes]\n",
            "MTI          0  0200  financial request, acquirer, ISO 8583:1987\n",
            "bitmap       4  7000000020801000  fields 2 3 4 35 41 52\n",
            "DE2         22  n ..19    primary account number           555555******4444\n",
            "DE3         38  n 6       processing code                  000000  [303030303030]\n",
            "DE4         44  n 12      amount, transaction              000000001234  ",
            "[303030303030303031323334]\n",
            "DE35        58  z ..37    track 2 data                     (hidden, length 21)\n",
            "DE41        79  ans 8     card acceptor terminal           TERM0001  ",
            "[5445524D30303031]\n",
            "DE52        87  b 8       PIN data                         (hidden, length 8)\n",
        );
        assert_eq!(explained(&body, ExplainOptions::default()), expected);
        assert_eq!(explained(&body, VALUES), expected);
    }

    #[test]
    fn a_broken_message_shows_its_fault_and_the_shape_of_what_stood_before() {
        let mut body = purchase();
        *body.get_mut(47).unwrap() = b'A';
        let expected = concat!(
            "element   byte  form      name                             value  [bytes]\n",
            "MTI          0  0200  financial request, acquirer, ISO 8583:1987\n",
            "bitmap       4  7000000020801000  fields 2 3 4 35 41 52\n",
            "DE2         22  n ..19    primary account number           (hidden, length 16)\n",
            "DE3         38  n 6       processing code                  999999\n",
            "\nDE4 at byte 44: expected 12 digits, found 0x41 at position 3\n",
            "  where     the content of DE4, amount, transaction (n 12)\n",
            "  rule      12 digits in ASCII, each a byte 0x30 to 0x39\n",
            "  found     byte 47, the 4th of it, is 0x41: \"A\" in ASCII\n",
            "  likely    an element before it (up to DE3) has another length at the sender, or was left out, so\n",
            "            that all behind it has moved\n",
            "  not read  DE35 DE41 DE52\n",
            "  values    9 is any digit, A is any letter: of a broken message no value is shown\n\n",
            "00000  30 32 30 30 37 30 30 30 30 30 30 30 32 30 38 30  |0200700000002080|\n",
            "00016  31 30 30 30 ** ** ** ** ** ** ** ** ** ** ** **  |1000************|\n",
            "00032  ** ** ** ** ** ** ** ** ** ** ** ** ** ** ** 41  |***************A|\n",
            "                                                    ^^ byte 47\n",
            "(55 more bytes, hidden)\n",
        );
        assert_eq!(explained(&body, ExplainOptions::default()), expected);
    }

    #[test]
    fn an_operator_may_ask_for_the_values_before_the_fault() {
        let mut body = purchase();
        *body.get_mut(47).unwrap() = b'A';
        let text = explained(&body, VALUES);
        let expected = concat!(
            "DE2         22  n ..19    primary account number           555555******4444\n",
            "DE3         38  n 6       processing code                  000000  [303030303030]\n",
            "\nDE4 at byte 44: expected 12 digits, found 0x41 at position 3\n",
        );
        assert!(text.contains(expected), "{text}");
        let row = "00032  ** ** ** ** ** ** 30 30 30 30 30 30 30 30 30 41  |******000000000A|\n";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn a_masked_field_that_breaks_does_not_show_its_bytes() {
        let mut body = purchase();
        *body.get_mut(30).unwrap() = b'x';
        for options in [ExplainOptions::default(), VALUES] {
            let text = explained(&body, options);
            assert!(
                text.contains("DE2 at byte 22: expected 16 digits, found another byte"),
                "{text}"
            );
            assert!(text.contains("^^ byte 30"), "{text}");
            assert!(!text.contains("5555") && !text.contains("35 35") && !text.contains("78"));
        }
    }

    #[test]
    fn a_bitmap_that_lies_does_not_show_the_card_number() {
        for byte in [4, 5, 20, 21] {
            for digit in b"0123456789ABCDEF" {
                let mut body = purchase();
                *body.get_mut(byte).unwrap() = *digit;
                let explanation = explain(&sample::ascii(), &body, ExplainOptions::default());
                if explanation.fault.is_some() {
                    let text = explanation.to_string();
                    assert!(!text.contains("555") && !text.contains("35 35 35"), "{text}");
                    assert!(!text.contains("444") && !text.contains("34 34 34"), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_body_of_nothing_but_digits_of_a_card_is_not_shown() {
        let body = "5555555555554444".repeat(4);
        let text = explained(body.as_bytes(), ExplainOptions::default());
        assert!(!text.contains("5555") && !text.contains("35 35"), "{text}");
    }

    #[test]
    fn a_card_number_where_the_bitmap_should_stand_is_not_shown() {
        for body in
            ["0200165555555555554444000000000000001234", "165555555555554444000000000000001234"]
        {
            let text = explained(body.as_bytes(), ExplainOptions::default());
            assert!(!text.contains("5555") && !text.contains("35 35"), "{text}");
            assert!(text.contains("hidden    the message type and the bitmap"), "{text}");
        }
    }

    #[test]
    fn what_is_known_from_outside_stands_before_other_guesses() {
        let mut body = purchase();
        *body.get_mut(47).unwrap() = b'A';
        let mut explanation = explain(&sample::ascii(), &body, ExplainOptions::default());
        explanation.add_cause("the phase of the moon".to_owned());
        let text = explanation.to_string();
        let places: Vec<_> =
            ["found ", "the moon", "up to DE3", "not read"].map(|it| text.find(it)).into();
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
    }

    #[test]
    fn every_truncation_is_explained_with_a_mark_at_its_end() {
        let body = purchase();
        for length in 0..body.len() {
            let cut = body.get(..length).unwrap();
            for options in [ExplainOptions::default(), VALUES] {
                let text = explained(cut, options);
                let marked = text.contains(&format!("^^ byte {length}\n"));
                assert!(marked || cut.is_empty(), "{text}");
                assert!(!text.contains("5555555"), "{text}");
            }
        }
    }

    #[test]
    fn a_long_dump_is_cut_before_the_fault() {
        let body = format!("02000000000000010000999{}", "\u{7}".repeat(999));
        let text = explained(body.as_bytes(), ExplainOptions::default());
        assert!(text.lines().count() < 35, "{text}");
        let body = format!("02000000000000010000998{}é", "x".repeat(996));
        let text = explained(body.as_bytes(), ExplainOptions::default());
        assert!(text.contains("(the first 768 bytes are left out)\n"), "{text}");
        assert!(text.contains("^^ byte 1019\n"), "{text}");
    }
}
