//! Carries the edge's messages over its seam as encoded bytes through a socket pair, as they will pass
//! when the edge is a process of its own.

use super::http::{Handle, Lanes};
use super::limits::Limits;
use super::refusal::Refusal;
use super::seam::{Answer, Received};
use crate::carriage::{self, CarryError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// The longest answer that is carried, encoded.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A message and its answer have one number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbered<T> {
    number: u64,
    message: T,
}

/// How long a request may be, encoded: a byte of a header takes up to four, of a body up to one and a
/// half.
fn request_bytes_max(limits: &Limits) -> usize {
    let head = limits.header_bytes_max.saturating_mul(8);
    let body = limits.body_bytes_max.saturating_mul(2);
    head.saturating_add(body).saturating_add(65_536)
}

/// Puts a handler behind a socket pair. The result is the near end.
/// # Errors
/// What the system says.
pub fn carried(handler: Arc<dyn Handle>, limits: &Limits) -> io::Result<Arc<dyn Handle>> {
    let (near, far) = UnixStream::pair()?;
    let lanes = handler.lanes();
    let request_bytes_max = request_bytes_max(limits);
    let in_flight_max = limits.requests_in_flight_max;
    tokio::spawn(behind(far, handler, request_bytes_max, in_flight_max));
    let (read, write) = near.into_split();
    let (outbox, to_send) = mpsc::channel(in_flight_max);
    let waiting = Waiting::default();
    tokio::spawn(send(to_send, write, request_bytes_max, Arc::clone(&waiting)));
    tokio::spawn(hear(read, Arc::clone(&waiting)));
    Ok(Arc::new(Near { outbox, waiting, next: AtomicU64::new(0), lanes }))
}

/// Who waits for which answer; none once the pair is broken.
type Waiting = Arc<Mutex<Option<BTreeMap<u64, oneshot::Sender<Answer>>>>>;

/// The edge's end.
struct Near {
    outbox: mpsc::Sender<Numbered<Received>>,
    waiting: Waiting,
    next: AtomicU64,
    lanes: Lanes,
}

impl Handle for Near {
    fn lanes(&self) -> Lanes {
        self.lanes
    }

    fn handle(&self, received: Received) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer_to, answer) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_default()
            .insert(number, answer_to);
        let outbox = self.outbox.clone();
        Box::pin(async move {
            if outbox.send(Numbered { number, message: received }).await.is_err() {
                return broken();
            }
            answer.await.unwrap_or_else(|_| broken())
        })
    }
}

/// Nothing is said about the outcome.
fn broken() -> Answer {
    let refusal = Refusal::Broken;
    let headers = vec![("content-type".to_owned(), "application/problem+json".to_owned())];
    Answer { status: refusal.status(), headers, body: refusal.body() }
}

async fn send(
    mut to_send: mpsc::Receiver<Numbered<Received>>,
    mut write: OwnedWriteHalf,
    most: usize,
    waiting: Waiting,
) {
    while let Some(request) = to_send.recv().await {
        match carriage::write(&mut write, &request, most).await {
            Ok(()) => {}
            Err(fault @ CarryError::TooLong { .. }) => {
                tracing::error!(%fault, "a request does not fit the seam");
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.as_mut().and_then(|waiting| waiting.remove(&request.number));
            }
            Err(fault) => return tracing::error!(%fault, alarm = true, "the edge's seam is broken"),
        }
    }
}

async fn hear(mut read: OwnedReadHalf, waiting: Waiting) {
    loop {
        match carriage::read::<Numbered<Answer>>(&mut read, ANSWER_BYTES_MAX).await {
            Ok(Some(Numbered { number, message })) => {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let asked = waiting.as_mut().and_then(|waiting| waiting.remove(&number));
                // A client that went away waits for nothing.
                drop(asked.map(|asked| asked.send(message)));
            }
            Ok(None) => break,
            Err(fault) => {
                tracing::error!(%fault, alarm = true, "the edge's seam is broken");
                break;
            }
        }
    }
    // Whoever waits hears that nothing will come.
    *waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// The end behind the seam: reads requests, has each worked on, writes answers as they come.
async fn behind(
    stream: UnixStream,
    handler: Arc<dyn Handle>,
    request_bytes_max: usize,
    in_flight_max: usize,
) {
    let (mut read, mut write) = stream.into_split();
    let (answered, mut answers) = mpsc::channel::<Numbered<Answer>>(in_flight_max);
    let writing = async move {
        while let Some(answer) = answers.recv().await {
            let number = answer.number;
            let written = match carriage::write(&mut write, &answer, ANSWER_BYTES_MAX).await {
                Err(CarryError::TooLong { .. }) => {
                    let answer = Numbered { number, message: broken() };
                    carriage::write(&mut write, &answer, ANSWER_BYTES_MAX).await
                }
                written => written,
            };
            if let Err(fault) = written {
                return tracing::debug!(%fault, "nobody takes answers any more");
            }
        }
    };
    let reading = async move {
        loop {
            match carriage::read::<Numbered<Received>>(&mut read, request_bytes_max).await {
                Ok(Some(Numbered { number, message })) => {
                    let (work, answered) = (handler.handle(message), answered.clone());
                    tokio::spawn(async move {
                        let message = work.await;
                        drop(answered.send(Numbered { number, message }).await);
                    });
                }
                Ok(None) => return,
                Err(fault) => {
                    return tracing::error!(%fault, alarm = true, "the edge's seam is broken");
                }
            }
        }
    };
    tokio::join!(writing, reading);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn request(target: &str) -> Received {
        Received {
            listener: "rest".to_owned(),
            peer: "192.0.2.7:1234".parse().unwrap(),
            client_certificate: Some(vec![0x30, 0]),
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: vec![("x-bytes".to_owned(), vec![0x80, 0xFF])],
            body: (0..=255).collect(),
        }
    }

    fn echo(received: Received) -> Answer {
        assert!(received.target != "/break", "planted");
        let body = if received.target == "/long" { vec![0; 8 << 20] } else { received.body };
        Answer { status: 200, headers: vec![("x-target".into(), received.target)], body }
    }

    #[tokio::test]
    async fn requests_and_answers_cross_as_bytes_and_find_each_other() {
        let handler = |received: Received| async move { echo(received) };
        let near = carried(Arc::new(handler), &Limits::default()).unwrap();
        let asked = (0..100).map(|number| near.handle(request(&format!("/{number}"))));
        let answers = futures_util::future::join_all(asked).await;
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, echo(request(&format!("/{number}"))));
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_is_a_failure_of_its_own_request_alone() {
        let handler = |received: Received| async move { echo(received) };
        let near = carried(Arc::new(handler), &Limits::default()).unwrap();
        let oversized = Received { body: vec![0; 1 << 20], ..request("/") };
        assert_eq!(near.handle(oversized).await.status, 500);
        assert_eq!(near.handle(request("/long")).await.status, 500);
        assert_eq!(near.handle(request("/good")).await, echo(request("/good")));
    }

    #[tokio::test]
    async fn garbage_from_the_edge_ends_its_conversation() {
        let (mut edge, far) = UnixStream::pair().unwrap();
        let handler: Arc<dyn Handle> = Arc::new(|received: Received| async move { echo(received) });
        let behind = tokio::spawn(behind(far, handler, 1_000, 4));
        let garbage = serde_json::json!({ "number": 1, "message": { "listener": 7 } });
        carriage::write(&mut edge, &garbage, 1_000).await.unwrap();
        behind.await.unwrap();
        assert!(carriage::read::<Numbered<Answer>>(&mut edge, 1_000).await.unwrap().is_none());
    }
}
