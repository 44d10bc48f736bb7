//! Journals of every format that was ever shipped, held by golden bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::convert::convert;
use super::journal::disk::{Disk, Folder};
use super::journal::frame::Place;
use super::journal::memory_disk::MemoryDisk;
use super::journal::scan::scan;
use super::journal::segment::{Format, Release, SegmentHead};
use super::recovery::{self, Paths};
use super::{Settings, Store, StoreError, record_code, samples, verify};
use data_encoding::HEXLOWER;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tidegate_payment::record::{Group, Record};
use tidegate_payment::time::Timestamp;

const SECTOR: usize = 512;
const EVER: Timestamp = Timestamp(i64::MIN);

fn settings() -> Settings {
    Settings {
        segment_bytes: 1 << 13,
        ballast_bytes: 0,
        apply_every: Duration::ZERO,
        room_retry: Duration::from_secs(3600),
        ..Settings::default()
    }
}

/// What stands in the golden journals: payments in several states, a date and leases.
fn told() -> Vec<Group> {
    let facts = vec![samples::date_moved(), samples::stan_lease(1), samples::rrn_lease(42)];
    let mut groups = vec![Group { records: facts, preconditions: vec![] }];
    for number in 0..8 {
        groups.push(samples::begin(number));
        match number % 3 {
            0 => groups.push(samples::later(number, 2, vec![samples::approved(number)])),
            1 => groups.push(samples::silence(number)),
            _ => {}
        }
    }
    groups.push(samples::refund(20, 0));
    groups
}

/// The used sectors of a journal, to be kept as a text: of each segment its name and size, then of each
/// sector that is not zero its offset and its bytes.
fn as_text(disk: &MemoryDisk) -> String {
    let mut text = String::new();
    let names = disk.names().unwrap().into_iter().filter(|name| name.ends_with(".journal"));
    for name in names {
        let bytes = disk.read(&name).unwrap();
        writeln!(text, "{name} {}", bytes.len()).unwrap();
        for (index, sector) in bytes.chunks(SECTOR).enumerate() {
            let used = sector.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if used > 0 {
                writeln!(text, "@{} {}", index * SECTOR, HEXLOWER.encode(&sector[..used])).unwrap();
            }
        }
    }
    text
}

/// A journal out of such a text.
fn of_text(text: &str) -> MemoryDisk {
    let disk = MemoryDisk::default();
    let mut name = String::new();
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap();
        if let Some(offset) = word.strip_prefix('@') {
            let (offset, bytes): (usize, _) =
                (offset.parse().unwrap(), HEXLOWER.decode(rest.as_bytes()));
            let bytes = bytes.unwrap();
            disk.tamper(&name, |file| file[offset..offset + bytes.len()].copy_from_slice(&bytes));
        } else {
            word.clone_into(&mut name);
            drop(disk.create(&name, rest.parse().unwrap()).unwrap());
        }
    }
    disk
}

/// A journal of format 1 as it was written before there was another.
const FORMAT_1: &str = include_str!("journal/golden-format-1.txt");
/// A journal of format 2; its segments say that release 0.1.0 made them.
const FORMAT_2: &str = include_str!("journal/golden-format-2.txt");

fn records(disk: &MemoryDisk) -> Vec<Record> {
    let mut found = Vec::new();
    scan(disk, Place::START, |_, raw| {
        found.push(record_code::decode(raw.kind, raw.version, raw.body).unwrap());
        Ok::<(), Infallible>(())
    })
    .unwrap();
    found
}

fn formats(disk: &MemoryDisk) -> Vec<u16> {
    let names = disk.names().unwrap().into_iter().filter(|name| name.ends_with(".journal"));
    let head = |name: String| SegmentHead::decode(&disk.read(&name).unwrap()).unwrap();
    names.map(|name| head(name).format().number()).collect()
}

/// Writes the golden journal anew, in the format wanted.
async fn written(format: Format) -> MemoryDisk {
    let folder = tempfile::tempdir().unwrap();
    let (disk, ledger) = (MemoryDisk::default(), folder.path().join("ledger.db"));
    let settings = Settings { format, ..settings() };
    let opened = recovery::open_on(Arc::new(disk.clone()), &ledger, settings, EVER);
    let (store, _) = opened.unwrap();
    for group in told() {
        store.commit(vec![group]).await.unwrap().remove(0).unwrap();
    }
    drop(store);
    disk
}

/// What this release writes when it is told to keep to format 1 is to the byte what the release before
/// it wrote: going back needs nothing more.
#[tokio::test]
async fn format_1_is_written_as_the_release_before_wrote_it() {
    assert_eq!(as_text(&written(Format::V1).await), FORMAT_1);
}

