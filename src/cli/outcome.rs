//! How a command ends.

use crate::config::ConfigErrors;
use crate::control::client::ClientError;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// A command's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, and nothing is wrong.
    Good = 0,
    /// Done, and something is wrong.
    Wrong = 1,
    /// The arguments cannot be understood.
    Usage = 2,
    /// It could not be done.
    OutOfReach = 3,
    /// There is no such thing, or it is not in a state for that.
    NoSuch = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Good => Self::from(0),
            Exit::Wrong => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::OutOfReach => Self::from(3),
            Exit::NoSuch => Self::from(4),
        }
    }
}

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
#[error("{attempted}")]
pub struct Failure {
    /// The code to exit with.
    pub exit: Exit,
    /// What was attempted.
    pub attempted: String,
    /// What was found.
    pub source: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// Something is out of reach.
    pub fn new(attempted: impl Display, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let attempted = attempted.to_string();
        Self { exit: Exit::OutOfReach, attempted, source: source.into() }
    }

    /// Something is wrong.
    pub fn wrong(attempted: impl Display, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit: Exit::Wrong, ..Self::new(attempted, source) }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(faults: ConfigErrors) -> Self {
        Self::wrong("reading the configuration", faults)
    }
}

impl From<ClientError> for Failure {
    fn from(fault: ClientError) -> Self {
        let exit = match fault {
            ClientError::Refused { status: 404 | 409, .. } => Exit::NoSuch,
            ClientError::Refused { status: 400, .. } => Exit::Usage,
            _ => Exit::OutOfReach,
        };
        Self { exit, attempted: "asking the gateway".to_owned(), source: Box::new(fault) }
    }
}

impl From<io::Error> for Failure {
    fn from(fault: io::Error) -> Self {
        Self::new("writing the answer", fault)
    }
}

/// How a command ends.
pub(super) type Done = Result<Exit, Failure>;

/// Prints a failure with the chain of its causes.
pub(super) fn tell(failure: &Failure, err: &mut dyn Write) -> Exit {
    let mut text = format!("tidegate: {} failed", failure.attempted);
    let mut cause: Option<&(dyn Error + 'static)> = failure.source();
    while let Some(fault) = cause {
        let told = fault.to_string();
        let gap = if told.contains('\n') { "\n" } else { " " };
        text.push_str(&format!(":{gap}{told}"));
        cause = fault.source();
    }
    // Nowhere is left to tell that this failed.
    let _ = writeln!(err, "{text}");
    failure.exit
}

/// Prints what clap says: help and version are answers, the rest are faults.
pub(super) fn usage(told: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    // Nowhere is left to tell that this failed.
    if told.use_stderr() {
        let _ = write!(err, "{told}");
        return Exit::Usage;
    }
    let _ = write!(out, "{told}");
    Exit::Good
}

/// Prints something as one line of JSON.
pub(super) fn print_json(
    out: &mut dyn Write,
    shown: &impl serde::Serialize,
) -> Result<(), Failure> {
    let text = serde_json::to_string(shown);
    let text = text.map_err(|fault| Failure::new("writing JSON", fault))?;
    writeln!(out, "{text}")?;
    Ok(())
}
