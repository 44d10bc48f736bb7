//! `tidegate journal`: the journal's files, with the gateway stopped or running.

use super::{ConfigFile, print};
use crate::config;
use crate::store::{export, verify};
use anyhow::Context;
use clap::Subcommand;
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
                    .context("the journal was verified and is not sound")?;
                if *json {
                    print::json(&serde_json::to_value(&report)?);
                } else {
                    print::line(report.to_string());
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
