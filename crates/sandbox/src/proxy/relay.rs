//! Carries one connection: reads frames from one side, writes them as they are to be mistreated to the
//! other.

use super::Proxy;
use super::lies::{Lies, lies};
use super::treatment::{Direction, Treatment};
use super::watch::{Connection, Ruling, Voice};
use crate::bank::capture::{Line, Seen, Sender};
use crate::dice::Dice;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many frames may wait for a slow reader before the other side is no longer read.
const WAITING_MAX: usize = 16_384;

/// How long a frame waits for the next one, which it is to follow or to be joined with.
const COMPANY: Duration = Duration::from_millis(20);

/// One way of a connection.
#[derive(Clone)]
struct Lane {
    proxy: Proxy,
    line: Line,
    connection: u32,
    direction: Direction,
    /// Whether the connection swallows everything.
    swallows: Arc<AtomicBool>,
    end: CancellationToken,
}

/// A frame on its way.
pub(super) struct Parcel {
    due: Instant,
    body: Vec<u8>,
    treatment: Treatment,
    /// Whether the bank said it.
    genuine: bool,
}

impl Parcel {
    /// One that nobody sent: it goes at once.
    pub(super) fn now(body: Vec<u8>) -> Self {
        Self { due: Instant::now(), body, treatment: Treatment::Pass, genuine: false }
    }
}

/// Carries a connection of the gateway to the bank and back, until one of them or a fault ends it.
pub(super) async fn carry(
    proxy: Proxy,
    line: Line,
    connection: u32,
    gateway: TcpStream,
    bank: SocketAddr,
) {
    let note = |seen| {
        if let Some(tap) = &proxy.0.tap {
            tap.note(&line, connection, seen);
        }
    };
    let tell_watch = |now| {
        if let Some(watch) = &proxy.0.watch {
            watch.connection(&line.name, connection, now);
        }
    };
    note(Seen::Connected);
    let Ok(bank) = TcpStream::connect(bank).await else {
        note(Seen::Closed);
        tell_watch(Connection::Unreachable);
        return;
    };
    let _ = (gateway.set_nodelay(true), bank.set_nodelay(true));
    let (from_gateway, to_gateway) = gateway.into_split();
    let (from_bank, to_bank) = bank.into_split();
    let to = |direction| Lane {
        proxy: proxy.clone(),
        line: line.clone(),
        connection,
        direction,
        swallows: Arc::default(),
        end: CancellationToken::new(),
    };
    let there = to(Direction::ToBank);
    let back = Lane { direction: Direction::ToGateway, ..there.clone() };
    let outward = mpsc::channel(WAITING_MAX);
    let homeward = mpsc::channel(WAITING_MAX);
    tell_watch(Connection::Opened(Voice(homeward.0.downgrade())));
    tokio::join!(
        there.run(from_gateway, to_bank, outward),
        back.run(from_bank, to_gateway, homeward)
    );
    note(Seen::Closed);
    tell_watch(Connection::Closed);
}

impl Lane {
    async fn run(
        &self,
        from: OwnedReadHalf,
        to: OwnedWriteHalf,
        (parcels, inbox): (mpsc::Sender<Parcel>, mpsc::Receiver<Parcel>),
    ) {
        let reading = async {
            tokio::select! {
                _ = self.read(from, parcels) => {}
                () = self.end.cancelled() => {}
            }
        };
        let writing = async {
            let _ = self.write(to, inbox).await;
            self.end.cancel();
        };
        tokio::join!(reading, writing);
    }

    /// Reads until the side ends; what it has sent is still passed on.
    async fn read(&self, from: OwnedReadHalf, parcels: mpsc::Sender<Parcel>) -> io::Result<()> {
        let mut from = BufReader::with_capacity(64 * 1024, from);
        loop {
            let body = self.proxy.0.settings.framing.read(&mut from).await?;
            if let Some(watch) = &self.proxy.0.watch {
                let (line, direction) = (&self.line.name, self.direction);
                match watch.rule(line, self.connection, direction, &body) {
                    Ruling::Treat(treatment) => self.dispatch(body, treatment, &parcels).await,
                    Ruling::Hold(until) => self.hold(body, until, parcels.downgrade()),
                }
                continue;
            }
            if self.direction == Direction::ToBank {
                self.tell(&body);
            }
            if self.swallows.load(Ordering::Relaxed) {
                if self.proxy.is_active() {
                    continue;
                }
                // A connection that lost frames cannot be made good.
                self.end.cancel();
                return Ok(());
            }
            let (number, treatment) = self.proxy.next(&self.line.name, self.direction, body.len());
            let Lies { before, behind } = self.lies(number, &body);
            for parcel in before.into_iter().map(Parcel::now) {
                let _ = parcels.send(parcel).await;
            }
            self.dispatch(body, treatment, &parcels).await;
            for parcel in behind.into_iter().map(Parcel::now) {
                let _ = parcels.send(parcel).await;
            }
        }
    }

