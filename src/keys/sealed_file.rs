//! The key file of small banks and of development: all keys in one file, sealed under a passphrase.
//!
//! Format 1, numbers big-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `TIDEKEYS` |
//! | 8 | 2 | format, 1 |
//! | 10 | 1 | marks: bit 0 = example keys |
//! | 11 | 4 | Argon2id memory, KiB |
//! | 15 | 4 | Argon2id passes |
//! | 19 | 4 | Argon2id lanes |
//! | 23 | 16 | salt |
//! | 39 | 12 | nonce |
//! | 51 | .. | AES-256-GCM ciphertext and tag; bytes 0..51 are authenticated with it |
//!
//! The sealing key is Argon2id (RFC 9106, version 0x13) of the passphrase. Inside stand the keys one
//! after the other: kind (1), id (8), time made (8, seconds since 1970), length (2), bytes.

use super::KeyError;
use super::algorithm::Algorithm;
use super::ring::{Entry, KeyRing, Kind, RingError, fresh_entries, fresh_signing};
use argon2::{Argon2, Block, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

const MAGIC: &[u8; 8] = b"TIDEKEYS";
const FORMAT: u16 = 1;
const HEAD_BYTES: usize = 51;
const FILE_BYTES_MAX: u64 = 64 * 1024;
const EXAMPLE: u8 = 1;

/// How hard guessing a passphrase is made: memory in KiB, passes and lanes of Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB; 8 per lane to 4 GiB.
    pub memory_kib: u32,
    /// Passes over the memory, 1 to 64.
    pub passes: u32,
    /// Lanes, 1 to 16.
    pub lanes: u32,
}

impl Cost {
    /// 64 MiB, 3 passes, 4 lanes: the second recommended choice of RFC 9106, section 4.
    pub const STANDARD: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
    /// 64 KiB, 1 pass: for tests and example keys, whose passphrase is published anyway.
    pub const EXAMPLE: Self = Self { memory_kib: 64, passes: 1, lanes: 1 };

    /// What a file says about itself is bounded before it is obeyed.
    fn is_bearable(self) -> bool {
        self.memory_kib <= 4 * 1024 * 1024
            && (1..=64).contains(&self.passes)
            && (1..=16).contains(&self.lanes)
    }
}

