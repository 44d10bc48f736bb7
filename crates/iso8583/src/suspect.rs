//! Finds what looks like a card number in bytes of which nothing is sure: a number behind its own length, as in
//! DE2, or before the separator of a track; in ASCII, in EBCDIC or packed. Its check digit is right
//! (ISO/IEC 7812-1, annex B).

use core::ops::Range;

use crate::digits::halves;

/// The fewest and the most digits of a card number.
const LENGTHS: Range<usize> = 13..20;

/// Whether a card number seems to stand in any of these bytes of a body.
pub(crate) fn holds_card(body: &[u8], range: &Range<usize>) -> bool {
    let from = range.start.saturating_sub(LENGTHS.end);
    (from..range.end).any(|start| {
        let end = [text(body, start, 0x30), text(body, start, 0xF0), packed(body, start)];
        end.into_iter().flatten().any(|end| start < range.end && end > range.start)
    })
}

/// Where a card number ends that begins here, in digits of which each is a byte.
fn text(body: &[u8], start: usize, zero: u8) -> Option<usize> {
    let digit = |byte: &u8| byte.checked_sub(zero).filter(|digit| *digit <= 9);
    let mut digits = [0_u8; LENGTHS.end];
    let mut count = 0_usize;
    let run = body.get(start..).unwrap_or_default().iter().map_while(digit);
    for (place, digit) in digits.iter_mut().zip(run) {
        *place = digit;
        count = count.saturating_add(1);
    }
    let said = start.checked_sub(2).and_then(|at| body.get(at..start)).and_then(|length| {
        let [tens, units] = [digit(length.first()?)?, digit(length.get(1)?)?];
        Some(usize::from(tens.saturating_mul(10).saturating_add(units)))
    });
    LENGTHS.take_while(|length| *length <= count).find_map(|length| {
        let end = start.saturating_add(length);
        // `=`, or D in its place; in EBCDIC they are 0x7E and 0xC4.
        let separated =
            matches!((zero, body.get(end)), (0x30, Some(b'=' | b'D')) | (0xF0, Some(0x7E | 0xC4)));
        let told = said == Some(length) || separated;
        (told && is_card(digits.get(..length)?)).then_some(end)
    })
}

/// The same in packed digits. An odd number of them has half a byte before it or behind it.
fn packed(body: &[u8], start: usize) -> Option<usize> {
    let bytes = body.get(start..)?;
    let bytes = bytes.get(..LENGTHS.end.div_ceil(2)).unwrap_or(bytes);
    // These are digits in ASCII, and a `-` or `=` behind them is no half byte D.
    if bytes.iter().take(LENGTHS.start >> 1).all(u8::is_ascii_digit) {
        return None;
    }
    let said = start
        .checked_sub(1)
        .and_then(|at| body.get(at))
        .map(|length| usize::from((length >> 4).saturating_mul(10).saturating_add(length & 0x0F)));
    let mut digits = [0x0F_u8; LENGTHS.end];
    digits.iter_mut().zip(halves(bytes)).for_each(|(place, half)| *place = half);
    [0, 1].into_iter().find_map(|skipped| {
        let digits = digits.get(skipped..)?;
        let count = digits.iter().take_while(|digit| **digit <= 9).count();
        LENGTHS.take_while(|length| *length <= count).find_map(|length| {
            let told = said == Some(length) || digits.get(length) == Some(&0x0D);
            let end = start.saturating_add(length.saturating_add(skipped).div_ceil(2));
            (told && is_card(digits.get(..length)?)).then_some(end)
        })
    })
}

/// Whether the check digit is right; a card number begins with 2 to 6, 8 or 9.
fn is_card(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_usize, |sum, (place, digit)| {
        let doubled = if place % 2 == 1 { digit.saturating_mul(2) } else { *digit };
        let added = if doubled > 9 { doubled.saturating_sub(9) } else { doubled };
        sum.saturating_add(usize::from(added))
    });
    sum.is_multiple_of(10) && digits.first().is_some_and(|first| matches!(first, 2..=6 | 8 | 9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_number_is_found_behind_its_length_and_before_a_separator() {
        let ebcdic = b"165555555555554444".map(|digit| digit | 0xF0);
        let table: [(&[u8], usize); 7] = [
            (b"165555555555554444", 2),
            (b"375555555555554444=2912", 2),
            (b"x5555555555554444D2912", 1),
            (b"15378282246310005", 2),
            (&ebcdic, 2),
            (&[0x16, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x44, 0x44], 1),
            (&[0x15, 0x03, 0x78, 0x28, 0x22, 0x46, 0x31, 0x00, 0x05], 1),
        ];
        for (body, start) in table {
            assert!(holds_card(body, &(start..start + 1)), "{body:02X?}");
            assert!(holds_card(body, &(0..body.len())), "{body:02X?}");
            assert!(!holds_card(body, &(0..start)), "{body:02X?}: its length is none of it");
        }
        let track = [0x37, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x44, 0x44, 0xD2, 0x91, 0x2F];
        assert!(holds_card(&track, &(4..5)) && !holds_card(&track, &(9..12)));
    }

    #[test]
    fn what_merely_has_digits_is_none() {
        for body in
            ["02007234054128018805", "5555555555554444", "165555555555554443", "160555555555554444"]
        {
            assert!(!holds_card(body.as_bytes(), &(0..body.len())), "{body}");
        }
    }
}
