//! Stories with a small bank on loopback. Frames are words of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::connection::{Job, Link};
use super::slot::Slots;
use super::wording::*;
use super::*;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Instant;
use tidegate_line::event::{Ask, Event, HostRequest, Read, Written};
use tidegate_line::keep_alive::KeepAlives;
use tidegate_line::name::{Connection, ExchangeId, Frame, LineIndex, MatchKey};
use tidegate_payment::card::{CardHash, CardRef, Expiry, Pan, Secrets, SecurityCode};
use tidegate_payment::durable::Sequence;
use tidegate_payment::id::*;
use tidegate_payment::input::{Attempt, ReversalAnswer};
use tidegate_payment::money::{Currency, Money};
use tidegate_payment::record::{AnswerClass, HostAnswer, ReversalVerdict};
use tidegate_payment::request::*;
use tidegate_payment::time::{BusinessDate, LocalTime, Mono, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub(super) const PAN: &str = "4000000000000002";
/// A broken test fails after this long instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Now {
        Now { mono: Mono(self.0.elapsed()), wall: Timestamp(0) }
    }
}

/// Opens every card but those whose seal is empty.
struct TestCards;

impl Cards for TestCards {
    fn unseal(&self, card: &CardRef) -> Result<Pan, UnsealError> {
        let number = std::str::from_utf8(&card.sealed).unwrap();
        Pan::parse(number).map_err(|error| UnsealError(error.to_string()))
    }

    fn is_same(&self, card: &CardRef, number: &str) -> bool {
        card.sealed == number.as_bytes()
    }
}

/// Messages are words parted by blanks: a verb, a key, and what else there is to say.
pub(super) struct Words;

impl Words {
    fn key_of(out: &Outgoing) -> String {
        let kind = match out.attempt {
            Attempt::Original | Attempt::Repeat(_) => "pay",
            Attempt::Reversal(_) => "undo",
        };
        format!("{kind}-{}", out.fields.stan)
    }
}

fn words(body: &[u8]) -> Vec<&str> {
    std::str::from_utf8(body).unwrap_or_default().split(' ').collect()
}

fn key(text: &str) -> MatchKey {
    MatchKey(text.as_bytes().to_vec())
}

impl Wording for Words {
    fn encode(
        &self,
        out: &Outgoing,
        card: &Pan,
        secrets: &Secrets,
        body: &mut Vec<u8>,
    ) -> Result<MatchKey, WordingError> {
        let code = secrets.security_code.as_ref().map_or("none", SecurityCode::expose);
        let repeat = if out.repeat { "again" } else { "first" };
        let (amount, number) = (out.request.amount.minor, card.expose());
        let name = Self::key_of(out);
        body.extend(format!("do {name} {number} {amount} {code} {repeat}").as_bytes());
        Ok(key(&name))
    }

    fn key(&self, out: &Outgoing) -> Result<MatchKey, WordingError> {
        Ok(key(&Self::key_of(out)))
    }

    fn read(&self, body: &[u8]) -> Read {
        match words(body).as_slice() {
            ["done", name, ..] => Read::Reply(key(name)),
            ["yes", name] => Read::NetworkReply { key: key(name), accepted: true },
            ["no", name] => Read::NetworkReply { key: key(name), accepted: false },
            ["there?", _] => Read::Request(HostRequest::Echo),
            ["tomorrow!", _] => Read::Request(HostRequest::CutOver),
            _ => Read::Unparsable,
        }
    }

    fn judge(
        &self,
        body: &[u8],
        out: &Outgoing,
        line: &LineId,
        is_card: &dyn Fn(&str) -> bool,
    ) -> Judged {
        let [_, _, number, amount, code] = words(body)[..] else {
            return Judged::Disagrees("words".into());
        };
        if !is_card(number) {
            return Judged::Disagrees("card".into());
        }
        if amount != out.request.amount.minor.to_string() {
            return Judged::Disagrees("amount".into());
        }
        let (response_code, line) = (code.to_owned(), line.clone());
        match (code, out.attempt) {
            ("00", Attempt::Original | Attempt::Repeat(_)) => Judged::Answer(HostAnswer {
                response_code,
                class: AnswerClass::Approved,
                approval_code: None,
                amount: out.request.amount,
                line,
                balances: Vec::new(),
            }),
            ("00", Attempt::Reversal(_)) => {
                let verdict = ReversalVerdict::Accepted;
                Judged::Reversal(ReversalAnswer { response_code, verdict, line })
            }
            _ => Judged::UnlistedCode(response_code),
        }
    }

    fn ask(
        &self,
        ask: Ask,
        stan: Stan,
        _: Timestamp,
        body: &mut Vec<u8>,
    ) -> Result<MatchKey, WordingError> {
        body.extend(format!("{ask:?} {stan}").as_bytes());
        Ok(key(&stan.to_string()))
    }

