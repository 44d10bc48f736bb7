//! The evidence: one record a line, each bound to the one before by SHA-256, all of them and the reports
//! closed by an ed25519 signature.
//!
//! `wire.jsonl` holds the records; `seal.json` the hash of each of them and of the reports, the public key,
//! and the signature over all of that. So what was altered, removed or moved is known by its number.

use crate::merchant::key::{Algorithm, SigningKey, signing_key};
use anyhow::{Context as _, anyhow};
use aws_lc_rs::digest;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// The records.
pub const WIRE: &str = "wire.jsonl";
/// The seal.
pub const SEAL: &str = "seal.json";
/// What else is sealed.
pub const REPORTS: [&str; 3] = ["report.md", "report.json", "script.toml"];

/// What is signed begins so.
const FORM: &str = "tidegate certification evidence 1";

/// The log while it is written.
pub struct Log {
    file: File,
    hashes: Vec<String>,
}

#[derive(Serialize)]
struct Line<'a, T> {
    n: usize,
    previous: &'a str,
    #[serde(flatten)]
    record: &'a T,
}

impl Log {
    /// A new log in a folder.
    /// # Errors
    /// If there is one already, or the folder takes none.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create_new(folder.join(WIRE))?, hashes: Vec::new() })
    }

    /// Writes a record; returns its number, counted from 1.
    /// # Errors
    /// Whatever writing says.
    pub fn append(&mut self, record: &impl Serialize) -> io::Result<usize> {
        let n = self.hashes.len().saturating_add(1);
        let previous = self.hashes.last().map_or("", String::as_str);
        let mut line = serde_json::to_vec(&Line { n, previous, record })?;
        self.hashes.push(sha256(&line));
        line.push(b'\n');
        self.file.write_all(&line)?;
        Ok(n)
    }

    /// Closes the log and the reports beside it.
    /// # Errors
    /// Whatever reading or writing says.
    pub fn seal(self, folder: &Path, key: &SigningKey) -> anyhow::Result<()> {
        self.file.sync_all()?;
        let mut files = BTreeMap::new();
        for name in REPORTS {
            files.insert(name.to_owned(), sha256(&fs::read(folder.join(name))?));
        }
        let public_key = key.public.clone();
        let mut seal = Seal { records: self.hashes, files, public_key, signature: String::new() };
        seal.signature = BASE64.encode(&key.sign(seal.signed().as_bytes()));
        fs::write(folder.join(SEAL), serde_json::to_vec_pretty(&seal)?)?;
        Ok(())
    }
}

/// What closes the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The SHA-256 of each record's line, in hexadecimal.
    pub records: Vec<String>,
    /// The SHA-256 of each report.
    pub files: BTreeMap<String, String>,
    /// 32 bytes, as base64.
    pub public_key: String,
    /// Over [`Seal::signed`], as base64.
    pub signature: String,
}

impl Seal {
    /// What is signed: the form, then each file and each record by its hash, a line each.
    pub fn signed(&self) -> String {
        let mut text = format!("{FORM}\n");
        for (name, hash) in &self.files {
            let _ = writeln!(text, "file {name} {hash}");
        }
        for hash in &self.records {
            let _ = writeln!(text, "record {hash}");
        }
        text
    }
}

/// In hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The key that signs, made at its first use; its public half goes beside it as `FILE.pub`.
/// # Errors
/// If the file is there and holds no ed25519 key, or cannot be made.
pub fn key(path: &Path) -> anyhow::Result<SigningKey> {
    if path.exists() {
        return SigningKey::read(path, Algorithm::Ed25519)
            .with_context(|| format!("reading the key {}", path.display()));
    }
    let key = signing_key(Algorithm::Ed25519).map_err(|why| anyhow!(why))?;
    key.keep(path).with_context(|| format!("making the key {}", path.display()))?;
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    fs::write(&public, format!("{}\n", key.public))?;
    Ok(key)
}
