//! One payment's row in the making: its records, and the state that they fold into.

use super::LedgerError;
use crate::store::course::Course;
use crate::store::journal::frame::RawRecord;
use crate::store::record_code;
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::payment::{State, Verdict};
use tidegate_payment::record::{Group, Record};

/// A payment as the ledger keeps it.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) course: Course,
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    /// All records, each as [`keep`] writes it.
    pub(super) records: Vec<u8>,
}

impl Fold {
    /// A payment, if `record` begins one.
    pub(super) fn begin(record: &Record, raw: &RawRecord<'_>) -> Option<Self> {
        let Record::Accepted(accepted) = record else { return None };
        let mut records = Vec::new();
        keep(raw, &mut records);
        let (first, last) = (raw.sequence, raw.sequence);
        Some(Self { course: Course::begin(accepted), first, last, records })
    }

    /// Folds a further record in.
    pub(super) fn add(&mut self, record: &Record, raw: &RawRecord<'_>) -> Result<(), LedgerError> {
        self.course.add(record)?;
        keep(raw, &mut self.records);
        self.last = raw.sequence;
        Ok(())
    }

    /// Folds the records of a row again.
    pub(super) fn read(kept: &[u8]) -> Result<Self, LedgerError> {
        let mut records = read_kept(kept)?.into_iter();
        let Some((first, Record::Accepted(accepted))) = records.next() else {
            return Err(LedgerError::Row);
        };
        let (course, records_bytes) = (Course::begin(&accepted), kept.to_vec());
        let mut fold = Self { course, first, last: first, records: records_bytes };
        for (sequence, record) in records {
            fold.course.add(&record)?;
            fold.last = sequence;
        }
        Ok(fold)
    }
}

/// The state's name in the ledger.
pub(super) fn state_name(state: State) -> &'static str {
    match state {
        State::Accepted => "accepted",
        State::MaybeSent => "maybe_sent",
        State::NotSent(_) => "not_sent",
        State::Answered(_) => "answered",
        State::TimedOut(_) => "timed_out",
        State::Reversing(_) => "reversing",
        State::Reversed => "reversed",
        State::Repeating(_) => "repeating",
        State::Lapsed(_) => "lapsed",
        State::Parked(_) => "parked",
        State::Closed(_) => "closed",
    }
}

/// The verdict's name in the ledger.
pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pending(_) => "pending",
        Verdict::Approved => "approved",
        Verdict::Declined(_) => "declined",
        Verdict::Reversed => "reversed",
    }
}

/// Appends a record to those of its row: kind, version, sequence (8 bytes), length (4 bytes), body.
pub(super) fn keep(raw: &RawRecord<'_>, records: &mut Vec<u8>) {
    records.extend_from_slice(&[raw.kind, raw.version]);
    records.extend_from_slice(&raw.sequence.0.to_be_bytes());
    records.extend_from_slice(&u32::try_from(raw.body.len()).unwrap_or(u32::MAX).to_be_bytes());
    records.extend_from_slice(raw.body);
}

/// Reads the records of a row.
pub(super) fn read_kept(kept: &[u8]) -> Result<Vec<(Sequence, Record)>, LedgerError> {
    let mut records = Vec::new();
    let mut rest = kept;
    while !rest.is_empty() {
        let (head, behind) = rest.split_first_chunk::<14>().ok_or(LedgerError::Row)?;
        let [kind, version, head @ ..] = *head;
        let (sequence, length) = head.split_first_chunk::<8>().ok_or(LedgerError::Row)?;
        let length = length.first_chunk::<4>().copied().map(u32::from_be_bytes);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let split = length.and_then(|length| behind.split_at_checked(length));
        let (body, behind) = split.ok_or(LedgerError::Row)?;
        let record = record_code::decode(kind, version, body)?;
        records.push((Sequence(u64::from_be_bytes(*sequence)), record));
        rest = behind;
    }
    Ok(records)
}

/// The records of a row as one durable group: they were read from what follows the journal.
pub(super) fn as_group(kept: &[u8]) -> Result<Durable<Group>, LedgerError> {
    let records = read_kept(kept)?;
    let last = records.last().map_or(Sequence(0), |(sequence, _)| *sequence);
    let records = records.into_iter().map(|(_, record)| record).collect();
    Ok(Durable::attest(Group { records, preconditions: Vec::new() }, last))
}
