//! Composites both ways: what their parts say, what is built from parts, and where a broken one breaks.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(clippy::too_many_lines, reason = "a table of faults is read at a glance")]

use alloc::{borrow::ToOwned, boxed::Box, format, string::ToString, vec, vec::Vec};

use proptest::{collection, prelude::*, sample::Index};

use crate::{
    dialect::{BitmapEncoding, Dialect, DialectSpec, MtiEncoding, Override},
    digits::unhex,
    explain::{BrokenValues, ExplainOptions, explain},
    field::{
        CodePage, Content, Counts, Encoding, FieldSpec, Filler, Length, Mask, Padding, Prefix,
    },
    mti::Mti,
    pack::Builder,
    parts::{PartKey, Parts, TagForm, TagLength, Unknown},
    tree::Value,
};

fn element(content: Content, encoding: Encoding, length: Length) -> FieldSpec {
    let (padding, mask, parts) = (Padding::None, Mask::Clear, None);
    FieldSpec { name: "element".to_owned(), content, encoding, length, padding, mask, parts }
}

fn var(digits: u8, max: usize, prefix: Prefix, counts: Counts) -> Length {
    Length::Var { digits, max, prefix, counts }
}

fn with(mut spec: FieldSpec, parts: Parts) -> FieldSpec {
    spec.mask = Mask::Never;
    spec.parts = Some(Box::new(parts));
    spec
}

fn tag(hex: &str) -> PartKey {
    PartKey::bytes(&unhex(hex.as_bytes()).unwrap()).unwrap()
}

/// DE48 tag-length-value in EBCDIC, DE55 BER-TLV, DE60 packed digits, DE61 in fixed places that may end
/// early, DE127 a sub-message behind six digits, whose part 25 holds tags of two bytes; DE3, DE4 in
/// binary, DE5 with a letter and packed digits, DE90 another one in reversals and in refunds.
fn spec() -> DialectSpec {
    use Encoding::{Ascii, Bcd, Binary, Ebcdic, Raw};
    use Length::Fixed;
    let page = Ebcdic(CodePage::Cp037);
    let digits = |length| element(Content::N, Ascii, Fixed(length));
    let text = |max| element(Content::Ans, Ascii, var(2, max, Prefix::Ascii, Counts::Units));
    let bytes = |max| element(Content::B, Raw, var(2, max, Prefix::Binary, Counts::Units));
    let tlv = Parts::Tlv {
        tag: TagForm { length: 2, encoding: page },
        length: TagLength { digits: 2, max: 99, prefix: Prefix::Ebcdic, inclusive: false },
        unknown: Unknown::Keep,
        parts: vec![(PartKey::text(b"01").unwrap(), element(Content::N, page, Length::llvar(8)))],
    };
    let tags = Parts::Tlv {
        tag: TagForm { length: 2, encoding: Raw },
        length: TagLength { digits: 1, max: 250, prefix: Prefix::Binary, inclusive: true },
        unknown: Unknown::Refuse,
        parts: vec![(tag("DF01"), element(Content::An, Ascii, Length::llvar(9)))],
    };
    let ber = Parts::BerTlv {
        unknown: Unknown::Keep,
        parts: vec![
            (tag("9F02"), element(Content::N, Bcd(Filler::LeadingZero), Fixed(12))),
            (tag("5F2A"), element(Content::N, Bcd(Filler::LeadingZero), Fixed(3))),
            (tag("9F26"), element(Content::B, Raw, Fixed(8))),
            (tag("5A"), {
                let pan = element(Content::N, Bcd(Filler::TrailingF), Length::llvar(19));
                FieldSpec { mask: Mask::Pan, ..pan }
            }),
        ],
    };
    let message = Parts::Bitmap {
        bitmap: BitmapEncoding::Binary,
        parts: vec![
            (1, digits(1)),
            (3, text(48)),
            (25, with(bytes(9_999), tags)),
            (64, element(Content::B, Raw, Length::Rest { max: 99 })),
        ],
    };
    let packed = Bcd(Filler::LeadingZero);
    let places = |short, parts| Parts::Positional { parts, short };
    let long = var(6, 999_999, Prefix::Ascii, Counts::Units);
    DialectSpec {
        name: "composites".to_owned(),
        mti: MtiEncoding::Ebcdic,
        bitmap: BitmapEncoding::HexEbcdic,
        fields: vec![
            (3, element(Content::N, page, Fixed(6))),
            (4, element(Content::N, Binary(5), Fixed(12))),
            (5, element(Content::Xn, packed, Fixed(9))),
            (
                35,
                FieldSpec {
                    mask: Mask::Never,
                    ..element(
                        Content::Z,
                        Bcd(Filler::TrailingF),
                        var(1, 37, Prefix::Binary, Counts::Bytes),
                    )
                },
            ),
            (47, element(Content::B, Encoding::HexEbcdic, var(3, 99, Prefix::Hex, Counts::Bytes))),
            (
                48,
                with(element(Content::Ans, page, var(3, 999, Prefix::Ebcdic, Counts::Units)), tlv),
            ),
            (55, with(bytes(999), ber)),
            (
                60,
                with(
                    element(Content::N, packed, var(3, 17, Prefix::Bcd, Counts::Units)),
                    places(true, vec![digits(2), digits(6), digits(3)]),
                ),
            ),
            (
                61,
                with(
                    element(Content::Ans, Ascii, var(2, 65, Prefix::Ascii, Counts::BytesAndItself)),
                    places(
                        true,
                        vec![
                            digits(2),
                            text(20),
                            element(Content::Ans, Ascii, Length::Rest { max: 9 }),
                        ],
                    ),
                ),
            ),
            (90, element(Content::N, Ascii, Fixed(4))),
            (127, with(element(Content::B, Raw, long), message)),
        ],
        overrides: vec![
            Override {
                mti: [Some(b'0'), Some(b'4'), None, None],
                processing_code: None,
                fields: vec![(90, Some(element(Content::N, packed, Fixed(6)))), (61, None)],
            },
            Override {
                mti: [Some(b'0'), Some(b'2'), None, None],
                processing_code: Some([Some(b'2'), Some(b'0'), None, None, None, None]),
                fields: vec![(90, Some(element(Content::A, Ascii, Fixed(2))))],
            },
        ],
    }
}

