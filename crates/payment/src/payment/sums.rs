//! The sums over what followed a payment.

use super::{Payment, Verdict};
use crate::money::Money;
use crate::request::Operation;

/// What followed a payment: the sums over its completions, voids and refunds. Minor units of the
/// payment's currency. What is under way is reserved: it counts until it is declined or reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FollowUps {
    /// Completions that were approved.
    pub captured: i64,
    /// Completions approved or under way.
    pub captures_reserved: i64,
    /// Refunds that were approved.
    pub refunded: i64,
    /// Refunds approved or under way.
    pub refunds_reserved: i64,
    /// Whether a void was approved.
    pub voided: bool,
    /// Whether a void was approved or is under way.
    pub void_reserved: bool,
}

impl FollowUps {
    /// Counts one follow-up in.
    #[must_use]
    pub fn with(self, follow_up: &Payment) -> Self {
        let approved = follow_up.approved();
        let reserved = match follow_up.verdict() {
            Verdict::Approved => approved,
            Verdict::Pending(_) => Some(follow_up.request.amount),
            // A person closed it as never posted, and then the host approved it all the same.
            Verdict::Declined(_) | Verdict::Reversed => {
                let in_doubt = follow_up.suspect && follow_up.is_advice();
                in_doubt.then_some(follow_up.request.amount)
            }
        };
        let minor = |amount: Option<Money>| amount.map_or(0, |amount| amount.minor);
        match follow_up.request.operation {
            Operation::Completion => Self {
                captured: self.captured.saturating_add(minor(approved)),
                captures_reserved: self.captures_reserved.saturating_add(minor(reserved)),
                ..self
            },
            Operation::Refund => Self {
                refunded: self.refunded.saturating_add(minor(approved)),
                refunds_reserved: self.refunds_reserved.saturating_add(minor(reserved)),
                ..self
            },
            Operation::Void => Self {
                voided: self.voided | approved.is_some(),
                void_reserved: self.void_reserved | reserved.is_some(),
                ..self
            },
            _ => self,
        }
    }
}
