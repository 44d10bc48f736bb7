//! Messages of one payment, from encode to judge.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use proptest::prelude::*;
use tidegate_iso8583::{explain::ExplainOptions, pack::Builder, parse::Message};
use tidegate_payment::{
    card::{Cavv, Pan, Secrets, SecurityCode},
    effect::Outgoing,
    id::{LineId, Rrn, Stan, TerminalId},
    input::Attempt,
    money::{Currency, Money},
    record::{AnswerClass, ReversalVerdict},
    request::Operation,
    time::Timestamp,
};

use crate::{
    encode::EncodeError,
    judge::{Disagreement, Judged},
    network::NetworkKind,
    read::Kind,
    sample,
    sample_payment::{SampleMessage, SamplePayment},
    source::{Collector, Source},
    vector_file,
};

const PURCHASE: Source<'_> = Source {
    name: "purchase.toml",
    text: include_str!("../../../protocols/mappings/iso87-ascii/vectors/purchase.toml"),
};

fn payment() -> SamplePayment {
    let mut faults = Collector::new(PURCHASE);
    vector_file::read(PURCHASE, true, &mut faults).0.unwrap()
}

/// A reply that echoes these elements of a message and adds others.
fn reply(message: &Message<'_>, echoed: &[u8], added: &[(u8, &str)]) -> Vec<u8> {
    let definition = sample::definition();
    let mti = definition.dialect().reply_to(message.mti()).unwrap();
    let mut builder = Builder::new(definition.wire(), mti);
    for number in echoed {
        if let Some(text) = message.get(*number) {
            builder.set(*number, &text).unwrap();
        }
    }
    for (number, text) in added {
        builder.set(*number, text).unwrap();
    }
    let mut body = Vec::new();
    builder.pack(&mut body).unwrap();
    body
}

const ALL_ECHOED: [u8; 10] = [2, 3, 4, 7, 11, 32, 37, 41, 42, 49];

fn never(_: &str) -> bool {
    panic!("the reply carries no card number")
}

#[test]
fn a_repeat_of_a_request_is_marked_and_changes_nothing_else() {
    let (definition, payment) = (sample::definition(), payment());
    let first = payment.outgoing(SampleMessage::Original);
    let again = Outgoing { repeat: true, ..first.clone() };
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let key = definition.encode(&first, &payment.card, &Secrets::default(), &mut one).unwrap();
    assert_eq!(
        definition.encode(&again, &payment.card, &Secrets::default(), &mut two).unwrap(),
        key
    );
    assert_eq!(&two[..4], b"0201");
    assert_eq!(one[4..], two[4..]);
}

#[test]
fn a_reversal_never_carries_the_security_code_it_is_given() {
    let (definition, payment) = (sample::definition(), payment());
    let security_code = SecurityCode::parse("9753").ok();
    let cavv = Cavv::parse("AJkBBkhgQQAAAE4gSEJydQAAAAA=").ok();
    let secrets = Secrets { security_code, cavv };
    let mut frames = Vec::new();
    for message in [SampleMessage::Original, SampleMessage::Reversal, SampleMessage::Repeat] {
        let mut frame = Vec::new();
        let out = payment.outgoing(message);
        definition.encode(&out, &payment.card, &secrets, &mut frame).unwrap();
        frames.push(String::from_utf8(frame).unwrap());
    }
    assert!(frames[0].contains("CV049753"));
    assert!(!frames[1].contains("9753") && !frames[2].contains("9753"));
}

#[test]
fn the_first_reversal_is_marked_as_a_repeat_when_the_engine_says_so() {
    let (definition, payment) = (sample::definition(), payment());
    let out = Outgoing { repeat: true, ..payment.outgoing(SampleMessage::Reversal) };
    let mut frame = Vec::new();
    definition.encode(&out, &payment.card, &Secrets::default(), &mut frame).unwrap();
    assert_eq!(&frame[..4], b"0421");
}

#[test]
fn a_message_that_cannot_be_written_leaves_nothing_behind() {
    let (definition, payment) = (sample::definition(), payment());
    let mut out = payment.outgoing(SampleMessage::Original);
    out.fields.acceptor.number = "longer than 15 characters".to_owned();
    let mut frame = b"before".to_vec();
    let error =
        definition.encode(&out, &payment.card, &Secrets::default(), &mut frame).unwrap_err();
    assert!(matches!(error, EncodeError::Pack(_)), "{error}");
    assert_eq!(frame, b"before");
}

