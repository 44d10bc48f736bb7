//! A dialect: how one host writes ISO 8583. Plain data, checked once; afterwards the type is the
//! proof, and neither parsing nor packing meets a field that makes no sense.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{
    check,
    error::FieldPath,
    field::{Content, Encoding, FieldSpec},
    mti::Mti,
    plan::{Plan, plan},
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
    /// The fields that messages may carry, each by its number 2..=128, in any order.
    pub fields: Vec<(u8, FieldSpec)>,
    /// Fields that are others in some messages. Where several hold, the last one counts.
    pub overrides: Vec<Override>,
}

/// How the message type is written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtiEncoding {
    /// Four ASCII digits.
    Ascii,
    /// Four EBCDIC digits.
    Ebcdic,
    /// Two bytes of packed decimal.
    Bcd,
}

/// How a bitmap is written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitmapEncoding {
    /// 16 ASCII hex digits; read in either case, written in upper case.
    Hex,
    /// 16 EBCDIC hex digits; read in either case, written in upper case.
    HexEbcdic,
    /// Eight bytes.
    Binary,
}

/// Fields that are others in messages of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The message types, four digits; `None` for any digit.
    pub mti: [Option<u8>; 4],
    /// The processing codes (DE3), six digits; `None` for any digit. `None` for all messages.
    pub processing_code: Option<[Option<u8>; 6]>,
    /// The fields, each by its number; `None` where such messages do not carry it.
    pub fields: Vec<(u8, Option<FieldSpec>)>,
}

/// A dialect that was checked: with it, messages are parsed, packed and explained.
#[derive(Clone, PartialEq, Eq)]
pub struct Dialect {
    name: String,
    mti: MtiEncoding,
    bitmap: BitmapEncoding,
    /// In order of their numbers.
    fields: Vec<(u8, FieldSpec)>,
    /// For each number from 0 to 128, the place of the field in `fields`.
    places: Vec<Option<u8>>,
    overrides: Vec<Override>,
    plan: Plan,
}

/// A fault in a dialect: the field or part, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {flaw}")]
pub struct DialectFault {
    /// The field, or the part of one.
    pub path: FieldPath,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What is wrong with a field of a dialect, and what was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A number that no bit stands for.
    #[error("the number must be {least}..={most}")]
    Number {
        /// The least number that is possible here.
        least: u8,
        /// The greatest.
        most: u8,
    },
    /// The same number or tag twice.
    #[error("defined more than once")]
    Repeated,
    /// A length that no message can have.
    #[error("a length of {length}, wanted 1..={most}")]
    Length {
        /// The fixed or greatest length that was given.
        length: usize,
        /// The greatest length that is possible here.
        most: usize,
    },
    /// A letter and digits of variable length, or without a digit.
    #[error("content `x+n`, wanted a fixed length of 2 or more")]
    Letter,
    /// A length prefix that nobody writes.
    #[error("a length of {digits} places, wanted 1..={most}")]
    Digits {
        /// The number of places that was given.
        digits: u8,
        /// The most that are possible here.
        most: u8,
    },
    /// A length that cannot count so.
    #[error("its length counts so, wanted {wanted}")]
    Counts {
        /// What goes with the encoding and the prefix.
        wanted: &'static str,
    },
    /// A part that takes the rest, but is not the last one of a composite.
    #[error("takes the rest, wanted {wanted}")]
    Rest {
        /// Where that is possible.
        wanted: &'static str,
    },
    /// Content that cannot be written so.
    #[error("content `{content}` cannot be written as {encoding}, wanted {wanted}")]
    Encoding {
        /// The content that was given.
        content: Content,
        /// The encoding that was given.
        encoding: Encoding,
        /// The encodings that go with the content.
        wanted: &'static str,
    },
    /// Filling where nothing is filled up, or with what cannot be written.
    #[error("padding, wanted {wanted}")]
    Padding {
        /// What was wanted.
        wanted: &'static str,
    },
    /// A field that carries card data by definition, but is shown.
    #[error("carries card data, wanted mask {wanted}")]
    Mask {
        /// The masks that are allowed.
        wanted: &'static str,
    },
    /// Parts that cannot stand in such a field.
    #[error("parts, wanted {wanted}")]
    Parts {
        /// What was wanted.
        wanted: &'static str,
    },
    /// An override that cannot be.
    #[error("an override, wanted {wanted}")]
    Override {
        /// What was wanted.
        wanted: &'static str,
    },
}

/// Which overrides of a dialect hold for a message: a bit each, the first one lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding(u64);

