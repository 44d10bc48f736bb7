//! The store: what a payment's two commits take, and what the projection takes to follow.

use crate::decisions::{IN_FLIGHT, Sample, run};
use crate::measure::{Plan, Took, process_cpu, thread_cpu};
use crate::table::{Counts, Row};
use std::path::Path;
use std::time::{Duration, Instant};
use tidegate::store::journal::frame::RawRecord;
use tidegate::store::ledger::{Ledger, Reader};
use tidegate::store::{Settings, Store, record_code, recovery};
use tidegate_payment::durable::Sequence;
use tidegate_payment::input::{Ask, LoadKey};
use tidegate_payment::record::{Group, Record};
use tidegate_payment::time::Timestamp;

/// How many payments one transaction of the projection holds: it collects for 10 ms.
const PROJECTED: usize = 16;
/// Payments of one window that commits one group at a time, and of one that commits many.
const ALONE: usize = 100;
const GROUPED: usize = 1280;

/// Measures them; the store lies in `folder`, on the disk that is to be measured.
pub fn measure(plan: &Plan, folder: &Path, sample: &mut Sample) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let begun = Instant::now();
    let wall = || begun.elapsed();
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        let folder = tempfile::tempdir_in(memory)?;
        let took = commits(plan, folder.path(), sample, process_cpu, (GROUPED, IN_FLIGHT))?;
        rows.push(Row {
            name: "journal_cpu",
            what: "journal: 2 commits in groups of 64, processor time, RAM disk",
            counts: Counts::Sum,
            took,
        });
    }
    let took = commits(plan, &folder.join("grouped"), sample, wall, (GROUPED, IN_FLIGHT))?;
    let what = "journal: a payment's share of 2 commits, 64 groups on one fdatasync";
    rows.push(Row { name: "journal_64", what, counts: Counts::Beside, took });
    let took = commits(plan, &folder.join("alone"), sample, wall, (ALONE, 1))?;
    let what = "journal: 2 commits, each alone on its fdatasync";
    rows.push(Row { name: "journal_alone", what, counts: Counts::Beside, took });
    let ledger = folder.join("ledger.db");
    let took = projection(plan, &ledger, sample)?;
    let what = "projection: ledger apply, 16 payments a transaction";
    rows.push(Row { name: "projection", what, counts: Counts::Sum, took });
    let what = "look-up: a new key and order, asked of the ledger";
    let took = look_up(plan, &ledger, sample)?;
    rows.push(Row { name: "look_up", what, counts: Counts::Sum, took });
    Ok(rows)
}

/// Commits all groups of `payments` in chunks, per payment, by `clock`. The projection waits until the
/// store is closed.
fn commits(
    plan: &Plan,
    folder: &Path,
    sample: &mut Sample,
    clock: impl Fn() -> Duration,
    (payments, groups_each): (usize, usize),
) -> anyhow::Result<Took> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let settings = Settings { apply_every: Duration::from_secs(3600), ..Settings::default() };
    let (store, _) = recovery::open(folder, settings, Timestamp(0))?;
    let mut fault = Ok(());
    let operations = u64::try_from(payments)?;
    let took = plan.windows(operations, || {
        let window = run(sample, payments).and_then(|(groups, _, _)| {
            let chunks: Vec<Vec<Group>> = groups.chunks(groups_each).map(<[_]>::to_vec).collect();
            let before = clock();
            for chunk in chunks {
                for committed in runtime.block_on(store.commit(chunk))? {
                    committed?;
                }
            }
            Ok(clock().saturating_sub(before))
        });
        window.unwrap_or_else(|error| {
            fault = Err(error);
            Duration::ZERO
        })
    });
    fault?;
    Ok(took)
}

/// The projection's own work, without its thread.
fn projection(plan: &Plan, file: &Path, sample: &mut Sample) -> anyhow::Result<Took> {
    let mut ledger = Ledger::open(file)?;
    let mut sequence = 0;
    let mut fault = Ok(());
    let took = plan.windows(u64::try_from(GROUPED)?, || {
        let window = run(sample, GROUPED).and_then(|(groups, _, _)| {
            let bodies = groups.iter().map(encoded).collect::<anyhow::Result<Vec<_>>>()?;
            let mut took = Duration::ZERO;
            for chunk in bodies.chunks(2 * PROJECTED) {
                let records: Vec<_> = chunk
                    .iter()
                    .flatten()
                    .map(|(kind, body)| {
                        sequence += 1;
                        raw(*kind, body, sequence)
                    })
                    .collect();
                let before = thread_cpu();
                ledger.apply(&records)?;
                took += thread_cpu().saturating_sub(before);
            }
            Ok(took)
        });
        window.unwrap_or_else(|error| {
            fault = Err(error);
            Duration::ZERO
        })
    });
    fault?;
    Ok(took)
}

/// Whether a key and an order are new: every payment asks the ledger before it is accepted.
fn look_up(plan: &Plan, file: &Path, sample: &mut Sample) -> anyhow::Result<Took> {
    let mut reader = Reader::open(file)?;
    let mut fault = Ok(());
    let make = || {
        let Ask::New { request, .. } = sample.incoming()?.ask else {
            anyhow::bail!("the sample is new")
        };
        anyhow::Ok(LoadKey::Request {
            merchant: request.merchant,
            operation: request.operation,
            key: request.key,
            order: Some(request.order),
        })
    };
    let took = plan.time_each(make, |key| match key.and_then(|key| Ok(reader.load(key)?)) {
        Ok(loaded) if loaded.found.is_empty() => {}
        Ok(_) => fault = Err(anyhow::anyhow!("a payment of the benchmark was there before")),
        Err(error) => fault = Err(error),
    });
    fault?;
    Ok(took)
}

fn encoded(group: &Group) -> anyhow::Result<Vec<(u8, Vec<u8>)>> {
    let encode = |record: &Record| {
        let mut body = Vec::new();
        record_code::encode(record, &mut body)?;
        Ok((record_code::kind(record), body))
    };
    group.records.iter().map(encode).collect()
}

fn raw(kind: u8, body: &[u8], sequence: u64) -> RawRecord<'_> {
    let sequence = Sequence(sequence);
    RawRecord { kind, version: record_code::VERSION, sequence, body, chain: [0; 32] }
}
