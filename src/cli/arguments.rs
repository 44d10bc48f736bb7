//! The grammar of the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and nothing is wrong
  1  done, and something is wrong: a fault in the configuration, a broken frame, a damaged journal
  2  the arguments cannot be understood
  3  it could not be done: a file, a port or the running gateway is out of reach
  4  there is no such payment or case, or it is not in a state for that";

/// Where the configuration is looked for when nothing else is said.
pub(super) const CONFIG: &str = "/etc/tidegate/tidegate.toml";

/// A bank's own payment gateway.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) task: Task,
}

#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Run the gateway until SIGTERM or SIGINT.
    #[command(after_help = "Example:\n  tidegate run -c /etc/tidegate/tidegate.toml")]
    Run(Reach),
    /// Check configuration, certificates, keys and definitions with their vectors. Starts nothing.
    #[command(
        after_help = "Example:\n  tidegate check -c tidegate.toml && systemctl restart tidegate"
    )]
    Check(CheckArguments),
    /// Explain an ISO 8583 message: each field named, card data masked; a fault marked at its byte.
    #[command(after_help = "Examples:\n  \
        tidegate explain -d iso87-ascii --hex 30383030...\n  \
        tidegate explain -d iso87-ascii --frame length-be2 capture.bin\n  \
        xxd -r -p log.hex | tidegate explain -d iso87-ascii -")]
    Explain(ExplainArguments),
    /// Show how the running gateway does.
    #[command(after_help = "Example:\n  tidegate status")]
    Status(Asked),
    /// Show a payment of the running gateway with its timeline.
    #[command(
        after_help = "Example:\n  tidegate payment show 01934b5e-0000-7000-8000-00000000002a"
    )]
    Payment(PaymentArguments),
    /// List, show, retry or close the cases of the running gateway.
    #[command(after_help = "Examples:\n  tidegate cases list\n  \
        tidegate cases retry 01934b5e-0000-7000-8000-00000000002a --reason \"host is back\"")]
    Cases(CasesArguments),
    /// Show the lines of the running gateway to its hosts.
    #[command(after_help = "Example:\n  tidegate line status --json")]
    Line(LineArguments),
    /// Verify or export the journal on the disk; the gateway need not run.
    #[command(
        after_help = "Examples:\n  tidegate journal verify\n  tidegate journal export > journal.jsonl"
    )]
    Journal(JournalArguments),
    /// Print reports of the running gateway.
    #[command(after_help = "Example:\n  tidegate report totals --date 2026-11-22")]
    Report(ReportArguments),
    /// Make the gateway's own keys, or show their public halves.
    #[command(after_help = "Examples:\n  tidegate keys init -c tidegate.toml\n  \
        tidegate keys public -c tidegate.toml --json > jwks.json")]
    Keys(KeysArguments),
}

/// Which gateway is meant.
#[derive(Debug, Args, Clone)]
pub(super) struct Reach {
    /// Its configuration.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG)]
    pub(super) config: PathBuf,
}

/// What every question has.
#[derive(Debug, Args, Clone)]
pub(super) struct Asked {
    #[command(flatten)]
    pub(super) reach: Reach,
    /// The control socket, when it shall not be looked up in the configuration.
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) reach: Reach,
    /// Do not open the key file (then no passphrase is needed).
    #[arg(long)]
    pub(super) without_keys: bool,
    /// Print one JSON object: ok, faults, definitions, bounds.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The dialect: a name below the protocols folder, or a path to a dialect.toml.
    #[arg(short, long, value_name = "NAME")]
    pub(super) dialect: String,
    /// The folder of the definitions.
    #[arg(long, value_name = "DIR", default_value = "protocols")]
    pub(super) protocols: PathBuf,
    /// How the bytes are framed.
    #[arg(long, value_enum, default_value_t = Framing::None)]
    pub(super) frame: Framing,
    /// The message in hex; blanks do not count.
    #[arg(long, value_name = "HEX", conflicts_with = "file")]
    pub(super) hex: Option<String>,
    /// A file with the bytes of the message; `-` is the standard input.
    #[arg(value_name = "FILE", required_unless_present = "hex")]
    pub(super) file: Option<PathBuf>,
    /// Of a broken message show the values before the fault, too. They may be parts of a card number.
    #[arg(long)]
    pub(super) values: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// How the bytes of a message are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Framing {
    /// The bytes are the message.
    None,
    /// Two bytes of length before it, big-endian.
    LengthBe2,
    /// Four ASCII digits of length before it.
    LengthAscii4,
}

