//! One line: its states, its timers, its network messages.

use crate::breaker::{Breaker, Circuit};
use crate::event::{Ask, HostRequest, LineState, Output};
use crate::keep_alive::{KeepAlives, Pulse};
use crate::limits::Limits;
use crate::name::{Connection, LineIndex, MatchKey};
use alloc::vec::Vec;
use core::time::Duration;

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    index: LineIndex,
    state: LineState,
    since: Duration,
    connection: Connection,
    /// When the state ends by itself, for the states that do.
    timer: Option<Duration>,
    asked: Option<Asked>,
    /// When something was last received; at first, when the connection stood.
    heard: Duration,
    ever_heard: Option<Duration>,
    failures: u32,
    held: bool,
    /// Whether it is an operator who wants it down, and not the end of the gateway.
    by_operator: bool,
    unparsable: u32,
    unparsable_since: Duration,
    counts: Counts,
    pulse: Pulse,
    pub(crate) circuit: Circuit,
}

/// A network message that awaits its answer. A line has at most one.
#[derive(Debug)]
struct Asked {
    ask: Ask,
    /// Unknown until the shell encoded it.
    key: Option<MatchKey>,
    at: Duration,
    until: Duration,
}

/// What happened on a line since the gateway started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sign-ons that the host accepted.
    pub signed_on: u64,
    /// Sign-ons that the host refused or left unanswered.
    pub sign_on_failed: u64,
    /// Echoes that the host left unanswered on a line that brought nothing else either.
    pub half_open: u64,
    /// Frames received, keep-alives included.
    pub received: u64,
    /// Frames that could not be read.
    pub unparsable: u64,
}

/// A line as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineView {
    /// Which line.
    pub line: LineIndex,
    /// Where it stands.
    pub state: LineState,
    /// Since when.
    pub since: Duration,
    /// When something was last received.
    pub last_received: Option<Duration>,
    /// How many messages written on it await their reply.
    pub in_flight: u32,
    /// Whether an operator signed it off: it drains or is down, and stays down until it is signed on.
    pub signed_off_by_operator: bool,
    /// What happened on it.
    pub counts: Counts,
    /// Whether new messages are kept off it because it left too many unanswered.
    pub breaker: Breaker,
    /// How often its breaker opened since the start.
    pub breaker_opened: u64,
}

impl Line {
    pub(crate) fn new(index: LineIndex, now: Duration) -> Self {
        Self {
            index,
            state: LineState::Down,
            since: now,
            connection: Connection(0),
            timer: Some(now),
            asked: None,
            heard: now,
            ever_heard: None,
            failures: 0,
            held: false,
            by_operator: false,
            unparsable: 0,
            unparsable_since: now,
            counts: Counts::default(),
            pulse: Pulse::new(now),
            circuit: Circuit::new(),
        }
    }

    pub(crate) fn state(&self) -> LineState {
        self.state
    }

    pub(crate) fn connection(&self) -> Connection {
        self.connection
    }

    pub(crate) fn view(&self, in_flight: u32) -> LineView {
        LineView {
            line: self.index,
            state: self.state,
            since: self.since,
            last_received: self.ever_heard,
            in_flight,
            signed_off_by_operator: self.by_operator,
            counts: self.counts,
            breaker: self.circuit.state(),
            breaker_opened: self.circuit.opened(),
        }
    }

    /// Whether an event of this connection is about the present one.
    pub(crate) fn is_present(&self, connection: Connection) -> bool {
        let connected = !matches!(self.state, LineState::Held | LineState::Down);
        connected && self.connection == connection
    }

    /// The instant at which [`Line::wake`] has something to do though nothing happened.
    pub(crate) fn next_deadline(&self, limits: &Limits) -> Option<Duration> {
        let echo = match (self.state, &self.asked) {
            (_, Some(asked)) => Some(asked.until),
            (LineState::Serving | LineState::Draining, None) => {
                Some(self.heard.saturating_add(limits.echo_after))
            }
            _ => None,
        };
        let pulse = self.pulse.next_deadline(limits.keep_alives);
        let pulse = pulse.filter(|_| self.state.is_connected());
        [self.timer, echo, pulse, self.circuit.next_deadline()].into_iter().flatten().min()
    }

