//! What is still owed to a host: reversals, repeats of advices, and what the host's answers to them mean.

use super::Settings;
use super::book::{Entry, Flight};
use crate::id::PaymentId;
use crate::input::{Attempt, HostSaid, ReversalAnswer};
use crate::payment::State;
use crate::record::{
    AdviceParked, AdviceRefused, AdviceRepeated, Deferred, Lapsed, ParkReason, Record,
    RepeatAbandoned, ReversalAnswered, ReversalDue, ReversalParked, ReversalRepeated,
    ReversalVerdict, Reversed, SilenceReason, TimedOut,
};
use crate::request::Silence;
use crate::time::{Mono, Now};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

pub(super) fn reverse(now: Now, entry: &Entry, why: SilenceReason) -> Vec<Record> {
    let (id, at) = (entry.id(), now.wall);
    vec![Record::TimedOut(TimedOut { id, at, why }), Record::ReversalDue(ReversalDue { id, at })]
}

/// The host was silent, or may have answered a gateway that had stopped.
pub(super) fn silence(now: Now, entry: &Entry, why: SilenceReason) -> Vec<Record> {
    let (id, at) = (entry.id(), now.wall);
    match entry.payment.silence() {
        Silence::Reversal => reverse(now, entry, why),
        Silence::Advice => vec![Record::AdviceRepeated(AdviceRepeated { id, at, attempt: 2 })],
        Silence::Inquiry => vec![Record::Lapsed(Lapsed { id, at, why })],
    }
}

/// One more attempt. Final payments count on from the attempts of the reversal that closed them.
pub(super) fn repeat(now: Now, entry: &Entry) -> Option<Record> {
    let attempt = entry.payment.reversal_attempt().unwrap_or(1).saturating_add(1);
    Some(Record::ReversalRepeated(ReversalRepeated { id: entry.id(), at: now.wall, attempt }))
}

pub(super) fn reversal_answered(
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

/// The host cannot take now what is owed to it: that is written down, and the next attempt waits.
pub(super) fn deferred(now: Now, entry: &Entry, said: &HostSaid) -> Vec<Record> {
    let owed = match entry.payment.state {
        State::MaybeSent => entry.payment.is_advice(),
        _ => entry.payment.owed().is_some(),
    };
    let (id, at) = (entry.id(), now.wall);
    let HostSaid { response_code, line } = said.clone();
    if owed { vec![Record::Deferred(Deferred { id, at, response_code, line })] } else { Vec::new() }
}

/// The host refuses an advice: a person looks, and nobody waits behind it.
pub(super) fn advice_refused(now: Now, entry: &Entry, said: &HostSaid) -> Vec<Record> {
    let awaited = matches!(entry.payment.state, State::MaybeSent | State::Repeating(_));
    if !awaited || !entry.payment.is_advice() {
        return Vec::new();
    }
    let (id, at) = (entry.id(), now.wall);
    let HostSaid { response_code, line } = said.clone();
    vec![
        Record::AdviceRefused(AdviceRefused { id, at, response_code, line }),
        parked(now, id, ParkReason::Refused, true),
    ]
}

fn parked(now: Now, id: PaymentId, why: ParkReason, advice: bool) -> Record {
    let at = now.wall;
    if advice {
        Record::AdviceParked(AdviceParked { id, at, why })
    } else {
        Record::ReversalParked(ReversalParked { id, at, why })
    }
}

pub(super) fn due(settings: &Settings, now: Now, entry: &Entry) -> Vec<Record> {
    match entry.payment.state {
        // What the store refused of a start is decided again, and stays the word of a start.
        State::MaybeSent if entry.from_before => silence(now, entry, SilenceReason::Restart),
        State::MaybeSent => silence(now, entry, SilenceReason::Deadline),
        State::Reversing(_) | State::Repeating(_) if is_exhausted(settings, now, entry) => {
            let advice = entry.payment.is_advice();
            vec![parked(now, entry.id(), ParkReason::Exhausted, advice)]
        }
        _ if entry.payment.is_settled() => Vec::new(),
        // The result stands; what the host holds is for reconciliation to find.
        State::Reversed | State::Closed(_) if is_exhausted(settings, now, entry) => {
            let (id, at) = (entry.id(), now.wall);
            vec![Record::RepeatAbandoned(RepeatAbandoned { id, at })]
        }
        // What came back unsent goes out as it is: only a written attempt counts.
        _ if entry.flight == Flight::Waiting => Vec::new(),
        State::Repeating(attempt) => {
            let attempt = attempt.saturating_add(1);
            vec![Record::AdviceRepeated(AdviceRepeated { id: entry.id(), at: now.wall, attempt })]
        }
        State::Reversing(_) | State::Reversed | State::Closed(_) => {
            repeat(now, entry).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn is_exhausted(settings: &Settings, now: Now, entry: &Entry) -> bool {
    entry.owed_since.is_some_and(|since| now.mono >= since.after(settings.reversal_give_up))
}

/// When the next attempt is due after `attempt` was written.
pub(super) fn gap_after(settings: &Settings, attempt: Attempt, now: Mono) -> Mono {
    let gaps = &settings.reversal_gaps;
    let (Attempt::Reversal(number) | Attempt::Repeat(number)) = attempt else { return now };
    let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let gap = gaps.get(index).or(gaps.last()).copied().unwrap_or(Duration::from_secs(10));
    now.after(gap)
}
