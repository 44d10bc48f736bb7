//! The disk as the journal sees it: few operations, so that tests can put a faulty one in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder of files of fixed size.
pub trait Disk: Send + Sync + 'static {
    /// The names of all files.
    /// # Errors
    /// What the system says.
    fn names(&self) -> io::Result<Vec<String>>;

    /// The whole content of a file.
    /// # Errors
    /// What the system says.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// At most `length` bytes of a file from `offset` on; fewer at its end.
    /// # Errors
    /// What the system says.
    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    /// Opens a file to write in it.
    /// # Errors
    /// What the system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Makes a file of `bytes` written zeroes, durable with its name. A file of that name is replaced.
    /// # Errors
    /// What the system says; [`ErrorKind::StorageFull`] when the disk has no room.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, durably.
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the names of all files durable.
    /// # Errors
    /// What the system says.
    fn sync_names(&self) -> io::Result<()>;

    /// Removes a file; it is no fault if there is none.
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A file that is overwritten in place.
pub trait DiskFile: Send {
    /// Writes all of `bytes` at `offset`.
    /// # Errors
    /// What the system says.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes all that was written durable.
    /// # Errors
    /// What the system says. It is not known then what is durable.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of the file system, and one beside it with archived segments, which are only read.
#[derive(Debug)]
pub struct Folder {
    folder: PathBuf,
    archive: PathBuf,
    /// Held as long as the folder is open to write.
    _lock: Option<File>,
}

const LOCK: &str = "lock";

impl Folder {
    /// Opens the journal folder to write, making it if need be; nobody else can then.
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when another process holds it, or what the system says.
    pub fn lock(folder: &Path, archive: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600);
        let lock = lock.open(folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        let (folder, archive) = (folder.to_owned(), archive.to_owned());
        Ok(Self { folder, archive, _lock: Some(lock) })
    }

    /// Looks into the journal folder beside whoever writes there.
    pub fn look(folder: &Path, archive: &Path) -> Self {
        Self { folder: folder.to_owned(), archive: archive.to_owned(), _lock: None }
    }
}

impl Disk for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for folder in [&self.folder, &self.archive] {
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                names.extend(entry?.file_name().into_string().ok());
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        match fs::read(self.folder.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => fs::read(self.archive.join(name)),
            read => read,
        }
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = match File::open(self.folder.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                File::open(self.archive.join(name))?
            }
            opened => opened?,
        };
        let there = file.metadata()?.len().saturating_sub(offset);
        let length = length.min(usize::try_from(there).unwrap_or(usize::MAX));
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).open(self.folder.join(name))?;
        Ok(Box::new(file))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        static ZEROES: [u8; 1 << 16] = [0; 1 << 16];
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
        // Written, not only allocated: an overwrite then changes no metadata, and its sync is faster.
        let mut offset = 0;
        while offset < bytes {
            let left = usize::try_from(bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
            let chunk = ZEROES.get(..left).unwrap_or(&ZEROES);
            file.write_all_at(chunk, offset)?;
            offset = offset.saturating_add(chunk.len().try_into().unwrap_or(u64::MAX));
        }
        file.sync_all()?;
        self.sync_names()?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))?;
        self.sync_names()
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

impl DiskFile for File {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
