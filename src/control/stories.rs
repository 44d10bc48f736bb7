//! The inner side on real sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use super::client::{Client, ClientError};
use super::internal::Internal;
use super::socket::{ControlBackend, ControlError, ControlSocket, Reply, SocketError};
use super::view::{
    CaseClosing, CaseResolution, CaseView, CaseWord, LineView, PaymentView, StatusView, TotalsView,
};
use crate::observe::{Beat, Health, Metrics};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_payment::id::PaymentId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A daemon with one case.
#[derive(Default)]
struct OneCase {
    heard: Mutex<Vec<String>>,
}

const CASE: &str = "00000000-0000-7000-8000-000000000001";

fn case() -> CaseView {
    CaseView {
        id: CASE.to_owned(),
        opened: "2026-11-22T10:00:00Z".to_owned(),
        why: "exhausted".to_owned(),
        merchant: "m-1001".to_owned(),
        amount: "12.34 EUR".to_owned(),
        host: "bank".to_owned(),
        stan: Some("000123".to_owned()),
        rrn: None,
        attempts: 12,
    }
}

fn now<T: Send + 'static>(reply: Result<T, ControlError>) -> Reply<T> {
    Box::pin(async { reply })
}

impl ControlBackend for OneCase {
    fn status(&self) -> Reply<StatusView> {
        now(Err(ControlError::Unavailable("starting".to_owned())))
    }
    fn lines(&self) -> Reply<Vec<LineView>> {
        now(Ok(Vec::new()))
    }
    fn payment(&self, id: PaymentId) -> Reply<PaymentView> {
        now(Err(ControlError::NotFound(format!("payment {id}"))))
    }
    fn cases(&self) -> Reply<Vec<CaseView>> {
        now(Ok(vec![case()]))
    }
    fn case(&self, _id: PaymentId) -> Reply<CaseView> {
        now(Ok(case()))
    }
    fn retry_case(&self, id: PaymentId, word: CaseWord) -> Reply<CaseView> {
        self.heard.lock().unwrap().push(format!("retry {id} {} {}", word.by, word.reason));
        now(Ok(case()))
    }
    fn close_case(&self, id: PaymentId, closing: CaseClosing) -> Reply<PaymentView> {
        self.heard.lock().unwrap().push(format!("close {id} {:?}", closing.resolution));
        now(Err(ControlError::Conflict("the payment has no open case".to_owned())))
    }
    fn totals(&self, date: jiff::civil::Date) -> Reply<TotalsView> {
        now(Ok(TotalsView { business_date: date.to_string(), rows: Vec::new() }))
    }
}

#[tokio::test]
async fn an_operator_speaks_to_the_daemon_through_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidegate.sock");
    let backend = Arc::new(OneCase::default());
    let held: Arc<dyn ControlBackend> = backend.clone();
    let socket = ControlSocket::open(&path, held).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let client = Client::new(&path);
    let cases: Vec<CaseView> = client.get("/cases").await.unwrap();
    assert_eq!(cases, [case()]);
    let word = CaseWord { by: "ann".to_owned(), reason: "host is back".to_owned() };
    let retried: CaseView = client.post(&format!("/cases/{CASE}/retry"), &word).await.unwrap();
    assert_eq!(retried, case());
    let resolution = CaseResolution::NeverPosted;
    let closing = CaseClosing { by: word.by, reason: word.reason, resolution };
    let refused = client.post::<PaymentView>(&format!("/cases/{CASE}/close"), &closing).await;
    assert!(matches!(refused, Err(ClientError::Refused { status: 409, .. })), "{refused:?}");
    assert_eq!(
        *backend.heard.lock().unwrap(),
        [format!("retry {CASE} ann host is back"), format!("close {CASE} NeverPosted")]
    );
    let nameless = CaseWord { by: " ".to_owned(), reason: "because".to_owned() };
    let refused = client.post::<CaseView>(&format!("/cases/{CASE}/retry"), &nameless).await;
    assert!(matches!(refused, Err(ClientError::Refused { status: 400, .. })), "{refused:?}");
    for (target, wanted) in [
        ("/payments/1", 400),
        ("/payments/00000000-0000-7000-8000-000000000009", 404),
        ("/status", 503),
        ("/totals/yesterday", 400),
        ("/nowhere", 404),
    ] {
        match client.get::<serde_json::Value>(target).await {
            Err(ClientError::Refused { status, .. }) => assert_eq!(status, wanted, "{target}"),
            other => panic!("{target}: {other:?}"),
        }
    }
    socket.drain(Duration::from_secs(5)).await;
    assert!(!path.exists());
    let gone = client.get::<Vec<CaseView>>("/cases").await;
    assert!(matches!(gone, Err(ClientError::NotRunning { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidegate.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let first = ControlSocket::open(&path, Arc::new(OneCase::default())).await.unwrap();
    let second = ControlSocket::open(&path, Arc::new(OneCase::default())).await;
    assert!(matches!(second, Err(SocketError::Taken { .. })));
    first.drain(Duration::from_secs(5)).await;
    std::fs::write(&path, "precious").unwrap();
    let third = ControlSocket::open(&path, Arc::new(OneCase::default())).await;
    assert!(matches!(third, Err(SocketError::NoSocket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

async fn get(internal: &Internal, target: &str) -> String {
    let mut stream = TcpStream::connect(internal.address()).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn monitoring_sees_life_readiness_and_numbers() {
    let beat = Beat::default();
    let health = Health::new(vec![beat.condition("an echo", Duration::from_secs(600))]);
    let metrics = Metrics::new();
    let measured = Arc::clone(&metrics);
    let refresh = Arc::new(move || {
        measured.disk_free_bytes.set(42);
    });
    let address = "127.0.0.1:0".parse().unwrap();
    let internal = Internal::open(address, Arc::new(health), metrics, refresh).await.unwrap();
    assert!(get(&internal, "/healthz").await.starts_with("HTTP/1.1 200 "));
    let unready = get(&internal, "/readyz").await;
    assert!(unready.starts_with("HTTP/1.1 503 "), "{unready}");
    assert!(unready.contains("\"condition\":\"an echo\""), "{unready}");
    beat.mark();
    assert!(get(&internal, "/readyz").await.contains("{\"ready\":true,\"unmet\":[]}"));
    let page = get(&internal, "/metrics").await;
    assert!(page.contains("\ntidegate_disk_free_bytes 42\n"), "{page}");
    internal.drain(Duration::from_secs(5)).await;
}
