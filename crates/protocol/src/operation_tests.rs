//! All operations, in both shipped definitions.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use proptest::{prelude::*, strategy::ValueTree as _};
use tidegate_iso8583::{
    explain::{BrokenValues, ExplainOptions},
    pack::Builder,
};
use tidegate_payment::{
    card::{Cavv, Pan, Secrets, SecurityCode},
    effect::Outgoing,
    id::{Rrn, Stan},
    input::Attempt,
    record::AnswerClass,
    request::{DsTransaction, Operation, OriginalFields, Silence},
    time::{BusinessDate, Timestamp},
};

use crate::{
    definition::Definition, encode::EncodeError, judge::Judged, path_tests::any_payment, sample,
    source::Source,
};

/// Faults of the shipped mapping after a change within the tables of one operation.
fn faults(operation: &str, from: &str, to: &str) -> Vec<String> {
    let start = sample::MAPPING.find(&format!("\n[operation.{operation}]")).unwrap() + 1;
    let (before, rest) = sample::MAPPING.split_at(start);
    let end = rest.find("\n\n#").unwrap_or(rest.len());
    let (here, after) = rest.split_at(end);
    assert!(here.contains(from), "{operation} has no `{from}`");
    let text = format!("{before}{}{after}", here.replacen(from, to, 1));
    let built = Definition::build(sample::dialect(), Source { name: "m.toml", text: &text });
    let Err(faults) = built else { return Vec::new() };
    let told = |fault: &crate::source::Fault| match &fault.expected {
        Some(expected) => format!("{}, expected {expected}", fault.message),
        None => fault.message.clone(),
    };
    faults.list().iter().map(told).collect()
}

#[test]
fn both_definitions_take_all_operations() {
    use Silence::{Advice, Inquiry, Reversal};
    let all = [
        (Operation::Purchase, Reversal),
        (Operation::PreAuthorization, Reversal),
        (Operation::Completion, Advice),
        (Operation::Void, Advice),
        (Operation::Refund, Advice),
        (Operation::BalanceInquiry, Inquiry),
        (Operation::CardVerification, Inquiry),
    ];
    for definition in [sample::definition(), sample::binary()] {
        assert_eq!(definition.operations(), all.into_iter().collect());
    }
}

#[test]
fn each_operation_meets_silence_in_a_way_that_fits_it() {
    let (reversed, none) = ("on_silence = \"reversal\"", "on_silence = \"inquiry\"");
    let table = [
        ("void", reversed, "the key `reversal` of `operation.void` is missing"),
        ("void", none, "a void is a reversal itself: silence calls for repeats, expected `advice`"),
        (
            "completion",
            none,
            "it moves money: silence calls for repeats, or for a reversal, expected `advice` or \
             `reversal`",
        ),
        ("refund", reversed, "the key `reversal` of `operation.refund` is missing"),
    ];
    for (operation, to, expected) in table {
        assert_eq!(faults(operation, "on_silence = \"advice\"", to), [expected], "{operation}");
    }
    for operation in ["balance_inquiry", "card_verification"] {
        assert_eq!(
            faults(operation, none, "on_silence = \"advice\""),
            [
                "it moves no money: silence calls for nothing, expected `inquiry`",
                "DE48: `card.security_code` cannot stand here, expected a fact that may be kept \
                 and repeated",
                "DE48: `cavv` cannot stand here, expected a fact that may be kept and repeated",
            ],
            "{operation}"
        );
    }
    assert_eq!(
        faults("pre_authorization", reversed, none),
        ["an operation that is not reversed has a reversal, expected on_silence = \
          \"reversal\", or no such table"]
    );
}

#[test]
fn each_operation_has_messages_of_its_type() {
    let table: [(&str, &str, &str, &[&str]); 5] = [
        (
            "void",
            "0420",
            "0220",
            &["`0220` does not fit here, expected a reversal, such as `0420`"],
        ),
        (
            "pre_authorization",
            "0100",
            "0200",
            &["`0200` does not fit here, expected an authorization request, such as `0100`"],
        ),
        (
            "completion",
            "0220",
            "0221",
            &[
                "`0221` does not fit here, expected a financial advice or request, such as `0220`",
                "the dialect has no repeat of `0221`, expected a type of its [repeat]",
            ],
        ),
        (
            "refund",
            "0220",
            "0230",
            &[
                "the dialect does not say what answers `0230`, expected a type of its [reply]",
                "the dialect has no repeat of `0230`, expected a type of its [repeat]",
            ],
        ),
        (
            "card_verification",
            "0100",
            "0800",
            &["`0800` does not fit here, expected an authorization or financial request, such \
                 as `0100`"],
        ),
    ];
    for (operation, from, to, expected) in table {
        assert_eq!(faults(operation, from, to), expected, "{operation} {to}");
    }
    assert!(faults("balance_inquiry", "0100", "0200").is_empty(), "financial inquiries fit too");
}

