//! A merchant's HTTPS connections to the gateway: TLS, HTTP/1.1, kept open and used again.

use super::signature::Signed;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A raw answer.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl RawAnswer {
    /// A header field, if it is there exactly once.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value.clone()),
            _ => None,
        }
    }
}

impl RawAnswer {
    /// Whether a text stands anywhere in it.
    pub fn shows(&self, text: &str) -> bool {
        let in_body = String::from_utf8_lossy(&self.body).contains(text);
        in_body || self.headers.iter().any(|(_, value)| value.contains(text))
    }
}

/// Why no answer came. Whether the gateway has the request is unknown unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// No connection, or no TLS: the gateway cannot have the request.
    #[error("no connection to {address}: {why}")]
    NoConnection {
        /// Where to.
        address: SocketAddr,
        /// Why.
        why: String,
    },
    /// The connection ended, or what came was no HTTP.
    #[error("the connection was lost: {0}")]
    Broken(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TooLate(Duration),
}

/// Connections to one gateway.
pub struct Connections {
    tls: TlsConnector,
    server: ServerName<'static>,
    patience: Duration,
    state: Mutex<State>,
    /// Where each request is kept as it is sent.
    kept: Option<File>,
}

struct State {
    address: SocketAddr,
    /// Grows when the gateway was restarted; connections of an earlier life are not used again.
    life: u64,
    idle: Vec<SendRequest<Full<Bytes>>>,
}

impl Connections {
    /// Connections that trust one certificate or several, given as PEM.
    /// # Errors
    /// A sentence, if the certificate or the name cannot be used.
    pub fn new(
        certificate_pem: &str,
        server_name: &str,
        address: SocketAddr,
        patience: Duration,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(certificate_pem.as_bytes()) {
            let certificate = certificate.map_err(|fault| fault.to_string())?;
            roots.add(certificate).map_err(|fault| fault.to_string())?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|fault| fault.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let server =
            ServerName::try_from(server_name.to_owned()).map_err(|fault| fault.to_string())?;
        let state = Mutex::new(State { address, life: 0, idle: Vec::new() });
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { tls, server, patience, state, kept: None })
    }

    /// The same, keeping each request as it is sent: a line of JSON each, in a new file.
    /// # Errors
    /// If the file cannot be made.
    pub fn keeping_requests(self, path: &Path) -> io::Result<Self> {
        Ok(Self { kept: Some(File::create(path)?), ..self })
    }

    /// The gateway is at another address now.
    pub fn moved_to(&self, address: SocketAddr) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.address = address;
        state.life = state.life.saturating_add(1);
        state.idle.clear();
    }

    /// Sends a request and waits for its answer.
    /// # Errors
    /// [`Lost`], if none came.
    pub async fn exchange(&self, request: &Signed) -> Result<RawAnswer, Lost> {
        if let Some(mut file) = self.kept.as_ref() {
            let Signed { method, target, headers, body, .. } = request;
            let body = String::from_utf8_lossy(body);
            let line =
                json!({"method": method, "target": target, "headers": headers, "body": body});
            // One write a line: whoever reads along sees whole lines.
            let written = file.write_all(format!("{line}\n").as_bytes());
            written.map_err(|fault| Lost::Broken(format!("a request was not kept: {fault}")))?;
        }
        tokio::time::timeout(self.patience, self.exchange_patiently(request))
            .await
            .unwrap_or(Err(Lost::TooLate(self.patience)))
    }

    /// Whether the gateway can be reached: a connection stands, or could be made now.
    pub async fn stand(&self) -> bool {
        match tokio::time::timeout(self.patience, self.connection()).await {
            Ok(Ok((sender, life))) => {
                self.put_back(sender, life);
                true
            }
            _ => false,
        }
    }

    async fn exchange_patiently(&self, request: &Signed) -> Result<RawAnswer, Lost> {
        let (mut sender, life) = self.connection().await?;
        let broken = |fault: &dyn std::fmt::Display| Lost::Broken(fault.to_string());
        let mut builder =
            hyper::Request::builder().method(request.method).uri(request.target.as_str());
        builder = builder.header("host", self.server.to_str().as_ref());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let body = Full::new(Bytes::from(request.body.clone()));
        let request = builder.body(body).map_err(|fault| broken(&fault))?;
        let response = sender.send_request(request).await.map_err(|fault| broken(&fault))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|fault| broken(&fault))?.to_bytes();
        self.put_back(sender, life);
        let headers = head.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        Ok(RawAnswer { status: head.status.as_u16(), headers: headers.collect(), body })
    }

    async fn connection(&self) -> Result<(SendRequest<Full<Bytes>>, u64), Lost> {
        let (address, life) = loop {
            let (idle, address, life) = self.take_idle();
            let Some(mut sender) = idle else { break (address, life) };
            if sender.ready().await.is_ok() {
                return Ok((sender, life));
            }
        };
        let shaken = handshake(TokioIo::new(self.open(address).await?)).await;
        let none = |fault: hyper::Error| Lost::NoConnection { address, why: fault.to_string() };
        let (sender, connection) = shaken.map_err(none)?;
        tokio::spawn(connection);
        Ok((sender, life))
    }

    /// A connection of its own, for whoever speaks HTTP itself.
    /// # Errors
    /// [`Lost::NoConnection`].
    pub async fn bare(&self) -> Result<TlsStream<TcpStream>, Lost> {
        let address = self.state.lock().unwrap_or_else(PoisonError::into_inner).address;
        self.open(address).await
    }

    async fn open(&self, address: SocketAddr) -> Result<TlsStream<TcpStream>, Lost> {
        let none = |fault: std::io::Error| Lost::NoConnection { address, why: fault.to_string() };
        let stream = TcpStream::connect(address).await.map_err(none)?;
        let _ = stream.set_nodelay(true);
        self.tls.connect(self.server.clone(), stream).await.map_err(none)
    }

    fn take_idle(&self) -> (Option<SendRequest<Full<Bytes>>>, SocketAddr, u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.idle.pop(), state.address, state.life)
    }

    fn put_back(&self, sender: SendRequest<Full<Bytes>>, life: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.life == life {
            state.idle.push(sender);
        }
    }
}
