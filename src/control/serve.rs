//! Serves a small router on a stream: hyper's HTTP/1.1 with limits, for few and trusted clients.

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Connections at once; one more is closed.
const CONNECTIONS_MAX: usize = 64;
const BODY_BYTES_MAX: usize = 65_536;
const HEADER_TIME: Duration = Duration::from_secs(30);

/// What serves the connections of one inner listener.
#[derive(Clone)]
pub(super) struct Server {
    router: Router,
    places: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Server {
    pub(super) fn new(router: Router) -> Self {
        Self {
            router: router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Serves a connection in a task of its own, unless there are too many.
    pub(super) fn connection<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let (router, stop) = (self.router.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                router.clone().oneshot(request.map(Body::new))
            });
            let library = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIME)
                .max_headers(64)
                .max_buf_size(16_384)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(library);
            tokio::select! {
                _ended = library.as_mut() => {}
                () = stop.cancelled() => {
                    library.as_mut().graceful_shutdown();
                    let _ended = library.await;
                }
            }
            drop(place);
        });
    }

    /// Stops and waits, no longer than told.
    pub(super) async fn drain(&self, within: Duration) {
        self.stop.cancel();
        self.tasks.close();
        let _all = tokio::time::timeout(within, self.tasks.wait()).await;
    }
}
