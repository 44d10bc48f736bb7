//! Copies of a whole data folder: the source that a copy is made of, what lies beside its journal, and
//! a follower over folders. A copy has the layout of a data folder, so that it can be taken over.

use super::journal::disk::Folder;
use super::journal::frame::Place;
use super::ledger::{Ledger, LedgerError};
use super::recovery::Paths;
use super::shipping::{Follower, ShipError, tail_of};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which keys the journal was written under; see the gateway's start.
const BINDING: &str = "keys.binding";
/// The definitions that payments began with, each a file named by its hash.
const DEFINITIONS: &str = "definitions";

/// Why a folder cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The journal does not follow.
    #[error(transparent)]
    Ship(#[from] ShipError),
    /// The source's ledger cannot be asked where its journal is durable.
    #[error("cannot read the source's ledger")]
    Ledger(#[from] LedgerError),
    /// The copy's folder is held by a gateway or by another follower.
    #[error("{folder} is held by a running gateway or by another follower")]
    Held {
        /// The copy's journal folder.
        folder: String,
    },
    /// There is no journal to copy.
    #[error("there is no journal in {folder}")]
    NoJournal {
        /// The source's journal folder.
        folder: String,
    },
    /// The copy belongs to another gateway.
    #[error(
        "{copy} was written under other keys than {source_folder}: it is a copy of another gateway"
    )]
    OtherKeys {
        /// The copy.
        copy: String,
        /// The source.
        source_folder: String,
    },
}

impl CopyError {
    pub(super) fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Ship(ShipError::File { what, source })
    }
}

/// A data folder that is copied, beside whoever writes in it.
pub struct Source {
    folder: PathBuf,
    paths: Paths,
    disk: Folder,
}

impl Source {
    /// Looks into a data folder.
    /// # Errors
    /// [`CopyError::NoJournal`].
    pub fn look(folder: &Path) -> Result<Self, CopyError> {
        let paths = Paths::of(folder);
        if !paths.journal.is_dir() {
            return Err(CopyError::NoJournal { folder: paths.journal.display().to_string() });
        }
        let disk = Folder::look(&paths.journal, &paths.archive);
        Ok(Self { folder: folder.to_owned(), paths, disk })
    }

    /// Looks into a data folder in which nobody writes, and keeps everybody from it.
    /// # Errors
    /// [`CopyError::NoJournal`]; [`CopyError::Held`].
    pub fn hold(folder: &Path) -> Result<Self, CopyError> {
        let looked = Self::look(folder)?;
        Ok(Self { disk: lock(&looked.paths)?, ..looked })
    }

    /// Up to where the journal is known to be durable: as far as its ledger has applied it, or, without
    /// a ledger (the folder is a copy), to its end.
    /// # Errors
    /// [`CopyError`] when neither can be read.
    pub fn durable(&self) -> Result<Place, CopyError> {
        match Ledger::look(&self.paths.ledger)? {
            Some(place) => Ok(place),
            None => self.end(),
        }
    }

    /// The last whole batch that can be read.
    /// # Errors
    /// [`CopyError::Ship`] with the place of any damage.
    pub fn end(&self) -> Result<Place, CopyError> {
        let from = Ledger::look(&self.paths.ledger)?.unwrap_or(Place::START);
        Ok(tail_of(&self.disk, from, ShipError::Source)?.place)
    }
}

/// A data folder that follows another.
pub struct FollowingFolder {
    folder: PathBuf,
    follower: Follower,
}

impl FollowingFolder {
    /// Opens a copy in `folder`, or begins one there; reads and checks all that it has.
    /// # Errors
    /// [`CopyError`].
    pub fn open(folder: &Path) -> Result<Self, CopyError> {
        let paths = Paths::of(folder);
        make_folder(folder)?;
        let disk = lock(&paths)?;
        Ok(Self { folder: folder.to_owned(), follower: Follower::open(Arc::new(disk))? })
    }

    /// Where the copy ends.
    pub fn place(&self) -> Place {
        self.follower.place()
    }

    /// Copies what `source` has durable behind the copy, and gives back how many records that were.
    /// What lies beside the journal goes first: a payment's definition is there when the payment is.
    /// # Errors
    /// [`CopyError`]; whole batches that came before are copied then.
    pub fn follow(&mut self, source: &Source, through: Place) -> Result<u64, CopyError> {
        copy_beside(&source.folder, &self.folder)?;
        Ok(self.follower.follow(&source.disk, through)?)
    }
}

pub(super) fn lock(paths: &Paths) -> Result<Folder, CopyError> {
    let folder = paths.journal.display().to_string();
    Folder::lock(&paths.journal, &paths.archive).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => CopyError::Held { folder },
        _ => CopyError::file(format!("use the journal folder {folder}"))(error),
    })
}

pub(super) fn make_folder(folder: &Path) -> Result<(), CopyError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(CopyError::file(format!("make the folder {}", folder.display())))
}

/// Copies what a gateway needs beside the journal: the note of its keys, and every definition that a
/// payment began with. None of these files ever changes.
pub(super) fn copy_beside(from: &Path, to: &Path) -> Result<(), CopyError> {
    let read = |path: &Path| match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(CopyError::file(format!("read {}", path.display()))),
    };
    if let Some(binding) = read(&from.join(BINDING))? {
        match read(&to.join(BINDING))? {
            None => write_whole(to, BINDING, &binding)?,
            Some(noted) if noted == binding => {}
            Some(_) => {
                let (copy, source_folder) = (to.display().to_string(), from.display().to_string());
                return Err(CopyError::OtherKeys { copy, source_folder });
            }
        }
    }
    let (from, to) = (from.join(DEFINITIONS), to.join(DEFINITIONS));
    let entries = match fs::read_dir(&from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(CopyError::file(format!("read {}", from.display())))?,
    };
    make_folder(&to)?;
    for entry in entries {
        let entry = entry.map_err(CopyError::file(format!("read {}", from.display())))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !to.join(&name).exists()
            && let Some(bytes) = read(&entry.path())?
        {
            write_whole(&to, &name, &bytes)?;
        }
    }
    Ok(())
}

/// Writes a file durably under its name, or not at all.
pub(super) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), CopyError> {
    let (path, part) = (folder.join(name), folder.join(format!(".{name}.part")));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(CopyError::file(format!("write {}", path.display())))
}
