//! Two folders as one disk: whatever is written is durable in both before it counts. What they hold is
//! equal, but for the end after a crash; [`agree`] makes that equal again.

use super::disk::{Disk, DiskFile};
use super::frame::Place;
use super::scan::Tail;
use super::segment::{SegmentHead, first_of};
use crate::store::shipping::{Follower, ShipError, tail_of};
use std::io;
use std::sync::Arc;

/// Two disks that hold the same.
pub struct Twofold {
    first: Arc<dyn Disk>,
    second: Arc<dyn Disk>,
}

impl Twofold {
    /// A disk over two that agree.
    pub fn new(first: Arc<dyn Disk>, second: Arc<dyn Disk>) -> Self {
        Self { first, second }
    }
}

struct TwofoldFile {
    first: Box<dyn DiskFile>,
    second: Box<dyn DiskFile>,
}

/// Brings whichever journal ends earlier up to the other. A batch that one of them has alone was never
/// acknowledged, or the other has lost it: it counts in either case. Gives back how many records the
/// first and the second lacked.
///
/// # Errors
/// [`ShipError::Fork`] when neither is a beginning of the other; damage of either.
pub fn agree(first: &Arc<dyn Disk>, second: &Arc<dyn Disk>) -> Result<(u64, u64), ShipError> {
    let (one, two) = (end_of(first.as_ref())?, end_of(second.as_ref())?);
    if two.place.last < one.place.last {
        let lacked = Follower::at(Arc::clone(second), &two)?.follow(first.as_ref(), one.place)?;
        return Ok((0, lacked));
    }
    if one.place.last < two.place.last {
        let lacked = Follower::at(Arc::clone(first), &one)?.follow(second.as_ref(), two.place)?;
        return Ok((lacked, 0));
    }
    if one.place.chain == two.place.chain {
        // What each may hold of a torn batch is cut in both by whoever opens the journal.
        Follower::at(Arc::clone(second), &two)?;
        return Ok((0, 0));
    }
    let segment = two.segment.map_or_else(String::new, |(name, _)| name);
    Err(ShipError::Fork { segment, offset: two.position, copied: two.place.last })
}

/// Where a journal ends, by its last segment and the one before it.
fn end_of(disk: &dyn Disk) -> Result<Tail, ShipError> {
    let names = disk.names().map_err(ShipError::file("read the journal folder"))?;
    let last = names.iter().filter(|name| first_of(name).is_some()).max();
    let head = match last {
        None => None,
        Some(name) => {
            let sector = disk.read_at(name, 0, super::frame::SECTOR);
            let sector = sector.map_err(ShipError::file(format!("read {name}")))?;
            SegmentHead::decode(&sector).ok()
        }
    };
    // A head that cannot be read is found, with its place, by the scan from the beginning.
    let before = head.and_then(|head| {
        let last = tidegate_payment::durable::Sequence(head.first.checked_sub(1)?);
        Some(Place { last, chain: head.chain })
    });
    tail_of(disk, before.unwrap_or(Place::START), ShipError::Copy)
}

impl Disk for Twofold {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.first.names()?;
        names.extend(self.second.names()?.into_iter().filter(|name| first_of(name).is_none()));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.first.read(name)
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.first.read_at(name, offset, length)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let (first, second) = (self.first.open(name)?, self.second.open(name)?);
        Ok(Box::new(TwofoldFile { first, second }))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let (first, second) = (self.first.create(name, bytes)?, self.second.create(name, bytes)?);
        Ok(Box::new(TwofoldFile { first, second }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.first.rename(from, to)?;
        self.second.rename(from, to)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.first.sync_names()?;
        self.second.sync_names()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.first.remove(name)?;
        self.second.remove(name)
    }
}

impl DiskFile for TwofoldFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.first.write_at(offset, bytes)?;
        self.second.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.first.sync()?;
        self.second.sync()
    }
}
