//! A lean client: many connections that stay open, requests that were made whole before, HTTP/1.1 by
//! hand. A request goes out when it is due, whatever became of the earlier ones; if all connections are
//! busy it waits for one, and its time runs.

use crate::clock::Clock;
use crate::merchant::connection::{Connections, Lost};
use crate::merchant::signature::Signed;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::client::TlsStream;

/// A request that is ready to be written.
pub(super) struct Request {
    /// When it is to be sent, in microseconds: of a load from its beginning, of a range from that of the world.
    pub(super) due_us: u64,
    wire: Vec<u8>,
}

/// A request's end. Times are microseconds since the world began.
pub(super) struct End {
    pub(super) due_us: u64,
    pub(super) sent_us: u64,
    pub(super) done_us: u64,
    /// 0: no answer came.
    pub(super) status: u16,
    /// Of a payment that was accepted.
    pub(super) body: Vec<u8>,
}

type Stream = TlsStream<TcpStream>;

/// The connections.
pub(super) struct Range {
    connections: Arc<Connections>,
    clock: Clock,
    runtime: Handle,
    idle: Mutex<Idle>,
    ends: Mutex<Vec<End>>,
    under_way: AtomicU64,
}

#[derive(Default)]
struct Idle {
    /// Whoever was idle longest is next, so that none is idle too long.
    streams: VecDeque<Stream>,
    waiting: VecDeque<Request>,
}

/// After so long nobody waits for an answer any more.
const PATIENCE: Duration = Duration::from_secs(20);
/// It sleeps at least so long, and then sends all that is due: a thread that wakes for each request leaves
/// no processor for the requests. It counts as their time.
const NAP_US: u64 = 300;
/// Longer heads are no answers of this gateway.
const HEAD_BYTES_MAX: usize = 16_384;

impl Request {
    pub(super) fn new(due_us: u64, signed: &Signed, host: &str) -> Self {
        let Signed { method, target, headers, body, .. } = signed;
        let length = body.len();
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        Self { due_us, wire: [head.as_bytes(), body].concat() }
    }
}

impl Range {
    /// Opens so many connections.
    /// # Errors
    /// [`Lost`], if one cannot be had.
    pub(super) async fn open(
        connections: &Arc<Connections>,
        clock: Clock,
        count: usize,
    ) -> Result<Arc<Self>, Lost> {
        let mut idle = Idle::default();
        for _ in 0..count {
            idle.streams.push_back(connections.bare().await?);
        }
        Ok(Arc::new(Self {
            connections: Arc::clone(connections),
            clock,
            runtime: Handle::current(),
            idle: Mutex::new(idle),
            ends: Mutex::default(),
            under_way: AtomicU64::new(0),
        }))
    }

    /// Sends the requests, each when it is due, and waits for the ends of all of them. `begin_us`: what
    /// their times count from.
    /// # Errors
    /// If the thread that sends them is lost.
    pub(super) async fn fire(
        self: &Arc<Self>,
        begin_us: u64,
        requests: Vec<Request>,
    ) -> anyhow::Result<Vec<End>> {
        let range = Arc::clone(self);
        // A thread of its own: the runtime's timers are exact to a millisecond alone.
        #[allow(clippy::disallowed_methods, reason = "a request is due at a time")]
        let firing = tokio::task::spawn_blocking(move || {
            for mut request in requests {
                request.due_us = request.due_us.saturating_add(begin_us);
                let left = request.due_us.saturating_sub(range.clock.now_us());
                if left > 0 {
                    std::thread::sleep(Duration::from_micros(left.max(NAP_US)));
                }
                range.send(request);
            }
        });
        firing.await?;
        while self.under_way.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing waits but where no connection is left.
        let unsent = idle.waiting.drain(..).map(|request| End::lost(request.due_us, 0));
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ends = std::mem::take(&mut *ends);
        ends.extend(unsent);
        Ok(ends)
    }

    fn send(self: &Arc<Self>, request: Request) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = idle.streams.pop_front() else {
            idle.waiting.push_back(request);
            return;
        };
        drop(idle);
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let range = Arc::clone(self);
        self.runtime.spawn(async move {
            range.carry(stream, request).await;
            range.under_way.fetch_sub(1, Ordering::AcqRel);
        });
    }

    /// Carries a request, and then those that wait for a connection.
    async fn carry(&self, mut stream: Stream, mut request: Request) {
        let mut buffer = Vec::with_capacity(4_096);
        loop {
            let sent_us = self.clock.now_us();
            let exchanged = exchange(&mut stream, &request.wire, &mut buffer);
            let exchanged = tokio::time::timeout(PATIENCE, exchanged).await;
            let done_us = self.clock.now_us();
            let due_us = request.due_us;
            let (end, stands) = match exchanged {
                Ok(Ok((status, body))) => (End { due_us, sent_us, done_us, status, body }, true),
                Ok(Err(_)) | Err(_) => (End::lost(due_us, sent_us), false),
            };
            self.ends.lock().unwrap_or_else(PoisonError::into_inner).push(end);
            if !stands {
                match self.connections.bare().await {
                    Ok(fresh) => stream = fresh,
                    Err(_) => return,
                }
            }
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            match idle.waiting.pop_front() {
                Some(next) => request = next,
                None => {
                    idle.streams.push_back(stream);
                    return;
                }
            }
        }
    }
}

impl End {
    fn lost(due_us: u64, sent_us: u64) -> Self {
        Self { due_us, sent_us, done_us: 0, status: 0, body: Vec::new() }
    }
}

/// Writes a request and reads its answer; the body only of what was accepted.
async fn exchange(
    stream: &mut Stream,
    wire: &[u8],
    buffer: &mut Vec<u8>,
) -> io::Result<(u16, Vec<u8>)> {
    stream.write_all(wire).await?;
    stream.flush().await?;
    buffer.clear();
    loop {
        if let Some((status, body_at, length)) = head(buffer) {
            let whole = body_at.saturating_add(length);
            while buffer.len() < whole {
                read_more(stream, buffer).await?;
            }
            let accepted = matches!(status, 200..=202);
            let body = buffer.get(body_at..whole).filter(|_| accepted).unwrap_or_default();
            return Ok((status, body.to_vec()));
        }
        if buffer.len() > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        read_more(stream, buffer).await?;
    }
}

async fn read_more(stream: &mut Stream, buffer: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// The status of an answer, where its body begins and how long that is, once its head is whole.
fn head(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let length = text.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.next_back().and_then(|(_, value)| value.trim().parse().ok());
    Some((status, end.saturating_add(4), length.unwrap_or(0)))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn an_answers_head_is_read_once_it_is_whole() {
        let answer =
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 7\r\nx: y\r\n\r\n{\"a\":1}";
        assert_eq!(head(answer), Some((503, 61, 7)));
        assert_eq!(head(&answer[..58]), None);
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((204, 27, 0)));
    }
}
