//! The bank's desk: one thread that takes what arrives in order, lets the host decide, syncs the books
//! once for all that is waiting, and only then lets replies go. It also carries the lies out.

mod service;
mod weather;

pub use service::Mood;

use super::capture::{Capture, Seen, Sender};
use super::fault::{Fate, Fault, Plan, ReversalFate};
use super::host::{Extent, Host, reply_type};
use super::line::{Handle, frame};
use super::{Books, Settings};
use crate::clock::{Clock, micros};
use crate::dice::Dice;
use crate::iso::Message;
use crate::operation::{Meaning, meaning};
use service::Counter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{mpsc, oneshot};

/// What comes to the desk.
pub(super) enum Visit {
    Opened {
        connection: u32,
        handle: Handle,
    },
    Closed {
        connection: u32,
    },
    Message {
        connection: u32,
        message: Message,
    },
    DecideNow {
        connection: u32,
        message: Message,
    },
    SendNow(Parcel),
    SwapOverdue {
        number: u64,
    },
    /// Time passes, in which lines may fall.
    Weather,
    ShowBooks(oneshot::Sender<Books>),
    Turn(Mood),
}

/// Something for a connection.
pub(super) struct Parcel {
    connection: u32,
    contents: Contents,
}

enum Contents {
    Message(Message),
    Garbage(Vec<u8>),
    HangUp,
}

/// A parcel and how long it waits.
type Outgoing = (Duration, Parcel);

pub(super) struct Desk {
    host: Host,
    plan: Arc<Plan>,
    capture: Capture,
    clock: Clock,
    settings: Settings,
    dice: Dice,
    visits: mpsc::UnboundedSender<Visit>,
    runtime: Runtime,
    connections: BTreeMap<u32, Handle>,
    signed_on: BTreeSet<u32>,
    attempts: BTreeMap<(String, String), u32>,
    /// Until when a connection swallows everything.
    swallowing: BTreeMap<u32, u64>,
    refusing_until_us: u64,
    ticks: u64,
    waits_to_swap: Option<(u64, u32, Message)>,
    swaps: u64,
    counter: Option<Counter>,
    mood: Mood,
}

const VISITS_AT_ONCE: usize = 256;

/// The shortest time between two looks at the weather.
const MOMENT: Duration = Duration::from_millis(10);

impl Desk {
    pub(super) fn new(
        host: Host,
        plan: Arc<Plan>,
        capture: Capture,
        clock: Clock,
        settings: Settings,
        visits: mpsc::UnboundedSender<Visit>,
        runtime: Runtime,
    ) -> Self {
        Self {
            host,
            plan,
            capture,
            clock,
            dice: Dice::named(settings.seed, "desk"),
            visits,
            runtime,
            connections: BTreeMap::new(),
            signed_on: BTreeSet::new(),
            attempts: BTreeMap::new(),
            swallowing: BTreeMap::new(),
            refusing_until_us: 0,
            ticks: settings.first_tick,
            waits_to_swap: None,
            swaps: 0,
            counter: settings.serves_per_second.map(Counter::new),
            mood: Mood::Well,
            settings,
        }
    }

    /// Works until the bank is gone, or its disk fails: what cannot be written is not answered.
    pub(super) fn sit(mut self, mut inbox: mpsc::UnboundedReceiver<Visit>) {
        self.later(self.tick(), Visit::Weather);
        let mut visits = Vec::new();
        while inbox.blocking_recv_many(&mut visits, VISITS_AT_ONCE) > 0 {
            let mut outgoing = Vec::new();
            for visit in visits.drain(..) {
                self.receive(visit, &mut outgoing);
            }
            if self.host.sync().is_err() {
                return;
            }
            for (wait, parcel) in outgoing {
                if wait.is_zero() {
                    self.send(parcel);
                } else {
                    self.later(wait, Visit::SendNow(parcel));
                }
            }
        }
    }

    fn receive(&mut self, visit: Visit, out: &mut Vec<Outgoing>) {
        match visit {
            Visit::Opened { connection, handle } => self.opened(connection, handle),
            Visit::Turn(mood) => self.turn(mood),
            Visit::Closed { connection } => {
                self.connections.remove(&connection);
                self.signed_on.remove(&connection);
                self.swallowing.remove(&connection);
            }
            Visit::Message { connection, .. } if self.swallows(connection) => {}
            Visit::Message { connection, message } => self.read(connection, message, out),
            Visit::DecideNow { connection, message } => {
                let now_us = self.clock.now_us();
                if let Some(reply) = self.host.decide(now_us, &message, Extent::Posted) {
                    out.push((Duration::ZERO, parcel(connection, reply)));
                }
            }
            Visit::Weather => {
                self.weather(out);
                self.later(self.tick(), Visit::Weather);
            }
            Visit::SendNow(parcel) => out.push((Duration::ZERO, parcel)),
            Visit::SwapOverdue { number } => {
                if self.waits_to_swap.as_ref().is_some_and(|(waits, ..)| *waits == number)
                    && let Some((_, connection, reply)) = self.waits_to_swap.take()
                {
                    out.push((Duration::ZERO, parcel(connection, reply)));
                }
            }
            Visit::ShowBooks(reply) => {
                let ledger = self.host.ledger();
                let balances = ledger.balances().clone();
                let (host, entries) = (self.settings.host.clone(), ledger.entries().to_vec());
                let _ = reply.send(Books { host, entries, balances });
            }
        }
    }

