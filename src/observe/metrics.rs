//! The numbers that page an operator, and those that explain why. One registry, handed around; no
//! global.

use super::pressure::Pressure;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};
use std::sync::Arc;
use std::time::Duration;

/// What a merchant was told about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// The host approved it.
    Approved,
    /// It was declined.
    Declined,
    /// It was reversed.
    Reversed,
    /// Nothing final was told yet.
    Pending,
}

/// A part of a payment's path whose duration is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Stage {
    /// Authenticate, decode and screen, with the wait for a worker.
    Admit,
    /// Journal, encode, exchange, journal: the host's time is in it.
    Decide,
    /// The outcome made a signed answer, with the wait for a worker.
    Respond,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStage {
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByListener {
    listener: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByListenerReason {
    listener: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByHost {
    pub(super) host: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByLine {
    pub(super) host: String,
    pub(super) line: String,
}

type Histograms<S> = Family<S, Histogram, fn() -> Histogram>;

/// All metrics of a gateway.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    payments: Family<ByOutcome, Counter>,
    refusals: Family<ByReason, Counter>,
    authentication_failures: Family<ByReason, Counter>,
    edge_refusals: Family<ByListenerReason, Counter>,
    edge_connections: Family<ByListener, Gauge>,
    certificate_not_after: Family<ByListener, Gauge>,
    line_up: Family<ByLine, Gauge>,
    /// How much hosts are given.
    pub pressure: Pressure,
    route_declined: Family<ByRoute, Gauge>,
    quarantined: Family<ByHost, Counter>,
    stages: Histograms<ByStage>,
    reloads: Family<ByResult, Counter>,
    requests_under_way: Gauge,
    /// Payments without a final result.
    pub open_payments: Gauge,
    /// Reversals that the host has not accepted.
    pub open_reversals: Gauge,
    /// Age of the oldest open reversal, in seconds; 0 without one.
    pub oldest_open_reversal_s: Gauge,
    /// Advices (voids, and completions and refunds that are told as facts) that the host has not
    /// answered and that are repeated.
    pub open_advices: Gauge,
    /// Age of the oldest of them, in seconds; 0 without one.
    pub oldest_open_advice_s: Gauge,
    /// Reversals and repeated advices that wait for their turn at a host that is up.
    pub owed_paced: Gauge,
    /// Age of the oldest reversal or advice that a host has not taken, in seconds; 0 without one.
    pub oldest_owed_s: Gauge,
    /// Cases that wait for a person.
    pub cases_open: Gauge,
    /// Free room of the data folder's file system, in bytes.
    pub disk_free_bytes: Gauge,
    /// Journal records that the projection has not applied.
    pub projection_lag_records: Gauge,
}

/// 20 us to 10 s, by doubling.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_02, 2.0, 20))
}

/// Registers metrics one after another; the registry keeps a second handle to each.
pub(super) struct Shelf(Registry);

impl Shelf {
    pub(super) fn put<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    fn age(&mut self, name: &str, help: &str) -> Gauge {
        self.put_in(name, help, Unit::Seconds, Gauge::default())
    }

    fn put_in<M: Metric + Clone>(&mut self, name: &str, help: &str, unit: Unit, metric: M) -> M {
        self.0.register_with_unit(name, help, unit, metric.clone());
        metric
    }
}

impl Metrics {
    /// Metrics at zero, all names beginning with `tidegate_`.
    pub fn new() -> Arc<Self> {
        let mut shelf = Shelf(Registry::with_prefix("tidegate"));
        let s = &mut shelf;
        let stages = Family::new_with_constructor(seconds as fn() -> Histogram);
        Arc::new(Self {
            payments: s.put("payments", "Results told to merchants", Family::default()),
            refusals: s.put("refusals", "Requests refused by the core", Family::default()),
            authentication_failures: s.put(
                "authentication_failures",
                "Requests that could not be authenticated, by the check that failed",
                Family::default(),
            ),
            edge_refusals: s.put("edge_refusals", "Refused by a listener", Family::default()),
            edge_connections: s.put("edge_connections", "Open connections", Family::default()),
            certificate_not_after: s.put_in(
                "certificate_not_after",
                "When a listener's certificate expires, seconds since 1970",
                Unit::Seconds,
                Family::default(),
            ),
            line_up: s.put("line_up", "1 while a host line is signed on", Family::default()),
            pressure: Pressure::new(s),
            route_declined: s.put(
                "route_declined",
                "1 while an operator declines a route or a host",
                Family::default(),
            ),
            quarantined: s.put("quarantined_frames", "Frames laid aside", Family::default()),
            stages: s.put_in("stage", "Duration of a payment's steps", Unit::Seconds, stages),
            reloads: s.put("reloads", "Reloads of the configuration", Family::default()),
            requests_under_way: s.put("requests_under_way", "Being answered", Gauge::default()),
            open_payments: s.put("open_payments", "Payments without a result", Gauge::default()),
            open_reversals: s.put("open_reversals", "Reversals not accepted", Gauge::default()),
            oldest_open_reversal_s: s
                .age("oldest_open_reversal", "Age of the oldest open reversal"),
            open_advices: s.put("open_advices", "Advices not answered", Gauge::default()),
            oldest_open_advice_s: s
                .age("oldest_open_advice", "Age of the oldest advice that is repeated"),
            owed_paced: s.put("owed_paced", "Owed messages that wait for a turn", Gauge::default()),
            oldest_owed_s: s.age(
                "oldest_owed",
                "Age of the oldest reversal or advice that a host has not taken",
            ),
            cases_open: s.put("cases_open", "Cases that wait for a person", Gauge::default()),
            disk_free_bytes: s.put_in(
                "disk_free",
                "Free room where the data folder lies",
                Unit::Bytes,
                Gauge::default(),
            ),
            projection_lag_records: s.put(
                "projection_lag_records",
                "Journal records not yet in the projection",
                Gauge::default(),
            ),
            registry: shelf.0,
        })
    }

    /// A result was told for the first time.
    pub fn payment(&self, outcome: Outcome) {
        self.payments.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// The core refused a request, for example `order_in_use`.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&ByReason { reason }).inc();
    }

    /// A request could not be authenticated; the reason is for operators alone.
    pub fn authentication_failed(&self, reason: &'static str) {
        self.authentication_failures.get_or_create(&ByReason { reason }).inc();
    }

    /// A listener refused a connection or a request.
    pub fn edge_refused(&self, listener: &str, reason: &'static str) {
        let label = ByListenerReason { listener: listener.to_owned(), reason };
        self.edge_refusals.get_or_create(&label).inc();
    }

    /// A connection is open until the guard drops.
    pub fn connection_open(&self, listener: &str) -> UnderWay {
        let label = ByListener { listener: listener.to_owned() };
        UnderWay::begin(self.edge_connections.get_or_create_owned(&label))
    }

    /// A request is under way until the guard drops.
    pub fn request_under_way(&self) -> UnderWay {
        UnderWay::begin(self.requests_under_way.clone())
    }

    /// When a listener's certificate expires: seconds since 1970-01-01T00:00:00Z.
    pub fn certificate_not_after(&self, listener: &str, unix_s: i64) {
        let label = ByListener { listener: listener.to_owned() };
        self.certificate_not_after.get_or_create(&label).set(unix_s);
    }

    /// A host line is signed on, or no longer.
    pub fn line(&self, host: &str, line: &str, up: bool) {
        let label = ByLine { host: host.to_owned(), line: line.to_owned() };
        self.line_up.get_or_create(&label).set(i64::from(up));
    }

    /// A route or a host is declined by an operator, or not.
    pub fn route_declined(&self, route: &str, declined: bool) {
        let label = ByRoute { route: route.to_owned() };
        self.route_declined.get_or_create(&label).set(i64::from(declined));
    }

    /// So many frames of a host's lines were laid aside.
    pub fn quarantined(&self, host: &str, frames: u64) {
        let label = ByHost { host: host.to_owned() };
        self.quarantined.get_or_create(&label).inc_by(frames);
    }

    /// A step took this long.
    pub fn stage(&self, stage: Stage, took: Duration) {
        self.stages.get_or_create(&ByStage { stage }).observe(took.as_secs_f64());
    }

    /// The configuration was taken anew, or refused and left as it was.
    pub fn reloaded(&self, taken: bool) {
        let result = if taken { "taken" } else { "refused" };
        self.reloads.get_or_create(&ByResult { result }).inc();
    }

    /// The whole registry in OpenMetrics text.
    pub fn text(&self) -> String {
        let mut page = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

/// Counts something up for as long as it lives.
#[derive(Debug)]
pub struct UnderWay(Gauge);

impl UnderWay {
    fn begin(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_what_pages_an_operator() {
        let metrics = Metrics::new();
        metrics.payment(Outcome::Approved);
        metrics.line("bank", "a", true);
        metrics.quarantined("bank", 1);
        metrics.pressure.host("bank", 409, true);
        metrics.pressure.places_taken("bank", 7);
        metrics.pressure.line_breaker("bank", "a", true);
        metrics.route_declined("debit", true);
        metrics.certificate_not_after("rest", 1_900_000_000);
        metrics.authentication_failed("nonce_seen");
        metrics.stage(Stage::Decide, Duration::from_micros(200));
        let connection = metrics.connection_open("rest");
        let page = metrics.text();
        for line in [
            "tidegate_payments_total{outcome=\"Approved\"} 1",
            "tidegate_line_up{host=\"bank\",line=\"a\"} 1",
            "tidegate_host_window{host=\"bank\"} 409",
            "tidegate_host_places_taken{host=\"bank\"} 7",
            "tidegate_host_breaker_open{host=\"bank\"} 1",
            "tidegate_line_breaker_open{host=\"bank\",line=\"a\"} 1",
            "tidegate_quarantined_frames_total{host=\"bank\"} 1",
            "tidegate_certificate_not_after_seconds{listener=\"rest\"} 1900000000",
            "tidegate_authentication_failures_total{reason=\"nonce_seen\"} 1",
            "tidegate_oldest_open_reversal_seconds 0",
            "tidegate_open_reversals 0",
            "tidegate_open_advices 0",
            "tidegate_oldest_open_advice_seconds 0",
            "tidegate_route_declined{route=\"debit\"} 1",
            "tidegate_cases_open 0",
            "tidegate_owed_paced 0",
            "tidegate_oldest_owed_seconds 0",
            "tidegate_disk_free_bytes 0",
            "tidegate_projection_lag_records 0",
            "tidegate_edge_connections{listener=\"rest\"} 1",
            "tidegate_stage_seconds_count{stage=\"Decide\"} 1",
        ] {
            assert!(page.lines().any(|held| held == line), "{line} is not in\n{page}");
        }
        drop(connection);
        assert!(metrics.text().contains("tidegate_edge_connections{listener=\"rest\"} 0"));
    }
}
