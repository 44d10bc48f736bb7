//! Structured logs to standard error. One line an event; the payment's id stands on every line of its
//! path because the callers open a span that carries it.

use crate::config::{LogFormat, LogLevel};
use std::fmt;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be started: another one runs in this process")]
pub struct LogError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Starts the process's log. Our own events from `level` up, those of libraries from warnings up.
/// # Errors
/// [`LogError`] when the process has a log already.
pub fn start_log(format: LogFormat, level: LogLevel) -> Result<LogSwitch, LogError> {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match format {
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_current_span(true);
            let log = log.with_filter_reloading();
            let handle = log.reload_handle();
            log.try_init().map_err(LogError)?;
            Ok(LogSwitch(Box::new(move |level| handle.reload(filter(level)).is_ok())))
        }
        LogFormat::Text => {
            let log = log.with_ansi(false).with_target(false).with_filter_reloading();
            let handle = log.reload_handle();
            log.try_init().map_err(LogError)?;
            Ok(LogSwitch(Box::new(move |level| handle.reload(filter(level)).is_ok())))
        }
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!("warn,tidegate={}", level.as_str()))
}

/// Changes the level of the running log.
pub struct LogSwitch(Box<dyn Fn(LogLevel) -> bool + Send + Sync>);

impl LogSwitch {
    /// Writes lines from this level on.
    pub fn set(&self, level: LogLevel) {
        if !(self.0)(level) {
            tracing::warn!(level = level.as_str(), "the log's level could not be changed");
        }
    }
}

impl fmt::Debug for LogSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogSwitch")
    }
}
