//! HTTP/2 (RFC 9113) on one connection, under the same limits and refusals as HTTP/1.1.
//!
//! What differs: a request has no framing of its own to doubt, so a refused one is answered on its
//! stream; the connection then takes no more (GOAWAY), and ends after what is under way. `:authority`
//! only stands in for `host`: signatures are checked against configuration, never against either.

use super::answer::{refuse, respond};
use super::head2;
use super::http::Shared;
use super::limits::Limits;
use super::pace::Pace;
use super::peer::Peer;
use super::refusal::Refusal;
use super::streams::{Due, Stream, Streams};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

/// Serves a connection that chose HTTP/2, until it ends.
pub(super) async fn serve(
    stream: TlsStream<TcpStream>,
    from: Peer,
    limits: Arc<Limits>,
    shared: &Arc<Shared>,
) {
    let peer = from.address;
    let streams = Streams::new();
    let pace = Pace::new(stream, Arc::clone(&limits), Arc::clone(&streams));
    let bounds = &limits.http2;
    let mut builder = hyper::server::conn::http2::Builder::new(Tracked(shared.tasks.clone()));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(bounds.stream_window_bytes)
        .initial_connection_window_size(bounds.connection_window_bytes)
        .max_frame_size(bounds.frame_bytes_max)
        .header_table_size(bounds.header_table_bytes)
        .max_send_buf_size(bounds.send_buffer_bytes_max)
        .max_pending_accept_reset_streams(bounds.pending_resets_max)
        .max_local_error_reset_streams(bounds.error_resets_max)
        .keep_alive_interval(bounds.ping_after)
        .keep_alive_timeout(bounds.ping_timeout);
    let streams_max = usize::try_from(bounds.streams_max).unwrap_or(usize::MAX);
    let connection = Arc::new(Connection {
        peer: from,
        under_way: Arc::new(Semaphore::new(streams_max)),
        limits: Arc::clone(&limits),
        streams: Arc::clone(&streams),
        shared: Arc::clone(shared),
    });
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        // Begun here and not in the future: a stream counts from its head on.
        let (stream, number) = connection.streams.begin();
        async move { Ok::<_, Infallible>(connection.answer(request, stream, number).await) }
    });
    let library = builder.serve_connection(TokioIo::new(pace), service);
    drive(library, &limits, &streams, shared).await;
    if let Some(refusal) = streams.refusal() {
        shared.metrics.edge_refused(&shared.name, refusal.code());
        tracing::debug!(listener = shared.name, %peer, %refusal, "a connection was closed");
    }
}

/// What the library's connection is to us.
trait Library: Future<Output = hyper::Result<()>> {
    fn leave(self: Pin<&mut Self>);
}

impl<I, S, E, B> Library for hyper::server::conn::http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Drives the connection to its end, and ends it when it has waited long enough.
async fn drive(library: impl Library, limits: &Limits, streams: &Streams, shared: &Shared) {
    tokio::pin!(library);
    let mut left_at: Option<Instant> = None;
    loop {
        let due = streams.due(limits).map(|(at, due)| match (due, left_at) {
            // Who was told that we leave has as long to agree as to take an answer.
            (Due::Idle, Some(left_at)) => (left_at + limits.answer_time, due),
            _ => (at, due),
        });
        let far = || Instant::now() + Duration::from_secs(3_600);
        let wake_at = due.map_or_else(far, |(at, _)| at);
        tokio::select! {
            biased;
            () = shared.cut.cancelled() => return,
            () = shared.stop.cancelled(), if left_at.is_none() => streams.leave(),
            ended = library.as_mut() => {
                if let Err(fault) = ended {
                    note(&fault, streams);
                }
                return;
            }
            () = streams.changed() => {}
            () = sleep_until(wake_at) => match due {
                Some((_, Due::NotTaken)) => return streams.refuse(Refusal::NotTaken),
                Some((_, Due::Idle)) if left_at.is_some() => return,
                Some((_, Due::Idle)) => streams.leave(),
                None => {}
            },
        }
        if streams.leaving() && left_at.is_none() {
            left_at = Some(Instant::now());
            library.as_mut().leave();
        }
    }
}

/// Notes that the library ended the connection for the client's fault; a client that went away is
/// none.
fn note(fault: &hyper::Error, streams: &Streams) {
    let causes = std::iter::successors(fault.source(), |cause| (*cause).source());
    let ours = |cause: &h2::Error| !cause.is_io() && !cause.is_remote();
    if causes.filter_map(|cause| cause.downcast_ref::<h2::Error>()).any(ours) {
        streams.refuse(Refusal::Http2);
    }
}

