//! Stories of the engine, with a store that commits when the test says so and a clock that stands
//! still until it is moved.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod cut_over;
mod exhaustive;
mod follow_ups;
mod hosts;
mod in_doubt;
mod store_and_forward;

use super::*;
use crate::card::{CardHash, CardRef, Expiry};
use crate::durable::Sequence;
use crate::effect::Outgoing;
use crate::id::{ChannelId, IdempotencyKey, LineId, MerchantId, Nonce, OrderId, TerminalId};
use crate::input::{Ask, CaseAct, Incoming, OperatorAct, ReversalAnswer, Terms};
use crate::money::{Currency, Money};
use crate::payment::{DeclineReason, PendingReason, Verdict};
use crate::record::{AnswerClass, HostAnswer, NotSentReason, Resolution, ReversalVerdict};
use crate::request::{Acceptor, Definitions, Freshness, Operation, Request, Route, Silence};
use crate::time::{LocalTime, Mono, Timestamp};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::{format, vec};

const DATE: BusinessDate = BusinessDate { year: 2026, month: 11, day: 22 };

fn settings() -> Settings {
    Settings {
        host_reply: Duration::from_secs(15),
        reversal_gaps: vec![Duration::from_secs(10), Duration::from_secs(30)],
        reversal_give_up: Duration::from_secs(3600),
        unknown_original_wait: Duration::from_secs(20),
        paces: BTreeMap::new(),
        open_payments_max: 100,
        recent_payments_max: 10,
        waiting_max: 100,
        waiters_max: 4,
        leases: LeaseSizes { stans: 50, rrns: 50 },
    }
}

/// A gateway of engine and store; the store survives a crash, the engine does not.
struct World {
    engine: Engine,
    journal: Vec<Durable<Group>>,
    out: Out,
    replies: BTreeMap<u64, Vec<Reply>>,
    sent: Vec<Outgoing>,
    alarms: Vec<Alarm>,
    clock_s: u64,
    clock_ms: u64,
}

fn host() -> HostId {
    HostId::parse("bank").unwrap()
}

