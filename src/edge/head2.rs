//! Screens the head of an HTTP/2 request, as [`super::head`] does for HTTP/1.1, and makes it the same
//! plain message. Pure. Pseudo-header fields out of order, connection-specific fields and `te` other
//! than `trailers` are refused by the library (RFC 9113, section 8.2.2), which resets the stream.

use super::head::{is_authority, is_token, length, method_is_plain, origin_form};
use super::limits::Limits;
use super::peer::Peer;
use super::refusal::Refusal;
use super::seam::Received;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;

const REQUEST: Refusal = Refusal::Malformed("a method, scheme https and a path");
const ONE_HOST: Refusal = Refusal::Malformed("one authority, in :authority or host");
const ONE_LENGTH: Refusal = Refusal::Malformed("one content-length of digits");

/// A screened head.
#[derive(Debug)]
pub struct Screened {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
}

impl Screened {
    /// The message, with its body.
    pub(super) fn received(self, listener: &str, peer: &Peer, body: Vec<u8>) -> Received {
        let Self { method, target, headers } = self;
        let (listener, client_certificate) = (listener.to_owned(), peer.certificate.clone());
        let peer = peer.address;
        Received { listener, peer, client_certificate, method, target, headers, body }
    }
}

/// Screens a head.
/// # Errors
/// The [`Refusal`]; where it doubts the framing, the connection takes no more requests.
pub fn screen(head: &Parts, limits: &Limits) -> Result<Screened, Refusal> {
    let method = head.method.as_str();
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let secure = head.uri.scheme_str() == Some("https");
    if !method_is_plain(method.as_bytes()) || !secure || !origin_form(target.as_bytes()) {
        return Err(REQUEST);
    }
    if head.headers.len() > limits.headers_max {
        return Err(Refusal::HeadTooLarge);
    }
    for (name, value) in &head.headers {
        field(name, value)?;
    }
    let announced = announced(head)?;
    if announced > 0 && matches!(method, "GET" | "HEAD") {
        return Err(Refusal::Malformed("no body with GET or HEAD"));
    }
    let limit = limits.body_bytes_max;
    if usize::try_from(announced).map_or(true, |bytes| bytes > limit) {
        return Err(Refusal::BodyTooLarge { announced, limit });
    }
    let mut headers = Vec::with_capacity(head.headers.len().saturating_add(1));
    headers.push(("host".to_owned(), host(head)?));
    let others = head.headers.iter().filter(|(name, _)| *name != header::HOST);
    let others = others.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    headers.extend(others);
    Ok(Screened { method: method.to_owned(), target: target.to_owned(), headers })
}

/// Screens a body that was not announced.
/// # Errors
/// [`Refusal::Malformed`] for a body where none may be.
pub fn screen_body(head: &Parts, body: &[u8]) -> Result<(), Refusal> {
    if !body.is_empty() && matches!(head.method.as_str(), "GET" | "HEAD") {
        return Err(Refusal::Malformed("no body with GET or HEAD"));
    }
    Ok(())
}

fn field(name: &HeaderName, value: &HeaderValue) -> Result<(), Refusal> {
    if !name.as_str().as_bytes().iter().all(is_token) {
        return Err(Refusal::Malformed("header names of letters, digits and hyphens"));
    }
    if value.as_bytes().iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(Refusal::Malformed("header values without control characters"));
    }
    match *name {
        header::CONTENT_ENCODING => Err(Refusal::Encoded),
        // The library sends no 100: whoever waits for one is told not to (RFC 9110, 10.1.1).
        header::EXPECT => Err(Refusal::Expectation),
        _ => Ok(()),
    }
}

/// The authority, told once or twice alike (RFC 9113, section 8.3.1).
fn host(head: &Parts) -> Result<Vec<u8>, Refusal> {
    let mut told = head.headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let one = match (authority, told.next(), told.next()) {
        (Some(one), None, _) | (None, Some(one), None) => one,
        (Some(one), Some(same), None) if one.eq_ignore_ascii_case(same) => one,
        _ => return Err(ONE_HOST),
    };
    if !is_authority(one) {
        return Err(ONE_HOST);
    }
    Ok(one.to_vec())
}

fn announced(head: &Parts) -> Result<u64, Refusal> {
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(0),
        (Some(one), None) => length(one.as_bytes()).ok_or(ONE_LENGTH),
        _ => Err(ONE_LENGTH),
    }
}
