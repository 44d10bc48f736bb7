#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise"
)]

use super::frame::{Place, SECTOR};
use super::memory_disk::{Faults, MemoryDisk};
use super::room::RoomPlan;
use super::scan::{ScanError, Tail, scan};
use super::segment::{Format, file_name};
use super::writer::Journal;
use super::{Damage, DamageFault};
use crate::store::record_code;
use crate::store::samples;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidegate_payment::record::Record;

const PLAN: RoomPlan = RoomPlan {
    segment_bytes: 16_384,
    ballast_bytes: 0,
    retry: Duration::from_secs(3600),
    format: Format::NEWEST,
};

/// Everything in the journal, or why it cannot be read.
fn read(disk: &MemoryDisk) -> Result<(Vec<Record>, Tail), Damage> {
    let mut records = Vec::new();
    let tail = scan(disk, Place::START, |_, raw| {
        records.push(record_code::decode(raw.kind, raw.version, raw.body).unwrap());
        Ok::<(), Infallible>(())
    });
    match tail {
        Ok(tail) => Ok((records, tail)),
        Err(ScanError::Damaged(damage)) => Err(damage),
        Err(other) => panic!("{other}"),
    }
}

fn open(disk: &MemoryDisk) -> Journal {
    let tail = read(disk).unwrap().1;
    Journal::open(Arc::new(disk.clone()), &tail, PLAN).unwrap()
}

fn append(journal: &mut Journal, records: &[Record]) -> std::io::Result<Vec<u8>> {
    let mut batch = journal.batch();
    batch.add(records).unwrap();
    journal.append(batch)
}

/// Numbers that look random and are the same for the same seed (xorshift).
struct Dice(u32);

impl Dice {
    fn new(seed: u32) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9) | 1)
    }

    fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) % sides
    }
}

/// A journal of two batches of one record and a last one of `last` payments.
fn small(last: u64) -> (MemoryDisk, Vec<Record>) {
    let disk = MemoryDisk::default();
    let mut journal = open(&disk);
    let mut all = vec![samples::stan_lease(1), samples::date_moved()];
    append(&mut journal, &all[..1]).unwrap();
    append(&mut journal, &all[1..]).unwrap();
    let batch: Vec<Record> = (1..=last)
        .flat_map(|n| [samples::accepted(n), samples::send_intent(n), samples::approved(n)])
        .collect();
    append(&mut journal, &batch).unwrap();
    all.extend(batch);
    (disk, all)
}

