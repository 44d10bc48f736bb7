//! Two small dialects that the tests share: one all ASCII, one packed.

#![allow(clippy::panic, reason = "a test stops at the first surprise")]

use alloc::{borrow::ToOwned, vec, vec::Vec};

use crate::{
    dialect::{BitmapEncoding, Dialect, DialectSpec, MtiEncoding},
    field::{Content, Encoding, FieldSpec, Filler, Length, Mask, Padding, Prefix},
};

fn field(number: u8, name: &str, content: Content, length: Length) -> (u8, FieldSpec) {
    let spec = FieldSpec {
        name: name.to_owned(),
        content,
        encoding: if content == Content::B { Encoding::Hex } else { Encoding::Ascii },
        length,
        padding: match (content, length) {
            (Content::N, Length::Fixed(_)) => Padding::Left(b'0'),
            (Content::An | Content::Ans, Length::Fixed(_)) => Padding::Right(b' '),
            _ => Padding::None,
        },
        mask: match number {
            2 => Mask::Pan,
            35 | 52 | 55 => Mask::Never,
            _ => Mask::Clear,
        },
        parts: None,
    };
    (number, spec)
}

/// The fields of a purchase and its reversal, in ASCII, bitmaps and binary content in hex.
pub(crate) fn ascii_spec() -> DialectSpec {
    use Content::{A, An, Ans, B, N, Xn, Z};
    use Length::Fixed;
    let fields: Vec<(u8, FieldSpec)> = vec![
        field(2, "primary account number", N, Length::llvar(19)),
        field(3, "processing code", N, Fixed(6)),
        field(4, "amount, transaction", N, Fixed(12)),
        field(7, "transmission date and time", N, Fixed(10)),
        field(11, "system trace audit number", N, Fixed(6)),
        field(28, "amount, transaction fee", Xn, Fixed(9)),
        field(35, "track 2 data", Z, Length::llvar(37)),
        field(37, "retrieval reference number", An, Fixed(12)),
        field(39, "response code", An, Fixed(2)),
        field(41, "card acceptor terminal", Ans, Fixed(8)),
        field(48, "additional data", Ans, Length::lllvar(999)),
        field(50, "currency letters", A, Fixed(3)),
        field(52, "PIN data", B, Fixed(8)),
        field(55, "chip data", B, Length::lllvar(255)),
        field(90, "original data elements", N, Fixed(42)),
        field(128, "message authentication code", B, Fixed(8)),
    ];
    DialectSpec {
        name: "sample-ascii".to_owned(),
        mti: MtiEncoding::Ascii,
        bitmap: BitmapEncoding::Hex,
        fields,
        overrides: vec![],
    }
}

pub(crate) fn ascii() -> Dialect {
    Dialect::build(ascii_spec()).unwrap_or_else(|faults| std::panic!("{faults:?}"))
}

/// The same fields, packed: BCD type, lengths and digits, binary bitmaps and bytes.
pub(crate) fn packed() -> Dialect {
    let mut spec = ascii_spec();
    spec.name = "sample-packed".to_owned();
    spec.mti = MtiEncoding::Bcd;
    spec.bitmap = BitmapEncoding::Binary;
    for (number, field) in &mut spec.fields {
        field.encoding = match (field.content, *number) {
            (Content::N, 2) => Encoding::Bcd(Filler::TrailingF),
            (Content::N, _) => Encoding::Bcd(Filler::LeadingZero),
            (Content::Z, _) => Encoding::Bcd(Filler::TrailingZero),
            (Content::B, _) => Encoding::Raw,
            (_, _) => Encoding::Ascii,
        };
        if let Length::Var { prefix, .. } = &mut field.length {
            *prefix = Prefix::Bcd;
        }
    }
    // An odd number of packed digits in a fixed field.
    for (number, field) in &mut spec.fields {
        if *number == 3 {
            field.length = Length::Fixed(5);
        }
    }
    Dialect::build(spec).unwrap_or_else(|faults| std::panic!("{faults:?}"))
}
