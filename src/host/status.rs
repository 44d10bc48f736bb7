//! What operators see of a host.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_line::event::Quarantine;
use tidegate_line::host::{Host, LineView};
use tidegate_line::name::LineIndex;

/// A host at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostStatus {
    /// Its name.
    pub host: String,
    /// Whether any line is signed on.
    pub up: bool,
    /// How many messages await their reply.
    pub in_flight: u32,
    /// How many new messages it may be given at a time now.
    pub window: u32,
    /// `closed`, `open` or `half_open`.
    pub breaker: &'static str,
    /// How often its breaker opened since the start.
    pub breaker_opened: u64,
    /// How many exchanges are kept: open, late and answered.
    pub kept: usize,
    /// Its lines, in the order of configuration.
    pub lines: Vec<LineStatus>,
    /// Frames that were nobody's answer since the start, by reason: `unmatched`, `duplicate`,
    /// `unparsable`, `unasked_network_reply`, `unsolicited`, `key_exchange`, `disagreed`,
    /// `unlisted_code`. A reason that did not occur is absent.
    pub quarantined: BTreeMap<&'static str, u64>,
}

/// A line at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineStatus {
    /// Its name.
    pub line: String,
    /// Where it leads.
    pub address: String,
    /// `held`, `down`, `connecting`, `signing_on`, `serving`, `resting`, `draining`, `signing_off`
    /// or `closing`.
    pub state: &'static str,
    /// Whether an operator signed it off: it stays down until an operator signs it on.
    pub signed_off_by_operator: bool,
    /// For how long, in milliseconds.
    pub since_ms: u64,
    /// How long ago something was last received, in milliseconds; `None` if nothing ever was.
    pub last_received_ms: Option<u64>,
    /// How many messages written on it await their reply.
    pub in_flight: u32,
    /// `closed`, `open` or `half_open`: what is not closed is given new messages last.
    pub breaker: &'static str,
    /// How often its breaker opened since the start.
    pub breaker_opened: u64,
    /// Accepted sign-ons since the start.
    pub signed_on: u64,
    /// Refused or unanswered sign-ons since the start.
    pub sign_on_failed: u64,
    /// How often it was found half-open since the start.
    pub half_open: u64,
    /// Frames received since the start.
    pub received: u64,
    /// Frames among them that could not be read.
    pub unparsable: u64,
}

impl HostStatus {
    /// How many frames were quarantined since the start, for whatever reason.
    pub fn quarantined_in_all(&self) -> u64 {
        self.quarantined.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// What the judge counted.
#[derive(Debug, Default)]
pub(super) struct Judgements {
    disagreed: AtomicU64,
    unlisted_code: AtomicU64,
}

impl Judgements {
    pub(super) fn disagreed(&self) {
        self.disagreed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unlisted_code(&self) {
        self.unlisted_code.fetch_add(1, Ordering::Relaxed);
    }
}

/// The frames that were nobody's answer, counted.
#[derive(Debug, Default)]
pub(super) struct Quarantined(BTreeMap<&'static str, u64>);

impl Quarantined {
    pub(super) fn count(&mut self, why: Quarantine) {
        let count = self.0.entry(name(why)).or_insert(0);
        *count = count.saturating_add(1);
    }

    fn with(&self, judgements: &Judgements) -> BTreeMap<&'static str, u64> {
        let mut counts = self.0.clone();
        let judged =
            [("disagreed", &judgements.disagreed), ("unlisted_code", &judgements.unlisted_code)];
        let judged = judged.map(|(name, count)| (name, count.load(Ordering::Relaxed)));
        counts.extend(judged.into_iter().filter(|(_, count)| *count > 0));
        counts
    }
}

fn name(why: Quarantine) -> &'static str {
    match why {
        Quarantine::Unmatched => "unmatched",
        Quarantine::Duplicate => "duplicate",
        Quarantine::Unparsable => "unparsable",
        Quarantine::UnaskedNetworkReply => "unasked_network_reply",
        Quarantine::Unsolicited => "unsolicited",
        Quarantine::KeyExchange => "key_exchange",
    }
}

/// What a host looks like at `now`. `line`: the name and address of a line.
pub(super) fn look(
    now: Duration,
    id: &str,
    host: &Host,
    line: impl Fn(LineIndex) -> Option<(String, String)>,
    quarantined: &Quarantined,
    judgements: &Judgements,
) -> HostStatus {
    let lines = host.lines().filter_map(|view| Some(line_status(now, view, line(view.line)?)));
    let room = host.room();
    HostStatus {
        host: id.to_owned(),
        up: host.is_up(),
        in_flight: host.in_flight(),
        window: room.limit,
        breaker: room.breaker.name(),
        breaker_opened: room.breaker_opened,
        kept: host.kept(),
        lines: lines.collect(),
        quarantined: quarantined.with(judgements),
    }
}

fn line_status(now: Duration, view: LineView, (line, address): (String, String)) -> LineStatus {
    let age_ms = |at| u64::try_from(now.saturating_sub(at).as_millis()).unwrap_or(u64::MAX);
    LineStatus {
        line,
        address,
        state: view.state.name(),
        signed_off_by_operator: view.signed_off_by_operator,
        since_ms: age_ms(view.since),
        last_received_ms: view.last_received.map(age_ms),
        in_flight: view.in_flight,
        breaker: view.breaker.name(),
        breaker_opened: view.breaker_opened,
        signed_on: view.counts.signed_on,
        sign_on_failed: view.counts.sign_on_failed,
        half_open: view.counts.half_open,
        received: view.counts.received,
        unparsable: view.counts.unparsable,
    }
}
