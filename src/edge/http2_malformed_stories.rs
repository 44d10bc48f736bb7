//! Malformed and misleading HTTP/2, frame by frame, each case over real TLS on a connection of its own.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::http2_stories::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM,
    SETTINGS, Told, WINDOW_UPDATE, field, frame, head,
};
use super::limits::Limits;
use super::seam::{Answer, Received};
use super::stories::World;
use std::sync::{Arc, Mutex};

const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;
const WHOLE: u8 = END_HEADERS | END_STREAM;

/// Error codes (RFC 9113, section 7). The library says the first of them also where the standard has a code
/// of its own.
const PROTOCOL_ERROR: u8 = 1;
const FLOW_CONTROL_ERROR: u8 = 3;
const FRAME_SIZE_ERROR: u8 = 6;

/// What becomes of a case.
#[derive(Debug, Clone, Copy)]
enum Ends {
    /// The connection, with this code; a good request right behind it is not looked at.
    Connection(u8),
    /// The connection, without a word.
    Closed,
    /// The stream, reset with this code; no request reaches the channel.
    Stream(u8),
    /// The stream, answered by a refusal; no request reaches the channel.
    Refused,
    /// Well: this request reaches the channel, and the good one behind it.
    Handled(&'static str),
}
use Ends::{Closed, Connection, Handled, Refused, Stream};

type Case = (&'static str, Ends, Vec<u8>);

/// A request of one frame, with fields behind its pseudo-header fields.
fn with(name: &str, value: &str) -> Vec<u8> {
    block(&[head("POST", "/"), field(name, value)].concat())
}

/// A request of one frame, of these fields alone.
fn of(fields: &[(&str, &str)]) -> Vec<u8> {
    block(&fields.iter().flat_map(|(name, value)| field(name, value)).collect::<Vec<_>>())
}

fn block(fields: &[u8]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, fields)
}

/// A request whose body is yet to come, and then frames.
fn open(then: &[u8]) -> Vec<u8> {
    [&frame(HEADERS, END_HEADERS, 1, &head("POST", "/")), then].concat()
}

/// A header block that has not ended, and then frames.
fn unended(then: &[u8]) -> Vec<u8> {
    [&frame(HEADERS, END_STREAM, 1, &head("GET", "/")), then].concat()
}

fn setting(id: u8, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, id], &value.to_be_bytes()[..]].concat())
}

