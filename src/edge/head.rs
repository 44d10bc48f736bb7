//! Screens a request head before the HTTP library sees it: one strict reading of RFC 9112, so that no
//! two programs on the path can disagree about where a request ends. Pure.
//!
//! It asks for more than the standard where the standard leaves room: lines end in CRLF and in
//! nothing else, a body has exactly one `content-length` and no transfer coding (section 6.3 lets a
//! server answer 411), nothing stands before the request line, no line is folded.

use super::limits::Limits;
use super::refusal::Refusal;

/// Where a head ends, as far as the bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The head is complete: it is this many bytes long, its empty line included.
    Complete(usize),
    /// More bytes are needed.
    Partial,
}

/// What a screened head says about what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// How many bytes of body follow.
    pub body_bytes: usize,
}

/// Looks for the end of a head, as its bytes come in. Each byte is looked at once.
#[derive(Debug, Default)]
pub struct Scan {
    at: usize,
    line_bytes: usize,
    previous: u8,
}

impl Scan {
    /// Looks on in `bytes`, which begin as they did at the last call.
    /// # Errors
    /// [`Refusal::Malformed`] for a line feed without carriage return or the reverse, as soon as it
    /// is seen; [`Refusal::HeadTooLarge`] past `header_bytes_max`.
    pub fn extent(&mut self, bytes: &[u8], limits: &Limits) -> Result<Extent, Refusal> {
        for &byte in bytes.iter().skip(self.at) {
            if self.at >= limits.header_bytes_max {
                return Err(Refusal::HeadTooLarge);
            }
            self.at = self.at.saturating_add(1);
            match (self.previous, byte) {
                (b'\r', b'\n') if self.at == 2 => return Err(REQUEST_LINE),
                (b'\r', b'\n') if self.line_bytes == 0 => return Ok(Extent::Complete(self.at)),
                (b'\r', b'\n') => self.line_bytes = 0,
                (b'\r', _) | (_, b'\n') => return Err(Refusal::Malformed("lines ending in CRLF")),
                (_, b'\r') => {}
                _ => self.line_bytes = self.line_bytes.saturating_add(1),
            }
            self.previous = byte;
        }
        Ok(Extent::Partial)
    }
}

const REQUEST_LINE: Refusal = Refusal::Malformed("METHOD /path HTTP/1.1");
const ONE_HOST: Refusal =
    Refusal::Malformed("one host field, a name or address and perhaps a port");
const ONE_LENGTH: Refusal =
    Refusal::Malformed("one content-length of digits, no transfer-encoding");

/// Screens a complete head, its empty line included.
/// # Errors
/// The [`Refusal`]; after each of them the connection is closed.
pub fn screen(head: &[u8], limits: &Limits) -> Result<Framing, Refusal> {
    let head = head.strip_suffix(b"\r\n\r\n").ok_or(REQUEST_LINE)?;
    let mut lines = Lines { rest: Some(head) };
    let method = request_line(lines.next().ok_or(REQUEST_LINE)?)?;
    let mut seen = Seen::default();
    for (index, line) in lines.enumerate() {
        if index >= limits.headers_max {
            return Err(Refusal::HeadTooLarge);
        }
        let (name, value) = field(line)?;
        seen.note(name, value)?;
    }
    seen.framing(method, limits)
}

/// Lines of a head, without their CRLF.
struct Lines<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        match rest.windows(2).position(|pair| pair == b"\r\n") {
            Some(end) => {
                let (line, after) = rest.split_at_checked(end)?;
                self.rest = after.get(2..);
                Some(line)
            }
            None => Some(rest),
        }
    }
}

/// `METHOD SP origin-form SP HTTP/1.1` (RFC 9112, sections 3 and 3.2.1). Returns the method.
fn request_line(line: &[u8]) -> Result<&[u8], Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(b"HTTP/1.1"), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(REQUEST_LINE);
    };
    if !method_is_plain(method) || !origin_form(target) {
        return Err(REQUEST_LINE);
    }
    Ok(method)
}

/// A word in capitals that asks for something of ours: no tunnel, no echo of the request.
pub(super) fn method_is_plain(method: &[u8]) -> bool {
    let plain = (1..=16).contains(&method.len()) && method.iter().all(u8::is_ascii_uppercase);
    plain && !matches!(method, b"CONNECT" | b"TRACE" | b"PRI")
}

