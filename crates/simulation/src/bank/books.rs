//! The bank's books: every message that it acted on, and the movements that follow from it.

use std::collections::BTreeMap;

/// What the books hold of one message that asked for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// What was asked.
    pub kind: Kind,
    /// DE 4.
    pub amount: i64,
    /// DE 39 of the answer: the bank's honest word.
    pub code: &'static str,
    /// What was approved.
    pub approved: Option<i64>,
    /// For which shop.
    pub shop: String,
    /// Of which business date: month and day.
    pub date: String,
    /// What the shop got by it.
    pub moved: i64,
    /// Whether a reversal undid it.
    pub reversed: bool,
    /// How many reversals moved money.
    pub reversals: u32,
    /// The original of a void, completion or refund.
    pub original: Option<String>,
    /// Whether it answered 25 though it knew the original.
    pub denied: bool,
    /// Whether it refused to reverse, and refuses on.
    pub refused: bool,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Money for goods.
    Purchase,
    /// Money is set aside.
    Hold,
    /// Money that was set aside is taken.
    Completion,
    /// All is undone.
    Void,
    /// Money is given back.
    Refund,
    /// A question.
    Inquiry,
}

impl Kind {
    /// By type and processing code; `own` says whether DE 90 names the message itself.
    pub fn of(mti: &str, processing: &str, amount: i64) -> Option<Self> {
        Some(match (mti.get(..3)?, processing) {
            ("020", _) => Self::Purchase,
            ("010", "310000") => Self::Inquiry,
            ("010", _) if amount == 0 => Self::Inquiry,
            ("010", _) => Self::Hold,
            ("022", "200000") => Self::Refund,
            ("022", _) => Self::Completion,
            ("042", _) => Self::Void,
            _ => return None,
        })
    }

    /// Whether it is about an earlier message.
    pub fn is_follow_up(self) -> bool {
        matches!(self, Self::Void | Self::Completion | Self::Refund)
    }
}

/// The books.
#[derive(Debug, Default)]
pub struct Books {
    postings: BTreeMap<String, Posting>,
    /// By STAN and DE 7: what DE 90 names.
    named: BTreeMap<String, String>,
    balances: BTreeMap<String, i64>,
    /// Reversals that found no original, by its key.
    missed: BTreeMap<String, u32>,
}

impl Books {
    /// What is known by this key.
    pub fn posting(&mut self, wide: &str) -> Option<&mut Posting> {
        self.postings.get_mut(wide)
    }

    /// All of it.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Posting)> {
        self.postings.iter()
    }

    /// The key of the message that DE 90 names.
    pub fn named(&self, name: &str) -> Option<String> {
        self.named.get(name).cloned()
    }

    /// A reversal met no original.
    pub fn miss(&mut self, wide: &str) {
        let count = self.missed.entry(wide.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// How often a reversal of it met nothing.
    pub fn missed(&self, wide: &str) -> u32 {
        self.missed.get(wide).copied().unwrap_or(0)
    }

    /// Enters a message with its answer, and moves the money.
    pub fn enter(&mut self, wide: String, name: String, card: &str, mut posting: Posting) {
        if let Some(amount) = posting.approved {
            posting.moved = self.moved(posting.kind, posting.original.as_deref(), amount);
            self.transfer(card, &posting.shop, posting.moved);
        }
        self.named.insert(name, wide.clone());
        self.postings.insert(wide, posting);
    }

    /// Undoes it, if there is anything to undo. `half`: a planted bug forgets the card's side of it.
    /// `again`: another one does not know that it did so before.
    pub fn reverse(&mut self, wide: &str, card: &str, half: bool, again: bool) {
        let Some(posting) = self.postings.get_mut(wide) else { return };
        if posting.approved.is_none() || posting.reversed && !again {
            return;
        }
        posting.reversed = true;
        posting.reversals = posting.reversals.saturating_add(1);
        let (shop, moved) = (posting.shop.clone(), posting.moved);
        self.transfer(if half { "" } else { card }, &shop, -moved);
    }

    /// What followed an original and was approved: voids, sum of completions, sum of refunds.
    pub fn followed(&self, wide: &str) -> (u32, i64, i64) {
        let of_it = self.postings.values().filter(|it| {
            it.original.as_deref() == Some(wide) && !it.reversed && it.approved.is_some()
        });
        of_it.fold((0, 0, 0), |(voids, captured, refunded), posting| {
            let amount = posting.approved.unwrap_or(0);
            match posting.kind {
                Kind::Void => (voids + 1, captured, refunded),
                Kind::Completion => (voids, captured + amount, refunded),
                Kind::Refund => (voids, captured, refunded + amount),
                _ => (voids, captured, refunded),
            }
        })
    }

    /// What all accounts have together: never anything but nothing.
    pub fn sum(&self) -> i64 {
        self.balances.values().sum()
    }

    /// What a shop has got.
    pub fn balance(&self, account: &str) -> i64 {
        self.balances.get(account).copied().unwrap_or(0)
    }

    /// What a shop gets by a message that is approved for so much.
    fn moved(&self, kind: Kind, original: Option<&str>, amount: i64) -> i64 {
        match kind {
            Kind::Purchase | Kind::Completion => amount,
            Kind::Refund => -amount,
            Kind::Void => {
                let original = original.and_then(|wide| self.postings.get(wide));
                let taken = original.filter(|it| it.kind == Kind::Purchase && !it.reversed);
                -taken.and_then(|it| it.approved).unwrap_or(0)
            }
            Kind::Hold | Kind::Inquiry => 0,
        }
    }

    /// Double entry: what one account gets another one gives. A planted bug knows no other one.
    fn transfer(&mut self, from: &str, to: &str, amount: i64) {
        if !from.is_empty() {
            *self.balances.entry(from.to_owned()).or_default() -= amount;
        }
        *self.balances.entry(to.to_owned()).or_default() += amount;
    }
}
