//! What the engine lets the shell do. Every effect that shows something to the world is made of what
//! is durable.

use crate::durable::Durable;
use crate::id::{HostId, PaymentId};
use crate::input::{Attempt, LoadKey, Waiter};
use crate::payment::{View, WrongTurn};
use crate::request::{HostFields, Request};
use crate::time::Mono;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// What the shell shall do. Doing it means handing it to a bounded queue without waiting; a full queue
/// comes back as [`crate::input::Input::NotSent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell a waiter.
    Reply(Waiter, Reply),
    /// Hand a message to the host's lines.
    Send(Box<Durable<Outgoing>>),
    /// Look something up and answer with [`crate::input::Input::Loaded`].
    Load(LoadKey),
    /// Wipe the security code that travels beside this payment.
    Forget(PaymentId),
    /// Tell the operators.
    Alarm(Alarm),
}

/// A message for the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The payment.
    pub id: PaymentId,
    /// Which of its messages.
    pub attempt: Attempt,
    /// Whether the host may have seen this message before: it goes out marked as a repeat.
    pub repeat: bool,
    /// What was asked.
    pub request: Request,
    /// The resolved host fields.
    pub fields: HostFields,
    /// The approval code of the original, if an answer with one is known (DE 38).
    pub approval_code: Option<String>,
    /// After this instant it must not be sent any more.
    pub deadline: Mono,
}

/// What a waiter is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// What became of a payment. `replayed`: it answers a retry.
    Outcome {
        /// The payment as it may be shown.
        view: Box<Durable<View>>,
        /// Whether the request was a retry of an earlier one.
        replayed: bool,
    },
    /// Several payments, oldest first.
    List(Vec<Durable<View>>),
    /// Nothing was accepted and nothing will happen.
    Refusal(Refusal),
}

/// Why a request was not accepted. Nothing about it is durable, save for [`Refusal::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Same idempotency key, other content.
    #[error("the idempotency key was used for a request with other content")]
    KeyMismatch,
    /// The original is not final yet.
    #[error("the original payment is not final")]
    OriginalNotFinal,
    /// The original was not approved: there is nothing to take, undo or give back.
    #[error("the original payment was not approved")]
    OriginalNotApproved,
    /// The operation cannot follow an original of this kind.
    #[error("the operation cannot follow an original of this kind")]
    WrongOriginal,
    /// The pre-authorization was captured already, or a capture is under way.
    #[error("the pre-authorization has a capture")]
    AlreadyCaptured,
    /// The original was voided already, or a void is under way.
    #[error("the original payment has a void")]
    AlreadyVoided,
    /// The money was taken or settled: a void comes too late.
    #[error("the money was taken: a refund is the way")]
    UseRefund,
    /// More than is left on the original, or in another currency.
    #[error("the amount is more than is left on the original payment")]
    OverOriginal,
    /// The merchant's profile does not permit it.
    #[error("the merchant's profile does not permit it")]
    NotPermitted,
    /// The host does not take the operation.
    #[error("the host does not take the operation")]
    NotOffered,
    /// The order has a pending or approved payment already.
    #[error("the order has a payment that is pending or approved")]
    OrderInUse,
    /// No line of the host is signed on.
    #[error("no line to the host is signed on")]
    HostUnavailable,
    /// A limit of work in progress is reached.
    #[error("too much work is in progress")]
    Busy,
    /// All places are taken, and this merchant holds its share of them.
    #[error("the merchant holds its share of the work in progress")]
    OverShare,
    /// No such payment, or not this merchant's.
    #[error("there is no such payment")]
    NotFound,
    /// The payment has no open case.
    #[error("the payment has no open case")]
    NoCase,
    /// Only a capture, void or refund can be closed as posted.
    #[error("only a capture, void or refund that waits for its answer can be closed as posted")]
    NotAnAdvice,
    /// The end that an operator wants takes a second person, and this one spoke already.
    #[error("another person must say the same: you proposed it already")]
    SecondPersonWanted,
    /// The gateway stopped before it answered: whether the request was accepted is not known here. A
    /// retry with the same key learns it.
    #[error("the gateway stopped before it answered")]
    Unknown,
    /// The gateway is stopping, or its journal failed.
    #[error("the gateway takes no more work")]
    Stopping,
}

/// What operators must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// An approval came after the time-out.
    LateApproval(PaymentId),
    /// A reversal waits for a person.
    CaseOpened(PaymentId),
    /// The numbers of a host's STAN space ran out.
    OutOfNumbers(HostId),
    /// A fault of the engine itself: a record that a state does not allow.
    WrongTurn(WrongTurn),
    /// A fault of the engine itself: a record became durable of a payment that memory does not hold.
    /// The next start takes it up.
    Lost(PaymentId),
    /// The host refused to confirm the reversal of what it approved late: the result stands, the
    /// books are in doubt until reconciliation.
    Suspect(PaymentId),
}
