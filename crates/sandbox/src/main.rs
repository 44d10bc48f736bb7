//! The binary `sandbox`: see `--help`.

mod arguments;

use arguments::{Arguments, Command};
use clap::Parser as _;
use sandbox::bank::capture::Line;
use sandbox::bank::fault::Fault;
use sandbox::gateway::fault::GatewayError;
use sandbox::lives;
use sandbox::load::Workload;
use sandbox::merchant::Tries;
use sandbox::overload;
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
