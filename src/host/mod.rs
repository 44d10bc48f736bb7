//! The bank side: moves bytes for [`tidegate_line`], encodes what the engine sends and judges what
//! the host answers.
//!
//! A message travels `start`ed tasks in this order: [`HostHandle::send`] puts a durable message
//! into the bounded queue of an encoder; the encoder (a thread: key stores block) unseals the card,
//! takes the secrets from their [`slot`] and words the frame; the host task owns the
//! [`tidegate_line::host::Host`], chooses a line and hands the frame to that line's writer. A reply
//! comes from a line's reader to the host task, is paired there, judged on a thread of its own
//! against what was asked, and becomes an [`Input`] for the engine.
//!
//! What it never does: write a frame of a message that is not durable, claim that a message was not
//! sent without proof, log a frame, or decide about money.
//!
//! Messages of one card keep their order up to the line's socket: they pass the same encoder.

mod carried;
mod connection;
mod definition;
pub mod editions;
mod encode;
pub mod exchange;
mod frames;
mod judge;
mod lines;
mod order;
mod room;
pub mod slot;
pub mod status;
pub mod wording;

#[cfg(test)]
mod bank_tests;
#[cfg(test)]
mod cut_over_tests;
#[cfg(test)]
mod dialect_tests;

use self::order::Order;
use self::slot::Slots;
use self::status::{HostStatus, Judgements};
use self::wording::{Cards, Wording};
use crate::calendar::BusinessDay;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tidegate_iso8583::frame::FrameFormat;
use tidegate_line::host::{Host, Room};
use tidegate_line::limits::{LimitFault, Limits};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::{HostId, LineId};
use tidegate_payment::input::Input;
use tidegate_payment::record::NotSentReason;
use tidegate_payment::time::{BusinessDate, Now};
use tokio::sync::{mpsc, oneshot, watch};

/// Both clocks, read together. The monotonic one must be the one that the engine's deadlines run
/// on.
pub trait Clock: Send + Sync + 'static {
    /// What they say.
    fn now(&self) -> Now;
}

/// Uniform random numbers.
pub type Dice = Box<dyn FnMut() -> u32 + Send + Sync>;

/// One line of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSettings {
    /// Its name.
    pub id: LineId,
    /// `host:port`.
    pub address: String,
    /// Whether an operator had signed it off before the start: it stays down until it is signed on.
    pub signed_off: bool,
}

/// How a host is reached.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// Its name.
    pub id: HostId,
    /// Its lines, 1 or more.
    pub lines: Vec<LineSettings>,
    /// Bounds and waits of the lines.
    pub limits: Limits,
    /// How frames are cut.
    pub frame: FrameFormat,
    /// What stands before each message that goes out; empty for frames without a header.
    pub header: Vec<u8>,
    /// The longest frame body in either direction, in bytes; more ends the connection before any
    /// room is made for it.
    pub frame_bytes_max: usize,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How many messages may wait in each queue on the way: before each encoder, before the host
    /// task, before each line's socket, before the judge.
    pub queue_max: NonZeroUsize,
    /// Whether connections lie behind a socket pair, carried as encoded bytes.
    pub carried: bool,
    /// How many threads encode.
    pub encoders: NonZeroUsize,
}

/// How a host's cut-over moves the gateway's business date.
#[derive(Debug, Clone)]
pub struct CutOverRule {
    /// Which date a message begins.
    pub day: BusinessDay,
    /// The gateway's date, as far as it is durable.
    pub date: watch::Receiver<Option<BusinessDate>>,
}

/// What a host works with.
pub struct HostParts {
    /// How it is reached.
    pub settings: HostSettings,
    /// How its messages are worded.
    pub wording: Arc<dyn Wording>,
    /// Opens sealed card numbers.
    pub cards: Arc<dyn Cards>,
    /// Requests of an earlier run that the host may still answer, the likeliest last.
    pub expected: Vec<Durable<Outgoing>>,
    /// Security codes and authentication values on their way.
    pub codes: Arc<Slots>,
    /// What its cut-over does; `None`: it moves nothing.
    pub cut_overs: Option<CutOverRule>,
    /// To the engine.
    pub inputs: mpsc::Sender<Input>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Uniform random numbers, for the waits between attempts to connect.
    pub dice: Dice,
}

