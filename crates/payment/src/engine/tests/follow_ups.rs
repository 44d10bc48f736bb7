//! Completions, voids, refunds and inquiries.

use super::*;
use crate::id::HostId;
use crate::payment::FollowUps;
use crate::request::{FollowUp, Offer};
use alloc::sync::Arc;

impl World {
    fn pre_authorize(&mut self, number: u64) -> PaymentId {
        let id = self.pay_as(number, number, |request| {
            request.operation = Operation::PreAuthorization;
        });
        self.answer(id, AnswerClass::Approved);
        id
    }

    fn purchase(&mut self, number: u64) -> PaymentId {
        let id = self.pay(number);
        self.answer(id, AnswerClass::Approved);
        id
    }

    /// Waiter `waiter` asks for a follow-up under a key of its own.
    fn follow(
        &mut self,
        waiter: u64,
        operation: Operation,
        original: PaymentId,
        minor: Option<i64>,
    ) -> PaymentId {
        self.follow_by_key(waiter, waiter, operation, original, minor)
    }

    fn follow_by_key(
        &mut self,
        waiter: u64,
        key: u64,
        operation: Operation,
        original: PaymentId,
        minor: Option<i64>,
    ) -> PaymentId {
        let incoming = follow_up(waiter, key, operation, original, minor);
        let id = incoming.id;
        self.hear(Input::Request(Box::new(incoming)));
        id
    }

    fn follow_ups(&mut self, id: PaymentId) -> FollowUps {
        let waiter = 1_000_000 + self.replies.len() as u64;
        self.hear(Input::Query(Query {
            waiter: Waiter(waiter),
            merchant: None,
            by: QueryBy::Id(id),
        }));
        match &self.replies[&waiter][0] {
            Reply::Outcome { view, .. } => view.get().follow_ups,
            other => panic!("{other:?}"),
        }
    }

    /// Everything settled leaves memory.
    fn forget(&mut self) {
        self.engine.settings.recent_payments_max = 0;
        self.hear(Input::Projected(Sequence(u64::MAX)));
        assert_eq!(self.engine.book.open_count(), self.engine.book.len());
    }
}

fn offers() -> Arc<BTreeMap<HostId, Offer>> {
    let operations = [
        (Operation::Completion, Silence::Advice),
        (Operation::Void, Silence::Advice),
        (Operation::Refund, Silence::Advice),
    ];
    let definitions = Definitions { dialect: [0; 32], mapping: [0; 32] };
    Arc::new([(host(), Offer { definitions, operations: operations.into() })].into())
}

fn follow_up(
    waiter: u64,
    key: u64,
    operation: Operation,
    original: PaymentId,
    minor: Option<i64>,
) -> Incoming {
    let of_purchase = incoming(waiter, key);
    let Ask::New { request, .. } = of_purchase.ask else { panic!("a purchase is new") };
    let follow_up = FollowUp {
        merchant: request.merchant,
        channel: request.channel,
        operation,
        key: request.key,
        freshness: request.freshness,
        original,
        amount: minor.map(|minor| Money { minor, ..amount() }),
    };
    Incoming { ask: Ask::FollowUp { follow_up, offers: offers() }, ..incoming(waiter, key) }
}

#[test]
fn a_pre_authorization_is_captured_once() {
    let mut world = World::new();
    let original = world.pre_authorize(1);
    let capture = world.follow(2, Operation::Completion, original, Some(1000));
    let sent = world.sent.last().unwrap();
    let known = sent.fields.original.as_ref().unwrap();
    assert_eq!((sent.request.amount.minor, known.amount.minor), (1000, 1234));
    assert_eq!(known.approval_code.as_deref(), Some("A00001"));
    world.answer(capture, AnswerClass::Approved);
    assert_eq!(world.told(2), Verdict::Approved);
    world.follow(3, Operation::Completion, original, Some(1));
    assert_eq!(world.refused(3), Refusal::AlreadyCaptured);
    world.follow(4, Operation::Void, original, None);
    assert_eq!(world.refused(4), Refusal::UseRefund);
    let sums = world.follow_ups(original);
    assert_eq!((sums.captured, sums.refunded, sums.voided), (1000, 0, false));
}

