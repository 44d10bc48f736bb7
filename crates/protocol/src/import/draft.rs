//! What an importer has read so far: a dialect that may still be wrong, and what could not be carried over.

use std::{collections::BTreeMap, fmt};

use tidegate_iso8583::{
    dialect::{BitmapEncoding, Dialect, DialectFault, DialectSpec, MtiEncoding},
    error::FieldPath,
    field::{Content, Encoding, FieldSpec, Length, Mask, Prefix},
    mti::Mti,
    parts::Parts,
};

use super::{ImportError, Imported, write};
use crate::{dialect::HostDialect, source::Source};

/// Something of the file that the dialect does not say, or says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where: the element, and the line of the file if it has lines to speak of.
    pub place: String,
    /// What, and what became of it.
    pub what: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// The edition of the standard, which decides about message types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edition {
    /// ISO 8583:1987, message types `0xxx`.
    Of1987,
    /// ISO 8583:1993, message types `1xxx`.
    Of1993,
    /// ISO 8583:2003, message types `2xxx`.
    Of2003,
}

/// A dialect as far as it was read.
pub(super) struct Draft {
    pub(super) mti: Option<MtiEncoding>,
    pub(super) bitmap: Option<BitmapEncoding>,
    fields: BTreeMap<u8, FieldSpec>,
    pub(super) losses: Vec<Loss>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self { mti: None, bitmap: None, fields: BTreeMap::new(), losses: Vec::new() }
    }

    pub(super) fn lose(&mut self, place: &str, what: impl Into<String>) {
        self.losses.push(Loss { place: place.to_owned(), what: what.into() });
    }

    /// Notes an element. What payments are made of is digits as the standard says, though the file says text;
    /// and what the standard says is text may have letters, though the file says a number.
    pub(super) fn put(&mut self, number: u8, place: &str, mut field: FieldSpec) {
        let plain = matches!(field.encoding, Encoding::Ascii | Encoding::Ebcdic(_))
            && field.parts.is_none();
        match field.content {
            Content::Ans if plain && DIGITS.contains(&number) => field.content = Content::N,
            // Other programs do not look whether a number is one.
            Content::N if plain && is_text_by_standard(number) => field.content = Content::Ans,
            _ => {}
        }
        if self.fields.insert(number, field).is_some() {
            self.lose(place, "stands there twice; the last one is taken");
        }
    }

    /// The dialect's file. What the codec refuses is left out and told.
    pub(super) fn finish(mut self, name: &str, origin: &str) -> Result<Imported, ImportError> {
        if self.fields.is_empty() {
            return Err(ImportError::Empty);
        }
        let edition = self.edition();
        for (number, field) in &mut self.fields {
            if is_text(field) {
                (field.content, field.encoding) = (Content::Ans, Encoding::Ascii);
            }
            let mask = mask_of(*number, edition);
            hide(field, mask);
        }
        let spec = self.settle(name);
        let text = write::dialect_file(&spec, edition, origin, &self.losses);
        let source = Source { name: "the imported dialect", text: &text };
        HostDialect::read(source).map_err(ImportError::Refused)?;
        Ok(Imported { text, losses: self.losses })
    }

    /// Takes out what cannot be, until the codec takes the rest: a composite's parts first, then the element.
    fn settle(&mut self, name: &str) -> DialectSpec {
        loop {
            let spec = DialectSpec {
                name: name.to_owned(),
                mti: self.mti.unwrap_or(MtiEncoding::Ascii),
                bitmap: self.bitmap.unwrap_or(BitmapEncoding::Binary),
                fields: self.fields.iter().map(|(number, it)| (*number, it.clone())).collect(),
                overrides: Vec::new(),
            };
            // Each round takes at least one thing away, so this ends.
            let Err(faults) = Dialect::build(spec.clone()) else { return spec };
            for fault in faults {
                self.mend(&fault);
            }
        }
    }

    fn mend(&mut self, fault: &DialectFault) {
        let Some(number) = fault.path.field() else { return };
        let Some(field) = self.fields.get_mut(&number) else { return };
        let in_parts = matches!(fault.path, FieldPath::Part(..));
        let place = fault.path.to_string();
        if field.parts.take().is_some() {
            let what =
                format!("{}; {} is carried over without its parts", fault.flaw, name(number));
            self.lose(&place, what);
        } else if !in_parts {
            self.fields.remove(&number);
            self.lose(&place, format!("{}; the element is left out", fault.flaw));
        }
    }

    fn edition(&self) -> Edition {
        let fixed = |number: u8, length| {
            let field = self.fields.get(&number);
            field.is_some_and(|field| field.length == Length::Fixed(length))
        };
        if fixed(12, 14) || fixed(39, 4) {
            Edition::Of2003
        } else if fixed(12, 12) || fixed(39, 3) {
            Edition::Of1993
        } else {
            Edition::Of1987
        }
    }
}

