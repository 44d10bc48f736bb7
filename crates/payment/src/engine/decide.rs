//! What to write for one input. Reads the state, changes nothing of it.

use super::book::{Entry, Flight};
use super::sequencer::{Subject, Turn, UnderWay};
use super::{Engine, Out, Settings, refuse};
use crate::effect::{Effect, Refusal};
use crate::id::Stan;
use crate::input::{Attempt, CaseAct, Incoming, Input, LoadKey, OperatorAct, ReversalAnswer};
use crate::payment::{PendingReason, State, Verdict};
use crate::record::{
    Accepted, AnswerClass, Answered, CaseClosed, CaseRetried, Group, HostAnswer, NotSent,
    ParkReason, Precondition, Record, ReversalAnswered, ReversalDue, ReversalParked,
    ReversalRepeated, ReversalVerdict, Reversed, SendIntent, SilenceReason, TimedOut,
};
use crate::request::HostFields;
use crate::time::{Mono, Now, Timestamp};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

impl Engine {
    /// A request that just arrived: first whether memory knows it, then what the store knows.
    pub(super) fn request(&mut self, now: Now, incoming: Box<Incoming>, out: &mut Out) {
        let waiting = self.sequencer.waiting().max(self.loading.len());
        if waiting >= self.settings.waiting_max {
            return refuse(incoming.waiter, Refusal::Busy, out);
        }
        let Some((incoming, subjects)) = self.sequencer.hold_request(incoming) else { return };
        if self.book.of_request(&incoming.request).is_some() {
            return self.accept(now, incoming, out);
        }
        if self.stopping {
            refuse(incoming.waiter, Refusal::Stopping, out);
            return self.release_all(now, &subjects, out);
        }
        let request = &incoming.request;
        let key = LoadKey::Request {
            merchant: request.merchant.clone(),
            operation: request.operation,
            key: request.key.clone(),
            order: request.order.clone(),
        };
        self.load(key, Turn::Heard(Input::Request(incoming)), out);
    }

    /// A request whose key and order are in memory now if they exist anywhere.
    pub(super) fn accept(&mut self, now: Now, incoming: Box<Incoming>, out: &mut Out) {
        let subjects = Subject::of_request(&incoming);
        match self.as_retry(&incoming, out).or_else(|| self.screen(&incoming)) {
            Some(refused) => {
                if let Err(refusal) = refused {
                    refuse(incoming.waiter, refusal, out);
                }
                self.release_all(now, &subjects, out);
            }
            None => match self.opening(now, &incoming) {
                Ok((group, stan)) => {
                    let way = UnderWay {
                        subjects,
                        number: Some((incoming.route.host.clone(), stan)),
                        waiter: Some(incoming.waiter),
                        terms: Some(incoming.terms),
                    };
                    self.commit(group, way, out);
                }
                Err(refusal) => {
                    refuse(incoming.waiter, refusal, out);
                    self.release_all(now, &subjects, out);
                }
            },
        }
    }

    /// A retry is answered from the record, or joins those who wait; never sent again.
    fn as_retry(&mut self, incoming: &Incoming, out: &mut Out) -> Option<Result<(), Refusal>> {
        let entry = self.book.of_request(&incoming.request)?;
        if entry.payment.request.fingerprint() != incoming.request.fingerprint() {
            return Some(Err(Refusal::KeyMismatch));
        }
        if entry.payment.verdict() != Verdict::Pending(PendingReason::InProgress) {
            out.effects.push(Effect::Reply(incoming.waiter, entry.outcome(true)));
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

    fn screen(&self, incoming: &Incoming) -> Option<Result<(), Refusal>> {
        let request = &incoming.request;
        let occupied = self.book.of_order(&request.merchant, &request.order).iter().any(|entry| {
            matches!(entry.payment.verdict(), Verdict::Pending(_) | Verdict::Approved)
        });
        if incoming.terms.one_payment_per_order && occupied {
            return Some(Err(Refusal::OrderInUse));
        }
        self.room_for(incoming).err().map(Err)
    }

    fn room_for(&self, incoming: &Incoming) -> Result<(), Refusal> {
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        if !self.hosts_up.contains(&incoming.route.host) {
            return Err(Refusal::HostUnavailable);
        }
        // A reversal of this card that has not left yet goes first.
        let held = self.book.is_card_held(incoming.request.card.hash);
        if held || self.book.open_count() >= self.settings.open_payments_max {
            return Err(Refusal::Busy);
        }
        Ok(())
    }

    /// `Accepted` and `SendIntent`, in one commit, before the host can see anything.
    fn opening(&mut self, now: Now, incoming: &Incoming) -> Result<(Group, Stan), Refusal> {
        let date = self.date.ok_or(Refusal::Busy)?;
        let (stan, rrn) = self.numbers.take(&incoming.route.host, date).ok_or(Refusal::Busy)?;
        let (id, at) = (incoming.id, now.wall);
        let fields = HostFields {
            route: incoming.route.clone(),
            acceptor: incoming.acceptor.clone(),
            stan,
            rrn,
            transmitted: whole_seconds(at),
            local: incoming.local,
            business_date: date,
        };
        let request = incoming.request.clone();
        let group = Group {
            records: vec![
                Record::Accepted(Box::new(Accepted { id, at, request })),
                Record::SendIntent(Box::new(SendIntent { id, at, fields })),
            ],
            preconditions: vec![Precondition::KeyIsNew(id)],
        };
        Ok((group, stan))
    }
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
        Turn::Heard(Input::Operator(act)) => operator(now, entry, act)?,
        Turn::Due(_) => due(settings, now, entry),
        Turn::Heard(_) => Vec::new(),
    })
}

