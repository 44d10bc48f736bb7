//! `tidegate check`: shows what [`crate::check`] finds.

use super::{ConfigFile, print};
use crate::check::{Extent, Found, Vectors, check};
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
    /// Print one JSON object: ok, channels, dialects, faults, bounds.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn answer(&self) -> ExitCode {
        let (found, _) = check(&self.file.config, Extent::Everything { keys: !self.without_keys });
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
        if found.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn show(found: &Found) {
    let channels = found.channels.iter().map(|ran| ("channel", ran));
    let dialects = found.dialects.iter().map(|ran| ("dialect", ran));
    for (kind, ran) in channels.chain(dialects) {
        let Vectors { name, in_use, vectors_passed, vectors_failed } = ran;
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
