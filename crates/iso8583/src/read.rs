//! Reads the elements of a body one after the other: type, bitmaps, lengths, content. Takes bytes only
//! through a cursor that knows its offset, so every fault carries its place.

use core::ops::Range;

use nom::{Parser, bytes::complete::take};

use crate::{
    bitmap::Bitmap,
    charset,
    dialect::{BitmapEncoding, Dialect, Holding, MtiEncoding},
    digits::{halves, hex_value},
    error::{Expected, FieldPath, Found, MtiFault, ParseError},
    field::{CodePage, Content, Counts, Encoding, FieldSpec, Filler, Length, Prefix},
    mti::Mti,
    parts::PartPath,
    value,
    walk::{Composite, walk},
};

/// Where the content of one field lies. Its length begins where the field before it ends.
#[derive(Clone, Copy, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
    /// The length in digits, characters or bytes.
    units: u32,
}

impl Span {
    pub(crate) fn range(self) -> Range<usize> {
        self.start()..self.end()
    }

    pub(crate) fn start(self) -> usize {
        usize::try_from(self.start).unwrap_or(usize::MAX)
    }

    pub(crate) fn end(self) -> usize {
        usize::try_from(self.end).unwrap_or(usize::MAX)
    }

    pub(crate) fn units(self) -> usize {
        usize::try_from(self.units).unwrap_or(usize::MAX)
    }
}

/// The longest body that is read, in bytes. No frame carries a longer one.
const BODY_MOST: usize = u32::MAX as usize;

/// What was read of a body so far: all of it, or what stood before the fault.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) mti: Option<Mti>,
    pub(crate) bitmap: Bitmap,
    /// Where the bitmaps lie; empty when they could not be read.
    pub(crate) bitmaps: Range<usize>,
    pub(crate) holding: Holding,
    /// One for each bit of the bitmap, in order.
    spans: [Span; 128],
    /// How many of them were read; the parts of the last one may have a fault.
    count: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            mti: None,
            bitmap: Bitmap::default(),
            bitmaps: 0..0,
            holding: Holding::default(),
            spans: [Span::default(); 128],
            count: 0,
        }
    }
}

impl Reading {
    /// The fields that were read, in order: number, where its length begins, and its content.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (u8, usize, Span)> {
        let spans = self.spans.get(..self.count).unwrap_or_default();
        let ends = core::iter::once(self.bitmaps.end).chain(spans.iter().map(|span| span.end()));
        let fields = self.bitmap.fields().zip(ends).zip(spans);
        fields.map(|((number, prefix), span)| (number, prefix, *span))
    }

    /// Where a field lies: where its length begins, and its content.
    #[inline]
    pub(crate) fn field(&self, number: u8) -> Option<(usize, Span)> {
        if number < 2 || !self.bitmap.contains(number) {
            return None;
        }
        let place = self.bitmap.fields_before(number);
        let spans = self.spans.get(..self.count)?;
        let before = place.checked_sub(1).and_then(|place| spans.get(place));
        let prefix = before.map_or(self.bitmaps.end, |before| before.end());
        spans.get(place).map(|span| (prefix, *span))
    }
}

/// Reads a body and leaves in `reading` what was read, also when the rest has a fault.
pub(crate) fn read(
    dialect: &Dialect,
    body: &[u8],
    reading: &mut Reading,
) -> Result<Mti, ParseError> {
    let mut cursor = Cursor::new(body.get(..BODY_MOST).unwrap_or(body), 0);
    let mti = read_mti(&mut cursor, dialect.mti_encoding())?;
    reading.mti = Some(mti);
    let start = cursor.offset();
    let bitmap = read_bitmaps(&mut cursor, dialect.bitmap_encoding())?;
    (reading.bitmap, reading.bitmaps) = (bitmap, start..cursor.offset());
    let late = dialect.looks_at_processing_code();
    reading.holding = dialect.holding(mti);
    for (number, slot) in bitmap.fields().zip(&mut reading.spans) {
        let spec = dialect.field_in(reading.holding, number).ok_or_else(|| {
            cursor.error(FieldPath::Field(number), Found::Bit, Expected::DefinedField)
        })?;
        *slot = read_element(&mut cursor, spec, number, &PartPath::FIELD)?;
        reading.count = reading.count.saturating_add(1);
        if let Some(parts) = &spec.parts {
            let (content, start) = (cursor.of_body(slot.range()), slot.start());
            let composite = Composite { spec, parts, content, start, units: slot.units() };
            walk(composite, number, &PartPath::FIELD, &mut |_| ())?;
        }
        if late && number == 3 {
            let content = body.get(slot.range()).unwrap_or_default();
            let code = value::text(spec, content, slot.units());
            let code = code.as_deref().unwrap_or_default().as_bytes();
            reading.holding = dialect.holding_with(mti, code);
        }
    }
    match cursor.left() {
        0 => Ok(mti),
        left => Err(cursor.error(FieldPath::End, Found::More { left }, Expected::End)),
    }
}

