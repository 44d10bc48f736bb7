//! What is owed to a host that is slow, away or confused.

use super::*;
use crate::input::HostSaid;
use core::num::NonZeroU32;

fn pace(per_second: u32, open_max: usize) -> Pace {
    Pace { owed_per_second: NonZeroU32::new(per_second).unwrap(), open_max }
}

fn said(code: &str) -> HostSaid {
    HostSaid { response_code: code.into(), line: line() }
}

impl World {
    fn paced(pace: Pace) -> Self {
        let mut world = Self::new();
        let paces = BTreeMap::from([(host(), pace)]);
        let settings = Settings { paces, open_payments_max: 10_000, ..settings() };
        world.engine = Engine::new(settings, [host()]);
        world.start();
        world
    }

    /// Lets time pass in small steps; whatever is sent is written at once. Counts what was sent.
    fn let_pass(&mut self, ms: u64) -> Vec<(PaymentId, Attempt)> {
        let mut sent = Vec::new();
        let steps = ms / 5;
        for _ in 0..steps {
            self.clock_ms += 5;
            if self.engine.next_deadline().is_some_and(|at| at <= self.now().mono) {
                self.hear(Input::Tick);
            }
            let new: Vec<_> = core::mem::take(&mut self.sent);
            for out in new {
                sent.push((out.id, out.attempt));
                self.hear(Input::Written(out.id, out.attempt));
            }
        }
        sent
    }

    fn act(&mut self, waiter: u64, id: PaymentId, by: &str, act: CaseAct) {
        let (by, reason) = (by.into(), "looked at the host's books".into());
        self.hear(Input::Operator(OperatorAct { waiter: Waiter(waiter), id, by, reason, act }));
    }

    fn refund(&mut self, number: u64) -> PaymentId {
        let mut incoming = incoming(number, number);
        if let Ask::New { request, routes } = &mut incoming.ask {
            request.operation = Operation::Refund;
            routes[0].silence = Silence::Advice;
        }
        let id = incoming.id;
        self.hear(Input::Request(Box::new(incoming)));
        id
    }

    fn records(&self, id: PaymentId) -> Vec<&'static str> {
        let records = self.journal.iter().flat_map(|group| &group.get().records);
        records.filter(|it| it.payment() == Some(id)).map(Record::name).collect()
    }
}

#[test]
fn a_backlog_is_drained_at_the_hosts_pace_first_attempts_before_repeats() {
    let mut world = World::paced(pace(20, 10_000));
    let repeated = world.pay(900);
    world.wait(15);
    world.write(repeated, 1);
    let ids: Vec<PaymentId> = (1..=200).map(|number| world.pay(number)).collect();
    world.hear(Input::HostUp(host(), false));
    world.wait(600);
    world.sent.clear();
    world.hear(Input::HostUp(host(), true));
    world.sent.clear();
    for second in 0..9 {
        let sent = world.let_pass(1_000).len();
        assert!((18..=22).contains(&sent), "{sent} in second {second}");
    }
    let rest = world.let_pass(3_000);
    let firsts = rest.iter().filter(|(_, attempt)| *attempt == Attempt::Reversal(1)).count();
    let repeats = rest.iter().position(|(_, attempt)| *attempt != Attempt::Reversal(1));
    assert!(repeats.is_some_and(|at| at >= firsts), "no repeat while a first attempt waits");
    assert!(rest.iter().any(|(id, _)| *id == repeated), "and the repeat goes in the end");
    for id in ids.into_iter().chain([repeated]) {
        world.answer_reversal(id, ReversalVerdict::Accepted);
        assert_eq!(world.verdict(id), Verdict::Reversed);
    }
    assert_eq!(world.engine.status().paced, 0);
}

#[test]
fn live_payments_are_not_paced() {
    let mut world = World::paced(pace(1, 10_000));
    for number in 1..=50 {
        world.pay(number);
    }
    assert_eq!(world.sent.len(), 50);
}

#[test]
fn there_is_room_for_the_reversal_of_every_payment_that_was_taken() {
    let mut world = World::paced(pace(1_000, 20));
    let ids: Vec<PaymentId> = (1..=30).map(|number| world.pay(number)).collect();
    for waiter in 21..=30 {
        assert_eq!(world.refused(waiter), Refusal::Busy, "at the high mark nothing new is taken");
    }
    world.wait(15);
    world.sent.clear();
    world.let_pass(1_000);
    for (id, number) in ids.iter().take(20).zip(1..) {
        assert!(world.replies[&number].len() == 1, "told that it is pending");
        world.answer_reversal(*id, ReversalVerdict::Accepted);
        assert_eq!(world.verdict(*id), Verdict::Reversed, "no reversal was lost or refused");
    }
    world.pay(31);
    assert!(!world.replies.contains_key(&31), "there is room again, and it is under way");
}

