//! `tidegate journal`: the journal's files, with the gateway stopped or running.

use super::{ConfigFile, journal_copies, journal_follow, print};
use crate::config;
use crate::store::StoreError;
use crate::store::export;
use crate::store::journal::Damage;
use crate::store::verify::{self, Comparison, Report};
use anyhow::Context;
use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// `tidegate journal …`
#[derive(Debug, Subcommand)]
pub(super) enum Journal {
    /// Read every record, check it and its chain; say where it is damaged.
    #[command(after_help = "Examples: tidegate journal verify -c FILE\n  \
        tidegate journal verify -c FILE --folder /copy --against-data    is /copy the same, what lacks?\n  \
        tidegate journal verify -c FILE --folder /copy --through 918273  is that record in it?\n\
        Exit code 1: damaged, not the same, or a record that was asked for is missing.")]
    Verify(Verify),
    /// Write every record as a line of JSON to standard output; cards by first six and last four.
    #[command(after_help = "Example: tidegate journal export -c FILE > journal.jsonl")]
    Export {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Copy the data folder while the gateway pays: all that is durable now, checked, with a manifest.
    #[command(after_help = "Example: tidegate journal backup -c FILE --to /backup/today\n\
        A backup that is there already is brought up. backup.json is written last: a folder without it \
        is no backup.")]
    Backup(journal_copies::Backup),
    /// Put a backup into the data folder, which must have no journal, and make its ledger.
    #[command(after_help = "Example: tidegate journal restore -c FILE --from /backup/today")]
    Restore(journal_copies::Restore),
    /// Keep a second data folder that can be taken over: copy what becomes durable, until stopped.
    #[command(
        after_help = "Examples: tidegate journal follow -c FILE --to /mnt/second/tidegate\n  \
        tidegate journal follow -c FILE --to /mnt/second/tidegate --finish   before a take-over"
    )]
    Follow(journal_follow::Follow),
    /// Move closed segments of days that are over and done with to the archive.
    #[command(
        after_help = "Example: tidegate journal archive -c FILE --before 2026-10-01 --dry-run"
    )]
    Archive(journal_copies::Archive),
    /// Write the heads of all segments in another format, for a release that knows no newer one.
    #[command(after_help = "Example: tidegate journal convert -c FILE --format 1\n\
        The gateway must be stopped. No record changes, nor does the chain of hashes.")]
    Convert(journal_copies::Convert),
}

/// What is to be read, and what must be found.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    file: ConfigFile,
    /// A copy to be read instead of the data folder of the configuration.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Also read the data folder of the configuration, and say what of it the copy lacks.
    #[arg(long, requires = "folder")]
    against_data: bool,
    /// The last record that must be there: what monitoring last saw as journal_written, for example.
    #[arg(long, value_name = "SEQUENCE")]
    through: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Journal {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Verify(verify) => verify.answer(),
            Self::Export { file } => {
                let config = config::load(&file.config)?;
                let mut out = BufWriter::new(std::io::stdout().lock());
                export::export(&config.gateway.data_dir, &mut out)
                    .context("the journal was not exported to its end")?;
                out.flush()?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Backup(backup) => backup.answer(),
            Self::Restore(restore) => restore.answer(),
            Self::Follow(follow) => follow.answer(),
            Self::Archive(archive) => archive.answer(),
            Self::Convert(convert) => convert.answer(),
        }
    }
}

impl Verify {
    fn answer(&self) -> anyhow::Result<ExitCode> {
        let data = config::load(&self.file.config)?.gateway.data_dir;
        let folder = self.folder.as_ref().unwrap_or(&data);
        let found = if self.against_data {
            verify::compare(folder, &data).map(|compared| (compared.copy.clone(), Some(compared)))
        } else {
            verify::verify(folder).map(|report| (report, None))
        };
        match found {
            Ok((report, compared)) => Ok(self.tell(&report, compared.as_ref())),
            Err(StoreError::Damaged(damage)) if self.json => {
                print::json(&damage_as_json(&damage));
                Ok(ExitCode::FAILURE)
            }
            Err(error @ StoreError::Damaged(_)) => {
                let expected = match &error {
                    StoreError::Damaged(damage) => damage.expected(),
                    _ => String::new(),
                };
                Err(error).context(format!("the journal is not sound; expected was {expected}"))
            }
            Err(error) => Err(error).context("the journal could not be verified to its end"),
        }
    }