    fn answer(&self, request: &[u8], ok: bool, body: &mut Vec<u8>) -> Result<(), WordingError> {
        let not = if ok { "" } else { "not " };
        body.extend(format!("{not}here! {}", words(request)[1]).as_bytes());
        Ok(())
    }

    fn cut_over_date(&self, request: &[u8]) -> Result<Option<(u8, u8)>, WordingError> {
        match words(request)[1] {
            "never" => Err(WordingError("no date".into())),
            "1123" => Ok(Some((11, 23))),
            "0101" => Ok(Some((1, 1))),
            _ => Ok(None),
        }
    }
}

pub(super) fn outgoing(
    id: u128,
    attempt: Attempt,
    repeat: bool,
    deadline: Mono,
) -> Box<Durable<Outgoing>> {
    let id = PaymentId(id);
    let card = CardRef {
        bin: "400000".into(),
        last4: "0002".into(),
        hash: CardHash([7; 32]),
        expiry: Expiry::new(2029, 12).unwrap(),
        sealed: PAN.into(),
    };
    let request = Request {
        merchant: MerchantId::parse("m-1").unwrap(),
        channel: ChannelId::parse("rest").unwrap(),
        operation: Operation::Purchase,
        key: IdempotencyKey::parse("k-1").unwrap(),
        freshness: Freshness { created: Timestamp(0), nonce: Nonce::parse("12345678").unwrap() },
        order: OrderId::parse("o-1").unwrap(),
        amount: Money { minor: 1234, currency: Currency::from_alphabetic("EUR").unwrap() },
        card,
        eci: None,
        ds_transaction: None,
        original: None,
    };
    let fields = HostFields {
        route: Route {
            host: HostId::parse("bank").unwrap(),
            acquirer: "00000123456".into(),
            forwarder: None,
            definitions: Definitions { dialect: [0; 32], mapping: [0; 32] },
            silence: Silence::Reversal,
        },
        acceptor: Acceptor {
            category: "5942".into(),
            terminal: TerminalId::parse("TERM0001").unwrap(),
            number: "CORNERBOOKS0001".into(),
            name_location: "Corner Books".into(),
        },
        stan: Stan::new(u32::try_from(id.0).unwrap()).unwrap(),
        rrn: Rrn::parse("632600000001").unwrap(),
        transmitted: Timestamp(0),
        local: LocalTime { month: 11, day: 22, hour: 16, minute: 0, second: 0 },
        business_date: BusinessDate { year: 2026, month: 11, day: 22 },
        original: None,
    };
    let approval_code = None;
    let out = Outgoing { id, attempt, repeat, request, fields, approval_code, deadline };
    Box::new(Durable::attest(out, Sequence(1)))
}

thread_local! {
    /// Whether the lines of this test's hosts lie behind socket pairs.
    static CARRIED: Cell<bool> = const { Cell::new(false) };
}

/// A bank that listens on one address for each line.
pub(super) struct World {
    pub(super) host: HostHandle,
    pub(super) codes: Arc<Slots>,
    inputs: mpsc::Receiver<Input>,
    clock: Arc<TestClock>,
    doors: Vec<TcpListener>,
}

/// One connection as the bank sees it.
pub(super) struct BankLine(TcpStream);

impl World {
    async fn start(lines: usize) -> Self {
        Self::start_expecting(lines, Vec::new()).await
    }

    /// With requests of an earlier run that the bank may still answer.
    async fn start_expecting(lines: usize, expected: Vec<Durable<Outgoing>>) -> Self {
        Self::start_speaking(Arc::new(Words), lines, expected).await
    }

    pub(super) async fn start_speaking(
        wording: Arc<dyn Wording>,
        lines: usize,
        expected: Vec<Durable<Outgoing>>,
    ) -> Self {
        Self::start_cutting_over(wording, lines, expected, None).await
    }

    /// One line of this framing and this law of empty frames.
    async fn start_framed(frame: &str, header: &[u8], keep_alives: KeepAlives) -> Self {
        let framing = (FrameFormat::named(frame).unwrap(), header.to_vec(), keep_alives);
        Self::start_as(Arc::new(Words), 1, Vec::new(), None, framing).await
    }

    /// Whose cut-over does something.
    pub(super) async fn start_cutting_over(
        wording: Arc<dyn Wording>,
        lines: usize,
        expected: Vec<Durable<Outgoing>>,
        cut_overs: Option<CutOverRule>,
    ) -> Self {
        let framing = (FrameFormat::LENGTH_BE2, Vec::new(), KeepAlives::Ignore);
        Self::start_as(wording, lines, expected, cut_overs, framing).await
    }