fn frames_out_of_place() -> Vec<Case> {
    let get = || head("GET", "/");
    let whole = |stream| frame(HEADERS, WHOLE, stream, &get());
    vec![
        ("data on stream 0", Connection(PROTOCOL_ERROR), frame(DATA, 0, 0, b"hello")),
        ("a head on stream 0", Connection(PROTOCOL_ERROR), whole(0)),
        ("a head on a stream of ours", Connection(PROTOCOL_ERROR), whole(2)),
        ("a reset of stream 0", Connection(PROTOCOL_ERROR), frame(RST_STREAM, 0, 0, &[0; 4])),
        ("settings on a stream", Connection(PROTOCOL_ERROR), frame(SETTINGS, 0, 1, b"")),
        ("a ping on a stream", Connection(PROTOCOL_ERROR), frame(PING, 0, 1, &[0; 8])),
        ("a farewell on a stream", Connection(PROTOCOL_ERROR), frame(GOAWAY, 0, 1, &[0; 8])),
        ("data on an idle stream", Connection(PROTOCOL_ERROR), frame(DATA, 0, 1, b"hello")),
        ("a reset of an idle stream", Connection(PROTOCOL_ERROR), frame(RST_STREAM, 0, 1, &[0; 4])),
        (
            "a window for an idle stream",
            Connection(PROTOCOL_ERROR),
            frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        ),
        (
            "a promise by a client",
            Connection(PROTOCOL_ERROR),
            open(&frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], &get()[..]].concat())),
        ),
        (
            "a continuation of nothing",
            Connection(PROTOCOL_ERROR),
            frame(CONTINUATION, END_HEADERS, 1, &get()),
        ),
        ("data within a block", Connection(PROTOCOL_ERROR), unended(&frame(DATA, 0, 1, b"hello"))),
        ("another head within a block", Connection(PROTOCOL_ERROR), unended(&whole(3))),
        ("a ping within a block", Connection(PROTOCOL_ERROR), unended(&frame(PING, 0, 0, &[0; 8]))),
        ("settings within a block", Connection(PROTOCOL_ERROR), unended(&setting(4, 9))),
        (
            "a block that goes on on another stream",
            Connection(PROTOCOL_ERROR),
            unended(&frame(CONTINUATION, END_HEADERS, 3, &field("a", "b"))),
        ),
        (
            "a stream number that goes down",
            Connection(PROTOCOL_ERROR),
            [frame(HEADERS, END_HEADERS, 5, &head("POST", "/")), whole(3)].concat(),
        ),
        (
            "an unknown frame is passed over",
            Handled("GET /"),
            [frame(0x77, 9, 7, b"x"), whole(1)].concat(),
        ),
        ("no preface", Closed, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        // The library is content with the 24 bytes.
        ("a preface without settings", Handled("GET /"), [PREFACE, &whole(1)].concat()),
    ]
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn frames_of_a_wrong_size_or_value() -> Vec<Case> {
    let window = |stream, bytes: u32| frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    let large = frame(HEADERS, WHOLE, 1, &[head("GET", "/"), vec![0; 16_385]].concat());
    vec![
        (
            "a reset of three bytes",
            Connection(PROTOCOL_ERROR),
            open(&frame(RST_STREAM, 0, 1, &[0; 3])),
        ),
        ("a ping of seven bytes", Connection(PROTOCOL_ERROR), frame(PING, 0, 0, &[0; 7])),
        ("settings of five bytes", Connection(PROTOCOL_ERROR), frame(SETTINGS, 0, 0, &[0; 5])),
        ("settings heard, and more", Connection(PROTOCOL_ERROR), frame(SETTINGS, 1, 0, &[0; 6])),
        (
            "a window of three bytes",
            Connection(PROTOCOL_ERROR),
            frame(WINDOW_UPDATE, 0, 0, &[1; 3]),
        ),
        ("a farewell of seven bytes", Connection(PROTOCOL_ERROR), frame(GOAWAY, 0, 0, &[0; 7])),
        (
            "a priority of four bytes",
            Connection(PROTOCOL_ERROR),
            open(&frame(PRIORITY, 0, 1, &[0; 4])),
        ),
        ("a frame above the limit", Connection(FRAME_SIZE_ERROR), large),
        ("a window that grows by 0", Connection(PROTOCOL_ERROR), window(0, 0)),
        ("a stream's window that grows by 0", Connection(PROTOCOL_ERROR), open(&window(1, 0))),
        ("a window that overflows", Connection(FLOW_CONTROL_ERROR), window(0, 0x7fff_ffff)),
        (
            "a stream's window that overflows",
            Stream(FLOW_CONTROL_ERROR),
            open(&window(1, 0x7fff_ffff)),
        ),
        ("a first window that overflows", Connection(PROTOCOL_ERROR), setting(4, 0x8000_0000)),
        ("a push setting of 2", Connection(PROTOCOL_ERROR), setting(2, 2)),
        ("a frame size that is too small", Connection(PROTOCOL_ERROR), setting(5, 100)),
        ("a frame size that is too large", Connection(PROTOCOL_ERROR), setting(5, 0x0100_0000)),
        (
            "padding beyond a block",
            Connection(PROTOCOL_ERROR),
            frame(HEADERS, WHOLE | PADDED, 1, &[&[200], &head("GET", "/")[..]].concat()),
        ),
        (
            "padding beyond a body",
            Connection(PROTOCOL_ERROR),
            open(&frame(DATA, END_STREAM | PADDED, 1, &[200, b'x'])),
        ),
        (
            "a stream that depends on itself",
            Stream(PROTOCOL_ERROR),
            frame(
                HEADERS,
                WHOLE | WITH_PRIORITY,
                1,
                &[&[0, 0, 0, 1, 0], &head("GET", "/")[..]].concat(),
            ),
        ),
        (
            "padding that fits is passed over",
            Handled("POST / x"),
            open(&frame(DATA, END_STREAM | PADDED, 1, &[2, b'x', 0, 0])),
        ),
    ]
}

