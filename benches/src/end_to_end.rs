//! The whole gateway under load: runs the release build of `sandbox`, first as fast as it goes with 64
//! payments under way, then open-loop at half of that.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many payments are under way in the first part.
const CONCURRENCY: &str = "64";

/// What the sandbox says on its last line, as far as it matters here.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Run {
    /// All payments.
    pub payments: u64,
    /// Those that were approved.
    pub approved: u64,
    /// Payments a second.
    pub tps: u64,
    /// The gateway's own delay.
    pub own_delay_us: Percentiles,
    /// The gateway's processor time, by payments.
    pub gateway_cpu_us_per_payment: u64,
    /// Violations that the checker found.
    pub violations: u64,
    /// Payments without an end.
    pub pending: u64,
}

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub struct Percentiles {
    /// Half are no longer.
    pub p50: u64,
    /// 99 of 100 are no longer.
    pub p99: u64,
    /// 999 of 1000 are no longer.
    pub p999: u64,
}

/// Payments of a run that mostly starts and stops the gateway.
const FEW: u64 = 200;

/// Both parts.
#[derive(Debug, Serialize)]
pub struct EndToEnd {
    /// The gateway's processor time for starting, stopping and few payments: its start alone is more
    /// than a payment's share should bear, and is taken off below.
    pub start: Run,
    /// 64 under way at once.
    pub closed: Vec<Run>,
    /// At what rate the second part was begun, payments a second.
    pub rate: u64,
    /// Open loop at that rate.
    pub open: Vec<Run>,
}

/// How the sandbox is run.
#[derive(Debug)]
pub struct Sandbox {
    /// The binary.
    pub binary: PathBuf,
    /// Payments of each run.
    pub payments: u64,
    /// How often each part is run.
    pub runs: usize,
    /// The definitions.
    pub protocols: PathBuf,
}

impl Sandbox {
    /// Where the workspace's release build would have put it.
    pub fn built(workspace: &Path) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let built = target.unwrap_or_else(|| workspace.join("target"));
        built.join("release").join("sandbox")
    }

    /// Runs both parts.
    pub fn measure(&self) -> anyhow::Result<EndToEnd> {
        anyhow::ensure!(self.payments > FEW, "more than {FEW} payments are wanted");
        let start = self.run(FEW, None)?;
        let run = |rate| self.run(self.payments, rate);
        let runs = |rate| (0..self.runs).map(|_| run(rate)).collect::<anyhow::Result<Vec<_>>>();
        let closed = runs(None)?;
        let rate = (median(&closed, |run| run.tps) / 2).max(1);
        let open = runs(Some(rate))?;
        Ok(EndToEnd { start, closed, rate, open })
    }

    fn run(&self, payments: u64, rate: Option<u64>) -> anyhow::Result<Run> {
        let mut command = Command::new(&self.binary);
        command.args(["--bench", "--json", "--payments", &payments.to_string()]);
        command.arg("--protocols").arg(&self.protocols);
        match rate {
            Some(rate) => command.args(["--rate", &rate.to_string()]),
            None => command.args(["--concurrency", CONCURRENCY]),
        };
        let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.trim_end().lines().last().unwrap_or_default();
        let told = || {
            let errors = String::from_utf8_lossy(&output.stderr);
            format!("{command:?} ended with {}: {last}\n{errors}", output.status)
        };
        anyhow::ensure!(output.status.success(), told());
        let run: Run = serde_json::from_str(last).with_context(told)?;
        anyhow::ensure!(run.violations == 0 && run.pending == 0, "money is in doubt: {last}");
        Ok(run)
    }
}

fn median(runs: &[Run], of: impl Fn(&Run) -> u64) -> u64 {
    let mut all: Vec<u64> = runs.iter().map(of).collect();
    all.sort_unstable();
    all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

impl EndToEnd {
    /// What one payment more costs the gateway: the few payments of the start, and the start with
    /// them, taken off.
    fn cpu_us(&self, run: &Run) -> u64 {
        let all = |run: &Run| run.gateway_cpu_us_per_payment.saturating_mul(run.payments);
        let more = run.payments.saturating_sub(self.start.payments);
        all(run).saturating_sub(all(&self.start)).checked_div(more).unwrap_or(0)
    }

    /// As lines of a table.
    pub fn lines(&self) -> Vec<String> {
        let shown = |runs: &[Run], of: &dyn Fn(&Run) -> u64| {
            let all = runs.iter().map(of);
            let (low, high) = (all.clone().min().unwrap_or(0), all.max().unwrap_or(0));
            format!("{} [{low} - {high}]", median(runs, of))
        };
        let delay = |name: &str, of: &dyn Fn(&Run) -> u64| {
            format!("| own delay {name}, us | {} |", shown(&self.open, of))
        };
        let mut lines = vec![
            "| the whole gateway | median [min - max] |".to_owned(),
            "| --- | ---: |".to_owned(),
            format!(
                "| payments/s, {CONCURRENCY} under way | {} |",
                shown(&self.closed, &|r| r.tps)
            ),
            format!(
                "| gateway processor time per payment then, us | {} |",
                shown(&self.closed, &|r| self.cpu_us(r))
            ),
            format!("| open loop, payments/s begun | {} |", self.rate),
        ];
        lines.push(delay("p50", &|r| r.own_delay_us.p50));
        lines.push(delay("p99", &|r| r.own_delay_us.p99));
        lines.push(delay("p99.9", &|r| r.own_delay_us.p999));
        lines.push(format!(
            "| gateway processor time per payment then, us | {} |",
            shown(&self.open, &|r| self.cpu_us(r))
        ));
        lines
    }
}