    async fn start_as(
        wording: Arc<dyn Wording>,
        lines: usize,
        expected: Vec<Durable<Outgoing>>,
        cut_overs: Option<CutOverRule>,
        (frame, header, keep_alives): (FrameFormat, Vec<u8>, KeepAlives),
    ) -> Self {
        let mut doors = Vec::new();
        let mut settings = Vec::new();
        for number in 0..lines {
            let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = door.local_addr().unwrap().to_string();
            let id = LineId::parse(&format!("line-{number}")).unwrap();
            settings.push(LineSettings { id, address, signed_off: false });
            doors.push(door);
        }
        let (inputs_out, inputs) = mpsc::channel(64);
        let codes = Arc::new(Slots::new(8));
        let clock = Arc::new(TestClock(Instant::now()));
        let limits = Limits {
            reconnect_min: Duration::from_millis(10),
            reconnect_max: Duration::from_millis(50),
            keep_alives,
            ..Limits::default()
        };
        let host = start(HostParts {
            settings: HostSettings {
                id: HostId::parse("bank").unwrap(),
                lines: settings,
                limits,
                frame,
                header,
                frame_bytes_max: 4096,
                connect_timeout: PATIENCE,
                carried: CARRIED.get(),
                queue_max: NonZeroUsize::new(256).unwrap(),
                encoders: NonZeroUsize::new(2).unwrap(),
            },
            wording,
            cards: Arc::new(TestCards),
            cut_overs,
            expected,
            codes: Arc::clone(&codes),
            inputs: inputs_out,
            clock: Arc::<TestClock>::clone(&clock),
            dice: Box::new(|| 0),
        });
        Self { host: host.unwrap(), codes, inputs, clock, doors }
    }

    /// One line, signed on.
    async fn serving() -> (Self, BankLine) {
        let mut world = Self::start(1).await;
        let bank = world.sign_on(0).await;
        assert!(matches!(world.input().await, Input::HostUp(_, true)));
        (world, bank)
    }

    pub(super) async fn accept(&self, line: usize) -> BankLine {
        BankLine(patient(self.doors[line].accept()).await.unwrap().0)
    }

    pub(super) async fn sign_on(&self, line: usize) -> BankLine {
        let mut bank = self.accept(line).await;
        let asked = bank.hear().await;
        let stan = asked.strip_prefix("SignOn ").unwrap();
        bank.say(&format!("yes {stan}")).await;
        bank
    }

    pub(super) async fn input(&mut self) -> Input {
        patient(self.inputs.recv()).await.unwrap()
    }

    pub(super) fn deadline(&self) -> Mono {
        self.clock.now().mono.after(PATIENCE)
    }

    fn pay(&self, id: u128) {
        self.host.send(outgoing(id, Attempt::Original, false, self.deadline())).unwrap();
    }

    fn undo(&self, id: u128, attempt: u32) {
        let attempt = Attempt::Reversal(attempt);
        self.host.send(outgoing(id, attempt, true, self.deadline())).unwrap();
    }

