//! A small honest run that the checker must pass, and for every invariant a planted lie that it must
//! find under that invariant's id. A checker that cannot fail is worth nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_lifetimes,
    reason = "a test stops at the first surprise"
)]

use super::evidence::{Evidence, JournalRecord, Life};
use super::{INVARIANTS, check};
use crate::bank::Books;
use crate::bank::capture::{Line, Seen, Sender, WireEvent};
use crate::bank::habits::{Habits, UnknownOriginal};
use crate::bank::host::tests::{asks, follow_up, reversal};
use crate::bank::host::{Extent, Host};
use crate::bank::ledger::{Account, Cause, Entry, Ledger};
use crate::cards;
use crate::history::{Act, Amount, Asked, BalanceShown, CardShown, ClientEvent, Phase, Told};
use crate::hosts::Layout;
use crate::iso::Message;
use crate::operation::{Operation, original_data};
use crate::token::Tokens;
use serde_json::json;
use std::collections::BTreeSet;

/// Builds evidence as an honest world leaves it.
struct Run {
    evidence: Evidence,
    /// One of each dialect.
    hosts: [Host; 2],
    tokens: Tokens,
    now_us: u64,
}

impl Run {
    fn new() -> Self {
        let tokens = Tokens::fresh().unwrap();
        let habits = Habits { unknown_original: UnknownOriginal::Remembered, terse_replies: false };
        let host = |seed| Host::new(Ledger::in_memory(), habits, tokens.clone(), seed);
        let hosts = [host(1), host(2)];
        let lives = vec![Life { started_us: 0, ended_us: u64::MAX, killed: false }];
        let evidence = Evidence { lives, layout: Layout::of(2), ..Evidence::default() };
        let mut run = Self { evidence, hosts, tokens, now_us: 0 };
        for op in [1, SECOND] {
            run.seen(op, Sender::Gateway, &network("0800"));
            run.seen(op, Sender::Bank, &network("0810"));
        }
        run
    }

    fn tick(&mut self) -> u64 {
        self.now_us += 100_000;
        self.now_us
    }

    fn host(&mut self, op: u64) -> &mut Host {
        &mut self.hosts[usize::from(op >= SECOND)]
    }

    /// On the line of the host of a payment.
    fn seen(&mut self, op: u64, sender: Sender, message: &Message) {
        let mut shown = message.masked();
        if !message.get(2).is_empty() {
            shown.set(2, self.tokens.token(message.get(2)));
        }
        let seen = Seen::Message(sender, shown);
        let at_us = self.tick();
        let connection = 1 + u32::from(op >= SECOND);
        self.evidence.wire.push(WireEvent { at_us, line: line(op), connection, seen });
    }

    fn asked(&self, op: u64) -> Asked {
        let spec = spec(op);
        Asked {
            operation: spec.operation,
            original: spec.original,
            key: format!("key-{op}"),
            order_id: order_of(op),
            minor: spec.minor,
            currency: "EUR".into(),
            card: self.tokens.token(&spec.number),
            expiry: cards::EXPIRY.into(),
            terminal: "TERM0001".into(),
            acceptor: "CORNERBOOKS0001".into(),
        }
    }

    fn event(&mut self, op: u64, act: Act, phase: Phase) -> &mut ClientEvent {
        let at_us = self.tick();
        let asked = (phase == Phase::Invoke && act != Act::Query).then(|| self.asked(op));
        let sent_us = (phase != Phase::Invoke).then(|| at_us - 100_000);
        let merchant = "m-1".to_owned();
        let (status, told, note) = (None, None, None);
        self.evidence.history.push(ClientEvent {
            at_us,
            op,
            act,
            phase,
            merchant,
            sent_us,
            asked,
            status,
            told,
            note,
        });
        self.evidence.history.last_mut().unwrap()
    }

