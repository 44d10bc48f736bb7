//! Copies of a store: followed, taken over, backed up and restored, archived, held twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::archive::{self, ArchiveError, Stays};
use super::backup::{self, BackupError};
use super::copies::{CopyError, FollowingFolder, Source};
use super::embedded::JournalStore;
use super::journal::disk::{Disk, Folder};
use super::journal::frame::Place;
use super::journal::memory_disk::{Faults, MemoryDisk};
use super::journal::scan::scan;
use super::journal::twofold::{Twofold, agree};
use super::ledger::{Ledger, LedgerError, Reader};
use super::recovery::{self, Paths, Recovered};
use super::shipping::{Follower, ShipError, tail_of};
use super::{Conflict, Settings, Store, StoreError, samples, verify};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_payment::durable::Sequence;
use tidegate_payment::record::{DateMoved, Group, Record, ReversalVerdict};
use tidegate_payment::time::{BusinessDate, Timestamp};

const EVER: Timestamp = Timestamp(i64::MIN);

fn settings() -> Settings {
    Settings {
        segment_bytes: 1 << 15,
        ballast_bytes: 0,
        apply_every: Duration::ZERO,
        room_retry: Duration::from_secs(3600),
        ..Settings::default()
    }
}

fn open(folder: &Path) -> (JournalStore, Recovered) {
    recovery::open(folder, settings(), EVER).unwrap()
}

async fn commit(store: &JournalStore, groups: Vec<Group>) -> Sequence {
    let mut last = Sequence(0);
    for committed in store.commit(groups).await.unwrap() {
        last = committed.unwrap().sequence();
    }
    last
}

async fn applied(store: &JournalStore, last: Sequence) {
    store.applied().wait_for(|applied| *applied >= last).await.unwrap();
}

/// Payments `from..to`; each third is approved, each third reversed, the others stay open.
async fn trade(store: &JournalStore, from: u64, to: u64) -> Sequence {
    let mut last = Sequence(0);
    for number in from..to {
        last = commit(store, vec![samples::begin(number)]).await;
        let accepted = samples::reversal_answered(number, ReversalVerdict::Accepted);
        let ended = match number % 3 {
            0 => vec![samples::later(number, 2, vec![samples::approved(number)])],
            1 => vec![
                samples::silence(number),
                samples::later(number, 4, vec![accepted, samples::reversed(number, false)]),
            ],
            _ => continue,
        };
        last = commit(store, ended).await;
    }
    last
}

fn dump(folder: &Path) -> Vec<String> {
    Reader::open(&Paths::of(folder).ledger).unwrap().dump().unwrap()
}

/// The rows of a ledger that follows the journal in `folder` up to `last`.
fn dump_up_to(folder: &Path, last: u64) -> Vec<String> {
    let aside = tempfile::tempdir().unwrap();
    let file = aside.path().join("ledger.db");
    let mut ledger = Ledger::open(&file).unwrap();
    let paths = Paths::of(folder);
    let disk = Folder::look(&paths.journal, &paths.archive);
    scan(&disk, Place::START, |_, raw| match raw.sequence.0 <= last {
        true => ledger.apply(&[*raw]),
        false => Ok::<(), LedgerError>(()),
    })
    .unwrap();
    drop(ledger);
    Reader::open(&file).unwrap().dump().unwrap()
}

