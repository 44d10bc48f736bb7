//! The hosts of a checked configuration.

use std::num::NonZeroU32;
use std::time::Duration;
use tidegate_iso8583::frame::FrameFormat;
use tidegate_line::keep_alive::KeepAlives;
use tidegate_payment::id::{HostId, LineId};

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
    pub frame: FrameFormat,
    /// What stands between length and message in every frame that goes out, as [`FrameFormat::header`] wants it;
    /// lengths within it are set for each frame.
    pub header: Vec<u8>,
    /// Who sends empty frames, and who answers them.
    pub keep_alives: KeepAlives,
    /// Acquiring institution, 1 to 11 digits (ISO 8583 DE 32).
    pub acquirer: String,
    /// Forwarding institution, 1 to 11 digits (ISO 8583 DE 33).
    pub forwarder: Option<String>,
    /// Financial exchanges under way at once.
    pub in_flight_max: usize,
    /// After this the host counts as silent.
    pub reply_timeout: Duration,
    /// A reply that takes longer shows that the host is given too much.
    pub reply_slow: Duration,
    /// So many messages in a row without a reply open a breaker.
    pub breaker_silences: u32,
    /// How long a breaker stays open before a probe.
    pub breaker_wait: Duration,
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
    /// Reversals and repeats of advices that are sent to it in a second, at most.
    pub advices_per_second: NonZeroU32,
    /// Its payments without a final result, if that has a limit of its own.
    pub open_payments_max: Option<usize>,
    /// One or more, their names unique.
    pub lines: Vec<Line>,
}

/// A line to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: LineId,
    /// `host:port`.
    pub address: String,
}
