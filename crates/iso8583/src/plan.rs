//! What most fields come to, in eight bytes each. A dialect is put into such steps when it is built, so that
//! reading and writing need not look at all that a specification can say.
//!
//! A step says nothing that the specification does not say: it takes what is plainly right, and leaves
//! everything else to the specification, which tells the fault, or takes it all the same (filling among the
//! characters, half bytes that fill up). Fields with parts, and those that are others in some messages, have
//! no step.

use alloc::vec::Vec;

use crate::{
    charset::{all_allowed, all_code_set, all_hex, all_packed, all_upper_hex},
    dialect::{Dialect, DialectSpec},
    digits::{push_packed_pairs, push_unhexed},
    field::{Content, Counts, Encoding, FieldSpec, Filler, Length, Prefix},
    write::reserve_wiping,
};

/// The steps of a dialect, by the number of the field; that of 128 stands first.
pub(crate) type Plan = [Step; 128];

/// How one field is read and written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    length: How,
    content: Of,
    /// The bytes of so many units: shifted left by the first, or halved and rounded up where the second is 1.
    doubled: u8,
    halved: u8,
    /// The greatest length in units; of a fixed field the only one.
    most: u32,
}

/// How the length is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// The specification must say.
    Unplanned,
    Fixed,
    Ascii2,
    Ascii3,
    Bcd2,
    Bcd4,
    Binary1,
    Binary2,
}

/// What the content is made of, and how it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    N,
    A,
    An,
    Ans,
    Z,
    Hex,
    Raw,
    /// Packed digits of an even number; of an odd one behind a zero.
    PackedBehindZero,
    /// Packed digits of an even number.
    PackedEven,
    /// Packed track data of an even number of digits; of an odd one behind a zero.
    TrackBehindZero,
}

const UNPLANNED: Step =
    Step { length: How::Unplanned, content: Of::Raw, doubled: 0, halved: 0, most: 0 };

/// The plan of a dialect that was found sound.
pub(crate) fn plan(spec: &DialectSpec) -> Plan {
    let mut plan = [UNPLANNED; 128];
    let late = spec.overrides.iter().any(|it| it.processing_code.is_some());
    let overridden = |number: u8| {
        let mut others = spec.overrides.iter().flat_map(|it| &it.fields);
        others.any(|(other, _)| *other == number) || late && number == 3
    };
    for (number, field) in spec.fields.iter().filter(|(number, _)| !overridden(*number)) {
        if let Some(slot) = plan.get_mut(usize::from(number & 127)) {
            *slot = step(field).unwrap_or(UNPLANNED);
        }
    }
    plan
}

fn step(field: &FieldSpec) -> Option<Step> {
    let content = match (field.content, field.encoding) {
        _ if field.parts.is_some() => return None,
        (Content::N, Encoding::Ascii) => Of::N,
        (Content::A, Encoding::Ascii) => Of::A,
        (Content::An, Encoding::Ascii) => Of::An,
        (Content::Ans, Encoding::Ascii) => Of::Ans,
        (Content::Z, Encoding::Ascii) => Of::Z,
        (Content::B, Encoding::Hex) => Of::Hex,
        (Content::B, Encoding::Raw) => Of::Raw,
        (Content::N, Encoding::Bcd(Filler::LeadingZero)) => Of::PackedBehindZero,
        (Content::N, Encoding::Bcd(_)) => Of::PackedEven,
        (Content::Z, Encoding::Bcd(Filler::LeadingZero)) => Of::TrackBehindZero,
        _ => return None,
    };
    let length = match field.length {
        Length::Fixed(_) => How::Fixed,
        Length::Var { digits, prefix, counts: Counts::Units, .. } => match (prefix, digits) {
            (Prefix::Ascii, 2) => How::Ascii2,
            (Prefix::Ascii, 3) => How::Ascii3,
            (Prefix::Bcd, 2) => How::Bcd2,
            (Prefix::Bcd, 3 | 4) => How::Bcd4,
            (Prefix::Binary, 1) => How::Binary1,
            (Prefix::Binary, 2) => How::Binary2,
            _ => return None,
        },
        _ => return None,
    };
    // What a prefix cannot say is a fault of writing, which the specification tells.
    let said = match field.length {
        Length::Var { digits, prefix, .. } => prefix.most(digits),
        _ => usize::MAX,
    };
    let packed = matches!(of(content), Packed::Half);
    Some(Step {
        length,
        content,
        doubled: u8::from(content == Of::Hex),
        halved: u8::from(packed),
        most: u32::try_from(field.length.max().min(said)).ok()?,
    })
}

/// Whether a byte holds two units.
enum Packed {
    Half,
    Whole,
}

fn of(content: Of) -> Packed {
    match content {
        Of::PackedBehindZero | Of::PackedEven | Of::TrackBehindZero => Packed::Half,
        _ => Packed::Whole,
    }
}

impl Dialect {
    /// What is planned for a field.
    #[inline(always)]
    pub(crate) fn step(&self, number: u8) -> Step {
        self.plan().get(usize::from(number & 127)).copied().unwrap_or(UNPLANNED)
    }
}

impl Step {
    /// The bytes that so many units take on the wire.
    #[inline(always)]
    fn wire(self, units: usize) -> usize {
        let halved = usize::from(self.halved);
        (units << (self.doubled & 1)).wrapping_add(halved) >> (halved & 1)
    }

