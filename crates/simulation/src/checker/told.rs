//! What merchants are told. Invariants M1, M2, M4, M10, D2, S3, S4.

use super::Checker;
use crate::merchants::Wish;
use tidegate_payment::payment::{Verdict, View};

/// A final answer, as a merchant remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Final {
    /// `approved`, `declined` or `reversed`.
    pub what: &'static str,
    /// How much was approved.
    pub amount: i64,
    /// The payment's id.
    pub id: tidegate_payment::id::PaymentId,
    /// DE 37.
    pub rrn: String,
}

impl Final {
    /// The final answer of a view, if it is one.
    pub fn of(view: &View) -> Option<Self> {
        let what = match view.verdict {
            Verdict::Pending(_) => return None,
            Verdict::Approved => "approved",
            Verdict::Declined(_) => "declined",
            Verdict::Reversed => "reversed",
        };
        let rrn = view.fields.as_ref().map(|it| it.rrn.to_string()).unwrap_or_default();
        let amount = view.approved.map_or(0, |it| it.minor);
        Some(Self { what, amount, id: view.id, rrn })
    }
}

impl Checker {
    /// A merchant is told what became of its wish.
    pub fn told(&mut self, wish: &Wish, merchant: &str, view: &View) {
        let request = &view.request;
        if request.merchant.as_str() != merchant || request.key.as_str() != wish.key {
            self.breaks("S4", format!("wish {} is told of another's payment", wish.number));
            return;
        }
        let Some(last) = Final::of(view) else {
            if let Some(before) = &wish.told {
                let what = format!("wish {} was {} and is pending", wish.number, before.what);
                self.breaks("M2", what);
            }
            return;
        };
        let durable = self.payments.get(&view.id).and_then(super::journal::Known::outcome);
        match durable {
            None => {
                let what =
                    format!("wish {} is told {} before it is durable", wish.number, last.what);
                self.breaks("D2", what);
            }
            Some((what, amount)) if what != last.what || amount != last.amount => {
                let invariant = if wish.told.is_some() {
                    "M2"
                } else if what == last.what {
                    "M10"
                } else {
                    "D2"
                };
                let what = format!(
                    "wish {} is told {} of {}, durable is {what} of {amount}",
                    wish.number, last.what, last.amount
                );
                self.breaks(invariant, what);
            }
            Some(_) => {}
        }
        if let Some(before) = wish.told.as_ref().filter(|before| **before != last) {
            let what = format!("wish {} was told {before:?}, now {last:?}", wish.number);
            self.breaks("M2", what);
        }
        let rrn = self.payments.get(&view.id).map(|known| known.rrn.clone());
        if rrn.is_some_and(|rrn| rrn != last.rrn) {
            let what =
                format!("wish {} is told the RRN {}, which is another's", wish.number, last.rrn);
            self.breaks("S3", what);
        }
        if wish.amount > 0 && last.amount > wish.amount {
            self.breaks("M10", format!("wish {} is approved for more than it asked", wish.number));
        }
    }
}
