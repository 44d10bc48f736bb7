//! `tidegate cases`: what waits for a person.

use super::operate::{Asked, show_payment, show_rows};
use super::print;
use crate::control::{Command, Resolution};
use clap::Subcommand;
use serde_json::Value;
use std::process::ExitCode;

/// `tidegate cases …`
#[derive(Debug, Subcommand)]
pub(super) enum Cases {
    /// All open cases, oldest first.
    #[command(after_help = "Example: tidegate cases list -c FILE")]
    List {
        #[command(flatten)]
        asked: Asked,
    },
    /// One case: why it is one, its history, what may be done.
    #[command(after_help = "Example: tidegate cases show -c FILE ID")]
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
    /// End a case. "posted" takes two people: the first proposes it, another one says the same.
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
            Self::Show { asked, id } => asked.print(&Command::Case { id: id.clone() }, show_case),
            Self::Retry { asked, id, reason } => {
                let (id, reason) = (id.clone(), reason.clone());
                asked.print(&Command::RetryCase { id, reason }, show_case)
            }
            Self::Close { asked, id, resolution, reason } => {
                let (id, reason) = (id.clone(), reason.clone());
                let command = Command::CloseCase { id, reason, resolution: *resolution };
                asked.print(&command, show_case)
            }
        }
    }
}

fn show_cases(value: &Value) {
    let columns = ["id", "since", "merchant", "order_id", "amount", "what", "reason", "proposed"];
    show_rows(value, columns);
}

/// Why it is a case and what may be done, then the payment with its history.
fn show_case(value: &Value) {
    let case = value.get("case").unwrap_or(&Value::Null);
    for member in ["state", "what", "reason", "since", "attempts"] {
        print::line(format!("{:<18} {}", format!("case {member}"), print::text(case, member)));
    }
    let said = case.get("host_said").filter(|said| !said.is_null());
    if let Some(said) = said {
        let code = print::text(said, "response_code");
        let (line, at) = (print::text(said, "line"), print::text(said, "at"));
        print::line(format!("{:<18} {code} on line {line}, {at}", "host said"));
    }
    for act in case.get("operators").and_then(Value::as_array).into_iter().flatten() {
        let [at, kind, by, reason] = ["at", "kind", "by", "reason"].map(|it| print::text(act, it));
        let how = act.get("resolution").and_then(Value::as_str);
        let how = how.map(|how| format!(" as {how}")).unwrap_or_default();
        print::line(format!("{kind:<18} {at} by {by}{how}: {reason}"));
    }
    for act in case.get("may").and_then(Value::as_array).into_iter().flatten() {
        print::line(format!("{:<18} {}", "may", act.as_str().unwrap_or_default()));
    }
    if case.get("proposed").is_some_and(|proposed| !proposed.is_null()) {
        print::line("proposed: the case closes when another person says the same");
    }
    print::line("");
    show_payment(value);
}
