//! What crosses the wire towards the bank. Invariants D1, D8, S1, S3, S5, S7, S8, M3, M9, M11, M16, F1.

use super::{Checker, wide};
use crate::bank::day::CUT_OVER;
use crate::cast::Cast;
use sandbox::iso::{Dialect, Message};
use tidegate_payment::id::PaymentId;
use tidegate_payment::request::Silence;

/// A message on the wire, as the checker sees it.
#[derive(Debug)]
pub struct Seen {
    /// Of which payment.
    pub id: PaymentId,
    /// Whether it is a reversal.
    pub reversal: bool,
    /// Whether it is the first of its kind.
    pub first: bool,
    /// Whether it is marked as a repeat.
    pub marked: bool,
    /// Whether an earlier run of the gateway began it.
    pub from_before: bool,
    /// Whether it carries another date than today's.
    pub old_date: bool,
}

/// DE 90 as the host reads it: the STAN and DE 7 that it names.
pub fn named(de90: &str) -> String {
    de90.get(4..20).unwrap_or("").to_owned()
}

/// Whether a message reverses its own original: DE 90 names its own STAN and DE 7.
pub fn is_reversal(message: &Message) -> bool {
    let own = format!("{}{}", message.get(11), message.get(7));
    message.mti.starts_with("04") && named(message.get(90)) == own
}

impl Checker {
    /// A reply is taken for the answer to a payment's request. Invariant S2.
    pub fn delivered(&mut self, id: PaymentId, body: &[u8]) {
        let Some(known) = self.payments.get(&id) else { return };
        let Ok(reply) = Dialect::Iso87Ascii.decode(body) else { return };
        let get = |field| reply.get(field);
        let amount: i64 = get(4).parse().unwrap_or(-1);
        let partial = get(39) == "10" && amount < known.amount;
        let own = wide(get(7), get(11), get(37), get(41), get(42)) == known.wide
            && get(2) == known.card
            && get(49) == "978"
            && (amount == known.amount || partial);
        if !own {
            self.breaks("S2", format!("another's answer is taken for that of payment {id}"));
        }
    }

    /// A frame is handed to the socket. `accepted`: whether the sign-on of the line was answered.
    pub fn handed(&mut self, body: &[u8], accepted: bool, cast: &Cast, run: u64) -> Option<Seen> {
        let message = match Dialect::Iso87Ascii.decode(body) {
            Ok(message) => message,
            Err(error) => {
                self.breaks("M9", format!("the bank cannot read a frame: {error}"));
                return None;
            }
        };
        if message.mti == "0810" && message.get(70) == CUT_OVER {
            self.cut_over_answered(&message);
        }
        if message.mti.starts_with("08") {
            return None;
        }
        if !accepted {
            self.breaks("S5", format!("a {} before the sign-on was answered", message.mti));
        }
        let get = |field| message.get(field);
        let wide = wide(get(7), get(11), get(37), get(41), get(42));
        let Some(&id) = self.by_wide.get(&wide) else {
            // A message may be known by its RRN and differ in another element.
            let known = self.by_rrn.get(get(37)).map(|id| format!(" (payment {id})"));
            let known = known.unwrap_or_default();
            self.breaks("D1", format!("a {} without a durable intent{known}", message.mti));
            return None;
        };
        let reversal = is_reversal(&message);
        let marked = message.mti.ends_with('1');
        self.elements(id, &message, cast);
        let seen = if reversal {
            self.reversal(id, &message, marked)
        } else {
            self.request(id, &message, marked)
        };
        let known = self.payments.get(&id);
        let from_before = known.is_some_and(|known| known.run != run);
        let today = self.date.map(|date| format!("{:02}{:02}", date.month, date.day));
        let old_date = today.as_deref() != Some(get(15));
        Some(Seen { id, reversal, first: seen, marked, from_before, old_date })
    }

