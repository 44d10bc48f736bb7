//! What a request says, and where it is sent.

use super::envelope::{self, EnvelopeError, Recipe};
use super::signature::Signed;
use super::{Merchant, Order, nonce};
use crate::cards;
use crate::operation::Operation;
use serde_json::{Value, json};

impl Merchant {
    /// The body of a request, card data sealed.
    /// # Errors
    /// [`EnvelopeError`] if the gateway's keys do not serve.
    pub fn body(&self, order: &Order) -> Result<Vec<u8>, EnvelopeError> {
        let Order { order_id, minor, currency, .. } = order;
        let amount = json!({"minor": minor, "currency": currency});
        let body = match order.operation {
            Operation::Purchase => {
                json!({"order_id": order_id, "amount": amount, "card": self.sealed(order)?})
            }
            Operation::PreAuthorization => {
                let card = self.sealed(order)?;
                json!({"order_id": order_id, "amount": amount, "card": card, "capture": false})
            }
            Operation::BalanceInquiry | Operation::CardVerification => {
                json!({"order_id": order_id, "currency": currency, "card": self.sealed(order)?})
            }
            Operation::Completion if !order.with_amount => json!({}),
            Operation::Completion | Operation::Refund => json!({"amount": amount}),
            Operation::Void => json!({}),
        };
        Ok(body.to_string().into_bytes())
    }

    /// A purchase by a card that was sealed before, signed now: who measures in number seals few cards,
    /// and signs each request.
    /// # Errors
    /// If the machine has no randomness.
    pub fn purchase(
        &self,
        (order_id, key): (&str, &str),
        minor: i64,
        card: &Value,
    ) -> Result<Signed, EnvelopeError> {
        let amount = json!({"minor": minor, "currency": "EUR"});
        let body = json!({"order_id": order_id, "amount": amount, "card": card}).to_string();
        Ok(self.signing(&nonce()?).post("/v1/payments", key, body.into_bytes()))
    }

    /// A refund of a payment, signed now.
    /// # Errors
    /// If the machine has no randomness.
    pub fn refund(&self, id: &str, key: &str, minor: i64) -> Result<Signed, EnvelopeError> {
        let body = json!({"amount": {"minor": minor, "currency": "EUR"}}).to_string();
        let target = format!("/v1/payments/{id}/refunds");
        Ok(self.signing(&nonce()?).post(&target, key, body.into_bytes()))
    }

    /// The card of an order, sealed.
    /// # Errors
    /// [`EnvelopeError`] if the gateway's keys do not serve.
    pub fn sealed(&self, order: &Order) -> Result<Value, EnvelopeError> {
        let mut card = json!({"number": order.number, "expiry": cards::EXPIRY, "eci": "05"});
        if order.with_code
            && let Some(card) = card.as_object_mut()
        {
            card.insert("security_code".into(), cards::security_code(&order.number).into());
        }
        self.seal(order.recipe, &card)
    }

    /// A card's data, sealed for the gateway, as it stands in a request.
    /// # Errors
    /// [`EnvelopeError`] if the gateway's keys do not serve.
    pub fn seal(&self, recipe: Recipe, card: &Value) -> Result<Value, EnvelopeError> {
        let jwe = envelope::seal(&self.keys, recipe, card.to_string().as_bytes())?;
        Ok(json!({"jwe": jwe}))
    }
}

/// Where a request goes.
pub fn target(order: &Order) -> String {
    let id = order.original.as_ref().map_or("", |original| original.id.as_str());
    target_of(order.operation, id)
}

/// Where a request for an operation goes; `id` is what it is about.
pub fn target_of(operation: Operation, id: &str) -> String {
    match operation {
        Operation::Purchase | Operation::PreAuthorization => "/v1/payments".to_owned(),
        Operation::Completion => format!("/v1/payments/{id}/captures"),
        Operation::Void => format!("/v1/payments/{id}/voids"),
        Operation::Refund => format!("/v1/payments/{id}/refunds"),
        Operation::BalanceInquiry => "/v1/cards/balance".to_owned(),
        Operation::CardVerification => "/v1/cards/verify".to_owned(),
    }
}
