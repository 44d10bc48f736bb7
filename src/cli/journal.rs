//! `tidegate journal`: reads the journal on the disk.

use super::arguments::{JournalArguments, JournalTask};
use super::outcome::{Done, Exit, Failure, print_json};
use super::parts::Parts;
use crate::config;
use std::io::Write;

pub(super) fn journal(asked: &JournalArguments, parts: &Parts, out: &mut dyn Write) -> Done {
    match &asked.what {
        JournalTask::Export { reach } => {
            (parts.export_journal)(&config::load(&reach.config)?, out)?;
            Ok(Exit::Good)
        }
        JournalTask::Verify { reach, json } => {
            let config = config::load(&reach.config)?;
            let report = (parts.verify_journal)(&config)?;
            if *json {
                print_json(out, &report)?;
                return Ok(if report.damage.is_none() { Exit::Good } else { Exit::Wrong });
            }
            let place = config.gateway.data_dir.join("journal");
            if let Some(damage) = report.damage {
                let attempted = format!("verifying the journal in {}", place.display());
                return Err(Failure::wrong(attempted, damage));
            }
            let (records, segments) = (report.records, report.segments);
            let last = report.last_sequence;
            writeln!(
                out,
                "{records} records in {segments} segments are sound; the last is {last}"
            )?;
            Ok(Exit::Good)
        }
    }
}
