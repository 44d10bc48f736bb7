//! Every bit, every byte, every batch and every record of a journal, damaged each in its turn: all of it
//! is found and located, and nothing that was acknowledged is taken for a torn tail.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::needless_range_loop,
    reason = "a test stops at the first surprise"
)]

use super::disk::Disk;
use super::frame::{BatchHead, HEAD_BYTES, Place, SECTOR};
use super::memory_disk::MemoryDisk;
use super::room::RoomPlan;
use super::scan::{ScanError, Tail, scan};
use super::segment::Format;
use super::writer::Journal;
use super::{Damage, DamageFault};
use crate::store::samples;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

fn read_from(disk: &MemoryDisk, from: Place) -> Result<Tail, Damage> {
    match scan(disk, from, |_, _| Ok::<(), Infallible>(())) {
        Ok(tail) => Ok(tail),
        Err(ScanError::Damaged(damage)) => Err(damage),
        Err(other) => panic!("{other}"),
    }
}

fn read(disk: &MemoryDisk) -> Result<Tail, Damage> {
    read_from(disk, Place::START)
}

/// A journal of segments of this size, in which each of `batches` holds that many payments.
fn journal(segment_bytes: u64, format: Format, batches: &[u64]) -> MemoryDisk {
    let disk = MemoryDisk::default();
    let plan =
        RoomPlan { segment_bytes, ballast_bytes: 0, retry: Duration::from_secs(3600), format };
    let mut journal = Journal::open(Arc::new(disk.clone()), &read(&disk).unwrap(), plan).unwrap();
    let mut number = 0;
    for payments in batches {
        let mut batch = journal.batch();
        for _ in 0..*payments {
            batch.add(&[samples::accepted(number), samples::timed_out(number)]).unwrap();
            number += 1;
        }
        journal.append(batch).unwrap();
    }
    disk
}

fn segments(disk: &MemoryDisk) -> Vec<String> {
    disk.names().unwrap().into_iter().filter(|name| name.ends_with(".journal")).collect()
}

/// Where each batch of a segment begins, and how long it is.
fn batches(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), SECTOR);
    while let Some(head) = bytes.get(at..).and_then(BatchHead::read) {
        found.push((at, head.padded()));
        at += head.padded();
    }
    found
}

/// Flips one bit, and says whether it was found: located as damage in that file at or before that place,
/// or, behind the end of the journal where nothing was ever acknowledged, named as a torn batch.
fn flip_is_found(disk: &MemoryDisk, whole: &Tail, name: &str, byte: usize, bit: u8) {
    disk.tamper(name, |file| file[byte] ^= 1 << bit);
    match read(disk) {
        Err(damage) => {
            assert_eq!(damage.segment, name, "bit {bit} of byte {byte}: {damage}");
            assert!(damage.offset as usize <= byte, "bit {bit} of byte {byte}: {damage}");
        }
        Ok(tail) => {
            let torn = tail.torn.unwrap_or_else(|| panic!("bit {bit} of byte {byte} of {name}"));
            assert_eq!(name, whole.segment.as_ref().unwrap().0, "bit {bit} of byte {byte}");
            assert!(byte as u64 >= whole.position, "bit {bit} of byte {byte} of {name}");
            assert_eq!((torn.offset, tail.place), (whole.position, whole.place));
        }
    }
    disk.tamper(name, |file| file[byte] ^= 1 << bit);
}

#[test]
fn each_flipped_bit_of_a_journal_of_two_segments_is_found_and_located() {
    for format in [Format::V1, Format::V2] {
        let disk = journal(3072, format, &[2, 2, 2]);
        let (names, whole) = (segments(&disk), read(&disk).unwrap());
        assert_eq!(names.len(), 2, "{names:?}");
        for name in &names {
            for byte in 0..3072 {
                for bit in 0..8 {
                    flip_is_found(&disk, &whole, name, byte, bit);
                }
            }
        }
        assert_eq!(read(&disk).unwrap(), whole);
    }
}

/// `cargo test --release --lib one_random_bit_of_every_byte -- --ignored`
#[test]
#[ignore = "reads 256 KiB for each of its bytes: a minute in a release build"]
fn one_random_bit_of_every_byte_of_a_journal_of_256_kib_is_found() {
    let disk = journal(65_536, Format::V2, &[20; 28]);
    let (names, whole) = (segments(&disk), read(&disk).unwrap());
    assert_eq!(names.len(), 4, "{names:?}");
    let mut dice = 0x9E37_79B9_u32;
    for name in &names {
        for byte in 0..65_536 {
            dice ^= dice << 13;
            dice ^= dice >> 17;
            dice ^= dice << 5;
            flip_is_found(&disk, &whole, name, byte, (dice >> 8 & 7) as u8);
        }
    }
}

#[test]
fn a_segment_cut_at_any_byte_is_found() {
    let disk = journal(3072, Format::V2, &[2, 2, 2]);
    for name in segments(&disk) {
        let bytes = disk.read(&name).unwrap();
        for length in 0..bytes.len() {
            disk.tamper(&name, |file| file.truncate(length));
            let damage = read(&disk).unwrap_err();
            assert_eq!(
                (damage.segment.as_str(), damage.offset),
                (name.as_str(), if length < SECTOR { 0 } else { length as u64 },)
            );
            disk.tamper(&name, |file| file.clone_from(&bytes));
        }
        disk.tamper(&name, |file| file.push(0));
        assert!(matches!(read(&disk).unwrap_err().fault, DamageFault::SegmentSize { .. }));
        disk.tamper(&name, |file| file.clone_from(&bytes));
    }
}

