//! HTTP/2 on a real loopback socket, over real TLS: an honest client by a library, a dishonest one by
//! raw frames. Waits are short configured limits; no test measures time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise"
)]

use super::limits::{Http2Limits, Limits};
use super::seam::{Answer, Received};
use super::stories::{GOOD, World, echo, gated, one_answer, short, strangers};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

type Whole = Full<Bytes>;

impl World {
    async fn tls(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.edge.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = self.over_http2.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        stream
    }

    /// An honest client.
    async fn client(&self) -> SendRequest<Whole> {
        let (client, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(self.tls().await)).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A client that writes its own frames, past the preface and both settings.
    pub(super) async fn raw(&self) -> Raw {
        let mut raw = self.bare().await;
        raw.send(PREFACE).await;
        raw.frame(SETTINGS, 0, 0, b"").await;
        raw
    }

    /// A client that writes its own bytes from the first on.
    pub(super) async fn bare(&self) -> Raw {
        Raw(self.tls().await)
    }

    /// Waits until the listener has counted this refusal.
    async fn counted(&self, reason: &str) {
        let line =
            format!("tidegate_edge_refusals_total{{listener=\"rest\",reason=\"{reason}\"}} 1\n");
        while !self.metrics.text().contains(&line) {
            tokio::task::yield_now().await;
        }
    }
}

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) struct Raw(TlsStream<TcpStream>);

impl Raw {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        // Whoever floods does not care whether anybody listens.
        let _ = self.0.write_all(bytes).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(&frame(kind, flags, stream, payload)).await;
    }

    /// Reads until the gateway closes; which error codes its last words (GOAWAY) had, and how many
    /// frames of each kind came.
    pub(super) async fn until_closed(&mut self) -> Told {
        let mut bytes = Vec::new();
        // A reset is a close, too.
        let _ = self.0.read_to_end(&mut bytes).await;
        let mut told = Told::default();
        let mut rest = bytes.as_slice();
        while let Some((head, after)) = rest.split_first_chunk::<9>() {
            let [a, b, c, kind, ..] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some((payload, after)) = after.split_at_checked(length) else { break };
            told.kinds.push(kind);
            if kind == RST_STREAM {
                told.resets.push(payload.try_into().unwrap());
            }
            if kind == GOAWAY {
                told.goaway = payload.get(4..8).map(|code| code.try_into().unwrap());
            }
            rest = after;
        }
        told
    }
}

#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) goaway: Option<[u8; 4]>,
    /// The error codes of streams that were reset.
    pub(super) resets: Vec<[u8; 4]>,
    kinds: Vec<u8>,
}

impl Told {
    pub(super) fn count(&self, kind: u8) -> usize {
        self.kinds.iter().filter(|held| **held == kind).count()
    }
}

const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    [&[a, b, c, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// A header field that no table holds (RFC 7541, section 6.2.2), names and values below 127 bytes.
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

pub(super) fn head(method: &str, path: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "https"),
        field(":path", path),
        field(":authority", "x"),
    ]
    .concat()
}

fn post(body: &'static str) -> Request<Whole> {
    let uri = "https://x/v1/payments?a=%20b";
    Request::post(uri).body(Full::new(Bytes::from(body))).unwrap()
}

