//! Proves evidence: the signature over the seal, then each record and each report against it.

use super::log::{SEAL, Seal, WIRE, sha256};
use anyhow::{Context as _, bail};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::BASE64;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// What was proved.
#[derive(Debug, PartialEq, Eq)]
pub struct Proved {
    /// How many records.
    pub records: usize,
    /// By whose key, as base64.
    pub public_key: String,
}

/// Proves the evidence in a folder. `key`: the public key that must have signed it, as base64; without it
/// the evidence is whole, but who signed it is its own word.
/// # Errors
/// The first fault; of records it names the first that was altered, removed, added or moved.
pub fn verify(folder: &Path, key: Option<&str>) -> anyhow::Result<Proved> {
    let read = |name: &str| fs::read(folder.join(name)).with_context(|| format!("reading {name}"));
    let seal: Seal = serde_json::from_slice(&read(SEAL)?)
        .with_context(|| format!("{SEAL} is not as it was written"))?;
    if key.is_some_and(|key| key.trim() != seal.public_key) {
        bail!("{SEAL}: signed by another key, {}", seal.public_key);
    }
    let bytes = |text: &str| BASE64.decode(text.as_bytes()).unwrap_or_default();
    let public_key = UnparsedPublicKey::new(&ED25519, bytes(&seal.public_key));
    if public_key.verify(seal.signed().as_bytes(), &bytes(&seal.signature)).is_err() {
        bail!("{SEAL} was altered: its signature is not over what it says");
    }
    let wire = read(WIRE)?;
    let mut lines: Vec<&[u8]> = wire.split(|byte| *byte == b'\n').collect();
    if lines.pop().is_none_or(|rest| !rest.is_empty()) {
        bail!("{WIRE}: its last line was cut");
    }
    records(&lines, &seal.records)?;
    for (name, hash) in &seal.files {
        if sha256(&read(name)?) != *hash {
            bail!("{name} was altered");
        }
    }
    Ok(Proved { records: lines.len(), public_key: seal.public_key })
}

fn records(lines: &[&[u8]], sealed: &[String]) -> anyhow::Result<()> {
    let found: Vec<String> = lines.iter().map(|line| sha256(line)).collect();
    for place in 0..found.len().max(sealed.len()) {
        let n = place.saturating_add(1);
        let next = n;
        match (found.get(place), sealed.get(place)) {
            (Some(hash), Some(wanted)) if hash == wanted => {}
            (None, _) => bail!("{WIRE}: record {n} was removed, and all behind it"),
            (_, None) => bail!("{WIRE}: record {n} was added"),
            (Some(hash), Some(wanted)) => {
                if found.len() < sealed.len() && sealed.iter().skip(next).any(|it| it == hash) {
                    bail!("{WIRE}: record {n} was removed");
                }
                if found.len() > sealed.len() && found.get(next) == Some(wanted) {
                    bail!("{WIRE}: record {n} was added");
                }
                match sealed.iter().position(|other| other == hash) {
                    Some(other) => {
                        let other = other.saturating_add(1);
                        bail!("{WIRE}: record {n} was moved: record {other} stands in its place");
                    }
                    None => bail!("{WIRE}: record {n} was altered"),
                }
            }
        }
    }
    let mut previous = String::new();
    for (place, line) in lines.iter().enumerate() {
        let record: Value = serde_json::from_slice(line).unwrap_or_default();
        if record.get("previous").and_then(Value::as_str) != Some(previous.as_str()) {
            bail!("{WIRE}: record {} is not bound to the one before", place.saturating_add(1));
        }
        previous = sha256(line);
    }
    Ok(())
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