#[derive(Debug, Args)]
pub(super) struct PaymentArguments {
    #[command(subcommand)]
    pub(super) what: PaymentTask,
}

#[derive(Debug, Subcommand)]
pub(super) enum PaymentTask {
    /// Show a payment with its timeline.
    Show {
        /// The payment's id.
        id: String,
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Debug, Args)]
pub(super) struct CasesArguments {
    #[command(subcommand)]
    pub(super) what: CasesTask,
}

#[derive(Debug, Subcommand)]
pub(super) enum CasesTask {
    /// List the open cases, oldest first.
    List {
        #[command(flatten)]
        asked: Asked,
    },
    /// Show one case.
    Show {
        /// The payment's id.
        id: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// Try the reversal of a case again.
    Retry {
        /// The payment's id.
        id: String,
        #[command(flatten)]
        word: Word,
        #[command(flatten)]
        asked: Asked,
    },
    /// End a case: the merchant is told the result.
    Close {
        /// The payment's id.
        id: String,
        /// What became of the money.
        #[arg(long, value_enum)]
        resolution: Resolution,
        #[command(flatten)]
        word: Word,
        #[command(flatten)]
        asked: Asked,
    },
}

/// Who says so, and why. Both stand in the journal for ever.
#[derive(Debug, Args)]
pub(super) struct Word {
    /// Why.
    #[arg(long)]
    pub(super) reason: String,
    /// Who; by default the user who is logged in.
    #[arg(long)]
    pub(super) by: Option<String>,
}

/// What became of the money of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Resolution {
    /// The host reversed it.
    Reversed,
    /// The host never posted it.
    NeverPosted,
}

#[derive(Debug, Args)]
pub(super) struct LineArguments {
    #[command(subcommand)]
    pub(super) what: LineTask,
}

#[derive(Debug, Subcommand)]
pub(super) enum LineTask {
    /// Show each line, its state and since when.
    Status {
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    #[command(subcommand)]
    pub(super) what: ReportTask,
}

#[derive(Debug, Subcommand)]
pub(super) enum ReportTask {
    /// Counts and sums of a business date, by merchant, currency and result.
    Totals {
        /// The business date, YYYY-MM-DD.
        #[arg(long)]
        date: String,
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Debug, Args)]
pub(super) struct JournalArguments {
    #[command(subcommand)]
    pub(super) what: JournalTask,
}

#[derive(Debug, Subcommand)]
pub(super) enum JournalTask {
    /// Read all records and prove their chain; damage is located.
    Verify {
        #[command(flatten)]
        reach: Reach,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print all records as JSON, one a line, without card numbers.
    Export {
        #[command(flatten)]
        reach: Reach,
    },
}

#[derive(Debug, Args)]
pub(super) struct KeysArguments {
    #[command(subcommand)]
    pub(super) what: KeysTask,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysTask {
    /// Make all keys and seal them into a new file. Never overwrites one.
    Init {
        #[command(flatten)]
        place: KeyPlace,
        /// Mark the keys as throw-away: production mode refuses them.
        #[arg(long)]
        example: bool,
    },
    /// Show the public keys: what merchants encrypt to, and what verifies our answers.
    Public {
        #[command(flatten)]
        place: KeyPlace,
        /// Print a JWK set (RFC 7517).
        #[arg(long)]
        json: bool,
    },
}

/// Where the keys are.
#[derive(Debug, Args, Clone)]
pub(super) struct KeyPlace {
    #[command(flatten)]
    pub(super) reach: Reach,
    /// The key file, when it shall not be looked up in the configuration. The passphrase then comes from
    /// the environment variable TIDEGATE_KEY_PASSPHRASE.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub(super) file: Option<PathBuf>,
}
