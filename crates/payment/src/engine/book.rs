//! The payments in memory: all that are open, and the recent ones; with their indexes and timers.

use crate::card::CardHash;
use crate::durable::{Durable, Sequence};
use crate::effect::Reply;
use crate::id::{HostId, IdempotencyKey, MerchantId, OrderId, PaymentId};
use crate::input::{Ask, Attempt, Terms, Waiter};
use crate::payment::{FollowUps, Payment, View};
use crate::request::Operation;
use crate::time::Mono;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// One payment in memory: what is durable of it, and what lives only as long as the process.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Entry {
    /// What its records say.
    pub payment: Payment,
    /// Proof that they are durable.
    pub(super) proof: Durable<()>,
    /// Who waits for its outcome, and whether as a retry.
    pub(super) waiters: Vec<(Waiter, bool)>,
    /// The merchant's options, as long as the request is unanswered.
    pub(super) terms: Option<Terms>,
    /// Where the latest attempt of what is owed is.
    pub(super) flight: Flight,
    /// Since when, in this run, the reversal or the advice is owed.
    pub(super) owed_since: Option<Mono>,
    /// When the host first answered that it knows no original.
    pub(super) unknown_since: Option<Mono>,
    /// Whether an earlier run of the gateway may have sent the latest attempt.
    pub(super) from_before: bool,
    timer: Option<Mono>,
}

/// Where the latest attempt of a reversal, or of an advice that is repeated, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flight {
    /// Not handed over, or it came back unsent.
    Waiting,
    /// Handed over; nobody has said yet whether it was written.
    HandedOver,
    /// Written to a signed-on line.
    Written,
}

impl Entry {
    pub(super) fn is_shown_to(&self, merchant: &Option<MerchantId>) -> bool {
        merchant.as_ref().is_none_or(|merchant| *merchant == self.payment.request.merchant)
    }

    /// Whether a later timer was started since: one that came before it means nothing any more.
    pub(super) fn waits_until_after(&self, now: Mono) -> bool {
        self.timer.is_some_and(|at| at > now)
    }

    pub(super) fn host(&self) -> Option<&HostId> {
        self.payment.fields.as_ref().map(|fields| &fields.route.host)
    }
}

type Key = (MerchantId, Operation, IdempotencyKey);
type Order = (MerchantId, OrderId);

/// Takes an id out of a set, and the set away with its last one.
fn leave<K: Ord>(sets: &mut BTreeMap<K, BTreeSet<PaymentId>>, key: &K, id: PaymentId) {
    if let Some(ids) = sets.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            sets.remove(key);
        }
    }
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Book {
    entries: BTreeMap<PaymentId, Entry>,
    by_key: BTreeMap<Key, PaymentId>,
    by_order: BTreeMap<Order, BTreeSet<PaymentId>>,
    /// The follow-ups of a payment.
    by_original: BTreeMap<PaymentId, BTreeSet<PaymentId>>,
    /// Those that are not settled, each with its host as far as that is known.
    open: BTreeMap<PaymentId, Option<HostId>>,
    open_at: BTreeMap<HostId, usize>,
    settled: BTreeSet<(Sequence, PaymentId)>,
    timers: BTreeSet<(Mono, PaymentId)>,
    /// Cards with a reversal that has not been written to a line since it became due.
    cards_held: BTreeMap<CardHash, BTreeSet<PaymentId>>,
}

impl Book {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, id: PaymentId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: PaymentId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Entry> {
        self.open.keys().filter_map(|id| self.entries.get(id))
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// How many of them are a host's.
    pub(super) fn open_at(&self, host: &HostId) -> usize {
        self.open_at.get(host).copied().unwrap_or(0)
    }

    pub(super) fn of_ask(&self, ask: &Ask) -> Option<&Entry> {
        let (merchant, operation, key) = ask.key();
        let key = (merchant.clone(), operation, key.clone());
        self.by_key.get(&key).and_then(|id| self.entries.get(id))
    }

