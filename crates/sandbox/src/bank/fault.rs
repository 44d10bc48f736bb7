//! The bank's lies, on request. Which lie a payment meets depends on the seed and on its card and
//! amount alone, never on the order in which payments arrive.

use crate::cards::Behaviour;
use crate::dice::Dice;
use crate::iso::Message;
use crate::operation::{Meaning, Operation, Silence, meaning};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A kind of fault, by the name that the command line takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// No answer to 6 % of the purchases (lost, held, or posted), nor to 3 of 10 first reversals.
    Silence,
    /// Approved, but the answer, or the decision itself, comes after the gateway's deadline.
    Late,
    /// The bank closes the line on a purchase; whatever it owed on that line is lost.
    DropLine,
    /// The reply is sent twice.
    DuplicateReply,
    /// Two replies change places: each carries the other's card, amount and approval.
    SwapReplies,
    /// The reply carries another STAN.
    WrongStan,
    /// The reply carries another amount.
    WrongAmount,
    /// Instead of the reply comes a frame of rubbish.
    GarbageFrame,
    /// The gateway is killed (SIGKILL) at random instants and started again.
    KillGateway,
    /// 1 of 10 reversals is refused for good: each must become a case.
    RefuseReversal,
    /// A line is closed every second or so, whatever is under way on it.
    Flap,
    /// Now and then all lines are closed, and for a while every sign-on is refused.
    RefuseSignOn,
    /// Half of the amount is approved.
    Partial,
    /// Answered after 50 to 95 % of the gateway's deadline.
    Slow,
    /// Now and then a line swallows everything for a while and stays open.
    HalfOpen,
}

/// What happens to a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// It never reaches the bank's books.
    Lost,
    /// Held, then silence.
    HeldInSilence,
    /// Posted, then silence.
    PostedInSilence,
    /// Decided at once, answered after so long.
    AnsweredLate(Duration),
    /// Decided, and answered, after so long: its reversal overtakes it.
    DecidedLate(Duration),
    /// The line is closed, before or after the decision.
    LineDropped {
        /// Whether it was posted before.
        posted: bool,
    },
    /// Answered twice.
    AnsweredTwice,
    /// Its reply changes places with another's.
    Swapped,
    /// Answered with another STAN.
    WrongStan,
    /// Answered with another amount.
    WrongAmount,
    /// Answered with rubbish.
    Garbage,
    /// Half of it is approved.
    Halved,
}

/// What happens to an attempt of a reversal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversalFate {
    /// Carried out and answered.
    Answered,
    /// It never reaches the books.
    Lost,
    /// Carried out, then silence.
    DoneInSilence,
    /// Refused with 30.
    Refused,
}

/// Which faults a run has, and how strong.
pub struct Plan {
    seed: u64,
    faults: BTreeSet<Fault>,
    active: AtomicBool,
    reply_timeout: Duration,
}

impl Plan {
    /// A plan. `reply_timeout` is the gateway's deadline, past which an answer is late.
    pub fn new(seed: u64, faults: BTreeSet<Fault>, reply_timeout: Duration) -> Self {
        Self { seed, faults, active: AtomicBool::new(true), reply_timeout }
    }

    /// Whether a fault is in the plan, and faults are still on.
    pub fn has(&self, fault: Fault) -> bool {
        self.active.load(Ordering::Relaxed) && self.faults.contains(&fault)
    }

    /// Faults stop: from here on the bank is honest. The special cards stay what they are.
    pub fn stop(&self) {
        self.active.store(false, Ordering::Relaxed);
    }

    /// The gateway's deadline.
    pub fn reply_timeout(&self) -> Duration {
        self.reply_timeout
    }

    /// What happens to this request, or to attempt `attempt`, counted from 1, of this advice. What is
    /// repeated is heard by its third attempt at the latest.
    pub fn for_request(&self, request: &Message, attempt: u32, behaviour: Behaviour) -> Fate {
        let content = format!("{}/{}", request.get(2), request.get(4));
        let mut dice = match (meaning(request), attempt) {
            (Some(Meaning::Request(Operation::Purchase)), _) => Dice::named(self.seed, &content),
            (meaning, _) => Dice::named(self.seed, &format!("{content}/{meaning:?}/{attempt}")),
        };
        let advice = matches!(meaning(request),
            Some(Meaning::Request(operation)) if operation.silence() == Silence::Advice);
        if advice && attempt > 2 {
            return Fate::Answered;
        }
        match behaviour {
            Behaviour::Silent if !advice => return Fate::PostedInSilence,
            Behaviour::Late if !advice => {
                return Fate::AnsweredLate(self.after_deadline(&mut dice));
            }
            _ => {}
        }
        let mut throw = dice.below(1000);
        for (fault, weight) in WEIGHTS {
            if throw < *weight {
                let fate = self.fate(*fault, &mut dice);
                return if self.has(*fault) { fate } else { Fate::Answered };
            }
            throw = throw.saturating_sub(*weight);
        }
        Fate::Answered
    }