fn line() -> LineId {
    LineId::parse("a").unwrap()
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            engine: Engine::new(settings(), [host()]),
            journal: Vec::new(),
            out: Out::default(),
            replies: BTreeMap::new(),
            sent: Vec::new(),
            alarms: Vec::new(),
            clock_s: 0,
            clock_ms: 0,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let now = self.now();
        self.engine.recover(now, &mut self.out);
        self.hear(Input::Date(DATE));
        self.hear(Input::HostUp(host(), true));
    }

    /// The process dies: what was not committed is gone; what was is replayed.
    fn crash(&mut self) {
        self.replay();
        self.start();
    }

    fn replay(&mut self) {
        self.out = Out::default();
        self.engine = Engine::new(settings(), [host()]);
        let mut by_payment: BTreeMap<PaymentId, Vec<Durable<Group>>> = BTreeMap::new();
        for group in &self.journal {
            match group.get().records.first() {
                Some(Record::Leased(_)) => {
                    for record in &group.get().records {
                        let Record::Leased(leased) = record else { continue };
                        self.engine.restore_lease(leased);
                    }
                }
                Some(Record::DateMoved(moved)) => self.engine.restore_date(moved.date),
                Some(record) => {
                    by_payment.entry(record.payment().unwrap()).or_default().push(group.clone());
                }
                None => {}
            }
        }
        for groups in by_payment.values() {
            self.engine.restore(merge(groups), &mut self.out);
        }
    }

    fn now(&self) -> Now {
        let mono = Duration::from_secs(self.clock_s) + Duration::from_millis(self.clock_ms);
        let micros = i64::try_from(mono.as_micros()).unwrap();
        Now { mono: Mono(mono), wall: Timestamp(micros) }
    }

    fn hear(&mut self, input: Input) {
        let now = self.now();
        self.engine.handle(now, input, &mut self.out);
        self.commit();
    }

    /// Commits everything that is under way and performs what follows.
    fn commit(&mut self) {
        loop {
            let out = core::mem::take(&mut self.out);
            if out.groups.is_empty() && out.effects.is_empty() {
                return;
            }
            for effect in out.effects {
                self.perform(effect);
            }
            for group in out.groups {
                let sequence = Sequence(self.journal.len() as u64 + 1);
                let durable = Durable::attest(group, sequence);
                self.journal.push(durable.clone());
                let now = self.now();
                self.engine.settled(now, durable, &mut self.out);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Reply(waiter, reply) => self.replies.entry(waiter.0).or_default().push(reply),
            Effect::Send(outgoing) => self.sent.push(outgoing.into_inner()),
            Effect::Alarm(alarm) => self.alarms.push(alarm),
            Effect::Forget(_) => {}
            Effect::Load(key) => {
                let found = self.find(&key);
                let applied = Sequence(self.journal.len() as u64);
                let now = self.now();
                let loaded = Loaded { key, found, applied };
                self.engine.handle(now, Input::Loaded(loaded), &mut self.out);
            }
        }
    }

    fn find(&self, key: &LoadKey) -> Vec<Durable<Group>> {
        let mut by_payment: BTreeMap<PaymentId, Vec<Durable<Group>>> = BTreeMap::new();
        for group in &self.journal {
            if let Some(id) = group.get().records.first().and_then(Record::payment) {
                by_payment.entry(id).or_default().push(group.clone());
            }
        }
        let merged = by_payment.values().map(|groups| merge(groups));
        let matches = |group: &Durable<Group>| {
            let payment = Payment::fold(&group.get().records).unwrap().unwrap();
            match key {
                LoadKey::Id(id) => payment.id == *id || payment.request.original == Some(*id),
                LoadKey::FollowUp { key, original, .. } => {
                    payment.request.key == *key
                        || payment.id == *original
                        || payment.request.original == Some(*original)
                }
                LoadKey::Order { order, .. } => payment.request.order == *order,
                LoadKey::Request { key, order, .. } => {
                    payment.request.key == *key || order.as_ref() == Some(&payment.request.order)
                }
            }
        };
        merged.filter(matches).collect()
    }

    fn pay(&mut self, number: u64) -> PaymentId {
        self.pay_as(number, number, |_| {})
    }

    /// Waiter `waiter` sends the request of payment `number`, changed a little.
    fn pay_as(&mut self, waiter: u64, number: u64, change: impl FnOnce(&mut Request)) -> PaymentId {
        let mut incoming = incoming(waiter, number);
        if let Ask::New { request, .. } = &mut incoming.ask {
            change(request);
        }
        let id = incoming.id;
        self.hear(Input::Request(Box::new(incoming)));
        id
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock_s += 1;
            if self.engine.next_deadline().is_some_and(|at| at <= self.now().mono) {
                self.hear(Input::Tick);
            }
        }
    }

    fn answer(&mut self, id: PaymentId, class: AnswerClass) {
        let code = if class == AnswerClass::Approved { "00" } else { "05" };
        let answer = HostAnswer {
            response_code: code.to_string(),
            class,
            approval_code: (class == AnswerClass::Approved).then(|| String::from("A00001")),
            amount: self.engine.book.get(id).map_or(amount(), |it| it.payment.request.amount),
            line: line(),
            balances: Vec::new(),
        };
        self.hear(Input::HostAnswered(id, answer));
    }

    fn answer_reversal(&mut self, id: PaymentId, verdict: ReversalVerdict) {
        let answer = ReversalAnswer { response_code: "00".to_string(), verdict, line: line() };
        self.hear(Input::ReversalAnswered(id, answer));
    }

    fn write(&mut self, id: PaymentId, attempt: u32) {
        self.hear(Input::Written(id, Attempt::Reversal(attempt)));
    }

    #[track_caller]
    fn told(&self, waiter: u64) -> Verdict {
        match self.replies.get(&waiter).map(Vec::as_slice) {
            Some([Reply::Outcome { view, .. }]) => view.get().verdict,
            other => panic!("waiter {waiter} was told {other:?}"),
        }
    }

    #[track_caller]
    fn refused(&self, waiter: u64) -> Refusal {
        match self.replies.get(&waiter).map(Vec::as_slice) {
            Some([Reply::Refusal(refusal)]) => *refusal,
            other => panic!("waiter {waiter} was told {other:?}"),
        }
    }

    fn verdict(&self, id: PaymentId) -> Verdict {
        self.engine.book.get(id).unwrap().payment.verdict()
    }

    fn attempts(&self, id: PaymentId) -> Vec<(Attempt, bool)> {
        let of_payment = self.sent.iter().filter(|outgoing| outgoing.id == id);
        of_payment.map(|outgoing| (outgoing.attempt, outgoing.repeat)).collect()
    }
}

