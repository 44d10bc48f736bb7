//! The three parts: a world for each, and what it is loaded with.

use super::Plan;
use super::report::{CpuLimited, HostLimited, Outage};
use super::site::Site;
use super::step::{Phase, Step};
use crate::bank::Mood;
use crate::gateway::HostLoad;
use crate::history::Told;
use crate::world::Options;
use anyhow::Context as _;
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

/// More than a gateway as it is shipped holds at once, so that the client holds nothing back.
const CONNECTIONS: usize = 1_400;
/// What the bank serves in a second.
const BANK_PER_SECOND: u32 = 500;
/// As it is shipped.
const IN_FLIGHT_MAX: u32 = 512;
/// How long the bank may take before the gateway calls it slow.
const REPLY_SLOW: Duration = Duration::from_millis(250);
/// Ten minutes, and every wait of the gateway, are made so many times shorter.
const SCALE: u64 = 20;
/// Refunds that the bank does not take before the outage.
const REFUNDS: u64 = 2_000;

type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// How long phases are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) quick: bool,
}

impl Pace {
    fn seconds(self, whole: u64) -> u64 {
        if self.quick { (whole / 5).max(3) } else { whole }
    }

    /// So many hundredths of a rate, for so long.
    fn phase(self, rate: u64, hundredths: u64, whole: u64) -> Phase {
        let per_second = rate.saturating_mul(hundredths) / 100;
        let name = format!("{}.{}x", hundredths / 100, hundredths % 100 / 10);
        Phase { name, per_second, seconds: self.seconds(whole) }
    }

    /// Before, during and after a flood, without a pause.
    fn flood(self, rate: u64, hundredths: u64) -> [Phase; 3] {
        [self.phase(rate, 80, 15), self.phase(rate, hundredths, 20), self.phase(rate, 80, 15)]
    }
}

/// The gateway as it is shipped.
fn options(plan: &Plan) -> Options {
    let mut options = Options::honest(1, plan.program.clone(), plan.protocols.clone());
    options.books_in_memory = true;
    // Full before anything is measured: what grows then is no cache.
    let recent = ("TIDEGATE__ENGINE__RECENT_PAYMENTS_MAX".to_owned(), "1000".to_owned());
    options.environment.push(recent);
    options.in_flight_max = IN_FLIGHT_MAX;
    options.reply_timeout = Duration::from_secs(15);
    let breaker_wait = Duration::from_secs(5);
    options.host_load = HostLoad { breaker_silences: 10, breaker_wait, ..HostLoad::default() };
    options
}

/// Steps by themselves, each after a moment in which the one before ends.
async fn steps(site: &mut Site, phases: Vec<Phase>, say: Say<'_>) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    for phase in phases {
        say(&format!("{}: {} a second", phase.name, phase.per_second));
        steps.extend(site.load(&[phase]).await?);
    }
    Ok(steps)
}

/// The bank is the limit.
pub(super) async fn host(plan: &Plan, pace: Pace, say: Say<'_>) -> anyhow::Result<HostLimited> {
    let mut options = options(plan);
    options.serves_per_second = Some(BANK_PER_SECOND);
    options.host_load.reply_slow = Some(REPLY_SLOW);
    let mut site = Site::open(options, CONNECTIONS).await?;
    let rate = u64::from(BANK_PER_SECOND);
    site.load(&[pace.phase(rate, 50, 3)]).await?;
    let phases = [50, 100, 200, 500].map(|hundredths| pace.phase(rate, hundredths, 20));
    let mut all = steps(&mut site, phases.into(), say).await?;
    say("10.0x, with 0.8x before and after");
    all.extend(site.load(&pace.flood(rate, 1_000)).await?);
    let money = site.close().await?;
    Ok(HostLimited { bank_per_second: rate, steps: all, money })
}

/// The gateway's processor is the limit: it has one for itself, bank and merchants have the rest.
pub(super) async fn cpu(plan: &Plan, pace: Pace, say: Say<'_>) -> anyhow::Result<CpuLimited> {
    let processors = std::thread::available_parallelism()?.get();
    anyhow::ensure!(processors > 1, "two processors are needed: one is the gateway's alone");
    let mut options = options(plan);
    let alone = ["taskset", "-c", "0"].map(OsString::from);
    options.program = alone.into_iter().chain(plan.program.iter().cloned()).collect();
    pin(&format!("1-{}", processors.saturating_sub(1)))?;
    let mut site = Site::open(options, CLOSED).await?;
    let capacity = capacity(&mut site, pace, say).await?;
    let rate = capacity.goodput_per_second;
    site.reconnect(CONNECTIONS).await?;
    let phases = [50, 100, 150, 200].map(|hundredths| pace.phase(rate, hundredths, 20));
    let mut all = steps(&mut site, phases.into(), say).await?;
    say("5.0x, with 0.8x before and after");
    all.extend(site.load(&pace.flood(rate, 500)).await?);
    let money = site.close().await?;
    pin(&format!("0-{}", processors.saturating_sub(1)))?;
    Ok(CpuLimited { capacity, steps: all, money })
}

/// Payments under way at once when the capacity is measured.
const CLOSED: usize = 64;

