//! Copies of the journal: a follower brings a second journal up to the first, batch by batch, byte for
//! byte, and checks the chain of hashes while it does.
//!
//! Only what is durable at the source is copied: a batch that can be read there may still be lost by a
//! power cut, and a copy that had it would no longer be a beginning of its source. Where the source ends
//! is therefore said by its ledger, which applies nothing that is not durable, and never by its files.

use super::journal::disk::Disk;
use super::journal::frame::{BATCH_BYTES_MAX, BatchFault, Place, SECTOR, read_batch};
use super::journal::room::make_fresh;
use super::journal::scan::{ScanError, Tail, scan};
use super::journal::segment::{SegmentHead, file_name, first_of};
use super::journal::writer::{Active, begin_segment, continue_segment};
use super::journal::{Damage, DamageFault};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tidegate_payment::durable::Sequence;

/// How much is read from the source at once, in bytes, and synced at once while the copy is far behind.
const STRIDE: usize = 1 << 20;
/// What a segment of the copy is called until its head is durable.
const UNUSED: &str = "unused-copy";

/// Why a copy does not follow.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// A file of the source or of the copy could not be used.
    #[error("cannot {what}")]
    File {
        /// What was attempted.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The copy itself is damaged.
    #[error("the copy is damaged")]
    Copy(#[source] Damage),
    /// The source is damaged.
    #[error("the source is damaged, and is copied up to there")]
    Source(#[source] Damage),
    /// The source does not continue the copy: it is another journal, or one of the two was set back or
    /// went on by itself.
    #[error(
        "{segment} at byte {offset}: the source does not continue the copy, which ends at record {}: \
         it is another journal, or one of the two was set back or taken over since",
        copied.0
    )]
    Fork {
        /// The source's file.
        segment: String,
        /// Where in it.
        offset: u64,
        /// Where the copy ends.
        copied: Sequence,
    },
    /// The source has not what should follow.
    #[error("the source lacks record {}, though it was made durable up to record {}", wanted, through.0)]
    Gap {
        /// The first record that is missing.
        wanted: u64,
        /// Up to where it should have records.
        through: Sequence,
    },
}

impl ShipError {
    pub(super) fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }
}

/// A copy that follows a journal. It holds its folder as a gateway would.
pub struct Follower {
    copy: Arc<dyn Disk>,
    active: Option<(String, Active)>,
    place: Place,
    epoch: u32,
    /// Whether a copy that is far behind may be brought up by many batches to a sync.
    in_strides: bool,
}

impl Follower {
    /// Opens a copy, or begins one: reads and checks all of it. What a crash left of the last stride is
    /// cut, and copied again; so is damage in the last segment.
    /// # Errors
    /// [`ShipError::Copy`] with the place of the damage in an earlier segment; [`ShipError::File`].
    pub fn open(copy: Arc<dyn Disk>) -> Result<Self, ShipError> {
        let tail = match tail_of(copy.as_ref(), Place::START, ShipError::Copy) {
            Err(ShipError::Copy(damage)) => {
                cut(copy.as_ref(), &damage)?;
                tail_of(copy.as_ref(), Place::START, ShipError::Copy)?
            }
            read => read?,
        };
        Ok(Self { in_strides: true, ..Self::at(copy, &tail)? })
    }

    /// Opens a copy that was scanned to its `tail`. Each batch is synced by itself, so that only the last
    /// one can be torn, whenever it is cut short.
    /// # Errors
    /// [`ShipError::File`].
    pub fn at(copy: Arc<dyn Disk>, tail: &Tail) -> Result<Self, ShipError> {
        let active = match &tail.segment {
            None => None,
            Some((name, head)) => {
                let active = continue_segment(copy.as_ref(), name, *head, tail);
                let active =
                    active.map_err(ShipError::file(format!("continue the copy {name}")))?;
                Some((name.clone(), active))
            }
        };
        let (place, epoch) = (tail.place, tail.epoch);
        Ok(Self { copy, active, place, epoch, in_strides: false })
    }

    /// The last record of the copy.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Copies what `source` has behind the copy, through the batch that holds the record at `through`,
    /// which must be durable there. What it has copied is durable when it comes back. Gives back how
    /// many records were copied.
    ///
    /// # Errors
    /// [`ShipError`]; whole batches that came before are copied then.
    pub fn follow(&mut self, source: &dyn Disk, through: Place) -> Result<u64, ShipError> {
        let before = self.place.last.0;
        while self.place.last < through.last {
            if !self.stride(source, through)? {
                self.next_segment(source, through.last)?;
            }
        }
        Ok(self.place.last.0.saturating_sub(before))
    }

    /// Copies some batches out of the present segment; false when the source has no more in it.
    fn stride(&mut self, source: &dyn Disk, through: Place) -> Result<bool, ShipError> {
        let Some((name, active)) = &mut self.active else { return Ok(false) };
        let read = |length| {
            let bytes = source.read_at(name, active.position, length);
            bytes.map_err(ShipError::file(format!("read {name} of the source")))
        };
        let mut bytes = read(STRIDE)?;
        if bytes.get(..SECTOR).is_none_or(|sector| sector.iter().all(|byte| *byte == 0)) {
            return Ok(false);
        }
        let mut found = batches(&bytes, self.place, self.epoch, through);
        if found.ends.is_empty() && bytes.len() == STRIDE {
            bytes = read(BATCH_BYTES_MAX)?;
            found = batches(&bytes, self.place, self.epoch, through);
        }
        let (segment, offset) = (name.clone(), active.position);
        // Near the end one by one: a copy that could be taken over has at most its last batch torn.
        let far_behind = found.place.last < through.last && found.length() >= STRIDE / 2;
        if self.in_strides && far_behind {
            found.ends.drain(..found.ends.len().saturating_sub(1));
        }
        let mut start = 0;
        for end in &found.ends {
            let part = bytes.get(start..*end).unwrap_or(&[]);
            let written =
                active.file.write_at(active.position, part).and_then(|()| active.file.sync());
            written.map_err(ShipError::file(format!("write {name} of the copy")))?;
            active.position = active.position.saturating_add(length(part));
            start = *end;
        }
        (self.place, self.epoch) = (found.place, found.epoch);
        match found.fault {
            // Nothing of it was right: it is no continuation, or it is damaged.
            Some(fault) if found.ends.is_empty() => {
                Err(self.broken(source, segment, offset, fault))
            }
            _ => Ok(true),
        }
    }

