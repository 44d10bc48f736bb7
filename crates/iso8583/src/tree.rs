//! Values of composites as a tree: what `set_value` takes, and how its bytes are made.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use zeroize::Zeroize;

use crate::{
    cursor::Cursor,
    dialect::BitmapEncoding,
    digits::unhex,
    error::{FieldPath, ParseError},
    field::{Counts, Encoding, FieldSpec, Length, Prefix},
    pack::{PackError, push_bitmap},
    parts::{PartKey, PartPath, Parts, TagForm, TagLength, Unknown},
    read::read_element,
    walk::{Composite, walk},
    write::{Given, push_bare, push_element, push_number, push_packed},
};

/// The value of a field or a part. Wiped when it is dropped; its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Text: characters, or pairs of hex digits for content `b` and for tags that the dialect does not name.
    Text(String),
    /// The parts of a composite by their keys, such as `1`, `01` or `9F26`: tags in the order of the wire,
    /// numbers in any order.
    Parts(Vec<(String, Value)>),
}

impl Value {
    /// The same with one more part, by its path such as `9F26` or `25.3`, behind those that are there.
    #[must_use]
    pub fn with(mut self, path: &str, value: &str) -> Self {
        self.put(path, value);
        self
    }

    fn put(&mut self, path: &str, value: &str) {
        if let Self::Text(_) = self {
            *self = Self::Parts(Vec::new());
        }
        let Self::Parts(parts) = self else { return };
        let Some((outer, inner)) = path.split_once('.') else {
            parts.push((path.to_owned(), Self::Text(value.to_owned())));
            return;
        };
        match parts.iter_mut().find(|(key, _)| key == outer) {
            Some((_, within)) => within.put(inner, value),
            None => {
                let within = Self::Parts(Vec::new()).with(inner, value);
                parts.push((outer.to_owned(), within));
            }
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if let Self::Text(text) = self {
            text.zeroize();
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::Parts(parts) => f.debug_list().entries(parts.iter().map(|(key, _)| key)).finish(),
        }
    }
}

/// The content of a composite on the wire.
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) units: usize,
}

/// Makes the content of a composite from the values of its parts.
pub(crate) fn content(
    spec: &FieldSpec,
    values: &[(String, Value)],
    field: u8,
    path: &PartPath,
) -> Result<Packed, PackError> {
    let Some(parts) = &spec.parts else {
        return Err(PackError::NoParts { path: FieldPath::of(field, path) });
    };
    let mut making = Making { values, field, path, bytes: Vec::new() };
    let made = match parts.as_ref() {
        Parts::Positional { parts, short } => making.positional(spec.encoding, parts, *short),
        Parts::Bitmap { bitmap, parts } => making.announced(*bitmap, parts),
        Parts::Tlv { tag, length, unknown, .. } => making.tlv(parts, *tag, *length, *unknown),
        Parts::BerTlv { unknown, .. } => making.ber(parts, *unknown),
    };
    if let Err(fault) = made {
        making.bytes.zeroize();
        return Err(fault);
    }
    let (mut bytes, mut units) = (making.bytes, 0);
    if let Encoding::Bcd(filler) = spec.encoding {
        let mut digits = core::mem::take(&mut bytes);
        units = digits.len();
        push_packed(&mut bytes, digits.iter().copied(), units, filler);
        digits.zeroize();
    }
    units = units.max(bytes.len());
    Ok(Packed { bytes, units })
}

/// Checks that a composite, given as a whole, has the parts that the dialect gives it. `element` is the
/// whole of it on the wire, its length included.
pub(crate) fn check(spec: &FieldSpec, element: &[u8], field: u8) -> Result<(), PackError> {
    let checked = || -> Result<(), ParseError> {
        let Some(parts) = &spec.parts else { return Ok(()) };
        let span = read_element(&mut Cursor::new(element, 0), spec, field, &PartPath::FIELD)?;
        let content = element.get(span.range()).unwrap_or_default();
        let composite =
            Composite { spec, parts, content, start: span.start(), units: span.units() };
        walk(composite, field, &PartPath::FIELD, &mut |_| ())
    };
    checked().map_err(PackError::Parts)
}

