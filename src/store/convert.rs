//! Writes the heads of segments in another format, so that an older release can read the journal, or a
//! newer one's heads say more. Records, batches and the chain of hashes are the same in all formats.

use super::StoreError;
use super::journal::disk::Folder;
use super::journal::frame::Place;
use super::journal::frame::SECTOR;
use super::journal::scan::scan;
use super::journal::segment::{Format, Made, Release, SegmentHead, first_of};
use super::journal::{Damage, DamageFault};
use super::ledger::LedgerError;
use super::recovery::{Paths, stop};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tidegate_payment::durable::Sequence;
use tidegate_payment::time::Timestamp;

/// Writes every segment's head in `format`; the archive's too. The gateway must be stopped. The journal
/// is read and checked whole first. Gives back how many heads were written; when it is cut short it can
/// be done again.
///
/// # Errors
/// [`StoreError`].
pub fn convert(folder: &Path, format: Format, now: Timestamp) -> Result<u64, StoreError> {
    let paths = Paths::of(folder);
    let journal = paths.journal.display().to_string();
    if !paths.journal.is_dir() {
        let missing = io::Error::from(ErrorKind::NotFound);
        return Err(StoreError::file(format!("find a journal in {journal}"))(missing));
    }
    let disk = Folder::lock(&paths.journal, &paths.archive);
    let disk = disk.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => StoreError::Locked { folder: journal.clone() },
        _ => StoreError::file(format!("use the journal folder {journal}"))(error),
    })?;
    scan(&disk, Place::START, |_, _| Ok::<_, LedgerError>(())).map_err(stop)?;
    let mut written = 0_u64;
    for path in segments(&paths)? {
        let what = || format!("convert {}", path.display());
        if convert_one(&path, format, now).map_err(StoreError::file(what()))? {
            written = written.saturating_add(1);
        }
    }
    Ok(written)
}

fn convert_one(path: &Path, format: Format, now: Timestamp) -> io::Result<bool> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut sector = [0; SECTOR];
    file.read_exact_at(&mut sector, 0)?;
    let head = SegmentHead::decode(&sector).map_err(|_| {
        let segment = path.display().to_string();
        let fault = DamageFault::SegmentHead;
        io::Error::other(Damage { segment, offset: 0, sequence: Sequence(0), fault })
    })?;
    if head.format() == format {
        return Ok(false);
    }
    let made = Made { at: now.0, release: Release::this() };
    let head = SegmentHead { made: (format == Format::V2).then_some(made), ..head };
    // One sector: it is written whole or not at all.
    file.write_all_at(&head.encode(), 0)?;
    file.sync_data()?;
    Ok(true)
}

fn segments(paths: &Paths) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for folder in [&paths.archive, &paths.journal] {
        let failed = || StoreError::file(format!("read {}", folder.display()));
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(failed())?,
        };
        for entry in entries {
            let path = entry.map_err(failed())?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if name.and_then(first_of).is_some() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
