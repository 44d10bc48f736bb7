//! The control socket: HTTP over a Unix socket of mode 0600, for the command line.
//!
//! | request | answer |
//! |---|---|
//! | `GET /status` | [`StatusView`] |
//! | `GET /lines` | list of [`LineView`] |
//! | `GET /payments/{id}` | [`PaymentView`] |
//! | `GET /cases` | list of [`CaseView`] |
//! | `GET /cases/{id}` | [`CaseView`] |
//! | `POST /cases/{id}/retry` with [`CaseWord`] | [`CaseView`] |
//! | `POST /cases/{id}/close` with [`CaseClosing`] | [`PaymentView`] |
//! | `GET /totals/{YYYY-MM-DD}` | [`TotalsView`] |
//!
//! A fault is answered as `{"error": "..."}` with status 400, 404, 409 or 503.

use super::serve::Server;
use super::view::{CaseClosing, CaseView, CaseWord, LineView, PaymentView, StatusView, TotalsView};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidegate_payment::id::PaymentId;
use tokio::net::{UnixListener, UnixStream};

/// Why the daemon cannot do what an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Not an id or a date.
    #[error("{0}")]
    Malformed(String),
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// It is not in a state for that.
    #[error("{0}")]
    Conflict(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

/// The answer to an operator.
pub type Reply<T> = BoxFuture<'static, Result<T, ControlError>>;

/// What the daemon does for operators.
pub trait ControlBackend: Send + Sync + 'static {
    /// The gateway as a whole.
    fn status(&self) -> Reply<StatusView>;
    /// All lines of all hosts.
    fn lines(&self) -> Reply<Vec<LineView>>;
    /// A payment with its timeline.
    fn payment(&self, id: PaymentId) -> Reply<PaymentView>;
    /// All open cases, oldest first.
    fn cases(&self) -> Reply<Vec<CaseView>>;
    /// One open case.
    fn case(&self, id: PaymentId) -> Reply<CaseView>;
    /// Tries a parked reversal again; answered when that is durable.
    fn retry_case(&self, id: PaymentId, word: CaseWord) -> Reply<CaseView>;
    /// Ends a case; answered when that is durable.
    fn close_case(&self, id: PaymentId, closing: CaseClosing) -> Reply<PaymentView>;
    /// Counts and sums of a business date, `YYYY-MM-DD`.
    fn totals(&self, date: jiff::civil::Date) -> Reply<TotalsView>;
}

/// The control socket could not open.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another daemon listens there.
    #[error("another gateway listens on {}: stop it first", .path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something else stands there.
    #[error("{} is no socket: move it away or choose another control_socket", .path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("the control socket {} cannot be opened", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// An open control socket; its file is removed by [`ControlSocket::drain`].
pub struct ControlSocket {
    path: PathBuf,
    server: Server,
}

impl ControlSocket {
    /// Opens the socket and serves it in tasks of its own. A stale file of a dead daemon is replaced.
    /// # Errors
    /// [`SocketError`].
    pub async fn open(
        path: &FilePath,
        backend: Arc<dyn ControlBackend>,
    ) -> Result<Self, SocketError> {
        clear(path).await?;
        let fault = |source| SocketError::Io { path: path.to_path_buf(), source };
        let listener = UnixListener::bind(path).map_err(fault)?;
        let owner = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .and_then(|()| std::fs::metadata(path))
            .map_err(fault)?
            .uid();
        let server = Server::new(router(backend));
        let serving = server.clone();
        server.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = serving.stop.cancelled() => return,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) if trusted(&stream, owner) => serving.connection(stream),
                        Ok(_) => tracing::warn!("a stranger knocked on the control socket"),
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    },
                }
            }
        });
        Ok(Self { path: path.to_path_buf(), server })
    }

    /// Stops, waiting for answers under way no longer than told, and removes the file.
    pub async fn drain(self, within: Duration) {
        let _gone = std::fs::remove_file(&self.path);
        self.server.drain(within).await;
    }
}

