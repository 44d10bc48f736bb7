//! When what is owed goes to its host: below live traffic, first attempts before repeats, and in order
//! for each card. A host that was away meets its backlog drop by drop.

use super::book::{Book, Entry, Flight};
use super::owed::gap_after;
use super::{Engine, Out};
use crate::id::{HostId, PaymentId};
use crate::input::Attempt;
use crate::time::{Mono, Now};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

/// What may be asked of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Reversals and repeats of advices a second, at most. A tenth of it may go at once.
    pub owed_per_second: NonZeroU32,
    /// Payments of the host that are not settled, at most. Each may call for a reversal or a repeat:
    /// at the limit no new one is taken, so that there is room for every one of them.
    pub open_max: usize,
}

impl Default for Pace {
    /// 50 a second; as many payments as the engine takes.
    fn default() -> Self {
        let owed_per_second = NonZeroU32::MIN.saturating_add(49);
        Self { owed_per_second, open_max: usize::MAX }
    }
}

impl Pace {
    fn interval(self) -> Duration {
        let second = Duration::from_secs(1);
        second.checked_div(self.owed_per_second.get()).unwrap_or(second)
    }

    /// How far ahead of its even pace a host may be served.
    fn ahead(self) -> Duration {
        Duration::from_millis(100).saturating_sub(self.interval())
    }
}

/// First attempts go before repeats; those of one kind as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    is_repeat: bool,
    number: u64,
}

/// What waits for its turn at one host.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Lane {
    pace: Pace,
    queue: BTreeMap<Place, PaymentId>,
    places: BTreeMap<PaymentId, Place>,
    /// When the next one would go at an even pace.
    next: Option<Mono>,
    /// When to look again, if only time is lacking.
    wake: Option<Mono>,
    /// Payments that are about to begin.
    opening: usize,
}

impl Lane {
    fn ready_at(&self) -> Mono {
        let next = self.next.map_or(Duration::ZERO, |next| next.0);
        Mono(next.saturating_sub(self.pace.ahead()))
    }

    fn leave(&mut self, id: PaymentId) {
        if let Some(place) = self.places.remove(&id) {
            self.queue.remove(&place);
        }
    }

    /// The first whose turn it is, if it may go now.
    fn take(&mut self, now: Mono, book: &Book) -> Option<PaymentId> {
        self.wake = None;
        let mut gone = Vec::new();
        let found = self.queue.values().copied().find(|id| {
            let entry = book.get(*id).filter(|entry| entry.waits_to_be_sent());
            if entry.is_none() {
                gone.push(*id);
            }
            entry.is_some_and(|entry| !book.is_behind(entry))
        });
        gone.into_iter().for_each(|id| self.leave(id));
        let (id, ready) = (found?, self.ready_at());
        if now < ready {
            self.wake = Some(ready);
            return None;
        }
        self.leave(id);
        let from = self.next.filter(|next| *next > now).unwrap_or(now);
        self.next = Some(from.after(self.pace.interval()));
        Some(id)
    }
}

/// The lanes of all hosts.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Lanes {
    lanes: BTreeMap<HostId, Lane>,
    last: u64,
}

impl Lanes {
    pub(super) fn new(hosts: &[HostId], paces: &BTreeMap<HostId, Pace>) -> Self {
        let lane = |host: &HostId| {
            let pace = paces.get(host).copied().unwrap_or_default();
            (host.clone(), Lane { pace, ..Lane::default() })
        };
        Self { lanes: hosts.iter().map(lane).collect(), last: 0 }
    }

    /// Has everything happened at another time; for a search that lets time pass by it.
    #[cfg(test)]
    pub(super) fn move_instants(&mut self, moved: impl Fn(Mono) -> Mono) {
        for lane in self.lanes.values_mut() {
            for at in [&mut lane.next, &mut lane.wake].into_iter().flatten() {
                *at = moved(*at);
            }
        }
    }

    /// Whether one more payment may begin at the host.
    pub(super) fn has_room(&self, book: &Book, host: &HostId) -> bool {
        let Some(lane) = self.lanes.get(host) else { return true };
        book.open_at(host).saturating_add(lane.opening) < lane.pace.open_max
    }

    /// A payment is about to begin at the host.
    pub(super) fn reserve(&mut self, host: &HostId) {
        if let Some(lane) = self.lanes.get_mut(host) {
            lane.opening = lane.opening.saturating_add(1);
        }
    }

