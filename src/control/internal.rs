//! The internal listener: `/healthz` (the process lives), `/readyz` (it does its work), `/metrics`.

use crate::observe::{Health, Metrics};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at once.
const CONNECTIONS_MAX: usize = 64;
/// How long a request's head may take.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// How long a connection may last.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// After a failed accept (no file handles left, most likely): those that are open go on meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the pages show.
pub struct Pages {
    /// Conditions of readiness.
    pub health: Health,
    /// All numbers; the closure brings the gauges up to date first.
    pub metrics: Arc<Metrics>,
    /// Brings gauges up to date that are read, not counted.
    pub refresh: Box<dyn Fn(&Metrics) + Send + Sync>,
}

/// Serves the pages until `stop` is cancelled.
pub async fn serve(listener: TcpListener, pages: Pages, stop: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(pages));
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).half_close(false);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            // Whoever reads slowly is dropped; nothing is lost by it.
            let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
        });
    }
}

async fn ready(State(pages): State<Arc<Pages>>) -> Response {
    let unmet = pages.health.unmet();
    let status = if unmet.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": unmet.is_empty(), "unmet": unmet });
    (status, axum::Json(body)).into_response()
}

async fn metrics(State(pages): State<Arc<Pages>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (pages.refresh)(&pages.metrics);
    ([(header::CONTENT_TYPE, OPEN_METRICS)], pages.metrics.text()).into_response()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::observe::Beat;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn get(address: SocketAddr, target: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn monitoring_sees_life_readiness_and_numbers() {
        let echo = Beat::default();
        let pages = Pages {
            health: Health::new(vec![echo.condition("an echo", Duration::from_secs(600))]),
            metrics: Metrics::new(),
            refresh: Box::new(|metrics| {
                metrics.disk_free_bytes.set(42);
            }),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, pages, stop.clone()));
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
        let unready = get(address, "/readyz").await;
        assert!(unready.starts_with("HTTP/1.1 503 "), "{unready}");
        assert!(unready.contains("\"condition\":\"an echo\""), "{unready}");
        echo.mark();
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200 "));
        let page = get(address, "/metrics").await;
        assert!(page.contains("\ntidegate_disk_free_bytes 42\n"), "{page}");
        stop.cancel();
        server.await.unwrap();
    }
}