struct Making<'v> {
    values: &'v [(String, Value)],
    field: u8,
    path: &'v PartPath,
    bytes: Vec<u8>,
}

impl Making<'_> {
    fn path(&self, key: PartKey) -> FieldPath {
        FieldPath::of(self.field, &self.join(key))
    }

    fn join(&self, key: PartKey) -> PartPath {
        self.path.join(key).unwrap_or(*self.path)
    }

    /// A key that no part has.
    fn undefined(&self, name: &str) -> PackError {
        let key = PartKey::text(name.as_bytes());
        let path = key.map_or(FieldPath::of(self.field, self.path), |key| self.path(key));
        PackError::Undefined { path }
    }

    fn numbered(&self, number: u8) -> Option<&Value> {
        let key = PartKey::number(number);
        self.values.iter().find(|(name, _)| key.is_named(name)).map(|(_, value)| value)
    }

    /// Refuses a value whose key is none of these numbers.
    fn only(&self, numbers: &[u8]) -> Result<(), PackError> {
        let known = |name: &str| numbers.iter().any(|&it| PartKey::number(it).is_named(name));
        match self.values.iter().find(|(name, _)| !known(name)) {
            Some((name, _)) => Err(self.undefined(name)),
            None => Ok(()),
        }
    }

    fn positional(
        &mut self,
        container: Encoding,
        parts: &[FieldSpec],
        short: bool,
    ) -> Result<(), PackError> {
        let numbers: Vec<u8> = (1..=u8::MAX).take(parts.len()).collect();
        self.only(&numbers)?;
        let last = numbers.iter().rev().find(|&&it| self.numbered(it).is_some()).copied();
        let end = if short { last.unwrap_or(0) } else { u8::MAX };
        for (number, spec) in (1..=end).zip(parts) {
            let key = PartKey::number(number);
            let values = self.values;
            let value = values.iter().find(|(name, _)| key.is_named(name)).map(|(_, value)| value);
            let Some(value) = value else {
                return Err(PackError::Missing { path: self.path(key) });
            };
            if matches!(container, Encoding::Bcd(_)) {
                // The digits are packed together, when all of them are there.
                let digits = FieldSpec { encoding: Encoding::Ascii, ..spec.clone() };
                self.element(&digits, key, value)?;
            } else {
                self.element(spec, key, value)?;
            }
        }
        Ok(())
    }

    fn announced(
        &mut self,
        bitmap: BitmapEncoding,
        parts: &[(u8, FieldSpec)],
    ) -> Result<(), PackError> {
        let numbers: Vec<u8> = parts.iter().map(|(number, _)| *number).collect();
        self.only(&numbers)?;
        let present = |number: u8| self.numbered(number).is_some();
        let bits = numbers.iter().filter(|&&number| present(number));
        let bits = bits.fold(0_u64, |bits, number| bits | 1_u64.rotate_right(u32::from(*number)));
        push_bitmap(&mut self.bytes, bitmap, bits.to_be_bytes());
        for (number, spec) in parts {
            let key = PartKey::number(*number);
            let values = self.values;
            let value = values.iter().find(|(name, _)| key.is_named(name));
            if let Some((_, value)) = value {
                self.element(spec, key, value)?;
            }
        }
        Ok(())
    }

    /// A part with its own length.
    fn element(&mut self, spec: &FieldSpec, key: PartKey, value: &Value) -> Result<(), PackError> {
        let path = self.join(key);
        match value {
            Value::Text(text) => {
                push_element(&mut self.bytes, spec, Given::Text(text.as_bytes()), self.field, &path)
            }
            Value::Parts(values) => {
                let mut inner = content(spec, values, self.field, &path)?;
                let given = Given::Wire(&inner.bytes, inner.units);
                let pushed = push_element(&mut self.bytes, spec, given, self.field, &path);
                inner.bytes.zeroize();
                pushed
            }
        }
    }

    fn tlv(
        &mut self,
        parts: &Parts,
        tag: TagForm,
        length: TagLength,
        unknown: Unknown,
    ) -> Result<(), PackError> {
        for (name, value) in self.values {
            let key = match tag.encoding {
                Encoding::Raw => unhex(name.as_bytes()).and_then(|tag| PartKey::bytes(&tag)),
                _ => PartKey::text(name.as_bytes()),
            };
            let sized = |key: &PartKey| key.as_bytes().len() == usize::from(tag.length);
            let Some(key) = key.filter(sized) else { return Err(self.undefined(name)) };
            match tag.encoding {
                Encoding::Ebcdic(page) => {
                    self.bytes.extend(key.as_bytes().iter().map(|&byte| page.byte(byte)));
                }
                Encoding::Bcd(filler) => {
                    let digits = key.as_bytes();
                    if digits.iter().any(|digit| !digit.is_ascii_digit()) {
                        return Err(self.undefined(name));
                    }
                    push_packed(&mut self.bytes, digits.iter().copied(), digits.len(), filler);
                }
                _ => self.bytes.extend_from_slice(key.as_bytes()),
            }
            let mut inner = self.bare(parts, unknown, key, value)?;
            let own = if length.inclusive { length.prefix.wire_len(length.digits) } else { 0 };
            let counted = inner.len().saturating_add(own);
            if inner.len() > length.max || counted > length.prefix.most(length.digits) {
                let TagLength { digits, max, prefix, .. } = length;
                let expected = Length::Var { digits, max, prefix, counts: Counts::Bytes };
                let found = inner.len();
                inner.zeroize();
                return Err(PackError::Length { path: self.path(key), expected, found });
            }
            push_number(&mut self.bytes, counted, length.digits, length.prefix);
            self.bytes.extend_from_slice(&inner);
            inner.zeroize();
        }
        Ok(())
    }

    fn ber(&mut self, parts: &Parts, unknown: Unknown) -> Result<(), PackError> {
        for (name, value) in self.values {
            let key = unhex(name.as_bytes()).filter(|tag| is_ber_tag(tag));
            let Some(key) = key.and_then(|tag| PartKey::bytes(&tag)) else {
                return Err(self.undefined(name));
            };
            let constructed = key.as_bytes().first().is_some_and(|first| first & 0x20 != 0);
            let mut inner = match value {
                Value::Parts(values) if constructed && parts.find(key).is_none_or(has_no_parts) => {
                    let path = &self.join(key);
                    let mut making = Making { values, field: self.field, path, bytes: Vec::new() };
                    making.ber(parts, unknown)?;
                    making.bytes
                }
                _ => self.bare(parts, unknown, key, value)?,
            };
            self.bytes.extend_from_slice(key.as_bytes());
            push_number(&mut self.bytes, inner.len(), 1, Prefix::Ber);
            self.bytes.extend_from_slice(&inner);
            inner.zeroize();
        }
        Ok(())
    }

    /// The value behind a tag and its length.
    fn bare(
        &self,
        parts: &Parts,
        unknown: Unknown,
        key: PartKey,
        value: &Value,
    ) -> Result<Vec<u8>, PackError> {
        let path = self.path(key);
        let mut bytes = Vec::new();
        match (parts.find(key), value) {
            (Some(spec), Value::Text(text)) => {
                push_bare(&mut bytes, spec, Given::Text(text.as_bytes()), path)?;
            }
            (Some(spec), Value::Parts(values)) => {
                bytes = content(spec, values, self.field, &self.join(key))?.bytes;
            }
            (None, Value::Text(text)) if unknown == Unknown::Keep => {
                bytes = unhex(text.as_bytes()).ok_or(PackError::NotHex { path, position: 0 })?;
            }
            (None, Value::Text(_)) => return Err(PackError::Undefined { path }),
            (None, Value::Parts(_)) => return Err(PackError::NoParts { path }),
        }
        Ok(bytes)
    }
}

fn has_no_parts(spec: &FieldSpec) -> bool {
    spec.parts.is_none()
}

/// Whether the bytes are one tag of BER-TLV and no more (ISO/IEC 8825-1, 8.1.2), and not the filling 00.
fn is_ber_tag(tag: &[u8]) -> bool {
    match tag {
        [0] | [] => false,
        [first] => first & 0x1F != 0x1F,
        [first, middle @ .., last] => {
            first & 0x1F == 0x1F
                && middle.iter().all(|byte| byte & 0x80 != 0)
                && last & 0x80 == 0
                && tag.len() <= 4
        }
    }
}
