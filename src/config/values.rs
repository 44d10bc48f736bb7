//! Checked configuration. Whoever holds a [`Config`] need not look twice.

use super::check_routes::RouteRule;
use super::host_values::Host;
use super::journal::Journal;
use super::secret::SecretRef;
use crate::channel::client_certificate::CertificateBinding;
use crate::channel::signature::VerifyingKey;
use crate::edge::limits::Limits;
use crate::keys::algorithm::Algorithm;
use jiff::{Timestamp, civil::Time, tz::TimeZone};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidegate_payment::id::{ChannelId, HostId, MerchantId, TerminalId};
use tidegate_payment::money::Currency;
use tidegate_payment::request::Operation;

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
    /// Local time after which the next date's business begins, by the clock.
    pub business_day_ends: Time,
    /// Who moves the business date.
    pub business_day: DateSource,
    /// How long an orderly stop waits for what is under way.
    pub drain_timeout: Duration,
    /// How messages pass between the edge, the core and the lines.
    pub seams: Seams,
    /// `[gateway.log]`.
    pub log: Log,
}

/// Who moves the business date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateSource {
    /// The clock, at the end of the business day.
    Clock,
    /// This host's cut-over.
    Host(HostId),
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
    /// A request that was not accepted so long after it came is refused.
    pub accept_within: Duration,
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
    /// The age of the oldest reversal or advice from which on an alarm is raised.
    pub alarm_after: Duration,
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
    /// How much of the gateway it may take, against others, when everything is taken.
    pub weight: u32,
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