#[test]
fn more_than_was_set_aside_is_not_captured() {
    let mut world = World::new();
    let original = world.pre_authorize(1);
    world.follow(2, Operation::Completion, original, Some(1235));
    assert_eq!(world.refused(2), Refusal::OverOriginal);
    let all = world.follow(3, Operation::Completion, original, None);
    assert_eq!(world.sent.last().unwrap().request.amount, amount());
    world.answer(all, AnswerClass::Declined);
    let again = world.follow(4, Operation::Completion, original, Some(1234));
    world.answer(again, AnswerClass::Approved);
    assert_eq!(world.told(4), Verdict::Approved, "a declined capture gives its amount back");
}

#[test]
fn refunds_never_sum_to_more_than_was_taken() {
    let mut world = World::new();
    let original = world.purchase(1);
    let first = world.follow(2, Operation::Refund, original, Some(1000));
    // Not answered yet: its amount is reserved.
    world.follow(3, Operation::Refund, original, Some(235));
    assert_eq!(world.refused(3), Refusal::OverOriginal);
    let second = world.follow(4, Operation::Refund, original, Some(234));
    world.answer(first, AnswerClass::Declined);
    world.answer(second, AnswerClass::Approved);
    let third = world.follow(5, Operation::Refund, original, Some(1000));
    world.answer(third, AnswerClass::Approved);
    assert_eq!(world.follow_ups(original).refunded, 1234);
    world.follow(6, Operation::Refund, original, Some(1));
    assert_eq!(world.refused(6), Refusal::OverOriginal);
}

#[test]
fn the_sum_holds_when_everything_was_forgotten_and_loaded_again() {
    let mut world = World::new();
    let original = world.purchase(1);
    let first = world.follow(2, Operation::Refund, original, Some(1000));
    world.answer(first, AnswerClass::Approved);
    world.forget();
    world.follow(3, Operation::Refund, original, Some(235));
    assert_eq!(world.refused(3), Refusal::OverOriginal);
    world.forget();
    assert_eq!(world.follow_ups(original).refunded, 1000);
    world.forget();
    world.crash();
    world.follow(4, Operation::Refund, original, Some(235));
    assert_eq!(world.refused(4), Refusal::OverOriginal);
}

#[test]
fn two_refunds_that_race_meet_one_sum() {
    let mut world = World::new();
    let original = world.purchase(1);
    world.forget();
    let now = world.now();
    let mut out = Out::default();
    for waiter in [2, 3] {
        let refund = follow_up(waiter, waiter, Operation::Refund, original, Some(1000));
        world.engine.handle(now, Input::Request(Box::new(refund)), &mut out);
    }
    assert_eq!(out.effects.len(), 1, "the second waits behind the first");
    world.out = out;
    world.commit();
    assert_eq!(world.refused(3), Refusal::OverOriginal);
    assert!(!world.replies.contains_key(&2));
}

#[test]
fn a_purchase_is_voided_on_its_own_day_only() {
    let mut world = World::new();
    let (today, yesterday) = (world.purchase(1), world.purchase(2));
    let void = world.follow(3, Operation::Void, today, None);
    world.answer(void, AnswerClass::Approved);
    assert_eq!(world.told(3), Verdict::Approved);
    assert!(world.follow_ups(today).voided);
    assert_eq!(world.verdict(today), Verdict::Approved, "a void changes no result");
    world.follow(4, Operation::Void, today, None);
    assert_eq!(world.refused(4), Refusal::AlreadyVoided);
    world.follow(5, Operation::Refund, today, Some(1));
    assert_eq!(world.refused(5), Refusal::AlreadyVoided);
    world.hear(Input::Date(BusinessDate { day: 23, ..DATE }));
    world.follow(6, Operation::Void, yesterday, None);
    assert_eq!(world.refused(6), Refusal::UseRefund);
}

#[test]
fn an_original_must_be_approved_and_final() {
    let mut world = World::new();
    let open = world.pay(1);
    world.follow(2, Operation::Refund, open, Some(1));
    assert_eq!(world.refused(2), Refusal::OriginalNotFinal);
    world.answer(open, AnswerClass::Declined);
    world.follow(3, Operation::Refund, open, Some(1));
    assert_eq!(world.refused(3), Refusal::OriginalNotApproved);
    world.follow(4, Operation::Refund, PaymentId(99), Some(1));
    assert_eq!(world.refused(4), Refusal::NotFound);
    let purchase = world.purchase(5);
    world.follow(6, Operation::Completion, purchase, Some(1));
    assert_eq!(world.refused(6), Refusal::WrongOriginal);
    let refund = world.follow(7, Operation::Refund, purchase, Some(1));
    world.answer(refund, AnswerClass::Approved);
    world.follow(8, Operation::Refund, refund, Some(1));
    assert_eq!(world.refused(8), Refusal::WrongOriginal);
}

