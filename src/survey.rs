//! Looks at everything under the folder of protocols, used or not: a broken definition that no host uses
//! today is a fault on the day when somebody needs it.

use crate::bounded_file;
use crate::definitions::{self, DefinitionError};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tidegate_protocol::vectors::VectorResult;

/// A dialect with a mapping, or a dialect that no mapping uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The dialect's name.
    pub dialect: String,
    /// The mapping's name.
    pub mapping: Option<String>,
}

impl Pair {
    /// What people call it: one name if both have the same.
    pub fn name(&self) -> String {
        match &self.mapping {
            Some(mapping) if *mapping != self.dialect => {
                format!("{} with {mapping}", self.dialect)
            }
            _ => self.dialect.clone(),
        }
    }
}

/// All pairs under a folder besides those in use. A mapping goes with the dialect that it names.
pub fn others(protocols: &Path, used: &BTreeSet<Pair>) -> Vec<Pair> {
    let used_mappings: BTreeSet<_> = used.iter().filter_map(|pair| pair.mapping.clone()).collect();
    let mut found = Vec::new();
    for mapping in names(&protocols.join("mappings"), ".toml") {
        if !used_mappings.contains(&mapping) {
            let dialect = dialect_of(protocols, &mapping).unwrap_or_else(|| mapping.clone());
            found.push(Pair { dialect, mapping: Some(mapping) });
        }
    }
    for dialect in names(&protocols.join("dialects"), "") {
        if !used.iter().chain(&found).any(|pair| pair.dialect == dialect) {
            found.push(Pair { dialect, mapping: None });
        }
    }
    found.sort();
    found
}

/// Reads a pair and runs its vectors, each with the file that it stands in.
/// # Errors
/// [`DefinitionError`]: a file that cannot be read, or every fault of its files.
pub fn run_vectors(
    protocols: &Path,
    pair: &Pair,
) -> Result<Vec<(String, VectorResult)>, DefinitionError> {
    let name = pair.dialect.as_str();
    match &pair.mapping {
        Some(mapping) => {
            let definition = definitions::load(protocols, name, mapping)?;
            definitions::run_vectors_by_file(protocols, (name, mapping), &definition)
        }
        None => {
            let dialect = definitions::load_dialect(protocols, name)?;
            definitions::run_dialect_vectors(protocols, name, &dialect)
        }
    }
}

/// The dialect that a mapping names, if that can be read.
fn dialect_of(protocols: &Path, mapping: &str) -> Option<String> {
    let path = protocols.join("mappings").join(format!("{mapping}.toml"));
    let table: toml::Table = bounded_file::read_text(&path).ok()?.parse().ok()?;
    let named = table.get("dialect")?.as_str()?;
    // A name and nothing more: no path leads out of the folder.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    named.bytes().all(plain).then(|| named.to_owned())
}

/// What lies in a folder, by name and in order, without this ending.
fn names(folder: &Path, ending: &str) -> Vec<String> {
    // A folder that cannot be read is told by whoever needs a definition of it.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let wanted = entries.filter(|entry| entry.path().is_dir() == ending.is_empty());
    let names = wanted.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect();
    names.sort();
    names
}
