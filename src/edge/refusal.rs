//! What the edge itself refuses, and the short uniform words in which it says so (RFC 9457).

use serde::Serialize;

/// Why the edge refused a request before anything behind it saw a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The framing can be read in two ways, or not at all.
    #[error("the request is not well-formed HTTP: {0}")]
    Malformed(&'static str),
    /// A body without a stated length.
    #[error("a body without content-length")]
    LengthRequired,
    /// An encoding that the edge does not undo.
    #[error("a content-encoding")]
    Encoded,
    /// An expectation other than `100-continue`.
    #[error("an unknown expectation")]
    Expectation,
    /// Too many or too long header fields.
    #[error("the request head is larger than the limit")]
    HeadTooLarge,
    /// A body longer than the limit.
    #[error("a body of {announced} bytes is larger than the limit of {limit}")]
    BodyTooLarge {
        /// The `content-length`.
        announced: u64,
        /// The listener's `body_bytes_max`.
        limit: usize,
    },
    /// Head or body came too slowly.
    #[error("the request came too slowly")]
    TooSlow,
    /// As many requests are under way as the listener bears.
    #[error("too many requests are under way")]
    Busy,
    /// An answer's bytes were not taken.
    #[error("the client did not take its answer in time")]
    NotTaken,
    /// Too many frames that carry nothing.
    #[error("too many control frames")]
    Flood,
    /// The HTTP/2 library ended the connection for what the client did.
    #[error("the client broke the rules or the limits of HTTP/2")]
    Http2,
    /// The work behind the edge broke off. Nothing is said about the outcome.
    #[error("the request could not be worked on")]
    Broken,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::LengthRequired => 411,
            Self::Encoded => 415,
            Self::Expectation => 417,
            Self::HeadTooLarge => 431,
            Self::BodyTooLarge { .. } => 413,
            Self::TooSlow | Self::NotTaken => 408,
            Self::Flood | Self::Http2 => 429,
            Self::Busy => 503,
            Self::Broken => 500,
        }
    }

    /// The stable code of the problem; also the label of the metric.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::LengthRequired | Self::Expectation => "malformed",
            Self::Encoded => "unsupported_media_type",
            Self::HeadTooLarge | Self::BodyTooLarge { .. } => "too_large",
            Self::TooSlow => "too_slow",
            Self::NotTaken => "answer_not_taken",
            Self::Flood => "control_frames",
            Self::Http2 => "http2",
            Self::Busy => "busy",
            Self::Broken => "internal",
        }
    }

    /// Whether the connection can go on: only where no byte of the framing is in doubt.
    pub fn keeps_connection(self) -> bool {
        matches!(self, Self::Busy | Self::Broken)
    }

    fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Malformed(wanted) => ("The request is malformed", Some(wanted)),
            Self::LengthRequired => ("The request is malformed", Some("a content-length")),
            Self::Encoded => ("The body is encoded", Some("a body without content-encoding")),
            Self::Expectation => ("The request is malformed", Some("expect: 100-continue or none")),
            Self::HeadTooLarge => ("The request head is too large", None),
            Self::BodyTooLarge { .. } => ("The body is too large", None),
            Self::TooSlow => ("The request came too slowly", None),
            Self::NotTaken => ("The answer was not taken", None),
            Self::Flood | Self::Http2 => ("The connection was ended", None),
            Self::Busy => ("The gateway is busy", None),
            Self::Broken => ("The gateway failed", None),
        }
    }

    /// The body: `application/problem+json`, the same for every request refused so.
    pub fn body(self) -> Vec<u8> {
        let (title, expected) = self.words();
        let code = self.code();
        let problem = Problem {
            r#type: format!("urn:tidegate:problem:{code}"),
            title,
            status: self.status(),
            detail: None,
            code,
            field: None,
            expected,
        };
        serde_json::to_vec(&problem).unwrap_or_default()
    }

    /// The whole answer as bytes, for a connection that is closed after it.
    pub fn wire(self) -> Vec<u8> {
        let body = self.body();
        let reason = match self {
            Self::HeadTooLarge => "Request Header Fields Too Large",
            Self::BodyTooLarge { .. } => "Content Too Large",
            Self::TooSlow | Self::NotTaken => "Request Timeout",
            Self::Flood | Self::Http2 => "Too Many Requests",
            Self::LengthRequired => "Length Required",
            Self::Encoded => "Unsupported Media Type",
            Self::Expectation => "Expectation Failed",
            Self::Busy => "Service Unavailable",
            Self::Broken => "Internal Server Error",
            Self::Malformed(_) => "Bad Request",
        };
        let mut wire = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\n\
             content-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
            self.status(),
            body.len(),
        )
        .into_bytes();
        wire.extend_from_slice(&body);
        wire
    }
}

/// RFC 9457, section 3, with our members `code`, `field` and `expected`.
#[derive(Serialize)]
struct Problem {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: Option<&'static str>,
    code: &'static str,
    field: Option<&'static str>,
    expected: Option<&'static str>,
}
