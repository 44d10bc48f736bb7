//! Decides. Inputs come in by [`Engine::handle`], groups of records go out to the store, and what the
//! store made durable comes back by [`Engine::settled`]; only then does the state change, and only
//! then do effects leave. Memory is never ahead of the journal.
//!
//! A payment (with its idempotency key and its order) has at most one group under way; later inputs
//! for it wait in order, all others go on, so that commits stay pipelined.
//!
//! What a caller must do: hand every group of [`Out`] to the store, every effect to its performer, and
//! call [`Engine::handle`] with [`Input::Tick`] when [`Engine::next_deadline`] has come.

mod apply;
mod book;
mod case;
mod date;
mod decide;
mod follow_up;
mod owed;
mod pace;
mod recover;
mod sequencer;
mod status;

#[cfg(test)]
mod tests;

use crate::durable::{Durable, Sequence};
use crate::effect::{Alarm, Effect, Refusal, Reply};
use crate::id::{HostId, PaymentId};
use crate::input::{Attempt, Input, LoadKey, Loaded, Query, QueryBy, Waiter};
use crate::numbering::{LeaseSizes, Numbering};
use crate::payment::Payment;
use crate::record::{Group, GroupSubject, NotSentReason, Precondition, Record};
use crate::time::{BusinessDate, Mono, Now};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use book::Book;
use core::time::Duration;
use pace::Lanes;
use sequencer::{Sequencer, Subject, Turn, UnderWay};

pub use book::Entry;
pub use pace::Pace;
pub use status::Status;

/// How soon a reversal that met a full queue is handed over again: the host is there, only busy.
const FULL_QUEUE_WAIT: Duration = Duration::from_millis(250);

/// The limits and waits that the engine obeys; all from configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long the host may take to answer a request.
    pub host_reply: Duration,
    /// The waits between attempts of a reversal; the last one repeats.
    pub reversal_gaps: Vec<Duration>,
    /// After this long without an accepted answer a reversal waits for a person.
    pub reversal_give_up: Duration,
    /// The host's longest time to process a request: between two answers "unknown original" at least
    /// this long must pass before they count.
    pub unknown_original_wait: Duration,
    /// What may be asked of each host; [`Pace::default`] of one that is not named.
    pub paces: BTreeMap<HostId, Pace>,
    /// Payments that are not settled, at most.
    pub open_payments_max: usize,
    /// Settled payments kept in memory for quick answers, at most.
    pub recent_payments_max: usize,
    /// Inputs that wait for a group under way or for something to be loaded, at most.
    pub waiting_max: usize,
    /// Who may wait for one payment, at most.
    pub waiters_max: usize,
    /// How many numbers are leased at a time.
    pub leases: LeaseSizes,
}

/// What came of an input.
#[derive(Debug, Default)]
pub struct Out {
    /// To be written; each comes back by [`Engine::settled`].
    pub groups: Vec<Group>,
    /// To be done.
    pub effects: Vec<Effect>,
}

/// The decisions of one gateway.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Engine {
    settings: Settings,
    book: Book,
    sequencer: Sequencer,
    numbers: Numbering,
    lanes: Lanes,
    loading: BTreeMap<LoadKey, Loading>,
    projected: Sequence,
    hosts_up: BTreeSet<HostId>,
    date: Option<BusinessDate>,
    stopping: bool,
}

/// A look-up under way.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Loading {
    /// Up to where the projection was known to be when it was issued: it sees at least that much.
    projected: Sequence,
    /// Who waits for it.
    turns: Vec<Turn>,
}

impl Engine {
    /// An engine that knows nothing yet: see [`Engine::restore`], then [`Engine::recover`].
    pub fn new(settings: Settings, hosts: impl IntoIterator<Item = HostId>) -> Self {
        let hosts: Vec<HostId> = hosts.into_iter().collect();
        let lanes = Lanes::new(&hosts, &settings.paces);
        let numbers = Numbering::new(hosts, settings.leases);
        Self {
            settings,
            book: Book::default(),
            sequencer: Sequencer::default(),
            numbers,
            lanes,
            loading: BTreeMap::new(),
            projected: Sequence::default(),
            hosts_up: BTreeSet::new(),
            date: None,
            stopping: false,
        }
    }