fn name(number: u8) -> FieldPath {
    FieldPath::Field(number)
}

/// Whether bytes are nothing but parts of text behind each other: then the whole is text that people can read.
fn is_text(field: &FieldSpec) -> bool {
    let Some(Parts::Positional { parts, .. }) = field.parts.as_deref() else { return false };
    let text = |part: &FieldSpec| {
        let length = matches!(
            part.length,
            Length::Fixed(_) | Length::Rest { .. } | Length::Var { prefix: Prefix::Ascii, .. }
        );
        length && part.encoding == Encoding::Ascii && part.parts.is_none()
    };
    field.encoding == Encoding::Raw && parts.iter().all(text)
}

/// Elements that have letters by the standard, in any edition: reference and approval, codes, names, and
/// all that is private.
fn is_text_by_standard(number: u8) -> bool {
    matches!(number, 37..=39 | 41..=48 | 54 | 59..=63 | 91..=95 | 98 | 101..=127)
}

/// Card number, processing code, amount, and the times and numbers that pair messages.
const DIGITS: &[u8] = &[2, 3, 4, 7, 11, 12, 13];

/// What may be seen of an element: what the standard puts there, if that is neither card data nor private.
fn mask_of(number: u8, edition: Edition) -> Mask {
    match number {
        2 => Mask::Pan,
        49 if edition == Edition::Of2003 => Mask::Never,
        72 if edition != Edition::Of1987 => Mask::Never,
        3..=13 | 15..=33 | 37..=43 | 49..=51 | 54 | 64 | 66..=91 | 93..=95 | 97..=101 | 128 => {
            Mask::Clear
        }
        _ => Mask::Never,
    }
}

/// Parts may be seen where the whole element may.
fn hide(field: &mut FieldSpec, mask: Mask) {
    // Six and four digits of what is not digits would be nobody's idea of a card number.
    field.mask = if mask == Mask::Pan && field.content == Content::B { Mask::Never } else { mask };
    let inner = if mask == Mask::Clear { Mask::Clear } else { Mask::Never };
    let Some(parts) = field.parts.as_deref_mut() else { return };
    match parts {
        Parts::Positional { parts, .. } => parts.iter_mut().for_each(|part| hide(part, inner)),
        Parts::Bitmap { parts, .. } => parts.iter_mut().for_each(|(_, part)| hide(part, inner)),
        Parts::Tlv { parts, .. } | Parts::BerTlv { parts, .. } => {
            parts.iter_mut().for_each(|(_, part)| hide(part, inner));
        }
    }
}

impl Edition {
    /// The first digit of its message types.
    fn version(self) -> char {
        match self {
            Self::Of1987 => '0',
            Self::Of1993 => '1',
            Self::Of2003 => '2',
        }
    }

    /// Requests with their answers.
    pub(super) fn replies(self) -> Vec<(String, String)> {
        let usual = ["100", "101", "120", "121", "200", "201", "220", "221"];
        let others: &[&str] = match self {
            Self::Of1987 => &["400", "401", "420", "421", "800", "801", "820", "821"],
            Self::Of1993 | Self::Of2003 => &["304", "305", "420", "421", "804", "805"],
        };
        let all = usual.iter().chain(others);
        all.filter_map(|request| self.named(request, |mti| mti.reply())).collect()
    }

    /// First messages with the types that mark them as sent again.
    pub(super) fn repeats(self) -> Vec<(String, String)> {
        let usual = ["100", "120", "200", "220"];
        let others: &[&str] = match self {
            Self::Of1987 => &["400", "420"],
            Self::Of1993 | Self::Of2003 => &["304", "420"],
        };
        let all = usual.iter().chain(others);
        all.filter_map(|first| self.named(first, |mti| mti.repeat())).collect()
    }

    fn named(self, type_of_any: &str, other: fn(Mti) -> Option<Mti>) -> Option<(String, String)> {
        let mti = Mti::parse(&format!("{}{type_of_any}", self.version())).ok()?;
        Some((mti.to_string(), other(mti)?.to_string()))
    }

    pub(super) fn financial(self) -> &'static [u8] {
        match self {
            Self::Of1987 => &[7, 11, 37, 41, 42],
            Self::Of1993 | Self::Of2003 => &[11, 12, 37, 41, 42],
        }
    }

    pub(super) fn network(self) -> &'static [u8] {
        match self {
            Self::Of1987 => &[7, 11, 70],
            Self::Of1993 | Self::Of2003 => &[11, 12, 24],
        }
    }

    pub(super) fn compared(self) -> &'static [u8] {
        match self {
            Self::Of1987 => &[2, 3, 4, 7, 11, 12, 13, 32, 33, 37, 41, 42, 49, 90],
            Self::Of1993 => &[2, 3, 4, 11, 12, 30, 32, 33, 37, 41, 42, 49],
            Self::Of2003 => &[2, 3, 4, 11, 12, 30, 32, 33, 37, 41, 42],
        }
    }
}
