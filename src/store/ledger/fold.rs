//! One payment's row in the making: its records, and the state that they fold into.

use super::LedgerError;
use crate::store::journal::frame::RawRecord;
use crate::store::record_code;
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::payment::{Payment, State, Verdict};
use tidegate_payment::record::{AnswerClass, Group, Record, ReversalVerdict};
use tidegate_payment::time::Timestamp;

/// A payment as the ledger keeps it.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) payment: Payment,
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    /// All records, each as [`keep`] writes it.
    pub(super) records: Vec<u8>,
    pub(super) reversal_due_at: Option<Timestamp>,
    /// The reversal ended, and then a late approval made one more attempt of it necessary, which is
    /// not answered yet.
    owes_repeat: bool,
}

impl Fold {
    /// A payment that begins with `record`.
    pub(super) fn begin(record: &Record, raw: &RawRecord<'_>) -> Option<Self> {
        let Record::Accepted(accepted) = record else { return None };
        let mut records = Vec::new();
        keep(raw, &mut records);
        Some(Self {
            payment: Payment::begin(accepted),
            first: raw.sequence,
            last: raw.sequence,
            records,
            reversal_due_at: None,
            owes_repeat: false,
        })
    }

    /// Folds a further record in.
    pub(super) fn add(&mut self, record: &Record, raw: &RawRecord<'_>) -> Result<(), LedgerError> {
        self.payment.apply(record)?;
        self.follow(record);
        keep(raw, &mut self.records);
        self.last = raw.sequence;
        Ok(())
    }

    /// Folds the records of a row again.
    pub(super) fn read(kept: &[u8]) -> Result<Self, LedgerError> {
        let mut records = read_kept(kept)?.into_iter();
        let (first, record) = records.next().ok_or(LedgerError::Row)?;
        let Record::Accepted(accepted) = &record else { return Err(LedgerError::Row) };
        let mut fold = Self {
            payment: Payment::begin(accepted),
            first,
            last: first,
            records: kept.to_vec(),
            reversal_due_at: None,
            owes_repeat: false,
        };
        for (sequence, record) in records {
            fold.payment.apply(&record)?;
            fold.follow(&record);
            fold.last = sequence;
        }
        Ok(fold)
    }

    fn follow(&mut self, record: &Record) {
        match record {
            Record::ReversalDue(due) => self.reversal_due_at = Some(due.at),
            Record::CaseRetried(retried) => self.reversal_due_at = Some(retried.at),
            Record::LateAnswer(late) => {
                let approved =
                    matches!(late.answer.class, AnswerClass::Approved | AnswerClass::Partial);
                self.owes_repeat |= approved && self.payment.is_settled();
            }
            Record::ReversalRepeated(_) => self.owes_repeat |= self.payment.is_settled(),
            Record::ReversalAnswered(answered) => {
                self.owes_repeat &= answered.verdict == ReversalVerdict::UnknownOriginal;
            }
            _ => {}
        }
        if !matches!(self.payment.state, State::TimedOut(_) | State::Reversing(_)) {
            self.reversal_due_at = None;
        }
    }

    /// Whether a start must have it in memory.
    pub(super) fn is_open(&self) -> bool {
        !self.payment.is_settled() || self.owes_repeat
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