/// One connection, for its requests.
struct Connection {
    peer: Peer,
    /// One permit a request under way, held until its work is done even if its stream was reset.
    under_way: Arc<Semaphore>,
    limits: Arc<Limits>,
    streams: Arc<Streams>,
    shared: Arc<Shared>,
}

impl Connection {
    async fn answer(
        &self,
        request: Request<Incoming>,
        stream: Stream,
        number: u64,
    ) -> Response<Told> {
        let shared = &self.shared;
        let bodiless = request.method() == Method::HEAD;
        let last = self.limits.requests_per_connection_max;
        if number >= last {
            self.streams.leave();
        }
        // Until the client has heard that we leave, it may have begun so many more.
        let too_late = last.saturating_add(self.limits.http2.streams_max.into());
        let worked = if number > too_late { Err(Refusal::Busy) } else { self.work(request).await };
        let response = match worked {
            Ok(answer) => respond(answer),
            Err(refusal) => {
                shared.metrics.edge_refused(&shared.name, refusal.code());
                if !refusal.keeps_connection() {
                    self.streams.leave();
                }
                refuse(refusal)
            }
        };
        let (head, body) = response.into_parts();
        let body = if bodiless { Bytes::new() } else { whole(body).await };
        stream.answered();
        Response::from_parts(head, Told::new(body, stream))
    }

    async fn work(&self, request: Request<Incoming>) -> Result<super::seam::Answer, Refusal> {
        let shared = &self.shared;
        let (head, body) = request.into_parts();
        let screened = head2::screen(&head, &self.limits)?;
        let under_way = Arc::clone(&self.under_way).try_acquire_owned();
        let under_way = under_way.map_err(|_| Refusal::Busy)?;
        let body = if body.is_end_stream() {
            Vec::new()
        } else {
            let place = shared.reading.take(self.peer.address.ip()).map_err(|_| Refusal::Busy)?;
            tokio::select! {
                biased;
                () = place.lost() => return Err(Refusal::Busy),
                read = read(body, &self.limits) => read?,
            }
        };
        head2::screen_body(&head, &body)?;
        let received = screened.received(&shared.name, &self.peer, body);
        shared.hand_over(received, &self.peer, under_way).await
    }
}

/// Reads a body under the clocks that HTTP/1.1 has, too; a frame counts when it is whole.
async fn read(mut body: Incoming, limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let began = Instant::now();
    let rate = limits.body_rate_min_bytes_per_s.max(1);
    let limit = limits.body_bytes_max;
    let mut bytes = Vec::new();
    loop {
        let came = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(came.saturating_mul(1_000) / rate);
        let slow_at = began + earned.max(limits.body_rate_grace).min(limits.request_time);
        let frame = timeout_at(slow_at, body.frame()).await.map_err(|_| Refusal::TooSlow)?;
        let Some(frame) = frame else { return Ok(bytes) };
        let frame = frame.map_err(|_| Refusal::Malformed("a whole body"))?;
        let data = frame.into_data().map_err(|_| Refusal::Malformed("no trailers"))?;
        let length = bytes.len().saturating_add(data.len());
        if length > limit {
            let announced = u64::try_from(length).unwrap_or(u64::MAX);
            return Err(Refusal::BodyTooLarge { announced, limit });
        }
        bytes.extend_from_slice(&data);
    }
}

async fn whole(body: Full<Bytes>) -> Bytes {
    // A body in memory neither waits nor fails.
    body.collect().await.map(|body| body.to_bytes()).unwrap_or_default()
}

/// The body of an answer. Its last byte is a frame of its own, which the library asks for only when
/// the client's window has room for all before it; so the stream lives until the answer is taken.
struct Told {
    rest: Bytes,
    last: Bytes,
    _stream: Stream,
}

impl Told {
    fn new(mut body: Bytes, stream: Stream) -> Self {
        let last = body.split_off(body.len().saturating_sub(1));
        Self { rest: body, last, _stream: stream }
    }
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let told = self.get_mut();
        let next = [&mut told.rest, &mut told.last].into_iter().find(|part| !part.is_empty());
        Poll::Ready(next.map(|part| Ok(Frame::data(std::mem::take(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.last.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = self.rest.len().saturating_add(self.last.len());
        SizeHint::with_exact(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

/// Spawns the library's stream tasks where a drain waits for them.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