/// A path and perhaps a query, of the characters of RFC 3986 (sections 3.3, 3.4) and no others.
pub(super) fn origin_form(target: &[u8]) -> bool {
    let mut bytes = target.iter();
    if bytes.next() != Some(&b'/') {
        return false;
    }
    while let Some(byte) = bytes.next() {
        let allowed = match byte {
            b'%' => {
                let hex = |digit: Option<&u8>| digit.is_some_and(u8::is_ascii_hexdigit);
                hex(bytes.next()) && hex(bytes.next())
            }
            byte if byte.is_ascii_alphanumeric() => true,
            byte => b"-._~!$&'()*+,;=:@/?".contains(byte),
        };
        if !allowed {
            return false;
        }
    }
    true
}

/// `name: value` (RFC 9112, section 5): a token without underscore, at once the colon, no folding.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    const NAME: Refusal = Refusal::Malformed("header names of letters, digits and hyphens");
    const VALUE: Refusal = Refusal::Malformed("header values without control characters");
    let colon = line.iter().position(|byte| *byte == b':').ok_or(NAME)?;
    let (name, value) = line.split_at_checked(colon).ok_or(NAME)?;
    let value = value.get(1..).unwrap_or_default();
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(NAME);
    }
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(VALUE);
    }
    Ok((name, value.trim_ascii()))
}

/// A character of a header's name (RFC 9110, section 5.6.2), without underscore.
pub(super) fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(byte)
}

/// What the header fields said about framing.
#[derive(Default)]
struct Seen {
    hosts: u32,
    length: Option<u64>,
    chunked: bool,
}

impl Seen {
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        if is(b"host") {
            if !is_authority(value) {
                return Err(ONE_HOST);
            }
            self.hosts = self.hosts.saturating_add(1);
        } else if is(b"content-length") {
            let length = length(value).filter(|_| self.length.is_none()).ok_or(ONE_LENGTH)?;
            self.length = Some(length);
        } else if is(b"transfer-encoding") {
            if self.chunked || value != b"chunked" {
                return Err(ONE_LENGTH);
            }
            self.chunked = true;
        } else if is(b"upgrade") || (is(b"connection") && mentions_upgrade(value)) {
            return Err(Refusal::Malformed("no upgrade"));
        } else if is(b"content-encoding") {
            return Err(Refusal::Encoded);
        } else if is(b"expect") && !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::Expectation);
        }
        Ok(())
    }

    fn framing(&self, method: &[u8], limits: &Limits) -> Result<Framing, Refusal> {
        if self.hosts != 1 {
            return Err(ONE_HOST);
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => return Err(ONE_LENGTH),
            (true, None) => return Err(Refusal::LengthRequired),
            _ => {}
        }
        let announced = self.length.unwrap_or(0);
        if announced > 0 && matches!(method, b"GET" | b"HEAD") {
            return Err(Refusal::Malformed("no body with GET or HEAD"));
        }
        let limit = limits.body_bytes_max;
        let body_bytes = usize::try_from(announced).ok().filter(|bytes| *bytes <= limit);
        let body_bytes = body_bytes.ok_or(Refusal::BodyTooLarge { announced, limit })?;
        Ok(Framing { body_bytes })
    }
}

/// A host's name or address and perhaps a port (RFC 3986, sections 3.2.2 and 3.2.3), of the characters that
/// names and addresses have; no user.
pub(super) fn is_authority(value: &[u8]) -> bool {
    let in_address = |c: char| c.is_ascii_hexdigit() || ":.".contains(c);
    let in_name = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let (host, port, allowed): (_, _, fn(char) -> bool) = match text.strip_prefix('[') {
        Some(text) => match text.split_once(']') {
            Some((address, port)) => (address, port, in_address),
            None => return false,
        },
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (name, port, in_name)
        }
    };
    let is_number = |it: &str| it.len() <= 5 && it.bytes().all(|byte| byte.is_ascii_digit());
    let port_is_plain = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
    !host.is_empty() && host.chars().all(allowed) && port_is_plain
}

/// `1*DIGIT` (RFC 9112, section 6.2), at most eighteen.
pub(super) fn length(value: &[u8]) -> Option<u64> {
    let plain = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| plain)?;
    text.parse().ok()
}

fn mentions_upgrade(value: &[u8]) -> bool {
    value
        .split(|byte| *byte == b',')
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}