fn merge(groups: &[Durable<Group>]) -> Durable<Group> {
    let records = groups.iter().flat_map(|group| group.get().records.clone()).collect();
    let last = groups.last().unwrap().sequence();
    Durable::attest(Group { records, preconditions: Vec::new() }, last)
}

fn amount() -> Money {
    Money { minor: 1234, currency: Currency::from_alphabetic("EUR").unwrap() }
}

fn route() -> Route {
    Route {
        host: host(),
        acquirer: "123456".into(),
        forwarder: None,
        definitions: Definitions { dialect: [0; 32], mapping: [0; 32] },
        silence: Silence::Reversal,
    }
}

fn incoming(waiter: u64, number: u64) -> Incoming {
    let card = CardRef {
        bin: "400000".into(),
        last4: format!("{number:04}"),
        hash: CardHash([u8::try_from(number % 251).unwrap(); 32]),
        expiry: Expiry::new(2029, 12).unwrap(),
        sealed: vec![0; 8],
    };
    let request = Request {
        merchant: MerchantId::parse("m-1").unwrap(),
        channel: ChannelId::parse("rest").unwrap(),
        operation: Operation::Purchase,
        key: IdempotencyKey::parse(&format!("key-{number}")).unwrap(),
        freshness: Freshness {
            created: Timestamp(0),
            nonce: Nonce::parse(&format!("nonce-{waiter}-{number}")).unwrap(),
        },
        order: OrderId::parse(&format!("order-{number}")).unwrap(),
        amount: amount(),
        card,
        eci: None,
        ds_transaction: None,
        original: None,
    };
    Incoming {
        waiter: Waiter(waiter),
        id: PaymentId(u128::from(waiter)),
        ask: Ask::New { request, routes: vec![route()] },
        acceptor: Acceptor {
            category: "5942".into(),
            terminal: TerminalId::parse("TERM0001").unwrap(),
            number: "BOOKS".into(),
            name_location: "Books".into(),
        },
        local: LocalTime { month: 11, day: 22, hour: 12, minute: 0, second: 0 },
        terms: Terms { one_payment_per_order: true, partial_approval: false },
        objection: None,
        accept_by: Mono(Duration::MAX),
    }
}

#[test]
fn an_approval_in_time_is_told_once_and_replayed_to_a_retry() {
    let mut world = World::new();
    let id = world.pay(1);
    assert_eq!(world.attempts(id), [(Attempt::Original, false)]);
    world.answer(id, AnswerClass::Approved);
    assert_eq!(world.told(1), Verdict::Approved);
    world.pay_as(2, 1, |_| {});
    assert_eq!(world.told(2), Verdict::Approved);
    assert_eq!(world.sent.len(), 1, "a retry never reaches the host");
}

#[test]
fn one_key_is_a_purchase_or_a_pre_authorization_and_never_both() {
    let mut world = World::new();
    let id = world.pay(1);
    world.answer(id, AnswerClass::Approved);
    world.pay_as(2, 1, |request| {
        request.operation = Operation::PreAuthorization;
        request.order = OrderId::parse("another-order").unwrap();
    });
    assert_eq!(world.refused(2), Refusal::KeyMismatch);
    world.pay_as(3, 1, |request| request.operation = Operation::BalanceInquiry);
    assert_eq!(world.sent.len(), 2, "a question about a card has keys of its own");
}

