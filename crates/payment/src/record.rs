//! What the journal holds about payments. A record is a fact; replaying the facts in order gives
//! the state. The store numbers, checks and chains them; it does not interpret them.

mod about;
mod case;
mod owed;

use crate::id::{HostId, LineId, PaymentId, Stan};
use crate::money::{Balance, Money};
use crate::request::{HostFields, Request};
use crate::time::{BusinessDate, Timestamp};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

pub use case::{CaseClosed, CaseRetried, CloseProposed, Resolution};
pub use owed::{AdviceParked, AdviceRefused, AdviceRepeated, Deferred, RepeatAbandoned};

/// Records that become durable together or not at all, and what must still be true then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// The facts, in order.
    pub records: Vec<Record>,
    /// What the store checks in the same commit.
    pub preconditions: Vec<Precondition>,
}

/// What a group is about; there is one group under way for each at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupSubject {
    /// One payment.
    Payment(PaymentId),
    /// The business date.
    Date,
    /// Leases of numbers.
    Leases,
}

impl Group {
    /// What the group is about, by its first record.
    pub fn subject(&self) -> GroupSubject {
        match self.records.first() {
            Some(Record::DateMoved(_)) => GroupSubject::Date,
            Some(record) => record.payment().map_or(GroupSubject::Leases, GroupSubject::Payment),
            None => GroupSubject::Leases,
        }
    }
}

/// What must be true when a group is written. The embedded store has one writer and never finds a
/// conflict; a store shared by several nodes does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// No payment of this merchant and operation has this idempotency key.
    KeyIsNew(PaymentId),
    /// The payment has had exactly this many records.
    AtVersion(PaymentId, u32),
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A request was accepted: from here on it ends in exactly one final answer.
    Accepted(Box<Accepted>),
    /// The request is about to be handed to a host line. Every byte of it that may reach the host is
    /// preceded by this record (invariant D1).
    SendIntent(Box<SendIntent>),
    /// Proof that no byte was handed to a socket: declined, nothing to reverse.
    NotSent(NotSent),
    /// The host answered in time.
    Answered(Answered),
    /// The deadline passed first. From here on no message can make the operation approved.
    TimedOut(TimedOut),
    /// A reversal is owed; the intent of its first attempt.
    ReversalDue(ReversalDue),
    /// A further attempt of the reversal is about to be handed to a line, marked as a repeat.
    ReversalRepeated(ReversalRepeated),
    /// The host answered an attempt of the reversal.
    ReversalAnswered(ReversalAnswered),
    /// The reversal was accepted: the operation ended as reversed.
    Reversed(Reversed),
    /// The reversal was refused or exhausted: a person must look.
    ReversalParked(ReversalParked),
    /// An answer to the request after the time-out. Never told to the merchant.
    LateAnswer(Answered),
    /// An operator had the reversal of a parked payment tried again.
    CaseRetried(CaseRetried),
    /// An operator closed a case.
    CaseClosed(CaseClosed),
    /// An advice was not answered and is about to be handed to a line again, marked as a repeat.
    AdviceRepeated(AdviceRepeated),
    /// An advice was not answered for as long as configuration says: a person must look.
    AdviceParked(AdviceParked),
    /// An inquiry was not answered in time: declined, nothing more is sent.
    Lapsed(Lapsed),
    /// The host answered that it cannot take the reversal or the advice now.
    Deferred(Deferred),
    /// The host refused an advice.
    AdviceRefused(AdviceRefused),
    /// The repeat of a reversal after a late approval was not answered for as long as configuration
    /// says: the books are in doubt.
    RepeatAbandoned(RepeatAbandoned),
    /// An operator proposed to close a case in a way that takes two people.
    CloseProposed(CloseProposed),
    /// The gateway's business date moved.
    DateMoved(DateMoved),
    /// A block of STANs and RRN sequence numbers was leased.
    Leased(Leased),
}

/// A request was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The payment's id.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// What was asked.
    pub request: Request,
}

/// A request is about to be handed to a host line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendIntent {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Every resolved host field.
    pub fields: HostFields,
}

/// No byte left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSent {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: NotSentReason,
}

/// Why a message was provably not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSentReason {
    /// No signed-on line took it.
    NoLine,
    /// A queue on the way was full.
    QueueFull,
    /// Its deadline passed before a line took it.
    Overdue,
    /// It could not be encoded, or a key was not available.
    EncodeFailed,
}

/// What the host said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAnswer {
    /// DE 39, two characters.
    pub response_code: String,
    /// What the mapping file says that the code means.
    pub class: AnswerClass,
    /// DE 38, if the answer carries one.
    pub approval_code: Option<String>,
    /// The amount approved; lower than asked only with [`AnswerClass::Partial`].
    pub amount: Money,
    /// On which line it came.
    pub line: LineId,
    /// What is on the card (DE 54), if the answer says so: at most six amounts.
    pub balances: Vec<Balance>,
}

/// The meaning of a response code, by the mapping file. A code that the file does not list is not an
/// answer: it is treated as silence and alarmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerClass {
    /// Approved in full.
    Approved,
    /// Approved for less than was asked.
    Partial,
    /// Declined.
    Declined,
    /// Declined, and the card should be kept.
    PickUp,
}

/// The host answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The payment.
    pub id: PaymentId,
    /// When the answer was decided on.
    pub at: Timestamp,
    /// The answer.
    pub answer: HostAnswer,
}

/// The deadline passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedOut {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Why nothing came.
    pub why: SilenceReason,
}

/// Why a request counts as unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceReason {
    /// The host did not answer in time.
    Deadline,
    /// The gateway stopped between intent and answer; whether the host saw it is unknown.
    Restart,
    /// The answer was a partial approval for a merchant that takes none.
    PartialRefused,
}

/// A reversal is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversalDue {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
}

/// A further attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversalRepeated {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Which attempt, from 2.
    pub attempt: u32,
}

/// An inquiry was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Why nothing came.
    pub why: SilenceReason,
}

/// The host answered a reversal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversalAnswered {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// DE 39.
    pub response_code: String,
    /// What the mapping file says that the code means.
    pub verdict: ReversalVerdict,
    /// On which line it came.
    pub line: LineId,
}

/// The meaning of a response code to a reversal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversalVerdict {
    /// The host took custody of it.
    Accepted,
    /// The host knows no such original ("25"). Not final: the reversal may have overtaken it.
    UnknownOriginal,
    /// The host refuses it.
    Refused,
}

/// The operation ended as reversed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reversed {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Whether the host twice knew no original: marked until reconciliation clears it.
    pub suspect: bool,
}

/// The reversal was parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversalParked {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: ParkReason,
}

/// Why a reversal waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkReason {
    /// The host refused it.
    Refused,
    /// It was repeated for as long as configuration says.
    Exhausted,
}

/// The business date moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateMoved {
    /// When.
    pub at: Timestamp,
    /// The new date.
    pub date: BusinessDate,
}

/// A block of numbers was leased: none of them may be given out again after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// When.
    pub at: Timestamp,
    /// Which numbers.
    pub block: Block,
}

/// Which numbers were leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// STANs of one host's space: `first`, and `count - 1` after it, wrapping from 999999 to 1.
    Stan {
        /// Whose space.
        host: HostId,
        /// The first one.
        first: Stan,
        /// How many.
        count: u32,
    },
    /// Sequence numbers of the RRN (its last eight digits): `first`, and `count - 1` after it, wrapping.
    Rrn {
        /// The first one, 0..=99_999_999.
        first: u32,
        /// How many.
        count: u32,
    },
}
