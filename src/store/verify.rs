//! Checks a whole journal, archive included, from its first record; beside a running gateway or not.

use super::fields::DecodeError;
use super::journal::disk::Folder;
use super::journal::frame::{Place, RawRecord};
use super::journal::scan::{ScanError, Torn, scan};
use super::journal::segment::SegmentHead;
use super::journal::{Chain, Damage, DamageFault, GENESIS};
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
    /// The head of the newest segment: its format, and in format 2 who made it; `None` for an empty one.
    pub newest: Option<SegmentHead>,
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
    read(folder, |_| {})
}

fn read(folder: &Path, mut see: impl FnMut(&RawRecord<'_>)) -> Result<Report, StoreError> {
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
        see(raw);
        record_code::decode(raw.kind, raw.version, raw.body).map(drop)
    })
    .map_err(located)?;
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
        newest: tail.segment.map(|(_, head)| head),
        torn: tail.torn,
        ledger: applied,
    })
}

/// How a copy of a journal stands to the journal that it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The copy.
    pub copy: Report,
    /// The journal.
    pub first: Report,
    /// The last record of the shorter of the two, up to which they have the same records; `None` if they
    /// have not, and the one is no copy of the other.
    pub same_up_to: Option<Sequence>,
    /// How many records the journal has that the copy lacks.
    pub missing: u64,
}

/// Checks a copy and the journal that it was made of, each whole, and that the one is a beginning of the
/// other. Two journals with equal chain values at a record are equal up to there.
///
/// # Errors
/// As [`verify`], for either.
pub fn compare(copy: &Path, first: &Path) -> Result<Comparison, StoreError> {
    let copied = verify(copy)?;
    let mut chain = (copied.last == Sequence(0)).then_some(GENESIS);
    let journal = read(first, |raw| {
        if raw.sequence == copied.last {
            chain = Some(raw.chain);
        }
    })?;
    let (mut same, mut up_to) = (chain == Some(copied.chain), copied.last);
    if journal.last < copied.last {
        let mut chain = (journal.last == Sequence(0)).then_some(GENESIS);
        read(copy, |raw| {
            if raw.sequence == journal.last {
                chain = Some(raw.chain);
            }
        })?;
        (same, up_to) = (chain == Some(journal.chain), journal.last);
    }
    let missing = journal.last.0.saturating_sub(copied.last.0);
    Ok(Comparison { copy: copied, first: journal, same_up_to: same.then_some(up_to), missing })
}

/// A record that says nothing is damage, with its place.
fn located(error: ScanError<DecodeError>) -> StoreError {
    match error {
        ScanError::Visitor { error, segment, offset, sequence } => {
            let fault = DamageFault::Record(error);
            Damage { segment, offset, sequence, fault }.into()
        }
        ScanError::Damaged(damage) => damage.into(),
        ScanError::File { name, source } => {
            StoreError::File { what: format!("read the journal file {name}"), source }
        }
    }
}
