//! Reads the XML of jPOS' `GenericPackager`: `isofield` with a class that says what it writes, and
//! `isofieldpackager` for what has parts.

use tidegate_iso8583::{
    dialect::MtiEncoding,
    field::{Content, Counts, Encoding, FieldSpec, Filler, Length, Mask, Padding, Prefix},
};

use super::{
    ImportError,
    draft::Draft,
    jpos_classes::{Class, Holds, class},
    jpos_parts::nest,
    xml::{self, Element},
};

pub(super) fn read(text: &str) -> Result<Draft, ImportError> {
    let root = xml::read(text)?;
    if root.name != "isopackager" {
        return Err(ImportError::Unclear {
            place: format!("line {}", root.line),
            what: format!("the file begins with <{}>; <isopackager> is expected", root.name),
        });
    }
    if root.get("emitBitmap") == Some("false") {
        return Err(ImportError::Unclear {
            place: format!("line {}", root.line),
            what: "its messages have no bitmap (emitBitmap=\"false\"), which a dialect must have"
                .to_owned(),
        });
    }
    let mut draft = Draft::new();
    if let Some(length) = root.get("headerLength") {
        let what = format!(
            "a header of {length} bytes belongs to the frame of the line, not to the dialect"
        );
        draft.lose(&format!("line {}", root.line), what);
    }
    for element in &root.children {
        top(element, &mut draft);
    }
    Ok(draft)
}

/// Where an element of the file stands among the elements of the message.
#[derive(Clone)]
pub(super) struct Here {
    /// As people are told: `element 127.25 (line 240)`.
    pub(super) place: String,
    /// Its path within the message: `127.25`.
    pub(super) path: String,
    /// The element that it is or lies in.
    number: u8,
    /// 0 for an element.
    pub(super) depth: usize,
}

impl Here {
    fn new(path: String, line: usize, number: u8, depth: usize) -> Self {
        Self { place: format!("element {path} (line {line})"), path, number, depth }
    }

    pub(super) fn below(&self, key: &str, line: usize) -> Self {
        let path = format!("{}.{key}", self.path);
        Self::new(path, line, self.number, self.depth.saturating_add(1))
    }
}

fn top(element: &Element, draft: &mut Draft) {
    let id = element.get("id").unwrap_or_default();
    let number: Option<u8> = id.parse().ok();
    let here = Here::new(id.to_owned(), element.line, number.unwrap_or(0), 0);
    if !matches!(element.name.as_str(), "isofield" | "isofieldpackager") {
        draft.lose(&here.place, format!("<{}> is not known; left out", element.name));
        return;
    }
    match number {
        Some(0) => mti(element, &here, draft),
        Some(1) => bitmap(element, &here, draft),
        Some(number @ 2..=128) => {
            if let Some(spec) = spec(element, &here, draft) {
                draft.put(number, &here.place, spec);
            }
        }
        _ => draft.lose(&here.place, "is no element from 2 to 128; left out"),
    }
}

pub(super) fn class_of(element: &Element) -> Option<Class> {
    class(element.get("class").unwrap_or_default())
}

fn mti(element: &Element, here: &Here, draft: &mut Draft) {
    draft.mti = match class_of(element).map(|class| class.holds) {
        Some(Holds::Packed { .. } | Holds::PackedHex) => Some(MtiEncoding::Bcd),
        Some(Holds::Digits(it) | Holds::Text(it)) if it == Encoding::Ascii => {
            Some(MtiEncoding::Ascii)
        }
        Some(Holds::Digits(_) | Holds::Text(_)) => Some(MtiEncoding::Ebcdic),
        _ => {
            draft.lose(&here.place, "how the message type is written is not known; ASCII is taken");
            None
        }
    };
}

fn bitmap(element: &Element, here: &Here, draft: &mut Draft) {
    if let Some(Holds::Bitmap(bitmap)) = class_of(element).map(|class| class.holds) {
        draft.bitmap = Some(bitmap);
        if length(element) > 16 {
            let what = "a third bitmap, which a dialect has not; elements above 128 are left out";
            draft.lose(&here.place, what);
        }
    } else {
        draft.lose(&here.place, "how the bitmap is written is not known; bytes are taken");
    }
}

