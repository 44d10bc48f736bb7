//! `tidegate journal backup|restore|archive|convert`: what is done to whole segments. The follower is
//! [`super::journal_follow`]'s.

use super::{ConfigFile, print};
use crate::config::{self, Config};
use crate::store::archive::{self, Plan, Stays};
use crate::store::backup::{self, Manifest};
use crate::store::convert::convert;
use crate::store::journal::segment::Format;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use tidegate_payment::time::{BusinessDate, Timestamp};

#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    file: ConfigFile,
    /// The backup's folder.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    file: ConfigFile,
    /// The backup's folder.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Archive {
    #[command(flatten)]
    file: ConfigFile,
    /// Move what belongs to business dates before this one alone; YYYY-MM-DD, the present one at the
    /// latest. Default: [journal] retention_days before today.
    #[arg(long, value_name = "DATE", value_parser = date)]
    before: Option<BusinessDate>,
    /// Show what would be moved, and move nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Convert {
    #[command(flatten)]
    file: ConfigFile,
    /// 1, which every release reads, or 2, which says when and by which release a segment was made.
    #[arg(long, value_name = "NUMBER", value_parser = format)]
    format: Format,
}

impl Backup {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let config = config::load(&self.file.config)?;
        let made = backup::backup(&config.gateway.data_dir, &self.to, now());
        let manifest = made.context("no backup was made")?;
        tell(&manifest, self.json, "backed up and checked");
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let config = config::load(&self.file.config)?;
        let settings = crate::gateway::store_settings(&config)?;
        let restored = backup::restore(&self.from, &config.gateway.data_dir, settings);
        tell(&restored.context("the backup was not restored")?, self.json, "restored and checked");
        Ok(ExitCode::SUCCESS)
    }
}

fn tell(manifest: &Manifest, json: bool, what: &str) {
    if json {
        print::json(&json!(manifest));
        return;
    }
    let Manifest { sequence, chain, segments, made_at, .. } = manifest;
    print::line(format!("{what}: {segments} segments, up to record {sequence}, chain {chain}"));
    print::line(format!("the backup was made at {made_at}"));
}

impl Archive {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let config = config::load(&self.file.config)?;
        let before = self.before.map_or_else(|| retained(&config), Ok)?;
        // What the first folder's ledger tells counts for the second, which has none.
        let plan = archive::plan(&config.gateway.data_dir, before).context("nothing was moved")?;
        for folder in folders(&config) {
            self.archive(folder, &plan)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn archive(&self, folder: &Path, plan: &Plan) -> anyhow::Result<()> {
        if !self.dry_run {
            archive::carry_out(folder, plan).context("not all was moved; it can be done again")?;
        }
        if self.json {
            let names: Vec<&str> = plan.moves.iter().map(|it| it.name.as_str()).collect();
            let stays = why(plan);
            print::json(&json!({ "moved": !self.dry_run, "segments": names, "stays": stays }));
            return Ok(());
        }
        let word = if self.dry_run { "would be moved" } else { "moved" };
        for segment in &plan.moves {
            let (name, first, last) = (&segment.name, segment.first, segment.last);
            print::line(format!("{word}: {name}, records {first} to {last}"));
        }
        print::line(format!("{word}: {} segments in all", plan.moves.len()));
        why(plan).into_iter().for_each(print::line);
        Ok(())
    }
}

/// The first date that must stay, by the days that the configuration wants kept.
fn retained(config: &Config) -> anyhow::Result<BusinessDate> {
    let days = i64::try_from(config.journal.retention_days)?;
    let today = jiff::Timestamp::from_microsecond(now().0)?;
    let today = today.to_zoned(jiff::tz::TimeZone::UTC).date();
    Ok(as_date(today.checked_sub(jiff::Span::new().try_days(days)?)?))
}

/// The data folders of a configuration.
fn folders(config: &Config) -> Vec<&Path> {
    let second = config.journal.second.as_deref();
    std::iter::once(config.gateway.data_dir.as_path()).chain(second).collect()
}

fn why(plan: &Plan) -> Option<String> {
    Some(match plan.stays.as_ref()? {
        Stays::NotApplied => "the next one stays: the ledger has not applied all of it".to_owned(),
        Stays::Payment(needed) => {
            let date = needed.business_date.as_deref().unwrap_or("without a business date");
            let suspect = if needed.is_suspect { ", waits for reconciliation" } else { "" };
            format!(
                "the next one stays: payment {} is needed ({}, {date}{suspect}), from record {} on",
                needed.id, needed.state, needed.first.0
            )
        }
    })
}

impl Convert {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let config = config::load(&self.file.config)?;
        let mut heads = 0_u64;
        for folder in folders(&config) {
            let written = convert(folder, self.format, now());
            heads = heads.saturating_add(written.context("not all segments were converted")?);
        }
        print::line(format!("{heads} segments now have format {}", self.format.number()));
        if self.format != config.journal.format {
            let number = self.format.number();
            print::line(format!(
                "this release writes further segments in format {}: set [journal] format = {number} to keep it",
                config.journal.format.number()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub(super) fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    Timestamp(i64::try_from(now).unwrap_or(i64::MAX))
}

fn date(text: &str) -> anyhow::Result<BusinessDate> {
    let date: jiff::civil::Date =
        text.parse().with_context(|| format!("{text:?} is no date: YYYY-MM-DD is expected"))?;
    Ok(as_date(date))
}

fn as_date(date: jiff::civil::Date) -> BusinessDate {
    BusinessDate {
        year: date.year().unsigned_abs(),
        month: date.month().unsigned_abs(),
        day: date.day().unsigned_abs(),
    }
}

fn format(text: &str) -> anyhow::Result<Format> {
    match text.parse().ok().and_then(Format::of) {
        Some(format) => Ok(format),
        None => {
            bail!("formats {} to {} are known", Format::OLDEST.number(), Format::NEWEST.number())
        }
    }
}
