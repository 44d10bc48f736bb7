//! Checks a whole journal, archive included, from its first record; beside a running gateway or not.

use super::journal::Chain;
use super::journal::disk::Folder;
use super::journal::frame::Place;
use super::journal::scan::{Torn, scan};
use super::ledger::{Ledger, LedgerError};
use super::recovery::{Paths, stop};
use super::{StoreError, record_code};
use std::path::Path;
use tidegate_payment::durable::Sequence;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many segments there are.
    pub segments: u64,
    /// How many batches.
    pub batches: u64,
    /// How many records.
    pub records: u64,
    /// The last record's sequence.
    pub last: Sequence,
    /// Its value in the chain of hashes: two copies of one journal agree in it.
    pub chain: Chain,
    /// How often the journal was opened to write.
    pub epoch: u32,
    /// A torn batch at the end: what a crash left, or what a running gateway writes at this moment.
    pub torn: Option<Torn>,
    /// Up to where the ledger follows; `None` if there is no ledger.
    pub ledger: Option<Sequence>,
}

/// Checks the journal in `folder`: every length, checksum, chain value and field of every record; and
/// that the ledger was made from this journal. Changes nothing.
///
/// # Errors
/// [`StoreError::Damaged`] with the place of the first damage, or what kept it from being read.
pub fn verify(folder: &Path) -> Result<Report, StoreError> {
    let paths = Paths::of(folder);
    std::fs::read_dir(&paths.journal)
        .map_err(StoreError::file(format!("find a journal in {}", paths.journal.display())))?;
    // Before the journal is read: a running gateway only moves ahead.
    let ledger = Ledger::look(&paths.ledger)?;
    let disk = Folder::look(&paths.journal, &paths.archive);
    let mut other = false;
    let tail = scan(&disk, Place::START, |_, raw| {
        let compared = ledger.filter(|place| place.last == raw.sequence);
        other |= compared.is_some_and(|place| place.chain != raw.chain);
        record_code::decode(raw.kind, raw.version, raw.body).map(drop).map_err(LedgerError::from)
    })
    .map_err(stop)?;
    let applied = ledger.map(|place| place.last);
    if other || applied.is_some_and(|applied| applied > tail.place.last) {
        // Said again by a scan that knows where the ledger stands.
        scan(&disk, ledger.unwrap_or(Place::START), |_, _| Ok::<_, LedgerError>(()))
            .map_err(stop)?;
    }
    Ok(Report {
        segments: tail.read.segments,
        batches: tail.read.batches,
        records: tail.read.records,
        last: tail.place.last,
        chain: tail.place.chain,
        epoch: tail.epoch,
        torn: tail.torn,
        ledger: applied,
    })
}