/// Why a key file cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealedFileError {
    /// The file system refused.
    #[error("cannot {doing} the key file {}", path.display())]
    Io {
        /// Reading, creating, writing.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// Others than its owner may read it.
    #[error("the key file {} has mode {mode:04o}: 0600 or stricter is expected", path.display())]
    Mode {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key file of a format that we know.
    #[error("{} is no key file of format 1: {what}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Wrong passphrase or changed bytes: the cipher cannot tell which.
    #[error("the key file {} does not open: wrong passphrase, or it was changed", path.display())]
    DoesNotOpen {
        /// Which file.
        path: PathBuf,
    },
    /// It opened, but its keys are not what the gateway needs.
    #[error("the keys of {} cannot be used", path.display())]
    Keys {
        /// Which file.
        path: PathBuf,
        /// The reason.
        source: RingError,
    },
    /// A key could not be made.
    #[error("cannot make keys")]
    Make(#[from] KeyError),
    /// A signing key that is there already.
    #[error("the key file {} holds a signing key for {algorithm} already", path.display())]
    HeldAlready {
        /// Which file.
        path: PathBuf,
        /// For which algorithm.
        algorithm: &'static str,
    },
    /// No passphrase was given.
    #[error("an empty passphrase seals nothing: give one")]
    EmptyPassphrase,
}

/// What [`init`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewFile {
    /// Marks the keys as throw-away examples, which production mode refuses.
    pub example: bool,
    /// How hard guessing the passphrase is made.
    pub cost: Cost,
    /// When, seconds since 1970.
    pub created_s: i64,
}

impl Default for NewFile {
    /// Keys for real use; the time is to be set.
    fn default() -> Self {
        Self { example: false, cost: Cost::STANDARD, created_s: 0 }
    }
}

/// Makes fresh keys of every kind and writes them to a new file of mode 0600. Never overwrites.
/// # Errors
/// [`SealedFileError::Io`] if the file exists or cannot be written; [`SealedFileError::Make`].
pub fn init(path: &Path, passphrase: &[u8], new: NewFile) -> Result<(), SealedFileError> {
    write_new(path, &seal(&fresh_entries(new.created_s)?, passphrase, new)?)
}

/// Adds a fresh signing key to a file that has none for its algorithm. All other keys stay as they
/// are, and so does the passphrase. The file is replaced in one step.
/// # Errors
/// [`SealedFileError::HeldAlready`]; otherwise as [`open`] and [`init`].
pub fn add_signing(
    path: &Path,
    passphrase: &[u8],
    algorithm: Algorithm,
    created_s: i64,
) -> Result<(), SealedFileError> {
    let (head, mut entries) = read(path, passphrase)?;
    if entries.iter().any(|entry| entry.kind == Kind::ResponseSigning(algorithm)) {
        let algorithm = algorithm.name();
        return Err(SealedFileError::HeldAlready { path: path.into(), algorithm });
    }
    entries.push(fresh_signing(algorithm, created_s)?);
    let example = head.marks & EXAMPLE != 0;
    let new = NewFile { example, cost: head.cost, created_s };
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    write_new(&draft, &seal(&entries, passphrase, new)?)?;
    let io = |source| SealedFileError::Io { doing: "replace", path: path.into(), source };
    std::fs::rename(&draft, path).map_err(io)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

fn write_new(path: &Path, sealed: &[u8]) -> Result<(), SealedFileError> {
    let mut options = OpenOptions::new();
    let io = |doing| move |source| SealedFileError::Io { doing, path: path.into(), source };
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(path).map_err(io("create"))?;
    file.write_all(sealed).map_err(io("write"))?;
    file.sync_all().map_err(io("sync"))
}

/// Opens a key file.
/// # Errors
/// [`SealedFileError`], which says what to look at.
pub fn open(path: &Path, passphrase: &[u8]) -> Result<KeyRing, SealedFileError> {
    let (head, entries) = read(path, passphrase)?;
    KeyRing::build(&entries, head.marks & EXAMPLE != 0)
        .map_err(|source| SealedFileError::Keys { path: path.into(), source })
}

fn read(path: &Path, passphrase: &[u8]) -> Result<(Head, Vec<Entry>), SealedFileError> {
    let io = |source| SealedFileError::Io { doing: "read", path: path.into(), source };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SealedFileError::Mode { path: path.into(), mode });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(io)?;
    let format = |what| SealedFileError::Format { path: path.into(), what };
    let (head, sealed) = bytes.split_at_checked(HEAD_BYTES).ok_or(format("it is too short"))?;
    let head = Head::read(head).map_err(format)?;
    let does_not_open = || SealedFileError::DoesNotOpen { path: path.into() };
    let key = sealing_key(passphrase, &head)?;
    let nonce = Nonce::assume_unique_for_key(head.nonce);
    let mut clear = Zeroizing::new(sealed.to_vec());
    let aad = Aad::from(head.bytes());
    let payload = key.open_in_place(nonce, aad, &mut clear).map_err(|_| does_not_open())?;
    let entries =
        read_entries(payload).ok_or(format("its keys are not in the form of format 1"))?;
    Ok((head, entries))
}

struct Head {
    marks: u8,
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; NONCE_LEN],
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut rest = bytes;
        let short = "it is too short";
        if take::<8>(&mut rest).ok_or(short)? != *MAGIC {
            return Err("it does not begin with TIDEKEYS");
        }
        if u16::from_be_bytes(take(&mut rest).ok_or(short)?) != FORMAT {
            return Err("its format has another number");
        }
        let [marks] = take(&mut rest).ok_or(short)?;
        let mut number = || take(&mut rest).map(u32::from_be_bytes).ok_or(short);
        let cost = Cost { memory_kib: number()?, passes: number()?, lanes: number()? };
        if !cost.is_bearable() {
            return Err("its Argon2id parameters are out of bounds");
        }
        let salt = take(&mut rest).ok_or(short)?;
        let nonce = take(&mut rest).ok_or(short)?;
        Ok(Self { marks, cost, salt, nonce })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_be_bytes());
        bytes.push(self.marks);
        for number in [self.cost.memory_kib, self.cost.passes, self.cost.lanes] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(self.salt);
        bytes.extend(self.nonce);
        bytes
    }
}

fn seal(entries: &[Entry], passphrase: &[u8], new: NewFile) -> Result<Vec<u8>, SealedFileError> {
    let failed = |what| SealedFileError::Make(KeyError::Operation { what });
    let marks = if new.example { EXAMPLE } else { 0 };
    let mut head = Head { marks, cost: new.cost, salt: [0; 16], nonce: [0; NONCE_LEN] };
    rand::fill(&mut head.salt).map_err(|_| failed("drawing a salt"))?;
    rand::fill(&mut head.nonce).map_err(|_| failed("drawing a nonce"))?;
    let mut clear = Zeroizing::new(Vec::with_capacity(16 * 1024));
    for entry in entries {
        clear.push(entry.kind.number());
        clear.extend(entry.id);
        clear.extend(entry.created_s.to_be_bytes());
        let length = u16::try_from(entry.bytes.len()).map_err(|_| failed("writing a key"))?;
        clear.extend(length.to_be_bytes());
        clear.extend(entry.bytes.iter());
    }
    let key = sealing_key(passphrase, &head)?;
    let nonce = Nonce::assume_unique_for_key(head.nonce);
    let mut sealed = head.bytes();
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(head.bytes()), &mut clear)
        .map_err(|_| failed("sealing the keys"))?;
    sealed.extend(clear.iter());
    sealed.extend(tag.as_ref());
    Ok(sealed)
}

