//! Lies about whole lines: they fall, sign nobody on, or swallow everything.

use super::*;

impl Desk {
    pub(super) fn weather(&mut self, out: &mut Vec<Outgoing>) {
        self.ticks = self.ticks.saturating_add(1);
        let now_us = self.clock.now_us();
        let timeout_us = micros(self.plan.reply_timeout());
        let hang_up =
            |connection: u32| (Duration::ZERO, Parcel { connection, contents: Contents::HangUp });
        let all: Vec<u32> = self.signed_on.iter().copied().collect();
        // The first ticks are the gateway's, for its start.
        if self.plan.has(Fault::Flap) && self.ticks % 8 == 3 {
            out.extend(self.dice.pick(&all).copied().map(hang_up));
        }
        if self.plan.has(Fault::RefuseSignOn) && self.ticks % 40 == 17 {
            self.refusing_until_us = now_us.saturating_add(timeout_us);
            out.extend(all.iter().copied().map(hang_up));
        }
        if self.plan.has(Fault::HalfOpen)
            && self.ticks % 24 == 9
            && let Some(&connection) = self.dice.pick(&all)
        {
            let until_us = now_us.saturating_add(timeout_us.saturating_mul(2));
            self.swallowing.insert(connection, until_us);
        }
    }

    /// Whether a connection is open for show alone.
    pub(super) fn swallows(&self, connection: u32) -> bool {
        let until_us = self.swallowing.get(&connection).copied().unwrap_or(0);
        self.plan.has(Fault::HalfOpen) && self.clock.now_us() < until_us
    }
}
