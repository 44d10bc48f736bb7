//! The edge on a real loopback socket, over real TLS. Waits are short configured limits; no test
//! measures time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use super::http::{Edge, Handle, Lanes, Opening};
use super::limits::Limits;
use super::seam::{Answer, Received};
use super::tls;
use crate::lane::Lane;
use crate::observe::Metrics;
use rustls::pki_types::{CertificateDer, ServerName};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An open listener whose handler echoes the body, and what a client needs to reach it.
pub(super) struct World {
    pub(super) edge: Edge,
    pub(super) connector: TlsConnector,
    pub(super) metrics: Arc<Metrics>,
    /// The same, with HTTP/2 by ALPN.
    pub(super) over_http2: TlsConnector,
    /// How many requests reached the handler.
    handled: Arc<AtomicUsize>,
}

impl World {
    pub(super) async fn new(limits: Limits) -> Self {
        Self::with(limits, |received: Received| async move { echo(received) }).await
    }

    pub(super) async fn with<H: Handle>(limits: Limits, handler: H) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let identity = tls::load(&certificate, &key, SystemTime::now()).unwrap();
        let identity = identity.offering_http2(true);
        let metrics = Metrics::new();
        let handled = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&handled);
        let counting = Counting { handler, counter };
        let address = "127.0.0.1:0".parse().unwrap();
        let opening = Opening { name: "rest".to_owned(), address, identity, limits };
        let edge = Edge::open(opening, Arc::new(counting), Arc::clone(&metrics)).await.unwrap();
        let connector = connector(made.cert.der().clone(), &[]);
        let over_http2 = self::connector(made.cert.der().clone(), &[tls::HTTP2]);
        Self { over_http2, edge, connector, metrics, handled }
    }

    pub(super) async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.edge.address()).await?;
        let name = ServerName::try_from("localhost").unwrap();
        self.connector.connect(name, stream).await
    }

    /// Sends bytes on a fresh connection and reads until the gateway closes it.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        until_closed(&mut stream).await
    }

    pub(super) fn handled(&self) -> usize {
        self.handled.load(Ordering::SeqCst)
    }
}

/// Counts what reaches a handler.
struct Counting<H> {
    handler: H,
    counter: Arc<AtomicUsize>,
}

impl<H: Handle> Handle for Counting<H> {
    fn handle(&self, received: Received) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        self.counter.fetch_add(1, Ordering::SeqCst);
        self.handler.handle(received)
    }

    fn lanes(&self) -> Lanes {
        self.handler.lanes()
    }
}

/// A handler that keeps a lane for everything but POST.
struct Laned<H>(H);

impl<H: Handle> Handle for Laned<H> {
    fn handle(&self, received: Received) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        self.0.handle(received)
    }

    fn lanes(&self) -> Lanes {
        |method, _| if method == "POST" { Lane::Ordinary } else { Lane::Kept }
    }
}

fn connector(certificate: CertificateDer<'static>, protocols: &[&[u8]]) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

pub(super) fn echo(received: Received) -> Answer {
    let target = received.target.clone();
    Answer { status: 200, headers: vec![("x-target".into(), target)], body: received.body }
}

pub(super) async fn until_closed(stream: &mut TlsStream<TcpStream>) -> String {
    let mut answer = Vec::new();
    // A reset is a close, too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads one whole answer with a content-length and leaves the connection open.
pub(super) async fn one_answer(stream: &mut TlsStream<TcpStream>) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return text;
            }
        }
        let mut more = [0; 1024];
        let count = stream.read(&mut more).await.unwrap();
        assert!(count > 0, "closed after {text:?}");
        answer.extend(more.iter().take(count));
    }
}

pub(super) fn short() -> Limits {
    Limits {
        header_time: Duration::from_millis(80),
        request_time: Duration::from_millis(160),
        body_rate_grace: Duration::from_millis(80),
        handshake_time: Duration::from_millis(200),
        idle_time: Duration::from_millis(120),
        ..Limits::default()
    }
}

