//! A store in memory for tests and simulation. It keeps the promises of the [`Store`] trait, checks
//! preconditions as a store shared by several nodes would, and fails on request.

use super::course::Course;
use super::recovery::Recovered;
use super::{Committed, Conflict, Store, StoreError, begins_payment};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::id::PaymentId;
use tidegate_payment::input::{LoadKey, Loaded};
use tidegate_payment::payment::{Payment, State};
use tidegate_payment::record::{Accepted, Block, Group, Leased, Precondition, Record};
use tidegate_payment::time::Timestamp;
use tokio::sync::{oneshot, watch};

/// A store in memory. Clones share it; [`MemoryStore::reopen`] is a restart.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    applied: watch::Sender<Sequence>,
}

#[derive(Debug, Default)]
struct Inner {
    records: Vec<Record>,
    epoch: u32,
    applied: u64,
    failed: bool,
    fail_next: bool,
    held: bool,
    lagging: bool,
    shortage: Option<Conflict>,
    waiting: VecDeque<(Vec<Group>, oneshot::Sender<Vec<Committed>>)>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let inner = Inner { epoch: 1, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)), applied: watch::Sender::new(Sequence(0)) }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next commit fails, and every one after it.
    pub fn fail_next(&self) {
        self.lock().fail_next = true;
    }

    /// Commits wait until [`MemoryStore::release`].
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Takes what was held, in order.
    pub fn release(&self) {
        let mut inner = self.lock();
        inner.held = false;
        while let Some((groups, reply)) = inner.waiting.pop_front() {
            match inner.take(groups) {
                Some(committed) => drop(reply.send(committed)),
                None => break,
            }
        }
        inner.waiting.clear();
        self.follow(&mut inner);
    }

    /// The projection stays behind (`true`) or follows again (`false`).
    pub fn lag(&self, lagging: bool) {
        let mut inner = self.lock();
        inner.lagging = lagging;
        self.follow(&mut inner);
    }

    /// New payments are refused for this reason, or are taken again.
    pub fn refuse(&self, shortage: Option<Conflict>) {
        self.lock().shortage = shortage;
    }

    /// All records, in order.
    pub fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    /// A restart: what was durable is there; what was held or had failed is gone.
    pub fn reopen(&self, nonces_since: Timestamp) -> (Self, Recovered) {
        let old = self.lock();
        let records = old.records.clone();
        let applied = sequence_of(records.len());
        let epoch = old.epoch.saturating_add(1);
        let recovered = recovered(&records, epoch, nonces_since);
        let inner = Inner { records, epoch, applied: applied.0, ..Inner::default() };
        let inner = Arc::new(Mutex::new(inner));
        (Self { inner, applied: watch::Sender::new(applied) }, recovered)
    }

    fn follow(&self, inner: &mut Inner) {
        if !inner.lagging {
            let last = sequence_of(inner.records.len());
            inner.applied = last.0;
            self.applied.send_replace(last);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn commit(
        &self,
        groups: Vec<Group>,
    ) -> impl Future<Output = Result<Vec<Committed>, StoreError>> + Send {
        let (reply, answer) = oneshot::channel();
        let mut inner = self.lock();
        if inner.held && !inner.failed {
            inner.waiting.push_back((groups, reply));
        } else if let Some(committed) = inner.take(groups) {
            self.follow(&mut inner);
            // The receiver is at hand below.
            drop(reply.send(committed));
        }
        drop(inner);
        async move {
            let why = || StoreError::Failed { why: "the store in memory was told to fail".into() };
            answer.await.map_err(|_| why())
        }
    }

    async fn load(&self, key: LoadKey) -> Result<Loaded, StoreError> {
        let inner = self.lock();
        let applied = Sequence(inner.applied);
        let known = inner.records.iter().zip(1..=inner.applied).map(|(record, _)| record);
        let wanted = known.filter_map(|record| match record {
            Record::Accepted(accepted) if matches(&key, accepted) => Some(accepted.id),
            _ => None,
        });
        let found = wanted.filter_map(|id| payment(&inner.records, inner.applied, id));
        Ok(Loaded { found: found.collect(), applied, key })
    }

    fn applied(&self) -> watch::Receiver<Sequence> {
        self.applied.subscribe()
    }
}

impl Inner {
    /// Writes groups, or fails for good.
    fn take(&mut self, groups: Vec<Group>) -> Option<Vec<Committed>> {
        self.failed |= std::mem::take(&mut self.fail_next);
        if self.failed {
            return None;
        }
        Some(groups.into_iter().map(|group| self.take_one(group)).collect())
    }

    fn take_one(&mut self, group: Group) -> Committed {
        if let Some(shortage) = self.shortage.filter(|_| begins_payment(&group)) {
            return Err(shortage);
        }
        for precondition in &group.preconditions {
            self.check(precondition, &group)?;
        }
        self.records.extend(group.records.iter().cloned());
        Ok(Durable::attest(group, sequence_of(self.records.len())))
    }

    fn check(&self, precondition: &Precondition, group: &Group) -> Result<(), Conflict> {
        match precondition {
            Precondition::AtVersion(id, version) => {
                let had = self.records.iter().filter(|r| r.payment() == Some(*id)).count();
                let as_decided = u32::try_from(had).is_ok_and(|had| had == *version);
                as_decided.then_some(()).ok_or(Conflict::OtherVersion)
            }
            Precondition::KeyIsNew(id) => {
                let begun = |record: &Record| match record {
                    Record::Accepted(accepted) => Some(scope(accepted)),
                    _ => None,
                };
                let mine =
                    group.records.iter().filter(|r| r.payment() == Some(*id)).find_map(begun);
                let taken = mine.is_some() && self.records.iter().any(|r| begun(r) == mine);
                if taken { Err(Conflict::KeyTaken) } else { Ok(()) }
            }
        }
    }
}

/// The scope of an idempotency key, and the key.
fn scope(accepted: &Accepted) -> (String, &'static str, String) {
    let request = &accepted.request;
    (request.merchant.to_string(), request.operation.name(), request.key.to_string())
}

fn matches(key: &LoadKey, accepted: &Accepted) -> bool {
    let request = &accepted.request;
    match key {
        LoadKey::Id(id) => accepted.id == *id || request.original == Some(*id),
        LoadKey::FollowUp { merchant, operation, key, original } => {
            let same_key =
                operation.sharing_keys().contains(&request.operation) && request.key == *key;
            request.merchant == *merchant && same_key
                || accepted.id == *original
                || request.original == Some(*original)
        }
        LoadKey::Order { merchant, order } => {
            request.merchant == *merchant && request.order == *order
        }
        LoadKey::Request { merchant, operation, key, order } => {
            let same_key =
                operation.sharing_keys().contains(&request.operation) && request.key == *key;
            request.merchant == *merchant && (same_key || order.as_ref() == Some(&request.order))
        }
    }
}

/// A payment's records among the first `applied` ones.
fn payment(records: &[Record], applied: u64, id: PaymentId) -> Option<Durable<Group>> {
    let numbered = records.iter().zip(1..=applied).filter(|(r, _)| r.payment() == Some(id));
    let (records, sequences): (Vec<Record>, Vec<u64>) =
        numbered.map(|(record, sequence)| (record.clone(), sequence)).unzip();
    let last = Sequence(*sequences.last()?);
    Some(Durable::attest(Group { records, preconditions: Vec::new() }, last))
}

fn recovered(records: &[Record], epoch: u32, nonces_since: Timestamp) -> Recovered {
    let last = sequence_of(records.len());
    let mut recovered = Recovered {
        groups: Vec::new(),
        reversed: Vec::new(),
        date: None,
        leases: Vec::new(),
        nonces: Vec::new(),
        last,
        epoch,
        cut: None,
    };
    for record in records {
        match record {
            Record::Accepted(accepted) => {
                let freshness = &accepted.request.freshness;
                if freshness.created >= nonces_since {
                    let nonce = freshness.nonce.clone();
                    let merchant = accepted.request.merchant.clone();
                    recovered.nonces.push((merchant, nonce, freshness.created));
                }
                let group = payment(records, last.0, accepted.id);
                recovered.reversed.extend(group.clone().filter(|group| is_reversed(group.get())));
                recovered.groups.extend(group.filter(|group| is_open(group.get())));
            }
            Record::DateMoved(moved) => recovered.date = Some(moved.date),
            Record::Leased(leased) => {
                recovered.leases.retain(|known| space(known) != space(leased));
                recovered.leases.push(leased.clone());
            }
            _ => {}
        }
    }
    recovered.nonces.sort_by_key(|(.., created)| *created);
    recovered.leases.sort_by_key(space);
    recovered.reversed.reverse();
    recovered
}

fn is_reversed(group: &Group) -> bool {
    let payment = Payment::fold(&group.records);
    let state = payment.ok().flatten().map(|payment| payment.state);
    matches!(state, Some(State::Reversed | State::Closed(_)))
}

fn is_open(group: &Group) -> bool {
    let mut records = group.records.iter();
    let Some(Record::Accepted(accepted)) = records.next() else { return false };
    let mut course = Course::begin(accepted);
    // A record that does not fit is the engine's fault; the payment is then looked at, not lost.
    records.try_for_each(|record| course.add(record)).is_err() || course.is_open()
}

/// The space of a lease; RRNs sort before STANs as they do in the ledger.
fn space(leased: &Leased) -> String {
    match &leased.block {
        Block::Stan { host, .. } => format!("STANs of {host}"),
        Block::Rrn { .. } => "RRNs".to_owned(),
    }
}

fn sequence_of(count: usize) -> Sequence {
    Sequence(u64::try_from(count).unwrap_or(u64::MAX))
}
