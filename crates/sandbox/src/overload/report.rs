//! What was measured, as Markdown and as JSON.

use super::site::Money;
use super::step::Step;
use serde::Serialize;
use std::fs;

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The processor, as the system names it.
    pub cpu_name: String,
    /// How many of them.
    pub cpus: usize,
    /// The one-minute load average when it began: how busy the machine was with other things.
    pub load_average: String,
    /// How long everything took.
    pub seconds: u64,
    /// The bank is the limit.
    pub host: Option<HostLimited>,
    /// The gateway's processor is.
    pub cpu: Option<CpuLimited>,
    /// An outage and its backlog.
    pub outage: Option<Outage>,
}

/// A bank that serves so much and no more.
#[derive(Debug, Serialize)]
pub struct HostLimited {
    /// What it serves.
    pub bank_per_second: u64,
    /// By load; the last three follow each other without a pause.
    pub steps: Vec<Step>,
    /// What was told, against the books.
    pub money: Money,
}

/// A gateway with one processor.
#[derive(Debug, Serialize)]
pub struct CpuLimited {
    /// What it does with 64 payments under way all the time.
    pub capacity: Step,
    /// By load; the last three follow each other without a pause.
    pub steps: Vec<Step>,
    /// What was told, against the books.
    pub money: Money,
}

/// An outage and its backlog.
#[derive(Debug, Serialize)]
pub struct Outage {
    /// By how much time was made shorter.
    pub scale: u64,
    /// Reversals and advices that were owed when the lines came up.
    pub backlog: u64,
    /// Until nothing was owed any more, in milliseconds.
    pub drained_ms: Option<u64>,
    /// What is still owed.
    pub left: u64,
    /// Before, down, during the drain, after it.
    pub steps: Vec<Step>,
    /// What was told, against the books.
    pub money: Money,
}

/// Something that is wanted, and what it came to.
struct Goal {
    what: String,
    wanted: String,
    measured: String,
    kept: bool,
}

impl Report {
    pub(super) fn of_this_machine() -> Self {
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cpu_name = name.map_or("unknown", |(_, name)| name).to_owned();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load_average = load.split(' ').next().unwrap_or_default().to_owned();
        Self { cpu_name, cpus, load_average, seconds: 0, host: None, cpu: None, outage: None }
    }

    /// Whether what was told is what the bank's books say.
    pub fn money_is_right(&self) -> bool {
        self.all_money().all(|money| money.differences == 0)
    }

    fn all_money(&self) -> impl Iterator<Item = &Money> {
        let host = self.host.iter().map(|part| &part.money);
        let cpu = self.cpu.iter().map(|part| &part.money);
        host.chain(cpu).chain(self.outage.iter().map(|part| &part.money))
    }

    /// The tables.
    pub fn markdown(&self) -> String {
        let mut lines = vec![format!(
            "{} x {}; load average {} at the beginning; {} s.",
            self.cpus, self.cpu_name, self.load_average, self.seconds
        )];
        let mut goals = Vec::new();
        if let Some(part) = &self.host {
            lines.extend(title(&format!("the bank serves {}/s", part.bank_per_second)));
            lines.extend(part.steps.iter().map(line));
            goals.extend(part.goals());
        }
        if let Some(part) = &self.cpu {
            lines.extend(title("the gateway has one processor"));
            lines.extend(std::iter::once(&part.capacity).chain(&part.steps).map(line));
            goals.extend(part.goals());
        }
        if let Some(part) = &self.outage {
            lines.extend(title(&format!("an outage of 10 minutes, 1:{}", part.scale)));
            lines.extend(part.steps.iter().map(line));
            goals.extend(part.goals());
        }
        lines.extend([String::new(), "| goal | wanted | measured | |".to_owned()]);
        lines.push("|---|---|---|---|".to_owned());
        lines.extend(goals.iter().map(|goal| {
            let Goal { what, wanted, measured, kept } = goal;
            format!(
                "| {what} | {wanted} | {measured} | {} |",
                if *kept { "kept" } else { "**missed**" }
            )
        }));
        let sum = |of: fn(&Money) -> u64| self.all_money().map(of).fold(0, u64::saturating_add);
        lines.extend([
            String::new(),
            format!(
                "{} payments told as approved stand in the bank's books; {} differ.",
                sum(|money| money.approved),
                sum(|money| money.differences)
            ),
        ]);
        lines.join("\n")
    }
}

fn title(what: &str) -> [String; 3] {
    let columns = "offered/s | done in time/s | refused | own delay p50 / p99 / p99.9 | total p50 / p99 / p99.9 | refusal p50 / p99 | processor | memory";
    [
        String::new(),
        format!("| {what} | {columns} |"),
        "|---|---:|---:|---|---|---|---|---:|---:|".into(),
    ]
}

