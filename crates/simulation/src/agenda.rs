//! What will happen, in the order of time; at one instant, in the order in which it was planned.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

/// A queue of events.
#[derive(Debug)]
pub struct Agenda<E> {
    heap: BinaryHeap<Reverse<Item<E>>>,
    planned: u64,
}

#[derive(Debug)]
struct Item<E> {
    at: Duration,
    number: u64,
    event: E,
}

impl<E> Item<E> {
    fn rank(&self) -> (Duration, u64) {
        (self.at, self.number)
    }
}

impl<E> PartialEq for Item<E> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<E> Eq for Item<E> {}

impl<E> PartialOrd for Item<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Item<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), planned: 0 }
    }
}

impl<E> Agenda<E> {
    /// Plans an event.
    pub fn plan(&mut self, at: Duration, event: E) {
        self.planned = self.planned.saturating_add(1);
        self.heap.push(Reverse(Item { at, number: self.planned, event }));
    }

    /// The next event, and when it happens.
    pub fn take(&mut self) -> Option<(Duration, E)> {
        self.heap.pop().map(|Reverse(item)| (item.at, item.event))
    }

    /// How many events are planned.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is planned.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

/// A queue on the way: what goes in first comes out first, however long each waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lane(Duration);

impl Lane {
    /// When something that goes in now and needs `wait` comes out.
    pub fn out(&mut self, now: Duration, wait: Duration) -> Duration {
        self.0 = self.0.max(now.saturating_add(wait));
        self.0
    }
}
