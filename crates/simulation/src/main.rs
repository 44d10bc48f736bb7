//! `simulate`: runs seeds of the simulation, and says what they broke.

use clap::Parser;
use simulation::cast::Cast;
use simulation::fault::FaultSet;
use simulation::plan::Options;
use simulation::points::Points;
use simulation::run::{Outcome, run, shrink};
use simulation::sabotage::{PLANTED, Sabotage};
use simulation::self_test::{HEADING, Search, Verdict, look_for};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

/// How many runs go into making a failing seed small.
const TRIES: u32 = 200;

/// Runs the deterministic simulation of a gateway, seed by seed.
#[derive(Debug, Parser)]
#[command(
    name = "simulate",
    after_help = "Example:\n  cargo run --release --bin simulate -- --first-seed 1 --seeds 100 --payments 500 --json\n\
                  A single seed is a replay: `--first-seed 4711` (missed points do not fail it)."
)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// How many seeds: 1, or up to 60 for each bug in a self-test.
    #[arg(long)]
    seeds: Option<u64>,
    /// How many payments each [default: 2000].
    #[arg(long)]
    payments: Option<u64>,
    /// What may go wrong: names by commas, `all` or `none`. A list that is given is taken whole; else
    /// each seed chooses some of all.
    #[arg(long)]
    faults: Option<String>,
    /// A planted bug, by name.
    #[arg(long)]
    sabotage: Option<String>,
    /// Looks for every planted bug, and says what it took to catch it.
    #[arg(long)]
    self_test: bool,
    /// How many seeds at once.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// A failing seed is not made small.
    #[arg(long)]
    no_shrink: bool,
    /// Nothing but the last line.
    #[arg(long)]
    json: bool,
}

/// What came of all seeds.
#[derive(Debug, Default)]
struct Total {
    payments: u64,
    violations: u64,
    points: Points,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let run = if arguments.self_test { test_the_checker } else { simulate };
    match run(&arguments, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            drop(writeln!(io::stderr(), "simulate: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Every planted bug in turn.
fn test_the_checker(
    arguments: &Arguments,
    out: &mut io::StdoutLock<'_>,
) -> Result<bool, Box<dyn std::error::Error>> {
    let cast = Arc::new(Cast::new()?);
    let search = Search {
        first_seed: arguments.first_seed,
        seeds: arguments.seeds.unwrap_or(60),
        payments: arguments.payments.unwrap_or(2_000),
    };
    let begun = Instant::now();
    let mut verdict = Verdict::default();
    if !arguments.json {
        writeln!(out, "{HEADING}")?;
    }
    for planted in PLANTED {
        let caught = look_for(*planted, search, &cast);
        verdict.hear(&caught);
        if !arguments.json {
            writeln!(out, "{caught}")?;
            out.flush()?;
        }
    }
    let line = serde_json::json!({
        "planted": PLANTED.len(),
        "caught": verdict.caught(),
        "missed": verdict.missed(),
        "seconds": begun.elapsed().as_secs(),
    });
    writeln!(out, "{line}")?;
    Ok(verdict.is_good())
}

fn simulate(
    arguments: &Arguments,
    out: &mut io::StdoutLock<'_>,
) -> Result<bool, Box<dyn std::error::Error>> {
    let cast = Arc::new(Cast::new()?);
    let faults = arguments.faults.as_deref().map(FaultSet::parse).transpose()?;
    let sabotage = match arguments.sabotage.as_deref() {
        Some(name) => {
            Some(Sabotage::parse(name).ok_or_else(|| format!("no bug is called {name:?}"))?)
        }
        None => None,
    };
    let options = |seed| Options {
        seed,
        payments: arguments.payments.unwrap_or(2_000),
        faults: faults.unwrap_or_else(FaultSet::all),
        swarm: faults.is_none(),
        sabotage,
    };
    let (begun, seeds) = (Instant::now(), arguments.seeds.unwrap_or(1));
    let mut total = Total::default();
    let (outcomes, heard) = mpsc::sync_channel::<Outcome>(16);
    std::thread::scope(|scope| -> Result<(), io::Error> {
        let threads = arguments.threads.max(1);
        for thread in 0..threads {
            let (outcomes, cast, options) = (outcomes.clone(), Arc::clone(&cast), &options);
            scope.spawn(move || {
                let mine = (0..seeds).filter(|seed| seed % threads == thread);
                for seed in mine {
                    let outcome = run(options(arguments.first_seed.saturating_add(seed)), &cast);
                    if outcomes.send(outcome).is_err() {
                        break;
                    }
                }
            });
        }
        drop(outcomes);
        for outcome in heard {
            tell(arguments, &outcome, &cast, &mut total, out)?;
        }
        Ok(())
    })?;
    let missed = total.points.missed();
    if !arguments.json {
        for (point, name) in simulation::points::Point::ALL {
            writeln!(out, "{:>10} {name}", total.points.count(point))?;
        }
    }
    let line = serde_json::json!({
        "seeds": seeds,
        "payments": total.payments,
        "violations": total.violations,
        "sometimes_missed": missed,
        "seconds": begun.elapsed().as_secs(),
    });
    writeln!(out, "{line}")?;
    Ok(total.violations == 0 && (missed.is_empty() || seeds == 1))
}

fn tell(
    arguments: &Arguments,
    outcome: &Outcome,
    cast: &Arc<Cast>,
    total: &mut Total,
    out: &mut impl Write,
) -> io::Result<()> {
    total.payments = total.payments.saturating_add(outcome.wishes);
    total.points.add(&outcome.points);
    if outcome.violations.is_empty() {
        if !arguments.json {
            let (seed, hash) = (outcome.options.seed, outcome.hash);
            writeln!(out, "seed {seed}: {} events, hash {hash:016x}", outcome.steps)?;
        }
        return Ok(());
    }
    total.violations = total.violations.saturating_add(1);
    writeln!(out, "{outcome}")?;
    if arguments.no_shrink {
        return Ok(());
    }
    let small = shrink(outcome, cast, TRIES);
    writeln!(out, "the smallest history that still breaks it:\n{small}")
}
