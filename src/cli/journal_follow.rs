//! `tidegate journal follow`: keeps a second data folder behind the first, and tells how far behind.

use super::{ConfigFile, print};
use crate::config;
use crate::store::copies::{CopyError, FollowingFolder, Source};
use crate::store::journal::frame::Place;
use crate::store::shipping::ShipError;
use anyhow::Context;
use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long to wait before the source is looked at again.
const POLL: Duration = Duration::from_millis(100);
/// How long to wait after a fault.
const AFTER_FAULT: Duration = Duration::from_secs(1);
/// How often the status files are written at least.
const STATUS_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Follow {
    #[command(flatten)]
    file: ConfigFile,
    /// The second data folder. It gets follower.json and follower.prom, too: how far behind it is.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Copy to the very end of the journal and stop; no gateway may run on the first folder.
    #[arg(long)]
    finish: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Follow {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let data = config::load(&self.file.config)?.gateway.data_dir;
        if self.finish {
            return self.finish(&data);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut stop = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let mut telling = Telling::new(self);
            while !self.follow(&data, &mut telling, &mut stop).await? {}
            telling.tell(None, true);
            anyhow::Ok(ExitCode::SUCCESS)
        })
    }

    fn finish(&self, data: &Path) -> anyhow::Result<ExitCode> {
        let source = Source::hold(data).context("cannot take the first folder over")?;
        let through = source.end()?;
        let mut copy = FollowingFolder::open(&self.to)?;
        let copied = copy.follow(&source, through).context("the copy is not complete")?;
        let place = copy.place();
        let chain = HEXLOWER.encode(&place.chain);
        if self.json {
            let last = place.last.0;
            print::json(
                &json!({ "copied_now": copied, "last": last, "chain": chain, "complete": true }),
            );
        } else {
            print::line(format!("complete up to record {}, chain {chain}", place.last.0));
            print::line(format!("{copied} records were copied now"));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Follows until it is stopped (true), or until a fault that may pass (false).
    async fn follow(
        &self,
        data: &Path,
        telling: &mut Telling,
        stop: &mut (Signal, Signal),
    ) -> anyhow::Result<bool> {
        let opened = Source::look(data)
            .and_then(|source| FollowingFolder::open(&self.to).map(|copy| (source, copy)));
        let (source, mut copy) = match opened {
            Ok(opened) => opened,
            Err(error) if may_pass(&error) => {
                telling.tell(Some(&anyhow::Error::from(error)), false);
                return Ok(stopped(stop, AFTER_FAULT).await);
            }
            Err(error) => return Err(error).context("the copy cannot follow"),
        };
        loop {
            let followed = source.durable().and_then(|durable| {
                let lag = durable.last.0.saturating_sub(copy.place().last.0);
                copy.follow(&source, durable)?;
                Ok((durable, lag))
            });
            match followed {
                Ok((durable, lag)) => telling.see(copy.place(), durable, lag),
                Err(error) if may_pass(&error) => {
                    telling.tell(Some(&anyhow::Error::from(error)), false);
                    // Opened anew after that: what a failed write left is read, and cut.
                    drop(copy);
                    return Ok(stopped(stop, AFTER_FAULT).await);
                }
                Err(error) => {
                    let error = anyhow::Error::from(error).context("the copy no longer follows");
                    telling.tell(Some(&error), false);
                    return Err(error);
                }
            }
            if stopped(stop, POLL).await {
                return Ok(true);
            }
        }
    }
}

/// Whether the same may go well later: a folder that is not reachable, a full disk, a busy ledger.
fn may_pass(error: &CopyError) -> bool {
    match error {
        CopyError::Ship(ship) => match ship {
            ShipError::File { .. } | ShipError::Gap { .. } => true,
            ShipError::Copy(_) | ShipError::Source(_) | ShipError::Fork { .. } => false,
        },
        CopyError::Ledger(_) | CopyError::NoJournal { .. } => true,
        CopyError::Held { .. } | CopyError::OtherKeys { .. } => false,
    }
}

async fn stopped((terminate, interrupt): &mut (Signal, Signal), wait: Duration) -> bool {
    tokio::select! {
        _ = terminate.recv() => true,
        _ = interrupt.recv() => true,
        () = tokio::time::sleep(wait) => false,
    }
}

/// What is told of a follower: lines on standard output, and two files in its folder.
struct Telling {
    folder: PathBuf,
    json: bool,
    copied: Place,
    durable: Place,
    lag: u64,
    /// Since when it has been behind, if it is.
    behind: Option<Instant>,
    written: Option<Instant>,
    caught_up: bool,
    fault: Option<String>,
}

impl Telling {
    fn new(follow: &Follow) -> Self {
        Self {
            folder: follow.to.clone(),
            json: follow.json,
            copied: Place::START,
            durable: Place::START,
            lag: 0,
            behind: None,
            written: None,
            caught_up: false,
            fault: None,
        }
    }

    /// `lag`: how many records were waiting when the source was looked at.
    fn see(&mut self, copied: Place, durable: Place, lag: u64) {
        (self.copied, self.durable, self.lag) = (copied, durable, lag);
        self.behind = None;
        let first = !self.caught_up;
        let well_again = self.fault.take().is_some();
        self.caught_up = true;
        if first || well_again {
            self.say();
        }
        if well_again || self.written.is_none_or(|at| at.elapsed() >= STATUS_EVERY) {
            self.write();
        }
    }

    fn tell(&mut self, fault: Option<&anyhow::Error>, last: bool) {
        let fault = fault.map(|error| format!("{error:#}"));
        let news = fault != self.fault;
        if fault.is_some() {
            self.behind.get_or_insert_with(Instant::now);
        }
        self.fault = fault;
        if news || last {
            self.say();
        }
        self.write();
    }

    fn status(&self) -> Value {
        let behind_ms = self.behind.map_or(0, |since| since.elapsed().as_millis());
        json!({
            "copied": self.copied.last.0,
            "chain": HEXLOWER.encode(&self.copied.chain),
            "source_durable": self.durable.last.0,
            "lag_records": self.lag,
            "ahead_records": self.copied.last.0.saturating_sub(self.durable.last.0),
            "silent_ms": u64::try_from(behind_ms).unwrap_or(u64::MAX),
            "at_us": super::journal_copies::now().0,
            "fault": self.fault,
        })
    }

    fn say(&self) {
        if self.json {
            print::line(self.status().to_string());
            return;
        }
        let copied = self.copied.last.0;
        print::line(match &self.fault {
            Some(fault) => format!("behind since record {copied}: {fault}"),
            None => format!("follows: copied up to record {copied}"),
        });
    }

    /// A reader of the files sees the old or the new ones whole. That they cannot be written is no reason
    /// to stop copying: whoever watches sees that they grow old.
    fn write(&mut self) {
        self.written = Some(Instant::now());
        let status = self.status();
        let number = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or(0);
        let at_s = super::journal_copies::now().0 / 1_000_000;
        let well = u8::from(self.fault.is_none());
        let metrics = format!(
            "# TYPE tidegate_follower_copied_sequence gauge\n\
             tidegate_follower_copied_sequence {}\n\
             # TYPE tidegate_follower_lag_records gauge\n\
             tidegate_follower_lag_records {}\n\
             # TYPE tidegate_follower_well gauge\n\
             tidegate_follower_well {well}\n\
             # TYPE tidegate_follower_looked_timestamp_seconds gauge\n\
             tidegate_follower_looked_timestamp_seconds {at_s}\n",
            number("copied"),
            number("lag_records"),
        );
        for (name, text) in [("follower.json", status.to_string()), ("follower.prom", metrics)] {
            let part = self.folder.join(format!(".{name}.part"));
            let written = std::fs::write(&part, text)
                .and_then(|()| std::fs::rename(&part, self.folder.join(name)));
            drop(written);
        }
    }
}
