//! Reads the JSON of moov's `iso8583` specifications, as its `specs.Builder` writes and reads it.
//!
//! A field there is a `type` (how programs see it), an `enc` (how its content is written), a `prefix` (how its
//! length is) and a `length`; composites have `subfields`, with a `tag`, a `bitmap`, or one behind the other.
//! `length` counts digits, characters or bytes, the length on the wire too; that of a composite counts bytes.

use serde_json::{Map, Value};
use tidegate_iso8583::{
    dialect::{BitmapEncoding, MtiEncoding},
    field::{
        CodePage, Content, Counts, Encoding, FieldSpec, Filler, Length, Mask, Padding, Prefix,
    },
    parts::{PartKey, Parts, TagForm, TagLength, Unknown},
};

use super::{ImportError, draft::Draft};
use crate::composite::in_hex;

/// Parts lie so deep at most; what lies deeper stays whole.
const DEPTH_MAX: usize = tidegate_iso8583::parts::DEEPEST;

pub(super) fn read(text: &str) -> Result<Draft, ImportError> {
    let root: Value = serde_json::from_str(text).map_err(|error| ImportError::Syntax {
        line: error.line(),
        column: error.column(),
        what: format!("this is no JSON: {error}"),
    })?;
    let fields = root.as_object().and_then(|root| get(root, "fields")).and_then(Value::as_object);
    let Some(fields) = fields else {
        return Err(ImportError::Unclear {
            place: "fields".to_owned(),
            what: "missing; an object of fields by number is expected".to_owned(),
        });
    };
    let mut draft = Draft::new();
    let mut numbered: Vec<(Option<u8>, &String, &Value)> =
        fields.iter().map(|(key, value)| (key.parse().ok(), key, value)).collect();
    numbered.sort_by_key(|(number, ..)| *number);
    for (number, key, value) in numbered {
        let here = Here { place: format!("field {key}"), number: number.unwrap_or(0), depth: 0 };
        match (number, value.as_object()) {
            (_, None) => draft.lose(&here.place, "is no object; left out"),
            (Some(0), Some(field)) => draft.mti = mti(field, &here, &mut draft),
            (Some(1), Some(field)) => {
                draft.bitmap = bitmap(field);
                if length(field) > 8 {
                    let what = "a bitmap in one block of more than 8 bytes; it is read as one of 8 bytes, whose first \
                                bit says that a second one follows";
                    draft.lose(&here.place, what);
                }
                if draft.bitmap.is_none() {
                    draft.lose(
                        &here.place,
                        "how the bitmap is written is not known; bytes are taken",
                    );
                }
            }
            (Some(number @ 2..=128), Some(field)) => {
                if let Some(spec) = spec(field, &here, &mut draft) {
                    draft.put(number, &here.place, spec);
                }
            }
            (_, Some(_)) => draft.lose(&here.place, "is no element from 2 to 128; left out"),
        }
    }
    Ok(draft)
}

/// Where a field stands.
struct Here {
    /// As people are told, such as `field 55.9F26`.
    place: String,
    /// The element that it is or lies in.
    number: u8,
    /// 0 for an element.
    depth: usize,
}

/// A value by its key, which the other program reads in any case.
fn get<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    let found = object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    found.map(|(_, value)| value)
}

fn text<'v>(object: &'v Map<String, Value>, key: &str) -> &'v str {
    get(object, key).and_then(Value::as_str).unwrap_or_default()
}

fn object<'v>(from: &'v Map<String, Value>, key: &str) -> Option<&'v Map<String, Value>> {
    get(from, key).and_then(Value::as_object).filter(|object| !object.is_empty())
}