    fn read(&mut self, connection: u32, message: Message, out: &mut Vec<Outgoing>) {
        match message.mti.as_str() {
            "0800" => self.network(connection, &message, out),
            _ if self.mood == Mood::Deaf => {}
            // What was not agreed is not heard, and nothing financial before the sign-on; the capture keeps
            // it for the checker.
            other if !self.settings.dialect.has(other) => {}
            _ if !self.signed_on.contains(&connection) => {}
            _ => match meaning(&message) {
                Some(Meaning::Reversal) => self.reversal(connection, &message, out),
                Some(Meaning::Request(_)) => self.request(connection, message, out),
                None => {}
            },
        }
    }

    /// How often lines may fall: four times in the gateway's deadline.
    fn tick(&self) -> Duration {
        self.plan.reply_timeout().checked_div(4).unwrap_or_default().max(MOMENT)
    }

    fn attempt(&mut self, request: &Message) -> u32 {
        let what = format!("{:?}", meaning(request));
        let attempts = self.attempts.entry((request.get(37).to_owned(), what)).or_insert(0);
        *attempts = attempts.saturating_add(1);
        *attempts
    }

    fn network(&mut self, connection: u32, request: &Message, out: &mut Vec<Outgoing>) {
        let refused =
            self.plan.has(Fault::RefuseSignOn) && self.clock.now_us() < self.refusing_until_us;
        match request.get(70) {
            "001" if refused => {}
            "001" => {
                self.signed_on.insert(connection);
            }
            "002" => {
                self.signed_on.remove(&connection);
            }
            _ => {}
        }
        let mut reply = Message::new("0810");
        for field in [7, 11, 70] {
            reply.set(field, request.get(field));
        }
        let code = if refused && request.get(70) == "001" { "91" } else { "00" };
        reply.set(39, code);
        out.push((Duration::ZERO, parcel(connection, reply)));
    }

    fn request(&mut self, connection: u32, request: Message, out: &mut Vec<Outgoing>) {
        let attempt = self.attempt(&request);
        let fate = self.plan.for_request(&request, attempt, Host::behaviour(&request));
        if let Fate::DecidedLate(wait) = fate {
            self.later(wait, Visit::DecideNow { connection, message: request });
            return;
        }
        let extent = match fate {
            Fate::HeldInSilence => Extent::HeldAlone,
            Fate::Halved => Extent::Half,
            _ => Extent::Posted,
        };
        let lost = matches!(fate, Fate::Lost | Fate::LineDropped { posted: false });
        let now_us = self.clock.now_us();
        let reply = if lost { None } else { self.host.decide(now_us, &request, extent) };
        if let Fate::LineDropped { .. } = fate {
            out.push((Duration::ZERO, Parcel { connection, contents: Contents::HangUp }));
        } else if let Some(reply) = reply {
            self.answer(connection, fate, reply, out);
        }
    }

    fn answer(&mut self, connection: u32, fate: Fate, mut reply: Message, out: &mut Vec<Outgoing>) {
        let think = self.think();
        match fate {
            Fate::Answered | Fate::Halved => out.push((think, parcel(connection, reply))),
            Fate::AnsweredLate(wait) => out.push((wait, parcel(connection, reply))),
            Fate::AnsweredTwice => {
                out.push((think, parcel(connection, reply.clone())));
                out.push((think, parcel(connection, reply)));
            }
            Fate::Swapped if reply.mti == "0210" => self.swap(connection, reply, out),
            Fate::Swapped => out.push((think, parcel(connection, reply))),
            Fate::WrongStan => {
                let other: u32 = reply.get(11).parse().unwrap_or(0);
                reply.set(11, format!("{:06}", other.wrapping_add(500_000) % 1_000_000));
                out.push((think, parcel(connection, reply)));
            }
            Fate::WrongAmount => {
                let lower = self.dice.per_mille(500);
                reply.set(4, another_amount(&reply, lower));
                out.push((think, parcel(connection, reply)));
            }
            Fate::Garbage => {
                let bytes = self.dice.letters(40).into_bytes();
                out.push((think, Parcel { connection, contents: Contents::Garbage(bytes) }));
            }
            Fate::Lost
            | Fate::HeldInSilence
            | Fate::PostedInSilence
            | Fate::DecidedLate(_)
            | Fate::LineDropped { .. } => {}
        }
    }