impl Dialect {
    /// Checks a dialect.
    ///
    /// # Errors
    /// All faults, in order of the fields' numbers, each with the field or part and what was wanted:
    /// numbers outside 2..=128 or given twice, lengths that cannot be, content that the encoding cannot
    /// write, useless padding, parts that cannot stand there, and masks that would show what by definition
    /// is card data.
    pub fn build(spec: DialectSpec) -> Result<Self, Vec<DialectFault>> {
        let mut spec = spec;
        spec.fields.sort_by_key(|(number, _)| *number);
        let plan = plan(&spec);
        let DialectSpec { name, mti, bitmap, fields, overrides } = spec;
        let mut faults = check::fields(&fields);
        faults.extend(check::overrides(&fields, &overrides));
        let mut places = Vec::new();
        places.resize(129, None);
        for (place, (number, _)) in fields.iter().enumerate() {
            if let Some(slot) = places.get_mut(usize::from(*number)) {
                *slot = u8::try_from(place).ok();
            }
        }
        if faults.is_empty() {
            Ok(Self { name, mti, bitmap, fields, places, overrides, plan })
        } else {
            Err(faults)
        }
    }

    /// What people call the dialect.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field of this number, if messages may carry it; overrides are not considered.
    #[must_use]
    pub fn field(&self, number: u8) -> Option<&FieldSpec> {
        let place = self.places.get(usize::from(number)).copied().flatten()?;
        self.fields.get(usize::from(place)).map(|(_, spec)| spec)
    }

    /// All fields, in order of their numbers; overrides are not considered.
    #[must_use]
    pub fn fields(&self) -> &[(u8, FieldSpec)] {
        &self.fields
    }

    /// Fields that are others in some messages.
    #[must_use]
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
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

    /// What most fields come to.
    #[inline(always)]
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    #[cfg(test)]
    pub(crate) fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// The overrides that hold by the message type alone.
    #[inline]
    pub(crate) fn holding(&self, mti: Mti) -> Holding {
        if self.overrides.is_empty() {
            return Holding::default();
        }
        self.holding_if(|it| it.processing_code.is_none() && matches(&it.mti, &mti.digits()))
    }

    /// The overrides that hold by message type and processing code, or by the type alone.
    pub(crate) fn holding_with(&self, mti: Mti, processing_code: &[u8]) -> Holding {
        self.holding_if(|it| {
            let code = it.processing_code.as_ref();
            matches(&it.mti, &mti.digits())
                && code.is_none_or(|code| matches(code, processing_code))
        })
    }

    fn holding_if(&self, holds: impl Fn(&Override) -> bool) -> Holding {
        let bits = self.overrides.iter().take(64).enumerate();
        Holding(bits.fold(0, |bits, (place, it)| bits | (u64::from(holds(it)) << place)))
    }

    /// The field of this number in a message for which these overrides hold.
    #[inline(always)]
    pub(crate) fn field_in(&self, holding: Holding, number: u8) -> Option<&FieldSpec> {
        if holding.0 == 0 { self.field(number) } else { self.overridden(holding, number) }
    }

    fn overridden(&self, holding: Holding, number: u8) -> Option<&FieldSpec> {
        let bits = self.overrides.iter().take(64).enumerate();
        let holding = bits.rev().filter(|(place, _)| (holding.0 >> place) & 1 == 1);
        let mut found = holding.flat_map(|(_, it)| it.fields.iter().filter(|it| it.0 == number));
        match found.next() {
            Some((_, spec)) => spec.as_ref(),
            None => self.field(number),
        }
    }

    /// Whether any override looks at the processing code.
    pub(crate) fn looks_at_processing_code(&self) -> bool {
        self.overrides.iter().any(|it| it.processing_code.is_some())
    }
}

fn matches(pattern: &[Option<u8>], digits: &[u8]) -> bool {
    let same = |(wanted, digit): (&Option<u8>, &u8)| wanted.is_none_or(|wanted| wanted == *digit);
    pattern.len() == digits.len() && pattern.iter().zip(digits).all(same)
}

impl BitmapEncoding {
    /// The bytes that 64 bits take on the wire.
    pub(crate) fn wire_len(self) -> usize {
        match self {
            Self::Hex | Self::HexEbcdic => 16,
            Self::Binary => 8,
        }
    }
}

impl MtiEncoding {
    /// The bytes that a message type takes on the wire.
    pub(crate) fn wire_len(self) -> usize {
        match self {
            Self::Ascii | Self::Ebcdic => 4,
            Self::Bcd => 2,
        }
    }
}