#[test]
fn requests_whose_intent_is_not_durable_yet_count_towards_the_high_mark() {
    let mut world = World::paced(pace(1_000, 2));
    let now = world.now();
    for number in 1..=4 {
        let incoming = Box::new(incoming(number, number));
        world.engine.handle(now, Input::Request(incoming), &mut world.out);
    }
    // The look-ups come back together; no group is durable before all were decided.
    let out = core::mem::take(&mut world.out);
    let mut decided = Out::default();
    for effect in out.effects {
        let Effect::Load(key) = effect else { continue };
        let loaded = Loaded { key, found: Vec::new(), applied: Sequence(0) };
        world.engine.handle(now, Input::Loaded(loaded), &mut decided);
    }
    assert_eq!(decided.groups.len(), 2, "two are taken, two refused");
    world.out = decided;
    world.commit();
    assert_eq!((world.refused(3), world.refused(4)), (Refusal::Busy, Refusal::Busy));
}

#[test]
fn a_host_that_cannot_take_a_reversal_now_is_asked_again_after_the_gap() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    world.wait(3);
    world.hear(Input::Deferred(id, Attempt::Reversal(1), said("91")));
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::HostTimeout));
    world.wait(9);
    assert_eq!(world.attempts(id).len(), 2, "the gap counts from the answer");
    world.wait(1);
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(2), true)));
    world.answer_reversal(id, ReversalVerdict::Accepted);
    assert_eq!(world.verdict(id), Verdict::Reversed);
    assert!(world.records(id).contains(&"deferred"), "the case's history knows");
}

#[test]
fn an_advice_is_repeated_when_the_host_asks_for_it_later_and_parked_when_it_refuses_it() {
    let mut world = World::new();
    let (deferred, refused) = (world.refund(1), world.refund(2));
    world.hear(Input::Deferred(deferred, Attempt::Original, said("96")));
    world.hear(Input::AdviceRefused(refused, said("30")));
    assert_eq!(world.verdict(refused), Verdict::Pending(PendingReason::UnderReview));
    assert_eq!(world.alarms, [Alarm::CaseOpened(refused)]);
    world.wait(15);
    assert_eq!(world.attempts(deferred).last(), Some(&(Attempt::Repeat(2), true)));
    world.hear(Input::Deferred(deferred, Attempt::Repeat(2), said("96")));
    world.wait(10 * 3600);
    assert_eq!(world.verdict(deferred), Verdict::Pending(PendingReason::UnderReview), "given up");
    assert_eq!(
        world.records(refused),
        ["accepted", "send_intent", "advice_refused", "advice_parked"]
    );
    let paid = world.pay(3);
    world.answer(paid, AnswerClass::Approved);
    assert_eq!(world.told(3), Verdict::Approved, "parked items block nobody");
}

#[test]
fn what_was_not_owed_is_neither_deferred_nor_refused() {
    let mut world = World::new();
    let id = world.pay(1);
    world.hear(Input::Deferred(id, Attempt::Original, said("91")));
    world.hear(Input::AdviceRefused(id, said("30")));
    world.answer(id, AnswerClass::Approved);
    world.hear(Input::Deferred(id, Attempt::Reversal(1), said("91")));
    assert_eq!(world.records(id), ["accepted", "send_intent", "answered"]);
    assert_eq!(world.alarms, []);
}

#[test]
fn the_repeat_after_a_late_approval_is_given_up_and_leaves_the_books_in_doubt() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    world.answer_reversal(id, ReversalVerdict::Accepted);
    world.wait(7200);
    world.answer(id, AnswerClass::Approved);
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(2), true)));
    world.write(id, 2);
    for attempt in 3..=118 {
        world.wait(31);
        world.write(id, attempt);
    }
    assert!(world.attempts(id).len() > 100, "its time runs from the late approval");
    world.wait(120);
    let sent = world.attempts(id).len();
    world.wait(24 * 3600);
    assert_eq!(world.attempts(id).len(), sent, "nothing more is sent");
    assert_eq!(world.alarms.last(), Some(&Alarm::Suspect(id)));
    let payment = &world.engine.book.get(id).unwrap().payment;
    assert!(payment.is_settled() && payment.suspect);
    assert_eq!(world.verdict(id), Verdict::Reversed, "what the merchant was told stands");
    world.crash();
    assert_eq!(world.attempts(id).len(), sent);
}

