//! Moves closed segments of days that are over and done with out of the journal folder, while the
//! gateway runs: it reads old payments in the ledger, and opens old segments only to make that again.
//!
//! Never moved: the segment that is written; what the ledger has not applied; and everything from the
//! first record on of the oldest payment that is open, a case, waits for reconciliation, or is of a day
//! that is to stay. Segments go oldest first and without a gap, so the journal folder always holds the
//! end of the chain as one piece.

use super::journal::disk::{Disk, Folder};
use super::journal::segment::first_of;
use super::ledger::{Ledger, LedgerError, Needed, Reader};
use super::recovery::Paths;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use tidegate_payment::time::{BusinessDate, Timestamp};

/// Why nothing, or nothing more, can be moved.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The day is not over.
    #[error("days before {before} are not all closed: the business date is {open}")]
    DayOpen {
        /// The day asked for.
        before: String,
        /// The business date.
        open: String,
    },
    /// No business date is known, or there is no ledger.
    #[error("the ledger in {folder} does not tell which days are closed: start the gateway once")]
    NoDate {
        /// The data folder.
        folder: String,
    },
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] LedgerError),
    /// A file could not be used.
    #[error("cannot {what}")]
    File {
        /// What was attempted.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl ArchiveError {
    fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }
}

/// What can be moved, and why the next segment cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The segments, oldest first.
    pub moves: Vec<Segment>,
    /// Why the segment behind them stays; `None` if there is none but the one that is written.
    pub stays: Option<Stays>,
}

/// A closed segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its file.
    pub name: String,
    /// Its first record.
    pub first: u64,
    /// Its last record.
    pub last: u64,
}

/// Why a segment stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    /// A payment that began in it, or before it, is still needed.
    Payment(Box<Needed>),
    /// The ledger has not applied all of it.
    NotApplied,
}

/// Finds what of the data folder `folder` belongs to business dates before `before` alone.
/// # Errors
/// [`ArchiveError`].
pub fn plan(folder: &Path, before: BusinessDate) -> Result<Plan, ArchiveError> {
    let paths = Paths::of(folder);
    let unknown = || ArchiveError::NoDate { folder: folder.display().to_string() };
    let applied = Ledger::look(&paths.ledger)?.ok_or_else(unknown)?.last.0;
    let reader = Reader::open(&paths.ledger)?;
    let open = reader.latest()?.0.ok_or_else(unknown)?;
    if open < before {
        let (before, open) = (before.to_string(), open.to_string());
        return Err(ArchiveError::DayOpen { before, open });
    }
    let needed = reader.oldest_needed(before, well_before(before))?;
    // Without the archive: what is there already needs no move.
    let names = Folder::look(&paths.journal, &paths.journal).names();
    let names = names.map_err(ArchiveError::file(format!("read {}", paths.journal.display())))?;
    let mut firsts: Vec<(u64, String)> =
        names.into_iter().filter_map(|name| first_of(&name).map(|first| (first, name))).collect();
    firsts.sort_unstable();
    let mut plan = Plan { moves: Vec::new(), stays: None };
    for ((first, name), (next, _)) in firsts.iter().zip(firsts.iter().skip(1)) {
        let last = next.saturating_sub(1);
        if let Some(needed) = needed.as_ref().filter(|needed| needed.first.0 <= last) {
            plan.stays = Some(Stays::Payment(Box::new(needed.clone())));
            break;
        }
        if applied < last {
            plan.stays = Some(Stays::NotApplied);
            break;
        }
        plan.moves.push(Segment { name: name.clone(), first: *first, last });
    }
    Ok(plan)
}

/// A time before which no payment of `date` can have been accepted, in any time zone.
fn well_before(date: BusinessDate) -> Timestamp {
    let text = format!("{date}T00:00:00Z");
    let midnight =
        text.parse::<jiff::Timestamp>().map_or(i64::MIN, jiff::Timestamp::as_microsecond);
    Timestamp(midnight.saturating_sub(2 * 86_400_000_000))
}

/// Moves the segments of a plan. One that was moved before is passed over, so it can be done again after
/// it was cut short.
/// # Errors
/// [`ArchiveError::File`]; what was moved until then stays moved.
pub fn carry_out(folder: &Path, plan: &Plan) -> Result<(), ArchiveError> {
    let paths = Paths::of(folder);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&paths.archive);
    made.map_err(ArchiveError::file(format!("make the folder {}", paths.archive.display())))?;
    for segment in &plan.moves {
        let (from, to) = (paths.journal.join(&segment.name), paths.archive.join(&segment.name));
        let moved = match fs::rename(&from, &to) {
            Err(error) if error.kind() == ErrorKind::CrossesDevices => carry(&from, &to),
            Err(error) if error.kind() == ErrorKind::NotFound && to.exists() => Ok(()),
            moved => moved,
        };
        let synced = moved
            .and_then(|()| File::open(&paths.archive)?.sync_all())
            .and_then(|()| File::open(&paths.journal)?.sync_all());
        synced.map_err(ArchiveError::file(format!("move {} to the archive", from.display())))?;
    }
    Ok(())
}

/// Moves a file to another file system: it is gone here only when it is durable and equal there.
fn carry(from: &Path, to: &Path) -> io::Result<()> {
    let part = to.with_extension("part");
    fs::copy(from, &part)?;
    File::open(&part)?.sync_all()?;
    if fs::read(from)? != fs::read(&part)? {
        return Err(io::Error::other("the copy in the archive differs from the segment"));
    }
    fs::rename(&part, to)?;
    to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
    fs::remove_file(from)
}
