//! Loads a configuration from its files and the environment.

use super::check::Checker;
use super::fault::{ConfigErrors, Fault};
use super::layers::{self, Written};
use super::lint;
use super::values::Config;
use crate::bounded_file;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Loads the configuration of a file, its `conf.d` and the process's environment.
/// # Errors
/// [`ConfigErrors`] with every fault that could be found.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    load_with(path, &std::env::vars().collect())
}

/// As [`load`], under an environment that is handed in.
/// # Errors
/// [`ConfigErrors`] with every fault that could be found.
pub fn load_with(
    path: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Config, ConfigErrors> {
    let (files, mut faults) = read_files(path);
    if !faults.is_empty() {
        return Err(ConfigErrors { faults });
    }
    let layers = layers::read(files, environment);
    // Of a file that is no TOML nothing is known: what it would have said must not be told as missing.
    if layers.faults.iter().any(|fault| fault.key.is_empty()) {
        return Err(ConfigErrors { faults: in_order(layers.faults) });
    }
    let unread: Vec<String> = layers.faults.iter().map(|fault| fault.key.clone()).collect();
    faults.extend(layers.faults);
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut checker = Checker::new(layers.origins, folder, unread);
    let config = checker.config(path.to_path_buf(), layers.raw);
    if let Some(config) = &config {
        lint::lint(config, &mut checker);
    }
    faults.extend(checker.into_faults());
    let faults = in_order(faults);
    config.filter(|_| faults.is_empty()).ok_or(ConfigErrors { faults })
}

/// Where the control socket of a configuration is, whatever else is wrong with it: a file that somebody is
/// editing must not keep operators from the gateway that runs.
/// # Errors
/// [`ConfigErrors`] when the files cannot be read, or are no TOML and name no socket.
pub fn control_socket(path: &Path) -> Result<PathBuf, ConfigErrors> {
    let (files, faults) = read_files(path);
    if !faults.is_empty() {
        return Err(ConfigErrors { faults });
    }
    let layers = layers::read(files, &std::env::vars().collect());
    let broken = |fault: &Fault| fault.key.is_empty() || fault.key.starts_with("internal");
    let faults: Vec<Fault> = layers.faults.into_iter().filter(broken).collect();
    match (layers.raw.internal.control_socket, faults.is_empty()) {
        (Some(socket), _) => Ok(in_folder_of(path, &socket)),
        (None, true) => Ok(in_folder_of(path, DEFAULT_CONTROL_SOCKET)),
        (None, false) => Err(ConfigErrors { faults: in_order(faults) }),
    }
}

/// The control socket of a configuration that names none.
pub(super) const DEFAULT_CONTROL_SOCKET: &str = "tidegate.sock";

fn in_folder_of(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

/// In order of files and lines.
fn in_order(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    faults
}

/// The main file and those of `conf.d` beside it, in order of their names.
fn read_files(path: &Path) -> (Vec<Written>, Vec<Fault>) {
    let mut paths = vec![path.to_path_buf()];
    let mut faults = Vec::new();
    let folder = path.parent().unwrap_or(Path::new("")).join("conf.d");
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            let found = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
            let is_toml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml");
            let mut found: Vec<_> = found.filter(is_toml).collect();
            found.sort();
            paths.extend(found);
        }
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
        Err(fault) => faults.push(unreadable(&folder, &fault)),
    }
    let mut files = Vec::new();
    for path in paths {
        match bounded_file::read_text(&path) {
            Ok(text) => files.push(Written { name: path.display().to_string(), text }),
            Err(fault) => faults.push(unreadable(&path, &fault)),
        }
    }
    (files, faults)
}

fn unreadable(path: &Path, fault: &std::io::Error) -> Fault {
    let message = format!("configuration cannot be read: {fault}");
    Fault::elsewhere(&path.display().to_string(), "", &message, "a readable TOML file")
}
