//! Checks everything that a configuration names: certificates, keys, definitions and their vectors;
//! every fault at once. `tidegate check` shows what it finds; a reload takes what is sound into use.
//! Starts nothing and changes nothing.

use crate::channel::rest;
use crate::config::{self, Bound, ChannelKind, Config, Fault, Mode};
use crate::definitions::{self, DefinitionError, Edition};
use crate::edge::tls::Identity;
use crate::gateway;
use crate::keys::KeyStore;
use crate::keys::sealed_file;
use crate::survey::{self, Pair};
use serde::Serialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use tidegate_payment::id::HostId;
use tidegate_protocol::vectors::VectorResult;

/// How far a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What a running gateway can take into use: all that the configuration names but the key file.
    Reload,
    /// That, the channels' own vectors, and the definitions that no host uses. `keys`: the key file is opened, too,
    /// for which its passphrase is needed.
    Everything {
        /// Whether the key file is opened.
        keys: bool,
    },
}

/// How the vectors of a channel, or of a dialect with its mapping, did.
#[derive(Debug, Serialize)]
pub struct Vectors {
    /// The channel; or the dialect, and the mapping if it has another name.
    pub name: String,
    /// Whether the configuration uses it.
    pub in_use: bool,
    /// How many hold.
    pub vectors_passed: usize,
    /// How many do not; each is a fault, too.
    pub vectors_failed: usize,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Found {
    /// What is wrong; nothing when everything is sound.
    pub faults: Vec<Fault>,
    /// What was run of the channels.
    pub channels: Vec<Vectors>,
    /// What was run of the definitions.
    pub dialects: Vec<Vectors>,
    /// What follows from the limits.
    pub bounds: Vec<Bound>,
}

/// A configuration without a fault, and what it names, read once.
#[derive(Debug)]
pub struct Sound {
    /// The configuration.
    pub config: Config,
    /// The definition of each host.
    pub editions: BTreeMap<HostId, Edition>,
    /// The certificate of each channel, in the order of configuration.
    pub identities: Vec<Identity>,
}

/// Checks the configuration in a file and all that it names.
pub fn check(file: &Path, extent: Extent) -> (Found, Option<Sound>) {
    let mut found = Found::default();
    let config = match config::load(file) {
        Ok(config) => config,
        Err(errors) => {
            found.faults = errors.faults;
            return (found, None);
        }
    };
    let editions = check_definitions(&config, &mut found);
    let identities = check_certificates(&config, &mut found);
    if let Extent::Everything { keys } = extent {
        check_channels(&config, &mut found);
        check_unused(&config, &mut found);
        if keys {
            check_keys(&config, &mut found);
        }
    }
    found.bounds = config.bounds();
    let sound = match (editions, identities) {
        (Some(editions), Some(identities)) if found.faults.is_empty() => {
            Some(Sound { config, editions, identities })
        }
        _ => None,
    };
    (found, sound)
}

/// Runs the vectors of each channel's kind.
fn check_channels(config: &Config, found: &mut Found) {
    for (index, channel) in config.channels.iter().enumerate() {
        let results = match channel.kind {
            ChannelKind::Rest => rest::vectors::run(),
        };
        let failed = results.iter().filter_map(|it| Some((&it.name, it.fault.as_ref()?)));
        let failed: Vec<_> = failed
            .map(|(vector, fault)| {
                let message = format!("vector {vector:?}: {fault}: do not run this program here");
                Fault::of_file("", &format!("channel[{index}]"), &message)
            })
            .collect();
        found.channels.push(Vectors {
            name: channel.name.to_string(),
            in_use: true,
            vectors_passed: results.len().saturating_sub(failed.len()),
            vectors_failed: failed.len(),
        });
        found.faults.extend(failed);
    }
}

/// The pairs that hosts use, each with the first host that does.
fn used(config: &Config) -> BTreeMap<Pair, String> {
    let mut pairs = BTreeMap::new();
    for (index, host) in config.hosts.iter().enumerate() {
        let pair = Pair { dialect: host.dialect.clone(), mapping: Some(host.mapping.clone()) };
        pairs.entry(pair).or_insert_with(|| format!("host[{index}]"));
    }
    pairs
}

/// Reads the definitions of all hosts and runs their vectors.
fn check_definitions(config: &Config, found: &mut Found) -> Option<BTreeMap<HostId, Edition>> {
    let folder = &config.gateway.protocols_dir;
    let mut editions = BTreeMap::new();
    for (pair, key) in used(config) {
        let (dialect, mapping) = (&pair.dialect, pair.mapping.as_deref().unwrap_or_default());
        let read = definitions::load_edition(folder, dialect, mapping).and_then(|edition| {
            let names = (dialect.as_str(), mapping);
            let ran = definitions::run_vectors_by_file(folder, names, &edition.definition)?;
            Ok((edition, ran))
        });
        match read {
            Ok((edition, ran)) => {
                note_vectors((folder, &pair, Some(&key)), &ran, found);
                editions.insert(pair, edition);
            }
            Err(error) => note_error((folder, &pair, Some(&key)), &error, found),
        }
    }
    let of_host = |host: &config::Host| {
        let pair = Pair { dialect: host.dialect.clone(), mapping: Some(host.mapping.clone()) };
        Some((host.name.clone(), editions.get(&pair)?.clone()))
    };
    config.hosts.iter().map(of_host).collect()
}

/// Reads the definitions that lie beside those of the hosts, and runs their vectors.
fn check_unused(config: &Config, found: &mut Found) {
    let folder = &config.gateway.protocols_dir;
    for pair in survey::others(folder, &used(config).into_keys().collect()) {
        match survey::run_vectors(folder, &pair) {
            Ok(ran) => note_vectors((folder, &pair, None), &ran, found),
            Err(error) => note_error((folder, &pair, None), &error, found),
        }
    }
}

/// A pair in its folder, and the key of the host that uses it.
type Place<'a> = (&'a Path, &'a Pair, Option<&'a str>);