/// The part of the body that is still to be read.
pub(crate) struct Cursor<'a> {
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads a body, which ends where the reading must end, from an offset on.
    pub(crate) fn new(body: &'a [u8], offset: usize) -> Self {
        Self { body, rest: body.get(offset..).unwrap_or_default() }
    }

    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.body.len().saturating_sub(self.rest.len())
    }

    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// A range of the body that was read from.
    pub(crate) fn of_body(&self, range: Range<usize>) -> &'a [u8] {
        self.body.get(range).unwrap_or_default()
    }

    /// The bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[cold]
    pub(crate) fn error(&self, path: FieldPath, found: Found, expected: Expected) -> ParseError {
        ParseError { path, offset: self.offset(), found, expected }
    }

    /// Takes so many bytes; `None` when fewer are left, which then stay.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken: nom::IResult<_, _, ()> = take(count).parse(self.rest);
        let (rest, taken) = taken.ok()?;
        self.rest = rest;
        Some(taken)
    }

    /// The fault that too few bytes are left.
    #[cold]
    pub(crate) fn short(&self, path: FieldPath, expected: Expected) -> ParseError {
        self.error(path, Found::Short { left: self.left() }, expected)
    }
}

fn read_mti(cursor: &mut Cursor<'_>, encoding: MtiEncoding) -> Result<Mti, ParseError> {
    let path = FieldPath::Mti;
    let offset = cursor.offset();
    let wrong = |position, value| {
        let found = Found::Byte { value, position };
        ParseError { path, offset, found, expected: Expected::Mti }
    };
    let bytes = cursor.take(encoding.wire_len());
    let bytes = bytes.ok_or_else(|| cursor.short(path, Expected::Mti))?;
    let mut digits = [0_u8; 4];
    match encoding {
        MtiEncoding::Ascii => digits.copy_from_slice(bytes),
        MtiEncoding::Ebcdic => {
            for (digit, &byte) in digits.iter_mut().zip(bytes) {
                *digit = CodePage::Cp037.ascii(byte);
            }
        }
        MtiEncoding::Bcd => {
            if let Some((position, byte)) = wrong_packed(bytes) {
                return Err(wrong(position, byte));
            }
            for (digit, half) in digits.iter_mut().zip(halves(bytes)) {
                *digit = b'0' | half;
            }
        }
    }
    Mti::from_digits(digits).map_err(|MtiFault { position, .. }| {
        wrong(position, bytes.get(position).copied().unwrap_or(0))
    })
}

fn read_bitmaps(cursor: &mut Cursor<'_>, encoding: BitmapEncoding) -> Result<Bitmap, ParseError> {
    let primary = read_bitmap(cursor, FieldPath::Bitmap, encoding)?;
    let secondary = if primary >> 63 == 1 {
        read_bitmap(cursor, FieldPath::SecondaryBitmap, encoding)?
    } else {
        0
    };
    Ok(Bitmap::new(primary, secondary))
}

/// Reads 64 bits.
pub(crate) fn read_bitmap(
    cursor: &mut Cursor<'_>,
    path: FieldPath,
    encoding: BitmapEncoding,
) -> Result<u64, ParseError> {
    let expected = match encoding {
        BitmapEncoding::Binary => Expected::BitmapBinary,
        BitmapEncoding::Hex => Expected::BitmapHex,
        BitmapEncoding::HexEbcdic => Expected::BitmapHexEbcdic,
    };
    let offset = cursor.offset();
    let bytes = cursor.take(encoding.wire_len());
    let bytes = bytes.ok_or_else(|| cursor.short(path, expected))?;
    if encoding == BitmapEncoding::Binary {
        let bytes = <[u8; 8]>::try_from(bytes).unwrap_or_default();
        return Ok(u64::from_be_bytes(bytes));
    }
    let mut bits = 0_u64;
    for (position, &value) in bytes.iter().enumerate() {
        let digit = match encoding {
            BitmapEncoding::HexEbcdic => CodePage::Cp037.ascii(value),
            _ => value,
        };
        let Some(half) = hex_value(digit) else {
            let found = Found::Byte { value, position };
            return Err(ParseError { path, offset, found, expected });
        };
        bits = (bits << 4) | u64::from(half);
    }
    Ok(bits)
}