    /// What followed a payment. While the payment is in memory, so are all its follow-ups: they are
    /// loaded with it, and it is older than they are, so it is forgotten before them.
    pub(super) fn follow_ups(&self, original: PaymentId) -> FollowUps {
        let ids = self.by_original.get(&original).into_iter().flatten();
        let entries = ids.filter_map(|id| self.entries.get(id));
        entries.fold(FollowUps::default(), |sums, entry| sums.with(&entry.payment))
    }

    /// A payment as it may be shown.
    pub(super) fn shown(&self, entry: &Entry) -> Durable<View> {
        let follow_ups = self.follow_ups(entry.payment.id);
        let view = View { follow_ups, ..entry.payment.view() };
        entry.proof.clone().map(|()| view)
    }

    pub(super) fn outcome(&self, entry: &Entry, replayed: bool) -> Reply {
        Reply::Outcome { view: Box::new(self.shown(entry)), replayed }
    }

    /// All payments of an order in memory, oldest first (ids sort by time).
    pub(super) fn of_order(&self, merchant: &MerchantId, order: &OrderId) -> Vec<&Entry> {
        let ids = self.by_order.get(&(merchant.clone(), order.clone()));
        ids.into_iter().flatten().filter_map(|id| self.entries.get(id)).collect()
    }

    pub(super) fn insert(&mut self, payment: Payment, proof: Durable<()>) {
        let id = payment.id;
        let request = &payment.request;
        let merchant = request.merchant.clone();
        let scope = request.operation.key_scope();
        self.by_key.insert((merchant.clone(), scope, request.key.clone()), id);
        self.by_order.entry((merchant, request.order.clone())).or_default().insert(id);
        if let Some(original) = request.original {
            self.by_original.entry(original).or_default().insert(id);
        }
        let entry = Entry {
            payment,
            proof,
            waiters: Vec::new(),
            terms: None,
            flight: Flight::Waiting,
            owed_since: None,
            unknown_since: None,
            from_before: true,
            timer: None,
        };
        self.entries.insert(id, entry);
        self.sort(id);
    }

