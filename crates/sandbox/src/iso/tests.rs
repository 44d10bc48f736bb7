//! Both dialects, against messages put together by hand.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::*;
use data_encoding::HEXUPPER;

/// Put together by hand from the standard: 0800 with DE 7, 11 and 70.
const SIGN_ON: &str = "0800822000000000000004000000000000001122101530000001001";

const ASCII: Dialect = Dialect::Iso87Ascii;
const BINARY: Dialect = Dialect::Iso87Binary;

fn packed(hex: &str) -> Vec<u8> {
    HEXUPPER.decode(hex.replace(' ', "").as_bytes()).unwrap()
}

/// The same sign-on, packed: DE 70 has three digits, so a zero before them.
fn packed_sign_on() -> Vec<u8> {
    packed("0800 8220000000000000 0400000000000000 1122101530 000001 0001")
}

#[test]
fn a_sign_on_written_by_hand_is_read_and_written_the_same_in_both_dialects() {
    for (dialect, bytes) in [(ASCII, SIGN_ON.as_bytes().to_vec()), (BINARY, packed_sign_on())] {
        let message = dialect.decode(&bytes).unwrap();
        assert_eq!(message.mti, "0800");
        assert_eq!(message.get(7), "1122101530");
        assert_eq!(message.get(11), "000001");
        assert_eq!(message.get(70), "001");
        assert_eq!(dialect.encode(&message).unwrap(), bytes);
    }
}

#[test]
fn every_truncation_and_a_trailing_byte_are_refused() {
    for (dialect, bytes) in [(ASCII, SIGN_ON.as_bytes().to_vec()), (BINARY, packed_sign_on())] {
        for end in 0..bytes.len() {
            assert!(dialect.decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        let longer = [&bytes[..], b"X"].concat();
        assert_eq!(dialect.decode(&longer).err(), Some(IsoError::Trailing { count: 1 }));
    }
}

#[test]
fn a_field_that_lies_about_its_length_is_refused() {
    let mut message = Message::new("0200");
    message.set(2, "4000000000000002");
    let good = ASCII.encode(&message).unwrap();
    assert_eq!(good, b"02004000000000000000164000000000000002");
    let text = String::from_utf8(good).unwrap();
    let lie = text.replace("164000", "994000");
    let too_long = Some(IsoError::Length { field: 2, length: 99 });
    assert_eq!(ASCII.decode(lie.as_bytes()).err(), too_long);
    let letters = text.replace("164000", "1x4000");
    let malformed = ASCII.decode(letters.as_bytes());
    assert!(matches!(malformed, Err(IsoError::Malformed { at: 20, .. })));
    let good = packed("0200 4000000000000000 16 4000000000000002");
    assert_eq!(BINARY.encode(&message).unwrap(), good);
    let lie = packed("0200 4000000000000000 99 4000000000000002");
    assert_eq!(BINARY.decode(&lie).err(), too_long);
    let letters = packed("0200 4000000000000000 1A 4000000000000002");
    assert!(matches!(BINARY.decode(&letters), Err(IsoError::Malformed { at: 10, .. })));
}

#[test]
fn packed_digits_text_and_bytes_are_each_counted_in_their_own_way() {
    let mut message = Message::new("0400");
    message.set(2, "4000000000000000006");
    message.set(22, "812");
    message.set(32, "00000123456");
    message.set(37, "632612000001");
    message.set(48, "EC0205");
    message.set(52, "0123456789ABCDEF");
    message.set(90, "020000012311221234560000012345600000098765");
    let bytes = packed(
        "0400 C000040108011000 0000004000000000 19 04000000000000000006 0812 11 000000123456 \
         363332363132303030303031 0006 454330323035 0123456789ABCDEF \
         020000012311221234560000012345600000098765",
    );
    assert_eq!(HEXUPPER.encode(&BINARY.encode(&message).unwrap()), HEXUPPER.encode(&bytes));
    assert_eq!(BINARY.decode(&bytes), Ok(message));
}

#[test]
fn the_half_byte_before_an_odd_number_of_digits_is_zero() {
    let bad = packed("0200 0000040000000000 1812");
    let malformed = BINARY.decode(&bad);
    assert!(matches!(malformed, Err(IsoError::Malformed { at: 10, .. })), "{malformed:?}");
}

#[test]
fn what_one_dialect_writes_the_other_does_not_read() {
    assert!(ASCII.decode(&packed_sign_on()).is_err());
    assert!(BINARY.decode(SIGN_ON.as_bytes()).is_err());
}

#[test]
fn a_reversal_has_another_type_in_each_dialect() {
    assert!(ASCII.has("0420") && ASCII.has("0421") && !ASCII.has("0400"));
    assert!(BINARY.has("0400") && BINARY.has("0401") && !BINARY.has("0420"));
}

#[test]
fn hidden_digits_are_shown_in_both_dialects_and_read_in_none() {
    let mut message = Message::new("0200");
    message.set(2, "4000000000000002");
    let shown = BINARY.encode(&message.masked()).unwrap();
    assert_eq!(shown, packed("0200 4000000000000000 16 400000FFFFFF0002"));
    assert!(BINARY.decode(&shown).is_err());
}

#[test]
fn what_may_not_be_shown_is_masked() {
    let mut message = Message::new("0200");
    message.set(2, "4000000000000002");
    message.set(48, "CV03123EC0205");
    message.set(52, "0123456789ABCDEF");
    let masked = message.masked();
    assert_eq!(masked.get(2), "400000******0002");
    assert_eq!(masked.get(48), "CV03***EC0205");
    assert_eq!(masked.get(52), "****************");
    message.set(48, "free text with 123");
    assert!(!message.masked().get(48).contains("123"), "what cannot be read is hidden whole");
}
