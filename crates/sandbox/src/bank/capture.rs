//! What passed on the bank's lines, as the bank saw it. Card numbers are tokens and security codes are
//! hidden before anything is kept.

use crate::clock::Clock;
use crate::iso::{Dialect, Message};
use crate::token::Tokens;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// The gateway.
    Gateway,
    /// The bank.
    Bank,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// The gateway connected.
    Connected,
    /// The connection ended.
    Closed,
    /// A message, its DE 2 replaced by the card's token.
    Message(Sender, Message),
    /// A frame that is no message, of so many bytes.
    Garbage(Sender, usize),
}

/// A line of a host. Prints as operators write it: `bank/a`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The host.
    pub host: String,
    /// How the host speaks.
    pub dialect: Dialect,
    /// The line's own name.
    pub name: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.name)
    }
}

/// One thing seen on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireEvent {
    /// Microseconds since the world began.
    pub at_us: u64,
    /// The line.
    pub line: Line,
    /// The connection, numbered through the run.
    pub connection: u32,
    /// What.
    pub seen: Seen,
}

/// The capture. Cheap to clone; all clones write to one.
#[derive(Clone)]
pub struct Capture(Arc<Inner>);

struct Inner {
    clock: Clock,
    tokens: Tokens,
    kept: Mutex<Kept>,
}

struct Kept {
    events: Vec<WireEvent>,
    file: Option<BufWriter<File>>,
    broken: Option<io::Error>,
}

impl Capture {
    /// A capture in memory, and in `path` as JSON lines if given.
    /// # Errors
    /// Whatever creating the file says.
    pub fn new(clock: Clock, tokens: Tokens, path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(File::create).transpose()?.map(BufWriter::new);
        let kept = Mutex::new(Kept { events: Vec::new(), file, broken: None });
        Ok(Self(Arc::new(Inner { clock, tokens, kept })))
    }

    /// Notes a message down and says when that was.
    pub fn message(&self, line: &Line, connection: u32, sender: Sender, message: &Message) -> u64 {
        let mut seen = message.masked();
        if let Some(number) = message.fields.get(&2) {
            seen.set(2, self.0.tokens.token(number));
        }
        self.note(line, connection, Seen::Message(sender, seen))
    }

    /// Notes anything else down.
    pub fn note(&self, line: &Line, connection: u32, seen: Seen) -> u64 {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that the events are in the order of their times.
        let at_us = self.0.clock.now_us();
        let event = WireEvent { at_us, line: line.clone(), connection, seen };
        if let Some(file) = &mut kept.file
            && let Err(fault) = write_line(file, &event)
        {
            kept.broken = Some(fault);
            kept.file = None;
        }
        kept.events.push(event);
        at_us
    }

    /// Everything seen so far.
    /// # Errors
    /// The first fault in writing the file: evidence that is not whole is not evidence.
    pub fn events(&self) -> io::Result<Vec<WireEvent>> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = kept.broken.take() {
            return Err(fault);
        }
        if let Some(file) = &mut kept.file {
            file.flush()?;
        }
        Ok(kept.events.clone())
    }

    /// Shows everything seen since there were `from` events, and says how many there are now.
    pub fn show(&self, from: usize, see: impl FnMut(&WireEvent)) -> usize {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.events.get(from..).unwrap_or_default().iter().for_each(see);
        kept.events.len()
    }

    /// The messages with this text in a field, in order: for telling a payment's story.
    pub fn with_field(&self, field: u8, text: &str) -> Vec<WireEvent> {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let about = |event: &&WireEvent| matches!(&event.seen, Seen::Message(_, message) if message.get(field) == text);
        kept.events.iter().filter(about).cloned().collect()
    }

    /// The tokens in use.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }
}

fn write_line(file: &mut BufWriter<File>, event: &WireEvent) -> io::Result<()> {
    serde_json::to_writer(&mut *file, event)?;
    file.write_all(b"\n")
}
