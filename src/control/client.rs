//! The command line's side of the control socket.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

const ANSWER_TIME: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 64 * 1_048_576;

/// Why the daemon was not heard.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no gateway listens on {}: does it run, and as this user?", .path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The gateway answered that it cannot.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the gateway said.
        message: String,
    },
    /// No answer that can be understood.
    #[error("the gateway on {} gave no understandable answer: {fault}", .path.display())]
    Unheard {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        fault: String,
    },
}

/// Speaks to the daemon of one socket.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// A client for a socket. Nothing is opened yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Asks for something.
    /// # Errors
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        self.exchange(Method::GET, target, Vec::new()).await
    }

    /// Tells the gateway something.
    /// # Errors
    /// [`ClientError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        target: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|fault| self.unheard(&fault))?;
        self.exchange(Method::POST, target, body).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Vec<u8>,
    ) -> Result<T, ClientError> {
        let exchange = self.raw(method, target, body);
        let answered = tokio::time::timeout(ANSWER_TIME, exchange).await;
        let (status, body) = answered.map_err(|fault| self.unheard(&fault))??;
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|fault| self.unheard(&fault));
        }
        let told: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = told.get("error").and_then(serde_json::Value::as_str);
        let message = message.map_or_else(|| format!("status {status}"), str::to_owned);
        Err(ClientError::Refused { status: status.as_u16(), message })
    }

    async fn raw(
        &self,
        method: Method,
        target: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let connected = UnixStream::connect(&self.path).await;
        let stream = connected
            .map_err(|source| ClientError::NotRunning { path: self.path.clone(), source })?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|fault| self.unheard(&fault))?;
        let driving = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "tidegate")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|fault| self.unheard(&fault))?;
        let answer = sender.send_request(request).await.map_err(|fault| self.unheard(&fault))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|fault| self.unheard(&fault))?.to_bytes();
        driving.abort();
        Ok((head.status, body))
    }

    fn unheard(&self, fault: &dyn ToString) -> ClientError {
        ClientError::Unheard { path: self.path.clone(), fault: fault.to_string() }
    }
}
