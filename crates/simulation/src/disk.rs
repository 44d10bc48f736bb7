//! A disk that loses power, fails and fills up. What was written and not synced survives a power cut
//! by sectors, each for itself: some are lost, some are not, in any order.

use crate::dice::Dice;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate::store::journal::disk::{Disk, DiskFile};
use tidegate::store::journal::frame::SECTOR;

/// The disk; clones share it.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    names: BTreeMap<String, u64>,
    files: BTreeMap<u64, File>,
    last_file: u64,
    faults: DiskFaults,
    dead: bool,
    operations: u64,
}

/// What goes wrong; counters count operations from now.
#[derive(Debug, Clone, Default)]
pub struct DiskFaults {
    /// The power fails at this operation (0 is the next).
    pub dies_at: Option<u64>,
    /// This sync fails, and what it should have written is forgotten by it.
    pub sync_fails: Option<u64>,
    /// This write fails half way.
    pub write_fails: Option<u64>,
    /// How many bytes all files may have together.
    pub capacity: Option<u64>,
    /// Syncs say that all is well and do nothing.
    pub lies: bool,
    /// Syncs that fail say that all is well.
    pub hides: bool,
    /// The next write changes nothing.
    pub skips: bool,
}

#[derive(Default)]
struct File {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What a power cut would bring back: sectors that are not durable yet.
    volatile: BTreeMap<usize, Volatile>,
}

struct Volatile {
    before: [u8; SECTOR],
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The next sync will write it.
    Dirty,
    /// A sync is under way with it.
    Syncing,
    /// A sync failed with it: readable, and no later sync will write it.
    Forgotten,
}

impl SimDisk {
    /// Sets what goes wrong from now on.
    pub fn fail(&self, change: impl FnOnce(&mut DiskFaults)) {
        change(&mut self.inner().faults);
    }

    /// The power failed at an operation.
    pub fn is_dead(&self) -> bool {
        self.inner().dead
    }

    /// How many bytes all files have.
    pub fn used(&self) -> u64 {
        self.inner().used()
    }

    /// How many segments of a journal there are.
    pub fn segments(&self) -> usize {
        self.inner().names.keys().filter(|name| name.ends_with(".journal")).count()
    }

    /// The sync that is under way has ended.
    pub fn sync_ended(&self) {
        self.inner().sync_ended();
    }

    /// The power is cut, and comes back: of each sector that was not durable, the dice decide.
    pub fn cut_power(&self, dice: &mut Dice) {
        let mut inner = self.inner();
        let kept = dice.below(10_001);
        for file in inner.files.values_mut() {
            for (sector, volatile) in std::mem::take(&mut file.volatile) {
                if !dice.chance(kept) {
                    file.put(sector, &volatile.before);
                }
            }
        }
        inner.revive();
    }

    /// The process that used the disk is gone; the disk goes on.
    pub fn revive(&self) {
        self.inner().revive();
    }

