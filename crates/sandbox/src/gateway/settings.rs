//! What a gateway under test is made of, and how long it waits.

use crate::hosts::Layout;
use crate::merchant::Profile;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long the gateway waits for what. All of a run's waits scale with the first.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    /// After this the host counts as silent.
    pub reply_timeout: Duration,
    /// Between the attempts of a reversal, the last one repeating.
    pub reversal_gaps_ms: Vec<u64>,
    /// After "unable to locate the original", before the next attempt.
    pub unknown_original: Duration,
}

impl Waits {
    /// Waits for a host that may take `reply_timeout`, and at most twice as long when it is late.
    pub fn scaled(reply_timeout: Duration) -> Self {
        let base = u64::try_from(reply_timeout.as_millis()).unwrap_or(u64::MAX);
        let half = base.checked_div(2).unwrap_or(base).max(10);
        Self {
            reply_timeout,
            reversal_gaps_ms: vec![half, base, base.saturating_mul(2)],
            unknown_original: reply_timeout.saturating_mul(3),
        }
    }
}

/// What the gateway is told about its hosts' load, beside how much may be in flight.
#[derive(Debug, Clone, Copy)]
pub struct HostLoad {
    /// From which time on a reply is slow; `None`: none is before it is silence.
    pub reply_slow: Option<Duration>,
    /// After so many silences in a row a breaker opens.
    pub breaker_silences: u32,
    /// For so long.
    pub breaker_wait: Duration,
    /// Reversals and repeats in a second; `None`: the gateway's default.
    pub advices_per_second: Option<u32>,
}

impl Default for HostLoad {
    /// Silence and long thinking are the sandbox's business: only a dead bank opens the breaker, and not
    /// for long.
    fn default() -> Self {
        let breaker_wait = Duration::from_millis(100);
        Self { reply_slow: None, breaker_silences: 50, breaker_wait, advices_per_second: None }
    }
}

/// What the gateway is started with.
#[derive(Default)]
pub struct Settings {
    /// Its whole configuration, if it is not the usual one of the sandbox; `merchants`, `layout`, `lines`
    /// and `waits` then say nothing.
    pub configuration: Option<String>,
    /// The program and its first arguments; `run -c FILE` and the like follow.
    pub program: Vec<OsString>,
    /// Its folder: configuration, keys, data, log.
    pub folder: PathBuf,
    /// Where it listens for merchants; 0: wherever there is room.
    pub port: u16,
    /// The protocol definitions.
    pub protocols: PathBuf,
    /// The hosts, and the routes to them.
    pub layout: Layout,
    /// The lines of each host, by its name.
    pub lines: BTreeMap<String, Vec<(String, SocketAddr)>>,
    /// The merchants, with their public keys as base64.
    pub merchants: Vec<(Profile, String)>,
    /// How long it waits.
    pub waits: Waits,
    /// How many messages it may have in flight.
    pub in_flight_max: u32,
    /// What else it is told about the hosts' load.
    pub host_load: HostLoad,
    /// Whether there are two sound configurations, to be taken in turns ([`second`]).
    pub in_turns: bool,
    /// More environment for the child.
    pub environment: Vec<(String, String)>,
    /// More environment for its first lives, one after the other.
    pub lives: Vec<Vec<(String, String)>>,
    /// Where its data is to lie, if not in its folder.
    pub data: Option<PathBuf>,
}
