//! What merchants do after a payment: they capture, void and refund it, rightly and wrongly, one after
//! the other and at once. Decided by the seed and by what the payment was told.

use crate::dice::Dice;
use crate::history::Told;
use crate::load::Work;
use crate::merchant::envelope::EnvelopeError;
use crate::merchant::{Order, Original, Outcome};
use crate::operation::Operation;

/// The follow-ups of a payment are numbered from its own number in steps of this.
const STEP: u64 = 10_000_000;

/// A payment, and what follows.
pub(crate) struct Sequel<'a> {
    pub(crate) work: &'a Work,
    pub(crate) merchant: usize,
    pub(crate) order: &'a Order,
    pub(crate) told: &'a Told,
    pub(crate) dice: Dice,
    pub(crate) next: u64,
}

impl Sequel<'_> {
    /// Does what the dice say.
    pub(crate) async fn play(&mut self) -> Result<(), EnvelopeError> {
        match (self.order.operation, self.told.approved()) {
            (Operation::Purchase, Some(approved)) => match self.dice.below(100) {
                0..16 => self.refunds(approved).await,
                16..21 => self.void(approved).await,
                21..23 => self.void_and_refund_at_once(approved).await,
                _ => Ok(()),
            },
            (Operation::PreAuthorization, Some(approved)) => match self.dice.below(100) {
                0..65 => self.capture(approved).await,
                65..80 => self.void(approved).await,
                80..84 => self.capture_and_void_at_once(approved).await,
                84..87 => self.ask(Operation::Refund, 1).await.map(drop),
                _ => Ok(()),
            },
            (Operation::Purchase, None) if self.dice.per_mille(100) => {
                self.ask(Operation::Refund, 1).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn refunds(&mut self, taken: i64) -> Result<(), EnvelopeError> {
        let half = half(taken);
        match self.dice.below(10) {
            0..4 => self.ask(Operation::Refund, third(taken)).await.map(drop),
            4..6 => {
                self.ask(Operation::Refund, half.saturating_sub(1)).await?;
                let rest = taken.saturating_sub(half.saturating_sub(1));
                self.ask(Operation::Refund, rest).await.map(drop)
            }
            // The second is more than is left.
            6..8 => {
                self.ask(Operation::Refund, half).await?;
                self.ask(Operation::Refund, half.saturating_add(2)).await.map(drop)
            }
            // Each alone is allowed, both together are not.
            _ => {
                let one = self.order_for(Operation::Refund, half.saturating_add(1));
                let two = self.order_for(Operation::Refund, half.saturating_add(3));
                self.at_once(one, two).await
            }
        }
    }

    async fn void(&mut self, approved: i64) -> Result<(), EnvelopeError> {
        let first = self.ask(Operation::Void, approved).await?;
        match self.dice.below(6) {
            // While the first's fate is unknown, its own key asks for it, and no second void: an order's
            // voids are alike, and the order's list would not say which of the two was taken.
            0 if !matches!(first, Some(Outcome::Told(_) | Outcome::Refused(_))) => Ok(()),
            0 => self.ask(Operation::Void, approved).await.map(drop),
            1 => self.ask(Operation::Refund, third(approved)).await.map(drop),
            2 => self.ask(Operation::Completion, third(approved)).await.map(drop),
            _ => Ok(()),
        }
    }

    async fn capture(&mut self, approved: i64) -> Result<(), EnvelopeError> {
        let (minor, tells) = match self.dice.below(10) {
            0..3 => (approved, false),
            3..6 => (approved, true),
            6..9 => (approved.saturating_sub(third(approved)), true),
            // More than was set aside.
            _ => (approved.saturating_add(1), true),
        };
        let mut order = self.order_for(Operation::Completion, minor);
        order.with_amount = tells;
        let outcome = self.send(order).await?;
        let captured = match outcome {
            Some(Outcome::Told(told)) => told.approved(),
            _ => None,
        };
        match (self.dice.below(10), captured) {
            // A second capture, of another amount.
            (0 | 1, _) => self.ask(Operation::Completion, third(approved)).await.map(drop),
            (2..5, Some(captured)) => self.refunds(captured).await,
            (5, _) => self.ask(Operation::Void, approved).await.map(drop),
            _ => Ok(()),
        }
    }

    async fn void_and_refund_at_once(&mut self, approved: i64) -> Result<(), EnvelopeError> {
        let void = self.order_for(Operation::Void, approved);
        let refund = self.order_for(Operation::Refund, approved);
        self.at_once(void, refund).await
    }

    async fn capture_and_void_at_once(&mut self, approved: i64) -> Result<(), EnvelopeError> {
        let void = self.order_for(Operation::Void, approved);
        let capture = self.order_for(Operation::Completion, approved);
        self.at_once(void, capture).await
    }

    async fn at_once(&self, one: Order, two: Order) -> Result<(), EnvelopeError> {
        let (one, two) = tokio::join!(self.send(one), self.send(two));
        one?;
        two.map(drop)
    }

    async fn ask(
        &mut self,
        operation: Operation,
        minor: i64,
    ) -> Result<Option<Outcome>, EnvelopeError> {
        let order = self.order_for(operation, minor);
        self.send(order).await
    }

    async fn send(&self, order: Order) -> Result<Option<Outcome>, EnvelopeError> {
        if !self.work.may_ask() {
            return Ok(None);
        }
        self.work.pay(self.merchant, order, None).await
    }

    fn order_for(&mut self, operation: Operation, minor: i64) -> Order {
        self.next = self.next.saturating_add(1);
        let Order { op, key, .. } = self.order;
        Order {
            op: op.saturating_add(self.next.saturating_mul(STEP)),
            key: format!("{key}-{}", self.next),
            operation,
            original: Some(Original { op: *op, id: self.told.id.clone() }),
            with_amount: true,
            minor,
            ..self.order.clone()
        }
    }
}

fn half(minor: i64) -> i64 {
    minor.checked_div(2).unwrap_or(minor)
}

fn third(minor: i64) -> i64 {
    minor.checked_div(3).unwrap_or(minor).max(1)
}
