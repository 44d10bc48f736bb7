//! Composites: fields whose content is made of parts, and how a part is named in paths, as in `DE48.01`,
//! `DE55.9F26` or `DE127.25.3`.

use alloc::vec::Vec;
use core::fmt;

use crate::{
    dialect::BitmapEncoding,
    field::{Encoding, FieldSpec, Prefix},
};

/// How deep parts may lie within parts.
pub const DEEPEST: usize = 4;

/// What a composite is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    /// One behind the other, numbered from 1.
    Positional {
        /// The parts, in order.
        parts: Vec<FieldSpec>,
        /// Whether the value may end behind any of them.
        short: bool,
    },
    /// A tag of a fixed size, a length, a value; again and again.
    Tlv {
        /// How tags are written.
        tag: TagForm,
        /// How the length behind a tag is written; it counts the bytes of the value.
        length: TagLength,
        /// What becomes of tags that no part names.
        unknown: Unknown,
        /// The parts that are known, in any order.
        parts: Vec<(PartKey, FieldSpec)>,
    },
    /// Tags and lengths of BER-TLV (ISO/IEC 8825-1), as EMV uses them: a constructed tag holds others, bytes
    /// of 00 between tags mean nothing.
    BerTlv {
        /// What becomes of tags that no part names.
        unknown: Unknown,
        /// The parts that are known, at whatever depth they stand.
        parts: Vec<(PartKey, FieldSpec)>,
    },
    /// A bitmap of 64 bits and the parts that it announces.
    Bitmap {
        /// How the bitmap is written.
        bitmap: BitmapEncoding,
        /// The parts, each with its bit, 1..=64, in order.
        parts: Vec<(u8, FieldSpec)>,
    },
}

/// How the tags of [`Parts::Tlv`] are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagForm {
    /// Its size in characters, digits, or bytes of [`Encoding::Raw`]: 1..=8.
    pub length: u8,
    /// ASCII, EBCDIC, packed decimal or raw.
    pub encoding: Encoding,
}

/// How the lengths of [`Parts::Tlv`] are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagLength {
    /// Places of the length, 1..=6.
    pub digits: u8,
    /// The greatest length allowed, in bytes.
    pub max: usize,
    /// How it is written on the wire.
    pub prefix: Prefix,
    /// Whether it counts tag and length too.
    pub inclusive: bool,
}

/// What becomes of a tag that no part names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// It is kept, byte for byte and in its place.
    #[default]
    Keep,
    /// It is a fault.
    Refuse,
}

/// The name of a part within its composite: a number, or a tag of up to 8 characters or bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartKey {
    form: Form,
    length: u8,
    bytes: [u8; 8],
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Number,
    Text,
    Bytes,
}

impl PartKey {
    /// The key of a numbered part.
    #[must_use]
    pub const fn number(number: u8) -> Self {
        Self { form: Form::Number, length: 1, bytes: [number, 0, 0, 0, 0, 0, 0, 0] }
    }

    /// The key of a tag in printable characters; `None` for more than 8, none, or others.
    #[must_use]
    pub fn text(tag: &[u8]) -> Option<Self> {
        tag.iter().all(|byte| matches!(byte, b'!'..=b'~')).then(|| Self::of(Form::Text, tag))?
    }

    /// The key of a tag in bytes, which people read as hex digits; `None` for more than 8 or none.
    #[must_use]
    pub fn bytes(tag: &[u8]) -> Option<Self> {
        Self::of(Form::Bytes, tag)
    }

    fn of(form: Form, tag: &[u8]) -> Option<Self> {
        let length = u8::try_from(tag.len()).ok().filter(|&length| length > 0)?;
        let mut bytes = [0; 8];
        bytes.get_mut(..tag.len())?.copy_from_slice(tag);
        Some(Self { form, length, bytes })
    }

    /// The characters or bytes of the tag; the one byte of a number.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Whether it shows no more than four digits of whatever it is.
    pub(crate) fn is_short(&self) -> bool {
        match self.form {
            Form::Number => true,
            Form::Text => self.length <= 4,
            Form::Bytes => self.length <= 2,
        }
    }

    /// Whether it is written so in a path: `3`, `01`, `9F26` (in either case).
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        let [number, ..] = self.bytes;
        match self.form {
            Form::Number => name.parse() == Ok(number),
            Form::Text => name.as_bytes() == self.as_bytes(),
            Form::Bytes => {
                crate::digits::unhex(name.as_bytes()).as_deref() == Some(self.as_bytes())
            }
        }
    }
}

