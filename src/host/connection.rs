//! One connection of a line: makes it, reads frames from it, writes frames to it.

use super::Clock;
use super::frames::{FrameDecoder, StreamFault};
use futures_util::StreamExt;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tidegate_iso8583::frame::FrameFormat;
use tidegate_line::event::{Event, Read, Written};
use tidegate_line::name::{Connection, Frame, LineIndex};
use tidegate_payment::id::LineId;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_util::codec::FramedRead;
use tokio_util::sync::CancellationToken;
use zeroize::{Zeroize, Zeroizing};

/// How many queued frames ride on one write.
const BATCH_MAX: usize = 64;

/// What a line's writer is given.
#[derive(Debug)]
pub(super) enum Job {
    /// A network message.
    Network(Frame),
    /// An empty frame.
    KeepAlive,
    /// A financial message; from `deadline` on it must not be written.
    Financial { to: Written, frame: Frame, deadline: Duration },
}

/// Says what a frame is.
pub(super) type Reader = Arc<dyn Fn(&[u8]) -> Read + Send + Sync>;

/// What a connection works with.
pub(super) struct Link {
    pub(super) line: LineIndex,
    pub(super) connection: Connection,
    pub(super) name: LineId,
    pub(super) address: String,
    pub(super) format: FrameFormat,
    /// What stands before each message that goes out.
    pub(super) header: Arc<[u8]>,
    pub(super) frame_bytes_max: usize,
    pub(super) connect_timeout: Duration,
    /// Says what a frame that came in is.
    pub(super) read: Reader,
    pub(super) clock: Arc<dyn Clock>,
    /// To the host task.
    pub(super) events: mpsc::Sender<Event>,
    /// Cancelled to close the connection.
    pub(super) stop: CancellationToken,
    /// For the wait after it ended.
    pub(super) dice: u32,
}

