//! The channel's description and the code say the same: endpoints, codes, members, results.

use super::world::{World, body, header, outcome};
use crate::channel::rest::*;
use crate::edge::refusal::Refusal as EdgeRefusal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::money::{Balance, BalanceKind, Money};
use tidegate_payment::payment::{DeclineReason, PendingReason, Verdict, View};

type Names = BTreeSet<String>;

fn document() -> Value {
    serde_json::from_str(openapi::DOCUMENT).unwrap()
}

/// What a reference points at, or the value itself.
fn followed<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(place) => document.pointer(place.strip_prefix('#').unwrap()).expect(place),
        None => value,
    }
}

fn schema<'a>(document: &'a Value, name: &str) -> &'a Value {
    document.pointer(&format!("/components/schemas/{name}")).expect(name)
}

fn keys(value: &Value) -> Names {
    value.as_object().unwrap().keys().cloned().collect()
}

fn texts(value: &Value) -> Names {
    let list = value.as_array().unwrap();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn names<'a>(list: impl IntoIterator<Item = &'a str>) -> Names {
    list.into_iter().map(str::to_owned).collect()
}

/// All references of a value, at any depth.
fn references(value: &Value, found: &mut Names) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let document = document();
    let mut found = Names::new();
    references(&document, &mut found);
    for (kind, parts) in document["components"].as_object().unwrap() {
        for name in keys(parts).iter().filter(|_| kind != "securitySchemes") {
            let place = format!("#/components/{kind}/{name}");
            assert!(found.remove(&place), "{place} is not used");
        }
    }
    assert_eq!(found, Names::new(), "these lead nowhere");
}

/// What the code has: the doc comments of [`Endpoint`] name the method and path of each, in backquotes. A
/// path without method has the one before it; what follows an id may stand alone.
fn endpoints() -> Names {
    let source = include_str!("../mod.rs");
    let list = source.split("pub enum Endpoint {").nth(1).unwrap().split("\n}").next().unwrap();
    let (mut method, mut below, mut found) = ("", String::new(), Names::new());
    for place in list.split('`').skip(1).step_by(2) {
        let path = match place.split_once(' ') {
            Some((verb, path)) => {
                method = verb;
                path
            }
            None => place,
        };
        let path = path.split('?').next().unwrap();
        let whole = if path.starts_with("/v1/") { path.into() } else { format!("{below}{path}") };
        below = whole.rsplit_once('/').unwrap().0.into();
        found.insert(format!("{method} {whole}"));
    }
    let variants = list.lines().filter(|line| line.trim_end().ends_with(','));
    assert!(found.len() >= variants.count(), "one `METHOD /path` or more for each endpoint");
    found
}

#[test]
fn every_endpoint_is_described_and_every_described_one_is_routed() {
    let document = document();
    let mut described = Names::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase();
            described.insert(format!("{method} {path}"));
            let mut target = path.replace("{id}", "01234567-89ab-7def-8123-456789abcdef");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let parameter = followed(&document, parameter);
                if parameter["in"] == "query" {
                    target.push_str(&format!("?{}=A", parameter["name"].as_str().unwrap()));
                }
            }
            let received = Received {
                listener: "rest".into(),
                peer: "127.0.0.1:1".parse().unwrap(),
                client_certificate: None,
                method: method.clone(),
                target: target.clone(),
                headers: vec![],
                body: vec![],
            };
            let routed = route(&received).ok();
            assert!(routed.is_some(), "{method} {target} leads nowhere");
            let signed = !matches!(routed, Some(Endpoint::Keys | Endpoint::Description));
            assert_eq!(signed, operation.get("security").is_none(), "{method} {path}");
        }
    }
    assert_eq!(described, endpoints());
}

/// The codes of a source, with the statuses that they are told with.
fn rows(source: &str, from: &str) -> BTreeMap<String, String> {
    let table = source.split(from).nth(1).unwrap().split("\n    }\n").next().unwrap();
    let rows = table.split("(\"").skip(1).filter_map(|row| {
        let (code, rest) = row.split_once("\", ")?;
        Some((code.to_owned(), rest.get(..3)?.to_owned()))
    });
    rows.filter(|(_, status)| status.parse::<u16>().is_ok()).collect()
}