    /// Two approvals change places: each goes out under the other's numbers (DE 7, 11, 37, 41, 42).
    fn swap(&mut self, connection: u32, reply: Message, out: &mut Vec<Outgoing>) {
        let Some((_, other_connection, other)) = self.waits_to_swap.take() else {
            self.swaps = self.swaps.saturating_add(1);
            let number = self.swaps;
            self.later(self.settings.swap_wait, Visit::SwapOverdue { number });
            self.waits_to_swap = Some((number, connection, reply));
            return;
        };
        // Of another's partial approval a gateway could not tell that it is not its own.
        let partial = [&reply, &other].iter().any(|reply| reply.get(39) == "10");
        let distinguishable = reply.get(4) != other.get(4) && !partial;
        let (mut one, mut two) = (reply.clone(), other.clone());
        if distinguishable {
            for field in [7, 11, 37, 41, 42] {
                one.set(field, other.get(field));
                two.set(field, reply.get(field));
            }
        }
        out.push((Duration::ZERO, parcel(connection, one)));
        out.push((Duration::ZERO, parcel(other_connection, two)));
    }

    fn reversal(&mut self, connection: u32, request: &Message, out: &mut Vec<Outgoing>) {
        let attempt = self.attempt(request);
        let fate = self.plan.for_reversal(request, attempt);
        if fate == ReversalFate::Lost {
            return;
        }
        let mut reply = if fate == ReversalFate::Refused {
            let mut refused = Message::new(reply_type(request));
            for field in [3, 4, 7, 11, 37, 41, 42, 49] {
                refused.set(field, request.get(field));
            }
            refused
        } else {
            self.host.reverse(self.clock.now_us(), request)
        };
        if fate == ReversalFate::Refused {
            reply.set(39, "30");
        }
        if fate != ReversalFate::DoneInSilence {
            let think = self.think();
            out.push((think, parcel(connection, reply)));
        }
    }

    /// Sends on the connection, or, when that is gone, half the time on another one that is signed on:
    /// a reply may come on another line than its request went.
    fn send(&mut self, parcel: Parcel) {
        let mut connection = parcel.connection;
        if !self.connections.contains_key(&connection) {
            let others: Vec<u32> = self.signed_on.iter().copied().collect();
            match self.dice.pick(&others) {
                Some(&other) if self.dice.per_mille(500) => connection = other,
                _ => return,
            }
        }
        if self.swallows(connection) && !matches!(parcel.contents, Contents::HangUp) {
            return;
        }
        let Some(handle) = self.connections.get(&connection) else { return };
        let framed = match &parcel.contents {
            Contents::HangUp => {
                handle.hang_up.cancel();
                self.connections.remove(&connection);
                self.signed_on.remove(&connection);
                return;
            }
            Contents::Message(message) => {
                self.settings.dialect.encode(message).ok().and_then(|bytes| frame(&bytes)).inspect(
                    |_| {
                        self.capture.message(&handle.line, connection, Sender::Bank, message);
                    },
                )
            }
            Contents::Garbage(bytes) => frame(bytes).inspect(|_| {
                let seen = Seen::Garbage(Sender::Bank, bytes.len());
                self.capture.note(&handle.line, connection, seen);
            }),
        };
        if framed.is_none_or(|frame| handle.frames.try_send(frame).is_err()) {
            handle.hang_up.cancel();
        }
    }
}

fn parcel(connection: u32, message: Message) -> Parcel {
    Parcel { connection, contents: Contents::Message(message) }
}

/// An amount that is not the one of this reply, and that a gateway can tell from it: of a partial
/// approval anything up to what was asked may be true, so the lie is more than that.
fn another_amount(reply: &Message, lower: bool) -> String {
    let told: i64 = reply.get(4).parse().unwrap_or(0);
    let other = match (reply.get(39), lower) {
        ("10", _) => told.saturating_mul(2).saturating_add(2),
        (_, true) => told.saturating_sub(1).max(0),
        (_, false) => told.saturating_add(1),
    };
    format!("{other:012}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_amount_can_be_told_from_the_truth() {
        let mut reply = Message::new("0110");
        for (code, asked, approved) in [("00", 64_751, 64_751), ("10", 64_751, 32_375)] {
            reply.set(4, format!("{approved:012}"));
            reply.set(39, code);
            for lower in [false, true] {
                let other: i64 = another_amount(&reply, lower).parse().unwrap_or(0);
                let plausible = if code == "10" { other <= asked } else { other == asked };
                assert!(!plausible, "{code}: {other} of {asked}");
            }
        }
    }
}
