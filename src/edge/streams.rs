//! What is under way on one HTTP/2 connection, and when the connection has waited long enough.

use super::limits::Limits;
use super::refusal::Refusal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The streams of one connection, shared by their tasks and by whoever drives the connection.
#[derive(Debug)]
pub struct Streams {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Each stream under way, and since when its answer waits to be taken.
    under_way: BTreeMap<u64, Option<Instant>>,
    begun: u64,
    /// When the last stream ended, or the connection began.
    idle_since: Instant,
    /// No further requests are wanted.
    leaving: bool,
    /// Why the connection was ended, once it was.
    refusal: Option<Refusal>,
}

/// Why a connection ends on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing was under way for too long.
    Idle,
    /// An answer was not taken.
    NotTaken,
}

impl Streams {
    /// A fresh connection.
    pub fn new() -> Arc<Self> {
        let state = State {
            under_way: BTreeMap::new(),
            begun: 0,
            idle_since: Instant::now(),
            leaving: false,
            refusal: None,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream begins. Returns it and which one of the connection it is, from 1.
    pub fn begin(self: &Arc<Self>) -> (Stream, u64) {
        let mut state = self.lock();
        state.begun = state.begun.saturating_add(1);
        let number = state.begun;
        state.under_way.insert(number, None);
        drop(state);
        self.changed.notify_one();
        (Stream { streams: Arc::clone(self), number }, number)
    }

    /// No further requests are wanted: the connection ends after those under way.
    pub fn leave(&self) {
        self.lock().leaving = true;
        self.changed.notify_one();
    }

    /// Whether no further requests are wanted.
    pub fn leaving(&self) -> bool {
        self.lock().leaving
    }

    /// The connection is ended for this reason; the first one counts.
    pub fn refuse(&self, refusal: Refusal) {
        self.lock().refusal.get_or_insert(refusal);
    }

    /// Why the connection was ended, if it was.
    pub fn refusal(&self) -> Option<Refusal> {
        self.lock().refusal
    }

    /// Waits until something changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// When the connection will have waited long enough as things stand, and for what; none while only
    /// work on requests is under way.
    pub fn due(&self, limits: &Limits) -> Option<(Instant, Due)> {
        let state = self.lock();
        if state.under_way.is_empty() {
            return Some((state.idle_since + limits.idle_time, Due::Idle));
        }
        let oldest = state.under_way.values().flatten().min()?;
        Some((*oldest + limits.answer_time, Due::NotTaken))
    }
}

/// A stream under way, until it is dropped.
#[derive(Debug)]
pub struct Stream {
    streams: Arc<Streams>,
    number: u64,
}

impl Stream {
    /// Its answer is handed over; from now on it waits for the client to take it.
    pub fn answered(&self) {
        self.streams.lock().under_way.insert(self.number, Some(Instant::now()));
        self.streams.changed.notify_one();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.streams.lock();
        state.under_way.remove(&self.number);
        state.idle_since = Instant::now();
        drop(state);
        self.streams.changed.notify_one();
    }
}