    fn tell(&mut self, op: u64, act: Act, result: &str, reply: Option<&Message>) {
        let reason = (result == "pending").then(|| "host_timeout".to_owned());
        let told = Told {
            id: format!("id-{op}"),
            operation: spec(op).operation,
            result: result.into(),
            reason,
            will_be_approved: (result == "pending").then_some(false),
            order_id: order_of(op),
            amount: Amount { minor: minor(op), currency: "EUR".into() },
            approved_amount: None,
            captured_amount: None,
            refunded_amount: None,
            voided: None,
            balances: Vec::new(),
            card: CardShown {
                bin: spec(op).number[..6].to_owned(),
                last4: spec(op).number[12..].to_owned(),
            },
            response_code: reply.map(|reply| reply.get(39).to_owned()),
            approval_code: reply.and_then(|reply| reply.fields.get(&38).cloned()),
            rrn: Some(request(op).get(37).to_owned()),
            stan: Some(request(op).get(11).to_owned()),
            business_date: Some("2026-11-22".into()),
            version: 1,
        };
        let event = self.event(op, act, Phase::Ok);
        event.told = Some(told);
        event.status = Some(200);
    }

    fn journal(&mut self, op: u64, kind: &str, more: &serde_json::Value) {
        let at_us = i64::try_from(self.tick()).unwrap();
        let sequence = u64::try_from(self.evidence.journal.len()).unwrap() + 1;
        let mut line = json!({"sequence": sequence, "kind": kind});
        line["record"] = more.clone();
        let (kind, payment) = (kind.to_owned(), Some(format!("id-{op}")));
        self.evidence.journal.push(JournalRecord { sequence, at_us, kind, payment, line });
    }

    fn begin(&mut self, op: u64) -> Message {
        self.event(op, Act::Pay, Phase::Invoke);
        self.journal(op, "accepted", &json!({}));
        self.journal(op, "send_intent", &json!({}));
        let request = request(op);
        self.seen(op, Sender::Gateway, &request);
        request
    }

    fn answered(&mut self, op: u64) {
        let request = self.begin(op);
        let now_us = self.now_us;
        let reply = self.host(op).decide(now_us, &request, Extent::Posted).unwrap();
        self.seen(op, Sender::Bank, &reply);
        let (class, result) = match reply.get(39) {
            "00" => ("approved", "approved"),
            _ => ("declined", "declined"),
        };
        self.journal(op, "answered", &json!({"class": class, "amount": {"minor": minor(op)}}));
        self.tell(op, Act::Pay, result, Some(&reply));
    }

    fn reversed(&mut self, op: u64, why: &str) {
        let request = self.begin(op);
        let now_us = self.now_us;
        let late = self.host(op).authorise(now_us, &request, Extent::Posted);
        self.journal(op, "timed_out", &json!({"why": why}));
        self.journal(op, "reversal_due", &json!({}));
        self.tell(op, Act::Pay, "pending", None);
        let mut reversal = reversal(&request);
        let [first, again] = line(op).dialect.reversal();
        reversal.mti = first.into();
        self.seen(op, Sender::Gateway, &reversal);
        self.seen(op, Sender::Bank, &late);
        self.journal(op, "late_answer", &json!({}));
        self.journal(op, "reversal_repeated", &json!({"attempt": 2}));
        reversal.mti = again.into();
        self.seen(op, Sender::Gateway, &reversal);
        let now_us = self.now_us;
        let reply = self.host(op).reverse(now_us, &reversal);
        self.seen(op, Sender::Bank, &reply);
        self.journal(op, "reversal_answered", &json!({}));
        self.journal(op, "reversed", &json!({}));
        self.tell(op, Act::Query, "reversed", None);
    }

    /// An advice to which the host is silent once.
    fn repeated(&mut self, op: u64) {
        let mut advice = self.begin(op);
        self.journal(op, "advice_repeated", &json!({"attempt": 2}));
        self.tell(op, Act::Pay, "pending", None);
        let event = self.evidence.history.last_mut().unwrap();
        let told = event.told.as_mut().unwrap();
        (told.reason, told.will_be_approved) = (Some("awaiting_host".into()), None);
        advice.mti.replace_range(3.., "1");
        self.seen(op, Sender::Gateway, &advice);
        let now_us = self.now_us;
        let reply = self.host(op).decide(now_us, &advice, Extent::Posted).unwrap();
        self.seen(op, Sender::Bank, &reply);
        let amount = json!({"minor": minor(op)});
        self.journal(op, "answered", &json!({"class": "approved", "amount": amount}));
        self.tell(op, Act::Query, "approved", Some(&reply));
    }