    /// Turns a bit over in the last journal file, behind everybody's back.
    pub fn flip_bit(&self, dice: &mut Dice, used: u64) {
        let mut inner = self.inner();
        let journals = |(name, _): &(&String, &u64)| name.ends_with(".journal");
        let Some((_, file)) = inner.names.iter().rfind(journals) else { return };
        let file = *file;
        let Some(file) = inner.files.get_mut(&file) else { return };
        let sector = u64::try_from(SECTOR).unwrap_or(0);
        let at = usize::try_from(dice.between(sector, used.max(sector))).unwrap_or(0);
        if let Some(byte) = file.seen.get_mut(at) {
            *byte ^= 1;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remove(&mut self, name: &str) {
        if let Some(file) = self.names.remove(name) {
            self.files.remove(&file);
        }
    }

    fn used(&self) -> u64 {
        let bytes: usize = self.files.values().map(|file| file.seen.len()).sum();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn revive(&mut self) {
        self.dead = false;
        self.faults.dies_at = None;
        for file in self.files.values_mut() {
            // A sync of a process that is gone is nobody's promise: what it had not written is dirty.
            for volatile in file.volatile.values_mut().filter(|it| it.stage == Stage::Syncing) {
                volatile.stage = Stage::Dirty;
            }
        }
    }

    /// One more operation; what was under way before has ended.
    fn operate(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(gone());
        }
        self.operations = self.operations.saturating_add(1);
        if count_down(&mut self.faults.dies_at) {
            self.dead = true;
            return Err(gone());
        }
        self.sync_ended();
        Ok(())
    }

    fn sync_ended(&mut self) {
        for file in self.files.values_mut() {
            file.volatile.retain(|_, volatile| volatile.stage != Stage::Syncing);
        }
    }
}

impl File {
    fn put(&mut self, sector: usize, bytes: &[u8]) {
        let start = sector.saturating_mul(SECTOR);
        if let Some(place) = self.seen.get_mut(start..start.saturating_add(bytes.len())) {
            place.copy_from_slice(bytes);
        }
    }

    fn write(&mut self, start: usize, bytes: &[u8]) -> io::Result<()> {
        let end = start.saturating_add(bytes.len());
        for sector in start / SECTOR..end.div_ceil(SECTOR) {
            let from = sector.saturating_mul(SECTOR);
            let before = self.seen.get(from..from.saturating_add(SECTOR));
            let before = before.and_then(|it| it.try_into().ok());
            let before =
                before.ok_or_else(|| io::Error::other("written past the end of a file"))?;
            let entry = self.volatile.entry(sector);
            entry.or_insert(Volatile { before, stage: Stage::Dirty }).stage = Stage::Dirty;
        }
        match self.seen.get_mut(start..end) {
            Some(place) => place.copy_from_slice(bytes),
            None => return Err(io::Error::other("written past the end of a file")),
        }
        Ok(())
    }
}

fn count_down(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(0) => {
            *counter = None;
            true
        }
        Some(left) => {
            *left = left.saturating_sub(1);
            false
        }
        None => false,
    }
}

struct Handle {
    disk: SimDisk,
    file: u64,
}

impl Disk for SimDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let inner = self.inner();
        if inner.dead {
            return Err(gone());
        }
        Ok(inner.names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let inner = self.inner();
        if inner.dead {
            return Err(gone());
        }
        let file = inner.names.get(name).and_then(|file| inner.files.get(file));
        Ok(file.ok_or(ErrorKind::NotFound)?.seen.clone())
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let whole = self.read(name)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
        let rest = whole.get(from..).unwrap_or_default();
        Ok(rest.get(..length).unwrap_or(rest).to_vec())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        inner.operate()?;
        let file = *inner.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        inner.operate()?;
        inner.remove(name);
        let wanted = inner.used().saturating_add(bytes);
        if inner.faults.capacity.is_some_and(|capacity| wanted > capacity) {
            return Err(ErrorKind::StorageFull.into());
        }
        let seen = vec![0; usize::try_from(bytes).unwrap_or(0)];
        inner.last_file = inner.last_file.saturating_add(1);
        let file = inner.last_file;
        inner.names.insert(name.to_owned(), file);
        inner.files.insert(file, File { seen, volatile: BTreeMap::new() });
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        let file = inner.names.remove(from).ok_or(ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        self.inner().operate()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        inner.remove(name);
        Ok(())
    }
}

impl DiskFile for Handle {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.inner();
        let was_dead = inner.dead;
        let operated = inner.operate();
        if was_dead {
            return operated;
        }
        if std::mem::take(&mut inner.faults.skips) {
            return operated;
        }
        // Where the power fails, any of the sectors may have been written.
        let fails = operated.is_ok() && count_down(&mut inner.faults.write_fails);
        let written = if fails { bytes.get(..bytes.len() / 2).unwrap_or(&[]) } else { bytes };
        let file = inner.files.get_mut(&self.file).ok_or(ErrorKind::NotFound)?;
        file.write(usize::try_from(offset).unwrap_or(usize::MAX), written)?;
        if fails { Err(io::Error::other("the disk failed to write")) } else { operated }
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operate()?;
        let fails = count_down(&mut inner.faults.sync_fails);
        let (lies, hides) = (inner.faults.lies, inner.faults.hides);
        let file = inner.files.get_mut(&self.file).ok_or(ErrorKind::NotFound)?;
        let stage = if fails { Stage::Forgotten } else { Stage::Syncing };
        for volatile in file.volatile.values_mut().filter(|it| it.stage == Stage::Dirty) {
            volatile.stage = if lies { Stage::Dirty } else { stage };
        }
        if fails && !hides { Err(io::Error::other("the disk failed to sync")) } else { Ok(()) }
    }
}

fn gone() -> io::Error {
    io::Error::other("the power is gone")
}
