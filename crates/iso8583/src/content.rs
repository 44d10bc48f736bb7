//! Checks content against its class and its encoding, and finds the first byte that is wrong.

use crate::{
    charset,
    digits::{halves, hex_value},
    error::{Expected, FieldPath, Found, ParseError},
    field::{CodePage, Content, Encoding, FieldSpec, Filler, Padding},
    value,
};

/// What should stand in a field of this length.
pub(crate) fn content_of(spec: &FieldSpec, units: usize) -> Expected {
    Expected::Content { content: spec.content, encoding: spec.encoding, units }
}

/// Whether content is what its class and its encoding allow.
#[inline(always)]
pub(crate) fn is_right(spec: &FieldSpec, bytes: &[u8], units: usize) -> bool {
    match spec.encoding {
        Encoding::Raw => true,
        Encoding::Ascii => {
            charset::all_allowed(spec.content, bytes) || spec.first_wrong(bytes).is_none()
        }
        Encoding::Hex => charset::all_hex(bytes),
        Encoding::Bcd(_) if units.is_multiple_of(2) && spec.content == Content::N => {
            charset::all_packed(bytes)
        }
        // The zero that fills it up is one digit more.
        Encoding::Bcd(Filler::LeadingZero) if spec.content == Content::N => {
            charset::all_packed(bytes) && bytes.first().is_none_or(|first| first >> 4 == 0)
        }
        _ => wrong_content(spec, bytes, units).is_none(),
    }
}

#[cold]
pub(crate) fn content_fault(
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
    let at = |place: usize| bytes.get(place).map_or(0, |&byte| page.ascii(byte));
    let filled = |filling| bytes.iter().take_while(move |&&byte| page.ascii(byte) == filling);
    let before =
        if let Padding::Left(filling) = spec.padding { filled(filling).count() } else { 0 };
    let mut end = bytes.len();
    if let Padding::Right(filling) = spec.padding {
        while end > before && at(end.saturating_sub(1)) == filling {
            end = end.saturating_sub(1);
        }
    }
    (before..end).find(|&place| {
        let place_in_value = place.saturating_sub(before);
        at(place) == 0 || !spec.content.allows(place_in_value, at(place))
    })
}
