//! What happens at the door while there is no room.

use super::*;

#[tokio::test]
async fn a_payment_that_could_find_no_place_is_refused_before_its_signature_is_checked() {
    let world = World::new();
    for (crowded, status, code) in
        [(Crowded::Full, 503, "busy"), (Crowded::OverShare, 429, "too_many_requests")]
    {
        *world.core.crowded.lock().unwrap() = Some(crowded);
        let mut sent = world.payment().sign(&world.merchant);
        // Nobody looks at it: a broken body is refused in the same words.
        sent.body = b"broken".to_vec();
        let answer = world.deliver(sent).await;
        assert_eq!((answer.status, body(&answer)["code"].as_str()), (status, Some(code)));
        assert_eq!(header(&answer, "retry-after"), Some("5"));
        assert_eq!(header(&answer, "signature"), None, "nobody is known yet");
    }
    assert_eq!(world.reasons(), ["busy_at_the_door", "too_many_requests_at_the_door"]);
    assert_eq!(asked(&world.core), 0);
    let merchant = Some(MerchantId::parse("m-1001").unwrap());
    let approached = std::mem::take(&mut *world.core.approached.lock().unwrap());
    assert_eq!(approached, [(merchant.clone(), 1), (merchant, 1)]);

    // What asks, and what gives money back, passes.
    let question = world.get("/v1/payments?order_id=A").sign(&world.merchant);
    assert_eq!(world.deliver(question).await.status, 200);
    world.set_reply(Reply::Refusal(Refusal::NotFound));
    let id = "01234567-89ab-7def-8123-456789abcdef";
    let refund = r#"{"amount":{"minor":100,"currency":"EUR"}}"#;
    let refund = world.post_to(&format!("/v1/payments/{id}/refunds"), refund);
    assert_eq!(world.send(&refund).await.status, 404, "it came through to the core");
    assert_eq!(asked(&world.core), 1);

    *world.core.crowded.lock().unwrap() = None;
    *world.core.reply.lock().unwrap() = None;
    assert_eq!(world.send(&world.payment()).await.status, 201);
}

#[tokio::test]
async fn a_merchant_that_holds_its_share_gives_way_while_others_hold_places() {
    let world = World::new();
    let places = world.parts.settings.places;
    let enter =
        |who: &str| world.parts.shares.enter(Some(MerchantId::parse(who).unwrap()), 1, places);
    let held: Vec<_> = (0..places.ordinary).map(|_| enter("m-1001").unwrap()).collect();
    // Alone it has everything; full is full.
    assert_eq!(body(&world.send(&world.payment()).await)["code"], "busy");
    let other = enter("m-2002").unwrap();
    assert_eq!(body(&world.send(&world.payment()).await)["code"], "too_many_requests");
    drop((held, other));
    assert_eq!(world.send(&world.payment()).await.status, 201);
    assert_eq!(world.parts.shares.held(), 0, "an answered request holds nothing");
}

#[tokio::test]
async fn what_waited_too_long_for_a_worker_is_not_looked_at() {
    let mut world = World::new();
    let parts = Arc::get_mut(&mut world.parts).unwrap();
    parts.settings.accept_within = Duration::ZERO;
    let answer = world.send(&world.payment()).await;
    assert_eq!((answer.status, header(&answer, "retry-after")), (503, Some("5")));
    assert_eq!(world.reasons(), ["waited_too_long"]);
    assert_eq!(asked(&world.core), 0);
}

#[test]
fn both_ways_of_telling_the_lane_agree() {
    for (method, target) in [
        ("POST", "/v1/payments"),
        ("POST", "/v1/cards/verify"),
        ("POST", "/v1/cards/balance"),
        ("POST", "/v1/payments/x/captures"),
        ("POST", "/v1/payments/x/voids"),
        ("POST", "/v1/payments/x/refunds"),
        ("GET", "/v1/payments?order_id=A"),
        ("GET", "/v1/payments/x"),
        ("GET", "/v1/keys"),
        ("GET", "/v1/openapi.json"),
    ] {
        let received = Received {
            listener: "rest".into(),
            peer: "127.0.0.1:1".parse().unwrap(),
            client_certificate: None,
            method: method.into(),
            target: target.into(),
            headers: vec![],
            body: vec![],
        };
        let Ok(endpoint) = route(&received) else { panic!("{method} {target} leads nowhere") };
        assert_eq!(endpoint.lane(), lane(method, target), "{method} {target}");
    }
}
