//! The command line's end of the control socket.

use super::{Answer, Command};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No gateway listens there.
    #[error(
        "cannot reach a running gateway at {}; is it running, and may you open its socket?",
        socket.display()
    )]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The gateway's answer could not be read.
    #[error("the gateway's answer cannot be read")]
    Answer(#[from] serde_json::Error),
    /// The gateway refused.
    #[error("{0}")]
    Refused(String),
}

/// Asks a running gateway.
/// # Errors
/// [`ClientError`]: unreachable, unreadable, or the gateway's own refusal.
pub fn ask(socket: &Path, command: &Command) -> Result<Value, ClientError> {
    let line = exchange(socket, command)
        .map_err(|source| ClientError::Unreachable { socket: socket.to_owned(), source })?;
    match serde_json::from_str(&line)? {
        Answer::Done(value) => Ok(value),
        Answer::Refused(why) => Err(ClientError::Refused(why)),
    }
}

fn exchange(socket: &Path, command: &Command) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_TIME))?;
    let mut line = serde_json::to_string(command)?;
    line.push('\n');
    // A gateway that turns us away has answered before it closed; then only the answer counts.
    let written = stream.write_all(line.as_bytes());
    let mut answer = String::new();
    let read = BufReader::new(stream).read_line(&mut answer);
    if answer.is_empty() {
        written?;
        read?;
    }
    Ok(answer)
}
