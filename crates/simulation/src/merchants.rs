//! The merchants: what they wish, how they ask, and how they behave when nobody answers.

mod asking;
mod hearing;

use crate::checker::told::Final;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_payment::id::PaymentId;
use tidegate_payment::request::Operation;

/// Something that a merchant wants done once.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which, from 1.
    pub number: u64,
    /// Whose, by place in the cast.
    pub shop: usize,
    /// What.
    pub operation: Operation,
    /// Its idempotency key.
    pub key: String,
    /// Its order.
    pub order: String,
    /// From which card, by place in the cast.
    pub card: usize,
    /// How much, in minor units; 0 for what has no amount of its own.
    pub amount: i64,
    /// The wish and the payment that it is about.
    pub original: Option<(u64, PaymentId)>,
    /// Another wish that it races with.
    pub race: bool,
    /// How often it was asked for.
    pub asked: u32,
    /// How many requests are on their way.
    pub waiting: u32,
    /// The final answer.
    pub told: Option<Final>,
    /// The latest thing heard that is not final: the payment is known by this id.
    pub pending: Option<PaymentId>,
    /// Refused for good.
    pub refused: Option<&'static str>,
    /// A crash left it in doubt.
    pub in_doubt: bool,
}

impl Wish {
    /// Whether nothing more is to be asked.
    pub fn is_done(&self) -> bool {
        self.told.is_some() || (self.refused.is_some() && self.pending.is_none())
    }
}

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// For which wish.
    pub wish: u64,
    /// What it is.
    pub kind: AttemptKind,
    /// Which run of the gateway has it.
    pub life: u64,
    /// Whether the client is still there.
    pub listens: bool,
    /// When it was sent.
    pub since: Duration,
}

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    /// The wish, under its key.
    Ask,
    /// Something else under the wish's key.
    Mismatch,
    /// A question what became of it.
    Query,
}

/// All merchants.
#[derive(Debug, Default)]
pub struct Merchants {
    wishes: BTreeMap<u64, Wish>,
    attempts: BTreeMap<u64, Attempt>,
    last_wish: u64,
    last_attempt: u64,
    /// Approved wishes that something can follow, the youngest last.
    approved: Vec<u64>,
    /// Wishes that are not done.
    pub undone: u64,
}

impl Merchants {
    /// A wish.
    pub fn wish(&self, number: u64) -> Option<&Wish> {
        self.wishes.get(&number)
    }

    /// All wishes.
    pub fn wishes(&self) -> impl Iterator<Item = &Wish> {
        self.wishes.values()
    }

    /// How many wishes there were.
    pub fn count(&self) -> u64 {
        self.last_wish
    }

    /// Requests that a run of the gateway has not answered.
    pub fn attempts_of(&self, life: u64) -> Vec<u64> {
        let of_life = self.attempts.iter().filter(|(_, attempt)| attempt.life == life);
        of_life.map(|(number, _)| *number).collect()
    }
}