/// Reads a field or a part: its length, if one stands before it, its content, and the parts of that.
#[inline]
pub(crate) fn read_element(
    cursor: &mut Cursor<'_>,
    spec: &FieldSpec,
    field: u8,
    part: &PartPath,
) -> Result<Span, ParseError> {
    let (units, wire) = match spec.length {
        Length::Fixed(units) => (units, spec.wire_len(units)),
        Length::Var { digits, max, prefix, counts } => {
            let form = LengthForm { digits, max, prefix, counts };
            read_length(cursor, spec, form, || FieldPath::of(field, part))?
        }
        Length::Rest { max } => {
            let wire = cursor.left();
            let units = measured(spec, Counts::Bytes, wire).map(|(units, _)| units);
            match units {
                Some(units) if units <= max => (units, wire),
                _ => return Err(rest_fault(cursor, FieldPath::of(field, part), units, max)),
            }
        }
    };
    let start = cursor.offset();
    let Some(bytes) = cursor.take(wire) else {
        return Err(cursor.short(FieldPath::of(field, part), content_of(spec, units)));
    };
    let units = match (spec.length, spec.encoding) {
        (Length::Fixed(_), _) => units,
        // Of bytes that were counted, an `F` is no digit.
        (_, Encoding::Bcd(Filler::TrailingF)) if units == wire.saturating_mul(2) => {
            units_of(spec, bytes).unwrap_or(units)
        }
        _ => units,
    };
    read_content(spec, bytes, start, units, field, part)
}

/// Checks content that was cut out.
#[inline]
pub(crate) fn read_content(
    spec: &FieldSpec,
    bytes: &[u8],
    start: usize,
    units: usize,
    field: u8,
    part: &PartPath,
) -> Result<Span, ParseError> {
    if !is_right(spec, bytes, units) {
        return Err(content_fault(spec, bytes, start, units, FieldPath::of(field, part)));
    }
    let end = start.saturating_add(bytes.len());
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Span { start: narrow(start), end: narrow(end), units: narrow(units) })
}

/// The units of content whose bytes alone were counted: those of a fixed length if they take as many bytes,
/// and a digit less where an `F` fills the last byte up. `None` for half a byte too many.
pub(crate) fn units_of(spec: &FieldSpec, bytes: &[u8]) -> Option<usize> {
    if let Length::Fixed(units) = spec.length
        && spec.wire_len(units) == bytes.len()
    {
        return Some(units);
    }
    let (units, _) = measured(spec, Counts::Bytes, bytes.len())?;
    let filled = spec.encoding == Encoding::Bcd(Filler::TrailingF)
        && bytes.last().is_some_and(|last| last & 0x0F == 0x0F);
    Some(units.saturating_sub(usize::from(filled)))
}

fn content_of(spec: &FieldSpec, units: usize) -> Expected {
    Expected::Content { content: spec.content, encoding: spec.encoding, units }
}

/// How the length before an element is written.
#[derive(Clone, Copy)]
pub(crate) struct LengthForm {
    pub(crate) digits: u8,
    pub(crate) max: usize,
    pub(crate) prefix: Prefix,
    pub(crate) counts: Counts,
}

/// Reads the length before an element: its units, and its bytes on the wire.
#[inline]
fn read_length(
    cursor: &mut Cursor<'_>,
    spec: &FieldSpec,
    form: LengthForm,
    path: impl Fn() -> FieldPath,
) -> Result<(usize, usize), ParseError> {
    let offset = cursor.offset();
    let fault = |found, expected| ParseError { path: path(), offset, found, expected };
    let mut counted = read_number(cursor, form.digits, form.prefix, &path)?;
    if form.counts == Counts::BytesAndItself {
        let own = cursor.offset().saturating_sub(offset);
        counted = counted
            .checked_sub(own)
            .ok_or_else(|| fault(Found::Length(counted), Expected::LengthAtLeast(own)))?;
    }
    let Some((units, wire)) = measured(spec, form.counts, counted) else {
        return Err(fault(Found::Length(counted), Expected::LengthEven));
    };
    if units > form.max {
        return Err(fault(Found::Length(units), Expected::LengthAtMost(form.max)));
    }
    Ok((units, wire))
}