fn blocks_that_do_not_decompress() -> Vec<Case> {
    let get = || head("GET", "/");
    let then = |more: &[u8]| block(&[&get()[..], more].concat());
    let first = |more: &[u8]| block(&[more, &get()[..]].concat());
    vec![
        ("index 0", Connection(PROTOCOL_ERROR), then(&[0x80])),
        ("an index beyond the tables", Connection(PROTOCOL_ERROR), then(&[0xbe])),
        ("a name beyond the tables", Connection(PROTOCOL_ERROR), then(&[0x0f, 0x70, 1, b'a'])),
        ("a number without end", Connection(PROTOCOL_ERROR), then(&[0xff; 12])),
        ("a value that is cut off", Connection(PROTOCOL_ERROR), then(&[0, 1, b'a', 50, b'b'])),
        (
            "a Huffman code of the end",
            Connection(PROTOCOL_ERROR),
            then(&[0, 1, b'a', 0x84, 0xff, 0xff, 0xff, 0xff]),
        ),
        ("a table above the limit", Connection(PROTOCOL_ERROR), first(&[0x3f, 0xe2, 0x1f])),
        ("a table that is resized behind a field", Connection(PROTOCOL_ERROR), then(&[0x20])),
        ("a table that is emptied first", Handled("GET /"), first(&[0x20])),
    ]
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn requests_that_are_none() -> Vec<Case> {
    let [m, s, p, a] =
        [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "x")];
    let target = |path| of(&[m, s, (":path", path), a]);
    let method = |method| of(&[(":method", method), s, p, a]);
    let body = |length: &str, body: &[u8]| {
        let head = [head("POST", "/"), field("content-length", length)].concat();
        [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, body)].concat()
    };
    vec![
        ("no method", Stream(PROTOCOL_ERROR), of(&[s, p, a])),
        ("no scheme", Stream(PROTOCOL_ERROR), of(&[m, p, a])),
        ("no path", Stream(PROTOCOL_ERROR), of(&[m, s, a])),
        ("nothing at all", Stream(PROTOCOL_ERROR), of(&[])),
        ("no authority and no host", Refused, of(&[m, s, p])),
        ("two methods", Stream(PROTOCOL_ERROR), of(&[m, m, s, p, a])),
        ("two paths", Stream(PROTOCOL_ERROR), of(&[m, s, p, p, a])),
        ("two authorities", Stream(PROTOCOL_ERROR), of(&[m, s, p, a, a])),
        ("a status", Stream(PROTOCOL_ERROR), of(&[m, s, p, a, (":status", "200")])),
        (
            "an unknown pseudo-header field",
            Connection(PROTOCOL_ERROR),
            of(&[m, s, p, a, (":a", "b")]),
        ),
        ("a path behind a field", Stream(PROTOCOL_ERROR), of(&[m, s, a, ("b", "c"), p])),
        ("an empty path", Stream(PROTOCOL_ERROR), target("")),
        ("an asterisk", Refused, target("*")),
        ("a path without slash", Stream(PROTOCOL_ERROR), target("v1/keys")),
        ("an absolute path", Stream(PROTOCOL_ERROR), target("https://x/")),
        ("a blank in the path", Stream(PROTOCOL_ERROR), target("/a b")),
        (
            "a line's end in the path",
            Stream(PROTOCOL_ERROR),
            target("/ HTTP/1.1\r\nhost: y\r\n\r\n"),
        ),
        // The library drops it before anybody can look; what is handled is what must have been signed.
        ("a fragment is no part of the target", Handled("GET /a"), target("/a#b")),
        ("half a percent", Refused, target("/%4")),
        ("a backslash in the path", Refused, target("/a\\b")),
        ("a request line as a method", Connection(PROTOCOL_ERROR), method("GET / HTTP/1.1\r\nx: ")),
        ("a method in small letters", Refused, method("get")),
        ("TRACE", Refused, method("TRACE")),
        ("CONNECT", Stream(PROTOCOL_ERROR), method("CONNECT")),
        ("scheme http", Refused, of(&[m, (":scheme", "http"), p, a])),
        (
            "a scheme that holds a host",
            Stream(PROTOCOL_ERROR),
            of(&[m, (":scheme", "https://y/?"), p, a]),
        ),
        ("an authority with a user", Refused, of(&[m, s, p, (":authority", "u@x")])),
        ("an authority with a path", Stream(PROTOCOL_ERROR), of(&[m, s, p, (":authority", "x/y")])),
        ("another host beside it", Refused, with("host", "y")),
        ("a name in capitals", Connection(PROTOCOL_ERROR), with("Content-Length", "0")),
        ("a name with a blank", Connection(PROTOCOL_ERROR), with("transfer-encoding ", "chunked")),
        ("a name with a line's end", Connection(PROTOCOL_ERROR), with("a: b\r\nc", "d")),
        ("a name with a colon", Connection(PROTOCOL_ERROR), with("a:", "b")),
        ("a name with an underscore", Refused, with("content_length", "5")),
        ("no name", Connection(PROTOCOL_ERROR), with("", "b")),
        (
            "a value with a line's end",
            Connection(PROTOCOL_ERROR),
            with("a", "b\r\ntransfer-encoding: chunked"),
        ),
        ("a value with a line feed", Connection(PROTOCOL_ERROR), with("a", "b\nc: d")),
        ("a value with a NUL", Connection(PROTOCOL_ERROR), with("a", "b\0c")),
        ("transfer-encoding", Stream(PROTOCOL_ERROR), with("transfer-encoding", "chunked")),
        ("connection", Stream(PROTOCOL_ERROR), with("connection", "close")),
        ("proxy-connection", Stream(PROTOCOL_ERROR), with("proxy-connection", "close")),
        ("upgrade", Stream(PROTOCOL_ERROR), with("upgrade", "h2c")),
        ("te but trailers", Stream(PROTOCOL_ERROR), with("te", "trailers, gzip")),
        ("expect", Refused, with("expect", "100-continue")),
        ("content-encoding", Refused, with("content-encoding", "gzip")),
        ("a length that is no number", Stream(PROTOCOL_ERROR), with("content-length", "0x0")),
        ("a length and no body", Stream(PROTOCOL_ERROR), with("content-length", "5")),
        ("a body longer than its length", Stream(PROTOCOL_ERROR), body("3", b"hello")),
        ("a body shorter than its length", Stream(PROTOCOL_ERROR), body("9", b"hello")),
        ("trailers", Refused, open(&frame(HEADERS, WHOLE, 1, &field("a", "b")))),
        ("a path in trailers", Refused, open(&block(&field(":path", "/hidden")))),
        (
            "a second head",
            Stream(PROTOCOL_ERROR),
            open(&frame(HEADERS, END_HEADERS, 1, &field("a", "b"))),
        ),
        (
            "GET with a body",
            Refused,
            [frame(HEADERS, END_HEADERS, 1, &head("GET", "/")), frame(DATA, END_STREAM, 1, b"x")]
                .concat(),
        ),
        (
            "a request of HTTP/1.1 as a body",
            Handled("POST / GET /hidden HTTP/1.1\r\n\r\n"),
            body("24", b"GET /hidden HTTP/1.1\r\n\r\n"),
        ),
    ]
}

