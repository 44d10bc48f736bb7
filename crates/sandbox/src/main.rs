//! The binary `sandbox`: see `--help`.

use clap::{Parser, Subcommand};
use sandbox::bank::capture::Line;
use sandbox::bank::fault::Fault;
use sandbox::certify;
use sandbox::gateway::PUBLIC_PORT;
use sandbox::gateway::fault::GatewayError;
use sandbox::lives;
use sandbox::load::Workload;
use sandbox::merchant::Tries;
use sandbox::overload;
use sandbox::proxy::treatment::WireFault;
use sandbox::proxy::{self, Proxy};
use sandbox::screen::Screen;
use sandbox::serve::{Payment, pay, serve};
use sandbox::soak;
use sandbox::summary::Summary;
use sandbox::tour::tour;
use sandbox::upheaval::Upheaval;
use sandbox::world::Options;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
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
    /// What a proxy between gateway and bank does to frames.
    #[arg(long, requires = "payments", value_delimiter = ',')]
    proxy: Vec<WireFault>,
    /// Have the proxy send so many false replies with each true one.
    #[arg(long, requires = "payments", value_name = "N", default_value_t = 0)]
    hostile_replies: u32,
    /// Environment (`NAME=VALUE` pairs with blanks between them) for one life of the gateway, the first
    /// for its first; it is started again whenever it ends by itself.
    #[arg(long, requires = "payments", value_name = "ENVIRONMENT")]
    life: Vec<String>,
    /// Have the gateway keep its data in this folder.
    #[arg(long, requires = "payments", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Let the wall clock jump by up to a day, by what is written into this file; see tests/faults.
    #[arg(long, requires = "payments", value_name = "FILE")]
    clock_file: Option<PathBuf>,
    /// How often a merchant sends a payment, every 50 ms, until it is answered.
    #[arg(long, requires = "payments", default_value_t = 400)]
    tries: u32,
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
    /// With --keep: keep each signed request as it was sent, too (requests.jsonl).
    #[arg(long, requires = "keep")]
    keep_requests: bool,
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
    /// Round after round of payments under faults drawn by seed, each judged, until the time is over.
    #[command(after_help = "Example: sandbox soak --minutes 10 --faults all --seed 1 --json")]
    Soak {
        /// No round begins after so many minutes.
        #[arg(long)]
        minutes: u64,
        /// `all`, or names of faults of the bank (--faults) and of the proxy (--proxy).
        #[arg(long, value_delimiter = ',', default_value = "all")]
        faults: Vec<String>,
        /// The same seed, the same rounds.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Most payments of a round.
        #[arg(long, default_value_t = 1500)]
        payments_max: u64,
        /// One JSON object on the last line.
        #[arg(long)]
        json: bool,
        /// Keep the rounds that failed in this folder.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    Certify(certify::command::Arguments),
    /// Measure overload: a bank that serves 500 payments a second, a gateway with one processor, an outage
    /// with a backlog. About seven minutes; exit code 1 if money differs.
    #[command(after_help = "Example: sandbox overload --json overload.json")]
    Overload {
        /// Short phases, for a look: under two minutes.
        #[arg(long)]
        quick: bool,
        /// These parts alone.
        #[arg(long, value_delimiter = ',')]
        part: Vec<overload::Part>,
        /// Write everything as JSON to this file as well.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Stand between any gateway and its bank and mistreat frames, until SIGINT.
    #[command(after_help = "Example: sandbox proxy --listen 127.0.0.1:9001 --to 127.0.0.1:9000 \
        --faults split,join,drop --seed 7")]
    Proxy {
        /// Where the gateway connects to.
        #[arg(long)]
        listen: SocketAddr,
        /// The bank's line.
        #[arg(long)]
        to: SocketAddr,
        /// What befalls frames (two bytes of length, then a message).
        #[arg(long, value_delimiter = ',')]
        faults: Vec<WireFault>,
        /// The same seed, the same treatment of the n-th frame.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// So many false replies with each true one (ISO 8583:1987 in ASCII alone).
        #[arg(long, default_value_t = 0)]
        hostile_replies: u32,
        /// The longest delay.
        #[arg(long, value_name = "MS", default_value_t = 2000)]
        delay_max: u64,
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
        Some(Command::Soak { minutes, faults, seed, payments_max, json, keep }) => {
            let protocols = arguments.protocols.take();
            report(block_on(async move {
                let plan = soak::Plan {
                    time: Duration::from_secs(minutes.saturating_mul(60)),
                    seed,
                    faults: soak::faults(&faults).map_err(anyhow::Error::msg)?,
                    payments_max,
                    keep,
                    program: program()?,
                    protocols: definitions(protocols)?,
                };
                soaked(plan, json).await
            }))
        }
        Some(Command::Certify(plan)) => {
            let protocols = arguments.protocols.take();
            report(block_on(async move {
                plan.run(program()?, definitions(protocols)?, &progress).await
            }))
        }
        Some(Command::Overload { quick, part: parts, json }) => {
            let protocols = arguments.protocols.take();
            // One thread: what it saves on waking others goes into requests.
            report(on_threads(1, async move {
                let (program, protocols) = (program()?, definitions(protocols)?);
                let plan = overload::Plan { quick, parts, json, program, protocols };
                overload::run(&plan, Screen::new(), &progress).await
            }))
        }
        Some(Command::Proxy { listen, to, faults, seed, hostile_replies, delay_max }) => {
            let faults = faults.into_iter().collect();
            let delay_max = Duration::from_millis(delay_max);
            let others = proxy::Settings::default();
            let settings = proxy::Settings { seed, faults, hostile_replies, delay_max, ..others };
            report(block_on(stand_between(settings, listen, to)))
        }
        None => report(block_on(act(arguments))),
    }
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    on_threads(std::thread::available_parallelism()?.get(), future)
}

fn on_threads<T>(
    count: usize,
    future: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().build()?.block_on(future)
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

/// The gateway under test is this program's other half.
fn program() -> anyhow::Result<Vec<OsString>> {
    Ok(vec![std::env::current_exe()?.into(), OsString::from("gateway")])
}

fn definitions(folder: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let source_tree = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocols");
    let folder = folder.unwrap_or_else(|| source_tree.into());
    folder.canonicalize().map_err(|fault| {
        anyhow::anyhow!("{}: {fault}; name the folder by --protocols", folder.display())
    })
}

async fn soaked(plan: soak::Plan, json: bool) -> anyhow::Result<bool> {
    let summary = soak::soak(plan, &progress).await?;
    let soak::Summary { rounds, payments, violations, kills, reloads, restarts, .. } = &summary;
    Screen::new().line(&format!(
        "  {rounds} rounds, {payments} payments, {kills} kills, {reloads} reloads, {restarts} \
         restarts: {violations} violations; {} KiB and {} handles in the first half, {} KiB and {} \
         handles in the second",
        summary.first_half.rss_kib,
        summary.first_half.handles,
        summary.second_half.rss_kib,
        summary.second_half.handles,
    ));
    if json {
        writeln!(io::stdout().lock(), "{}", serde_json::to_string(&summary)?)?;
    }
    Ok(summary.is_good())
}

async fn stand_between(
    settings: proxy::Settings,
    listen: SocketAddr,
    to: SocketAddr,
) -> anyhow::Result<bool> {
    let proxy = Proxy::new(settings, None);
    let address =
        proxy.stand_before(Line { name: "line".to_owned(), ..Line::default() }, to, listen).await?;
    progress(&format!("listening on {address}"));
    tokio::signal::ctrl_c().await?;
    writeln!(io::stdout().lock(), "{}", serde_json::to_string(&proxy.counts())?)?;
    Ok(true)
}

async fn act(arguments: Arguments) -> anyhow::Result<bool> {
    let protocols = definitions(arguments.protocols.clone())?;
    let mut options = Options::honest(arguments.seed, program()?, protocols);
    let tour_alone = arguments.payments.is_none() && !arguments.serve;
    options.hosts = arguments.hosts.map_or(1 + usize::from(tour_alone), usize::from);
    options.keep.clone_from(&arguments.keep);
    options.keep_requests = arguments.keep_requests;
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
    options.proxy.seed = arguments.seed;
    options.proxy.faults = arguments.proxy.iter().copied().collect();
    options.proxy.hostile_replies = arguments.hostile_replies;
    // Past the gateway's deadline, and before it asks for what the bank did not know again.
    options.proxy.delay_max = options.reply_timeout.saturating_mul(2);
    options.clock_file.clone_from(&arguments.clock_file);
    options.data = arguments.data.clone().map(std::path::absolute).transpose()?;
    for life in &arguments.life {
        options.lives.push(lives::parse(life).map_err(anyhow::Error::msg)?);
    }
    let faults: BTreeSet<Fault> = arguments.faults.iter().copied().collect();
    options.books_in_memory = arguments.bench;
    options.upheaval = Upheaval { reloads: arguments.reloads, restarts: arguments.restarts };
    if !faults.is_empty() {
        options = options.with_faults(faults);
    } else if !options.proxy.is_honest() || !options.lives.is_empty() {
        options.merchants = 3;
    }
    let workload = Workload {
        payments,
        concurrency: arguments.concurrency.max(1),
        rate: arguments.rate,
        tricks: !arguments.bench,
        mix: !arguments.bench,
        tries: Tries { count: arguments.tries, gap: Duration::from_millis(50) },
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