#[test]
fn what_is_appended_is_read_back_in_order_over_many_segments() {
    let disk = MemoryDisk::default();
    let mut all = Vec::new();
    for run in 0..3 {
        let mut journal = open(&disk);
        assert_eq!(journal.epoch(), run + 1);
        for number in 0..40 {
            let batch = samples::begin(u64::from(run) * 100 + number).records;
            append(&mut journal, &batch).unwrap();
            all.extend(batch);
        }
    }
    let (found, tail) = read(&disk).unwrap();
    assert_eq!(found, all);
    assert!(tail.read.segments > 5, "{:?}", tail.read);
    assert_eq!((tail.epoch, tail.place.last.0), (3, 240));
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_rest_is_kept() {
    let (disk, all) = small(2);
    let (_, tail) = read(&disk).unwrap();
    let (start, bytes) = tail.last_batch.clone().unwrap();
    let (start, name) = (start as usize, file_name(1));
    let content = bytes.len() - bytes.iter().rev().take_while(|b| **b == 0).count();
    for cut in 0..content {
        let torn = disk.copy();
        torn.tamper(&name, |file| file[start + cut..].fill(0));
        let (found, tail) = read(&torn).unwrap_or_else(|damage| panic!("cut at {cut}: {damage}"));
        assert_eq!(found, all[..2], "cut at {cut}");
        assert_eq!(tail.torn.is_some(), cut > 0, "cut at {cut}");
        // After the cut the journal goes on as if the batch had never been.
        let mut journal = open(&torn);
        append(&mut journal, &all[2..3]).unwrap();
        drop(journal);
        let (found, tail) = read(&torn).unwrap();
        assert_eq!((found.as_slice(), tail.torn), (&all[..3], None), "cut at {cut}");
    }
}

#[test]
fn any_mixture_of_missing_sectors_of_the_last_batch_is_a_tear() {
    let (disk, all) = small(3);
    let (_, tail) = read(&disk).unwrap();
    let (start, bytes) = tail.last_batch.clone().unwrap();
    let (start, sectors) = (start as usize, bytes.len() / SECTOR);
    assert!(sectors >= 4, "{sectors}");
    for missing in 1..1_u32 << sectors {
        let torn = disk.copy();
        torn.tamper(&file_name(1), |file| {
            for sector in (0..sectors).filter(|sector| missing >> sector & 1 == 1) {
                file[start + sector * SECTOR..][..SECTOR].fill(0);
            }
        });
        let (found, _) = read(&torn).unwrap_or_else(|damage| panic!("{missing:b}: {damage}"));
        assert_eq!(found, all[..2], "{missing:b}");
    }
}

#[test]
fn each_flipped_byte_is_found() {
    let (disk, all) = small(1);
    let end = read(&disk).unwrap().1.position as usize;
    for flip in [0x01, 0x80, 0xFF] {
        for offset in 0..end {
            let flipped = disk.copy();
            flipped.tamper(&file_name(1), |file| file[offset] ^= flip);
            let damage = read(&flipped).map(|(found, tail)| (found.len(), tail.torn));
            let damage = damage.expect_err(&format!("byte {offset} flipped by {flip:#x}"));
            let sector = offset / SECTOR * SECTOR;
            assert!(damage.offset as usize <= offset, "{offset}: {damage}");
            assert!(sector < damage.offset as usize + 4 * SECTOR, "{offset}: {damage}");
        }
    }
    // Behind the end nothing was ever acknowledged: a flip there loses nothing, found or not.
    for offset in end..end + 2 * SECTOR {
        let flipped = disk.copy();
        flipped.tamper(&file_name(1), |file| file[offset] ^= 0xFF);
        if let Ok((found, tail)) = read(&flipped) {
            assert_eq!(found, all);
            assert!(tail.torn.is_some());
        }
    }
}

#[test]
fn a_flip_in_an_earlier_batch_names_the_valid_one_behind_it() {
    let (disk, _) = small(1);
    disk.tamper(&file_name(1), |file| file[SECTOR + 40] ^= 1);
    let damage = read(&disk).unwrap_err();
    assert_eq!((damage.offset, damage.sequence.0), (512, 1));
    assert!(matches!(damage.fault, DamageFault::Middle { next: 1024, .. }), "{damage}");
}

#[test]
fn a_batch_in_the_place_of_another_is_found() {
    let (disk, _) = small(1);
    // A misdirected write, and a stale block: the second batch over the first, the first over the second.
    for (from, to) in [(2, 1), (1, 2)] {
        let swapped = disk.copy();
        swapped.tamper(&file_name(1), |file| {
            file.copy_within(from * SECTOR..(from + 1) * SECTOR, to * SECTOR);
        });
        let damage = read(&swapped).unwrap_err();
        assert_eq!(damage.offset as usize, to * SECTOR, "{damage}");
    }
}

#[test]
fn a_missing_truncated_or_foreign_segment_is_found() {
    let disk = MemoryDisk::default();
    let mut journal = open(&disk);
    for number in 0..40 {
        append(&mut journal, &samples::begin(number).records).unwrap();
    }
    drop(journal);
    let names: Vec<String> = {
        use super::disk::Disk;
        disk.names().unwrap().into_iter().filter(|n| n.ends_with(".journal")).collect()
    };
    assert!(names.len() >= 3);
    for name in &names[..names.len() - 1] {
        use super::disk::Disk;
        let missing = disk.copy();
        missing.remove(name).unwrap();
        let damage = read(&missing).unwrap_err();
        assert!(matches!(damage.fault, DamageFault::SegmentOrder { .. }), "{damage}");
    }
    let truncated = disk.copy();
    truncated.tamper(&names[1], |file| file.truncate(8192));
    let damage = read(&truncated).unwrap_err();
    assert!(matches!(damage.fault, DamageFault::SegmentSize { .. }), "{damage}");
    // A closed segment may not be torn, though its last batch could be if it were the last.
    let torn = disk.copy();
    torn.tamper(&names[0], |file| {
        let used = file.chunks(SECTOR).rposition(|s| s.iter().any(|b| *b != 0)).unwrap();
        file[used * SECTOR..].fill(0);
    });
    assert_eq!(read(&torn).unwrap_err().segment, names[0]);
}

#[test]
fn a_power_cut_loses_nothing_that_was_synced() {
    for seed in 0..200_u32 {
        let disk = MemoryDisk::default();
        let mut journal = open(&disk);
        let mut acknowledged = Vec::new();
        disk.set(Faults { sync: Some(seed % 7), ..Faults::default() });
        for number in 0..8 {
            let batch = samples::begin(number).records;
            match append(&mut journal, &batch) {
                Ok(_) => acknowledged.extend(batch),
                Err(_) => break,
            }
        }
        drop(journal);
        let mut dice = Dice::new(seed);
        disk.cut_power(|| dice.roll(2) == 1);
        let (found, _) = read(&disk).unwrap_or_else(|damage| panic!("seed {seed}: {damage}"));
        assert_eq!(found[..acknowledged.len()], acknowledged, "seed {seed}");
        assert!(found.len() <= acknowledged.len() + 2, "seed {seed}");
    }
}

#[test]
fn crashes_on_crashes_also_while_opening_lose_nothing_that_was_acknowledged() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let disk = MemoryDisk::default();
        let mut acknowledged = Vec::new();
        for crash in 0..6_u64 {
            let sync = (dice.roll(4) > 0).then(|| dice.roll(6));
            disk.set(Faults { sync, ..Faults::default() });
            let (found, tail) = read(&disk).unwrap_or_else(|d| panic!("seed {seed}: {d}"));
            assert_eq!(found[..acknowledged.len()], acknowledged, "seed {seed}, crash {crash}");
            if let Ok(mut journal) = Journal::open(Arc::new(disk.clone()), &tail, PLAN) {
                // What an opened journal showed is built upon: it is durable from here on.
                acknowledged = found;
                for number in 0..u64::from(dice.roll(30)) {
                    let batch = samples::begin(crash * 100 + number).records;
                    match append(&mut journal, &batch) {
                        Ok(_) => acknowledged.extend(batch),
                        Err(_) => break,
                    }
                }
            }
            if dice.roll(3) > 0 {
                disk.cut_power(|| dice.roll(2) == 1);
            }
        }
        let (found, _) = read(&disk).unwrap_or_else(|damage| panic!("seed {seed}: {damage}"));
        assert_eq!(found[..acknowledged.len()], acknowledged, "seed {seed}");
    }
}

