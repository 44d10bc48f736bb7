//! What operators did with a case.

use crate::id::PaymentId;
use crate::time::Timestamp;
use alloc::string::String;

/// An operator had a parked reversal tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRetried {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// An operator closed a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseClosed {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub resolution: Resolution,
    /// Who.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// How a person ended a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The money went back.
    Reversed,
    /// The host never posted it.
    DeclinedNeverPosted,
    /// The host posted it, though its answer never came: for advices alone.
    Posted,
}

/// An operator proposed how a case shall end; another one must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseProposed {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// How it shall end.
    pub resolution: Resolution,
    /// Who.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
}

impl Resolution {
    /// Whether two people must say so: it makes a payment approved.
    pub fn takes_two(self) -> bool {
        self == Self::Posted
    }
}
