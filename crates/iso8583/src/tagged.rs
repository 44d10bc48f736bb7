//! Walks through composites whose parts stand behind tags: tag-length-value and BER-TLV.

use crate::{
    cursor::Cursor,
    emv,
    error::{Expected, FieldPath, Found, ParseError},
    field::{Encoding, Length, Prefix},
    length::read_number,
    parts::{PartKey, PartPath, Parts, TagForm, TagLength, Unknown},
    read::{read_content, units_of},
    value,
    walk::Walk,
};

impl<'s> Walk<'_, 's, '_> {
    pub(crate) fn tlv(
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
            let told = if may_be_told(parts, key) { inner } else { *path };
            let at = self.cursor.offset();
            let of = || FieldPath::of(self.field, &told);
            let read = read_number(&mut self.cursor, length.digits, length.prefix, of);
            let mut bytes = read.map_err(|fault| self.shifted(fault))?;
            let wrong = |walk: &Self, found, expected| {
                let offset = at.saturating_add(walk.start);
                ParseError { path: FieldPath::of(walk.field, &told), offset, found, expected }
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
            self.tagged(parts, unknown, key, [inner, told], prefix, at, bytes)?;
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

    pub(crate) fn ber(
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
            let told = if may_be_told(parts, key) { shown } else { *path };
            let at = self.cursor.offset();
            let of = || FieldPath::of(self.field, &told);
            let read = read_number(&mut self.cursor, 1, Prefix::Ber, of);
            let bytes = read.map_err(|fault| self.shifted(fault))?;
            let from = self.cursor.offset();
            self.tagged(parts, unknown, key, [shown, told], prefix, at, bytes)?;
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

    /// The value behind a tag and its length, which began at `at`; `told` is the path in faults.
    #[expect(clippy::too_many_arguments, reason = "what is known of one tag")]
    fn tagged(
        &mut self,
        parts: &'s Parts,
        unknown: Unknown,
        key: PartKey,
        [path, told]: [PartPath; 2],
        prefix: usize,
        at: usize,
        bytes: usize,
    ) -> Result<(), ParseError> {
        let spec = parts.find(key);
        let of = FieldPath::of(self.field, &told);
        let shifted = |fault: ParseError, start: usize| ParseError {
            offset: fault.offset.saturating_add(start),
            ..fault
        };
        if spec.is_none() && unknown == Unknown::Refuse {
            let found =
                if key.is_short() { Found::Tag(key) } else { Found::Hidden { position: 0 } };
            let expected = Expected::KnownTag;
            let offset = prefix;
            return Err(shifted(ParseError { path: of, offset, found, expected }, self.start));
        }
        let start = self.cursor.offset();
        let Some(content) = self.cursor.take(bytes) else {
            let expected = Expected::Bytes(bytes);
            let left = self.cursor.left();
            return Err(self.fault(&told, Found::Short { left }, expected));
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
}

/// Whether a fault may name a tag: one that the dialect or EMV names, or one too short to be a good part of
/// a card number that stands in the wrong place.
fn may_be_told(parts: &Parts, key: PartKey) -> bool {
    key.is_short() || parts.find(key).is_some() || emv::name(key.as_bytes()).is_some()
}
