#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::*;
use crate::certify::shown::{Shown, ShownField};
use crate::operation::Operation;

const PURCHASE: Deed = Deed::Operation(Operation::Purchase);

fn frame(from: From, mti: &str, fields: &[(u8, &str)]) -> Frame {
    let value = |text: &str| match text.strip_prefix('#') {
        Some(hidden) => ShownValue::Hidden(hidden.len()),
        None => ShownValue::Value(text.to_owned()),
    };
    let field = |(number, text): &(u8, &str)| {
        (*number, ShownField { name: String::new(), value: value(text) })
    };
    let fields = fields.iter().map(field).collect();
    let shown = Shown { mti: mti.to_owned(), fields, raw: String::new() };
    let (line, role) = ("a".to_owned(), Role::of(mti, false));
    Frame { record: 1, step: 1, line, from, role, fate: "passed", shown }
}

fn told(result: &str, reason: Option<&str>) -> Told {
    let text = serde_json::json!({
        "id": "1", "operation": "purchase", "result": result, "reason": reason,
        "will_be_approved": null, "order_id": "o", "amount": {"minor": 1234, "currency": "EUR"},
        "card": {"bin": "400000", "last4": "0002"}, "response_code": "00", "approval_code": null,
        "rrn": "633500000042", "stan": "000042", "business_date": null, "version": 1,
    });
    serde_json::from_value(text).unwrap()
}

fn came() -> Came {
    let request = [(4, "000000001234"), (11, "000042"), (37, "633500000042"), (48, "#1234567")];
    let reply = [(4, "000000001234"), (11, "000043"), (39, "00")];
    Came {
        told: Some(told("approved", None)),
        frames: vec![frame(From::Gateway, "0200", &request), frame(From::Host, "0210", &reply)],
        ..Came::default()
    }
}

#[track_caller]
fn check(expect: &Expectation, came: &Came, wanted: &[&str]) {
    assert_eq!(judge(expect, PURCHASE, came), wanted);
}

fn of_field(role: Role, field: u8, want: Want) -> Expectation {
    Expectation { fields: [(role, [(field, want)].into())].into(), ..Expectation::default() }
}

#[test]
fn a_field_is_held_against_a_text_its_presence_or_another_frame() {
    let text = |text: &str| Want::Text(text.to_owned());
    let same = Want::SameAs(Role::Request);
    for (expect, wanted) in [
        (of_field(Role::Request, 4, text("000000001234")), ""),
        (of_field(Role::Request, 0, text("0200")), ""),
        (of_field(Role::Request, 0, text("0100")), "request: wanted type 0100, got 0200"),
        (of_field(Role::Reply, 39, text("05")), "reply: DE 39: wanted 05, got 00"),
        (of_field(Role::Reply, 38, text("A")), "reply: DE 38: wanted A, got nothing"),
        (of_field(Role::Request, 48, Want::Present(true)), ""),
        (of_field(Role::Request, 48, Want::Present(false)), "request: DE 48 is present"),
        (of_field(Role::Reply, 38, Want::Present(true)), "reply: DE 38 is absent"),
        (
            of_field(Role::Request, 48, text("CV03123")),
            "request: DE 48 is hidden; want true or false of it",
        ),
        (of_field(Role::Reply, 4, same.clone()), ""),
        (of_field(Role::Reply, 11, same.clone()), "reply: DE 11: wanted 000042, got 000043"),
        (
            of_field(Role::Reply, 39, same.clone()),
            "reply: DE 39: wanted what the other frame lacks, got 00",
        ),
        (of_field(Role::Reversal, 11, same), "no reversal was seen"),
    ] {
        let wanted: Vec<&str> = Some(wanted).into_iter().filter(|it| !it.is_empty()).collect();
        check(&expect, &came(), &wanted);
    }
}

#[test]
fn what_the_merchant_was_told_is_held_against_the_script() {
    let expect = Expectation {
        told: [("result", "pending".to_owned()), ("reason", "host_timeout".to_owned())].into(),
        finally: Some("reversed".to_owned()),
        ..Expectation::default()
    };
    let pending = Some(told("pending", Some("host_timeout")));
    let reversed = Some(told("reversed", None));
    check(&expect, &Came { told: pending.clone(), finally: reversed, ..Came::default() }, &[]);
    check(
        &expect,
        &Came { told: Some(told("approved", None)), ..Came::default() },
        &[
            "the merchant's reason: wanted host_timeout, got nothing",
            "the merchant's result: wanted pending, got approved",
            "the merchant's final result: wanted reversed, got approved",
        ],
    );
    let review =
        Expectation { finally: Some("pending/under_review".to_owned()), ..Expectation::default() };
    check(
        &review,
        &Came { told: pending, ..Came::default() },
        &["the merchant's final result: wanted pending/under_review, got pending/host_timeout"],
    );
}

#[test]
fn the_order_of_frames_refusals_and_amounts_count() {
    let frames =
        |roles: &[Role]| Expectation { frames: Some(roles.to_vec()), ..Expectation::default() };
    check(&frames(&[Role::Request, Role::Reply]), &came(), &[]);
    check(&frames(&[]), &came(), &["frames: wanted [], got [request, reply]"]);
    let refused = Came { refused: Some("not_permitted".to_owned()), ..Came::default() };
    check(&Expectation::default(), &refused, &["refused: not_permitted"]);
    let expect =
        Expectation { refused: Some("not_permitted".to_owned()), ..Expectation::default() };
    check(&expect, &refused, &[]);
    check(&expect, &came(), &["wanted the refusal not_permitted, got none"]);
    let expect = Expectation { approved: Some(617), ..Expectation::default() };
    check(&expect, &came(), &["approved: wanted 617, got 1234"]);
}

#[test]
fn the_answer_to_what_was_asked_before_the_step_is_not_taken_for_its_own() {
    let on = |line: &str, from: From, mti: &str, stan: &str| {
        let line = line.to_owned();
        Frame { line, ..frame(from, mti, &[(11, stan), (70, "301")]) }
    };
    let echoes = vec![
        on("a", From::Host, "0810", "000005"),
        on("b", From::Gateway, "0800", "000006"),
        on("a", From::Gateway, "0800", "000007"),
        on("a", From::Host, "0810", "000007"),
        on("b", From::Host, "0810", "000006"),
    ];
    let stans = |frames: &[Frame]| -> Vec<String> {
        frames.iter().map(|frame| frame.shown.text(11).unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(stans(&conversation(echoes.clone(), From::Gateway)), ["000007", "000007"]);
    // A host that answers with another trace number is still seen to do so.
    let mut astray = echoes[2..4].to_vec();
    astray[1] = on("a", From::Host, "0810", "000009");
    assert_eq!(stans(&conversation(astray, From::Gateway)), ["000007", "000009"]);
    // The other way round: the host asks, the gateway answers.
    assert!(conversation(echoes, From::Host).is_empty());
}
