//! Carries a line's connection over its seam as encoded bytes through a socket pair, as it will pass
//! when the lines are a process of their own. The far end holds the socket and sees frames and states;
//! what a frame means is read at the near end.

use super::Clock;
use super::connection::{Job, Link};
use crate::carriage::{self, CarryError, base64};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tidegate_iso8583::frame::FrameFormat;
use tidegate_line::event::{Event, Read, Written};
use tidegate_line::name::{Connection, ExchangeId, Frame, LineIndex};
use tidegate_payment::id::LineId;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a line is told. The first is [`Order::Connect`], and only the first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Order {
    Connect {
        line: u16,
        connection: u32,
        name: String,
        address: String,
        /// How frames are written, by name.
        frame: String,
        header: Body,
        frame_bytes_max: usize,
        connect_timeout_ms: u64,
    },
    /// A network message.
    Network(Body),
    /// An empty frame.
    KeepAlive,
    /// A financial message; not from this instant of the gateway's monotonic clock on.
    Financial { to: To, deadline_us: u64, frame: Body },
}

/// What a line tells. The last is [`Report::Gone`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Report {
    Connected,
    Received(Body),
    Wrote(To),
    Refused(To),
    Gone,
}

/// A frame's body. It may hold a card number: the vector is moved into a [`Frame`], which wipes it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Body(#[serde(with = "base64")] Vec<u8>);

/// Which attempt of which exchange.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    exchange: u64,
    attempt: u32,
}

impl To {
    fn of(written: Written) -> Self {
        Self { exchange: written.exchange.0, attempt: written.attempt }
    }

    fn on(self, line: LineIndex, connection: Connection) -> Written {
        let Self { exchange, attempt } = self;
        Written { line, connection, exchange: ExchangeId(exchange), attempt }
    }
}

/// How long a message may be, encoded.
fn bytes_max(frame_bytes_max: usize) -> usize {
    frame_bytes_max.saturating_mul(2).saturating_add(4_096)
}

impl Link {
    /// Lives in a task of its own, with its socket here or, `carried`, behind a socket pair.
    pub(super) fn spawn(self, carried: bool, jobs: mpsc::Receiver<Job>) {
        if carried {
            tokio::spawn(self.run_carried(jobs));
        } else {
            tokio::spawn(self.run(jobs));
        }
    }

    /// As [`Link::run`], with the connection itself at the far end of a socket pair.
    async fn run_carried(self, jobs: mpsc::Receiver<Job>) {
        let queue_max = self.events.max_capacity();
        match UnixStream::pair() {
            Ok((near, far)) => {
                let most = bytes_max(self.frame_bytes_max);
                tokio::spawn(far_end(far, Arc::clone(&self.clock), most, queue_max));
                self.near_end(near, jobs, most).await;
            }
            Err(error) => {
                tracing::error!(line = %self.name, %error, "no socket pair for a line");
                self.end(jobs).await;
            }
        }
    }

    async fn near_end(self, near: UnixStream, mut jobs: mpsc::Receiver<Job>, most: usize) {
        let (mut read, mut write) = near.into_split();
        let telling = async {
            let told = self.tell(&mut write, &mut jobs, most).await;
            if let Err(fault) = told {
                tracing::warn!(line = %self.name, %fault, "a line's seam is broken");
            }
            // The far end hears that nobody wants the connection any more.
            drop(write);
        };
        let hearing = async {
            if let Err(fault) = self.hear(&mut read, most).await {
                tracing::error!(line = %self.name, %fault, alarm = true, "a line's seam is broken");
            }
            self.stop.cancel();
        };
        tokio::join!(telling, hearing);
        self.end(jobs).await;
    }

    /// What is still queued here was not sent. Of what went over the seam and was not reported,
    /// nobody knows.
    async fn end(self, mut jobs: mpsc::Receiver<Job>) {
        self.refuse_queued(&mut jobs).await;
        let (line, connection) = (self.line, self.connection);
        self.say(Event::Gone { line, connection, dice: self.dice }).await;
    }