    /// What stands behind the field that `bytes` begin with; `None` for what the specification must look at.
    #[inline(always)]
    pub(crate) fn skip(self, bytes: &[u8]) -> Option<&[u8]> {
        let (units, bytes) = match self.length {
            How::Unplanned => return None,
            How::Fixed => (usize::try_from(self.most).ok()?, bytes),
            How::Ascii2 => {
                let ([a, b], rest) = bytes.split_first_chunk::<2>()?;
                (decimal(*a)?.wrapping_mul(10).wrapping_add(decimal(*b)?), rest)
            }
            How::Ascii3 => {
                let ([a, b, c], rest) = bytes.split_first_chunk::<3>()?;
                let high = decimal(*a)?.wrapping_mul(10).wrapping_add(decimal(*b)?);
                (high.wrapping_mul(10).wrapping_add(decimal(*c)?), rest)
            }
            How::Bcd2 => {
                let ([a], rest) = bytes.split_first_chunk::<1>()?;
                (packed(*a)?, rest)
            }
            How::Bcd4 => {
                let ([a, b], rest) = bytes.split_first_chunk::<2>()?;
                (packed(*a)?.wrapping_mul(100).wrapping_add(packed(*b)?), rest)
            }
            How::Binary1 => {
                let ([a], rest) = bytes.split_first_chunk::<1>()?;
                (usize::from(*a), rest)
            }
            How::Binary2 => {
                let (both, rest) = bytes.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*both)), rest)
            }
        };
        if units > usize::try_from(self.most).ok()? {
            return None;
        }
        let (content, rest) = bytes.split_at_checked(self.wire(units))?;
        self.is_right(content, units).then_some(rest)
    }

    #[inline(always)]
    fn is_right(self, content: &[u8], units: usize) -> bool {
        let even = units.is_multiple_of(2);
        let behind_zero = even || content.first().is_some_and(|first| first >> 4 == 0);
        match self.content {
            Of::N => all_allowed(Content::N, content),
            Of::A => all_allowed(Content::A, content),
            Of::An => all_allowed(Content::An, content),
            Of::Ans => all_allowed(Content::Ans, content),
            Of::Z => all_allowed(Content::Z, content),
            Of::Hex => all_hex(content),
            Of::Raw => true,
            Of::PackedBehindZero => behind_zero && all_packed(content),
            Of::PackedEven => even && all_packed(content),
            Of::TrackBehindZero => behind_zero,
        }
    }

    /// Appends a field that is given as text; `false`, and nothing is appended, for what the specification
    /// must look at.
    #[inline]
    pub(crate) fn push(self, out: &mut Vec<u8>, text: &[u8]) -> bool {
        let in_hex = matches!(self.content, Of::Hex | Of::Raw);
        if in_hex && !text.len().is_multiple_of(2) || text.is_empty() {
            return false;
        }
        let units = text.len() >> u8::from(in_hex);
        let most = usize::try_from(self.most).unwrap_or(0);
        let fits = if self.length == How::Fixed { units == most } else { units <= most };
        if !fits || self.length == How::Unplanned || !self.may_be_given(text) {
            return false;
        }
        reserve_wiping(out, self.wire(units).wrapping_add(3));
        self.push_length(out, units);
        match self.content {
            Of::N | Of::A | Of::An | Of::Ans | Of::Z | Of::Hex => out.extend_from_slice(text),
            Of::Raw => push_unhexed(out, text),
            Of::PackedBehindZero | Of::PackedEven | Of::TrackBehindZero => {
                push_packed_pairs(out, text);
            }
        }
        true
    }

    /// Whether a text is written as it is, or packed without a second thought.
    #[inline(always)]
    fn may_be_given(self, text: &[u8]) -> bool {
        match self.content {
            Of::N | Of::PackedBehindZero => all_allowed(Content::N, text),
            Of::A => all_allowed(Content::A, text),
            Of::An => all_allowed(Content::An, text),
            Of::Ans => all_allowed(Content::Ans, text),
            Of::Z => all_allowed(Content::Z, text),
            Of::TrackBehindZero => all_code_set(text),
            Of::Hex => all_upper_hex(text),
            Of::Raw => all_hex(text),
            Of::PackedEven => text.len().is_multiple_of(2) && all_allowed(Content::N, text),
        }
    }

    #[inline(always)]
    fn push_length(self, out: &mut Vec<u8>, units: usize) {
        let digit = |number: usize| b'0' | low(number % 10);
        let pair = |number: usize| (low(number / 10 % 10) << 4) | low(number % 10);
        match self.length {
            How::Unplanned | How::Fixed => {}
            How::Ascii2 => out.extend_from_slice(&[digit(units / 10), digit(units)]),
            How::Ascii3 => {
                out.extend_from_slice(&[digit(units / 100), digit(units / 10), digit(units)]);
            }
            How::Bcd2 => out.push(pair(units)),
            How::Bcd4 => out.extend_from_slice(&[pair(units / 100), pair(units)]),
            How::Binary1 => out.push(low(units)),
            How::Binary2 => out.extend_from_slice(&[low(units >> 8), low(units)]),
        }
    }
}

/// The lowest byte.
#[inline(always)]
fn low(number: usize) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

/// What an ASCII digit says.
#[inline(always)]
fn decimal(byte: u8) -> Option<usize> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(usize::from(digit))
}

/// What two packed digits say.
#[inline(always)]
fn packed(byte: u8) -> Option<usize> {
    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 0x0F));
    (high <= 9 && low <= 9).then_some(high.wrapping_mul(10).wrapping_add(low))
}
