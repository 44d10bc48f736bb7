//! What the bank books for completions, voids and refunds, and for what is given back.

use super::{Purchase, Taken};
use crate::bank::ledger::{About, Account, Cause, Ledger, Movement};

/// The books while one follow-up is carried out.
pub(super) struct Books<'a> {
    pub(super) ledger: &'a mut Ledger,
    pub(super) at_us: u64,
    pub(super) about: &'a About,
}

impl Books<'_> {
    pub(super) fn post(
        &mut self,
        cause: Cause,
        of: &Purchase,
        debit: Account,
        credit: Account,
        minor: i64,
    ) {
        let (at_us, about, currency) = (self.at_us, self.about, of.currency.as_str());
        self.ledger.post(Movement { at_us, cause, about, debit, credit, minor, currency });
    }

    /// Out of the hold to the merchant, and the rest of the hold back. More than is held comes out of the
    /// card itself.
    pub(super) fn complete(&mut self, original: &mut Purchase, minor: i64) -> &'static str {
        let card = Account::Card(original.card.clone());
        let holds = Account::Holds(original.card.clone());
        let merchant = Account::Merchant(original.about.acceptor.clone());
        let held = match original.taken {
            Taken::Held => original.minor,
            Taken::Posted => 0,
            Taken::Nothing | Taken::GivenBack => return "12",
        };
        let out_of_hold = held.min(minor);
        let rest = held.saturating_sub(out_of_hold);
        self.post(Cause::Posting, original, holds.clone(), merchant.clone(), out_of_hold);
        self.post(Cause::Posting, original, card.clone(), merchant, minor.saturating_sub(held));
        self.post(Cause::Surplus, original, holds, card, rest);
        original.taken = Taken::Posted;
        "00"
    }

    pub(super) fn void(&mut self, original: &mut Purchase, minor: i64) -> &'static str {
        let card = Account::Card(original.card.clone());
        let from = match original.taken {
            Taken::Held => Account::Holds(original.card.clone()),
            Taken::Posted => Account::Merchant(original.about.acceptor.clone()),
            Taken::Nothing | Taken::GivenBack => return "12",
        };
        if minor != original.minor {
            return "13";
        }
        self.post(Cause::Void, original, from, card, minor);
        original.taken = Taken::GivenBack;
        "00"
    }

    pub(super) fn refund(&mut self, original: &Purchase, minor: i64) -> &'static str {
        if original.taken != Taken::Posted {
            return "12";
        }
        let card = Account::Card(original.card.clone());
        let merchant = Account::Merchant(original.about.acceptor.clone());
        self.post(Cause::Refund, original, merchant, card, minor);
        "00"
    }
}

pub(super) fn give_back(ledger: &mut Ledger, at_us: u64, purchase: &mut Purchase) {
    let card = Account::Card(purchase.card.clone());
    let (cause, debit) = if purchase.taken == Taken::Posted {
        (Cause::Reversal, Account::Merchant(purchase.about.acceptor.clone()))
    } else {
        (Cause::Release, Account::Holds(purchase.card.clone()))
    };
    let Purchase { about, minor, currency, .. } = &*purchase;
    let minor = *minor;
    if ledger.post(Movement { at_us, cause, about, debit, credit: card, minor, currency }) {
        purchase.taken = Taken::GivenBack;
    }
}