    /// Each element that the merchant's wish decides, and those that all messages of a payment share.
    fn elements(&mut self, id: PaymentId, message: &Message, cast: &Cast) {
        let Some(known) = self.payments.get(&id) else { return };
        let shop = cast.shop(&known.merchant);
        let reversal = is_reversal(message);
        let wanted = [
            (2, known.card.clone()),
            (4, format!("{:012}", known.amount)),
            (41, shop.map(|it| it.terminal.clone()).unwrap_or_default()),
            (42, shop.map(|it| it.number.clone()).unwrap_or_default()),
            (49, "978".to_owned()),
        ];
        let differs =
            |(field, wanted): &&(u8, String)| message.get(*field).trim_end() != wanted.trim_end();
        if let Some((field, _)) = wanted.iter().find(differs) {
            let invariant = if reversal { "M11" } else { "M9" };
            self.breaks(invariant, format!("DE {field} of payment {id} is not what was asked"));
        }
        let Some(known) = self.payments.get(&id) else { return };
        let original = known.original.and_then(|original| self.payments.get(&original));
        let names = original.map(|original| format!("{}{}", original.stan, original.de7));
        if names.is_some_and(|names| named(message.get(90)) != names) {
            let what = format!("payment {id} is about one, and names another original");
            return self.breaks("M13", what);
        }
        if message.get(15) != known.date {
            let what = format!("payment {id} goes out with DE 15 {}", message.get(15));
            self.breaks("S7", what);
        }
    }

    fn request(&mut self, id: PaymentId, message: &Message, marked: bool) -> bool {
        let Some(known) = self.payments.get_mut(&id) else { return false };
        let first = known.originals == 0;
        known.originals = known.originals.saturating_add(1);
        let (advice, card) = (known.silence == Silence::Advice, known.card.clone());
        let (ended, began) = (known.timed_out.is_some() || known.not_sent, known.first);
        let key = (known.merchant.clone(), known.key.clone());
        let (original, settled) = (known.original, known.outcome().is_some());
        if !first && !marked {
            self.breaks("S8", format!("payment {id} goes out again as {}", message.mti));
        }
        if marked && !advice {
            self.breaks("M3", format!("the request of payment {id} is repeated"));
        }
        if ended {
            self.breaks("M6", format!("payment {id} goes out after it was given up"));
        }
        if settled && !marked {
            self.breaks("M6", format!("payment {id} goes out after it ended"));
        }
        let ids = self.sent_by_key.entry(key).or_default();
        ids.insert(id);
        if ids.len() > 1 {
            self.breaks("M3", format!("payment {id} is a second one of its key"));
        }
        let held = self.held.get(&card).into_iter().flatten();
        let mut before = held.filter_map(|other| self.payments.get(other));
        let due = before.find(|other| other.id != id && other.restarted < Some(began));
        if let Some(other) = due.map(|other| other.id).filter(|_| first && !advice) {
            self.breaks("D8", format!("payment {id} goes before the reversal of {other}"));
        }
        let original = original.and_then(|original| self.payments.get(&original));
        if original.is_some_and(|original| original.originals == 0) {
            self.breaks("F1", format!("payment {id} goes before what it is about"));
        }
        first
    }

    fn reversal(&mut self, id: PaymentId, message: &Message, marked: bool) -> bool {
        let Some(known) = self.payments.get_mut(&id) else { return false };
        let first = known.reversals == 0;
        known.reversals = known.reversals.saturating_add(1);
        let (due, answered, card) = (known.due, known.answered.is_some(), known.card.clone());
        let advice = known.silence != Silence::Reversal;
        let names = format!("{}{}", known.stan, known.de7);
        if !first && !marked {
            self.breaks("S8", format!("the reversal of {id} goes out again as {}", message.mti));
        }
        if answered || advice {
            self.breaks("M16", format!("payment {id} was answered and is reversed"));
        } else if !due {
            self.breaks("D1", format!("the reversal of {id} is not durable"));
        }
        if named(message.get(90)) != names {
            self.breaks("M11", format!("the reversal of {id} names another original"));
        }
        if let Some(held) = self.held.get_mut(&card) {
            held.remove(&id);
        }
        self.order(id, &card);
        first
    }

    /// What is owed of one card goes out as it came to be owed, until each has left once.
    fn order(&mut self, id: PaymentId, card: &str) {
        let waits = self.waits.entry(card.to_owned()).or_default();
        let own = waits.remove(&id);
        let mut older = waits.iter().filter(|(other, since)| **other < id && Some(**since) < own);
        if let Some((other, _)) = older.next() {
            let what =
                format!("the reversal of {id} goes before that of {other}, of the same card");
            self.breaks("F1", what);
        }
    }
}