    fn lapsed(&mut self, op: u64) {
        self.begin(op);
        self.journal(op, "lapsed", &json!({"why": "deadline"}));
        self.tell(op, Act::Pay, "declined", None);
    }

    /// What a merchant is shown of an approved payment at the end.
    fn shown(&mut self, op: u64, captured: i64, refunded: i64, voided: bool) {
        let own = self.evidence.history.iter().rfind(|event| event.op == op);
        let mut told = own.unwrap().told.clone().unwrap();
        let amount = |minor| Some(Amount { minor, currency: "EUR".into() });
        told.captured_amount = amount(captured);
        told.refunded_amount = amount(refunded);
        told.voided = Some(voided);
        let event = self.event(op, Act::Query, Phase::Ok);
        (event.told, event.status) = (Some(told), Some(200));
    }

    fn finish(mut self) -> Evidence {
        let books = self.hosts.iter().zip(["bank", "bank-2"]).map(|(host, name)| {
            let (entries, balances) = (host.ledger().entries(), host.ledger().balances());
            Books { host: name.into(), entries: entries.to_vec(), balances: balances.clone() }
        });
        self.evidence.books = books.collect();
        self.evidence.journal_again = Some(self.evidence.journal.clone());
        self.evidence
    }
}

/// Payments from this number on go to the second host.
const SECOND: u64 = 50;

/// The line of a payment.
fn line(op: u64) -> Line {
    let host = Layout::of(2).hosts[usize::from(op >= SECOND)];
    Line { host: host.name.into(), dialect: host.dialect, name: "a".into() }
}

fn network(mti: &str) -> Message {
    let mut message = Message::new(mti);
    message.set(70, "001");
    message
}

/// What is asked under a number.
struct Spec {
    operation: Operation,
    original: Option<u64>,
    minor: i64,
    number: String,
}

fn spec(op: u64) -> Spec {
    use Operation as O;
    let own = 1000 + i64::try_from(op).unwrap();
    let (operation, original, minor) = match op {
        11 => (O::Refund, Some(10), 400),
        12 => (O::Refund, Some(10), 300),
        20 => (O::PreAuthorization, None, own),
        21 => (O::Completion, Some(20), 900),
        22 => (O::Refund, Some(20), 900),
        31 => (O::Void, Some(30), 1030),
        40 => (O::BalanceInquiry, None, 0),
        41 => (O::CardVerification, None, 0),
        53 => (O::Void, Some(52), 1052),
        _ => (O::Purchase, None, own),
    };
    let card = if minor == 0 { u32::try_from(op).unwrap() } else { 7 };
    let range = if op < SECOND { cards::FIRST_RANGE } else { cards::SECOND_RANGE };
    Spec { operation, original, minor, number: cards::ordinary_in(range, card) }
}

fn order_of(op: u64) -> String {
    format!("order-{}", spec(op).original.unwrap_or(op))
}

fn minor(op: u64) -> i64 {
    spec(op).minor
}

fn request(op: u64) -> Message {
    let Spec { operation, original, minor, number } = spec(op);
    let stan = u32::try_from(op).unwrap();
    let in_terms_of_its_host = |mut message: Message| {
        let host = Layout::of(2).hosts[usize::from(op >= SECOND)];
        message.mti = operation.on_the_wire(host.dialect).0.into();
        message.set(32, host.acquirer);
        message.fields.extend(host.forwarder.map(|number| (33, number.to_owned())));
        message
    };
    if let Some(original) = original {
        let message = follow_up(operation, &request(original), stan, minor);
        return in_terms_of_its_host(message);
    }
    let mut request = in_terms_of_its_host(asks(operation, &number, stan, minor));
    if op == 2 {
        // Declined: the terminal typed the security code wrongly.
        request.set(48, "CV03000");
    }
    request
}

