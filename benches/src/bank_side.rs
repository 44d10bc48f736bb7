//! The steps on the bank's side: encode, write, read, match, judge; and a whole exchange with a small
//! bank on loopback.

use crate::measure::{Plan, Took};
use crate::table::{Counts, Row};
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tidegate::host::wording::{Cards, Judged, UnsealError, Wording};
use tidegate::keys::KeyStore;
use tidegate::keys::ring::KeyRing;
use tidegate_iso8583::frame::FrameFormat;
use tidegate_iso8583::mti::Mti;
use tidegate_iso8583::pack::Builder;
use tidegate_line::event::{Event, Output, Read, Send, Written};
use tidegate_line::host::Host;
use tidegate_line::limits::Limits;
use tidegate_line::name::{Connection, ExchangeId, Frame, LineIndex, MatchKey};
use tidegate_payment::card::{CardRef, Pan, Secrets, SecurityCode};
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::LineId;
use tidegate_protocol::definition::Definition;

/// The longest frame, as configuration has it by default; room for it is made for each message.
pub const FRAME_BYTES_MAX: usize = 4096;
const FORMAT: FrameFormat = FrameFormat::LENGTH_BE2;
const IN_FLIGHT: u64 = 64;

/// The key store, as the bank side needs it.
pub struct SealedCards(pub Arc<KeyRing>);

impl Cards for SealedCards {
    fn unseal(&self, card: &CardRef) -> Result<Pan, UnsealError> {
        self.0.unseal(card).map_err(|error| UnsealError(error.to_string()))
    }

    fn is_same(&self, card: &CardRef, number: &str) -> bool {
        Pan::parse(number).is_ok_and(|pan| self.0.card_hash(&pan) == card.hash)
    }
}

/// What the bank answers to a message: the elements that it echoes, approved.
pub fn bank_answer(definition: &Definition, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let wire = definition.wire();
    let request = wire.parse(body)?;
    let answered = definition.dialect().reply_to(request.mti());
    let mti: Mti = answered.ok_or_else(|| anyhow::anyhow!("no answer to {}", request.mti()))?;
    let mut reply = Builder::new(wire, mti);
    for number in [2, 3, 4, 7, 11, 32, 37, 41, 42, 49, 70] {
        if let Some(value) = request.get(number) {
            reply.set(number, &value)?;
        }
    }
    reply.set(39, "00")?;
    if request.has(2) {
        reply.set(38, "A12345")?;
    }
    let mut answer = Vec::new();
    reply.pack(&mut answer)?;
    Ok(answer)
}

/// Measures the steps with this message.
pub fn measure(
    plan: &Plan,
    definition: &Definition,
    cards: &SealedCards,
    out: &Outgoing,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut row = |name, what, counts, took| rows.push(Row { name, what, counts, took });
    let line = LineId::parse("a")?;
    let security_code = Some(SecurityCode::parse("123")?);
    let secrets = Secrets { security_code, cavv: None };
    let encode = || {
        let card = cards.unseal(&out.request.card)?;
        let mut body = Vec::with_capacity(FRAME_BYTES_MAX);
        let key = Wording::encode(definition, out, &card, &secrets, &mut body)?;
        anyhow::Ok((key, Frame::new(body)))
    };
    let (key, request) = encode()?;
    let reply = bank_answer(definition, request.body())?;
    anyhow::ensure!(Wording::read(definition, &reply) == Read::Reply(key.clone()), "no reply");
    let same = |number: &str| cards.is_same(&out.request.card, number);
    let judge = || Wording::judge(definition, &reply, out, &line, &same);
    anyhow::ensure!(matches!(judge(), Judged::Answer(_)), "the reply is refused");

    let what = "encode: card unsealed, 0200 worded, match key";
    row("encode", what, Counts::Sum, plan.time(|| encode().is_ok()));
    let took = plan.time(|| cards.unseal(&out.request.card).is_ok());
    row("unseal", "card unsealed (AES-256-GCM)", Counts::Part, took);
    let took = write_and_read(plan, request.body())?;
    row("write_read", "write and read: one of each on loopback, framing", Counts::Sum, took);
    let took = plan.time(|| Wording::read(definition, &reply));
    row("read", "read: 0210 parsed, match key", Counts::Sum, took);
    let what = "match: the line's decisions on send, written, received, 64 in flight";
    row("match", what, Counts::Sum, line_decisions(plan, &key, &request, &reply)?);
    let what = "judge: 0210 compared with its 0200, card by its keyed hash";
    row("judge", what, Counts::Sum, plan.time(judge));
    Ok(rows)
}