    /// Does what time asks for. `in_flight`: how many messages on this line await their reply.
    pub(crate) fn wake(
        &mut self,
        now: Duration,
        limits: &Limits,
        in_flight: u32,
        out: &mut Vec<Output>,
    ) {
        self.circuit.wake(now);
        if self.asked.as_ref().is_some_and(|asked| asked.until <= now) {
            self.unanswered(now, out);
        }
        let due = self.timer.is_some_and(|timer| timer <= now);
        match self.state {
            LineState::Down if due => {
                self.connection = Connection(self.connection.0.saturating_add(1));
                self.turn(LineState::Connecting, now, None, out);
                out.push(Output::Connect(self.index, self.connection));
            }
            LineState::Resting if due => self.sign_on(now, limits, out),
            LineState::Draining if due || in_flight == 0 => self.sign_off(now, limits, out),
            LineState::Serving | LineState::Draining if self.is_quiet(now, limits) => {
                self.ask(Ask::Echo, now, limits.echo_timeout, out);
            }
            _ => {}
        }
        if self.state.is_connected() && self.pulse.wake(now, limits.keep_alives) {
            out.push(Output::KeepAlive(self.index, self.connection));
        }
    }

    /// A message was given to the writer.
    pub(crate) fn sent(&mut self, now: Duration) {
        self.pulse.sent(now);
    }

    /// An empty frame came.
    pub(crate) fn keep_alive(&mut self, now: Duration, law: KeepAlives, out: &mut Vec<Output>) {
        if self.state.is_connected() && self.pulse.heard(now, law) {
            out.push(Output::KeepAlive(self.index, self.connection));
        }
    }

    /// Whether nothing came for so long that an echo is due.
    fn is_quiet(&self, now: Duration, limits: &Limits) -> bool {
        self.asked.is_none() && self.heard.saturating_add(limits.echo_after) <= now
    }

    fn unanswered(&mut self, now: Duration, out: &mut Vec<Output>) {
        let Some(asked) = self.asked.take() else { return };
        match asked.ask {
            // A line that brought anything since is not half-open, whatever became of the echo.
            Ask::Echo if self.heard > asked.at => {}
            Ask::Echo => {
                self.counts.half_open = self.counts.half_open.saturating_add(1);
                self.close(now, out);
            }
            Ask::SignOn => {
                self.counts.sign_on_failed = self.counts.sign_on_failed.saturating_add(1);
                self.close(now, out);
            }
            Ask::SignOff => self.close(now, out),
        }
    }

    /// The connection stands: sign on.
    pub(crate) fn connected(&mut self, now: Duration, limits: &Limits, out: &mut Vec<Output>) {
        if self.state == LineState::Connecting {
            self.heard = now;
            self.pulse = Pulse::new(now);
            self.unparsable = 0;
            self.unparsable_since = now;
            self.sign_on(now, limits, out);
        }
    }

    /// The connection ended, or could not be made.
    pub(crate) fn gone(
        &mut self,
        now: Duration,
        dice: u32,
        limits: &Limits,
        out: &mut Vec<Output>,
    ) {
        self.asked = None;
        if self.held {
            self.turn(LineState::Held, now, None, out);
        } else {
            let wait = limits.back_off(self.failures, dice);
            self.failures = self.failures.saturating_add(1);
            self.turn(LineState::Down, now, Some(now.saturating_add(wait)), out);
        }
    }

