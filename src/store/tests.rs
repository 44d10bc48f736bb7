//! The whole store on real files and on a faulty disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::embedded::JournalStore;
use super::journal::DamageFault;
use super::journal::memory_disk::{Faults, MemoryDisk};
use super::ledger::Reader;
use super::recovery::{self, Paths, Recovered};
use super::{Conflict, Settings, Store, StoreError, export, samples, verify};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_payment::durable::Sequence;
use tidegate_payment::record::{Group, ReversalVerdict};
use tidegate_payment::time::Timestamp;

const EVER: Timestamp = Timestamp(i64::MIN);

fn settings() -> Settings {
    Settings {
        segment_bytes: 1 << 16,
        ballast_bytes: 0,
        apply_every: Duration::ZERO,
        room_retry: Duration::from_secs(3600),
        ..Settings::default()
    }
}

fn open(folder: &Path) -> Result<(JournalStore, Recovered), StoreError> {
    recovery::open(folder, settings(), EVER)
}

async fn commit(store: &JournalStore, groups: Vec<Group>) {
    for committed in store.commit(groups).await.unwrap() {
        committed.unwrap();
    }
}

/// Some payments in all sorts of states, over several segments.
async fn fill(folder: &Path) {
    let (store, _) = open(folder).unwrap();
    for number in 0..60 {
        commit(&store, vec![samples::begin(number)]).await;
        let answer = match number % 3 {
            0 => samples::later(number, 2, vec![samples::approved(number)]),
            1 => samples::silence(number),
            _ => continue,
        };
        commit(&store, vec![answer]).await;
    }
    let accepted = samples::reversal_answered(1, ReversalVerdict::Accepted);
    let refused = samples::reversal_answered(4, ReversalVerdict::Refused);
    let ended = vec![
        samples::later(1, 4, vec![accepted, samples::reversed(1, true)]),
        samples::later(4, 4, vec![refused, samples::parked(4)]),
        Group {
            records: vec![samples::date_moved(), samples::stan_lease(1)],
            preconditions: vec![],
        },
    ];
    commit(&store, ended).await;
}

fn dump(folder: &Path) -> Vec<String> {
    Reader::open(&Paths::of(folder).ledger).unwrap().dump().unwrap()
}

fn remove_ledger(folder: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{}{ending}", Paths::of(folder).ledger.display());
        assert!(fs::remove_file(file).is_ok() || !ending.is_empty());
    }
}

#[tokio::test]
async fn a_ledger_made_again_from_the_journal_has_equal_rows() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let before = dump(folder.path());
    assert!(before.len() > 60);
    remove_ledger(folder.path());
    let (_store, recovered) = open(folder.path()).unwrap();
    assert_eq!(dump(folder.path()), before);
    assert_eq!(recovered.groups.len(), 39);
}

#[tokio::test]
async fn a_useless_ledger_is_put_aside_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let before = dump(folder.path());
    remove_ledger(folder.path());
    fs::write(Paths::of(folder.path()).ledger, "no database at all, but long enough to be read")
        .unwrap();
    drop(open(folder.path()).unwrap());
    assert_eq!(dump(folder.path()), before);
    assert!(folder.path().join("ledger.db.useless").exists());
}

#[tokio::test]
async fn one_journal_is_held_by_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).unwrap();
    let second = open(folder.path());
    assert!(matches!(second.err(), Some(StoreError::Locked { .. })));
    drop(store);
    open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_journal_that_was_deleted_behind_its_ledger_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    fs::remove_dir_all(Paths::of(folder.path()).journal).unwrap();
    let Err(StoreError::Damaged(damage)) = open(folder.path()) else { panic!() };
    assert!(matches!(damage.fault, DamageFault::EndsEarly { .. }), "{damage}");
    let Err(StoreError::Damaged(damage)) = verify::verify(folder.path()) else { panic!() };
    assert!(matches!(damage.fault, DamageFault::EndsEarly { .. }), "{damage}");
}

#[tokio::test]
async fn archived_segments_are_read_where_they_were_moved() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let (before, paths) = (dump(folder.path()), Paths::of(folder.path()));
    let report = verify::verify(folder.path()).unwrap();
    assert!(report.segments > 1, "{report:?}");
    fs::create_dir(&paths.archive).unwrap();
    let first = format!("{:020}.journal", 1);
    fs::rename(paths.journal.join(&first), paths.archive.join(&first)).unwrap();
    assert_eq!(verify::verify(folder.path()).unwrap(), report);
    remove_ledger(folder.path());
    drop(open(folder.path()).unwrap());
    assert_eq!(dump(folder.path()), before);
}

#[tokio::test]
async fn files_of_the_store_are_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("data");
    fill(&folder).await;
    let (_store, _) = open(&folder).unwrap();
    let paths = Paths::of(&folder);
    for entry in fs::read_dir(&folder).unwrap().chain(fs::read_dir(&paths.journal).unwrap()) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.path());
    }
}

#[tokio::test]
async fn verify_reports_the_whole_journal_and_finds_damage() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let report = verify::verify(folder.path()).unwrap();
    assert_eq!((report.records, report.ledger), (report.last.0, Some(report.last)));
    assert_eq!((report.epoch, report.torn), (1, None));
    let first = Paths::of(folder.path()).journal.join(format!("{:020}.journal", 1));
    let mut bytes = fs::read(&first).unwrap();
    bytes[5000] ^= 1;
    fs::write(&first, bytes).unwrap();
    let Err(StoreError::Damaged(damage)) = verify::verify(folder.path()) else { panic!() };
    assert_eq!((damage.segment.as_str(), damage.offset), ("00000000000000000001.journal", 4608));
}

