//! Opens the store: finds the end of the journal, brings the ledger up to it, and hands out what the
//! gateway must know to go on. Opening twice, or crashing while opening, changes nothing more.

use super::copies::{self, CopyError};
use super::embedded::JournalStore;
use super::journal::Chain;
use super::journal::disk::{Disk, Folder};
use super::journal::frame::{Place, RawRecord};
use super::journal::room::RoomPlan;
use super::journal::scan::{ScanError, Tail, scan};
use super::journal::twofold::{Twofold, agree};
use super::journal::writer::Journal;
use super::ledger::{Ledger, LedgerError, Reader};
use super::{Settings, StoreError};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::id::{MerchantId, Nonce};
use tidegate_payment::record::{Group, Leased};
use tidegate_payment::time::{BusinessDate, Timestamp};

/// How many records the ledger applies in one transaction at start.
const CHUNK_RECORDS: usize = 20_000;

/// What the gateway must know to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Every payment of which something is owed or awaited, each with all its records, oldest first.
    /// All others are in the ledger, which has applied the whole journal.
    pub groups: Vec<Durable<Group>>,
    /// The latest payments that ended by a reversal or a person's word, youngest first, at most
    /// [`Settings::late_answers_max`]: an answer to them may still come.
    pub reversed: Vec<Durable<Group>>,
    /// The business date, if it was ever set.
    pub date: Option<BusinessDate>,
    /// The last lease of each space of numbers.
    pub leases: Vec<Leased>,
    /// The nonces of accepted requests that were created at the time asked for, or later.
    pub nonces: Vec<(MerchantId, Nonce, Timestamp)>,
    /// The last durable record.
    pub last: Sequence,
    /// Which opening of the journal this is, from 1.
    pub epoch: u32,
    /// A torn batch was cut: its segment, where it began and how many bytes it had.
    pub cut: Option<(String, u64, u64)>,
}

/// Where the parts of a store lie in its folder.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The folder of the journal's segments.
    pub journal: PathBuf,
    /// Where closed segments may have been moved to.
    pub archive: PathBuf,
    /// The ledger file.
    pub ledger: PathBuf,
}

impl Paths {
    /// The parts of the store in `folder`.
    pub fn of(folder: &Path) -> Self {
        Self {
            journal: folder.join("journal"),
            archive: folder.join("archive"),
            ledger: folder.join("ledger.db"),
        }
    }
}

/// Opens the store in `folder`, making it if there is none. Blocks while it reads.
///
/// # Errors
/// [`StoreError::Locked`] when another process has it open, [`StoreError::Damaged`] with the place of the
/// damage, [`StoreError::File`] or [`StoreError::Ledger`] when a file cannot be used.
pub fn open(
    folder: &Path,
    settings: Settings,
    nonces_since: Timestamp,
) -> Result<(JournalStore, Recovered), StoreError> {
    let paths = Paths::of(folder);
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(StoreError::file(format!("make the folder {}", folder.display())))?;
    let journal = paths.journal.display().to_string();
    let disk =
        Folder::lock(&paths.journal, &paths.archive).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => StoreError::Locked { folder: journal.clone() },
            _ => StoreError::file(format!("use the journal folder {journal}"))(error),
        })?;
    let disk: Arc<dyn Disk> = match &settings.second {
        None => Arc::new(disk),
        Some(second) => Arc::new(with_second(folder, Arc::new(disk), second)?),
    };
    open_on(disk, &paths.ledger, settings, nonces_since)
}

/// The journal's disk and its second copy as one, after they were made equal.
fn with_second(folder: &Path, first: Arc<dyn Disk>, second: &Path) -> Result<Twofold, StoreError> {
    let refused = |error: CopyError| StoreError::Second {
        folder: second.display().to_string(),
        source: Box::new(error),
    };
    copies::make_folder(second).map_err(refused)?;
    copies::copy_beside(folder, second).map_err(refused)?;
    let copy: Arc<dyn Disk> = Arc::new(copies::lock(&Paths::of(second)).map_err(refused)?);
    let (first_lacked, second_lacked) =
        agree(&first, &copy).map_err(|error| refused(error.into()))?;
    if first_lacked > 0 || second_lacked > 0 {
        tracing::warn!(
            first_lacked,
            second_lacked,
            "the journal and its second copy were made equal"
        );
    }
    Ok(Twofold::new(first, copy))
}

