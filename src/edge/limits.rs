//! Every limit of a listener, each with a name and a unit.

use std::time::Duration;

/// What a listener bears. Defaults are those of `deploy/tidegate.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request line and its header fields together.
    pub header_bytes_max: usize,
    /// Header fields of one request.
    pub headers_max: usize,
    /// From the first byte of a head to its last.
    pub header_time: Duration,
    /// From the first byte of a head to the last byte of the body.
    pub request_time: Duration,
    /// Bytes of a body.
    pub body_bytes_max: usize,
    /// The slowest mean rate at which a body may arrive, once `body_rate_grace` has passed.
    pub body_rate_min_bytes_per_s: u64,
    /// How long a body may arrive at any rate.
    pub body_rate_grace: Duration,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake_time: Duration,
    /// Handshakes that are reckoned at once; more wait for their turn within `handshake_time`. Who waits
    /// for the peer's words has no turn.
    pub handshakes_max: usize,
    /// Connections at once; one more gets the place of a stranger ([`super::sources`]), or is closed as
    /// soon as it is accepted.
    pub connections_max: usize,
    /// Connections at once from one source (an IPv4 address, an IPv6 /64).
    pub connections_per_source_max: usize,
    /// How long a connection may wait for the first byte of its next request.
    pub idle_time: Duration,
    /// How long a peer may refuse to take bytes of an answer.
    pub answer_time: Duration,
    /// Requests on one connection; the last answer closes it.
    pub requests_per_connection_max: u64,
    /// Requests under way behind the edge at once; one more is answered 503 at once.
    pub requests_in_flight_max: usize,
    /// What HTTP/2 adds. All limits above hold for it too; `header_bytes_max` is its
    /// `SETTINGS_MAX_HEADER_LIST_SIZE`, and `header_time` bounds a header block with its
    /// continuations, after which `request_time` begins.
    pub http2: Http2Limits,
}

/// What a listener bears of HTTP/2 (RFC 9113).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2Limits {
    /// Streams at once on one connection (`SETTINGS_MAX_CONCURRENT_STREAMS`), and requests under way
    /// for one connection, those included that the client has reset.
    pub streams_max: u32,
    /// Bodies that are being read at once, on all connections of the listener; one more gets the place
    /// of another, which is answered 503, or is answered 503 itself.
    pub reading_max: usize,
    /// Bytes that a client may send on a stream ahead of what was read
    /// (`SETTINGS_INITIAL_WINDOW_SIZE`).
    pub stream_window_bytes: u32,
    /// The same for a whole connection.
    pub connection_window_bytes: u32,
    /// Bytes of a frame's payload (`SETTINGS_MAX_FRAME_SIZE`).
    pub frame_bytes_max: u32,
    /// Bytes of the table that header compression keeps (`SETTINGS_HEADER_TABLE_SIZE`).
    pub header_table_bytes: u32,
    /// Bytes of an answer that wait in a stream for the client's window.
    pub send_buffer_bytes_max: usize,
    /// Streams that the client reset before they were looked at; one more ends the connection.
    pub pending_resets_max: usize,
    /// Streams that we reset for the client's faults, in the life of a connection; one more ends it.
    pub error_resets_max: usize,
    /// Frames a second, in the mean, that carry neither a request nor a part of a body; five times as
    /// many at once. More ends the connection.
    pub control_frames_per_s_max: u32,
    /// Time between two pings that ask whether the client still lives.
    pub ping_after: Duration,
    /// How long an answer to a ping may take.
    pub ping_timeout: Duration,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams_max: 100,
            reading_max: 4_096,
            stream_window_bytes: 65_535,
            connection_window_bytes: 262_144,
            frame_bytes_max: 16_384,
            header_table_bytes: 4_096,
            send_buffer_bytes_max: 65_536,
            pending_resets_max: 20,
            error_resets_max: 64,
            control_frames_per_s_max: 200,
            ping_after: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes_max: 8_192,
            headers_max: 64,
            header_time: Duration::from_secs(5),
            request_time: Duration::from_secs(10),
            body_bytes_max: 65_536,
            body_rate_min_bytes_per_s: 1_024,
            body_rate_grace: Duration::from_secs(2),
            handshake_time: Duration::from_secs(5),
            handshakes_max: 128,
            connections_max: 4_096,
            connections_per_source_max: 100,
            idle_time: Duration::from_secs(60),
            answer_time: Duration::from_secs(10),
            requests_per_connection_max: 10_000,
            requests_in_flight_max: 1_024,
            http2: Http2Limits::default(),
        }
    }
}

impl Limits {
    /// The counts of the listener as a whole, by their names: they are made at its opening.
    pub fn fixed(&self) -> [(&'static str, usize); 5] {
        [
            ("handshakes_max", self.handshakes_max),
            ("connections_max", self.connections_max),
            ("connections_per_source_max", self.connections_per_source_max),
            ("requests_in_flight_max", self.requests_in_flight_max),
            ("http2_reading_max", self.http2.reading_max),
        ]
    }

    /// The most memory that requests and connections of this listener can hold, in bytes: a head and
    /// a body for each connection (being read) and for each request under way (being worked on).
    /// HTTP/2 adds [`Self::http2_memory_bytes_max`].
    pub fn memory_bytes_max(&self) -> u64 {
        let head = u64::try_from(self.header_bytes_max).unwrap_or(u64::MAX);
        let body = u64::try_from(self.body_bytes_max).unwrap_or(u64::MAX);
        let connections = u64::try_from(self.connections_max).unwrap_or(u64::MAX);
        let in_flight = u64::try_from(self.requests_in_flight_max).unwrap_or(u64::MAX);
        head.saturating_add(body).saturating_mul(connections.saturating_add(in_flight))
    }

    /// What HTTP/2 adds to it: a head and a body for each body being read, and for each connection
    /// its window and a frame.
    pub fn http2_memory_bytes_max(&self) -> u64 {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let http2 = &self.http2;
        let request = wide(self.header_bytes_max).saturating_add(wide(self.body_bytes_max));
        let connection = u64::from(http2.connection_window_bytes)
            .saturating_add(u64::from(http2.frame_bytes_max))
            .saturating_add(u64::from(http2.header_table_bytes));
        let reading = wide(http2.reading_max).saturating_mul(request);
        reading.saturating_add(wide(self.connections_max).saturating_mul(connection))
    }
}