/// The hard rule: the answer counts only if the time-out is not durable yet.
fn answered(now: Now, entry: &Entry, answer: &HostAnswer) -> Vec<Record> {
    let (id, at) = (entry.id(), now.wall);
    let record = || Answered { id, at, answer: answer.clone() };
    let money_taken = matches!(answer.class, AnswerClass::Approved | AnswerClass::Partial);
    match entry.payment.state {
        State::MaybeSent => {
            let partial_welcome = entry.terms.is_some_and(|terms| terms.partial_approval);
            if answer.class == AnswerClass::Partial && !partial_welcome {
                let mut records = silence(now, entry, SilenceReason::PartialRefused);
                records.push(Record::LateAnswer(record()));
                return records;
            }
            vec![Record::Answered(record())]
        }
        // The first late answer is recorded; a duplicate of it tells nothing new.
        State::Reversing(_) | State::Reversed | State::Parked(_) | State::Closed(_)
            if entry.payment.late_answer.is_none() =>
        {
            let mut records = vec![Record::LateAnswer(record())];
            if money_taken && !matches!(entry.payment.state, State::Parked(_)) {
                records.extend(repeat(now, entry));
            }
            records
        }
        _ => Vec::new(),
    }
}

fn silence(now: Now, entry: &Entry, why: SilenceReason) -> Vec<Record> {
    let (id, at) = (entry.id(), now.wall);
    vec![Record::TimedOut(TimedOut { id, at, why }), Record::ReversalDue(ReversalDue { id, at })]
}

pub(super) fn restart(now: Now, entry: &Entry) -> Vec<Record> {
    silence(now, entry, SilenceReason::Restart)
}

/// One more attempt. Final payments count on from the attempts of the reversal that closed them.
fn repeat(now: Now, entry: &Entry) -> Option<Record> {
    let attempt = entry.payment.reversal_attempt().unwrap_or(1).saturating_add(1);
    Some(Record::ReversalRepeated(ReversalRepeated { id: entry.id(), at: now.wall, attempt }))
}

fn reversal_answered(
    settings: &Settings,
    now: Now,
    entry: &Entry,
    answer: &ReversalAnswer,
) -> Vec<Record> {
    let (id, at) = (entry.id(), now.wall);
    let told = Record::ReversalAnswered(ReversalAnswered {
        id,
        at,
        response_code: answer.response_code.clone(),
        verdict: answer.verdict,
        line: answer.line.clone(),
    });
    let reversed = |suspect| Record::Reversed(Reversed { id, at, suspect });
    match (entry.payment.state, answer.verdict) {
        (State::Reversing(_), ReversalVerdict::Accepted) => vec![told, reversed(false)],
        (State::Reversing(reversing), ReversalVerdict::UnknownOriginal) => {
            let waited =
                entry.unknown_since.map(|since| since.after(settings.unknown_original_wait));
            match (reversing.unknown_original, waited) {
                (0, _) => vec![told],
                (_, Some(end)) if now.mono >= end => vec![told, reversed(true)],
                // Too soon after the first: the original may still be on its way inside the host.
                _ => Vec::new(),
            }
        }
        (State::Reversing(_), ReversalVerdict::Refused) => {
            let why = ParkReason::Refused;
            vec![told, Record::ReversalParked(ReversalParked { id, at, why })]
        }
        (State::Parked(_), ReversalVerdict::Accepted) => vec![told, reversed(false)],
        (State::Reversed | State::Closed(_), _) if entry.payment.repeat_owed.is_some() => {
            vec![told]
        }
        _ => Vec::new(),
    }
}

fn due(settings: &Settings, now: Now, entry: &Entry) -> Vec<Record> {
    match entry.payment.state {
        State::MaybeSent => silence(now, entry, SilenceReason::Deadline),
        State::Reversing(_) if is_exhausted(settings, now, entry) => {
            let why = ParkReason::Exhausted;
            vec![Record::ReversalParked(ReversalParked { id: entry.id(), at: now.wall, why })]
        }
        _ if entry.payment.is_settled() => Vec::new(),
        // What came back unsent goes out as it is: only a written attempt counts.
        _ if entry.flight == Flight::Waiting => Vec::new(),
        State::Reversing(_) | State::Reversed | State::Closed(_) => {
            repeat(now, entry).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn is_exhausted(settings: &Settings, now: Now, entry: &Entry) -> bool {
    entry.owed_since.is_some_and(|since| now.mono >= since.after(settings.reversal_give_up))
}

fn operator(now: Now, entry: &Entry, act: &OperatorAct) -> Result<Vec<Record>, Refusal> {
    if !entry.payment.is_case() {
        return Err(Refusal::NoCase);
    }
    let (id, at) = (entry.id(), now.wall);
    let (by, reason) = (act.by.clone(), act.reason.clone());
    Ok(vec![match act.act {
        CaseAct::Retry => Record::CaseRetried(CaseRetried { id, at, by, reason }),
        CaseAct::Close(resolution) => {
            Record::CaseClosed(CaseClosed { id, at, resolution, by, reason })
        }
    }])
}

/// When the next attempt is due after `attempt` was written.
pub(super) fn gap_after(settings: &Settings, attempt: u32, now: Mono) -> Mono {
    let gaps = &settings.reversal_gaps;
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let gap = gaps.get(index).or(gaps.last()).copied().unwrap_or(Duration::from_secs(10));
    now.after(gap)
}
