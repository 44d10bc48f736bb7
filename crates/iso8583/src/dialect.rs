//! A dialect: how one host writes ISO 8583. Plain data, checked once; afterwards the type is the
//! proof, and neither parsing nor packing meets a field that makes no sense.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{
    error::DialectFault,
    field::{Content, Encoding, FieldSpec, Length, Mask, Padding},
};

/// A dialect as written down, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialectSpec {
    /// What people call it, such as `iso87-ascii`.
    pub name: String,
    /// How the message type is written.
    pub mti: MtiEncoding,
    /// How both bitmaps are written.
    pub bitmap: BitmapEncoding,
    /// The fields that messages may carry, in any order.
    pub fields: Vec<FieldSpec>,
}

/// How the message type is written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtiEncoding {
    /// Four ASCII digits.
    Ascii,
    /// Two bytes of packed decimal.
    Bcd,
}

/// How a bitmap is written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitmapEncoding {
    /// 16 ASCII hex digits; read in either case, written in upper case.
    Hex,
    /// Eight bytes.
    Binary,
}

/// A dialect that was checked: with it, messages are parsed, packed and explained.
#[derive(Clone, PartialEq, Eq)]
pub struct Dialect {
    name: String,
    mti: MtiEncoding,
    bitmap: BitmapEncoding,
    /// In order of their numbers.
    fields: Vec<FieldSpec>,
    /// For each number from 0 to 128, the place of the field in `fields`.
    places: Vec<Option<usize>>,
}

impl Dialect {
    /// Checks a dialect.
    ///
    /// # Errors
    /// All faults, in order of the fields' numbers, each with the field and what was wanted:
    /// numbers outside 2..=128 or given twice, lengths that cannot be, content that the encoding cannot
    /// write, useless padding, and masks that would show what by definition is card data.
    pub fn build(spec: DialectSpec) -> Result<Self, Vec<DialectFault>> {
        let DialectSpec { name, mti, bitmap, mut fields } = spec;
        fields.sort_by_key(|field| field.number);
        let mut faults = Vec::new();
        let mut places = Vec::new();
        places.resize(129, None);
        for (place, field) in fields.iter().enumerate() {
            match places.get_mut(usize::from(field.number)) {
                Some(slot) if field.number >= 2 => {
                    if slot.replace(place).is_some() {
                        faults.push(DialectFault::Repeated { field: field.number });
                    }
                }
                _ => faults.push(DialectFault::Number { field: field.number }),
            }
            check_length(field, &mut faults);
            check_encoding(field, &mut faults);
            check_padding(field, &mut faults);
            check_mask(field, &mut faults);
        }
        if faults.is_empty() { Ok(Self { name, mti, bitmap, fields, places }) } else { Err(faults) }
    }

    /// What people call the dialect.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field of this number, if messages may carry it.
    #[must_use]
    pub fn field(&self, number: u8) -> Option<&FieldSpec> {
        let place = self.places.get(usize::from(number)).copied().flatten()?;
        self.fields.get(place)
    }

    /// All fields, in order of their numbers.
    #[must_use]
    pub fn fields(&self) -> &[FieldSpec] {
        &self.fields
    }

    /// How the message type is written.
    #[must_use]
    pub fn mti_encoding(&self) -> MtiEncoding {
        self.mti
    }

    /// How the bitmaps are written.
    #[must_use]
    pub fn bitmap_encoding(&self) -> BitmapEncoding {
        self.bitmap
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialect({}, {} fields)", self.name, self.fields.len())
    }
}

fn check_length(spec: &FieldSpec, faults: &mut Vec<DialectFault>) {
    let field = spec.number;
    if spec.content == Content::Xn && !matches!(spec.length, Length::Fixed(2..)) {
        faults.push(DialectFault::Letter { field });
    }
    let most = match spec.length {
        Length::Var { digits, .. } if !(1..=4).contains(&digits) => {
            faults.push(DialectFault::Digits { field, digits });
            return;
        }
        Length::Var { digits, .. } => 10_usize.saturating_pow(u32::from(digits)).saturating_sub(1),
        Length::Fixed(_) => 9_999,
    };
    let length = spec.length.max();
    if !(1..=most).contains(&length) {
        faults.push(DialectFault::Length { field, length, most });
    }
}

fn check_encoding(spec: &FieldSpec, faults: &mut Vec<DialectFault>) {
    let wanted = match (spec.content, spec.encoding) {
        (Content::B, Encoding::Raw | Encoding::Hex)
        | (Content::N | Content::Z, Encoding::Ascii | Encoding::Bcd(_))
        | (Content::A | Content::An | Content::Ans | Content::Xn, Encoding::Ascii) => return,
        (Content::B, _) => "raw or hex",
        (Content::N | Content::Z, _) => "ascii or bcd",
        (Content::A | Content::An | Content::Ans | Content::Xn, _) => "ascii",
    };
    faults.push(DialectFault::Encoding {
        field: spec.number,
        content: spec.content,
        encoding: spec.encoding,
        wanted,
    });
}

