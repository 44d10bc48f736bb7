//! Says of a fault what an operator asks: where it is, which rule was broken, what stood there, what it
//! mostly means, and what was not read. Shows no byte that the fault itself does not show.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use crate::{
    dialect::{BitmapEncoding, Dialect, MtiEncoding},
    emv,
    error::{Count, Expected, FieldPath, Found, ParseError},
    field::{CodePage, Content, Encoding, FieldSpec, Prefix},
    guess,
    parts::{PartKey, PartPath},
    read::Reading,
    rule::rule,
};

/// One thing that is said of a fault, such as `rule` and the rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: `where`, `rule`, `found`, `likely` or `not read`.
    pub about: &'static str,
    /// A sentence, without card data.
    pub text: String,
}

/// What a fault is looked at with.
pub(crate) struct Scene<'s> {
    pub(crate) dialect: &'s Dialect,
    pub(crate) body: &'s [u8],
    pub(crate) reading: &'s Reading,
    pub(crate) fault: &'s ParseError,
    /// The last element of which the bitmap is believed; 0 if not even the message type is.
    pub(crate) last: u8,
}

/// All findings about a fault.
pub(crate) fn diagnose(scene: &Scene<'_>) -> Vec<Finding> {
    let say = |about, text| Finding { about, text };
    let mut findings: Vec<_> =
        [say("where", place(scene)), say("rule", rule(scene)), say("found", found(scene))].into();
    findings.extend(guess::causes(scene).into_iter().map(|text| say(LIKELY, text)));
    findings.push(say(NOT_READ, unread(scene)));
    findings.retain(|it| !it.text.is_empty());
    findings
}

/// What findings are about that stand between others.
pub(crate) const LIKELY: &str = "likely";
pub(crate) const NOT_READ: &str = "not read";

impl<'s> Scene<'s> {
    /// What the dialect says of the element or the part, if it says anything.
    pub(crate) fn spec(&self) -> Option<&'s FieldSpec> {
        let (number, part) = match self.fault.path {
            FieldPath::Field(number) => (number, PartPath::FIELD),
            FieldPath::Part(number, part) => (number, part),
            _ => return None,
        };
        self.spec_of(number, part.keys())
    }

    fn spec_of(&self, number: u8, keys: &[PartKey]) -> Option<&'s FieldSpec> {
        let mut spec = self.dialect.field_in(self.reading.holding, number)?;
        for key in keys {
            spec = spec.parts.as_ref()?.find(*key)?;
        }
        Some(spec)
    }

    /// The element or the part, named: `DE4, amount, transaction (n 12)`; a part with what it lies in.
    fn named(&self, number: u8, keys: &[PartKey]) -> String {
        let mut path = PartPath::FIELD;
        let mut names = Vec::new();
        for depth in 0..=keys.len() {
            let inner = keys.get(..depth).unwrap_or_default();
            if let Some(key) = inner.last() {
                path = path.join(*key).unwrap_or(path);
            }
            let spec = self.spec_of(number, inner);
            let known = inner.last().and_then(|key| known_tag(*key));
            let elsewhere = self.dialect.field(number).filter(|_| inner.is_empty());
            let name = spec
                .or(elsewhere)
                .map(|spec| spec.name.as_str())
                .or(known)
                .unwrap_or("which the dialect does not define");
            let form = match spec {
                Some(spec) if depth == keys.len() => format!(" ({} {})", spec.content, spec.length),
                _ => String::new(),
            };
            names.push(format!("{}, {name}{form}", FieldPath::of(number, &path)));
        }
        names.reverse();
        names.join("; within ")
    }

    /// The element or the part that is at fault, named.
    pub(crate) fn at_fault(&self) -> String {
        match self.fault.path {
            FieldPath::Field(number) => self.named(number, &[]),
            FieldPath::Part(number, part) => self.named(number, part.keys()),
            FieldPath::Mti => "the message type".to_owned(),
            FieldPath::Bitmap => "the first bitmap, which announces DE2 to DE64".to_owned(),
            FieldPath::SecondaryBitmap => {
                "the second bitmap, which announces DE65 to DE128; bit 1 of the first announces it"
                    .to_owned()
            }
            FieldPath::End => "the end of the message".to_owned(),
        }
    }
}

