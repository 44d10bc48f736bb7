//! The binary `sandbox`: see `--help`.

use clap::{Parser, Subcommand};
use sandbox::bank::fault::Fault;
use sandbox::gateway::PUBLIC_PORT;
use sandbox::gateway::fault::GatewayError;
use sandbox::load::Workload;
use sandbox::merchant::Tries;
use sandbox::screen::Screen;
use sandbox::serve::{Payment, pay, serve};
use sandbox::summary::Summary;
use sandbox::tour::tour;
use sandbox::upheaval::Upheaval;
use sandbox::world::Options;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// A bank, merchants and a Tidegate gateway on this machine. Without arguments: a guided tour.
///
/// Exit codes: 0 all invariants hold; 1 a violation, or a payment without an end; 2 it could not run.
#[derive(Parser)]
#[command(after_help = "Examples:\n  sandbox\n  sandbox --serve\n  sandbox --payments 2000 \
    --faults silence,late,drop-line,kill-gateway --seed 7 --json\n  sandbox --payments 20000 \
    --rate 500 --bench --json")]
struct Arguments {
    /// Make so many payments instead of the tour.
    #[arg(long)]
    payments: Option<u64>,
    /// Begin so many payments a second, whatever becomes of earlier ones; they are sealed and signed
    /// before the clock starts.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: Option<u64>,
    /// Without --rate: so many payments are under way at once.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// How the bank lies, and whether the gateway is killed.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Fault>,
    /// Have the gateway take another sound configuration so often, by SIGHUP, while payments are made.
    #[arg(long, requires = "payments", default_value_t = 0)]
    reloads: u64,
    /// Stop the gateway in order (SIGTERM) and start it again so often meanwhile.
    #[arg(long, requires = "payments", default_value_t = 0)]
    restarts: u64,
    /// How many hosts: 2 are of different dialects, and routes say which payment goes where. By default 1;
    /// of the tour, 2.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=2))]
    hosts: Option<u8>,
    /// The same seed, the same payments and lies.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Keep everything in this empty or new folder: configuration, logs, journal, evidence.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Stay up for your own payments.
    #[arg(long, conflicts_with_all = ["payments", "json"])]
    serve: bool,
    /// With --serve: listen for merchants on this port of loopback.
    #[arg(long, requires = "serve", default_value_t = PUBLIC_PORT)]
    port: u16,
    /// For measuring: no tricks by merchants, and the bank's books in memory alone.
    #[arg(long, requires = "payments")]
    bench: bool,
    /// After so many milliseconds the host counts as silent; all other waits follow.
    #[arg(long, value_name = "MS")]
    reply_timeout: Option<u64>,
    /// The protocol definitions, if not those of the source tree.
    #[arg(long, value_name = "DIR")]
    protocols: Option<PathBuf>,
    /// Make the gateway misbehave in this way, to see it caught.
    #[cfg(feature = "sabotage")]
    #[arg(long, value_name = "NAME")]
    sabotage: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make one payment in a world that `sandbox --serve` keeps up.
    #[command(after_help = "Example: sandbox pay --dir DIR --amount 1234 --card 4000000000000002")]
    Pay {
        /// The folder that `sandbox --serve` names.
        #[arg(long)]
        dir: PathBuf,
        /// Minor units (cents).
        #[arg(long)]
        amount: i64,
        /// A test card's number.
        #[arg(long)]
        card: String,
        /// The idempotency key: the same key again is a retry.
        #[arg(long)]
        key: Option<String>,
        /// The order's id.
        #[arg(long)]
        order: Option<String>,
    },
    /// The gateway's own command line.
    #[command(hide = true, disable_help_flag = true)]
    Gateway {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    match arguments.command.take() {
        Some(Command::Gateway { arguments }) => {
            let name = OsString::from("tidegate");
            tidegate::cli::main(std::iter::once(name).chain(arguments))
        }
        Some(Command::Pay { dir, amount, card, key, order }) => {
            let payment =
                Payment { folder: dir, minor: amount, number: card, key, order_id: order };
            report(block_on(pay(payment, Screen::new())))
        }
        None => report(block_on(act(arguments))),
    }
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

/// `true`: all is well.
fn report(ended: anyhow::Result<bool>) -> ExitCode {
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(fault) => {
            let mut err = io::stderr().lock();
            let _ = writeln!(err, "sandbox: {fault:#}");
            if let Some(GatewayError::Io { .. }) = fault.downcast_ref() {
                let _ = writeln!(err, "(a file or a process of the gateway could not be handled)");
            }
            ExitCode::from(2)
        }
    }
}

async fn act(arguments: Arguments) -> anyhow::Result<bool> {
    let program = vec![std::env::current_exe()?.into(), OsString::from("gateway")];
    let source_tree = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocols");
    let protocols = arguments.protocols.clone().unwrap_or_else(|| source_tree.into());
    let protocols = protocols.canonicalize().map_err(|fault| {
        anyhow::anyhow!("{}: {fault}; name the folder by --protocols", protocols.display())
    })?;
    let mut options = Options::honest(arguments.seed, program, protocols);
    let tour_alone = arguments.payments.is_none() && !arguments.serve;
    options.hosts = arguments.hosts.map_or(1 + usize::from(tour_alone), usize::from);
    options.keep.clone_from(&arguments.keep);
    if let Some(wait) = arguments.reply_timeout {
        options.reply_timeout = Duration::from_millis(wait);
    }
    #[cfg(feature = "sabotage")]
    if let Some(name) = &arguments.sabotage {
        options.environment.push(("TIDEGATE_SABOTAGE".to_owned(), name.clone()));
    }
    let screen = Screen::new();
    if arguments.serve {
        options.port = arguments.port;
        serve(options, screen).await?;
        return Ok(true);
    }
    let Some(payments) = arguments.payments else {
        if arguments.reply_timeout.is_none() {
            options.reply_timeout = Duration::from_millis(500);
        }
        let (summary, good) = tour(options, screen).await?;
        finish(&summary, arguments.json)?;
        return Ok(good && summary.pending == 0);
    };
    let faults: BTreeSet<Fault> = arguments.faults.iter().copied().collect();
    options.books_in_memory = arguments.bench;
    options.upheaval = Upheaval { reloads: arguments.reloads, restarts: arguments.restarts };
    if !faults.is_empty() {
        options = options.with_faults(faults);
    }
    let workload = Workload {
        payments,
        concurrency: arguments.concurrency.max(1),
        rate: arguments.rate,
        tricks: !arguments.bench,
        mix: !arguments.bench,
        tries: Tries { count: 400, gap: Duration::from_millis(50) },
    };
    let judged = sandbox::run::judged(options, workload, Arc::new(progress)).await?;
    screen.heading(&format!("{payments} payments, seed {}", arguments.seed));
    judged.summary.tell(screen);
    finish(&judged.summary, arguments.json)?;
    Ok(judged.violations.is_empty() && judged.summary.pending == 0)
}

fn finish(summary: &Summary, json: bool) -> anyhow::Result<()> {
    if json {
        writeln!(io::stdout().lock(), "{}", serde_json::to_string(summary)?)?;
    }
    Ok(())
}

/// To standard error, on one line if that is a terminal.
fn progress(text: &str) {
    let mut err = io::stderr().lock();
    let _ = if err.is_terminal() {
        write!(err, "\r\u{1b}[K  {text}").and_then(|()| err.flush())
    } else {
        writeln!(err, "{text}")
    };
}