#[tokio::test]
async fn format_2_has_its_golden_bytes_but_for_the_time() {
    let disk = written(Format::V2).await;
    let plain = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with("@0 ")).map(str::to_owned).collect()
    };
    if std::env::var_os("TIDEGATE_PRINT_GOLDEN").is_some() {
        std::fs::write("golden-found.txt", as_text(&disk)).unwrap();
    }
    assert_eq!(plain(&as_text(&disk)), plain(FORMAT_2));
    for name in disk.names().unwrap().into_iter().filter(|name| name.ends_with(".journal")) {
        let head = SegmentHead::decode(&disk.read(&name).unwrap()).unwrap();
        let golden = SegmentHead::decode(&of_text(FORMAT_2).read(&name).unwrap()).unwrap();
        let (made, golden_made) = (head.made.unwrap(), golden.made.unwrap());
        assert_eq!(SegmentHead { made: None, ..head }, SegmentHead { made: None, ..golden });
        assert_eq!(made.release, Release::this());
        assert_eq!(golden_made.release.to_string(), "0.1.0");
        assert!(made.at > golden_made.at);
    }
}

/// The upgrade: the journal of the release before is opened, goes on in the new format, and all is read.
#[tokio::test]
async fn a_journal_of_each_format_ever_shipped_is_opened_and_continued() {
    let told: Vec<Record> = told().into_iter().flat_map(|group| group.records).collect();
    for (golden, written, then) in [
        (FORMAT_1, Format::V2, [1, 2]),
        (FORMAT_1, Format::V1, [1, 1]),
        (FORMAT_2, Format::V2, [2, 2]),
        (FORMAT_2, Format::V1, [2, 1]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (disk, ledger) = (of_text(golden), folder.path().join("ledger.db"));
        assert_eq!(records(&disk), told);
        let before = formats(&disk).len();
        let settings = Settings { format: written, ..settings() };
        let open = || recovery::open_on(Arc::new(disk.clone()), &ledger, settings.clone(), EVER);
        let (store, recovered) = open().unwrap();
        assert_eq!((recovered.groups.len(), recovered.leases.len()), (6, 2));
        for number in 100..110 {
            let committed = store.commit(vec![samples::begin(number)]).await.unwrap().remove(0);
            committed.unwrap();
        }
        drop(store);
        let formats = formats(&disk);
        assert!(formats.len() > before);
        assert_eq!([formats[0], *formats.last().unwrap()], then);
        assert_eq!(open().unwrap().1.groups.len(), 16);
        assert_eq!(records(&disk).len(), told.len() + 20);
    }
}

#[tokio::test]
async fn a_journal_of_a_newer_format_is_refused_by_a_word_that_names_both() {
    let folder = tempfile::tempdir().unwrap();
    let disk = of_text(FORMAT_2);
    disk.tamper("00000000000000000001.journal", |file| file[9] = 3);
    let ledger = folder.path().join("ledger.db");
    let refused = recovery::open_on(Arc::new(disk), &ledger, settings(), EVER);
    let Err(StoreError::Damaged(damage)) = refused else { panic!() };
    let shown = damage.to_string();
    assert!(shown.contains("has format 3, this release reads formats 1 to 2"), "{shown}");
}

/// Going back: every head becomes one of format 1, and nothing else of the journal changes.
#[tokio::test]
async fn a_journal_is_converted_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let open = |format| {
        let settings = Settings { format, ..settings() };
        recovery::open(folder.path(), settings, EVER).unwrap()
    };
    let (store, _) = open(Format::V2);
    for group in told() {
        store.commit(vec![group]).await.unwrap().remove(0).unwrap();
    }
    let now = samples::at(1);
    assert!(matches!(convert(folder.path(), Format::V1, now), Err(StoreError::Locked { .. })));
    drop(store);
    let before = verify::verify(folder.path()).unwrap();
    assert_eq!(before.newest.unwrap().format(), Format::V2);
    assert_eq!(convert(folder.path(), Format::V1, now).unwrap(), before.segments);
    let after = verify::verify(folder.path()).unwrap();
    assert_eq!(after.newest.unwrap().format(), Format::V1);
    assert_eq!((after.chain, after.records), (before.chain, before.records));
    // To the byte what the release before would have written.
    let disk = MemoryDisk::default();
    let look = Folder::look(&Paths::of(folder.path()).journal, &Paths::of(folder.path()).archive);
    for name in look.names().unwrap().into_iter().filter(|name| name.ends_with(".journal")) {
        let bytes = look.read(&name).unwrap();
        drop(disk.create(&name, bytes.len() as u64).unwrap());
        disk.tamper(&name, |file| file.copy_from_slice(&bytes));
    }
    assert_eq!(as_text(&disk), FORMAT_1);
    assert_eq!(convert(folder.path(), Format::V1, now).unwrap(), 0);
    assert_eq!(convert(folder.path(), Format::V2, now).unwrap(), before.segments);
    drop(open(Format::V2));
}
