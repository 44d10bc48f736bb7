//! The command line of a certification.

use super::log::{SEAL, WIRE};
use super::{Plan, certify};
use crate::certify::verify::verify;
use crate::merchant::key::{Algorithm, SigningKey};
use crate::screen::Screen;
use anyhow::Context as _;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Play a script of test cases against a real host, and keep masked, sealed evidence of it.
///
/// Exit codes: 0 every case passed, or the evidence is proved; 1 a case failed, or the evidence was
/// altered; 2 it could not run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sandbox certify --script protocols/certification/iso87.toml \
    --host bank.toml --out evidence --key certify.key\n  sandbox certify --script \
    protocols/certification/iso87.toml --practice --out practice --key practice.key\n  \
    sandbox certify --verify evidence --key certify.key.pub")]
pub struct Arguments {
    /// The script.
    #[arg(long, value_name = "FILE", required_unless_present = "verify", requires = "out")]
    script: Option<PathBuf>,
    /// A file whose [[host]] and [reversal] count instead of the script's.
    #[arg(long, value_name = "FILE")]
    host: Option<PathBuf>,
    /// Let the sandbox's own bank stand in for the host, with short waits.
    #[arg(long, conflicts_with = "host")]
    practice: bool,
    /// A new or empty folder for the evidence.
    #[arg(long, value_name = "DIR", requires = "key")]
    out: Option<PathBuf>,
    /// The ed25519 key that seals, made at its first use (and FILE.pub beside it). With --verify: the
    /// public key that must have sealed.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Only these cases.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// One JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Prove the evidence in this folder instead.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["script", "host", "out", "only", "practice"])]
    verify: Option<PathBuf>,
}

impl Arguments {
    /// Does it; `true`: all is well. `progress` hears of each case.
    /// # Errors
    /// If it could not run.
    pub async fn run(
        self,
        program: Vec<OsString>,
        protocols: PathBuf,
        progress: &dyn Fn(&str),
    ) -> anyhow::Result<bool> {
        let screen = Screen::new();
        if let Some(folder) = &self.verify {
            return prove(folder, self.key.as_deref(), self.json, screen);
        }
        let plan = Plan {
            script: self.script.context("--script is missing")?,
            host: self.host,
            practice: self.practice,
            out: self.out.context("--out is missing")?,
            key: self.key.context("--key is missing")?,
            only: self.only,
            program,
            protocols,
        };
        let out = plan.out.display().to_string();
        let report = certify(plan, progress).await?;
        screen.heading(&report.script);
        for case in &report.cases {
            screen.verdict(case.passed, &format!("{:<36} {}", case.name, case.sentence));
            for fault in case.steps.iter().flat_map(|step| &step.faults) {
                screen.detail(fault);
            }
        }
        let passed = report.cases.iter().filter(|case| case.passed).count();
        let all = report.cases.len();
        screen.line(&format!("\n  {passed} of {all} cases passed; evidence in {out}"));
        if self.json {
            writeln!(io::stdout().lock(), "{}", serde_json::to_string(&report)?)?;
        }
        Ok(report.passed)
    }
}

fn prove(folder: &Path, key: Option<&Path>, json: bool, screen: Screen) -> anyhow::Result<bool> {
    anyhow::ensure!(folder.join(SEAL).exists(), "{} holds no {SEAL}", folder.display());
    let key = key.map(public_key).transpose()?;
    let proved = verify(folder, key.as_deref());
    let fault = proved.as_ref().err().map(|fault| format!("{fault:#}"));
    match &proved {
        Ok(proved) => {
            let text = format!(
                "{} records of {WIRE} and the reports are as they were sealed by {}",
                proved.records, proved.public_key
            );
            screen.verdict(true, &text);
            if key.is_none() {
                screen.detail("whose key that is the evidence cannot say itself: name it by --key");
            }
        }
        Err(_) => screen.verdict(false, fault.as_deref().unwrap_or_default()),
    }
    if json {
        let told = serde_json::json!({"proved": proved.is_ok(), "fault": fault});
        writeln!(io::stdout().lock(), "{told}")?;
    }
    Ok(proved.is_ok())
}

/// Out of `FILE.pub`, or of the key itself.
fn public_key(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    if text.contains("PRIVATE KEY") {
        return Ok(SigningKey::read(path, Algorithm::Ed25519)?.public);
    }
    Ok(text.trim().to_owned())
}
