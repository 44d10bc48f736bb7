//! Writes what was imported as the text of a dialect file, as a person would have written it.

use std::fmt::Write;

use tidegate_iso8583::{
    dialect::{BitmapEncoding, DialectSpec, MtiEncoding},
    field::{CodePage, Content, Counts, Encoding, FieldSpec, Length, Mask, Padding, Prefix},
    parts::{PartKey, Parts, Unknown},
};

use super::draft::{Edition, Loss};
use crate::{
    composite::UNKNOWN,
    dialect::{BITMAP, MTI},
    fields::{CONTENT, COUNTS, ENCODING, MASK, PREFIX, TEXT},
};

/// The text of a dialect file.
pub(super) fn dialect_file(
    spec: &DialectSpec,
    edition: Edition,
    origin: &str,
    losses: &[Loss],
) -> String {
    let mut text = String::new();
    head(&mut text, spec, origin, losses);
    tables(&mut text, spec, edition);
    let within = text_of(spec);
    text.push_str("\n[field]\n");
    for (number, field) in spec.fields.iter().filter(|(_, field)| field.parts.is_none()) {
        line(&mut text, &number.to_string(), field, within, false);
    }
    for (number, field) in spec.fields.iter().filter(|(_, field)| field.parts.is_some()) {
        composite(&mut text, &format!("field.{number}"), field, within, false);
    }
    text
}

/// How text is written where a field does not say: in EBCDIC where the message type is, in the code page of
/// the first field that has one.
fn text_of(spec: &DialectSpec) -> Encoding {
    let mut pages = spec.fields.iter().map(|(_, field)| field.encoding);
    let page = pages.find(|encoding| matches!(encoding, Encoding::Ebcdic(_)));
    match spec.mti {
        MtiEncoding::Ebcdic => page.unwrap_or(Encoding::Ebcdic(CodePage::Cp037)),
        MtiEncoding::Ascii | MtiEncoding::Bcd => Encoding::Ascii,
    }
}

fn head(text: &mut String, spec: &DialectSpec, origin: &str, losses: &[Loss]) {
    let _ = writeln!(
        text,
        "#:schema ../../dialect.schema.json\n# Imported from {origin}.\n#\n\
         # What that file does not say, and a person must look at: [reply], [repeat] and [match] are the standard's; `mask`\n\
         # hides what may be card data or private, and shows the rest; contents are as strict as the file's classes allow."
    );
    if !losses.is_empty() {
        text.push_str("#\n# Not carried over as it was:\n");
        for loss in losses {
            let _ = writeln!(text, "#   {}", one_line(&loss.to_string()));
        }
    }
    let _ = writeln!(text, "\nname = {}", quoted(&spec.name));
    let _ = writeln!(text, "mti = \"{}\"", word(MTI, spec.mti));
    let _ = writeln!(text, "bitmap = \"{}\"", word(BITMAP, spec.bitmap));
    if spec.mti == MtiEncoding::Ebcdic {
        let _ = writeln!(text, "text = \"{}\"", word(TEXT, text_of(spec)));
    }
    text.push_str("transmission_time = \"utc\"\n");
}

/// The tables of types and of what pairs messages, of the standard.
fn tables(text: &mut String, spec: &DialectSpec, edition: Edition) {
    text.push_str("\n[reply]\n");
    for (request, reply) in edition.replies() {
        let _ = writeln!(text, "\"{request}\" = \"{reply}\"");
    }
    text.push_str("\n[repeat]\n");
    for (first, repeat) in edition.repeats() {
        let _ = writeln!(text, "\"{first}\" = \"{repeat}\"");
    }
    let pairs = |number: &u8| {
        let field = spec.fields.iter().find(|(other, _)| other == number);
        field.is_some_and(|(_, field)| field.content != Content::B && field.mask == Mask::Clear)
    };
    let known = |number: &u8| spec.fields.iter().any(|(other, _)| other == number);
    text.push_str("\n[match]\n");
    let _ = writeln!(text, "financial = {:?}", kept(edition.financial(), pairs));
    let _ = writeln!(text, "network = {:?}", kept(edition.network(), pairs));
    let _ = writeln!(text, "compared = {:?}", kept(edition.compared(), known));
}

fn kept(numbers: &[u8], keep: impl Fn(&u8) -> bool) -> Vec<u8> {
    numbers.iter().copied().filter(keep).collect()
}

/// A field or a part without parts, as one line.
fn line(text: &mut String, key: &str, field: &FieldSpec, within: Encoding, inner: bool) {
    let keys = keys(field, within, inner);
    let keys: Vec<_> = keys.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let _ = writeln!(text, "{key} = {{ {} }}", keys.join(", "));
}

