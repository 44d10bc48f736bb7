//! One payment: its records folded into a state. [`Payment::apply`] is the only way to change it, live
//! and in replay.

mod sums;
mod turns;

use crate::effect::Outgoing;
use crate::id::PaymentId;
use crate::input::Attempt;
use crate::money::{Balance, Money};
use crate::record::{
    Accepted, AnswerClass, HostAnswer, NotSentReason, ParkReason, Record, Resolution,
    ReversalVerdict, SilenceReason,
};
use crate::request::{HostFields, Request, Silence};
use crate::time::{Mono, Timestamp};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub use sums::FollowUps;

/// A payment as its records tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// What was asked.
    pub request: Request,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The host fields, once the intent to send is written.
    pub fields: Option<HostFields>,
    /// Where it stands.
    pub state: State,
    /// The host's answer, if one came in time.
    pub answer: Option<HostAnswer>,
    /// The host's answer after the time-out, if one came.
    pub late_answer: Option<HostAnswer>,
    /// What the host holds is in doubt though the result is final: reconciliation clears it.
    pub suspect: bool,
    /// The reversal undoes a partial approval that the merchant does not take.
    pub partial_refused: bool,
    /// Since when a reversal or the answer to an advice is owed.
    pub owed_at: Option<Timestamp>,
    /// After a late approval of what was already reversed: the attempt of the reversal that still
    /// wants an answer.
    pub repeat_owed: Option<u32>,
    /// How one operator would close its case: another one must say the same.
    pub proposal: Option<Proposal>,
    /// How many records it has had.
    pub version: u32,
}

/// One operator's word on how a case shall end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// How.
    pub resolution: Resolution,
    /// Who.
    pub by: String,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Accepted; the intent to send is not written yet (both are one commit, so nobody sees this).
    Accepted,
    /// Handed over to be sent: the host may or may not have it.
    MaybeSent,
    /// No byte left: declined.
    NotSent(NotSentReason),
    /// The host answered in time.
    Answered(AnswerClass),
    /// The deadline passed first.
    TimedOut(SilenceReason),
    /// A reversal is under way.
    Reversing(Reversing),
    /// The reversal was accepted.
    Reversed,
    /// An advice without an answer: it is repeated. The number of its latest attempt, from 2.
    Repeating(u32),
    /// An inquiry without an answer: declined.
    Lapsed(SilenceReason),
    /// The reversal, or the advice, waits for a person.
    Parked(Parked),
    /// A person closed the case.
    Closed(Resolution),
}

/// A reversal under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reversing {
    /// Why the original counts as unanswered.
    pub why: SilenceReason,
    /// How many attempts have been intended, from 1.
    pub attempt: u32,
    /// How often the host answered that it knows no such original.
    pub unknown_original: u32,
}

/// A reversal or an advice that waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parked {
    /// Why.
    pub why: ParkReason,
    /// How many attempts have been intended.
    pub attempt: u32,
}

/// What a merchant may be told about an operation. Immutable once it is not `Pending`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not final.
    Pending(PendingReason),
    /// The host approved it, in full or, for a merchant that takes partial approvals, in part.
    Approved,
    /// The host or the gateway declined it; no money moved.
    Declined(DeclineReason),
    /// It may have moved money, and the money went back.
    Reversed,
}

/// Why a result is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingReason {
    /// The host has not answered and the deadline has not passed.
    InProgress,
    /// The host did not answer in time; a reversal is under way. It will not be approved.
    HostTimeout,
    /// The host did not answer the advice in time; it is repeated until the host does.
    AwaitingHost,
    /// A person looks at it. It will not be approved without two people's word.
    UnderReview,
}

/// Why an operation is declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclineReason {
    /// The host declined it.
    Host,
    /// The host asked for the card to be kept.
    PickUp,
    /// It was provably not sent.
    HostUnavailable,
    /// It was an inquiry, and the host did not answer it.
    HostTimeout,
    /// A person found that it was never posted.
    NeverPosted,
}

/// A record that the payment's state does not allow: damage in the journal or a fault of the engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("payment {id} in state {state:?} cannot take the record {record}")]
pub struct WrongTurn {
    /// The payment.
    pub id: PaymentId,
    /// Where it stood.
    pub state: State,
    /// The record's name.
    pub record: &'static str,
}

