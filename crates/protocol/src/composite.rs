//! The parts of an element in a dialect file: `parts` says how they stand, `[field.N.part]` what they are.

use data_encoding::HEXUPPER_PERMISSIVE;
use tidegate_iso8583::{
    dialect::BitmapEncoding,
    field::{Encoding, FieldSpec, Prefix},
    parts::{PartKey, Parts, TagForm, TagLength, Unknown},
};

use crate::{
    dialect::BITMAP,
    fields::{ENCODING, Here, PREFIX, Places, read_dots, read_spec},
    source::Collector,
    toml_reader::{At, Item, Section, need_word, take_word, word},
};

/// How the parts of an element stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Positional,
    Tlv,
    BerTlv,
    Bitmap,
}

pub(crate) const KIND: &[(&str, Kind)] = &[
    ("positional", Kind::Positional),
    ("tlv", Kind::Tlv),
    ("ber-tlv", Kind::BerTlv),
    ("bitmap", Kind::Bitmap),
];
pub(crate) const UNKNOWN: &[(&str, Unknown)] =
    &[("keep", Unknown::Keep), ("refuse", Unknown::Refuse)];

/// Reads the parts of an element that has some. `None` when they cannot be read.
pub(crate) fn read_parts(
    here: Here,
    section: &mut Section<'_>,
    places: &mut Places,
    faults: &mut Collector<'_>,
) -> Option<Option<Parts>> {
    let Some(item) = section.take("parts") else { return Some(None) };
    let kind = word(&item.text(faults)?, "parts", KIND, faults)?;
    let unknown = match kind {
        Kind::Tlv | Kind::BerTlv => {
            take_word(section, "unknown", UNKNOWN, faults).unwrap_or_default()
        }
        Kind::Positional | Kind::Bitmap => Unknown::default(),
    };
    let tag = (kind == Kind::Tlv).then(|| read_tag(section, faults));
    let length = (kind == Kind::Tlv).then(|| read_tag_length(section, faults));
    let key: &dyn Fn(&str) -> Option<PartKey> = match (kind, tag) {
        (Kind::Positional | Kind::Bitmap, _) => &numbered,
        (Kind::BerTlv, _) | (_, Some(Some(TagForm { encoding: Encoding::Raw, .. }))) => &in_hex,
        (Kind::Tlv, _) => &|name| PartKey::text(name.as_bytes()),
    };
    let table = section.take("part").and_then(|item| item.section(faults));
    let parts = table.into_iter().flat_map(|mut table| table.rest());
    let parts = parts.map(|(name, item)| read_part(here, kind, &name, item, key, places, faults));
    let parts = parts.collect::<Vec<_>>();
    Some(Some(match kind {
        Kind::Positional => {
            let short = section.take("short").map(|item| item.flag(faults));
            Parts::Positional {
                parts: in_sequence(parts, &item, faults)?,
                short: short.unwrap_or(Some(false))?,
            }
        }
        Kind::Bitmap => {
            let bitmap: BitmapEncoding = need_word(section, "part_bitmap", BITMAP, faults)?;
            let parts: Option<Vec<_>> = parts.into_iter().collect();
            let mut parts: Vec<_> =
                parts?.into_iter().map(|(key, spec)| (number(&key), spec)).collect();
            parts.sort_by_key(|(number, _)| *number);
            Parts::Bitmap { bitmap, parts }
        }
        Kind::Tlv => Parts::Tlv {
            tag: tag??,
            length: length??,
            unknown,
            parts: parts.into_iter().collect::<Option<_>>()?,
        },
        Kind::BerTlv => Parts::BerTlv { unknown, parts: parts.into_iter().collect::<Option<_>>()? },
    }))
}

fn number(key: &PartKey) -> u8 {
    key.as_bytes().first().copied().unwrap_or(0)
}

fn numbered(name: &str) -> Option<PartKey> {
    let number = name.parse().ok().filter(|&number: &u8| number > 0);
    number.filter(|_| !name.starts_with(['0', '+'])).map(PartKey::number)
}

pub(crate) fn in_hex(name: &str) -> Option<PartKey> {
    PartKey::bytes(&HEXUPPER_PERMISSIVE.decode(name.as_bytes()).ok()?)
}

fn read_part(
    here: Here,
    kind: Kind,
    name: &At<String>,
    item: Item<'_>,
    key: &dyn Fn(&str) -> Option<PartKey>,
    places: &mut Places,
    faults: &mut Collector<'_>,
) -> Option<(PartKey, FieldSpec)> {
    let Some(key) = key(&name.value) else {
        let wanted = match kind {
            Kind::Positional | Kind::Bitmap => "a number from 1",
            Kind::Tlv | Kind::BerTlv => "a tag of 1 to 8 characters, in hex where tags are bytes",
        };
        faults.add(&name.span, format!("`{}` is no part", name.value), wanted);
        return None;
    };
    let Some(part) = here.part.join(key) else {
        faults.add(&name.span, "parts within parts too deep", "no more than four deep");
        return None;
    };
    let inner = Here { part, ..here };
    places.note(&inner.path(), &name.span);
    let spec = read_spec(inner, item.section(faults)?, places, faults)?;
    Some((key, spec))
}

/// Parts that stand in order must be numbered so, without a gap.
fn in_sequence(
    parts: Vec<Option<(PartKey, FieldSpec)>>,
    item: &Item<'_>,
    faults: &mut Collector<'_>,
) -> Option<Vec<FieldSpec>> {
    let mut parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
    parts.sort_by_key(|(key, _)| number(key));
    let gap = (1..=u8::MAX).zip(&parts).find(|(place, (key, _))| number(key) != *place);
    if let Some((place, _)) = gap {
        faults.add(&item.span, format!("part {place} is missing"), "numbers from 1 without a gap");
        return None;
    }
    Some(parts.into_iter().map(|(_, spec)| spec).collect())
}

fn read_tag(section: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<TagForm> {
    let mut tag = section.need("tag", faults)?.section(faults)?;
    let length = tag.need("length", faults).and_then(|it| it.number("1 to 8", faults));
    let encoding = take_word(&mut tag, "encoding", ENCODING, faults);
    tag.finish("one of length, encoding", faults);
    let encoding = encoding.unwrap_or(Encoding::Ascii);
    Some(TagForm { length: length?.value, encoding })
}

fn read_tag_length(section: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<TagLength> {
    let mut value = section.need("value", faults)?.section(faults)?;
    let prefix = take_word(&mut value, "prefix", PREFIX, faults).unwrap_or(Prefix::Ascii);
    let length = value.need("length", faults).and_then(|item| item.text(faults));
    let inclusive = value.take("inclusive").map_or(Some(false), |item| item.flag(faults));
    value.finish("one of length, prefix, inclusive", faults);
    let (digits, max) = read_dots(&length?, faults)?;
    Some(TagLength { digits, max, prefix, inclusive: inclusive? })
}
