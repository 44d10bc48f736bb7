//! Reads the elements of a body one after the other: type, bitmaps, lengths, content. Takes bytes only
//! through a cursor that knows its offset, so every fault carries its place.

use core::ops::Range;

use crate::{
    bitmap::Bitmap,
    content::{content_fault, content_of, is_right},
    cursor::Cursor,
    dialect::{Dialect, Holding},
    error::{Expected, FieldPath, Found, ParseError},
    field::{Counts, Encoding, FieldSpec, Filler, Length},
    head::{read_bitmaps, read_mti},
    length::{LengthForm, measured, read_length},
    mti::Mti,
    parts::PartPath,
    value,
    walk::{Composite, walk},
};

/// Where the content of one field or part lies.
#[derive(Clone, Copy, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
    /// The length in digits, characters or bytes.
    units: u32,
}

impl Span {
    fn new(start: usize, bytes: usize, units: usize) -> Self {
        let end = narrow(start.saturating_add(bytes));
        Self { start: narrow(start), end, units: narrow(units) }
    }

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
    /// Where the fields end, one for each bit of the bitmap, in order. Each begins where the one before it ends.
    ends: [u32; 128],
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
            ends: [0; 128],
            count: 0,
        }
    }
}

impl Reading {
    /// The fields that were read, in order: number, where its length begins, and where its content ends.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (u8, Range<usize>)> {
        let ends = self.ends.get(..self.count).unwrap_or_default();
        let starts = core::iter::once(self.bitmaps.end).chain(ends.iter().map(|&end| wide(end)));
        let fields = self.bitmap.fields().zip(starts).zip(ends);
        fields.map(|((number, start), &end)| (number, start..wide(end)))
    }

    /// Where a field lies with the length before it.
    #[inline]
    pub(crate) fn field(&self, number: u8) -> Option<Range<usize>> {
        if number < 2 || !self.bitmap.contains(number) {
            return None;
        }
        let place = self.bitmap.fields_before(number);
        let ends = self.ends.get(..self.count)?;
        let before = place.checked_sub(1).and_then(|place| ends.get(place));
        let start = before.map_or(self.bitmaps.end, |&before| wide(before));
        ends.get(place).map(|&end| start..wide(end))
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Reads a body and leaves in `reading` what was read, also when the rest has a fault.
pub(crate) fn read(
    dialect: &Dialect,
    body: &[u8],
    reading: &mut Reading,
) -> Result<Mti, ParseError> {
    let body = body.get(..BODY_MOST).unwrap_or(body);
    let mut cursor = Cursor::new(body, 0);
    let mti = read_mti(&mut cursor, dialect.mti_encoding())?;
    reading.mti = Some(mti);
    let start = cursor.offset();
    let bitmap = read_bitmaps(&mut cursor, dialect.bitmap_encoding())?;
    (reading.bitmap, reading.bitmaps) = (bitmap, start..cursor.offset());
    reading.holding = dialect.holding(mti);
    let mut rest = cursor.rest();
    for (place, number) in bitmap.fields().enumerate() {
        if let Some(behind) = dialect.step(number).skip(rest) {
            if let Some(end) = reading.ends.get_mut(place) {
                *end = narrow(body.len().wrapping_sub(behind.len()));
            }
            reading.count = place.wrapping_add(1);
            rest = behind;
        } else {
            let at = body.len().saturating_sub(rest.len());
            let end = read_as_specified(dialect, mti, Cursor::new(body, at), number, reading)?;
            rest = body.get(end..).unwrap_or_default();
        }
    }
    match rest.len() {
        0 => Ok(mti),
        left => {
            let cursor = Cursor::new(body, body.len().saturating_sub(left));
            Err(cursor.error(FieldPath::End, Found::More { left }, Expected::End))
        }
    }
}

/// Reads a field for which nothing is planned, or whose step found something in it; returns where it ends.
#[inline(never)]
fn read_as_specified(
    dialect: &Dialect,
    mti: Mti,
    mut cursor: Cursor<'_>,
    number: u8,
    reading: &mut Reading,
) -> Result<usize, ParseError> {
    let spec = dialect.field_in(reading.holding, number).ok_or_else(|| {
        cursor.error(FieldPath::Field(number), Found::Bit, Expected::DefinedField)
    })?;
    let span = read_field(&mut cursor, spec, number, &PartPath::FIELD)?;
    if let Some(end) = reading.ends.get_mut(reading.count) {
        *end = narrow(span.end());
    }
    reading.count = reading.count.saturating_add(1);
    let content = cursor.of_body(span.range());
    if let Some(parts) = &spec.parts {
        let composite =
            Composite { spec, parts, content, start: span.start(), units: span.units() };
        walk(composite, number, &PartPath::FIELD, &mut |_| ())?;
    }
    if number == 3 && dialect.looks_at_processing_code() {
        let code = value::text(spec, content, span.units());
        let code = code.as_deref().unwrap_or_default().as_bytes();
        reading.holding = dialect.holding_with(mti, code);
    }
    Ok(span.end())
}

/// Where the content of a field lies that was read before and begins at `start`.
pub(crate) fn locate(spec: &FieldSpec, body: &[u8], start: usize) -> Option<Span> {
    let (start, bytes, units) =
        cut(&mut Cursor::new(body, start), spec, 0, &PartPath::FIELD).ok()?;
    Some(Span::new(start, bytes.len(), units))
}

/// Reads a part, or a field that is looked at alone.
pub(crate) fn read_element(
    cursor: &mut Cursor<'_>,
    spec: &FieldSpec,
    field: u8,
    part: &PartPath,
) -> Result<Span, ParseError> {
    read_field(cursor, spec, field, part)
}

/// Reads a field or a part: its length, if one stands before it, and its content.
#[inline(always)]
fn read_field(
    cursor: &mut Cursor<'_>,
    spec: &FieldSpec,
    field: u8,
    part: &PartPath,
) -> Result<Span, ParseError> {
    let (start, bytes, units) = cut(cursor, spec, field, part)?;
    read_content(spec, bytes, start, units, field, part)
}

/// Cuts a field or a part out: where its content begins, its content, and the length of that in units.
#[inline(always)]
fn cut<'b>(
    cursor: &mut Cursor<'b>,
    spec: &FieldSpec,
    field: u8,
    part: &PartPath,
) -> Result<(usize, &'b [u8], usize), ParseError> {
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
    Ok((start, bytes, units))
}

/// Checks content that was cut out.
#[inline(always)]
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
    Ok(Span::new(start, bytes.len(), units))
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