/// Puts the batches of a segment in another order; what is left of the file is zero.
fn rearranged(disk: &MemoryDisk, name: &str, order: &[usize]) -> MemoryDisk {
    let changed = disk.copy();
    changed.tamper(name, |file| {
        let old = file.clone();
        let places = batches(&old);
        file[SECTOR..].fill(0);
        let mut at = SECTOR;
        for index in order {
            let (start, length) = places[*index];
            file[at..at + length].copy_from_slice(&old[start..start + length]);
            at += length;
        }
    });
    changed
}

#[test]
fn each_batch_removed_doubled_or_swapped_is_found() {
    let disk = journal(16_384, Format::V2, &[1, 2, 1, 1, 3, 1]);
    let name = segments(&disk).remove(0);
    let places = batches(&disk.read(&name).unwrap());
    let whole = read(&disk).unwrap();
    let count = places.len();
    let all: Vec<usize> = (0..count).collect();
    for index in 0..count {
        let mut order = all.clone();
        order.remove(index);
        let removed = rearranged(&disk, &name, &order);
        if index + 1 < count {
            let damage = read(&removed).unwrap_err();
            assert_eq!(damage.offset as usize, places[index].0, "{damage}");
        } else {
            // An end that is missing as a whole: nothing in the files tells, and whoever knows how far it
            // should go does: the ledger here, a manifest, a copy, or an operator elsewhere.
            assert!(read(&removed).unwrap().place.last < whole.place.last);
            let damage = read_from(&removed, whole.place).unwrap_err();
            assert!(matches!(damage.fault, DamageFault::EndsEarly { .. }), "{damage}");
        }
        let mut order = all.clone();
        order.insert(index, index);
        let damage = read(&rearranged(&disk, &name, &order)).unwrap_err();
        assert_eq!(damage.offset as usize, places[index].0 + places[index].1, "{damage}");
        for other in index + 1..count {
            let mut order = all.clone();
            order.swap(index, other);
            let damage = read(&rearranged(&disk, &name, &order)).unwrap_err();
            assert_eq!(damage.offset as usize, places[index].0, "{damage}");
        }
    }
}

/// The records of a batch, each with its chain value and checksum.
fn records(batch: &[u8]) -> Vec<Vec<u8>> {
    let head = BatchHead::read(batch).unwrap();
    let (mut at, mut found) = (HEAD_BYTES, Vec::new());
    for _ in 0..head.records {
        let body = u32::from_be_bytes(batch[at..at + 4].try_into().unwrap()) as usize;
        let length = 16 + body + 32 + 4;
        found.push(batch[at..at + length].to_vec());
        at += length;
    }
    found
}

/// A batch of these records, with a head and an end as right as whoever forges them can make them.
fn forged(batch: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    let body = records.concat();
    let mut forged = batch[..HEAD_BYTES].to_vec();
    let length = (HEAD_BYTES + body.len() + 4) as u32;
    forged[4..8].copy_from_slice(&length.to_be_bytes());
    forged[16..20].copy_from_slice(&(records.len() as u32).to_be_bytes());
    let crc = crc32fast::hash(&forged[..24]);
    forged[24..28].copy_from_slice(&crc.to_be_bytes());
    forged.extend(body);
    forged.extend([b'T', b'G', b'E', 0xA5]);
    forged.resize(forged.len().next_multiple_of(SECTOR), 0);
    forged
}

#[test]
fn each_record_removed_doubled_or_swapped_is_found_even_under_a_forged_head() {
    let disk = journal(16_384, Format::V2, &[1, 3, 1]);
    let name = segments(&disk).remove(0);
    let file = disk.read(&name).unwrap();
    let places = batches(&file);
    let (start, length) = places[1];
    let batch = &file[start..start + length];
    let all = records(batch);
    assert_eq!(forged(batch, &all), batch);
    let mut changes: Vec<Vec<Vec<u8>>> = Vec::new();
    for index in 0..all.len() {
        let mut changed = all.clone();
        changed.remove(index);
        changes.push(changed);
        let mut changed = all.clone();
        changed.insert(index, all[index].clone());
        changes.push(changed);
        for other in index + 1..all.len() {
            let mut changed = all.clone();
            changed.swap(index, other);
            changes.push(changed);
        }
    }
    assert_eq!(changes.len(), 6 + 6 + 15);
    for changed in changes {
        let tampered = disk.copy();
        let forged = forged(batch, &changed);
        tampered.tamper(&name, |file| {
            let behind = file[start + length..].to_vec();
            file.truncate(start);
            file.extend(&forged);
            file.extend(&behind);
            file.resize(16_384, 0);
        });
        let damage = read(&tampered).unwrap_err();
        let end = start + forged.len();
        // Without its last record the batch is right in itself, and the next one does not continue it.
        let expected = if changed[..] == all[..all.len() - 1] { end } else { start };
        assert_eq!(damage.offset as usize, expected, "{damage}");
    }
}

#[test]
fn damage_says_what_was_expected() {
    let disk = journal(3072, Format::V2, &[2, 2, 2]);
    let names = segments(&disk);
    let expected = |disk: &MemoryDisk| read(disk).unwrap_err().expected();
    let tampered = |change: &dyn Fn(&mut Vec<u8>)| {
        let copy = disk.copy();
        copy.tamper(&names[0], change);
        copy
    };
    assert!(expected(&tampered(&|file| file[3] ^= 1)).contains("head of a segment"));
    assert_eq!(expected(&tampered(&|file| file[9] = 9)), "a segment of format 1 to 2");
    assert_eq!(expected(&tampered(&|file| file.truncate(2048))), "a file of 3072 bytes");
    let batch = expected(&tampered(&|file| file[600] ^= 1));
    assert!(batch.starts_with("a whole batch that begins at sequence 1 "), "{batch}");
    let missing = disk.copy();
    missing.remove(&names[0]).unwrap();
    assert_eq!(expected(&missing), "a segment that begins at sequence 1");
}
