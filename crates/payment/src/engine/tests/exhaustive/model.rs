//! The reference: where one payment stands, where each thing that is heard leads, and what its
//! merchant may be told there. It shares words with the engine and no decision: it knows no records,
//! attempts, timers or effects, and is meant to be read beside the rules of the merchant's guide.

use crate::input::CaseAct;
use crate::payment::{Payment, State, Verdict};
use crate::record::{AnswerClass, Resolution, ReversalVerdict};
use crate::request::Silence;

/// Where a payment stands, as far as it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Standing {
    pub(super) stage: Stage,
    /// An answer that came too late was recorded.
    pub(super) late: bool,
    /// The result is final, and its reversal is owed once more.
    pub(super) again: bool,
    /// The result is final, and the host's books may say otherwise.
    pub(super) suspect: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Nothing is durable.
    Idle,
    /// The host may have it.
    Sent,
    /// Approved for so much.
    Approved(i64),
    Declined,
    /// Its reversal is owed; whether the host said already that it knows no such payment.
    Owed {
        unknown: bool,
    },
    /// An advice is repeated.
    Repeating,
    /// A person must look.
    Parked,
    Reversed,
    /// A person closed it.
    Closed(End),
    /// Something that nobody may ever see.
    Impossible,
}

/// How a person closed a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    Reversed,
    NeverPosted,
    /// So much.
    Posted(i64),
}

/// What is heard of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The merchant asks for it.
    Asked,
    /// Proof that no byte of it left.
    NoByteLeft,
    /// The host's answer.
    Answer(Answer),
    /// The host's answer to its reversal.
    Reversal(ReversalVerdict),
    /// Time passed.
    Time,
    /// The gateway died, and starts.
    Restart,
    /// A person's word.
    Person(CaseAct),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    Approved,
    /// Approved for less.
    Partial,
    Declined,
}

/// What else decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) silence: Silence,
    /// What an approval, and what a partial approval, is worth.
    pub(super) whole: i64,
    pub(super) part: i64,
    /// The merchant takes partial approvals, and the gateway that asked still lives.
    pub(super) partial_welcome: bool,
    /// The host's time to answer is over.
    pub(super) overdue: bool,
    /// The host's longest time to process has passed since it said that it knows no such payment.
    pub(super) waited: bool,
    /// What is owed was repeated for as long as it may be.
    pub(super) gave_up: bool,
}

/// What a merchant may be told. Nothing comes after one that is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Pending,
    Approved(i64),
    Declined,
    Reversed,
}

impl Told {
    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::Approved(_) | Self::Declined | Self::Reversed)
    }

    pub(super) fn of(verdict: Verdict, approved: i64) -> Self {
        match verdict {
            Verdict::Pending(_) => Self::Pending,
            Verdict::Approved => Self::Approved(approved),
            Verdict::Declined(_) => Self::Declined,
            Verdict::Reversed => Self::Reversed,
        }
    }
}

impl Standing {
    pub(super) fn at(stage: Stage) -> Self {
        Self { stage, late: false, again: false, suspect: false }
    }

