//! The clocks and counts of an HTTP/2 connection's bytes: a frame or header block that has begun must
//! end, frames that carry nothing must be few, and bytes of answers must be taken.
//!
//! It looks at frame headers alone (RFC 9113, section 4.1) and changes nothing: what the frames say is
//! the library's, whose own limits bound their sizes.

use super::limits::Limits;
use super::refusal::Refusal;
use super::streams::Streams;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// The bytes with which a client begins (RFC 9113, section 3.4).
const PREFACE_BYTES: usize = 24;
const FRAME_HEAD_BYTES: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// Where in the stream of frames the next byte stands.
#[derive(Debug)]
enum At {
    Preface { left: usize },
    FrameHead { bytes: [u8; FRAME_HEAD_BYTES], have: usize },
    Payload { left: usize, of_data: bool },
}

/// Follows the frames as their bytes come in.
#[derive(Debug)]
pub struct Scan {
    at: At,
    /// Within a header block: a HEADERS frame without END_HEADERS came, and its end did not.
    in_block: bool,
}

/// What a piece of the stream held.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Frames that carry neither a request nor a part of a body.
    pub control_frames: u32,
    /// At least once everything begun had also ended.
    pub came_clean: bool,
}

impl Default for Scan {
    fn default() -> Self {
        Self { at: At::Preface { left: PREFACE_BYTES }, in_block: false }
    }
}

impl Scan {
    /// Looks at the next bytes.
    pub fn follow(&mut self, mut bytes: &[u8]) -> Seen {
        let mut seen = Seen { control_frames: 0, came_clean: self.is_clean() };
        while let Some(rest) = self.step(bytes, &mut seen) {
            bytes = rest;
            seen.came_clean |= self.is_clean();
        }
        seen
    }

    /// Nothing but a body's frame has begun without having ended.
    pub fn is_clean(&self) -> bool {
        !self.in_block
            && match self.at {
                At::Preface { .. } => false,
                At::FrameHead { have, .. } => have == 0,
                At::Payload { of_data, .. } => of_data,
            }
    }

    /// Takes what belongs to the present place; none when no byte is left.
    fn step<'a>(&mut self, bytes: &'a [u8], seen: &mut Seen) -> Option<&'a [u8]> {
        if bytes.is_empty() {
            return None;
        }
        match &mut self.at {
            At::Preface { left } | At::Payload { left, .. } => {
                let taken = bytes.len().min(*left);
                *left = left.saturating_sub(taken);
                if *left == 0 {
                    self.at = At::FrameHead { bytes: [0; FRAME_HEAD_BYTES], have: 0 };
                }
                bytes.get(taken..)
            }
            At::FrameHead { bytes: head, have } => {
                let (byte, rest) = bytes.split_first()?;
                if let Some(place) = head.get_mut(*have) {
                    *place = *byte;
                }
                *have = have.saturating_add(1);
                if *have == FRAME_HEAD_BYTES {
                    let head = *head;
                    self.begin_frame(head, seen);
                }
                Some(rest)
            }
        }
    }

    fn begin_frame(&mut self, head: [u8; FRAME_HEAD_BYTES], seen: &mut Seen) {
        let [a, b, c, kind, flags, ..] = head;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        let carries = match kind {
            HEADERS => true,
            CONTINUATION => length > 0,
            DATA => length > 0 || flags & END_STREAM != 0,
            _ => false,
        };
        seen.control_frames = seen.control_frames.saturating_add(u32::from(!carries));
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_block = flags & END_HEADERS == 0;
        }
        self.at = match length {
            0 => At::FrameHead { bytes: [0; FRAME_HEAD_BYTES], have: 0 },
            left => At::Payload { left, of_data: kind == DATA },
        };
    }
}

