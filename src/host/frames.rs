//! Cuts what a line brings into frames. Bytes of frames may hold card numbers: what is consumed,
//! and what a move of the buffer leaves behind, is wiped.

use bytes::{Buf, BytesMut};
use std::io;
use tidegate_iso8583::error::FrameError;
use tidegate_iso8583::frame::FrameFormat;
use tidegate_line::name::Frame;
use tokio_util::codec::Decoder;
use zeroize::Zeroize;

/// Cuts frames. Give its buffer [`FrameDecoder::room`], so that it never has to be made larger:
/// then it moves only within itself.
#[derive(Debug)]
pub(super) struct FrameDecoder {
    format: FrameFormat,
    frame_bytes_max: usize,
    /// How much room was free when last seen. It grows only when the buffer moved its contents to
    /// the front, and what they were copied from is then in the free room.
    free_before: usize,
}

/// Why a stream of frames ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamFault {
    /// Where the next frame begins cannot be known any more.
    #[error("the framing is broken")]
    Framing(#[from] FrameError),
    /// The socket broke, or ended within a frame.
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

impl FrameDecoder {
    pub(super) fn new(format: FrameFormat, frame_bytes_max: usize) -> Self {
        Self { format, frame_bytes_max, free_before: 0 }
    }

    /// The room that the read buffer needs, in bytes: whatever is left of it unread fits into half.
    pub(super) fn room(&self) -> usize {
        let frame = self.format.overhead_max().saturating_add(self.frame_bytes_max);
        frame.saturating_mul(2).max(8192)
    }

    fn wipe_free_room(&mut self, buffer: &mut BytesMut) {
        let free = buffer.spare_capacity_mut();
        if free.len() > self.free_before {
            free.zeroize();
        }
        self.free_before = free.len();
    }
}

impl Decoder for FrameDecoder {
    type Item = Frame;
    type Error = StreamFault;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, StreamFault> {
        let Some(span) = self.format.split(buffer, self.frame_bytes_max)? else {
            self.wipe_free_room(buffer);
            return Ok(None);
        };
        let body = buffer.get(span.body).unwrap_or_default().to_vec();
        if let Some(consumed) = buffer.get_mut(..span.total) {
            consumed.zeroize();
        }
        buffer.advance(span.total);
        Ok(Some(Frame::new(body)))
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;

    fn decoder(max: usize) -> FrameDecoder {
        FrameDecoder::new(FrameFormat::LENGTH_BE2, max)
    }

    /// Feeds `bytes` cut at `cut` and returns the bodies.
    fn bodies(bytes: &[u8], cut: usize) -> Vec<Vec<u8>> {
        let mut decoder = decoder(100);
        let mut buffer = BytesMut::with_capacity(decoder.room());
        let mut found = Vec::new();
        for part in [&bytes[..cut], &bytes[cut..]] {
            buffer.extend_from_slice(part);
            while let Some(frame) = decoder.decode(&mut buffer).unwrap() {
                found.push(frame.body().to_vec());
            }
        }
        found
    }

    #[test]
    fn frames_split_at_every_byte_and_joined_come_out_whole() {
        let bytes = b"\x00\x03abc\x00\x00\x00\x02de";
        for cut in 0..=bytes.len() {
            assert_eq!(bodies(bytes, cut), [&b"abc"[..], b"", b"de"], "cut at {cut}");
        }
    }

    /// 200 bodies of all lengths to 1,000 and of all bytes.
    fn many_bodies() -> Vec<Vec<u8>> {
        let mut state = 7_u32;
        let mut next = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        let body = |n: usize| (0..n * 5).map(|_| next().to_le_bytes()[0]).collect();
        (0..200).map(body).collect()
    }

    #[test]
    fn each_of_200_frames_split_at_every_byte_is_read_alike_and_so_is_the_one_behind_it() {
        let max = 1_000;
        for body in many_bodies() {
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            let bytes = [&length[..], &body, &[0, 2, 7, 8]].concat();
            for cut in 0..=bytes.len() {
                let mut decoder = decoder(max);
                let mut buffer = BytesMut::with_capacity(decoder.room());
                let mut found = Vec::new();
                for part in [&bytes[..cut], &bytes[cut..]] {
                    buffer.extend_from_slice(part);
                    while let Some(frame) = decoder.decode(&mut buffer).unwrap() {
                        found.push(frame.body().to_vec());
                    }
                }
                assert_eq!(found, [&body[..], &[7, 8]], "{} bytes cut at {cut}", body.len());
            }
        }
    }

    #[test]
    fn frames_byte_by_byte_and_all_at_once_are_read_alike() {
        let bodies = many_bodies();
        let mut bytes = Vec::new();
        for body in &bodies {
            bytes.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(body);
        }
        for size in [1, 2, 7, bytes.len()] {
            let mut decoder = decoder(1_000);
            let mut buffer = BytesMut::with_capacity(decoder.room());
            let mut found = Vec::new();
            for part in bytes.chunks(size) {
                buffer.extend_from_slice(part);
                while let Some(frame) = decoder.decode(&mut buffer).unwrap() {
                    found.push(frame.body().to_vec());
                }
            }
            assert!(found == bodies, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_it_came() {
        let mut buffer = BytesMut::from(&b"\x00\x65"[..]);
        assert!(matches!(decoder(100).decode(&mut buffer), Err(StreamFault::Framing(_))));
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_is_a_fault() {
        let mut buffer = BytesMut::from(&b"\x00\x03ab"[..]);
        assert!(matches!(decoder(100).decode_eof(&mut buffer), Err(StreamFault::Io(_))));
    }

    #[test]
    fn the_buffer_keeps_its_size_and_moved_bytes_are_wiped() {
        let mut decoder = decoder(4095);
        let mut buffer = BytesMut::with_capacity(decoder.room());
        let (start, room) = (buffer.as_ptr(), decoder.room());
        // Two whole frames, then the first part of a third one up to the very end of the buffer.
        for length in [4095_u16, 1] {
            buffer.extend_from_slice(&length.to_be_bytes());
            buffer.extend_from_slice(&vec![0x5A; usize::from(length)]);
            assert!(decoder.decode(&mut buffer).unwrap().is_some());
        }
        buffer.extend_from_slice(&4095_u16.to_be_bytes());
        buffer.extend_from_slice(&[0x5A; 4092]);
        assert!(decoder.decode(&mut buffer).unwrap().is_none());
        assert_eq!((buffer.capacity(), decoder.free_before), (buffer.len(), 0));
        // As the reader does before it reads on.
        buffer.reserve(1);
        assert_eq!(buffer.as_ptr(), start, "moved within itself");
        assert!(decoder.decode(&mut buffer).unwrap().is_none());
        assert_eq!(decoder.free_before, room - 4094, "wiped once, all of it");
    }
}