impl fmt::Display for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [number, ..] = self.bytes;
        match self.form {
            Form::Number => write!(f, "{number}"),
            Form::Text => {
                self.as_bytes().iter().try_for_each(|&byte| write!(f, "{}", char::from(byte)))
            }
            Form::Bytes => self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}")),
        }
    }
}

impl fmt::Debug for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartKey({self})")
    }
}

/// Where a part lies within its field: the keys from the outermost composite inwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PartPath {
    depth: u8,
    keys: [PartKey; DEEPEST],
}

impl PartPath {
    /// The field itself.
    pub const FIELD: Self = Self { depth: 0, keys: [PartKey::number(0); DEEPEST] };

    /// The path one deeper; `None` below [`DEEPEST`].
    #[must_use]
    pub fn join(&self, key: PartKey) -> Option<Self> {
        let mut path = *self;
        *path.keys.get_mut(usize::from(path.depth))? = key;
        path.depth = path.depth.saturating_add(1);
        Some(path)
    }

    /// The keys, the outermost first; none for the field itself.
    #[must_use]
    pub fn keys(&self) -> &[PartKey] {
        self.keys.get(..usize::from(self.depth)).unwrap_or_default()
    }

    /// Whether it is written so: `9F26`, `25.3`; the field's number is not in it.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        let mut names = name.split('.');
        self.keys().iter().all(|key| names.next().is_some_and(|name| key.is_named(name)))
            && names.next().is_none()
    }
}

impl fmt::Display for PartPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys().iter().try_for_each(|key| write!(f, ".{key}"))
    }
}

impl fmt::Debug for PartPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartPath({self})")
    }
}

impl Parts {
    /// The part of this key.
    pub(crate) fn find(&self, key: PartKey) -> Option<&FieldSpec> {
        let [number, ..] = key.bytes;
        match self {
            Self::Positional { parts, .. } => parts.get(usize::from(number).checked_sub(1)?),
            Self::Bitmap { parts, .. } => {
                parts.iter().find(|(bit, _)| *bit == number).map(|(_, spec)| spec)
            }
            Self::Tlv { parts, .. } | Self::BerTlv { parts, .. } => {
                parts.iter().find(|(known, _)| *known == key).map(|(_, spec)| spec)
            }
        }
    }

    /// All parts with their keys.
    pub fn each(&self) -> impl Iterator<Item = (PartKey, &FieldSpec)> {
        let (numbered, bits, tagged) = match self {
            Self::Positional { parts, .. } => (parts.as_slice(), &[][..], &[][..]),
            Self::Bitmap { parts, .. } => (&[][..], parts.as_slice(), &[][..]),
            Self::Tlv { parts, .. } | Self::BerTlv { parts, .. } => {
                (&[][..], &[][..], parts.as_slice())
            }
        };
        let numbered =
            (1..=u8::MAX).zip(numbered).map(|(number, spec)| (PartKey::number(number), spec));
        let bits = bits.iter().map(|(bit, spec)| (PartKey::number(*bit), spec));
        numbered.chain(bits).chain(tagged.iter().map(|(key, spec)| (*key, spec)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let icc = PartPath::FIELD.join(PartKey::number(25)).unwrap();
        let tag = icc.join(PartKey::bytes(&[0x9F, 0x26]).unwrap()).unwrap();
        assert_eq!(tag.to_string(), ".25.9F26");
        assert!(tag.is_named("25.9F26") && tag.is_named("25.9f26"));
        for other in ["", "25", "9F26", "25.9F26.1", "25.9F2", "025.9F27"] {
            assert!(!tag.is_named(other), "{other}");
        }
        assert!(PartPath::FIELD.join(PartKey::text(b"01").unwrap()).unwrap().is_named("01"));
    }

    #[test]
    fn what_is_too_long_or_too_deep_has_no_key_and_no_path() {
        assert!(PartKey::text(b"").is_none() && PartKey::text(b"123456789").is_none());
        assert!(PartKey::text(b"a b").is_none() && PartKey::bytes(&[0; 9]).is_none());
        let mut path = PartPath::FIELD;
        for _ in 0..DEEPEST {
            path = path.join(PartKey::number(1)).unwrap();
        }
        assert_eq!(path.join(PartKey::number(1)), None);
    }
}
