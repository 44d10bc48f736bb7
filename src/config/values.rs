//! Checked configuration. Whoever holds a [`Config`] need not look twice.

use super::check_routes::RouteRule;
use super::journal::Journal;
use crate::channel::client_certificate::CertificateBinding;
use crate::channel::signature::VerifyingKey;
use crate::edge::limits::Limits;
use crate::keys::algorithm::Algorithm;
use jiff::{Timestamp, civil::Time, tz::TimeZone};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidegate_payment::id::{ChannelId, HostId, LineId, MerchantId, TerminalId};
use tidegate_payment::money::Currency;
use tidegate_payment::request::Operation;
use zeroize::Zeroizing;

/// The whole configuration of a gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The main file.
    pub file: PathBuf,
    /// `[gateway]`.
    pub gateway: Gateway,
    /// `[keys]`.
    pub keys: Keys,
    /// `[internal]`.
    pub internal: Internal,
    /// `[journal]`.
    pub journal: Journal,
    /// `[engine]`.
    pub engine: Engine,
    /// `[reversal]`.
    pub reversal: Reversal,
    /// `[[channel]]`, one or more, their names unique.
    pub channels: Vec<Channel>,
    /// `[[host]]`, one or more, their names unique.
    pub hosts: Vec<Host>,
    /// `[[merchant]]`, their ids and the ids of all their keys unique; each names a host.
    pub merchants: Vec<Merchant>,
    /// `[[route]]`, in the order in which they are tried, their names unique.
    pub routes: Vec<RouteRule>,
}

/// The gateway as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    /// Its name, for logs.
    pub name: String,
    /// What it may be used for.
    pub mode: Mode,
    /// Holds `journal/`, `ledger.db`, `archive/`, `ports.json`.
    pub data_dir: PathBuf,
    /// Holds `dialects/` and `mappings/`.
    pub protocols_dir: PathBuf,
    /// The zone of the business date.
    pub time_zone: TimeZone,
    /// Local time after which the next date's business begins.
    pub business_day_ends: Time,
    /// How long an orderly stop waits for what is under way.
    pub drain_timeout: Duration,
    /// How messages pass between the edge, the core and the lines.
    pub seams: Seams,
    /// `[gateway.log]`.
    pub log: Log,
}

/// How messages pass the two seams: edge to channel, core to line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seams {
    /// In memory.
    Direct,
    /// As encoded bytes over socket pairs, as between processes.
    Encoded,
}

/// What a gateway may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Example keys and loopback addresses are allowed.
    Development,
    /// They are not, and more besides: see the linter.
    Production,
}

/// The log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// From which weight on lines are written.
    pub level: LogLevel,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// From which weight on log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures that somebody must look at.
    Error,
    /// And what is odd.
    Warn,
    /// And what happened to payments.
    Info,
    /// And why.
    Debug,
    /// And each step.
    Trace,
}

impl LogLevel {
    /// Its name in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The sealed file.
    pub file: PathBuf,
    /// What opens it.
    pub passphrase: SecretRef,
}

/// Where a secret is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// In a variable of the environment.
    Env(String),
    /// In a file; one line end at its end does not count.
    File(PathBuf),
}

/// A secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, is empty, or is not UTF-8.
    #[error("the environment variable {name} is not set to a text: set it before the start")]
    Env {
        /// The variable.
        name: String,
    },
    /// The file cannot be read.
    #[error("the secret in {} cannot be read", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl SecretRef {
    /// Reads the secret.
    /// # Errors
    /// [`SecretError`], naming the place, never the content.
    pub fn read(&self) -> Result<Zeroizing<String>, SecretError> {
        match self {
            Self::Env(name) => {
                let value = std::env::var(name).ok().filter(|value| !value.is_empty());
                value.map(Zeroizing::new).ok_or_else(|| SecretError::Env { name: name.clone() })
            }
            Self::File(path) => {
                let fault = |source| SecretError::File { path: path.clone(), source };
                let mut text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(fault)?;
                let end = text.trim_end_matches(['\r', '\n']).len();
                text.truncate(end);
                Ok(text)
            }
        }
    }
}

/// The inner side: operators and their monitoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Internal {
    /// `/healthz`, `/readyz`, `/metrics`; port 0 takes any.
    pub listen: SocketAddr,
    /// The command line speaks to the daemon here.
    pub control_socket: PathBuf,
    /// How old the last echo and the last commit may be for the gateway to be ready.
    pub ready_age_max: Duration,
}

/// The engine's bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Payments without a final result.
    pub open_payments_max: usize,
    /// Final payments kept in memory.
    pub recent_payments_max: usize,
    /// Requests that wait for an answer, in all.
    pub waiters_max: usize,
}

