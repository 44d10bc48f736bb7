//! The evidence laid out by payment, so that each invariant can be said in a few lines. A payment is
//! found on the wire by what the merchant asked (acceptor, card and amount, which the sandbox never
//! uses twice), not by what the gateway says of it.

use super::evidence::{Evidence, JournalRecord};
use crate::bank::capture::{Seen, Sender, WireEvent};
use crate::bank::ledger::{Account, Cause, Entry};
use crate::history::{Act, Asked, ClientEvent, Phase, Told};
use crate::iso::Message;
use std::collections::BTreeMap;

/// The evidence by payment.
pub struct Index<'a> {
    /// The evidence itself.
    pub evidence: &'a Evidence,
    /// Every payment of the history, by its number.
    pub payments: BTreeMap<u64, Payment<'a>>,
    /// Every conversation with the host, by retrieval reference (DE 37).
    pub talks: BTreeMap<&'a str, Talk<'a>>,
    /// The journal's records by payment id.
    pub journal: BTreeMap<&'a str, Vec<&'a JournalRecord>>,
    by_content: BTreeMap<Content<'a>, Origin>,
}

/// Acceptor, card token, minor units.
type Content<'a> = (&'a str, &'a str, i64);

/// Who asked for a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The payment.
    pub op: u64,
    /// Whether the gateway had the right to act on it.
    pub genuine: bool,
    /// What the merchant did.
    pub act: Act,
}

/// A payment as its merchant saw it.
#[derive(Default)]
pub struct Payment<'a> {
    /// Whose.
    pub merchant: &'a str,
    /// What was first asked.
    pub asked: Option<&'a Asked>,
    /// Everything that happened.
    pub events: Vec<&'a ClientEvent>,
    /// Everything that was told by its own questions, in order.
    pub told: Vec<(&'a ClientEvent, &'a Told)>,
    /// The references under which it is found on the wire.
    pub references: Vec<&'a str>,
}

impl Payment<'_> {
    /// The last thing told.
    pub fn last(&self) -> Option<&Told> {
        self.told.last().map(|(_, told)| *told)
    }

    /// The final thing told, if one was.
    pub fn final_answer(&self) -> Option<&Told> {
        self.told.iter().map(|(_, told)| *told).find(|told| told.is_final())
    }

    /// Whether it waits for a person.
    pub fn is_parked(&self) -> bool {
        self.last()
            .is_some_and(|told| !told.is_final() && told.reason.as_deref() == Some("under_review"))
    }
}

/// A message on the wire.
#[derive(Clone, Copy)]
pub struct Sighting<'a> {
    /// When and where.
    pub event: &'a WireEvent,
    /// The message.
    pub message: &'a Message,
}

/// A conversation with the host.
#[derive(Default)]
pub struct Talk<'a> {
    /// The payment, if one is found by what the first message asks for.
    pub origin: Option<Origin>,
    /// 0200.
    pub purchases: Vec<Sighting<'a>>,
    /// 0210.
    pub replies: Vec<Sighting<'a>>,
    /// 0420 and 0421.
    pub reversals: Vec<Sighting<'a>>,
    /// 0430.
    pub reversal_replies: Vec<Sighting<'a>>,
    /// What moved in the books.
    pub entries: Vec<&'a Entry>,
}

impl<'a> Index<'a> {
    /// Lays the evidence out.
    pub fn of(evidence: &'a Evidence) -> Self {
        let mut index = Self {
            evidence,
            payments: BTreeMap::new(),
            talks: BTreeMap::new(),
            journal: BTreeMap::new(),
            by_content: BTreeMap::new(),
        };
        for event in &evidence.history {
            index.add_event(event);
        }
        for event in &evidence.wire {
            index.add_sighting(event);
        }
        for entry in &evidence.books.entries {
            if !entry.about.rrn.is_empty() {
                index.talks.entry(&entry.about.rrn).or_default().entries.push(entry);
            }
        }
        for record in &evidence.journal {
            if let Some(id) = &record.payment {
                index.journal.entry(id).or_default().push(record);
            }
        }
        index.join();
        index
    }

    fn add_event(&mut self, event: &'a ClientEvent) {
        let payment = self.payments.entry(event.op).or_default();
        payment.merchant = &event.merchant;
        payment.events.push(event);
        if let Some(asked) = &event.asked {
            let genuine = matches!(event.act, Act::Pay | Act::Retry | Act::Replay);
            if genuine {
                payment.asked.get_or_insert(asked);
            }
            let content = (asked.acceptor.as_str(), asked.card.as_str(), asked.minor);
            let origin = Origin { op: event.op, genuine, act: event.act };
            self.by_content.entry(content).or_insert(origin);
        }
        let own = matches!(event.act, Act::Pay | Act::Retry | Act::Query);
        if own
            && event.phase == Phase::Ok
            && let Some(told) = &event.told
        {
            payment.told.push((event, told));
        }
    }