    /// What happens to this attempt, counted from 1, of a reversal.
    pub fn for_reversal(&self, request: &Message, attempt: u32) -> ReversalFate {
        let original = format!("{}/{}/reversal", request.get(2), request.get(4));
        if self.has(Fault::RefuseReversal) && Dice::named(self.seed, &original).per_mille(100) {
            return ReversalFate::Refused;
        }
        let mut dice = Dice::named(self.seed, &format!("{original}/{attempt}"));
        if self.has(Fault::Silence) && attempt <= 2 && dice.per_mille(300) {
            let done = dice.per_mille(500);
            return if done { ReversalFate::DoneInSilence } else { ReversalFate::Lost };
        }
        ReversalFate::Answered
    }

    fn fate(&self, fault: Fault, dice: &mut Dice) -> Fate {
        match fault {
            Fault::Silence => match dice.below(3) {
                0 => Fate::Lost,
                1 => Fate::HeldInSilence,
                _ => Fate::PostedInSilence,
            },
            Fault::Late if dice.below(3) == 0 => Fate::DecidedLate(self.after_deadline(dice)),
            Fault::Late => Fate::AnsweredLate(self.after_deadline(dice)),
            Fault::DropLine => Fate::LineDropped { posted: dice.per_mille(500) },
            Fault::DuplicateReply => Fate::AnsweredTwice,
            Fault::SwapReplies => Fate::Swapped,
            Fault::WrongStan => Fate::WrongStan,
            Fault::WrongAmount => Fate::WrongAmount,
            Fault::GarbageFrame => Fate::Garbage,
            Fault::Slow => Fate::AnsweredLate(self.before_deadline(dice)),
            Fault::Partial => Fate::Halved,
            Fault::KillGateway
            | Fault::RefuseReversal
            | Fault::Flap
            | Fault::RefuseSignOn
            | Fault::HalfOpen => Fate::Answered,
        }
    }

    /// From half the deadline to just before it.
    fn before_deadline(&self, dice: &mut Dice) -> Duration {
        let per_cent = dice.below(46).saturating_add(50);
        let timeout_us = crate::clock::micros(self.reply_timeout);
        Duration::from_micros(timeout_us.saturating_mul(per_cent).checked_div(100).unwrap_or(0))
    }

    /// From just before the deadline, where the race is, to well after it.
    fn after_deadline(&self, dice: &mut Dice) -> Duration {
        let timeout_us = crate::clock::micros(self.reply_timeout);
        let early_us = timeout_us.saturating_sub(timeout_us.checked_div(50).unwrap_or(0));
        Duration::from_micros(early_us.saturating_add(dice.below(timeout_us)))
    }
}

/// How many of a thousand requests meet each fault.
const WEIGHTS: &[(Fault, u64)] = &[
    (Fault::Silence, 60),
    (Fault::Late, 25),
    (Fault::DropLine, 2),
    (Fault::DuplicateReply, 30),
    (Fault::SwapReplies, 15),
    (Fault::WrongStan, 10),
    (Fault::WrongAmount, 10),
    (Fault::GarbageFrame, 5),
    (Fault::Slow, 40),
    (Fault::Partial, 15),
];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::super::host::tests::{follow_up, purchase, reversal};
    use super::*;

    fn plan(faults: &[Fault]) -> Plan {
        Plan::new(3, faults.iter().copied().collect(), Duration::from_secs(1))
    }

    #[test]
    fn at_least_five_per_cent_are_met_by_silence_whatever_else_is_on() {
        let plan = plan(&[Fault::Silence, Fault::Late, Fault::DropLine]);
        let silent = (0..10_000)
            .map(|n| plan.for_request(&purchase("4000000000010001", 1, n), 1, Behaviour::Normal))
            .filter(|fate| matches!(fate, Fate::Lost | Fate::HeldInSilence | Fate::PostedInSilence))
            .count();
        assert!((500..720).contains(&silent), "{silent} of 10000");
    }

    #[test]
    fn an_honest_bank_and_a_stopped_plan_lie_to_nobody() {
        let everything = [Fault::Silence, Fault::WrongAmount, Fault::SwapReplies];
        let stopped = plan(&everything);
        stopped.stop();
        for plan in [plan(&[]), stopped] {
            for n in 0..500 {
                let request = purchase("4000000000010001", 1, n);
                assert_eq!(plan.for_request(&request, 1, Behaviour::Normal), Fate::Answered);
                let fate = plan.for_reversal(&reversal(&request), 1);
                assert_eq!(fate, ReversalFate::Answered);
            }
        }
    }

    #[test]
    fn an_advice_is_answered_by_its_third_attempt() {
        let plan = plan(&[Fault::Silence, Fault::Late, Fault::WrongAmount]);
        let (mut lied, original) = (0, purchase("4000000000010001", 1, 5000));
        for n in 1..500 {
            let request = follow_up(Operation::Refund, &original, 2, n);
            lied += u32::from(plan.for_request(&request, 1, Behaviour::Normal) != Fate::Answered);
            assert_eq!(plan.for_request(&request, 3, Behaviour::Normal), Fate::Answered);
        }
        assert!(lied > 20, "{lied}");
    }

    #[test]
    fn a_reversal_is_answered_by_its_third_attempt() {
        let plan = plan(&[Fault::Silence]);
        let mut silent = 0;
        for n in 0..500 {
            let request = reversal(&purchase("4000000000010001", 1, n));
            silent += u32::from(plan.for_reversal(&request, 1) != ReversalFate::Answered);
            assert_eq!(plan.for_reversal(&request, 3), ReversalFate::Answered);
        }
        assert!(silent > 100, "{silent}");
    }
}
