//! Commands to a running gateway, by its control socket.

use super::{ConfigFile, print};
use crate::config;
use crate::control::{Command, Resolution, client};
use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

/// A command to the gateway of a configuration.
#[derive(Debug, Args)]
pub(super) struct Asked {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Asked {
    fn ask(&self, command: &Command) -> anyhow::Result<Value> {
        let config = config::load(&self.file.config)?;
        client::ask(&config.internal.control_socket, command)
            .with_context(|| "the command was not carried out")
    }

    /// Asks and prints: JSON if that was wanted, otherwise by `show`.
    fn print(&self, command: &Command, show: impl Fn(&Value)) -> anyhow::Result<ExitCode> {
        let value = self.ask(command)?;
        if self.json {
            print::json(&value);
        } else {
            show(&value);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `tidegate status`
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    asked: Asked,
}

impl Status {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        self.asked.print(&Command::Status, |value| {
            for (name, number) in value.as_object().into_iter().flatten() {
                print::line(format!("{name:<24} {number}"));
            }
        })
    }
}

/// `tidegate reload`
#[derive(Debug, Args)]
pub(super) struct Reload {
    #[command(flatten)]
    asked: Asked,
}

impl Reload {
    /// A file with faults of its own is shown here and never reaches the gateway: it says where the
    /// control socket is.
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let value = self.asked.ask(&Command::Reload)?;
        let reloaded = value.get("reloaded").and_then(Value::as_bool).unwrap_or(false);
        if self.asked.json {
            print::json(&value);
        } else {
            for (member, mark) in [("changed", "changed: "), ("faults", "")] {
                for line in value.get(member).and_then(Value::as_array).into_iter().flatten() {
                    let shown = line.get("picture").unwrap_or(line);
                    print::line(format!("{mark}{}", shown.as_str().unwrap_or_default()));
                }
            }
            print::line(if reloaded {
                "reloaded"
            } else {
                "not reloaded: everything is as it was"
            });
        }
        Ok(if reloaded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// `tidegate payment …`
#[derive(Debug, Subcommand)]
pub(super) enum Payment {
    /// Show one payment with its timeline.
    #[command(after_help = "Example: tidegate payment show -c FILE 0193a5f0-…")]
    Show {
        #[command(flatten)]
        asked: Asked,
        /// The payment's id.
        id: String,
    },
}

impl Payment {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let Self::Show { asked, id } = self;
        asked.print(&Command::Payment { id: id.clone() }, show_payment)
    }
}

fn show_payment(value: &Value) {
    let payment = value.get("payment").unwrap_or(&Value::Null);
    for member in ["id", "merchant", "order_id", "amount", "card", "result", "reason", "state"] {
        print::line(format!("{member:<12} {}", print::text(payment, member)));
    }
    let timeline = value.get("timeline").and_then(Value::as_array);
    let rows = timeline
        .into_iter()
        .flatten()
        .map(|event| ["at", "event", "detail"].map(|member| print::text(event, member)).to_vec());
    print::line("");
    print::table(&["at", "event", "detail"], &rows.collect::<Vec<_>>());
}

/// `tidegate cases …`
#[derive(Debug, Subcommand)]
pub(super) enum Cases {
    /// All open cases, oldest first.
    #[command(after_help = "Example: tidegate cases list -c FILE")]
    List {
        #[command(flatten)]
        asked: Asked,
    },
    /// One case with its timeline.
    Show {
        #[command(flatten)]
        asked: Asked,
        /// The payment's id.
        id: String,
    },
    /// Try the reversal again.
    #[command(after_help = "Example: tidegate cases retry -c FILE ID --reason 'host repaired'")]
    Retry {
        #[command(flatten)]
        asked: Asked,
        /// The payment's id.
        id: String,
        /// Why; kept in the journal.
        #[arg(long)]
        reason: String,
    },
    /// End a case.
    #[command(
        after_help = "Example: tidegate cases close -c FILE ID --as reversed --reason 'credit seen'"
    )]
    Close {
        #[command(flatten)]
        asked: Asked,
        /// The payment's id.
        id: String,
        /// How it ended.
        #[arg(long = "as", value_enum)]
        resolution: Resolution,
        /// Why; kept in the journal.
        #[arg(long)]
        reason: String,
    },
}

impl Cases {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { asked } => asked.print(&Command::Cases, show_cases),
            Self::Show { asked, id } => {
                asked.print(&Command::Payment { id: id.clone() }, show_payment)
            }
            Self::Retry { asked, id, reason } => {
                let (id, by, reason) = (id.clone(), operator(), reason.clone());
                asked.print(&Command::RetryCase { id, by, reason }, show_payment)
            }
            Self::Close { asked, id, resolution, reason } => {
                let (id, by, reason) = (id.clone(), operator(), reason.clone());
                let command = Command::CloseCase { id, by, reason, resolution: *resolution };
                asked.print(&command, show_payment)
            }
        }
    }
}

/// Who operates: the name of the account, as the journal shall know it.
fn operator() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"].into_iter();
    names.filter_map(|name| std::env::var(name).ok()).next().unwrap_or_else(|| "operator".into())
}

fn show_cases(value: &Value) {
    let cases = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let members = ["id", "since", "merchant", "order_id", "amount", "card", "reason"];
    let rows = cases.iter().map(|case| members.map(|member| print::text(case, member)).to_vec());
    print::table(&members, &rows.collect::<Vec<_>>());
}

/// `tidegate line …`
#[derive(Debug, Subcommand)]
pub(super) enum Line {
    /// Every host with its lines.
    #[command(after_help = "Example: tidegate line status -c FILE --json")]
    Status {
        #[command(flatten)]
        asked: Asked,
    },
}

impl Line {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let Self::Status { asked } = self;
        asked.print(&Command::Lines, |value| {
            let lines = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let members = ["host", "line", "state", "address", "in_flight", "quarantined"];
            let rows =
                lines.iter().map(|it| members.map(|member| print::text(it, member)).to_vec());
            print::table(&members, &rows.collect::<Vec<_>>());
        })
    }
}

/// `tidegate report …`
#[derive(Debug, Subcommand)]
pub(super) enum Report {
    /// Counts and sums of a business date, by merchant, currency and result.
    #[command(after_help = "Example: tidegate report totals -c FILE --date 2026-11-22")]
    Totals {
        #[command(flatten)]
        asked: Asked,
        /// The business date, `YYYY-MM-DD`.
        #[arg(long)]
        date: String,
    },
}

impl Report {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let Self::Totals { asked, date } = self;
        asked.print(&Command::Totals { date: date.clone() }, |value| {
            let rows = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let members = ["merchant", "currency", "result", "count", "sum"];
            let rows =
                rows.iter().map(|row| members.map(|member| print::text(row, member)).to_vec());
            print::table(&members, &rows.collect::<Vec<_>>());
        })
    }
}
