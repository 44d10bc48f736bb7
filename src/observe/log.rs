//! Structured logs to standard error. One line an event; the payment's id stands on every line of its
//! path because the callers open a span that carries it.

use crate::config::{LogFormat, LogLevel};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be started: another one runs in this process")]
pub struct LogError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Starts the process's log. Our own events from `level` up, those of libraries from warnings up.
/// # Errors
/// [`LogError`] when the process has a log already.
pub fn start_log(format: LogFormat, level: LogLevel) -> Result<(), LogError> {
    let filter = EnvFilter::new(format!("warn,tidegate={}", level.as_str()));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match format {
        LogFormat::Json => log.json().flatten_event(true).with_current_span(true).try_init(),
        LogFormat::Text => log.with_ansi(false).with_target(false).try_init(),
    }
    .map_err(LogError)
}