fn place(scene: &Scene<'_>) -> String {
    let step = match scene.fault.expected {
        Expected::Length(..)
        | Expected::LengthAtMost(_)
        | Expected::LengthAtLeast(_)
        | Expected::LengthEven => "the length of ",
        Expected::Tag(..) | Expected::BerTag => "the next tag in ",
        Expected::KnownTag => "the tag of ",
        Expected::Content { .. } | Expected::Filler(_) | Expected::Bytes(_) => "the content of ",
        Expected::BitmapHex | Expected::BitmapHexEbcdic | Expected::BitmapBinary
            if scene.fault.path.field().is_some() =>
        {
            "the bitmap of the parts of "
        }
        Expected::PartsEnd => "what stands behind the last part of ",
        _ => "",
    };
    if scene.fault.path == FieldPath::End {
        let last = scene.reading.fields().last();
        let last = last.map(|(number, _)| format!("DE{number}"));
        let last = last.as_deref().unwrap_or("the bitmap");
        return format!("what stands behind {last}, the last element that is announced");
    }
    format!("{step}{}", scene.at_fault())
}

fn found(scene: &Scene<'_>) -> String {
    let found = scene.fault.found;
    let at = scene.fault.at();
    match found {
        Found::Byte { value, position } => {
            format!("byte {at}, {}, is {value:#04X}{}", nth(position), scene.character(value))
        }
        Found::Hidden { position } => {
            format!(
                "byte {at}, {}, breaks the rule; it is hidden, as is all of the element",
                nth(position)
            )
        }
        Found::Short { left } | Found::ShortPart { left } => {
            let what = match found {
                Found::Short { .. } => "the message".to_owned(),
                _ => scene.outer(),
            };
            match wanted(scene).and_then(|wanted| Some((wanted, wanted.checked_sub(left)?))) {
                Some((wanted, missing)) => format!(
                    "{what} ends at byte {at}: {left} of {} bytes are there, {} missing",
                    Count(wanted),
                    Count(missing)
                ),
                None => format!("{what} ends at byte {at}: {} there", counted_bytes(left)),
            }
        }
        Found::Length(length) => match scene.fault.expected {
            Expected::LengthExactly(_) => format!("{length} are left in the element"),
            _ => format!("the length says {}", Count(length)),
        },
        Found::Bit => match scene.fault.path {
            FieldPath::Part(_, part) => match part.keys().last() {
                Some(key) => format!("bit {key} is set in the bitmap of the parts"),
                None => String::new(),
            },
            path => {
                path.field().map_or(String::new(), |it| format!("bit {it} is set in the bitmap"))
            }
        },
        Found::Tag(tag) => match known_tag(tag) {
            Some(name) => format!("tag {tag}, by EMV {name}"),
            None => format!("tag {tag}"),
        },
        Found::More { left } => {
            let end = at.saturating_add(left).saturating_sub(1);
            if left == 1 { format!("byte {at}") } else { format!("{left} bytes, {at} to {end}") }
        }
    }
}

impl Scene<'_> {
    /// What a part lies in.
    fn outer(&self) -> String {
        match self.fault.path {
            FieldPath::Part(number, part) => {
                let count = part.keys().len().saturating_sub(1);
                let keys = part.keys().iter().take(count);
                let path = keys.fold(PartPath::FIELD, |path, key| path.join(*key).unwrap_or(path));
                format!("{}", FieldPath::of(number, &path))
            }
            path => format!("{path}"),
        }
    }
}