#[test]
fn what_a_profile_no_longer_permits_is_refused_and_its_retry_answered() {
    let mut world = World::new();
    let id = world.pay(1);
    world.answer(id, AnswerClass::Approved);
    for (waiter, number) in [(2, 1), (3, 3)] {
        let objection = Some(Refusal::NotPermitted);
        let ask = Incoming { objection, ..incoming(waiter, number) };
        world.hear(Input::Request(Box::new(ask)));
    }
    assert_eq!(world.told(2), Verdict::Approved);
    assert_eq!(world.refused(3), Refusal::NotPermitted);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_retry_in_flight_joins_the_wait() {
    let mut world = World::new();
    let id = world.pay(1);
    world.pay_as(2, 1, |_| {});
    assert!(!world.replies.contains_key(&2));
    world.answer(id, AnswerClass::Declined);
    assert_eq!(world.told(1), Verdict::Declined(DeclineReason::Host));
    assert_eq!(world.told(2), Verdict::Declined(DeclineReason::Host));
}

#[test]
fn the_same_key_with_other_content_is_refused() {
    let mut world = World::new();
    world.pay(1);
    world.pay_as(2, 1, |request| request.amount.minor = 99);
    assert_eq!(world.refused(2), Refusal::KeyMismatch);
}

#[test]
fn an_order_has_one_payment_that_is_pending_or_approved() {
    let mut world = World::new();
    let id = world.pay(1);
    let other_key = |request: &mut Request| {
        request.key = IdempotencyKey::parse("another").unwrap();
    };
    world.pay_as(2, 1, other_key);
    assert_eq!(world.refused(2), Refusal::OrderInUse);
    world.answer(id, AnswerClass::Declined);
    world.pay_as(3, 1, other_key);
    assert_eq!(world.attempts(PaymentId(3)).len(), 1, "a declined order may be paid again");
}

#[test]
fn nothing_leaves_before_its_intent_is_durable() {
    let mut world = World::new();
    let now = world.now();
    let mut out = Out::default();
    world.engine.handle(now, Input::Request(Box::new(incoming(1, 1))), &mut out);
    let [Effect::Load(key)] = out.effects.as_slice() else { panic!("{:?}", out.effects) };
    let loaded = Loaded { key: key.clone(), found: Vec::new(), applied: Sequence(0) };
    let mut out = Out::default();
    world.engine.handle(now, Input::Loaded(loaded), &mut out);
    assert!(out.effects.is_empty());
    let names: Vec<_> = out.groups[0].records.iter().map(Record::name).collect();
    assert_eq!(names, ["accepted", "send_intent"]);
}

#[test]
fn a_silent_host_is_answered_by_a_reversal_until_it_is_accepted() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    assert_eq!(world.told(1), Verdict::Pending(PendingReason::HostTimeout));
    world.write(id, 1);
    world.wait(10);
    world.write(id, 2);
    world.wait(30);
    let wanted = [
        (Attempt::Original, false),
        (Attempt::Reversal(1), false),
        (Attempt::Reversal(2), true),
        (Attempt::Reversal(3), true),
    ];
    assert_eq!(world.attempts(id), wanted);
    world.answer_reversal(id, ReversalVerdict::Accepted);
    assert_eq!(world.verdict(id), Verdict::Reversed);
    world.wait(100);
    assert_eq!(world.attempts(id).len(), 4, "an accepted reversal is not repeated");
}

#[test]
fn a_late_approval_is_recorded_never_told_and_reversed_again() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    world.answer_reversal(id, ReversalVerdict::Accepted);
    world.answer(id, AnswerClass::Approved);
    assert_eq!(world.verdict(id), Verdict::Reversed);
    assert_eq!(world.alarms, [Alarm::LateApproval(id)]);
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(2), true)));
    let last = world.sent.last().unwrap();
    assert_eq!(last.approval_code, None, "a repeat carries what the first attempt carried");
    world.write(id, 2);
    world.wait(30);
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(3), true)));
    world.answer_reversal(id, ReversalVerdict::Accepted);
    let count = world.attempts(id).len();
    world.wait(300);
    assert_eq!(world.attempts(id).len(), count);
    assert!(world.engine.book.get(id).unwrap().payment.is_settled());
}