    /// It began, and counts among the open ones, or it did not begin.
    pub(super) fn begun(&mut self, host: &HostId) {
        if let Some(lane) = self.lanes.get_mut(host) {
            lane.opening = lane.opening.saturating_sub(1);
        }
    }

    /// How many messages wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.len()).sum()
    }

    /// When one that waits may go.
    pub(super) fn next_deadline(&self, up: &BTreeSet<HostId>) -> Option<Mono> {
        let lanes = self.lanes.iter().filter(|(host, _)| up.contains(*host));
        lanes.filter_map(|(_, lane)| lane.wake).min()
    }

    fn join(&mut self, host: &HostId, id: PaymentId, is_repeat: bool) {
        let lane = self.lanes.entry(host.clone()).or_default();
        // Who waits already keeps its place.
        if lane.places.contains_key(&id) {
            return;
        }
        self.last = self.last.saturating_add(1);
        let place = Place { is_repeat, number: self.last };
        lane.queue.insert(place, id);
        lane.places.insert(id, place);
    }

    fn take(&mut self, now: Mono, up: &BTreeSet<HostId>, book: &Book) -> Option<PaymentId> {
        let waiting = |(_, lane): &(&HostId, &mut Lane)| !lane.queue.is_empty();
        let lanes = self.lanes.iter_mut().filter(waiting);
        lanes.filter(|(host, _)| up.contains(*host)).find_map(|(_, lane)| lane.take(now, book))
    }
}

impl Entry {
    /// Whether its latest attempt is to be handed over.
    fn waits_to_be_sent(&self) -> bool {
        self.flight == Flight::Waiting && self.payment.owed().is_some()
    }
}

impl Engine {
    /// Has the latest attempt of what is owed wait for its turn, if its host can take it.
    pub(super) fn send_owed(&mut self, now: Now, id: PaymentId) {
        let Some(entry) = self.book.get(id).filter(|entry| entry.waits_to_be_sent()) else {
            return;
        };
        let (Some(attempt), Some(host)) = (entry.payment.owed(), entry.host()) else { return };
        // Without a line it waits, at no cost, for `HostUp`; the timer stays to find it exhausted.
        if self.hosts_up.contains(host) {
            self.lanes.join(host, id, attempt != Attempt::Reversal(1));
        }
        self.book.start_timer(id, gap_after(&self.settings, attempt, now.mono));
    }

    /// Hands over what may go now.
    pub(super) fn send_paced(&mut self, now: Now, out: &mut Out) {
        while let Some(id) = self.lanes.take(now.mono, &self.hosts_up, &self.book) {
            self.hand_over(now, id, out);
        }
    }

    fn hand_over(&mut self, now: Now, id: PaymentId, out: &mut Out) {
        let Some(entry) = self.book.get_mut(id) else { return };
        let Some(attempt) = entry.payment.owed() else { return };
        let repeat = attempt != Attempt::Reversal(1) || entry.from_before;
        entry.flight = Flight::HandedOver;
        let again = gap_after(&self.settings, attempt, now.mono);
        self.book.start_timer(id, again);
        // It holds its place on the lines for the time of a reply, not for the whole gap.
        let deadline = again.min(now.mono.after(self.settings.host_reply));
        self.send(id, attempt, repeat, deadline, out);
    }

    /// A message was written to a signed-on line.
    pub(super) fn written(&mut self, now: Now, id: PaymentId, attempt: Attempt) {
        let Some(entry) = self.book.get_mut(id) else { return };
        if entry.payment.owed() != Some(attempt) || entry.flight != Flight::HandedOver {
            return;
        }
        entry.flight = Flight::Written;
        self.book.release_card(id);
        self.book.start_timer(id, gap_after(&self.settings, attempt, now.mono));
    }

    pub(super) fn host_up(&mut self, now: Now, host: HostId, up: bool) {
        if !up {
            self.hosts_up.remove(&host);
            return;
        }
        self.hosts_up.insert(host.clone());
        let waiting = self
            .book
            .open()
            .filter(|entry| entry.host() == Some(&host) && entry.waits_to_be_sent());
        let ids: Vec<_> = waiting.map(|entry| entry.payment.id).collect();
        for id in ids {
            self.send_owed(now, id);
        }
    }
}
