//! How long a start takes over the journal of a full open day: from opening the store until the engine
//! has everything that it needs to serve.

use crate::decisions::{Driver, IN_FLIGHT, Sample};
use anyhow::Context;
use rustix::fs::{Advice, fadvise};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tidegate::store::embedded::JournalStore;
use tidegate::store::{Settings, Store, recovery};
use tidegate_payment::engine::{Engine, Out};
use tidegate_payment::input::Input;
use tidegate_payment::record::Group;
use tidegate_payment::time::Timestamp;

/// Payments that one engine makes before its groups are committed.
const CHUNK: usize = 5_000;
/// One payment of so many never hears its answer.
const OPEN_ONE_OF: usize = 200;
/// Over how long the day's payments came, the last of them just now.
const DAY: Duration = Duration::from_secs(10 * 3600);
/// How long a nonce may come again: twice the window of signatures.
const NONCES: Duration = Duration::from_secs(600);

/// Makes a day of `payments` in `folder`, and tells how long starts over it take.
pub fn measure(folder: &Path, payments: usize, sample: Sample) -> anyhow::Result<String> {
    let clean = folder.join("stopped");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let now = sample.request.freshness.created;
    let mut day = Day { runtime, sample, now, payments, made: 0 };
    if clean.exists() {
        // Of a kept day: further payments are others, and its nonces are as old as they were.
        day.sample.made = u64::try_from(payments)?;
        day.made = payments;
    } else {
        let making = folder.join("making");
        let begun = Instant::now();
        let (store, _) = recovery::open(&making, settings(), Timestamp(0))?;
        while day.made < payments {
            day.trade(&store, CHUNK.min(payments - day.made))?;
        }
        drop(store);
        fs::rename(making, &clean)?;
        eprintln!("{payments} payments made in {:?}", begun.elapsed());
    }
    let mut lines = vec![
        "| start after | page cache | open payments | nonces | store | store and engine |"
            .to_owned(),
        "|---|---|---:|---:|---:|---:|".to_owned(),
    ];
    for cold in [false, true, false] {
        lines.push(start("an orderly stop", &clean, now, cold)?);
    }
    for (behind, cold) in [(2_000, false), (2_000, true), (16_500, false), (16_500, true)] {
        let killed = folder.join("killed");
        day.kill(&clean, &killed, behind)?;
        let what = format!("a kill, the ledger {} records behind", behind * 3);
        lines.push(start(&what, &killed, now, cold)?);
        fs::remove_dir_all(&killed)?;
    }
    Ok(lines.join("\n"))
}

struct Day {
    runtime: tokio::runtime::Runtime,
    sample: Sample,
    now: Timestamp,
    payments: usize,
    made: usize,
}

impl Day {
    /// So many payments, each with its answer but for one of [`OPEN_ONE_OF`].
    fn trade(&mut self, store: &JournalStore, count: usize) -> anyhow::Result<()> {
        let mut driver = Driver::start(&self.sample.route.host);
        driver.groups = Some(Vec::new());
        let approval = self.sample.approval()?;
        let step = i64::try_from(DAY.as_micros())? / i64::try_from(self.payments)?;
        let mut ids = Vec::new();
        for number in 1..=count {
            let left = i64::try_from(self.payments.saturating_sub(self.made))?;
            self.sample.request.freshness.created = Timestamp(self.now.0 - left * step);
            let incoming = self.sample.incoming()?;
            self.made += 1;
            if self.made % OPEN_ONE_OF != 0 {
                ids.push(incoming.id);
            }
            driver.hear(Input::Request(incoming));
            if number % IN_FLIGHT == 0 || number == count {
                for id in ids.drain(..) {
                    driver.hear(Input::HostAnswered(id, approval.clone()));
                }
            }
        }
        let groups = driver.groups.take().context("the groups were kept")?;
        for chunk in groups.chunks(1024) {
            self.commit(store, chunk.to_vec())?;
        }
        Ok(())
    }

    fn commit(&self, store: &JournalStore, groups: Vec<Group>) -> anyhow::Result<()> {
        for committed in self.runtime.block_on(store.commit(groups))? {
            committed?;
        }
        Ok(())
    }

    /// A copy of `from` as a kill leaves it that comes when the ledger is `payments` behind.
    fn kill(&mut self, from: &Path, to: &Path, payments: usize) -> anyhow::Result<()> {
        let behind = Settings { apply_every: Duration::from_secs(3600), ..settings() };
        copy(from, to)?;
        let (store, _) = recovery::open(to, behind, Timestamp(i64::MAX))?;
        let before = self.made;
        while self.made < before + payments {
            self.trade(&store, CHUNK.min(payments))?;
        }
        let dead = to.with_extension("dead");
        copy(to, &dead)?;
        drop(store);
        fs::remove_dir_all(to)?;
        Ok(fs::rename(dead, to)?)
    }
}

/// As the gateway's, but for a ledger that may be as far behind as it likes.
fn settings() -> Settings {
    Settings { unapplied_max: u64::MAX, ..Settings::default() }
}

fn start(what: &str, folder: &Path, now: Timestamp, cold: bool) -> anyhow::Result<String> {
    if cold {
        forget(folder)?;
    }
    let since = now.0.saturating_sub(i64::try_from(NONCES.as_micros())?);
    let begun = Instant::now();
    let (store, recovered) = recovery::open(folder, Settings::default(), Timestamp(since))?;
    let opened = begun.elapsed();
    let mut engine = Engine::new(crate::decisions::settings(), []);
    let mut out = Out::default();
    for group in &recovered.groups {
        engine.restore(group.clone(), &mut out);
    }
    recovered.leases.iter().for_each(|lease| engine.restore_lease(lease));
    let ready = begun.elapsed();
    anyhow::ensure!(out.effects.is_empty(), "the engine takes the journal for wrong");
    drop(store);
    let cache = if cold { "cold" } else { "warm" };
    let (open, nonces) = (recovered.groups.len(), recovered.nonces.len());
    Ok(format!(
        "| {what} | {cache} | {open} | {nonces} | {} ms | {} ms |",
        opened.as_millis(),
        ready.as_millis()
    ))
}

/// Has the system forget what it remembers of the files.
fn forget(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            let file = fs::File::open(path)?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let name = to.join(path.file_name().context("a name")?);
        if path.is_dir() {
            copy(&path, &name)?;
        } else {
            fs::copy(&path, &name)?;
        }
    }
    Ok(())
}