/// What the edge says to a merchant.
const REFUSALS: [EdgeRefusal; 9] = [
    EdgeRefusal::Malformed(""),
    EdgeRefusal::LengthRequired,
    EdgeRefusal::Encoded,
    EdgeRefusal::Expectation,
    EdgeRefusal::HeadTooLarge,
    EdgeRefusal::BodyTooLarge { announced: 1, limit: 0 },
    EdgeRefusal::TooSlow,
    EdgeRefusal::Busy,
    EdgeRefusal::Broken,
];
/// What ends a connection: nothing is said to anybody.
const UNSAID: [EdgeRefusal; 3] = [EdgeRefusal::NotTaken, EdgeRefusal::Flood, EdgeRefusal::Http2];

#[test]
fn every_error_code_is_listed_and_its_status_is_described() {
    let document = document();
    let mut codes = rows(include_str!("../problem.rs"), "fn row(self)");
    assert!(codes.contains_key("order_in_use"), "{codes:?}");
    let edge = include_str!("../../../edge/refusal.rs");
    let status = edge.split("pub fn status(self)").nth(1).unwrap().split("\n    }\n").next();
    let known = status.unwrap().matches("Self::").count();
    assert_eq!(known, REFUSALS.len() + UNSAID.len(), "they list them all");
    codes.extend(REFUSALS.map(|it| (it.code().to_owned(), it.status().to_string())));
    let listed = texts(&schema(&document, "ProblemCode")["enum"]);
    assert_eq!(codes.keys().cloned().collect::<Names>(), listed);
    let described: Names = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .flat_map(|operation| keys(&operation["responses"]))
        .collect();
    let edge = REFUSALS.map(|it| it.status().to_string());
    for status in codes.values().cloned().chain(edge) {
        assert!(described.contains(&status), "{status} is described nowhere");
    }
}

#[test]
fn an_error_has_the_members_of_the_schema() {
    let document = document();
    let wanted = keys(&schema(&document, "Problem")["properties"]);
    assert_eq!(texts(&schema(&document, "Problem")["required"]), wanted);
    let bodies = REFUSALS.map(EdgeRefusal::body);
    for body in bodies.into_iter().chain([Problem::not_authenticated().answer(1).body]) {
        assert_eq!(keys(&serde_json::from_slice(&body).unwrap()), wanted);
    }
}

/// Compares the members of a value with a schema's, at any depth.
fn check_members(document: &Value, value: &Map<String, Value>, schema: &Value) {
    let found: Names = value.keys().cloned().collect();
    assert_eq!(found, keys(&schema["properties"]));
    for (name, member) in value {
        let below = followed(document, &schema["properties"][name]);
        match member {
            Value::Object(member) => check_members(document, member, below),
            Value::Array(items) => items.iter().filter_map(Value::as_object).for_each(|item| {
                check_members(document, item, followed(document, &below["items"]));
            }),
            _ => {}
        }
    }
}

/// What a merchant is told of a payment that ended so, after a change.
fn told(request: &Request, verdict: Verdict, change: impl FnOnce(&mut View)) -> Value {
    let told = match outcome(request, verdict, false) {
        Reply::Outcome { view, .. } => Some(view),
        _ => None,
    };
    let mut view = told.unwrap().get().clone();
    change(&mut view);
    let view = Box::new(Durable::attest(view, Sequence(3)));
    body(&respond::answer(&Reply::Outcome { view, replayed: false }, true, None, 1))
}

/// All that a payment may have at all; no real one has an original and follow-ups.
fn all_at_once(view: &mut View) {
    let less = view.approved.map(|money| Money { minor: money.minor - 1, ..money });
    let balance = |kind| Balance { kind, amount: less.unwrap() };
    view.balances = vec![balance(BalanceKind::Ledger), balance(BalanceKind::Available)];
    view.request.original = Some(view.id);
    view.approved = less;
}

async fn some_request() -> Request {
    let world = World::new();
    world.send(&world.payment()).await;
    world.core.asked.lock().unwrap()[0].request().clone()
}

#[tokio::test]
async fn an_answer_has_the_members_of_the_schema() {
    let document = document();
    let payment = schema(&document, "Payment");
    let request = some_request().await;
    let whole = told(&request, Verdict::Approved, all_at_once);
    check_members(&document, whole.as_object().unwrap(), payment);
    for balance in whole["balances"].as_array().unwrap() {
        let kinds = &schema(&document, "Balance")["properties"]["kind"]["enum"];
        assert!(kinds.as_array().unwrap().contains(&balance["kind"]), "{balance}");
    }
    let bare = told(&request, Verdict::Reversed, |_| ());
    assert_eq!(keys(&bare), texts(&payment["required"]));
    let list = respond::answer(&Reply::List(vec![]), false, None, 1);
    let list = body(&list);
    check_members(&document, list.as_object().unwrap(), schema(&document, "PaymentList"));
}

