//! What the search of everything found: each a way to lose sight of money.

use super::*;
use crate::record::SilenceReason;
use crate::request::{FollowUp, Offer};
use alloc::sync::Arc;

impl World {
    /// The store refuses every group of a payment that is under way.
    fn refuse(&mut self) {
        let now = self.now();
        for group in core::mem::take(&mut self.out.groups) {
            self.engine.not_written(now, group.subject(), &mut self.out);
        }
        self.commit();
    }

    /// A capture, sent as an advice, of which the host says that it took half.
    fn half_captured(&mut self) -> PaymentId {
        let original = self.pay_as(1, 1, |request| request.operation = Operation::PreAuthorization);
        self.answer(original, AnswerClass::Approved);
        let mut incoming = incoming(2, 2);
        let Ask::New { request, .. } = incoming.ask else { panic!("a payment is new") };
        let operation = Operation::Completion;
        let follow_up = FollowUp {
            merchant: request.merchant,
            channel: request.channel,
            operation,
            key: request.key,
            freshness: request.freshness,
            original,
            amount: Some(request.amount),
        };
        let definitions = Definitions { dialect: [0; 32], mapping: [0; 32] };
        let operations = [(operation, Silence::Advice)].into();
        let offers = Arc::new([(host(), Offer { definitions, operations })].into());
        incoming.ask = Ask::FollowUp { follow_up, offers };
        let id = incoming.id;
        self.hear(Input::Request(Box::new(incoming)));
        self.half(id);
        id
    }

    fn half(&mut self, id: PaymentId) {
        let answer = HostAnswer {
            response_code: "10".into(),
            class: AnswerClass::Partial,
            approval_code: None,
            amount: Money { minor: 617, ..amount() },
            line: line(),
            balances: Vec::new(),
        };
        self.hear(Input::HostAnswered(id, answer));
    }
}

#[test]
fn a_time_out_that_was_not_written_is_decided_anew() {
    let mut world = World::new();
    let id = world.pay(1);
    world.clock_s += 15;
    let now = world.now();
    world.engine.handle(now, Input::Tick, &mut world.out);
    world.refuse();
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::InProgress));
    world.wait(1);
    assert_eq!(world.told(1), Verdict::Pending(PendingReason::HostTimeout));
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(1), false)));
}

#[test]
fn a_restart_whose_word_was_not_written_says_it_again() {
    let mut world = World::new();
    let id = world.pay(1);
    world.replay();
    let now = world.now();
    world.engine.recover(now, &mut world.out);
    world.refuse();
    world.hear(Input::Date(DATE));
    world.hear(Input::HostUp(host(), true));
    world.wait(1);
    let why = world.journal.iter().flat_map(|group| &group.get().records).find_map(|it| match it {
        Record::TimedOut(silent) if silent.id == id => Some(silent.why),
        _ => None,
    });
    assert_eq!(why, Some(SilenceReason::Restart));
}

#[test]
fn a_card_is_not_held_by_a_reversal_that_was_given_up_before_it_left() {
    let mut world = World::new();
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    world.answer_reversal(id, ReversalVerdict::Accepted);
    world.answer(id, AnswerClass::Approved);
    assert_eq!(world.engine.book.get(id).unwrap().payment.repeat_owed, Some(2));
    world.crash();
    let same_card = |request: &mut Request| request.card.hash = CardHash([1; 32]);
    world.pay_as(2, 2, same_card);
    assert_eq!(world.refused(2), Refusal::Busy, "its reversal has not left");
    for _ in 0..1300 {
        world.wait(3);
        let attempt = world.sent.last().map(|sent| sent.attempt).unwrap();
        world.hear(Input::NotSent(id, attempt, NotSentReason::Overdue));
    }
    assert_eq!(world.engine.book.get(id).unwrap().payment.repeat_owed, None, "given up");
    world.pay_as(3, 3, same_card);
    assert_eq!(world.attempts(PaymentId(3)).len(), 1);
}

#[test]
fn a_late_approval_does_not_overtake_the_answer_before_it_that_waits_to_be_looked_up() {
    let mut world = World::new();
    world.engine.settings.recent_payments_max = 0;
    let id = world.pay(1);
    world.wait(15);
    world.write(id, 1);
    world.answer_reversal(id, ReversalVerdict::Accepted);
    world.hear(Input::Projected(Sequence(u64::MAX)));
    assert!(world.engine.book.get(id).is_none(), "it has left memory");
    let now = world.now();
    let mut loads = Out::default();
    world.engine.handle(now, Input::Request(Box::new(incoming(2, 1))), &mut loads);
    let line = line();
    let verdict = ReversalVerdict::Accepted;
    let again = ReversalAnswer { response_code: "00".into(), verdict, line };
    world.engine.handle(now, Input::ReversalAnswered(id, again), &mut loads);
    let [retry, answer] = loads.effects.try_into().unwrap();
    world.perform(retry);
    world.answer(id, AnswerClass::Approved);
    world.perform(answer);
    world.commit();
    let payment = &world.engine.book.get(id).unwrap().payment;
    assert_eq!(payment.repeat_owed, Some(2), "the old answer settles no new reversal");
}

#[test]
fn a_parked_advice_is_not_approved_by_half_however_often_the_host_says_so() {
    let mut world = World::new();
    let capture = world.half_captured();
    assert_eq!(world.verdict(capture), Verdict::Pending(PendingReason::UnderReview));
    world.half(capture);
    assert_eq!(world.verdict(capture), Verdict::Pending(PendingReason::UnderReview));
}

#[test]
fn half_an_approval_after_a_person_said_never_posted_is_suspect() {
    let mut world = World::new();
    let capture = world.half_captured();
    world.hear(Input::Operator(OperatorAct {
        waiter: Waiter(90),
        id: capture,
        by: "ann".into(),
        reason: "not in the host's books".into(),
        act: CaseAct::Close(Resolution::DeclinedNeverPosted),
    }));
    world.half(capture);
    assert!(world.engine.book.get(capture).unwrap().payment.suspect);
}