fn check_padding(spec: &FieldSpec, faults: &mut Vec<DialectFault>) {
    let (Padding::Left(filling) | Padding::Right(filling)) = spec.padding else { return };
    let wanted = match (spec.length, spec.content, spec.encoding) {
        (Length::Var { .. }, _, _) => "none for a variable length",
        (_, Content::B | Content::Xn, _) => "none for this content",
        (_, _, Encoding::Bcd(_)) if !filling.is_ascii_digit() => "a digit for packed decimal",
        _ if !matches!(filling, b' '..=b'~') => "a printable character",
        _ => return,
    };
    faults.push(DialectFault::Padding { field: spec.number, wanted });
}

/// Card numbers (DE2, DE34), tracks (DE35, DE36, DE45), PIN blocks (DE52) and chip data (DE55, whose
/// tags hold the card number and track 2) are card data in every edition; a dialect cannot say otherwise.
fn check_mask(spec: &FieldSpec, faults: &mut Vec<DialectFault>) {
    let wanted = match (spec.number, spec.mask) {
        (2 | 34, Mask::Clear) => "pan or never",
        (35 | 36 | 45 | 52 | 55, Mask::Clear | Mask::Pan) => "never",
        _ => return,
    };
    faults.push(DialectFault::Mask { field: spec.number, wanted });
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use alloc::{string::ToString, vec, vec::Vec};

    use super::*;
    use crate::{
        field::{Filler, Prefix},
        sample,
    };

    #[track_caller]
    fn refused(change: impl FnOnce(&mut FieldSpec), expected: &str) {
        let mut spec = sample::ascii_spec();
        let field = spec.fields.iter_mut().find(|field| field.number == 37).unwrap();
        change(field);
        let faults = Dialect::build(spec).map(|_| ()).unwrap_err();
        let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [expected]);
    }

    #[test]
    fn each_fault_names_its_field_and_what_was_wanted() {
        refused(|f| f.number = 1, "DE1: the number must be 2..=128");
        refused(|f| f.number = 0, "DE0: the number must be 2..=128");
        refused(|f| f.number = 129, "DE129: the number must be 2..=128");
        refused(|f| f.number = 11, "DE11: defined more than once");
        refused(|f| f.length = Length::Fixed(0), "DE37: a length of 0, wanted 1..=9999");
        refused(|f| f.length = Length::Fixed(70_000), "DE37: a length of 70000, wanted 1..=9999");
        refused(
            |f| {
                f.padding = Padding::None;
                f.length = Length::llvar(100);
            },
            "DE37: a length of 100, wanted 1..=99",
        );
        refused(
            |f| {
                f.padding = Padding::None;
                f.length = Length::Var { digits: 5, max: 3, prefix: Prefix::Bcd };
            },
            "DE37: a length of 5 digits, wanted 1..=4",
        );
        refused(
            |f| f.encoding = Encoding::Raw,
            "DE37: content `an` cannot be written as raw, wanted ascii",
        );
        for length in [Length::llvar(9), Length::Fixed(1)] {
            refused(
                |f| {
                    f.padding = Padding::None;
                    f.content = Content::Xn;
                    f.length = length;
                },
                "DE37: content `x+n`, wanted a fixed length of 2 or more",
            );
        }
        refused(|f| f.padding = Padding::Left(7), "DE37: padding, wanted a printable character");
        refused(
            |f| f.length = Length::llvar(12),
            "DE37: padding, wanted none for a variable length",
        );
        refused(
            |f| {
                f.content = Content::N;
                f.encoding = Encoding::Bcd(Filler::LeadingZero);
            },
            "DE37: padding, wanted a digit for packed decimal",
        );
    }

    #[test]
    fn a_dialect_cannot_show_card_data() {
        for number in [2, 34, 35, 36, 45, 52, 55] {
            for mask in [Mask::Clear, Mask::Pan, Mask::Never] {
                let mut spec = sample::ascii_spec();
                spec.fields.retain(|field| field.number == 48);
                spec.fields[0].number = number;
                spec.fields[0].mask = mask;
                let allowed = mask == Mask::Never || (mask == Mask::Pan && number <= 34);
                assert_eq!(Dialect::build(spec).is_ok(), allowed, "DE{number} {mask:?}");
            }
        }
    }

    #[test]
    fn all_faults_are_collected_in_order() {
        let mut spec = sample::ascii_spec();
        for field in &mut spec.fields {
            match field.number {
                2 => field.mask = Mask::Clear,
                4 => field.length = Length::Fixed(0),
                128 => field.encoding = Encoding::Ascii,
                _ => {}
            }
        }
        spec.fields.reverse();
        let Err(faults) = Dialect::build(spec) else { panic!("three faults were planted") };
        assert_eq!(faults.iter().map(DialectFault::field).collect::<Vec<_>>(), vec![2, 4, 128]);
    }

    #[test]
    fn fields_are_found_by_number_and_listed_in_order() {
        let mut spec = sample::ascii_spec();
        spec.fields.reverse();
        let dialect = Dialect::build(spec).unwrap();
        assert_eq!(dialect.name(), "sample-ascii");
        assert_eq!(dialect.field(4).unwrap().number, 4);
        assert!(dialect.field(0).is_none() && dialect.field(5).is_none());
        assert!(dialect.field(129).is_none() && dialect.field(255).is_none());
        assert!(dialect.fields().is_sorted_by_key(|field| field.number));
    }
}
