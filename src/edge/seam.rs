//! What crosses the seam between the edge and what lies behind it: whole, bounded, serializable
//! messages. Behind the seam nothing knows of sockets; before it nothing knows of payments.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// One whole request, as it arrived. The head passed the edge's strict screening
/// ([`crate::edge::head`]); the body is complete and no longer than the listener's `body_bytes_max`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The listener's name in configuration.
    pub listener: String,
    /// Who connected.
    pub peer: SocketAddr,
    /// The client's own certificate, DER, if it showed one: its chain ends at the listener's client CA
    /// and its key was proved in the handshake.
    pub client_certificate: Option<Vec<u8>>,
    /// The method, in capitals, for example `POST`.
    pub method: String,
    /// The request target in origin form, byte for byte: path and, after `?`, query.
    pub target: String,
    /// Header fields: lower-case names without underscores; lines of one name keep their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, byte for byte.
    #[serde(with = "crate::carriage::base64")]
    pub body: Vec<u8>,
}

impl Received {
    /// The value of the header that stands exactly once under a lower-case name; none when it is
    /// absent or repeated.
    pub fn only_header(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.headers.iter().filter(|(held, _)| held == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }
}

impl fmt::Debug for Received {
    /// Method, path and sizes: a body may hold card data, a query or header an order or a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        f.debug_struct("Received")
            .field("listener", &self.listener)
            .field("peer", &self.peer)
            .field("method", &self.method)
            .field("path", &path)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// One whole answer. The edge adds only what its transport needs (`date`, `content-length`,
/// `connection`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status, 200..=599.
    pub status: u16,
    /// Header fields: lower-case names, values of printable ASCII.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "crate::carriage::base64")]
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
