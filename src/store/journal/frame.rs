//! The bytes of a batch of records. All numbers are big-endian.
//!
//! ```text
//! head     0  magic "TGBT"      record   0  body length n (u32)      mark  "TGE" A5
//!          4  length (u32)               4  kind (u8), version (u8)
//!          8  first sequence (u64)       6  zero (u16)
//!         16  records (u32)              8  sequence (u64)
//!         20  epoch (u32)               16  body, n bytes
//!         24  CRC-32 of 0..24        16+n  chain, SHA-256(chain before ‖ bytes 0..16+n)
//!         28  records, then mark     48+n  CRC-32 of 0..48+n
//! ```
//! `length` counts from the magic through the mark; zeroes fill up the last sector. The epoch counts
//! how often the journal was opened to write. The mark's last byte is not zero, so a batch whose last
//! byte is zero was not written to its end.

use super::{Chain, GENESIS};
use crate::store::fields::TooLong;
use crate::store::record_code;
use sha2::{Digest, Sha256};
use tidegate_payment::durable::Sequence;
use tidegate_payment::record::Record;

/// What is written or lost together on a disk, in bytes.
pub const SECTOR: usize = 512;
/// The largest batch that anybody writes, in bytes.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
pub(in crate::store) const HEAD_BYTES: usize = 28;
pub(in crate::store) const MAGIC: [u8; 4] = *b"TGBT";
const MARK: [u8; 4] = [b'T', b'G', b'E', 0xA5];
const RECORD_HEAD_BYTES: usize = 16;
const CHAIN_BYTES: usize = 32;

/// What is wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchFault {
    /// Its head is not one.
    #[error("its head is wrong")]
    Head,
    /// It does not end where its head says.
    #[error("its end is wrong")]
    End,
    /// It does not continue the sequence.
    #[error("it begins at sequence {found}")]
    Sequence {
        /// Where it begins.
        found: u64,
    },
    /// It was written by an earlier run than the batch before it.
    #[error("its epoch {found} is over")]
    Epoch {
        /// Its epoch.
        found: u32,
    },
    /// A record in it is wrong.
    #[error("its record {number} is wrong")]
    Record {
        /// Which, from 0.
        number: u32,
    },
    /// A record does not continue the chain of hashes.
    #[error("its record {number} breaks the chain of hashes")]
    Chain {
        /// Which, from 0.
        number: u32,
    },
}

/// Where the journal stands: what the next record must continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The sequence of the last record.
    pub last: Sequence,
    /// Its chain value.
    pub chain: Chain,
}

impl Place {
    /// Before the first record.
    pub const START: Self = Self { last: Sequence(0), chain: GENESIS };

    /// The sequence of the next record.
    pub fn next(self) -> u64 {
        self.last.0.saturating_add(1)
    }
}

/// A record as it lies in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// Its kind.
    pub kind: u8,
    /// The version of its body.
    pub version: u8,
    /// Its sequence.
    pub sequence: Sequence,
    /// Its fields.
    pub body: &'a [u8],
    /// Its chain value.
    pub chain: Chain,
}

/// A batch in the making.
pub struct BatchWriter {
    bytes: Vec<u8>,
    records: u32,
    place: Place,
}

impl BatchWriter {
    /// A batch that continues `place`.
    pub fn new(place: Place) -> Self {
        Self { bytes: vec![0; HEAD_BYTES], records: 0, place }
    }

    /// Adds all records of a group, or none.
    /// # Errors
    /// [`TooLong`] when one cannot be written.
    pub fn add(&mut self, records: &[Record]) -> Result<Sequence, TooLong> {
        let (length, count, place) = (self.bytes.len(), self.records, self.place);
        for record in records {
            if let Err(error) = self.add_one(record) {
                self.bytes.truncate(length);
                (self.records, self.place) = (count, place);
                return Err(error);
            }
        }
        Ok(self.place.last)
    }

    fn add_one(&mut self, record: &Record) -> Result<(), TooLong> {
        let start = self.bytes.len();
        let sequence = self.place.next();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[record_code::kind(record), record_code::VERSION, 0, 0]);
        self.bytes.extend_from_slice(&sequence.to_be_bytes());
        record_code::encode(record, &mut self.bytes)?;
        let body_bytes = self.bytes.len().saturating_sub(start).saturating_sub(RECORD_HEAD_BYTES);
        // A body has at most some 20 fields of at most 65535 bytes.
        let body_bytes = u32::try_from(body_bytes).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start..).and_then(|b| b.first_chunk_mut::<4>()) {
            *place = body_bytes.to_be_bytes();
        }
        let chain = next_chain(&self.place.chain, self.bytes.get(start..).unwrap_or(&[]));
        self.bytes.extend_from_slice(&chain);
        let crc = crc32fast::hash(self.bytes.get(start..).unwrap_or(&[]));
        self.bytes.extend_from_slice(&crc.to_be_bytes());
        self.records = self.records.saturating_add(1);
        self.place = Place { last: Sequence(sequence), chain };
        Ok(())
    }

    /// How many records it holds.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// How many bytes it has so far.
    #[expect(clippy::len_without_is_empty, reason = "a batch has at least its head")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes to write, whole sectors, and where the journal stands behind them.
    pub(crate) fn finish(mut self, epoch: u32) -> (Vec<u8>, Place) {
        self.bytes.extend_from_slice(&MARK);
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let first = self.place.next().saturating_sub(u64::from(self.records));
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&length.to_be_bytes());
        head.extend_from_slice(&first.to_be_bytes());
        head.extend_from_slice(&self.records.to_be_bytes());
        head.extend_from_slice(&epoch.to_be_bytes());
        let crc = crc32fast::hash(&head);
        head.extend_from_slice(&crc.to_be_bytes());
        if let Some(place) = self.bytes.get_mut(..HEAD_BYTES) {
            place.copy_from_slice(&head);
        }
        let padded = self.bytes.len().next_multiple_of(SECTOR);
        self.bytes.resize(padded, 0);
        (self.bytes, self.place)
    }
}

