//! Records for tests: one of every kind, and short payments. Test card numbers only appear as the
//! bin and last four of test BINs.
#![allow(clippy::unwrap_used, reason = "a sample that is none is a fault of the test")]

use tidegate_payment::card::{CardHash, CardRef, Expiry};
use tidegate_payment::id::{
    ChannelId, HostId, IdempotencyKey, LineId, MerchantId, Nonce, OrderId, PaymentId, Rrn, Stan,
    TerminalId,
};
use tidegate_payment::money::{Balance, BalanceKind, Currency, Money};
use tidegate_payment::record::{
    Accepted, AdviceParked, AdviceRefused, AdviceRepeated, AnswerClass, Answered, Block,
    CaseClosed, CaseRetried, CloseProposed, DateMoved, Deferred, Group, HostAnswer, Lapsed, Leased,
    NotSent, NotSentReason, ParkReason, Precondition, Record, RepeatAbandoned, Resolution,
    ReversalAnswered, ReversalDue, ReversalParked, ReversalRepeated, ReversalVerdict, Reversed,
    SendIntent, SilenceReason, TimedOut,
};
use tidegate_payment::request::{
    Acceptor, Definitions, DsTransaction, Eci, Freshness, HostFields, Operation, OriginalFields,
    Request, Route, Silence,
};
use tidegate_payment::time::{BusinessDate, LocalTime, Timestamp};

pub(crate) const NOON: i64 = 1_795_348_800_000_000;

pub(crate) fn id(number: u64) -> PaymentId {
    PaymentId(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number))
}

pub(crate) fn at(number: u64) -> Timestamp {
    Timestamp(NOON + i64::try_from(number).unwrap() * 1_000_000)
}

pub(crate) fn merchant() -> MerchantId {
    MerchantId::parse("m-1001").unwrap()
}

pub(crate) fn date() -> BusinessDate {
    BusinessDate { year: 2026, month: 11, day: 22 }
}

pub(crate) fn euros(minor: i64) -> Money {
    Money::payable(minor, Currency::from_alphabetic("EUR").unwrap()).unwrap()
}

pub(crate) fn line() -> LineId {
    LineId::parse("a").unwrap()
}

pub(crate) fn request(number: u64) -> Request {
    Request {
        merchant: merchant(),
        channel: ChannelId::parse("rest").unwrap(),
        operation: Operation::Purchase,
        key: IdempotencyKey::parse(&format!("key-{number}")).unwrap(),
        freshness: Freshness {
            created: at(number),
            nonce: Nonce::parse(&format!("nonce-{number:04}")).unwrap(),
        },
        order: OrderId::parse(&format!("A-{number}")).unwrap(),
        amount: euros(1234),
        card: CardRef {
            bin: "400000".into(),
            last4: "0002".into(),
            hash: CardHash([0xAB; 32]),
            expiry: Expiry::new(2029, 12).unwrap(),
            sealed: vec![0xC5; 48],
        },
        eci: Eci::parse("05"),
        ds_transaction: None,
        original: None,
    }
}

/// A refund of payment `original`, of its order.
pub(crate) fn refund(number: u64, original: u64) -> Group {
    let request = Request {
        operation: Operation::Refund,
        amount: euros(234),
        original: Some(id(original)),
        ds_transaction: DsTransaction::parse("f25084f0-5b16-4c0a-ae5d-b24808a95e4b"),
        ..self::request(original)
    };
    let key = IdempotencyKey::parse(&format!("key-{number}")).unwrap();
    let request = Request { key, ..request };
    let Record::SendIntent(mut intent) = send_intent(number) else { return Group::default() };
    intent.fields.route.silence = Silence::Advice;
    intent.fields.original = Some(Box::new(OriginalFields {
        operation: Operation::Purchase,
        stan: Stan::new(42).unwrap(),
        rrn: Rrn::parse("632600000042").unwrap(),
        transmitted: at(original),
        business_date: date(),
        approval_code: Some("A12345".into()),
        amount: euros(1234),
    }));
    let accepted = Accepted { id: id(number), at: at(number), request };
    Group {
        records: vec![Record::Accepted(Box::new(accepted)), Record::SendIntent(intent)],
        preconditions: vec![Precondition::KeyIsNew(id(number))],
    }
}

pub(crate) fn advice_repeated(number: u64, attempt: u32) -> Record {
    Record::AdviceRepeated(AdviceRepeated { id: id(number), at: at(number + 15), attempt })
}

/// An answer that tells what is on the card.
pub(crate) fn balances(number: u64) -> Record {
    let balance = |kind, minor| {
        let amount = Money { minor, currency: euros(1).currency };
        Balance { kind, amount }
    };
    let balances = vec![balance(BalanceKind::Ledger, -250), balance(BalanceKind::Available, 0)];
    let answer = HostAnswer { balances, ..answer(AnswerClass::Approved, "00") };
    Record::Answered(Answered { id: id(number), at: at(number + 1), answer })
}

pub(crate) fn accepted(number: u64) -> Record {
    let request = request(number);
    Record::Accepted(Box::new(Accepted { id: id(number), at: at(number), request }))
}

pub(crate) fn send_intent(number: u64) -> Record {
    let fields = HostFields {
        route: Route {
            host: HostId::parse("bank").unwrap(),
            acquirer: "00000123456".into(),
            forwarder: None,
            definitions: Definitions { dialect: [0xD1; 32], mapping: [0x3A; 32] },
            silence: Silence::Reversal,
        },
        acceptor: Acceptor {
            category: "5942".into(),
            terminal: TerminalId::parse("TERM0001").unwrap(),
            number: "CORNERBOOKS0001".into(),
            name_location: "Corner Books           Berlin       DE".into(),
        },
        stan: Stan::new(u32::try_from(number).unwrap() % 999_999 + 1).unwrap(),
        rrn: Rrn::parse(&format!("6326{number:08}")).unwrap(),
        transmitted: at(number),
        local: LocalTime { month: 11, day: 22, hour: 13, minute: 0, second: 9 },
        business_date: date(),
        original: None,
    };
    Record::SendIntent(Box::new(SendIntent { id: id(number), at: at(number), fields }))
}

