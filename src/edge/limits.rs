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
    /// Handshakes under way at once; more wait for their turn within `handshake_time`.
    pub handshakes_max: usize,
    /// Connections at once; one more is closed as soon as it is accepted.
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
        }
    }
}

impl Limits {
    /// The most memory that requests and connections of this listener can hold, in bytes: a head and
    /// a body for each connection (being read) and for each request under way (being worked on).
    pub fn memory_bytes_max(&self) -> u64 {
        let head = u64::try_from(self.header_bytes_max).unwrap_or(u64::MAX);
        let body = u64::try_from(self.body_bytes_max).unwrap_or(u64::MAX);
        let connections = u64::try_from(self.connections_max).unwrap_or(u64::MAX);
        let in_flight = u64::try_from(self.requests_in_flight_max).unwrap_or(u64::MAX);
        head.saturating_add(body).saturating_mul(connections.saturating_add(in_flight))
    }
}
