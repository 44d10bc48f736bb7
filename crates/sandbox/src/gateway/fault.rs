//! Why the gateway does not do what it should.

use std::io;

/// Why the gateway does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A file or the process could not be handled.
    #[error("{what}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// A command failed.
    #[error("`tidegate {command}` ended with {status}:\n{output}")]
    Command {
        /// Its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        output: String,
    },
    /// It did not come up.
    #[error("the gateway {why}; the end of its log:\n{log}")]
    NotUp {
        /// What happened instead.
        why: String,
        /// The end of its log.
        log: String,
    },
    /// Something that it made cannot be read.
    #[error("{what}: {why}")]
    Unreadable {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
}

pub(super) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> GatewayError {
    let what = what.into();
    move |source| GatewayError::Io { what, source }
}
