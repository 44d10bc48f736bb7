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
        *slot = read_field(&mut cursor, spec, number, &PartPath::FIELD)?;
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