#[tokio::test]
async fn a_follower_copies_what_is_durable_and_is_taken_over_with_all_of_it() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (first.path(), second.path());
    fs::write(first.join("keys.binding"), "key a\n").unwrap();
    fs::create_dir(first.join("definitions")).unwrap();
    fs::write(first.join("definitions/ab12.toml"), "name = \"x\"\n").unwrap();
    let (store, _) = open(first);
    let source = Source::look(first).unwrap();
    let mut copy = FollowingFolder::open(second).unwrap();
    for step in 0..4 {
        let last = trade(&store, step * 20, step * 20 + 20).await;
        applied(&store, last).await;
        let durable = source.durable().unwrap();
        assert_eq!(durable.last, last);
        copy.follow(&source, durable).unwrap();
        assert_eq!(copy.place(), durable);
    }
    assert!(verify::verify(second).unwrap().segments > 2);
    assert!(matches!(FollowingFolder::open(second), Err(CopyError::Held { .. })));
    let held = recovery::open(second, settings(), EVER);
    assert!(matches!(held.err(), Some(StoreError::Locked { .. })));
    // The copy is closed and opened again in the middle.
    drop(copy);
    let last = trade(&store, 80, 90).await;
    applied(&store, last).await;
    let mut copy = FollowingFolder::open(second).unwrap();
    assert!(copy.follow(&source, source.durable().unwrap()).unwrap() > 0);
    let compared = verify::compare(second, first).unwrap();
    assert_eq!((compared.same_up_to, compared.missing), (Some(last), 0));
    assert!(matches!(Source::hold(first), Err(CopyError::Held { .. })));
    drop(store);
    drop(copy);
    // Taken over: every row is there, and payments go on.
    let (store, recovered) = open(second);
    assert_eq!(recovered.last, last);
    let rows = dump(first);
    assert_eq!(dump(second), rows);
    assert_eq!(fs::read_to_string(second.join("keys.binding")).unwrap(), "key a\n");
    assert!(second.join("definitions/ab12.toml").exists());
    trade(&store, 1000, 1010).await;
    drop(store);
    // The old one must not be followed by it any more, nor it by the old one.
    let (store, _) = open(first);
    let last = trade(&store, 2000, 2020).await;
    applied(&store, last).await;
    let mut copy = FollowingFolder::open(second).unwrap();
    let forked = copy.follow(&source, source.durable().unwrap());
    assert!(matches!(forked, Err(CopyError::Ship(ShipError::Fork { .. }))), "{forked:?}");
    assert_eq!(verify::compare(second, first).unwrap().same_up_to, None);
}

#[tokio::test]
async fn what_is_not_durable_for_certain_is_not_copied_until_nobody_writes_any_more() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (first.path(), second.path());
    let slow = Settings { apply_every: Duration::from_secs(3600), ..settings() };
    let (store, _) = recovery::open(first, slow, EVER).unwrap();
    let last = trade(&store, 0, 10).await;
    // As a kill leaves it: acknowledged, and not in the ledger.
    let killed = tempfile::tempdir().unwrap();
    copy_folder(first, killed.path());
    let source = Source::look(killed.path()).unwrap();
    let mut copy = FollowingFolder::open(second).unwrap();
    assert_eq!(copy.follow(&source, source.durable().unwrap()).unwrap(), 0);
    let compared = verify::compare(second, killed.path()).unwrap();
    assert_eq!((compared.same_up_to, compared.missing), (Some(Sequence(0)), last.0));
    let source = Source::hold(killed.path()).unwrap();
    copy.follow(&source, source.end().unwrap()).unwrap();
    let compared = verify::compare(second, killed.path()).unwrap();
    assert_eq!((compared.same_up_to, compared.missing), (Some(last), 0));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &name);
        } else {
            fs::copy(&path, &name).unwrap();
        }
    }
}

/// A journal in memory, for followers on faulty disks.
async fn journal_in_memory(payments: u64) -> MemoryDisk {
    let (folder, disk) = (tempfile::tempdir().unwrap(), MemoryDisk::default());
    let ledger = folder.path().join("ledger.db");
    let (store, _) = recovery::open_on(Arc::new(disk.clone()), &ledger, settings(), EVER).unwrap();
    trade(&store, 0, payments).await;
    drop(store);
    disk
}

fn end(disk: &MemoryDisk) -> Place {
    tail_of(disk, Place::START, ShipError::Copy).unwrap().place
}