    async fn dispatch(&self, body: Vec<u8>, treatment: Treatment, parcels: &mpsc::Sender<Parcel>) {
        let now = Instant::now();
        let after = |wait| now.checked_add(wait).unwrap_or(now);
        let parcel = |due, body, treatment| Parcel { due, body, treatment, genuine: true };
        match treatment {
            Treatment::Drop => {}
            Treatment::Swallow => self.swallows.store(true, Ordering::Relaxed),
            Treatment::Delay(wait) => {
                let _ = parcels.send(parcel(after(wait), body, Treatment::Pass)).await;
            }
            Treatment::Twice(wait) => {
                let again = parcel(after(wait), body.clone(), Treatment::Pass);
                let _ = parcels.send(parcel(now, body, Treatment::Pass)).await;
                let _ = parcels.send(again).await;
            }
            treatment => {
                let _ = parcels.send(parcel(now, body, treatment)).await;
            }
        }
    }

    /// Passes a frame on when it is let go, if the connection still stands.
    fn hold(&self, body: Vec<u8>, until: oneshot::Receiver<()>, to: mpsc::WeakSender<Parcel>) {
        let end = self.end.clone();
        tokio::spawn(async move {
            tokio::select! {
                released = until => {
                    if let (Ok(()), Some(to)) = (released, to.upgrade()) {
                        let _ = to.send(Parcel::now(body)).await;
                    }
                }
                () = end.cancelled() => {}
            }
        });
    }

    /// False replies to go with a true one.
    fn lies(&self, number: u64, body: &[u8]) -> Lies {
        let settings = &self.proxy.0.settings;
        let asked = self.direction == Direction::ToGateway && settings.hostile_replies > 0;
        let truth = (asked && self.proxy.is_active())
            .then(|| self.line.dialect.decode(body).ok())
            .flatten();
        let Some(truth) = truth.filter(|truth| !truth.get(37).is_empty()) else {
            return Lies::default();
        };
        let mut dice = Dice::named(settings.seed, &format!("lies {} {number}", self.line.name));
        let lies = lies(&mut dice, &truth, settings.hostile_replies);
        self.proxy.count_lies(lies.before.len().saturating_add(lies.behind.len()));
        lies
    }

    /// Writes what is due, in the order of its time, until nothing more can come.
    async fn write(&self, to: OwnedWriteHalf, mut inbox: mpsc::Receiver<Parcel>) -> io::Result<()> {
        let mut pen = Pen { lane: self, to, kept: None, astray: false };
        let mut waiting: BTreeMap<(Instant, u64), Parcel> = BTreeMap::new();
        let (mut arrived, mut open) = (0_u64, true);
        loop {
            let next = waiting.first_key_value().map(|(&(due, _), _)| due);
            let kept = pen.kept.as_ref().map(|(_, until)| *until);
            if next.is_none() && kept.is_none() && !open {
                return Ok(());
            }
            tokio::select! {
                () = self.end.cancelled() => return Ok(()),
                parcel = inbox.recv(), if open && waiting.len() < WAITING_MAX => match parcel {
                    Some(parcel) => {
                        arrived = arrived.saturating_add(1);
                        waiting.insert((parcel.due, arrived), parcel);
                    }
                    None => open = false,
                },
                () = until(next) => {
                    if let Some((_, parcel)) = waiting.pop_first() {
                        pen.put(parcel).await?;
                    }
                }
                () = until(kept) => pen.release().await?,
            }
        }
    }

    fn framed(&self, body: &[u8]) -> Vec<u8> {
        self.proxy.0.settings.framing.framed(body)
    }

