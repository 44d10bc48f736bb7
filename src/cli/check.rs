//! `tidegate check`: configuration, certificates, keys, definitions and their vectors; every fault at
//! once. Starts nothing.

use super::{ConfigFile, print};
use crate::config::{self, Bound, Config, Fault, Mode};
use crate::definitions::{self, DefinitionError};
use crate::gateway;
use crate::keys::KeyStore;
use crate::keys::sealed_file;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

/// Check configuration, certificates, keys, definitions and their vectors.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Do not open the key file: then no passphrase is needed.
    #[arg(long)]
    without_keys: bool,
    /// Print one JSON object: ok, faults, definitions, bounds.
    #[arg(long)]
    json: bool,
}

/// How the vectors of one definition did.
#[derive(Debug, Serialize)]
struct Definition {
    name: String,
    vectors_passed: usize,
    vectors_failed: usize,
}

/// All that was found.
#[derive(Debug, Default)]
struct Found {
    faults: Vec<Fault>,
    definitions: Vec<Definition>,
    bounds: Vec<Bound>,
}

impl Check {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let mut found = Found::default();
        match config::load(&self.file.config) {
            Err(errors) => found.faults = errors.faults,
            Ok(config) => {
                check_definitions(&config, &mut found);
                check_certificates(&config, &mut found);
                if !self.without_keys {
                    check_keys(&config, &mut found);
                }
                found.bounds = config.bounds();
            }
        }
        if self.json {
            let Found { faults, definitions, bounds } = &found;
            let ok = faults.is_empty();
            print::json(&json!({
                "ok": ok, "faults": faults, "definitions": definitions, "bounds": bounds,
            }));
        } else {
            show(&found);
        }
        Ok(if found.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Reads the definitions of all hosts and runs their vectors.
fn check_definitions(config: &Config, found: &mut Found) {
    let mut pairs = BTreeMap::new();
    for (index, host) in config.hosts.iter().enumerate() {
        let pair = (host.dialect.as_str(), host.mapping.as_str());
        pairs.entry(pair).or_insert_with(|| format!("host[{index}]"));
    }
    for (pair, key) in pairs {
        if let Err(error) = check_pair(config, pair, &key, found) {
            match error {
                DefinitionError::Faults(faults) => {
                    let told = faults.list().iter();
                    found.faults.extend(told.map(|fault| Fault::of_definition(&key, fault)));
                }
                DefinitionError::File { .. } => {
                    found.faults.push(Fault::of_file("", &key, &with_causes(&error)));
                }
            }
        }
    }
}

fn check_pair(
    config: &Config,
    (dialect, mapping): (&str, &str),
    key: &str,
    found: &mut Found,
) -> Result<(), DefinitionError> {
    let folder = &config.gateway.protocols_dir;
    let definition = definitions::load(folder, dialect, mapping)?;
    let results = definitions::run_vectors(folder, (dialect, mapping), &definition)?;
    let name = format!("{dialect} with {mapping}");
    let failed = results.iter().filter_map(|result| Some((&result.name, result.fault.as_ref()?)));
    let told: Vec<_> = failed
        .map(|(vector, fault)| {
            Fault::of_file("", key, &format!("{name}: vector {vector:?}: {fault}"))
        })
        .collect();
    let vectors_failed = told.len();
    let vectors_passed = results.len().saturating_sub(vectors_failed);
    found.definitions.push(Definition { name, vectors_passed, vectors_failed });
    found.faults.extend(told);
    Ok(())
}

/// Loads the certificate and key of each channel.
fn check_certificates(config: &Config, found: &mut Found) {
    for (index, channel) in config.channels.iter().enumerate() {
        let files = &channel.tls;
        if let Err(error) = gateway::identity(files) {
            let file = files.certificate.display().to_string();
            let key = format!("channel[{index}].tls");
            found.faults.push(Fault::of_file(&file, &key, &with_causes(&error)));
        }
    }
}

/// Opens the key file.
fn check_keys(config: &Config, found: &mut Found) {
    let file = config.keys.file.display().to_string();
    let mut tell = |key: &str, message: &str| {
        found.faults.push(Fault::of_file(&file, key, message));
    };
    let passphrase = match config.keys.passphrase.read() {
        Ok(passphrase) => passphrase,
        Err(error) => return tell("keys.passphrase", &with_causes(&error)),
    };
    match sealed_file::open(&config.keys.file, passphrase.as_bytes()) {
        Err(error) => tell("keys.file", &with_causes(&error)),
        Ok(ring) if ring.is_example() && config.gateway.mode == Mode::Production => {
            tell("keys.file", "holds example keys: anybody can read them");
        }
        Ok(ring) => check_response_keys(config, &ring, &file, found),
    }
}

/// Each merchant's answers need a signing key for their algorithm.
fn check_response_keys(config: &Config, keys: &dyn KeyStore, file: &str, found: &mut Found) {
    for (index, merchant) in config.merchants.iter().enumerate() {
        let algorithm = merchant.response_algorithm;
        if keys.response_key(algorithm).is_none() {
            let key = format!("merchant[{index}].response_algorithm");
            let name = algorithm.name();
            let message = format!(
                "the key file holds no signing key for {name}: `tidegate keys add-signing \
                 --algorithm {name}` adds one"
            );
            found.faults.push(Fault::of_file(file, &key, &message));
        }
    }
}

/// An error with its causes in one line.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes =
        std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn show(found: &Found) {
    for Definition { name, vectors_passed, vectors_failed } in &found.definitions {
        print::line(format!("{name}: {vectors_passed} vectors passed, {vectors_failed} failed"));
    }
    for Bound { name, value, unit, because } in &found.bounds {
        print::line(format!("at most {value} {unit}: {name} ({because})"));
    }
    for fault in &found.faults {
        print::line("");
        print::line(&fault.picture);
    }
    let verdict = match found.faults.len() {
        0 => "sound".to_owned(),
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    print::line(verdict);
}
