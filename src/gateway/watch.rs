//! Keeps an eye on the parts: gauges for metrics, conditions of readiness.

use super::hosts::Hosts;
use super::reload::Reloader;
use crate::admission::Admission;
use crate::config::Config;
use crate::control::internal::Pages;
use crate::engine_task::EngineHandle;
use crate::host::status::HostStatus;
use crate::observe::{Beat, Condition, Health, Metrics};
use crate::out_of_service::OutOfService;
use crate::store::embedded::JournalStore;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegate_payment::time::Timestamp;
use tokio_util::sync::CancellationToken;

/// How often the parts are looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// What is watched. It holds the store weakly, so that a stop is not held up by whoever watches.
pub(super) struct Watch {
    metrics: Arc<Metrics>,
    engine: EngineHandle,
    store: Weak<JournalStore>,
    hosts: Hosts,
    reloader: Option<Arc<Reloader>>,
    out_of_service: Arc<OutOfService>,
    admission: Arc<Admission>,
    heard: Beat,
    ready_age_max: Duration,
    data_dir: PathBuf,
}

impl Watch {
    pub(super) fn new(
        config: &Config,
        metrics: &Arc<Metrics>,
        engine: EngineHandle,
        store: &Arc<JournalStore>,
        hosts: Hosts,
    ) -> Self {
        let out_of_service = hosts.out_of_service();
        Self {
            metrics: Arc::clone(metrics),
            engine,
            store: Arc::downgrade(store),
            hosts,
            reloader: None,
            out_of_service,
            admission: Arc::default(),
            heard: Beat::default(),
            ready_age_max: config.internal.ready_age_max,
            data_dir: config.gateway.data_dir.clone(),
        }
    }

    /// Watches what of the routes and hosts in use is declined, and how much is given to hosts, too.
    pub(super) fn over(self, reloader: Arc<Reloader>, admission: Arc<Admission>) -> Self {
        Self { reloader: Some(reloader), admission, ..self }
    }

    /// The pages of the internal listener.
    pub(super) fn pages(&self) -> Pages {
        let store = Weak::clone(&self.store);
        let journal = Condition {
            name: "the journal takes work".to_owned(),
            check: Box::new(move || journal_takes_work(&store)),
        };
        let heard = self.heard.condition("a signed-on line heard the host", self.ready_age_max);
        let (engine, store) = (self.engine.clone(), Weak::clone(&self.store));
        let data_dir = self.data_dir.clone();
        let reloader = self.reloader.clone();
        let out_of_service = Arc::clone(&self.out_of_service);
        let admission = Arc::clone(&self.admission);
        Pages {
            health: Health::new(vec![heard, journal]),
            metrics: Arc::clone(&self.metrics),
            refresh: Box::new(move |metrics| {
                show_engine(metrics, &engine);
                show_store(metrics, &store);
                for (host, places) in admission.held() {
                    metrics.pressure.places_taken(host.as_str(), places);
                }
                for way in reloader.iter().flat_map(|reloader| reloader.ways()) {
                    let declined = out_of_service.declines(&way.name);
                    metrics.route_declined(&way.name, declined);
                }
                if let Ok(room) = rustix::fs::statvfs(&data_dir) {
                    let free = room.f_bavail.saturating_mul(room.f_frsize);
                    metrics.disk_free_bytes.set(i64::try_from(free).unwrap_or(i64::MAX));
                }
            }),
        }
    }

    /// Looks at the hosts until `stop` is cancelled.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut quarantined = BTreeMap::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            for host in self.hosts.status().await {
                self.look(&host, &mut quarantined);
            }
        }
    }

    fn look(&self, host: &HostStatus, quarantined: &mut BTreeMap<String, u64>) {
        self.metrics.pressure.host(&host.host, host.window, host.breaker != "closed");
        let fresh = u64::try_from(self.ready_age_max.as_millis()).unwrap_or(u64::MAX);
        for line in &host.lines {
            let serving = line.state == "serving";
            self.metrics.line(&host.host, &line.line, serving);
            self.metrics.pressure.line_breaker(&host.host, &line.line, line.breaker != "closed");
            if serving && line.last_received_ms.is_some_and(|age| age <= fresh) {
                self.heard.mark();
            }
        }
        let before = quarantined.entry(host.host.clone()).or_default();
        let now = host.quarantined_in_all();
        self.metrics.quarantined(&host.host, now.saturating_sub(*before));
        *before = now;
    }
}

fn journal_takes_work(store: &Weak<JournalStore>) -> Result<(), String> {
    let gauges = store.upgrade().map(|store| store.gauges());
    match gauges {
        None => Err("the gateway is stopping".to_owned()),
        Some(gauges) if gauges.failed => Err("a write or sync failed".to_owned()),
        Some(gauges) if gauges.short_of_room => Err("the disk has no room".to_owned()),
        Some(gauges) if gauges.ledger_stopped => {
            Err("the ledger does not follow the journal; no new payment is taken".to_owned())
        }
        Some(gauges) if gauges.written.0 == 0 => Err("nothing was committed yet".to_owned()),
        Some(_) => Ok(()),
    }
}

fn show_engine(metrics: &Metrics, engine: &EngineHandle) {
    let status = engine.status();
    let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.open_payments.set(gauge(status.awaiting_host));
    metrics.open_reversals.set(gauge(status.reversing));
    metrics.cases_open.set(gauge(status.cases));
    metrics.open_advices.set(gauge(status.repeating));
    metrics.owed_paced.set(gauge(status.paced));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let age =
        |since: Option<Timestamp>| since.map_or(0, |since| now.saturating_sub(since.0) / 1_000_000);
    metrics.oldest_open_reversal_s.set(age(status.oldest_reversal));
    metrics.oldest_open_advice_s.set(age(status.oldest_advice));
    let oldest = [status.oldest_reversal, status.oldest_advice].into_iter().flatten().min();
    metrics.oldest_owed_s.set(age(oldest));
}

fn show_store(metrics: &Metrics, store: &Weak<JournalStore>) {
    if let Some(gauges) = store.upgrade().map(|store| store.gauges()) {
        let lag = gauges.written.0.saturating_sub(gauges.applied.0);
        metrics.projection_lag_records.set(i64::try_from(lag).unwrap_or(i64::MAX));
    }
}
