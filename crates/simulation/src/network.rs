//! The wires between the gateway and the bank: byte streams that are slow, break, swallow bytes and
//! cut frames in pieces.

use crate::agenda::Lane;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidegate_line::event::Written;
use tidegate_line::name::{Connection, Frame, LineIndex};

/// A connection's number, unique in a world.
pub type Wire = u64;

/// What a line's writer is given.
#[derive(Debug)]
pub enum Job {
    /// A network message.
    Network(Frame),
    /// A financial message; from `deadline` on it must not be written.
    Financial {
        /// Where and what.
        to: Written,
        /// The message.
        frame: Frame,
        /// When it is too late.
        deadline: Duration,
    },
}

/// One connection, from both ends.
#[derive(Debug)]
pub struct Link {
    /// Of which run of the gateway.
    pub life: u64,
    /// Of which line.
    pub line: LineIndex,
    /// Which of its connections.
    pub connection: Connection,
    /// What waits for the writer.
    pub jobs: VecDeque<Job>,
    /// Until when the writer is stuck.
    pub stuck: Duration,
    /// Whether the gateway's end stands.
    pub gateway_open: bool,
    /// Whether the bank's end stands.
    pub bank_open: bool,
    /// Bytes towards the bank vanish.
    pub deaf: bool,
    /// Bytes towards the gateway vanish.
    pub dumb: bool,
    /// Whether the bank has signed it on.
    pub signed_on: bool,
    /// Whether the bank has asked for its end, and has signed it on never since.
    pub ending: bool,
    /// Whether the gateway was told that its sign-on is accepted.
    pub accepted: bool,
    /// What the bank has read of a frame that is not whole.
    pub at_bank: Vec<u8>,
    /// What the gateway has read of a frame that is not whole.
    pub at_gateway: Vec<u8>,
    /// The way to the bank.
    pub to_bank: Lane,
    /// The way to the gateway.
    pub to_gateway: Lane,
    /// What the reader tells the host task.
    pub read: Lane,
    /// What the writer tells the host task.
    pub wrote: Lane,
}

impl Link {
    /// A connection that is being made.
    pub fn new(life: u64, line: LineIndex, connection: Connection) -> Self {
        Self {
            life,
            line,
            connection,
            jobs: VecDeque::new(),
            stuck: Duration::ZERO,
            gateway_open: true,
            bank_open: false,
            deaf: false,
            dumb: false,
            signed_on: false,
            ending: false,
            accepted: false,
            at_bank: Vec::new(),
            at_gateway: Vec::new(),
            to_bank: Lane::default(),
            to_gateway: Lane::default(),
            read: Lane::default(),
            wrote: Lane::default(),
        }
    }
}

/// All connections.
#[derive(Debug, Default)]
pub struct Network {
    links: BTreeMap<Wire, Link>,
    last: Wire,
    /// Until when nobody reaches the bank.
    pub unreachable: Duration,
}

impl Network {
    /// A new connection.
    pub fn connect(&mut self, link: Link) -> Wire {
        self.last = self.last.saturating_add(1);
        self.links.insert(self.last, link);
        self.last
    }

    /// One of them.
    pub fn link(&mut self, wire: Wire) -> Option<&mut Link> {
        self.links.get_mut(&wire)
    }

    /// The present connection of a line of this run.
    pub fn of(&self, life: u64, line: LineIndex, connection: Connection) -> Option<Wire> {
        let here =
            |link: &Link| link.life == life && link.line == line && link.connection == connection;
        self.links.iter().rfind(|(_, link)| here(link)).map(|(wire, _)| *wire)
    }

    /// Connections of which both ends stand.
    pub fn standing(&self) -> Vec<Wire> {
        let both = self.links.iter().filter(|(_, link)| link.gateway_open && link.bank_open);
        both.map(|(wire, _)| *wire).collect()
    }

    /// Connections that the gateway's run has open.
    pub fn of_run(&self, life: u64) -> Vec<Wire> {
        let ours = self.links.iter().filter(|(_, link)| link.life == life && link.gateway_open);
        ours.map(|(wire, _)| *wire).collect()
    }

    /// Forgets what is closed at both ends.
    pub fn sweep(&mut self, wire: Wire) {
        let closed = |link: &Link| !link.gateway_open && !link.bank_open;
        if self.links.get(&wire).is_some_and(closed) {
            self.links.remove(&wire);
        }
    }
}

/// Takes the first whole frame off the front: two bytes of length, big-endian, and the body.
pub fn take_frame(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes(*buffer.first_chunk::<2>()?));
    let total = length.saturating_add(2);
    let body = buffer.get(2..total)?.to_vec();
    buffer.drain(..total);
    Some(body)
}

/// A body behind its length.
pub fn framed(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(0);
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}
