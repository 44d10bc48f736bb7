//! The one writer of the journal: appends batches, one write and one sync each.

use super::disk::{Disk, DiskFile};
use super::frame::{BATCH_BYTES_MAX, BatchWriter, Place, SECTOR};
use super::room::{Fresh, Room, RoomPlan, make_fresh, remove_unused};
use super::scan::Tail;
use super::segment::{Format, Made, Release, SegmentHead, file_name};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

/// The journal, open to write. After an append that failed it must not be used again.
pub struct Journal {
    disk: Arc<dyn Disk>,
    room: Room,
    active: Active,
    place: Place,
    epoch: u32,
    format: Format,
}

/// The segment that is written.
pub(in crate::store) struct Active {
    pub(in crate::store) file: Box<dyn DiskFile>,
    /// Its size.
    bytes: u64,
    /// Where the next batch goes.
    pub(in crate::store) position: u64,
}

impl Journal {
    /// Continues a journal that was scanned to its `tail`: cuts a torn batch, and writes and syncs the
    /// last whole one again. A run whose last sync failed may have left that one readable and yet not
    /// durable, and a second sync alone would not tell.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(disk: Arc<dyn Disk>, tail: &Tail, plan: RoomPlan) -> io::Result<Self> {
        Self::open_with(disk, tail, plan, Room::open)
    }

    /// As [`Journal::open`], without a thread of its own: room is made by [`Journal::make_room`], when
    /// the caller says so.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_by_hand(disk: Arc<dyn Disk>, tail: &Tail, plan: RoomPlan) -> io::Result<Self> {
        Self::open_with(disk, tail, plan, |disk, plan| Ok(Room::by_hand(disk, plan)))
    }

    fn open_with(
        disk: Arc<dyn Disk>,
        tail: &Tail,
        plan: RoomPlan,
        room: impl FnOnce(Arc<dyn Disk>, RoomPlan) -> io::Result<Room>,
    ) -> io::Result<Self> {
        let epoch = tail.epoch.saturating_add(1);
        remove_unused(disk.as_ref())?;
        let active = match &tail.segment {
            Some((name, head)) => continue_segment(disk.as_ref(), name, *head, tail)?,
            None => begin_journal(disk.as_ref(), epoch, plan)?,
        };
        let room = room(Arc::clone(&disk), plan)?;
        Ok(Self { disk, room, active, place: tail.place, epoch, format: plan.format })
    }

    /// A batch that continues the journal.
    pub fn batch(&self) -> BatchWriter {
        BatchWriter::new(self.place)
    }

    /// Makes a batch durable and gives back its bytes.
    ///
    /// # Errors
    /// What the system says. Nothing is known then of this batch, and nothing may be written after it.
    pub fn append(&mut self, batch: BatchWriter) -> io::Result<Vec<u8>> {
        let (bytes, place) = batch.finish(self.epoch);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.active.position.saturating_add(length) > self.active.bytes {
            self.active = self.next_segment()?;
        }
        let needed = self.active.position.saturating_add(length);
        if needed > self.active.bytes {
            return Err(io::Error::other("a batch is larger than a journal segment"));
        }
        self.active.file.write_at(self.active.position, &bytes)?;
        self.active.file.sync()?;
        self.active.position = needed;
        self.place = place;
        Ok(bytes)
    }

    /// The last durable record.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Which opening of the journal this is.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// True while there is no room for a next segment.
    pub fn short_of_room(&self) -> Arc<AtomicBool> {
        self.room.short()
    }

    /// Makes the next segment ahead, where it is missing; for a journal opened by hand.
    pub fn make_room(&self) {
        self.room.make();
    }

    fn next_segment(&self) -> io::Result<Active> {
        let fresh = self.room.take()?;
        let head = head_of(&fresh, self.place, self.epoch, self.format);
        begin_segment(self.disk.as_ref(), fresh, head)
    }
}

/// Opens the last segment behind its last whole batch.
pub(in crate::store) fn continue_segment(
    disk: &dyn Disk,
    name: &str,
    head: SegmentHead,
    tail: &Tail,
) -> io::Result<Active> {
    let file = disk.open(name)?;
    // Whether or not something torn is seen there: zeroes that a run before wrote, and could not sync, are
    // read though the disk holds what they were to cover, and the next batch would be mixed with that.
    let room = head.bytes.saturating_sub(tail.position);
    let bytes = usize::try_from(room).unwrap_or(BATCH_BYTES_MAX).min(BATCH_BYTES_MAX);
    file.write_at(tail.position, &vec![0; bytes])?;
    if let Some((offset, bytes)) = &tail.last_batch {
        file.write_at(*offset, bytes)?;
    }
    file.sync()?;
    // The run before may have ended between the segment's rename and its sync.
    disk.sync_names()?;
    Ok(Active { file, bytes: head.bytes, position: tail.position })
}

fn begin_journal(disk: &dyn Disk, epoch: u32, plan: RoomPlan) -> io::Result<Active> {
    let fresh = make_fresh(disk, "unused-0".to_owned(), plan.segment_bytes)?;
    let head = head_of(&fresh, Place::START, epoch, plan.format);
    begin_segment(disk, fresh, head)
}

/// The head of a segment that begins now.
fn head_of(fresh: &Fresh, place: Place, epoch: u32, format: Format) -> SegmentHead {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let made = Made { at: i64::try_from(at).unwrap_or(i64::MAX), release: Release::this() };
    let made = (format == Format::V2).then_some(made);
    SegmentHead { bytes: fresh.bytes, first: place.next(), chain: place.chain, epoch, made }
}

/// Turns a zeroed file into a segment: its head is durable before its name is.
pub(in crate::store) fn begin_segment(
    disk: &dyn Disk,
    Fresh { file, name, .. }: Fresh,
    head: SegmentHead,
) -> io::Result<Active> {
    file.write_at(0, &head.encode())?;
    file.sync()?;
    disk.rename(&name, &file_name(head.first))?;
    let position = u64::try_from(SECTOR).unwrap_or(u64::MAX);
    Ok(Active { file, bytes: head.bytes, position })
}
