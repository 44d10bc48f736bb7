//! The writing side of the store, as the gateway's thread does it: whatever waits while a sync runs
//! rides on the next one, and the first failure ends everything.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidegate::store::Conflict;
use tidegate::store::journal::frame::RawRecord;
use tidegate::store::journal::frame::records_of;
use tidegate::store::journal::writer::Journal;
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::record::{Group, GroupSubject, Record};

/// How many records ride on one sync.
const BATCH_RECORDS_MAX: u32 = 64;
/// When a batch is closed, in bytes: a quarter of the smallest segment.
const BATCH_BYTES_MAX: usize = 16 << 10;
/// How far the projection may be behind.
const UNAPPLIED_MAX: u64 = 400;
/// How many groups may wait.
const WAITING_MAX: usize = 300;

/// What became of a group.
pub type Answer = (GroupSubject, Result<Durable<Group>, Conflict>);

/// A batch that is being synced, or that nobody waits to be written for.
#[derive(Debug, Default)]
pub struct Batch {
    /// Its bytes as they lie in the journal.
    pub bytes: Vec<u8>,
    /// What became of its groups.
    pub answers: Vec<Answer>,
}

/// The writer.
pub struct Writer {
    journal: Journal,
    waiting: VecDeque<Group>,
    refused: Vec<Answer>,
    short: Arc<AtomicBool>,
    busy: bool,
}

impl Writer {
    /// A writer of an open journal.
    pub fn new(journal: Journal) -> Self {
        let short = journal.short_of_room();
        let (waiting, refused) = (VecDeque::new(), Vec::new());
        Self { journal, waiting, refused, short, busy: false }
    }

    /// Takes groups; says whether the writer must be woken. `applied`: where the projection stands.
    pub fn take(&mut self, groups: Vec<Group>, applied: Sequence) -> bool {
        let shortage = self.shortage(applied);
        for group in groups {
            match shortage.filter(|_| begins(&group)) {
                Some(shortage) => self.refused.push((group.subject(), Err(shortage))),
                None => self.waiting.push_back(group),
            }
        }
        !std::mem::replace(&mut self.busy, true)
    }

    /// Refuses a group.
    pub fn refuse(&mut self, group: &Group, why: Conflict) {
        self.refused.push((group.subject(), Err(why)));
        self.busy = true;
    }

    /// Writes one batch of what waits; it is durable when its sync has ended.
    /// # Errors
    /// What the disk says.
    pub fn write(&mut self) -> io::Result<Batch> {
        let mut answers = std::mem::take(&mut self.refused);
        let mut batch = self.journal.batch();
        while batch.records() < BATCH_RECORDS_MAX && batch.len() < BATCH_BYTES_MAX {
            let Some(group) = self.waiting.pop_front() else { break };
            let subject = group.subject();
            let answer = match batch.add(&group.records) {
                Ok(last) => Ok(Durable::attest(group, last)),
                Err(_) => Err(Conflict::TooLarge),
            };
            answers.push((subject, answer));
        }
        let bytes = if batch.records() > 0 { self.journal.append(batch)? } else { Vec::new() };
        Ok(Batch { bytes, answers })
    }

    /// A batch was answered; says whether more waits.
    pub fn rest(&mut self) -> bool {
        self.busy = !(self.waiting.is_empty() && self.refused.is_empty());
        self.busy
    }

    /// Whether there is no room for a next segment.
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Acquire)
    }

    /// Makes the next segment ahead.
    pub fn make_room(&self) {
        self.journal.make_room();
    }

    /// The last record written.
    pub fn last(&self) -> Sequence {
        self.journal.place().last
    }

    /// Which run of the gateway this is.
    pub fn epoch(&self) -> u32 {
        self.journal.epoch()
    }

    fn shortage(&self, applied: Sequence) -> Option<Conflict> {
        if self.is_short() {
            Some(Conflict::NoRoom)
        } else if self.last().0.saturating_sub(applied.0) >= UNAPPLIED_MAX
            || self.waiting.len() >= WAITING_MAX
        {
            Some(Conflict::Behind)
        } else {
            None
        }
    }
}

impl Batch {
    /// The records of its bytes.
    pub fn raw(&self) -> Vec<RawRecord<'_>> {
        records_of(&self.bytes)
    }
}

fn begins(group: &Group) -> bool {
    group.records.iter().any(|record| matches!(record, Record::Accepted(_)))
}

/// A planted bug's word that something is durable which may not be.
pub(crate) fn pretend<T>(value: T, sequence: Sequence) -> Durable<T> {
    Durable::attest(value, sequence)
}
