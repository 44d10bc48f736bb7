//! What every record has: its payment, its time and its name.

use super::Record;
use crate::id::PaymentId;
use crate::time::Timestamp;

impl Record {
    /// The payment that the record is about, if it is about one.
    pub fn payment(&self) -> Option<PaymentId> {
        self.about().0
    }

    /// When it was decided.
    pub fn at(&self) -> Timestamp {
        self.about().1
    }

    fn about(&self) -> (Option<PaymentId>, Timestamp) {
        match self {
            Self::Accepted(record) => (Some(record.id), record.at),
            Self::SendIntent(record) => (Some(record.id), record.at),
            Self::NotSent(record) => (Some(record.id), record.at),
            Self::Answered(record) | Self::LateAnswer(record) => (Some(record.id), record.at),
            Self::TimedOut(record) => (Some(record.id), record.at),
            Self::ReversalDue(record) => (Some(record.id), record.at),
            Self::ReversalRepeated(record) => (Some(record.id), record.at),
            Self::ReversalAnswered(record) => (Some(record.id), record.at),
            Self::Reversed(record) => (Some(record.id), record.at),
            Self::ReversalParked(record) => (Some(record.id), record.at),
            Self::CaseRetried(record) => (Some(record.id), record.at),
            Self::CaseClosed(record) => (Some(record.id), record.at),
            Self::AdviceRepeated(record) => (Some(record.id), record.at),
            Self::AdviceParked(record) => (Some(record.id), record.at),
            Self::Lapsed(record) => (Some(record.id), record.at),
            Self::Deferred(record) => (Some(record.id), record.at),
            Self::AdviceRefused(record) => (Some(record.id), record.at),
            Self::RepeatAbandoned(record) => (Some(record.id), record.at),
            Self::CloseProposed(record) => (Some(record.id), record.at),
            Self::DateMoved(record) => (None, record.at),
            Self::Leased(record) => (None, record.at),
        }
    }

    /// The record's name in exports and timelines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::SendIntent(_) => "send_intent",
            Self::NotSent(_) => "not_sent",
            Self::Answered(_) => "answered",
            Self::TimedOut(_) => "timed_out",
            Self::ReversalDue(_) => "reversal_due",
            Self::ReversalRepeated(_) => "reversal_repeated",
            Self::ReversalAnswered(_) => "reversal_answered",
            Self::Reversed(_) => "reversed",
            Self::ReversalParked(_) => "reversal_parked",
            Self::LateAnswer(_) => "late_answer",
            Self::CaseRetried(_) => "case_retried",
            Self::CaseClosed(_) => "case_closed",
            Self::AdviceRepeated(_) => "advice_repeated",
            Self::AdviceParked(_) => "advice_parked",
            Self::Lapsed(_) => "lapsed",
            Self::Deferred(_) => "deferred",
            Self::AdviceRefused(_) => "advice_refused",
            Self::RepeatAbandoned(_) => "repeat_abandoned",
            Self::CloseProposed(_) => "close_proposed",
            Self::DateMoved(_) => "date_moved",
            Self::Leased(_) => "leased",
        }
    }
}