#[test]
fn the_retry_of_a_follow_up_is_answered_from_the_record() {
    let mut world = World::new();
    let original = world.purchase(1);
    let refund = world.follow(2, Operation::Refund, original, Some(34));
    world.answer(refund, AnswerClass::Approved);
    let sent = world.sent.len();
    world.follow_by_key(3, 2, Operation::Refund, original, Some(34));
    assert_eq!((world.told(3), world.sent.len()), (Verdict::Approved, sent));
    world.follow_by_key(4, 2, Operation::Refund, original, Some(35));
    assert_eq!(world.refused(4), Refusal::KeyMismatch);
    let void = world.purchase(5);
    world.follow_by_key(6, 6, Operation::Void, void, None);
    world.answer(PaymentId(6), AnswerClass::Approved);
    world.follow_by_key(7, 6, Operation::Void, void, None);
    assert_eq!(world.told(7), Verdict::Approved);
}

#[test]
fn the_retry_of_a_capture_of_all_is_answered_from_the_record() {
    let mut world = World::new();
    let original = world.pre_authorize(1);
    let capture = world.follow(2, Operation::Completion, original, None);
    world.answer(capture, AnswerClass::Approved);
    for (waiter, minor) in [(3, None), (4, Some(1234))] {
        world.follow_by_key(waiter, 2, Operation::Completion, original, minor);
        assert_eq!(world.told(waiter), Verdict::Approved);
    }
    world.forget();
    world.follow_by_key(5, 2, Operation::Completion, original, None);
    assert_eq!(world.told(5), Verdict::Approved);
    world.follow_by_key(6, 2, Operation::Completion, original, Some(1233));
    assert_eq!(world.refused(6), Refusal::KeyMismatch);
    let part = world.pre_authorize(7);
    let capture = world.follow(8, Operation::Completion, part, Some(1000));
    world.answer(capture, AnswerClass::Approved);
    world.follow_by_key(9, 8, Operation::Completion, part, None);
    assert_eq!(world.refused(9), Refusal::KeyMismatch);
}

