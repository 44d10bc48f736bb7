//! Who is at the other end of a connection.

use super::sources::Place;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Who is at the other end of a connection.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The client's certificate (DER), if it was asked for and given.
    pub(super) certificate: Option<Vec<u8>>,
    /// Its place among the connections.
    pub(super) place: Arc<Place>,
}

impl Peer {
    pub(super) fn of(
        stream: &TlsStream<TcpStream>,
        address: SocketAddr,
        place: Arc<Place>,
    ) -> Self {
        let chain = stream.get_ref().1.peer_certificates();
        let certificate = chain.and_then(|chain| Some(chain.first()?.to_vec()));
        Self { address, certificate, place }
    }
}
