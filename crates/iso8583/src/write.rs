//! Writes elements: what was given is checked first, then its length, its filling and its content are put
//! behind what is there.

use alloc::vec::Vec;

use zeroize::Zeroize;

use crate::{
    charset,
    digits::{hex_digit, hex_pair, hex_value},
    error::FieldPath,
    field::{CodePage, Content, Counts, Encoding, FieldSpec, Filler, Length, Padding, Prefix},
    pack::PackError,
    parts::PartPath,
};

/// A value as it was given.
#[derive(Clone, Copy)]
pub(crate) enum Given<'v> {
    /// Text: its ASCII characters, or hex digits for content `b`.
    Text(&'v [u8]),
    /// Bytes of content `b`, or the ASCII characters of text.
    Bytes(&'v [u8]),
    /// The content of a composite as it stands on the wire, and its units.
    Wire(&'v [u8], usize),
}

/// Appends a field or a part: its length, if one stands before it, and its content.
///
/// # Errors
/// Why the value cannot be written. What was appended by then is the caller's to take back.
#[inline]
pub(crate) fn push_element(
    out: &mut Vec<u8>,
    spec: &FieldSpec,
    given: Given<'_>,
    field: u8,
    part: &PartPath,
) -> Result<(), PackError> {
    let path = || FieldPath::of(field, part);
    let content = measured(spec, given, path)?;
    let filling = filling(spec, content.units(), path)?;
    check_class(spec, content, path)?;
    let units = content.units().saturating_add(filling);
    let wire = spec.wire_len(units);
    // At most 6 places of length stand before the content.
    reserve_wiping(out, wire.saturating_add(6));
    if let Length::Var { digits, prefix, counts, .. } = spec.length {
        let counted = match (counts, spec.encoding) {
            (Counts::Units, _) | (Counts::Nibbles, Encoding::Bcd(_)) => units,
            (Counts::Bytes, _) => wire,
            (Counts::BytesAndItself, _) => wire.saturating_add(prefix.wire_len(digits)),
            (Counts::Nibbles, _) => wire.saturating_mul(2),
        };
        if counted > prefix.most(digits) {
            let (expected, found) = (spec.length, units);
            return Err(PackError::Length { path: path(), expected, found });
        }
        push_number(out, counted, digits, prefix);
    }
    push_content(out, spec, content, filling, units, path)
}

/// Appends content alone, as it stands behind a tag and its length.
pub(crate) fn push_bare(
    out: &mut Vec<u8>,
    spec: &FieldSpec,
    given: Given<'_>,
    path: FieldPath,
) -> Result<(), PackError> {
    let content = measured(spec, given, || path)?;
    let filling = filling(spec, content.units(), || path)?;
    check_class(spec, content, || path)?;
    let units = content.units().saturating_add(filling);
    push_content(out, spec, content, filling, units, || path)
}

/// A value whose length is known.
#[derive(Clone, Copy)]
enum Measured<'v> {
    /// Characters of text, or bytes of content `b`.
    Bytes(&'v [u8]),
    /// Pairs of hex digits for content `b`.
    Hex(&'v [u8]),
    /// The content as it stands on the wire, and its units.
    Wire(&'v [u8], usize),
}

impl Measured<'_> {
    /// Its length in digits, characters or bytes.
    #[inline]
    fn units(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Hex(digits) => digits.len() >> 1,
            Self::Wire(_, units) => units,
        }
    }
}

#[inline]
fn measured<'v>(
    spec: &FieldSpec,
    given: Given<'v>,
    path: impl Fn() -> FieldPath,
) -> Result<Measured<'v>, PackError> {
    match (given, spec.content) {
        (Given::Wire(bytes, units), _) => Ok(Measured::Wire(bytes, units)),
        (Given::Bytes(bytes), Content::B) => Ok(Measured::Bytes(bytes)),
        (Given::Text(digits), Content::B) => {
            if charset::all_hex(digits) && digits.len().is_multiple_of(2) {
                return Ok(Measured::Hex(digits));
            }
            let wrong = digits.iter().position(|&digit| hex_value(digit).is_none());
            let position = wrong.unwrap_or(digits.len());
            Err(PackError::NotHex { path: path(), position })
        }
        (Given::Text(text) | Given::Bytes(text), _) => Ok(Measured::Bytes(text)),
    }
}

/// Refuses characters that the class of the content does not have.
#[inline]
fn check_class(
    spec: &FieldSpec,
    value: Measured<'_>,
    path: impl Fn() -> FieldPath,
) -> Result<(), PackError> {
    let Measured::Bytes(text) = value else { return Ok(()) };
    if spec.content == Content::B || charset::all_allowed(spec.content, text) {
        return Ok(());
    }
    match spec.first_wrong(text) {
        Some(position) => Err(PackError::Content { path: path(), content: spec.content, position }),
        None => Ok(()),
    }
}

