//! Screen: what a merchant's profile permits. Pure. (Idempotency and orders are the engine's.)

use super::problem::{Code, Problem};
use crate::channel::merchant::Merchant;
use tidegate_payment::money::{Currency, Money};
use tidegate_payment::request::Operation;

/// Why a request is not permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Screened {
    /// The merchant may not do this operation.
    #[error("the operation {} is not permitted", .0.name())]
    Operation(Operation),
    /// The merchant may not be paid in this currency.
    #[error("the currency {currency} is not permitted")]
    Currency {
        /// Which.
        currency: Currency,
        /// Where it stands in the body.
        field: &'static str,
    },
    /// The amount is above the merchant's limit.
    #[error("at most {limit}")]
    Limit {
        /// The limit of one payment.
        limit: Money,
    },
}

/// Screens a request against the merchant's profile.
/// # Errors
/// [`Screened`] naming the first rule that it breaks.
pub fn screen(
    operation: Operation,
    amount: Option<Money>,
    merchant: &Merchant,
) -> Result<(), Screened> {
    if !merchant.operations.contains(&operation) {
        return Err(Screened::Operation(operation));
    }
    // A void is of all of its original.
    let Some(amount) = amount else { return Ok(()) };
    if !merchant.currencies.contains(&amount.currency) {
        let asks_card =
            matches!(operation, Operation::BalanceInquiry | Operation::CardVerification);
        let field = if asks_card { "/currency" } else { "/amount/currency" };
        return Err(Screened::Currency { currency: amount.currency, field });
    }
    match merchant.amount_max.get(&amount.currency) {
        Some(&minor) if amount.minor > minor => {
            Err(Screened::Limit { limit: Money { minor, currency: amount.currency } })
        }
        _ => Ok(()),
    }
}

impl From<Screened> for Problem {
    fn from(screened: Screened) -> Self {
        match screened {
            Screened::Operation(_) => Self::new(Code::NotPermitted, format!("{screened}.")),
            Screened::Currency { field, .. } => {
                Self::field(Code::NotPermitted, field, "a currency of your profile")
            }
            Screened::Limit { limit } => {
                let expected = format!("at most {} minor units ({limit})", limit.minor);
                Self::field(Code::LimitExceeded, "/amount/minor", expected)
            }
        }
    }
}