/// 1 approved, 2 declined, 3 reversed after silence, 4 reversed after a restart; 10 and 20 refunded, 20
/// after a capture, 30 voided; 40 and 41 inquiries; at the second host 50 approved, 51 reversed, 52 voided
/// after silence; then the attempts of others: 1 again with another amount, a forgery, a replay, a snoop.
fn honest() -> Evidence {
    let mut run = Run::new();
    run.answered(1);
    run.answered(2);
    run.reversed(3, "deadline");
    run.reversed(4, "restart");
    // A purchase refunded twice, a pre-authorization taken in part and refunded, a purchase voided.
    for op in [10, 11, 20] {
        run.answered(op);
    }
    run.repeated(12);
    run.answered(21);
    run.answered(22);
    run.answered(30);
    run.repeated(31);
    run.shown(10, 1010, 700, false);
    run.shown(20, 900, 900, false);
    run.shown(30, 0, 0, true);
    run.answered(40);
    let balances = vec![
        BalanceShown {
            kind: "available".into(),
            amount: Amount { minor: 1_000_000_000, currency: "EUR".into() },
        },
        BalanceShown {
            kind: "ledger".into(),
            amount: Amount { minor: 1_000_000_000, currency: "EUR".into() },
        },
    ];
    run.evidence.history.last_mut().unwrap().told.as_mut().unwrap().balances = balances;
    run.lapsed(41);
    run.answered(50);
    run.reversed(51, "deadline");
    run.answered(52);
    run.repeated(53);
    run.shown(52, 0, 0, true);
    run.event(1, Act::Mismatch, Phase::Invoke).asked.as_mut().unwrap().minor = 77;
    let mismatch = run.event(1, Act::Mismatch, Phase::Fail);
    (mismatch.status, mismatch.note) = (Some(409), Some("idempotency_mismatch".into()));
    run.event(5, Act::Forgery, Phase::Invoke);
    run.event(5, Act::Forgery, Phase::Fail).status = Some(401);
    run.event(1, Act::Replay, Phase::Invoke);
    run.event(1, Act::Replay, Phase::Fail).status = Some(401);
    run.event(1, Act::Snoop, Phase::Fail).status = Some(404);
    run.finish()
}

fn messages<'a>(evidence: &'a mut Evidence, mti: &str) -> Vec<&'a mut Message> {
    let all = evidence.wire.iter_mut().filter_map(|event| match &mut event.seen {
        Seen::Message(_, message) => Some(message),
        _ => None,
    });
    all.filter(|message| message.mti == mti).collect()
}

fn told<'a>(evidence: &'a mut Evidence, op: u64) -> Vec<&'a mut Told> {
    let own = evidence.history.iter_mut().filter(|event| event.op == op);
    own.filter_map(|event| event.told.as_mut()).collect()
}

fn without(evidence: &mut Evidence, op: u64, kind: &str) {
    let id = format!("id-{op}");
    evidence.journal.retain(|record| record.payment.as_ref() != Some(&id) || record.kind != kind);
    evidence.journal_again = None;
}

/// A lie, and the invariant that finds it.
type Lie = (&'static str, &'static str, fn(&mut Evidence));

