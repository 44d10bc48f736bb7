//! `tidegate check`: configuration, definitions and their vectors; every fault at once.

use super::{ConfigFile, print};
use crate::config::{self, Config};
use crate::definitions;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Check configuration, definitions and their vectors.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// How the vectors of one definition did.
struct Definition {
    name: String,
    passed: usize,
    failed: usize,
}

impl Check {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let (checked, faults) = match config::load(&self.file.config) {
            Ok(config) => check_definitions(&config),
            Err(errors) => (Vec::new(), vec![errors.to_string()]),
        };
        if self.json {
            print::json(&as_json(&checked, &faults));
        } else {
            show(&checked, &faults);
        }
        Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn check_definitions(config: &Config) -> (Vec<Definition>, Vec<String>) {
    let hosts = config.hosts.iter();
    let pairs: BTreeSet<_> =
        hosts.map(|host| (host.dialect.as_str(), host.mapping.as_str())).collect();
    let (mut checked, mut faults) = (Vec::new(), Vec::new());
    for (dialect, mapping) in pairs {
        match check_pair(config, dialect, mapping, &mut faults) {
            Ok(definition) => checked.push(definition),
            Err(error) => faults.push(with_causes(&error)),
        }
    }
    (checked, faults)
}

fn check_pair(
    config: &Config,
    dialect: &str,
    mapping: &str,
    faults: &mut Vec<String>,
) -> Result<Definition, definitions::DefinitionError> {
    let folder = &config.gateway.protocols_dir;
    let definition = definitions::load(folder, dialect, mapping)?;
    let results = definitions::run_vectors(folder, (dialect, mapping), &definition)?;
    let name = format!("{dialect} with {mapping}");
    let failed = results.iter().filter_map(|result| Some((&result.name, result.fault.as_ref()?)));
    let told: Vec<_> =
        failed.map(|(vector, fault)| format!("{name}: vector {vector:?}: {fault}")).collect();
    let (passed, failed) = (results.len().saturating_sub(told.len()), told.len());
    faults.extend(told);
    Ok(Definition { name, passed, failed })
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn as_json(checked: &[Definition], faults: &[String]) -> Value {
    let dialects = checked.iter().map(|definition| {
        json!({
            "name": definition.name,
            "vectors_passed": definition.passed,
            "vectors_failed": definition.failed,
        })
    });
    let dialects: Vec<_> = dialects.collect();
    json!({ "ok": faults.is_empty(), "channels": [], "dialects": dialects, "faults": faults })
}

fn show(checked: &[Definition], faults: &[String]) {
    for Definition { name, passed, failed } in checked {
        print::line(format!("{name}: {passed} vectors passed, {failed} failed"));
    }
    for fault in faults {
        print::line("");
        print::line(fault);
    }
    let verdict = match faults.len() {
        0 => "sound".to_owned(),
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    print::line(verdict);
}
