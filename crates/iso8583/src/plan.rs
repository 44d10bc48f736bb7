//! What most fields come to, in a few bytes each. A dialect is put into such steps when it is built, so that
//! reading and writing need not look at all that a specification can say.
//!
//! A step says nothing that the specification does not say: it takes what is plainly right, and leaves
//! everything else to the specification, which tells the fault, or takes it all the same (filling among the
//! characters, half bytes that fill up). Fields with parts, and those that are others in some messages, have
//! no step.

use crate::{
    charset::{all_allowed, all_code_set, all_hex, all_packed, all_upper_hex},
    dialect::{Dialect, DialectSpec},
    digits::{pack_into, unhex_into},
    field::{Content, Counts, Encoding, FieldSpec, Filler, Length, Prefix},
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
    /// The least length in units that is given, and the greatest.
    least: u32,
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
    Step { length: How::Unplanned, content: Of::Raw, doubled: 0, halved: 0, least: 1, most: 0 };

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
    let most = u32::try_from(field.length.max().min(said)).ok()?;
    Some(Step {
        length,
        content,
        doubled: u8::from(content == Of::Hex),
        halved: u8::from(packed),
        least: if length == How::Fixed { most } else { 1 },
        most,
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

    /// Writes a field that is given as text to the beginning of `room`, which has [`LENGTH_MOST`] bytes more than
    /// the text; how many bytes that took. `None` for what the specification must look at.
    #[inline]
    pub(crate) fn put(self, room: &mut [u8], text: &[u8]) -> Option<usize> {
        let in_hex = matches!(self.content, Of::Hex | Of::Raw);
        if in_hex && !text.len().is_multiple_of(2) {
            return None;
        }
        let units = text.len() >> u8::from(in_hex);
        let most = usize::try_from(self.most).ok()?;
        let least = usize::try_from(self.least).ok()?;
        if !(least..=most).contains(&units) || !self.may_be_given(text) {
            return None;
        }
        let prefix = self.put_length(room, units)?;
        let wire = self.wire(units);
        let end = prefix.wrapping_add(wire);
        let content = room.get_mut(prefix..end)?;
        match self.content {
            Of::N | Of::A | Of::An | Of::Ans | Of::Z | Of::Hex => copy(content, text),
            Of::Raw => unhex_into(content, text),
            Of::PackedBehindZero | Of::PackedEven | Of::TrackBehindZero => pack_into(content, text),
        }
        Some(end)
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

    /// Writes the length that stands before so many units; how many bytes that took.
    #[inline(always)]
    fn put_length(self, room: &mut [u8], units: usize) -> Option<usize> {
        let digit = |number: usize| b'0' | low(number % 10);
        let pair = |number: usize| (low(number / 10 % 10) << 4) | low(number % 10);
        match self.length {
            How::Unplanned | How::Fixed => Some(0),
            How::Ascii2 => set(room, [digit(units / 10), digit(units)]),
            How::Ascii3 => set(room, [digit(units / 100), digit(units / 10), digit(units)]),
            How::Bcd2 => set(room, [pair(units)]),
            How::Bcd4 => set(room, [pair(units / 100), pair(units)]),
            How::Binary1 => set(room, [low(units)]),
            How::Binary2 => set(room, [low(units >> 8), low(units)]),
        }
    }
}

/// The most bytes of a length that is planned.
pub(crate) const LENGTH_MOST: usize = 3;

#[inline(always)]
fn set<const N: usize>(room: &mut [u8], bytes: [u8; N]) -> Option<usize> {
    *room.first_chunk_mut::<N>()? = bytes;
    Some(N)
}

/// Copies as many bytes as there are; few of them without a call.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    if let (8..=16, Some(first), Some(last)) =
        (from.len(), from.first_chunk::<8>(), from.last_chunk::<8>())
    {
        to.first_chunk_mut::<8>().into_iter().for_each(|to| *to = *first);
        to.last_chunk_mut::<8>().into_iter().for_each(|to| *to = *last);
    } else if let (4..=8, Some(first), Some(last)) =
        (from.len(), from.first_chunk::<4>(), from.last_chunk::<4>())
    {
        to.first_chunk_mut::<4>().into_iter().for_each(|to| *to = *first);
        to.last_chunk_mut::<4>().into_iter().for_each(|to| *to = *last);
    } else if from.len() < 4 {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    } else if to.len() == from.len() {
        to.copy_from_slice(from);
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

#[cfg(test)]
impl Dialect {
    /// The same dialect with nothing planned: all is read and written as it is specified.
    pub(crate) fn without_plan(&self) -> Self {
        let mut same = self.clone();
        *same.plan_mut() = [UNPLANNED; 128];
        same
    }
}