/// How many filling characters a value of this length needs.
#[inline]
fn filling(
    spec: &FieldSpec,
    given: usize,
    path: impl Fn() -> FieldPath,
) -> Result<usize, PackError> {
    let wrong = || PackError::Length { path: path(), expected: spec.length, found: given };
    match spec.length {
        Length::Var { max, .. } | Length::Rest { max } if given > max => Err(wrong()),
        // Filling alone is no value: an amount that is missing must not become zero.
        Length::Fixed(_) if given == 0 => Err(wrong()),
        Length::Var { .. } | Length::Rest { .. } => Ok(0),
        Length::Fixed(length) => match (length.checked_sub(given), spec.padding) {
            (Some(0), _) => Ok(0),
            (Some(missing), Padding::Left(_) | Padding::Right(_)) => Ok(missing),
            (Some(_), Padding::None) | (None, _) => Err(wrong()),
        },
    }
}

#[inline]
fn push_content(
    out: &mut Vec<u8>,
    spec: &FieldSpec,
    content: Measured<'_>,
    filling: usize,
    units: usize,
    path: impl Fn() -> FieldPath,
) -> Result<(), PackError> {
    if filling == 0 && push_as_it_is(out, spec, content) {
        return Ok(());
    }
    let (before, behind, character) = match spec.padding {
        Padding::Left(character) => (filling, 0, character),
        Padding::Right(character) => (0, filling, character),
        Padding::None => (0, 0, 0),
    };
    let before = core::iter::repeat_n(character, before);
    let behind = core::iter::repeat_n(character, behind);
    match (content, spec.encoding) {
        (Measured::Wire(bytes, _), _) => out.extend_from_slice(bytes),
        (Measured::Bytes(bytes), Encoding::Ascii | Encoding::Raw) => {
            out.extend(before);
            out.extend_from_slice(bytes);
            out.extend(behind);
        }
        (Measured::Bytes(bytes), Encoding::Ebcdic(page)) => {
            let text = before.chain(bytes.iter().copied()).chain(behind);
            out.extend(text.map(|character| page.byte(character)));
        }
        (Measured::Bytes(bytes), Encoding::Hex) => push_hex(out, bytes.iter().copied(), |it| it),
        (Measured::Bytes(bytes), Encoding::HexEbcdic) => {
            push_hex(out, bytes.iter().copied(), |digit| CodePage::Cp037.byte(digit));
        }
        (Measured::Bytes(bytes), Encoding::Bcd(filler)) if spec.content == Content::Xn => {
            let (letter, digits) = bytes.split_at_checked(1).unwrap_or_default();
            out.extend_from_slice(letter);
            push_packed(out, digits.iter().copied(), digits.len(), filler);
        }
        (Measured::Bytes(bytes), Encoding::Bcd(filler)) => {
            let digits = before.chain(bytes.iter().copied()).chain(behind);
            push_packed(out, digits, units, filler);
        }
        (Measured::Bytes(bytes), Encoding::Binary(size)) => {
            let digits = before.chain(bytes.iter().copied()).chain(behind);
            return push_binary(out, digits, size, path);
        }
        (Measured::Hex(digits), Encoding::Hex) => {
            let start = out.len();
            out.extend_from_slice(digits);
            out.get_mut(start..).unwrap_or_default().make_ascii_uppercase();
        }
        (Measured::Hex(digits), Encoding::HexEbcdic) => {
            let upper = digits.iter().map(u8::to_ascii_uppercase);
            out.extend(upper.map(|digit| CodePage::Cp037.byte(digit)));
        }
        (Measured::Hex(digits), _) => {
            let (pairs, _) = digits.as_chunks::<2>();
            out.extend(pairs.iter().map(|&[high, low]| hex_pair(high, low)));
        }
    }
    Ok(())
}

/// Writes what needs no filling in the two ways that most fields are written; `false` for the others.
#[inline]
fn push_as_it_is(out: &mut Vec<u8>, spec: &FieldSpec, content: Measured<'_>) -> bool {
    let Measured::Bytes(bytes) = content else { return false };
    match spec.encoding {
        Encoding::Ascii | Encoding::Raw => out.extend_from_slice(bytes),
        Encoding::Bcd(filler) if spec.content != Content::Xn => push_digits(out, bytes, filler),
        _ => return false,
    }
    true
}

