//! What a host hears and what it says.

use crate::name::{Connection, ExchangeId, Frame, LineIndex, MatchKey};
use core::time::Duration;

/// What a host hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time passed; see [`crate::host::Host::next_deadline`].
    Tick,
    /// The connection asked for by [`Output::Connect`] stands.
    Connected(LineIndex, Connection),
    /// A connection could not be made, or it ended. It is the last event of its connection: every
    /// [`Output::Write`] on it that was not reported before may have been sent. `dice` is uniform
    /// over all 32-bit numbers and chooses the wait before the next attempt.
    Gone {
        /// Which line.
        line: LineIndex,
        /// Which of its connections.
        connection: Connection,
        /// Randomness.
        dice: u32,
    },
    /// A frame came in, with what the shell could read of it.
    Received {
        /// On which line.
        line: LineIndex,
        /// On which of its connections.
        connection: Connection,
        /// What it is.
        read: Read,
        /// The frame itself.
        frame: Frame,
    },
    /// The request asked for by [`Output::Ask`] has this match key and was handed to the socket.
    Asked {
        /// On which line.
        line: LineIndex,
        /// On which of its connections.
        connection: Connection,
        /// What its reply will carry.
        key: MatchKey,
    },
    /// A message shall go out.
    Send(Send),
    /// At least one byte of a message was handed to the socket.
    Wrote(Written),
    /// Proof that no byte of a message was or will be handed to the socket.
    WriteRefused(Written),
    /// A reply to this exchange may still come: it was sent before a restart.
    Expect {
        /// The exchange.
        exchange: ExchangeId,
        /// What a reply will carry.
        key: MatchKey,
    },
    /// The frame delivered for this exchange was not its answer (it disagrees with what was asked,
    /// or means nothing): the exchange waits on.
    NotItsAnswer(ExchangeId),
    /// An operator has a line drained, signed off and held down.
    SignOff(LineIndex),
    /// An operator lets a line connect and sign on.
    SignOn(LineIndex),
    /// Sign all lines off and close them; ends with [`Output::Stopped`].
    Stop,
}

/// A message that shall go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// Its exchange. A repeat has the exchange and the key of what it repeats.
    pub exchange: ExchangeId,
    /// Which attempt within the exchange.
    pub attempt: u32,
    /// What a reply will carry.
    pub key: MatchKey,
    /// The message.
    pub frame: Frame,
    /// From this instant on it must not be written, and a reply is late.
    pub deadline: Duration,
    /// The line to use if it serves: a reversal follows its original.
    pub prefer: Option<LineIndex>,
    /// Whether it is owed to the host whatever happens (a reversal), and so has room of its own.
    pub owed: bool,
}

/// Which message was written or refused, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// On which line.
    pub line: LineIndex,
    /// On which of its connections.
    pub connection: Connection,
    /// Of which exchange.
    pub exchange: ExchangeId,
    /// Which attempt.
    pub attempt: u32,
}

/// What the shell could read of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// An empty frame: the peer shows that it is alive.
    KeepAlive,
    /// The answer to a financial message or to a reversal.
    Reply(MatchKey),
    /// The answer to a network message, and whether it accepts what was asked.
    NetworkReply {
        /// What pairs it with what was asked.
        key: MatchKey,
        /// Whether the host agrees.
        accepted: bool,
    },
    /// The host speaks first.
    Request(HostRequest),
    /// It cannot be read.
    Unparsable,
}

/// What a host can say first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRequest {
    /// Are you there?
    Echo,
    /// It is ready for messages.
    SignOn,
    /// It takes no more messages.
    SignOff,
    /// Its business date moved.
    CutOver,
    /// It brings a new key.
    KeyExchange,
    /// Anything else, advices included.
    Other,
}

/// A network message that the gateway sends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Sign on.
    SignOn,
    /// Are you there?
    Echo,
    /// Sign off.
    SignOff,
}

