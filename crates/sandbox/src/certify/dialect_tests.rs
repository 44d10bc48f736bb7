#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::*;
use crate::iso::{self, Message};

const NUMBER: &str = "4000003141592653";

fn open(name: &str) -> Dialect {
    let protocols = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocols"));
    Dialect::open(protocols, name, vec![NUMBER.to_owned()]).unwrap()
}

fn request(number: &str) -> Message {
    let mut message = Message::new("0200");
    for (field, value) in [
        (2, number),
        (3, "000000"),
        (4, "000000001234"),
        (11, "000042"),
        (14, "2912"),
        (37, "633500000042"),
        (48, "CV03947EC0205"),
        (49, "978"),
        (52, "0123456789ABCDEF"),
        (70, "301"),
        (90, "020000004212010010000000012345600000000000"),
    ] {
        message.set(field, value);
    }
    message
}

/// Both dialects, and a card number of an odd length.
#[test]
fn a_frame_is_shown_field_by_field_and_card_data_is_hidden_in_fields_and_bytes() {
    for dialect in [iso::Dialect::Iso87Ascii, iso::Dialect::Iso87Binary] {
        for (number, shown) in
            [(NUMBER, "400000******2653"), ("4000003141592653007", "400000*********3007")]
        {
            let bytes = dialect.encode(&request(number)).unwrap();
            let seen = open(dialect.name()).show(&bytes).unwrap();
            assert_eq!(seen.mti, "0200");
            assert_eq!(seen.text(2), Some(shown));
            assert_eq!(seen.text(4), Some("000000001234"));
            assert_eq!(seen.text(70), Some("301"));
            assert_eq!(seen.fields[&14].value, ShownValue::Hidden(4));
            assert_eq!(seen.fields[&48].value, ShownValue::Hidden(13));
            assert_eq!(seen.fields[&52].value, ShownValue::Hidden(16));
            let raw = &seen.raw;
            assert_eq!(raw.len(), bytes.len() * 2);
            for (clear, what) in
                [(number, "number"), ("CV03947", "code"), ("0123456789abcdef", "PIN block")]
            {
                assert!(!raw.contains(clear), "{what}, packed: {raw}");
                let as_text = HEXLOWER.encode(clear.as_bytes());
                assert!(!raw.contains(&as_text), "{what}: {raw}");
            }
            assert!(raw.contains("3633333530303030303034"), "DE 37: {raw}");
        }
    }
}

#[test]
fn a_card_number_is_hidden_wherever_it_stands() {
    let dialect = open("iso87-ascii");
    let mut message = request(NUMBER);
    for (field, value) in [(54, NUMBER), (60, NUMBER), (100, "12345678901")] {
        message.set(field, value);
    }
    let bytes = iso::Dialect::Iso87Ascii.encode(&message).unwrap();
    let seen = dialect.show(&bytes).unwrap();
    assert_eq!(seen.fields[&54].value, ShownValue::Hidden(16));
    assert!(!format!("{seen:?}").contains(NUMBER));
    // Another bank's card, which the script does not know.
    message.set(54, "xx4111111111111111");
    let bytes = iso::Dialect::Iso87Ascii.encode(&message).unwrap();
    assert_eq!(dialect.show(&bytes).unwrap().fields[&54].value, ShownValue::Hidden(18));
}

/// An amount that ends so, before a DE 7 that begins so.
#[test]
fn neighbours_that_make_up_a_card_number_are_hidden() {
    for dialect in [iso::Dialect::Iso87Ascii, iso::Dialect::Iso87Binary] {
        let mut message = request("5555555555554444");
        message.set(4, "400000314159");
        message.set(7, "2653000000");
        let bytes = dialect.encode(&message).unwrap();
        let seen = open(dialect.name()).show(&bytes).unwrap();
        assert_eq!(seen.fields[&4].value, ShownValue::Hidden(12));
        assert_eq!(seen.fields[&7].value, ShownValue::Hidden(10));
        assert_eq!(seen.text(3), Some("000000"));
        assert_eq!(seen.raw.len(), bytes.len() * 2);
        message.set(7, "2654000000");
        let bytes = dialect.encode(&message).unwrap();
        assert_eq!(open(dialect.name()).show(&bytes).unwrap().text(7), Some("2654000000"));
    }
}

/// Each byte of a frame changed in many ways: fields and lengths move under the reader.
#[test]
fn whatever_a_host_sends_no_card_number_is_shown() {
    let mut read = 0;
    for dialect in [iso::Dialect::Iso87Ascii, iso::Dialect::Iso87Binary] {
        let reader = open(dialect.name());
        let whole = dialect.encode(&request(NUMBER)).unwrap();
        for place in 0..whole.len() {
            for byte in 0..=255 {
                let mut bytes = whole.clone();
                bytes[place] = byte;
                let Ok(seen) = reader.show(&bytes) else { continue };
                read += 1;
                let fields: String = seen.fields.keys().filter_map(|it| seen.text(*it)).collect();
                let as_text = HEXLOWER.encode(NUMBER.as_bytes());
                for hay in [&fields, &seen.raw] {
                    assert!(!hay.contains(NUMBER) && !hay.contains(&as_text), "{seen:?}");
                }
            }
        }
    }
    assert!(read > 1000, "{read}");
}

#[test]
fn what_is_no_message_is_refused_without_a_word_of_its_content() {
    for name in ["iso87-ascii", "iso87-binary"] {
        let dialect = open(name);
        let whole = match name {
            "iso87-ascii" => iso::Dialect::Iso87Ascii.encode(&request(NUMBER)).unwrap(),
            _ => iso::Dialect::Iso87Binary.encode(&request(NUMBER)).unwrap(),
        };
        for cut in 0..whole.len() {
            let why = dialect.show(&whole[..cut]).unwrap_err().to_string();
            assert!(!why.contains("314159"), "{why}");
        }
        let longer = [&whole[..], b"4000003141592653"].concat();
        assert!(dialect.show(&longer).unwrap_err().to_string().contains("16 bytes follow"));
    }
}

#[test]
fn what_is_written_is_read_back() {
    for name in ["iso87-ascii", "iso87-binary"] {
        let dialect = open(name);
        let fields: BTreeMap<u8, String> =
            [(7, "1201001000"), (11, "000042"), (15, "1202"), (70, "201")]
                .map(|(field, value)| (field, value.to_owned()))
                .into();
        let bytes = dialect.write("0800", &fields).unwrap();
        let seen = dialect.show(&bytes).unwrap();
        assert_eq!(seen.mti, "0800");
        for (field, value) in &fields {
            assert_eq!(seen.text(*field), Some(value.as_str()));
        }
        let wrong = BTreeMap::from([(70, "20".to_owned())]);
        assert!(dialect.write("0800", &wrong).is_err());
    }
}