/// A start that cannot sync its zeroes leaves them readable; what they were to cover is still on the disk.
#[test]
fn a_torn_batch_whose_cut_was_not_synced_is_gone_after_the_next_start() {
    let disk = MemoryDisk::default();
    let mut journal = open(&disk);
    append(&mut journal, &samples::begin(1).records).unwrap();
    let before = read(&disk).unwrap().1;
    let large: Vec<Record> = (10..16).flat_map(|number| samples::begin(number).records).collect();
    append(&mut journal, &large).unwrap();
    drop(journal);
    let at = usize::try_from(before.position).unwrap();
    disk.tamper(&before.segment.unwrap().0, |file| file[at + SECTOR..at + 2 * SECTOR].fill(0));
    let torn = read(&disk).unwrap().1;
    assert!(torn.torn.is_some());
    disk.set(Faults { sync: Some(0), ..Faults::default() });
    assert!(Journal::open(Arc::new(disk.clone()), &torn, PLAN).is_err());
    assert_eq!(read(&disk).unwrap().1.torn, None, "the zeroes are readable");
    drop(open(&disk));
    disk.cut_power(|| false);
    assert_eq!(read(&disk).unwrap().1.torn, None, "and durable");
}

#[test]
fn what_was_readable_but_not_durable_is_durable_after_the_next_start() {
    let disk = MemoryDisk::default();
    let mut journal = open(&disk);
    append(&mut journal, &samples::begin(1).records).unwrap();
    disk.set(Faults { sync: Some(0), ..Faults::default() });
    append(&mut journal, &samples::begin(2).records).unwrap_err();
    drop(journal);
    // The page cache still shows the second batch; the new run builds on it.
    assert_eq!(read(&disk).unwrap().0.len(), 4);
    drop(open(&disk));
    disk.cut_power(|| false);
    assert_eq!(read(&disk).unwrap().0.len(), 4);
}