fn length(field: &Map<String, Value>) -> usize {
    let length = get(field, "length").and_then(Value::as_u64).unwrap_or(0);
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn mti(field: &Map<String, Value>, here: &Here, draft: &mut Draft) -> Option<MtiEncoding> {
    let mti = match text(field, "enc") {
        "ASCII" => Some(MtiEncoding::Ascii),
        "BCD" | "LBCD" => Some(MtiEncoding::Bcd),
        "EBCDIC" | "EBCDIC1047" => Some(MtiEncoding::Ebcdic),
        _ => None,
    };
    if mti.is_none() {
        draft.lose(&here.place, "how the message type is written is not known; ASCII is taken");
    }
    mti
}

fn bitmap(field: &Map<String, Value>) -> Option<BitmapEncoding> {
    match text(field, "enc") {
        "Binary" => Some(BitmapEncoding::Binary),
        "HexToASCII" | "BytesToASCIIHex" | "Hex" => Some(BitmapEncoding::Hex),
        "BytesToEBCDICHex" | "HexToEBCDIC" => Some(BitmapEncoding::HexEbcdic),
        _ => None,
    }
}

/// A field or a part of one. `None`: it cannot be carried over, which is told.
fn spec(field: &Map<String, Value>, here: &Here, draft: &mut Draft) -> Option<FieldSpec> {
    let composite = object(field, "subfields").is_some() || text(field, "type") == "Composite";
    let (content, encoding) =
        if composite { (Content::B, Encoding::Raw) } else { coding(field, here, draft)? };
    let length = form_of_length(field, here, draft)?;
    let parts = if composite { parts(field, here, draft).map(Box::new) } else { None };
    let name = match text(field, "description") {
        "" => here.place.clone(),
        described => described.to_owned(),
    };
    let padding = padding(field, content, length, here, draft);
    Some(FieldSpec { name, content, encoding, length, padding, mask: Mask::Never, parts })
}

fn coding(
    field: &Map<String, Value>,
    here: &Here,
    draft: &mut Draft,
) -> Option<(Content, Encoding)> {
    let (kind, enc) = (text(field, "type"), text(field, "enc"));
    let track = matches!(kind, "Track2" | "Track3") || matches!(here.number, 35 | 36);
    let digits = if track { Content::Z } else { Content::N };
    let characters = match kind {
        "Numeric" => Content::N,
        "Track2" | "Track3" => Content::Z,
        _ => Content::Ans,
    };
    let bytes = matches!(kind, "Binary" | "Bitmap" | "Hex");
    let coding = match enc {
        "ASCII" => (characters, Encoding::Ascii),
        "EBCDIC" => (characters, Encoding::Ebcdic(CodePage::Cp037)),
        "EBCDIC1047" => (characters, Encoding::Ebcdic(CodePage::Cp1047)),
        "BCD" => (digits, Encoding::Bcd(Filler::LeadingZero)),
        "LBCD" => (digits, Encoding::Bcd(Filler::TrailingZero)),
        "Track2" | "BCDTrack2" => (Content::Z, Encoding::Bcd(Filler::TrailingF)),
        "Binary" if bytes => (Content::B, Encoding::Raw),
        // Text that is written as the bytes that it has.
        "Binary" => (characters, Encoding::Ascii),
        "HexToASCII" | "BytesToASCIIHex" | "Hex" => {
            if !bytes && !matches!(here.number, 52 | 64 | 96 | 128) {
                let what = "characters in hex digits of theirs, which a dialect has as bytes";
                draft.lose(&here.place, what);
            }
            (Content::B, Encoding::Hex)
        }
        "BytesToEBCDICHex" | "HexToEBCDIC" => (Content::B, Encoding::HexEbcdic),
        "ASCIIToHex" | "ASCIIHexToBytes" => (Content::B, Encoding::Raw),
        _ => {
            draft.lose(&here.place, format!("the encoding `{enc}` is not known; left out"));
            return None;
        }
    };
    Some(coding)
}

/// The places of a prefix that says a length: how they are written, and how many.
fn prefix(name: &str) -> Option<(Prefix, u8)> {
    if name == "BerTLV" {
        return Some((Prefix::Ber, 1));
    }
    let (family, places) = name.split_once('.')?;
    let digits = u8::try_from(places.len()).ok().filter(|digits| (1..=6).contains(digits))?;
    if !places.bytes().all(|byte| byte == b'L') {
        return None;
    }
    match family {
        "ASCII" => Some((Prefix::Ascii, digits)),
        "EBCDIC" | "EBCDIC1047" => Some((Prefix::Ebcdic, digits)),
        "BCD" => Some((Prefix::Bcd, digits)),
        "Binary" => Some((Prefix::Binary, digits)),
        // Each place is a byte, which is two digits.
        "Hex" => Some((Prefix::Hex, digits.saturating_mul(2))),
        _ => None,
    }
}

fn form_of_length(field: &Map<String, Value>, here: &Here, draft: &mut Draft) -> Option<Length> {
    let (name, max) = (text(field, "prefix"), length(field));
    if name.ends_with(".Fixed") {
        return Some(Length::Fixed(max));
    }
    let Some((prefix, digits)) = prefix(name) else {
        // Within a composite, what has no length of its own may take the rest.
        if name.starts_with("None") && here.depth > 0 {
            return Some(Length::Rest { max: max.max(1) });
        }
        draft.lose(&here.place, format!("the prefix `{name}` is not known; left out"));
        return None;
    };
    let counts = Counts::Units;
    let most = most(prefix, digits);
    // A chip's tag says no length here, as it says it itself.
    let said = if max == 0 && prefix == Prefix::Ber { 255 } else { max };
    if said > most {
        let what = format!("a length of {max} is more than its prefix can say; {most} is taken");
        draft.lose(&here.place, what);
    }
    Some(Length::Var { digits, max: said.min(most), prefix, counts })
}

/// The greatest length that a prefix can say, as far as a dialect goes.
fn most(prefix: Prefix, digits: u8) -> usize {
    let base: usize = match prefix {
        Prefix::Ascii | Prefix::Ebcdic | Prefix::Bcd => 10,
        Prefix::Hex => 16,
        Prefix::Binary => 256,
        Prefix::Ber => return 65_535,
    };
    base.saturating_pow(u32::from(digits)).saturating_sub(1).min(999_999)
}

fn padding(
    field: &Map<String, Value>,
    content: Content,
    length: Length,
    here: &Here,
    draft: &mut Draft,
) -> Padding {
    let Some(said) = object(field, "padding") else { return Padding::None };
    let side = match text(said, "type") {
        "Left" => Padding::Left,
        "Right" => Padding::Right,
        _ => return Padding::None,
    };
    let filling = text(said, "pad").as_bytes();
    match (filling, length, content) {
        ([filling @ b' '..=b'~'], Length::Fixed(_), content) if content != Content::B => {
            side(*filling)
        }
        _ => {
            let what =
                "is filled up in a way that a dialect cannot say; values have their whole length";
            draft.lose(&here.place, what);
            Padding::None
        }
    }
}

/// What a composite is made of. `None`: it stays whole, which is told.
fn parts(field: &Map<String, Value>, here: &Here, draft: &mut Draft) -> Option<Parts> {
    let whole = |draft: &mut Draft, why: &str| {
        draft.lose(&here.place, format!("{why}; it is carried over without its parts"));
        None
    };
    let Some(subfields) = object(field, "subfields") else {
        return whole(draft, "a composite without subfields");
    };
    if here.depth >= DEPTH_MAX {
        return whole(draft, "parts lie too deep");
    }
    let tag = object(field, "tag");
    let tag_enc = tag.map(|tag| text(tag, "enc")).unwrap_or_default();
    if let Some(map) = object(field, "bitmap") {
        return match bitmap(map) {
            Some(bitmap) if length(map) <= 8 => {
                let parts = numbered(subfields, here, draft)?;
                Some(Parts::Bitmap { bitmap, parts })
            }
            _ => whole(draft, "its bitmap is not of 64 bits"),
        };
    }
    if tag_enc == "BerTLVTag" {
        let parts = tagged(subfields, here, draft, in_hex)?;
        return Some(Parts::BerTlv { unknown: Unknown::Keep, parts });
    }
    let tag_length = tag.map(length).unwrap_or_default();
    if tag_enc.is_empty() || tag_length == 0 {
        let parts = numbered(subfields, here, draft)?;
        let in_order = (1..).zip(&parts).all(|(place, (number, _)): (u8, _)| *number == place);
        if !in_order {
            draft.lose(&here.place, "its parts are numbered anew, from 1");
        }
        let short = !text(field, "prefix").ends_with(".Fixed");
        return Some(Parts::Positional {
            parts: parts.into_iter().map(|(_, part)| part).collect(),
            short,
        });
    }
    tlv(subfields, (tag_enc, tag_length), here, draft)
}

/// Parts behind tags of a fixed size. They share one form of length in a dialect.
fn tlv(
    subfields: &Map<String, Value>,
    (enc, length): (&str, usize),
    here: &Here,
    draft: &mut Draft,
) -> Option<Parts> {
    let encoding = match enc {
        "ASCII" => Some(Encoding::Ascii),
        "EBCDIC" => Some(Encoding::Ebcdic(CodePage::Cp037)),
        "EBCDIC1047" => Some(Encoding::Ebcdic(CodePage::Cp1047)),
        "BCD" => Some(Encoding::Bcd(Filler::LeadingZero)),
        "Binary" | "ASCIIToHex" | "ASCIIHexToBytes" => Some(Encoding::Raw),
        _ => None,
    };
    let size = u8::try_from(length).ok().filter(|size| (1..=8).contains(size));
    let forms: Vec<_> = subfields
        .values()
        .filter_map(Value::as_object)
        .map(|it| prefix(text(it, "prefix")))
        .collect();
    let first = forms.first().copied().flatten();
    let (Some(encoding), Some(size), Some((prefix, digits))) = (encoding, size, first) else {
        let why = "its tags or lengths are of a kind that a dialect has not";
        draft.lose(&here.place, format!("{why}; it is carried over without its parts"));
        return None;
    };
    if forms.iter().any(|form| *form != first) {
        let why = "its parts have lengths of several kinds";
        draft.lose(&here.place, format!("{why}; it is carried over without its parts"));
        return None;
    }
    let key: fn(&str) -> Option<PartKey> = match encoding {
        Encoding::Raw => in_hex,
        _ => |name| PartKey::text(name.as_bytes()),
    };
    let parts = tagged(subfields, here, draft, key)?;
    let max = most(prefix, digits).min(9_999);
    let tag = TagForm { length: size, encoding };
    let length = TagLength { digits, max, prefix, inclusive: false };
    Some(Parts::Tlv { tag, length, unknown: Unknown::Keep, parts })
}

fn below(here: &Here, key: &str) -> Here {
    Here {
        place: format!("{}.{key}", here.place),
        number: here.number,
        depth: here.depth.saturating_add(1),
    }
}

/// Parts by number. `None` when one cannot be carried over: those behind it would move.
fn numbered(
    subfields: &Map<String, Value>,
    here: &Here,
    draft: &mut Draft,
) -> Option<Vec<(u8, FieldSpec)>> {
    let mut parts = Vec::new();
    for (key, value) in subfields {
        let part = (key.parse::<u8>().ok(), value.as_object());
        let (Some(number), Some(field)) = part else {
            let what = "is no part with a number; the composite is carried over without its parts";
            draft.lose(&below(here, key).place, what);
            return None;
        };
        let Some(spec) = spec(field, &below(here, key), draft) else {
            draft.lose(&here.place, "is carried over without its parts, as one is left out");
            return None;
        };
        parts.push((number, spec));
    }
    parts.sort_by_key(|(number, _)| *number);
    Some(parts)
}

/// Parts by tag; one that cannot be carried over is as good as unknown.
fn tagged(
    subfields: &Map<String, Value>,
    here: &Here,
    draft: &mut Draft,
    key_of: impl Fn(&str) -> Option<PartKey>,
) -> Option<Vec<(PartKey, FieldSpec)>> {
    let mut parts = Vec::new();
    for (key, value) in subfields {
        let below = below(here, key);
        match (key_of(key), value.as_object()) {
            (Some(tag), Some(field)) => {
                parts.extend(spec(field, &below, draft).map(|spec| (tag, spec)));
            }
            _ => draft.lose(&below.place, "is no part with a tag; left out"),
        }
    }
    Some(parts)
}