    /// Takes no new requests from now on; what is under way goes on.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Hears one input.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Out) {
        self.take_turn(now, Turn::Heard(input), out);
        self.send_paced(now, out);
        self.renew_leases(now, out);
    }

    /// Hears that a group is durable.
    pub fn settled(&mut self, now: Now, group: Durable<Group>, out: &mut Out) {
        let way = self.sequencer.finish(group.get().subject());
        let subjects = way.as_ref().map(|way| way.subjects.clone()).unwrap_or_default();
        let begun = way.as_ref().and_then(|way| way.number.clone());
        self.apply(now, group, way, out);
        if let Some((host, _)) = begun {
            self.lanes.begun(&host);
        }
        self.release_all(now, &subjects, out);
        self.send_paced(now, out);
        self.renew_leases(now, out);
    }

    /// Hears that a group was not written, because of a precondition or for want of room. Whoever
    /// waits for it is told to come again; whoever waits behind it is heard.
    pub fn not_written(&mut self, now: Now, subject: GroupSubject, out: &mut Out) {
        let Some(way) = self.sequencer.finish(subject) else { return };
        if let (Some((host, stan)), GroupSubject::Payment(id)) = (&way.number, subject) {
            self.numbers.release(id, host, *stan);
            self.lanes.begun(host);
        }
        if let Some(waiter) = way.waiter {
            refuse(waiter, Refusal::Busy, out);
        }
        if let GroupSubject::Payment(id) = subject {
            self.book.start_timer_if_none(id, now.mono.after(FULL_QUEUE_WAIT));
        }
        self.release_all(now, &way.subjects, out);
    }

    /// When to call [`Engine::handle`] with [`Input::Tick`].
    pub fn next_deadline(&self) -> Option<Mono> {
        [self.book.next_timer(), self.lanes.next_deadline(&self.hosts_up)]
            .into_iter()
            .flatten()
            .min()
    }

    fn take_turn(&mut self, now: Now, turn: Turn, out: &mut Out) {
        match turn {
            Turn::Heard(Input::Request(incoming)) => self.request(now, incoming, out),
            Turn::Heard(Input::Query(query)) => self.query(query, out),
            Turn::Heard(Input::Loaded(loaded)) => self.loaded(now, loaded, out),
            Turn::Heard(Input::Written(id, attempt)) => self.written(now, id, attempt),
            Turn::Heard(Input::HostUp(host, up)) => self.host_up(now, host, up),
            Turn::Heard(Input::Date(date)) => self.date_moved(now, date, out),
            Turn::Heard(Input::Projected(sequence)) => self.forget_settled(sequence),
            Turn::Heard(Input::Tick) => {
                for id in self.book.due(now.mono) {
                    self.take_turn(now, Turn::Due(id), out);
                }
            }
            turn => self.about_payment(now, turn, out),
        }
    }

    /// Lets settled payments go that the projection holds. A payment with a group under way stays, and
    /// so does what a look-up that was issued before might otherwise miss on both sides.
    fn forget_settled(&mut self, projected: Sequence) {
        self.projected = projected;
        let issued = self.loading.values().map(|loading| loading.projected).min();
        let sequencer = &self.sequencer;
        self.book.forget_settled(
            issued.unwrap_or(projected),
            self.settings.recent_payments_max,
            |id| sequencer.is_held(&Subject::Payment(id)),
        );
    }

    /// An input about one payment: it waits its turn, is loaded if memory lacks it, and is decided.
    fn about_payment(&mut self, now: Now, turn: Turn, out: &mut Out) {
        let Some(id) = turn.payment() else { return };
        let Some(turn) = self.sequencer.in_turn(&Subject::Payment(id), turn) else { return };
        // What waits for a look-up is not overtaken, even if another look-up found the payment first.
        let asked = self.loading.contains_key(&LoadKey::Id(id));
        let Some(entry) = self.book.get(id).filter(|_| !asked) else {
            self.load(LoadKey::Id(id), turn, out);
            return;
        };
        if matches!(turn, Turn::Due(_)) && entry.waits_until_after(now.mono) {
            return;
        }
        let records = decide::about(&self.settings, now, entry, &turn);
        match (records, turn) {
            (Ok(records), turn) if !records.is_empty() => {
                let version = entry.payment.version;
                let way = UnderWay { subjects: alloc::vec![Subject::Payment(id)], ..turn.way() };
                let preconditions = alloc::vec![Precondition::AtVersion(id, version)];
                self.commit(Group { records, preconditions }, way, out);
            }
            (Ok(_), Turn::Due(id)) => self.send_owed(now, id),
            (Ok(_), Turn::Heard(Input::NotSent(id, attempt, why)))
                if attempt != Attempt::Original =>
            {
                let wait = match why {
                    NotSentReason::QueueFull => FULL_QUEUE_WAIT,
                    _ => self.first_gap(),
                };
                self.book.unsent(id, attempt, now.mono.after(wait));
            }
            (Ok(_), _) => {}
            (Err(refusal), turn) => {
                let waiter = turn.way().waiter;
                out.effects.extend(waiter.map(|it| Effect::Reply(it, Reply::Refusal(refusal))));
            }
        }
    }

    fn commit(&mut self, group: Group, way: UnderWay, out: &mut Out) {
        self.sequencer.begin(&group, way);
        out.groups.push(group);
    }

    fn release_all(&mut self, now: Now, subjects: &[Subject], out: &mut Out) {
        for subject in subjects {
            self.release(now, subject, out);
        }
    }

    fn release(&mut self, now: Now, subject: &Subject, out: &mut Out) {
        // The first who waited goes on; the others are heard behind it, and wait again if it writes.
        for turn in self.sequencer.release(subject) {
            self.take_turn(now, turn, out);
        }
    }

    fn load(&mut self, key: LoadKey, turn: Turn, out: &mut Out) {
        let projected = self.projected;
        let loading = self.loading.entry(key.clone()).or_insert_with(|| {
            out.effects.push(Effect::Load(key));
            Loading { projected, turns: Vec::new() }
        });
        loading.turns.push(turn);
    }

    fn loaded(&mut self, now: Now, loaded: Loaded, out: &mut Out) {
        let turns = self.loading.remove(&loaded.key).map(|loading| loading.turns);
        for group in loaded.found {
            // What memory holds is newer than what the projection had applied.
            let known = group.get().records.first().and_then(Record::payment);
            if known.is_some_and(|id| self.book.get(id).is_none()) {
                self.remember(group, out);
            }
        }
        for turn in turns.unwrap_or_default() {
            match turn {
                Turn::Heard(Input::Request(incoming)) => self.accept(now, incoming, out),
                Turn::Heard(Input::Query(query)) => self.answer_query(&query, out),
                turn => match turn.payment().filter(|id| self.book.get(*id).is_some()) {
                    Some(_) => self.about_payment(now, turn, out),
                    None => {
                        let refused = Reply::Refusal(Refusal::NotFound);
                        let waiter = turn.way().waiter;
                        out.effects.extend(waiter.map(|it| Effect::Reply(it, refused)));
                    }
                },
            }
        }
    }

    fn remember(&mut self, group: Durable<Group>, out: &mut Out) {
        match Payment::fold(&group.get().records) {
            Ok(Some(payment)) => self.book.insert(payment, group.map(|_| ())),
            Ok(None) => {}
            Err(wrong) => out.effects.push(Effect::Alarm(Alarm::WrongTurn(wrong))),
        }
    }

    fn query(&mut self, query: Query, out: &mut Out) {
        let key = match (&query.by, &query.merchant) {
            (QueryBy::Id(id), _) if self.book.get(*id).is_some() => {
                return self.answer_query(&query, out);
            }
            (QueryBy::Id(id), _) => LoadKey::Id(*id),
            (QueryBy::Order(order), Some(merchant)) => {
                LoadKey::Order { merchant: merchant.clone(), order: order.clone() }
            }
            (QueryBy::Order(_), None) => return refuse(query.waiter, Refusal::NotFound, out),
        };
        if self.loading.len() >= self.settings.waiting_max {
            return refuse(query.waiter, Refusal::Busy, out);
        }
        self.load(key, Turn::Heard(Input::Query(query)), out);
    }

    fn answer_query(&self, query: &Query, out: &mut Out) {
        let reply = match &query.by {
            QueryBy::Id(id) => {
                let entry = self.book.get(*id).filter(|entry| entry.is_shown_to(&query.merchant));
                let shown = |entry| self.book.outcome(entry, false);
                entry.map_or(Reply::Refusal(Refusal::NotFound), shown)
            }
            QueryBy::Order(order) => {
                let of_order = query.merchant.as_ref().map(|it| self.book.of_order(it, order));
                Reply::List(
                    of_order.into_iter().flatten().map(|entry| self.book.shown(entry)).collect(),
                )
            }
        };
        out.effects.push(Effect::Reply(query.waiter, reply));
    }

    fn renew_leases(&mut self, now: Now, out: &mut Out) {
        let records = self.numbers.due(now.wall);
        if !records.is_empty() {
            out.groups.push(Group { records, preconditions: Vec::new() });
        }
    }

    fn first_gap(&self) -> Duration {
        self.settings.reversal_gaps.first().copied().unwrap_or(Duration::from_secs(10))
    }
}

fn refuse(waiter: Waiter, refusal: Refusal, out: &mut Out) {
    out.effects.push(Effect::Reply(waiter, Reply::Refusal(refusal)));
}

impl Entry {
    fn id(&self) -> PaymentId {
        self.payment.id
    }
}