impl Payment {
    /// A payment begins with its acceptance.
    pub fn begin(accepted: &Accepted) -> Self {
        Self {
            id: accepted.id,
            request: accepted.request.clone(),
            accepted_at: accepted.at,
            fields: None,
            state: State::Accepted,
            answer: None,
            late_answer: None,
            suspect: false,
            partial_refused: false,
            owed_at: None,
            repeat_owed: None,
            proposal: None,
            version: 1,
        }
    }

    /// Folds the next record into the state.
    /// # Errors
    /// [`WrongTurn`], naming both, when the state does not allow the record; nothing has changed then.
    pub fn apply(&mut self, record: &Record) -> Result<(), WrongTurn> {
        let state = self.turn(record)?;
        match record {
            Record::SendIntent(intent) => self.fields = Some(intent.fields.clone()),
            Record::Answered(answered) => self.answer = Some(answered.answer.clone()),
            Record::LateAnswer(answered) => {
                let told_other = self.is_advice() && self.verdict() != Verdict::Approved;
                let class = answered.answer.class;
                let money_taken = matches!(class, AnswerClass::Approved | AnswerClass::Partial);
                self.suspect |= told_other && money_taken;
                self.late_answer = Some(answered.answer.clone());
            }
            Record::Reversed(reversed) => self.suspect = reversed.suspect,
            Record::TimedOut(timed_out) => {
                self.partial_refused = timed_out.why == SilenceReason::PartialRefused;
            }
            Record::ReversalDue(due) => self.owed_at = Some(due.at),
            Record::CaseRetried(retried) => {
                self.owed_at = Some(retried.at);
                self.proposal = None;
            }
            Record::CloseProposed(proposed) => {
                let (resolution, by) = (proposed.resolution, proposed.by.clone());
                self.proposal = Some(Proposal { resolution, by });
            }
            Record::RepeatAbandoned(_) => {
                self.repeat_owed = None;
                self.suspect = true;
            }
            Record::AdviceRepeated(repeated) => {
                self.owed_at.get_or_insert(repeated.at);
            }
            Record::ReversalRepeated(repeated) if self.is_final() => {
                if self.repeat_owed.is_none() {
                    self.owed_at = Some(repeated.at);
                }
                self.repeat_owed = Some(repeated.attempt);
            }
            Record::ReversalAnswered(answered) if self.repeat_owed.is_some() => {
                self.repeat_owed = None;
                self.suspect |= answered.verdict != ReversalVerdict::Accepted;
            }
            _ => {}
        }
        self.state = state;
        self.version = self.version.saturating_add(1);
        Ok(())
    }

    /// What the merchant may be told.
    pub fn verdict(&self) -> Verdict {
        match self.state {
            State::Accepted | State::MaybeSent => Verdict::Pending(PendingReason::InProgress),
            State::NotSent(_) => Verdict::Declined(DeclineReason::HostUnavailable),
            State::Answered(AnswerClass::Approved | AnswerClass::Partial) => Verdict::Approved,
            State::Answered(AnswerClass::Declined) => Verdict::Declined(DeclineReason::Host),
            State::Answered(AnswerClass::PickUp) => Verdict::Declined(DeclineReason::PickUp),
            State::TimedOut(_) | State::Reversing(_) => {
                Verdict::Pending(PendingReason::HostTimeout)
            }
            State::Reversed | State::Closed(Resolution::Reversed) => Verdict::Reversed,
            State::Repeating(_) => Verdict::Pending(PendingReason::AwaitingHost),
            State::Lapsed(_) => Verdict::Declined(DeclineReason::HostTimeout),
            State::Parked(_) => Verdict::Pending(PendingReason::UnderReview),
            State::Closed(Resolution::Posted) => Verdict::Approved,
            State::Closed(Resolution::DeclinedNeverPosted) => {
                Verdict::Declined(DeclineReason::NeverPosted)
            }
        }
    }

    /// Whether the result is final: no answer awaited, no reversal under way, no case open.
    pub fn is_final(&self) -> bool {
        !matches!(self.verdict(), Verdict::Pending(_))
    }

