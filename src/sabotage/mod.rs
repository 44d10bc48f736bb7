//! Planted bugs, chosen by the environment variable `TIDEGATE_SABOTAGE`, to show that the checker
//! catches them. Built only with the feature `sabotage`; such a build refuses production mode.
//!
//! Each bug stands at a seam, none inside the engine: [`core`] between the channel and the engine,
//! [`lines`] between the engine and the bank lines, the store's in [`crate::store::sabotaged`], the
//! replay window's in [`crate::channel::replay`]. [`step`] lets the process die at a named step.

pub mod core;
pub mod lines;
pub mod step;

pub use core::SabotagedCore;
pub use lines::SabotagedLines;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The outcome is told before it is written.
    AnswerBeforeDurable,
    /// Late answers are not written.
    ForgetLateAnswer,
    /// A reversal is not sent, and counts as accepted.
    DropReversal,
    /// A repeated reversal goes out as if it were the first.
    RepeatNotMarked,
    /// A repeated advice goes out as if it were the first.
    AdviceNotMarked,
    /// An advice is not sent, and counts as approved.
    DropAdvice,
    /// Some requests go out twice, under two numbers.
    DoubleSend,
    /// Some requests ask for a cent more.
    WrongAmount,
    /// Some requests name another terminal.
    WrongTerminal,
    /// A reversal is of a cent less.
    WrongReversal,
    /// Some purchases are reversed as soon as they are sent.
    ReverseAtOnce,
    /// Some purchases and pre-authorizations go to another host than the routes say.
    WrongHost,
    /// A completion, void or refund goes to another host than its original.
    FollowUpElsewhere,
    /// Two merchants' answers are swapped.
    SwapAnswers,
    /// A decline is told as an approval.
    DeclinedAsApproved,
    /// Silence is told as an approval.
    PendingAsApproved,
    /// A refund is made twice.
    RefundTwice,
    /// A retry pays again.
    RetryPaysAgain,
    /// Another content under a used key is taken.
    MismatchAccepted,
    /// Any merchant is shown any payment.
    ShowToAnyone,
    /// Security codes stand in the log.
    LeakCode,
    /// A nonce that was seen is admitted again.
    NonceTwice,
}

const NAMES: &[(&str, Sabotage)] = &[
    ("answer-before-durable", Sabotage::AnswerBeforeDurable),
    ("forget-late-answer", Sabotage::ForgetLateAnswer),
    ("drop-reversal", Sabotage::DropReversal),
    ("repeat-not-marked", Sabotage::RepeatNotMarked),
    ("advice-not-marked", Sabotage::AdviceNotMarked),
    ("drop-advice", Sabotage::DropAdvice),
    ("double-send", Sabotage::DoubleSend),
    ("wrong-amount", Sabotage::WrongAmount),
    ("wrong-terminal", Sabotage::WrongTerminal),
    ("wrong-reversal", Sabotage::WrongReversal),
    ("reverse-at-once", Sabotage::ReverseAtOnce),
    ("wrong-host", Sabotage::WrongHost),
    ("follow-up-elsewhere", Sabotage::FollowUpElsewhere),
    ("swap-answers", Sabotage::SwapAnswers),
    ("declined-as-approved", Sabotage::DeclinedAsApproved),
    ("pending-as-approved", Sabotage::PendingAsApproved),
    ("refund-twice", Sabotage::RefundTwice),
    ("retry-pays-again", Sabotage::RetryPaysAgain),
    ("mismatch-accepted", Sabotage::MismatchAccepted),
    ("show-to-anyone", Sabotage::ShowToAnyone),
    ("leak-code", Sabotage::LeakCode),
    ("nonce-twice", Sabotage::NonceTwice),
];

impl Sabotage {
    /// The bug that the environment asks for.
    pub fn chosen() -> Option<Self> {
        let wanted = std::env::var("TIDEGATE_SABOTAGE").ok()?;
        NAMES.iter().find(|(name, _)| *name == wanted).map(|(_, sabotage)| *sabotage)
    }
}