    /// Why the source has no right batch where the copy ends.
    fn broken(
        &self,
        source: &dyn Disk,
        segment: String,
        offset: u64,
        fault: BatchFault,
    ) -> ShipError {
        // If the source has the copy's last record, what follows that is damaged; else they have parted.
        let reached = tail_of(source, self.place, ShipError::Source);
        let copied = self.place.last;
        match reached {
            Err(ShipError::Source(damage))
                if !matches!(
                    damage.fault,
                    DamageFault::OtherJournal | DamageFault::EndsEarly { .. }
                ) =>
            {
                ShipError::Source(damage)
            }
            Ok(_) if !matches!(fault, BatchFault::Chain { .. } | BatchFault::Sequence { .. }) => {
                let (sequence, fault) = (Sequence(self.place.next()), DamageFault::Batch(fault));
                ShipError::Source(Damage { segment, offset, sequence, fault })
            }
            _ => ShipError::Fork { segment, offset, copied },
        }
    }

    /// Begins the segment of the copy that the source has behind the present one.
    fn next_segment(&mut self, source: &dyn Disk, through: Sequence) -> Result<(), ShipError> {
        let (name, wanted) = (file_name(self.place.next()), self.place.next());
        let sector = match source.read_at(&name, 0, SECTOR) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ShipError::Gap { wanted, through });
            }
            read => read.map_err(ShipError::file(format!("read {name} of the source")))?,
        };
        let fork = ShipError::Fork { segment: name.clone(), offset: 0, copied: self.place.last };
        let Ok(head) = SegmentHead::decode(&sector) else {
            let (sequence, fault) = (Sequence(wanted), DamageFault::SegmentHead);
            return Err(ShipError::Source(Damage { segment: name, offset: 0, sequence, fault }));
        };
        if head.first != wanted || head.chain != self.place.chain {
            return Err(fork);
        }
        let begun = make_fresh(self.copy.as_ref(), UNUSED.to_owned(), head.bytes)
            .and_then(|fresh| begin_segment(self.copy.as_ref(), fresh, head));
        let begun = begun.map_err(ShipError::file(format!("begin {name} of the copy")))?;
        self.active = Some((name, begun));
        Ok(())
    }
}

/// Cuts what is wrong in the last segment of a copy off, with all that stands behind it.
fn cut(copy: &dyn Disk, damage: &Damage) -> Result<(), ShipError> {
    let names = copy.names().map_err(ShipError::file("read the copy's folder"))?;
    let last = names.iter().filter(|name| first_of(name).is_some()).max();
    let in_batches = matches!(damage.fault, DamageFault::Batch(_) | DamageFault::Middle { .. });
    if last != Some(&damage.segment) || !in_batches {
        return Err(ShipError::Copy(damage.clone()));
    }
    let name = &damage.segment;
    tracing::warn!(%damage, "the copy is cut there, and copied again");
    let rest = copy.read_at(name, damage.offset, usize::MAX);
    let rest = rest.map_err(ShipError::file(format!("read {name} of the copy")))?;
    let zeroed = copy.open(name).and_then(|file| {
        file.write_at(damage.offset, &vec![0; rest.len()])?;
        file.sync()
    });
    zeroed.map_err(ShipError::file(format!("cut {name} of the copy")))
}

/// Batches off the front of what was read.
struct Found {
    /// Where each of them ends, in bytes.
    ends: Vec<usize>,
    place: Place,
    epoch: u32,
    /// Why there are no more, unless what follows lies behind what is wanted.
    fault: Option<BatchFault>,
}

impl Found {
    fn length(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }
}

fn batches(bytes: &[u8], place: Place, epoch: u32, through: Place) -> Found {
    let mut found = Found { ends: Vec::new(), place, epoch, fault: None };
    while found.place.last < through.last {
        let rest = bytes.get(found.length()..).unwrap_or(&[]);
        match read_batch(rest, found.place, found.epoch) {
            Ok(batch) => {
                let at = batch.records.iter().find(|record| record.sequence == through.last);
                if at.is_some_and(|record| record.chain != through.chain) {
                    found.fault = Some(BatchFault::Chain { number: 0 });
                    break;
                }
                found.ends.push(found.length().saturating_add(batch.head.padded()));
                (found.place, found.epoch) = (batch.place, batch.head.epoch);
            }
            Err(fault) => {
                found.fault = Some(fault);
                break;
            }
        }
    }
    found
}

/// Reads a journal from `from` to its end and tells where that is.
pub(super) fn tail_of(
    disk: &dyn Disk,
    from: Place,
    whose: impl FnOnce(Damage) -> ShipError,
) -> Result<Tail, ShipError> {
    scan(disk, from, |_, _| Ok::<_, Infallible>(())).map_err(|error| match error {
        ScanError::Damaged(damage) => whose(damage),
        ScanError::File { name, source } => {
            ShipError::File { what: format!("read the journal file {name}"), source }
        }
        ScanError::Visitor { error, .. } => match error {},
    })
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
