//! Main control: builds the parts from configuration, wires their bounded queues, and stops them in
//! order.
//!
//! Start: keys, definitions, store, engine, hosts, listeners; merchants come last. Stop: merchants
//! first, then the engine once no payment waits for the host, then the hosts, the store last.

mod binding;
mod hosts;

mod merchants;
mod ports;
mod reload;
mod seams;
mod watch;

use crate::calendar::BusinessDay;
use crate::config::{self, Config};
use crate::control::desk::Desk;
use crate::control::{internal, socket};
use crate::edge::http::Edge;
use crate::engine_task::{Clock, EngineParts, engine_task};
use crate::host::Clock as _;
use crate::keys::KeyStore;
use crate::keys::sealed_file;
use crate::observe::{self, LogSwitch, Metrics};
use crate::store::embedded::JournalStore;
use crate::store::recovery::{self, Recovered};
use crate::store::{self, StoreError};
use anyhow::Context;
pub use hosts::Hosts;
pub(crate) use merchants::identity;
pub use reload::{Reloaded, Reloader};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_payment::engine::{Engine, Out, Pace, Settings};
use tidegate_payment::numbering::LeaseSizes;
use tidegate_payment::time::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch as tokio_watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How many numbers are leased at a time: at 500 payments a second a lease lasts ten seconds.
const LEASES: LeaseSizes = LeaseSizes { stans: 5_000, rrns: 50_000 };
/// How long all hosts together may take to sign their lines off.
const SIGN_OFF_TIME: Duration = Duration::from_secs(10);
/// How many events of the hosts may wait for the engine.
const EVENTS_MAX: usize = 10_000;

/// Runs the gateway of a configuration file until SIGTERM or SIGINT.
/// # Errors
/// Whatever keeps it from starting, or makes it stop on its own: a failed journal above all.
pub fn run(file: &Path) -> anyhow::Result<()> {
    let config = config::load(file)?;
    let log = observe::start_log(config.gateway.log.format, config.gateway.log.level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // From now on a hang-up is a wish to reload; one that comes during the start waits.
        let hangup = signal(SignalKind::hangup())?;
        let mut gateway = Gateway::start(config, log).await.context("the gateway did not start")?;
        tokio::spawn(reload_on(hangup, Arc::clone(&gateway.reloader)));
        let failed = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            ended = &mut gateway.engine_task => Some(ended),
        };
        match failed {
            None => gateway.stop().await,
            Some(ended) => {
                gateway.ports.remove();
                ended?.context("the engine stopped")
            }
        }
    })
}

/// Reloads at each hang-up; those that come meanwhile count as one.
async fn reload_on(mut hangup: Signal, reloader: Arc<Reloader>) {
    while hangup.recv().await.is_some() {
        reloader.reload().await;
    }
}

/// A running gateway.
struct Gateway {
    reloader: Arc<Reloader>,
    edges: Vec<Edge>,
    engine_task: JoinHandle<Result<(), StoreError>>,
    stop_engine: CancellationToken,
    hosts: Hosts,
    stop_inner: CancellationToken,
    ports: ports::Ports,
}