fn dialect() -> Dialect {
    Dialect::build(spec()).unwrap()
}

fn packed(dialect: &Dialect, mti: &str, values: &[(u8, Value)]) -> Vec<u8> {
    let mut builder = Builder::new(dialect, Mti::parse(mti).unwrap());
    for (number, value) in values {
        builder.set_value(*number, value).unwrap();
    }
    let mut body = vec![];
    builder.pack(&mut body).unwrap();
    body
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn parts(values: &[(&str, &str)]) -> Value {
    values.iter().fold(Value::Parts(vec![]), |tree, (path, value)| tree.with(path, value))
}

/// A message with everything in it.
fn everything() -> Vec<(u8, Value)> {
    vec![
        (3, text("000000")),
        (4, text("000000001234")),
        (5, text("D00000012")),
        (35, text("4000000000000002=2912")),
        (47, text("0AFF")),
        (48, parts(&[("01", "1234"), ("ZZ", "C1C2")])),
        (
            55,
            parts(&[
                ("9F02", "000000001234"),
                ("5F2A", "978"),
                ("5A", "4000000000000002"),
                ("70.9F26", "0123456789ABCDEF"),
                ("DF8101", "00"),
            ]),
        ),
        (60, parts(&[("1", "22"), ("2", "000001")])),
        (61, parts(&[("1", "07"), ("2", "terminal"), ("3", "rest")])),
        (90, text("0200")),
        (127, parts(&[("3", "switch"), ("25.DF01", "A1"), ("64", "FFEE")])),
    ]
}

#[test]
fn parts_are_read_by_their_paths() {
    let dialect = dialect();
    let body = packed(&dialect, "0100", &everything());
    let message = dialect.parse(&body).unwrap();
    for (path, value) in [
        ("48.01", "1234"),
        ("48.ZZ", "C1C2"),
        ("55.9F02", "000000001234"),
        ("55.5f2a", "978"),
        ("55.5A", "4000000000000002"),
        ("55.70.9F26", "0123456789ABCDEF"),
        ("60.1", "22"),
        ("60.2", "000001"),
        ("61.3", "rest"),
        ("127.3", "switch"),
        ("127.25.DF01", "A1"),
        ("127.64", "FFEE"),
    ] {
        assert_eq!(message.part(path).as_deref(), Some(value), "{path}");
    }
    for absent in ["48", "48.02", "60.3", "127.1", "55.9F26", "4.1", "x.1"] {
        assert_eq!(message.part(absent), None, "{absent}");
    }
    assert_eq!(message.get(4).unwrap(), "000000001234");
    assert_eq!(message.get(5).unwrap(), "D00000012");
    assert_eq!(message.get(35).unwrap(), "4000000000000002=2912");
    assert_eq!(message.get(47).unwrap(), "0AFF");
    assert_eq!(message.binary(47).unwrap().as_ref(), [0x0A, 0xFF]);
    let mut room = [0_u8; 12];
    assert_eq!(message.read(4, &mut room), Some("000000001234"));
    assert_eq!(message.read(35, &mut room), None, "the room is too small");
    let whole = message.whole_span(60).unwrap();
    assert_eq!(body.get(whole), Some(&[0x00, 0x08, 0x22, 0x00, 0x00, 0x01][..]));
}

#[test]
fn the_bytes_are_those_that_a_hand_writes() {
    let dialect = dialect();
    let bytes = |number: u8, value: Value| {
        let body = packed(&dialect, "0100", &[(number, value)]);
        let span = dialect.parse(&body).unwrap().whole_span(number).unwrap();
        crate::digits::hex(body.get(span).unwrap())
    };
    let values = everything();
    let of = |wanted: u8| values.iter().find(|(number, _)| *number == wanted).unwrap().1.clone();
    assert_eq!(bytes(3, of(3)), "F0F0F0F0F0F0");
    assert_eq!(bytes(4, of(4)), "00000004D2");
    assert_eq!(bytes(5, of(5)), "4400000012");
    assert_eq!(bytes(35, of(35)), "0B4000000000000002D2912F");
    assert_eq!(bytes(47, of(47)), "303034F0C1C6C6");
    assert_eq!(bytes(48, of(48)), "F0F1F4F0F1F0F4F1F2F3F4E9E9F0F2C1C2");
    assert_eq!(
        bytes(55, of(55)),
        "002A9F02060000000012345F2A0209785A084000000000000002700B9F26080123456789ABCDEFDF81010100"
    );
    assert_eq!(bytes(60, of(60)), "000822000001");
    assert_eq!(bytes(61, of(61)), "3138303730387465726D696E616C72657374");
    assert_eq!(
        bytes(127, of(127)),
        "30303030323520000080000000013036737769746368\
         0005DF01034131FFEE"
    );
}

#[test]
fn a_field_is_another_one_by_type_and_by_processing_code() {
    let dialect = dialect();
    let body = packed(&dialect, "0400", &[(90, text("123456"))]);
    assert_eq!(dialect.parse(&body).unwrap().bytes(90), Some(&[0x12, 0x34, 0x56][..]));
    let body = packed(&dialect, "0200", &[(3, text("200000")), (90, text("AB"))]);
    assert_eq!(dialect.parse(&body).unwrap().get(90).unwrap(), "AB");
    let body = packed(&dialect, "0200", &[(3, text("000000")), (90, text("1234"))]);
    assert_eq!(dialect.parse(&body).unwrap().get(90).unwrap(), "1234");
    let mut builder = Builder::new(&dialect, Mti::parse("0421").unwrap());
    let error = builder.set(61, "0702ab").map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "DE61: the dialect does not define it");
}