const LIES: &[Lie] = &[
    ("M1", "a payment stays pending", |e| {
        e.history.retain(|event| event.op != 3 || event.act != Act::Query);
    }),
    ("M1", "pending is told after the end", |e| {
        let end = e.history.iter().find(|event| event.op == 3 && event.act == Act::Query);
        let mut again = end.unwrap().clone();
        again.at_us += 9_000_000;
        again.sent_us = Some(again.at_us - 1);
        again.told.as_mut().unwrap().result = "pending".into();
        e.history.push(again);
    }),
    ("M1", "under review without a case", |e| {
        let told = told(e, 3).pop().unwrap();
        (told.result, told.reason) = ("pending".into(), Some("under_review".into()));
    }),
    ("M2", "a decline becomes an approval", |e| {
        let mut again = e.history.iter().find(|event| event.op == 2 && event.told.is_some());
        let mut again = again.take().unwrap().clone();
        again.told.as_mut().unwrap().result = "approved".into();
        e.history.push(again);
    }),
    ("M3", "a purchase is sent twice under new numbers", |e| {
        let mut again = messages(e, "0200")[0].clone();
        again.set(11, "000099");
        again.set(37, "632600000099");
        let seen = Seen::Message(Sender::Gateway, again);
        e.wire.push(WireEvent { at_us: 9, line: line(1), connection: 1, seen });
    }),
    ("M3", "a purchase that nobody asked for", |e| messages(e, "0200")[0].set(4, "000000099999")),
    ("M4", "another content is acted upon", |e| {
        let event = e.history.iter_mut().rfind(|event| event.act == Act::Mismatch);
        event.unwrap().phase = Phase::Ok;
    }),
    ("M5", "an approval is taken back", |e| {
        let back = e.books[0].entries.iter().find(|entry| entry.cause == Cause::Reversal);
        let mut back = back.unwrap().clone();
        back.about.rrn = request(1).get(37).to_owned();
        back.minor = minor(1);
        e.books[0].entries.push(back);
    }),
    ("M6", "a reversal that gave nothing back", |e| {
        e.books[0].entries.retain(|entry| entry.cause != Cause::Reversal);
    }),
    ("M7", "the journal knows another sum", |e| {
        let answered = e.journal.iter_mut().find(|record| record.kind == "answered");
        answered.unwrap().line["record"]["amount"]["minor"] = json!(1);
    }),
    ("M8", "an account makes money", |e| {
        let account = e.books[0]
            .balances
            .iter_mut()
            .find(|((account, _), _)| matches!(account, Account::Merchant(_)));
        *account.unwrap().1 += 1;
    }),
    ("M8", "an entry is missing", |e| {
        e.books[0].entries.remove(1);
    }),
    ("M9", "another terminal", |e| messages(e, "0200")[1].set(41, "TERM0002")),
    ("M9", "another expiry", |e| messages(e, "0200")[1].set(14, "3012")),
    ("M9", "bytes that are no message", |e| {
        let seen = Seen::Garbage(Sender::Gateway, 3);
        e.wire.push(WireEvent { at_us: 1, line: line(1), connection: 1, seen });
    }),
    ("M10", "more is told than was approved", |e| told(e, 1)[0].amount.minor += 1),
    ("M11", "a reversal of another amount", |e| messages(e, "0420")[0].set(4, "000000000001")),
    ("M11", "DE 90 names another STAN", |e| {
        let data = messages(e, "0420")[0].get(90).replacen("0200000003", "0200000004", 1);
        messages(e, "0420")[0].set(90, data);
    }),
    ("M11", "a repeat with another time", |e| messages(e, "0421")[0].set(7, "1122101531")),
    ("M11", "a reversal with a security code", |e| messages(e, "0420")[0].set(48, "CV03***")),
    ("M12", "given back twice", |e| {
        let back = e.books[0].entries.iter().find(|entry| entry.cause == Cause::Reversal);
        let back = back.unwrap().clone();
        e.books[0].entries.push(back);
    }),
    ("M5", "a refund that was told is not in the books", |e| {
        e.books[0].entries.retain(|entry| entry.about.rrn != request(11).get(37));
    }),
    ("M5", "an approved capture took another amount", |e| {
        let posting = |entry: &&mut Entry| entry.about.rrn == request(21).get(37);
        e.books[0].entries.iter_mut().find(posting).unwrap().minor += 1;
    }),
    ("M5", "a void gave nothing back", |e| {
        e.books[0].entries.retain(|entry| entry.cause != Cause::Void);
    }),
    ("M5", "an inquiry took money", |e| {
        let mut taken = e.books[0].entries[1].clone();
        taken.about.rrn = request(40).get(37).to_owned();
        e.books[0].entries.push(taken);
    }),
    ("M6", "a declined refund is in the books", |e| {
        for told in told(e, 11) {
            told.result = "declined".into();
        }
    }),
    ("M1", "an advice stays pending", |e| {
        e.history.retain(|event| event.op != 12 || event.act != Act::Query);
    }),
    ("M3", "a refund goes out twice under new numbers", |e| {
        let mut again = messages(e, "0220")[0].clone();
        again.set(11, "000098");
        again.set(37, "632600000098");
        let seen = Seen::Message(Sender::Gateway, again);
        e.wire.push(WireEvent { at_us: 9, line: line(1), connection: 1, seen });
    }),
    ("M7", "the journal does not know of a refund", |e| without(e, 22, "answered")),
    ("M9", "a refund of another payment", |e| {
        let other = messages(e, "0200")[0].clone();
        messages(e, "0220")[0].set(90, original_data(&other));
    }),
    ("M9", "a capture that goes out as a refund", |e| {
        messages(e, "0220")[2].set(3, "200000");
    }),
    ("M10", "another balance is told", |e| told(e, 40)[0].balances[0].amount.minor += 1),
    ("M11", "a repeated advice of another amount", |e| {
        messages(e, "0221")[0].set(4, "000000000001");
    }),
    ("M12", "a refund is booked twice", |e| {
        let refund = e.books[0].entries.iter().find(|entry| entry.cause == Cause::Refund);
        let again = refund.unwrap().clone();
        e.books[0].entries.push(again);
    }),
    ("M13", "refunds are told above what was taken", |e| {
        told(e, 11)[0].amount.minor = 900;
    }),
    ("M13", "refunds are booked above what was taken", |e| {
        let refund = e.books[0].entries.iter_mut().find(|entry| entry.cause == Cause::Refund);
        refund.unwrap().minor = 800;
    }),
    ("M13", "a refund after a void", |e| {
        for event in e.history.iter_mut().filter(|event| event.op == 11) {
            if let Some(asked) = &mut event.asked {
                asked.original = Some(30);
            }
        }
    }),
    ("M13", "a refund of what was declined", |e| {
        for event in e.history.iter_mut().filter(|event| event.op == 11) {
            if let Some(asked) = &mut event.asked {
                asked.original = Some(2);
            }
        }
    }),
    ("M13", "a capture of more than was set aside", |e| {
        let set_aside = e.books[0]
            .entries
            .iter_mut()
            .find(|entry| entry.cause == Cause::Hold && entry.about.rrn == request(20).get(37));
        set_aside.unwrap().minor = 899;
    }),
    ("M13", "other sums are shown than told", |e| {
        let shown = told(e, 10).pop().unwrap();
        shown.refunded_amount.as_mut().unwrap().minor = 699;
    }),
    ("M16", "an advice is reversed", |e| {
        let mut back = reversal(messages(e, "0220")[0]);
        back.mti = "0420".into();
        let seen = Seen::Message(Sender::Gateway, back);
        e.wire.push(WireEvent { at_us: 9_000_000, line: line(1), connection: 1, seen });
    }),
    ("M16", "an inquiry is reversed", |e| {
        let mut all = e.wire.iter().filter_map(|event| match &event.seen {
            Seen::Message(Sender::Gateway, message) => Some(message),
            _ => None,
        });
        let asked = all.rfind(|message| message.get(37) == request(41).get(37));
        let back = reversal(asked.unwrap());
        let seen = Seen::Message(Sender::Gateway, back);
        e.wire.push(WireEvent { at_us: 9_000_000, line: line(1), connection: 1, seen });
    }),
    ("D1", "an advice is repeated without a record", |e| without(e, 12, "advice_repeated")),
    ("D2", "an inquiry's end is not in the journal", |e| without(e, 41, "lapsed")),
    ("S3", "an advice is repeated under another number", |e| {
        messages(e, "0221")[0].set(11, "000097");
    }),
    ("S4", "a stranger's refund reaches the host", |e| {
        for event in e.history.iter_mut().filter(|event| event.op == 11) {
            event.act = Act::Snoop;
        }
    }),
    ("H1", "a payment at another host than its route's", |e| at(e, 50, line(1))),
    ("H1", "a card of the first range at the second host", |e| at(e, 1, line(SECOND))),
    ("H2", "a void at another host than its original", |e| at(e, 53, line(1))),
    ("H2", "a repeat at another host", |e| {
        let moved = e.wire.iter_mut().rfind(|event| is(event, &["0401"]));
        moved.unwrap().line = line(1);
    }),
    ("H2", "a reversal at another host", |e| {
        let moved = e.wire.iter_mut().find(|event| is(event, &["0420"]));
        moved.unwrap().line = line(SECOND);
    }),
    ("H3", "a reversal in the terms of the other host", |e| {
        messages(e, "0400")[0].mti = "0420".into();
    }),
    ("H3", "a purchase under our number at the other host", |e| {
        messages(e, "0200")[0].set(32, "654321");
    }),
    ("H3", "a host that nobody knows", |e| e.wire[2].line.host = "bank-3".into()),
    ("M8", "the second bank's books make money", |e| {
        *e.books[1].balances.values_mut().next().unwrap() += 1;
    }),
    ("M9", "a void that goes out in the type of the other dialect", |e| {
        let void = request(53);
        for mti in ["0400", "0401"] {
            let sent = messages(e, mti).into_iter().find(|it| it.get(37) == void.get(37));
            sent.unwrap().mti.replace_range(..3, "042");
        }
    }),
    ("M11", "a reversal of another amount at the second host", |e| {
        messages(e, "0401")[0].set(4, "000000000001");
    }),
    ("S8", "a repeat goes out as new at the second host", |e| {
        messages(e, "0401")[0].mti = "0400".into();
    }),
    ("S5", "an advice before the sign-on", |e| {
        let advice = e.wire.iter().position(|event| is(event, &["0220"])).unwrap();
        e.wire[advice].connection = 9;
    }),
    ("S8", "an advice is repeated as if it were new", |e| {
        messages(e, "0221")[0].mti = "0220".into();
    }),
    ("S8", "a void is repeated as if it were new", |e| {
        let void = request(31);
        let repeat = messages(e, "0421").into_iter().find(|it| it.get(37) == void.get(37));
        repeat.unwrap().mti = "0420".into();
    }),
    ("M14", "a late approval is never reversed", |e| {
        e.wire.retain(|event| !is(event, &["0420", "0421", "0430"]));
    }),
    ("M14", "a late approval is not recorded", |e| without(e, 3, "late_answer")),
    ("M15", "called not sent, and sent", |e| {
        let timed_out = e.journal.iter_mut().find(|record| record.kind == "timed_out");
        timed_out.unwrap().kind = "not_sent".into();
    }),
    ("M16", "an answered payment is reversed", |e| {
        let mut answered = e.journal.iter().find(|r| r.kind == "answered").unwrap().clone();
        answered.payment = Some("id-3".into());
        e.journal.push(answered);
    }),
    ("D1", "a purchase without intent", |e| without(e, 1, "send_intent")),
    ("D1", "an intent decided after the sending", |e| {
        let intent = e.journal.iter_mut().find(|record| record.kind == "send_intent");
        intent.unwrap().at_us += 60_000_000;
    }),
    ("D1", "a repeat without a record", |e| without(e, 3, "reversal_repeated")),
    ("D2", "an approval that is not in the journal", |e| without(e, 1, "answered")),
    ("D2", "pending without a time-out", |e| without(e, 3, "timed_out")),
    ("D3", "an acknowledged payment is gone", |e| without(e, 2, "accepted")),
    ("D3", "an acknowledged payment is not found", |e| {
        let mut gone = e.history.last().unwrap().clone();
        (gone.op, gone.act, gone.sent_us) = (1, Act::Query, Some(gone.at_us));
        e.history.push(gone);
    }),
    ("D4", "a restart drops a record", |e| {
        e.journal_again.as_mut().unwrap().remove(3);
    }),
    ("D4", "a restart adds a record", |e| {
        let again = e.journal_again.as_mut().unwrap();
        let more = again.last().unwrap().clone();
        again.push(more);
    }),
    ("D8", "doubt at a restart is left open", |e| without(e, 4, "timed_out")),
    ("D8", "new traffic overtakes the reversal", |e| overtake(e, 1)),
    ("S1", "a key is used twice", |e| {
        let again = e.wire.iter().find(|event| is(event, &["0200"])).unwrap().clone();
        e.wire.push(again);
    }),
    ("S2", "another approval code is told", |e| {
        told(e, 1)[0].approval_code = Some("XXXXXX".into());
    }),
    ("S2", "a reply that disagrees is taken", |e| messages(e, "0210")[0].set(4, "000000000001")),
    ("S3", "a reference names two payments", |e| messages(e, "0420")[0].set(11, "000077")),
    ("S3", "another reference is told", |e| told(e, 1)[0].rrn = Some("632600000002".into())),
    ("S4", "another's order is shown", |e| told(e, 1)[0].order_id = "order-2".into()),
    ("S4", "another's payment is found", |e| e.history.last_mut().unwrap().status = Some(200)),
    ("S5", "sent before the sign-on is answered", |e| {
        e.wire.retain(|event| !is(event, &["0810"]));
    }),
    ("S8", "a repeat goes out as new", |e| {
        let mut repeats = messages(e, "0421");
        repeats[0].mti = "0420".into();
    }),
    ("X3", "a forgery is acted upon", |e| {
        let event = e.history.iter_mut().rfind(|event| event.act == Act::Forgery);
        event.unwrap().phase = Phase::Ok;
    }),
    ("X3", "a replay is acted upon", |e| {
        let event = e.history.iter_mut().rfind(|event| event.act == Act::Replay);
        event.unwrap().phase = Phase::Ok;
    }),
    ("X3", "an answer is not signed", |e| {
        e.history[1].note = Some("disbelief: the answer's signature is false".into());
    }),
];

