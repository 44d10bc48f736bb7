//! The gate between a TLS stream and the HTTP library: it lets through screened heads and counted
//! bodies, holds the clocks of a request, and has the last word on a refused connection.
//!
//! hyper merges repeated lengths and drops a length beside a transfer coding before anybody can look,
//! and knows no clock for a body; so the bytes pass here first. A refused head never reaches hyper:
//! it sees the end of the stream, and on its shutdown the gate writes the refusal.

use super::head::{Extent, Scan, screen};
use super::limits::Limits;
use super::refusal::Refusal;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long, and how many bytes, a refused peer's remaining bytes are taken and thrown away, so that
/// the closing does not destroy the refusal on its way (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 262_144;

/// What the gate and the service of one connection tell each other.
#[derive(Debug, Default)]
pub struct Notes {
    /// Set by the service when it hands its answer to the library.
    answered: AtomicBool,
    /// Why the gate closed, once it did.
    refusal: Mutex<Option<Refusal>>,
}

impl Notes {
    /// The service has handed over its answer; what follows on the wire is the next request.
    pub fn answered(&self) {
        self.answered.store(true, Ordering::Release);
    }

    /// Why the gate refused the request under way, if it did.
    pub fn refusal(&self) -> Option<Refusal> {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, refusal: Refusal) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }
}

/// What the next bytes from the peer are.
#[derive(Debug)]
enum Phase {
    /// The first byte of a head is awaited.
    Idle,
    /// A head is coming in.
    Head { scan: Scan, request_by: Instant },
    /// A screened head, then `body_bytes` of body, are let through.
    Body { head_left: usize, body_left: usize, began: Instant, came: u64, request_by: Instant },
    /// The request went through whole; nothing is read until it is answered.
    Serving,
    /// Nothing is read any more. The farewell is written at shutdown.
    Closed { farewell: Vec<u8>, written: usize, linger: bool },
    /// The farewell is written; the peer's remaining bytes are thrown away.
    Lingering { thrown: usize },
}