/// The next after each verdict, so that none is forgotten.
fn after(verdict: Verdict) -> Option<Verdict> {
    use Verdict::{Approved, Declined, Pending, Reversed};
    Some(match verdict {
        Pending(PendingReason::InProgress) => Pending(PendingReason::HostTimeout),
        Pending(PendingReason::HostTimeout) => Pending(PendingReason::AwaitingHost),
        Pending(PendingReason::AwaitingHost) => Pending(PendingReason::UnderReview),
        Pending(PendingReason::UnderReview) => Approved,
        Approved => Reversed,
        Reversed => Declined(DeclineReason::Host),
        Declined(DeclineReason::Host) => Declined(DeclineReason::PickUp),
        Declined(DeclineReason::PickUp) => Declined(DeclineReason::HostUnavailable),
        Declined(DeclineReason::HostUnavailable) => Declined(DeclineReason::NeverPosted),
        Declined(DeclineReason::NeverPosted) => Declined(DeclineReason::HostTimeout),
        Declined(DeclineReason::HostTimeout) => return None,
    })
}

#[tokio::test]
async fn every_result_and_reason_is_listed() {
    let document = document();
    let payment = &schema(&document, "Payment")["properties"];
    let (mut results, mut reasons) = (Names::new(), Names::new());
    let request = some_request().await;
    let mut verdict = Some(Verdict::Pending(PendingReason::InProgress));
    while let Some(one) = verdict {
        let body = told(&request, one, |_| ());
        results.extend(body["result"].as_str().map(str::to_owned));
        reasons.extend(body["reason"].as_str().map(str::to_owned));
        let known = payment["will_be_approved"]["enum"].as_array().unwrap();
        assert!(known.contains(&body["will_be_approved"]));
        verdict = after(one);
    }
    assert_eq!(results, texts(&payment["result"]["enum"]));
    assert_eq!(reasons, texts(&payment["reason"]["enum"]));
}

#[tokio::test]
async fn every_operation_is_listed() {
    let document = document();
    let request = some_request().await;
    let operations = Operation::ALL.map(|operation| {
        let told = told(&request, Verdict::Approved, |view| view.request.operation = operation);
        told["operation"].as_str().unwrap().to_owned()
    });
    let listed = &schema(&document, "Payment")["properties"]["operation"]["enum"];
    assert_eq!(operations.into_iter().collect::<Names>(), texts(listed));
}

#[test]
fn a_request_has_the_members_of_the_schema() {
    let document = document();
    for (name, members) in decode::members() {
        let described = schema(&document, name);
        let found = names(members.iter().map(String::as_str));
        assert!(!found.is_empty(), "{name}");
        assert_eq!(found, keys(&described["properties"]), "{name}");
        assert_eq!(described["additionalProperties"], false, "{name}");
    }
    // A void takes no amount and a refund wants one: the stories of the operations show it.
    let [void, refund] = ["VoidRequest", "RefundRequest"].map(|name| schema(&document, name));
    assert_eq!(
        (keys(&void["properties"]), &void["additionalProperties"]),
        (names([]), &false.into())
    );
    assert_eq!(keys(&refund["properties"]), names(["amount"]));
    assert_eq!(
        (texts(&refund["required"]), &refund["additionalProperties"]),
        (names(["amount"]), &false.into())
    );
}

#[tokio::test]
async fn the_description_is_served_to_anybody() {
    let world = World::new();
    let received = Received {
        listener: "rest".into(),
        peer: "127.0.0.1:1".parse().unwrap(),
        client_certificate: None,
        method: "GET".into(),
        target: "/v1/openapi.json".into(),
        headers: vec![],
        body: vec![],
    };
    let answer = world.deliver(received.clone()).await;
    assert_eq!((answer.status, header(&answer, "signature")), (200, None));
    assert_eq!(body(&answer), document());
    let answer = world.deliver(Received { method: "PUT".into(), ..received }).await;
    assert_eq!((answer.status, header(&answer, "allow")), (405, Some("GET")));
}
