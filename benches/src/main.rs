//! The budget of one payment: what each step takes, with the machine's primitives beside it, and what
//! the whole gateway does under load. One command, one table, one JSON file. Times are this machine's;
//! only ratios within one run are judged.

mod algorithms;
mod bank_side;
mod decisions;
mod edge;
mod end_to_end;
mod exchange;
mod journal;
mod measure;
mod merchant;
mod merchant_side;
mod primitives;
mod restart;
mod table;

use anyhow::Context;
use bank_side::SealedCards;
use clap::Parser;
use decisions::Sample;
use end_to_end::{EndToEnd, Sandbox};
use measure::Plan;
use merchant::World;
use merchant_side::Arrived;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use table::{Ratio, Report, Row};
use tidegate_payment::id::HostId;
use tidegate_payment::request::{Route, Silence};
use tidegate_protocol::definition::Definition;

/// Measures the budget of one payment.
///
/// Exit codes: 0 measured; 1 with --judge: a ratio is over its limit; 2 it could not be measured.
#[derive(Parser)]
#[command(after_help = "Examples:\n  cargo run --release --manifest-path benches/Cargo.toml\n  \
    cargo run --release --manifest-path benches/Cargo.toml -- --quick --no-sandbox --json b.json")]
struct Arguments {
    /// Write everything as JSON to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Short windows, for a look.
    #[arg(long)]
    quick: bool,
    /// Exit with 1 if a ratio within this run is over its limit.
    #[arg(long)]
    judge: bool,
    /// Where journal, ledger and test file are put: the disk that is measured.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The release build of the sandbox; by default that of this source tree.
    #[arg(long, value_name = "FILE")]
    sandbox: Option<PathBuf>,
    /// Measure the steps alone.
    #[arg(long)]
    no_sandbox: bool,
    /// Payments of each run of the sandbox.
    #[arg(long, default_value_t = 10_000)]
    payments: u64,
    /// How often the sandbox is run at each load.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Measure a start over a journal of so many payments of the open day, and nothing else. With --dir
    /// that day is kept there, and used again by the next run.
    #[arg(long, value_name = "PAYMENTS")]
    restart: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("the budget could not be measured: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let load_average = table::load_average();
    let (window_ms, windows) = if arguments.quick { (20, 3) } else { (60, 15) };
    let plan = Plan { window: Duration::from_millis(window_ms), windows };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&target)?;
    let folder = tempfile::tempdir_in(arguments.dir.as_deref().unwrap_or(&target))?;
    if let Some(payments) = arguments.restart {
        let (sample, ..) = sample(&workspace.join("protocols"))?;
        let kept = arguments.dir.as_deref().map(|dir| dir.join(format!("day-of-{payments}")));
        let folder = kept.as_deref().unwrap_or(folder.path());
        println!("{}", restart::measure(folder, payments, sample)?);
        return Ok(true);
    }
    let primitives = primitives::measure(&plan, folder.path())?;
    let (steps, ratios) = steps(&plan, folder.path(), &workspace.join("protocols"))?;
    // The steps are shown also when the whole gateway cannot be measured.
    let (end_to_end, fault) = match end_to_end(arguments, workspace) {
        Ok(end_to_end) => (end_to_end, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let report = Report::of(load_average, primitives, steps, ratios, end_to_end);
    println!("{}", report.markdown());
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    fault.context("the whole gateway could not be measured")?;
    Ok(!arguments.judge || report.keeps_limits())
}

/// The steps in the order of a payment's path, and how they compare with what is in them.
fn steps(plan: &Plan, folder: &Path, protocols: &Path) -> anyhow::Result<(Vec<Row>, Vec<Ratio>)> {
    let (mut sample, world, arrived, definition) = sample(protocols)?;
    let cards = Arc::new(SealedCards(Arc::clone(&world.keys)));
    let (_, message, reply) = decisions::run(&mut sample, 100)?;
    let answer = merchant_side::answered(&arrived, &reply, &world);

    let mut rows = edge::measure(plan, folder, &arrived.received, &answer)?;
    rows.extend(merchant_side::measure_in(plan, &world, &arrived)?);
    rows.extend(decisions::measure(plan, &mut sample)?);
    rows.extend(journal::measure(plan, folder, &mut sample)?);
    rows.extend(bank_side::measure(plan, &definition, &cards, message.get())?);
    rows.extend(exchange::measure(plan, definition, cards, &message)?);
    rows.extend(merchant_side::measure_out(plan, &world, &arrived, &reply)?);
    rows.extend(algorithms::measure(plan, world.keys.as_ref())?);
    Ok((rows, merchant_side::ratios(plan, &world, &arrived, &reply)?))
}

/// A payment as it comes, and all that was needed to make it.
fn sample(protocols: &Path) -> anyhow::Result<(Sample, World, Arrived, Arc<Definition>)> {
    let world = World::new()?;
    let definition = tidegate::definitions::load(protocols, "iso87-ascii", "iso87-ascii")?;
    let definition = Arc::new(definition);
    let arrived = merchant_side::arrive(&world)?;
    let route = Route {
        host: HostId::parse("bank")?,
        acquirer: "00000123456".into(),
        forwarder: None,
        definitions: definition.hashes(),
        silence: Silence::Reversal,
    };
    let sample = Sample::new(arrived.request.clone(), route)?;
    Ok((sample, world, arrived, definition))
}

fn end_to_end(arguments: &Arguments, workspace: &Path) -> anyhow::Result<Option<EndToEnd>> {
    if arguments.no_sandbox {
        return Ok(None);
    }
    let built = || Sandbox::built(workspace);
    let binary = arguments.sandbox.clone().unwrap_or_else(built);
    if arguments.sandbox.is_none() && !binary.is_file() {
        let shown = binary.display();
        eprintln!(
            "no {shown}: the whole gateway is left out. Build it first: cargo build --release --bin sandbox"
        );
        return Ok(None);
    }
    let (payments, runs) = (arguments.payments, arguments.runs.max(1));
    let protocols = workspace.join("protocols");
    Ok(Some(Sandbox { binary, payments, runs, protocols }.measure()?))
}