#[test]
fn a_partial_approval_that_the_merchant_does_not_take_is_reversed_with_its_approval_code() {
    let mut world = World::new();
    let id = world.pay(1);
    let answer = HostAnswer {
        response_code: "10".into(),
        class: AnswerClass::Partial,
        approval_code: Some("P00001".into()),
        amount: Money { minor: 1000, ..amount() },
        line: line(),
        balances: Vec::new(),
    };
    world.hear(Input::HostAnswered(id, answer));
    assert_eq!(world.told(1), Verdict::Pending(PendingReason::HostTimeout));
    assert_eq!(world.sent.last().unwrap().approval_code.as_deref(), Some("P00001"));
    world.answer_reversal(id, ReversalVerdict::Accepted);
    assert_eq!(world.verdict(id), Verdict::Reversed);
}

#[test]
fn an_original_unknown_twice_counts_only_after_the_hosts_longest_time() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    world.answer_reversal(id, ReversalVerdict::UnknownOriginal);
    world.answer_reversal(id, ReversalVerdict::UnknownOriginal);
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::HostTimeout));
    world.wait(20);
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(2), true)));
    world.answer_reversal(id, ReversalVerdict::UnknownOriginal);
    assert_eq!(world.verdict(id), Verdict::Reversed);
    assert!(world.engine.book.get(id).unwrap().payment.suspect);
}

#[test]
fn a_refused_reversal_becomes_a_case_until_a_person_closes_it() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    world.answer_reversal(id, ReversalVerdict::Refused);
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::UnderReview));
    assert_eq!(world.alarms, [Alarm::CaseOpened(id)]);
    let act = |waiter, act| {
        Input::Operator(OperatorAct {
            waiter: Waiter(waiter),
            id,
            by: "ops".into(),
            reason: "called the host".into(),
            act,
        })
    };
    world.hear(act(90, CaseAct::Retry));
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(2), true)));
    world.answer_reversal(id, ReversalVerdict::Refused);
    world.hear(act(91, CaseAct::Close(Resolution::DeclinedNeverPosted)));
    assert_eq!(world.told(91), Verdict::Declined(DeclineReason::NeverPosted));
    world.hear(act(92, CaseAct::Retry));
    assert_eq!(world.refused(92), Refusal::NoCase);
}

#[test]
fn an_exhausted_reversal_becomes_a_case() {
    let mut world = World::new();
    let id = world.pay(1);
    for _ in 0..1300 {
        world.wait(3);
        let sent = world.sent.last().map(|outgoing| outgoing.attempt);
        if let Some(Attempt::Reversal(attempt)) = sent {
            world.write(id, attempt);
        }
    }
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::UnderReview));
}

#[test]
fn proof_that_no_byte_left_declines_without_reversal() {
    let mut world = World::new();
    let id = world.pay(1);
    world.hear(Input::NotSent(id, Attempt::Original, NotSentReason::NoLine));
    assert_eq!(world.told(1), Verdict::Declined(DeclineReason::HostUnavailable));
    world.wait(100);
    assert_eq!(world.attempts(id).len(), 1);
}

#[test]
fn without_a_line_nothing_is_accepted_and_reversals_wait_for_one() {
    let mut world = World::new();
    let id = world.pay(1);
    world.hear(Input::HostUp(host(), false));
    world.pay(2);
    assert_eq!(world.refused(2), Refusal::HostUnavailable);
    world.wait(60);
    assert_eq!(world.attempts(id).len(), 1);
    world.hear(Input::HostUp(host(), true));
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(1), false)));
}

#[test]
fn an_unsent_attempt_goes_out_again_as_it_was() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    let unsent = Input::NotSent(id, Attempt::Reversal(1), NotSentReason::QueueFull);
    world.hear(unsent);
    world.wait(10);
    let wanted =
        [(Attempt::Original, false), (Attempt::Reversal(1), false), (Attempt::Reversal(1), false)];
    assert_eq!(world.attempts(id), wanted);
}

