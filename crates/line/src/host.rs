//! One bank host: its lines and its exchanges.

use crate::breaker::{Breaker, Circuit};
use crate::event::{
    Event, HostRequest, LineState, NotSent, Output, Quarantine, Read, Send, Written,
};
use crate::exchange::{Exchanges, Learned, Matched};
use crate::life::Line;
pub use crate::life::{Counts, LineView};
use crate::limits::{LimitFault, Limits};
use crate::name::{Connection, Frame, LineIndex};
use crate::window::Window;
use alloc::vec::Vec;
use core::time::Duration;

/// How much a host may be given now. The shell obeys it before it accepts anything new; what was
/// accepted, and what follows up an earlier payment, is bounded by [`Limits::in_flight_max`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many new messages may be in flight: 0 while no line is signed on or the breaker is open,
    /// 1 while it is half open.
    pub limit: u32,
    /// The host's breaker.
    pub breaker: Breaker,
    /// How often it opened since the start.
    pub breaker_opened: u64,
}

/// One bank host with its lines. All state of the bank side is here.
#[derive(Debug)]
pub struct Host {
    limits: Limits,
    lines: Vec<Line>,
    exchanges: Exchanges,
    window: Window,
    circuit: Circuit,
    /// Where the search for a line begins: it moves on, so that equal lines take turns.
    turn: usize,
    up: bool,
    stopping: bool,
    stopped: bool,
}

impl Host {
    /// A host with `lines` lines (1 or more), all of which connect at the first [`Event::Tick`].
    /// `now` is a reading of the monotonic clock, as everywhere here.
    /// # Errors
    /// [`LimitFault`], naming the first limit that cannot be obeyed.
    pub fn new(now: Duration, limits: Limits, lines: u16) -> Result<Self, LimitFault> {
        limits.check()?;
        if lines == 0 {
            return Err(LimitFault { limit: "lines", wanted: "1 or more" });
        }
        Ok(Self {
            limits,
            lines: (0..lines).map(|index| Line::new(LineIndex(index), now)).collect(),
            exchanges: Exchanges::default(),
            window: Window::new(&limits),
            circuit: Circuit::new(),
            turn: 0,
            up: false,
            stopping: false,
            stopped: false,
        })
    }

