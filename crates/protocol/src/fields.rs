//! The elements of a dialect file: each one's axes, the parts of composites, and the elements that are
//! others in some messages.

use std::{collections::BTreeMap, ops::Range};

use tidegate_iso8583::{
    dialect::Override,
    error::FieldPath,
    field::{
        CodePage, Content, Counts, Encoding, FieldSpec, Filler, Length, Mask, Padding, Prefix,
    },
    parts::PartPath,
};

use crate::{
    composite::read_parts,
    dialect::element,
    source::Collector,
    toml_reader::{At, Item, Section, need_word, take_word, word},
};

pub(crate) const CONTENT: &[(&str, Content)] = &[
    ("n", Content::N),
    ("a", Content::A),
    ("an", Content::An),
    ("ans", Content::Ans),
    ("b", Content::B),
    ("z", Content::Z),
    ("x+n", Content::Xn),
];
/// How content may be written; `binary` needs its bytes besides.
pub(crate) const ENCODING: &[(&str, Encoding)] = &[
    ("ascii", Encoding::Ascii),
    ("ebcdic", Encoding::Ebcdic(CodePage::Cp037)),
    ("ebcdic-1047", Encoding::Ebcdic(CodePage::Cp1047)),
    ("hex", Encoding::Hex),
    ("hex-ebcdic", Encoding::HexEbcdic),
    ("raw", Encoding::Raw),
    ("bcd-0n", Encoding::Bcd(Filler::LeadingZero)),
    ("bcd-n0", Encoding::Bcd(Filler::TrailingZero)),
    ("bcd-nF", Encoding::Bcd(Filler::TrailingF)),
    ("binary", Encoding::Binary(0)),
];
/// How text may be written that does not say it itself.
pub(crate) const TEXT: &[(&str, Encoding)] = &[
    ("ascii", Encoding::Ascii),
    ("ebcdic", Encoding::Ebcdic(CodePage::Cp037)),
    ("ebcdic-1047", Encoding::Ebcdic(CodePage::Cp1047)),
];
/// How lengths may be written.
pub(crate) const PREFIX: &[(&str, Prefix)] = &[
    ("ascii", Prefix::Ascii),
    ("bcd", Prefix::Bcd),
    ("ebcdic", Prefix::Ebcdic),
    ("hex", Prefix::Hex),
    ("binary", Prefix::Binary),
    ("ber", Prefix::Ber),
];
pub(crate) const COUNTS: &[(&str, Counts)] =
    &[("units", Counts::Units), ("bytes", Counts::Bytes), ("nibbles", Counts::Nibbles)];
pub(crate) const MASK: &[(&str, Mask)] =
    &[("clear", Mask::Clear), ("pan", Mask::Pan), ("never", Mask::Never)];

/// The longest rest of a composite, in digits, characters or bytes.
const REST_MAX: usize = 65_535;

/// The elements of a dialect as far as they could be read, and where each stands in the file.
pub(crate) struct Fields {
    /// How text is written where an element does not say.
    text: Encoding,
    /// By number; `None` where what is said could not be read.
    specs: BTreeMap<u8, Option<FieldSpec>>,
    pub(crate) places: Places,
}

/// Where elements and parts stand in the file, by their paths as people write them.
#[derive(Default)]
pub(crate) struct Places(BTreeMap<String, Range<usize>>);

impl Places {
    pub(crate) fn note(&mut self, path: &FieldPath, span: &Range<usize>) {
        self.0.insert(path.to_string(), span.clone());
    }
}

/// An element or a part: where it lies, and how text in it is written unless it says otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Here {
    pub(crate) number: u8,
    pub(crate) part: PartPath,
    pub(crate) encoding: Encoding,
}

impl Here {
    fn field(number: u8, text: Encoding) -> Self {
        Self { number, part: PartPath::FIELD, encoding: text }
    }

    pub(crate) fn path(&self) -> FieldPath {
        if self.part.keys().is_empty() {
            FieldPath::Field(self.number)
        } else {
            FieldPath::Part(self.number, self.part)
        }
    }
}

impl Fields {
    /// Reads `[field]`.
    pub(crate) fn read(root: &mut Section<'_>, text: Encoding, faults: &mut Collector<'_>) -> Self {
        let (specs, places) = (BTreeMap::new(), Places::default());
        let mut fields = Self { text, specs, places };
        let section = root.need("field", faults).and_then(|item| item.section(faults));
        for (key, item) in section.into_iter().flat_map(|mut section| section.rest()) {
            let Some(number) = element(&key.with(key.value.as_str()), faults) else { continue };
            let here = Here::field(number, text);
            fields.places.note(&here.path(), &key.span);
            let section = item.section(faults);
            let spec =
                section.and_then(|section| read_spec(here, section, &mut fields.places, faults));
            fields.specs.insert(number, spec);
        }
        fields
    }