#[test]
fn word_of_an_earlier_attempt_does_not_send_the_present_one_again() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(25);
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(2), true)));
    world.hear(Input::NotSent(id, Attempt::Reversal(1), NotSentReason::Overdue));
    world.hear(Input::HostUp(host(), true));
    assert_eq!(world.attempts(id).len(), 3);
}

#[test]
fn a_crash_between_intent_and_answer_counts_as_silence() {
    let mut world = World::new();
    let id = world.pay(1);
    world.crash();
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::HostTimeout));
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(1), false)));
    world.answer(id, AnswerClass::Approved);
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::HostTimeout));
    world.crash();
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(2), true)));
}

#[test]
fn after_a_restart_a_repeat_is_marked_as_a_repeat() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.crash();
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(1), true)));
}

#[test]
fn a_card_takes_no_new_payment_before_its_reversal_was_written() {
    let mut world = World::new();
    let id = world.pay(1);
    world.crash();
    let same_card = |request: &mut Request| request.card.hash = CardHash([1; 32]);
    world.pay_as(2, 2, same_card);
    assert_eq!(world.refused(2), Refusal::Busy);
    world.pay_as(3, 3, |_| {});
    assert_eq!(world.attempts(PaymentId(3)).len(), 1, "other cards go on");
    world.write(id, 1);
    world.pay_as(4, 4, same_card);
    assert_eq!(world.attempts(PaymentId(4)).len(), 1);
}

#[test]
fn the_answer_and_the_deadline_race_and_the_journal_decides() {
    let mut world = World::new();
    let id = world.pay(1);
    world.clock_s += 15;
    let now = world.now();
    let answer = HostAnswer {
        response_code: "00".into(),
        class: AnswerClass::Approved,
        approval_code: None,
        amount: amount(),
        line: line(),
        balances: Vec::new(),
    };
    let mut out = Out::default();
    world.engine.handle(now, Input::HostAnswered(id, answer), &mut out);
    world.engine.handle(now, Input::Tick, &mut out);
    assert_eq!(out.groups.len(), 1, "one group under way for a payment");
    world.out = out;
    world.commit();
    assert_eq!(world.told(1), Verdict::Approved);
    assert_eq!(world.attempts(id).len(), 1);
}

#[test]
fn a_group_that_was_not_written_leaves_no_trace() {
    let mut world = World::new();
    let now = world.now();
    let mut out = Out::default();
    world.engine.handle(now, Input::Request(Box::new(incoming(1, 1))), &mut out);
    let key = match out.effects.as_slice() {
        [Effect::Load(key)] => key.clone(),
        other => panic!("{other:?}"),
    };
    let loaded = Loaded { key, found: Vec::new(), applied: Sequence(0) };
    let mut out = Out::default();
    world.engine.handle(now, Input::Loaded(loaded), &mut out);
    world.engine.handle(now, Input::Request(Box::new(incoming(2, 1))), &mut out);
    world.engine.not_written(now, out.groups[0].subject(), &mut world.out);
    world.commit();
    assert_eq!(world.refused(1), Refusal::Busy);
    assert_eq!(world.attempts(PaymentId(2)).len(), 1, "the retry behind it is taken as new");
}

#[test]
fn a_silence_that_could_not_be_written_is_decided_again() {
    let mut world = World::new();
    let id = world.pay(1);
    world.clock_s += 15;
    let now = world.now();
    let mut out = Out::default();
    world.engine.handle(now, Input::Tick, &mut out);
    assert_eq!(out.groups.len(), 1, "the time-out and the reversal");
    world.engine.not_written(now, out.groups[0].subject(), &mut world.out);
    world.wait(1);
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::HostTimeout));
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(1), false)));
}