/// The units and the bytes on the wire of content whose length counts so much; `None` when it counts half
/// a byte too many.
#[inline]
fn measured(spec: &FieldSpec, counts: Counts, counted: usize) -> Option<(usize, usize)> {
    let of_bytes = |bytes: usize| match spec.encoding {
        Encoding::Hex | Encoding::HexEbcdic => {
            bytes.is_multiple_of(2).then_some((bytes >> 1, bytes))
        }
        Encoding::Bcd(_) => Some((bytes.saturating_mul(2), bytes)),
        _ => Some((bytes, bytes)),
    };
    match (counts, spec.encoding) {
        (Counts::Units, _) | (Counts::Nibbles, Encoding::Bcd(_)) => {
            Some((counted, spec.wire_len(counted)))
        }
        (Counts::Bytes | Counts::BytesAndItself, _) => of_bytes(counted),
        (Counts::Nibbles, _) => counted.is_multiple_of(2).then(|| of_bytes(counted >> 1))?,
    }
}

/// Reads the number that a length is written as.
#[inline]
pub(crate) fn read_number(
    cursor: &mut Cursor<'_>,
    digits: u8,
    prefix: Prefix,
    path: impl Fn() -> FieldPath,
) -> Result<usize, ParseError> {
    if prefix == Prefix::Ber {
        return read_ber_length(cursor, path);
    }
    let offset = cursor.offset();
    let expected = Expected::Length(digits, prefix);
    let bytes = cursor.take(prefix.wire_len(digits));
    let bytes = bytes.ok_or_else(|| cursor.short(path(), expected))?;
    let mut number = 0_usize;
    for (position, &value) in bytes.iter().enumerate() {
        let next = match prefix {
            Prefix::Ascii if value.is_ascii_digit() => (10, value & 0x0F),
            Prefix::Ebcdic if (0xF0..=0xF9).contains(&value) => (10, value & 0x0F),
            Prefix::Bcd if value >> 4 <= 9 && value & 0x0F <= 9 => {
                (100, (value >> 4).saturating_mul(10).saturating_add(value & 0x0F))
            }
            Prefix::Hex if let Some(half) = hex_value(value) => (16, half),
            Prefix::Binary => (256, value),
            _ => {
                let found = Found::Byte { value, position };
                return Err(ParseError { path: path(), offset, found, expected });
            }
        };
        number = number.saturating_mul(next.0).saturating_add(usize::from(next.1));
    }
    Ok(number)
}

/// ISO/IEC 8825-1, 8.1.3, definite forms alone.
fn read_ber_length(
    cursor: &mut Cursor<'_>,
    path: impl Fn() -> FieldPath,
) -> Result<usize, ParseError> {
    let offset = cursor.offset();
    let expected = Expected::Length(1, Prefix::Ber);
    let first = cursor.take(1).and_then(|bytes| bytes.first().copied());
    let first = first.ok_or_else(|| cursor.short(path(), expected))?;
    match first {
        0..=0x7F => Ok(usize::from(first)),
        0x81..=0x84 => {
            let bytes = cursor.take(usize::from(first & 0x7F));
            let bytes = bytes.ok_or_else(|| cursor.short(path(), expected))?;
            Ok(bytes.iter().fold(0, |number, &byte| (number << 8) | usize::from(byte)))
        }
        value => {
            let found = Found::Byte { value, position: 0 };
            Err(ParseError { path: path(), offset, found, expected })
        }
    }
}

/// Whether content is what its class and its encoding allow.
#[inline]
fn is_right(spec: &FieldSpec, bytes: &[u8], units: usize) -> bool {
    match spec.encoding {
        Encoding::Raw => true,
        Encoding::Ascii => spec.first_wrong(bytes).is_none(),
        Encoding::Bcd(_) if units.is_multiple_of(2) && spec.content == Content::N => {
            charset::all_packed(bytes)
        }
        _ => wrong_content(spec, bytes, units).is_none(),
    }
}

#[cold]
fn content_fault(
    spec: &FieldSpec,
    bytes: &[u8],
    offset: usize,
    units: usize,
    path: FieldPath,
) -> ParseError {
    let (position, filler) = wrong_content(spec, bytes, units).unwrap_or_default();
    let expected = filler.map_or(content_of(spec, units), Expected::Filler);
    let found = match bytes.get(position) {
        Some(&value) if spec.is_clear() => Found::Byte { value, position },
        _ => Found::Hidden { position },
    };
    ParseError { path, offset, found, expected }
}

