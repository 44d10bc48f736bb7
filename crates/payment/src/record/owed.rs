//! What became of reversals and advices that the host did not take at once.

use super::ParkReason;
use crate::id::{LineId, PaymentId};
use crate::time::Timestamp;
use alloc::string::String;

/// An advice goes out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdviceRepeated {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Which attempt, from 2.
    pub attempt: u32,
}

/// An advice waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdviceParked {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: ParkReason,
}

/// The host cannot take it now: the next attempt waits its gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferred {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// DE 39.
    pub response_code: String,
    /// On which line it came.
    pub line: LineId,
}

/// The host refused an advice: repeating it is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdviceRefused {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
    /// DE 39.
    pub response_code: String,
    /// On which line it came.
    pub line: LineId,
}

/// Nothing more is sent, and what the host holds is in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatAbandoned {
    /// The payment.
    pub id: PaymentId,
    /// When.
    pub at: Timestamp,
}
