//! The command line of `sandbox`.

use sandbox::bank::fault::Fault;
use sandbox::certify;
use sandbox::gateway::PUBLIC_PORT;
use sandbox::overload;
use sandbox::proxy::treatment::WireFault;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A bank, merchants and a Tidegate gateway on this machine. Without arguments: a guided tour.
///
/// Exit codes: 0 all invariants hold; 1 a violation, or a payment without an end; 2 it could not run.
#[derive(clap::Parser)]
#[command(after_help = "Examples:\n  sandbox\n  sandbox --serve\n  sandbox --payments 2000 \
    --faults silence,late,drop-line,kill-gateway --seed 7 --json\n  sandbox --payments 20000 \
    --rate 500 --bench --json")]
pub(crate) struct Arguments {
    /// Make so many payments instead of the tour.
    #[arg(long)]
    pub(crate) payments: Option<u64>,
    /// Begin so many payments a second, whatever becomes of earlier ones; they are sealed and signed
    /// before the clock starts.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) rate: Option<u64>,
    /// Without --rate: so many payments are under way at once.
    #[arg(long, default_value_t = 64)]
    pub(crate) concurrency: usize,
    /// How the bank lies, and whether the gateway is killed.
    #[arg(long, value_delimiter = ',')]
    pub(crate) faults: Vec<Fault>,
    /// What a proxy between gateway and bank does to frames.
    #[arg(long, requires = "payments", value_delimiter = ',')]
    pub(crate) proxy: Vec<WireFault>,
    /// Have the proxy send so many false replies with each true one.
    #[arg(long, requires = "payments", value_name = "N", default_value_t = 0)]
    pub(crate) hostile_replies: u32,
    /// Environment (`NAME=VALUE` pairs with blanks between them) for one life of the gateway, the first
    /// for its first; it is started again whenever it ends by itself.
    #[arg(long, requires = "payments", value_name = "ENVIRONMENT")]
    pub(crate) life: Vec<String>,
    /// Have the gateway keep its data in this folder.
    #[arg(long, requires = "payments", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Let the wall clock jump by up to a day, by what is written into this file; see tests/faults.
    #[arg(long, requires = "payments", value_name = "FILE")]
    pub(crate) clock_file: Option<PathBuf>,
    /// How often a merchant sends a payment, every 50 ms, until it is answered.
    #[arg(long, requires = "payments", default_value_t = 400)]
    pub(crate) tries: u32,
    /// Have the gateway take another sound configuration so often, by SIGHUP, while payments are made.
    #[arg(long, requires = "payments", default_value_t = 0)]
    pub(crate) reloads: u64,
    /// Stop the gateway in order (SIGTERM) and start it again so often meanwhile.
    #[arg(long, requires = "payments", default_value_t = 0)]
    pub(crate) restarts: u64,
    /// How many hosts: 2 are of different dialects, and routes say which payment goes where. By default 1;
    /// of the tour, 2.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) hosts: Option<u8>,
    /// The same seed, the same payments and lies.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object on the last line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep everything in this empty or new folder: configuration, logs, journal, evidence.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// With --keep: keep each signed request as it was sent, too (requests.jsonl).
    #[arg(long, requires = "keep")]
    pub(crate) keep_requests: bool,
    /// Stay up for your own payments.
    #[arg(long, conflicts_with_all = ["payments", "json"])]
    pub(crate) serve: bool,
    /// With --serve: listen for merchants on this port of loopback.
    #[arg(long, requires = "serve", default_value_t = PUBLIC_PORT)]
    pub(crate) port: u16,
    /// For measuring: no tricks by merchants, and the bank's books in memory alone.
    #[arg(long, requires = "payments")]
    pub(crate) bench: bool,
    /// After so many milliseconds the host counts as silent; all other waits follow.
    #[arg(long, value_name = "MS")]
    pub(crate) reply_timeout: Option<u64>,
    /// The protocol definitions, if not those of the source tree.
    #[arg(long, value_name = "DIR")]
    pub(crate) protocols: Option<PathBuf>,
    /// Make the gateway misbehave in this way, to see it caught.
    #[cfg(feature = "sabotage")]
    #[arg(long, value_name = "NAME")]
    pub(crate) sabotage: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What else it can do.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
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
