//! The evidence laid out by payment, so that each invariant can be said in a few lines. A payment is
//! found on the wire by what the merchant asked (operation, acceptor, card, amount and, of a follow-up,
//! the original, which the sandbox never uses twice), not by what the gateway says of it. Two voids of one
//! payment alone have the same content; those are told apart by the reference that was told.

use super::evidence::{Evidence, JournalRecord};
use crate::bank::capture::{Seen, Sender, WireEvent};
use crate::bank::ledger::{Account, Cause, Entry};
use crate::history::{Act, Asked, ClientEvent, Phase, Told};
use crate::iso::Message;
use crate::operation::{Meaning, Operation, Silence, is_repeat, meaning, original_trace};
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
    by_content: BTreeMap<Content<'a>, Vec<Origin>>,
}

/// What is asked: operation, acceptor, card token, minor units, and the number of the original.
type Content<'a> = (Operation, &'a str, &'a str, i64, Option<u64>);

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

    /// What was asked for.
    pub fn operation(&self) -> Operation {
        self.asked.map_or_else(Operation::default, |asked| asked.operation)
    }

    /// Whether silence about it is met by a reversal.
    pub fn is_reversed_after_silence(&self) -> bool {
        self.operation().silence() == Silence::Reversal
    }

    /// Whether it was told under this reference.
    pub fn was_told(&self, reference: &str) -> bool {
        self.told.iter().any(|(_, told)| told.rrn.as_deref() == Some(reference))
    }

    /// The minor units that were told as approved, if any were.
    pub fn approved(&self) -> Option<i64> {
        self.told.iter().find_map(|(_, told)| told.approved())
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
    /// What is asked of the host in it.
    pub operation: Option<Operation>,
    /// Requests and advices, not marked as repeats.
    pub requests: Vec<Sighting<'a>>,
    /// Advices marked as repeats.
    pub repeats: Vec<Sighting<'a>>,
    /// The replies to both.
    pub replies: Vec<Sighting<'a>>,
    /// Reversals for silence, and their repeats.
    pub reversals: Vec<Sighting<'a>>,
    /// The replies to them.
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
        for entry in evidence.entries() {
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
            let content = content(asked);
            let origin = Origin { op: event.op, genuine, act: event.act };
            let origins = self.by_content.entry(content).or_default();
            if origins.iter().all(|known| known.op != origin.op) {
                origins.push(origin);
            }
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
        let void = talk.operation == Some(Operation::Void);
        let list = match (sender, message.mti.as_str()) {
            (Sender::Gateway, _) => match meaning(message) {
                None => return,
                Some(Meaning::Reversal) => &mut talk.reversals,
                // Under the reference of something else it is that one's reversal, whatever it names.
                Some(Meaning::Request(Operation::Void)) if !void && talk.operation.is_some() => {
                    &mut talk.reversals
                }
                Some(Meaning::Request(operation)) => {
                    talk.operation.get_or_insert(operation);
                    if is_repeat(message) { &mut talk.repeats } else { &mut talk.requests }
                }
            },
            (Sender::Bank, "0410" | "0430") if !void => &mut talk.reversal_replies,
            (Sender::Bank, "0110" | "0210" | "0230" | "0410" | "0430") => &mut talk.replies,
            (Sender::Bank, _) => return,
        };
        list.push(Sighting { event, message });
    }

    fn join(&mut self) {
        let (originals, follow_ups): (Vec<&'a str>, Vec<&'a str>) =
            self.talks.keys().partition(|reference| {
                let talk = self.talks.get(*reference);
                !talk.is_some_and(|talk| talk.operation.is_some_and(Operation::is_follow_up))
            });
        // Two hosts may know two payments by the same trace.
        let mut traces: BTreeMap<_, Vec<(&str, u64)>> = BTreeMap::new();
        for reference in originals {
            let Some(first) = self.talks.get(reference).and_then(Talk::first_seen) else {
                continue;
            };
            let message = first.message;
            let origin = self.join_one(reference, message, None);
            if let Some(origin) = origin.filter(|origin| origin.genuine) {
                let trace = (message.get(7), message.get(11), message.get(42));
                traces.entry(trace).or_default().push((&first.event.line.host, origin.op));
            }
        }
        for reference in follow_ups {
            let Some(first) = self.talks.get(reference).and_then(Talk::first_seen) else {
                continue;
            };
            let message = first.message;
            let named = original_trace(message).and_then(|(transmitted, stan)| {
                let known = traces.get(&(transmitted, stan, message.get(42)))?;
                // At another host if at no other: that it moved there is another invariant's business.
                let here = known.iter().find(|(host, _)| *host == first.event.line.host);
                here.or(known.first()).map(|(_, op)| *op)
            });
            self.join_one(reference, message, Some(named));
        }
    }

    /// Finds who asked for a conversation. `original`: of a follow-up, what it is about, if that is known.
    fn join_one(
        &mut self,
        reference: &'a str,
        message: &'a Message,
        original: Option<Option<u64>>,
    ) -> Option<Origin> {
        let talk = self.talks.get_mut(reference)?;
        let original = match original {
            // About a payment that nobody made.
            Some(None) => return None,
            Some(known) => known,
            None => None,
        };
        let minor = message.get(4).parse().unwrap_or(-1);
        let (acceptor, card) = (message.get(42).trim_end(), message.get(2));
        let find = |operation| {
            let origins = self.by_content.get(&(operation, acceptor, card, minor, original))?;
            let told = |origin: &&Origin| {
                let payment = self.payments.get(&origin.op);
                payment.is_some_and(|payment| payment.was_told(reference))
            };
            origins.iter().find(told).or(origins.first()).copied()
        };
        // Of what was reversed alone, nobody saw whether it was to be taken or set aside.
        talk.origin = match talk.operation {
            Some(operation) => find(operation),
            None => find(Operation::Purchase).or_else(|| find(Operation::PreAuthorization)),
        };
        if let Some(origin) = talk.origin
            && origin.genuine
            && let Some(payment) = self.payments.get_mut(&origin.op)
        {
            payment.references.push(reference);
        }
        talk.origin
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

fn content(asked: &Asked) -> Content<'_> {
    (asked.operation, &asked.acceptor, &asked.card, asked.minor, asked.original)
}

impl<'a> Talk<'a> {
    /// The first message that the gateway sent in it.
    pub fn first(&self) -> Option<&'a Message> {
        self.first_seen().map(|sighting| sighting.message)
    }

    /// The first message that the gateway sent in it, and where.
    pub fn first_seen(&self) -> Option<Sighting<'a>> {
        self.requests.iter().chain(&self.repeats).chain(&self.reversals).next().copied()
    }

    /// What asked the host for something: requests, advices and their repeats.
    pub fn asking(&self) -> impl Iterator<Item = &Sighting<'a>> {
        self.requests.iter().chain(&self.repeats)
    }

    /// Whether nothing moved, or what moved went back.
    pub fn is_even(&self) -> bool {
        self.taken() == 0 && self.kept_by_merchant() == 0
    }

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
        let request = self.asking().next().map(|sighting| sighting.message);
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
