//! The match table of a host: which reply belongs to which request. Bounded by count; nothing in it
//! is forgotten silently.

use crate::event::{NotSent, Output, Send, Written};
use crate::limits::Limits;
use crate::name::{Connection, ExchangeId, LineIndex, MatchKey};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

/// The exchanges of a host, on all its lines: a reply may come on another line than its request.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    entries: BTreeMap<ExchangeId, Entry>,
    by_key: BTreeMap<MatchKey, ExchangeId>,
    /// Of the open ones.
    deadlines: BTreeSet<(Duration, ExchangeId)>,
    /// The late and the answered ones by age.
    late: BTreeMap<u64, ExchangeId>,
    answered: BTreeMap<u64, ExchangeId>,
    last_stamp: u64,
    /// How many are open: those that are not owed, those that are, and all by line.
    open: u32,
    open_owed: u32,
    open_on: BTreeMap<LineIndex, u32>,
    /// What was learned about the host and its lines since it was last asked for.
    learned: Vec<Learned>,
}

/// What became of a message, as a sign of how the host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Learned {
    /// When it was sent.
    pub(crate) begun: Duration,
    /// On which line.
    pub(crate) line: LineIndex,
    /// Whether it was owed.
    pub(crate) owed: bool,
    /// Whether a reply came, if only a late one.
    pub(crate) answered: bool,
}

#[derive(Debug)]
struct Entry {
    key: MatchKey,
    stage: Stage,
    owed: bool,
    deadline: Duration,
    /// The line of its last attempt; unknown for one that was expected after a restart.
    line: Option<LineIndex>,
    /// When that attempt was handed to its line; none if nothing can be learned from its silence,
    /// because its connection ended.
    begun: Option<Duration>,
    /// Whether an attempt may have reached the host.
    maybe_sent: bool,
    /// The attempt about which the writer has not spoken yet.
    writing: Option<Written>,
}

impl Entry {
    fn learned(&self, answered: bool) -> Option<Learned> {
        Some(Learned { begun: self.begun?, line: self.line?, owed: self.owed, answered })
    }
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Its reply is awaited.
    Open,
    /// Its deadline passed without a reply; one may still come.
    Late(u64),
    /// Answered; remembered to know a second reply.
    Answered(u64),
}

/// What a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matched {
    To { exchange: ExchangeId, late: bool },
    Duplicate,
    Nobody,
}

impl Exchanges {
    /// How many exchanges on this line await their reply.
    pub(crate) fn open_on(&self, line: LineIndex) -> u32 {
        self.open_on.get(&line).copied().unwrap_or(0)
    }

    /// How many exchanges await their reply.
    pub(crate) fn open(&self) -> u32 {
        self.open.saturating_add(self.open_owed)
    }

    /// How many of them are not owed.
    pub(crate) fn open_new(&self) -> u32 {
        self.open
    }

    /// What was learned since this was last asked.
    pub(crate) fn learn(&mut self) -> Vec<Learned> {
        core::mem::take(&mut self.learned)
    }

    /// How many exchanges are kept in all.
    pub(crate) fn kept(&self) -> usize {
        self.entries.len()
    }

    /// Whether a reply to this exchange would be recognised.
    pub(crate) fn knows(&self, exchange: ExchangeId) -> bool {
        self.entries.contains_key(&exchange)
    }