#[test]
fn a_silent_advice_is_repeated_and_never_reversed() {
    let mut world = World::new();
    let original = world.purchase(1);
    let refund = world.follow(2, Operation::Refund, original, Some(34));
    world.wait(15);
    assert_eq!(world.told(2), Verdict::Pending(PendingReason::AwaitingHost));
    world.hear(Input::Written(refund, Attempt::Repeat(2)));
    world.wait(31);
    assert_eq!(
        world.attempts(refund),
        [(Attempt::Original, false), (Attempt::Repeat(2), true), (Attempt::Repeat(3), true)]
    );
    world.follow(3, Operation::Refund, original, Some(1201));
    assert_eq!(world.refused(3), Refusal::OverOriginal, "its amount stays reserved");
    world.answer(refund, AnswerClass::Approved);
    assert_eq!(world.verdict(refund), Verdict::Approved);
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn after_a_crash_an_advice_goes_out_as_a_repeat() {
    let mut world = World::new();
    let original = world.purchase(1);
    let refund = world.follow(2, Operation::Refund, original, Some(34));
    world.crash();
    assert_eq!(world.attempts(refund).last(), Some(&(Attempt::Repeat(2), true)));
    world.hear(Input::NotSent(refund, Attempt::Repeat(2), NotSentReason::NoLine));
    assert_eq!(world.verdict(refund), Verdict::Pending(PendingReason::AwaitingHost));
    world.wait(11);
    assert_eq!(world.attempts(refund).last(), Some(&(Attempt::Repeat(2), true)));
}

#[test]
fn an_advice_without_an_answer_waits_for_a_person() {
    let mut world = World::new();
    let original = world.purchase(1);
    let refund = world.follow(2, Operation::Refund, original, Some(34));
    for attempt in 2..200 {
        world.hear(Input::Written(refund, Attempt::Repeat(attempt)));
        world.wait(31);
    }
    assert_eq!(world.verdict(refund), Verdict::Pending(PendingReason::UnderReview));
    let act = |waiter, act| {
        Input::Operator(OperatorAct {
            waiter: Waiter(waiter),
            id: refund,
            by: "ann".into(),
            reason: "the host was mended".into(),
            act,
        })
    };
    world.hear(act(50, CaseAct::Retry));
    assert!(matches!(world.attempts(refund).last(), Some((Attempt::Repeat(_), true))));
    world.answer(refund, AnswerClass::Approved);
    assert_eq!(world.verdict(refund), Verdict::Approved);
}

fn closed(world: &mut World, refund: PaymentId, resolution: Resolution) {
    for attempt in 2..200 {
        world.hear(Input::Written(refund, Attempt::Repeat(attempt)));
        world.wait(31);
    }
    world.hear(Input::Operator(OperatorAct {
        waiter: Waiter(90),
        id: refund,
        by: "ann".into(),
        reason: "seen in the host's books".into(),
        act: CaseAct::Close(resolution),
    }));
}

#[test]
fn an_advice_that_the_host_posted_silently_is_closed_as_posted_and_counts() {
    let mut world = World::new();
    let original = world.purchase(1);
    let refund = world.follow(2, Operation::Refund, original, Some(1000));
    closed(&mut world, refund, Resolution::Posted);
    assert_eq!(world.told(90), Verdict::Pending(PendingReason::UnderReview), "one person's word");
    world.hear(Input::Operator(OperatorAct {
        waiter: Waiter(91),
        id: refund,
        by: "bob".into(),
        reason: "seen there too".into(),
        act: CaseAct::Close(Resolution::Posted),
    }));
    assert_eq!(world.told(91), Verdict::Approved);
    assert_eq!(world.follow_ups(original).refunded, 1000);
    world.follow(3, Operation::Refund, original, Some(235));
    assert_eq!(world.refused(3), Refusal::OverOriginal);
    let reversed = world.pay(4);
    world.wait(16);
    world.answer_reversal(reversed, ReversalVerdict::Refused);
    closed(&mut world, reversed, Resolution::Posted);
    assert_eq!(world.verdict(reversed), Verdict::Pending(PendingReason::UnderReview));
}

#[test]
fn an_approval_after_a_person_said_never_posted_is_suspect_and_stays_reserved() {
    let mut world = World::new();
    let original = world.purchase(1);
    let refund = world.follow(2, Operation::Refund, original, Some(1000));
    closed(&mut world, refund, Resolution::DeclinedNeverPosted);
    world.answer(refund, AnswerClass::Approved);
    assert!(world.engine.book.get(refund).unwrap().payment.suspect);
    assert_eq!(world.verdict(refund), Verdict::Declined(DeclineReason::NeverPosted));
    world.follow(3, Operation::Refund, original, Some(235));
    assert_eq!(world.refused(3), Refusal::OverOriginal);
}

#[test]
fn an_advice_of_before_a_restart_does_not_hold_its_card() {
    let mut world = World::new();
    let original = world.purchase(1);
    let refund = world.follow(2, Operation::Refund, original, Some(34));
    world.wait(16);
    world.crash();
    assert_eq!(world.verdict(refund), Verdict::Pending(PendingReason::AwaitingHost));
    let card = world.engine.book.get(refund).unwrap().payment.request.card.clone();
    world.pay_as(3, 3, |request| request.card = card);
    assert!(!world.replies.contains_key(&3), "it is under way");
}

#[test]
fn an_inquiry_without_an_answer_is_declined_and_nothing_more_is_sent() {
    let mut world = World::new();
    let mut inquiry = incoming(1, 1);
    if let Ask::New { request, routes } = &mut inquiry.ask {
        request.operation = Operation::BalanceInquiry;
        routes[0].silence = Silence::Inquiry;
    }
    let id = inquiry.id;
    world.hear(Input::Request(Box::new(inquiry)));
    world.wait(16);
    assert_eq!(world.told(1), Verdict::Declined(DeclineReason::HostTimeout));
    world.answer(id, AnswerClass::Approved);
    assert_eq!(world.verdict(id), Verdict::Declined(DeclineReason::HostTimeout));
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn an_order_whose_payment_was_voided_can_be_paid_anew() {
    let mut world = World::new();
    let first = world.purchase(1);
    let order = |request: &mut Request| request.order = OrderId::parse("order-1").unwrap();
    let void = world.follow(2, Operation::Void, first, None);
    world.pay_as(3, 3, order);
    assert_eq!(world.refused(3), Refusal::OrderInUse, "the void is not final yet");
    world.answer(void, AnswerClass::Approved);
    world.forget();
    let second = world.pay_as(4, 4, order);
    world.answer(second, AnswerClass::Approved);
    assert_eq!(world.told(4), Verdict::Approved);
}

#[test]
fn inquiries_and_follow_ups_do_not_occupy_an_order() {
    let mut world = World::new();
    let id = world.pay(1);
    world.answer(id, AnswerClass::Declined);
    let verification = |request: &mut Request| {
        request.operation = Operation::CardVerification;
        request.order = OrderId::parse("order-1").unwrap();
    };
    let verified = world.pay_as(2, 2, verification);
    world.answer(verified, AnswerClass::Approved);
    let paid = world.pay_as(3, 3, |request| request.order = OrderId::parse("order-1").unwrap());
    world.answer(paid, AnswerClass::Approved);
    assert_eq!(world.told(3), Verdict::Approved);
    world.pay_as(4, 4, |request| request.order = OrderId::parse("order-1").unwrap());
    assert_eq!(world.refused(4), Refusal::OrderInUse);
}

/// Seeded chaos over originals and their follow-ups: at every step no original has given back or
/// completed more than was approved, and at the end nothing is open.
#[test]
fn whatever_happens_no_original_gives_more_than_it_has() {
    for seed in 1..=200_u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut roll = move |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        let mut world = World::new();
        let originals = [world.purchase(1), world.pre_authorize(2), world.pre_authorize(3)];
        let mut results = BTreeMap::new();
        for step in 0..100 {
            let original = originals[usize::try_from(roll(3)).unwrap()];
            let ids: Vec<_> = world.sent.iter().map(|outgoing| outgoing.id).collect();
            let id = ids[usize::try_from(roll(ids.len() as u64)).unwrap()];
            let minor = i64::try_from(1 + roll(800)).unwrap();
            let waiter = 1000 + step;
            // A few keys only, so that retries and mismatches occur.
            let key = 10 + roll(40);
            let mut follow = |operation, minor| {
                let _ = world.follow_by_key(waiter, key, operation, original, minor);
            };
            match roll(12) {
                0 | 1 => follow(Operation::Refund, Some(minor)),
                2 => follow(Operation::Completion, Some(minor)),
                3 if roll(4) == 0 => follow(Operation::Void, None),
                4 | 5 => world.answer(id, AnswerClass::Approved),
                6 => world.answer(id, AnswerClass::Declined),
                7 => world.crash(),
                8 => world.forget_what_may_go(),
                9 => world.hear(Input::HostUp(host(), roll(2) == 0)),
                _ => world.wait(1 + roll(20)),
            }
            check_final(&world, &mut results, seed, step);
            check_sums(&world, seed, step);
        }
        drain(&mut world);
        check_final(&world, &mut results, seed, u64::MAX);
        assert_eq!(world.engine.book.open().count(), 0, "seed {seed}");
        assert!(!world.alarms.iter().any(|it| matches!(it, Alarm::WrongTurn(_))), "seed {seed}");
    }
}

impl World {
    fn forget_what_may_go(&mut self) {
        self.engine.settings.recent_payments_max = 0;
        self.hear(Input::Projected(Sequence(u64::MAX)));
    }
}

/// What the journal holds, counted by itself.
#[track_caller]
fn check_sums(world: &World, seed: u64, step: u64) {
    let mut payments: BTreeMap<PaymentId, Vec<Durable<Group>>> = BTreeMap::new();
    for group in &world.journal {
        if let Some(id) = group.get().records.first().and_then(Record::payment) {
            payments.entry(id).or_default().push(group.clone());
        }
    }
    let payments: Vec<Payment> = payments
        .values()
        .map(|groups| Payment::fold(&merge(groups).get().records).unwrap().unwrap())
        .collect();
    for original in payments.iter().filter(|it| it.request.operation.pays_for_order()) {
        let followed = payments
            .iter()
            .filter(|it| it.request.original == Some(original.id))
            .filter(|it| matches!(it.verdict(), Verdict::Pending(_) | Verdict::Approved));
        let (mut refunds, mut captures, mut voids) = (0, Vec::new(), 0);
        for it in followed {
            match it.request.operation {
                Operation::Refund => refunds += it.request.amount.minor,
                Operation::Completion => captures.push(it.request.amount.minor),
                _ => voids += 1,
            }
        }
        let taken = match original.request.operation {
            Operation::Purchase => amount().minor,
            _ => captures.iter().sum(),
        };
        let place = format!("seed {seed}, step {step}, original {}", original.id);
        assert!(refunds <= taken, "{place}: {refunds} given back of {taken}");
        assert!(captures.len() <= 1 && captures.iter().all(|it| *it <= 1234), "{place}");
        assert!(voids <= 1 && (voids == 0 || (refunds == 0 && captures.is_empty())), "{place}");
    }
}