/// Lets the bank read the first purchase just after a restart's time-out, on this connection.
fn overtake(evidence: &mut Evidence, connection: u32) {
    let restarted = |it: &&JournalRecord| it.find("why").as_deref() == Some("restart");
    let timed_out = evidence.journal.iter().find(restarted).unwrap();
    let at_us = u64::try_from(timed_out.at_us).unwrap() + 1;
    let first = evidence.wire.iter_mut().find(|event| is(event, &["0200"])).unwrap();
    (first.at_us, first.connection) = (at_us, connection);
}

/// Moves everything about a payment to another line.
fn at(evidence: &mut Evidence, op: u64, line: Line) {
    let wanted = request(op);
    for event in &mut evidence.wire {
        if matches!(&event.seen, Seen::Message(_, message) if message.get(37) == wanted.get(37)) {
            event.line = line.clone();
        }
    }
}

fn is(event: &WireEvent, types: &[&str]) -> bool {
    matches!(&event.seen, Seen::Message(_, message) if types.contains(&message.mti.as_str()))
}

#[test]
fn an_honest_run_has_no_violation() {
    let violations = check(&honest());
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn every_planted_lie_is_found_under_its_invariant() {
    let mut missed = Vec::new();
    for (invariant, lie, plant) in LIES {
        let mut evidence = honest();
        plant(&mut evidence);
        let violations = check(&evidence);
        let found = violations.iter().any(|violation| violation.invariant == *invariant);
        if !found {
            missed.push(format!("{invariant}, {lie}: found only {violations:#?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_bank_that_turns_late_to_one_of_two_connections_accuses_nobody() {
    let mut evidence = honest();
    overtake(&mut evidence, 7);
    let violations = check(&evidence);
    assert!(violations.iter().all(|violation| violation.invariant != "D8"), "{violations:#?}");
}

#[test]
fn every_invariant_has_a_lie_that_it_finds() {
    let planted: BTreeSet<_> = LIES.iter().map(|(invariant, ..)| *invariant).collect();
    let checked: BTreeSet<_> = INVARIANTS.iter().map(|invariant| invariant.id).collect();
    assert_eq!(planted, checked);
}

#[test]
fn an_export_is_read_line_by_line() {
    let export = "{\"sequence\":4,\"at\":\"2026-11-22T10:15:30.5Z\",\"kind\":\"answered\",\
        \"payment\":\"p\",\"answer\":{\"class\":\"approved\",\"amount\":{\"minor\":12}}}\n";
    let records = JournalRecord::read_all(export).unwrap();
    assert_eq!(records[0].find("minor").as_deref(), Some("12"));
    assert_eq!(records[0].at_us % 1_000_000, 500_000);
    let fault = JournalRecord::read_all(&format!("{export}not json")).unwrap_err();
    assert!(fault.contains("line 2"), "{fault}");
}
