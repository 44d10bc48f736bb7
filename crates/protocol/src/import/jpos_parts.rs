//! The parts of a jPOS `isofieldpackager`, by the packager that it names.

use tidegate_iso8583::{
    dialect::BitmapEncoding,
    field::{Content, Counts, Encoding, FieldSpec, Length, Mask, Padding, Prefix},
    parts::{PartKey, Parts, TagForm, TagLength, Unknown},
};

use super::{
    draft::Draft,
    jpos::{Here, class_of, length, plain, spec},
    jpos_classes::Holds,
    xml::Element,
};
use crate::composite::in_hex;

/// Gives a field its parts. Where that cannot be, it stays whole, which is told.
pub(super) fn nest(spec: &mut FieldSpec, element: &Element, here: &Here, draft: &mut Draft) {
    let packager = element.get("packager").unwrap_or_default();
    let packager = packager.rsplit('.').next().unwrap_or(packager);
    let parts = if element.children.is_empty() && !packager.starts_with("BERTLV") {
        Err("has no parts".to_owned())
    } else {
        container(spec)
            .ok_or_else(|| "its content is written in a way that parts cannot lie in".to_owned())
            .and_then(|()| parts(spec.encoding, packager, element, here, draft))
    };
    match parts {
        Ok(parts) => {
            spec.padding = Padding::None;
            spec.parts = Some(Box::new(parts));
        }
        Err(why) => {
            // What the parts lie in is bytes by now; without parts it is what its class says.
            if let Some(class) = class_of(element) {
                *spec = plain(element, class, here, draft);
            }
            draft.lose(&here.place, format!("{why}; it is carried over without its parts"));
        }
    }
}

/// Makes a field one that parts can lie in: characters become bytes, as parts may be bytes.
fn container(spec: &mut FieldSpec) -> Option<()> {
    match (spec.content, spec.encoding) {
        (Content::N, Encoding::Bcd(_))
        | (Content::Ans, Encoding::Ebcdic(_))
        | (Content::B, Encoding::Raw) => {}
        (Content::N, Encoding::Ebcdic(_)) => spec.content = Content::Ans,
        (Content::N | Content::Ans, Encoding::Ascii) => {
            (spec.content, spec.encoding) = (Content::B, Encoding::Raw);
        }
        _ => return None,
    }
    spec.padding = Padding::None;
    Some(())
}

fn parts(
    within: Encoding,
    packager: &str,
    element: &Element,
    here: &Here,
    draft: &mut Draft,
) -> Result<Parts, String> {
    if here.depth >= tidegate_iso8583::parts::DEEPEST {
        return Err("parts lie too deep".to_owned());
    }
    if element.get("headerLength").is_some_and(|length| length != "0") {
        return Err("a header stands before its parts".to_owned());
    }
    let before = |name: &str| ["IFEP_", "IFELPE_"].iter().any(|it| name.contains(it));
    if element.children.iter().any(|it| it.get("class").is_some_and(before)) {
        return Err("lengths stand before tags, and a dialect has them behind".to_owned());
    }
    let tagged = element.children.iter().any(|it| class_of(it).is_some_and(|it| it.tag.is_some()));
    match packager {
        "BERTLVBinaryPackager" => Ok(Parts::BerTlv { unknown: Unknown::Keep, parts: Vec::new() }),
        "GenericPackager"
        | "GenericSubFieldPackager"
        | "Base1SubFieldPackager"
        | "GenericValidatingPackager"
            if !tagged =>
        {
            let bits = bitmap_of(packager, element)?;
            match (bits, element.get("emitBitmap")) {
                (Some(bitmap), None | Some("true")) => {
                    let parts = numbered(within, element, here, draft)?;
                    let last = parts.last().map_or(0, |(number, _)| *number);
                    if last > 64 {
                        return Err("its bitmap is longer than 64 bits".to_owned());
                    }
                    Ok(Parts::Bitmap { bitmap, parts })
                }
                (_, Some("true")) => Err("its bitmap is not known".to_owned()),
                _ => {
                    let parts = numbered(within, element, here, draft)?;
                    let in_order = (1..).zip(&parts).all(|(place, it): (u8, _)| it.0 == place);
                    if !in_order {
                        draft.lose(&here.place, "its parts are numbered anew, from 1");
                    }
                    let parts = parts.into_iter().map(|(_, part)| part).collect();
                    Ok(Parts::Positional { parts, short: true })
                }
            }
        }
        "GenericPackager"
        | "GenericSubFieldPackager"
        | "GenericTaggedFieldsPackager"
        | "EuroSubFieldPackager"
        | "MasterCardEBCDICSubFieldPackager"
        | "TaggedSequencePackager"
        | "BinaryHexTaggedSequencePackager"
            if tagged =>
        {
            let bytes = packager.starts_with("BinaryHex");
            tlv(within, bytes, element, here, draft)
        }
        other => Err(format!("the packager `{other}` is not known")),
    }
}

