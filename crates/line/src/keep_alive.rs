//! Empty frames that show that a peer is alive: who sends them, and who answers.
//!
//! The law: a side either sends them or answers them, never both, so that no answer is ever answered. A peer
//! that answers everything all the same (two such peers would throw one frame to and fro for ever) meets
//! [`ANSWER_GAP`].

use core::time::Duration;

/// What an empty frame that comes within this time of our last answer is taken for: the echo of that
/// answer. It is not answered.
pub const ANSWER_GAP: Duration = Duration::from_secs(1);

/// What is done about empty frames on the lines of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepAlives {
    /// They are heard, and that is all.
    #[default]
    Ignore,
    /// Each one that comes is answered by one, at most one in [`ANSWER_GAP`]. None is sent otherwise.
    Answer,
    /// One is sent whenever nothing else was sent for so long. None is ever answered.
    Send {
        /// For how long; more than 0.
        every: Duration,
    },
}

/// What a connection sent when, as far as empty frames depend on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulse {
    /// When anything was sent; at first, when the connection stood.
    sent: Duration,
    /// When an empty frame was last answered.
    answered: Option<Duration>,
}

impl Pulse {
    /// Of a connection that stands since `now`.
    pub(crate) fn new(now: Duration) -> Self {
        Self { sent: now, answered: None }
    }

    /// Something was sent.
    pub(crate) fn sent(&mut self, now: Duration) {
        self.sent = now;
    }

    /// When an empty frame is due though nothing happens before.
    pub(crate) fn next_deadline(&self, law: KeepAlives) -> Option<Duration> {
        match law {
            KeepAlives::Send { every } => Some(self.sent.saturating_add(every)),
            KeepAlives::Ignore | KeepAlives::Answer => None,
        }
    }

    /// Whether an empty frame is to be sent now because nothing else was.
    pub(crate) fn wake(&mut self, now: Duration, law: KeepAlives) -> bool {
        let due = self.next_deadline(law).is_some_and(|due| due <= now);
        if due {
            self.sent = now;
        }
        due
    }

    /// Whether the empty frame that came now is to be answered.
    pub(crate) fn heard(&mut self, now: Duration, law: KeepAlives) -> bool {
        let echo = self.answered.is_some_and(|at| now.saturating_sub(at) < ANSWER_GAP);
        let answers = law == KeepAlives::Answer && !echo;
        if answers {
            self.answered = Some(now);
            self.sent = now;
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn whoever_sends_does_not_answer_and_whoever_answers_does_not_send() {
        let every = ms(5_000);
        for (law, sends, answers) in [
            (KeepAlives::Ignore, false, false),
            (KeepAlives::Answer, false, true),
            (KeepAlives::Send { every }, true, false),
        ] {
            let mut pulse = Pulse::new(ms(0));
            assert_eq!(pulse.wake(ms(60_000), law), sends, "{law:?}");
            assert_eq!(pulse.heard(ms(60_001), law), answers, "{law:?}");
        }
    }

    #[test]
    fn two_that_answer_everything_exchange_one_frame_in_a_second() {
        let mut sides = [Pulse::new(ms(0)), Pulse::new(ms(0))];
        let (mut frames, mut turn) = (0, 0);
        let mut now = ms(0);
        // One of them started with a frame, and each frame takes a millisecond.
        while now < ms(10_000) {
            now = now.saturating_add(ms(1));
            let Some(side) = sides.get_mut(turn) else { break };
            if !side.heard(now, KeepAlives::Answer) {
                break;
            }
            frames += 1;
            turn = 1 - turn;
        }
        assert_eq!(frames, 2, "the echo of an echo is not sent");
    }

    #[test]
    fn one_is_sent_only_where_nothing_else_was() {
        let law = KeepAlives::Send { every: ms(1_000) };
        let mut pulse = Pulse::new(ms(0));
        assert!(!pulse.wake(ms(999), law));
        pulse.sent(ms(999));
        assert!(!pulse.wake(ms(1_998), law));
        assert_eq!(pulse.next_deadline(law), Some(ms(1_999)));
        assert!(pulse.wake(ms(1_999), law) && !pulse.wake(ms(2_000), law));
    }
}