#[test]
fn keys_of_different_messages_differ() {
    let (definition, payment) = (sample::definition(), payment());
    let fields = payment.outgoing(SampleMessage::Original).fields;
    let keys = |change: &dyn Fn(&mut tidegate_payment::request::HostFields)| {
        let mut fields = fields.clone();
        change(&mut fields);
        definition.recovered_keys(Operation::Purchase, &fields).unwrap()
    };
    let terminal = |text| TerminalId::parse(text).unwrap();
    let all = [
        keys(&|_| {}),
        keys(&|f| f.stan = Stan::new(124).unwrap()),
        keys(&|f| f.rrn = Rrn::parse("632612000002").unwrap()),
        keys(&|f| f.transmitted = Timestamp(f.transmitted.0 + 1_000_000)),
        keys(&|f| f.acceptor.terminal = terminal("TERM0002")),
        keys(&|f| f.acceptor.number = "ANOTHER".to_owned()),
        // Values that hold the separator of a key, on either side of it.
        keys(&|f| {
            (f.acceptor.terminal, f.acceptor.number) = (terminal("AAAAAA|B"), "C".to_owned())
        }),
        keys(&|f| {
            (f.acceptor.terminal, f.acceptor.number) = (terminal("AAAAAA  "), "B|C".to_owned())
        }),
    ];
    let mut each: Vec<_> =
        all.iter().flat_map(|keys| [Some(&keys.original), keys.reversal.as_ref()]).collect();
    let count = each.len();
    each.sort();
    each.dedup();
    assert_eq!(each.len(), count);
}

#[test]
fn an_answer_becomes_the_engine_s_with_the_line_it_came_on() {
    let (definition, payment) = (sample::definition(), payment());
    let out = payment.outgoing(SampleMessage::Original);
    let mut sent = Vec::new();
    definition.encode(&out, &payment.card, &Secrets::default(), &mut sent).unwrap();
    let sent = definition.dialect().parse(&sent).unwrap();
    let body = reply(&sent, &[4, 7, 11, 37, 41, 42], &[(38, "OK1"), (39, "00")]);
    let message = definition.read(&body).unwrap();
    let Judged::Answer(answer) = definition.judge(&message, &out, &never).unwrap() else {
        panic!("an answer was expected")
    };
    let line = LineId::parse("a").unwrap();
    let answer = answer.on(line.clone());
    assert_eq!((answer.class, answer.line), (AnswerClass::Approved, line));
    assert_eq!(answer.approval_code.as_deref(), Some("OK1"));
    assert_eq!(answer.amount, out.request.amount);
}

#[test]
fn an_answer_to_any_attempt_of_a_reversal_closes_it() {
    let (definition, payment) = (sample::definition(), payment());
    let (first, repeat) =
        (payment.outgoing(SampleMessage::Reversal), payment.outgoing(SampleMessage::Repeat));
    let mut sent = Vec::new();
    let key =
        definition.encode(&first, &payment.card, &Secrets::default(), &mut sent).unwrap().match_key;
    let sent = definition.dialect().parse(&sent).unwrap();
    let body = reply(&sent, &ALL_ECHOED, &[(39, "00")]);
    let message = definition.read(&body).unwrap();
    assert_eq!(message.match_key(), Some(key.as_slice()));
    for out in [&first, &repeat] {
        let judged = definition.judge(&message, out, &|digits| digits == payment.card.expose());
        let Ok(Judged::Reversal(said)) = judged else { panic!("{judged:?}") };
        assert_eq!(said.verdict, ReversalVerdict::Accepted);
    }
    let original = payment.outgoing(SampleMessage::Original);
    let judged = definition.judge(&message, &original, &|_| true);
    assert!(matches!(judged, Err(Disagreement::Type { .. })), "{judged:?}");
}

#[test]
fn the_swapped_answers_of_two_payments_disagree() {
    let (definition, payment) = (sample::definition(), payment());
    let one = payment.outgoing(SampleMessage::Original);
    let mut two = one.clone();
    two.request.amount.minor = 999;
    let mut sent = Vec::new();
    definition.encode(&two, &payment.card, &Secrets::default(), &mut sent).unwrap();
    let sent = definition.dialect().parse(&sent).unwrap();
    let body = reply(&sent, &ALL_ECHOED, &[(39, "00")]);
    let message = definition.read(&body).unwrap();
    let judged = definition.judge(&message, &one, &|_| true).unwrap_err();
    assert!(matches!(judged, Disagreement::Amount { .. }), "{judged}");
    let judged = definition.judge(&message, &two, &|_| false).unwrap_err();
    assert_eq!(judged, Disagreement::Card { field: 2 });
}

#[test]
fn a_network_reply_finds_its_request_and_says_whether_the_host_agrees() {
    let definition = sample::definition();
    for (code, agreed) in [("00", true), ("05", false)] {
        let mut sent = Vec::new();
        let stan = Stan::new(7).unwrap();
        let keys =
            definition.network_request(NetworkKind::SignOn, stan, Timestamp(0), &mut sent).unwrap();
        let sent = definition.dialect().parse(&sent).unwrap();
        let body = reply(&sent, &[7, 11, 70], &[(39, code)]);
        let message = definition.read(&body).unwrap();
        let expected = Kind::NetworkReply { key: keys.match_key, ok: agreed };
        assert_eq!(*message.kind(), expected);
        let silent = reply(&sent, &[7, 11, 70], &[]);
        let Kind::NetworkReply { ok, .. } = definition.read(&silent).unwrap().kind().clone() else {
            panic!("a reply was expected")
        };
        assert!(!ok, "no response code is no agreement");
    }
    let unknown = definition.network_request(
        NetworkKind::Unknown,
        Stan::new(1).unwrap(),
        Timestamp(0),
        &mut Vec::new(),
    );
    assert_eq!(unknown, Err(EncodeError::NoCode(NetworkKind::Unknown)));
}

