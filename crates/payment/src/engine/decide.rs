//! What to write for one input. Reads the state, changes nothing of it.

use super::book::Entry;
use super::owed::{advice_refused, deferred, due, repeat, reversal_answered, reverse};
use super::sequencer::{Subject, Turn, UnderWay};
use super::{Engine, Out, Settings, case, refuse};
use crate::effect::{Effect, Refusal};
use crate::id::{HostId, Stan};
use crate::input::{Ask, Attempt, Incoming, Input, LoadKey, Terms};
use crate::payment::{PendingReason, State, Verdict};
use crate::record::{
    Accepted, AdviceParked, AnswerClass, Answered, Group, HostAnswer, NotSent, ParkReason,
    Precondition, Record, SendIntent, SilenceReason,
};
use crate::request::{Acceptor, HostFields, OriginalFields, Request, Route, Silence};
use crate::time::{Now, Timestamp};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

impl Engine {
    /// A request that just arrived: first whether memory knows it, then what the store knows.
    pub(super) fn request(&mut self, now: Now, incoming: Box<Incoming>, out: &mut Out) {
        let waiting = self.sequencer.waiting().max(self.loading.len());
        if waiting >= self.settings.waiting_max {
            return refuse(incoming.waiter, Refusal::Busy, out);
        }
        let Some((incoming, subjects)) = self.sequencer.hold_request(incoming) else { return };
        if self.book.of_ask(&incoming.ask).is_some() {
            return self.accept(now, incoming, out);
        }
        if self.stopping {
            refuse(incoming.waiter, Refusal::Stopping, out);
            return self.release_all(now, &subjects, out);
        }
        let (merchant, operation, key) = incoming.ask.key();
        let (merchant, key) = (merchant.clone(), key.clone());
        let key = match &incoming.ask {
            Ask::New { request, .. } => {
                let single = occupies_its_order(request, incoming.terms);
                let order = single.then(|| request.order.clone());
                LoadKey::Request { merchant, operation, key, order }
            }
            Ask::FollowUp { follow_up, .. } => {
                LoadKey::FollowUp { merchant, operation, key, original: follow_up.original }
            }
        };
        self.load(key, Turn::Heard(Input::Request(incoming)), out);
    }

    /// A request whose key and order are in memory now if they exist anywhere.
    pub(super) fn accept(&mut self, now: Now, incoming: Box<Incoming>, out: &mut Out) {
        let subjects = Subject::of_request(&incoming);
        if let Some(answered) = self.as_retry(&incoming, out) {
            if let Err(refusal) = answered {
                refuse(incoming.waiter, refusal, out);
            }
            return self.release_all(now, &subjects, out);
        }
        // Each payment belongs to one date: while the date moves, a new one waits for it.
        if self.sequencer.is_held(&Subject::Date) {
            self.sequencer.in_turn(&Subject::Date, Turn::Heard(Input::Request(incoming)));
            return self.release_all(now, &subjects, out);
        }
        match self.resolve(&incoming).and_then(|opening| self.opening(now, &incoming, opening)) {
            Ok((group, number)) => {
                self.lanes.reserve(&number.0);
                let way = UnderWay {
                    subjects,
                    number: Some(number),
                    waiter: Some(incoming.waiter),
                    terms: Some(incoming.terms),
                };
                self.commit(group, way, out);
            }
            Err(refusal) => {
                refuse(incoming.waiter, refusal, out);
                self.release_all(now, &subjects, out);
            }
        }
    }

    /// A retry is answered from the record, or joins those who wait; never sent again.
    fn as_retry(&mut self, incoming: &Incoming, out: &mut Out) -> Option<Result<(), Refusal>> {
        let entry = self.book.of_ask(&incoming.ask)?;
        let original = entry.payment.fields.as_ref().and_then(|fields| fields.original.as_ref());
        let whole = original.map(|original| original.amount);
        if entry.payment.request.fingerprint() != incoming.ask.fingerprint(whole) {
            return Some(Err(Refusal::KeyMismatch));
        }
        if entry.payment.verdict() != Verdict::Pending(PendingReason::InProgress) {
            out.effects.push(Effect::Reply(incoming.waiter, self.book.outcome(entry, true)));
            return Some(Ok(()));
        }
        let id = entry.id();
        let entry = self.book.get_mut(id)?;
        if entry.waiters.len() >= self.settings.waiters_max {
            return Some(Err(Refusal::Busy));
        }
        entry.waiters.push((incoming.waiter, true));
        Some(Ok(()))
    }

    /// What will be asked of the host, if it may be asked now.
    fn resolve(&self, incoming: &Incoming) -> Result<Opening, Refusal> {
        if let Some(refusal) = incoming.objection {
            return Err(refusal);
        }
        let opening = match &incoming.ask {
            Ask::New { request, routes } => {
                self.order_is_free(request, incoming.terms)?;
                // Nothing was sent yet, so any host will do that can take it.
                let up = routes.iter().find(|route| self.hosts_up.contains(&route.host));
                let route = up.ok_or(Refusal::HostUnavailable)?;
                Opening {
                    request: request.clone(),
                    route: route.clone(),
                    acceptor: incoming.acceptor.clone(),
                    original: None,
                }
            }
            Ask::FollowUp { follow_up, offers } => self.resolve_follow_up(follow_up, offers)?,
        };
        self.room_for(&opening)?;
        Ok(opening)
    }

    fn order_is_free(&self, request: &Request, terms: Terms) -> Result<(), Refusal> {
        let occupies = |entry: &&Entry| {
            entry.payment.request.operation.pays_for_order()
                && match entry.payment.verdict() {
                    Verdict::Pending(_) => true,
                    Verdict::Approved => !self.book.follow_ups(entry.id()).voided,
                    Verdict::Declined(_) | Verdict::Reversed => false,
                }
        };
        if occupies_its_order(request, terms)
            && self.book.of_order(&request.merchant, &request.order).iter().any(occupies)
        {
            return Err(Refusal::OrderInUse);
        }
        Ok(())
    }