    async fn tell(
        &self,
        write: &mut OwnedWriteHalf,
        jobs: &mut mpsc::Receiver<Job>,
        most: usize,
    ) -> Result<(), CarryError> {
        let connect = Order::Connect {
            line: self.line.0,
            connection: self.connection.0,
            name: self.name.to_string(),
            address: self.address.clone(),
            frame: self.format.name().to_owned(),
            header: Body(self.header.to_vec()),
            frame_bytes_max: self.frame_bytes_max,
            connect_timeout_ms: wide(self.connect_timeout.as_millis()),
        };
        carriage::write(write, &connect, most).await?;
        loop {
            let job = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                job = jobs.recv() => job,
            };
            let Some(job) = job else { return Ok(()) };
            let (order, to) = match job {
                Job::Network(frame) => (Order::Network(Body(frame.body().to_vec())), None),
                Job::KeepAlive => (Order::KeepAlive, None),
                Job::Financial { to, frame, deadline } => {
                    let frame = Body(frame.body().to_vec());
                    let deadline_us = wide(deadline.as_micros());
                    (Order::Financial { to: To::of(to), deadline_us, frame }, Some(to))
                }
            };
            let written = tokio::select! {
                // A peer that takes nothing must not hold up the end. An order that was cut short is
                // none to the far end.
                () = self.stop.cancelled() => return Ok(()),
                written = carriage::write(write, &order, most) => written,
            };
            match written {
                Err(CarryError::TooLong { bytes, most }) => {
                    tracing::error!(line = %self.name, bytes, most, "a frame does not fit the seam");
                    if let Some(to) = to {
                        self.say(Event::WriteRefused(to)).await;
                    }
                }
                written => written?,
            }
        }
    }

    async fn hear(&self, read: &mut OwnedReadHalf, most: usize) -> Result<(), CarryError> {
        let (line, connection) = (self.line, self.connection);
        while let Some(report) = carriage::read::<Report>(read, most).await? {
            match report {
                Report::Connected => self.say(Event::Connected(line, connection)).await,
                Report::Received(Body(body)) => self.received(Frame::new(body)).await,
                Report::Wrote(to) => self.say(Event::Wrote(to.on(line, connection))).await,
                Report::Refused(to) => self.say(Event::WriteRefused(to.on(line, connection))).await,
                Report::Gone => return Ok(()),
            }
        }
        Ok(())
    }
}

fn wide(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The line's side: makes the connection that it is told to make, and lets nothing but frames pass.
async fn far_end(stream: UnixStream, clock: Arc<dyn Clock>, most: usize, queue_max: usize) {
    let (mut read, write) = stream.into_split();
    let first = carriage::read::<Order>(&mut read, most).await;
    let Ok(Some(Order::Connect {
        line,
        connection,
        name,
        address,
        frame,
        header: Body(header),
        frame_bytes_max,
        connect_timeout_ms,
    })) = first
    else {
        return tracing::error!("a line was not told where to connect");
    };
    let Ok(name) = LineId::parse(&name) else {
        return tracing::error!("a line was told a name that is none");
    };
    let (line, connection) = (LineIndex(line), Connection(connection));
    let (events, happened) = mpsc::channel(queue_max);
    let (jobs, to_write) = mpsc::channel(queue_max);
    let stop = CancellationToken::new();
    let link = Link {
        line,
        connection,
        name,
        address,
        // The near end has it from a checked configuration.
        format: FrameFormat::named(&frame).unwrap_or(FrameFormat::LENGTH_BE2),
        header: header.into(),
        frame_bytes_max,
        connect_timeout: Duration::from_millis(connect_timeout_ms),
        // Not for this side to read.
        read: Arc::new(|_| Read::Unparsable),
        clock,
        events,
        stop: stop.clone(),
        dice: 0,
    };
    let obeying = async {
        let obeyed = obey(&mut read, &jobs, (line, connection), most).await;
        if let Err(fault) = obeyed {
            tracing::warn!(%fault, "a line is told nothing more");
        }
        stop.cancel();
        drop(jobs);
    };
    tokio::join!(link.run(to_write), obeying, reporting(happened, write, &stop, most));
}

async fn reporting(
    mut happened: mpsc::Receiver<Event>,
    mut write: OwnedWriteHalf,
    stop: &CancellationToken,
    most: usize,
) {
    while let Some(event) = happened.recv().await {
        let Some(report) = report(event) else { continue };
        if let Err(fault) = carriage::write(&mut write, &report, most).await {
            tracing::warn!(%fault, "a line has nobody to report to");
            stop.cancel();
            break;
        }
        if matches!(report, Report::Gone) {
            break;
        }
    }
}

async fn obey(
    read: &mut OwnedReadHalf,
    jobs: &mpsc::Sender<Job>,
    (line, connection): (LineIndex, Connection),
    most: usize,
) -> Result<(), CarryError> {
    while let Some(order) = carriage::read::<Order>(read, most).await? {
        let job = match order {
            Order::Network(Body(body)) => Job::Network(Frame::new(body)),
            Order::KeepAlive => Job::KeepAlive,
            Order::Financial { to, deadline_us, frame: Body(body) } => Job::Financial {
                to: to.on(line, connection),
                frame: Frame::new(body),
                deadline: Duration::from_micros(deadline_us),
            },
            Order::Connect { .. } => {
                return Err(CarryError::Garbage { category: "a second connect", column: 0 });
            }
        };
        // After the connection's end what comes was not sent; nobody waits to be told.
        if jobs.send(job).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn report(event: Event) -> Option<Report> {
    match event {
        Event::Connected(..) => Some(Report::Connected),
        Event::Received { frame, .. } => Some(Report::Received(Body(frame.body().to_vec()))),
        Event::Wrote(to) => Some(Report::Wrote(To::of(to))),
        Event::WriteRefused(to) => Some(Report::Refused(To::of(to))),
        Event::Gone { .. } => Some(Report::Gone),
        _ => None,
    }
}
