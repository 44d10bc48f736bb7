//! The daemon and its command line; `tidegate --help` tells what there is.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate::cli::main(std::env::args_os())
}