/// Why a host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A limit that cannot be obeyed.
    #[error("host {host}: a limit cannot be obeyed")]
    Limit {
        /// Which host.
        host: HostId,
        /// Which limit.
        #[source]
        fault: LimitFault,
    },
    /// More lines than can be numbered.
    #[error("host {host}: {lines} lines, at most {max} are possible")]
    Lines {
        /// Which host.
        host: HostId,
        /// How many are configured.
        lines: usize,
        /// How many can be.
        max: u16,
    },
    /// A thread could not be started.
    #[error("host {host}: cannot start the thread {thread}")]
    Thread {
        /// Which host.
        host: HostId,
        /// Which thread.
        thread: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A running host. Dropping it stops the host.
#[derive(Debug)]
pub struct HostHandle {
    id: HostId,
    encoders: Vec<mpsc::Sender<Box<Durable<Outgoing>>>>,
    orders: mpsc::Sender<Order>,
    room: watch::Receiver<Room>,
}

/// Starts a host: its lines connect and sign on at once. Must be called within a tokio runtime.
/// # Errors
/// [`StartError`], naming what cannot be obeyed or started.
pub fn start(parts: HostParts) -> Result<HostHandle, StartError> {
    let HostParts { settings, wording, cards, expected, codes, cut_overs, inputs, clock, dice } =
        parts;
    let id = settings.id.clone();
    let count = u16::try_from(settings.lines.len()).map_err(|_| StartError::Lines {
        host: id.clone(),
        lines: settings.lines.len(),
        max: u16::MAX,
    })?;
    let host = Host::new(clock.now().mono.0, settings.limits, count)
        .map_err(|fault| StartError::Limit { host: id.clone(), fault })?;

    let queue_max = settings.queue_max.get();
    let (encoded, to_send) = mpsc::channel(queue_max);
    let (judged, to_judge) = mpsc::channel(queue_max);
    let (orders, ordered) = mpsc::channel(queue_max);
    let judgements = Arc::new(Judgements::default());

    let judge = judge::Judge {
        lines: settings.lines.iter().map(|line| line.id.clone()).collect(),
        wording: Arc::clone(&wording),
        cards: Arc::clone(&cards),
        inputs: inputs.clone(),
        orders: orders.downgrade(),
        judgements: Arc::clone(&judgements),
    };
    thread(&id, format!("{id}-judge"), move || judge.run(to_judge))?;
    let mut encoders = Vec::new();
    for number in 0..settings.encoders.get() {
        let (sender, jobs) = mpsc::channel(queue_max);
        let encoder = encode::Encoder {
            wording: Arc::clone(&wording),
            cards: Arc::clone(&cards),
            secrets: Arc::clone(&codes),
            clock: Arc::clone(&clock),
            inputs: inputs.clone(),
            encoded: encoded.clone(),
            frame_bytes_max: settings.frame_bytes_max,
        };
        thread(&id, format!("{id}-encode-{number}"), move || encoder.run(jobs))?;
        encoders.push(sender);
    }
    let task = lines::HostTask::new(host, settings, wording, codes, inputs, clock, dice);
    let task = task.cutting_over(cut_overs);
    let room = task.room();
    tokio::spawn(task.run(expected, lines::Queues { to_send, judged, ordered }, judgements));
    Ok(HostHandle { id, encoders, orders, room })
}

fn thread(
    host: &HostId,
    name: String,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), StartError> {
    let thread = name.clone();
    std::thread::Builder::new()
        .name(name)
        .spawn(work)
        .map(drop)
        .map_err(|source| StartError::Thread { host: host.clone(), thread, source })
}

impl HostHandle {
    /// The host's name.
    pub fn id(&self) -> &HostId {
        &self.id
    }

    /// Hands over a message without waiting. What becomes of it is told to the engine as
    /// [`Input::Written`] or [`Input::NotSent`], then perhaps as an answer.
    /// # Errors
    /// The input that tells the engine that the queue is full and nothing was sent.
    pub fn send(&self, out: Box<Durable<Outgoing>>) -> Result<(), Box<Input>> {
        let (id, attempt) = (out.get().id, out.get().attempt);
        let spread = u64::from_be_bytes(first_bytes(&out.get().request.card.hash.0));
        let count = u64::try_from(self.encoders.len()).unwrap_or(u64::MAX);
        let number = usize::try_from(spread.checked_rem(count).unwrap_or(0)).unwrap_or(0);
        let sent = self.encoders.get(number).is_some_and(|queue| queue.try_send(out).is_ok());
        if sent {
            Ok(())
        } else {
            Err(Box::new(Input::NotSent(id, attempt, NotSentReason::QueueFull)))
        }
    }

    /// How much the host may be given, as it changes.
    pub fn room(&self) -> watch::Receiver<Room> {
        self.room.clone()
    }

    /// What operators see of it; `None` if it has stopped.
    pub async fn status(&self) -> Option<HostStatus> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Status(answer)).await.ok()?;
        answered.await.ok()
    }

    /// Has a line drained, signed off and held down. Returns whether the host has such a line.
    pub async fn sign_off(&self, line: &LineId) -> bool {
        self.order(|answer| Order::SignOff(line.clone(), answer)).await
    }

    /// Lets a line connect and sign on. Returns whether the host has such a line.
    pub async fn sign_on(&self, line: &LineId) -> bool {
        self.order(|answer| Order::SignOn(line.clone(), answer)).await
    }

    /// Signs all lines off, closes them and ends. It takes at most the sign-on timeout and the time
    /// that sockets need; what is still unanswered then is the engine's to reverse after the
    /// restart.
    pub async fn stop(&self) {
        if self.orders.send(Order::Stop).await.is_ok() {
            // The task drops its end of the queue when it ends.
            self.orders.closed().await;
        }
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<bool>) -> Order) -> bool {
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).await.is_ok() && answered.await.unwrap_or(false)
    }
}

fn first_bytes(hash: &[u8; 32]) -> [u8; 8] {
    hash.first_chunk().copied().unwrap_or_default()
}
