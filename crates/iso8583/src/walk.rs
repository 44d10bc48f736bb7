//! Walks through the parts of a composite, in the order of the wire. Reading checks with it, and everything
//! that looks for a part finds it by walking again: nothing of a part is kept.

use alloc::{borrow::Cow, string::String};
use core::ops::Range;

use crate::{
    cursor::Cursor,
    dialect::BitmapEncoding,
    digits::hex,
    error::{Expected, FieldPath, Found, ParseError},
    field::{Encoding, FieldSpec},
    head::read_bitmap,
    parts::{PartKey, PartPath, Parts},
    read::read_element,
    value,
};

/// A part that was met.
pub(crate) struct Part<'s> {
    /// Where it lies in its field.
    pub(crate) path: PartPath,
    /// What the dialect says about it; `None` for a tag that it does not name.
    pub(crate) spec: Option<&'s FieldSpec>,
    /// Where its tag or its length begins.
    pub(crate) prefix: usize,
    /// Its content, in bytes from the start of the body.
    pub(crate) content: Range<usize>,
    /// Its length in digits, characters or bytes.
    pub(crate) units: usize,
    /// In a packed composite: half bytes of `content` that belong to the part before it.
    pub(crate) skipped: Option<usize>,
}

impl Part<'_> {
    /// Its value, whose bytes these are: text, or the hex digits of a tag that the dialect does not name.
    pub(crate) fn text(&self, content: &[u8]) -> Option<String> {
        match (self.spec, self.skipped) {
            (None, _) => Some(hex(content)),
            (Some(_), Some(skipped)) => {
                let digits = value::unpacked(content, skipped).take(self.units);
                Some(digits.map(char::from).collect())
            }
            (Some(spec), None) => value::text(spec, content, self.units).map(Cow::into_owned),
        }
    }
}

/// A composite that was cut out.
#[derive(Clone, Copy)]
pub(crate) struct Composite<'s, 'b> {
    pub(crate) spec: &'s FieldSpec,
    pub(crate) parts: &'s Parts,
    /// Its content, and where that begins in the body.
    pub(crate) content: &'b [u8],
    pub(crate) start: usize,
    /// Its length in digits, characters or bytes.
    pub(crate) units: usize,
}

/// Walks through the parts of a composite. What is visited has been read well; a composite comes before its
/// own parts.
///
/// # Errors
/// The first part that does not follow the dialect.
pub(crate) fn walk<'s>(
    composite: Composite<'s, '_>,
    field: u8,
    path: &PartPath,
    visit: &mut dyn FnMut(&Part<'s>),
) -> Result<(), ParseError> {
    let Composite { spec, parts, content, start, units } = composite;
    let mut walk = Walk { cursor: Cursor::new(content, 0), start, field, visit };
    match parts {
        Parts::Positional { parts, short } => match spec.encoding {
            Encoding::Bcd(filler) => {
                let skipped = value::skipped(units, filler);
                walk.digits(parts, *short, skipped..skipped.saturating_add(units), path)
            }
            _ => walk.positional(parts, *short, path),
        },
        Parts::Bitmap { bitmap, .. } => walk.announced(parts, *bitmap, path),
        Parts::Tlv { tag, length, unknown, .. } => walk.tlv(parts, *tag, *length, *unknown, path),
        Parts::BerTlv { unknown, .. } => walk.ber(parts, *unknown, path),
    }
}

pub(crate) struct Walk<'a, 's, 'v> {
    pub(crate) cursor: Cursor<'a>,
    /// Where the content begins in the body.
    pub(crate) start: usize,
    pub(crate) field: u8,
    pub(crate) visit: &'v mut dyn FnMut(&Part<'s>),
}

impl<'s> Walk<'_, 's, '_> {
    /// A fault in the content as one in the body.
    pub(crate) fn shifted(&self, mut fault: ParseError) -> ParseError {
        fault.offset = fault.offset.saturating_add(self.start);
        if let Found::Short { left } = fault.found {
            fault.found = Found::ShortPart { left };
        }
        fault
    }

    pub(crate) fn fault(&self, path: &PartPath, found: Found, expected: Expected) -> ParseError {
        self.shifted(self.cursor.error(FieldPath::of(self.field, path), found, expected))
    }

