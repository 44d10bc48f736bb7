//! Every bound and wait of a host, by name.

use crate::keep_alive::KeepAlives;
use core::time::Duration;

/// The bounds and waits of one host. Counts are per host unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many requests may await their reply at a time; 1 or more.
    pub in_flight_max: u32,
    /// How many owed messages (reversals) may await their reply at a time; 1 or more. They have
    /// room of their own, so that live traffic never starves them and a backlog never starves live
    /// traffic.
    pub owed_in_flight_max: u32,
    /// How many new messages the host is given at a time when it is well; never more than
    /// [`Limits::in_flight_max`]. What lies between the two is room for follow-ups, which no window
    /// holds back.
    pub window_max: u32,
    /// A reply that takes longer shows that the host is given too much; more than 0.
    pub reply_slow: Duration,
    /// So many messages in a row without a reply open a breaker; 1 or more.
    pub breaker_silences: u32,
    /// How long a breaker stays open before a probe; each probe that fails doubles it, up to eight
    /// times as long. More than 0.
    pub breaker_wait: Duration,
    /// How many exchanges whose deadline passed unanswered are kept for a late reply.
    pub late_max: u32,
    /// How many answered exchanges are kept, to know a second reply for what it is.
    pub answered_max: u32,
    /// How long a sign-on or sign-off may take; more than 0.
    pub sign_on_timeout: Duration,
    /// After how long without anything received an echo is sent; more than 0.
    pub echo_after: Duration,
    /// How long an echo may take; more than 0 and at most [`Limits::echo_after`], so that a
    /// half-open line is found within two echo intervals.
    pub echo_timeout: Duration,
    /// The least wait before a line connects again; more than 0. It bounds how often a line that
    /// flaps signs on.
    pub reconnect_min: Duration,
    /// The longest wait before a line connects again; at least [`Limits::reconnect_min`].
    pub reconnect_max: Duration,
    /// How long a line that is being drained waits for its replies before it signs off.
    pub drain_timeout: Duration,
    /// How many unparsable frames a line may bring within [`Limits::unparsable_window`] before it
    /// is closed and connected afresh; per line.
    pub unparsable_max: u32,
    /// See [`Limits::unparsable_max`].
    pub unparsable_window: Duration,
    /// Who sends empty frames, and who answers them.
    pub keep_alives: KeepAlives,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight_max: 512,
            owed_in_flight_max: 128,
            window_max: 512,
            reply_slow: Duration::from_millis(7_500),
            breaker_silences: 10,
            breaker_wait: Duration::from_secs(5),
            late_max: 10_000,
            answered_max: 10_000,
            sign_on_timeout: Duration::from_secs(5),
            echo_after: Duration::from_secs(30),
            echo_timeout: Duration::from_secs(10),
            reconnect_min: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(20),
            unparsable_max: 10,
            unparsable_window: Duration::from_secs(60),
            keep_alives: KeepAlives::Ignore,
        }
    }
}

/// A limit that cannot be obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit}: {wanted} expected")]
pub struct LimitFault {
    /// Which limit.
    pub limit: &'static str,
    /// What is wanted of it.
    pub wanted: &'static str,
}

impl Limits {
    /// Checks what the types do not.
    pub(crate) fn check(&self) -> Result<(), LimitFault> {
        let more_than_0 = [
            ("in_flight_max", self.in_flight_max > 0),
            ("owed_in_flight_max", self.owed_in_flight_max > 0),
            ("window_max", self.window_max > 0),
            ("reply_slow", self.reply_slow > Duration::ZERO),
            ("breaker_silences", self.breaker_silences > 0),
            ("breaker_wait", self.breaker_wait > Duration::ZERO),
            ("sign_on_timeout", self.sign_on_timeout > Duration::ZERO),
            ("echo_after", self.echo_after > Duration::ZERO),
            ("echo_timeout", self.echo_timeout > Duration::ZERO),
            ("reconnect_min", self.reconnect_min > Duration::ZERO),
            ("keep_alives", self.keep_alives != KeepAlives::Send { every: Duration::ZERO }),
        ];
        if let Some((limit, _)) = more_than_0.iter().find(|(_, kept)| !kept) {
            return Err(LimitFault { limit, wanted: "more than 0" });
        }
        if self.echo_timeout > self.echo_after {
            return Err(LimitFault { limit: "echo_timeout", wanted: "at most echo_after" });
        }
        if self.reconnect_max < self.reconnect_min {
            return Err(LimitFault { limit: "reconnect_max", wanted: "at least reconnect_min" });
        }
        Ok(())
    }

    /// The wait before the next connection after `failures` without a sign-on between them: a
    /// random part of a window that doubles each time (full jitter), above a floor of
    /// `reconnect_min`. `dice` is uniform over all 32-bit numbers.
    pub(crate) fn back_off(&self, failures: u32, dice: u32) -> Duration {
        let doubled = 2_u32.checked_pow(failures.saturating_add(1)).unwrap_or(u32::MAX);
        let window = self.reconnect_min.saturating_mul(doubled).min(self.reconnect_max);
        let spread_us = window.saturating_sub(self.reconnect_min).as_micros();
        let part_us = spread_us.saturating_mul(u128::from(dice)) >> 32;
        let part = Duration::from_micros(u64::try_from(part_us).unwrap_or(u64::MAX));
        self.reconnect_min.saturating_add(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_obeyed() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn an_echo_timeout_above_the_echo_interval_is_refused() {
        let limits = Limits { echo_timeout: Duration::from_secs(31), ..Limits::default() };
        let fault = limits.check().map_err(|fault| fault.limit);
        assert_eq!(fault, Err("echo_timeout"));
    }

    #[test]
    fn the_back_off_doubles_is_jittered_and_has_a_floor_and_a_ceiling() {
        let limits = Limits::default();
        let seconds = |failures, dice| limits.back_off(failures, dice).as_secs();
        assert_eq!(limits.back_off(0, 0), limits.reconnect_min);
        assert_eq!([seconds(0, u32::MAX), seconds(1, u32::MAX), seconds(2, u32::MAX)], [1, 3, 7]);
        assert_eq!(seconds(2, u32::MAX / 2), 4);
        assert!(limits.back_off(u32::MAX, u32::MAX) <= limits.reconnect_max);
        assert_eq!(limits.back_off(40, 0), limits.reconnect_min);
    }
}