    /// Whether its deadline passed without a reply.
    pub(crate) fn is_late(&self, exchange: ExchangeId) -> bool {
        let entry = self.entries.get(&exchange);
        entry.is_some_and(|entry| matches!(entry.stage, Stage::Late(_)))
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Whether a message may go out, lines apart.
    pub(crate) fn admit(&self, send: &Send, limits: &Limits) -> Result<(), NotSent> {
        let (open, max) = match send.owed {
            true => (self.open_owed, limits.owed_in_flight_max),
            false => (self.open, limits.in_flight_max),
        };
        if self.by_key.get(&send.key).is_some_and(|holder| *holder != send.exchange) {
            return Err(NotSent::DuplicateKey);
        }
        match self.entries.get(&send.exchange) {
            Some(entry) if entry.key != send.key => Err(NotSent::DuplicateKey),
            Some(entry) if entry.writing.is_some() => Err(NotSent::QueueFull),
            Some(entry) if matches!(entry.stage, Stage::Open) => Ok(()),
            _ if open >= max => Err(NotSent::QueueFull),
            _ => Ok(()),
        }
    }

    /// A message that was admitted is handed to a line's writer.
    pub(crate) fn begin(&mut self, now: Duration, send: &Send, to: Written) {
        let maybe_sent = match self.entries.remove(&send.exchange) {
            Some(old) => {
                self.leave(send.exchange, &old);
                old.maybe_sent
            }
            None => false,
        };
        let entry = Entry {
            key: send.key.clone(),
            stage: Stage::Open,
            owed: send.owed,
            deadline: send.deadline,
            line: Some(to.line),
            begun: Some(now),
            maybe_sent,
            writing: Some(to),
        };
        self.by_key.insert(send.key.clone(), send.exchange);
        self.enter(send.exchange, entry);
    }

    /// A reply to this may come though nothing was sent in this life of the gateway.
    pub(crate) fn expect(&mut self, exchange: ExchangeId, key: MatchKey) {
        if self.by_key.contains_key(&key) || self.entries.contains_key(&exchange) {
            return;
        }
        self.by_key.insert(key.clone(), exchange);
        let stage = Stage::Late(self.stamp());
        let (deadline, line, begun, writing) = (Duration::ZERO, None, None, None);
        self.enter(
            exchange,
            Entry { key, stage, owed: false, deadline, line, begun, maybe_sent: true, writing },
        );
    }

    /// At least one byte of an attempt left.
    pub(crate) fn wrote(&mut self, written: Written, out: &mut Vec<Output>) {
        if let Some(entry) = self.writing(written) {
            entry.writing = None;
            entry.maybe_sent = true;
            out.push(Output::Written(written.exchange, written.attempt));
        }
    }

    /// No byte of an attempt left. An exchange of which nothing ever left is forgotten.
    pub(crate) fn refused(&mut self, written: Written, why: NotSent, out: &mut Vec<Output>) {
        let Some(entry) = self.writing(written) else { return };
        entry.writing = None;
        let maybe_sent = entry.maybe_sent;
        out.push(Output::NotSent(written.exchange, written.attempt, why));
        if maybe_sent {
            let stage = Stage::Late(self.stamp());
            self.restage(written.exchange, stage);
        } else {
            self.forget(written.exchange, out);
        }
    }

    /// A connection ended: what its writer did not speak about may have been sent. However many
    /// messages it took along, that is one silence.
    pub(crate) fn gone(&mut self, line: LineIndex, connection: Connection, out: &mut Vec<Output>) {
        let mut lost = None;
        for entry in self.entries.values_mut() {
            if entry.line == Some(line) && matches!(entry.stage, Stage::Open) {
                lost = lost.max(entry.begun.take().filter(|_| !entry.owed));
            }
            let here = |to: &mut Written| to.line == line && to.connection == connection;
            if let Some(written) = entry.writing.take_if(here) {
                entry.maybe_sent = true;
                out.push(Output::Written(written.exchange, written.attempt));
            }
        }
        let learned = |begun| Learned { begun, line, owed: false, answered: false };
        self.learned.extend(lost.map(learned));
    }

    /// A reply with this key came.
    pub(crate) fn reply(&mut self, key: &MatchKey, out: &mut Vec<Output>) -> Matched {
        let Some(&exchange) = self.by_key.get(key) else { return Matched::Nobody };
        let Some(entry) = self.entries.get_mut(&exchange) else { return Matched::Nobody };
        let late = match entry.stage {
            Stage::Open => false,
            Stage::Late(_) => true,
            Stage::Answered(_) => return Matched::Duplicate,
        };
        // The reader can be ahead of the writer's word; whoever answers has read it.
        entry.maybe_sent = true;
        if let Some(written) = entry.writing.take() {
            out.push(Output::Written(written.exchange, written.attempt));
        }
        self.learned.extend(entry.learned(true));
        let stage = Stage::Answered(self.stamp());
        self.restage(exchange, stage);
        Matched::To { exchange, late }
    }

    /// What was delivered was not the answer: wait on.
    pub(crate) fn not_its_answer(&mut self, now: Duration, exchange: ExchangeId) {
        let Some(entry) = self.entries.get(&exchange) else { return };
        if matches!(entry.stage, Stage::Answered(_)) {
            let in_time = now < entry.deadline;
            let stage = if in_time { Stage::Open } else { Stage::Late(self.stamp()) };
            self.restage(exchange, stage);
        }
    }

    /// Moves what is past its deadline among the late ones.
    pub(crate) fn expire(&mut self, now: Duration) {
        while let Some(&(deadline, exchange)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            let silent = self.entries.get(&exchange).filter(|entry| entry.maybe_sent);
            self.learned.extend(silent.and_then(|entry| entry.learned(false)));
            let stage = Stage::Late(self.stamp());
            self.restage(exchange, stage);
        }
    }

    /// Forgets the oldest above the limits. One whose writer has not spoken yet stays.
    pub(crate) fn trim(&mut self, limits: &Limits, out: &mut Vec<Output>) {
        let fits = |kept: usize, max: u32| u32::try_from(kept).is_ok_and(|kept| kept <= max);
        while !fits(self.late.len(), limits.late_max) {
            let settled = |exchange: &&ExchangeId| {
                self.entries.get(*exchange).is_some_and(|entry| entry.writing.is_none())
            };
            let Some(&exchange) = self.late.values().find(settled) else { break };
            self.forget(exchange, out);
        }
        while !fits(self.answered.len(), limits.answered_max) {
            let Some((_, &exchange)) = self.answered.first_key_value() else { break };
            self.forget(exchange, out);
        }
    }

    fn writing(&mut self, written: Written) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&written.exchange)?;
        (entry.writing == Some(written)).then_some(entry)
    }

    fn stamp(&mut self) -> u64 {
        self.last_stamp = self.last_stamp.saturating_add(1);
        self.last_stamp
    }

    fn restage(&mut self, exchange: ExchangeId, stage: Stage) {
        if let Some(mut entry) = self.entries.remove(&exchange) {
            self.leave(exchange, &entry);
            entry.stage = stage;
            self.enter(exchange, entry);
        }
    }

    fn forget(&mut self, exchange: ExchangeId, out: &mut Vec<Output>) {
        if let Some(entry) = self.entries.remove(&exchange) {
            self.leave(exchange, &entry);
            self.by_key.remove(&entry.key);
            out.push(Output::Forgotten(exchange));
        }
    }

    fn enter(&mut self, exchange: ExchangeId, entry: Entry) {
        match entry.stage {
            Stage::Open => {
                self.deadlines.insert((entry.deadline, exchange));
                self.count(&entry, |count| count.saturating_add(1));
            }
            Stage::Late(stamp) => {
                self.late.insert(stamp, exchange);
            }
            Stage::Answered(stamp) => {
                self.answered.insert(stamp, exchange);
            }
        }
        self.entries.insert(exchange, entry);
    }

    fn leave(&mut self, exchange: ExchangeId, entry: &Entry) {
        match entry.stage {
            Stage::Open => {
                self.deadlines.remove(&(entry.deadline, exchange));
                self.count(entry, |count| count.saturating_sub(1));
            }
            Stage::Late(stamp) => {
                self.late.remove(&stamp);
            }
            Stage::Answered(stamp) => {
                self.answered.remove(&stamp);
            }
        }
    }

    fn count(&mut self, entry: &Entry, step: impl Fn(u32) -> u32) {
        let of_kind = if entry.owed { &mut self.open_owed } else { &mut self.open };
        *of_kind = step(*of_kind);
        if let Some(line) = entry.line {
            let on_line = self.open_on.entry(line).or_insert(0);
            *on_line = step(*on_line);
        }
    }
}