#[test]
fn an_advice_needs_a_repeat_type_of_the_dialect() {
    let dialect = sample::DIALECT.replace("\"0220\" = \"0221\"\n", "");
    let built = Definition::build(
        Source { name: "d.toml", text: &dialect },
        Source { name: "m.toml", text: sample::MAPPING },
    );
    let shown = built.map(|_| ()).unwrap_err().to_string();
    assert_eq!(shown.matches("the dialect has no repeat of `0220`").count(), 2, "{shown}");
    assert!(shown.contains("^^^^^^ expected a type of its [repeat]"), "{shown}");
}

#[test]
fn a_follow_up_names_its_original_and_an_advice_carries_no_secret() {
    let data = "90 = \"original_data\"";
    for operation in ["completion", "void", "refund"] {
        let found = faults(operation, data, "");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(
            "names the original payment, expected 90 = \"original_data\", or an element for \
             original.stan or original.rrn"
        ));
        for other in ["60 = \"original.rrn\"", "60 = \"original.stan\"", data] {
            assert!(faults(operation, data, other).is_empty(), "{operation} {other}");
        }
        let more = format!(
            "{data}\n60 = {{ tagged = [[\"TI\", \"original.transmitted\"], [\"AM\", \
             \"original.amount\"], [\"AP\", \"original.approval_code\"], [\"BD\", \
             \"original.business_date\"], [\"DS\", \"ds_transaction\"]] }}"
        );
        assert!(faults(operation, data, &more).is_empty(), "{operation}");
    }
    assert_eq!(
        faults("void", data, &format!("48 = \"cavv\"\n{data}")),
        ["DE48: `cavv` cannot stand here, expected a fact that may be kept and repeated"]
    );
    assert_eq!(
        faults("void", "37 = \"rrn\"", "37 = \"original.rrn\""),
        [
            "no element of `0420` carries `rrn`, expected an element for it",
            "DE37 pairs replies with `0420`, but is another message's, expected an element of \
             the match key of `iso87-ascii`",
        ]
    );
}

#[test]
fn only_follow_ups_have_an_original() {
    let number = "49 = \"amount.currency_numeric\"";
    for fact in ["original.rrn", "original.stan", "original.amount"] {
        let more = format!("{number}\n60 = \"{fact}\"");
        let expected = format!(
            "DE60: `{fact}` cannot stand here, expected a fact of the payment itself: only \
             follow-ups have an original"
        );
        assert_eq!(faults("pre_authorization", number, &more), [expected]);
    }
    let shown = faults("pre_authorization", "43 = \"acceptor.name_location\"", "43 = \"cavv\"");
    assert_eq!(
        shown[0],
        "DE43 would show `cavv` to people, expected an element that the dialect masks"
    );
}

