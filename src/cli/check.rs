//! `tidegate check`.

use super::arguments::CheckArguments;
use super::outcome::{Done, Exit, Failure, print_json};
use super::parts::Parts;
use crate::config::{self, Bound, Config, ConfigErrors, Fault, Mode, example_certificate};
use crate::edge::tls;
use serde::Serialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tidegate_protocol::definition::Definition;
use tidegate_protocol::source::{Faults, Source};

/// A definition that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Dialect and mapping, for example `iso87-ascii with iso87-ascii`.
    pub name: String,
    /// How many vectors it passed.
    pub vectors: usize,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    faults: Vec<Fault>,
    definitions: Vec<Checked>,
    bounds: Vec<Bound>,
}

pub(super) fn check(asked: &CheckArguments, parts: &Parts, out: &mut dyn Write) -> Done {
    let report = match config::load(&asked.reach.config) {
        Ok(config) => look(&config, asked, parts),
        Err(ConfigErrors { faults }) => {
            Report { ok: false, faults, definitions: Vec::new(), bounds: Vec::new() }
        }
    };
    if asked.json {
        print_json(out, &report)?;
        return Ok(if report.ok { Exit::Good } else { Exit::Wrong });
    }
    if !report.ok {
        return Err(ConfigErrors { faults: report.faults }.into());
    }
    writeln!(out, "{}: nothing is wrong.", asked.reach.config.display())?;
    for definition in &report.definitions {
        writeln!(out, "  {}: {} vectors passed", definition.name, definition.vectors)?;
    }
    for bound in &report.bounds {
        let Bound { name, value, unit, because } = bound;
        writeln!(out, "  at most {value} {unit}: {name} ({because})")?;
    }
    Ok(Exit::Good)
}

fn look(config: &Config, asked: &CheckArguments, parts: &Parts) -> Report {
    let (mut faults, definitions) = check_definitions(config);
    faults.extend(check_certificates(config));
    if !asked.without_keys {
        faults.extend(check_keys(config, parts));
    }
    Report { ok: faults.is_empty(), faults, definitions, bounds: config.bounds() }
}

/// Reads the definitions of all hosts and runs their vectors.
pub fn check_definitions(config: &Config) -> (Vec<Fault>, Vec<Checked>) {
    let mut pairs: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for (index, host) in config.hosts.iter().enumerate() {
        let key = format!("host[{index}]");
        pairs.entry((host.dialect.as_str(), host.mapping.as_str())).or_insert(key);
    }
    let (mut faults, mut checked) = (Vec::new(), Vec::new());
    for ((dialect, mapping), key) in pairs {
        match check_pair(&config.gateway.protocols_dir, dialect, mapping) {
            Ok(vectors) => {
                checked.push(Checked { name: format!("{dialect} with {mapping}"), vectors });
            }
            Err(found) => faults.extend(
                found
                    .into_iter()
                    .map(|fault| Fault { key: format!("{key}{}", fault.key), ..fault }),
            ),
        }
    }
    (faults, checked)
}

fn check_pair(protocols: &Path, dialect: &str, mapping: &str) -> Result<usize, Vec<Fault>> {
    let dialect_dir = protocols.join("dialects").join(dialect);
    let mapping_dir = protocols.join("mappings").join(mapping);
    let dialect_file = Text::read(dialect_dir.join("dialect.toml"), ".dialect");
    let mapping_file =
        Text::read(protocols.join("mappings").join(format!("{mapping}.toml")), ".mapping");
    let (dialect_file, mapping_file) = match (dialect_file, mapping_file) {
        (Ok(dialect), Ok(mapping)) => (dialect, mapping),
        (one, other) => return Err([one.err(), other.err()].into_iter().flatten().collect()),
    };
    let definition =
        Definition::build(dialect_file.source(), mapping_file.source()).map_err(shown)?;
    let (mut faults, mut passed) = (Vec::new(), 0_usize);
    for (folder, key) in [(dialect_dir, ".dialect"), (mapping_dir, ".mapping")] {
        for path in toml_files(&folder.join("vectors")) {
            match Text::read(path, key) {
                Ok(text) => match definition.run_vectors(text.source()) {
                    Ok(results) => {
                        let failed = results.iter().filter_map(|vector| {
                            let fault = vector.fault.as_ref()?;
                            let message = format!("vector {:?} failed: {fault}", vector.name);
                            Some(Fault::of_file(&text.name, key, &message))
                        });
                        let before = faults.len();
                        faults.extend(failed);
                        passed += results.len().saturating_sub(faults.len() - before);
                    }
                    Err(found) => faults.extend(shown(found)),
                },
                Err(fault) => faults.push(fault),
            }
        }
    }
    if faults.is_empty() { Ok(passed) } else { Err(faults) }
}

/// A definition file.
pub(super) struct Text {
    pub(super) name: String,
    text: String,
}

impl Text {
    pub(super) fn read(path: PathBuf, key: &str) -> Result<Self, Fault> {
        let name = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self { name, text }),
            Err(fault) => Err(Fault::of_file(&name, key, &format!("cannot be read: {fault}"))),
        }
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.text }
    }
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_toml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml");
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_toml).collect();
    files.sort();
    files
}

fn shown(faults: Faults) -> Vec<Fault> {
    let told = |fault: &tidegate_protocol::source::Fault| Fault {
        key: String::new(),
        message: fault.message.clone(),
        wanted: fault.expected.clone().unwrap_or_default(),
        file: fault.file.clone(),
        line: fault.line,
        column: fault.column,
        picture: fault.to_string(),
    };
    faults.list().iter().map(told).collect()
}

/// Loads the certificates and keys of all channels.
pub fn check_certificates(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, channel) in config.channels.iter().enumerate() {
        let key = format!("channel[{index}].tls");
        let files = &channel.tls;
        let name = files.certificate.display().to_string();
        match tls::load(&files.certificate, &files.key, SystemTime::now()) {
            Err(fault) => faults.push(Fault::of_file(&name, &key, &chain(&fault))),
            Ok(identity) => {
                let production = config.gateway.mode == Mode::Production;
                if production && example_certificate(&identity.subject) {
                    let message = "is an example certificate: anybody has its key";
                    faults.push(Fault::of_file(&name, &key, message));
                }
            }
        }
    }
    faults
}

fn check_keys(config: &Config, parts: &Parts) -> Option<Fault> {
    let name = config.keys.file.display().to_string();
    let told = |key: &str, message: &str| Some(Fault::of_file(&name, key, message));
    let passphrase = match config.keys.passphrase.read() {
        Ok(passphrase) => passphrase,
        Err(fault) => return told("keys.passphrase", &chain(&fault)),
    };
    match (parts.public_keys)(&config.keys.file, &passphrase) {
        Err(Failure { source, .. }) => told("keys.file", &chain(source.as_ref())),
        Ok((_, true)) if config.gateway.mode == Mode::Production => {
            told("keys.file", "holds example keys: anybody can read them")
        }
        Ok(_) => None,
    }
}

/// An error with its causes in one line.
fn chain(fault: &(dyn Error + 'static)) -> String {
    let mut told = fault.to_string();
    let mut cause = fault.source();
    while let Some(fault) = cause {
        told.push_str(&format!(": {fault}"));
        cause = fault.source();
    }
    told
}
