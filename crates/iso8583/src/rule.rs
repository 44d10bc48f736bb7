//! The rules of a dialect in words, for whoever reads of one that was broken.

use alloc::{borrow::ToOwned, format, string::String};

use crate::{
    diagnosis::Scene,
    dialect::MtiEncoding,
    error::{Count, Expected},
    field::{CodePage, Content, Counts, Encoding, FieldSpec, Filler, Length, Prefix},
};

/// The rule that a fault breaks, as the dialect has it.
pub(crate) fn rule(scene: &Scene<'_>) -> String {
    let spec = scene.spec();
    match scene.fault.expected {
        Expected::Mti => match scene.dialect.mti_encoding() {
            MtiEncoding::Ascii => "four digits in ASCII, each a byte 0x30 to 0x39",
            MtiEncoding::Ebcdic => "four digits in EBCDIC, each a byte 0xF0 to 0xF9",
            MtiEncoding::Bcd => "four packed digits in two bytes: each half byte is 0 to 9",
        }
        .to_owned(),
        Expected::BitmapHex => "64 bits as 16 hex digits in ASCII: 0-9, A-F".to_owned(),
        Expected::BitmapHexEbcdic => "64 bits as 16 hex digits in EBCDIC: 0-9, A-F".to_owned(),
        Expected::BitmapBinary => "64 bits as 8 bytes".to_owned(),
        Expected::Length(places, prefix) => length_rule(spec, places, prefix),
        Expected::LengthAtMost(most) => format!("at most {most}{}", counted(spec)),
        Expected::LengthAtLeast(least) => match spec.map(|spec| spec.length) {
            Some(Length::Var { counts: Counts::BytesAndItself, .. }) => {
                format!("the length counts its own bytes too, so it is {least} or more")
            }
            _ => format!("at least {least}{}", counted(spec)),
        },
        Expected::LengthExactly(length) => format!("exactly {length}{}", counted(spec)),
        Expected::LengthEven => {
            "whole bytes: the length counts half bytes or hex digits, two to a byte".to_owned()
        }
        Expected::Content { content, encoding, units } => content_rule(content, encoding, units),
        Expected::Filler(_) => match spec.map(|spec| spec.encoding) {
            Some(Encoding::Bcd(Filler::LeadingZero)) => {
                "an odd number of packed digits has a half byte 0 before its first digit (bcd-0n)"
            }
            Some(Encoding::Bcd(Filler::TrailingZero)) => {
                "an odd number of packed digits has a half byte 0 behind its last digit (bcd-n0)"
            }
            _ => "an odd number of packed digits has a half byte F behind its last digit (bcd-nF)",
        }
        .to_owned(),
        Expected::Bytes(count) => format!("{} bytes, as its length says", Count(count)),
        Expected::BerTag => {
            "a tag of BER-TLV in 1 to 4 bytes, then its length and its value".to_owned()
        }
        Expected::Tag(..) => format!("{}, then its length and its value", scene.fault.expected),
        Expected::KnownTag => "a tag that [part] names (unknown = \"refuse\")".to_owned(),
        Expected::DefinedField => {
            "only bits of elements or parts that the dialect defines".to_owned()
        }
        Expected::Part => "another part follows".to_owned(),
        Expected::PartsEnd => "its parts fill it to its last byte".to_owned(),
        Expected::End => "the last element that is announced ends the message".to_owned(),
    }
}

/// What a length counts, such as ` digits`.
fn counted(spec: Option<&FieldSpec>) -> &'static str {
    let counts = match spec.map(|spec| spec.length) {
        Some(Length::Var { counts, .. }) => counts,
        _ => Counts::Units,
    };
    match (counts, spec.map(|spec| spec.content)) {
        (Counts::Nibbles, _) => ", counted in half bytes",
        (Counts::Units, Some(Content::N | Content::Xn)) => " digits",
        (Counts::Units, Some(Content::A | Content::An | Content::Ans | Content::Z)) => {
            " characters"
        }
        _ => " bytes",
    }
}

fn length_rule(spec: Option<&FieldSpec>, places: u8, prefix: Prefix) -> String {
    let form = match prefix {
        Prefix::Ascii => format!("{places} digits in ASCII, each a byte 0x30 to 0x39"),
        Prefix::Ebcdic => format!("{places} digits in EBCDIC, each a byte 0xF0 to 0xF9"),
        Prefix::Bcd => format!("{places} packed digits, two to a byte: each half byte is 0 to 9"),
        Prefix::Hex => format!("{places} hex digits in ASCII: 0-9, A-F"),
        Prefix::Binary => format!("a big-endian number in {places} bytes"),
        Prefix::Ber => return "a length of BER-TLV: 0 to 0x7F itself, or 0x81 to 0x84 and as many bytes behind it".to_owned(),
    };
    match spec.map(|spec| spec.length) {
        Some(Length::Var { max, .. }) => {
            format!("{form}; they announce at most {max}{}", counted(spec))
        }
        _ => form,
    }
}

fn content_rule(content: Content, encoding: Encoding, units: usize) -> String {
    let digits = units.saturating_sub(usize::from(content == Content::Xn));
    let written = match encoding {
        Encoding::Ascii | Encoding::Raw | Encoding::Binary(_) => "",
        Encoding::Ebcdic(CodePage::Cp037) => ", in EBCDIC (code page 037)",
        Encoding::Ebcdic(CodePage::Cp1047) => ", in EBCDIC (code page 1047)",
        Encoding::Hex => " in ASCII",
        Encoding::HexEbcdic => " in EBCDIC",
        Encoding::Bcd(_) => ", packed two to a byte: each half byte is 0 to 9",
    };
    match (content, encoding) {
        (Content::N, Encoding::Binary(bytes)) => {
            format!("a big-endian number in {bytes} bytes that has at most {units} digits")
        }
        (Content::N, Encoding::Ascii) => {
            format!("{units} digits in ASCII, each a byte 0x30 to 0x39")
        }
        (Content::N, _) => format!("{units} digits{written}"),
        (Content::A, _) => format!("{units} letters, A-Z or a-z{written}"),
        (Content::An, _) => {
            format!("{units} letters or digits, no blanks and no punctuation{written}")
        }
        (Content::Ans, Encoding::Ascii) => {
            format!("{units} printable characters of ASCII, each a byte 0x20 to 0x7E")
        }
        (Content::Ans, _) => format!("{units} printable characters{written}"),
        (Content::Z, Encoding::Bcd(_)) => {
            format!("{units} characters of a track, packed two to a byte")
        }
        (Content::Z, _) => format!("{units} characters of a track: 0-9 and : ; < = > ?{written}"),
        (Content::Xn, Encoding::Bcd(_)) => {
            format!("C (credit) or D (debit) as an ASCII byte, then {digits} digits{written}")
        }
        (Content::Xn, _) => format!("C (credit) or D (debit), then {digits} digits{written}"),
        (Content::B, Encoding::Hex | Encoding::HexEbcdic) => {
            format!("{units} bytes as {} hex digits{written}: 0-9, A-F", units.saturating_mul(2))
        }
        (Content::B, _) => format!("{units} bytes of any value"),
    }
}
