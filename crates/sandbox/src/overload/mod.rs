//! Overload, measured: a bank that serves so much and no more, a gateway with one processor, an outage
//! with a backlog behind it. Loads are open: requests are due at fixed instants and sent then, whatever
//! became of the earlier ones, and all times count from when they were due.
//!
//! In reading order: [`range`] sends, [`step`] counts, [`site`] is a world with a load, [`parts`] are what is
//! measured, [`report`] tells it.

mod parts;
mod range;
pub mod report;
mod site;
mod step;

use crate::screen::Screen;
use anyhow::Context as _;
use clap::ValueEnum;
use parts::Pace;
use report::Report;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The bank serves 500 payments a second.
    Host,
    /// The gateway has one processor.
    Cpu,
    /// All lines are down for a while.
    Outage,
}

/// What is to be measured, and with what.
pub struct Plan {
    /// Short phases, for a look.
    pub quick: bool,
    /// These parts; all of them if there are none.
    pub parts: Vec<Part>,
    /// Where everything goes as JSON as well.
    pub json: Option<PathBuf>,
    /// The gateway's program and its first arguments.
    pub program: Vec<OsString>,
    /// The protocol definitions.
    pub protocols: PathBuf,
}

/// Measures and shows what it came to. `say` is told what is going on. Returns whether all that was told
/// stands in the banks' books.
/// # Errors
/// Whatever stands in the way of a world, of pinning processes, or of the file.
pub async fn run(plan: &Plan, screen: Screen, say: &(dyn Fn(&str) + Sync)) -> anyhow::Result<bool> {
    let report = measure(plan, say).await?;
    screen.line(&report.markdown());
    if let Some(file) = &plan.json {
        fs::write(file, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(report.money_is_right())
}

async fn measure(plan: &Plan, say: &(dyn Fn(&str) + Sync)) -> anyhow::Result<Report> {
    let began = Instant::now();
    let mut report = Report::of_this_machine();
    let pace = Pace { quick: plan.quick };
    let wanted = |part| plan.parts.is_empty() || plan.parts.contains(&part);
    if wanted(Part::Host) {
        say("a bank that serves 500 a second");
        report.host = Some(parts::host(plan, pace, say).await?);
    }
    if wanted(Part::Outage) {
        say("an outage and its backlog");
        report.outage = Some(parts::outage(plan, pace, say).await?);
    }
    // The last, for it is the one that pins this process.
    if wanted(Part::Cpu) {
        say("a gateway with one processor");
        report.cpu = Some(parts::cpu(plan, pace, say).await?);
    }
    report.seconds = began.elapsed().as_secs();
    Ok(report)
}
