//! Walks through the parts of a composite, in the order of the wire. Reading checks with it, and everything
//! that looks for a part finds it by walking again: nothing of a part is kept.

use alloc::{borrow::Cow, string::String};
use core::ops::Range;

use crate::{
    cursor::Cursor,
    dialect::BitmapEncoding,
    digits::hex,
    error::{Expected, FieldPath, Found, ParseError},
    field::{Encoding, FieldSpec, Length, Prefix},
    head::read_bitmap,
    length::read_number,
    parts::{PartKey, PartPath, Parts, TagForm, TagLength, Unknown},
    read::{read_content, read_element, units_of},
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

struct Walk<'a, 's, 'v> {
    cursor: Cursor<'a>,
    /// Where the content begins in the body.
    start: usize,
    field: u8,
    visit: &'v mut dyn FnMut(&Part<'s>),
}

impl<'s> Walk<'_, 's, '_> {
    /// A fault in the content as one in the body.
    fn shifted(&self, mut fault: ParseError) -> ParseError {
        fault.offset = fault.offset.saturating_add(self.start);
        if let Found::Short { left } = fault.found {
            fault.found = Found::ShortPart { left };
        }
        fault
    }

    fn fault(&self, path: &PartPath, found: Found, expected: Expected) -> ParseError {
        self.shifted(self.cursor.error(FieldPath::of(self.field, path), found, expected))
    }