/// What follows a case that is to end the connection, or that is well.
fn second() -> Vec<u8> {
    frame(HEADERS, WHOLE, 101, &head("GET", "/second"))
}

#[tokio::test]
async fn malformed_and_misleading_frames_end_as_the_table_says_and_smuggle_nothing() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noting = Arc::clone(&seen);
    let world = World::with(Limits::default(), move |received: Received| {
        let body = String::from_utf8_lossy(&received.body);
        let told = format!("{} {} {body}", received.method, received.target);
        noting.lock().unwrap().push(told.trim_end_matches(' ').to_owned());
        async { Answer { status: 200, headers: Vec::new(), body: Vec::new() } }
    })
    .await;
    let cases = [
        frames_out_of_place(),
        frames_of_a_wrong_size_or_value(),
        blocks_that_do_not_decompress(),
        requests_that_are_none(),
    ]
    .concat();
    let mut wrong = Vec::new();
    for (name, ends, bytes) in &cases {
        let bare = name.contains("preface");
        let mut raw = if bare { world.bare().await } else { world.raw().await };
        raw.send(bytes).await;
        if matches!(ends, Connection(_) | Closed | Handled(_)) {
            raw.send(&second()).await;
        }
        raw.send(&frame(GOAWAY, 0, 0, &[0; 8])).await;
        let told = raw.until_closed().await;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        if !holds(*ends, &told, &seen) {
            wrong.push(format!("{name}: {ends:?} was wanted: {told:?}; handled: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 100, "the table has {} cases", cases.len());
}

fn holds(ends: Ends, told: &Told, seen: &[String]) -> bool {
    let answers = told.count(HEADERS);
    match ends {
        Connection(code) => seen.is_empty() && answers == 0 && told.goaway == Some([0, 0, 0, code]),
        Closed => seen.is_empty() && answers == 0 && told.goaway.is_none(),
        Stream(code) => seen.is_empty() && answers == 0 && told.resets == [[0, 0, 0, code]],
        Refused => seen.is_empty() && answers == 1,
        Handled(request) => seen == [request, "GET /second"] && answers == 2,
    }
}