/// How many bytes should have been there.
fn wanted(scene: &Scene<'_>) -> Option<usize> {
    Some(match scene.fault.expected {
        Expected::Mti => scene.dialect.mti_encoding().wire_len(),
        Expected::BitmapHex | Expected::BitmapHexEbcdic => BitmapEncoding::Hex.wire_len(),
        Expected::BitmapBinary => BitmapEncoding::Binary.wire_len(),
        Expected::Content { units, .. } => scene.spec()?.wire_len(units),
        Expected::Bytes(count) => count,
        Expected::Length(_, Prefix::Ber) => return None,
        Expected::Length(places, prefix) => prefix.wire_len(places),
        Expected::Tag(size, Encoding::Bcd(_)) => usize::from(size >> 1),
        Expected::Tag(size, _) => usize::from(size),
        _ => return None,
    })
}

/// What EMV calls a tag of bytes.
fn known_tag(key: PartKey) -> Option<&'static str> {
    emv::name(key.as_bytes()).filter(|_| PartKey::bytes(key.as_bytes()) == Some(key))
}

fn unread(scene: &Scene<'_>) -> String {
    let Some(failed) = scene.fault.path.field() else { return String::new() };
    let rest = scene.reading.bitmap.fields().filter(|&it| it > failed && it <= scene.last);
    let rest: Vec<_> = rest.map(|number| format!("DE{number}")).collect();
    rest.join(" ")
}

/// `1 byte`, `2 bytes`.
fn counted_bytes(count: usize) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

/// `the 1st of it`, from a place that is counted from 0.
fn nth(position: usize) -> String {
    let number = position.saturating_add(1);
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("the {number}{ending} of it")
}

impl Scene<'_> {
    /// What a byte may stand for where text is expected, such as `, "O" in ASCII`; its half bytes where
    /// packed digits are.
    fn character(&self, byte: u8) -> String {
        let (mut ebcdic, mut packed) = (None, false);
        match self.fault.expected {
            Expected::Content { content: Content::Xn, encoding: Encoding::Bcd(_), .. } => {
                packed = self.fault.at() > self.fault.offset;
            }
            Expected::Content { encoding: Encoding::Bcd(_), .. }
            | Expected::Length(_, Prefix::Bcd)
            | Expected::Filler(_) => packed = true,
            Expected::Mti => {
                packed = self.dialect.mti_encoding() == MtiEncoding::Bcd;
                ebcdic =
                    (self.dialect.mti_encoding() == MtiEncoding::Ebcdic).then_some(CodePage::Cp037);
            }
            Expected::Content { encoding: Encoding::Ebcdic(page), .. } => ebcdic = Some(page),
            Expected::Length(_, Prefix::Ebcdic) | Expected::BitmapHexEbcdic => {
                ebcdic = Some(CodePage::Cp037);
            }
            Expected::Length(_, Prefix::Binary | Prefix::Ber) => return String::new(),
            _ => {}
        }
        if packed {
            return format!(": half bytes {:X} and {:X}", byte >> 4, byte & 0x0F);
        }
        let name = match (byte, ebcdic) {
            (0x00, _) => "a zero byte",
            (0x02, _) => "STX",
            (0x03, _) => "ETX",
            (0x0A, None) => "a line feed",
            (0x0D, None) => "a carriage return",
            (b' ', None) => "a blank",
            _ => "",
        };
        if !name.is_empty() {
            return format!(": {name}");
        }
        let read = CodePage::Cp037.ascii(byte);
        match (byte, ebcdic) {
            (_, Some(page)) if matches!(page.ascii(byte), b'!'..=b'~') => {
                format!(": \"{}\" in EBCDIC", char::from(page.ascii(byte)))
            }
            (b'!'..=b'~', _) => format!(": \"{}\" in ASCII", char::from(byte)),
            (0xF0..=0xF9, _) => format!(": \"{}\" in EBCDIC", char::from(read)),
            (0x80.., None) => ": no character of ASCII".to_owned(),
            (_, None) => ": a control character".to_owned(),
            (_, Some(_)) => ": a control character, or none".to_owned(),
        }
    }
}
