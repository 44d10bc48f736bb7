//! A disk in memory that loses power, fails and fills up on request.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::disk::{Disk, DiskFile};
use super::frame::SECTOR;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

/// A disk in memory; clones share it.
#[derive(Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, Arc<Mutex<Content>>>,
    faults: Faults,
}

/// What goes wrong, and when; counted in calls from now.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    /// Fails this sync (0 is the next); what it should have made durable is lost on a power cut, and
    /// later syncs succeed, as a file system does it.
    pub(crate) sync: Option<u32>,
    /// Fails this write after its first half.
    pub(crate) write: Option<u32>,
    /// How many bytes all files may have together.
    pub(crate) capacity: Option<u64>,
}

#[derive(Default)]
struct Content {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What survives a power cut.
    durable: Vec<u8>,
    /// The sectors that the next sync will write. A sync that fails forgets them, as file systems do:
    /// what they hold stays readable, and no later sync writes it.
    dirty: BTreeSet<usize>,
}

impl Content {
    fn make_durable(&mut self, sector: usize) {
        let end = ((sector + 1) * SECTOR).min(self.seen.len());
        let range = sector * SECTOR..end;
        self.durable[range.clone()].copy_from_slice(&self.seen[range]);
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    content: Arc<Mutex<Content>>,
}

impl MemoryDisk {
    pub(crate) fn set(&self, faults: Faults) {
        self.0.lock().unwrap().faults = faults;
    }

    /// Cuts the power: of each unsynced sector, `keep` decides whether it reached the disk.
    pub(crate) fn cut_power(&self, mut keep: impl FnMut() -> bool) {
        for content in self.0.lock().unwrap().files.values() {
            let mut content = content.lock().unwrap();
            for sector in std::mem::take(&mut content.dirty) {
                if keep() {
                    content.make_durable(sector);
                }
            }
            content.seen = content.durable.clone();
        }
    }

    /// A disk with the same files, which lives on its own.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::default();
        for (name, content) in &self.0.lock().unwrap().files {
            let seen = content.lock().unwrap().seen.clone();
            let content = Content { durable: seen.clone(), seen, dirty: BTreeSet::new() };
            copy.0.lock().unwrap().files.insert(name.clone(), Arc::new(Mutex::new(content)));
        }
        copy
    }

    /// Changes a file behind everybody's back.
    pub(crate) fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let content = Arc::clone(&self.0.lock().unwrap().files[name]);
        let mut content = content.lock().unwrap();
        change(&mut content.seen);
        content.durable = content.seen.clone();
    }

    fn count_down(counter: &mut Option<u32>) -> bool {
        match counter {
            Some(0) => {
                *counter = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

impl Disk for MemoryDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().files.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let inner = self.0.lock().unwrap();
        let content = inner.files.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(content.lock().unwrap().seen.clone())
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let bytes = self.read(name)?;
        let offset = usize::try_from(offset).unwrap().min(bytes.len());
        Ok(bytes[offset..bytes.len().min(offset + length)].to_vec())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.0.lock().unwrap();
        let content = Arc::clone(inner.files.get(name).ok_or(ErrorKind::NotFound)?);
        Ok(Box::new(MemoryFile { disk: self.clone(), content }))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.0.lock().unwrap();
        inner.files.remove(name);
        let used: usize = inner.files.values().map(|f| f.lock().unwrap().seen.len()).sum();
        let wanted = u64::try_from(used).unwrap() + bytes;
        if inner.faults.capacity.is_some_and(|capacity| wanted > capacity) {
            return Err(ErrorKind::StorageFull.into());
        }
        let zeroes = vec![0; usize::try_from(bytes).unwrap()];
        let content = Content { seen: zeroes.clone(), durable: zeroes, dirty: BTreeSet::new() };
        let content = Arc::new(Mutex::new(content));
        inner.files.insert(name.into(), Arc::clone(&content));
        Ok(Box::new(MemoryFile { disk: self.clone(), content }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        let content = inner.files.remove(from).ok_or(ErrorKind::NotFound)?;
        inner.files.insert(to.into(), content);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().files.remove(name);
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let fails = MemoryDisk::count_down(&mut self.disk.0.lock().unwrap().faults.write);
        let written = if fails { &bytes[..bytes.len() / 2] } else { bytes };
        let start = usize::try_from(offset).unwrap();
        let mut content = self.content.lock().unwrap();
        content.seen[start..start + written.len()].copy_from_slice(written);
        content.dirty.extend(start / SECTOR..(start + written.len()).div_ceil(SECTOR));
        if fails { Err(io::Error::other("the disk failed to write")) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let fails = MemoryDisk::count_down(&mut self.disk.0.lock().unwrap().faults.sync);
        let mut content = self.content.lock().unwrap();
        let dirty = std::mem::take(&mut content.dirty);
        if fails {
            return Err(io::Error::other("the disk failed to sync"));
        }
        dirty.into_iter().for_each(|sector| content.make_durable(sector));
        Ok(())
    }
}