    /// The path one deeper. What a dialect defines is never too deep; what only the wire says may be.
    fn join(&self, path: &PartPath, key: PartKey) -> PartPath {
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
    fn met(
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
                let expected = Expected::LengthExactly(units);
                return Err(self.fault(&path, Found::Length(left), expected));
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

    fn tlv(
        &mut self,
        parts: &'s Parts,
        tag: TagForm,
        length: TagLength,
        unknown: Unknown,
        path: &PartPath,
    ) -> Result<(), ParseError> {
        while self.cursor.left() > 0 {
            let prefix = self.cursor.offset();
            let key = self.tag(tag, path)?;
            let inner = self.join(path, key);
            let at = self.cursor.offset();
            let of = || FieldPath::of(self.field, &inner);
            let read = read_number(&mut self.cursor, length.digits, length.prefix, of);
            let mut bytes = read.map_err(|fault| self.shifted(fault))?;
            let wrong = |walk: &Self, found, expected| {
                let offset = at.saturating_add(walk.start);
                ParseError { path: FieldPath::of(walk.field, &inner), offset, found, expected }
            };
            if length.inclusive {
                let own = self.cursor.offset().saturating_sub(at);
                let Some(inside) = bytes.checked_sub(own) else {
                    let least = Expected::LengthAtLeast(own);
                    return Err(wrong(self, Found::Length(bytes), least));
                };
                bytes = inside;
            }
            if bytes > length.max {
                let most = Expected::LengthAtMost(length.max);
                return Err(wrong(self, Found::Length(bytes), most));
            }
            self.tagged(parts, unknown, key, inner, prefix, at, bytes)?;
        }
        Ok(())
    }

    fn tag(&mut self, form: TagForm, path: &PartPath) -> Result<PartKey, ParseError> {
        let expected = Expected::Tag(form.length, form.encoding);
        let size = usize::from(form.length);
        let packed = matches!(form.encoding, Encoding::Bcd(_));
        let offset = self.cursor.offset();
        let bytes = self.cursor.take(if packed { size >> 1 } else { size });
        let Some(bytes) = bytes else {
            let left = self.cursor.left();
            return Err(self.fault(path, Found::Short { left }, expected));
        };
        let mut text = [0_u8; 8];
        let wrong = match form.encoding {
            Encoding::Raw => None,
            Encoding::Bcd(_) => {
                value::unpacked(bytes, 0).zip(&mut text).for_each(|(digit, it)| *it = digit);
                bytes.iter().position(|byte| byte >> 4 > 9 || byte & 0x0F > 9)
            }
            encoding => {
                for (it, &byte) in text.iter_mut().zip(bytes) {
                    *it =
                        if let Encoding::Ebcdic(page) = encoding { page.ascii(byte) } else { byte };
                }
                text.iter().take(size).position(|it| !matches!(it, b'!'..=b'~'))
            }
        };
        let key = match form.encoding {
            Encoding::Raw => PartKey::bytes(bytes),
            _ => PartKey::text(text.get(..size).unwrap_or_default()),
        };
        match (wrong, key) {
            (None, Some(key)) => Ok(key),
            (position, _) => {
                let position = position.unwrap_or(0);
                let path = FieldPath::of(self.field, path);
                // A tag that is none may be any part of a value that stands in the wrong place.
                let found = Found::Hidden { position };
                Err(self.shifted(ParseError { path, offset, found, expected }))
            }
        }
    }

    fn ber(
        &mut self,
        parts: &'s Parts,
        unknown: Unknown,
        path: &PartPath,
    ) -> Result<(), ParseError> {
        loop {
            let prefix = self.cursor.offset();
            let Some(&first) = self.cursor.rest().first() else { return Ok(()) };
            if first == 0 {
                self.cursor.take(1);
                continue;
            }
            let key = self.ber_tag(path)?;
            let inner = path.join(key);
            let shown = inner.unwrap_or(*path);
            let at = self.cursor.offset();
            let of = || FieldPath::of(self.field, &shown);
            let read = read_number(&mut self.cursor, 1, Prefix::Ber, of);
            let bytes = read.map_err(|fault| self.shifted(fault))?;
            let from = self.cursor.offset();
            self.tagged(parts, unknown, key, shown, prefix, at, bytes)?;
            let constructed =
                first & 0x20 != 0 && parts.find(key).is_none_or(|it| it.parts.is_none());
            if constructed && inner.is_some() {
                let content = self.cursor.of_body(from..from.saturating_add(bytes));
                let start = from.saturating_add(self.start);
                let cursor = Cursor::new(content, 0);
                let field = self.field;
                Walk { cursor, start, field, visit: self.visit }.ber(parts, unknown, &shown)?;
            }
        }
    }

    /// ISO/IEC 8825-1, 8.1.2: five set bits in the first byte announce more, the last of which has its
    /// highest bit clear.
    fn ber_tag(&mut self, path: &PartPath) -> Result<PartKey, ParseError> {
        let rest = self.cursor.rest();
        let mut size = 1_usize;
        if rest.first().is_some_and(|first| first & 0x1F == 0x1F) {
            let more = rest.iter().skip(1).take_while(|byte| *byte & 0x80 != 0).count();
            size = more.saturating_add(2);
        }
        if size > 4 {
            return Err(self.fault(path, Found::Hidden { position: 4 }, Expected::BerTag));
        }
        let left = self.cursor.left();
        match self.cursor.take(size).and_then(PartKey::bytes) {
            Some(key) => Ok(key),
            None => Err(self.fault(path, Found::Short { left }, Expected::BerTag)),
        }
    }

    /// The value behind a tag and its length, which began at `at`.
    #[expect(clippy::too_many_arguments, reason = "what is known of one tag")]
    fn tagged(
        &mut self,
        parts: &'s Parts,
        unknown: Unknown,
        key: PartKey,
        path: PartPath,
        prefix: usize,
        at: usize,
        bytes: usize,
    ) -> Result<(), ParseError> {
        let spec = parts.find(key);
        let of = FieldPath::of(self.field, &path);
        let shifted = |fault: ParseError, start: usize| ParseError {
            offset: fault.offset.saturating_add(start),
            ..fault
        };
        if spec.is_none() && unknown == Unknown::Refuse {
            let (found, expected) = (Found::Tag(key), Expected::KnownTag);
            let offset = prefix;
            return Err(shifted(ParseError { path: of, offset, found, expected }, self.start));
        }
        let start = self.cursor.offset();
        let Some(content) = self.cursor.take(bytes) else {
            let expected = Expected::Bytes(bytes);
            let left = self.cursor.left();
            return Err(self.fault(&path, Found::Short { left }, expected));
        };
        let mut units = bytes;
        if let Some(spec) = spec {
            let counted = units_of(spec, content);
            let least = if let Length::Fixed(units) = spec.length { units } else { 0 };
            let wrong = match counted {
                None => Some((bytes, Expected::LengthEven)),
                Some(it) if it < least => Some((it, Expected::LengthAtLeast(least))),
                Some(it) if it > spec.length.max() => {
                    Some((it, Expected::LengthAtMost(spec.length.max())))
                }
                Some(_) => None,
            };
            if let Some((found, expected)) = wrong {
                let found = Found::Length(found);
                let fault = ParseError { path: of, offset: at, found, expected };
                return Err(shifted(fault, self.start));
            }
            units = counted.unwrap_or(bytes);
            read_content(spec, content, start, units, self.field, &path)
                .map_err(|fault| shifted(fault, self.start))?;
        }
        let end = start.saturating_add(bytes);
        self.met(spec, path, prefix, start..end, units)
    }

    fn end(&self, path: &PartPath) -> Result<(), ParseError> {
        match self.cursor.left() {
            0 => Ok(()),
            left => Err(self.fault(path, Found::More { left }, Expected::PartsEnd)),
        }
    }
}
