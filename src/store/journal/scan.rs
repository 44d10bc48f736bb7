//! Reads the journal and judges it: what continues the chain is right, what is missing at the very end
//! is a torn batch, everything else is damage.

use super::disk::Disk;
use super::frame::{
    BATCH_BYTES_MAX, BatchFault, BatchHead, HEAD_BYTES, MAGIC, Place, RawRecord, SECTOR, read_batch,
};
use super::segment::{Format, HeadFault, SegmentHead, first_of};
use super::{Damage, DamageFault};
use std::io;
use tidegate_payment::durable::Sequence;

/// Why a scan stopped.
#[derive(Debug, thiserror::Error)]
pub enum ScanError<E> {
    /// The journal is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file could not be read.
    #[error("cannot read the journal file {name}")]
    File {
        /// Which; empty for the folder.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Whoever looked at the records does not go on.
    #[error("{error}")]
    Visitor {
        /// Why.
        error: E,
        /// At which file.
        segment: String,
        /// At the batch that begins there, in bytes.
        offset: u64,
        /// At which record.
        sequence: Sequence,
    },
}

/// Where the journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The last segment; `None` for an empty journal.
    pub segment: Option<(String, SegmentHead)>,
    /// Where in it the next batch goes, in bytes.
    pub position: u64,
    /// The last record.
    pub place: Place,
    /// The epoch of the last batch.
    pub epoch: u32,
    /// The last batch in the last segment: where it begins, and its bytes.
    pub last_batch: Option<(u64, Vec<u8>)>,
    /// A torn batch behind it.
    pub torn: Option<Torn>,
    /// How many segments, batches and records were read.
    pub read: Counts,
}

/// A batch of which a part is missing: it was never acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How many bytes from there hold anything.
    pub bytes: u64,
}

/// How much was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Segments.
    pub segments: u64,
    /// Batches.
    pub batches: u64,
    /// Records.
    pub records: u64,
}

/// Reads the journal from the segment that holds the record after `from` and hands every record behind
/// `from` to `visit`. What lies before that segment is not read; [`Sequence`] 0 reads all.
///
/// # Errors
/// [`ScanError::Damaged`] with the first damage; what `visit` saw until then is right.
pub fn scan<E>(
    disk: &dyn Disk,
    from: Place,
    mut visit: impl FnMut(u32, &RawRecord<'_>) -> Result<(), E>,
) -> Result<Tail, ScanError<E>> {
    let names = segments_from(disk, from)?;
    let mut tail = Tail {
        segment: None,
        position: 0,
        place: Place::START,
        epoch: 0,
        last_batch: None,
        torn: None,
        read: Counts::default(),
    };
    for (index, name) in names.iter().enumerate() {
        let is_last = index.saturating_add(1) == names.len();
        let source = |source| ScanError::File { name: name.clone(), source };
        let file = disk.read(name).map_err(source)?;
        let mut segment = SegmentScan { name, file: &file, is_last, tail: &mut tail };
        segment.begin(from)?;
        segment.batches(from, &mut visit)?;
    }
    if tail.place.last < from.last {
        let fault = DamageFault::EndsEarly { applied: from.last.0 };
        let segment = names.last().cloned().unwrap_or_else(|| "the journal folder".into());
        let (offset, sequence) = (tail.position, Sequence(tail.place.next()));
        return Err(Damage { segment, offset, sequence, fault }.into());
    }
    Ok(tail)
}

/// The segments that hold the records after `from`, in order.
fn segments_from<E>(disk: &dyn Disk, from: Place) -> Result<Vec<String>, ScanError<E>> {
    let source = |source| ScanError::File { name: String::new(), source };
    let mut names: Vec<(u64, String)> = disk
        .names()
        .map_err(source)?
        .into_iter()
        .filter_map(|name| first_of(&name).map(|first| (first, name)))
        .collect();
    names.sort_unstable();
    // The record at `from` itself is wanted too, where it can be had: its chain value is compared.
    let begin = names.iter().rposition(|(first, _)| *first <= from.last.0).unwrap_or(0);
    Ok(names.into_iter().skip(begin).map(|(_, name)| name).collect())
}

/// One segment under the eye.
struct SegmentScan<'a> {
    name: &'a str,
    file: &'a [u8],
    is_last: bool,
    tail: &'a mut Tail,
}