    fn tell(&self, body: &[u8]) {
        let Some(tap) = &self.proxy.0.tap else { return };
        let sender = match self.direction {
            Direction::ToBank => Sender::Gateway,
            Direction::ToGateway => Sender::Bank,
        };
        match self.line.dialect.decode(body) {
            Ok(message) => tap.message(&self.line, self.connection, sender, &message),
            Err(_) => tap.note(&self.line, self.connection, Seen::Garbage(sender, body.len())),
        };
    }

    /// What the gateway is about to get; `whole`: just as the bank sent it.
    fn tell_if_to_gateway(&self, body: &[u8], whole: bool) {
        match (&self.proxy.0.tap, self.direction, whole) {
            (Some(_), Direction::ToGateway, true) => self.tell(body),
            (Some(tap), Direction::ToGateway, false) => {
                let seen = Seen::Garbage(Sender::Bank, body.len());
                tap.note(&self.line, self.connection, seen);
            }
            _ => {}
        }
    }
}

/// Writes to one side.
struct Pen<'a> {
    lane: &'a Lane,
    to: OwnedWriteHalf,
    /// A frame that waits for the next one, at most until then.
    kept: Option<(Parcel, Instant)>,
    /// Whether the length of a frame was spoiled: the reader no longer knows where frames begin.
    astray: bool,
}

impl Pen<'_> {
    async fn put(&mut self, parcel: Parcel) -> io::Result<()> {
        let waits = matches!(parcel.treatment, Treatment::Behind | Treatment::Joined);
        match self.kept.take() {
            None if waits => {
                let now = Instant::now();
                self.kept = Some((parcel, now.checked_add(COMPANY).unwrap_or(now)));
                Ok(())
            }
            None => self.write(parcel).await,
            Some((kept, _)) if kept.treatment == Treatment::Joined => {
                self.tell(&kept);
                self.tell(&parcel);
                let both = [self.lane.framed(&kept.body), self.lane.framed(&parcel.body)].concat();
                self.to.write_all(&both).await
            }
            Some((kept, _)) => {
                self.write(parcel).await?;
                self.write(Parcel { treatment: Treatment::Pass, ..kept }).await
            }
        }
    }

    /// Nothing came for the frame that waits: it goes alone.
    async fn release(&mut self) -> io::Result<()> {
        match self.kept.take() {
            Some((kept, _)) => self.write(Parcel { treatment: Treatment::Pass, ..kept }).await,
            None => Ok(()),
        }
    }

    async fn write(&mut self, parcel: Parcel) -> io::Result<()> {
        let mut bytes = self.lane.framed(&parcel.body);
        match parcel.treatment {
            Treatment::Truncate(count) | Treatment::Reset(count) => {
                self.lane.tell_if_to_gateway(&parcel.body, false);
                self.to.write_all(bytes.get(..count).unwrap_or(&bytes)).await?;
                if matches!(parcel.treatment, Treatment::Reset(_)) {
                    self.to.as_ref().set_zero_linger()?;
                }
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Treatment::Spoil(place) => {
                self.astray |= place < 2;
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 0x80;
                }
                self.lane.tell_if_to_gateway(&parcel.body, false);
                self.to.write_all(&bytes).await
            }
            Treatment::Cut(at) => {
                self.tell(&parcel);
                let (head, tail) = bytes.split_at_checked(at).unwrap_or((&bytes, &[]));
                self.in_pieces([head, tail]).await
            }
            Treatment::Bytewise => {
                self.tell(&parcel);
                self.in_pieces(bytes.chunks(1)).await
            }
            _ => {
                self.tell(&parcel);
                self.to.write_all(&bytes).await
            }
        }
    }

    fn tell(&self, parcel: &Parcel) {
        if parcel.genuine {
            self.lane.tell_if_to_gateway(&parcel.body, !self.astray);
        }
    }

    /// Each piece is a segment of its own (Nagle's algorithm is off), and the reader gets a chance to see
    /// it before the next.
    async fn in_pieces<'b>(
        &mut self,
        pieces: impl IntoIterator<Item = &'b [u8]>,
    ) -> io::Result<()> {
        for piece in pieces {
            self.to.write_all(piece).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