/// Opens the store on a given disk.
/// # Errors
/// As [`open`].
pub fn open_on(
    disk: Arc<dyn Disk>,
    ledger_path: &Path,
    settings: Settings,
    nonces_since: Timestamp,
) -> Result<(JournalStore, Recovered), StoreError> {
    let (mut ledger, applied) = open_ledger(ledger_path)?;
    let tail = scan(disk.as_ref(), applied, |_, _| Ok::<_, LedgerError>(())).map_err(stop)?;
    if let (Some(torn), Some((segment, _))) = (tail.torn, &tail.segment) {
        let (offset, bytes, sequence) = (torn.offset, torn.bytes, tail.place.next());
        tracing::warn!(segment, offset, bytes, sequence, "cutting a torn batch off the journal");
    }
    let plan = RoomPlan {
        segment_bytes: settings.segment_bytes,
        ballast_bytes: settings.ballast_bytes,
        retry: settings.room_retry,
        format: settings.format,
    };
    // The last batch is made durable here, before the ledger may know of it.
    let journal = Journal::open(Arc::clone(&disk), &tail, plan);
    let journal = journal.map_err(StoreError::file("continue the journal"))?;
    if applied.last < tail.place.last {
        catch_up(disk.as_ref(), &mut ledger, applied)?;
    }
    let wanted = (nonces_since, settings.late_answers_max);
    let recovered = recovered(ledger_path, &tail, journal.epoch(), wanted)?;
    let store = JournalStore::start(journal, ledger, ledger_path, settings)?;
    Ok((store, recovered))
}

/// Opens the ledger, or puts a useless one aside and begins a new one.
fn open_ledger(path: &Path) -> Result<(Ledger, Place), StoreError> {
    let open = || -> Result<(Ledger, Place), LedgerError> {
        let ledger = Ledger::open(path)?;
        let applied = ledger.place()?;
        Ok((ledger, applied))
    };
    match open() {
        Err(error) if error.wants_rebuild() => {
            tracing::warn!(%error, "the ledger is put aside and made again from the journal");
            put_aside(path).map_err(StoreError::file("put the ledger aside"))?;
            Ok(open()?)
        }
        opened => Ok(opened?),
    }
}

fn put_aside(path: &Path) -> std::io::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".useless{ending}"));
        match fs::rename(&file, &aside) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => renamed?,
        }
    }
    Ok(())
}

/// A record that outlives the segment that it was read from.
struct Owned {
    kind: u8,
    version: u8,
    sequence: Sequence,
    body: Vec<u8>,
    chain: Chain,
}

impl Owned {
    fn raw(&self) -> RawRecord<'_> {
        let Self { kind, version, sequence, ref body, chain } = *self;
        RawRecord { kind, version, sequence, body, chain }
    }
}

/// Applies all that the ledger has not applied yet.
fn catch_up(disk: &dyn Disk, ledger: &mut Ledger, applied: Place) -> Result<(), StoreError> {
    let mut chunk: Vec<Owned> = Vec::new();
    scan(disk, applied, |_, raw| {
        let RawRecord { kind, version, sequence, body, chain } = *raw;
        chunk.push(Owned { kind, version, sequence, body: body.to_vec(), chain });
        if chunk.len() >= CHUNK_RECORDS { apply_chunk(ledger, &mut chunk) } else { Ok(()) }
    })
    .map_err(stop)?;
    Ok(apply_chunk(ledger, &mut chunk)?)
}

fn apply_chunk(ledger: &mut Ledger, chunk: &mut Vec<Owned>) -> Result<(), LedgerError> {
    let records: Vec<RawRecord<'_>> = chunk.iter().map(Owned::raw).collect();
    ledger.apply(&records)?;
    chunk.clear();
    Ok(())
}

fn recovered(
    ledger_path: &Path,
    tail: &Tail,
    epoch: u32,
    (nonces_since, late_answers_max): (Timestamp, u32),
) -> Result<Recovered, StoreError> {
    let reader = Reader::open(ledger_path)?;
    let (date, leases) = reader.latest()?;
    let cut = tail.torn.zip(tail.segment.as_ref());
    Ok(Recovered {
        groups: reader.open_payments()?,
        reversed: reader.latest_reversed(late_answers_max)?,
        date,
        leases,
        nonces: reader.nonces(nonces_since)?,
        last: tail.place.last,
        epoch,
        cut: cut.map(|(torn, (segment, _))| (segment.clone(), torn.offset, torn.bytes)),
    })
}

/// A scan that ended early, in the words of the store.
pub(super) fn stop<E>(error: ScanError<E>) -> StoreError
where
    StoreError: From<E>,
{
    match error {
        ScanError::Damaged(damage) => damage.into(),
        ScanError::File { name, source } => {
            StoreError::File { what: format!("read the journal file {name}"), source }
        }
        ScanError::Visitor { error, .. } => error.into(),
    }
}