    /// The path one deeper. What a dialect defines is never too deep; what only the wire says may be.
    pub(crate) fn join(&self, path: &PartPath, key: PartKey) -> PartPath {
        path.join(key).unwrap_or(*path)
    }

    fn positional(
        &mut self,
        parts: &'s [FieldSpec],
        short: bool,
        path: &PartPath,
    ) -> Result<(), ParseError> {
        for (number, spec) in (1..=u8::MAX).zip(parts) {
            let inner = self.join(path, PartKey::number(number));
            if self.cursor.left() == 0 && short {
                return Ok(());
            }
            self.element(spec, inner)?;
        }
        self.end(path)
    }

    fn announced(
        &mut self,
        parts: &'s Parts,
        bitmap: BitmapEncoding,
        path: &PartPath,
    ) -> Result<(), ParseError> {
        let read = read_bitmap(&mut self.cursor, FieldPath::of(self.field, path), bitmap);
        let bits = read.map_err(|fault| self.shifted(fault))?;
        for number in (1..=64).filter(|number| (bits.rotate_left(*number) & 1) == 1) {
            let key = PartKey::number(u8::try_from(number).unwrap_or(0));
            let inner = self.join(path, key);
            let spec = parts
                .find(key)
                .ok_or_else(|| self.fault(&inner, Found::Bit, Expected::DefinedField))?;
            self.element(spec, inner)?;
        }
        self.end(path)
    }

    fn element(&mut self, spec: &'s FieldSpec, path: PartPath) -> Result<(), ParseError> {
        let prefix = self.cursor.offset();
        let read = read_element(&mut self.cursor, spec, self.field, &path);
        let span = read.map_err(|fault| self.shifted(fault))?;
        self.met(Some(spec), path, prefix, span.range(), span.units())
    }

    /// Tells of a part, and walks through its own parts.
    pub(crate) fn met(
        &mut self,
        spec: Option<&'s FieldSpec>,
        path: PartPath,
        prefix: usize,
        content: Range<usize>,
        units: usize,
    ) -> Result<(), ParseError> {
        let start = content.start.saturating_add(self.start);
        let end = content.end.saturating_add(self.start);
        let prefix = prefix.saturating_add(self.start);
        (self.visit)(&Part { path, spec, prefix, content: start..end, units, skipped: None });
        let Some((spec, parts)) = spec.and_then(|it| Some((it, it.parts.as_deref()?))) else {
            return Ok(());
        };
        let content = self.cursor.of_body(content);
        let composite = Composite { spec, parts, content, start, units };
        walk(composite, self.field, &path, self.visit)
    }

    /// Packed digits in fixed places: the half bytes of such a range. They were checked when the composite
    /// was read.
    fn digits(
        &mut self,
        parts: &'s [FieldSpec],
        short: bool,
        digits: Range<usize>,
        path: &PartPath,
    ) -> Result<(), ParseError> {
        let mut at = digits.start;
        for (number, part) in (1..=u8::MAX).zip(parts) {
            let path = self.join(path, PartKey::number(number));
            let (units, left) = (part.length.max(), digits.end.saturating_sub(at));
            if left == 0 && short {
                return Ok(());
            }
            if left < units {
                let (found, expected) = (Found::Length(left), Expected::LengthExactly(units));
                let (path, offset) = (FieldPath::of(self.field, &path), at >> 1);
                return Err(self.shifted(ParseError { path, offset, found, expected }));
            }
            let next = at.saturating_add(units);
            let start = self.start.saturating_add(at >> 1);
            let content = start..self.start.saturating_add(next.div_ceil(2));
            let (spec, skipped) = (Some(part), Some(at % 2));
            (self.visit)(&Part { path, spec, prefix: start, content, units, skipped });
            at = next;
        }
        match digits.end.saturating_sub(at) {
            0 => Ok(()),
            left => Err(self.fault(path, Found::More { left }, Expected::PartsEnd)),
        }
    }

    fn end(&self, path: &PartPath) -> Result<(), ParseError> {
        match self.cursor.left() {
            0 => Ok(()),
            left => Err(self.fault(path, Found::More { left }, Expected::PartsEnd)),
        }
    }
}
