//! The operator's side: a control socket for the command line, and an internal listener for health and
//! metrics. Neither is reachable from the Internet side.
//!
//! The control socket is a Unix socket with mode 0600: whoever may open it may operate the gateway. One
//! connection carries one [`Command`] as a line of JSON and one answer as a line of JSON.

mod case;
pub mod client;
pub mod desk;
pub mod internal;
mod operator;
mod shown;
pub mod socket;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an operator can ask of a running gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// One payment with its timeline.
    Payment {
        /// Its id.
        id: String,
    },
    /// All open cases, oldest first.
    Cases,
    /// One case: why it is one, its history, what may be done.
    Case {
        /// The payment.
        id: String,
    },
    /// Try the reversal of a case again.
    RetryCase {
        /// The payment.
        id: String,
        /// Why.
        reason: String,
    },
    /// End a case.
    CloseCase {
        /// The payment.
        id: String,
        /// Why.
        reason: String,
        /// How it ended.
        resolution: Resolution,
    },
    /// Every host with its lines.
    Lines,
    /// Have a line drained, signed off and held down.
    SignOffLine {
        /// Of which host.
        host: String,
        /// Which line.
        line: String,
        /// Why.
        reason: String,
    },
    /// Let a line connect and sign on.
    SignOnLine {
        /// Of which host.
        host: String,
        /// Which line.
        line: String,
        /// Why.
        reason: String,
    },
    /// Every route and host, and whether it is declined.
    Routes,
    /// Take no new payments by a route or for a host.
    DeclineRoute {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// Take them again.
    ResumeRoute {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// How much of everything there is.
    Status,
    /// Take configuration, certificates, merchants and definitions anew.
    Reload {
        /// The configuration that is meant, as a whole path: the gateway takes its own and no other.
        file: String,
    },
    /// Counts and sums of one business date.
    Totals {
        /// `YYYY-MM-DD`.
        date: String,
    },
}

impl Command {
    /// Its name, as it stands in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Payment { .. } => "payment",
            Self::Cases => "cases",
            Self::Case { .. } => "case",
            Self::RetryCase { .. } => "retry_case",
            Self::CloseCase { .. } => "close_case",
            Self::Lines => "lines",
            Self::SignOffLine { .. } => "sign_off_line",
            Self::SignOnLine { .. } => "sign_on_line",
            Self::Routes => "routes",
            Self::DeclineRoute { .. } => "decline_route",
            Self::ResumeRoute { .. } => "resume_route",
            Self::Status => "status",
            Self::Reload { .. } => "reload",
            Self::Totals { .. } => "totals",
        }
    }
}

/// How a person ends a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The money went back: the merchant sees `reversed`.
    Reversed,
    /// The host never posted it: the merchant sees `declined`.
    NeverPosted,
    /// The host posted a capture, void or refund whose answer never came: approved. Takes the word of two
    /// people.
    Posted,
}

/// What the gateway answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What was asked for.
    Done(Value),
    /// Why it was not done.
    Refused(String),
}

/// A command's line may be this long.
pub const COMMAND_BYTES_MAX: usize = 16 * 1024;