/// The mode of the file guards the socket; between its making and its mode this check does.
fn trusted(stream: &UnixStream, owner: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0)
}

async fn clear(path: &FilePath) -> Result<(), SocketError> {
    let Ok(held) = std::fs::symlink_metadata(path) else { return Ok(()) };
    let path = path.to_path_buf();
    if !held.file_type().is_socket() {
        return Err(SocketError::NoSocket { path });
    }
    if UnixStream::connect(&path).await.is_ok() {
        return Err(SocketError::Taken { path });
    }
    std::fs::remove_file(&path).map_err(|source| SocketError::Io { path, source })
}

type Backend = State<Arc<dyn ControlBackend>>;

fn router(backend: Arc<dyn ControlBackend>) -> Router {
    Router::new()
        .route("/status", get(|State(b): Backend| async move { tell(b.status().await) }))
        .route("/lines", get(|State(b): Backend| async move { tell(b.lines().await) }))
        .route("/cases", get(|State(b): Backend| async move { tell(b.cases().await) }))
        .route("/payments/{id}", get(payment))
        .route("/cases/{id}", get(case))
        .route("/cases/{id}/retry", post(retry))
        .route("/cases/{id}/close", post(close))
        .route("/totals/{date}", get(totals))
        .with_state(backend)
}

fn tell<T: Serialize>(reply: Result<T, ControlError>) -> Response {
    let fault = match reply {
        Ok(shown) => return Json(shown).into_response(),
        Err(fault) => fault,
    };
    let status = match fault {
        ControlError::Malformed(_) => StatusCode::BAD_REQUEST,
        ControlError::NotFound(_) => StatusCode::NOT_FOUND,
        ControlError::Conflict(_) => StatusCode::CONFLICT,
        ControlError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(serde_json::json!({ "error": fault.to_string() }))).into_response()
}

fn parse(id: &str) -> Result<PaymentId, ControlError> {
    PaymentId::parse(id).map_err(|fault| ControlError::Malformed(fault.to_string()))
}

async fn payment(State(backend): Backend, Path(id): Path<String>) -> Response {
    tell(match parse(&id) {
        Ok(id) => backend.payment(id).await,
        Err(fault) => Err(fault),
    })
}

async fn case(State(backend): Backend, Path(id): Path<String>) -> Response {
    tell(match parse(&id) {
        Ok(id) => backend.case(id).await,
        Err(fault) => Err(fault),
    })
}

async fn retry(
    State(backend): Backend,
    Path(id): Path<String>,
    Json(word): Json<CaseWord>,
) -> Response {
    tell(match parse(&id).and_then(|id| signed(&word.by, &word.reason).map(|()| id)) {
        Ok(id) => backend.retry_case(id, word).await,
        Err(fault) => Err(fault),
    })
}

async fn close(
    State(backend): Backend,
    Path(id): Path<String>,
    Json(closing): Json<CaseClosing>,
) -> Response {
    tell(match parse(&id).and_then(|id| signed(&closing.by, &closing.reason).map(|()| id)) {
        Ok(id) => backend.close_case(id, closing).await,
        Err(fault) => Err(fault),
    })
}

/// Who and why stand in the journal for ever: both must be there, and short.
fn signed(by: &str, reason: &str) -> Result<(), ControlError> {
    let said = |text: &str, max| !text.trim().is_empty() && text.chars().count() <= max;
    if said(by, 64) && said(reason, 500) {
        return Ok(());
    }
    let wanted = "who (1 to 64 characters) and why (1 to 500 characters) are wanted";
    Err(ControlError::Malformed(wanted.to_owned()))
}

async fn totals(State(backend): Backend, Path(date): Path<String>) -> Response {
    tell(match date.parse() {
        Ok(date) => backend.totals(date).await,
        Err(_) => Err(ControlError::Malformed("a date YYYY-MM-DD is wanted".to_owned())),
    })
}
