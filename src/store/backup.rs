//! Backups of a data folder, made while the gateway pays, and proved when they are made and when they
//! are restored. The ledger is not in them: it follows from the journal, and a restore makes it again.

use super::copies::{CopyError, FollowingFolder, Source, write_whole};
use super::recovery::{self, Paths};
use super::verify::{self, Report};
use super::{Settings, StoreError, export};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use tidegate_payment::time::Timestamp;

/// What tells of a backup, in its folder.
pub const MANIFEST: &str = "backup.json";
/// Where a restore puts the journal until it is whole.
const RESTORING: &str = "restoring";

/// Why a backup cannot be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A folder could not be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A journal could not be read to its end.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder holds something that is no backup.
    #[error(
        "{folder} holds a journal and no {MANIFEST}: it is a data folder or a follower, no backup"
    )]
    NoBackup {
        /// The folder.
        folder: String,
    },
    /// The folder's journal is not the one that its manifest tells of.
    #[error(
        "the backup ends at record {found} with chain {found_chain}, its {MANIFEST} says record {wanted} \
         with chain {wanted_chain}"
    )]
    OtherJournal {
        /// The last record of the backup.
        found: u64,
        /// Its chain value, in hex.
        found_chain: String,
        /// The last record that the manifest names.
        wanted: u64,
        /// Its chain value, in hex.
        wanted_chain: String,
    },
    /// The manifest says nothing.
    #[error("{MANIFEST} cannot be understood")]
    Manifest(#[source] serde_json::Error),
    /// The data folder already has a journal.
    #[error(
        "{folder} already holds a journal or a ledger; a restore begins with an empty data folder"
    )]
    NotEmpty {
        /// The data folder.
        folder: String,
    },
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The last record: everything up to it is in the backup, nothing behind it.
    pub sequence: u64,
    /// Its value in the chain of hashes, in hex.
    pub chain: String,
    /// How often the journal had been opened to write.
    pub epoch: u32,
    /// How many segments there are.
    pub segments: u64,
    /// When the backup was made, RFC 3339.
    pub made_at: String,
    /// The release that made it.
    pub release: String,
}

/// Backs the data folder `from` up to the folder `to`, up to what is durable when it begins; a running
/// gateway goes on. A backup that is there already is brought up. It is read back and checked whole
/// before its manifest is written.
///
/// # Errors
/// [`BackupError`]. Then there is no manifest, and nothing in `to` counts as a backup.
pub fn backup(from: &Path, to: &Path, made_at: Timestamp) -> Result<Manifest, BackupError> {
    let source = Source::look(from)?;
    let through = source.durable()?;
    let has_journal = Paths::of(to).journal.exists();
    if has_journal && !to.join(MANIFEST).exists() && !to.join(PARTIAL).exists() {
        return Err(BackupError::NoBackup { folder: to.display().to_string() });
    }
    super::copies::make_folder(to)?;
    write_whole(to, PARTIAL, b"a backup was begun here and is not whole\n")?;
    remove(&to.join(MANIFEST))?;
    let mut copy = FollowingFolder::open(to)?;
    copy.follow(&source, through)?;
    drop(copy);
    let report = verify::verify(to)?;
    let manifest = Manifest {
        sequence: report.last.0,
        chain: HEXLOWER.encode(&report.chain),
        epoch: report.epoch,
        segments: report.segments,
        made_at: export::rfc3339(made_at).as_str().unwrap_or_default().to_owned(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(BackupError::Manifest)?;
    write_whole(to, MANIFEST, &text)?;
    remove(&to.join(PARTIAL))?;
    Ok(manifest)
}

/// What stands in a folder while a backup is made in it.
const PARTIAL: &str = "backup.partial";

/// Reads a backup whole, and holds it against its manifest.
/// # Errors
/// [`BackupError`].
pub fn check(folder: &Path) -> Result<(Manifest, Report), BackupError> {
    let text = match fs::read(folder.join(MANIFEST)) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(BackupError::NoBackup { folder: folder.display().to_string() });
        }
        read => read.map_err(CopyError::file(format!("read {MANIFEST}")))?,
    };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(BackupError::Manifest)?;
    let report = verify::verify(folder)?;
    let found_chain = HEXLOWER.encode(&report.chain);
    if (report.last.0, &found_chain) == (manifest.sequence, &manifest.chain) {
        return Ok((manifest, report));
    }
    let (wanted, wanted_chain) = (manifest.sequence, manifest.chain);
    Err(BackupError::OtherJournal { found: report.last.0, found_chain, wanted, wanted_chain })
}

/// Restores a backup into a data folder that has no journal, and makes its ledger; a gateway can start
/// on it then. A restore that was cut short leaves no journal behind, and can be begun again.
///
/// # Errors
/// [`BackupError`].
pub fn restore(from: &Path, data_dir: &Path, settings: Settings) -> Result<Manifest, BackupError> {
    let paths = Paths::of(data_dir);
    if [&paths.journal, &paths.archive, &paths.ledger].iter().any(|path| path.exists()) {
        return Err(BackupError::NotEmpty { folder: data_dir.display().to_string() });
    }
    let (manifest, _) = check(from)?;
    let source = Source::look(from)?;
    let restoring = data_dir.join(RESTORING);
    let cleared = match fs::remove_dir_all(&restoring) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    cleared.map_err(CopyError::file(format!("remove {}", restoring.display())))?;
    let through = source.end()?;
    let mut copy = FollowingFolder::open(&restoring)?;
    copy.follow(&source, through)?;
    drop(copy);
    // What lies beside the journal first, the journal last: it is there with all that it needs.
    super::copies::copy_beside(&restoring, data_dir)?;
    let moved = fs::rename(Paths::of(&restoring).journal, &paths.journal)
        .and_then(|()| File::open(data_dir)?.sync_all())
        .and_then(|()| fs::remove_dir_all(&restoring));
    moved.map_err(CopyError::file(format!("put the journal into {}", data_dir.display())))?;
    // Opening makes the ledger, as a start would, and checks every record against the turns of its payment.
    drop(recovery::open(data_dir, settings, Timestamp(i64::MAX))?);
    let report = verify::verify(data_dir)?;
    let chain = HEXLOWER.encode(&report.chain);
    if (report.last.0, &chain) == (manifest.sequence, &manifest.chain) {
        return Ok(manifest);
    }
    let (wanted, wanted_chain) = (manifest.sequence, manifest.chain);
    let (found, found_chain) = (report.last.0, chain);
    Err(BackupError::OtherJournal { found, found_chain, wanted, wanted_chain })
}

fn remove(path: &Path) -> Result<(), CopyError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(CopyError::file(format!("remove {}", path.display()))),
    }
}
