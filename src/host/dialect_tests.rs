//! The same story with each shipped dialect: a host is chosen by its files alone.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::bank_tests::{BankLine, World, is_approved, is_written, outgoing};
use crate::definitions;
use std::path::Path;
use std::sync::Arc;
use tidegate_iso8583::mti::Mti;
use tidegate_iso8583::pack::Builder;
use tidegate_payment::card::{Cavv, Secrets, SecurityCode};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::{PaymentId, Rrn, Stan};
use tidegate_payment::input::{Attempt, Input};
use tidegate_payment::record::ReversalVerdict;
use tidegate_payment::request::{Operation, OriginalFields};
use tidegate_payment::time::{BusinessDate, Timestamp};
use tidegate_protocol::definition::Definition;

const CODE: &str = "9753";
const CAVV: &str = "AJkBBkhgQQAAAE4gSEJydQAAAAA=";

/// A bank that speaks a definition.
struct Bank {
    definition: Arc<Definition>,
    line: BankLine,
}

impl Bank {
    async fn sign_on(name: &str) -> (World, Self) {
        let protocols = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols");
        let definition = Arc::new(definitions::load(&protocols, name, name).unwrap());
        let wording = Arc::<Definition>::clone(&definition);
        let mut world = World::start_speaking(wording, 1, Vec::new()).await;
        let mut bank = Self { definition, line: world.accept(0).await };
        let asked = bank.hears("0800").await;
        bank.answers(&asked, "00").await;
        assert!(matches!(world.input().await, Input::HostUp(_, true)));
        (world, bank)
    }

    async fn hears(&mut self, mti: &str) -> Vec<u8> {
        let body = self.line.hear_bytes().await;
        assert_eq!(self.definition.wire().parse(&body).unwrap().mti().as_str(), mti);
        body
    }

    async fn answers(&mut self, body: &[u8], code: &str) {
        let wire = self.definition.wire();
        let heard = wire.parse(body).unwrap();
        let mti = heard.mti().reply().unwrap();
        let mut answer = Builder::new(wire, mti);
        for number in [2, 3, 4, 7, 11, 37, 41, 42, 49, 70, 90] {
            if let Some(value) = heard.get(number) {
                answer.set(number, &value).unwrap();
            }
        }
        answer.set(39, code).unwrap();
        let mut body = Vec::new();
        answer.pack(&mut body).unwrap();
        self.line.say_bytes(&body).await;
    }

    fn get(&self, body: &[u8], number: u8) -> Option<String> {
        let message = self.definition.wire().parse(body).unwrap();
        message.get(number).map(std::borrow::Cow::into_owned)
    }
}

fn purchase(world: &World, attempt: Attempt) -> Box<Durable<Outgoing>> {
    outgoing(7, attempt, attempt != Attempt::Original, world.deadline())
}

/// The void of payment 7.
fn void(world: &World, attempt: Attempt) -> Box<Durable<Outgoing>> {
    let out = outgoing(8, attempt, attempt != Attempt::Original, world.deadline());
    Box::new(out.map(|mut out| {
        out.request.operation = Operation::Void;
        out.request.original = Some(PaymentId(7));
        out.fields.original = Some(Box::new(OriginalFields {
            operation: Operation::Purchase,
            stan: Stan::new(7).unwrap(),
            rrn: Rrn::parse("632600000001").unwrap(),
            transmitted: Timestamp(0),
            business_date: BusinessDate { year: 2026, month: 11, day: 22 },
            approval_code: Some("A12345".into()),
            amount: out.request.amount,
        }));
        out
    }))
}

fn put_secrets(world: &World, id: u128) {
    let (security_code, cavv) = (SecurityCode::parse(CODE).ok(), Cavv::parse(CAVV).ok());
    let secrets = Secrets { security_code, cavv };
    world.codes.put(PaymentId(id), secrets, world.deadline()).unwrap();
}

#[track_caller]
fn holds_no_secret(body: &[u8]) {
    let holds = |secret: &str| body.windows(secret.len()).any(|it| it == secret.as_bytes());
    assert!(!holds(CODE) && !holds(CAVV));
}

/// A purchase that is answered too late, and its reversal.
async fn a_silent_purchase_is_reversed(name: &str, types: [&str; 2]) {
    let (mut world, mut bank) = Bank::sign_on(name).await;
    put_secrets(&world, 7);
    world.host.send(purchase(&world, Attempt::Original)).unwrap();
    let asked = bank.hears("0200").await;
    is_written(&world.input().await, 7, Attempt::Original);
    let (code, cavv) = (format!("CV04{CODE}"), format!("CA28{CAVV}"));
    assert_eq!(bank.get(&asked, 48), Some(format!("{code}{cavv}")));
    put_secrets(&world, 7);
    let mti = Mti::parse(types[0]).unwrap();
    world.host.send(purchase(&world, Attempt::Reversal(1))).unwrap();
    let repeat = mti.repeat().unwrap();
    let undone = bank.hears(repeat.as_str()).await;
    is_written(&world.input().await, 7, Attempt::Reversal(1));
    holds_no_secret(&undone);
    assert!(bank.get(&undone, 90).unwrap().starts_with("0200000007"));
    assert_eq!(mti.reply().unwrap().as_str(), types[1]);
    bank.answers(&undone, "00").await;
    let input = world.input().await;
    let Input::ReversalAnswered(PaymentId(7), answer) = input else { panic!("{input:?}") };
    assert_eq!(answer.verdict, ReversalVerdict::Accepted);
    bank.answers(&asked, "00").await;
    is_approved(&world.input().await, 7, "line-0");
}

/// A void goes out, meets silence, and is answered when it is repeated.
async fn a_silent_void_is_repeated(name: &str, first: &str, repeated: &str) {
    let (mut world, mut bank) = Bank::sign_on(name).await;
    world.host.send(void(&world, Attempt::Original)).unwrap();
    let asked = bank.hears(first).await;
    is_written(&world.input().await, 8, Attempt::Original);
    assert_eq!(bank.get(&asked, 38).as_deref(), Some("A12345"));
    assert!(bank.get(&asked, 90).unwrap().starts_with("02000000070101000000"));
    put_secrets(&world, 8);
    world.host.send(void(&world, Attempt::Repeat(2))).unwrap();
    let again = bank.hears(repeated).await;
    is_written(&world.input().await, 8, Attempt::Repeat(2));
    holds_no_secret(&again);
    let type_bytes = again.iter().zip(&asked).filter(|(now, then)| now != then).count();
    assert_eq!((again.len(), type_bytes), (asked.len(), 1), "the type alone differs");
    // Code 25 says nothing about a void: it is no answer.
    bank.answers(&again, "25").await;
    world.until(|status| status.quarantined.get("unlisted_code") == Some(&1)).await;
    bank.answers(&again, "00").await;
    is_approved(&world.input().await, 8, "line-0");
}

#[tokio::test]
async fn a_silent_purchase_is_reversed_in_ascii() {
    a_silent_purchase_is_reversed("iso87-ascii", ["0420", "0430"]).await;
}

#[tokio::test]
async fn a_silent_purchase_is_reversed_in_packed_form() {
    a_silent_purchase_is_reversed("iso87-binary", ["0400", "0410"]).await;
}

#[tokio::test]
async fn a_silent_void_is_repeated_in_ascii() {
    a_silent_void_is_repeated("iso87-ascii", "0420", "0421").await;
}

#[tokio::test]
async fn a_silent_void_is_repeated_in_packed_form() {
    a_silent_void_is_repeated("iso87-binary", "0400", "0401").await;
}