impl Encoding {
    /// Whether text written so is one byte a character.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Ascii | Self::Ebcdic(_))
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialect({}, {} fields)", self.name, self.fields.len())
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use alloc::{string::ToString, vec::Vec};

    use super::*;
    use crate::{
        field::{Content, Counts, Filler, Length, Mask, Padding, Prefix},
        sample,
    };

    #[track_caller]
    fn refused(change: impl FnOnce(&mut (u8, FieldSpec)), expected: &str) {
        let mut spec = sample::ascii_spec();
        let field = spec.fields.iter_mut().find(|(number, _)| *number == 37).unwrap();
        change(field);
        let faults = Dialect::build(spec).map(|_| ()).unwrap_err();
        let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [expected]);
    }

    #[test]
    fn each_fault_names_its_field_and_what_was_wanted() {
        refused(|f| f.0 = 1, "DE1: the number must be 2..=128");
        refused(|f| f.0 = 0, "DE0: the number must be 2..=128");
        refused(|f| f.0 = 129, "DE129: the number must be 2..=128");
        refused(|f| f.0 = 11, "DE11: defined more than once");
        refused(|f| f.1.length = Length::Fixed(0), "DE37: a length of 0, wanted 1..=9999");
        refused(|f| f.1.length = Length::Fixed(70_000), "DE37: a length of 70000, wanted 1..=9999");
        refused(
            |f| {
                f.1.padding = Padding::None;
                f.1.length = Length::llvar(100);
            },
            "DE37: a length of 100, wanted 1..=99",
        );
        refused(
            |f| {
                f.1.padding = Padding::None;
                f.1.length =
                    Length::Var { digits: 7, max: 3, prefix: Prefix::Bcd, counts: Counts::Units };
            },
            "DE37: a length of 7 places, wanted 1..=6",
        );
        refused(
            |f| f.1.encoding = Encoding::Raw,
            "DE37: content `an` cannot be written as raw, wanted ascii or ebcdic",
        );
        for length in [Length::llvar(9), Length::Fixed(1)] {
            refused(
                |f| {
                    f.1.padding = Padding::None;
                    f.1.content = Content::Xn;
                    f.1.length = length;
                },
                "DE37: content `x+n`, wanted a fixed length of 2 or more",
            );
        }
        refused(|f| f.1.padding = Padding::Left(7), "DE37: padding, wanted a printable character");
        refused(
            |f| f.1.length = Length::llvar(12),
            "DE37: padding, wanted none for a variable length",
        );
        refused(
            |f| {
                f.1.content = Content::N;
                f.1.encoding = Encoding::Bcd(Filler::LeadingZero);
            },
            "DE37: padding, wanted a digit for packed decimal and binary numbers",
        );
    }

    #[test]
    fn a_dialect_cannot_show_card_data() {
        for number in [2, 34, 35, 36, 45, 52, 55] {
            for mask in [Mask::Clear, Mask::Pan, Mask::Never] {
                let mut spec = sample::ascii_spec();
                spec.fields.retain(|(number, _)| *number == 48);
                spec.fields[0].0 = number;
                spec.fields[0].1.mask = mask;
                let allowed = mask == Mask::Never || (mask == Mask::Pan && number <= 34);
                assert_eq!(Dialect::build(spec).is_ok(), allowed, "DE{number} {mask:?}");
            }
        }
    }

    #[test]
    fn all_faults_are_collected_in_order() {
        let mut spec = sample::ascii_spec();
        for (number, field) in &mut spec.fields {
            match number {
                2 => field.mask = Mask::Clear,
                4 => field.length = Length::Fixed(0),
                128 => field.encoding = Encoding::Ascii,
                _ => {}
            }
        }
        spec.fields.reverse();
        let Err(faults) = Dialect::build(spec) else { panic!("three faults were planted") };
        assert_eq!(faults.iter().filter_map(|it| it.path.field()).collect::<Vec<_>>(), [2, 4, 128]);
    }

    #[test]
    fn fields_are_found_by_number_and_listed_in_order() {
        let mut spec = sample::ascii_spec();
        spec.fields.reverse();
        let dialect = Dialect::build(spec).unwrap();
        assert_eq!(dialect.name(), "sample-ascii");
        assert_eq!(dialect.field(4).unwrap().name, "amount, transaction");
        assert!(dialect.field(0).is_none() && dialect.field(5).is_none());
        assert!(dialect.field(129).is_none() && dialect.field(255).is_none());
        assert!(dialect.fields().is_sorted_by_key(|(number, _)| *number));
    }
}
