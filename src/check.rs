//! Checks everything that a configuration names: certificates, keys, definitions and their vectors;
//! every fault at once. `tidegate check` shows what it finds; a reload takes what is sound into use.
//! Starts nothing and changes nothing.

use crate::config::{self, Bound, Config, Fault, Mode};
use crate::definitions::{self, DefinitionError, Edition};
use crate::edge::tls::Identity;
use crate::gateway;
use crate::keys::KeyStore;
use crate::keys::sealed_file;
use serde::Serialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use tidegate_payment::id::HostId;

/// How the vectors of one definition did.
#[derive(Debug, Serialize)]
pub struct Vectors {
    /// The dialect and the mapping.
    pub name: String,
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
    /// What was run.
    pub definitions: Vec<Vectors>,
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

/// Checks the configuration in a file and all that it names. `with_keys`: the key file is opened, too,
/// for which its passphrase is needed.
pub fn check(file: &Path, with_keys: bool) -> (Found, Option<Sound>) {
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
    if with_keys {
        check_keys(&config, &mut found);
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

/// Reads the definitions of all hosts and runs their vectors.
fn check_definitions(config: &Config, found: &mut Found) -> Option<BTreeMap<HostId, Edition>> {
    let mut pairs = BTreeMap::new();
    for (index, host) in config.hosts.iter().enumerate() {
        let pair = (host.dialect.as_str(), host.mapping.as_str());
        pairs.entry(pair).or_insert_with(|| (format!("host[{index}]"), None));
    }
    for (pair, (key, edition)) in &mut pairs {
        match check_pair(config, *pair, key, found) {
            Ok(read) => *edition = Some(read),
            Err(DefinitionError::Faults(faults)) => {
                let told = faults.list().iter();
                found.faults.extend(told.map(|fault| Fault::of_definition(key, fault)));
            }
            Err(error) => {
                found.faults.push(Fault::of_file("", key, &with_causes(&error)));
            }
        }
    }
    let of_host = |host: &config::Host| {
        let (_, edition) = pairs.get(&(host.dialect.as_str(), host.mapping.as_str()))?;
        Some((host.name.clone(), edition.clone()?))
    };
    config.hosts.iter().map(of_host).collect()
}

fn check_pair(
    config: &Config,
    (dialect, mapping): (&str, &str),
    key: &str,
    found: &mut Found,
) -> Result<Edition, DefinitionError> {
    let folder = &config.gateway.protocols_dir;
    let edition = definitions::load_edition(folder, dialect, mapping)?;
    let definition = &edition.definition;
    let results = definitions::run_vectors(folder, (dialect, mapping), definition)?;
    let name = format!("{dialect} with {mapping}");
    let failed = results.iter().filter_map(|result| Some((&result.name, result.fault.as_ref()?)));
    let told: Vec<_> = failed
        .map(|(vector, fault)| {
            Fault::of_file("", key, &format!("{name}: vector {vector:?}: {fault}"))
        })
        .collect();
    let vectors_failed = told.len();
    let vectors_passed = results.len().saturating_sub(vectors_failed);
    found.definitions.push(Vectors { name, vectors_passed, vectors_failed });
    found.faults.extend(told);
    Ok(edition)
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