    fn tell(&self, report: &Report, compared: Option<&Comparison>) -> ExitCode {
        let lacks = self.through.map(|through| through.saturating_sub(report.last.0));
        if self.json {
            let mut object = as_json(report);
            if let Value::Object(members) = &mut object {
                if let Some(compared) = compared {
                    members.insert("same_up_to".into(), json!(compared.same_up_to.map(|it| it.0)));
                    members.insert("first_last".into(), json!(compared.first.last.0));
                    members.insert("missing".into(), json!(compared.missing));
                }
                if let Some(lacks) = lacks {
                    members.insert("missing_of_through".into(), json!(lacks));
                }
            }
            print::json(&object);
        } else {
            show(report);
            compared.into_iter().for_each(show_compared);
            match (self.through, lacks) {
                (Some(through), Some(0)) => print::line(format!("record {through} is there")),
                (Some(through), Some(lacks)) => {
                    print::line(format!("record {through} is MISSING, and {lacks} in all"));
                }
                _ => {}
            }
        }
        let whole = compared.is_none_or(|it| it.same_up_to.is_some() && it.missing == 0);
        if whole && lacks.unwrap_or(0) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn as_json(report: &Report) -> Value {
    json!({
        "sound": true,
        "segments": report.segments,
        "batches": report.batches,
        "records": report.records,
        "last": report.last.0,
        "chain": HEXLOWER.encode(&report.chain),
        "epoch": report.epoch,
        "format": report.newest.map(|head| head.format().number()),
        "release": report.newest.and_then(|head| head.made).map(|made| made.release.to_string()),
        "torn_bytes": report.torn.map(|torn| torn.bytes),
        "torn_offset": report.torn.map(|torn| torn.offset),
        "ledger": report.ledger.map(|ledger| ledger.0),
    })
}

fn damage_as_json(damage: &Damage) -> Value {
    json!({
        "sound": false,
        "file": damage.segment,
        "offset": damage.offset,
        "sequence": damage.sequence.0,
        "found": damage.fault.to_string(),
        "expected": damage.expected(),
    })
}

fn show(report: &Report) {
    let Report { segments, batches, records, last, chain, epoch, newest, torn, ledger } = report;
    print::line(format!("sound: {records} records in {batches} batches and {segments} segments"));
    print::line(format!("last record {}, chain {}", last.0, HEXLOWER.encode(chain)));
    print::line(format!("opened to write {epoch} times"));
    if let Some(head) = newest {
        let format = head.format().number();
        let by = head.made.map(|made| format!(", made by release {}", made.release));
        print::line(format!("the newest segment has format {format}{}", by.unwrap_or_default()));
    }
    if let Some(torn) = torn {
        let (bytes, offset) = (torn.bytes, torn.offset);
        print::line(format!("{bytes} bytes of an unfinished batch at the end, at byte {offset}"));
    }
    print::line(match ledger {
        Some(ledger) => format!("the ledger follows up to record {}", ledger.0),
        None => "no ledger: whether records are missing at the end cannot be told".to_owned(),
    });
}

fn show_compared(compared: &Comparison) {
    let (copy, first) = (compared.copy.last.0, compared.first.last.0);
    print::line(match compared.same_up_to {
        None => "NOT THE SAME JOURNAL: the chains of hashes differ".to_owned(),
        Some(_) if compared.missing > 0 => {
            format!(
                "the same up to record {copy}; {} records are MISSING, up to {first}",
                compared.missing
            )
        }
        Some(_) if copy > first => {
            format!(
                "the same up to record {first}; the copy has {} more",
                copy.saturating_sub(first)
            )
        }
        Some(_) => format!("the same up to record {first}, the last of both: nothing is missing"),
    });
}
