//! The gateway's end of the control socket.

use super::{Answer, COMMAND_BYTES_MAX, Command};
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
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
    /// Carries a command out, or says why not.
    fn answer(&self, command: Command) -> impl Future<Output = Answer> + Send;
}

/// Opens the socket, replacing one that a gateway which was killed left behind.
/// # Errors
/// When the socket cannot be made, or its mode not set.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves commands until `stop` is cancelled.
pub async fn serve<B: Backend>(listener: UnixListener, backend: Arc<B>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (Ok((stream, _)), Ok(permit)) = (accepted, Arc::clone(&room).try_acquire_owned())
        else {
            continue;
        };
        let backend = Arc::clone(&backend);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = converse(stream, &*backend).await {
                tracing::warn!(%error, "an operator's connection failed");
            }
        });
    }
}

async fn converse<B: Backend>(stream: UnixStream, backend: &B) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let limit = u64::try_from(COMMAND_BYTES_MAX).unwrap_or(u64::MAX);
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(limit));
    tokio::time::timeout(COMMAND_TIME, reader.read_line(&mut line)).await??;
    let answer = match serde_json::from_str(&line) {
        Ok(command) => {
            tracing::info!(?command, "an operator's command");
            backend.answer(command).await
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
        async fn answer(&self, command: Command) -> Answer {
            match command {
                Command::Cases => Answer::Done(json!([])),
                other => Answer::Refused(format!("{other:?}")),
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
        assert_eq!(lines.unwrap_err().to_string(), "Lines");
        stop.cancel();
        server.await.unwrap();
        let _again = bind(&path).unwrap();
    }
}