    fn room_for(&self, opening: &Opening) -> Result<(), Refusal> {
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        if !self.hosts_up.contains(&opening.route.host) {
            return Err(Refusal::HostUnavailable);
        }
        // A reversal of this card that has not left yet goes first.
        let held = self.book.is_card_held(opening.request.card.hash);
        let full = self.book.open_count() >= self.settings.open_payments_max;
        if held || full || !self.lanes.has_room(&self.book, &opening.route.host) {
            return Err(Refusal::Busy);
        }
        Ok(())
    }

    /// `Accepted` and `SendIntent`, in one commit, before the host can see anything; and the number
    /// that they give out.
    fn opening(
        &mut self,
        now: Now,
        incoming: &Incoming,
        opening: Opening,
    ) -> Result<(Group, (HostId, Stan)), Refusal> {
        if now.mono > incoming.accept_by {
            return Err(Refusal::Busy);
        }
        let Opening { request, route, acceptor, original } = opening;
        let date = self.date.ok_or(Refusal::Busy)?;
        let (stan, rrn) = self.numbers.take(incoming.id, &route.host, date).ok_or(Refusal::Busy)?;
        let number = (route.host.clone(), stan);
        let (id, at) = (incoming.id, now.wall);
        let fields = HostFields {
            route,
            acceptor,
            stan,
            rrn,
            transmitted: whole_seconds(at),
            local: incoming.local,
            business_date: date,
            original,
        };
        let group = Group {
            records: vec![
                Record::Accepted(Box::new(Accepted { id, at, request })),
                Record::SendIntent(Box::new(SendIntent { id, at, fields })),
            ],
            preconditions: vec![Precondition::KeyIsNew(id)],
        };
        Ok((group, number))
    }
}

/// Whether the order must have no other payment that is pending or approved.
fn occupies_its_order(request: &Request, terms: Terms) -> bool {
    terms.one_payment_per_order && request.operation.pays_for_order()
}

/// A payment about to begin.
pub(super) struct Opening {
    pub(super) request: Request,
    pub(super) route: Route,
    pub(super) acceptor: Acceptor,
    pub(super) original: Option<Box<OriginalFields>>,
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    const MICROS: i64 = 1_000_000;
    Timestamp(at.0.div_euclid(MICROS).saturating_mul(MICROS))
}

/// The records that an input about a payment calls for; none if it changes nothing durable.
pub(super) fn about(
    settings: &Settings,
    now: Now,
    entry: &Entry,
    turn: &Turn,
) -> Result<Vec<Record>, Refusal> {
    Ok(match turn {
        Turn::Heard(Input::HostAnswered(_, answer)) => answered(now, entry, answer),
        Turn::Heard(Input::ReversalAnswered(_, answer)) => {
            reversal_answered(settings, now, entry, answer)
        }
        Turn::Heard(Input::NotSent(id, Attempt::Original, why)) => match entry.payment.state {
            State::MaybeSent => {
                vec![Record::NotSent(NotSent { id: *id, at: now.wall, why: *why })]
            }
            _ => Vec::new(),
        },
        Turn::Heard(Input::Deferred(_, _, said)) => deferred(now, entry, said),
        Turn::Heard(Input::AdviceRefused(_, said)) => advice_refused(now, entry, said),
        Turn::Heard(Input::Operator(act)) => case::operator(now, entry, act)?,
        Turn::Due(_) => due(settings, now, entry),
        Turn::Heard(_) => Vec::new(),
    })
}

/// The hard rule: the answer counts only if the time-out is not durable yet.
fn answered(now: Now, entry: &Entry, answer: &HostAnswer) -> Vec<Record> {
    let (id, at) = (entry.id(), now.wall);
    let record = || Answered { id, at, answer: answer.clone() };
    let money_taken = matches!(answer.class, AnswerClass::Approved | AnswerClass::Partial);
    let partial_welcome = entry.terms.is_some_and(|terms| terms.partial_approval);
    let partial_refused = answer.class == AnswerClass::Partial && !partial_welcome;
    match (entry.payment.state, entry.payment.silence()) {
        (State::MaybeSent, Silence::Reversal) if partial_refused => {
            let mut records = reverse(now, entry, SilenceReason::PartialRefused);
            records.push(Record::LateAnswer(record()));
            records
        }
        // Nobody agreed to half a completion or refund, and an advice cannot be taken back.
        (State::MaybeSent | State::Repeating(_), Silence::Advice)
            if answer.class == AnswerClass::Partial =>
        {
            vec![Record::AdviceParked(AdviceParked { id, at, why: ParkReason::Refused })]
        }
        // A parked one waits for its person, however often the host says half.
        (State::Parked(_), Silence::Advice) if answer.class == AnswerClass::Partial => Vec::new(),
        (State::MaybeSent | State::Repeating(_), _) | (State::Parked(_), Silence::Advice) => {
            vec![Record::Answered(record())]
        }
        // The first late answer is recorded; a duplicate of it tells nothing new.
        (State::Reversing(_) | State::Reversed | State::Parked(_) | State::Closed(_), _)
            if entry.payment.late_answer.is_none() =>
        {
            let mut records = vec![Record::LateAnswer(record())];
            let reversal = entry.payment.silence() == Silence::Reversal;
            if reversal && money_taken && !matches!(entry.payment.state, State::Parked(_)) {
                records.extend(repeat(now, entry));
            }
            records
        }
        _ => Vec::new(),
    }
}
