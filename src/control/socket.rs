//! The gateway's end of the control socket.

use super::{Answer, COMMAND_BYTES_MAX, Command, operator};
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Operators at once.
const CONNECTIONS_MAX: usize = 16;
/// How long a command may take to arrive.
const COMMAND_TIME: Duration = Duration::from_secs(5);

/// Who answers commands.
pub trait Backend: Send + Sync + 'static {
    /// Carries a command of an account out, or says why not.
    fn answer(&self, command: Command, by: &str) -> impl Future<Output = Answer> + Send;
}

/// After a failed accept (no file handles left, most likely): those that are open go on meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the control socket could not open.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A living gateway listens there.
    #[error("another gateway listens on {}: stop it first", .path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something else stands there, and is not ours to remove.
    #[error("{} is no socket: choose another [internal] control_socket", .path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("the control socket {} cannot be made", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// An open control socket.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    /// Whose socket it is: the user id of the gateway.
    owner: u32,
}

/// Opens the socket, replacing one that a gateway which was killed left behind.
/// # Errors
/// [`SocketError`]: a living gateway or another file is there, or the system refuses.
pub fn bind(path: &Path) -> Result<Control, SocketError> {
    let fault = |source| SocketError::Io { path: path.to_owned(), source };
    if let Ok(held) = std::fs::symlink_metadata(path) {
        if !held.file_type().is_socket() {
            return Err(SocketError::NoSocket { path: path.to_owned() });
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(SocketError::Taken { path: path.to_owned() });
        }
        std::fs::remove_file(path).map_err(fault)?;
    }
    let listener = UnixListener::bind(path).map_err(fault)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(fault)?;
    let owner = std::fs::metadata(path).map_err(fault)?.uid();
    Ok(Control { listener, owner })
}

/// Serves commands until `stop` is cancelled.
pub async fn serve<B: Backend>(control: Control, backend: Arc<B>, stop: CancellationToken) {
    let Control { listener, owner } = control;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let account = operator::account(&stream).filter(|_| trusted(&stream, owner));
        let Some(account) = account else {
            tracing::warn!("somebody else's process knocked on the control socket");
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            turn_away(&stream);
            continue;
        };
        let backend = Arc::clone(&backend);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = converse(stream, &account, &*backend).await {
                tracing::warn!(%error, "an operator's connection failed");
            }
        });
    }
}

/// The mode of the file guards the socket; this does so in the moment between its making and its mode.
fn trusted(stream: &UnixStream, owner: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0)
}

/// Tells an operator that there are too many, as far as that takes no wait.
fn turn_away(stream: &UnixStream) {
    let why = format!("{CONNECTIONS_MAX} operators are connected: try again in a moment");
    tracing::warn!(operators = CONNECTIONS_MAX, "an operator was turned away: too many");
    if let Ok(mut line) = serde_json::to_vec(&Answer::Refused(why)) {
        line.push(b'\n');
        // A new socket has room for a line; whoever went away already needs none.
        let _ = stream.try_write(&line);
    }
}

async fn converse<B: Backend>(stream: UnixStream, account: &str, backend: &B) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let limit = u64::try_from(COMMAND_BYTES_MAX).unwrap_or(u64::MAX);
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(limit));
    tokio::time::timeout(COMMAND_TIME, reader.read_line(&mut line)).await??;
    let answer = match serde_json::from_str(&line) {
        Ok(command) => {
            let command: Command = command;
            // Its name alone: what an operator typed may hold a card number.
            tracing::info!(command = command.name(), account, "an operator's command");
            backend.answer(command, account).await
        }
        Err(error) => Answer::Refused(format!("not a command: {error}")),
    };
    let mut line = serde_json::to_string(&answer)?;
    line.push('\n');
    writer.write_all(line.as_bytes()).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::super::client;
    use super::*;
    use serde_json::json;

    struct Echo;

    impl Backend for Echo {
        async fn answer(&self, command: Command, by: &str) -> Answer {
            match command {
                Command::Cases => Answer::Done(json!([])),
                other => Answer::Refused(format!("{other:?} by {by}")),
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_command_goes_in_and_an_answer_comes_out_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(bind(&path).unwrap(), Arc::new(Echo), stop.clone()));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let asked = path.clone();
        let (cases, lines) = tokio::task::spawn_blocking(move || {
            (client::ask(&asked, &Command::Cases), client::ask(&asked, &Command::Lines))
        })
        .await
        .unwrap();
        assert_eq!(cases.unwrap(), json!([]));
        let told = lines.unwrap_err().to_string();
        // Who asks is known without being told.
        let account = told.strip_prefix("Lines by ").unwrap();
        assert!(!account.is_empty(), "{told}");
        stop.cancel();
        server.await.unwrap();
        let _again = bind(&path).unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_operator_too_many_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(bind(&path).unwrap(), Arc::new(Echo), stop.clone()));
        let asked = path.clone();
        let refused = tokio::task::spawn_blocking(move || {
            let connect = |_| std::os::unix::net::UnixStream::connect(&asked).unwrap();
            let idle: Vec<_> = (0..CONNECTIONS_MAX).map(connect).collect();
            let refused = client::ask(&asked, &Command::Cases).unwrap_err();
            drop(idle);
            refused
        })
        .await
        .unwrap();
        let expected = "16 operators are connected: try again in a moment";
        assert_eq!(refused.to_string(), expected);
        stop.cancel();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn neither_a_living_gateways_socket_nor_another_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let held = bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(SocketError::Taken { .. })));
        drop(held);
        drop(bind(&path).unwrap());
        let file = folder.path().join("ledger.db");
        std::fs::write(&file, "precious").unwrap();
        assert!(matches!(bind(&file), Err(SocketError::NoSocket { .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    }
}