#[test]
fn settled_payments_leave_memory_and_are_found_again() {
    let mut world = World::new();
    for number in 1..=20 {
        let id = world.pay(number);
        world.answer(id, AnswerClass::Approved);
    }
    world.hear(Input::Projected(Sequence(u64::MAX)));
    assert_eq!(world.engine.status().in_memory, 10);
    world.pay_as(100, 1, |_| {});
    assert_eq!(world.told(100), Verdict::Approved);
    assert_eq!(world.sent.len(), 20);
}

#[test]
fn a_late_approval_is_reversed_though_the_projection_catches_up_meanwhile() {
    let mut world = World::new();
    for number in 1..=20 {
        let id = world.pay(number);
        world.wait(15);
        world.write(id, 1);
        world.answer_reversal(id, ReversalVerdict::Accepted);
    }
    world.hear(Input::Projected(Sequence(u64::MAX)));
    let id = PaymentId(1);
    assert!(world.engine.book.get(id).is_none(), "it has left memory");
    let now = world.now();
    let answer = HostAnswer {
        response_code: "00".into(),
        class: AnswerClass::Approved,
        approval_code: None,
        amount: amount(),
        line: line(),
        balances: Vec::new(),
    };
    let found = world.find(&LoadKey::Id(id));
    let mut out = Out::default();
    world.engine.handle(now, Input::HostAnswered(id, answer), &mut out);
    let loaded = Loaded { key: LoadKey::Id(id), found, applied: Sequence(u64::MAX) };
    let mut out = Out::default();
    world.engine.handle(now, Input::Loaded(loaded), &mut out);
    world.engine.handle(now, Input::Projected(Sequence(u64::MAX)), &mut out);
    world.out = out;
    world.commit();
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(2), true)));
}

#[test]
fn the_number_of_a_payment_that_was_not_written_can_be_given_out_again() {
    let mut world = World::new();
    let now = world.now();
    for waiter in 1..=1000 {
        let mut out = Out::default();
        let incoming = Box::new(incoming(waiter, waiter));
        world.engine.handle(now, Input::Request(incoming), &mut out);
        let key = match out.effects.as_slice() {
            [Effect::Load(key)] => key.clone(),
            other => panic!("{other:?}"),
        };
        let loaded = Loaded { key, found: Vec::new(), applied: Sequence(0) };
        let mut out = Out::default();
        world.engine.handle(now, Input::Loaded(loaded), &mut out);
        for group in out.groups {
            match group.subject() {
                GroupSubject::Payment(_) => {
                    world.engine.not_written(now, group.subject(), &mut world.out);
                }
                _ => world.out.groups.push(group),
            }
        }
        world.commit();
        assert_eq!(world.refused(waiter), Refusal::Busy);
    }
    assert_eq!(world.engine.numbers.in_use(), 0);
}

#[test]
fn a_wall_clock_that_jumps_parks_no_reversal() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    let mono = Mono(Duration::from_secs(25));
    let wall = Timestamp(48 * 3600 * 1_000_000);
    world.engine.handle(Now { mono, wall }, Input::Tick, &mut world.out);
    world.commit();
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::HostTimeout));
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(2), true)));
}

#[test]
fn a_merchant_sees_its_own_payments_only() {
    let mut world = World::new();
    let id = world.pay(1);
    let ask = |waiter, merchant: &str| {
        Input::Query(Query {
            waiter: Waiter(waiter),
            merchant: Some(MerchantId::parse(merchant).unwrap()),
            by: QueryBy::Id(id),
        })
    };
    world.hear(ask(10, "m-1"));
    assert_eq!(world.told(10), Verdict::Pending(PendingReason::InProgress));
    world.hear(ask(11, "m-2"));
    assert_eq!(world.refused(11), Refusal::NotFound);
}