    /// A frame came in.
    pub(crate) fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.ever_heard = Some(now);
        self.counts.received = self.counts.received.saturating_add(1);
    }

    /// A frame that cannot be read came in; too many of them end the connection.
    pub(crate) fn unparsable(&mut self, now: Duration, limits: &Limits, out: &mut Vec<Output>) {
        self.counts.unparsable = self.counts.unparsable.saturating_add(1);
        if now.saturating_sub(self.unparsable_since) > limits.unparsable_window {
            self.unparsable = 0;
            self.unparsable_since = now;
        }
        self.unparsable = self.unparsable.saturating_add(1);
        if self.unparsable > limits.unparsable_max {
            self.close(now, out);
        }
    }

    /// What was asked is encoded and its answer will carry this key.
    pub(crate) fn asked(&mut self, key: MatchKey) {
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.key.is_none()) {
            asked.key = Some(key);
        }
    }

    /// An answer to a network message came. Returns whether it answers what was asked.
    pub(crate) fn network_reply(
        &mut self,
        now: Duration,
        key: &MatchKey,
        accepted: bool,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(asked) = self.asked.take_if(|asked| asked.key.as_ref() == Some(key)) else {
            return false;
        };
        match (asked.ask, accepted) {
            (Ask::SignOn, true) => {
                self.failures = 0;
                self.counts.signed_on = self.counts.signed_on.saturating_add(1);
                self.turn(LineState::Serving, now, None, out);
            }
            (Ask::SignOn, false) => {
                self.counts.sign_on_failed = self.counts.sign_on_failed.saturating_add(1);
                self.close(now, out);
            }
            (Ask::SignOff, _) => self.close(now, out),
            // Any answer to an echo shows that the peer is there.
            (Ask::Echo, _) => {}
        }
        true
    }

    /// The host said something first that concerns the line's life.
    pub(crate) fn host_said(
        &mut self,
        now: Duration,
        said: HostRequest,
        limits: &Limits,
        out: &mut Vec<Output>,
    ) {
        match (said, self.state) {
            (HostRequest::SignOff, LineState::Serving) => {
                self.asked = None;
                let until = now.saturating_add(limits.reconnect_max);
                self.turn(LineState::Resting, now, Some(until), out);
            }
            // Nothing is left to sign off from.
            (HostRequest::SignOff, LineState::Draining) => self.close(now, out),
            (HostRequest::SignOn, LineState::Resting) => self.sign_on(now, limits, out),
            _ => {}
        }
    }

    /// An operator wants the line drained, signed off and held.
    pub(crate) fn sign_off_by_operator(
        &mut self,
        now: Duration,
        limits: &Limits,
        out: &mut Vec<Output>,
    ) {
        self.by_operator = true;
        self.hold(now, limits, out);
    }

    fn hold(&mut self, now: Duration, limits: &Limits, out: &mut Vec<Output>) {
        self.held = true;
        match self.state {
            LineState::Serving => {
                let until = now.saturating_add(limits.drain_timeout);
                self.turn(LineState::Draining, now, Some(until), out);
            }
            LineState::Down => self.turn(LineState::Held, now, None, out),
            LineState::Connecting | LineState::SigningOn | LineState::Resting => {
                self.close(now, out);
            }
            LineState::Held | LineState::Draining | LineState::SigningOff | LineState::Closing => {}
        }
    }

    /// The gateway stops: no drain, sign off at once.
    pub(crate) fn stop(&mut self, now: Duration, limits: &Limits, out: &mut Vec<Output>) {
        self.hold(now, limits, out);
        if self.state == LineState::Draining {
            self.sign_off(now, limits, out);
        }
    }

    /// An operator lets the line serve.
    pub(crate) fn release(&mut self, now: Duration, out: &mut Vec<Output>) {
        self.held = false;
        self.by_operator = false;
        match self.state {
            LineState::Held => self.turn(LineState::Down, now, Some(now), out),
            LineState::Draining => self.turn(LineState::Serving, now, None, out),
            _ => {}
        }
    }

    fn sign_on(&mut self, now: Duration, limits: &Limits, out: &mut Vec<Output>) {
        self.turn(LineState::SigningOn, now, None, out);
        self.ask(Ask::SignOn, now, limits.sign_on_timeout, out);
    }

    fn sign_off(&mut self, now: Duration, limits: &Limits, out: &mut Vec<Output>) {
        self.turn(LineState::SigningOff, now, None, out);
        self.ask(Ask::SignOff, now, limits.sign_on_timeout, out);
    }

    fn ask(&mut self, ask: Ask, now: Duration, timeout: Duration, out: &mut Vec<Output>) {
        let until = now.saturating_add(timeout);
        self.asked = Some(Asked { ask, key: None, at: now, until });
        self.pulse.sent(now);
        out.push(Output::Ask(self.index, self.connection, ask));
    }

    fn close(&mut self, now: Duration, out: &mut Vec<Output>) {
        if self.state == LineState::Closing {
            return;
        }
        self.asked = None;
        self.turn(LineState::Closing, now, None, out);
        out.push(Output::Close(self.index, self.connection));
    }

    fn turn(
        &mut self,
        state: LineState,
        now: Duration,
        timer: Option<Duration>,
        out: &mut Vec<Output>,
    ) {
        self.state = state;
        self.since = now;
        self.timer = timer;
        out.push(Output::LineChanged(self.index, state));
    }
}
