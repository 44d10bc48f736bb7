//! Merchants: they seal card data, sign, send, believe nothing unsigned, retry with the same key until
//! they know, and write down what they asked and were told.
//!
//! In reading order: [`published`] reads the gateway's keys, [`envelope`] seals, [`signature`] signs and
//! verifies, [`connection`] sends.

pub mod body;
pub mod connection;
pub mod envelope;
mod exchange;
pub mod key;
pub mod published;
pub mod signature;

pub use exchange::{Exchange, Tries};

use crate::cards;
use crate::history::{Act, Asked, ClientEvent, History, Phase, Told};
use crate::operation::Operation;
use crate::token::Tokens;
use crate::upheaval::NO_RETRY_AFTER;
use body::target;
use connection::{Connections, RawAnswer};
use data_encoding::HEXLOWER;
use envelope::{EnvelopeError, Recipe};
use jiff::Timestamp;
use key::{Algorithm, SigningKey};
use published::PublishedKeys;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use signature::{Signed, Signing};
use std::sync::Arc;

/// Who a merchant is, on both sides of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its id at the gateway.
    pub id: String,
    /// Its name.
    pub name: String,
    /// DE 41.
    pub terminal: String,
    /// DE 42.
    pub acceptor: String,
    /// DE 18.
    pub category: String,
    /// The id of its signing key.
    pub key_id: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// How the gateway's answers to it are signed.
    pub response_algorithm: Algorithm,
    /// Whether half an approval is welcome.
    #[serde(default)]
    pub partial_approval: bool,
}

/// The payment that an order is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its number in the run.
    pub op: u64,
    /// Its id at the gateway.
    pub id: String,
}

/// A payment, or anything else, that a merchant means to ask for.
#[derive(Clone)]
pub struct Order {
    /// Its number in the run.
    pub op: u64,
    /// The idempotency key.
    pub key: String,
    /// The order's id.
    pub order_id: String,
    /// Minor units.
    pub minor: i64,
    /// Three letters.
    pub currency: String,
    /// The card.
    pub number: String,
    /// Whether the security code goes along.
    pub with_code: bool,
    /// How the content key travels.
    pub recipe: Recipe,
    /// What is asked.
    pub operation: Operation,
    /// What it is about.
    pub original: Option<Original>,
    /// Whether the amount is said though it need not be.
    pub with_amount: bool,
}

/// How a sending ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway said what became of it.
    Told(Box<Told>),
    /// Refused for good, with the problem's code.
    Refused(String),
    /// Refused for now.
    Busy,
    /// Nobody knows.
    Unknown,
}

/// A merchant at work.
pub struct Merchant {
    /// Who it is.
    pub profile: Profile,
    key: SigningKey,
    public_address: String,
    connections: Arc<Connections>,
    keys: PublishedKeys,
    tokens: Tokens,
    history: History,
}

/// What every merchant of a world shares.
pub struct Surroundings {
    /// The gateway's public address, which is signed.
    pub public_address: String,
    /// The connections.
    pub connections: Arc<Connections>,
    /// The gateway's published keys.
    pub keys: PublishedKeys,
    /// The card tokens.
    pub tokens: Tokens,
    /// The history.
    pub history: History,
}

impl Merchant {
    /// A merchant with its key.
    pub fn new(profile: Profile, key: SigningKey, world: &Surroundings) -> Self {
        Self {
            profile,
            key,
            public_address: world.public_address.clone(),
            connections: world.connections.clone(),
            keys: world.keys.clone(),
            tokens: world.tokens.clone(),
            history: world.history.clone(),
        }
    }

    /// A payment, sealed and signed now.
    /// # Errors
    /// [`EnvelopeError`] if the gateway's keys do not serve.
    pub fn prepare(&self, order: &Order) -> Result<Signed, EnvelopeError> {
        let body = self.body(order)?;
        self.post(&target(order), &order.key, body)
    }

    /// A request with a body, signed now.
    /// # Errors
    /// If the machine has no randomness.
    pub fn post(&self, target: &str, key: &str, body: Vec<u8>) -> Result<Signed, EnvelopeError> {
        let nonce = nonce()?;
        Ok(self.signing(&nonce).post(target, key, body))
    }

