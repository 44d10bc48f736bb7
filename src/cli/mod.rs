//! The command line: what can be asked, and who answers.
//!
//! Exit codes: 0 done; 1 refused, failed, or faults were found; 2 the words were not understood.

mod cases;
mod check;
mod dialect;
mod diff;
mod encode;
mod journal;
mod journal_copies;
mod journal_follow;
mod keys;
mod lines;
mod operate;
mod print;
mod wire;

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// A bank's own payment gateway: signed and encrypted merchants' payments in, ISO 8583 to the host.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done; 1 refused, failed or faults found; 2 not understood.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file; conf.d/*.toml beside it and TIDEGATE__* of the environment add to it.
    #[arg(short, long = "config", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM or SIGINT, then drain and stop.
    #[command(after_help = "Example: tidegate run -c deploy/tidegate.toml")]
    Run(ConfigFile),
    /// Check configuration, certificates, keys, definitions and their vectors; every fault at once.
    #[command(after_help = "Example: tidegate check -c deploy/tidegate.toml --json")]
    Check(check::Check),
    /// Have the running gateway take its configuration, certificates, merchants and definitions anew.
    ///
    /// All or nothing: with any fault, or a change that needs a restart, everything stays as it is.
    #[command(after_help = "Example: tidegate reload -c /etc/tidegate/tidegate.toml")]
    Reload(operate::Reload),
    /// Decode an ISO 8583 message field by field, masked; on error mark the failing byte.
    #[command(after_help = "Examples: tidegate explain -d iso87-ascii --hex 30383030822000…\n  \
        xxd -r -p capture.hex | tidegate explain -d iso87-ascii --frame length-be2 -")]
    Explain(wire::Explain),
    /// Write an ISO 8583 message from JSON: the reverse of explain.
    #[command(
        after_help = "Example: echo '{\"mti\":\"0800\",\"fields\":{\"11\":\"000042\",\"70\":\"301\"}}' | \
        tidegate encode -d iso87-ascii -"
    )]
    Encode(encode::Encode),
    /// Say what is another in one ISO 8583 message than in another, masked.
    #[command(
        after_help = "Example: tidegate diff -d iso87-ascii 30383030822000… 30383030822000…\n\n\
        Exit codes: 0 the same; 1 not the same, or one cannot be read."
    )]
    Diff(diff::Diff),
    /// Dialect files: import those of other programs.
    #[command(subcommand)]
    Dialect(dialect::Dialect),
    /// How the running gateway does: how much of everything there is.
    #[command(after_help = "Example: tidegate status -c FILE")]
    Status(operate::Status),
    /// Look at a payment.
    #[command(subcommand)]
    Payment(operate::Payment),
    /// What waits for a person's word.
    #[command(subcommand)]
    Cases(cases::Cases),
    /// The lines to the host.
    #[command(subcommand)]
    Line(operate::Line),
    /// Which payments go to which host, and which are declined.
    #[command(subcommand)]
    Route(operate::Route),
    /// Counts and sums.
    #[command(subcommand)]
    Report(operate::Report),
    /// The journal's files.
    #[command(subcommand)]
    Journal(journal::Journal),
    /// The sealed key file.
    #[command(subcommand)]
    Keys(keys::Keys),
}

/// The command line's one entry. Prints results to standard output and errors to standard error.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which stream and which code they want.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match answer(cli.command) {
        Ok(code) => code,
        Err(error) => {
            print::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn answer(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(file) => crate::gateway::run(&file.config).map(|()| ExitCode::SUCCESS),
        Command::Check(check) => Ok(check.answer()),
        Command::Reload(reload) => reload.answer(),
        Command::Explain(explain) => explain.answer(),
        Command::Encode(encode) => encode.answer(),
        Command::Diff(diff) => diff.answer(),
        Command::Dialect(dialect) => dialect.answer(),
        Command::Status(status) => status.answer(),
        Command::Payment(payment) => payment.answer(),
        Command::Cases(cases) => cases.answer(),
        Command::Line(line) => line.answer(),
        Command::Route(route) => route.answer(),
        Command::Report(report) => report.answer(),
        Command::Journal(journal) => journal.answer(),
        Command::Keys(keys) => keys.answer(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
