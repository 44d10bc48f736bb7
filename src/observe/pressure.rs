//! How much hosts are given, and what is kept from them.

use super::metrics::{ByHost, ByLine, Shelf};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// Gauges of hosts and lines under load.
#[derive(Debug)]
pub struct Pressure {
    host_window: Family<ByHost, Gauge>,
    host_places_taken: Family<ByHost, Gauge>,
    host_breaker_open: Family<ByHost, Gauge>,
    line_breaker_open: Family<ByLine, Gauge>,
}

impl Pressure {
    pub(super) fn new(shelf: &mut Shelf) -> Self {
        let mut by_host = |name, help| shelf.put(name, help, Family::default());
        Self {
            host_window: by_host("host_window", "New payments that a host may be given at a time"),
            host_places_taken: by_host("host_places_taken", "New payments that a host was given"),
            host_breaker_open: by_host(
                "host_breaker_open",
                "1 while a host is given nothing, or one probe",
            ),
            line_breaker_open: shelf.put(
                "line_breaker_open",
                "1 while a line is avoided",
                Family::default(),
            ),
        }
    }

    /// How many new payments a host may be given, and whether its breaker is not closed.
    pub fn host(&self, host: &str, window: u32, breaker_open: bool) {
        let label = ByHost { host: host.to_owned() };
        self.host_window.get_or_create(&label).set(i64::from(window));
        self.host_breaker_open.get_or_create(&label).set(i64::from(breaker_open));
    }

    /// How many new payments a host has been given.
    pub fn places_taken(&self, host: &str, places: u32) {
        let label = ByHost { host: host.to_owned() };
        self.host_places_taken.get_or_create(&label).set(i64::from(places));
    }

    /// Whether a line's breaker is not closed.
    pub fn line_breaker(&self, host: &str, line: &str, open: bool) {
        let label = ByLine { host: host.to_owned(), line: line.to_owned() };
        self.line_breaker_open.get_or_create(&label).set(i64::from(open));
    }
}