/// A field or a part with parts, as a table with a table of its parts below.
fn composite(text: &mut String, path: &str, field: &FieldSpec, within: Encoding, inner: bool) {
    let Some(parts) = &field.parts else { return };
    let _ = writeln!(text, "\n[{path}]");
    for (key, value) in keys(field, within, inner).into_iter().chain(form(parts)) {
        let _ = writeln!(text, "{key} = {value}");
    }
    let within = field.encoding;
    let mut simple = parts.each().filter(|(_, part)| part.parts.is_none()).peekable();
    if simple.peek().is_some() {
        let _ = writeln!(text, "[{path}.part]");
    }
    for (key, part) in simple {
        line(text, &name_of(parts, key), part, within, true);
    }
    for (key, part) in parts.each().filter(|(_, part)| part.parts.is_some()) {
        composite(text, &format!("{path}.part.{}", name_of(parts, key)), part, within, true);
    }
}

fn name_of(parts: &Parts, key: PartKey) -> String {
    match parts {
        Parts::Positional { .. } | Parts::Bitmap { .. } => key.to_string(),
        Parts::Tlv { .. } | Parts::BerTlv { .. } => quoted(&key.to_string()),
    }
}

/// How the parts stand.
fn form(parts: &Parts) -> Vec<(&'static str, String)> {
    let kind = |kind: &str| ("parts", format!("\"{kind}\""));
    let unknown = |unknown: &Unknown| match unknown {
        Unknown::Keep => None,
        Unknown::Refuse => Some(("unknown", format!("\"{}\"", word(UNKNOWN, *unknown)))),
    };
    match parts {
        Parts::Positional { short, .. } => {
            let short = short.then(|| ("short", "true".to_owned()));
            [kind("positional")].into_iter().chain(short).collect()
        }
        Parts::Bitmap { bitmap, .. } => {
            let bitmap: BitmapEncoding = *bitmap;
            vec![kind("bitmap"), ("part_bitmap", format!("\"{}\"", word(BITMAP, bitmap)))]
        }
        Parts::BerTlv { unknown: it, .. } => {
            [kind("ber-tlv")].into_iter().chain(unknown(it)).collect()
        }
        Parts::Tlv { tag, length, unknown: it, .. } => {
            let encoding = word(ENCODING, tag.encoding);
            let inclusive = if length.inclusive { ", inclusive = true" } else { "" };
            let prefix = word(PREFIX, length.prefix);
            let most = dots(length.digits, length.max);
            let tag = format!("{{ length = {}, encoding = \"{encoding}\" }}", tag.length);
            let value = format!("{{ length = {most}, prefix = \"{prefix}\"{inclusive} }}");
            let all = [kind("tlv"), ("tag", tag), ("value", value)];
            all.into_iter().chain(unknown(it)).collect()
        }
    }
}

/// The keys of a field, without those that say what is meant anyway within this encoding.
fn keys(field: &FieldSpec, within: Encoding, inner: bool) -> Vec<(&'static str, String)> {
    let mut keys = vec![
        ("name", quoted(&field.name)),
        ("content", format!("\"{}\"", word(CONTENT, field.content))),
    ];
    let mut add = |key, word: &str| keys.push((key, format!("\"{word}\"")));
    match field.length {
        Length::Rest { .. } => add("length", "rest"),
        Length::Fixed(length) => keys.push(("length", length.to_string())),
        Length::Var { digits, max, prefix, counts } => {
            keys.push(("length", dots(digits, max)));
            let meant = match within {
                Encoding::Ebcdic(_) => Prefix::Ebcdic,
                _ => Prefix::Ascii,
            };
            let mut add = |key, word: &str| keys.push((key, format!("\"{word}\"")));
            if prefix != meant {
                add("prefix", word(PREFIX, prefix));
            }
            match counts {
                Counts::Units => {}
                Counts::BytesAndItself => keys.push(("inclusive", "true".to_owned())),
                Counts::Bytes | Counts::Nibbles => add("counts", word(COUNTS, counts)),
            }
        }
    }
    let meant = match (field.content, within) {
        (Content::B, _) if inner => Some(Encoding::Raw),
        (Content::B, _) => None,
        (_, Encoding::Raw) => Some(Encoding::Ascii),
        (_, within) => Some(within),
    };
    if meant != Some(field.encoding) {
        let (shown, bytes) = match field.encoding {
            Encoding::Binary(bytes) => (Encoding::Binary(0), Some(bytes)),
            encoding => (encoding, None),
        };
        keys.push(("encoding", format!("\"{}\"", word(ENCODING, shown))));
        keys.extend(bytes.map(|bytes| ("bytes", bytes.to_string())));
    }
    match field.padding {
        Padding::None => {}
        Padding::Left(filling) => keys.push(("pad_left", character(filling))),
        Padding::Right(filling) => keys.push(("pad_right", character(filling))),
    }
    if field.mask != Mask::Never {
        keys.push(("mask", format!("\"{}\"", word(MASK, field.mask))));
    }
    keys
}

fn dots(digits: u8, max: usize) -> String {
    format!("\"{}{max}\"", ".".repeat(usize::from(digits)))
}

fn character(byte: u8) -> String {
    quoted(&char::from(byte).to_string())
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, meant)| *meant == value).map_or("", |(word, _)| word)
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for it in text.chars() {
        match it {
            '"' | '\\' => quoted.extend(['\\', it]),
            it if it.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(it));
            }
            it => quoted.push(it),
        }
    }
    quoted.push('"');
    quoted
}

/// Text for a comment, which ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}
