//! Who is at the other end of a connection.

use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Who is at the other end of a connection.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The client's certificate (DER), if it was asked for and given.
    pub(super) certificate: Option<Vec<u8>>,
}

impl Peer {
    pub(super) fn of(stream: &TlsStream<TcpStream>, address: SocketAddr) -> Self {
        let chain = stream.get_ref().1.peer_certificates();
        let certificate = chain.and_then(|chain| Some(chain.first()?.to_vec()));
        Self { address, certificate }
    }
}