    /// Files a payment under open or settled, after its state or its proof changed.
    pub(super) fn sort(&mut self, id: PaymentId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let host = entry.host().cloned();
        let was = if entry.payment.is_settled() {
            self.settled.insert((entry.proof.sequence(), id));
            self.open.remove(&id).flatten()
        } else {
            if let Some(host) = &host {
                let count = self.open_at.entry(host.clone()).or_default();
                *count = count.saturating_add(1);
            }
            self.open.insert(id, host).flatten()
        };
        if let Some(count) = was.and_then(|host| self.open_at.get_mut(&host)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Drops settled payments that the projection holds, oldest first, down to `keep` of them.
    /// Stops at one that is `pinned`: it is looked at again the next time.
    pub(super) fn forget_settled(
        &mut self,
        projected: Sequence,
        keep: usize,
        pinned: impl Fn(PaymentId) -> bool,
    ) {
        while self.settled.len() > keep {
            let Some(&(sequence, id)) = self.settled.first() else { return };
            if sequence > projected || pinned(id) {
                return;
            }
            self.settled.remove(&(sequence, id));
            // A late answer may have moved it on since: then a younger line stands for it.
            let current = self.entries.get(&id).map(|entry| entry.proof.sequence());
            if current == Some(sequence) && !self.open.contains_key(&id) {
                self.remove(id);
            }
        }
    }

    fn remove(&mut self, id: PaymentId) {
        self.stop_timer(id);
        let Some(entry) = self.entries.remove(&id) else { return };
        let request = entry.payment.request;
        let scope = request.operation.key_scope();
        self.by_key.remove(&(request.merchant.clone(), scope, request.key));
        leave(&mut self.by_order, &(request.merchant, request.order), id);
        if let Some(original) = request.original {
            leave(&mut self.by_original, &original, id);
        }
    }

    pub(super) fn start_timer(&mut self, id: PaymentId, at: Mono) {
        self.stop_timer(id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.timer = Some(at);
            self.timers.insert((at, id));
        }
    }

    /// What was decided of an open payment was not written: without a timer nobody would decide again.
    pub(super) fn start_timer_if_none(&mut self, id: PaymentId, at: Mono) {
        let entry = self.entries.get(&id);
        if entry.is_some_and(|entry| entry.timer.is_none() && !entry.payment.is_settled()) {
            self.start_timer(id, at);
        }
    }

    pub(super) fn stop_timer(&mut self, id: PaymentId) {
        let timer = self.entries.get_mut(&id).and_then(|entry| entry.timer.take());
        if let Some(at) = timer {
            self.timers.remove(&(at, id));
        }
    }

    pub(super) fn next_timer(&self) -> Option<Mono> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Moves every instant, as if time had passed: for a search in which the clock stands still.
    #[cfg(test)]
    pub(super) fn move_instants(&mut self, moved: impl Fn(Mono) -> Mono) {
        for entry in self.entries.values_mut() {
            let instants = [&mut entry.owed_since, &mut entry.unknown_since, &mut entry.timer];
            instants.into_iter().flatten().for_each(|at| *at = moved(*at));
        }
        let timers = core::mem::take(&mut self.timers);
        self.timers = timers.into_iter().map(|(at, id)| (moved(at), id)).collect();
    }

    /// Writes all that decides what comes next, apart from the payments themselves: for a search that
    /// must know whether two situations are one. Of sequences it says which side of `marks` they are on.
    #[cfg(test)]
    pub(super) fn print(
        &self,
        marks: &[Sequence],
        to: &mut impl core::fmt::Write,
    ) -> core::fmt::Result {
        let Self { entries, by_key: _, by_order: _, by_original: _, open, .. } = self;
        let Self { settled, timers, cards_held, .. } = self;
        for (id, entry) in entries {
            let Entry { payment, proof, waiters, terms, timer, .. } = entry;
            let Entry { flight, owed_since, unknown_since, from_before, .. } = entry;
            let owed = (flight, owed_since, unknown_since, from_before);
            let owed = payment.owed().map(|attempt| (attempt, owed));
            let terms = terms.filter(|_| !payment.is_settled());
            let held = marks.iter().map(|mark| proof.sequence() <= *mark).collect::<Vec<_>>();
            write!(to, "{id:?}{waiters:?}{terms:?}{timer:?}{owed:?}{held:?}")?;
        }
        let settled: Vec<_> = settled.iter().map(|(_, id)| id).collect();
        write!(to, "{open:?}{settled:?}{timers:?}{cards_held:?}")
    }

    /// The payments whose timer has come; the timers are spent.
    pub(super) fn due(&mut self, now: Mono) -> Vec<PaymentId> {
        let mut ids = Vec::new();
        while let Some(&(at, id)) = self.timers.first() {
            if at > now {
                break;
            }
            self.stop_timer(id);
            ids.push(id);
        }
        ids
    }

    /// An attempt of what is owed came back unsent: if it is the latest one, it waits until `at`, or
    /// for its host.
    pub(super) fn unsent(&mut self, id: PaymentId, attempt: Attempt, at: Mono) {
        let latest = |entry: &&mut Entry| {
            entry.flight == Flight::HandedOver && entry.payment.owed() == Some(attempt)
        };
        if let Some(entry) = self.entries.get_mut(&id).filter(latest) {
            entry.flight = Flight::Waiting;
            self.start_timer(id, at);
        }
    }

    pub(super) fn hold_card(&mut self, id: PaymentId) {
        if let Some(entry) = self.entries.get(&id) {
            let card = entry.payment.request.card.hash;
            self.cards_held.entry(card).or_default().insert(id);
        }
    }

    pub(super) fn release_card(&mut self, id: PaymentId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let card = entry.payment.request.card.hash;
        leave(&mut self.cards_held, &card, id);
    }

    /// Whether an older reversal of the same card has not left for the same host yet.
    pub(super) fn is_behind(&self, entry: &Entry) -> bool {
        let older = self.cards_held.get(&entry.payment.request.card.hash);
        let older = older.into_iter().flat_map(|ids| ids.range(..entry.payment.id));
        older.filter_map(|id| self.entries.get(id)).any(|older| older.host() == entry.host())
    }

    pub(super) fn is_card_held(&self, card: CardHash) -> bool {
        self.cards_held.contains_key(&card)
    }
}
