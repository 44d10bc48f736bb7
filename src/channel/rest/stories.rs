//! Stories of the rest channel, told with a merchant that signs and encrypts by code of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise"
)]

mod openapi;
mod operations;
mod overload;
mod signatures;
mod world;

use super::*;
use data_encoding::BASE64URL_NOPAD as B64;
use std::sync::atomic::Ordering;
use tidegate_payment::card::SecurityCode;
use tidegate_payment::payment::{DeclineReason, PendingReason, Verdict};
use world::{CARD, FakeCore, Message, NOW_S, World, body, check_signed, encrypt_ec};
use world::{encrypt_rsa, header, jwk, keys, outcome};

fn asked(core: &FakeCore) -> usize {
    core.asked.lock().unwrap().len()
}

#[tokio::test]
async fn a_signed_and_encrypted_payment_is_approved_and_the_answer_is_bound_to_it() {
    let world = World::new();
    for jwe in [encrypt_ec(CARD), encrypt_rsa(CARD)] {
        let request = world.payment_with(&jwe).sign(&world.merchant);
        let answer = world.deliver(request.clone()).await;
        assert_eq!(answer.status, 201, "{}", body(&answer));
        check_signed(&answer, &request);
        let location = "/v1/payments/01234567-89ab-7def-8123-456789abcdef";
        assert_eq!(header(&answer, "location"), Some(location));
        let wanted = serde_json::json!({
            "id": "01234567-89ab-7def-8123-456789abcdef", "operation": "purchase",
            "result": "approved", "reason": null, "will_be_approved": null, "order_id": "A-1001",
            "amount": {"minor": 1234, "currency": "EUR"},
            "card": {"bin": "400000", "last4": "0002"},
            "captured_amount": {"minor": 1234, "currency": "EUR"},
            "refunded_amount": {"minor": 0, "currency": "EUR"}, "voided": false,
            "response_code": "00", "approval_code": "A12345", "rrn": null, "stan": null,
            "business_date": null, "created": "2026-11-22T17:53:20Z", "version": 3
        });
        assert_eq!(body(&answer), wanted);
    }
    let asked = world.core.asked.lock().unwrap();
    let (first, second) = (&asked[0], &asked[1]);
    assert_eq!(keys().unseal(&first.request().card).unwrap().expose(), "4000000000000002");
    assert_eq!(first.secrets.security_code.as_ref().map(SecurityCode::expose), Some("123"));
    assert_eq!(first.request().merchant.as_str(), "m-1001");
    assert_eq!(first.request().eci.unwrap().as_str(), "05");
    assert_eq!(first.request().freshness.created, Timestamp(NOW_S * 1_000_000));
    assert_eq!(first.request().fingerprint(), second.request().fingerprint());
    let printed = format!("{:?}", first.request());
    assert!(!printed.contains("4000000000000002") && !printed.contains("123\""), "{printed}");
}