/// How the bitmap before the parts is written, if there is one.
fn bitmap_of(packager: &str, element: &Element) -> Result<Option<BitmapEncoding>, String> {
    let place = if packager == "Base1SubFieldPackager" { "0" } else { "1" };
    let place = element.get("bitmapField").unwrap_or(place);
    let child = element.children.iter().find(|child| child.get("id") == Some(place));
    let Some(Holds::Bitmap(bitmap)) = child.and_then(class_of).map(|class| class.holds) else {
        return Ok(None);
    };
    match child.map(length) {
        // Sixteen: the first bit says that eight more bytes follow, which a dialect does not know.
        Some(8 | 16) => Ok(Some(bitmap)),
        _ => Err("its bitmap is not of 64 bits".to_owned()),
    }
}

/// Parts by number, in order. One that cannot be carried over takes them all with it: the others would move.
fn numbered(
    within: Encoding,
    element: &Element,
    here: &Here,
    draft: &mut Draft,
) -> Result<Vec<(u8, FieldSpec)>, String> {
    let mut parts: Vec<(u8, FieldSpec)> = Vec::new();
    // Number 0 is a place for a message type, and is read only where the file says so.
    let first = element.get("firstField").and_then(|it| it.parse().ok()).unwrap_or(1);
    for child in &element.children {
        let class = class_of(child).map(|class| class.holds);
        let Some(number) = child.get("id").and_then(|id| id.parse::<u8>().ok()) else {
            return Err("a part has no number from 0 to 255".to_owned());
        };
        let skipped = number < first || matches!(class, Some(Holds::Bitmap(_) | Holds::Nothing));
        if skipped || length(child) == 0 {
            continue;
        }
        let below = here.below(&number.to_string(), child.line);
        let part = spec(child, &below, draft).ok_or("a part cannot be carried over")?;
        parts.push((number, lying_in(within, part)?));
    }
    parts.sort_by_key(|(number, _)| *number);
    if parts.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        return Err("two parts have one number".to_owned());
    }
    Ok(parts)
}

/// A part as it stands in a container: there the characters of the file's classes are those of the container,
/// once its own writing is taken off.
fn lying_in(within: Encoding, mut part: FieldSpec) -> Result<FieldSpec, String> {
    match within {
        Encoding::Ebcdic(_) => {
            if part.encoding != Encoding::Ascii {
                return Err(
                    "a part is not written in characters, as it must be in EBCDIC".to_owned()
                );
            }
            part.encoding = within;
            if let Length::Var { digits, max, prefix: Prefix::Ascii, counts } = part.length {
                part.length = Length::Var { digits, max, prefix: Prefix::Ebcdic, counts };
            }
        }
        Encoding::Bcd(_) => {
            let digits = part.content == Content::N && part.encoding == Encoding::Ascii;
            if !digits || !matches!(part.length, Length::Fixed(_)) {
                return Err("a part of packed digits is no fixed number of them".to_owned());
            }
            part.encoding = within;
            part.padding = Padding::None;
        }
        _ => {}
    }
    Ok(part)
}

