//! Completions, voids and refunds: what an original still allows. Amounts are reserved from the moment a
//! follow-up is accepted, and given back when it is declined or reversed.

use super::Engine;
use super::decide::Opening;
use crate::effect::Refusal;
use crate::id::HostId;
use crate::money::Money;
use crate::payment::{FollowUps, Payment, Verdict};
use crate::request::{FollowUp, HostFields, Offer, Operation, OriginalFields, Route};
use crate::time::BusinessDate;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

impl Engine {
    /// What a follow-up asks of the host: the original's host, order, card and terminal.
    pub(super) fn resolve_follow_up(
        &self,
        follow_up: &FollowUp,
        offers: &BTreeMap<HostId, Offer>,
    ) -> Result<Opening, Refusal> {
        let entry = self.book.get(follow_up.original).ok_or(Refusal::NotFound)?;
        let original = &entry.payment;
        if original.request.merchant != follow_up.merchant {
            return Err(Refusal::NotFound);
        }
        let approved = match original.verdict() {
            Verdict::Pending(_) => return Err(Refusal::OriginalNotFinal),
            Verdict::Declined(_) | Verdict::Reversed => return Err(Refusal::OriginalNotApproved),
            Verdict::Approved => original.approved().ok_or(Refusal::OriginalNotApproved)?,
        };
        let fields = original.fields.as_ref().ok_or(Refusal::OriginalNotApproved)?;
        let today = self.date.ok_or(Refusal::Busy)?;
        let standing = Standing {
            operation: original.request.operation,
            approved,
            date: fields.business_date,
            follow_ups: self.book.follow_ups(original.id),
        };
        let amount = standing.allows(follow_up, today)?;
        let offer = offers.get(&fields.route.host).ok_or(Refusal::HostUnavailable)?;
        let silence = offer.operations.get(&follow_up.operation).ok_or(Refusal::NotOffered)?;
        Ok(Opening {
            request: follow_up.complete(&original.request, amount),
            route: Route {
                definitions: offer.definitions,
                silence: *silence,
                ..fields.route.clone()
            },
            acceptor: fields.acceptor.clone(),
            original: Some(Box::new(original_fields(original, fields, approved))),
        })
    }
}

fn original_fields(original: &Payment, fields: &HostFields, approved: Money) -> OriginalFields {
    OriginalFields {
        operation: original.request.operation,
        stan: fields.stan,
        rrn: fields.rrn.clone(),
        transmitted: fields.transmitted,
        business_date: fields.business_date,
        approval_code: original.answer.as_ref().and_then(|answer| answer.approval_code.clone()),
        amount: approved,
    }
}

/// Where an approved original stands.
struct Standing {
    operation: Operation,
    approved: Money,
    date: BusinessDate,
    follow_ups: FollowUps,
}

impl Standing {
    /// The amount of the follow-up, if the original allows it.
    fn allows(&self, follow_up: &FollowUp, today: BusinessDate) -> Result<Money, Refusal> {
        if !self.operation.pays_for_order() {
            return Err(Refusal::WrongOriginal);
        }
        if self.follow_ups.void_reserved {
            return Err(Refusal::AlreadyVoided);
        }
        match follow_up.operation {
            Operation::Completion => self.completion(follow_up.amount),
            Operation::Void => self.void(today),
            Operation::Refund => self.refund(follow_up.amount),
            _ => Err(Refusal::WrongOriginal),
        }
    }

    /// One completion for each pre-authorization, of what was set aside or less.
    fn completion(&self, asked: Option<Money>) -> Result<Money, Refusal> {
        if self.operation != Operation::PreAuthorization {
            return Err(Refusal::WrongOriginal);
        }
        if self.follow_ups.captures_reserved != 0 {
            return Err(Refusal::AlreadyCaptured);
        }
        self.within(asked.unwrap_or(self.approved), 0, self.approved.minor)
    }

    /// Of all, and only before the money is taken for good: a pre-authorization until its completion,
    /// a purchase on its own business date.
    fn void(&self, today: BusinessDate) -> Result<Money, Refusal> {
        let taken = self.follow_ups.captures_reserved != 0 || self.follow_ups.refunds_reserved != 0;
        let settled = self.operation == Operation::Purchase && self.date != today;
        if taken || settled { Err(Refusal::UseRefund) } else { Ok(self.approved) }
    }

    /// Never more than was taken, over all refunds.
    fn refund(&self, asked: Option<Money>) -> Result<Money, Refusal> {
        let sums = self.follow_ups;
        let taken = match self.operation {
            Operation::Purchase => self.approved.minor,
            _ if sums.captures_reserved != sums.captured => return Err(Refusal::OriginalNotFinal),
            _ => sums.captured,
        };
        let asked = asked.ok_or(Refusal::OverOriginal)?;
        self.within(asked, sums.refunds_reserved, taken)
    }

    fn within(&self, asked: Money, reserved: i64, limit: i64) -> Result<Money, Refusal> {
        let sum = asked.minor.checked_add(reserved).ok_or(Refusal::OverOriginal)?;
        let fits = asked.minor > 0 && sum <= limit && asked.currency == self.approved.currency;
        if fits { Ok(asked) } else { Err(Refusal::OverOriginal) }
    }
}
