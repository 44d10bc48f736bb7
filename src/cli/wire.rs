//! `tidegate explain`: a message of a host line, field by field, for people.

use super::print;
use crate::definitions;
use anyhow::{Context, anyhow, bail};
use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use tidegate_iso8583::explain::ExplainOptions;

/// The longest message that is explained.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// Decode an ISO 8583 message.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The dialect, a folder name under `dialects`.
    #[arg(short, long)]
    dialect: String,
    /// The folder of definitions.
    #[arg(long, default_value = "protocols", value_name = "DIR")]
    protocols: PathBuf,
    /// The message body as hex digits (blanks are skipped), without the frame's length.
    #[arg(long, conflicts_with = "file")]
    hex: Option<String>,
    /// A file with the raw bytes of the body, or `-` for standard input.
    file: Option<PathBuf>,
}

impl Explain {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let dialect = definitions::load_dialect(&self.protocols, &self.dialect)?;
        let explanation = dialect.explain(&self.body()?, ExplainOptions::default());
        print::line(explanation.to_string());
        let sound = explanation.fault.is_none();
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn body(&self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        match (&self.hex, &self.file) {
            (Some(hex), _) => {
                let digits: String = hex.split_whitespace().collect();
                let read = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
                return read
                    .map_err(|_| anyhow!("--hex: an even number of hex digits is expected"));
            }
            (None, Some(path)) if path.as_os_str() != "-" => {
                let file = std::fs::File::open(path);
                let file = file.with_context(|| format!("cannot read {}", path.display()))?;
                file.take(INPUT_BYTES_MAX).read_to_end(&mut body)?;
            }
            (None, Some(_)) => {
                std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut body)?;
            }
            (None, None) => {
                bail!("nothing to explain: give --hex, a file, or - for standard input")
            }
        }
        Ok(body)
    }
}
