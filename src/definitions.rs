//! Reads definition files from the folder of protocols. A bad definition stops the start, never a
//! payment.

use crate::bounded_file;
use std::fs;
use std::path::{Path, PathBuf};
use tidegate_protocol::definition::Definition;
use tidegate_protocol::dialect::HostDialect;
use tidegate_protocol::source::{Faults, Source};
use tidegate_protocol::vectors::VectorResult;

/// Why a definition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The definition has faults.
    #[error("{0}")]
    Faults(Faults),
}

/// Loads the definition of a host: its dialect and its mapping.
/// # Errors
/// [`DefinitionError`]: a file that cannot be read, or every fault of both files with line and caret.
pub fn load(protocols: &Path, dialect: &str, mapping: &str) -> Result<Definition, DefinitionError> {
    let dialect = Text::read(protocols, &dialect_file(dialect))?;
    let mapping = Text::read(protocols, &mapping_file(mapping))?;
    Definition::build(dialect.source(), mapping.source()).map_err(DefinitionError::Faults)
}

/// Loads a dialect alone.
/// # Errors
/// As [`load`].
pub fn load_dialect(protocols: &Path, dialect: &str) -> Result<HostDialect, DefinitionError> {
    let dialect = Text::read(protocols, &dialect_file(dialect))?;
    HostDialect::read(dialect.source()).map_err(DefinitionError::Faults)
}

/// Runs all vectors that lie beside a dialect and a mapping.
/// # Errors
/// As [`load`], for the vector files.
pub fn run_vectors(
    protocols: &Path,
    names: (&str, &str),
    definition: &Definition,
) -> Result<Vec<VectorResult>, DefinitionError> {
    let results = run_vectors_by_file(protocols, names, definition)?;
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// As [`run_vectors`], each with the file that it stands in.
/// # Errors
/// As [`run_vectors`].
pub fn run_vectors_by_file(
    protocols: &Path,
    (dialect, mapping): (&str, &str),
    definition: &Definition,
) -> Result<Vec<(String, VectorResult)>, DefinitionError> {
    let folders = [dialect_vectors(dialect), format!("mappings/{mapping}/vectors")];
    run(protocols, &folders, |source| definition.run_vectors(source))
}

/// Runs all vectors that lie beside a dialect, each with the file that it stands in.
/// # Errors
/// As [`run_vectors`].
pub fn run_dialect_vectors(
    protocols: &Path,
    name: &str,
    dialect: &HostDialect,
) -> Result<Vec<(String, VectorResult)>, DefinitionError> {
    run(protocols, &[dialect_vectors(name)], |source| dialect.run_vectors(source))
}

fn run(
    protocols: &Path,
    folders: &[String],
    run: impl Fn(Source<'_>) -> Result<Vec<VectorResult>, Faults>,
) -> Result<Vec<(String, VectorResult)>, DefinitionError> {
    let mut results = Vec::new();
    for folder in folders {
        for file in files_of(protocols, folder)? {
            let text = Text::read(protocols, &file)?;
            let ran = run(text.source()).map_err(DefinitionError::Faults)?;
            results.extend(ran.into_iter().map(|result| (file.clone(), result)));
        }
    }
    Ok(results)
}

fn dialect_vectors(name: &str) -> String {
    format!("dialects/{name}/vectors")
}

fn dialect_file(name: &str) -> String {
    format!("dialects/{name}/dialect.toml")
}

fn mapping_file(name: &str) -> String {
    format!("mappings/{name}.toml")
}

/// The names of the TOML files of a folder, in order; none if there is no such folder.
fn files_of(protocols: &Path, folder: &str) -> Result<Vec<String>, DefinitionError> {
    let path = protocols.join(folder);
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| DefinitionError::File { path, source })?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<String> = names
        .filter(|name| name.ends_with(".toml"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    files.sort();
    Ok(files)
}

struct Text {
    name: String,
    text: String,
}

impl Text {
    fn read(protocols: &Path, name: &str) -> Result<Self, DefinitionError> {
        let path = protocols.join(name);
        let text = bounded_file::read_text(&path);
        let text = text.map_err(|source| DefinitionError::File { path, source })?;
        Ok(Self { name: name.to_owned(), text })
    }

    fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.text }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols")
    }

    #[test]
    fn every_shipped_vector_passes() {
        let definition = load(&shipped(), "iso87-ascii", "iso87-ascii").unwrap();
        let names = ("iso87-ascii", "iso87-ascii");
        let results = run_vectors(&shipped(), names, &definition).unwrap();
        assert!(results.len() > 10);
        let failed: Vec<_> = results.iter().filter(|result| result.fault.is_some()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn a_missing_definition_is_named() {
        let error = load(&shipped(), "no-such", "iso87-ascii").unwrap_err();
        assert!(error.to_string().ends_with("dialects/no-such/dialect.toml"), "{error}");
    }
}
