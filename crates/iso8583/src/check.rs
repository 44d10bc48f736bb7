//! Checks a dialect before anything is read or written with it.

use alloc::vec::Vec;

use crate::{
    dialect::{DialectFault, Flaw, Override},
    error::FieldPath,
    field::{Content, Counts, Encoding, FieldSpec, Length, Mask, Padding, Prefix},
    parts::{PartKey, PartPath, Parts, TagForm, TagLength, Unknown},
};

/// The longest fixed field, and the longest rest of a composite.
const FIXED_MOST: usize = 9_999;
const REST_MOST: usize = 65_535;
/// The longest value that any length before it announces.
const VALUE_MOST: usize = 999_999;

/// Faults of fields that are in order of their numbers.
pub(crate) fn fields(fields: &[(u8, FieldSpec)]) -> Vec<DialectFault> {
    let mut faults = Faults { field: 0, part: PartPath::FIELD, found: Vec::new() };
    let mut last = None;
    for (number, spec) in fields {
        faults.field = *number;
        if !(2..=128).contains(number) {
            faults.add(Flaw::Number { least: 2, most: 128 });
        } else if last.replace(number) == Some(number) {
            faults.add(Flaw::Repeated);
        }
        faults.spec(spec, Place::Field);
    }
    faults.found
}

/// Faults of overrides.
pub(crate) fn overrides(fields: &[(u8, FieldSpec)], overrides: &[Override]) -> Vec<DialectFault> {
    let mut faults = Faults { field: 0, part: PartPath::FIELD, found: Vec::new() };
    let code = fields.iter().find(|(number, _)| *number == 3).map(|(_, spec)| spec);
    let six_digits =
        code.is_some_and(|it| it.content == Content::N && it.length == Length::Fixed(6));
    for (place, it) in overrides.iter().enumerate() {
        for (number, spec) in &it.fields {
            faults.field = *number;
            if place >= 64 {
                faults.add(Flaw::Override { wanted: "at most 64 of them" });
            }
            if !(2..=128).contains(number) {
                faults.add(Flaw::Number { least: 2, most: 128 });
            }
            if it.processing_code.is_some() && !six_digits {
                faults.add(Flaw::Override { wanted: "a DE3 of six digits to look at" });
            } else if it.processing_code.is_some() && *number <= 3 {
                faults.add(Flaw::Override { wanted: "a field behind DE3, which it looks at" });
            }
            spec.iter().for_each(|spec| faults.spec(spec, Place::Field));
        }
    }
    faults.found
}

/// Where a field stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the message.
    Field,
    /// In a composite whose parts follow each other.
    Inner { last: bool },
    /// In a composite of digits that are packed.
    Digits,
    /// Behind a tag and its length.
    Tagged,
}

struct Faults {
    field: u8,
    part: PartPath,
    found: Vec<DialectFault>,
}

impl Faults {
    fn add(&mut self, flaw: Flaw) {
        self.found.push(DialectFault { path: FieldPath::of(self.field, &self.part), flaw });
    }

    fn spec(&mut self, spec: &FieldSpec, place: Place) {
        self.length(spec, place);
        self.counts(spec);
        self.encoding(spec);
        self.padding(spec);
        self.mask(spec);
        if let Some(parts) = &spec.parts {
            self.parts(spec, parts);
        }
    }

    fn length(&mut self, spec: &FieldSpec, place: Place) {
        if spec.content == Content::Xn && !matches!(spec.length, Length::Fixed(2..)) {
            self.add(Flaw::Letter);
        }
        let most = match spec.length {
            // The length that is written stands behind the tag, in a form of its own.
            Length::Var { .. } if place == Place::Tagged => VALUE_MOST,
            Length::Var { digits, prefix, .. } => {
                // A BER length says its own size, and eight bytes would be beyond any message.
                let places = match prefix {
                    Prefix::Ber => 1,
                    Prefix::Binary => 4,
                    _ => 6,
                };
                if !(1..=places).contains(&digits) {
                    return self.add(Flaw::Digits { digits, most: places });
                }
                prefix.most(digits).min(VALUE_MOST)
            }
            Length::Fixed(_) => FIXED_MOST,
            Length::Rest { .. } if place == (Place::Inner { last: true }) => REST_MOST,
            Length::Rest { .. } => {
                return self.add(Flaw::Rest { wanted: "the last part of a composite" });
            }
        };
        let length = spec.length.max();
        if !(1..=most).contains(&length) {
            self.add(Flaw::Length { length, most });
        }
        if place == Place::Digits && !matches!(spec.length, Length::Fixed(_)) {
            self.add(Flaw::Counts { wanted: "a fixed number of digits in a packed composite" });
        }
    }

