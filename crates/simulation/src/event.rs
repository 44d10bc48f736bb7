//! Everything that can be on the agenda.

use crate::network::Wire;
use crate::store::writer::Batch;
use sandbox::iso::Message;
use std::sync::Arc;
use tidegate_line::event::Event as LineEvent;
use tidegate_line::name::{ExchangeId, Frame, LineIndex};
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::effect::Outgoing;
use tidegate_payment::input::{Input, LoadKey, Loaded};
use tidegate_payment::time::BusinessDate;

/// Something that will happen.
#[derive(Debug)]
pub enum Event {
    /// The merchants' next wish.
    Begin,
    /// A merchant asks for a wish (again).
    Ask(u64),
    /// A merchant asks what became of a wish.
    Query(u64),
    /// A request reaches the gateway.
    Arrive(u64),
    /// A merchant's patience with a request is over.
    Patience(u64),
    /// Something in a run of the gateway: nothing, if that run is over.
    Node(u64, NodeEvent),
    /// A connection is made, or cannot be.
    Reach(Wire),
    /// Bytes reach the bank.
    ToBank(Wire, Vec<u8>),
    /// The bank sees a connection end.
    BankGone(Wire),
    /// An answer leaves the bank.
    Leave(Wire, Vec<u8>),
    /// The bank acts on a message.
    Act(Wire, Box<Message>),
    /// The bank speaks first.
    BankSays(Said),
    /// The world brings the next upheaval.
    Upheaval,
    /// The process starts.
    Start,
    /// An operator looks at the cases.
    Operator,
    /// A fault that lasted is over.
    Over(crate::fault::Fault),
    /// Is all done?
    Look,
}

/// What the bank can say first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The business date moved.
    CutOver,
    /// It signs off, and on again later.
    SignOff,
    /// It signs on.
    SignOn,
    /// Something that nobody can read.
    Garbage,
    /// Something that nobody asked for.
    Unasked,
}

/// Something in the process.
#[derive(Debug)]
pub enum NodeEvent {
    /// The engine's timer.
    EngineTick,
    /// The lines' timer.
    HostTick,
    /// The host task tells the engine.
    Input(Box<Input>),
    /// A connection, or the judge, tells the host task.
    Line(Box<LineEvent>),
    /// An encoder takes a message.
    Encode(Box<Durable<Outgoing>>),
    /// The judge takes a reply.
    Judge(Box<Delivered>),
    /// A line's writer takes what waits.
    Write(Wire),
    /// Bytes reach the gateway.
    Read(Wire, Vec<u8>),
    /// The gateway sees a connection end.
    Gone(Wire),
    /// The store's writer takes what waits.
    Batch,
    /// A sync has ended.
    Synced(Box<Batch>),
    /// A write or sync has failed.
    StoreFailed,
    /// The projection is looked at.
    Look(LoadKey),
    /// What was found reaches the engine.
    Loaded(Box<Loaded>),
    /// The projection applies what is durable.
    Apply,
    /// The engine hears how far the projection is.
    Projected(Sequence),
    /// The business date is looked at.
    Date,
    /// The host task hears which business date it is.
    DateTold(Option<BusinessDate>),
    /// Room is looked for.
    Room,
}

/// A reply that was paired with its request.
#[derive(Debug)]
pub struct Delivered {
    /// The exchange.
    pub exchange: ExchangeId,
    /// What was asked.
    pub sent: Arc<Durable<Outgoing>>,
    /// On which line it came.
    pub line: LineIndex,
    /// The reply.
    pub frame: Frame,
}
