//! `tidegate check`: shows what [`crate::check`] finds.

use super::{ConfigFile, print};
use crate::check::{Found, Vectors, check};
use crate::config::Bound;
use clap::Args;
use serde_json::json;
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

impl Check {
    pub(super) fn answer(&self) -> ExitCode {
        let (found, _) = check(&self.file.config, !self.without_keys);
        if self.json {
            let Found { faults, definitions, bounds } = &found;
            let ok = faults.is_empty();
            print::json(&json!({
                "ok": ok, "faults": faults, "definitions": definitions, "bounds": bounds,
            }));
        } else {
            show(&found);
        }
        if found.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn show(found: &Found) {
    for Vectors { name, vectors_passed, vectors_failed } in &found.definitions {
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
