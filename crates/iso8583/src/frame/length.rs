//! The lengths before frames, byte by byte.

use alloc::vec::Vec;

use crate::{
    digits::{hex_digit, hex_value},
    error::FrameError,
};

/// How a length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LengthForm {
    /// So many ASCII decimal digits, 1..=6.
    Ascii(u8),
    /// Two bytes.
    Be2,
    /// Two bytes that count themselves too.
    Be2Inclusive,
    /// Two bytes, then two of zero.
    Be2Zeros,
    /// Two bytes of zero, then two.
    ZerosBe2,
    /// Three bytes.
    Be3,
    /// Four bytes.
    Be4,
    /// Four packed decimal digits.
    Bcd2,
    /// Four ASCII hex digits, read in either case, written in upper case.
    Hex4,
}

impl LengthForm {
    /// The bytes that it takes.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Ascii(digits) => digits as usize,
            Self::Be2 | Self::Be2Inclusive | Self::Bcd2 => 2,
            Self::Be3 => 3,
            Self::Be2Zeros | Self::ZerosBe2 | Self::Be4 | Self::Hex4 => 4,
        }
    }

    /// What it is, in words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Ascii(2) => "2 decimal digits in ASCII",
            Self::Ascii(3) => "3 decimal digits in ASCII",
            Self::Ascii(4) => "4 decimal digits in ASCII",
            Self::Ascii(5) => "5 decimal digits in ASCII",
            Self::Ascii(_) => "6 decimal digits in ASCII",
            Self::Be2 => "2 bytes, big-endian",
            Self::Be2Inclusive => "2 bytes, big-endian, which it counts too",
            Self::Be2Zeros => "2 bytes, big-endian, with 2 zero bytes behind it",
            Self::ZerosBe2 => "2 bytes, big-endian, with 2 zero bytes before it",
            Self::Be3 => "3 bytes, big-endian",
            Self::Be4 => "4 bytes, big-endian",
            Self::Bcd2 => "4 packed decimal digits, in 2 bytes",
            Self::Hex4 => "4 hex digits in ASCII",
        }
    }

    /// The most that it can announce behind itself, in bytes.
    pub(super) fn most(self) -> usize {
        match self {
            Self::Ascii(digits) => 10_usize.saturating_pow(u32::from(digits)).saturating_sub(1),
            Self::Be2 | Self::Be2Zeros | Self::ZerosBe2 | Self::Hex4 => 0xFFFF,
            Self::Be2Inclusive => 0xFFFF - 2,
            Self::Be3 => 0xFF_FFFF,
            Self::Be4 => 0xFFFF_FFFF,
            Self::Bcd2 => 9_999,
        }
    }

    /// Reads what it announces behind itself; `None` when it is not all there. A byte that cannot belong
    /// to it is refused before the rest has arrived.
    pub(super) fn read(self, buf: &[u8]) -> Result<Option<usize>, FrameError> {
        let bytes = buf.get(..self.bytes().min(buf.len())).unwrap_or_default();
        let mut length = 0_usize;
        for (offset, &found) in bytes.iter().enumerate() {
            let (base, digit) = match self {
                Self::Ascii(_) if found.is_ascii_digit() => (10, found & 0x0F),
                Self::Ascii(_) => return Err(FrameError::NotADigit { offset, found }),
                Self::Hex4 => match hex_value(found) {
                    Some(half) => (16, half),
                    None => return Err(FrameError::NotHex { offset, found }),
                },
                Self::Bcd2 if found >> 4 <= 9 && found & 0x0F <= 9 => {
                    (100, (found >> 4).saturating_mul(10).saturating_add(found & 0x0F))
                }
                Self::Bcd2 => return Err(FrameError::NotPacked { offset, found }),
                Self::Be2Zeros if offset >= 2 => (1, zero(offset, found)?),
                Self::ZerosBe2 if offset < 2 => (1, zero(offset, found)?),
                _ => (256, found),
            };
            length = length.saturating_mul(base).saturating_add(usize::from(digit));
        }
        if bytes.len() < self.bytes() {
            return Ok(None);
        }
        if self == Self::Be2Inclusive {
            let inside = length.checked_sub(self.bytes());
            let min = self.bytes();
            return inside.map(Some).ok_or(FrameError::TooShort { length, min });
        }
        Ok(Some(length))
    }

    /// Writes a length that the form can announce.
    pub(super) fn write(self, length: usize, out: &mut Vec<u8>) {
        let byte = |shift: u32| u8::try_from((length >> shift) & 0xFF).unwrap_or(0);
        let decimal = |place: u32| {
            let digit = length.checked_div(10_usize.saturating_pow(place)).unwrap_or(0) % 10;
            u8::try_from(digit).unwrap_or(0)
        };
        match self {
            Self::Ascii(digits) => {
                out.extend((0..u32::from(digits)).rev().map(|place| b'0' | decimal(place)));
            }
            Self::Be2 => out.extend_from_slice(&[byte(8), byte(0)]),
            Self::Be2Inclusive => Self::Be2.write(length.saturating_add(2), out),
            Self::Be2Zeros => out.extend_from_slice(&[byte(8), byte(0), 0, 0]),
            Self::ZerosBe2 => out.extend_from_slice(&[0, 0, byte(8), byte(0)]),
            Self::Be3 => out.extend_from_slice(&[byte(16), byte(8), byte(0)]),
            Self::Be4 => out.extend_from_slice(&[byte(24), byte(16), byte(8), byte(0)]),
            Self::Bcd2 => out.extend_from_slice(&[
                (decimal(3) << 4) | decimal(2),
                (decimal(1) << 4) | decimal(0),
            ]),
            Self::Hex4 => out.extend([12, 8, 4, 0].map(|shift| hex_digit(byte(shift)))),
        }
    }
}

fn zero(offset: usize, found: u8) -> Result<u8, FrameError> {
    if found == 0 { Ok(0) } else { Err(FrameError::Unexpected { offset, found, expected: 0 }) }
}