/// Writes decimal digits as a big-endian number of so many bytes.
fn push_binary(
    out: &mut Vec<u8>,
    digits: impl Iterator<Item = u8>,
    bytes: u8,
    path: impl Fn() -> FieldPath,
) -> Result<(), PackError> {
    let number = digits.fold(0_u128, |number, digit| {
        number.saturating_mul(10).saturating_add(u128::from(digit & 0x0F))
    });
    let room = number.to_be_bytes();
    let above = room.len().saturating_sub(usize::from(bytes));
    let (above, number) = room.split_at_checked(above).unwrap_or_default();
    if above.iter().any(|&byte| byte != 0) {
        return Err(PackError::Number { path: path(), bytes });
    }
    out.extend_from_slice(number);
    Ok(())
}

/// Writes a number as a length is written; the caller has made sure that it has room.
#[inline]
pub(crate) fn push_number(out: &mut Vec<u8>, number: usize, digits: u8, prefix: Prefix) {
    let places = (0..u32::from(digits)).rev();
    let digit = |place: u32| {
        let rest = number.checked_div(10_usize.saturating_pow(place)).unwrap_or(0) % 10;
        b'0'.saturating_add(u8::try_from(rest).unwrap_or(0))
    };
    let byte = |number: usize| u8::try_from(number & 0xFF).unwrap_or(0);
    match prefix {
        Prefix::Ascii if digits == 2 => {
            let tens = number.checked_div(10).unwrap_or(0);
            let ones = number.saturating_sub(tens.saturating_mul(10));
            out.extend_from_slice(&[b'0' | byte(tens), b'0' | byte(ones)]);
        }
        Prefix::Ascii => out.extend(places.map(digit)),
        Prefix::Ebcdic => out.extend(places.map(|place| digit(place) | 0xF0)),
        Prefix::Bcd => {
            push_packed(out, places.map(digit), usize::from(digits), Filler::LeadingZero);
        }
        Prefix::Hex => {
            out.extend(places.map(|place| {
                hex_digit(byte(number.checked_shr(place.saturating_mul(4)).unwrap_or(0)))
            }));
        }
        Prefix::Binary => out.extend(
            places.map(|place| byte(number.checked_shr(place.saturating_mul(8)).unwrap_or(0))),
        ),
        Prefix::Ber => {
            let bytes = number.to_be_bytes();
            let skipped = bytes.iter().take_while(|&&byte| byte == 0).count();
            let number = bytes.get(skipped..).unwrap_or_default();
            match number {
                [] => out.push(0),
                [short @ 0..=0x7F] => out.push(*short),
                long => {
                    out.push(0x80 | byte(long.len()));
                    out.extend_from_slice(long);
                }
            }
        }
    }
}

/// The half byte of an ASCII digit, and of the track code set; the letter `D` stands for the separator.
#[inline]
fn half(digit: u8) -> u8 {
    if digit == b'D' { 0x0D } else { digit & 0x0F }
}

/// Packs digits that are there already, and fills up an odd number of them.
#[inline]
fn push_digits(out: &mut Vec<u8>, digits: &[u8], filler: Filler) {
    let odd = digits.len() % 2 == 1;
    let (first, pairs) = match digits.split_first() {
        Some((first, pairs)) if odd && filler == Filler::LeadingZero => (Some(first), pairs),
        _ => (None, digits),
    };
    out.extend(first.map(|&digit| half(digit)));
    let (pairs, last) = pairs.as_chunks::<2>();
    out.extend(pairs.iter().map(|&[high, low]| (half(high) << 4) | half(low)));
    out.extend(last.first().map(|&digit| (half(digit) << 4) | filler.half()));
}

/// Packs half bytes, two a byte, and fills up an odd number of them.
pub(crate) fn push_packed(
    out: &mut Vec<u8>,
    digits: impl Iterator<Item = u8>,
    count: usize,
    filler: Filler,
) {
    let odd = count % 2 == 1;
    let leading = (odd && filler == Filler::LeadingZero).then_some(0);
    let trailing = (odd && filler != Filler::LeadingZero).then(|| filler.half());
    let mut halves = leading.into_iter().chain(digits.map(half)).chain(trailing);
    while let (Some(high), Some(low)) = (halves.next(), halves.next()) {
        out.push((high << 4) | low);
    }
}

/// Writes bytes as hex digits in a character set.
pub(crate) fn push_hex(
    out: &mut Vec<u8>,
    bytes: impl Iterator<Item = u8>,
    character: impl Fn(u8) -> u8,
) {
    out.extend(bytes.flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte)]).map(character));
}

/// Makes room for `more` bytes; when that means moving, the old place is wiped.
#[inline]
pub(crate) fn reserve_wiping(buffer: &mut Vec<u8>, more: usize) {
    let wanted = buffer.len().saturating_add(more);
    if wanted > buffer.capacity() {
        let mut bigger = Vec::with_capacity(wanted.max(buffer.capacity().saturating_mul(2)));
        bigger.extend_from_slice(buffer);
        buffer.zeroize();
        *buffer = bigger;
    }
}
