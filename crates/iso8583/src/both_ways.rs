//! Properties of parsing and packing together: what is packed is read back, what is read is packed back,
//! and no bytes at all make either panic.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use core::ops::Range;

use proptest::{collection, prelude::*, sample::Index};

use crate::{
    dialect::{BitmapEncoding, Dialect, DialectSpec, MtiEncoding},
    error::ParseError,
    explain::{BrokenValues, ExplainOptions, explain},
    field::{Content, Encoding, FieldSpec, Filler, Length, Prefix},
    frame::{FrameFormat, header::HeaderForm},
    mti::Mti,
    pack::Builder,
    parse::Message,
    sample,
};

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![
        Just(sample::ascii()),
        Just(sample::packed()),
        Just(with_zeros_first(&sample::packed())),
        Just(with_binary_bitmap(&sample::ascii_spec())),
        Just(with_binary_lengths(&sample::packed()))
    ]
}

/// The third mixture in use: ASCII fields behind a binary bitmap.
fn with_binary_bitmap(spec: &DialectSpec) -> Dialect {
    let mut spec = spec.clone();
    spec.bitmap = BitmapEncoding::Binary;
    Dialect::build(spec).unwrap()
}

/// Packed digits behind lengths of one and two bytes.
fn with_binary_lengths(dialect: &Dialect) -> Dialect {
    let mut fields = dialect.fields().to_vec();
    for (_, field) in &mut fields {
        if let Length::Var { digits, prefix, .. } = &mut field.length {
            (*digits, *prefix) = (*digits - 1, Prefix::Binary);
        }
    }
    let (mti, bitmap) = (dialect.mti_encoding(), dialect.bitmap_encoding());
    let name = "binary-lengths".to_string();
    Dialect::build(DialectSpec { name, mti, bitmap, fields, overrides: vec![] }).unwrap()
}

/// As hosts pack most often: an odd number of digits has a zero half byte before it, in every field.
fn with_zeros_first(dialect: &Dialect) -> Dialect {
    let mut fields = dialect.fields().to_vec();
    for (_, field) in &mut fields {
        if let Encoding::Bcd(filler) = &mut field.encoding {
            *filler = Filler::LeadingZero;
        }
    }
    let (mti, bitmap) = (dialect.mti_encoding(), dialect.bitmap_encoding());
    let name = "zeros-first".to_string();
    let overrides = vec![];
    Dialect::build(DialectSpec { name, mti, bitmap, fields, overrides }).unwrap()
}

/// A value that fills the field, or a variable length up to its maximum.
fn value(spec: &FieldSpec) -> BoxedStrategy<String> {
    let (least, most) = match spec.length {
        Length::Fixed(length) => (length, length),
        Length::Var { max, .. } | Length::Rest { max } => (0, max),
    };
    let pattern = match spec.content {
        Content::N => "[0-9]",
        Content::A => "[A-Za-z]",
        Content::An => "[A-Za-z0-9]",
        Content::Ans => "[ -~]",
        Content::B => "[0-9A-F]{2}",
        Content::Z => "[0-?]",
        Content::Xn => return "[CD][0-9]{8}".boxed(),
    };
    let parts = collection::vec(pattern, least..=most);
    parts.prop_map(|parts| parts.concat()).boxed()
}

fn values(dialect: &Dialect) -> impl Strategy<Value = BTreeMap<u8, String>> + use<> {
    let fields = dialect.fields().to_vec();
    let chosen = proptest::sample::subsequence(fields.clone(), 0..=fields.len());
    chosen.prop_flat_map(|chosen| {
        let pairs = chosen.iter().map(|(number, spec)| (Just(*number), value(spec)));
        pairs.collect::<Vec<_>>().prop_map(|pairs| pairs.into_iter().collect())
    })
}

fn messages() -> impl Strategy<Value = (Dialect, BTreeMap<u8, String>)> {
    dialects().prop_flat_map(|dialect| {
        let values = values(&dialect);
        (Just(dialect), values)
    })
}