    /// The table: where `heard` leads from here. What it does not name changes nothing.
    pub(super) fn next(self, heard: Heard, known: Known) -> Self {
        use Stage::{Approved, Closed, Declined, Idle, Owed, Parked, Repeating, Reversed, Sent};
        let to = |stage| Self { stage, ..self };
        match (self.stage, heard, known.silence) {
            (Idle, Heard::Asked, _) => to(Sent),
            (Sent, Heard::NoByteLeft, _) => to(Declined),

            // The host answered in time.
            (Sent, Heard::Answer(Answer::Approved), _) => to(Approved(known.whole)),
            (Sent, Heard::Answer(Answer::Declined), _) => to(Declined),
            (Sent, Heard::Answer(Answer::Partial), Silence::Reversal) if known.partial_welcome => {
                to(Approved(known.part))
            }
            (Sent, Heard::Answer(Answer::Partial), Silence::Reversal) => {
                Self { late: true, ..to(Owed { unknown: false }) }
            }

            // It did not, or answered a gateway that was gone.
            (Sent, Heard::Time, _) if !known.overdue => self,
            (Sent, Heard::Time | Heard::Restart, Silence::Reversal) => to(Owed { unknown: false }),
            (Sent, Heard::Time | Heard::Restart, Silence::Advice) => to(Repeating),
            (Sent, Heard::Time | Heard::Restart, Silence::Inquiry) => to(Declined),
            (Owed { .. } | Repeating, Heard::Time, _) if known.gave_up => to(Parked),

            // A reversal is owed until it is accepted, or a person has it.
            (Owed { .. }, Heard::Reversal(verdict), _) => match verdict {
                ReversalVerdict::Accepted => to(Reversed),
                ReversalVerdict::Refused => to(Parked),
                ReversalVerdict::UnknownOriginal => self.unknown_original(known.waited),
            },
            (Parked, Heard::Reversal(ReversalVerdict::Accepted), Silence::Reversal) => to(Reversed),
            (Reversed | Closed(_), Heard::Reversal(verdict), _) if self.again => {
                let suspect = self.suspect | (verdict != ReversalVerdict::Accepted);
                Self { again: false, suspect, ..self }
            }

            // An answer that comes too late is written down, and changes nothing that was told.
            (
                Owed { .. } | Parked | Reversed | Closed(_),
                Heard::Answer(answer),
                Silence::Reversal,
            ) if !self.late => {
                let money_taken = answer != Answer::Declined;
                let again = money_taken && matches!(self.stage, Reversed | Closed(_));
                Self { late: true, again: self.again | again, ..self }
            }

            // An advice is repeated until it is answered; nobody agreed to half of one.
            (Repeating | Parked, Heard::Answer(Answer::Approved), Silence::Advice) => {
                to(Approved(known.whole))
            }
            (Repeating | Parked, Heard::Answer(Answer::Declined), Silence::Advice) => to(Declined),
            (Sent | Repeating, Heard::Answer(Answer::Partial), Silence::Advice) => to(Parked),
            (Closed(end), Heard::Answer(answer), Silence::Advice) if !self.late => {
                let posted = answer != Answer::Declined && !matches!(end, End::Posted(_));
                Self { late: true, suspect: self.suspect | posted, ..self }
            }

            // A person's word ends a case, or begins it anew.
            (Parked, Heard::Person(CaseAct::Retry), Silence::Advice) => to(Repeating),
            (Parked, Heard::Person(CaseAct::Retry), _) => to(Owed { unknown: false }),
            (Parked, Heard::Person(CaseAct::Close(end)), _) => to(Closed(end_of(end, known.whole))),
            _ => self,
        }
    }

    /// Once is not enough: the payment may still be on its way inside the host.
    fn unknown_original(self, waited: bool) -> Self {
        match self.stage {
            Stage::Owed { unknown: true } if waited => {
                Self { stage: Stage::Reversed, suspect: true, ..self }
            }
            _ => Self { stage: Stage::Owed { unknown: true }, ..self },
        }
    }

    pub(super) fn told(self) -> Told {
        match self.stage {
            Stage::Idle | Stage::Sent | Stage::Impossible => Told::Nothing,
            Stage::Approved(minor) | Stage::Closed(End::Posted(minor)) => Told::Approved(minor),
            Stage::Declined | Stage::Closed(End::NeverPosted) => Told::Declined,
            Stage::Owed { .. } | Stage::Repeating | Stage::Parked => Told::Pending,
            Stage::Reversed | Stage::Closed(End::Reversed) => Told::Reversed,
        }
    }

    /// Whether the gateway must still hear something of the host.
    pub(super) fn is_owed(self) -> bool {
        matches!(self.stage, Stage::Owed { .. } | Stage::Repeating) || self.again
    }

    /// Whether a reversal may be on its way to the host at all.
    pub(super) fn is_reversible(self) -> bool {
        matches!(self.stage, Stage::Owed { .. }) || self.again
    }

    /// Whether nothing is left to do but for a person.
    pub(super) fn is_at_rest(self) -> bool {
        let at_rest = self.told().is_final() || self.stage == Stage::Parked;
        at_rest && !self.again
    }

    /// The engine's payment in the words of this table.
    pub(super) fn observed(payment: &Payment) -> Self {
        let stage = match payment.state {
            State::MaybeSent => Stage::Sent,
            State::Answered(AnswerClass::Approved | AnswerClass::Partial) => {
                let answer = payment.answer.as_ref();
                answer.map_or(Stage::Impossible, |it| Stage::Approved(it.amount.minor))
            }
            State::Answered(_) | State::NotSent(_) | State::Lapsed(_) => Stage::Declined,
            State::Reversing(reversing) => Stage::Owed { unknown: reversing.unknown_original > 0 },
            State::Repeating(_) => Stage::Repeating,
            State::Reversed => Stage::Reversed,
            State::Parked(_) => Stage::Parked,
            State::Closed(end) => Stage::Closed(end_of(end, payment.request.amount.minor)),
            // Both are the first half of a group, and a group is durable as a whole.
            State::Accepted | State::TimedOut(_) => Stage::Impossible,
        };
        Self {
            stage,
            late: payment.late_answer.is_some(),
            again: payment.repeat_owed.is_some(),
            suspect: payment.suspect,
        }
    }
}

fn end_of(resolution: Resolution, whole: i64) -> End {
    match resolution {
        Resolution::Reversed => End::Reversed,
        Resolution::DeclinedNeverPosted => End::NeverPosted,
        Resolution::Posted => End::Posted(whole),
    }
}
