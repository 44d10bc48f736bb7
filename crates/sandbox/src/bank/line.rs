//! Moves frames: two bytes of length, most significant first, then a message.

use super::capture::{Capture, Line, Seen, Sender};
use super::desk::Visit;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

static CONNECTIONS: AtomicU32 = AtomicU32::new(1);

/// How many replies may wait for a slow reader before the bank hangs up.
const REPLIES_WAITING_MAX: usize = 65_536;

/// A connection as the desk sees it.
pub(super) struct Handle {
    pub(super) line: Line,
    pub(super) frames: mpsc::Sender<Vec<u8>>,
    pub(super) hang_up: CancellationToken,
}

/// Accepts the gateway's connections on one line, for as long as the bank stands.
pub(super) async fn listen(
    line: Line,
    listener: TcpListener,
    visits: mpsc::UnboundedSender<Visit>,
    capture: Capture,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(line.clone(), connection, stream, visits.clone(), capture.clone()));
    }
}

async fn serve(
    line: Line,
    connection: u32,
    stream: TcpStream,
    visits: mpsc::UnboundedSender<Visit>,
    capture: Capture,
) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (frames, outbox) = mpsc::channel(REPLIES_WAITING_MAX);
    let hang_up = CancellationToken::new();
    capture.note(&line, connection, Seen::Connected);
    let handle = Handle { line: line.clone(), frames, hang_up: hang_up.clone() };
    if visits.send(Visit::Opened { connection, handle }).is_err() {
        return;
    }
    let writing = tokio::spawn(write(writer, outbox));
    let reading = read(&line, connection, reader, &visits, &capture);
    tokio::select! {
        _ = reading => {}
        () = hang_up.cancelled() => {}
    }
    writing.abort();
    capture.note(&line, connection, Seen::Closed);
    let _ = visits.send(Visit::Closed { connection });
}

async fn read(
    line: &Line,
    connection: u32,
    reader: OwnedReadHalf,
    visits: &mpsc::UnboundedSender<Visit>,
    capture: &Capture,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    loop {
        let length = reader.read_u16().await?;
        let mut frame = vec![0; usize::from(length)];
        reader.read_exact(&mut frame).await?;
        match line.dialect.decode(&frame) {
            Ok(message) => {
                capture.message(line, connection, Sender::Gateway, &message);
                let _ = visits.send(Visit::Message { connection, message });
            }
            Err(_) => {
                capture.note(line, connection, Seen::Garbage(Sender::Gateway, frame.len()));
            }
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut outbox: mpsc::Receiver<Vec<u8>>) {
    let mut batch = Vec::new();
    while outbox.recv_many(&mut batch, 64).await > 0 {
        if writer.write_all(&batch.concat()).await.is_err() {
            return;
        }
        batch.clear();
    }
}

/// A frame around a message's bytes; `None` if they do not fit one.
pub(super) fn frame(body: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(body.len()).ok()?;
    Some([length.to_be_bytes().as_slice(), body].concat())
}