    fn counts(&mut self, spec: &FieldSpec) {
        let Length::Var { prefix, counts, .. } = spec.length else { return };
        if matches!(spec.encoding, Encoding::Binary(_)) {
            self.add(Flaw::Counts { wanted: "a fixed length for a binary number" });
        }
        if prefix == Prefix::Ber && counts == Counts::BytesAndItself {
            self.add(Flaw::Counts { wanted: "a BER length that counts the content alone" });
        }
    }

    fn encoding(&mut self, spec: &FieldSpec) {
        use Encoding::{Ascii, Bcd, Binary, Ebcdic, Hex, HexEbcdic, Raw};
        let wanted = match (spec.content, spec.encoding) {
            (Content::B, Raw | Hex | HexEbcdic)
            | (Content::N, Ascii | Ebcdic(_) | Bcd(_) | Binary(1..=8))
            | (Content::Z | Content::Xn, Ascii | Ebcdic(_) | Bcd(_))
            | (Content::A | Content::An | Content::Ans, Ascii | Ebcdic(_)) => return,
            (Content::B, _) => "raw, hex or hex-ebcdic",
            (Content::N, Binary(_)) => "1 to 8 bytes",
            (Content::N, _) => "ascii, ebcdic, bcd or binary",
            (Content::Z | Content::Xn, _) => "ascii, ebcdic or bcd",
            (Content::A | Content::An | Content::Ans, _) => "ascii or ebcdic",
        };
        self.add(Flaw::Encoding { content: spec.content, encoding: spec.encoding, wanted });
    }

    fn padding(&mut self, spec: &FieldSpec) {
        let (Padding::Left(filling) | Padding::Right(filling)) = spec.padding else { return };
        let wanted = match (spec.length, spec.content, spec.encoding) {
            (Length::Var { .. } | Length::Rest { .. }, _, _) => "none for a variable length",
            (_, Content::B | Content::Xn, _) => "none for this content",
            (_, _, Encoding::Bcd(_) | Encoding::Binary(_)) if !filling.is_ascii_digit() => {
                "a digit for packed decimal and binary numbers"
            }
            _ if !matches!(filling, b' '..=b'~') => "a printable character",
            _ => return,
        };
        self.add(Flaw::Padding { wanted });
    }

    /// Card numbers (DE2, DE34), tracks (DE35, DE36, DE45), PIN blocks (DE52) and chip data (DE55, whose
    /// tags hold the card number and track 2) are card data in every edition; so are the tags of EMV that
    /// carry the same. A dialect cannot say otherwise.
    fn mask(&mut self, spec: &FieldSpec) {
        let wanted = match (self.part.keys().last(), self.field, spec.mask) {
            (Some(key), _, mask) => match tag_mask(*key) {
                Some(wanted) if mask == Mask::Clear || wanted == "never" && mask != Mask::Never => {
                    wanted
                }
                _ => return,
            },
            (None, 2 | 34, Mask::Clear) => "pan or never",
            (None, 35 | 36 | 45 | 52 | 55, Mask::Clear | Mask::Pan) => "never",
            _ => return,
        };
        self.add(Flaw::Mask { wanted });
    }