fn segment_files(disk: &MemoryDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.names().unwrap().into_iter().filter(|name| name.ends_with(".journal"));
    names.map(|name| (name.clone(), disk.read(&name).unwrap())).collect()
}

#[tokio::test]
async fn a_follower_that_fails_or_loses_power_anywhere_goes_on_to_an_equal_copy() {
    let source = journal_in_memory(60).await;
    let through = end(&source);
    for number in 0..40_u32 {
        let copy = MemoryDisk::default();
        let (sync, write) =
            if number % 2 == 0 { (Some(number / 2), None) } else { (None, Some(number / 2)) };
        copy.set(Faults { sync, write, ..Faults::default() });
        let failed = Follower::open(Arc::new(copy.clone()))
            .and_then(|mut follower| follower.follow(&source, through).map(drop));
        let mut dice = number;
        copy.cut_power(|| {
            dice = dice.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            dice >> 16 & 1 == 1
        });
        assert!(failed.is_ok() || matches!(failed, Err(ShipError::File { .. })), "{failed:?}");
        let mut follower = Follower::open(Arc::new(copy.clone())).unwrap();
        follower.follow(&source, through).unwrap();
        assert_eq!(follower.place(), through);
        assert_eq!(segment_files(&copy), segment_files(&source), "fault {number}");
    }
}