    pub(super) async fn until(&self, wanted: impl Fn(&HostStatus) -> bool) {
        patient(async {
            while !wanted(&self.host.status().await.unwrap()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    #[track_caller]
    fn quarantined(status: &HostStatus, reason: &str) -> u64 {
        status.quarantined.get(reason).copied().unwrap_or(0)
    }
}

impl BankLine {
    pub(super) async fn hear(&mut self) -> String {
        patient(self.try_hear()).await.unwrap()
    }

    async fn try_hear(&mut self) -> std::io::Result<String> {
        Ok(String::from_utf8(self.try_hear_bytes().await?).unwrap())
    }

    pub(super) async fn say(&mut self, body: &str) {
        self.say_bytes(body.as_bytes()).await;
    }

    pub(super) async fn hear_bytes(&mut self) -> Vec<u8> {
        patient(self.try_hear_bytes()).await.unwrap()
    }

    async fn try_hear_bytes(&mut self) -> std::io::Result<Vec<u8>> {
        let length = self.0.read_u16().await?;
        let mut body = vec![0; usize::from(length)];
        self.0.read_exact(&mut body).await?;
        Ok(body)
    }

    pub(super) async fn say_bytes(&mut self, body: &[u8]) {
        let length = u16::try_from(body.len()).unwrap();
        let frame = [&length.to_be_bytes()[..], body].concat();
        self.0.write_all(&frame).await.unwrap();
    }
}

async fn patient<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens at last")
}

#[track_caller]
pub(super) fn is_written(input: &Input, id: u128, attempt: Attempt) {
    assert!(
        matches!(input, Input::Written(p, a) if p.0 == id && *a == attempt),
        "written expected, {input:?} found"
    );
}

#[track_caller]
pub(super) fn is_approved(input: &Input, id: u128, line: &str) {
    assert!(
        matches!(input, Input::HostAnswered(p, a) if p.0 == id && a.line.as_str() == line),
        "approval expected, {input:?} found"
    );
}

#[tokio::test]
async fn a_payment_crosses_the_line_and_its_code_is_taken() {
    let (mut world, mut bank) = World::serving().await;
    let secrets = Secrets { security_code: SecurityCode::parse("987").ok(), cavv: None };
    world.codes.put(PaymentId(1), secrets, world.deadline()).unwrap();
    world.pay(1);
    assert_eq!(bank.hear().await, format!("do pay-000001 {PAN} 1234 987 first"));
    is_written(&world.input().await, 1, Attempt::Original);
    assert!(world.codes.is_empty());
    bank.say(&format!("done pay-000001 {PAN} 1234 00")).await;
    is_approved(&world.input().await, 1, "line-0");
}

#[tokio::test]
async fn a_payment_is_not_sent_without_a_signed_on_line() {
    let mut world = World::start(1).await;
    let mut bank = world.accept(0).await;
    assert!(bank.hear().await.starts_with("SignOn"));
    world.pay(1);
    let input = world.input().await;
    assert!(
        matches!(input, Input::NotSent(_, Attempt::Original, NotSentReason::NoLine)),
        "{input:?}"
    );
}

#[tokio::test]
async fn a_card_that_cannot_be_unsealed_is_not_sent() {
    let (mut world, _bank) = World::serving().await;
    let out = outgoing(1, Attempt::Original, false, world.deadline());
    let broken = out.map(|mut out| {
        out.request.card.sealed.clear();
        out
    });
    world.host.send(Box::new(broken)).unwrap();
    let input = world.input().await;
    assert!(matches!(input, Input::NotSent(_, _, NotSentReason::EncodeFailed)), "{input:?}");
}

#[tokio::test]
async fn an_overdue_payment_is_not_sent() {
    let (mut world, _bank) = World::serving().await;
    let deadline = world.clock.now().mono;
    world.host.send(outgoing(1, Attempt::Original, false, deadline)).unwrap();
    let input = world.input().await;
    assert!(matches!(input, Input::NotSent(_, _, NotSentReason::Overdue)), "{input:?}");
}

#[tokio::test]
async fn a_broken_line_fails_over_and_comes_back() {
    let mut world = World::start(2).await;
    let first = world.sign_on(0).await;
    let mut second = world.sign_on(1).await;
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    drop(first);
    // The line connects again, so its loss has been noticed.
    let mut first = world.accept(0).await;
    world.pay(1);
    assert!(second.hear().await.starts_with("do pay-000001"));
    is_written(&world.input().await, 1, Attempt::Original);
    drop(second);
    assert!(matches!(world.input().await, Input::HostUp(_, false)));
    let asked = first.hear().await;
    first.say(&asked.replace("SignOn", "yes")).await;
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    // The reply comes on another line than the request.
    first.say(&format!("done pay-000001 {PAN} 1234 00")).await;
    is_approved(&world.input().await, 1, "line-0");
}

#[tokio::test]
async fn a_reply_that_disagrees_is_quarantined_and_the_true_one_still_counts() {
    let (mut world, mut bank) = World::serving().await;
    world.pay(1);
    bank.hear().await;
    is_written(&world.input().await, 1, Attempt::Original);
    let lies =
        [format!("{PAN} 999 00"), "4000000000000010 1234 00".into(), format!("{PAN} 1234 77")];
    for (lie, judged) in lies.iter().zip(1..) {
        bank.say(&format!("done pay-000001 {lie}")).await;
        let waits_again =
            |status: &HostStatus| status.quarantined_in_all() == judged && status.in_flight == 1;
        world.until(waits_again).await;
    }
    bank.say(&format!("done pay-000001 {PAN} 1234 00")).await;
    is_approved(&world.input().await, 1, "line-0");
    let status = world.host.status().await.unwrap();
    assert_eq!(World::quarantined(&status, "disagreed"), 2, "{status:?}");
    assert_eq!(World::quarantined(&status, "unlisted_code"), 1, "{status:?}");
}

#[tokio::test]
async fn a_late_answer_after_a_restart_finds_its_payment_and_the_reversal_its_own() {
    let (mut world, mut bank) = World::serving().await;
    world.undo(5, 3);
    assert_eq!(bank.hear().await, format!("do undo-000005 {PAN} 1234 none again"));
    is_written(&world.input().await, 5, Attempt::Reversal(3));
    bank.say(&format!("done pay-000005 {PAN} 1234 00")).await;
    is_approved(&world.input().await, 5, "line-0");
    world.undo(5, 4);
    bank.hear().await;
    is_written(&world.input().await, 5, Attempt::Reversal(4));
    bank.say(&format!("done undo-000005 {PAN} 1234 00")).await;
    let input = world.input().await;
    assert!(matches!(input, Input::ReversalAnswered(PaymentId(5), _)), "{input:?}");
    bank.say(&format!("done undo-000005 {PAN} 1234 00")).await;
    bank.say("there? 1").await;
    assert_eq!(bank.hear().await, "here! 1");
    let status = world.host.status().await.unwrap();
    assert_eq!(World::quarantined(&status, "duplicate"), 1, "{status:?}");
}

#[tokio::test]
async fn an_advice_that_is_met_by_silence_is_repeated_without_secrets_until_it_is_answered() {
    let (mut world, mut bank) = World::serving().await;
    let secrets = || Secrets { security_code: SecurityCode::parse("987").ok(), cavv: None };
    world.pay(3);
    bank.hear().await;
    is_written(&world.input().await, 3, Attempt::Original);
    for attempt in 2..=3 {
        // Whatever lies in the slot: a repeat takes nothing from it.
        world.codes.put(PaymentId(3), secrets(), world.deadline()).unwrap();
        let again = Attempt::Repeat(attempt);
        world.host.send(outgoing(3, again, true, world.deadline())).unwrap();
        assert_eq!(bank.hear().await, format!("do pay-000003 {PAN} 1234 none again"));
        is_written(&world.input().await, 3, again);
        assert_eq!(world.codes.len(), 1);
    }
    bank.say(&format!("done pay-000003 {PAN} 1234 00")).await;
    is_approved(&world.input().await, 3, "line-0");
    // The answer to the first one, late: the exchange is closed.
    bank.say(&format!("done pay-000003 {PAN} 1234 00")).await;
    bank.say("there? 1").await;
    assert_eq!(bank.hear().await, "here! 1");
    let status = world.host.status().await.unwrap();
    assert_eq!(World::quarantined(&status, "duplicate"), 1, "{status:?}");
}

#[tokio::test]
async fn a_repeat_that_finds_no_line_is_told_as_that_repeat() {
    let mut world = World::start(1).await;
    let mut bank = world.accept(0).await;
    assert!(bank.hear().await.starts_with("SignOn"));
    let again = Attempt::Repeat(4);
    world.host.send(outgoing(3, again, true, world.deadline())).unwrap();
    let input = world.input().await;
    assert!(
        matches!(input, Input::NotSent(PaymentId(3), Attempt::Repeat(4), NotSentReason::NoLine)),
        "{input:?}"
    );
}

#[tokio::test]
async fn the_answer_to_an_advice_of_an_earlier_run_is_known_by_its_repeat() {
    let (mut world, mut bank) = World::serving().await;
    world.host.send(outgoing(6, Attempt::Repeat(9), true, world.deadline())).unwrap();
    bank.hear().await;
    is_written(&world.input().await, 6, Attempt::Repeat(9));
    bank.say(&format!("done pay-000006 {PAN} 1234 00")).await;
    is_approved(&world.input().await, 6, "line-0");
}

#[tokio::test]
async fn a_late_answer_to_what_an_earlier_run_reversed_still_finds_its_payment() {
    let reversed = outgoing(7, Attempt::Original, false, Mono(Duration::ZERO));
    let mut world = World::start_expecting(1, vec![*reversed]).await;
    let mut bank = world.sign_on(0).await;
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    bank.say(&format!("done pay-000007 {PAN} 1234 00")).await;
    is_approved(&world.input().await, 7, "line-0");
}

#[tokio::test]
async fn a_repeat_goes_out_on_the_line_of_the_first_attempt() {
    let mut world = World::start(2).await;
    let mut banks = [world.sign_on(0).await, world.sign_on(1).await];
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    world.until(|status| status.lines.iter().all(|line| line.state == "serving")).await;
    for id in 1..=6 {
        for attempt in 1..=2 {
            world.undo(id, attempt);
            is_written(&world.input().await, id, Attempt::Reversal(attempt));
        }
    }
    for bank in &mut banks {
        let mut stans = Vec::new();
        for _ in 0..6 {
            stans.push(words(bank.hear().await.as_bytes())[1].to_owned());
        }
        assert!(stans.chunks(2).all(|pair| pair[0] == pair[1]), "{stans:?}");
    }
}

#[tokio::test]
async fn a_reversal_goes_out_on_the_line_of_its_original() {
    let mut world = World::start(2).await;
    let mut banks = [world.sign_on(0).await, world.sign_on(1).await];
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    world.until(|status| status.lines.iter().all(|line| line.state == "serving")).await;
    for id in 1..=6 {
        world.pay(id);
        is_written(&world.input().await, id, Attempt::Original);
        world.undo(id, 1);
        is_written(&world.input().await, id, Attempt::Reversal(1));
    }
    for bank in &mut banks {
        let mut stans = Vec::new();
        for _ in 0..6 {
            let heard = bank.hear().await;
            stans.push(words(heard.as_bytes())[1].rsplit('-').next().unwrap().to_owned());
        }
        assert!(stans.chunks(2).all(|pair| pair[0] == pair[1]), "{stans:?}");
    }
}

#[tokio::test]
async fn garbage_is_quarantined_and_a_frame_too_long_ends_the_connection() {
    let (world, mut bank) = World::serving().await;
    bank.say("gibberish").await;
    bank.say("there? 1").await;
    assert_eq!(bank.hear().await, "here! 1");
    let status = world.host.status().await.unwrap();
    assert_eq!(World::quarantined(&status, "unparsable"), 1, "{status:?}");
    assert_eq!(status.lines[0].state, "serving");
    bank.0.write_u16(4097).await.unwrap();
    assert!(patient(bank.try_hear()).await.is_err());
    world.sign_on(0).await;
}

#[tokio::test]
async fn a_stop_signs_off_and_ends() {
    let (world, mut bank) = World::serving().await;
    let bank = tokio::spawn(async move {
        let asked = bank.hear().await;
        bank.say(&asked.replace("SignOff", "yes")).await;
        assert!(bank.try_hear().await.is_err(), "closed");
        asked
    });
    patient(world.host.stop()).await;
    assert!(bank.await.unwrap().starts_with("SignOff"));
}

#[tokio::test]
async fn an_operator_signs_a_line_off_and_on() {
    let (mut world, mut bank) = World::serving().await;
    let line = LineId::parse("line-0").unwrap();
    assert!(!world.host.sign_off(&LineId::parse("line-7").unwrap()).await);
    assert!(world.host.sign_off(&line).await);
    assert!(matches!(world.input().await, Input::HostUp(_, false)));
    let asked = bank.hear().await;
    bank.say(&asked.replace("SignOff", "yes")).await;
    assert!(patient(bank.try_hear()).await.is_err());
    assert!(world.host.sign_on(&line).await);
    world.sign_on(0).await;
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
}

#[tokio::test]
async fn a_line_that_is_signed_off_takes_nothing_new_and_waits_for_what_is_in_flight() {
    let (mut world, mut bank) = World::serving().await;
    world.pay(1);
    assert!(bank.hear().await.starts_with("do pay-000001"));
    is_written(&world.input().await, 1, Attempt::Original);
    assert!(world.host.sign_off(&LineId::parse("line-0").unwrap()).await);
    let status = world.host.status().await.unwrap();
    assert_eq!((status.up, status.lines[0].state), (false, "draining"));
    assert!(status.lines[0].signed_off_by_operator);
    assert!(matches!(world.input().await, Input::HostUp(_, false)));
    world.undo(2, 1);
    let input = world.input().await;
    assert!(matches!(input, Input::NotSent(_, _, NotSentReason::NoLine)), "{input:?}");
    bank.say(&format!("done pay-000001 {PAN} 1234 00")).await;
    is_approved(&world.input().await, 1, "line-0");
    let asked = bank.hear().await;
    bank.say(&asked.replace("SignOff", "yes")).await;
    assert!(patient(bank.try_hear()).await.is_err());
    world.until(|status| status.lines[0].state == "held").await;
}

#[tokio::test]
async fn a_dropped_handle_signs_off() {
    let (world, mut bank) = World::serving().await;
    drop(world.host);
    assert!(bank.hear().await.starts_with("SignOff"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_payments_share_two_lines_and_each_gets_its_own_answer() {
    const PAYMENTS: u32 = 200;
    let mut world = World::start(2).await;
    let banks = [world.sign_on(0).await, world.sign_on(1).await];
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    for mut bank in banks {
        tokio::spawn(async move {
            let mut heard = Vec::new();
            while let Ok(request) = bank.try_hear().await {
                heard.push(words(request.as_bytes())[1].to_owned());
                // Answered in pairs, the later one first.
                if heard.len() == 2 {
                    for name in heard.drain(..).rev() {
                        bank.say(&format!("done {name} {PAN} 1234 00")).await;
                    }
                }
            }
        });
    }
    world.until(|status| status.lines.iter().all(|line| line.state == "serving")).await;
    for id in 1..=PAYMENTS {
        world.pay(id.into());
    }
    let (mut written, mut answered) = (BTreeSet::new(), BTreeSet::new());
    // At the end each line may hold back one answer that finds no second one.
    while answered.len() + 2 < usize::try_from(PAYMENTS).unwrap()
        || written.len() < usize::try_from(PAYMENTS).unwrap()
    {
        match world.input().await {
            Input::Written(id, Attempt::Original) => assert!(written.insert(id)),
            Input::HostAnswered(id, _) => {
                assert!(written.contains(&id), "{id}: the engine hears of the message first");
                assert!(answered.insert(id), "{id}: answered twice");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.host.status().await.unwrap().quarantined_in_all(), 0);
}

/// Whatever a line does, each payment is written or not sent, and what is not sent was not seen (M15).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_breaks_again_and_again_leaves_no_payment_without_a_word() {
    let mut world = World::start(1).await;
    let mut seen = BTreeSet::new();
    let (mut written, mut not_sent) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..10_u128 {
        let mut bank = world.sign_on(0).await;
        assert!(matches!(world.input().await, Input::HostUp(_, true)));
        for id in 1..=20 {
            world.pay(round * 20 + id);
        }
        for _ in 0..round {
            let heard = bank.hear().await;
            seen.insert(words(heard.as_bytes())[1].to_owned());
        }
        drop(bank);
        loop {
            match world.input().await {
                Input::Written(id, _) => assert!(written.insert(id.0)),
                Input::NotSent(id, _, why) => {
                    assert_eq!(why, NotSentReason::NoLine);
                    assert!(not_sent.insert(id.0));
                }
                Input::HostUp(_, false) => {}
                other => panic!("{other:?}"),
            }
            let told = u128::try_from(written.len() + not_sent.len()).unwrap();
            if told == (round + 1) * 20 {
                break;
            }
        }
        world.until(|status| status.lines[0].state != "serving").await;
        while let Ok(Input::HostUp(_, up)) = world.inputs.try_recv() {
            assert!(!up);
        }
    }
    assert!(written.is_disjoint(&not_sent));
    let wrong = not_sent.iter().find(|id| seen.contains(&format!("pay-{id:06}")));
    assert_eq!(wrong, None, "claimed as not sent, and seen by the bank");
}

#[test]
fn carried_as_bytes_over_a_socket_pair_a_line_does_the_same() {
    CARRIED.set(true);
    for story in [
        a_payment_crosses_the_line_and_its_code_is_taken,
        a_payment_is_not_sent_without_a_signed_on_line,
        a_broken_line_fails_over_and_comes_back,
        a_reply_that_disagrees_is_quarantined_and_the_true_one_still_counts,
        a_late_answer_after_a_restart_finds_its_payment_and_the_reversal_its_own,
        a_repeat_goes_out_on_the_line_of_the_first_attempt,
        garbage_is_quarantined_and_a_frame_too_long_ends_the_connection,
        a_stop_signs_off_and_ends,
        an_operator_signs_a_line_off_and_on,
        many_payments_share_two_lines_and_each_gets_its_own_answer,
        a_line_that_breaks_again_and_again_leaves_no_payment_without_a_word,
    ] {
        story();
    }
}

/// What the writer claims not to have sent is compared with what the bank got (M15).
#[tokio::test]
async fn what_is_refused_has_no_byte_on_the_wire_and_the_rest_is_written() {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (events, mut heard) = mpsc::channel(4096);
    let stop = CancellationToken::new();
    let link = Link {
        line: LineIndex(0),
        connection: Connection(1),
        name: LineId::parse("line-0").unwrap(),
        address: door.local_addr().unwrap().to_string(),
        format: FrameFormat::LENGTH_BE2,
        header: [].into(),
        frame_bytes_max: 60_000,
        connect_timeout: PATIENCE,
        read: Arc::new(|body| Words.read(body)),
        clock: Arc::new(TestClock(Instant::now())),
        events,
        stop: stop.clone(),
        dice: 0,
    };
    const FRAMES: u32 = 600;
    let (jobs, queued) = mpsc::channel(1024);
    for attempt in 0..FRAMES {
        let (line, connection, exchange) = (LineIndex(0), Connection(1), ExchangeId(1));
        let to = Written { line, connection, exchange, attempt };
        let frame = Frame::new(vec![u8::try_from(attempt % 251).unwrap(); 50_000]);
        let deadline = if attempt == 1 { Duration::ZERO } else { PATIENCE };
        jobs.try_send(Job::Financial { to, frame, deadline }).unwrap();
    }
    let running = tokio::spawn(link.run(queued));
    let mut peer = patient(door.accept()).await.unwrap().0;
    // 30 MB do not fit into the sockets' buffers: the writer is stuck once the first batch is out.
    let (mut wrote, mut refused, mut gone) = (Vec::new(), Vec::new(), false);
    while let Some(event) = patient(heard.recv()).await {
        assert!(!gone, "nothing follows the end");
        match event {
            Event::Wrote(to) => wrote.push(to.attempt),
            Event::WriteRefused(to) => refused.push(to.attempt),
            Event::Gone { .. } => gone = true,
            _ => {}
        }
        if refused == [1] {
            let mut first = [0; 2];
            patient(peer.read_exact(&mut first)).await.unwrap();
            stop.cancel();
        }
    }
    patient(running).await.unwrap();
    assert!(gone);
    assert_eq!(u32::try_from(wrote.len() + refused.len()).unwrap(), FRAMES);
    assert!(refused.len() > 1, "some were queued when the connection ended");
    let mut bytes = Vec::new();
    patient(peer.read_to_end(&mut bytes)).await.unwrap();
    let frames = (bytes.len() + 2).div_ceil(50_002);
    assert_eq!(frames, wrote.len(), "as many frames began on the wire as were written");
}

#[tokio::test]
async fn a_silent_bank_opens_the_breaker_and_a_late_answer_lets_a_probe_go() {
    let (mut world, mut bank) = World::serving().await;
    let mut room = world.host.room();
    assert_eq!((room.borrow().limit, room.borrow().breaker.name()), (512, "closed"));
    for id in 1..=10 {
        let deadline = world.clock.now().mono.after(Duration::from_millis(200));
        world.host.send(outgoing(id, Attempt::Original, false, deadline)).unwrap();
        let heard = bank.hear().await;
        assert!(heard.starts_with(&format!("do pay-{id:06}")), "{heard}");
        is_written(&world.input().await, id, Attempt::Original);
    }
    patient(room.wait_for(|room| room.breaker.name() == "open")).await.unwrap();
    assert_eq!(room.borrow().limit, 0);
    let status = world.host.status().await.unwrap();
    assert_eq!((status.window, status.breaker, status.breaker_opened), (0, "open", 1));
    assert_eq!(status.lines[0].breaker, "open");

    bank.say(&format!("done pay-000010 {PAN} 1234 00")).await;
    patient(room.wait_for(|room| room.breaker.name() == "half_open")).await.unwrap();
    assert_eq!(room.borrow().limit, 1);
    is_approved(&world.input().await, 10, "line-0");
    world.pay(11);
    bank.hear().await;
    is_written(&world.input().await, 11, Attempt::Original);
    bank.say(&format!("done pay-000011 {PAN} 1234 00")).await;
    patient(room.wait_for(|room| room.breaker.name() == "closed")).await.unwrap();
    assert_eq!(room.borrow().limit, 2, "it is tried with little");
}

/// The header that the gateway puts before its messages, and the one that the bank puts before its own.
const TPDUS: (&[u8], &[u8]) = (&[0x60, 0x00, 0x03, 0x00, 0x00], &[0x60, 0x00, 0x00, 0x00, 0x03]);

async fn a_payment_behind_headers() {
    let (ours, theirs) = TPDUS;
    let mut world = World::start_framed("length-be2-tpdu", ours, KeepAlives::Answer).await;
    let mut bank = world.accept(0).await;
    let hear = |heard: Vec<u8>| {
        let body = heard.strip_prefix(ours).expect("the header stands before the message");
        String::from_utf8(body.to_vec()).unwrap()
    };
    let say = |text: String| [theirs, text.as_bytes()].concat();
    let asked = hear(bank.hear_bytes().await);
    let stan = asked.strip_prefix("SignOn ").unwrap();
    // Before the sign-on is answered, too, an empty frame is; it has no header, and stands between messages.
    bank.say_bytes(&[]).await;
    assert!(bank.hear_bytes().await.is_empty());
    bank.say_bytes(&say(format!("yes {stan}"))).await;
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    // Of many within a second one is answered, and the rest is taken for echoes.
    for _ in 0..1_000 {
        bank.say_bytes(&[]).await;
    }
    world.pay(1);
    let (mut heard, mut empty) = (bank.hear_bytes().await, 0);
    while heard.is_empty() {
        (heard, empty) = (bank.hear_bytes().await, empty + 1);
    }
    assert!(empty < 100, "{empty} of 1,000 were answered");
    assert_eq!(hear(heard), format!("do pay-000001 {PAN} 1234 none first"));
    is_written(&world.input().await, 1, Attempt::Original);
    bank.say_bytes(&say(format!("done pay-000001 {PAN} 1234 00"))).await;
    is_approved(&world.input().await, 1, "line-0");
}

#[tokio::test]
async fn messages_have_the_header_of_their_line_and_empty_frames_are_answered_once_in_a_second() {
    a_payment_behind_headers().await;
}

#[tokio::test]
async fn headers_and_empty_frames_pass_the_seam() {
    CARRIED.set(true);
    a_payment_behind_headers().await;
}

#[tokio::test]
async fn a_line_that_sends_empty_frames_answers_none() {
    let law = KeepAlives::Send { every: Duration::from_millis(100) };
    let mut world = World::start_framed("length-be2", &[], law).await;
    let mut bank = world.sign_on(0).await;
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    assert!(bank.hear_bytes().await.is_empty(), "nothing else was sent");
    // A peer that throws every one back gets none for it: a message is answered by its answer alone.
    bank.say_bytes(&[]).await;
    bank.say("there? 7").await;
    let mut heard = bank.hear_bytes().await;
    while heard.is_empty() {
        heard = bank.hear_bytes().await;
    }
    assert_eq!(heard, b"here! 7");
}