/// What the gateway does with so many under way all the time: the median of three loads.
async fn capacity(site: &mut Site, pace: Pace, say: Say<'_>) -> anyhow::Result<Step> {
    let count = if pace.quick { 1_500 } else { 5_000 };
    let mut loads = Vec::new();
    // The first is to warm up.
    for number in 0..4_u8 {
        let requests = site.purchases(&vec![0; count])?;
        let (begin_us, ends, samples) = site.fire(requests).await?;
        let last_us = ends.iter().map(|end| end.done_us).max().unwrap_or(0);
        let took_us = last_us.saturating_sub(begin_us).max(1);
        let name = format!("{CLOSED} under way");
        let whole = Phase { name, per_second: 0, seconds: took_us.div_ceil(1_000_000) };
        let mut step = site.steps(&[whole], begin_us, &ends, &samples)?.pop().context("a step")?;
        // Nobody is impatient here: all are due at the beginning.
        step.in_time = step.in_time.saturating_add(std::mem::take(&mut step.too_late));
        step.goodput_per_second =
            step.in_time.saturating_mul(1_000_000).checked_div(took_us).unwrap_or(0);
        say(&format!("capacity: {} a second", step.goodput_per_second));
        if number > 0 {
            loads.push(step);
        }
    }
    loads.sort_by_key(|step| step.goodput_per_second);
    loads.into_iter().nth(1).context("no load")
}

/// Gives this process and all its threads these processors (`taskset`, util-linux).
fn pin(processors: &str) -> anyhow::Result<()> {
    let mut command = Command::new("taskset");
    command.args(["-a", "-c", "-p", processors, &std::process::id().to_string()]);
    let output = command.output().context("taskset (util-linux) is needed")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// All lines are down for ten minutes, with a backlog behind them.
pub(super) async fn outage(plan: &Plan, pace: Pace, say: Say<'_>) -> anyhow::Result<Outage> {
    let mut options = options(plan);
    let scaled = |ms: u64| ms / SCALE;
    options.reply_timeout = Duration::from_millis(scaled(15_000));
    options.reversal_gaps_ms = Some([10_000, 30_000, 60_000, 120_000, 300_000].map(scaled).into());
    options.host_load.breaker_wait = Duration::from_millis(scaled(5_000));
    options.serves_per_second = Some(BANK_PER_SECOND);
    let mut site = Site::open(options, CONNECTIONS).await?;
    let live = u64::from(BANK_PER_SECOND / 2);
    let phase = |name: &str, seconds| Phase { name: name.to_owned(), per_second: live, seconds };
    site.load(&[pace.phase(live, 100, 3)]).await?;

    say("before");
    let before = phase("before", pace.seconds(20));
    let requests = site.prepare(std::slice::from_ref(&before))?;
    let (begin_us, ends, samples) = site.fire(requests).await?;
    let before = site.steps(&[before], begin_us, &ends, &samples)?.pop().context("a step")?;
    let tolds = ends.iter().filter_map(|end| serde_json::from_slice::<Told>(&end.body).ok());
    let approved = tolds.filter(|told| told.approved().is_some()).map(|told| told.id);

    say("the bank takes no notice of anything");
    let deaf = phase("deaf", 5);
    let refunds = REFUNDS.min(if pace.quick { 500 } else { REFUNDS });
    let gap_us = 5_000_000_u64.checked_div(refunds).unwrap_or(0);
    let due = (0..refunds).map(|number| number.saturating_mul(gap_us)).zip(approved);
    let mut requests = site.prepare(&[deaf])?;
    requests.extend(site.refunds(&due.collect::<Vec<_>>())?);
    requests.sort_by_key(|request| request.due_us);
    let bank = || site.world.banks.first().context("no bank");
    bank()?.turn(Mood::Deaf);
    site.fire(requests).await?;
    bank()?.turn(Mood::Down);

    say("all lines are down");
    let down = phase("down", if pace.quick { 6 } else { 600 / SCALE });
    let down = site.load(&[down]).await?.pop().context("a step")?;
    let backlog = site.owed().await.context("the gateway shows no metrics")?;

    say(&format!("the lines are up; {backlog} reversals and advices are owed"));
    drained(site, phase("drain", if pace.quick { 20 } else { 70 }), backlog, before, down).await
}

/// The lines come up again while merchants pay on; how long the backlog takes, and what they feel of it.
async fn drained(
    mut site: Site,
    live: Phase,
    backlog: u64,
    before: Step,
    down: Step,
) -> anyhow::Result<Outage> {
    let requests = site.prepare(std::slice::from_ref(&live))?;
    site.world.banks.first().context("no bank")?.turn(Mood::Well);
    let clock = site.world.clock;
    let up_us = clock.now_us();
    let until_us = up_us.saturating_add(live.seconds.saturating_mul(1_000_000));
    let drained = async {
        while clock.now_us() < until_us {
            if site.owed().await == Some(0) {
                return Some(clock.now_us().saturating_sub(up_us) / 1_000);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        None
    };
    let (fired, drained_ms) = tokio::join!(site.fire(requests), drained);
    let (begin_us, ends, samples) = fired?;
    let left = site.owed().await.context("the gateway shows no metrics")?;
    let took = drained_ms.map_or(live.seconds, |ms| ms.div_ceil(1_000)).min(live.seconds);
    let drain = Phase { seconds: took, ..live.clone() };
    let after = live.seconds.saturating_sub(took);
    let after = Phase { name: "after".to_owned(), seconds: after, ..live };
    let mut steps = vec![before, down];
    steps.extend(site.steps(&[drain, after], begin_us, &ends, &samples)?);
    let money = site.close().await?;
    Ok(Outage { scale: SCALE, backlog, drained_ms, left, steps, money })
}