impl SegmentScan<'_> {
    fn damage(&self, offset: usize, fault: DamageFault) -> Damage {
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        let sequence = Sequence(self.tail.place.next());
        Damage { segment: self.name.to_owned(), offset, sequence, fault }
    }

    /// Checks the segment's head against its file and against the segment before it.
    fn begin(&mut self, from: Place) -> Result<(), Damage> {
        let head = SegmentHead::decode(self.file).map_err(|fault| match fault {
            HeadFault::Wrong => self.damage(0, DamageFault::SegmentHead),
            HeadFault::Format(found) => self.damage(0, unknown_format(found)),
        })?;
        let found = u64::try_from(self.file.len()).unwrap_or(u64::MAX);
        if found != head.bytes {
            let fault = DamageFault::SegmentSize { found, wanted: head.bytes };
            return Err(self.damage(self.file.len(), fault));
        }
        let named = first_of(self.name).unwrap_or(0);
        if named != head.first {
            let fault = DamageFault::SegmentOrder { found: head.first, wanted: named };
            return Err(self.damage(0, fault));
        }
        if self.tail.segment.is_none() {
            // The scan begins here. Where older segments are not read, the head's word is taken for them.
            let before = Sequence(head.first.saturating_sub(1));
            let trusted = Place { last: before, chain: head.chain };
            self.tail.place = if before < from.last { trusted } else { from };
            self.tail.epoch = head.epoch;
        }
        let wanted = self.tail.place.next();
        if head.first != wanted {
            let fault = DamageFault::SegmentOrder { found: head.first, wanted };
            return Err(self.damage(0, fault));
        }
        if head.chain != self.tail.place.chain {
            return Err(self.damage(0, DamageFault::SegmentChain));
        }
        self.tail.segment = Some((self.name.to_owned(), head));
        self.tail.read.segments = self.tail.read.segments.saturating_add(1);
        Ok(())
    }

    fn batches<E>(
        &mut self,
        from: Place,
        visit: &mut impl FnMut(u32, &RawRecord<'_>) -> Result<(), E>,
    ) -> Result<(), ScanError<E>> {
        let mut position = SECTOR;
        let mut last = None;
        while position < self.file.len() {
            let rest = self.file.get(position..).unwrap_or(&[]);
            let batch = match read_batch(rest, self.tail.place, self.tail.epoch) {
                Ok(batch) => batch,
                Err(_) if is_zero(rest) => break,
                Err(fault) => {
                    self.tail.torn = Some(self.judge(position, fault)?);
                    break;
                }
            };
            for record in &batch.records {
                if record.sequence == from.last && record.chain != from.chain {
                    return Err(self.damage(position, DamageFault::OtherJournal).into());
                }
                if record.sequence > from.last {
                    visit(batch.head.epoch, record).map_err(|error| ScanError::Visitor {
                        error,
                        segment: self.name.to_owned(),
                        offset: u64::try_from(position).unwrap_or(u64::MAX),
                        sequence: record.sequence,
                    })?;
                }
                self.tail.read.records = self.tail.read.records.saturating_add(1);
            }
            self.tail.read.batches = self.tail.read.batches.saturating_add(1);
            self.tail.place = batch.place;
            self.tail.epoch = batch.head.epoch;
            last = Some((position, batch.head.padded()));
            position = position.saturating_add(batch.head.padded());
        }
        self.tail.position = u64::try_from(position).unwrap_or(u64::MAX);
        self.tail.last_batch = last.filter(|_| self.is_last).and_then(|(offset, length)| {
            let bytes = self.file.get(offset..)?.get(..length)?;
            Some((u64::try_from(offset).ok()?, bytes.to_vec()))
        });
        Ok(())
    }

    /// Whether what stands at `position` is a torn batch, the last thing of the journal; or damage.
    fn judge(&self, position: usize, fault: BatchFault) -> Result<Torn, Damage> {
        let plain = || self.damage(position, DamageFault::Batch(fault));
        let rest = self.file.get(position..).unwrap_or(&[]);
        if let Some(next) = self.valid_head_after(position) {
            return Err(self.damage(position, DamageFault::Middle { fault, next }));
        }
        let used = used_bytes(rest);
        let torn = match BatchHead::read(rest) {
            // What stands behind the last batch was begun as the next one, or is none of ours.
            Some(head) => {
                let is_next = head.first == self.tail.place.next();
                is_next && head.padded() >= used && is_missing_a_part(rest, head)
            }
            None => is_headless_tear(rest, used),
        };
        if !self.is_last || !torn {
            return Err(plain());
        }
        let (offset, bytes) = (u64::try_from(position), u64::try_from(used));
        Ok(Torn { offset: offset.unwrap_or(u64::MAX), bytes: bytes.unwrap_or(u64::MAX) })
    }

    /// Where a later batch of this journal begins behind `position`, if one does.
    fn valid_head_after(&self, position: usize) -> Option<u64> {
        let from = position.checked_add(SECTOR)?;
        let sectors = self.file.get(from..)?.chunks(SECTOR).enumerate();
        let mut found = sectors.filter(|(_, sector)| {
            BatchHead::read(sector).is_some_and(|head| head.first > self.tail.place.next())
        });
        let (index, _) = found.next()?;
        u64::try_from(from.checked_add(index.checked_mul(SECTOR)?)?).ok()
    }
}

fn unknown_format(found: u16) -> DamageFault {
    let (oldest, newest) = (Format::OLDEST.number(), Format::NEWEST.number());
    DamageFault::Format { found, oldest, newest }
}

/// A batch whose head is there was torn if a sector of it is still zero, or its end is.
fn is_missing_a_part(rest: &[u8], head: BatchHead) -> bool {
    let Some(batch) = rest.get(..head.padded()) else { return false };
    let end = head.length.checked_sub(1).and_then(|last| batch.get(last));
    end == Some(&0) || batch.chunks(SECTOR).any(is_zero)
}

/// A batch without a head was torn if its first sector was not written, or if nothing but a
/// beginning of the head was.
fn is_headless_tear(rest: &[u8], used: usize) -> bool {
    let first = rest.get(..SECTOR).unwrap_or(rest);
    if is_zero(first) {
        return used <= BATCH_BYTES_MAX;
    }
    used < HEAD_BYTES
        && MAGIC.iter().zip(rest.iter().take(used)).all(|(wanted, found)| wanted == found)
}

fn is_zero(bytes: &[u8]) -> bool {
    // Compared by blocks: a whole empty segment is looked at on every start.
    const ZEROES: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROES.len()).all(|chunk| ZEROES.get(..chunk.len()) == Some(chunk))
}

/// How many bytes from the front hold anything but zero at their end.
fn used_bytes(rest: &[u8]) -> usize {
    let mut end = rest.len();
    while let Some(block) = rest.get(end.saturating_sub(SECTOR)..end) {
        if end == 0 || !is_zero(block) {
            break;
        }
        end = end.saturating_sub(SECTOR);
    }
    rest.get(..end)
        .and_then(|used| used.iter().rposition(|b| *b != 0))
        .map_or(0, |last| last.saturating_add(1))
}