    fn parts(&mut self, spec: &FieldSpec, parts: &Parts) {
        let packed = matches!(spec.encoding, Encoding::Bcd(_));
        let wanted = match parts {
            Parts::Positional { .. } if packed && spec.content == Content::N => None,
            _ if packed => Some("digits in fixed places for packed decimal"),
            _ if !(spec.encoding.is_text() || spec.encoding == Encoding::Raw) => {
                Some("a field in text, raw bytes or packed digits")
            }
            Parts::BerTlv { .. } if spec.encoding != Encoding::Raw => Some("raw bytes for BER-TLV"),
            _ if spec.padding != Padding::None => Some("a field that is not filled up"),
            // Tags may all be such as nobody names.
            Parts::Tlv { unknown: Unknown::Keep, .. } | Parts::BerTlv { .. } => None,
            _ if parts.each().next().is_none() => Some("one or more of them"),
            Parts::Positional { parts, .. } if parts.len() > usize::from(u8::MAX) => {
                Some("at most 255 of them")
            }
            _ => None,
        };
        if let Some(wanted) = wanted {
            return self.add(Flaw::Parts { wanted });
        }
        if spec.mask == Mask::Clear && parts.each().any(|(_, part)| part.mask != Mask::Clear) {
            self.add(Flaw::Mask { wanted: "never, as it has parts that are hidden" });
        }
        self.form(parts);
        let count = parts.each().count();
        for (place, (key, part)) in parts.each().enumerate() {
            let Some(path) = self.part.join(key) else {
                return self.add(Flaw::Parts { wanted: "no more than four deep" });
            };
            let outer = core::mem::replace(&mut self.part, path);
            if parts.each().take(place).any(|(other, _)| other == key) {
                self.add(Flaw::Repeated);
            }
            if matches!(parts, Parts::Bitmap { .. }) && !(1..=64).contains(&bit(key)) {
                self.add(Flaw::Number { least: 1, most: 64 });
            }
            let last = place.saturating_add(1) == count || matches!(parts, Parts::Bitmap { .. });
            let inner = match parts {
                Parts::Positional { .. } if packed => Place::Digits,
                Parts::Positional { .. } | Parts::Bitmap { .. } => Place::Inner { last },
                Parts::Tlv { .. } | Parts::BerTlv { .. } => Place::Tagged,
            };
            self.spec(part, inner);
            self.part = outer;
        }
    }

    fn form(&mut self, parts: &Parts) {
        let Parts::Tlv { tag, length, .. } = parts else { return };
        let TagForm { length: size, encoding } = *tag;
        let kinds = matches!(
            encoding,
            Encoding::Ascii | Encoding::Ebcdic(_) | Encoding::Raw | Encoding::Bcd(_)
        );
        let odd = matches!(encoding, Encoding::Bcd(_)) && size % 2 == 1;
        if !(1..=8).contains(&size) || !kinds || odd {
            self.add(Flaw::Parts {
                wanted: "tags of 1 to 8 characters, bytes, or packed digits in whole bytes",
            });
        }
        let TagLength { digits, max, prefix, inclusive } = *length;
        let places = if prefix == Prefix::Ber { 1 } else { 4 };
        if !(1..=places).contains(&digits) || !(1..=prefix.most(digits)).contains(&max) {
            self.add(Flaw::Parts { wanted: "a length of 1 to 4 places that can say its maximum" });
        } else if inclusive && prefix == Prefix::Ber {
            self.add(Flaw::Parts { wanted: "a BER length that counts the value alone" });
        }
    }
}

fn bit(key: PartKey) -> u8 {
    key.as_bytes().first().copied().unwrap_or(0)
}

/// What a tag of EMV may show at most, if it carries card data: EMV Book 3, data elements dictionary.
fn tag_mask(key: PartKey) -> Option<&'static str> {
    if key != PartKey::bytes(key.as_bytes())? {
        return None;
    }
    match key.as_bytes() {
        // Application PAN.
        [0x5A] => Some("pan or never"),
        // Track 1 and 2 and their discretionary data, as EMV and the contactless kernels number them; PIN.
        [0x56 | 0x57 | 0x99] | [0x9F, 0x1F | 0x20 | 0x6B] => Some("never"),
        _ => None,
    }
}