/// A byte stream that keeps its peer to a pace.
pub struct Pace<S> {
    inner: S,
    limits: Arc<Limits>,
    streams: Arc<Streams>,
    scan: Scan,
    /// Runs while something begun has not ended.
    read_clock: Option<Pin<Box<Sleep>>>,
    /// Runs while the peer does not take our bytes.
    write_clock: Option<Pin<Box<Sleep>>>,
    /// How many control frames are still allowed, in thousandths.
    allowance: u64,
    refilled: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pace<S> {
    /// Keeps the peer of a fresh connection to a pace.
    pub fn new(inner: S, limits: Arc<Limits>, streams: Arc<Streams>) -> Self {
        let now = Instant::now();
        let read_clock = Some(Box::pin(sleep_until(now + limits.header_time)));
        let allowance = at_once(&limits);
        let scan = Scan::default();
        let write_clock = None;
        Self { inner, limits, streams, scan, read_clock, write_clock, allowance, refilled: now }
    }

    fn follow(&mut self, bytes: &[u8]) -> io::Result<()> {
        let seen = self.scan.follow(bytes);
        if self.scan.is_clean() {
            self.read_clock = None;
        } else if seen.came_clean || self.read_clock.is_none() {
            let by = Instant::now() + self.limits.header_time;
            self.read_clock = Some(Box::pin(sleep_until(by)));
        }
        if seen.control_frames == 0 || self.allows(seen.control_frames) {
            return Ok(());
        }
        self.streams.refuse(Refusal::Flood);
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// A bucket that fills at the mean rate and holds five seconds of it.
    fn allows(&mut self, frames: u32) -> bool {
        let now = Instant::now();
        let passed_ms = u64::try_from((now - self.refilled).as_millis()).unwrap_or(u64::MAX);
        self.refilled = now;
        let rate = u64::from(self.limits.http2.control_frames_per_s_max);
        let filled = self.allowance.saturating_add(passed_ms.saturating_mul(rate));
        self.allowance = filled.min(at_once(&self.limits));
        let left = self.allowance.checked_sub(u64::from(frames).saturating_mul(1_000));
        self.allowance = left.unwrap_or(0);
        left.is_some()
    }

    /// Guards a write: pending too long is an error.
    fn clocked<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            return poll;
        }
        let by = Instant::now() + self.limits.answer_time;
        let clock = self.write_clock.get_or_insert_with(|| Box::pin(sleep_until(by)));
        ready!(clock.as_mut().poll(cx));
        self.streams.refuse(Refusal::NotTaken);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Five seconds of control frames, in thousandths.
fn at_once(limits: &Limits) -> u64 {
    u64::from(limits.http2.control_frames_per_s_max).saturating_mul(5_000)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Pace<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let pace = self.get_mut();
        let before = out.filled().len();
        match Pin::new(&mut pace.inner).poll_read(cx, out) {
            Poll::Ready(read) => {
                read?;
                Poll::Ready(pace.follow(out.filled().get(before..).unwrap_or_default()))
            }
            Poll::Pending => {
                let Some(clock) = &mut pace.read_clock else { return Poll::Pending };
                ready!(clock.as_mut().poll(cx));
                pace.streams.refuse(Refusal::TooSlow);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Pace<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let pace = self.get_mut();
        let poll = Pin::new(&mut pace.inner).poll_write(cx, bytes);
        pace.clocked(cx, poll)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pace = self.get_mut();
        let poll = Pin::new(&mut pace.inner).poll_flush(cx);
        ready!(pace.clocked(cx, poll))?;
        pace.write_clock = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pace = self.get_mut();
        let poll = Pin::new(&mut pace.inner).poll_shutdown(cx);
        pace.clocked(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
        let [_, a, b, c] = length;
        [&[a, b, c, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn what_has_begun_and_not_ended_is_known_after_each_byte() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut clean_at = vec![bytes.len()];
        for (kind, flags, payload) in [
            (4, 0, &b""[..]),
            (HEADERS, 0, b"block"),
            (CONTINUATION, 0, b"goes on"),
            (CONTINUATION, END_HEADERS, b"ends"),
            (8, 0, b"1234"),
            (HEADERS, END_HEADERS | END_STREAM, b"block"),
        ] {
            bytes.extend(frame(kind, flags, payload));
            if !matches!((kind, flags), (HEADERS | CONTINUATION, 0)) {
                clean_at.push(bytes.len());
            }
        }
        let mut scan = Scan::default();
        let mut control_frames = 0;
        let mut clean = Vec::new();
        for (index, byte) in bytes.iter().enumerate() {
            control_frames += scan.follow(&[*byte]).control_frames;
            if scan.is_clean() {
                clean.push(index + 1);
            }
        }
        assert_eq!(clean, clean_at);
        assert_eq!(control_frames, 2);
        let mut at_once = Scan::default();
        assert_eq!(at_once.follow(&bytes), Seen { control_frames: 2, came_clean: true });
        assert!(at_once.is_clean());
    }

    #[test]
    fn frames_that_carry_nothing_are_counted_and_a_body_has_clocks_of_its_own() {
        let mut scan = Scan::default();
        scan.follow(&[0; PREFACE_BYTES]);
        let counted = |scan: &mut Scan, frame: &[u8]| scan.follow(frame).control_frames;
        assert_eq!(counted(&mut scan, &frame(DATA, 0, b"")), 1);
        assert_eq!(counted(&mut scan, &frame(DATA, END_STREAM, b"")), 0);
        assert_eq!(counted(&mut scan, &frame(CONTINUATION, END_HEADERS, b"")), 1);
        assert_eq!(counted(&mut scan, &frame(3, 0, b"1234")), 1);
        let part = frame(DATA, 0, b"a body that is not all here");
        assert_eq!(counted(&mut scan, part.get(..12).unwrap_or_default()), 0);
        assert!(scan.is_clean());
    }
}
