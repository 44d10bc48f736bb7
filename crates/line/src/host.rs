//! One bank host: its lines and its exchanges.

use crate::event::{
    Event, HostRequest, LineState, NotSent, Output, Quarantine, Read, Send, Written,
};
use crate::exchange::{Exchanges, Matched};
use crate::life::Line;
pub use crate::life::{Counts, LineView};
use crate::limits::{LimitFault, Limits};
use crate::name::{Connection, Frame, LineIndex};
use alloc::vec::Vec;
use core::time::Duration;

/// One bank host with its lines. All state of the bank side is here.
#[derive(Debug)]
pub struct Host {
    limits: Limits,
    lines: Vec<Line>,
    exchanges: Exchanges,
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
        self.hear(now, event, &mut out);
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
        lines.chain(self.exchanges.next_deadline()).min()
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
        self.exchanges.begin(&send, to);
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
    /// ones they take turns.
    fn choose(&mut self, prefer: Option<LineIndex>) -> Option<(LineIndex, Connection)> {
        let count = self.lines.len();
        let serving = (0..)
            .map(LineIndex)
            .zip(self.lines.iter())
            .filter(|(_, line)| line.state() == LineState::Serving);
        let chosen = match serving.clone().find(|(index, _)| Some(*index) == prefer) {
            Some(preferred) => Some(preferred),
            None => serving.min_by_key(|(index, _)| {
                let place = usize::from(index.0).saturating_add(count).saturating_sub(self.turn);
                (self.exchanges.open_on(*index), place.checked_rem(count))
            }),
        };
        let (index, connection) = chosen.map(|(index, line)| (index, line.connection()))?;
        self.turn = usize::from(index.0).saturating_add(1).checked_rem(count).unwrap_or(0);
        Some((index, connection))
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
            Read::KeepAlive => {}
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
