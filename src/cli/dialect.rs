//! `tidegate dialect`: dialect files made of other programs' definitions.

use super::print;
use crate::bounded_file;
use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tidegate_protocol::import::{self, Origin};

/// Dialect files.
#[derive(Debug, Subcommand)]
pub(super) enum Dialect {
    /// Make a dialect file of the definitions of another program.
    ///
    /// The file goes to standard output, or to --out. What could not be carried over is listed on standard
    /// error, each with its place, and in the file's first lines.
    #[command(
        after_help = "Example: tidegate dialect import --from jpos-xml base1.xml --name mybank \\\n           \
        --out protocols/dialects/mybank/dialect.toml"
    )]
    Import(Import),
    /// Print the JSON Schema of dialect files, with which editors complete, explain and check them.
    #[command(after_help = "Example: tidegate dialect schema > protocols/dialect.schema.json")]
    Schema,
}

/// What editors know of a dialect file.
const SCHEMA: &str = include_str!("../../protocols/dialect.schema.json");

/// Make a dialect file of the definitions of another program.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// What the file is.
    #[arg(long)]
    from: Format,
    /// The dialect's name, which is that of its folder; if nothing is said, made of the file's name.
    #[arg(long)]
    name: Option<String>,
    /// Write the dialect to this file, which must not be there yet. Folders above it are made.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The file to read.
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A packager of jPOS: the XML of its GenericPackager.
    JposXml,
    /// A specification of moov-io/iso8583: the JSON of its specs.Builder.
    MoovJson,
}

impl Dialect {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Import(import) => import.answer(),
            Self::Schema => {
                print::line(SCHEMA.trim_end());
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl Import {
    fn answer(&self) -> anyhow::Result<ExitCode> {
        let shown = self.file.display();
        let name = self.name()?;
        let text = bounded_file::read_old_text(&self.file);
        let text = text.with_context(|| format!("cannot read {shown}"))?;
        let origin = match self.from {
            Format::JposXml => Origin::JposXml,
            Format::MoovJson => Origin::MoovJson,
        };
        let imported = import::import(origin, &text, &name)
            .with_context(|| format!("cannot import {shown}"))?;
        match &self.out {
            Some(out) => write_new(out, &imported.text)?,
            None => {
                // A reader who went away is no error.
                let _ = std::io::stdout().write_all(imported.text.as_bytes());
            }
        }
        if !imported.losses.is_empty() {
            print::note(&format!("Not carried over as it was ({}):\n", imported.losses.len()));
        }
        for loss in &imported.losses {
            print::note(&format!("  {loss}\n"));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// A name that a folder of dialects takes.
    fn name(&self) -> anyhow::Result<String> {
        let allowed = |it: char| it.is_ascii_alphanumeric() || "_-".contains(it);
        if let Some(name) = &self.name {
            if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
                bail!("--name {name}: 1 to 64 of A-Z a-z 0-9 _ - are expected");
            }
            return Ok(name.clone());
        }
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy();
        let plain = stem.chars().map(|it| if allowed(it) { it.to_ascii_lowercase() } else { '-' });
        let name: String = plain.take(64).collect();
        Ok(if name.is_empty() { "imported".to_owned() } else { name })
    }
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = path.display();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let file = fs::File::create_new(path);
    let mut file =
        file.with_context(|| format!("cannot make {shown}, which must be a new file"))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {shown}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::definitions;

    const PACKAGER: &str = r#"<?xml version="1.0"?>
<!DOCTYPE isopackager PUBLIC "-//jPOS/jPOS Generic Packager DTD 1.0//EN" "http://jpos.org/dtd/generic-packager-1.0.dtd">
<isopackager>
  <isofield id="0" length="4" name="MTI" class="org.jpos.iso.IFA_NUMERIC"/>
  <isofield id="1" length="16" name="BITMAP" class="org.jpos.iso.IFA_BITMAP"/>
  <isofield id="11" length="6" name="TRACE" class="org.jpos.iso.IFA_NUMERIC"/>
</isopackager>
"#;

    #[test]
    fn an_imported_file_is_a_dialect_like_any_other_and_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("My Bank.xml");
        fs::write(&file, PACKAGER).unwrap();
        let out = folder.path().join("protocols/dialects/my-bank/dialect.toml");
        let import = Import { from: Format::JposXml, name: None, out: Some(out.clone()), file };
        import.answer().unwrap();
        let dialect = definitions::load_dialect(&folder.path().join("protocols"), "my-bank");
        assert_eq!(dialect.unwrap().name(), "my-bank");
        let refused = import.answer().unwrap_err();
        assert!(refused.to_string().contains("must be a new file"), "{refused}");
    }
}