impl Gateway {
    async fn start(config: Config, log: LogSwitch) -> anyhow::Result<Self> {
        tell_bounds(&config);
        let metrics = Metrics::new();
        let clock = Clock::start();
        let keys = open_keys(&config)?;
        let definitions = hosts::definitions(&config)?;
        let identities = merchants::identities(&config)?;
        let inner = InnerSide::bind(&config.internal).await?;
        let (store, recovered) = open_store(&config, &clock)?;
        binding::check(&config.gateway.data_dir, keys.as_ref())?;
        let store = Arc::new(store);
        let (events, heard) = mpsc::channel(EVENTS_MAX);
        let (date, moved) = tokio_watch::channel(recovered.date);
        let outward = hosts::Outward { keys: &keys, events: &events, date: &moved };
        let hosts = Hosts::start(&config, &definitions, &outward, &recovered, clock)?;

        let stop_engine = CancellationToken::new();
        let parts = EngineParts {
            engine: restored(&config, &recovered)?,
            store: seams::store(&store),
            lines: seams::lines(hosts.clone(), &events),
            clock,
            business_day: business_day(&config),
            by_clock: config.gateway.business_day == config::DateSource::Clock,
            date,
            owed_alarm_after: config.reversal.alarm_after,
            on_alarm: Box::new(
                |alarm| tracing::error!(what = ?alarm, alarm = true, "an operator must know"),
            ),
            events: seams::heard(heard),
            inbox_max: config.engine.waiters_max,
        };
        let (handle, task) = engine_task(parts, stop_engine.clone());
        let engine_task = tokio::spawn(task);

        let stop_inner = CancellationToken::new();
        let admission = Arc::new(hosts.doors());
        let parts = merchants::Parts {
            config: &config,
            identities,
            definitions: &definitions,
            keys: Arc::clone(&keys),
            engine: handle.clone(),
            secrets: hosts.secrets(),
            out_of_service: hosts.out_of_service(),
            admission: Arc::clone(&admission),
            metrics: Arc::clone(&metrics),
            nonces: recovered.nonces,
            clock,
        };
        let (edges, listening) = merchants::open(parts).await?;
        let watch = watch::Watch::new(&config, &metrics, handle.clone(), &store, hosts.clone());
        tracing::info!(seams = ?config.gateway.seams, "how messages pass");
        let ports = ports::Ports::write(&config, &edges, inner.address)?;
        let reloader = Reloader::new(config, listening, hosts.clone(), log, &metrics);
        let watch = watch.over(Arc::clone(&reloader), admission);
        let desk = Desk::new(handle, store, hosts.clone(), Arc::clone(&reloader));
        inner.serve(watch, desk, &stop_inner);
        tracing::info!(listeners = ?ports.listeners(), epoch = recovered.epoch, "ready");
        Ok(Self { reloader, edges, engine_task, stop_engine, hosts, stop_inner, ports })
    }

    /// Stops in order; what is not finished within the drain timeout is recovered at the next start.
    async fn stop(mut self) -> anyhow::Result<()> {
        tracing::info!("stopping: no new connections, payments under way are finished");
        self.ports.remove();
        let drain_timeout = self.reloader.drain_timeout();
        let drains = self.edges.into_iter().map(|edge| edge.drain(drain_timeout));
        let finished = futures_util::future::join_all(drains).await;
        self.stop_engine.cancel();
        let ended = tokio::time::timeout(drain_timeout, &mut self.engine_task).await;
        self.engine_task.abort();
        if tokio::time::timeout(SIGN_OFF_TIME, self.hosts.stop()).await.is_err() {
            tracing::warn!("a host did not let its lines sign off in time");
        }
        self.stop_inner.cancel();
        match ended {
            Ok(ended) => ended??,
            Err(_) => tracing::warn!("payments were still under way: the next start reverses them"),
        }
        tracing::info!(all_answered = finished.iter().all(|finished| *finished), "stopped");
        Ok(())
    }
}

/// The inner side, bound before anything is set in motion: a port that is taken stops the start before
/// the journal is opened or a line connects.
struct InnerSide {
    listener: TcpListener,
    address: SocketAddr,
    control: socket::Control,
}

impl InnerSide {
    async fn bind(config: &config::Internal) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
        let control = socket::bind(&config.control_socket).with_context(|| {
            format!("cannot make the control socket {}", config.control_socket.display())
        })?;
        Ok(Self { address: listener.local_addr()?, listener, control })
    }

    /// Serves until `stop` is cancelled.
    fn serve(self, watch: watch::Watch, desk: Desk, stop: &CancellationToken) {
        tokio::spawn(internal::serve(self.listener, watch.pages(), stop.clone()));
        tokio::spawn(socket::serve(self.control, Arc::new(desk), stop.clone()));
        tokio::spawn(watch.run(stop.clone()));
    }
}