#[track_caller]
fn refused(number: u8, content: &str, expected: &str) {
    let dialect = dialect();
    let whole = dialect.field(number).unwrap().clone();
    let mut opaque = spec();
    for (_, field) in opaque.fields.iter_mut().filter(|(known, _)| *known == number) {
        *field = FieldSpec { parts: None, ..whole.clone() };
    }
    let opaque = Dialect::build(opaque).unwrap();
    let mut builder = Builder::new(&opaque, Mti::parse("0100").unwrap());
    builder.set(number, content).unwrap();
    let mut body = vec![];
    builder.pack(&mut body).unwrap();
    let error = dialect.parse(&body).unwrap_err();
    assert_eq!(error.to_string(), expected);
    let explained = explain(&dialect, &body, ExplainOptions::default()).to_string();
    assert!(explained.contains(expected), "{explained}");
    let error = Builder::new(&dialect, Mti::parse("0100").unwrap())
        .set(number, content)
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().starts_with("its parts: DE"), "{error}");
}

#[test]
fn a_broken_part_is_told_by_its_path_its_place_and_what_was_expected() {
    refused(
        48,
        "0",
        "DE48 at byte 23: expected a tag of 2 EBCDIC characters, found only 1 byte left in the field",
    );
    refused(
        48,
        "01",
        "DE48.01 at byte 25: expected a length of 2 EBCDIC digits, found the end of the field",
    );
    refused(
        48,
        "010412",
        "DE48.01 at byte 27: expected 4 bytes, found only 2 bytes left in the field",
    );
    refused(48, "0102AB", "DE48.01 at byte 27: expected 2 EBCDIC digits, found 0xC1 at position 0");
    refused(48, "0109123456789", "DE48.01 at byte 25: expected a length of at most 8, found 9");
    refused(
        55,
        "9F",
        "DE55 at byte 22: expected a BER tag of at most 4 bytes, found only 1 byte left in the field",
    );
    refused(
        55,
        "9F8080808001",
        "DE55 at byte 22: expected a BER tag of at most 4 bytes, found another byte at position 4",
    );
    refused(
        55,
        "9F2680",
        "DE55.9F26 at byte 24: expected a BER length of at most 4 bytes behind the first, found 0x80 at position 0",
    );
    refused(
        55,
        "9F2684FFFFFFFF",
        "DE55.9F26 at byte 29: expected more than 999999 bytes, found the end of the field",
    );
    refused(
        55,
        "9F26070123456789ABCD",
        "DE55.9F26 at byte 24: expected a length of at least 8, found 7",
    );
    refused(
        55,
        "70039F0201",
        "DE55.70.9F02 at byte 27: expected 1 bytes, found the end of the field",
    );
    refused(
        55,
        "DF8181810301",
        "DE55 at byte 22: expected a BER tag of at most 4 bytes, found another byte at position 4",
    );
    refused(
        55,
        "DF81550501",
        "DE55 at byte 26: expected 5 bytes, found only 1 byte left in the field",
    );
    refused(60, "2200001", "DE60.2 at byte 23: expected a length of 6, found 5");
    refused(
        60,
        "220000011234",
        "DE60 at byte 22: expected the end of its parts, found 1 more byte",
    );
    refused(61, "0A", "DE61.1 at byte 22: expected 2 digits, found 0x41 at position 1");
    refused(
        127,
        "4000000000000000",
        "DE127.2 at byte 50: expected a field that the dialect defines, found its bit set in the bitmap",
    );
    refused(
        127,
        "00000080000000000005DF02034131",
        "DE127.25.DF02 at byte 52: expected a tag that the dialect names, found tag DF02",
    );
    refused(
        127,
        "00000080000000000004DF010041",
        "DE127.25.DF01 at byte 54: expected a length of at least 1, found 0",
    );
}