async fn told<B>(response: Response<B>) -> (StatusCode, String)
where
    B: hyper::body::Body,
    B::Error: std::fmt::Debug,
{
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn pays(client: &mut SendRequest<Whole>) {
    let answer = client.send_request(post("hello")).await.unwrap();
    assert_eq!(told(answer).await, (StatusCode::OK, "hello".to_owned()));
}

#[tokio::test]
async fn a_request_crosses_the_seam_as_one_of_http_1_would() {
    let (sender, mut seen) = tokio::sync::mpsc::channel(1);
    let world = World::with(Limits::default(), move |received: Received| {
        let sender = sender.clone();
        async move {
            sender.send(received.clone()).await.unwrap();
            echo(received)
        }
    })
    .await;
    let mut client = world.client().await;
    pays(&mut client).await;
    let received = seen.recv().await.unwrap();
    assert_eq!(
        (received.method.as_str(), received.target.as_str()),
        ("POST", "/v1/payments?a=%20b")
    );
    assert_eq!(received.only_header("host"), Some(&b"x"[..]));
    assert_eq!(received.only_header("content-length"), Some(&b"5"[..]));
    assert!(received.headers.iter().all(|(name, _)| !name.starts_with(':')));
    assert_eq!(received.body, b"hello");
}

#[tokio::test]
async fn many_streams_of_one_connection_are_answered_beside_one_another() {
    let world = World::new(Limits::default()).await;
    let client = world.client().await;
    let requests = (0..300).map(|_| {
        let mut client = client.clone();
        async move { pays(&mut client).await }
    });
    futures_util::future::join_all(requests).await;
    assert_eq!(world.handled(), 300);
}

#[tokio::test]
async fn a_client_without_alpn_speaks_http_1() {
    let world = World::new(Limits::default()).await;
    let mut stream = world.connect().await.unwrap();
    stream.write_all(GOOD).await.unwrap();
    assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

/// What is refused on its stream, with status; the connection then takes no more.
#[tokio::test]
async fn doubtful_requests_are_refused_and_the_connection_takes_no_more() {
    let bad = |edit: fn(hyper::http::request::Builder) -> hyper::http::request::Builder| {
        edit(Request::builder().uri("https://x/")).body(Full::new(Bytes::new())).unwrap()
    };
    let cases = [
        (400, bad(|it| it.method("CONNECT").uri("x:443"))),
        (400, bad(|it| it.method("TRACE"))),
        (400, bad(|it| it.method("get"))),
        (400, bad(|it| it.uri("http://x/"))),
        (400, bad(|it| it.uri("https://x/a|b"))),
        (400, bad(|it| it.header("host", "y"))),
        (400, bad(|it| it.header("transfer_encoding", "chunked"))),
        (413, Request::post("https://x/").body(vec![b'x'; 65_537].into()).unwrap()),
        (415, bad(|it| it.method("POST").header("content-encoding", "gzip"))),
        (417, bad(|it| it.method("POST").header("expect", "100-continue"))),
        (431, bad(|it| (0..70).fold(it, |it, index| it.header(format!("a{index}"), "b")))),
    ];
    let world = World::new(Limits::default()).await;
    for (status, request) in cases {
        let mut client = world.client().await;
        let shown = format!("{request:?}");
        let answer = client.send_request(request).await.unwrap_or_else(|e| panic!("{shown}: {e}"));
        let (told_status, body) = told(answer).await;
        assert_eq!(told_status.as_u16(), status, "{shown}: {body}");
        assert!(body.contains("urn:tidegate:problem:"), "{shown}: {body}");
        while client.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(world.handled(), 0);
}

/// What the framing itself forbids: the stream is reset, no handler sees it.
#[tokio::test]
async fn connection_fields_extended_connect_and_lies_about_length_reset_the_stream() {
    let world = World::new(Limits::default()).await;
    let post = |extra: Vec<u8>| [head("POST", "/"), extra].concat();
    let cases = [
        post(field("connection", "close")),
        post(field("upgrade", "websocket")),
        post(field("transfer-encoding", "chunked")),
        post(field("keep-alive", "1")),
        post(field("te", "gzip")),
        post(field("Upper", "case")),
        post(field("content-length", "9")),
        post(field("content-length", "+0")),
        post([field("content-length", "0"), field("content-length", "1")].concat()),
        post(field(":path", "/twice")),
        [head("CONNECT", "/"), field(":protocol", "websocket")].concat(),
    ];
    for block in &cases {
        let mut raw = world.raw().await;
        raw.frame(HEADERS, END_HEADERS | END_STREAM, 1, block).await;
        raw.frame(GOAWAY, 0, 0, &[0; 8]).await;
        let told = raw.until_closed().await;
        let shown = String::from_utf8_lossy(block);
        assert_eq!(told.count(DATA), 0, "{shown:?}: {told:?}");
        let refused = told.count(RST_STREAM) == 1 || told.goaway.is_some_and(|code| code != [0; 4]);
        assert!(refused, "{shown:?}: {told:?}");
    }
    assert_eq!(world.handled(), 0);
}

#[tokio::test]
async fn a_body_longer_than_the_limit_is_refused_without_its_length_being_told() {
    let world = World::new(Limits { body_bytes_max: 1_024, ..Limits::default() }).await;
    let tls = world.tls().await;
    let (mut client, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    tokio::spawn(connection);
    let parts = (0..3).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; 500]))));
    let body = StreamBody::new(futures_util::stream::iter(parts));
    let request = Request::post("https://x/").body(body).unwrap();
    let (status, _) = told(client.send_request(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.handled(), 0);
}

