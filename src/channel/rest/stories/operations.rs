//! Everything beside the plain purchase: pre-authorizations, captures, voids, refunds, questions.

use super::world::{World, body, check_signed, encrypt_ec};
use crate::channel::rest::*;
use serde_json::json;
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::money::{Balance, BalanceKind, Currency, Money};
use tidegate_payment::payment::{FollowUps, PendingReason, View};

const ID: &str = "01234567-89ab-7def-8123-456789abcdef";

fn euros(minor: i64) -> Money {
    Money { minor, currency: Currency::from_alphabetic("EUR").unwrap() }
}

fn last(world: &World) -> DecodedRequest {
    world.core.asked.lock().unwrap().pop().unwrap()
}

fn follow_up(world: &World) -> FollowUp {
    match last(world).asked {
        Asked::FollowUp(follow_up) => follow_up,
        Asked::New(_) => panic!("something new was asked"),
    }
}

/// An outcome of which the story changes what it is about.
fn outcome(world: &World, change: impl FnOnce(&mut View)) {
    let request = sample(world);
    let Reply::Outcome { view, .. } = super::world::outcome(&request, Verdict::Approved, false)
    else {
        panic!("an outcome is an outcome")
    };
    let mut view = view.into_inner();
    change(&mut view);
    let view = Box::new(Durable::attest(view, Sequence(3)));
    world.set_reply(Reply::Outcome { view, replayed: false });
}

fn sample(world: &World) -> Request {
    let received = world.payment().sign(&world.merchant);
    let endpoint = Endpoint::Pay;
    let (sender, _) =
        authenticate(&received, &endpoint, &world.parts, super::world::NOW_S).unwrap();
    decode(&received, &endpoint, &sender, &world.parts).ok().unwrap().request().clone()
}

#[tokio::test]
async fn capture_false_asks_for_a_pre_authorization() {
    let world = World::new();
    let card = encrypt_ec(
        r#"{"number":"4000000000000002","expiry":"2029-12","eci":"05",
            "cavv":"AAABBWcSNIdjeUZThmNHAAAAAAA=",
            "ds_transaction_id":"f25084f0-5b16-4c0a-ae5d-b24808a95e4b"}"#,
    );
    let text = format!(
        r#"{{"order_id":"A-1","amount":{{"minor":1234,"currency":"EUR"}},"capture":false,
            "card":{{"jwe":"{card}"}}}}"#
    );
    let answer = world.send(&world.post(&text)).await;
    assert_eq!((answer.status, &body(&answer)["operation"]), (201, &json!("pre_authorization")));
    assert_eq!(body(&answer)["captured_amount"], json!({"minor": 0, "currency": "EUR"}));
    let asked = last(&world);
    assert_eq!(asked.request().operation, Operation::PreAuthorization);
    let ds = asked.request().ds_transaction.as_ref().unwrap().as_str();
    assert_eq!(ds, "f25084f0-5b16-4c0a-ae5d-b24808a95e4b");
    assert!(asked.secrets.cavv.is_some() && asked.secrets.security_code.is_none());
}

#[tokio::test]
async fn captures_voids_and_refunds_name_their_original() {
    let world = World::new();
    let cases = [
        ("captures", r"{}", Operation::Completion, None),
        (
            "captures",
            r#"{"amount":{"minor":500,"currency":"EUR"}}"#,
            Operation::Completion,
            Some(euros(500)),
        ),
        ("voids", r"{}", Operation::Void, None),
        (
            "refunds",
            r#"{"amount":{"minor":7,"currency":"EUR"}}"#,
            Operation::Refund,
            Some(euros(7)),
        ),
    ];
    for (name, text, operation, amount) in cases {
        outcome(&world, |view| {
            view.request.operation = operation;
            view.request.original = PaymentId::parse(ID).ok();
        });
        let message = world.post_to(&format!("/v1/payments/{ID}/{name}"), text);
        let received = message.sign(&world.merchant);
        let answer = world.deliver(received.clone()).await;
        assert_eq!(answer.status, 201, "{}", body(&answer));
        check_signed(&answer, &received);
        assert_eq!(body(&answer)["original"], json!(ID));
        assert_eq!(body(&answer).get("captured_amount"), None);
        let asked = follow_up(&world);
        assert_eq!((asked.operation, asked.amount), (operation, amount));
        assert_eq!(asked.original.to_string(), ID);
    }
}