/// Seeded chaos: answers, silences, refusals, crashes, retries and waits in any order. After each
/// step: nobody was told two results, and nothing reached the host that the journal lacks; at the
/// end, with a friendly host, nothing is pending.
#[test]
fn whatever_happens_every_payment_ends_as_one_thing() {
    for seed in 1..=200_u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut roll = move |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        let mut world = World::new();
        let mut results: BTreeMap<PaymentId, Verdict> = BTreeMap::new();
        for step in 0..120 {
            let number = 1 + roll(8);
            let ids: Vec<_> = world.sent.iter().map(|outgoing| outgoing.id).collect();
            let id = ids.get(usize::try_from(roll(20)).unwrap()).copied();
            match (roll(11), id) {
                (0..=2, _) => {
                    world.pay_as(1000 + step, number, |_| {});
                }
                (3, Some(id)) => world.answer(id, AnswerClass::Approved),
                (4, Some(id)) => world.answer(id, AnswerClass::Declined),
                (5, Some(id)) => world.answer_reversal(id, ReversalVerdict::Accepted),
                (6, Some(id)) => world.answer_reversal(id, ReversalVerdict::UnknownOriginal),
                (7, _) => world.crash(),
                (8, Some(id)) => {
                    let attempt = u32::try_from(1 + roll(3)).unwrap();
                    world.write(id, attempt);
                }
                (9, _) => world.hear(Input::HostUp(host(), roll(2) == 0)),
                _ => world.wait(1 + roll(20)),
            }
            check_final(&world, &mut results, seed, step);
        }
        drain(&mut world);
        check_final(&world, &mut results, seed, u64::MAX);
        let open = world.engine.book.open().count();
        assert_eq!(open, 0, "seed {seed}: {open} payments are still open");
        assert!(!world.alarms.iter().any(|it| matches!(it, Alarm::WrongTurn(_))), "seed {seed}");
    }
}

#[track_caller]
fn check_final(world: &World, results: &mut BTreeMap<PaymentId, Verdict>, seed: u64, step: u64) {
    let told = world.replies.values().flatten().filter_map(|reply| match reply {
        Reply::Outcome { view, .. } => Some((view.get().id, view.get().verdict)),
        _ => None,
    });
    for (id, verdict) in told.filter(|(_, verdict)| !matches!(verdict, Verdict::Pending(_))) {
        let first = *results.entry(id).or_insert(verdict);
        assert_eq!(first, verdict, "seed {seed}, step {step}: payment {id} was told twice");
    }
    for outgoing in &world.sent {
        let known = world.journal.iter().any(|group| {
            group.get().records.iter().any(|record| match (record, outgoing.attempt) {
                (Record::SendIntent(intent), Attempt::Original) => intent.id == outgoing.id,
                (Record::ReversalDue(due), Attempt::Reversal(_)) => due.id == outgoing.id,
                (Record::AdviceRepeated(repeated), Attempt::Repeat(attempt)) => {
                    repeated.id == outgoing.id && repeated.attempt == attempt
                }
                _ => false,
            })
        });
        assert!(known, "seed {seed}, step {step}: {outgoing:?} is not in the journal");
    }
}

/// The host is well again and answers every reversal and every advice.
fn drain(world: &mut World) {
    world.hear(Input::HostUp(host(), true));
    for _ in 0..200 {
        world.wait(5);
        let open: Vec<_> = world
            .engine
            .book
            .open()
            .filter_map(|entry| Some((entry.payment.id, entry.payment.owed()?)))
            .collect();
        for (id, attempt) in open {
            world.hear(Input::Written(id, attempt));
            match attempt {
                Attempt::Reversal(_) => world.answer_reversal(id, ReversalVerdict::Accepted),
                _ => world.answer(id, AnswerClass::Approved),
            }
        }
    }
}

#[test]
fn what_was_not_accepted_in_time_is_refused_and_a_retry_of_what_was_is_answered() {
    let mut world = World::new();
    let id = world.pay(1);
    world.answer(id, AnswerClass::Approved);
    world.wait(1);
    let late = |waiter, number| {
        let late = Incoming { accept_by: Mono(Duration::ZERO), ..incoming(waiter, number) };
        Input::Request(Box::new(late))
    };
    world.hear(late(2, 2));
    assert_eq!(world.refused(2), Refusal::Busy);
    world.hear(late(3, 1));
    assert_eq!(world.told(3), Verdict::Approved);
}