#[test]
fn parts_that_cannot_be_written_are_told_by_their_path() {
    let dialect = dialect();
    let table = [
        (
            48,
            parts(&[("01", "12x")]),
            "DE48.01: expected content `n`, found another character at position 2",
        ),
        (48, parts(&[("1", "12")]), "DE48.1: the dialect does not define it"),
        (55, parts(&[("9F26", "01")]), "DE55.9F26: expected a length of 8, found 1"),
        (55, parts(&[("1F", "01")]), "DE55.1F: the dialect does not define it"),
        (
            55,
            parts(&[("DF01", "0")]),
            "DE55.DF01: expected pairs of hex digits, found something else at position 0",
        ),
        (
            60,
            parts(&[("2", "000001")]),
            "DE60.1: missing, and the parts behind it cannot stand without it",
        ),
        (60, parts(&[("9", "1")]), "DE60.9: the dialect does not define it"),
        (127, parts(&[("25.DF02", "1")]), "DE127.25.DF02: the dialect does not define it"),
        (4, parts(&[("1", "1")]), "DE4: the dialect gives it no parts"),
        (4, text("999999999999999"), "DE4: expected a length of 12, found 15"),
    ];
    for (number, value, expected) in table {
        let mut builder = Builder::new(&dialect, Mti::parse("0100").unwrap());
        let error = builder.set_value(number, &value).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let mut body = vec![];
        builder.pack(&mut body).unwrap();
        assert_eq!(body.len(), 20, "a refused value changes nothing");
    }
}