pub(super) fn length(element: &Element) -> usize {
    element.get("length").and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// An element or a part. `None`: it is nothing, or cannot be carried over, which is told.
pub(super) fn spec(element: &Element, here: &Here, draft: &mut Draft) -> Option<FieldSpec> {
    let Some(class) = class_of(element) else {
        let name = element.get("class").unwrap_or("no class");
        draft.lose(&here.place, format!("the class `{name}` is not known; left out"));
        return None;
    };
    if class.holds == Holds::Nothing || length(element) == 0 && class.tag.is_none() {
        return None;
    }
    if matches!(class.holds, Holds::Bitmap(_)) && here.number != 65 {
        draft.lose(&here.place, "a bitmap that is no first one; left out");
        return None;
    }
    let mut spec = plain(element, class, here, draft);
    if element.name == "isofieldpackager" {
        nest(&mut spec, element, here, draft);
    }
    Some(spec)
}

/// A field as its class writes it, parts or not.
pub(super) fn plain(element: &Element, class: Class, here: &Here, draft: &mut Draft) -> FieldSpec {
    let most = length(element);
    let track = matches!(here.number, 35 | 36) && here.depth == 0;
    let digits = if track { Content::Z } else { Content::N };
    let left = element.get("pad") == Some("true");
    let odd = |f: bool| match (left, f) {
        (true, _) => Filler::LeadingZero,
        (false, true) => Filler::TrailingF,
        (false, false) => Filler::TrailingZero,
    };
    let zeros = Padding::Left(b'0');
    let (content, encoding, padding) = match class.holds {
        Holds::Text(encoding) => (Content::Ans, encoding, Padding::Right(b' ')),
        Holds::Digits(encoding) => (digits, encoding, zeros),
        Holds::Packed { f } => (digits, Encoding::Bcd(odd(f)), zeros),
        Holds::Amount(encoding) => (Content::Xn, encoding, Padding::None),
        Holds::PackedAmount => (Content::Xn, Encoding::Bcd(odd(false)), Padding::None),
        Holds::Bytes(encoding) => (Content::B, encoding, Padding::None),
        Holds::PackedHex | Holds::Opaque | Holds::Slot(_) | Holds::Bitmap(_) | Holds::Nothing => {
            (Content::B, Encoding::Raw, Padding::None)
        }
    };
    let length = match (class.length, class.holds) {
        (None, Holds::PackedHex) => Length::Fixed(most.div_ceil(2)),
        (None, Holds::Slot(prefix)) => {
            let what = "a length within a fixed room; length and room are carried over as bytes";
            draft.lose(&here.place, what);
            Length::Fixed(most.saturating_add(prefix))
        }
        (None, Holds::Opaque) => {
            draft.lose(&here.place, "signs within digits; carried over as bytes");
            Length::Fixed(most)
        }
        (None, _) => Length::Fixed(most),
        (Some(form), _) => variable(form, most, here, draft),
    };
    let padding = if class.length.is_none() { padding } else { Padding::None };
    let name = match element.get("name").unwrap_or_default() {
        "" => format!("element {}", here.path),
        name => name.to_owned(),
    };
    FieldSpec { name, content, encoding, length, padding, mask: Mask::Never, parts: None }
}

fn variable(
    (prefix, digits, counts): (Prefix, u8, Counts),
    most: usize,
    here: &Here,
    draft: &mut Draft,
) -> Length {
    let base: usize = if prefix == Prefix::Binary { 256 } else { 10 };
    let said = base.saturating_pow(u32::from(digits)).saturating_sub(1).min(999_999);
    let said = if counts == Counts::Nibbles && prefix == Prefix::Bcd { said / 2 } else { said };
    if most > said {
        let what = format!("a length of {most} is more than its class can say; {said} is taken");
        draft.lose(&here.place, what);
    }
    Length::Var { digits, max: most.min(said), prefix, counts }
}