#[tokio::test]
async fn a_follow_up_of_another_form_is_refused_with_its_field() {
    let world = World::new();
    let amount = r#"{"amount":{"minor":7,"currency":"EUR"}}"#;
    let cases = [
        (format!("/v1/payments/{ID}/voids"), amount, 422, "/amount"),
        (format!("/v1/payments/{ID}/refunds"), "{}", 422, "/amount"),
        (format!("/v1/payments/{ID}/refunds"), r#"{"amonut":1}"#, 422, "/amonut"),
        ("/v1/payments/17/refunds".to_owned(), amount, 404, ""),
    ];
    for (target, text, status, field) in cases {
        let answer = world.send(&world.post_to(&target, text)).await;
        assert_eq!(answer.status, status, "{target}: {}", body(&answer));
        assert_eq!(body(&answer)["field"].as_str().unwrap_or_default(), field, "{target}");
    }
    let unknown = world.send(&world.post_to(&format!("/v1/payments/{ID}/gifts"), "{}")).await;
    assert_eq!(unknown.status, 404);
    let get = world.send(&world.get(&format!("/v1/payments/{ID}/refunds"))).await;
    assert_eq!(get.status, 405);
    assert_eq!(world.core.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_card_is_verified_and_its_balance_is_told() {
    let world = World::new();
    let cases = [
        ("/v1/cards/verify", Operation::CardVerification),
        ("/v1/cards/balance", Operation::BalanceInquiry),
    ];
    for (target, operation) in cases {
        outcome(&world, |view| {
            view.request.operation = operation;
            view.balances = vec![Balance { kind: BalanceKind::Available, amount: euros(-250) }];
        });
        let card = encrypt_ec(super::world::CARD);
        let text = format!(r#"{{"order_id":"A-1","currency":"EUR","card":{{"jwe":"{card}"}}}}"#);
        let answer = world.send(&world.post_to(target, &text)).await;
        assert_eq!(answer.status, 201, "{}", body(&answer));
        let balances = json!([{"kind": "available", "amount": {"minor": -250, "currency": "EUR"}}]);
        assert_eq!(body(&answer)["balances"], balances);
        let asked = last(&world);
        assert_eq!((asked.request().operation, asked.request().amount), (operation, euros(0)));
        assert!(asked.secrets.security_code.is_some());
    }
}

#[tokio::test]
async fn a_currency_that_is_not_permitted_is_named_where_it_stands() {
    let world = World::new();
    let card = encrypt_ec(super::world::CARD);
    let cases = [
        ("/v1/cards/verify", format!(r#""currency":"USD","card":{{"jwe":"{card}"}}"#), "/currency"),
        (
            "/v1/payments",
            format!(r#""amount":{{"minor":1,"currency":"USD"}},"card":{{"jwe":"{card}"}}"#),
            "/amount/currency",
        ),
    ];
    for (target, members, field) in cases {
        let text = format!(r#"{{"order_id":"A-1",{members}}}"#);
        let answer = world.send(&world.post_to(target, &text)).await;
        let told = (answer.status, body(&answer)["field"].clone());
        assert_eq!(told, (403, json!(field)), "{target}");
    }
}

#[tokio::test]
async fn an_original_shows_what_became_of_it() {
    let world = World::new();
    outcome(&world, |view| {
        view.follow_ups = FollowUps { refunded: 234, refunds_reserved: 300, ..view.follow_ups };
    });
    let answer = world.send(&world.get(&format!("/v1/payments/{ID}"))).await;
    assert_eq!(body(&answer)["refunded_amount"], json!({"minor": 234, "currency": "EUR"}));
    assert_eq!(body(&answer)["voided"], json!(false));
}

#[tokio::test]
async fn an_advice_that_waits_is_pending_and_may_still_be_approved() {
    let world = World::new();
    outcome(&world, |view| {
        view.verdict = Verdict::Pending(PendingReason::AwaitingHost);
        view.request.operation = Operation::Refund;
    });
    let amount = r#"{"amount":{"minor":7,"currency":"EUR"}}"#;
    let answer = world.send(&world.post_to(&format!("/v1/payments/{ID}/refunds"), amount)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(body(&answer)["reason"], json!("awaiting_host"));
    assert_eq!(body(&answer)["will_be_approved"], json!(null));
}

#[tokio::test]
async fn a_merchant_without_the_operation_is_refused() {
    let mut world = World::new();
    let parts = Arc::get_mut(&mut world.parts).unwrap();
    let (merchant, _) = parts.merchants.by_key("m-1001-2026").unwrap();
    let mut merchant = Merchant::clone(merchant);
    merchant.operations = vec![Operation::Purchase];
    parts.merchants = Merchants::build([merchant]).unwrap();
    let answer = world.send(&world.post_to(&format!("/v1/payments/{ID}/voids"), "{}")).await;
    assert_eq!((answer.status, body(&answer)["code"].as_str()), (403, Some("not_permitted")));
}