fn note_vectors((folder, pair, key): Place<'_>, ran: &[(String, VectorResult)], found: &mut Found) {
    let name = pair.name();
    let failed = ran.iter().filter_map(|(file, it)| Some((file, &it.name, it.fault.as_ref()?)));
    let failed: Vec<_> = failed
        .map(|(file, vector, fault)| {
            let file = folder.join(file).display().to_string();
            let message = format!("{name}: vector {vector:?}: {fault}");
            Fault::of_file(&file, key.unwrap_or_default(), &message)
        })
        .collect();
    found.dialects.push(Vectors {
        name,
        in_use: key.is_some(),
        vectors_passed: ran.len().saturating_sub(failed.len()),
        vectors_failed: failed.len(),
    });
    note_faults(failed, found);
}

fn note_error((folder, pair, key): Place<'_>, error: &DefinitionError, found: &mut Found) {
    let (name, key_told) = (pair.name(), key.unwrap_or_default());
    let faults = match error {
        DefinitionError::Faults(faults) => {
            let told = faults.list().iter();
            let told = told.map(|fault| {
                let file = folder.join(&fault.file).display().to_string();
                Fault { file, ..Fault::of_definition(key_told, fault) }
            });
            told.collect()
        }
        DefinitionError::File { path, .. } | DefinitionError::Kept { path, .. } => {
            let message = format!("{name}: {}", with_causes(error));
            vec![Fault::of_file(&path.display().to_string(), key_told, &message)]
        }
        DefinitionError::Depth { name, .. } => {
            let file = folder.join(name).display().to_string();
            vec![Fault::of_file(&file, key_told, &error.to_string())]
        }
    };
    let (in_use, vectors_passed, vectors_failed) = (key.is_some(), 0, 0);
    found.dialects.push(Vectors { name, in_use, vectors_passed, vectors_failed });
    note_faults(faults, found);
}

/// Two mappings of one dialect would tell its faults twice.
fn note_faults(faults: Vec<Fault>, found: &mut Found) {
    for fault in faults {
        let place = (&fault.file, fault.line, fault.column, &fault.message);
        let is_same = |one: &Fault| (&one.file, one.line, one.column, &one.message) == place;
        if !found.faults.iter().any(is_same) {
            found.faults.push(fault);
        }
    }
}

/// Loads the certificate and key of each channel.
fn check_certificates(config: &Config, found: &mut Found) -> Option<Vec<Identity>> {
    let mut identities = Vec::new();
    for (index, channel) in config.channels.iter().enumerate() {
        let files = &channel.tls;
        match gateway::identity(channel) {
            Ok(identity) => identities.push(identity),
            Err(error) => {
                let file = files.certificate.display().to_string();
                let key = format!("channel[{index}].tls");
                found.faults.push(Fault::of_file(&file, &key, &with_causes(&error)));
            }
        }
    }
    (identities.len() == config.channels.len()).then_some(identities)
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
