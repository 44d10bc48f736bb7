//! What the merchants asked and were told, in the manner of Jepsen: every question is noted before it
//! is sent, every end of it as `ok`, `fail` (certainly refused) or `info` (nobody knows).

use crate::clock::Clock;
use crate::operation::Operation;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What a merchant does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The first sending of a payment.
    Pay,
    /// The same again: same key, same content, signed and encrypted afresh.
    Retry,
    /// The same key with another amount.
    Mismatch,
    /// A request whose signature is false.
    Forgery,
    /// The exact bytes of an earlier request.
    Replay,
    /// A question for a payment, by id or order.
    Query,
    /// A question for another merchant's payment.
    Snoop,
}

/// Where an act stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// About to be sent.
    Invoke,
    /// Answered, and the answer is believed.
    Ok,
    /// Refused by an answer that says so.
    Fail,
    /// Nobody knows: no answer, or one that cannot be believed.
    Info,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What for.
    #[serde(default)]
    pub operation: Operation,
    /// The payment that it is about, numbered by the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<u64>,
    /// The idempotency key.
    pub key: String,
    /// The order's id, with a secret token in it.
    pub order_id: String,
    /// Minor units.
    pub minor: i64,
    /// Three letters.
    pub currency: String,
    /// The card's token.
    pub card: String,
    /// `YYYY-MM`.
    pub expiry: String,
    /// The merchant's terminal (DE 41), as the host knows it.
    pub terminal: String,
    /// The merchant's number (DE 42), as the host knows it.
    pub acceptor: String,
}

/// An amount on the REST channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Minor units.
    pub minor: i64,
    /// Three letters.
    pub currency: String,
}

/// What may be shown of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardShown {
    /// The first six digits.
    pub bin: String,
    /// The last four.
    pub last4: String,
}

/// An amount on a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceShown {
    /// `ledger` or `available`.
    pub kind: String,
    /// How much.
    pub amount: Amount,
}

/// What a merchant is told of a payment (the answer body of the REST channel).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The payment.
    pub id: String,
    /// What was asked.
    #[serde(default)]
    pub operation: Operation,
    /// `pending`, `approved`, `declined` or `reversed`.
    pub result: String,
    /// Why.
    pub reason: Option<String>,
    /// `false` once it is certain that a pending payment will not be approved.
    pub will_be_approved: Option<bool>,
    /// The order.
    pub order_id: String,
    /// The amount that was asked for.
    pub amount: Amount,
    /// The amount that was approved, if it is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_amount: Option<Amount>,
    /// Of an approved payment: what was taken of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_amount: Option<Amount>,
    /// Of an approved payment: what went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded_amount: Option<Amount>,
    /// Of an approved payment: whether it was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided: Option<bool>,
    /// What is on the card.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub balances: Vec<BalanceShown>,
    /// The card.
    pub card: CardShown,
    /// DE 39.
    pub response_code: Option<String>,
    /// DE 38.
    pub approval_code: Option<String>,
    /// DE 37.
    pub rrn: Option<String>,
    /// DE 11.
    pub stan: Option<String>,
    /// The business date.
    pub business_date: Option<String>,
    /// Grows with every change.
    pub version: u64,
}

impl Told {
    /// Whether nothing may follow it.
    pub fn is_final(&self) -> bool {
        self.result != "pending"
    }

    /// The minor units that are approved, if it is.
    pub fn approved(&self) -> Option<i64> {
        let amount = self.approved_amount.as_ref().unwrap_or(&self.amount);
        (self.result == "approved").then_some(amount.minor)
    }
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientEvent {
    /// Microseconds since the world began.
    pub at_us: u64,
    /// The payment that it is about, numbered by the sandbox.
    pub op: u64,
    /// What the merchant does.
    pub act: Act,
    /// Where that stands.
    pub phase: Phase,
    /// Who.
    pub merchant: String,
    /// When the question was sent, on the line that notes its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_us: Option<u64>,
    /// What is asked, when a payment is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// The code of a problem, or why an answer is not believed, or why none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The history. Cheap to clone; all clones write to one.
#[derive(Clone)]
pub struct History(Arc<Inner>);

struct Inner {
    clock: Clock,
    kept: Mutex<Kept>,
}

struct Kept {
    events: Vec<ClientEvent>,
    file: Option<BufWriter<File>>,
    broken: Option<io::Error>,
}

impl History {
    /// A history in memory, and in `path` as JSON lines if given.
    /// # Errors
    /// Whatever creating the file says.
    pub fn new(clock: Clock, path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(File::create).transpose()?.map(BufWriter::new);
        let kept = Mutex::new(Kept { events: Vec::new(), file, broken: None });
        Ok(Self(Arc::new(Inner { clock, kept })))
    }

    /// Notes an event; its time is now, whatever it says.
    pub fn note(&self, mut event: ClientEvent) -> u64 {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        event.at_us = self.0.clock.now_us();
        let at_us = event.at_us;
        if let Some(file) = &mut kept.file {
            let written = serde_json::to_writer(&mut *file, &event)
                .map_err(io::Error::from)
                .and_then(|()| file.write_all(b"\n"));
            if let Err(fault) = written {
                kept.broken = Some(fault);
                kept.file = None;
            }
        }
        kept.events.push(event);
        at_us
    }

    /// Everything so far.
    /// # Errors
    /// The first fault in writing the file.
    pub fn events(&self) -> io::Result<Vec<ClientEvent>> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = kept.broken.take() {
            return Err(fault);
        }
        if let Some(file) = &mut kept.file {
            file.flush()?;
        }
        Ok(kept.events.clone())
    }

    /// The clock that stamps the events.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }
}
