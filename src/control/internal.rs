//! The internal listener: `/healthz` (the process answers), `/readyz` (it can do its work), `/metrics`.

use super::serve::Server;
use crate::observe::{Health, Metrics, Unmet};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The internal listener could not open.
#[derive(Debug, thiserror::Error)]
#[error("the internal listener cannot listen on {address}: is the port taken?")]
pub struct InternalError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// An open internal listener.
pub struct Internal {
    address: SocketAddr,
    server: Server,
}

#[derive(Clone)]
struct Shown {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    refresh: Arc<dyn Fn() + Send + Sync>,
}

impl Internal {
    /// Opens the listener. `refresh` runs before each page of metrics, to set what is only measured
    /// when somebody asks (ages, disk room).
    /// # Errors
    /// [`InternalError`] when the address cannot be bound.
    pub async fn open(
        address: SocketAddr,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        refresh: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, InternalError> {
        let fault = |source| InternalError { address, source };
        let listener = TcpListener::bind(address).await.map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        let router = Router::new()
            .route("/healthz", get(alive))
            .route("/readyz", get(ready))
            .route("/metrics", get(page))
            .with_state(Shown { health, metrics, refresh });
        let server = Server::new(router);
        let serving = server.clone();
        server.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = serving.stop.cancelled() => return,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => serving.connection(stream),
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    },
                }
            }
        });
        Ok(Self { address, server })
    }

    /// Where it listens, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops, waiting for answers under way no longer than told.
    pub async fn drain(self, within: Duration) {
        self.server.drain(within).await;
    }
}

async fn alive() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "alive": true }))
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    unmet: Vec<Unmet>,
}

async fn ready(State(shown): State<Shown>) -> Response {
    let unmet = shown.health.unmet();
    let ready = unmet.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, unmet })).into_response()
}

async fn page(State(shown): State<Shown>) -> Response {
    (shown.refresh)();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shown.metrics.text()).into_response()
}