    /// A question, signed now.
    /// # Errors
    /// If the machine has no randomness.
    pub fn ask(&self, target: &str) -> Result<Signed, EnvelopeError> {
        let nonce = nonce()?;
        Ok(self.signing(&nonce).get(target))
    }

    fn signing<'a>(&'a self, nonce: &'a str) -> Signing<'a> {
        Signing {
            key: &self.key,
            key_id: &self.profile.key_id,
            public_address: &self.public_address,
            created_s: Timestamp::now().as_second(),
            nonce,
        }
    }

    /// Sends a payment once, as prepared, and notes what became of it.
    pub async fn send(&self, order: &Order, act: Act, request: &Signed) -> Exchange {
        let asked = Asked {
            operation: order.operation,
            original: order.original.as_ref().map(|original| original.op),
            key: order.key.clone(),
            order_id: order.order_id.clone(),
            minor: order.minor,
            currency: order.currency.clone(),
            card: self.tokens.token(&order.number),
            expiry: cards::EXPIRY.to_owned(),
            terminal: self.profile.terminal.clone(),
            acceptor: self.profile.acceptor.clone(),
        };
        let exchange = self.exchange(order.op, act, Some(asked), request).await;
        if exchange.answer.as_ref().is_some_and(|answer| answer.shows(&order.number)) {
            self.note(order.op, act, Phase::Info, |event| {
                event.note = Some("disbelief: the answer carries a card number".to_owned());
            });
        }
        exchange
    }

    /// Pays: sends, and sends again with the same key, sealed and signed afresh, until the gateway has
    /// said what became of it or `tries` are used up. `first` is the first sending, if it is prepared.
    /// # Errors
    /// [`EnvelopeError`] if the gateway's keys do not serve.
    pub async fn pay(
        &self,
        order: &Order,
        mut first: Option<Signed>,
        tries: Tries,
    ) -> Result<Exchange, EnvelopeError> {
        let mut act = Act::Pay;
        let mut left = tries.count.saturating_sub(1);
        loop {
            let request = match first.take() {
                Some(request) => request,
                None => self.prepare(order)?,
            };
            let exchange = self.send(order, act, &request).await;
            let again = matches!(exchange.outcome, Outcome::Busy | Outcome::Unknown);
            if !again || left == 0 {
                return Ok(exchange);
            }
            // To sign anew costs more than to see that nobody listens.
            loop {
                tokio::time::sleep(tries.gap).await;
                left = left.saturating_sub(1);
                if self.connections.stand().await {
                    break;
                } else if left == 0 {
                    return Ok(exchange);
                }
            }
            act = Act::Retry;
        }
    }

    /// Asks for a payment by its id.
    /// # Errors
    /// If the machine has no randomness.
    pub async fn query(&self, op: u64, act: Act, id: &str) -> Result<Exchange, EnvelopeError> {
        let request = self.ask(&format!("/v1/payments/{id}"))?;
        Ok(self.exchange(op, act, None, &request).await)
    }

    /// Asks for what became of an operation of an order, by the order's list: what of it `is_of` this one.
    /// `None` if nobody knows.
    /// # Errors
    /// If the machine has no randomness.
    pub async fn query_order(
        &self,
        order: &Order,
        is_of: impl Fn(&Told) -> bool,
    ) -> Result<Option<Vec<Told>>, EnvelopeError> {
        let (op, order_id) = (order.op, &order.order_id);
        let request = self.ask(&format!("/v1/payments?order_id={order_id}"))?;
        let sent_us = self.note(op, Act::Query, Phase::Invoke, |_| {});
        let answer = match self.connections.exchange(&request).await {
            Ok(answer) => answer,
            Err(lost) => {
                self.note(op, Act::Query, Phase::Info, |event| event.note = Some(lost.to_string()));
                return Ok(None);
            }
        };
        let listed = (answer.status == 200)
            .then(|| self.believe(&request, &answer).ok())
            .flatten()
            .and_then(|()| serde_json::from_slice::<Value>(&answer.body).ok())
            .and_then(|mut body| serde_json::from_value(body.get_mut("payments")?.take()).ok());
        let mut list: Option<Vec<Told>> = listed;
        if let Some(list) = &mut list {
            list.retain(is_of);
        }
        let note = |event: &mut ClientEvent| {
            event.sent_us = Some(sent_us);
            event.status = Some(answer.status);
        };
        match &list {
            None => {
                self.note(op, Act::Query, Phase::Info, note);
            }
            Some(list) if list.is_empty() => {
                self.note(op, Act::Query, Phase::Fail, note);
            }
            Some(list) => {
                for told in list {
                    self.note(op, Act::Query, Phase::Ok, |event| {
                        note(event);
                        event.told = Some(told.clone());
                    });
                }
            }
        }
        Ok(list)
    }