/// A step as a line of a table; times in milliseconds.
fn line(step: &Step) -> String {
    let refused: Vec<String> =
        step.refused.iter().map(|(status, count)| format!("{count} x {status}")).collect();
    let mut refused = refused.join(", ");
    for (what, count) in
        [("late", step.too_late), ("pending", step.pending), ("lost", step.unanswered)]
    {
        if count > 0 {
            refused.push_str(&format!(" +{count} {what}"));
        }
    }
    if step.sent_late_us > LATE_US {
        refused.push_str(&format!(" (sent late: {} ms)", ms(step.sent_late_us)));
    }
    let (own, total, no) = (step.own_us, step.total_us, step.refusal_us);
    let cpu = step.cpu_us.checked_div(step.seconds.saturating_mul(10_000)).unwrap_or(0);
    format!(
        "| {} | {} | {} | {refused} | {} / {} / {} | {} / {} / {} | {} / {} | {cpu} % | {} MiB |",
        step.name,
        step.offered_per_second,
        step.goodput_per_second,
        ms(own.p50),
        ms(own.p99),
        ms(own.p999),
        ms(total.p50),
        ms(total.p99),
        ms(total.p999),
        ms(no.p50),
        ms(no.p99),
        step.rss_kib / 1_024,
    )
}

/// The load generator itself was late, and the row tells of it rather than of the gateway.
const LATE_US: u64 = 20_000;

fn ms(us: u64) -> String {
    format!("{}.{:01}", us / 1_000, us % 1_000 / 100)
}

fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

fn goodput(step: Option<&Step>, name: &str, whole: u64, least: u64) -> Option<Goal> {
    let step = step?;
    let share = percent(step.goodput_per_second, whole);
    Some(Goal {
        what: format!("{name}: goodput at {}", step.name),
        wanted: format!("{least} % of {whole}/s or more"),
        measured: format!("{share} %"),
        kept: share >= least,
    })
}

/// After a flood: how many seconds until p99 stays back within a tenth of the worst second before it.
fn recovery(steps: &[Step], name: &str) -> Option<Goal> {
    let [.., before, _, after] = steps else { return None };
    let bound = before.p99_by_second_us.iter().max()?.saturating_mul(11) / 10;
    let calm = |pair: &[u64]| pair.iter().all(|p99| *p99 <= bound && *p99 > 0);
    let place = after.p99_by_second_us.windows(2).position(calm);
    let seconds =
        place.and_then(|place| u64::try_from(place).ok()).map(|place| place.saturating_add(1));
    Some(Goal {
        what: format!("{name}: p99 back after the flood"),
        wanted: "within 5 s".to_owned(),
        measured: seconds.map_or("not at all".to_owned(), |seconds| {
            format!("within {seconds} s (to {} ms or less)", ms(bound))
        }),
        kept: seconds.is_some_and(|seconds| seconds <= 5),
    })
}

/// Memory during a flood against that before it.
fn memory(steps: &[Step], name: &str) -> Option<Goal> {
    let [.., before, flood, after] = steps else { return None };
    let most = flood.rss_kib.max(after.rss_kib);
    let grown = most.saturating_sub(before.rss_kib);
    let seconds = flood.seconds.saturating_add(after.seconds);
    Some(Goal {
        what: format!("{name}: memory flat"),
        wanted: "no more than 64 MiB more".to_owned(),
        measured: format!("{} MiB more in {seconds} s", grown / 1_024),
        kept: grown <= 65_536,
    })
}

impl HostLimited {
    fn goals(&self) -> Vec<Goal> {
        let flood = self.steps.iter().rev().nth(1);
        let name = "bank is the limit";
        let goals = [
            goodput(flood, name, self.bank_per_second, 95),
            recovery(&self.steps, name),
            memory(&self.steps, name),
        ];
        goals.into_iter().flatten().collect()
    }
}

impl CpuLimited {
    fn goals(&self) -> Vec<Goal> {
        let (name, peak) = ("one processor", self.capacity.goodput_per_second);
        let flood = self.steps.iter().rev().nth(1);
        let payment_us = self.capacity.cpu_us.checked_div(self.capacity.accepted()).unwrap_or(0);
        let cost = flood.map(|flood| {
            let accepted = flood.accepted().saturating_mul(payment_us);
            let refusal_us = flood.cpu_us.saturating_sub(accepted).checked_div(flood.refusals());
            Goal {
                what: format!("{name}: processor time of a refusal"),
                wanted: "5 % of a payment's or less".to_owned(),
                measured: format!("{} us, a payment {payment_us} us", refusal_us.unwrap_or(0)),
                kept: refusal_us.unwrap_or(0).saturating_mul(20) <= payment_us,
            }
        });
        let goals = [
            goodput(self.steps.get(3), name, peak, 90),
            goodput(flood, name, peak, 75),
            cost,
            recovery(&self.steps, name),
            memory(&self.steps, name),
        ];
        goals.into_iter().flatten().collect()
    }
}

impl Outage {
    fn goals(&self) -> Vec<Goal> {
        let [before, _, drain, ..] = self.steps.as_slice() else { return Vec::new() };
        let (normal, live) = (before.total_us.p99, drain.total_us.p99);
        let drained =
            self.drained_ms.map_or("not".to_owned(), |took| format!("in {} s", took / 1_000));
        vec![
            Goal {
                what: format!("outage: {} owed messages drained", self.backlog),
                wanted: "all".to_owned(),
                measured: format!("{drained}; {} left", self.left),
                kept: self.left == 0,
            },
            Goal {
                what: "outage: p99 of live payments during the drain".to_owned(),
                wanted: format!("2 x {} ms or less", ms(normal)),
                measured: format!("{} ms", ms(live)),
                kept: live <= normal.saturating_mul(2) && live > 0,
            },
        ]
    }
}