/// Parts behind tags, and those without a tag that may stand before them: then the tags are in the last of
/// parts that follow each other.
fn tlv(
    within: Encoding,
    bytes: bool,
    element: &Element,
    here: &Here,
    draft: &mut Draft,
) -> Result<Parts, String> {
    let has_tag = |child: &&Element| class_of(child).is_some_and(|class| class.tag.is_some());
    let is_there = |child: &&Element| {
        class_of(child).is_none_or(|class| class.holds != Holds::Nothing) && length(child) > 0
    };
    let (tagged, plain): (Vec<&Element>, Vec<&Element>) =
        element.children.iter().filter(is_there).partition(has_tag);
    let behind = behind_tags(within, bytes, &tagged, here, draft)?;
    if plain.is_empty() {
        return Ok(behind);
    }
    let mut parts = Vec::new();
    for child in plain {
        if tagged.first().is_some_and(|first| first.line < child.line) {
            return Err("a part without a tag stands behind one that has one".to_owned());
        }
        let below = here.below(child.get("id").unwrap_or_default(), child.line);
        let part = spec(child, &below, draft).ok_or("a part cannot be carried over")?;
        parts.push(lying_in(within, part)?);
    }
    let text = matches!(within, Encoding::Ebcdic(_));
    let (content, encoding) = if text { (Content::Ans, within) } else { (Content::B, within) };
    parts.push(FieldSpec {
        name: "what stands behind tags".to_owned(),
        content,
        encoding,
        length: Length::Rest { max: 65_535 },
        padding: Padding::None,
        mask: Mask::Never,
        parts: Some(Box::new(behind)),
    });
    let what = format!(
        "its tags stand behind other parts: a tag is {}.{}.TAG in a dialect",
        here.path,
        parts.len()
    );
    draft.lose(&here.place, what);
    Ok(Parts::Positional { parts, short: true })
}

/// In a dialect all parts behind tags have one form of tag and one of length.
fn behind_tags(
    within: Encoding,
    bytes: bool,
    children: &[&Element],
    here: &Here,
    draft: &mut Draft,
) -> Result<Parts, String> {
    let mut forms: Option<(TagForm, TagLength)> = None;
    let mut parts: Vec<(PartKey, FieldSpec)> = Vec::new();
    for child in children {
        let class = class_of(child).ok_or("the class of a part is not known")?;
        let (Some((size, encoding)), Some((prefix, digits, Counts::Units))) =
            (class.tag, class.length)
        else {
            return Err("not all of its parts have a tag and a length of their own".to_owned());
        };
        let name = tag_name(child, size)?;
        let encoding = if bytes { Encoding::Raw } else { encoding };
        let raw = encoding == Encoding::Raw;
        let size = if raw { name.len() / 2 } else { name.len() };
        let tag = TagForm { length: u8::try_from(size).unwrap_or(u8::MAX), encoding };
        let base: usize = if prefix == Prefix::Binary { 256 } else { 10 };
        let max = base.saturating_pow(u32::from(digits)).saturating_sub(1).min(9_999);
        let form = (tag, TagLength { digits, max, prefix, inclusive: false });
        if *forms.get_or_insert(form) != form {
            return Err("its parts have tags or lengths of several kinds".to_owned());
        }
        // A place holder for tags that are not named.
        if !name.is_empty() && name.bytes().all(|byte| byte == b'#') {
            continue;
        }
        let key = if raw { in_hex(&name) } else { PartKey::text(name.as_bytes()) };
        let key = key.ok_or_else(|| format!("`{name}` cannot be a tag"))?;
        let part = spec(child, &here.below(&name, child.line), draft);
        parts.extend(part.map(|part| (key, part)));
    }
    let (tag, length) = forms.ok_or("has no parts")?;
    let (tag, length) = match within {
        Encoding::Ebcdic(_) => {
            // Once the container's EBCDIC is taken off, tags and lengths of the file's classes are ASCII.
            let parts_in = parts.into_iter().map(|(key, part)| Ok((key, lying_in(within, part)?)));
            parts = parts_in.collect::<Result<_, String>>()?;
            let prefix = Prefix::Ebcdic;
            (TagForm { encoding: within, ..tag }, TagLength { prefix, ..length })
        }
        Encoding::Bcd(_) => return Err("tags cannot lie in packed digits".to_owned()),
        _ => (tag, length),
    };
    Ok(Parts::Tlv { tag, length, unknown: Unknown::Keep, parts })
}

/// The tag of a part: what the file says, or its number with as many digits as its class writes.
fn tag_name(child: &Element, size: u8) -> Result<String, String> {
    if size == 0 {
        let token = child.get("token").ok_or("a part says no token, which is its tag")?;
        return Ok(token.to_owned());
    }
    let id: u32 = child.get("id").and_then(|id| id.parse().ok()).ok_or("a part has no number")?;
    Ok(format!("{id:0width$}", width = usize::from(size)))
}
