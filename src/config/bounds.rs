//! Bounds that follow from others, so that an operator sees them before the first bad day. What is in
//! flight is rate times time (Little's law): each is computed from the other two.

use super::host_values::Host;
use super::values::{Channel, Config};
use crate::lane::{kept_of, ordinary_of};
use serde::Serialize;
use std::time::Duration;

/// A bound that follows from the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// What is bounded.
    pub name: String,
    /// How much at most.
    pub value: u64,
    /// Of what.
    pub unit: &'static str,
    /// From what it follows.
    pub because: &'static str,
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What the end of a payment takes of the journal: timed out and due, four repeats, answered and reversed, each in
/// a batch of its own.
pub(crate) const OWED_BYTES: u64 = 768;
/// How many a second go through, when so many are in flight and each takes so long.
fn rate(in_flight: usize, each: Duration) -> u64 {
    let each_ms = u64::try_from(each.as_millis()).unwrap_or(u64::MAX).max(1);
    wide(in_flight).saturating_mul(1_000) / each_ms
}

impl Config {
    /// How many payments may be without an end: room for the reversal of each is reserved before it is
    /// taken, in memory and, if room is kept at all, on a full disk.
    pub fn open_max(&self) -> usize {
        let engine = self.engine.open_payments_max;
        match self.journal.ballast_bytes {
            0 => engine,
            bytes => engine.min(usize::try_from(bytes / OWED_BYTES).unwrap_or(usize::MAX)),
        }
    }

    /// How many of them may be a host's.
    pub fn open_max_of(&self, host: &Host) -> usize {
        host.open_payments_max.unwrap_or(usize::MAX).min(self.open_max())
    }

    /// The bounds, for the log at start and for `tidegate check`.
    pub fn bounds(&self) -> Vec<Bound> {
        let mut bounds = Vec::new();
        for host in &self.hosts {
            of_host(host, &mut bounds);
            bounds.push(Bound {
                name: format!("reversals and repeated advices a second to host {}", host.name),
                value: host.advices_per_second.get().into(),
                unit: "messages/s",
                because: "advices_per_second (default: in_flight_max / 10, at least 20)",
            });
            bounds.push(Bound {
                name: format!("payments of host {} that may owe a reversal or an advice", host.name),
                value: wide(self.open_max_of(host)),
                unit: "payments",
                because: "the least of the host's and the engine's open_payments_max and of the ballast's reversals",
            });
        }
        let weights = self.merchants.iter().map(|it| u64::from(it.weight)).sum::<u64>().max(1);
        for channel in &self.channels {
            of_channel(channel, weights, &mut bounds);
        }
        self.of_core(&mut bounds);
        bounds
    }

    fn of_core(&self, bounds: &mut Vec<Bound>) {
        let open = self.hosts.iter().map(|host| host.in_flight_max);
        bounds.push(Bound {
            name: "payments that await their host's answer".to_owned(),
            value: open.map(wide).fold(0, u64::saturating_add),
            unit: "payments",
            because: "in_flight_max of all hosts",
        });
        // A payment with its request, host fields and records stays below 8 KiB.
        let payments =
            self.engine.open_payments_max.saturating_add(self.engine.recent_payments_max);
        bounds.push(Bound {
            name: "memory for payments".to_owned(),
            value: wide(payments).saturating_mul(8_192),
            unit: "bytes",
            because: "(open_payments_max + recent_payments_max) x 8 KiB",
        });
        bounds.push(Bound {
            name: "questions in the engine's inbox, and as many that wait for a look-up".to_owned(),
            value: wide(self.engine.waiters_max),
            unit: "questions",
            because: "waiters_max",
        });
        bounds.push(Bound {
            name: "memory for records that wait for the projection".to_owned(),
            value: wide(self.journal.unapplied_max).saturating_mul(2_048),
            unit: "bytes",
            because: "unapplied_max x 2 KiB",
        });
        bounds.push(Bound {
            name: "reversals that the ballast makes room for".to_owned(),
            value: self.journal.ballast_bytes / OWED_BYTES,
            unit: "reversals",
            because: "ballast_bytes / 768 bytes",
        });
    }
}

fn of_host(host: &Host, bounds: &mut Vec<Bound>) {
    let (name, window) = (&host.name, ordinary_of(host.in_flight_max));
    let mut push = |name, value, unit, because| bounds.push(Bound { name, value, unit, because });
    push(
        format!("window of host {name}: new payments in flight while it is well"),
        wide(window),
        "payments",
        "in_flight_max - a fifth",
    );
    push(
        format!("payments a second to host {name} when its replies are barely in time"),
        rate(window, host.reply_slow),
        "payments/s",
        "window / reply_slow_ms (Little's law)",
    );
    push(
        format!("payments a second to host {name} while it is silent, until its breaker opens"),
        rate(window, host.reply_timeout),
        "payments/s",
        "window / reply_timeout_ms (Little's law)",
    );
    push(
        format!("reversals and repeats in flight to host {name}"),
        wide((host.in_flight_max / 4).max(1)),
        "messages",
        "in_flight_max / 4",
    );
    push(
        format!("messages in each queue on the way to host {name}"),
        wide(host.in_flight_max),
        "messages",
        "in_flight_max",
    );
}

fn of_channel(channel: &Channel, weights: u64, bounds: &mut Vec<Bound>) {
    let (name, limits) = (&channel.name, &channel.limits);
    let all = limits.requests_in_flight_max;
    let ordinary = ordinary_of(all);
    let mut push = |name, value, unit, because| bounds.push(Bound { name, value, unit, because });
    push(
        format!("new requests under way on channel {name}"),
        wide(ordinary),
        "requests",
        "requests_in_flight_max - a fifth",
    );
    push(
        format!("places on channel {name} that only questions, voids and refunds get"),
        wide(all.saturating_sub(ordinary)),
        "requests",
        "requests_in_flight_max / 5",
    );
    push(
        format!("places of a merchant of weight 1 on channel {name} while all merchants flood"),
        (wide(ordinary.saturating_sub(kept_of(ordinary)).max(1)) / weights).max(1),
        "requests",
        "new requests - a fifth, by weight",
    );
    push(
        format!("memory for requests of channel {name}"),
        limits.memory_bytes_max(),
        "bytes",
        "(header_bytes_max + body_bytes_max) x (connections_max + requests_in_flight_max)",
    );
    if channel.http2 {
        push(
            format!("memory that HTTP/2 adds on channel {name}"),
            limits.http2_memory_bytes_max(),
            "bytes",
            "(header_bytes_max + body_bytes_max) x http2_reading_max + (http2_connection_window_bytes + http2_frame_bytes_max + http2_header_table_bytes) x connections_max",
        );
    }
}
