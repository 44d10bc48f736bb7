//! What the engine hears.

use crate::durable::{Durable, Sequence};
use crate::effect::Refusal;
use crate::id::{HostId, IdempotencyKey, MerchantId, OrderId, PaymentId};
use crate::money::Money;
use crate::record::{Group, HostAnswer, NotSentReason, Resolution, ReversalVerdict};
use crate::request::{Acceptor, Fingerprint, FollowUp, Offer, Operation, Request, Route};
use crate::time::{BusinessDate, LocalTime, Mono};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Somebody who waits for a reply: a number that the shell chose and will recognise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiter(pub u64);

/// What the engine hears.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub enum Input {
    /// An authenticated, decoded, screened request.
    Request(Box<Incoming>),
    /// A merchant asks what became of a payment.
    Query(Query),
    /// What the store found for an [`crate::effect::Effect::Load`].
    Loaded(Loaded),
    /// The host answered the request of this payment, and the answer agrees with what was asked.
    HostAnswered(PaymentId, HostAnswer),
    /// The host answered a reversal of this payment.
    ReversalAnswered(PaymentId, ReversalAnswer),
    /// The host answered that it cannot take the reversal or the advice now.
    Deferred(PaymentId, Attempt, HostSaid),
    /// The host refuses the advice: repeating it is of no use.
    AdviceRefused(PaymentId, HostSaid),
    /// A message was provably not sent.
    NotSent(PaymentId, Attempt, NotSentReason),
    /// A message was written to a signed-on line.
    Written(PaymentId, Attempt),
    /// Whether any line of the host is signed on.
    HostUp(HostId, bool),
    /// The business date by configured time and zone, or by the host's cut-over.
    Date(BusinessDate),
    /// The projection holds everything up to here: finished payments may leave memory.
    Projected(Sequence),
    /// An operator's word on a case.
    Operator(OperatorAct),
    /// Time passed; see [`crate::engine::Engine::next_deadline`].
    Tick,
}

/// A request, and what the shell adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Who waits for the reply.
    pub waiter: Waiter,
    /// The id to use if it is accepted.
    pub id: PaymentId,
    /// What is asked.
    pub ask: Ask,
    /// Who the merchant is to the host.
    pub acceptor: Acceptor,
    /// The time of day at the merchant.
    pub local: LocalTime,
    /// Options of the merchant's profile that the engine obeys.
    pub terms: Terms,
    /// Why nothing new may be accepted of it, as the shell sees it today. A retry is answered from its
    /// record all the same: what was permitted when it was accepted stays answered.
    pub objection: Option<Refusal>,
    /// What is not accepted by then is refused: its merchant waits no longer, or not for much longer.
    pub accept_by: Mono,
}

/// What is asked, and where it would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Something new of a card.
    New {
        /// What.
        request: Request,
        /// Where it may go, best first: to the first host that is up.
        routes: Vec<Route>,
    },
    /// Something about an earlier payment: it goes where that went.
    FollowUp {
        /// What.
        follow_up: FollowUp,
        /// What each host takes at present.
        offers: Arc<BTreeMap<HostId, Offer>>,
    },
}

impl Ask {
    /// Who asks, for what ([`Operation::key_scope`]), and the key by which it will recognise its own
    /// retry.
    pub fn key(&self) -> (&MerchantId, Operation, &IdempotencyKey) {
        match self {
            Self::New { request, .. } => {
                (&request.merchant, request.operation.key_scope(), &request.key)
            }
            Self::FollowUp { follow_up, .. } => {
                (&follow_up.merchant, follow_up.operation.key_scope(), &follow_up.key)
            }
        }
    }

    /// A hash of its content; see [`Request::fingerprint`]. `whole`: what the original of a follow-up was
    /// approved for.
    pub fn fingerprint(&self, whole: Option<Money>) -> Fingerprint {
        match self {
            Self::New { request, .. } => request.fingerprint(),
            Self::FollowUp { follow_up, .. } => follow_up.fingerprint(whole),
        }
    }
}

/// Options of a merchant's profile that the engine obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// At most one pending or approved payment per order.
    pub one_payment_per_order: bool,
    /// Whether an approval for less than was asked is welcome.
    pub partial_approval: bool,
}

/// A merchant's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Who waits for the reply.
    pub waiter: Waiter,
    /// Whose payments may be shown; `None` for the bank's own staff.
    pub merchant: Option<MerchantId>,
    /// Which.
    pub by: QueryBy,
}

/// How payments are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryBy {
    /// One, by its id.
    Id(PaymentId),
    /// All of one order of the merchant, oldest first.
    Order(OrderId),
}

/// What the store should look up. The store answers with every payment that matches any part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoadKey {
    /// One payment.
    Id(PaymentId),
    /// The payment with this idempotency key and its follow-ups, and all payments of this order.
    Request {
        /// Whose.
        merchant: MerchantId,
        /// Of which operation the key is: one that shares its keys does as well.
        operation: Operation,
        /// The key.
        key: IdempotencyKey,
        /// The order, if the request may not go on beside another payment of it.
        order: Option<OrderId>,
    },
    /// The payment with this idempotency key, the original, and every follow-up of the original.
    FollowUp {
        /// Whose.
        merchant: MerchantId,
        /// Of which operation the key is: one that shares its keys does as well.
        operation: Operation,
        /// The key.
        key: IdempotencyKey,
        /// The original, whoever's it is.
        original: PaymentId,
    },
    /// All payments of an order.
    Order {
        /// Whose.
        merchant: MerchantId,
        /// The order.
        order: OrderId,
    },
}

/// What the store found: each payment as the group of all its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What was asked for.
    pub key: LoadKey,
    /// The payments found, oldest first; empty if there are none.
    pub found: Vec<Durable<Group>>,
    /// Up to where the projection had applied the journal when it looked.
    pub applied: Sequence,
}

/// The host's answer to a reversal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversalAnswer {
    /// DE 39.
    pub response_code: String,
    /// What it means by the mapping file.
    pub verdict: ReversalVerdict,
    /// On which line it came.
    pub line: crate::id::LineId,
}

/// A response code by which the host took nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSaid {
    /// DE 39.
    pub response_code: String,
    /// On which line it came.
    pub line: crate::id::LineId,
}

/// Which message of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    /// The request itself.
    Original,
    /// A repeat of an advice: the attempt's number, from 2.
    Repeat(u32),
    /// An attempt of its reversal, from 1.
    Reversal(u32),
}

/// An operator's word on a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorAct {
    /// Who waits for the reply.
    pub waiter: Waiter,
    /// Which payment.
    pub id: PaymentId,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What shall happen.
    pub act: CaseAct,
}

/// What an operator can do with a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseAct {
    /// Try the reversal again.
    Retry,
    /// End it.
    Close(Resolution),
}