fn sealing_key(passphrase: &[u8], head: &Head) -> Result<LessSafeKey, SealedFileError> {
    let failed = || SealedFileError::Make(KeyError::Operation { what: "Argon2id" });
    if passphrase.is_empty() {
        return Err(SealedFileError::EmptyPassphrase);
    }
    let Cost { memory_kib, passes, lanes } = head.cost;
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| failed())?;
    let mut memory = vec![Block::default(); params.block_count()];
    let mut key = Zeroizing::new([0; 32]);
    let derived = Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase, &head.salt, key.as_mut(), &mut memory);
    memory.iter_mut().for_each(Zeroize::zeroize);
    derived.map_err(|_| failed())?;
    let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| failed())?;
    Ok(LessSafeKey::new(key))
}

fn read_entries(mut rest: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let [kind] = take(&mut rest)?;
        let kind = Kind::from_number(kind)?;
        let id = take(&mut rest)?;
        let created_s = i64::from_be_bytes(take(&mut rest)?);
        let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let (bytes, after) = rest.split_at_checked(length)?;
        rest = after;
        entries.push(Entry { kind, id, created_s, bytes: Zeroizing::new(bytes.to_vec()) });
    }
    Some(entries)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*head)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;
    use crate::keys::KeyStore;

    const NEW: NewFile = NewFile { example: true, cost: Cost::EXAMPLE, created_s: 1_700_000_000 };

    fn refusal(path: &Path, passphrase: &[u8]) -> String {
        open(path, passphrase).err().unwrap().to_string()
    }

    #[test]
    fn a_new_key_file_is_private_opens_with_its_passphrase_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tidegate.keys");
        init(&path, b"correct horse", NEW).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let ring = open(&path, b"correct horse").unwrap();
        assert!(ring.is_example());
        assert_eq!(ring.public_keys().len(), 6);
        assert_eq!(ring.response_key(Algorithm::Ed25519), Some(&*ring.public_keys()[0].id));
        assert!(refusal(&path, b"wrong").contains("wrong passphrase, or it was changed"));
        assert!(init(&path, b"other", NEW).is_err());
        assert!(open(&path, b"correct horse").is_ok());
    }

    #[test]
    fn a_key_file_with_any_byte_changed_does_not_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        init(&path, b"p", NEW).unwrap();
        let good = std::fs::read(&path).unwrap();
        // Bytes 11..23 choose the work to do; a few of those are tried, all others but one in 16.
        let places = (0..15).chain(22..HEAD_BYTES).chain((HEAD_BYTES..good.len()).step_by(16));
        for place in places {
            let mut bad = good.clone();
            bad[place] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert!(open(&path, b"p").is_err(), "byte {place} was changed");
        }
        std::fs::write(&path, &good[..40]).unwrap();
        assert!(refusal(&path, b"p").contains("too short"));
    }

    #[test]
    fn a_file_of_the_first_form_opens_and_is_given_the_signing_key_that_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        let mut entries = fresh_entries(1).unwrap();
        let ed25519 = Kind::ResponseSigning(Algorithm::Ed25519);
        entries.retain(|it| it.kind == ed25519 || !matches!(it.kind, Kind::ResponseSigning(_)));
        write_new(&path, &seal(&entries, b"p", NEW).unwrap()).unwrap();
        let before = open(&path, b"p").unwrap();
        assert_eq!(before.response_key(Algorithm::EcdsaP256Sha256), None);

        add_signing(&path, b"p", Algorithm::EcdsaP256Sha256, 2).unwrap();
        let after = open(&path, b"p").unwrap();
        assert!(after.response_key(Algorithm::EcdsaP256Sha256).is_some());
        assert_eq!(after.binding(), before.binding());
        assert!(after.is_example());
        let held = |ring: &KeyRing| ring.response_key(Algorithm::Ed25519).map(str::to_owned);
        assert_eq!(held(&after), held(&before));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert!(!folder.path().join("k.new").exists());

        let twice = add_signing(&path, b"p", Algorithm::EcdsaP256Sha256, 3).unwrap_err();
        assert!(twice.to_string().contains("ecdsa-p256-sha256 already"), "{twice}");
        assert!(add_signing(&path, b"wrong", Algorithm::RsaPssSha512, 3).is_err());
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        init(&path, b"p", NEW).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(refusal(&path, b"p").contains("0640"));
    }
}