fn pack(dialect: &Dialect, mti: Mti, fields: &[(u8, String)]) -> Vec<u8> {
    let mut builder = Builder::new(dialect, mti);
    for (number, value) in fields {
        builder.set(*number, value).unwrap();
    }
    let mut out = vec![];
    builder.pack(&mut out).unwrap();
    let mut as_specified = vec![];
    let plain = dialect.without_plan();
    let mut builder = Builder::new(&plain, mti);
    for (number, value) in fields {
        builder.set(*number, value).unwrap();
    }
    builder.pack(&mut as_specified).unwrap();
    assert_eq!(out, as_specified, "the plan writes what the specification says");
    out
}

fn repack(dialect: &Dialect, message: &Message<'_>) -> Vec<u8> {
    let fields: Vec<_> = message.fields().map(|(n, value)| (n, value.to_string())).collect();
    pack(dialect, message.mti(), &fields)
}

/// The two ways in which a body that parses may differ from what is packed: lower-case hex digits, and
/// a secondary bitmap without a bit. Such a body must still say the same.
fn is_canonical(dialect: &Dialect, message: &Message<'_>) -> bool {
    let body = message.body();
    let secondary = match dialect.bitmap_encoding() {
        BitmapEncoding::Hex => *body.get(4).unwrap() >= b'8',
        BitmapEncoding::Binary | BitmapEncoding::HexEbcdic => {
            let mti = if dialect.mti_encoding() == MtiEncoding::Bcd { 2 } else { 4 };
            body.get(mti).unwrap() & 0x80 != 0
        }
    };
    if dialect.bitmap_encoding() == BitmapEncoding::Hex {
        let digits = if secondary { 32 } else { 16 };
        if body.iter().skip(4).take(digits).any(u8::is_ascii_lowercase) {
            return false;
        }
    }
    let needs_secondary = message.numbers().any(|number| number > 64);
    let lower_case = message.numbers().any(|number| {
        dialect.field(number).unwrap().encoding == Encoding::Hex
            && message.bytes(number).unwrap().iter().any(u8::is_ascii_lowercase)
    });
    secondary == needs_secondary && !lower_case
}

/// What is read of a body: each field with its place and its value, or the fault.
type Told = Result<(Mti, Vec<(u8, Range<usize>, Range<usize>, String)>), ParseError>;

fn told(dialect: &Dialect, body: &[u8]) -> Told {
    let message = dialect.parse(body)?;
    let fields = message.numbers().map(|number| {
        let (whole, content) = (message.whole_span(number), message.span(number));
        (number, whole.unwrap(), content.unwrap(), message.get(number).unwrap().to_string())
    });
    Ok((message.mti(), fields.collect()))
}