#[test]
fn a_refund_may_be_a_request_that_is_reversed() {
    let start = sample::MAPPING.find("\n[operation.purchase.reversal.fields]").unwrap();
    let reversal = sample::MAPPING.split_at(start).1.trim_start().split("\n\n").next().unwrap();
    let reversal = reversal.trim().replace("operation.purchase", "operation.refund");
    let reversal = reversal.replace("\"000000\"", "\"200000\"");
    let text = sample::MAPPING.replace(
        "[operation.refund]\nmti = \"0220\"\non_silence = \"advice\"",
        &format!(
            "{reversal}\n\n[operation.refund.reversal]\nmti = \"0420\"\n\n[operation.refund]\n\
             mti = \"0200\"\non_silence = \"reversal\""
        ),
    );
    let source = Source { name: "m.toml", text: &text };
    let definition = Definition::build(sample::dialect(), source);
    let definition = definition.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(definition.silence(Operation::Refund), Some(Silence::Reversal));
    let mut runner = proptest::test_runner::TestRunner::default();
    let ran = runner.run(&any_payment(), |(out, card)| {
        let out = follow_up(out, Operation::Refund, Operation::Purchase);
        let out = Outgoing { attempt: Attempt::Reversal(1), ..out };
        let mut frame = Vec::new();
        definition.encode(&out, &card, &Secrets::default(), &mut frame).unwrap();
        let message = definition.wire().parse(&frame).unwrap();
        let expected = format!("0200{}", out.fields.stan);
        prop_assert!(message.get(90).unwrap().starts_with(&expected), "it undoes the refund");
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn what_the_mapping_lacks_cannot_be_written() {
    let source = Source { name: "m.toml", text: sample::PURCHASES };
    let definition = Definition::build(sample::dialect(), source).unwrap();
    assert_eq!(definition.operations(), [(Operation::Purchase, Silence::Reversal)].into());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let tree = any_payment().new_tree(&mut runner).unwrap();
    let (out, card) = tree.current();
    let void = follow_up(out.clone(), Operation::Void, Operation::Purchase);
    let encode = |definition: &Definition, out: &Outgoing| {
        definition.encode(out, &card, &Secrets::default(), &mut Vec::new())
    };
    let error = EncodeError::Operation(Operation::Void);
    assert_eq!(encode(&definition, &void), Err(error));
    let undo = Outgoing { attempt: Attempt::Reversal(1), ..void.clone() };
    let error = EncodeError::NoReversal(Operation::Void);
    assert_eq!(encode(sample::definition(), &undo), Err(error));
    // A follow-up whose original nobody knows names nothing.
    let mut lost = follow_up(out, Operation::Refund, Operation::Purchase);
    lost.fields.original = None;
    assert_eq!(encode(sample::definition(), &lost), Err(EncodeError::Missing(90)));
}

fn follow_up(mut out: Outgoing, operation: Operation, original: Operation) -> Outgoing {
    out.request.operation = operation;
    out.fields.original = Some(Box::new(OriginalFields {
        operation: original,
        stan: Stan::new(77).unwrap(),
        rrn: Rrn::parse("632600000077").unwrap(),
        transmitted: Timestamp(1_000_000),
        business_date: BusinessDate { year: 2026, month: 11, day: 22 },
        approval_code: out.approval_code.take(),
        amount: out.request.amount,
    }));
    out
}

/// Each operation with an attempt that it can have.
fn any_message() -> impl Strategy<Value = (Outgoing, Pan)> {
    let operation = prop::sample::select(Operation::ALL.to_vec());
    (any_payment(), operation, 0..3_u32, any::<bool>()).prop_map(
        |((out, card), operation, number, held)| {
            let mut out = match operation {
                Operation::Completion => follow_up(out, operation, Operation::PreAuthorization),
                Operation::Void | Operation::Refund if held => {
                    follow_up(out, operation, Operation::PreAuthorization)
                }
                Operation::Void | Operation::Refund => {
                    follow_up(out, operation, Operation::Purchase)
                }
                _ => out,
            };
            out.request.operation = operation;
            out.attempt = match sample::definition().silence(operation).unwrap() {
                _ if number == 0 => Attempt::Original,
                Silence::Reversal => Attempt::Reversal(number),
                Silence::Advice => Attempt::Repeat(number + 1),
                Silence::Inquiry => {
                    out.request.amount.minor = 0;
                    Attempt::Original
                }
            };
            out.repeat = matches!(out.attempt, Attempt::Repeat(_) | Attempt::Reversal(2..));
            let id = "f38e6948-5388-41a6-bca4-b49723c19437";
            out.request.ds_transaction = DsTransaction::parse(id).filter(|_| held);
            (out, card)
        },
    )
}

/// What a host makes of a message: every element of it echoed, and a code.
fn echo(definition: &Definition, frame: &[u8]) -> Vec<u8> {
    let sent = definition.wire().parse(frame).unwrap();
    let mti = definition.dialect().reply_to(sent.mti()).unwrap();
    let mut reply = Builder::new(definition.wire(), mti);
    for (number, value) in sent.fields() {
        reply.set(number, value.as_ref()).unwrap();
    }
    reply.set(39, "00").unwrap();
    let mut body = Vec::new();
    reply.pack(&mut body).unwrap();
    body
}

proptest! {
    #[test]
    fn every_message_of_both_definitions_is_written_matched_and_answered(
        (out, card) in any_message(),
    ) {
        let secrets = Secrets {
            security_code: SecurityCode::parse("9753").ok(),
            cavv: Cavv::parse("AJkBBkhgQQAAAE4gSEJydQAAAAA=").ok(),
        };
        let mut elements = Vec::new();
        for definition in [sample::definition(), sample::binary()] {
            let mut frame = Vec::new();
            let keys = definition.encode(&out, &card, &secrets, &mut frame).unwrap();
            let recovered = definition.recovered_keys(out.request.operation, &out.fields).unwrap();
            let recovered = match out.attempt {
                Attempt::Reversal(_) => recovered.reversal.unwrap(),
                _ => recovered.original,
            };
            prop_assert_eq!(&recovered, &keys.match_key, "the same after a restart");
            let reply = echo(definition, &frame);
            let reply = definition.read(&reply).unwrap();
            prop_assert_eq!(reply.match_key(), Some(keys.match_key.as_slice()));
            let judged = definition.judge(&reply, &out, &|digits| digits == card.expose());
            match (judged, out.attempt) {
                (Ok(Judged::Reversal(_)), Attempt::Reversal(_)) => {}
                (Ok(Judged::Answer(answer)), Attempt::Original | Attempt::Repeat(_)) => {
                    prop_assert_eq!(answer.class, AnswerClass::Approved);
                    prop_assert_eq!(answer.amount, out.request.amount);
                }
                other => prop_assert!(false, "{:?}", other),
            }
            let message = definition.wire().parse(&frame).unwrap();
            prop_assert_eq!(message.mti().is_repeat(), out.repeat);
            let texts: Vec<_> = message.fields().map(|(n, value)| (n, value.to_string())).collect();
            let secret = texts.iter().any(|(n, text)| *n == 48 && text.contains("CA28AJkB"));
            let may = out.attempt == Attempt::Original
                && definition.silence(out.request.operation) != Some(Silence::Advice);
            prop_assert_eq!(secret, may, "secrets go out once, and in no advice");
            elements.push(texts);
        }
        prop_assert_eq!(&elements[0], &elements[1], "both dialects say the same");
    }

    #[test]
    fn an_advice_and_its_repeat_differ_in_the_type_alone((out, card) in any_message()) {
        for definition in [sample::definition(), sample::binary()] {
            if definition.silence(out.request.operation) != Some(Silence::Advice) {
                continue;
            }
            let mut frames = [Vec::new(), Vec::new()];
            for (frame, attempt) in frames.iter_mut().zip([Attempt::Original, Attempt::Repeat(2)]) {
                let out = Outgoing { attempt, repeat: false, ..out.clone() };
                definition.encode(&out, &card, &Secrets::default(), frame).unwrap();
            }
            let [first, again] = frames;
            let differing = first.iter().zip(&again).filter(|(one, other)| one != other).count();
            prop_assert_eq!((first.len(), differing), (again.len(), 1));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_explained(
        head in prop_oneof![Just(&b""[..]), Just(&b"\x01\x10"[..]), Just(&b"0110"[..])],
        tail in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let body = [head, &tail].concat();
        for definition in [sample::definition(), sample::binary()] {
            let _ = definition.read(&body);
            for broken in [BrokenValues::Shapes, BrokenValues::Values] {
                let explained = definition.explain(&body, ExplainOptions { broken, unmasked: false });
                prop_assert_eq!(explained.bytes.len(), body.len());
                prop_assert!(!explained.to_string().is_empty());
            }
        }
    }

    #[test]
    fn a_message_with_a_changed_byte_never_panics_and_never_shows_the_card(
        (out, card) in any_message(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        for definition in [sample::definition(), sample::binary()] {
            let mut frame = Vec::new();
            definition.encode(&out, &card, &Secrets::default(), &mut frame).unwrap();
            let whole = definition.explain(&frame, ExplainOptions::default()).to_string();
            prop_assert!(!whole.contains(card.expose()), "{}", whole);
            let place = place.index(frame.len());
            frame[place] = byte;
            let _ = definition.explain(&frame, ExplainOptions::default()).to_string();
            let mut reply = echo_types(definition, &frame);
            reply.extend(&frame[2..]);
            if let Ok(message) = definition.read(&reply) {
                let _ = definition.judge(&message, &out, &|digits| digits == card.expose());
            }
        }
    }
}

/// The type of the reply to a message, as its first bytes.
fn echo_types(definition: &Definition, frame: &[u8]) -> Vec<u8> {
    let found = definition.wire().parse(frame);
    let Ok(message) = found else { return frame[..2].to_vec() };
    let Some(mti) = definition.dialect().reply_to(message.mti()) else {
        return frame[..2].to_vec();
    };
    let mut body = Vec::new();
    Builder::new(definition.wire(), mti).pack(&mut body).unwrap();
    body[..2].to_vec()
}
