//! The table of turns: which record may follow where, and where it leads. What the table does not hold
//! is an error that names both.

use super::{Parked, Payment, Reversing, State, WrongTurn};
use crate::record::{Record, ReversalVerdict, SilenceReason};

impl Payment {
    /// The table of turns: where `record` leads from here.
    pub(super) fn turn(&self, record: &Record) -> Result<State, WrongTurn> {
        use Record as R;
        use State as S;
        Ok(match (self.state, record) {
            (S::Accepted, R::SendIntent(_)) => S::MaybeSent,
            (S::MaybeSent, R::NotSent(not_sent)) => S::NotSent(not_sent.why),
            (S::MaybeSent, R::Answered(answered)) => S::Answered(answered.answer.class),
            (S::MaybeSent, R::TimedOut(timed_out)) => S::TimedOut(timed_out.why),
            (S::TimedOut(why), R::ReversalDue(_)) => {
                S::Reversing(Reversing { why, attempt: 1, unknown_original: 0 })
            }
            (S::Reversing(reversing), R::ReversalRepeated(repeated)) => {
                S::Reversing(Reversing { attempt: repeated.attempt, ..reversing })
            }
            (S::Reversing(reversing), R::ReversalAnswered(answered)) => {
                S::Reversing(reversing.answered(answered.verdict))
            }
            (S::Reversing(_), R::Reversed(_)) => S::Reversed,
            (S::Reversing(reversing), R::ReversalParked(parked)) => {
                S::Parked(Parked { why: parked.why, attempt: reversing.attempt })
            }
            (S::MaybeSent | S::Repeating(_), R::AdviceRepeated(repeated)) => {
                S::Repeating(repeated.attempt)
            }
            // An answer to any attempt settles an advice, even when a person was called already.
            (S::Repeating(_), R::Answered(answered)) => S::Answered(answered.answer.class),
            (S::Parked(_), R::Answered(answered)) if self.is_advice() => {
                S::Answered(answered.answer.class)
            }
            (S::MaybeSent, R::AdviceParked(parked)) => {
                S::Parked(Parked { why: parked.why, attempt: 1 })
            }
            (S::Repeating(attempt), R::AdviceParked(parked)) => {
                S::Parked(Parked { why: parked.why, attempt })
            }
            (S::MaybeSent, R::Lapsed(lapsed)) => S::Lapsed(lapsed.why),
            (S::Parked(parked), R::CaseRetried(_)) if self.is_advice() => {
                S::Repeating(parked.attempt.saturating_add(1))
            }
            // A retried case goes on counting where its attempts stood.
            (S::Parked(parked), R::CaseRetried(_)) => S::Reversing(Reversing {
                why: SilenceReason::Deadline,
                attempt: parked.attempt.saturating_add(1),
                unknown_original: 0,
            }),
            (S::Parked(_), R::CaseClosed(closed)) => S::Closed(closed.resolution),
            (
                state @ (S::Reversing(_) | S::Reversed | S::Parked(_) | S::Closed(_)),
                R::LateAnswer(_),
            ) => state,
            (state @ S::Parked(_), R::CloseProposed(_)) => state,
            // After a late approval the reversal is repeated once more, though it was accepted.
            (state @ (S::Reversed | S::Closed(_)), R::ReversalRepeated(_)) => state,
            (state @ (S::Reversed | S::Closed(_) | S::Parked(_)), R::ReversalAnswered(_)) => state,
            // An answer to any attempt closes the reversal, even when a person was called already.
            (S::Parked(_), R::Reversed(_)) => S::Reversed,
            (state, R::Deferred(_) | R::AdviceRefused(_) | R::RepeatAbandoned(_))
                if self.may_hear(record) =>
            {
                state
            }
            (state, record) => {
                return Err(WrongTurn { id: self.id, state, record: record.name() });
            }
        })
    }

    /// Whether the host may have said so about what is owed to it. None of it leads elsewhere.
    fn may_hear(&self, record: &Record) -> bool {
        let awaited = match self.state {
            State::MaybeSent | State::Repeating(_) => self.is_advice(),
            _ => false,
        };
        let repeat_owed = self.is_final() && self.repeat_owed.is_some();
        match record {
            Record::Deferred(_) => {
                awaited || repeat_owed || matches!(self.state, State::Reversing(_))
            }
            Record::AdviceRefused(_) => awaited,
            Record::RepeatAbandoned(_) => repeat_owed,
            _ => false,
        }
    }
}

impl Reversing {
    fn answered(self, verdict: ReversalVerdict) -> Self {
        match verdict {
            ReversalVerdict::UnknownOriginal => {
                Self { unknown_original: self.unknown_original.saturating_add(1), ..self }
            }
            ReversalVerdict::Accepted | ReversalVerdict::Refused => self,
        }
    }
}
