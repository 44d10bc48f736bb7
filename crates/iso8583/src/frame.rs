//! Cuts a stream of bytes into message bodies, and puts the length before a body that leaves.
//!
//! A length counts the body only. It is compared with the caller's limit as soon as its digits are
//! there, before any room for the body is made; nothing here allocates for what a peer announced.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{error::FrameError, write::reserve_wiping};

/// How a frame says where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFormat {
    /// Two bytes, big-endian: bodies of up to 65,535 bytes.
    LengthBe2,
    /// Four ASCII decimal digits: bodies of up to 9,999 bytes.
    LengthAscii4,
}

/// Where the next frame lies in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameSpan {
    /// The body, counted from the start of the buffer. Empty for a keep-alive; whether that is
    /// answered is the caller's decision.
    pub body: Range<usize>,
    /// How many bytes of the buffer the frame takes, length included.
    pub total: usize,
}

impl FrameFormat {
    /// The number of bytes that the length takes.
    #[must_use]
    pub const fn prefix_len(self) -> usize {
        match self {
            Self::LengthBe2 => 2,
            Self::LengthAscii4 => 4,
        }
    }

    /// The longest body, in bytes, that the length can announce.
    #[must_use]
    pub const fn longest_body(self) -> usize {
        match self {
            Self::LengthBe2 => 65_535,
            Self::LengthAscii4 => 9_999,
        }
    }

    /// Finds the first frame in `buf`; `None` when more bytes are needed. `max` limits the body, in
    /// bytes.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] as soon as the length announces more than `max`, and
    /// [`FrameError::NotADigit`] as soon as a byte of the length cannot belong to one. After either,
    /// where the next frame begins is unknown: the stream cannot be followed any further.
    pub fn split(self, buf: &[u8], max: usize) -> Result<Option<FrameSpan>, FrameError> {
        let prefix_len = self.prefix_len();
        let prefix = buf.get(..prefix_len.min(buf.len())).unwrap_or_default();
        let length = match self {
            Self::LengthBe2 => be2(prefix),
            Self::LengthAscii4 => ascii(prefix)?,
        };
        if prefix.len() < prefix_len {
            return Ok(None);
        }
        if length > max {
            return Err(FrameError::TooLong { length, max });
        }
        let total = prefix_len.saturating_add(length);
        Ok((buf.len() >= total).then_some(FrameSpan { body: prefix_len..total, total }))
    }

    /// Appends `body` to `out` with its length before it. `out` grows at most once, and what it
    /// held before is wiped when it moves.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when the length cannot announce so many bytes; `out` is then untouched.
    pub fn wrap(self, body: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        let too_long = || FrameError::TooLong { length: body.len(), max: self.longest_body() };
        let length = u16::try_from(body.len()).map_err(|_| too_long())?;
        if body.len() > self.longest_body() {
            return Err(too_long());
        }
        reserve_wiping(out, self.prefix_len().saturating_add(body.len()));
        match self {
            Self::LengthBe2 => out.extend_from_slice(&length.to_be_bytes()),
            Self::LengthAscii4 => {
                for place in [1000, 100, 10, 1] {
                    let digit = length.checked_div(place).unwrap_or(0) % 10;
                    out.push(b'0'.saturating_add(u8::try_from(digit).unwrap_or(0)));
                }
            }
        }
        out.extend_from_slice(body);
        Ok(())
    }
}

fn be2(prefix: &[u8]) -> usize {
    <[u8; 2]>::try_from(prefix).map_or(0, |bytes| usize::from(u16::from_be_bytes(bytes)))
}

/// Reads the digits that are there, so that a stray byte is refused before the rest has arrived.
fn ascii(prefix: &[u8]) -> Result<usize, FrameError> {
    let mut length = 0_usize;
    for (offset, &found) in prefix.iter().enumerate() {
        if !found.is_ascii_digit() {
            return Err(FrameError::NotADigit { offset, found });
        }
        length = length.saturating_mul(10).saturating_add(usize::from(found & 0x0F));
    }
    Ok(length)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use alloc::vec;

    use super::*;

    const FORMATS: [FrameFormat; 2] = [FrameFormat::LengthBe2, FrameFormat::LengthAscii4];

    #[test]
    fn what_is_wrapped_is_split_again_however_it_arrives() {
        for format in FORMATS {
            for body in [&b""[..], b"0800", &[0xFF; 9_999]] {
                let mut stream = vec![];
                format.wrap(body, &mut stream).unwrap();
                let total = stream.len();
                assert_eq!(total, format.prefix_len() + body.len());
                for cut in [0, 1, total / 2, total - 1] {
                    assert_eq!(format.split(&stream[..cut], 9_999), Ok(None), "{format:?} {cut}");
                }
                stream.extend_from_slice(b"next");
                let span = format.split(&stream, 9_999).unwrap().unwrap();
                assert_eq!(span.total, total);
                assert_eq!(&stream[span.body], body);
            }
        }
    }

    #[test]
    fn the_length_on_the_wire_counts_the_body_only() {
        let mut out = b"before".to_vec();
        FrameFormat::LengthAscii4.wrap(&[b'x'; 1234], &mut out).unwrap();
        assert_eq!(&out[..10], b"before1234");
        out.clear();
        FrameFormat::LengthBe2.wrap(&[b'x'; 258], &mut out).unwrap();
        assert_eq!(out[..2], [1, 2]);
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_the_body_arrives() {
        let refused = Err(FrameError::TooLong { length: 4097, max: 4096 });
        assert_eq!(FrameFormat::LengthBe2.split(&[0x10, 0x01], 4096), refused);
        assert_eq!(FrameFormat::LengthAscii4.split(b"4097", 4096), refused);
        assert_eq!(FrameFormat::LengthAscii4.split(b"4096", 4096), Ok(None));
    }

    #[test]
    fn a_stray_byte_in_a_digit_length_is_refused_at_once() {
        let refused = Err(FrameError::NotADigit { offset: 1, found: b'E' });
        assert_eq!(FrameFormat::LengthAscii4.split(b"GET / HTTP/1.1", 4096), {
            Err(FrameError::NotADigit { offset: 0, found: b'G' })
        });
        assert_eq!(FrameFormat::LengthAscii4.split(b"0E", 4096), refused);
    }

    #[test]
    fn a_keep_alive_is_a_frame_with_an_empty_body() {
        let span = FrameFormat::LengthBe2.split(&[0, 0, 9], 10).unwrap().unwrap();
        assert_eq!(span, FrameSpan { body: 2..2, total: 2 });
        let span = FrameFormat::LengthAscii4.split(b"0000", 0).unwrap().unwrap();
        assert_eq!(span, FrameSpan { body: 4..4, total: 4 });
    }

    #[test]
    fn a_body_that_the_length_cannot_announce_is_not_wrapped() {
        let mut out = vec![];
        for (format, length) in [(FORMATS[0], 65_536), (FORMATS[1], 10_000)] {
            let error = format.wrap(&vec![0; length], &mut out).unwrap_err();
            assert_eq!(error, FrameError::TooLong { length, max: length - 1 });
            assert!(out.is_empty());
        }
    }
}