/// Reversals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reversal {
    /// Gaps between attempts, one or more; the last one repeats.
    pub gaps: Vec<Duration>,
    /// Age after which a reversal becomes a case.
    pub give_up_after: Duration,
    /// How long to wait after "unknown original" before asking once more.
    pub unknown_original_wait: Duration,
}

/// A merchant protocol bound to a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: ChannelId,
    /// The protocol.
    pub kind: ChannelKind,
    /// Where it listens; port 0 takes any.
    pub listen: SocketAddr,
    /// What merchants sign as the beginning of `@target-uri`: `https://host[:port]`, no slash behind.
    pub public_address: String,
    /// How far the `created` of a signature may be from our clock.
    pub signature_window: Duration,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
    /// Its certificate.
    pub tls: TlsFiles,
    /// Its limits.
    pub limits: Limits,
}

/// The protocols of this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// Our own: JSON, RFC 9421 signatures, JWE.
    Rest,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Whether clients are asked for certificates, and for whose.
    pub client_certificates: Option<ClientCertificates>,
}

/// Whose client certificates are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities that issue them: PEM, one or more.
    pub ca: PathBuf,
    /// A connection without one is refused.
    pub required: bool,
}

/// A bank host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: HostId,
    /// `dialects/NAME/dialect.toml`.
    pub dialect: String,
    /// `mappings/NAME.toml`.
    pub mapping: String,
    /// How frames are delimited on its lines.
    pub frame: Frame,
    /// Acquiring institution, 1 to 11 digits (ISO 8583 DE 32).
    pub acquirer: String,
    /// Forwarding institution, 1 to 11 digits (ISO 8583 DE 33).
    pub forwarder: Option<String>,
    /// Financial exchanges under way at once.
    pub in_flight_max: usize,
    /// After this the host counts as silent.
    pub reply_timeout: Duration,
    /// The longest frame that is read.
    pub reply_frame_bytes_max: usize,
    /// Silence on a line after which an echo is sent.
    pub echo_after: Duration,
    /// After this an unanswered sign-on or echo closes the line.
    pub sign_on_timeout: Duration,
    /// After this a connect counts as failed.
    pub connect_timeout: Duration,
    /// The first gap between connects, before jitter.
    pub reconnect_min: Duration,
    /// The longest gap between connects, before jitter.
    pub reconnect_max: Duration,
    /// How many finished exchanges are remembered, to know a late answer by.
    pub late_answer_window: usize,
    /// One or more, their names unique.
    pub lines: Vec<Line>,
}

/// How frames are delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Two bytes, big-endian, counting the body.
    LengthBe2,
    /// Four ASCII digits, counting the body.
    LengthAscii4,
}

impl Frame {
    /// Its name in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LengthBe2 => "length-be2",
            Self::LengthAscii4 => "length-ascii4",
        }
    }
}

/// A line to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: LineId,
    /// `host:port`.
    pub address: String,
}

/// A merchant.
#[derive(Debug, Clone, PartialEq)]
pub struct Merchant {
    /// Its id.
    pub id: MerchantId,
    /// Its name, for people.
    pub name: String,
    /// Its zone, for ISO 8583 DE 12 and 13.
    pub time_zone: TimeZone,
    /// Merchant category code, 4 digits (DE 18, ISO 18245).
    pub category: String,
    /// DE 41.
    pub terminal: TerminalId,
    /// DE 42, 1 to 15 printable characters.
    pub acceptor: String,
    /// DE 43, 1 to 40 printable characters.
    pub name_location: String,
    /// Its host, unless a route says otherwise.
    pub host: HostId,
    /// What it may ask for.
    pub operations: Vec<Operation>,
    /// What it may charge in, one or more, each once.
    pub currencies: Vec<Currency>,
    /// The largest amount of one payment in minor units, for each of its currencies.
    pub amount_max: BTreeMap<Currency, i64>,
    /// One order is paid at most once.
    pub one_payment_per_order: bool,
    /// It takes an approval of a part for an approval.
    pub partial_approval: bool,
    /// How our answers to it are signed.
    pub response_algorithm: Algorithm,
    /// The client certificate that its connections must show.
    pub client_certificate: Option<CertificateBinding>,
    /// What it signs with, one or more.
    pub keys: Vec<MerchantKey>,
}

/// A merchant's signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantKey {
    /// The `keyid` of its signatures; unique among all merchants.
    pub id: String,
    /// The public key with its algorithm.
    pub public_key: VerifyingKey,
    /// From then on it counts.
    pub not_before: Option<Timestamp>,
    /// Until then it counts.
    pub not_after: Option<Timestamp>,
    /// It counts no more.
    pub revoked: bool,
}
