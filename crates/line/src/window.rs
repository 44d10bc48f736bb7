//! How many new messages a host is given at a time: more while it answers in time, fewer when it is
//! slow or silent. Additive increase, multiplicative decrease on the reply time; whole numbers only.
//!
//! The mark between in time and slow is configured, not learned: how long a host takes depends on
//! the issuers behind it, and a learned mark would take an honest slow issuer for an overload.

use crate::limits::Limits;
use core::time::Duration;

/// It never shrinks below this: with fewer in flight nothing is learned about the host.
pub(crate) const LEAST: u32 = 2;

/// The window of one host.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u32,
    /// What became of the messages since the last change: answered in time, late or not at all.
    good: u32,
    slow: u32,
    silent: u32,
    /// The most that were in flight since the last change.
    used: u32,
    /// When it last shrank: what was sent before was sent into a wider window and says nothing about
    /// the present one.
    shrunk: Duration,
    /// Since it was restarted nothing was slow or silent: it doubles, for what the host bears was known
    /// before it fell silent.
    rising: bool,
}

impl Window {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limit: widest(limits),
            good: 0,
            slow: 0,
            silent: 0,
            used: 0,
            shrunk: Duration::ZERO,
            rising: false,
        }
    }

    /// How many new messages may be in flight.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// A reply came to what was sent at `begun`, while `open` messages were in flight.
    pub(crate) fn replied(&mut self, now: Duration, begun: Duration, open: u32, limits: &Limits) {
        if begun < self.shrunk {
            return;
        }
        self.used = self.used.max(open);
        if now.saturating_sub(begun) > limits.reply_slow {
            self.slow = self.slow.saturating_add(1);
            return self.weigh(now, limits);
        }
        self.good = self.good.saturating_add(1);
        if self.good >= self.limit {
            // A window of which not half was used says nothing about a wider one.
            if self.used.saturating_mul(2) >= self.limit {
                let step = if self.rising { self.limit } else { (self.limit / 8).max(1) };
                self.limit = self.limit.saturating_add(step).min(widest(limits));
            }
            self.begin_round();
        }
    }

    /// No reply came to what was sent at `begun`.
    pub(crate) fn silent(&mut self, now: Duration, begun: Duration, limits: &Limits) {
        if begun >= self.shrunk {
            self.silent = self.silent.saturating_add(1);
            self.weigh(now, limits);
        }
    }

    /// The host answers again after it was silent: it is tried with little.
    pub(crate) fn restart(&mut self, now: Duration, limits: &Limits) {
        self.limit = LEAST.min(widest(limits));
        self.shrunk = now;
        self.rising = true;
        self.begin_round();
    }

    /// Shrinks once an eighth of a window was slow or silent: one slow issuer is no overload.
    fn weigh(&mut self, now: Duration, limits: &Limits) {
        let bad = self.slow.saturating_add(self.silent);
        if bad < (self.limit / 8).max(1) {
            return;
        }
        let kept = if self.silent > 0 { self.limit / 2 } else { self.limit.saturating_mul(3) / 4 };
        self.limit = kept.max(LEAST).min(widest(limits));
        self.shrunk = now;
        self.rising = false;
        self.begin_round();
    }

    fn begin_round(&mut self) {
        (self.good, self.slow, self.silent, self.used) = (0, 0, 0, 0);
    }
}

fn widest(limits: &Limits) -> u32 {
    limits.window_max.min(limits.in_flight_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { window_max: 64, reply_slow: Duration::from_secs(1), ..Limits::default() }
    }

    /// So many windows' worth of messages, each answered after `took`; gives what the window became.
    fn rounds(window: &mut Window, now: &mut Duration, count: u32, took: Duration) -> u32 {
        for _ in 0..count {
            let (begun, open) = (*now, window.limit());
            *now = now.saturating_add(took);
            (0..open).for_each(|_| window.replied(*now, begun, open, &limits()));
        }
        window.limit()
    }

    const FAST: Duration = Duration::from_millis(50);
    const SLOW: Duration = Duration::from_millis(1_500);

    #[test]
    fn it_begins_wide_shrinks_while_the_host_is_slow_and_never_below_two() {
        let (mut window, mut now) = (Window::new(&limits()), Duration::ZERO);
        assert_eq!(window.limit(), 64);
        assert_eq!(rounds(&mut window, &mut now, 5, FAST), 64);
        assert_eq!(rounds(&mut window, &mut now, 1, SLOW), 48);
        assert_eq!(rounds(&mut window, &mut now, 1, SLOW), 36);
        assert_eq!(rounds(&mut window, &mut now, 100, SLOW), LEAST);
    }

    #[test]
    fn it_grows_back_when_the_host_heals_and_not_beyond_its_bound() {
        let (mut window, mut now) = (Window::new(&limits()), Duration::ZERO);
        rounds(&mut window, &mut now, 100, SLOW);
        assert_eq!(rounds(&mut window, &mut now, 1, FAST), 3);
        assert_eq!(rounds(&mut window, &mut now, 30, FAST), 64, "1.5 s at 50 ms a reply");
        assert_eq!(rounds(&mut window, &mut now, 30, FAST), 64);
    }

    #[test]
    fn what_was_sent_before_it_shrank_shrinks_it_no_further() {
        let (mut window, now) = (Window::new(&limits()), Duration::from_secs(15));
        (0..64).for_each(|_| window.silent(now, Duration::ZERO, &limits()));
        assert_eq!(window.limit(), 32);
        window.replied(now, Duration::ZERO, 64, &limits());
        assert_eq!(window.limit(), 32);
    }

    #[test]
    fn one_slow_issuer_among_many_changes_nothing() {
        let (mut window, mut now) = (Window::new(&limits()), Duration::ZERO);
        for _ in 0..100 {
            let begun = now;
            now = now.saturating_add(SLOW);
            (0..7).for_each(|_| window.replied(now, begun, 64, &limits()));
            (0..57).for_each(|_| window.replied(now, now, 64, &limits()));
            // The round ends by good replies alone.
            (0..7).for_each(|_| window.replied(now, now, 64, &limits()));
        }
        assert_eq!(window.limit(), 64);
    }

    #[test]
    fn after_a_restart_it_doubles_until_the_first_slow_replies() {
        let (mut window, mut now) = (Window::new(&limits()), Duration::ZERO);
        window.restart(now, &limits());
        let risen: [u32; 4] = core::array::from_fn(|_| rounds(&mut window, &mut now, 1, FAST));
        assert_eq!(risen, [4, 8, 16, 32]);
        assert_eq!(rounds(&mut window, &mut now, 1, SLOW), 24);
        assert_eq!(rounds(&mut window, &mut now, 1, FAST), 27);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let (mut window, mut now) = (Window::new(&limits()), Duration::ZERO);
        window.restart(now, &limits());
        rounds(&mut window, &mut now, 10, FAST);
        let before = window.limit();
        assert!(before > 4, "{before}");
        (0..200).for_each(|_| window.replied(now, now, 1, &limits()));
        assert_eq!(window.limit(), before);
    }
}