fn answer(class: AnswerClass, response_code: &str) -> HostAnswer {
    let approved = matches!(class, AnswerClass::Approved | AnswerClass::Partial);
    HostAnswer {
        response_code: response_code.into(),
        class,
        approval_code: approved.then(|| "A12345".into()),
        amount: euros(1234),
        line: line(),
        balances: Vec::new(),
    }
}

pub(crate) fn approved(number: u64) -> Record {
    let answer = answer(AnswerClass::Approved, "00");
    Record::Answered(Answered { id: id(number), at: at(number + 1), answer })
}

pub(crate) fn declined(number: u64) -> Record {
    let answer = answer(AnswerClass::Declined, "51");
    Record::Answered(Answered { id: id(number), at: at(number + 1), answer })
}

pub(crate) fn late_approval(number: u64) -> Record {
    let answer = answer(AnswerClass::Approved, "00");
    Record::LateAnswer(Answered { id: id(number), at: at(number + 40), answer })
}

pub(crate) fn timed_out(number: u64) -> Record {
    let why = SilenceReason::Deadline;
    Record::TimedOut(TimedOut { id: id(number), at: at(number + 15), why })
}

pub(crate) fn reversal_due(number: u64) -> Record {
    Record::ReversalDue(ReversalDue { id: id(number), at: at(number + 15) })
}

pub(crate) fn reversal_repeated(number: u64, attempt: u32) -> Record {
    let at = at(number + 25);
    Record::ReversalRepeated(ReversalRepeated { id: id(number), at, attempt })
}

pub(crate) fn reversal_answered(number: u64, verdict: ReversalVerdict) -> Record {
    Record::ReversalAnswered(ReversalAnswered {
        id: id(number),
        at: at(number + 26),
        response_code: "00".into(),
        verdict,
        line: line(),
    })
}

pub(crate) fn reversed(number: u64, suspect: bool) -> Record {
    Record::Reversed(Reversed { id: id(number), at: at(number + 26), suspect })
}

pub(crate) fn parked(number: u64) -> Record {
    let why = ParkReason::Refused;
    Record::ReversalParked(ReversalParked { id: id(number), at: at(number + 27), why })
}

pub(crate) fn case_closed(number: u64) -> Record {
    Record::CaseClosed(CaseClosed {
        id: id(number),
        at: at(number + 90),
        resolution: Resolution::Reversed,
        by: "anna".into(),
        reason: "seen in the host's file".into(),
    })
}

pub(crate) fn case_retried(number: u64) -> Record {
    Record::CaseRetried(CaseRetried {
        id: id(number),
        at: at(number + 60),
        by: "anna".into(),
        reason: "the host is well again".into(),
    })
}

pub(crate) fn date_moved() -> Record {
    Record::DateMoved(DateMoved { at: at(0), date: date() })
}

pub(crate) fn stan_lease(first: u32) -> Record {
    let host = HostId::parse("bank").unwrap();
    let block = Block::Stan { host, first: Stan::new(first).unwrap(), count: 1000 };
    Record::Leased(Leased { at: at(0), block })
}

pub(crate) fn rrn_lease(first: u32) -> Record {
    Record::Leased(Leased { at: at(0), block: Block::Rrn { first, count: 1000 } })
}

/// One record of every kind, in the order of their numbers.
pub(crate) fn every_kind() -> Vec<Record> {
    let not_sent = NotSent { id: id(7), at: at(7), why: NotSentReason::NoLine };
    vec![
        accepted(7),
        send_intent(7),
        Record::NotSent(not_sent),
        approved(7),
        timed_out(7),
        reversal_due(7),
        reversal_repeated(7, 2),
        reversal_answered(7, ReversalVerdict::UnknownOriginal),
        reversed(7, true),
        parked(7),
        late_approval(7),
        case_retried(7),
        case_closed(7),
        date_moved(),
        stan_lease(1),
        advice_repeated(7, 2),
        Record::AdviceParked(AdviceParked { id: id(7), at: at(7), why: ParkReason::Exhausted }),
        Record::Lapsed(Lapsed { id: id(7), at: at(7), why: SilenceReason::Deadline }),
        Record::Deferred(Deferred {
            id: id(7),
            at: at(7),
            response_code: "91".into(),
            line: line(),
        }),
        Record::AdviceRefused(AdviceRefused {
            id: id(7),
            at: at(7),
            response_code: "30".into(),
            line: line(),
        }),
        Record::RepeatAbandoned(RepeatAbandoned { id: id(7), at: at(7) }),
        Record::CloseProposed(CloseProposed {
            id: id(7),
            at: at(7),
            resolution: Resolution::Posted,
            by: "anna".into(),
            reason: "seen in the host's file".into(),
        }),
    ]
}

/// The first group of a payment.
pub(crate) fn begin(number: u64) -> Group {
    Group {
        records: vec![accepted(number), send_intent(number)],
        preconditions: vec![Precondition::KeyIsNew(id(number))],
    }
}

/// A later group, for a payment that has had `version` records.
pub(crate) fn later(number: u64, version: u32, records: Vec<Record>) -> Group {
    Group { records, preconditions: vec![Precondition::AtVersion(id(number), version)] }
}

/// The group that reverses a payment after silence.
pub(crate) fn silence(number: u64) -> Group {
    later(number, 2, vec![timed_out(number), reversal_due(number)])
}