    /// Reads `[[override]]`.
    pub(crate) fn read_overrides(
        &mut self,
        root: &mut Section<'_>,
        faults: &mut Collector<'_>,
    ) -> Vec<Override> {
        let list = root.take("override").and_then(|item| item.list(faults)).unwrap_or_default();
        let sections = list.into_iter().filter_map(|item| item.section(faults)).collect::<Vec<_>>();
        sections.into_iter().filter_map(|section| self.read_override(section, faults)).collect()
    }

    fn read_override(
        &mut self,
        mut section: Section<'_>,
        faults: &mut Collector<'_>,
    ) -> Option<Override> {
        let mti = section.need("mti", faults).and_then(|item| item.text(faults));
        let mti = mti.and_then(|text| pattern::<4>(&text, faults));
        let code = section
            .take("processing_code")
            .map(|item| item.text(faults).and_then(|text| pattern::<6>(&text, faults)));
        let table = section.need("field", faults).and_then(|item| item.section(faults));
        section.finish("one of mti, processing_code, field", faults);
        let mut fields = Vec::new();
        for (key, item) in table.into_iter().flat_map(|mut table| table.rest()) {
            let Some(number) = element(&key.with(key.value.as_str()), faults) else { continue };
            if item.is_false() {
                fields.push((number, None));
                continue;
            }
            let here = Here::field(number, self.text);
            self.places.note(&here.path(), &key.span);
            let section = item.section(faults);
            let spec =
                section.and_then(|section| read_spec(here, section, &mut self.places, faults));
            fields.extend(spec.map(|spec| (number, Some(spec))));
        }
        let processing_code = match code {
            None => None,
            Some(code) => Some(code?),
        };
        Some(Override { mti: mti?, processing_code, fields })
    }

    /// What is said about an element: nothing, something that could not be read, or its axes.
    pub(crate) fn get(&self, number: u8) -> Option<&Option<FieldSpec>> {
        self.specs.get(&number)
    }

    /// The elements that could be read.
    pub(crate) fn complete(&self) -> Vec<(u8, FieldSpec)> {
        let specs = self.specs.iter();
        specs.filter_map(|(number, spec)| Some((*number, spec.clone()?))).collect()
    }

    /// Where an element or a part stands; the whole element for a part that is not found.
    pub(crate) fn span(&self, path: &FieldPath) -> Range<usize> {
        let field = path.field().map(FieldPath::Field);
        let places = [Some(*path), field].into_iter().flatten();
        let mut spans = places.filter_map(|path| self.places.0.get(&path.to_string()));
        spans.next().cloned().unwrap_or_default()
    }
}

/// Digits, and `x` for any.
fn pattern<const N: usize>(text: &At<&str>, faults: &mut Collector<'_>) -> Option<[Option<u8>; N]> {
    let digits = text.value.bytes().map(|byte| match byte {
        b'0'..=b'9' => Some(Some(byte)),
        b'x' => Some(None),
        _ => None,
    });
    let digits: Option<Vec<_>> = digits.collect();
    let pattern = digits.and_then(|digits| <[Option<u8>; N]>::try_from(digits).ok());
    if pattern.is_none() {
        let message = format!("`{}` says no kind of messages", text.value);
        faults.add(&text.span, message, &format!("{N} characters, digits or x for any digit"));
    }
    pattern
}

/// Reads an element or a part whose length says how it is written itself.
pub(crate) fn read_spec(
    here: Here,
    mut section: Section<'_>,
    places: &mut Places,
    faults: &mut Collector<'_>,
) -> Option<FieldSpec> {
    let name = section.need("name", faults).and_then(|item| item.text(faults));
    let content = need_word(&mut section, "content", CONTENT, faults);
    let encoding = read_encoding(&mut section, here, content, faults);
    let prefix = take_word(&mut section, "prefix", PREFIX, faults).unwrap_or(match here.encoding {
        Encoding::Ebcdic(_) => Prefix::Ebcdic,
        _ => Prefix::Ascii,
    });
    let counts = read_counts(&mut section, faults);
    let length = section.need("length", faults);
    let length = length.and_then(|item| read_length(&item, prefix, counts?, faults));
    let padding = read_padding(&mut section, faults);
    let mask = take_word(&mut section, "mask", MASK, faults).unwrap_or_default();
    let within = Here { encoding: encoding.unwrap_or(Encoding::Ascii), ..here };
    let parts = read_parts(within, &mut section, places, faults);
    section.finish(
        "one of name, content, length, prefix, counts, inclusive, encoding, bytes, pad_left, pad_right, \
         mask, parts, part, short, tag, value, unknown, part_bitmap",
        faults,
    );
    Some(FieldSpec {
        name: name?.value.to_owned(),
        content: content?,
        encoding: encoding?,
        length: length?,
        padding: padding?,
        mask,
        parts: parts?.map(Box::new),
    })
}