#[tokio::test]
async fn damage_of_the_source_is_not_copied() {
    let source = journal_in_memory(60).await;
    let (through, name) = (end(&source), segment_files(&source)[1].0.clone());
    source.tamper(&name, |file| file[5000] ^= 1);
    let copy = MemoryDisk::default();
    let mut follower = Follower::open(Arc::new(copy.clone())).unwrap();
    let Err(ShipError::Source(damage)) = follower.follow(&source, through) else { panic!() };
    assert_eq!((damage.segment.as_str(), damage.offset), (name.as_str(), 4608));
    assert_eq!(damage.sequence.0, follower.place().next());
    assert_eq!(end(&copy), follower.place());
    source.remove(&name).unwrap();
    let mut follower = Follower::open(Arc::new(MemoryDisk::default())).unwrap();
    assert!(matches!(follower.follow(&source, through), Err(ShipError::Gap { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_paying_is_restored_with_every_payment_up_to_its_sequence() {
    let folders = tempfile::tempdir().unwrap();
    let (first, to) = (folders.path().join("data"), folders.path().join("backup"));
    let (store, _) = open(&first);
    let store = Arc::new(store);
    trade(&store, 0, 30).await;
    let paying = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for round in 1_u64.. {
                trade(&store, round * 100, round * 100 + 20).await;
                if round >= 12 {
                    break;
                }
            }
        }
    });
    let back_up = |to: std::path::PathBuf| {
        let first = first.clone();
        tokio::task::spawn_blocking(move || backup::backup(&first, &to, samples::at(1)).unwrap())
    };
    let mut made = Vec::new();
    while !paying.is_finished() || made.len() < 2 {
        // Into a folder of its own, and into one that is brought up each time.
        let own = folders.path().join(format!("backup-{}", made.len()));
        made.push((own.clone(), back_up(own).await.unwrap()));
        back_up(to.clone()).await.unwrap();
    }
    paying.await.unwrap();
    made.push((to.clone(), back_up(to).await.unwrap()));
    for (number, (backup_folder, manifest)) in made.into_iter().enumerate() {
        let restored = folders.path().join(format!("restored-{number}"));
        fs::create_dir(&restored).unwrap();
        assert_eq!(backup::restore(&backup_folder, &restored, settings()).unwrap(), manifest);
        assert_eq!(dump(&restored), dump_up_to(&first, manifest.sequence));
        // It is no more and no less than that, and it is a store that goes on.
        let (store, recovered) = open(&restored);
        assert_eq!(recovered.last.0, manifest.sequence);
        commit(&store, vec![samples::begin(50_000)]).await;
    }
}

#[tokio::test]
async fn a_backup_that_is_not_whole_or_was_changed_is_not_restored() {
    let folders = tempfile::tempdir().unwrap();
    let (first, to) = (folders.path().join("data"), folders.path().join("backup"));
    let data = folders.path().join("restored");
    fs::create_dir(&data).unwrap();
    let (store, _) = open(&first);
    let last = trade(&store, 0, 40).await;
    applied(&store, last).await;
    backup::backup(&first, &to, samples::at(1)).unwrap();
    let restore = || backup::restore(&to, &data, settings());
    let (manifest, journal) = (to.join(backup::MANIFEST), Paths::of(&to).journal);
    let text = fs::read(&manifest).unwrap();
    fs::remove_file(&manifest).unwrap();
    assert!(matches!(restore(), Err(BackupError::NoBackup { .. })));
    fs::write(&manifest, &text).unwrap();
    let segment = journal.join(format!("{:020}.journal", 1));
    let bytes = fs::read(&segment).unwrap();
    let mut flipped = bytes.clone();
    flipped[1000] ^= 4;
    fs::write(&segment, flipped).unwrap();
    assert!(matches!(restore(), Err(BackupError::Store(StoreError::Damaged(_)))));
    fs::write(&segment, &bytes).unwrap();
    // Its last segment is missing: sound in itself, and not what the manifest tells of.
    let newest = fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().path());
    let newest = newest.filter(|path| path.extension().is_some_and(|it| it == "journal")).max();
    let (newest, kept) = (newest.unwrap(), folders.path().join("kept"));
    fs::rename(&newest, &kept).unwrap();
    assert!(matches!(restore(), Err(BackupError::OtherJournal { .. })));
    fs::rename(&kept, &newest).unwrap();
    assert!(!Paths::of(&data).journal.exists());
    restore().unwrap();
    assert!(matches!(restore(), Err(BackupError::NotEmpty { .. })));
    // A data folder is not taken for a backup and written over.
    let refused = backup::backup(&first, &data, samples::at(2));
    assert!(matches!(refused, Err(BackupError::NoBackup { .. })), "{refused:?}");
}

/// Two disks as one, and the store on it.
fn twofold(first: &MemoryDisk, second: &MemoryDisk, ledger: &Path) -> (JournalStore, Recovered) {
    let (one, two): (Arc<dyn Disk>, Arc<dyn Disk>) =
        (Arc::new(first.clone()), Arc::new(second.clone()));
    agree(&one, &two).unwrap();
    let disk = Arc::new(Twofold::new(one, two));
    recovery::open_on(disk, ledger, settings(), EVER).unwrap()
}

#[tokio::test]
async fn what_is_acknowledged_is_in_both_folders_whichever_is_lost() {
    for seed in 0..60_u32 {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.db");
        let (first, second) = (MemoryDisk::default(), MemoryDisk::default());
        let (mut acknowledged, mut number) = (Sequence(0), 0);
        let mut dice = seed.wrapping_mul(0x9E37_79B9) | 1;
        let mut roll = move |sides: u32| {
            dice ^= dice << 13;
            dice ^= dice >> 17;
            dice ^= dice << 5;
            (dice >> 8) % sides
        };
        for _ in 0..3 {
            let (store, recovered) = twofold(&first, &second, &ledger);
            assert!(recovered.last >= acknowledged, "seed {seed}");
            let broken = if roll(2) == 0 { &first } else { &second };
            let fault = Some(roll(12));
            let (sync, write) = if roll(2) == 0 { (fault, None) } else { (None, fault) };
            broken.set(Faults { sync, write, ..Faults::default() });
            for _ in 0..20 {
                number += 1;
                match store.commit(vec![samples::begin(number)]).await {
                    Ok(done) => acknowledged = done[0].as_ref().unwrap().sequence(),
                    Err(_) => break,
                }
            }
            drop(store);
            first.set(Faults::default());
            second.set(Faults::default());
            first.cut_power(|| roll(2) == 1);
            second.cut_power(|| roll(2) == 1);
            for disk in [&first, &second] {
                assert!(end(disk).last >= acknowledged, "seed {seed}: one folder lacks a record");
            }
        }
        // One of them is lost: the other is taken over alone, without the ledger.
        let left = if seed % 2 == 0 { first } else { second };
        let aside = folder.path().join("other.db");
        let (_, recovered) = recovery::open_on(Arc::new(left), &aside, settings(), EVER).unwrap();
        assert!(recovered.last >= acknowledged, "seed {seed}");
    }
}

#[tokio::test]
async fn a_second_folder_without_room_declines_new_payments_and_takes_reversals() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (MemoryDisk::default(), MemoryDisk::default());
    let ledger = folder.path().join("ledger.db");
    let (store, _) = twofold(&first, &second, &ledger);
    commit(&store, vec![samples::begin(1)]).await;
    drop(store);
    second.set(Faults { capacity: Some((1 << 15) + 1000), ..Faults::default() });
    let (store, _) = twofold(&first, &second, &ledger);
    // The next segment is made ahead by a thread of its own; it finds no room there.
    while !store.gauges().short_of_room {
        tokio::task::yield_now().await;
    }
    let refused = store.commit(vec![samples::begin(2)]).await.unwrap().remove(0);
    assert_eq!(refused, Err(Conflict::NoRoom));
    commit(&store, vec![samples::silence(1)]).await;
}

