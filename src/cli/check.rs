//! `tidegate check`: configuration, certificates, keys, all definitions under the folder of protocols, and the
//! vectors of channels and definitions; every fault at once. Starts nothing.

use super::{ConfigFile, print};
use crate::channel::rest;
use crate::config::{self, Bound, ChannelKind, Config, Fault, Mode};
use crate::gateway;
use crate::keys::KeyStore;
use crate::keys::sealed_file;
use crate::survey::{self, Pair};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// Check configuration, certificates, keys, definitions and their vectors.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Do not open the key file: then no passphrase is needed.
    #[arg(long)]
    without_keys: bool,
    /// Print one JSON object: ok, channels, dialects, faults, bounds.
    #[arg(long)]
    json: bool,
}

/// How the vectors of a channel, or of a dialect with its mapping, did.
#[derive(Debug, Serialize)]
struct Ran {
    name: String,
    /// Whether the configuration uses it.
    in_use: bool,
    vectors_passed: usize,
    vectors_failed: usize,
}

/// All that was found.
#[derive(Debug, Default)]
struct Found {
    faults: Vec<Fault>,
    channels: Vec<Ran>,
    dialects: Vec<Ran>,
    bounds: Vec<Bound>,
}

impl Check {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let mut found = Found::default();
        match config::load(&self.file.config) {
            Err(errors) => found.faults = errors.faults,
            Ok(config) => {
                check_channels(&config, &mut found);
                check_definitions(&config, &mut found);
                check_certificates(&config, &mut found);
                if !self.without_keys {
                    check_keys(&config, &mut found);
                }
                found.bounds = config.bounds();
            }
        }
        if self.json {
            let Found { faults, channels, dialects, bounds } = &found;
            let ok = faults.is_empty();
            print::json(&json!({
                "ok": ok, "channels": channels, "dialects": dialects, "faults": faults,
                "bounds": bounds,
            }));
        } else {
            show(&found);
        }
        Ok(if found.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Runs the vectors of each channel's kind.
fn check_channels(config: &Config, found: &mut Found) {
    for (index, channel) in config.channels.iter().enumerate() {
        let results = match channel.kind {
            ChannelKind::Rest => rest::vectors::run(),
        };
        let key = format!("channel[{index}]");
        let failed =
            results.iter().filter_map(|result| Some((&result.name, result.fault.as_ref()?)));
        let told: Vec<_> = failed
            .map(|(vector, fault)| {
                let message = format!("vector {vector:?}: {fault}: do not run this program here");
                Fault::of_file("", &key, &message)
            })
            .collect();
        found.channels.push(Ran {
            name: channel.name.to_string(),
            in_use: true,
            vectors_passed: results.len().saturating_sub(told.len()),
            vectors_failed: told.len(),
        });
        found.faults.extend(told);
    }
}

/// Reads the definitions of all hosts, and all others that lie beside them, and runs their vectors.
fn check_definitions(config: &Config, found: &mut Found) {
    let mut used = BTreeMap::new();
    for (index, host) in config.hosts.iter().enumerate() {
        let mapping = Some(host.mapping.clone());
        let pair = Pair { dialect: host.dialect.clone(), mapping };
        used.entry(pair).or_insert_with(|| format!("host[{index}]"));
    }
    let folder = &config.gateway.protocols_dir;
    let others = survey::others(folder, &used.keys().cloned().collect());
    for (pair, key) in &used {
        check_pair(folder, pair, Some(key), found);
    }
    for pair in &others {
        check_pair(folder, pair, None, found);
    }
}

/// `key`: who uses the pair, in the configuration.
fn check_pair(folder: &Path, pair: &Pair, key: Option<&str>, found: &mut Found) {
    let (name, surveyed) = (pair.name(), survey::look(folder, pair));
    let key_told = key.unwrap_or_default();
    let in_folder = |file: &str| folder.join(file).display().to_string();
    let mut told = Vec::new();
    for fault in &surveyed.faults {
        let file = in_folder(&fault.file);
        told.push(Fault { file, ..Fault::of_definition(key_told, fault) });
    }
    if let Some((path, why)) = &surveyed.unreadable {
        let message = format!("{name}: cannot be read: {why}");
        told.push(Fault::of_file(&path.display().to_string(), key_told, &message));
    }
    let results = &surveyed.vectors;
    let failed = results.iter().filter_map(|(file, it)| Some((file, &it.name, it.fault.as_ref()?)));
    let failed: Vec<_> = failed
        .map(|(file, vector, fault)| {
            let message = format!("{name}: vector {vector:?}: {fault}");
            Fault::of_file(&in_folder(file), key_told, &message)
        })
        .collect();
    found.dialects.push(Ran {
        name,
        in_use: key.is_some(),
        vectors_passed: results.len().saturating_sub(failed.len()),
        vectors_failed: failed.len(),
    });
    // Two mappings of one dialect would tell its faults twice.
    for fault in told.into_iter().chain(failed) {
        let place = (&fault.file, fault.line, fault.column, &fault.message);
        let known = |one: &Fault| (&one.file, one.line, one.column, &one.message) == place;
        if !found.faults.iter().any(known) {
            found.faults.push(fault);
        }
    }
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
    let channels = found.channels.iter().map(|ran| ("channel", ran));
    let dialects = found.dialects.iter().map(|ran| ("dialect", ran));
    for (kind, Ran { name, in_use, vectors_passed, vectors_failed }) in channels.chain(dialects) {
        let unused = if *in_use { "" } else { " (not in use)" };
        print::line(format!(
            "{kind} {name}{unused}: {vectors_passed} vectors passed, {vectors_failed} failed"
        ));
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
