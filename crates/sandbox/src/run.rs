//! A judged run: load under faults, drain, two more lives for the journal, the checker's verdict.

use crate::cards;
use crate::checker::evidence::Evidence;
use crate::checker::{Violation, check};
use crate::drain::{Ending, ask, drain};
use crate::load::{self, Load, Workload};
use crate::meanwhile::Wanted;
use crate::scan::{Canaries, Found};
use crate::summary::{Measured, Summary, by_operation};
use crate::upheaval::{self, Upheaval};
use crate::world::{Options, World};
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What a run came to.
pub struct Judged {
    /// In figures.
    pub summary: Summary,
    /// What must not have been.
    pub violations: Vec<Violation>,
    /// How each payment ended.
    pub endings: Vec<Ending>,
    /// What was judged.
    pub evidence: Evidence,
}

/// Makes a world, loads it, and judges what happened. `say` is told what is going on.
/// # Errors
/// If the world could not be made or the evidence is not whole.
pub async fn judged(
    options: Options,
    workload: Workload,
    say: Arc<dyn Fn(&str) + Send + Sync>,
) -> anyhow::Result<Judged> {
    let began = Instant::now();
    let (seed, faults, wanted) = (options.seed, options.faults.clone(), Wanted::of(&options));
    let calm = faults.is_empty() && options.proxy.is_honest() && options.lives.is_empty();
    let keep = options.keep.is_some();
    let patience = options.reply_timeout.saturating_mul(40).max(Duration::from_secs(30));
    say("starting bank, gateway and merchants");
    let world = Arc::new(World::open(options).await?);
    let (done, progress) = watch::channel(0);
    let all = workload.payments;
    let meanwhile = wanted.begin(&world, all, &progress);
    let telling = tokio::spawn(tell(say.clone(), all, progress));
    let load = load::run(&world, seed, workload, done).await?;
    telling.abort();
    let mut happened = meanwhile.end(&world).await?;
    let kills = happened.kills;
    say(&format!("faults are off after {kills} kills; waiting for every payment to be final"));
    let endings = drain(&world, &load, patience).await?;
    happened.look(&world).await;
    let cpu_us = world.gateway.lock().await.cpu_us();
    let mut leaks = Vec::new();
    if workload.tricks {
        say("looking for card data in memory and files");
        leaks = in_memory(&world, &load).await?;
    }
    let (mut evidence, exports) = close(&world, &load, &*say).await?;
    happened.jumps.set_right(world.clock, &mut evidence.journal);
    if workload.tricks {
        leaks.extend(in_files(&world, &load, &exports)?);
    }
    say("judging");
    let mut violations = check(&evidence);
    happened.jumps.forgive(&mut violations);
    violations.extend(leaks);
    if calm && happened.did != Upheaval::default() {
        violations.extend(upheaval::check(&evidence, happened.did));
    }
    if keep {
        keep_evidence(world.path(), &exports)?;
        keep_violations(world.path(), &violations)?;
    }
    let measured = Measured {
        seed,
        faults: faults.into_iter().collect(),
        load: load.elapsed,
        whole: began.elapsed(),
        cpu_us,
        happened,
        operations: by_operation(&load, &endings),
    };
    let summary = Summary::of(&endings, &evidence, &violations, measured);
    Ok(Judged { summary, violations, endings, evidence })
}

fn keep_violations(folder: &Path, violations: &[Violation]) -> anyhow::Result<()> {
    Ok(fs::write(folder.join("violations.json"), serde_json::to_vec_pretty(violations)?)?)
}

/// X1, X2: the card numbers of payments that ended more than a second ago, and all security codes, are
/// not in the gateway's memory.
async fn in_memory(world: &World, load: &Load) -> anyhow::Result<Vec<Violation>> {
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let gateway = world.gateway.lock().await;
    let pid = gateway.ports().context("the gateway does not run")?.pid;
    let canaries = canaries(load);
    Ok(leaks(canaries.in_memory_of(pid).context("reading the gateway's memory")?))
}

/// X1, X2: nor in any file of the run, nor in the exports.
fn in_files(world: &World, load: &Load, exports: &[String; 2]) -> anyhow::Result<Vec<Violation>> {
    let canaries = canaries(load);
    let mut found = canaries.in_folder(world.path()).context("reading the run's files")?;
    for export in exports {
        found.extend(canaries.in_bytes("journal export", export.as_bytes()));
    }
    Ok(leaks(found))
}

/// Enough cards to find a leak by, few enough to look for quickly.
const CANARIES: usize = 50;

fn canaries(load: &Load) -> Canaries {
    let numbers: BTreeSet<&str> =
        load.ends.iter().map(|end| end.order.number.as_str()).take(CANARIES).collect();
    let codes: Vec<String> = numbers.iter().map(|number| cards::security_code(number)).collect();
    Canaries::of(numbers.iter().copied(), codes.iter().map(String::as_str))
}

fn leaks(found: BTreeSet<Found>) -> Vec<Violation> {
    let violation =
        |Found { what, place }| Violation { invariant: "X1", about: place, found: what };
    found.into_iter().map(violation).collect()
}

/// Every payment is asked for once more; then the gateway stops, shows its journal, lives once more,
/// is asked again, stops, and shows its journal again.
pub(crate) async fn close(
    world: &World,
    load: &Load,
    say: &(dyn Fn(&str) + Send + Sync),
) -> anyhow::Result<(Evidence, [String; 2])> {
    say("asking for every payment once more");
    let everyone: Vec<usize> = (0..load.ends.len()).collect();
    ask(world, load, &everyone).await?;
    say("stopping the gateway and reading its journal");
    world.stop_gateway().await.context("stopping the gateway")?;
    let (export, journal) = world.gateway.lock().await.journal()?;
    say("starting it again: a second recovery must change nothing");
    world.start_gateway().await?;
    let some: Vec<usize> = everyone.iter().copied().step_by(SAMPLE).collect();
    ask(world, load, &some).await?;
    world.stop_gateway().await.context("stopping the gateway again")?;
    let (export_again, journal_again) = world.gateway.lock().await.journal()?;
    let mut evidence = world.evidence().await?;
    evidence.journal = journal;
    evidence.journal_again = Some(journal_again);
    Ok((evidence, [export, export_again]))
}

/// Of so many payments one is asked for again after the second recovery.
const SAMPLE: usize = 7;

pub(crate) fn keep_evidence(folder: &Path, exports: &[String; 2]) -> anyhow::Result<()> {
    let [first, again] = exports;
    fs::write(folder.join("journal.jsonl"), first)?;
    fs::write(folder.join("journal-again.jsonl"), again)?;
    Ok(())
}

/// Says once a second how many payments are done, until all are.
async fn tell(say: Arc<dyn Fn(&str) + Send + Sync>, all: u64, mut done: watch::Receiver<u64>) {
    while done.changed().await.is_ok() {
        say(&format!("{} of {all} payments", *done.borrow_and_update()));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
