//! Commands to a running gateway, by its control socket.

use super::{ConfigFile, print};
use crate::config;
use crate::control::{Command, client};
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
        let socket = config::control_socket(&self.file.config)?;
        client::ask(&socket, command).with_context(|| "the command was not carried out")
    }

    /// Asks and prints: JSON if that was wanted, otherwise by `show`.
    pub(super) fn print(
        &self,
        command: &Command,
        show: impl Fn(&Value),
    ) -> anyhow::Result<ExitCode> {
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
            let members = value.as_object().into_iter().flatten();
            for (name, held) in members.filter(|(name, _)| *name != "bounds") {
                let shown = match held {
                    Value::Array(names) => words(names),
                    _ => print::text(value, name),
                };
                print::line(format!("{name:<24} {shown}"));
            }
            print::line("");
            let bounds = value.get("bounds").unwrap_or(&Value::Null);
            show_rows(bounds, ["name", "value", "unit", "because"]);
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
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let file = &self.asked.file.config;
        let file =
            file.canonicalize().with_context(|| format!("cannot find {}", file.display()))?;
        let value = self.asked.ask(&Command::Reload { file: file.display().to_string() })?;
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

pub(super) fn show_payment(value: &Value) {
    let payment = value.get("payment").unwrap_or(&Value::Null);
    let always = ["id", "merchant", "operation", "order_id", "amount", "card", "result", "reason"];
    // What follows is shown where there is something to show.
    let sometimes = [
        "original",
        "approved",
        "captured",
        "captures_reserved",
        "refunded",
        "refunds_reserved",
        "voided",
        "host",
        "response_code",
        "rrn",
        "stan",
        "business_date",
        "accepted_at",
    ];
    for member in always {
        print::line(format!("{member:<18} {}", print::text(payment, member)));
    }
    for member in sometimes {
        let shown = print::text(payment, member);
        if !["-", "0", "false"].contains(&shown.as_str()) {
            print::line(format!("{member:<18} {shown}"));
        }
    }
    let timeline = value.get("timeline").and_then(Value::as_array);
    let rows = timeline
        .into_iter()
        .flatten()
        .map(|event| ["at", "event", "detail"].map(|member| print::text(event, member)).to_vec());
    print::line("");
    print::table(&["at", "event", "detail"], &rows.collect::<Vec<_>>());
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
    /// Take a line out of service: no new messages, what is in flight is waited for, then it signs off,
    /// closes and stays down until it is signed on (or the gateway starts anew).
    #[command(
        after_help = "Example: tidegate line sign-off -c FILE bank/a --reason 'circuit moves'"
    )]
    SignOff(LineAct),
    /// Bring a line back that was signed off.
    #[command(
        after_help = "Example: tidegate line sign-on -c FILE bank/a --reason 'circuit moved'"
    )]
    SignOn(LineAct),
}

/// A line by name, and why.
#[derive(Debug, Args)]
pub(super) struct LineAct {
    #[command(flatten)]
    asked: Asked,
    /// The line, as `tidegate line status` names it.
    #[arg(value_name = "HOST/LINE", value_parser = line_name)]
    line: (String, String),
    /// Why; it is logged with your account's name.
    #[arg(long)]
    reason: String,
}

/// `HOST/LINE`.
fn line_name(text: &str) -> Result<(String, String), String> {
    let halves = text.split_once('/').filter(|(host, line)| !host.is_empty() && !line.is_empty());
    let (host, line) = halves.ok_or("HOST/LINE is expected, for example bank/a")?;
    Ok((host.to_owned(), line.to_owned()))
}

impl Line {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Status { asked } => asked.print(&Command::Lines, show_lines),
            Self::SignOff(LineAct { asked, line: (host, line), reason }) => {
                let (host, line) = (host.clone(), line.clone());
                let command = Command::SignOffLine { host, line, reason: reason.clone() };
                asked.print(&command, show_lines)
            }
            Self::SignOn(LineAct { asked, line: (host, line), reason }) => {
                let (host, line) = (host.clone(), line.clone());
                let command = Command::SignOnLine { host, line, reason: reason.clone() };
                asked.print(&command, show_lines)
            }
        }
    }
}

fn show_lines(value: &Value) {
    let host = ["host", "host_window", "host_breaker", "line", "state", "breaker"];
    show_rows(
        value,
        [&host[..], &["signed_off_by_operator", "address", "in_flight", "quarantined"]].concat(),
    );
}

/// A list of objects as a table of some of their members.
pub(super) fn show_rows(value: &Value, members: impl AsRef<[&'static str]>) {
    let members = members.as_ref();
    let rows = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let cell = |row: &Value, member| match row.get(member) {
        Some(Value::Array(names)) => words(names),
        _ => print::text(row, member),
    };
    let rows = rows.iter().map(|row| members.iter().map(|member| cell(row, member)).collect());
    print::table(members, &rows.collect::<Vec<_>>());
}

/// Names in one cell.
fn words(names: &[Value]) -> String {
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

/// `tidegate route …`
#[derive(Debug, Subcommand)]
pub(super) enum Route {
    /// Every route and host, and whether it is declined.
    #[command(after_help = "Example: tidegate route list -c FILE")]
    List {
        #[command(flatten)]
        asked: Asked,
    },
    /// Take no new payments by a route, or for a host; what follows up an earlier payment goes on.
    ///
    /// A declined route refuses all that it matches. A declined host is passed over: a route goes to its
    /// failover hosts. Merchants are told 503 with Retry-After. A restart resumes everything.
    #[command(
        after_help = "Example: tidegate route decline -c FILE debit --reason 'host migrates'"
    )]
    Decline(RouteAct),
    /// Take new payments again.
    #[command(after_help = "Example: tidegate route resume -c FILE debit --reason 'migrated'")]
    Resume(RouteAct),
}

/// A route or a host by name, and why.
#[derive(Debug, Args)]
pub(super) struct RouteAct {
    #[command(flatten)]
    asked: Asked,
    /// The name of a [[route]] or of a [[host]].
    name: String,
    /// Why; it is logged with your account's name.
    #[arg(long)]
    reason: String,
}

impl Route {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let show = |value: &Value| {
            show_rows(value, ["name", "kind", "hosts", "declined", "by", "reason", "since"]);
        };
        match self {
            Self::List { asked } => asked.print(&Command::Routes, show),
            Self::Decline(RouteAct { asked, name, reason }) => {
                let (name, reason) = (name.clone(), reason.clone());
                asked.print(&Command::DeclineRoute { name, reason }, show)
            }
            Self::Resume(RouteAct { asked, name, reason }) => {
                let (name, reason) = (name.clone(), reason.clone());
                asked.print(&Command::ResumeRoute { name, reason }, show)
            }
        }
    }
}

/// `tidegate report …`
#[derive(Debug, Subcommand)]
pub(super) enum Report {
    /// Counts and sums of a business date, by merchant, operation, currency and result.
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
            show_rows(
                value,
                ["merchant", "operation", "currency", "result", "count", "sum", "approved"],
            );
        })
    }
}