#[tokio::test]
async fn verify_and_export_work_beside_a_running_store() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).unwrap();
    commit(&store, vec![samples::begin(1), samples::silence(1)]).await;
    assert_eq!(verify::verify(folder.path()).unwrap().records, 4);
    let mut out = Vec::new();
    let last = export::export(folder.path(), &mut out).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["accepted", "send_intent", "timed_out", "reversal_due"]);
    assert_eq!((last, &lines[3]["sequence"]), (Sequence(4), &4.into()));
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    for (sync, write) in [(Some(1), None), (None, Some(1))] {
        let folder = tempfile::tempdir().unwrap();
        let disk = MemoryDisk::default();
        let ledger = folder.path().join("ledger.db");
        let open = || recovery::open_on(Arc::new(disk.copy()), &ledger, settings(), EVER);
        drop(open().unwrap());
        let disk = disk.copy();
        let (store, _) =
            recovery::open_on(Arc::new(disk.clone()), &ledger, settings(), EVER).unwrap();
        disk.set(Faults { sync, write, ..Faults::default() });
        commit(&store, vec![samples::begin(1)]).await;
        // The disk is well again after the one fault; the store must not be.
        for number in 2..5 {
            let failed = store.commit(vec![samples::begin(number)]).await;
            assert!(matches!(failed, Err(StoreError::Failed { .. })), "{failed:?}");
        }
        assert!(store.gauges().failed);
        drop(store);
        disk.cut_power(|| false);
        let (_, recovered) =
            recovery::open_on(Arc::new(disk.clone()), &ledger, settings(), EVER).unwrap();
        assert_eq!((recovered.groups.len(), recovered.last), (1, Sequence(2)));
    }
}

#[tokio::test]
async fn all_who_wait_on_a_failing_sync_learn_it() {
    let folder = tempfile::tempdir().unwrap();
    let disk = MemoryDisk::default();
    let ledger = folder.path().join("ledger.db");
    let (store, _) = recovery::open_on(Arc::new(disk.clone()), &ledger, settings(), EVER).unwrap();
    disk.set(Faults { sync: Some(0), ..Faults::default() });
    let calls: Vec<_> = (0..50).map(|number| store.commit(vec![samples::begin(number)])).collect();
    for call in calls {
        assert!(matches!(call.await, Err(StoreError::Failed { .. })));
    }
}

#[tokio::test]
async fn a_store_that_is_behind_takes_no_new_payments_and_goes_on_with_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        Settings { unapplied_max: 4, apply_every: Duration::from_secs(3600), ..settings() };
    let (store, _) = recovery::open(folder.path(), settings, EVER).unwrap();
    commit(&store, vec![samples::begin(1), samples::begin(2)]).await;
    let mixed = vec![samples::begin(3), samples::silence(1), samples::begin(4)];
    let answers = store.commit(mixed).await.unwrap();
    assert_eq!(answers[0], Err(Conflict::Behind));
    assert_eq!(answers[1].as_ref().unwrap().sequence(), Sequence(6));
    assert_eq!(answers[2], Err(Conflict::Behind));
    drop(store);
    let (_, recovered) = open(folder.path()).unwrap();
    assert_eq!(recovered.groups.len(), 2);
}

#[tokio::test]
async fn on_a_full_disk_new_payments_are_refused_and_reversals_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let disk = MemoryDisk::default();
    let ledger = folder.path().join("ledger.db");
    let settings = Settings { ballast_bytes: 1 << 16, ..settings() };
    disk.set(Faults { capacity: Some((1 << 17) + 1000), ..Faults::default() });
    let (store, _) = recovery::open_on(Arc::new(disk.clone()), &ledger, settings, EVER).unwrap();
    let mut refused = None;
    let mut begun = 0;
    while refused.is_none() {
        match store.commit(vec![samples::begin(begun)]).await.unwrap().remove(0) {
            Ok(_) => begun += 1,
            Err(conflict) => refused = Some(conflict),
        }
    }
    assert_eq!(refused, Some(Conflict::NoRoom));
    for number in 0..begun {
        commit(&store, vec![samples::silence(number)]).await;
    }
    drop(store);
    let (_, recovered) = recovery::open_on(Arc::new(disk), &ledger, super::tests::settings(), EVER)
        .expect("the journal is whole");
    assert!(recovered.groups.iter().all(|group| group.get().records.len() == 4));
}

#[tokio::test]
async fn whatever_a_crash_leaves_of_the_ledger_the_rows_are_the_same_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let (before, paths) = (dump(folder.path()), Paths::of(folder.path()));
    // A ledger of each earlier position, as a crash or a power cut may leave it.
    let disk = super::journal::disk::Folder::look(&paths.journal, &paths.archive);
    let report = verify::verify(folder.path()).unwrap();
    for keep in [1, 2, 3, 50, report.last.0 - 1] {
        remove_ledger(folder.path());
        let mut ledger = super::ledger::Ledger::open(&paths.ledger).unwrap();
        let place = super::journal::frame::Place::START;
        super::journal::scan::scan(&disk, place, |_, raw| match raw.sequence.0 <= keep {
            true => ledger.apply(&[*raw]),
            false => Ok(()),
        })
        .unwrap();
        drop(ledger);
        drop(open(folder.path()).unwrap());
        assert_eq!(dump(folder.path()), before, "ledger of sequence {keep}");
    }
}