    fn add_sighting(&mut self, event: &'a WireEvent) {
        let Seen::Message(sender, message) = &event.seen else { return };
        if message.get(37).is_empty() {
            return;
        }
        let talk = self.talks.entry(message.get(37)).or_default();
        let list = match (sender, message.mti.as_str()) {
            (Sender::Gateway, "0200") => &mut talk.purchases,
            (Sender::Bank, "0210") => &mut talk.replies,
            (Sender::Gateway, "0420" | "0421") => &mut talk.reversals,
            (Sender::Bank, "0430") => &mut talk.reversal_replies,
            _ => return,
        };
        list.push(Sighting { event, message });
    }

    fn join(&mut self) {
        for (&reference, talk) in &mut self.talks {
            let first = talk.purchases.first().or(talk.reversals.first());
            let Some(message) = first.map(|sighting| sighting.message) else { continue };
            let minor = message.get(4).parse().unwrap_or(-1);
            let content = (message.get(42).trim_end(), message.get(2), minor);
            talk.origin = self.by_content.get(&content).copied();
            if let Some(origin) = talk.origin
                && origin.genuine
                && let Some(payment) = self.payments.get_mut(&origin.op)
            {
                payment.references.push(reference);
            }
        }
    }

    /// The payments that a merchant asked for, with what was asked.
    pub fn asked(&self) -> impl Iterator<Item = (u64, &Payment<'a>, &'a Asked)> {
        self.payments.iter().filter_map(|(&op, payment)| Some((op, payment, payment.asked?)))
    }

    /// The conversations of a payment.
    pub fn talks_of(&self, payment: &Payment<'a>) -> impl Iterator<Item = &Talk<'a>> {
        payment.references.iter().filter_map(|reference| self.talks.get(reference))
    }

    /// The journal's records of a payment.
    pub fn records(&self, id: &str) -> &[&'a JournalRecord] {
        self.journal.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether there is a journal to judge.
    pub fn has_journal(&self) -> bool {
        !self.evidence.journal.is_empty()
    }

    /// The wall time of an instant of the run.
    pub fn wall_us(&self, at_us: u64) -> i64 {
        let at_us = i64::try_from(at_us).unwrap_or(i64::MAX);
        self.evidence.began_wall_us.saturating_add(at_us)
    }
}

impl Talk<'_> {
    /// What the host's books took from the card and did not give back: held or posted.
    pub fn taken(&self) -> i64 {
        self.entries.iter().fold(0, |sum, entry| match (&entry.debit, &entry.credit) {
            (Account::Card(_), _) => sum.saturating_add(entry.minor),
            (_, Account::Card(_)) => sum.saturating_sub(entry.minor),
            _ => sum,
        })
    }

    /// What the merchant's account got and kept.
    pub fn kept_by_merchant(&self) -> i64 {
        self.entries.iter().fold(0, |sum, entry| match (&entry.debit, &entry.credit) {
            (_, Account::Merchant(_)) => sum.saturating_add(entry.minor),
            (Account::Merchant(_), _) => sum.saturating_sub(entry.minor),
            _ => sum,
        })
    }

    /// How often the host gave it back.
    pub fn given_back(&self) -> usize {
        let back = [Cause::Release, Cause::Reversal];
        self.entries.iter().filter(|entry| back.contains(&entry.cause)).count()
    }

    /// The host's replies that agree with the request in every field that they echo.
    pub fn true_replies(&self) -> impl Iterator<Item = &Sighting<'_>> {
        let request = self.purchases.first().map(|sighting| sighting.message);
        self.replies
            .iter()
            .filter(move |reply| request.is_some_and(|request| agrees(request, reply.message)))
    }
}

/// Whether a reply agrees with its request: what it echoes is the same, and a lower amount comes with
/// the code for a partial approval alone.
fn agrees(request: &Message, reply: &Message) -> bool {
    let partial = reply.get(39) == "10";
    reply.fields.iter().all(|(field, value)| match field {
        4 if partial => value.as_str() <= request.get(4),
        2 | 3 | 4 | 7 | 11 | 32 | 37 | 41 | 42 | 49 => value == request.get(*field),
        _ => true,
    })
}