/// One frame wrapped, written, read and split: of each message and its reply, the gateway writes the one
/// and reads the other.
fn write_and_read(plan: &Plan, body: &[u8]) -> anyhow::Result<Took> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    let mut wire = Vec::with_capacity(FRAME_BYTES_MAX);
    let mut room = vec![0; FRAME_BYTES_MAX];
    let mut fault = Ok(());
    let took = plan.time(|| {
        let mut once = || {
            wire.clear();
            FORMAT.wrap(body, &mut wire)?;
            near.write_all(&wire)?;
            far.read_exact(room.get_mut(..wire.len()).unwrap_or_default())?;
            let span = FORMAT.split(&room, FRAME_BYTES_MAX)?;
            let body = span.and_then(|span| room.get(span.body)).unwrap_or_default();
            anyhow::Ok(Frame::new(body.to_vec()))
        };
        if let Err(error) = once() {
            fault = Err(error);
        }
    });
    fault?;
    Ok(took)
}

/// A host with one line signed on, and where its answers go.
struct Line {
    host: Host,
    now: Duration,
    delivered: u64,
}

const AT: (LineIndex, Connection) = (LineIndex(0), Connection(1));

impl Line {
    fn signed_on() -> anyhow::Result<Self> {
        let now = Duration::from_secs(1);
        let mut host = Host::new(now, Limits::default(), 1)?;
        let (line, connection) = AT;
        let key = MatchKey(b"sign-on".to_vec());
        host.handle(now, Event::Tick);
        host.handle(now, Event::Connected(line, connection));
        host.handle(now, Event::Asked { line, connection, key: key.clone() });
        let read = Read::NetworkReply { key, accepted: true };
        let frame = Frame::new(Vec::new());
        host.handle(now, Event::Received { line, connection, read, frame });
        anyhow::ensure!(host.is_up(), "the line is not signed on");
        Ok(Self { host, now, delivered: 0 })
    }

    fn key(base: &MatchKey, number: u64) -> MatchKey {
        MatchKey([&base.0[..], &number.to_be_bytes()].concat())
    }

    /// A message goes out, and the oldest but 63 is answered.
    fn turn(&mut self, send: Send, answer: Option<(MatchKey, Frame)>) {
        let (line, connection) = AT;
        self.now += Duration::from_micros(100);
        let (exchange, attempt) = (send.exchange, send.attempt);
        drop(self.host.handle(self.now, Event::Send(send)));
        let written = Written { line, connection, exchange, attempt };
        drop(self.host.handle(self.now, Event::Wrote(written)));
        if let Some((key, frame)) = answer {
            let event = Event::Received { line, connection, read: Read::Reply(key), frame };
            let out = self.host.handle(self.now, event);
            let delivered = |output: &Output| matches!(output, Output::Delivered { .. });
            self.delivered += u64::from(out.iter().any(delivered));
        }
    }
}

fn line_decisions(
    plan: &Plan,
    key: &MatchKey,
    request: &Frame,
    reply: &[u8],
) -> anyhow::Result<Took> {
    let mut line = Line::signed_on()?;
    let (mut next, mut open, now) = (0, VecDeque::new(), line.now);
    let mut answers = 0_u64;
    let make = || {
        next += 1;
        open.push_back(next);
        let send = Send {
            exchange: ExchangeId(next),
            attempt: 0,
            key: Line::key(key, next),
            frame: request.clone(),
            deadline: now + Duration::from_secs(3600),
            prefer: None,
            owed: false,
        };
        let oldest = if next > IN_FLIGHT { open.pop_front() } else { None };
        answers += u64::from(oldest.is_some());
        (send, oldest.map(|it| (Line::key(key, it), Frame::new(reply.to_vec()))))
    };
    let took = plan.time_each(make, |(send, answer)| line.turn(send, answer));
    let delivered = line.delivered;
    anyhow::ensure!(delivered == answers, "{answers} replies, {delivered} found their request");
    Ok(took)
}