#[cold]
fn rest_fault(
    cursor: &Cursor<'_>,
    path: FieldPath,
    units: Option<usize>,
    max: usize,
) -> ParseError {
    match units {
        Some(units) => cursor.error(path, Found::Length(units), Expected::LengthAtMost(max)),
        None => cursor.error(path, Found::Length(cursor.left()), Expected::LengthEven),
    }
}

/// The place of the first byte that the content class or the encoding does not allow; with the half byte
/// that should fill it up, if it is that one.
fn wrong_content(spec: &FieldSpec, bytes: &[u8], units: usize) -> Option<(usize, Option<u8>)> {
    let place = match spec.encoding {
        Encoding::Raw => None,
        Encoding::Ascii => spec.first_wrong(bytes),
        Encoding::Ebcdic(page) => wrong_ebcdic(spec, bytes, page),
        Encoding::Hex => bytes.iter().position(|&byte| hex_value(byte).is_none()),
        Encoding::HexEbcdic => {
            bytes.iter().position(|&byte| hex_value(CodePage::Cp037.ascii(byte)).is_none())
        }
        Encoding::Binary(_) => {
            let number = value::number(bytes);
            let most = 10_u64.saturating_pow(u32::try_from(units).unwrap_or(u32::MAX));
            (most < u64::MAX && number >= most).then_some(0)
        }
        Encoding::Bcd(filler) => return wrong_bcd(spec, bytes, units, filler),
    };
    place.map(|place| (place, None))
}

fn wrong_bcd(
    spec: &FieldSpec,
    bytes: &[u8],
    units: usize,
    filler: Filler,
) -> Option<(usize, Option<u8>)> {
    if spec.content == Content::Xn {
        let letter = bytes.first().is_none_or(|&byte| !Content::Xn.allows(0, byte));
        let digits = bytes.get(1..).unwrap_or_default();
        let wrong = || wrong_halves(Content::N, digits, units.saturating_sub(1), filler);
        let behind = |(place, half): (usize, _)| (place.saturating_add(1), half);
        return if letter { Some((0, None)) } else { wrong().map(behind) };
    }
    wrong_halves(spec.content, bytes, units, filler)
}

fn wrong_halves(
    content: Content,
    bytes: &[u8],
    units: usize,
    filler: Filler,
) -> Option<(usize, Option<u8>)> {
    let odd = units % 2 == 1;
    if odd {
        let half = match filler {
            Filler::LeadingZero => bytes.first().map(|byte| byte >> 4),
            _ => bytes.last().map(|byte| byte & 0x0F),
        };
        if half != Some(filler.half()) {
            let last = bytes.len().saturating_sub(1);
            let place = if filler == Filler::LeadingZero { 0 } else { last };
            return Some((place, Some(filler.half())));
        }
    }
    let skipped = usize::from(odd && filler == Filler::LeadingZero);
    let mut digits = halves(bytes).skip(skipped).take(units);
    let place = match content {
        Content::N => digits.position(|half| half > 9)?,
        _ => return None,
    };
    Some((place.saturating_add(skipped) >> 1, None))
}

/// As [`FieldSpec::first_wrong`], of EBCDIC: filling at either end, and between the class of the content.
fn wrong_ebcdic(spec: &FieldSpec, bytes: &[u8], page: CodePage) -> Option<usize> {
    use crate::field::Padding::{Left, Right};
    let at = |place: usize| bytes.get(place).map_or(0, |&byte| page.ascii(byte));
    let filled = |filling| bytes.iter().take_while(move |&&byte| page.ascii(byte) == filling);
    let before = if let Left(filling) = spec.padding { filled(filling).count() } else { 0 };
    let mut end = bytes.len();
    if let Right(filling) = spec.padding {
        while end > before && at(end.saturating_sub(1)) == filling {
            end = end.saturating_sub(1);
        }
    }
    (before..end).find(|&place| {
        let place_in_value = place.saturating_sub(before);
        at(place) == 0 || !spec.content.allows(place_in_value, at(place))
    })
}

fn wrong_packed(bytes: &[u8]) -> Option<(usize, u8)> {
    bytes.iter().copied().enumerate().find(|(_, byte)| byte >> 4 > 9 || byte & 0x0F > 9)
}