#[test]
fn a_number_that_another_payment_has_by_now_is_not_given_back_for_it() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    world.answer_reversal(id, ReversalVerdict::Accepted);
    let stan = world.engine.book.get(id).unwrap().payment.fields.clone().unwrap().stan;
    // The numbers went round, and another payment got the same one.
    assert!(world.engine.numbers.hold(PaymentId(77), &host(), stan));
    world.answer(id, AnswerClass::Approved);
    world.write(id, 2);
    world.answer_reversal(id, ReversalVerdict::Accepted);
    assert_eq!(world.engine.numbers.in_use(), 1, "the other payment still has it");
}

#[test]
fn a_late_approval_takes_the_number_again_until_its_reversal_is_answered() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    world.answer_reversal(id, ReversalVerdict::Accepted);
    assert_eq!(world.engine.numbers.in_use(), 0);
    world.answer(id, AnswerClass::Approved);
    assert_eq!(world.engine.numbers.in_use(), 1);
    world.write(id, 2);
    world.answer_reversal(id, ReversalVerdict::Accepted);
    assert_eq!(world.engine.numbers.in_use(), 0);
}

#[test]
fn two_different_people_close_a_case_as_posted() {
    let mut world = World::new();
    let id = world.refund(1);
    world.hear(Input::AdviceRefused(id, said("30")));
    let posted = CaseAct::Close(Resolution::Posted);
    world.act(10, id, "ann", posted);
    world.act(11, id, "ann", posted);
    assert_eq!(world.refused(11), Refusal::SecondPersonWanted);
    world.crash();
    world.act(12, id, "ann", posted);
    assert_eq!(world.refused(12), Refusal::SecondPersonWanted, "also after a restart");
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::UnderReview));
    world.act(13, id, "bob", posted);
    assert_eq!(world.told(13), Verdict::Approved);
    let closing = ["close_proposed", "case_closed"];
    assert_eq!(world.records(id)[4..], closing);
}

#[test]
fn a_proposal_binds_nobody_and_a_retry_takes_it_back() {
    let mut world = World::new();
    let id = world.refund(1);
    world.hear(Input::AdviceRefused(id, said("30")));
    world.act(10, id, "ann", CaseAct::Close(Resolution::Posted));
    world.act(11, id, "ann", CaseAct::Retry);
    world.hear(Input::AdviceRefused(id, said("30")));
    world.act(12, id, "bob", CaseAct::Close(Resolution::Posted));
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::UnderReview), "he is the first");
    world.act(13, id, "bob", CaseAct::Close(Resolution::DeclinedNeverPosted));
    assert_eq!(world.told(13), Verdict::Declined(DeclineReason::NeverPosted));
}

#[test]
fn a_stuck_reversal_delays_its_own_card_alone() {
    let mut world = World::new();
    let (first, second) = (world.pay(1), world.pay(2));
    let card = world.engine.book.get(first).unwrap().payment.request.card.clone();
    let same_card = world.pay_as(3, 3, |request| request.card = card);
    world.hear(Input::HostUp(host(), false));
    world.wait(15);
    world.sent.clear();
    world.hear(Input::HostUp(host(), true));
    let sent: Vec<_> = world.sent.iter().map(|out| out.id).collect();
    assert_eq!(sent, [first, second], "one of a card at a time, the others go on");
    world.write(second, 1);
    // The first cannot be worded: it stays, its card waits, and nobody else does.
    let stuck = Input::NotSent(first, Attempt::Reversal(1), NotSentReason::EncodeFailed);
    world.hear(stuck);
    assert!(world.attempts(same_card).is_empty());
    world.wait(10);
    world.write(first, 1);
    assert_eq!(world.attempts(same_card), [(Attempt::Reversal(1), false)]);
}

#[test]
fn a_host_that_is_down_delays_no_other_hosts_reversals() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.hear(Input::HostUp(HostId::parse("other").unwrap(), true));
    world.hear(Input::HostUp(HostId::parse("other").unwrap(), false));
    assert_eq!(world.attempts(id).len(), 2);
}