fn next_chain(before: &Chain, record: &[u8]) -> Chain {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(record);
    hasher.finalize().into()
}

/// The head of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct BatchHead {
    pub(in crate::store) length: usize,
    pub(in crate::store) first: u64,
    pub(in crate::store) records: u32,
    pub(in crate::store) epoch: u32,
}

impl BatchHead {
    /// The head at the front of `bytes`, if there is one.
    pub(in crate::store) fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        let head = cursor.0.get(..24)?;
        (cursor.array::<4>()? == MAGIC).then_some(())?;
        let length = usize::try_from(cursor.u32()?).ok()?;
        let (first, records, epoch) = (cursor.u64()?, cursor.u32()?, cursor.u32()?);
        let crc = cursor.u32()?;
        let fits = (HEAD_BYTES..=BATCH_BYTES_MAX).contains(&length);
        (fits && crc == crc32fast::hash(head)).then_some(Self { length, first, records, epoch })
    }

    /// How many bytes it takes on the disk.
    pub(in crate::store) fn padded(self) -> usize {
        self.length.next_multiple_of(SECTOR)
    }
}

/// A batch that was read and found right.
#[derive(Debug)]
pub(in crate::store) struct Batch<'a> {
    pub(in crate::store) head: BatchHead,
    pub(in crate::store) records: Vec<RawRecord<'a>>,
    pub(in crate::store) place: Place,
}

/// Reads the batch at the front of `bytes`, which must continue `place`.
pub(in crate::store) fn read_batch(
    bytes: &[u8],
    place: Place,
    epoch: u32,
) -> Result<Batch<'_>, BatchFault> {
    let head = BatchHead::read(bytes).ok_or(BatchFault::Head)?;
    let whole = bytes.get(..head.padded()).ok_or(BatchFault::End)?;
    let (content, filling) = whole.split_at_checked(head.length).ok_or(BatchFault::End)?;
    if head.first != place.next() {
        return Err(BatchFault::Sequence { found: head.first });
    }
    if head.epoch < epoch {
        return Err(BatchFault::Epoch { found: head.epoch });
    }
    let mut records = Vec::new();
    let mut place = place;
    let mut cursor = Cursor(content.get(HEAD_BYTES..).ok_or(BatchFault::End)?);
    for number in 0..head.records {
        let framed = cursor.record().ok_or(BatchFault::Record { number })?;
        let raw = framed.raw;
        if crc32fast::hash(framed.checked) != framed.crc || raw.sequence.0 != place.next() {
            return Err(BatchFault::Record { number });
        }
        if next_chain(&place.chain, framed.chained) != raw.chain {
            return Err(BatchFault::Chain { number });
        }
        place = Place { last: raw.sequence, chain: raw.chain };
        records.push(raw);
    }
    if cursor.0 != MARK || filling.iter().any(|byte| *byte != 0) {
        return Err(BatchFault::End);
    }
    Ok(Batch { head, records, place })
}

/// The records of a batch that this process has just written, without checking it again.
pub fn records_of(batch: &[u8]) -> Vec<RawRecord<'_>> {
    let Some(head) = BatchHead::read(batch) else { return Vec::new() };
    let mut cursor = Cursor(batch.get(HEAD_BYTES..).unwrap_or(&[]));
    (0..head.records).map_while(|_| cursor.record()).map(|framed| framed.raw).collect()
}

/// Numbers and records off the front of bytes.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next record, as far as its lengths are right; its checksum is not looked at.
    fn record(&mut self) -> Option<Framed<'a>> {
        let start = self.0;
        let body_bytes = usize::try_from(self.u32()?).ok()?;
        let [kind, version, 0, 0] = self.array()? else { return None };
        let sequence = Sequence(self.u64()?);
        let body = self.take(body_bytes)?;
        let chain = self.array::<CHAIN_BYTES>()?;
        let crc = self.u32()?;
        let chained = start.get(..RECORD_HEAD_BYTES.checked_add(body_bytes)?)?;
        let checked = start.get(..chained.len().checked_add(CHAIN_BYTES)?)?;
        Some(Framed {
            raw: RawRecord { kind, version, sequence, body, chain },
            chained,
            checked,
            crc,
        })
    }
}

/// A record and what its chain value and its checksum cover.
struct Framed<'a> {
    raw: RawRecord<'a>,
    chained: &'a [u8],
    checked: &'a [u8],
    crc: u32,
}
