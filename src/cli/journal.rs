//! `tidegate journal`: the journal's files, with the gateway stopped or running.

use super::{ConfigFile, print};
use crate::config;
use crate::store::export;
use crate::store::verify::{self, Report};
use anyhow::Context;
use clap::Subcommand;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::process::ExitCode;

/// `tidegate journal …`
#[derive(Debug, Subcommand)]
pub(super) enum Journal {
    /// Read every record, check it and its chain; say where it is damaged.
    #[command(after_help = "Example: tidegate journal verify -c FILE")]
    Verify {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write every record as a line of JSON to standard output; cards by first six and last four.
    #[command(after_help = "Example: tidegate journal export -c FILE > journal.jsonl")]
    Export {
        #[command(flatten)]
        file: ConfigFile,
    },
}

impl Journal {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Verify { file, json } => {
                let config = config::load(&file.config)?;
                let report = verify::verify(&config.gateway.data_dir)
                    .context("the journal could not be verified to its end")?;
                if *json {
                    print::json(&as_json(&report));
                } else {
                    show(&report);
                }
            }
            Self::Export { file } => {
                let config = config::load(&file.config)?;
                let mut out = BufWriter::new(std::io::stdout().lock());
                export::export(&config.gateway.data_dir, &mut out)
                    .context("the journal was not exported to its end")?;
                out.flush()?;
            }
        }
        Ok(ExitCode::SUCCESS)
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
        "torn_bytes": report.torn.map(|torn| torn.bytes),
        "ledger": report.ledger.map(|ledger| ledger.0),
    })
}

fn show(report: &Report) {
    let Report { segments, batches, records, last, chain, epoch, torn, ledger } = report;
    print::line(format!("sound: {records} records in {batches} batches and {segments} segments"));
    print::line(format!("last record {}, chain {}", last.0, HEXLOWER.encode(chain)));
    print::line(format!("opened to write {epoch} times"));
    if let Some(torn) = torn {
        print::line(format!("{} bytes of an unfinished batch at the end", torn.bytes));
    }
    print::line(match ledger {
        Some(ledger) => format!("the ledger follows up to record {}", ledger.0),
        None => "no ledger: whether records are missing at the end cannot be told".to_owned(),
    });
}