fn check_any_bytes(dialect: &Dialect, body: &[u8]) {
    let as_specified = told(&dialect.without_plan(), body);
    assert_eq!(told(dialect, body), as_specified, "the plan reads what the specification says");
    for broken in [BrokenValues::Shapes, BrokenValues::Values] {
        let explanation = explain(dialect, body, ExplainOptions { broken, unmasked: false });
        assert_eq!(explanation.bytes.len(), body.len());
        assert!(!explanation.to_string().is_empty());
    }
    match dialect.parse(body) {
        Ok(message) => {
            let packed = repack(dialect, &message);
            if is_canonical(dialect, &message) {
                assert_eq!(packed, body);
            }
            let again = dialect.parse(&packed).unwrap();
            assert_eq!(again.mti(), message.mti());
            assert!(again.fields().eq(message.fields()));
        }
        Err(error) => {
            assert!(error.offset <= body.len() && error.at() <= body.len(), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_packed_is_read_back((dialect, values) in messages(), mti in "[0-9]{4}") {
        let mti = Mti::parse(&mti).unwrap();
        let fields: Vec<_> = values.clone().into_iter().collect();
        let body = pack(&dialect, mti, &fields);
        let backwards: Vec<_> = fields.iter().rev().cloned().collect();
        prop_assert_eq!(&pack(&dialect, mti, &backwards), &body, "order does not matter");
        let message = dialect.parse(&body).unwrap();
        prop_assert_eq!(message.mti(), mti);
        let read: BTreeMap<_, _> = message.fields().map(|(n, v)| (n, v.to_string())).collect();
        prop_assert_eq!(&read, &values);
        for (number, value) in &values {
            prop_assert_eq!(&message.get(*number).unwrap().into_owned(), value);
            prop_assert_eq!(message.span(*number).map(|s| body.get(s)).unwrap(), message.bytes(*number));
        }
        prop_assert!(is_canonical(&dialect, &message));
        prop_assert_eq!(repack(&dialect, &message), body);
    }

    #[test]
    fn every_truncation_is_an_error_inside_the_body((dialect, values) in messages()) {
        let fields: Vec<_> = values.into_iter().collect();
        let body = pack(&dialect, Mti::parse("0200").unwrap(), &fields);
        for length in 0..body.len() {
            let error = dialect.parse(body.get(..length).unwrap()).unwrap_err();
            prop_assert!(error.offset <= length && error.at() <= length, "{}", error);
        }
    }

    #[test]
    fn bytes_changed_anywhere_never_panic_and_what_parses_packs_back(
        (dialect, values) in messages(),
        changes in collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let fields: Vec<_> = values.into_iter().collect();
        let mut body = pack(&dialect, Mti::parse("0200").unwrap(), &fields);
        for (place, byte) in changes {
            let place = place.index(body.len());
            // Half of the changes are digits, which survive more checks than any byte.
            let byte = if byte & 1 == 0 { b'0' + byte % 10 } else { byte };
            *body.get_mut(place).unwrap() = byte;
        }
        check_any_bytes(&dialect, &body);
    }

    #[test]
    fn a_broken_message_never_shows_a_card_number(
        dialect in dialects(),
        changes in collection::vec((any::<Index>(), any::<u8>(), 0..8_u8), 1..4),
    ) {
        let fields = [(2, "5555555555555555"), (4, "000000001234"), (35, "5555555555555555=2912")];
        let fields = fields.map(|(number, value)| (number, String::from(value)));
        let mut body = pack(&dialect, Mti::parse("0200").unwrap(), &fields);
        for (place, byte, bit) in changes {
            // Half of the changes are one flipped bit, and half of all are in type and bitmap.
            let reach = if bit % 2 == 0 { 20.min(body.len()) } else { body.len() };
            let place = body.get_mut(place.index(reach)).unwrap();
            *place = if byte & 1 == 0 { *place ^ (1 << bit) } else { byte };
        }
        let explanation = explain(&dialect, &body, ExplainOptions::default());
        if explanation.fault.is_some() {
            let text = explanation.to_string();
            for card in ["55555", "35 35 35 35", "55 55 55"] {
                prop_assert!(!text.contains(card), "{}", text);
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(
        dialect in dialects(),
        head in prop_oneof![Just(&b""[..]), Just(&b"0200"[..]), Just(&b"\x02\x00"[..])],
        tail in collection::vec(any::<u8>(), 0..300),
    ) {
        check_any_bytes(&dialect, &[head, &tail].concat());
    }

    #[test]
    fn random_digits_never_panic(dialect in dialects(), digits in "0200[0-9A-Fa-f]{0,200}") {
        check_any_bytes(&dialect, digits.as_bytes());
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_frames(
        bodies in collection::vec(collection::vec(any::<u8>(), 0..40), 0..6),
        format in proptest::sample::select(FrameFormat::NAMED.to_vec()),
    ) {
        let (_, format) = format;
        if format.header() != HeaderForm::None {
            return Ok(());
        }
        let mut stream = vec![];
        for body in &bodies {
            format.wrap(body, &mut stream).unwrap();
        }
        let (mut seen, mut start) = (vec![], 0);
        for end in 0..=stream.len() {
            let arrived = stream.get(start..end).unwrap();
            if let Some(frame) = format.split(arrived, 40).unwrap() {
                prop_assert_eq!(frame.total, arrived.len());
                seen.push(arrived.get(frame.body).unwrap().to_vec());
                start = end;
            }
        }
        prop_assert_eq!(seen, bodies);
    }

    #[test]
    fn random_bytes_never_break_the_frame_reader(bytes in collection::vec(any::<u8>(), 0..64)) {
        for (name, format) in FrameFormat::NAMED {
            if let Ok(Some(frame)) = format.split(&bytes, 32) {
                prop_assert!(frame.body.len() <= 32 && frame.total <= bytes.len(), "{}", name);
                prop_assert!(frame.header.end == frame.body.start && frame.body.end <= frame.total);
            }
        }
    }
}
