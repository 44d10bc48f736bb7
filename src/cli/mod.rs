//! The command line. Every subcommand has an example in its `--help`, the same exit codes, and `--json`
//! where a program would read it. What is asked for goes to standard output, everything else to
//! standard error: what was attempted, what was found, what to do.

mod arguments;

mod outcome;

mod run;

mod check;

mod explain;

mod operate;

mod journal;

mod keys;

mod parts;

mod signal;

#[cfg(test)]
mod stories;

pub use check::{Checked, check_certificates, check_definitions};
pub use outcome::{Exit, Failure};
pub use parts::{
    ExportJournal, InitKeys, JournalReport, Parts, PublicKeys, Run, VerifyJournal,
};
pub use signal::Stop;

use arguments::{Arguments, Task};
use clap::Parser;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Does what the arguments say; the first one is the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    main_with(arguments, &Parts::built(), &mut out, &mut err).into()
}

/// As [`main`], with the parts and the outputs handed in.
pub fn main_with(
    arguments: impl IntoIterator<Item = OsString>,
    parts: &Parts,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let task = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.task,
        Err(told) => return outcome::usage(&told, out, err),
    };
    let done = match task {
        Task::Run(reach) => run::run(&reach, parts),
        Task::Check(asked) => check::check(&asked, parts, out),
        Task::Explain(asked) => explain::explain(&asked, out),
        Task::Status(asked) => operate::status(&asked, out),
        Task::Payment(asked) => operate::payment(&asked, out),
        Task::Cases(asked) => operate::cases(&asked, out),
        Task::Line(asked) => operate::line(&asked, out),
        Task::Report(asked) => operate::report(&asked, out),
        Task::Journal(asked) => journal::journal(&asked, parts, out),
        Task::Keys(asked) => keys::keys(&asked, parts, out),
    };
    match done {
        Ok(exit) => exit,
        Err(failure) => outcome::tell(&failure, err),
    }
}
