//! A queue between async callers and the store's threads: putting never waits, taking blocks a thread.
//! Its length is bounded by whoever puts (see [`super::Settings::waiting_groups_max`]).

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A closable queue.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let state = State { items: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Puts an item; gives it back when the queue is closed.
    pub(crate) fn put(&self, item: T) -> Result<(), T> {
        let mut state = self.lock();
        if state.closed {
            return Err(item);
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes all that is there, waiting for the first; `None` once closed and empty.
    pub(crate) fn take_all(&self) -> Option<VecDeque<T>> {
        let mut state = self.wait_for_one()?;
        Some(std::mem::take(&mut state.items))
    }

    /// Takes one item, waiting for it; `None` once closed and empty.
    pub(crate) fn take_one(&self) -> Option<T> {
        self.wait_for_one()?.items.pop_front()
    }

    /// Takes what is there now, without waiting.
    pub(crate) fn take_present(&self) -> VecDeque<T> {
        std::mem::take(&mut self.lock().items)
    }

    /// Waits until `wait` has passed or the queue is closed.
    pub(crate) fn linger(&self, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        let waited = self.changed.wait_timeout_while(self.lock(), wait, |state| !state.closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes nothing more; what is there can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Whether it was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn wait_for_one(&self) -> Option<MutexGuard<'_, State<T>>> {
        let state =
            self.changed.wait_while(self.lock(), |state| state.items.is_empty() && !state.closed);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        (!state.items.is_empty()).then_some(state)
    }

    // A thread that panicked left the queue whole: each change is one push, pop or swap.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