#[tokio::test]
async fn a_second_folder_that_was_away_is_brought_up_and_one_that_went_on_is_refused() {
    let folders = tempfile::tempdir().unwrap();
    let (first, second) = (folders.path().join("one"), folders.path().join("two"));
    let both = || Settings { second: Some(second.clone()), ..settings() };
    let (store, _) = recovery::open(&first, both(), EVER).unwrap();
    trade(&store, 0, 20).await;
    drop(store);
    let (store, _) = open(&first);
    let last = trade(&store, 20, 60).await;
    drop(store);
    drop(recovery::open(&first, both(), EVER).unwrap());
    let compared = verify::compare(&second, &first).unwrap();
    assert_eq!((compared.same_up_to, compared.missing), (Some(last), 0));
    // Taken over, the second goes ahead; the first is brought up from it when it comes back.
    let (store, _) = open(&second);
    let further = trade(&store, 60, 70).await;
    drop(store);
    let (store, recovered) = recovery::open(&first, both(), EVER).unwrap();
    assert_eq!(recovered.last, further);
    drop(store);
    // Both went on by themselves: nobody may choose for the operator.
    for (folder, number) in [(&first, 100), (&second, 200)] {
        let (store, _) = open(folder);
        trade(&store, number, number + 5).await;
    }
    let refused = recovery::open(&first, both(), EVER);
    assert!(matches!(refused.err(), Some(StoreError::Second { .. })));
}

fn day(day: u8) -> BusinessDate {
    BusinessDate { year: 2026, month: 11, day }
}

