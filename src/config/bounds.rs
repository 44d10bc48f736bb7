//! Bounds that follow from others, so that an operator sees them before the first bad day.

use super::host_values::Host;
use super::values::Config;
use serde::Serialize;

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
            let wait_ms = u64::try_from(host.reply_timeout.as_millis()).unwrap_or(u64::MAX).max(1);
            bounds.push(Bound {
                name: format!("payments a second to host {} while it is silent", host.name),
                value: wide(host.in_flight_max).saturating_mul(1_000) / wait_ms,
                unit: "payments/s",
                because: "in_flight_max / reply_timeout_ms",
            });
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
        for channel in &self.channels {
            bounds.push(Bound {
                name: format!("memory for requests of channel {}", channel.name),
                value: channel.limits.memory_bytes_max(),
                unit: "bytes",
                because: "(header_bytes_max + body_bytes_max) x (connections_max + requests_in_flight_max)",
            });
            if channel.http2 {
                bounds.push(Bound {
                    name: format!("memory that HTTP/2 adds on channel {}", channel.name),
                    value: channel.limits.http2_memory_bytes_max(),
                    unit: "bytes",
                    because: "(header_bytes_max + body_bytes_max) x http2_reading_max + (http2_connection_window_bytes + http2_frame_bytes_max + http2_header_table_bytes) x connections_max",
                });
            }
        }
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
        bounds
    }
}