#[test]
fn a_half_written_batch_is_a_tear() {
    let (disk, all) = small(1);
    let mut journal = open(&disk);
    disk.set(Faults { write: Some(0), ..Faults::default() });
    let batch: Vec<Record> = (5..9).flat_map(|n| samples::begin(n).records).collect();
    append(&mut journal, &batch).unwrap_err();
    let (found, tail) = read(&disk).unwrap();
    assert_eq!(found, all);
    assert!(tail.torn.is_some());
}

#[test]
fn on_a_full_disk_the_ballast_gives_one_more_segment() {
    let disk = MemoryDisk::default();
    let plan = RoomPlan { ballast_bytes: 8192, ..PLAN };
    let tail = read(&disk).unwrap().1;
    // Room for the first segment and the ballast, and not for a second segment.
    disk.set(Faults { capacity: Some(16_384 + 8192 + 1000), ..Faults::default() });
    let mut journal = Journal::open(Arc::new(disk.clone()), &tail, plan).unwrap();
    let mut written = 0;
    while append(&mut journal, &samples::begin(written).records).is_ok() {
        written += 1;
    }
    assert!(journal.short_of_room().load(Ordering::Acquire));
    drop(journal);
    let (found, tail) = read(&disk).unwrap();
    assert_eq!(found.len() as u64, written * 2);
    assert_eq!(tail.read.segments, 2);
    // With room again, the journal goes on.
    disk.set(Faults::default());
    let mut journal = open(&disk);
    append(&mut journal, &samples::begin(written).records).unwrap();
    drop(journal);
    assert_eq!(read(&disk).unwrap().1.read.segments, 3);
}

#[test]
fn a_scan_from_the_middle_begins_behind_the_given_record() {
    let disk = MemoryDisk::default();
    let mut journal = open(&disk);
    let mut places = vec![Place::START];
    for number in 0..40 {
        append(&mut journal, &samples::begin(number).records).unwrap();
        places.push(journal.place());
    }
    drop(journal);
    for place in &places {
        let mut first = None;
        scan(&disk, *place, |_, raw| {
            first.get_or_insert(raw.sequence.0);
            Ok::<(), Infallible>(())
        })
        .unwrap();
        assert_eq!(first, (place.last.0 < 80).then_some(place.next()));
    }
    let visit = |_: u32, _: &super::frame::RawRecord<'_>| Ok::<(), Infallible>(());
    let ahead = Place { last: tidegate_payment::durable::Sequence(81), chain: places[40].chain };
    let Err(ScanError::Damaged(damage)) = scan(&disk, ahead, visit) else { panic!() };
    assert!(matches!(damage.fault, DamageFault::EndsEarly { applied: 81 }), "{damage}");
    let other = Place { chain: [9; 32], ..places[30] };
    let Err(ScanError::Damaged(damage)) = scan(&disk, other, visit) else { panic!() };
    assert_eq!(damage.fault, DamageFault::OtherJournal);
}