    /// Whether nothing more is owed to anybody: final, and no repeat of the reversal outstanding.
    pub fn is_settled(&self) -> bool {
        self.is_final() && self.repeat_owed.is_none()
    }

    /// The latest attempt of the reversal, if one is under way.
    pub fn reversal_attempt(&self) -> Option<u32> {
        match self.state {
            State::Reversing(reversing) => Some(reversing.attempt),
            _ => self.repeat_owed,
        }
    }

    /// What the host must still answer beyond the request itself: the latest attempt of a reversal, or
    /// of an advice that is repeated.
    pub fn owed(&self) -> Option<Attempt> {
        match self.state {
            State::Repeating(attempt) => Some(Attempt::Repeat(attempt)),
            _ => self.reversal_attempt().map(Attempt::Reversal),
        }
    }

    /// Whether the host's silence is met by repeating the request.
    pub fn is_advice(&self) -> bool {
        self.silence() == Silence::Advice
    }

    /// What the host's silence calls for.
    pub fn silence(&self) -> Silence {
        self.fields.as_ref().map_or(Silence::Reversal, |fields| fields.route.silence)
    }

    /// The amount that stands approved, if it is.
    pub fn approved(&self) -> Option<Money> {
        match (self.state, self.verdict(), &self.answer) {
            (State::Closed(Resolution::Posted), ..) => Some(self.request.amount),
            (_, Verdict::Approved, Some(answer)) => Some(answer.amount),
            _ => None,
        }
    }

    /// The approval code of the original, if it was known when the reversal began (DE 38): all
    /// attempts of a reversal carry the same fields, so a later answer adds nothing to them.
    pub fn approval_code(&self) -> Option<&str> {
        self.late_answer.as_ref().filter(|_| self.partial_refused)?.approval_code.as_deref()
    }

    /// Folds a payment from all its records.
    /// # Errors
    /// [`WrongTurn`] where they do not follow one another; `Ok(None)` if the first is not `Accepted`.
    pub fn fold(records: &[Record]) -> Result<Option<Self>, WrongTurn> {
        let Some((Record::Accepted(accepted), rest)) = records.split_first() else {
            return Ok(None);
        };
        let mut payment = Self::begin(accepted);
        for record in rest {
            payment.apply(record)?;
        }
        Ok(Some(payment))
    }

    /// Whether a person must look at it.
    pub fn is_case(&self) -> bool {
        matches!(self.state, State::Parked(_))
    }

    /// Its request as it was sent, by which a line knows the answer to it. `None` before the intent.
    pub fn original(&self) -> Option<Outgoing> {
        Some(Outgoing {
            id: self.id,
            attempt: Attempt::Original,
            repeat: false,
            request: self.request.clone(),
            fields: self.fields.clone()?,
            approval_code: None,
            deadline: Mono(Duration::ZERO),
        })
    }

    /// What may be shown of it.
    pub fn view(&self) -> View {
        let decided = matches!(self.verdict(), Verdict::Approved | Verdict::Declined(_));
        let told = self.answer.as_ref().filter(|_| decided);
        View {
            id: self.id,
            verdict: self.verdict(),
            request: self.request.clone(),
            accepted_at: self.accepted_at,
            fields: self.fields.clone(),
            approved: self.approved(),
            balances: told.map(|answer| answer.balances.clone()).unwrap_or_default(),
            follow_ups: FollowUps::default(),
            response_code: told.map(|answer| answer.response_code.clone()),
            approval_code: told.and_then(|answer| answer.approval_code.clone()),
            version: self.version,
        }
    }
}

/// What may be shown of a payment to its merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The payment's id.
    pub id: PaymentId,
    /// Its result.
    pub verdict: Verdict,
    /// What was asked.
    pub request: Request,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The host fields (STAN, RRN, business date).
    pub fields: Option<HostFields>,
    /// The amount approved, if it was approved.
    pub approved: Option<Money>,
    /// What is on the card, if the host said so.
    pub balances: Vec<Balance>,
    /// What became of it since.
    pub follow_ups: FollowUps,
    /// The host's response code, if its answer decided the result.
    pub response_code: Option<String>,
    /// The host's approval code, likewise.
    pub approval_code: Option<String>,
    /// Grows with every change.
    pub version: u32,
}