#[test]
fn nothing_that_is_printed_holds_the_card_number() {
    let (definition, payment) = (sample::definition(), payment());
    let out = payment.outgoing(SampleMessage::Original);
    let mut sent = Vec::new();
    definition.encode(&out, &payment.card, &payment.secrets, &mut sent).unwrap();
    let explained = definition.explain(&sent, ExplainOptions::default()).to_string();
    assert!(explained.contains("retrieval reference number"));
    let sent = definition.dialect().parse(&sent).unwrap();
    let body = reply(&sent, &ALL_ECHOED, &[(39, "00")]);
    let message = definition.read(&body).unwrap();
    let error = definition.judge(&message, &out, &|_| false).unwrap_err();
    for text in [explained, format!("{message:?} {:?}", message.kind()), error.to_string()] {
        assert!(!text.contains(payment.card.expose()), "{text}");
        assert!(!text.contains("CV03123"), "{text}");
    }
}

pub(crate) fn any_payment() -> impl Strategy<Value = (Outgoing, Pan)> {
    let numbers =
        (1..=999_999_999_999_i64, 1..=999_999_u32, 0..4_102_444_800_i64, 0..100_000_000_u32);
    let texts = ("[!-~]{8}", "[!-~][ -~]{0,13}[!-~]", "[0-9]{1,11}", "[0-9]{12,19}");
    (
        numbers,
        texts,
        prop::option::of("[0-9]{1,11}"),
        prop::option::of("[A-Z0-9]{1,6}"),
        any::<bool>(),
    )
        .prop_map(|(numbers, texts, forwarder, approval_code, yen)| {
            let mut out = payment().outgoing(SampleMessage::Original);
            let currency = Currency::from_alphabetic(if yen { "JPY" } else { "EUR" }).unwrap();
            out.request.amount = Money { minor: numbers.0, currency };
            out.fields.stan = Stan::new(numbers.1).unwrap();
            out.fields.transmitted = Timestamp(numbers.2 * 1_000_000);
            out.fields.rrn = Rrn::parse(&format!("6326{:08}", numbers.3)).unwrap();
            out.fields.acceptor.terminal = TerminalId::parse(&texts.0).unwrap();
            out.fields.acceptor.number = texts.1;
            out.fields.route.acquirer = texts.2;
            out.fields.route.forwarder = forwarder;
            out.approval_code = approval_code;
            (out, Pan::parse(&texts.3).unwrap())
        })
}

proptest! {
    #[test]
    fn any_payment_is_written_matched_and_reversed((original, card) in any_payment()) {
        let definition = sample::definition();
        let recovered = definition.recovered_keys(Operation::Purchase, &original.fields).unwrap();
        let reversal = Outgoing { attempt: Attempt::Reversal(1), ..original.clone() };
        let repeat = Outgoing { attempt: Attempt::Reversal(2), repeat: true, ..original.clone() };
        let mut frames = Vec::new();
        for (out, key) in [
            (&original, &recovered.original),
            (&reversal, recovered.reversal.as_ref().unwrap()),
            (&repeat, recovered.reversal.as_ref().unwrap()),
        ] {
            let mut frame = Vec::new();
            let keys = definition.encode(out, &card, &Secrets::default(), &mut frame).unwrap();
            prop_assert_eq!(&keys.match_key, key, "the same after a restart");
            let sent = definition.dialect().parse(&frame).unwrap();
            let body = reply(&sent, &ALL_ECHOED, &[(39, "00")]);
            let message = definition.read(&body).unwrap();
            prop_assert_eq!(message.match_key(), Some(key.as_slice()), "an honest reply finds it");
            let judged = definition.judge(&message, out, &|digits| digits == card.expose());
            prop_assert!(matches!(judged, Ok(Judged::Answer(_) | Judged::Reversal(_))));
            frames.push(frame);
        }
        prop_assert_eq!(&frames[1][4..], &frames[2][4..], "a repeat changes its type alone");
        let first = definition.dialect().parse(&frames[0]).unwrap();
        let second = definition.dialect().parse(&frames[1]).unwrap();
        for number in second.numbers().filter(|number| !matches!(number, 38 | 90)) {
            prop_assert_eq!(first.get(number), second.get(number), "DE{} is kept", number);
        }
        let part = |number, width: usize| {
            format!("{:0>width$}", first.get(number).unwrap_or_default())
        };
        let data = format!("0200{}{}{}{}", part(11, 6), part(7, 10), part(32, 11), part(33, 11));
        prop_assert_eq!(second.get(90).unwrap(), data);
    }
}
