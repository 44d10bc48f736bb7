#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::treatment::WEIGHTS;
use super::*;
use crate::bank::capture::{Line, Seen, Sender};
use crate::clock::Clock;
use crate::dice::Dice;
use crate::iso::{Dialect, Message};
use crate::token::Tokens;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A broken test fails after this long instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings(faults: &[WireFault]) -> Settings {
    let delay_max = Duration::from_millis(20);
    let faults = faults.iter().copied().collect();
    Settings { seed: 7, faults, delay_max, ..Settings::default() }
}

fn every_fault() -> Vec<WireFault> {
    WEIGHTS.iter().map(|(fault, _)| *fault).collect()
}

fn reply(number: u32) -> Message {
    let mut reply = Message::new("0210");
    let fields: [(u8, String); 10] = [
        (2, "4000000000010001".into()),
        (3, "000000".into()),
        (4, format!("{number:012}")),
        (7, "1122101530".into()),
        (11, format!("{:06}", number % 1_000_000)),
        (37, format!("6326{number:08}")),
        (39, "00".into()),
        (41, "TERM1001".into()),
        (42, "SHOP00000001001".into()),
        (49, "978".into()),
    ];
    for (field, value) in fields {
        reply.set(field, value);
    }
    reply
}

/// A proxy with both its sides in the test's hands: the gateway's and the bank's.
async fn between(settings: Settings, tap: Option<Capture>) -> (Proxy, TcpStream, TcpStream) {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::new(settings, tap);
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let front = proxy
        .stand_before(
            Line { name: "a".to_owned(), ..Line::default() },
            door.local_addr().unwrap(),
            anywhere,
        )
        .await
        .unwrap();
    let gateway = TcpStream::connect(front).await.unwrap();
    let (bank, _) = door.accept().await.unwrap();
    (proxy, gateway, bank)
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

async fn hear(side: &mut TcpStream) -> Vec<u8> {
    let hearing = async {
        let mut body = vec![0; usize::from(side.read_u16().await.unwrap())];
        side.read_exact(&mut body).await.unwrap();
        body
    };
    tokio::time::timeout(PATIENCE, hearing).await.expect("a frame comes")
}

#[test]
fn the_same_frame_of_a_seed_is_treated_alike_and_every_fault_falls() {
    let settings = settings(&every_fault());
    let of =
        |settings: &Settings, number| treatment(settings, "a", Direction::ToGateway, number, 120);
    let mut seen = BTreeSet::new();
    for number in 1..20_000 {
        let treatment = of(&settings, number);
        assert_eq!(treatment, of(&settings, number));
        seen.extend(treatment.fault());
    }
    assert_eq!(seen, every_fault().into_iter().collect());
    let other = Settings { seed: 8, ..settings.clone() };
    assert!((1..100).any(|number| of(&settings, number) != of(&other, number)));
}

#[test]
fn a_fault_that_was_not_asked_for_does_not_fall() {
    let settings = settings(&[WireFault::Split]);
    for number in 1..5_000 {
        let found = treatment(&settings, "a", Direction::ToBank, number, 120).fault();
        assert!(matches!(found, None | Some(WireFault::Split)), "{found:?}");
    }
}

#[tokio::test]
async fn what_is_delayed_split_joined_and_reordered_all_arrives() {
    use WireFault::{Bytewise, Delay, Join, Reorder, Split};
    let (proxy, mut gateway, mut bank) =
        between(settings(&[Bytewise, Delay, Join, Reorder, Split]), None).await;
    let sent: Vec<Vec<u8>> = (0..300_u32).map(|n| format!("frame {n}").into_bytes()).collect();
    let stream: Vec<u8> = sent.iter().flat_map(|body| framed(body)).collect();
    gateway.write_all(&stream).await.unwrap();
    let mut got = Vec::new();
    for _ in &sent {
        got.push(hear(&mut bank).await);
    }
    assert_ne!(got, sent, "some overtook others");
    let sorted = |mut list: Vec<Vec<u8>>| {
        list.sort();
        list
    };
    assert_eq!(sorted(got), sorted(sent));
    let counts = proxy.counts();
    assert_eq!(counts.frames, 300);
    assert_eq!(counts.treated.len(), 5, "{counts:?}");
}

#[tokio::test]
async fn a_dropped_frame_is_missing_and_a_doubled_one_comes_twice() {
    let settings = settings(&[WireFault::Drop, WireFault::Duplicate]);
    let fate = |number| treatment(&settings, "a", Direction::ToBank, number, 3);
    let want: usize = (1..=200)
        .map(|number| match fate(number) {
            Treatment::Drop => 0,
            Treatment::Twice(_) => 2,
            _ => 1,
        })
        .sum();
    assert_ne!(want, 200);
    let (_, mut gateway, mut bank) = between(settings, None).await;
    for n in 1..=200 {
        gateway.write_all(&framed(format!("{n:03}").as_bytes())).await.unwrap();
    }
    for _ in 0..want {
        hear(&mut bank).await;
    }
    gateway.shutdown().await.unwrap();
    let mut rest = Vec::new();
    bank.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_stopped_proxy_passes_everything_as_it_is() {
    let (proxy, mut gateway, mut bank) = between(settings(&every_fault()), None).await;
    proxy.stop();
    for n in 0..300_u32 {
        let body = format!("frame {n}").into_bytes();
        bank.write_all(&framed(&body)).await.unwrap();
        assert_eq!(hear(&mut gateway).await, body);
    }
    assert!(proxy.counts().treated.is_empty());
}

#[tokio::test]
async fn false_replies_surround_the_true_one_and_none_of_them_is_true() {
    let settings = Settings { hostile_replies: 40, ..settings(&[]) };
    let tap = Capture::new(Clock::start(), Tokens::fresh().unwrap(), None).unwrap();
    let (proxy, mut gateway, mut bank) = between(settings, Some(tap.clone())).await;
    let truth = Dialect::Iso87Ascii.encode(&reply(4711)).unwrap();
    bank.write_all(&framed(&truth)).await.unwrap();
    let (mut lies, mut truths) = (0, 0);
    while truths == 0 || lies < proxy.counts().lies {
        match hear(&mut gateway).await == truth {
            true => truths += 1,
            false => lies += 1,
        }
    }
    assert_eq!(truths, 1);
    assert!(lies >= 39, "{lies}");
    let noted = tap.events().unwrap();
    let from_bank = |seen: &Seen| matches!(seen, Seen::Message(Sender::Bank, _));
    assert_eq!(noted.iter().filter(|event| from_bank(&event.seen)).count(), 1);
}

#[test]
fn every_lie_differs_from_the_truth_in_something_that_is_echoed() {
    let truth = reply(4711);
    let mut dice = Dice::new(3);
    let mut unread = 0;
    let lies = lies::lies(&mut dice, &truth, 20_000);
    for lie in &lies.before {
        let Ok(lie) = Dialect::Iso87Ascii.decode(lie) else { continue };
        let key = [7, 11, 37, 41, 42];
        let other_key = key.iter().any(|field| lie.get(*field) != truth.get(*field));
        assert!(other_key || lie.mti != truth.mti, "{lie:?}");
    }
    for lie in lies.before.into_iter().chain(lies.behind) {
        let Ok(lie) = Dialect::Iso87Ascii.decode(&lie) else {
            unread += 1;
            continue;
        };
        let echoed = [2, 4, 7, 11, 37, 41, 42, 49];
        let differs = echoed.iter().any(|field| lie.get(*field) != truth.get(*field));
        assert!(differs || lie.mti != truth.mti, "{lie:?}");
        assert_ne!(lie.get(39), truth.get(39));
    }
    assert!((10..100).contains(&unread), "{unread}");
}