#[test]
fn an_explanation_names_parts_and_hides_card_data() {
    let dialect = dialect();
    let body = packed(&dialect, "0100", &everything());
    let text = explain(&dialect, &body, ExplainOptions::default()).to_string();
    for shown in [
        "DE48.01 ",
        "DE55.5A ",
        "400000******0002",
        "DE55.70  ",
        "record template",
        "DE55.70.9F26",
        "DE127.25.DF01",
        "(length 42, its parts follow)",
        "not named by the dialect",
    ] {
        assert!(text.contains(shown), "{shown}:\n{text}");
    }
    assert!(!text.contains("4000000000000002"), "{text}");
    let all = ExplainOptions { unmasked: true, ..ExplainOptions::default() };
    let text = explain(&dialect, &body, all).to_string();
    for shown in ["4000000000000002=2912", "C1C2  [C1C2]", "0123456789ABCDEF"] {
        assert!(text.contains(shown), "{shown}:\n{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_changed_nothing_panics_and_what_parses_packs_back(
        changes in collection::vec((any::<Index>(), any::<u8>()), 0..4),
        cut in any::<Index>(),
    ) {
        let dialect = dialect();
        let mut body = packed(&dialect, "0100", &everything());
        for (place, byte) in &changes {
            let place = place.index(body.len());
            *body.get_mut(place).unwrap() = *byte;
        }
        for body in [&body, &body.get(..cut.index(body.len())).unwrap().to_vec()] {
            for broken in [BrokenValues::Shapes, BrokenValues::Values] {
                let text = explain(&dialect, body, ExplainOptions { broken, unmasked: false }).to_string();
                prop_assert!(!text.is_empty());
            }
            match dialect.parse(body) {
                Err(error) => prop_assert!(error.at() <= body.len() && error.offset <= body.len(), "{error}"),
                Ok(message) => {
                    for (path, _) in message.all() {
                        prop_assert!(!path.contains('.') || message.part(&path).is_some(), "{path}");
                    }
                    let mut builder = Builder::new(&dialect, message.mti());
                    for (number, text) in message.fields() {
                        builder.set(number, &text).unwrap();
                    }
                    let mut again = vec![];
                    builder.pack(&mut again).unwrap();
                    let reread = dialect.parse(&again).unwrap();
                    prop_assert!(reread.all() == message.all());
                }
            }
        }
    }

    #[test]
    fn what_is_built_from_parts_is_read_back(
        amount in 0_u64..1_000_000_000_000,
        tags in collection::vec((0_u8..90, collection::vec(any::<u8>(), 0..200)), 0..6),
        name in "[ -~]{0,48}",
    ) {
        let dialect = dialect();
        let mut chip = Value::Parts(vec![]).with("9F02", &format!("{amount:012}"));
        for (number, bytes) in &tags {
            chip = chip.with(&format!("DF{number:02X}"), &crate::digits::hex(bytes));
        }
        let values = [(55, chip), (127, parts(&[("3", &name)]))];
        let Some(body) = (|| {
            let mut builder = Builder::new(&dialect, Mti::parse("0100").unwrap());
            for (number, value) in &values {
                builder.set_value(*number, value).ok()?;
            }
            let mut body = vec![];
            builder.pack(&mut body).ok().map(|()| body)
        })() else {
            // Too much for the field.
            prop_assert!(tags.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 900);
            return Ok(());
        };
        let message = dialect.parse(&body).unwrap();
        prop_assert_eq!(message.part("55.9F02").unwrap(), format!("{amount:012}"));
        prop_assert_eq!(message.part("127.3").unwrap(), name);
        let read: Vec<_> = message.parts(55).into_iter().skip(1).map(|(_, value)| value).collect();
        let given: Vec<_> = tags.iter().map(|(_, bytes)| crate::digits::hex(bytes)).collect();
        prop_assert_eq!(read, given);
    }
}

#[test]
fn dots_bound_the_value_behind_a_tag_and_say_nothing_of_its_length() {
    let tagged = |length| {
        let parts = Parts::Tlv {
            tag: TagForm { length: 2, encoding: Encoding::Ascii },
            length: TagLength { digits: 3, max: 300, prefix: Prefix::Ascii, inclusive: false },
            unknown: Unknown::Refuse,
            parts: vec![(
                PartKey::text(b"01").unwrap(),
                element(Content::Ans, Encoding::Ascii, length),
            )],
        };
        let whole = with(element(Content::Ans, Encoding::Ascii, Length::lllvar(999)), parts);
        let (mti, bitmap) = (MtiEncoding::Ascii, BitmapEncoding::Hex);
        let (name, overrides) = ("tags".to_owned(), vec![]);
        Dialect::build(DialectSpec { name, mti, bitmap, fields: vec![(48, whole)], overrides })
    };
    let dialect = tagged(Length::llvar(200)).unwrap();
    let mut builder = Builder::new(&dialect, Mti::parse("0200").unwrap());
    let value = "x".repeat(200);
    builder.set(48, &format!("01200{value}")).unwrap();
    let mut body = vec![];
    builder.pack(&mut body).unwrap();
    assert_eq!(dialect.parse(&body).unwrap().part("48.01").unwrap(), value);
    assert!(builder.set(48, &format!("01201{value}y")).is_err(), "more than the part may have");
    assert!(tagged(Length::llvar(1_000_000)).is_err());
}