/// What the shell shall do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Connect a line; answered by [`Event::Connected`] or [`Event::Gone`].
    Connect(LineIndex, Connection),
    /// Close a connection, or give up making it, at once; answered by [`Event::Gone`].
    Close(LineIndex, Connection),
    /// Encode and write a network message; answered by [`Event::Asked`].
    Ask(LineIndex, Connection, Ask),
    /// Answer a network message of the host's.
    Answer {
        /// On which line.
        line: LineIndex,
        /// On which of its connections.
        connection: Connection,
        /// The host's message.
        request: Frame,
        /// Whether to agree.
        accept: bool,
    },
    /// Write an empty frame, between two messages.
    KeepAlive(LineIndex, Connection),
    /// Write a message on a signed-on line, unless `deadline` has come; answered by
    /// [`Event::Wrote`] or [`Event::WriteRefused`].
    Write {
        /// Where and what.
        to: Written,
        /// The message.
        frame: Frame,
        /// From this instant on it must not be written.
        deadline: Duration,
    },
    /// A message may have reached the host.
    Written(ExchangeId, u32),
    /// A message has provably not reached the host, and will not.
    NotSent(ExchangeId, u32, NotSent),
    /// The reply to an exchange. `late`: its deadline had passed.
    Delivered {
        /// The exchange.
        exchange: ExchangeId,
        /// On which line the reply came.
        line: LineIndex,
        /// The reply.
        frame: Frame,
        /// Whether the deadline had passed.
        late: bool,
    },
    /// A frame that is nobody's answer. It changes nothing.
    Quarantined(LineIndex, Quarantine, Frame),
    /// No reply to this exchange will be recognised any more: what was kept for it can go.
    Forgotten(ExchangeId),
    /// The host moved its business date; the message says to what.
    CutOver(LineIndex, Frame),
    /// Whether any line is signed on.
    HostUp(bool),
    /// A line's state changed.
    LineChanged(LineIndex, LineState),
    /// All lines are closed after [`Event::Stop`].
    Stopped,
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// No line is signed on, or the line broke first.
    #[error("no signed-on line took it")]
    NoLine,
    /// Its deadline came first.
    #[error("its deadline came before a line took it")]
    Overdue,
    /// Too much is in flight.
    #[error("too many messages await their reply")]
    QueueFull,
    /// Another exchange has the same match key: their replies could not be told apart.
    #[error("another exchange has the same match key")]
    DuplicateKey,
}

/// Why a frame is nobody's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Quarantine {
    /// No exchange with its match key is open or remembered.
    #[error("no exchange has its match key")]
    Unmatched,
    /// Its exchange was answered before.
    #[error("its exchange was answered before")]
    Duplicate,
    /// It cannot be read.
    #[error("it cannot be read")]
    Unparsable,
    /// It answers a network message that nobody asked, or no longer waits for.
    #[error("it answers a network message that was not asked")]
    UnaskedNetworkReply,
    /// A message that the host sent first and that has no meaning here.
    #[error("the host sent it first and it has no meaning here")]
    Unsolicited,
    /// A new key, which is not taken.
    #[error("it brings a key, and keys are not taken")]
    KeyExchange,
}

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    /// Not connected, and an operator wants it so.
    Held,
    /// Not connected; waits before it connects.
    Down,
    /// Connecting.
    Connecting,
    /// Connected; the sign-on is not answered yet.
    SigningOn,
    /// Signed on: the only state in which financial messages go out.
    Serving,
    /// Connected, but the host signed off; waits before it signs on.
    Resting,
    /// Signed on; takes no new messages and waits for the replies to the old ones.
    Draining,
    /// The sign-off is not answered yet.
    SigningOff,
    /// Closing.
    Closing,
}

impl LineState {
    /// Whether frames can be written.
    pub(crate) fn is_connected(self) -> bool {
        match self {
            Self::SigningOn | Self::Serving | Self::Resting | Self::Draining | Self::SigningOff => {
                true
            }
            Self::Held | Self::Down | Self::Connecting | Self::Closing => false,
        }
    }

    /// The name in logs and status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Down => "down",
            Self::Connecting => "connecting",
            Self::SigningOn => "signing_on",
            Self::Serving => "serving",
            Self::Resting => "resting",
            Self::Draining => "draining",
            Self::SigningOff => "signing_off",
            Self::Closing => "closing",
        }
    }
}