    /// Sends a request as it is and notes what became of it.
    pub async fn exchange(
        &self,
        op: u64,
        act: Act,
        asked: Option<Asked>,
        request: &Signed,
    ) -> Exchange {
        let sent_us = self.note(op, act, Phase::Invoke, |event| event.asked = asked);
        let answer = match self.connections.exchange(request).await {
            Ok(answer) => answer,
            Err(lost) => {
                let note = |event: &mut ClientEvent| {
                    event.sent_us = Some(sent_us);
                    event.note = Some(lost.to_string());
                };
                let told_us = self.note(op, act, Phase::Info, note);
                return Exchange { outcome: Outcome::Unknown, sent_us, told_us, answer: None };
            }
        };
        let (phase, outcome, told, note) = self.judge(request, &answer);
        let told_us = self.note(op, act, phase, |event| {
            event.sent_us = Some(sent_us);
            event.status = Some(answer.status);
            event.told = told;
            event.note = note;
        });
        Exchange { outcome, sent_us, told_us, answer: Some(answer) }
    }

    fn judge(
        &self,
        request: &Signed,
        answer: &RawAnswer,
    ) -> (Phase, Outcome, Option<Told>, Option<String>) {
        if matches!(answer.status, 200..=202) {
            let read = self.believe(request, answer).and_then(|()| {
                serde_json::from_slice::<Told>(&answer.body).map_err(|fault| fault.to_string())
            });
            return match read {
                Ok(told) => (Phase::Ok, Outcome::Told(Box::new(told.clone())), Some(told), None),
                Err(why) => {
                    (Phase::Info, Outcome::Unknown, None, Some(format!("disbelief: {why}")))
                }
            };
        }
        let code = serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|body| Some(body.get("code")?.as_str()?.to_owned()))
            .unwrap_or_else(|| format!("status {}", answer.status));
        let outcome = match answer.status {
            429 | 503 if answer.header("retry-after").is_none() => {
                return (Phase::Fail, Outcome::Busy, None, Some(NO_RETRY_AFTER.to_owned()));
            }
            429 | 503 => Outcome::Busy,
            400..=499 => Outcome::Refused(code.clone()),
            _ => return (Phase::Info, Outcome::Unknown, None, Some(code)),
        };
        (Phase::Fail, outcome, None, Some(code))
    }

    /// Whether an answer is the gateway's, to this request.
    fn believe(&self, request: &Signed, answer: &RawAnswer) -> Result<(), String> {
        let header = |name: &str| answer.header(name);
        let agreed = (&self.keys, self.profile.response_algorithm);
        signature::verify(agreed, request, answer.status, header, &answer.body)
            .map_err(|why| why.to_string())
    }

    fn note(&self, op: u64, act: Act, phase: Phase, fill: impl FnOnce(&mut ClientEvent)) -> u64 {
        let mut event = ClientEvent {
            at_us: 0,
            op,
            act,
            phase,
            merchant: self.profile.id.clone(),
            sent_us: None,
            asked: None,
            status: None,
            told: None,
            note: None,
        };
        fill(&mut event);
        self.history.note(event)
    }
}

fn nonce() -> Result<String, EnvelopeError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| EnvelopeError::Refused("randomness"))?;
    Ok(HEXLOWER.encode(&bytes))
}