pub(super) const GOOD: &[u8] =
    b"POST /v1/payments?a=%20b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_good_request_crosses_the_seam_byte_for_byte_and_the_connection_stays() {
    let world = World::new(Limits::default()).await;
    let mut stream = world.connect().await.unwrap();
    assert_eq!(stream.get_ref().1.negotiated_key_exchange_group().unwrap().name(), X25519MLKEM768);
    for _ in 0..3 {
        stream.write_all(GOOD).await.unwrap();
        let answer = one_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("x-target: /v1/payments?a=%20b\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    }
    assert_eq!(world.handled(), 3);
}

const X25519MLKEM768: rustls::NamedGroup = rustls::NamedGroup::X25519MLKEM768;

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_a_bad_one_ends_the_line() {
    let world = World::new(Limits::default()).await;
    let mut bytes = GOOD.to_vec();
    bytes.extend(b"POST /two HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\ntwo");
    bytes.extend(b"GET / HTTP/1.0\r\n\r\n");
    bytes.extend(GOOD);
    let answer = world.exchange(&bytes).await;
    let places = ["hello", "x-target: /two", "HTTP/1.1 400 Bad Request"]
        .map(|text| answer.find(text).unwrap_or_else(|| panic!("{text} is not in {answer}")));
    assert!(places.is_sorted(), "{answer}");
    assert_eq!(world.handled(), 2);
}

#[tokio::test]
async fn a_client_may_wait_for_100_continue() {
    let world = World::new(Limits::default()).await;
    let mut stream = world.connect().await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ok").await.unwrap();
    assert!(one_answer(&mut stream).await.ends_with("ok"));
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let world = World::new(Limits::default()).await;
    let mut stream = world.connect().await.unwrap();
    for byte in GOOD.repeat(2) {
        stream.write_all(&[byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut answers = String::new();
    while answers.matches("hello").count() < 2 {
        let mut more = [0; 1024];
        let count = stream.read(&mut more).await.unwrap();
        assert!(count > 0, "closed after {answers:?}");
        answers.push_str(&String::from_utf8_lossy(more.get(..count).unwrap()));
    }
    assert_eq!(world.handled(), 2);
}

#[tokio::test]
async fn a_long_answer_arrives_whole_before_the_next_request_is_looked_at() {
    let long = |_: Received| async {
        Answer { status: 200, headers: Vec::new(), body: vec![b'x'; 3_000_000] }
    };
    let world = World::with(Limits::default(), long).await;
    let mut bytes = GOOD.to_vec();
    bytes.extend(GOOD);
    bytes.extend(b"GET / HTTP/1.0\r\n\r\n");
    let answer = world.exchange(&bytes).await;
    let (answers, refusal) = answer.split_once("HTTP/1.1 400 ").unwrap();
    assert_eq!(answers.matches('x').count(), 6_000_000);
    assert!(refusal.contains("connection: close"), "{refusal}");
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_let_go() {
    let long = |_: Received| async {
        Answer { status: 200, headers: Vec::new(), body: vec![b'x'; 30_000_000] }
    };
    let limits = Limits { answer_time: Duration::from_millis(50), ..Limits::default() };
    let world = World::with(limits, long).await;
    let mut stream = world.connect().await.unwrap();
    stream.write_all(GOOD).await.unwrap();
    while world.handled() == 0 {
        tokio::task::yield_now().await;
    }
    let gone = "tidegate_edge_connections{listener=\"rest\"} 0\n";
    while !world.metrics.text().contains(gone) {
        tokio::task::yield_now().await;
    }
    drop(stream);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let world = World::new(Limits::default()).await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "a".repeat(9_000));
    assert!(world.exchange(long.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(64));
    assert!(world.exchange(many.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(world.handled(), 0);
}

#[tokio::test]
async fn a_slow_head_is_told_so_and_closed() {
    let world = World::new(short()).await;
    let answer = world.exchange(b"GET / HTTP/1.1\r\nho").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_slow_body_is_told_so_and_closed() {
    let world = World::new(short()).await;
    let answer =
        world.exchange(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhel").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(world.handled(), 0);
}

#[tokio::test]
async fn a_body_that_drips_faster_than_silence_but_slower_than_the_least_rate_is_closed() {
    let limits = Limits {
        request_time: Duration::from_secs(60),
        body_bytes_max: 1 << 30,
        body_rate_min_bytes_per_s: 1 << 40,
        ..short()
    };
    let world = World::new(limits).await;
    let mut stream = world.connect().await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let dripping = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() && writing.flush().await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    let mut answer = Vec::new();
    let _ = reading.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    dripping.abort();
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let world = World::new(short()).await;
    let mut fresh = world.connect().await.unwrap();
    assert_eq!(until_closed(&mut fresh).await, "");
    let mut used = world.connect().await.unwrap();
    used.write_all(GOOD).await.unwrap();
    one_answer(&mut used).await;
    assert_eq!(until_closed(&mut used).await, "");
}

#[tokio::test]
async fn a_silent_handshake_is_closed() {
    let world = World::new(short()).await;
    let mut stream = TcpStream::connect(world.edge.address()).await.unwrap();
    let mut nothing = Vec::new();
    stream.read_to_end(&mut nothing).await.unwrap();
    assert_eq!(nothing, b"");
    assert!(world.metrics.text().contains("reason=\"handshake_time\""));
}

#[tokio::test]
async fn one_source_cannot_take_all_connections() {
    let limits = Limits { connections_per_source_max: 2, ..Limits::default() };
    let world = World::new(limits).await;
    let mut one = world.connect().await.unwrap();
    let two = world.connect().await.unwrap();
    assert!(world.connect().await.is_err());
    one.write_all(GOOD).await.unwrap();
    assert!(one_answer(&mut one).await.starts_with("HTTP/1.1 200 "));
    drop(two);
    while world.connect().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(world.metrics.text().contains("reason=\"connections_per_source_max\""));
}

/// Opens TCP connections from an address of their own.
pub(super) async fn strangers(world: &World, last: u8, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, last], 0).into()).unwrap();
        streams.push(socket.connect(world.edge.address()).await.unwrap());
    }
    streams
}

#[tokio::test]
async fn strangers_that_hold_all_places_make_room_for_newcomers_and_disturb_no_customer() {
    let limits = Limits { connections_max: 6, ..Limits::default() };
    let world = World::new(limits).await;
    let mut customer = world.connect().await.unwrap();
    customer.write_all(GOOD).await.unwrap();
    one_answer(&mut customer).await;
    let _many = strangers(&world, 2, 5).await;
    for _ in 0..20 {
        let mut newcomer = world.connect().await.unwrap();
        newcomer.write_all(GOOD).await.unwrap();
        assert!(one_answer(&mut newcomer).await.starts_with("HTTP/1.1 200 "));
        let _more = strangers(&world, 3, 3).await;
    }
    customer.write_all(GOOD).await.unwrap();
    assert!(one_answer(&mut customer).await.starts_with("HTTP/1.1 200 "));
    assert!(world.metrics.text().contains("reason=\"place_lost\""));
}

#[tokio::test]
async fn whoever_is_silent_in_its_handshake_holds_no_turn() {
    let world = World::new(Limits { handshakes_max: 1, ..Limits::default() }).await;
    let mut silent = strangers(&world, 2, 9).await;
    // Some say hello, have their answer reckoned, and say no more.
    for stream in silent.iter_mut().take(4) {
        stream.write_all(&hello(&world)).await.unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[0], 22, "a record of the handshake: {answer:?}");
    }
    let mut stream = world.connect().await.unwrap();
    stream.write_all(GOOD).await.unwrap();
    assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

/// The first words of a handshake.
fn hello(world: &World) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let config = Arc::clone(world.connector.config());
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn the_last_request_of_a_connection_says_so() {
    let limits = Limits { requests_per_connection_max: 2, ..Limits::default() };
    let world = World::new(limits).await;
    let answer = world.exchange(&GOOD.repeat(3)).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
    assert_eq!(answer.matches("connection: close").count(), 1, "{answer}");
}

/// A handler that waits until it is released.
pub(super) fn gated() -> (Arc<Notify>, Arc<Notify>, impl Handle) {
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, released) = (Arc::clone(&begun), Arc::clone(&release));
    let handler = move |received: Received| {
        let (begins, released) = (Arc::clone(&begins), Arc::clone(&released));
        async move {
            begins.notify_one();
            released.notified().await;
            echo(received)
        }
    };
    (begun, release, handler)
}

#[tokio::test]
async fn one_request_too_many_is_refused_at_once_and_its_connection_stays() {
    let (begun, release, handler) = gated();
    let limits = Limits { requests_in_flight_max: 1, ..Limits::default() };
    let world = World::with(limits, handler).await;
    let mut first = world.connect().await.unwrap();
    first.write_all(GOOD).await.unwrap();
    begun.notified().await;
    let mut second = world.connect().await.unwrap();
    second.write_all(GOOD).await.unwrap();
    let refused = one_answer(&mut second).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    let spread = ["1", "2", "3"].map(|s| format!("retry-after: {s}\r\n"));
    assert!(spread.iter().any(|it| refused.contains(it)), "{refused}");
    release.notify_one();
    assert!(one_answer(&mut first).await.starts_with("HTTP/1.1 200 "));
    release.notify_one();
    second.write_all(GOOD).await.unwrap();
    assert!(one_answer(&mut second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_flood_of_new_work_leaves_a_fifth_of_the_places_to_questions() {
    let (begun, release, handler) = gated();
    let limits = Limits { requests_in_flight_max: 10, ..Limits::default() };
    let world = World::with(limits, Laned(handler)).await;
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..40 {
        let mut stream = world.connect().await.unwrap();
        stream.write_all(GOOD).await.unwrap();
        if held.len() < 8 {
            begun.notified().await;
            held.push(stream);
        } else {
            assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 503 "));
            refused += 1;
        }
    }
    assert_eq!((held.len(), refused, world.handled()), (8, 32, 8));
    let mut question = world.connect().await.unwrap();
    question.write_all(b"GET /status HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    (0..9).for_each(|_| release.notify_one());
    assert!(one_answer(&mut question).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_nothing() {
    let (begun, release, waiting) = gated();
    let ended = Arc::new(Notify::new());
    let ends = Arc::clone(&ended);
    let handler = move |received: Received| {
        let (work, ends) = (waiting.handle(received), Arc::clone(&ends));
        async move {
            let answer = work.await;
            ends.notify_one();
            answer
        }
    };
    let world = World::with(Limits::default(), handler).await;
    let mut stream = world.connect().await.unwrap();
    stream.write_all(GOOD).await.unwrap();
    begun.notified().await;
    drop(stream);
    release.notify_one();
    ended.notified().await;
}

#[tokio::test]
async fn a_handler_that_breaks_off_is_a_500_and_no_more() {
    let world = World::with(Limits::default(), |received: Received| async move {
        assert!(received.target != "/break", "planted");
        echo(received)
    })
    .await;
    let mut stream = world.connect().await.unwrap();
    stream.write_all(b"GET /break HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let broken = one_answer(&mut stream).await;
    assert!(broken.starts_with("HTTP/1.1 500 "), "{broken}");
    assert!(!broken.contains("planted"), "{broken}");
    stream.write_all(GOOD).await.unwrap();
    assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way_and_takes_nothing_new() {
    let (begun, release, handler) = gated();
    let World { edge, connector, .. } = World::with(Limits::default(), handler).await;
    let address = edge.address();
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect(name, tcp).await.unwrap();
    stream.write_all(GOOD).await.unwrap();
    begun.notified().await;
    let draining = tokio::spawn(edge.drain(Duration::from_secs(30)));
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.notify_one();
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(draining.await.unwrap());
}

#[tokio::test]
async fn a_drain_past_its_deadline_says_that_it_cut_something_off() {
    let (begun, _release, handler) = gated();
    let World { edge, connector, .. } = World::with(Limits::default(), handler).await;
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(edge.address()).await.unwrap();
    let mut stream = connector.connect(name, tcp).await.unwrap();
    stream.write_all(GOOD).await.unwrap();
    begun.notified().await;
    assert!(!edge.drain(Duration::from_millis(20)).await);
    assert_eq!(until_closed(&mut stream).await, "");
}

#[test]
fn only_ephemeral_key_exchange_and_authenticated_encryption_are_offered() {
    let names: Vec<String> =
        tls::provider().cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect();
    assert_eq!(names.len(), 9);
    assert!(names.iter().all(|name| name.starts_with("TLS13_") || name.contains("_ECDHE_")));
    assert!(
        names.iter().all(|name| name.contains("_GCM_") || name.contains("_CHACHA20_POLY1305_"))
    );
}

#[test]
fn an_expired_certificate_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    wanted.not_after = rcgen::date_time_ymd(2020, 1, 1);
    wanted.not_before = rcgen::date_time_ymd(2019, 1, 1);
    let made = wanted.self_signed(&key).unwrap();
    let (certificate_path, key_path) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate_path, made.pem()).unwrap();
    std::fs::write(&key_path, key.serialize_pem()).unwrap();
    let fault = tls::load(&certificate_path, &key_path, SystemTime::now()).unwrap_err();
    assert!(matches!(fault, tls::TlsError::Expired { ago_s: 1.., .. }), "{fault}");
    let fault = tls::load(&key_path, &key_path, SystemTime::now()).unwrap_err();
    assert!(matches!(fault, tls::TlsError::Empty { .. }), "{fault}");
}