    /// Takes one event and says what to do, in order. Does what time asks for as well.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Output> {
        let mut out = Vec::new();
        self.exchanges.expire(now);
        // What timed out before is weighed before what this event says.
        self.learn(now);
        self.hear(now, event, &mut out);
        self.learn(now);
        self.circuit.wake(now);
        for (index, line) in (0..).map(LineIndex).zip(self.lines.iter_mut()) {
            line.wake(now, &self.limits, self.exchanges.open_on(index), &mut out);
        }
        self.exchanges.trim(&self.limits, &mut out);
        self.tell_changes(&mut out);
        out
    }

    /// When [`Host::handle`] must be called with [`Event::Tick`] if nothing happens before.
    pub fn next_deadline(&self) -> Option<Duration> {
        let lines = self.lines.iter().filter_map(|line| line.next_deadline(&self.limits));
        let own = [self.exchanges.next_deadline(), self.circuit.next_deadline()];
        lines.chain(own.into_iter().flatten()).min()
    }

    /// Whether any line is signed on.
    pub fn is_up(&self) -> bool {
        self.lines.iter().any(|line| line.state() == LineState::Serving)
    }

    /// The lines as operators see them, in the order of configuration.
    pub fn lines(&self) -> impl Iterator<Item = LineView> + '_ {
        (0..)
            .map(LineIndex)
            .zip(self.lines.iter())
            .map(|(index, line)| line.view(self.exchanges.open_on(index)))
    }

    /// How much the host may be given now.
    pub fn room(&self) -> Room {
        let limit = match self.circuit.state() {
            _ if !self.is_up() => 0,
            Breaker::Closed => self.window.limit(),
            Breaker::Open(_) => 0,
            Breaker::HalfOpen => 1,
        };
        Room { limit, breaker: self.circuit.state(), breaker_opened: self.circuit.opened() }
    }

    /// How many messages await their reply.
    pub fn in_flight(&self) -> u32 {
        self.exchanges.open()
    }

    /// How many exchanges are kept: open, late and answered.
    pub fn kept(&self) -> usize {
        self.exchanges.kept()
    }

    fn hear(&mut self, now: Duration, event: Event, out: &mut Vec<Output>) {
        let limits = self.limits;
        match event {
            Event::Tick => {}
            Event::Connected(line, connection) => {
                if let Some(line) = self.present(line, connection) {
                    line.connected(now, &limits, out);
                }
            }
            Event::Gone { line, connection, dice } => {
                self.exchanges.gone(line, connection, out);
                if let Some(line) = self.present(line, connection) {
                    line.gone(now, dice, &limits, out);
                }
            }
            Event::Received { line, connection, read, frame } => {
                self.receive(now, (line, connection), read, frame, out);
            }
            Event::Asked { line, connection, key } => {
                if let Some(line) = self.present(line, connection) {
                    line.asked(key);
                }
            }
            Event::Send(send) => self.send(now, send, out),
            Event::Wrote(written) => self.exchanges.wrote(written, out),
            Event::WriteRefused(written) => self.refused(written, out),
            Event::Expect { exchange, key } => self.exchanges.expect(exchange, key),
            Event::NotItsAnswer(exchange) => self.exchanges.not_its_answer(now, exchange),
            Event::SignOff(line) => {
                if let Some(line) = self.line(line) {
                    line.sign_off_by_operator(now, &limits, out);
                }
            }
            Event::SignOn(line) => {
                let stopping = self.stopping;
                if let Some(line) = self.line(line).filter(|_| !stopping) {
                    line.release(now, out);
                }
            }
            Event::Stop => {
                self.stopping = true;
                self.lines.iter_mut().for_each(|line| line.stop(now, &limits, out));
            }
        }
    }

    fn send(&mut self, now: Duration, send: Send, out: &mut Vec<Output>) {
        let to = match self.admit(now, &send) {
            Ok(to) => to,
            Err(why) => {
                out.push(Output::NotSent(send.exchange, send.attempt, why));
                if !self.exchanges.knows(send.exchange) {
                    out.push(Output::Forgotten(send.exchange));
                }
                return;
            }
        };
        self.exchanges.begin(now, &send, to);
        if let Some(line) = self.present(to.line, to.connection) {
            line.sent(now);
        }
        out.push(Output::Write { to, frame: send.frame, deadline: send.deadline });
    }

    fn admit(&mut self, now: Duration, send: &Send) -> Result<Written, NotSent> {
        if now >= send.deadline {
            return Err(NotSent::Overdue);
        }
        self.exchanges.admit(send, &self.limits)?;
        let (line, connection) = self.choose(send.prefer).ok_or(NotSent::NoLine)?;
        Ok(Written { line, connection, exchange: send.exchange, attempt: send.attempt })
    }

    /// The preferred line if it serves, else the serving line with the least in flight; among equal
    /// ones they take turns. A line whose breaker is open, or half open with its probe under way, is
    /// the last choice.
    fn choose(&mut self, prefer: Option<LineIndex>) -> Option<(LineIndex, Connection)> {
        let count = self.lines.len();
        let lines = (0..).map(LineIndex).zip(self.lines.iter());
        let serving = lines.filter(|(_, line)| line.state() == LineState::Serving);
        let chosen = serving.min_by_key(|(index, line)| {
            let open = self.exchanges.open_on(*index);
            let shunned = match line.circuit.state() {
                Breaker::Closed => false,
                Breaker::Open(_) => true,
                Breaker::HalfOpen => open > 0,
            };
            let place = usize::from(index.0).saturating_add(count).saturating_sub(self.turn);
            let preferred = Some(*index) == prefer;
            (shunned, !preferred, open, place.checked_rem(count))
        });
        let (index, connection) = chosen.map(|(index, line)| (index, line.connection()))?;
        self.turn = usize::from(index.0).saturating_add(1).checked_rem(count).unwrap_or(0);
        Some((index, connection))
    }

    /// Weighs what became of messages.
    fn learn(&mut self, now: Duration) {
        let limits = self.limits;
        for Learned { begun, line, owed, answered } in self.exchanges.learn() {
            let on = self.lines.get_mut(usize::from(line.0));
            if answered {
                if let Some(on) = on {
                    on.circuit.answered(now, begun);
                }
                if self.circuit.answered(now, begun) {
                    self.window.restart(now, &limits);
                } else if !owed {
                    // The one that was answered was in flight, too.
                    let open = self.exchanges.open_new().saturating_add(1);
                    self.window.replied(now, begun, open, &limits);
                }
            } else if !owed {
                if let Some(on) = on {
                    on.circuit.silent(now, begun, &limits);
                }
                self.circuit.silent(now, begun, &limits);
                self.window.silent(now, begun, &limits);
            }
        }
    }

    fn receive(
        &mut self,
        now: Duration,
        (index, connection): (LineIndex, Connection),
        read: Read,
        frame: Frame,
        out: &mut Vec<Output>,
    ) {
        if let Some(line) = self.present(index, connection) {
            line.heard(now);
        }
        match read {
            Read::KeepAlive => {
                let law = self.limits.keep_alives;
                if let Some(line) = self.present(index, connection) {
                    line.keep_alive(now, law, out);
                }
            }
            // A reply counts whatever became of the line on which it came.
            Read::Reply(key) => match self.exchanges.reply(&key, out) {
                Matched::To { exchange, late } => {
                    out.push(Output::Delivered { exchange, line: index, frame, late });
                }
                Matched::Duplicate => {
                    out.push(Output::Quarantined(index, Quarantine::Duplicate, frame));
                }
                Matched::Nobody => {
                    out.push(Output::Quarantined(index, Quarantine::Unmatched, frame));
                }
            },
            Read::NetworkReply { key, accepted } => {
                let line = self.present(index, connection);
                if !line.is_some_and(|line| line.network_reply(now, &key, accepted, out)) {
                    out.push(Output::Quarantined(index, Quarantine::UnaskedNetworkReply, frame));
                }
            }
            Read::Request(said) => self.host_said(now, (index, connection), said, frame, out),
            Read::Unparsable => {
                let limits = self.limits;
                out.push(Output::Quarantined(index, Quarantine::Unparsable, frame));
                if let Some(line) = self.present(index, connection) {
                    line.unparsable(now, &limits, out);
                }
            }
        }
    }

    fn host_said(
        &mut self,
        now: Duration,
        (index, connection): (LineIndex, Connection),
        said: HostRequest,
        frame: Frame,
        out: &mut Vec<Output>,
    ) {
        let limits = self.limits;
        let accept = match said {
            HostRequest::Echo | HostRequest::SignOn | HostRequest::SignOff => true,
            HostRequest::CutOver => {
                out.push(Output::CutOver(index, frame.clone()));
                true
            }
            HostRequest::KeyExchange => {
                out.push(Output::Quarantined(index, Quarantine::KeyExchange, frame.clone()));
                false
            }
            HostRequest::Other => {
                out.push(Output::Quarantined(index, Quarantine::Unsolicited, frame));
                return;
            }
        };
        if let Some(line) = self.present(index, connection) {
            out.push(Output::Answer { line: index, connection, request: frame, accept });
            line.sent(now);
            line.host_said(now, said, &limits, out);
        }
    }

    /// Why the writer did not write is seen from the line: it broke or was full, unless the
    /// deadline came first.
    fn refused(&mut self, written: Written, out: &mut Vec<Output>) {
        let late = self.exchanges.is_late(written.exchange);
        let why = if late { NotSent::Overdue } else { NotSent::NoLine };
        self.exchanges.refused(written, why, out);
    }

    fn tell_changes(&mut self, out: &mut Vec<Output>) {
        let up = self.is_up();
        if up != self.up {
            self.up = up;
            out.push(Output::HostUp(up));
        }
        let closed = self.lines.iter().all(|line| line.state() == LineState::Held);
        if self.stopping && closed && !self.stopped {
            self.stopped = true;
            out.push(Output::Stopped);
        }
    }

    fn line(&mut self, index: LineIndex) -> Option<&mut Line> {
        self.lines.get_mut(usize::from(index.0))
    }

    fn present(&mut self, index: LineIndex, connection: Connection) -> Option<&mut Line> {
        self.line(index).filter(|line| line.is_present(connection))
    }
}