/// A byte stream that yields only what the edge accepts.
pub struct Gate<S> {
    inner: S,
    limits: Arc<Limits>,
    notes: Arc<Notes>,
    phase: Phase,
    /// Bytes read and not yet let through.
    held: Vec<u8>,
    /// When the present phase must have made progress.
    read_clock: Pin<Box<Sleep>>,
    /// Runs while the peer does not take our bytes.
    write_clock: Option<Pin<Box<Sleep>>>,
    /// Who waits for the answer to be out.
    parked: Option<Waker>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gate<S> {
    /// A gate before a stream.
    pub fn new(inner: S, limits: Arc<Limits>, notes: Arc<Notes>) -> Self {
        let read_clock = Box::pin(sleep_until(Instant::now() + limits.idle_time));
        Self {
            inner,
            limits,
            notes,
            phase: Phase::Idle,
            held: Vec::new(),
            read_clock,
            write_clock: None,
            parked: None,
        }
    }

    fn close(&mut self, refusal: Option<Refusal>) {
        let farewell = refusal.map(Refusal::wire).unwrap_or_default();
        if let Some(refusal) = refusal {
            self.notes.refuse(refusal);
        }
        self.held = Vec::new();
        self.phase = Phase::Closed { farewell, written: 0, linger: refusal.is_some() };
    }

    /// Reads more bytes into `held`, at most `most`. Zero bytes: the peer is done.
    fn poll_more(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        let mut space = [0_u8; 4096];
        let space = space.get_mut(..most.clamp(1, 4096)).unwrap_or_default();
        let mut into = ReadBuf::new(space);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut into))?;
        self.held.extend_from_slice(into.filled());
        Poll::Ready(Ok(into.filled().len()))
    }

    /// Goes on after the last byte of a request was answered: the next head may be held already.
    fn await_next(&mut self) {
        self.phase = Phase::Idle;
        self.read_clock.as_mut().reset(Instant::now() + self.limits.idle_time);
    }

    /// The first byte of a head is there: its clocks start.
    fn begin_head(&mut self) {
        let now = Instant::now();
        self.read_clock.as_mut().reset(now + self.limits.header_time);
        let request_by = now + self.limits.request_time;
        self.phase = Phase::Head { scan: Scan::default(), request_by };
    }

    /// Looks at what is held of a head. True when the phase moved on.
    fn try_head(&mut self) -> bool {
        let Phase::Head { scan, request_by } = &mut self.phase else { return false };
        let request_by = *request_by;
        let found = match scan.extent(&self.held, &self.limits) {
            Ok(Extent::Partial) => return false,
            Ok(Extent::Complete(head)) => {
                let bytes = self.held.get(..head).unwrap_or_default();
                screen(bytes, &self.limits).map(|framing| (head, framing.body_bytes))
            }
            Err(refusal) => Err(refusal),
        };
        match found {
            Ok((head_left, body_left)) => {
                let began = Instant::now();
                let came = self.held.len().saturating_sub(head_left).min(body_left);
                let came = u64::try_from(came).unwrap_or(u64::MAX);
                self.phase = Phase::Body { head_left, body_left, began, came, request_by };
                self.set_body_clock();
            }
            Err(refusal) => self.close(Some(refusal)),
        }
        true
    }

    /// Sets the clock to when the body is too late: at the request's deadline, or when the bytes that
    /// came until now are fewer than the least rate allows.
    fn set_body_clock(&mut self) {
        let Phase::Body { began, came, request_by, .. } = self.phase else { return };
        let rate = self.limits.body_rate_min_bytes_per_s.max(1);
        let earned = Duration::from_millis(came.saturating_mul(1_000) / rate);
        let slow_at = began + earned.max(self.limits.body_rate_grace);
        self.read_clock.as_mut().reset(slow_at.min(request_by));
    }

    /// Lets screened bytes through to the library. True when it filled something.
    fn release(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let Phase::Body { head_left, body_left, .. } = &mut self.phase else { return false };
        let due = head_left.saturating_add(*body_left);
        let count = due.min(self.held.len()).min(out.remaining());
        out.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.drain(..count);
        let of_head = count.min(*head_left);
        *head_left -= of_head;
        *body_left -= count - of_head;
        if *head_left == 0 && *body_left == 0 {
            self.notes.answered.store(false, Ordering::Release);
            self.phase = Phase::Serving;
        }
        count > 0
    }

    /// One step of reading: what the phase asks for. `Ready(Ok(true))` ends the read.
    fn poll_step(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        match &self.phase {
            Phase::Idle if !self.held.is_empty() => self.begin_head(),
            Phase::Idle => match self.poll_more(cx, self.limits.header_bytes_max) {
                Poll::Ready(Ok(0)) => self.close(None),
                Poll::Ready(read) => drop(read?),
                Poll::Pending => return self.poll_read_clock(cx, None),
            },
            Phase::Head { .. } => {
                if !self.try_head() {
                    match self.poll_more(cx, self.limits.header_bytes_max) {
                        Poll::Ready(Ok(0)) => self.close(None),
                        Poll::Ready(read) => drop(read?),
                        Poll::Pending => return self.poll_read_clock(cx, Some(Refusal::TooSlow)),
                    }
                }
            }
            Phase::Body { head_left, body_left, .. } => {
                if !self.held.is_empty() {
                    return Poll::Ready(Ok(self.release(out)));
                }
                let most = head_left.saturating_add(*body_left);
                return self.poll_body(cx, most);
            }
            Phase::Serving => {
                self.parked = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Phase::Closed { .. } | Phase::Lingering { .. } => return Poll::Ready(Ok(true)),
        }
        Poll::Ready(Ok(false))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<bool>> {
        match self.poll_more(cx, most) {
            Poll::Ready(Ok(0)) => {
                self.close(None);
                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
            }
            Poll::Ready(Ok(count)) => {
                if let Phase::Body { came, .. } = &mut self.phase {
                    *came = came.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                }
                self.set_body_clock();
                Poll::Ready(Ok(false))
            }
            Poll::Ready(Err(fault)) => Poll::Ready(Err(fault)),
            Poll::Pending => {
                ready!(self.read_clock.as_mut().poll(cx));
                // The library has the head and will answer; the service learns why from the notes.
                self.notes.refuse(Refusal::TooSlow);
                self.phase = Phase::Closed { farewell: Vec::new(), written: 0, linger: true };
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Waits for the clock; when it strikes, the gate closes with these words.
    fn poll_read_clock(
        &mut self,
        cx: &mut Context<'_>,
        refusal: Option<Refusal>,
    ) -> Poll<io::Result<bool>> {
        ready!(self.read_clock.as_mut().poll(cx));
        self.close(refusal);
        Poll::Ready(Ok(false))
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
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes the farewell, then says that our side is done.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Phase::Closed { farewell, written, linger } = &mut self.phase {
            let rest = farewell.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                let linger = *linger;
                ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
                if !linger {
                    return Poll::Ready(Ok(()));
                }
                self.read_clock.as_mut().reset(Instant::now() + LINGER);
                self.phase = Phase::Lingering { thrown: 0 };
            } else {
                *written += ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            }
        }
        self.poll_linger(cx)
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Phase::Lingering { thrown } = self.phase else {
                return Pin::new(&mut self.inner).poll_shutdown(cx);
            };
            match self.poll_more(cx, 4096) {
                Poll::Ready(Ok(count)) if count > 0 && thrown < LINGER_BYTES_MAX => {
                    self.held.clear();
                    self.phase = Phase::Lingering { thrown: thrown.saturating_add(count) };
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(self.read_clock.as_mut().poll(cx));
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        while !ready!(gate.poll_step(cx, out))? {}
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let poll = Pin::new(&mut gate.inner).poll_write(cx, bytes);
        gate.clocked(cx, poll)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        let poll = Pin::new(&mut gate.inner).poll_flush(cx);
        ready!(gate.clocked(cx, poll))?;
        gate.write_clock = None;
        if matches!(gate.phase, Phase::Serving) && gate.notes.answered.load(Ordering::Acquire) {
            gate.await_next();
            if let Some(waker) = gate.parked.take() {
                waker.wake();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        let poll = gate.poll_farewell(cx);
        gate.clocked(cx, poll)
    }
}