impl Link {
    /// Lives as long as the connection. Its last word is [`Event::Gone`].
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        if let Some(stream) = self.connect().await {
            let (read, write) = stream.into_split();
            self.say(Event::Connected(self.line, self.connection)).await;
            let reading = async {
                self.read_frames(read).await;
                self.stop.cancel();
            };
            let writing = async {
                self.write_frames(write, &mut jobs).await;
                self.stop.cancel();
            };
            tokio::join!(reading, writing);
        }
        self.refuse_queued(&mut jobs).await;
        let (line, connection) = (self.line, self.connection);
        self.say(Event::Gone { line, connection, dice: self.dice }).await;
    }

    async fn connect(&self) -> Option<TcpStream> {
        let connecting =
            tokio::time::timeout(self.connect_timeout, TcpStream::connect(self.address.as_str()));
        let connected = tokio::select! {
            () = self.stop.cancelled() => return None,
            connected = connecting => connected,
        };
        match connected {
            Ok(Ok(stream)) => {
                // Frames are small and each one is waited for.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(line = %self.name, %error, "TCP_NODELAY is not set");
                }
                Some(stream)
            }
            Ok(Err(error)) => {
                let address = &self.address;
                tracing::warn!(line = %self.name, %address, %error, "cannot connect");
                None
            }
            Err(_) => {
                let timeout_ms = self.connect_timeout.as_millis();
                tracing::warn!(
                    line = %self.name, address = %self.address, timeout_ms,
                    "connecting took too long"
                );
                None
            }
        }
    }

    async fn read_frames(&self, socket: OwnedReadHalf) {
        let decoder = FrameDecoder::new(self.format, self.frame_bytes_max);
        let room = decoder.room();
        let mut frames = FramedRead::with_capacity(socket, decoder, room);
        loop {
            let next = tokio::select! {
                () = self.stop.cancelled() => break,
                next = frames.next() => next,
            };
            match next {
                Some(Ok(frame)) => self.received(frame).await,
                Some(Err(fault)) => {
                    self.broken(&fault);
                    break;
                }
                None => {
                    tracing::info!(line = %self.name, "the host closed the connection");
                    break;
                }
            }
        }
        frames.read_buffer_mut().as_mut().zeroize();
    }

    pub(super) async fn received(&self, frame: Frame) {
        let read = match frame.body().is_empty() {
            true => Read::KeepAlive,
            false => (self.read)(frame.body()),
        };
        let (line, connection) = (self.line, self.connection);
        self.say(Event::Received { line, connection, read, frame }).await;
    }

    fn broken(&self, fault: &StreamFault) {
        let cause = fault.source().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(line = %self.name, %fault, %cause, "closing the line");
    }

    /// Writes what is queued, many frames at a time, until the connection ends.
    async fn write_frames(&self, mut socket: OwnedWriteHalf, jobs: &mut mpsc::Receiver<Job>) {
        let mut taken = Vec::with_capacity(BATCH_MAX);
        let mut bytes = Zeroizing::new(Vec::new());
        loop {
            let count = tokio::select! {
                () = self.stop.cancelled() => break,
                count = jobs.recv_many(&mut taken, BATCH_MAX) => count,
            };
            if count == 0 {
                break;
            }
            let marks = self.lay_out(&mut taken, &mut bytes).await;
            let (handed_over, result) = self.hand_over(&mut socket, &bytes).await;
            for (starts_at, to) in marks {
                // What starts behind the last byte that the socket took was not sent.
                let sent = starts_at < handed_over;
                self.say(if sent { Event::Wrote(to) } else { Event::WriteRefused(to) }).await;
            }
            bytes.zeroize();
            if let Err(error) = result {
                tracing::warn!(line = %self.name, %error, "cannot write");
                break;
            }
        }
    }

    /// Lays frames out one after the other, and says where each financial one starts.
    async fn lay_out(&self, taken: &mut Vec<Job>, bytes: &mut Vec<u8>) -> Vec<(usize, Written)> {
        let mut marks = Vec::with_capacity(taken.len());
        for job in taken.drain(..) {
            let (frame, to) = match job {
                Job::Network(frame) => (frame, None),
                Job::KeepAlive => (Frame::new(Vec::new()), None),
                Job::Financial { to, deadline, .. } if self.clock.now().mono.0 >= deadline => {
                    self.say(Event::WriteRefused(to)).await;
                    continue;
                }
                Job::Financial { to, frame, .. } => (frame, Some(to)),
            };
            let starts_at = bytes.len();
            let header = if frame.body().is_empty() { &[] } else { self.header.as_ref() };
            match (self.format.wrap_with(header, frame.body(), bytes), to) {
                (Ok(()), Some(to)) => marks.push((starts_at, to)),
                (Ok(()), None) => {}
                (Err(fault), to) => {
                    tracing::error!(line = %self.name, %fault, "a frame is too long to be sent");
                    if let Some(to) = to {
                        self.say(Event::WriteRefused(to)).await;
                    }
                }
            }
        }
        marks
    }

    /// Hands bytes to the socket and says how many it took, also when it took not all.
    async fn hand_over(
        &self,
        socket: &mut OwnedWriteHalf,
        bytes: &[u8],
    ) -> (usize, io::Result<()>) {
        let mut handed_over: usize = 0;
        while let Some(rest) = bytes.get(handed_over..).filter(|rest| !rest.is_empty()) {
            // Dropping an unfinished `write` hands nothing over (its cancel safety).
            let wrote = tokio::select! {
                () = self.stop.cancelled() => Err(io::ErrorKind::Interrupted.into()),
                wrote = socket.write(rest) => wrote,
            };
            match wrote {
                Ok(0) => return (handed_over, Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => handed_over = handed_over.saturating_add(count),
                Err(error) => return (handed_over, Err(error)),
            }
        }
        (handed_over, Ok(()))
    }

    /// What is still queued when the connection ends was not sent: the proof is that it is here.
    pub(super) async fn refuse_queued(&self, jobs: &mut mpsc::Receiver<Job>) {
        jobs.close();
        while let Some(job) = jobs.recv().await {
            if let Job::Financial { to, .. } = job {
                self.say(Event::WriteRefused(to)).await;
            }
        }
    }

    pub(super) async fn say(&self, event: Event) {
        // Without a host task nobody needs to know.
        drop(self.events.send(event).await);
    }
}