fn read_encoding(
    section: &mut Section<'_>,
    here: Here,
    content: Option<Content>,
    faults: &mut Collector<'_>,
) -> Option<Encoding> {
    let said = section.take("encoding");
    let bytes = section.take("bytes");
    let Some(item) = said else {
        if let Some(bytes) = bytes {
            faults.add(&bytes.span, "`bytes` without encoding = \"binary\"", "no such key");
        }
        let inner = !here.part.keys().is_empty();
        return Some(match (content, here.encoding) {
            (Some(Content::B), _) if inner => Encoding::Raw,
            (_, Encoding::Raw) => Encoding::Ascii,
            (_, encoding) => encoding,
        });
    };
    let text = item.text(faults)?;
    match (word(&text, "encoding", ENCODING, faults)?, bytes) {
        (Encoding::Binary(_), Some(bytes)) => {
            let bytes: At<u8> = bytes.number("a number from 1 to 8", faults)?;
            Some(Encoding::Binary(bytes.value))
        }
        (Encoding::Binary(_), None) => {
            faults.add(
                &text.span,
                "a binary number without its size",
                "`bytes` = 1 to 8 beside it",
            );
            None
        }
        (_, Some(bytes)) => {
            faults.add(&bytes.span, "`bytes` without encoding = \"binary\"", "no such key");
            None
        }
        (encoding, None) => Some(encoding),
    }
}

fn read_counts(section: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<Counts> {
    let counts = section.take("counts");
    let inclusive = section.take("inclusive");
    let itself = match &inclusive {
        None => false,
        Some(item) => item.flag(faults)?,
    };
    let counts = match counts {
        None if itself => Counts::Bytes,
        None => Counts::Units,
        Some(item) => word(&item.text(faults)?, "counts", COUNTS, faults)?,
    };
    match (counts, inclusive) {
        (Counts::Bytes, _) if itself => Some(Counts::BytesAndItself),
        (_, Some(item)) if itself => {
            let message = "a length that counts itself counts bytes";
            faults.add(&item.span, message, "counts = \"bytes\", or none");
            None
        }
        (counts, _) => Some(counts),
    }
}

/// A fixed length is a number; a variable one is written as the standard writes it, `"..19"`; `"rest"` is
/// whatever is left.
fn read_length(
    item: &Item<'_>,
    prefix: Prefix,
    counts: Counts,
    faults: &mut Collector<'_>,
) -> Option<Length> {
    if !item.is_text() {
        let wanted = "a number from 1, or a text such as \"..19\"";
        return item.number(wanted, faults).map(|length| Length::Fixed(length.value));
    }
    let text = item.text(faults)?;
    if text.value == "rest" {
        return Some(Length::Rest { max: REST_MAX });
    }
    let (digits, max) = read_dots(&text, faults)?;
    Some(Length::Var { digits, max, prefix, counts })
}

/// The places and the maximum of a variable length.
pub(crate) fn read_dots(text: &At<&str>, faults: &mut Collector<'_>) -> Option<(u8, usize)> {
    let max = text.value.trim_start_matches('.');
    let digits = text.value.len().saturating_sub(max.len());
    match (u8::try_from(digits), max.parse()) {
        (Ok(digits), Ok(max)) if digits > 0 => Some((digits, max)),
        _ => {
            let message = format!("`{}` is no length", text.value);
            faults.add(&text.span, message, "dots and a number, such as \"..19\" or \"...999\"");
            None
        }
    }
}

fn read_padding(section: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<Padding> {
    let left = section.take("pad_left");
    let right = section.take("pad_right");
    let (item, side): (_, fn(u8) -> Padding) = match (left, right) {
        (None, None) => return Some(Padding::None),
        (Some(item), None) => (item, Padding::Left),
        (None, Some(item)) => (item, Padding::Right),
        (Some(_), Some(item)) => {
            faults.add(&item.span, "filled up on both sides", "either pad_left or pad_right");
            return None;
        }
    };
    let text = item.text(faults)?;
    match text.value.as_bytes() {
        [filling] => Some(side(*filling)),
        _ => {
            faults.add(&text.span, "the filling is not one character", "one ASCII character");
            None
        }
    }
}