#[tokio::test]
async fn closed_segments_of_closed_days_are_archived_beside_a_running_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (store, _) = open(folder);
    let none = archive::plan(folder, day(22));
    assert!(matches!(none, Err(ArchiveError::NoDate { .. })), "{none:?}");
    let facts = Group { records: vec![samples::date_moved()], preconditions: vec![] };
    commit(&store, vec![facts]).await;
    // Payments that are all over; then one that stays open; then more.
    for number in 0..200 {
        commit(&store, vec![samples::begin(number)]).await;
        if number != 120 {
            commit(&store, vec![samples::later(number, 2, vec![samples::approved(number)])]).await;
        }
    }
    let last = store.gauges().written;
    applied(&store, last).await;
    // Of a day that is not over nothing is moved.
    let early = archive::plan(folder, day(23));
    assert!(matches!(early, Err(ArchiveError::DayOpen { .. })), "{early:?}");
    assert_eq!(archive::plan(folder, day(22)).unwrap().moves, []);
    let moved = Record::DateMoved(DateMoved { at: samples::at(500), date: day(23) });
    let last = commit(&store, vec![Group { records: vec![moved], preconditions: vec![] }]).await;
    applied(&store, last).await;

    let (before, report) = (dump(folder), verify::verify(folder).unwrap());
    let plan = archive::plan(folder, day(23)).unwrap();
    let Some(Stays::Payment(needed)) = &plan.stays else { panic!("{plan:?}") };
    assert_eq!((needed.id, needed.state.as_str()), (samples::id(120), "maybe_sent"));
    assert!(plan.moves.len() > 1 && plan.moves.iter().all(|it| it.last < needed.first.0));
    archive::carry_out(folder, &plan).unwrap();
    archive::carry_out(folder, &plan).unwrap();
    let paths = Paths::of(folder);
    for segment in &plan.moves {
        assert!(paths.archive.join(&segment.name).exists());
        assert!(!paths.journal.join(&segment.name).exists());
    }
    assert_eq!(archive::plan(folder, day(23)).unwrap().moves, []);
    // The store goes on, old payments are read, and the journal is whole with its archive.
    let timeline = store.read(|reader| reader.payment_timeline(samples::id(3))).await.unwrap();
    assert_eq!(timeline.len(), 3);
    assert_eq!(verify::verify(folder).unwrap(), report);
    let ended = commit(&store, vec![samples::later(120, 2, vec![samples::approved(120)])]).await;
    applied(&store, ended).await;
    // When that one is over, all but the segment that is written goes.
    let plan = archive::plan(folder, day(23)).unwrap();
    assert_eq!(plan.stays, None);
    archive::carry_out(folder, &plan).unwrap();
    let left = fs::read_dir(&paths.journal).unwrap().map(|it| it.unwrap().file_name());
    let left = left.filter(|name| name.to_string_lossy().ends_with(".journal"));
    assert_eq!(left.count(), 1);
    drop(store);
    // A start without the archive's help, and a ledger made again with it.
    let away = folder.join("away");
    fs::rename(&paths.archive, &away).unwrap();
    drop(open(folder));
    fs::rename(&away, &paths.archive).unwrap();
    let rows = dump(folder);
    assert_eq!(rows.len(), before.len());
    for ending in ["", "-wal", "-shm"] {
        drop(fs::remove_file(format!("{}{ending}", paths.ledger.display())));
    }
    drop(open(folder));
    assert_eq!(dump(folder), rows);
}

#[tokio::test]
async fn a_copy_far_behind_that_is_cut_short_within_a_stride_is_cut_and_copied_again() {
    // Large enough for several strides.
    let (folder, source) = (tempfile::tempdir().unwrap(), MemoryDisk::default());
    let settings = Settings { segment_bytes: 3 << 20, ..settings() };
    let ledger = folder.path().join("ledger.db");
    let (store, _) = recovery::open_on(Arc::new(source.clone()), &ledger, settings, EVER).unwrap();
    for chunk in 0..60 {
        let groups = (chunk * 50..chunk * 50 + 50).map(samples::begin).collect();
        commit(&store, groups).await;
    }
    drop(store);
    let through = end(&source);
    for number in 1..8_u32 {
        let copy = MemoryDisk::default();
        copy.set(Faults { sync: Some(number), ..Faults::default() });
        let failed = Follower::open(Arc::new(copy.clone()))
            .and_then(|mut follower| follower.follow(&source, through).map(drop));
        assert!(matches!(failed, Err(ShipError::File { .. })), "{failed:?}");
        let mut sector = 0;
        copy.cut_power(|| {
            sector += 1;
            sector % 3 == 0
        });
        let mut follower = Follower::open(Arc::new(copy.clone())).unwrap();
        follower.follow(&source, through).unwrap();
        assert_eq!(segment_files(&copy), segment_files(&source), "sync {number}");
    }
}
