//! A circuit breaker: after so many messages in a row without a reply nothing new is sent for a while;
//! then one real message is the probe. One for a host, one for each of its lines.
//!
//! "In a row" is by the order of sending: a message that stays unanswered while later ones are
//! answered tells nothing about the host. What is owed (reversals, advices) is never held back, and
//! any reply to it is as good a sign of life as a probe's.

use crate::limits::Limits;
use core::time::Duration;

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Messages flow.
    Closed,
    /// Nothing new is sent before this instant.
    Open(Duration),
    /// One message at a time is sent: its reply closes the breaker, its silence opens it again.
    HalfOpen,
}

impl Breaker {
    /// The name in logs, metrics and status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open(_) => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A breaker with what it remembers.
#[derive(Debug)]
pub(crate) struct Circuit {
    state: Breaker,
    silences: u32,
    /// When the latest of the messages that were answered was sent.
    alive: Option<Duration>,
    /// When it was last opened to probes.
    probing_since: Duration,
    /// The next wait; doubles from probe to probe that fails.
    wait: Option<Duration>,
    opened: u64,
}

impl Circuit {
    pub(crate) fn new() -> Self {
        Self {
            state: Breaker::Closed,
            silences: 0,
            alive: None,
            probing_since: Duration::ZERO,
            wait: None,
            opened: 0,
        }
    }

    pub(crate) fn state(&self) -> Breaker {
        self.state
    }

    /// How often it opened since the start.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        match self.state {
            Breaker::Open(until) => Some(until),
            Breaker::Closed | Breaker::HalfOpen => None,
        }
    }

    pub(crate) fn wake(&mut self, now: Duration) {
        if let Breaker::Open(until) = self.state
            && until <= now
        {
            self.state = Breaker::HalfOpen;
            self.probing_since = now;
        }
    }

    /// A reply came to what was sent at `begun`. Returns whether the breaker closed by it.
    pub(crate) fn answered(&mut self, now: Duration, begun: Duration) -> bool {
        self.silences = 0;
        self.alive = self.alive.max(Some(begun));
        match self.state {
            Breaker::Closed => false,
            // Something lives: the probe need not wait.
            Breaker::Open(_) => {
                self.state = Breaker::HalfOpen;
                self.probing_since = now;
                false
            }
            Breaker::HalfOpen => {
                self.state = Breaker::Closed;
                self.wait = None;
                true
            }
        }
    }

    /// No reply came to what was sent at `begun`.
    pub(crate) fn silent(&mut self, now: Duration, begun: Duration, limits: &Limits) {
        if self.alive.is_some_and(|alive| alive >= begun) {
            return;
        }
        self.silences = self.silences.saturating_add(1);
        match self.state {
            Breaker::Closed if self.silences >= limits.breaker_silences.max(1) => {
                self.open(now, limits);
            }
            Breaker::HalfOpen if begun >= self.probing_since => self.open(now, limits),
            _ => {}
        }
    }

    fn open(&mut self, now: Duration, limits: &Limits) {
        let longest = limits.breaker_wait.saturating_mul(8);
        let wait = self.wait.unwrap_or(limits.breaker_wait);
        self.wait = Some(wait.saturating_mul(2).min(longest));
        self.state = Breaker::Open(now.saturating_add(wait));
        self.opened = self.opened.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let breaker_wait = Duration::from_secs(5);
        Limits { breaker_silences: 3, breaker_wait, ..Limits::default() }
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Opened at second 20 by three messages sent at 0, 1 and 2.
    fn open() -> Circuit {
        let mut circuit = Circuit::new();
        (0..3).for_each(|begun| circuit.silent(s(20), s(begun), &limits()));
        assert_eq!(circuit.state(), Breaker::Open(s(25)));
        circuit
    }

    #[test]
    fn silences_in_a_row_open_it_and_a_reply_between_them_does_not_let_it() {
        let mut circuit = Circuit::new();
        circuit.silent(s(15), s(0), &limits());
        circuit.silent(s(16), s(1), &limits());
        assert!(!circuit.answered(s(17), s(2)));
        circuit.silent(s(18), s(3), &limits());
        circuit.silent(s(18), s(3), &limits());
        assert_eq!(circuit.state(), Breaker::Closed);
        circuit.silent(s(18), s(4), &limits());
        assert_eq!(circuit.state().name(), "open");
        assert_eq!(circuit.opened(), 1);
    }

    #[test]
    fn silences_older_than_a_reply_do_not_count() {
        let mut circuit = Circuit::new();
        circuit.answered(s(9), s(8));
        (0..8).for_each(|begun| circuit.silent(s(20), s(begun), &limits()));
        assert_eq!(circuit.state(), Breaker::Closed);
    }

    #[test]
    fn after_its_wait_one_probe_decides_and_each_failure_doubles_the_wait() {
        let mut circuit = open();
        circuit.wake(s(24));
        assert_eq!(circuit.state(), Breaker::Open(s(25)));
        circuit.wake(s(25));
        assert_eq!(circuit.state(), Breaker::HalfOpen);
        // What was sent before it opened decides nothing.
        circuit.silent(s(26), s(3), &limits());
        assert_eq!(circuit.state(), Breaker::HalfOpen);
        circuit.silent(s(41), s(26), &limits());
        assert_eq!(circuit.state(), Breaker::Open(s(51)));
        circuit.wake(s(51));
        assert!(circuit.answered(s(53), s(52)));
        assert_eq!(circuit.state(), Breaker::Closed);
        (0..3).for_each(|_| circuit.silent(s(80), s(60), &limits()));
        assert_eq!(circuit.state(), Breaker::Open(s(85)), "the wait begins anew");
    }

    #[test]
    fn a_late_reply_lets_the_probe_go_at_once() {
        let mut circuit = open();
        assert!(!circuit.answered(s(21), s(2)));
        assert_eq!(circuit.state(), Breaker::HalfOpen);
    }
}