#[tokio::test]
async fn a_slow_body_is_told_so() {
    let world = World::new(short()).await;
    let (mut client, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(world.tls().await)).await.unwrap();
    tokio::spawn(connection);
    let never = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
    let request = Request::post("https://x/").body(StreamBody::new(never)).unwrap();
    let (status, _) = told(client.send_request(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(world.handled(), 0);
}

#[tokio::test]
async fn a_head_that_stops_within_its_block_ends_the_connection() {
    let world = World::new(short()).await;
    let mut raw = world.raw().await;
    raw.frame(HEADERS, END_STREAM, 1, &head("GET", "/")).await;
    raw.until_closed().await;
    world.counted("too_slow").await;
    assert_eq!(world.handled(), 0);
}

#[tokio::test]
async fn a_preface_that_does_not_come_ends_the_connection() {
    let world = World::new(short()).await;
    let mut raw = Raw(world.tls().await);
    raw.send(b"PRI * HTTP/2.0\r\n").await;
    raw.until_closed().await;
    world.counted("too_slow").await;
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go_and_closed() {
    let limits = Limits { answer_time: Duration::from_millis(50), ..short() };
    let world = World::new(limits).await;
    let mut raw = world.raw().await;
    let told = raw.until_closed().await;
    assert_eq!(told.goaway, Some([0; 4]), "{told:?}");
}

/// An honest connection beside a dishonest one: the latter ends, the former pays on.
async fn honest_goes_on(limits: Limits, reason: &str, attack: impl AsyncFnOnce(&mut Raw)) -> Told {
    let world = World::new(limits).await;
    let mut honest = world.client().await;
    pays(&mut honest).await;
    let mut raw = world.raw().await;
    attack(&mut raw).await;
    let told = raw.until_closed().await;
    pays(&mut honest).await;
    pays(&mut world.client().await).await;
    world.counted(reason).await;
    told
}

#[tokio::test]
async fn streams_that_are_begun_and_reset_at_once_end_the_connection() {
    let told = honest_goes_on(Limits::default(), "http2", async |raw| {
        let begin_and_reset = |stream: u32| {
            let begun = frame(HEADERS, END_HEADERS, stream, &head("POST", "/"));
            [begun, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        };
        // All in one write, so that many are reset before they are looked at.
        let flood: Vec<u8> = (0..400).flat_map(|index| begin_and_reset(2 * index + 1)).collect();
        raw.send(&flood).await;
    })
    .await;
    assert_eq!(told.goaway, Some(ENHANCE_YOUR_CALM), "{told:?}");
}

#[tokio::test]
async fn a_header_block_without_end_ends_the_connection() {
    honest_goes_on(Limits::default(), "http2", async |raw| {
        raw.frame(HEADERS, END_STREAM, 1, &head("GET", "/")).await;
        let more: Vec<u8> = (0..100).flat_map(|_| field("a", &"b".repeat(100))).collect();
        for _ in 0..64 {
            raw.frame(CONTINUATION, 0, 1, &more).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_header_list_over_the_limit_is_answered_431() {
    let world = World::new(Limits::default()).await;
    let mut client = world.client().await;
    let fields = (0..30).fold(Request::get("https://x/"), |request, index| {
        request.header(format!("a{index}"), "b".repeat(400))
    });
    let answer = client.send_request(fields.body(Full::new(Bytes::new())).unwrap()).await;
    assert_eq!(answer.unwrap().status().as_u16(), 431);
    assert_eq!(world.handled(), 0);
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_many_of_them_end_the_connection() {
    let http2 = Http2Limits { streams_max: 4, error_resets_max: 8, ..Http2Limits::default() };
    let told = honest_goes_on(Limits { http2, ..Limits::default() }, "http2", async |raw| {
        for index in 0..40 {
            raw.frame(HEADERS, END_HEADERS, 2 * index + 1, &head("POST", "/")).await;
        }
    })
    .await;
    assert_eq!(told.goaway, Some(ENHANCE_YOUR_CALM), "{told:?}");
}

#[tokio::test]
async fn a_client_that_gives_no_window_for_its_answer_is_let_go() {
    let limits = Limits { answer_time: Duration::from_millis(50), ..Limits::default() };
    for window in [0_u32, 3] {
        let told = honest_goes_on(limits.clone(), "answer_not_taken", async |raw| {
            let initial_window = [&[0, 4][..], &window.to_be_bytes()].concat();
            raw.frame(SETTINGS, 0, 0, &initial_window).await;
            raw.frame(HEADERS, END_HEADERS, 1, &head("POST", "/")).await;
            raw.frame(DATA, END_STREAM, 1, b"hello").await;
        })
        .await;
        assert_eq!(told.count(HEADERS), 1, "{told:?}");
    }
}

#[tokio::test]
async fn frames_that_carry_nothing_end_the_connection() {
    let http2 = Http2Limits { control_frames_per_s_max: 10, ..Http2Limits::default() };
    let limits = Limits { http2, ..Limits::default() };
    let floods: [fn() -> Vec<u8>; 4] = [
        || frame(PING, 0, 0, &[0; 8]),
        || frame(SETTINGS, 0, 0, b""),
        || frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        || frame(DATA, 0, 1, b""),
    ];
    for flood in floods {
        honest_goes_on(limits.clone(), "control_frames", async |raw| {
            raw.frame(HEADERS, END_HEADERS, 1, &head("POST", "/")).await;
            raw.send(&flood().repeat(200)).await;
        })
        .await;
    }
}

#[tokio::test]
async fn work_whose_stream_was_reset_still_counts_and_is_still_done() {
    let (begun, release, handler) = gated();
    let http2 = Http2Limits { streams_max: 1, ..Http2Limits::default() };
    let world = World::with(Limits { http2, ..Limits::default() }, handler).await;
    let mut raw = world.raw().await;
    raw.frame(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", "/")).await;
    begun.notified().await;
    raw.frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]).await;
    raw.frame(HEADERS, END_HEADERS | END_STREAM, 3, &head("GET", "/")).await;
    world.counted("busy").await;
    assert_eq!(world.handled(), 1);
    release.notify_one();
    let mut other = world.client().await;
    let (answered, ()) = tokio::join!(other.send_request(post("hello")), async {
        begun.notified().await;
        release.notify_one();
    });
    assert_eq!(answered.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn bodies_being_read_have_a_limit_of_their_own() {
    let http2 = Http2Limits { reading_max: 1, ..Http2Limits::default() };
    let world = World::new(Limits { http2, ..Limits::default() }).await;
    let mut raw = world.raw().await;
    raw.frame(HEADERS, END_HEADERS, 1, &head("POST", "/")).await;
    let mut client = world.client().await;
    // The first body is being read as soon as the second is refused.
    loop {
        let (status, _) = told(client.send_request(post("hello")).await.unwrap()).await;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
    }
    raw.frame(DATA, END_STREAM, 1, b"ended").await;
    loop {
        let (status, _) = told(client.send_request(post("hello")).await.unwrap()).await;
        if status == StatusCode::OK {
            break;
        }
    }
}

#[tokio::test]
async fn strangers_whose_bodies_never_come_make_room_for_the_body_of_another() {
    let http2 = Http2Limits { reading_max: 4, ..Http2Limits::default() };
    let world = World::new(Limits { http2, ..Limits::default() }).await;
    let stranger = strangers(&world, 2, 1).await.remove(0);
    let name = ServerName::try_from("localhost").unwrap();
    let mut raw = Raw(world.over_http2.connect(name, stranger).await.unwrap());
    raw.send(PREFACE).await;
    raw.frame(SETTINGS, 0, 0, b"").await;
    for index in 0..4 {
        raw.frame(HEADERS, END_HEADERS, 2 * index + 1, &head("POST", "/")).await;
    }
    // The fifth is one too many: all places are taken, by one source.
    raw.frame(HEADERS, END_HEADERS, 9, &head("POST", "/")).await;
    world.counted("busy").await;
    let mut client = world.client().await;
    pays(&mut client).await;
    pays(&mut client).await;
}

#[tokio::test]
async fn the_last_request_of_a_connection_tells_the_client_to_go() {
    let limits = Limits { requests_per_connection_max: 2, ..Limits::default() };
    let world = World::new(limits).await;
    let mut client = world.client().await;
    pays(&mut client).await;
    pays(&mut client).await;
    while client.ready().await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_drain_tells_the_client_to_go_and_answers_what_is_under_way() {
    let (begun, release, handler) = gated();
    let world = World::with(Limits::default(), handler).await;
    let mut client = world.client().await;
    let address = world.edge.address();
    let asking = tokio::spawn(async move { client.send_request(post("hello")).await });
    begun.notified().await;
    let draining = tokio::spawn(world.edge.drain(Duration::from_secs(30)));
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.notify_one();
    assert_eq!(told(asking.await.unwrap().unwrap()).await.0, StatusCode::OK);
    assert!(draining.await.unwrap());
}

#[tokio::test]
async fn connections_of_both_kinds_count_alike() {
    let limits = Limits { connections_per_source_max: 2, ..Limits::default() };
    let world = World::new(limits).await;
    let mut client = world.client().await;
    pays(&mut client).await;
    let _second = world.connect().await.unwrap();
    assert!(world.connect().await.is_err());
    pays(&mut client).await;
}

#[tokio::test]
async fn an_answer_without_body_and_one_to_head_end_with_their_head() {
    let world = World::with(Limits::default(), |received: Received| async move {
        let body = if received.method == "HEAD" { b"not for HEAD".to_vec() } else { Vec::new() };
        Answer { status: 204, headers: Vec::new(), body }
    })
    .await;
    let mut client = world.client().await;
    for method in ["DELETE", "HEAD"] {
        let request = Request::builder().method(method).uri("https://x/");
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(told(answer).await, (StatusCode::NO_CONTENT, String::new()));
    }
}
