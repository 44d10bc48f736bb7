//! TLS as the edge speaks it: 1.3 and 1.2, ECDHE and AEAD only, a post-quantum hybrid first, no early
//! data, HTTP/2 (where wanted) or HTTP/1.1 by ALPN. The cryptography is aws-lc-rs, named outright: nothing depends on which
//! provider some other crate switched on.

use futures_util::future::poll_immediate;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::Acceptor;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// A server's certificate chain and key, ready to serve.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What the handshake uses.
    pub config: Arc<ServerConfig>,
    /// When the leaf certificate expires: seconds since 1970-01-01T00:00:00Z.
    pub not_after_unix_s: i64,
    /// The leaf's subject, as RFC 4514 writes it.
    pub subject: String,
    /// The leaf certificate itself (DER).
    pub leaf: Vec<u8>,
}

impl Identity {
    /// Offers HTTP/2 before HTTP/1.1 (ALPN, RFC 7301), or does not.
    #[must_use]
    pub fn offering_http2(mut self, offered: bool) -> Self {
        let protocols: &[&[u8]] = if offered { &[HTTP2, b"http/1.1"] } else { &[b"http/1.1"] };
        let config = Arc::make_mut(&mut self.config);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        self
    }
}

/// HTTP/2 over TLS, as ALPN names it (RFC 9113, section 3.2).
pub const HTTP2: &[u8] = b"h2";

/// Why a certificate or key cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file could not be read or holds something else.
    #[error("cannot read {what} from {}: PEM expected", .path.display())]
    Pem {
        /// Certificate chain or private key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: rustls::pki_types::pem::Error,
    },
    /// The chain file holds no certificate.
    #[error("{} holds no certificate: a PEM chain, leaf first, is expected", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The leaf is not a certificate that we can read.
    #[error("the first certificate of {} cannot be read", .path.display())]
    Leaf {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: x509_cert::der::Error,
    },
    /// The leaf has expired.
    #[error("the certificate of {} expired {ago_s} s ago: install a new one", .path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// For how long.
        ago_s: i64,
    },
    /// The client CA file holds something that cannot issue certificates, or nothing.
    #[error("{} holds no authority that could issue client certificates: {why}", .path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        why: String,
    },
    /// Key and certificate do not fit, or are of a kind that is not served.
    #[error(
        "certificate {} and key {} cannot be served together",
        .certificate.display(),
        .key.display()
    )]
    Unfit {
        /// The chain file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

/// The provider: SP 800-52r2's ECDHE and AEAD suites and our order of key exchanges.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![
            kx_group::X25519MLKEM768,
            kx_group::X25519,
            kx_group::SECP256R1,
            kx_group::SECP384R1,
        ],
        ..default_provider()
    })
}

/// Whose client certificates a listener takes.
#[derive(Clone, Copy, Debug)]
pub struct Clients<'a> {
    /// The authorities that issue them: PEM, one or more.
    pub ca: &'a Path,
    /// A connection without a certificate is refused.
    pub required: bool,
}

fn pem(what: &'static str, path: &Path) -> impl Fn(rustls::pki_types::pem::Error) -> TlsError {
    let path = path.to_path_buf();
    move |source| TlsError::Pem { what, path: path.clone(), source }
}

/// Loads a PEM chain (leaf first) and its PEM key, for connections without client certificates.
/// # Errors
/// [`TlsError`], naming the file.
pub fn load(certificate: &Path, key: &Path, now: SystemTime) -> Result<Identity, TlsError> {
    load_asking(certificate, key, None, now)
}

/// As [`load`], for connections that are asked for a client certificate.
/// # Errors
/// [`TlsError`], naming the file.
pub fn load_asking(
    certificate: &Path,
    key: &Path,
    clients: Option<Clients<'_>>,
    now: SystemTime,
) -> Result<Identity, TlsError> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem("a certificate chain", certificate))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(pem("a private key", key))?;
    let path = || certificate.to_path_buf();
    let leaf = chain.first().ok_or_else(|| TlsError::Empty { path: path() })?;
    let leaf =
        Certificate::from_der(leaf).map_err(|source| TlsError::Leaf { path: path(), source })?;
    let tbs = leaf.tbs_certificate();
    let not_after_unix_s = unix_s(tbs.validity().not_after.to_unix_duration());
    let now_s = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, unix_s);
    if not_after_unix_s < now_s {
        let ago_s = now_s.saturating_sub(not_after_unix_s);
        return Err(TlsError::Expired { path: path(), ago_s });
    }
    let leaf_der = chain.first().map(|leaf| leaf.to_vec()).unwrap_or_default();
    let unfit = |source| TlsError::Unfit { certificate: path(), key: key.to_path_buf(), source };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unfit)?
        .with_client_cert_verifier(verifier(clients)?)
        .with_single_cert(chain, key_der)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.max_early_data_size = 0;
    let subject = tbs.subject().to_string();
    Ok(Identity { config: Arc::new(config), not_after_unix_s, subject, leaf: leaf_der })
}

/// Proves that a client's certificate ends at one of the authorities, is valid now, may authenticate
/// clients, and that the client holds its key. Whose it is, is asked behind the seam.
fn verifier(clients: Option<Clients<'_>>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let Some(Clients { ca, required }) = clients else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let certificates = CertificateDer::pem_file_iter(ca)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem("client authorities", ca))?;
    let refused = |why: &dyn std::fmt::Display| TlsError::ClientCa {
        path: ca.to_path_buf(),
        why: why.to_string(),
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|fault| refused(&fault))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|fault| refused(&fault))
}

/// Shakes hands on a fresh connection. A turn is taken when the peer's first words are there and given
/// back when its next ones are awaited: it is the reckoning that waits for turns, never a turn for a peer.
/// # Errors
/// Whatever the peer or the connection does wrong.
pub(super) async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    turns: &Semaphore,
) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let turn = turns.acquire().await.map_err(io::Error::other)?;
    let mut shaking = pin!(hello.into_stream(config));
    match poll_immediate(shaking.as_mut()).await {
        Some(done) => done,
        None => {
            drop(turn);
            shaking.await
        }
    }
}

fn unix_s(since: Duration) -> i64 {
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