fn tell_bounds(config: &Config) {
    for bound in config.bounds() {
        let config::Bound { name, value, unit, because } = bound;
        tracing::info!(bound = name, value, unit, because, "a bound that follows");
    }
}

fn open_keys(config: &Config) -> anyhow::Result<Arc<dyn KeyStore>> {
    let passphrase = config.keys.passphrase.read()?;
    let ring = sealed_file::open(&config.keys.file, passphrase.as_bytes())?;
    if ring.is_example() && config.gateway.mode == config::Mode::Production {
        anyhow::bail!(
            "[keys] file: {} holds example keys, and mode is \"production\"; make real ones with \
             `tidegate keys init`",
            config.keys.file.display()
        );
    }
    Ok(Arc::new(ring))
}

fn open_store(config: &Config, clock: &Clock) -> anyhow::Result<(JournalStore, Recovered)> {
    let settings = store_settings(config)?;
    // A nonce can come again for as long as its signature is fresh, on either side of our clock.
    let windows = config.channels.iter().map(|channel| channel.signature_window);
    let window = windows.max().unwrap_or_default().saturating_mul(2);
    let since = clock.now().wall.0.saturating_sub(i64::try_from(window.as_micros())?);
    Ok(recovery::open(&config.gateway.data_dir, settings, Timestamp(since))?)
}

/// The store's part of a configuration.
pub(crate) fn store_settings(config: &Config) -> anyhow::Result<store::Settings> {
    Ok(store::Settings {
        segment_bytes: config.journal.segment_bytes,
        batch_records_max: config.journal.batch_records_max,
        unapplied_max: u64::try_from(config.journal.unapplied_max)?,
        ballast_bytes: config.journal.ballast_bytes,
        late_answers_max: u32::try_from(
            config.hosts.iter().map(|it| it.late_answer_window).sum::<usize>(),
        )?,
        second: config.journal.second.clone(),
        format: config.journal.format,
        ..store::Settings::default()
    })
}

/// The engine as the journal tells it.
fn restored(config: &Config, recovered: &Recovered) -> anyhow::Result<Engine> {
    let hosts = config.hosts.iter().map(|host| host.name.clone());
    let mut engine = Engine::new(settings(config), hosts);
    let mut out = Out::default();
    for group in &recovered.groups {
        engine.restore(group.clone(), &mut out);
    }
    if let Some(wrong) = out.effects.first() {
        anyhow::bail!("the journal tells a payment that cannot be: {wrong:?}");
    }
    recovered.leases.iter().for_each(|lease| engine.restore_lease(lease));
    if let Some(date) = recovered.date {
        engine.restore_date(date);
    }
    Ok(engine)
}

fn settings(config: &Config) -> Settings {
    // One engine obeys the longest wait of its hosts; each host refuses what is overdue for itself.
    let host_reply = config.hosts.iter().map(|host| host.reply_timeout).max();
    let pace = |host: &config::Host| {
        let owed_per_second = host.advices_per_second;
        (host.name.clone(), Pace { owed_per_second, open_max: config.open_max_of(host) })
    };
    Settings {
        paces: config.hosts.iter().map(pace).collect(),
        host_reply: host_reply.unwrap_or(Duration::from_secs(15)),
        reversal_gaps: config.reversal.gaps.clone(),
        reversal_give_up: config.reversal.give_up_after,
        unknown_original_wait: config.reversal.unknown_original_wait,
        open_payments_max: config.open_max(),
        recent_payments_max: config.engine.recent_payments_max,
        waiting_max: config.engine.waiters_max,
        waiters_max: 64,
        leases: LEASES,
    }
}

pub(crate) fn business_day(config: &Config) -> BusinessDay {
    BusinessDay { zone: config.gateway.time_zone.clone(), ends: config.gateway.business_day_ends }
}
