//! The daemon `tidegate` and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate::cli::main(std::env::args_os())
}