/// Spoils a good payment in one way and says which reason the counters shall show.
type Spoil = (&'static str, fn(&World) -> Received);

fn changed(world: &World, change: impl Fn(&mut Message)) -> Received {
    let mut message = world.payment();
    change(&mut message);
    message.sign(&world.merchant)
}

fn tampered(world: &World, tamper: impl Fn(&mut Received)) -> Received {
    let mut received = world.payment().sign(&world.merchant);
    tamper(&mut received);
    received
}

fn set(received: &mut Received, name: &str, change: impl Fn(&str) -> String) {
    for (held, value) in &mut received.headers {
        if held == name {
            *value = change(std::str::from_utf8(value).unwrap()).into_bytes();
        }
    }
}

const SPOILS: &[Spoil] = &[
    ("forged", |world| world.payment().sign(&world.other)),
    ("forged", |world| changed(world, |message| message.key_id = "m-2002-2026".into())),
    ("forged", |world| {
        let mut received = world.get("/v1/payments?order_id=A").sign(&world.merchant);
        received.target = "/v1/payments?order_id=B".into();
        received
    }),
    ("forged", |world| {
        tampered(world, |received| set(received, "idempotency-key", |_| "k2".into()))
    }),
    ("forged", |world| {
        tampered(world, |received| {
            set(received, "signature-input", |text| text.replace("nonce-", "other-"));
        })
    }),
    ("forged", |world| {
        tampered(world, |received| {
            let older = format!("created={}", NOW_S - 1);
            let sent = format!("created={NOW_S}");
            set(received, "signature-input", |text| text.replace(&sent, &older));
        })
    }),
    ("unknown_key", |world| changed(world, |message| message.key_id = "m-9".into())),
    ("digest", |world| tampered(world, |received| received.body.push(b' '))),
    ("digest", |world| changed(world, |message| message.set("content-digest", "md5=:AA==:"))),
    ("stale", |world| changed(world, |message| message.created_s = NOW_S - 301)),
    ("stale", |world| changed(world, |message| message.created_s = NOW_S + 301)),
    ("expired", |world| {
        changed(world, |message| message.more += &format!(";expires={}", NOW_S - 1))
    }),
    ("algorithm", |world| changed(world, |message| message.more += ";alg=\"hmac-sha256\"")),
    ("parameter", |world| changed(world, |message| message.more += ";colour=\"red\"")),
    ("nonce", |world| changed(world, |message| message.more.clear())),
    ("nonce", |world| changed(world, |message| message.more = ";nonce=\"short\"".into())),
    ("not_covered", |world| changed(world, |message| message.covers.retain(|c| *c != "@method"))),
    ("not_covered", |world| {
        changed(world, |message| message.covers.retain(|c| *c != "content-digest"))
    }),
    ("not_covered", |world| {
        changed(world, |message| message.covers.retain(|c| *c != "idempotency-key"))
    }),
    ("component", |world| changed(world, |message| message.covers.push("@method"))),
    ("component", |world| changed(world, |message| message.covers.push("@status"))),
    ("covered_field", |world| changed(world, |message| message.covers.push("x-absent"))),
    ("covered_field", |world| {
        tampered(world, |received| received.headers.retain(|(name, _)| name != "idempotency-key"))
    }),
    ("signature_field_count", |world| {
        tampered(world, |received| received.headers.retain(|(name, _)| name != "signature"))
    }),
    ("signature_field_count", |world| {
        tampered(world, |received| {
            let twice = received.headers.last().unwrap().clone();
            received.headers.push(twice);
        })
    }),
    ("signature_field", |world| {
        tampered(world, |received| {
            set(received, "signature-input", |text| {
                format!("{text}, sig2=();created=1;keyid=\"k\"")
            });
        })
    }),
];

#[tokio::test]
async fn whatever_is_not_authenticated_is_told_the_same_and_reaches_nothing() {
    let world = World::new();
    for (index, (reason, spoil)) in SPOILS.iter().enumerate() {
        let answer = world.deliver(spoil(&world)).await;
        assert_eq!(world.reasons(), [*reason], "spoilt way {index}");
        assert_eq!(answer, Problem::not_authenticated().answer(5), "spoilt way {index}");
    }
    assert_eq!(asked(&world.core), 0);
}

#[tokio::test]
async fn a_message_is_acted_on_once_even_with_the_same_bytes() {
    let world = World::new();
    let request = world.payment().sign(&world.merchant);
    assert_eq!(world.deliver(request.clone()).await.status, 201);
    assert_eq!(world.deliver(request).await, Problem::not_authenticated().answer(5));
    assert_eq!(world.reasons(), ["replay"]);
    assert_eq!(asked(&world.core), 1);
    // An honest retry has the same key and content, but is signed and encrypted afresh.
    assert_eq!(world.send(&world.payment()).await.status, 201);
    let asked = world.core.asked.lock().unwrap();
    assert_eq!(asked[0].request().key, asked[1].request().key);
    assert_eq!(asked[0].request().fingerprint(), asked[1].request().fingerprint());
    assert_ne!(asked[0].request().card.sealed, asked[1].request().card.sealed);
}

#[tokio::test]
async fn a_signature_field_of_a_covered_header_that_stands_there_twice_is_refused() {
    let world = World::new();
    for name in ["idempotency-key", "content-digest"] {
        let mut message = world.payment();
        let value = message.headers.iter().find(|(held, _)| held == name).unwrap().1.clone();
        // The merchant signs the joined value; the two lines would verify.
        message.set(name, &format!("{value}, {value}"));
        let mut received = message.sign(&world.merchant);
        received.headers.retain(|(held, _)| held != name);
        for _ in 0..2 {
            received.headers.push((name.into(), value.clone().into_bytes()));
        }
        assert_eq!(world.deliver(received).await.status, 401, "{name}");
        assert_eq!(world.reasons(), ["signature_field_count"]);
    }
}

#[tokio::test]
async fn card_data_that_does_not_open_is_told_the_same_whatever_is_wrong() {
    let world = World::new();
    let good = encrypt_ec(CARD);
    let header_of = |text: &str| {
        let (_, rest) = good.split_once('.').unwrap();
        format!("{}.{rest}", B64.encode(text.as_bytes()))
    };
    let last = if good.ends_with('A') { "Q" } else { "A" };
    let tampered_tag = format!("{}{last}", good.strip_suffix(|_| true).unwrap());
    let kid = jwk("RSA")["kid"].clone();
    let cases = [
        ("jwe_form", "abc".to_owned()),
        ("jwe_form", format!("{good}.x")),
        ("jwe_algorithm", header_of(&format!(r#"{{"alg":"RSA1_5","enc":"A256GCM","kid":{kid}}}"#))),
        (
            "jwe_header",
            header_of(&format!(
                r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":{kid},"zip":"DEF"}}"#
            )),
        ),
        ("jwe_unknown_key", {
            let (head, rest) = good.split_once('.').unwrap();
            let head = String::from_utf8(B64.decode(head.as_bytes()).unwrap()).unwrap();
            let kid = jwk("EC")["kid"].as_str().unwrap().to_owned();
            format!("{}.{rest}", B64.encode(head.replace(&kid, "0000").as_bytes()))
        }),
    ];
    let mut told = None;
    for (reason, jwe) in cases {
        let request = world.payment_with(&jwe).sign(&world.merchant);
        let answer = world.deliver(request.clone()).await;
        check_signed(&answer, &request);
        assert_eq!(world.reasons(), [reason, "card_data_unreadable"], "{jwe}");
        assert_eq!((answer.status, body(&answer)["field"].as_str()), (422, Some("/card/jwe")));
        let first = told.get_or_insert_with(|| answer.body.clone());
        assert_eq!(*first, answer.body, "{jwe}");
    }
    // The last letter of a tag has stray bits: its change is a change of form or of content.
    let answer = world.send(&world.payment_with(&tampered_tag)).await;
    assert_eq!(Some(answer.body), told);
    assert_eq!(asked(&world.core), 0);
}

#[tokio::test]
async fn a_field_that_is_not_as_expected_is_named_with_what_was_expected() {
    let world = World::new();
    let jwe = encrypt_ec(CARD);
    let with = |order: &str, amount: &str, more: &str| {
        format!(r#"{{"order_id":{order},"amount":{amount},"card":{{"jwe":"{jwe}"}}{more}}}"#)
    };
    let eur = |minor: &str| format!(r#"{{"minor":{minor},"currency":"EUR"}}"#);
    let card = |content: &str| {
        let jwe = encrypt_ec(content);
        format!(r#"{{"order_id":"A","amount":{},"card":{{"jwe":"{jwe}"}}}}"#, eur("1"))
    };
    let cases = [
        (with("\"A\"", &eur("1"), r#","tip":1"#), 422, "/tip", "no such member"),
        (with("\"A\"", &eur("1.0"), ""), 422, "/amount/minor", "an integer"),
        (with("\"A\"", &eur("0"), ""), 422, "/amount/minor", "from 1 to"),
        (with("\"A\"", &eur("-5"), ""), 422, "/amount/minor", "from 1 to"),
        (with("\"A\"", &eur("500001"), ""), 422, "/amount/minor", "at most 500000"),
        (with("\"A\"", r#"{"minor":1}"#, ""), 422, "/amount/currency", "missing"),
        (
            with("\"A\"", r#"{"minor":1,"minor":2,"currency":"EUR"}"#, ""),
            422,
            "/amount/minor",
            "once",
        ),
        (with("\"A\"", r#"{"minor":1,"currency":"eur"}"#, ""), 422, "/amount/currency", "ISO 4217"),
        (with("\"A\"", r#"{"minor":1,"currency":"USD"}"#, ""), 403, "/amount/currency", "profile"),
        (with("\"A B\"", &eur("1"), ""), 422, "/order_id", "1 to 40"),
        (with("7", &eur("1"), ""), 422, "/order_id", "a string"),
        (
            card(r#"{"number":"400000000000000X","expiry":"2029-12"}"#),
            422,
            "/card/jwe/number",
            "digits",
        ),
        (
            card(r#"{"number":"\u0034000000000000002","expiry":"2029-12"}"#),
            422,
            "/card/jwe/number",
            "string",
        ),
        (card(r#"{"number":4e15,"expiry":"2029-12"}"#), 422, "/card/jwe/number", "string"),
        (
            card(r#"{"number":4000000000000002,"expiry":"2029-12"}"#),
            422,
            "/card/jwe/number",
            "string",
        ),
        (
            card(r#"{"number":"4000000000000002","expiry":"2029-13"}"#),
            422,
            "/card/jwe/expiry",
            "YYYY",
        ),
        (card(r#"{"number":"4000000000000002"}"#), 422, "/card/jwe/expiry", "missing"),
        (
            card(r#"{"number":"4000000000000002","expiry":"2029-12","security_code":"12"}"#),
            422,
            "/card/jwe/security_code",
            "3 or 4",
        ),
        (
            card(r#"{"number":"4000000000000002","expiry":"2029-12","eci":"5"}"#),
            422,
            "/card/jwe/eci",
            "two digits",
        ),
        (card("4000000000000002"), 422, "/card/jwe", "object"),
        (card("{\"number\":"), 422, "/card/jwe", "object"),
    ];
    for (text, status, field, expected) in cases {
        let request = world.post(&text).sign(&world.merchant);
        let answer = world.deliver(request.clone()).await;
        check_signed(&answer, &request);
        let told = body(&answer);
        assert_eq!((answer.status, told["field"].as_str()), (status, Some(field)), "{told}");
        assert!(told["expected"].as_str().unwrap().contains(expected), "{told}");
        assert!(!told.to_string().contains("40000000"), "no card data is repeated: {told}");
    }
    assert_eq!(asked(&world.core), 0);
}

#[tokio::test]
async fn a_body_that_is_no_json_a_bad_key_and_a_foreign_media_type_are_refused() {
    let world = World::new();
    let answer = world.send(&world.post("{\"order_id\":")).await;
    assert_eq!((answer.status, body(&answer)["code"].as_str()), (400, Some("malformed")));
    let mut message = world.payment();
    message.set("idempotency-key", "a key with spaces");
    let answer = world.send(&message).await;
    assert_eq!((answer.status, body(&answer)["field"].as_str()), (422, Some("idempotency-key")));
    let mut message = world.payment();
    message.set("content-type", "text/plain");
    let answer = world.send(&message).await;
    assert_eq!(
        (answer.status, body(&answer)["code"].as_str()),
        (415, Some("unsupported_media_type"))
    );
    let mut message = world.payment();
    message.set("idempotency-key", "\"key-0001\"");
    message.set("content-type", "application/json; charset=utf-8");
    assert_eq!(world.send(&message).await.status, 201);
    assert_eq!(world.core.asked.lock().unwrap()[0].request().key.as_str(), "key-0001");
}

#[tokio::test]
async fn what_the_core_says_is_told_with_its_status() {
    let world = World::new();
    assert_eq!(world.send(&world.payment()).await.status, 201);
    let request = world.core.asked.lock().unwrap()[0].request().clone();
    let pending = |why| Verdict::Pending(why);
    let verdicts = [
        (pending(PendingReason::HostTimeout), 202, "pending", "host_timeout"),
        (pending(PendingReason::InProgress), 202, "pending", "in_progress"),
        (pending(PendingReason::UnderReview), 202, "pending", "under_review"),
        (Verdict::Declined(DeclineReason::Host), 201, "declined", "host_declined"),
        (Verdict::Declined(DeclineReason::HostUnavailable), 201, "declined", "host_unavailable"),
        (Verdict::Reversed, 201, "reversed", ""),
    ];
    for (verdict, status, result, reason) in verdicts {
        world.set_reply(outcome(&request, verdict, true));
        let sent = world.payment().sign(&world.merchant);
        let answer = world.deliver(sent.clone()).await;
        check_signed(&answer, &sent);
        let told = body(&answer);
        assert_eq!((answer.status, told["result"].as_str()), (status, Some(result)));
        assert_eq!(told["reason"].as_str().unwrap_or(""), reason);
        let decided = verdict == pending(PendingReason::HostTimeout);
        assert_eq!(told["will_be_approved"].as_bool(), decided.then_some(false));
        assert_eq!(header(&answer, "idempotency-replayed"), Some("true"));
    }
    let refusals = [
        (Refusal::KeyMismatch, 409, "idempotency_mismatch"),
        (Refusal::OrderInUse, 409, "order_in_use"),
        (Refusal::HostUnavailable, 503, "host_unavailable"),
        (Refusal::Busy, 503, "busy"),
        (Refusal::OverShare, 429, "too_many_requests"),
        (Refusal::Stopping, 503, "busy"),
        (Refusal::Unknown, 500, "outcome_unknown"),
        (Refusal::NotFound, 404, "not_found"),
    ];
    for (refusal, status, code) in refusals {
        world.set_reply(Reply::Refusal(refusal));
        let sent = world.payment().sign(&world.merchant);
        let answer = world.deliver(sent.clone()).await;
        check_signed(&answer, &sent);
        assert_eq!((answer.status, body(&answer)["code"].as_str()), (status, Some(code)));
        let later = matches!(status, 429 | 503);
        assert_eq!(header(&answer, "retry-after"), later.then_some("5"));
        assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
    }
}

#[tokio::test]
async fn a_merchant_asks_for_its_own_payments() {
    let world = World::new();
    let id = "01234567-89ab-7def-8123-456789abcdef";
    for target in [format!("/v1/payments/{id}"), "/v1/payments?order_id=A%3A1".into()] {
        let sent = world.get(&target).sign(&world.merchant);
        let answer = world.deliver(sent.clone()).await;
        check_signed(&answer, &sent);
        assert_eq!((answer.status, body(&answer)), (200, serde_json::json!({"payments": []})));
    }
    let queries = std::mem::take(&mut *world.core.queries.lock().unwrap());
    let merchant = MerchantId::parse("m-1001").unwrap();
    let order = tidegate_payment::id::OrderId::parse("A:1").unwrap();
    let wanted = [QueryBy::Id(PaymentId::parse(id).unwrap()), QueryBy::Order(order)];
    assert_eq!(queries, wanted.map(|by| (merchant.clone(), by)));
    let answer = world.send(&world.get("/v1/payments/not-an-id")).await;
    assert_eq!((answer.status, body(&answer)["code"].as_str()), (404, Some("not_found")));
    for query in
        ["order_id=", "order=A", "order_id=A&x=1", "order_id=%", "order_id=%+1", "order_id=%zz"]
    {
        let answer = world.send(&world.get(&format!("/v1/payments?{query}"))).await;
        assert_eq!(
            (answer.status, body(&answer)["field"].as_str()),
            (422, Some("order_id")),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_question_made_before_the_start_is_refused_a_payment_is_not() {
    let world = World::new();
    let mut question = world.get("/v1/payments?order_id=A");
    question.created_s = NOW_S - 101;
    assert_eq!(world.send(&question).await.status, 401);
    assert_eq!(world.reasons(), ["before_start"]);
    let mut payment = world.payment();
    payment.created_s = NOW_S - 101;
    assert_eq!(world.send(&payment).await.status, 201);
}

#[tokio::test]
async fn a_full_replay_window_is_answered_busy_and_opens_again_with_time() {
    let world = World::with_nonces_max(1);
    assert_eq!(world.send(&world.payment()).await.status, 201);
    let sent = world.payment().sign(&world.merchant);
    let answer = world.deliver(sent.clone()).await;
    check_signed(&answer, &sent);
    assert_eq!((answer.status, header(&answer, "retry-after")), (503, Some("5")));
    world.clock_s.store(NOW_S + 601, Ordering::SeqCst);
    let mut later = world.payment();
    later.created_s = NOW_S + 601;
    assert_eq!(world.send(&later).await.status, 201);
}

#[tokio::test]
async fn our_keys_are_public_and_every_other_address_has_its_own_answer() {
    let world = World::new();
    let plain = |method: &str, target: &str, text: &str| Received {
        listener: "rest".into(),
        peer: "127.0.0.1:40000".parse().unwrap(),
        client_certificate: None,
        method: method.into(),
        target: target.into(),
        headers: vec![],
        body: text.as_bytes().to_vec(),
    };
    let answer = world.deliver(plain("GET", "/v1/keys", "")).await;
    assert_eq!((answer.status, header(&answer, "signature")), (200, None));
    let listed = body(&answer)["keys"].as_array().unwrap().clone();
    let uses: Vec<_> = listed.iter().map(|key| (key["kty"].clone(), key["use"].clone())).collect();
    assert_eq!(
        serde_json::json!(uses),
        serde_json::json!([
            ["OKP", "sig"],
            ["EC", "sig"],
            ["RSA", "sig"],
            ["RSA", "sig"],
            ["EC", "enc"],
            ["RSA", "enc"]
        ])
    );
    assert!(listed.iter().all(|key| key.get("d").is_none()));
    let cases = [
        ("GET", "/", "", 404),
        ("GET", "/v1/payments/", "", 404),
        ("GET", "/v1/keys?x", "", 404),
        ("POST", "/v1/keys", "", 405),
        ("DELETE", "/v1/payments", "", 405),
        ("POST", "/v1/payments/01234567-89ab-7def-8123-456789abcdef", "", 405),
        ("GET", "/v1/payments", "", 400),
        ("POST", "/v1/payments?x=1", "", 400),
        ("GET", "/v1/payments?order_id=A", "x", 400),
        ("POST", "/v1/payments", "", 401),
        ("GET", "/v1/payments?order_id=A", "", 401),
    ];
    for (method, target, text, status) in cases {
        let answer = world.deliver(plain(method, target, text)).await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(header(&answer, "allow").is_some(), status == 405, "{method} {target}");
    }
}
