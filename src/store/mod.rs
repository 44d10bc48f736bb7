//! Makes records durable, and finds them again.
//!
//! The journal ([`journal`]) is the truth: an append log of checked, chained records. The ledger
//! ([`ledger`], a SQLite file) is a projection of it: one row a payment, applied behind the journal,
//! thrown away and rebuilt at will. [`embedded`] puts both behind the [`Store`] trait; [`recovery`] opens
//! them; [`memory`] is the store of tests. The store numbers, checks and chains records; it decides
//! nothing about money.
//!
//! Never here: a clear card number, a PIN block, a security code; a second try of a failed sync.

use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::input::{LoadKey, Loaded};
use tidegate_payment::record::{Group, Record};
use tokio::sync::watch;

pub mod archive;
pub mod backup;
pub mod convert;
pub mod copies;
mod course;
pub mod embedded;
pub mod export;
pub mod fields;
pub mod journal;
pub mod ledger;
pub mod memory;
mod queue;
pub mod record_code;
pub mod recovery;
#[cfg(feature = "sabotage")]
pub mod sabotaged;
pub mod shipping;
pub mod verify;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod copies_tests;
#[cfg(test)]
mod format_tests;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

/// Where facts become durable. One engine writes; anybody reads.
pub trait Store: Send + Sync + 'static {
    /// Hands groups over, in order, already when it is called; the future only waits. Each group is
    /// answered when it is durable, or with the reason why it was not written.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the store has failed: nothing that waits was acknowledged, and
    /// nothing more is taken.
    fn commit(
        &self,
        groups: Vec<Group>,
    ) -> impl Future<Output = Result<Vec<Committed>, StoreError>> + Send;

    /// Looks payments up in what the projection has applied. What it has not applied yet, the engine
    /// still holds; [`Loaded::applied`] says where the one ends and the other begins.
    ///
    /// # Errors
    /// [`StoreError`] when the projection cannot be read.
    fn load(&self, key: LoadKey) -> impl Future<Output = Result<Loaded, StoreError>> + Send;

    /// Up to where the projection has applied the journal.
    fn applied(&self) -> watch::Receiver<Sequence>;
}

/// What became of one group.
pub type Committed = Result<Durable<Group>, Conflict>;

/// Why a group was not written. None of its records is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A payment of this merchant and operation has this idempotency key.
    #[error("the idempotency key is taken")]
    KeyTaken,
    /// The payment has had more records than the decision knew of.
    #[error("the payment is at another version")]
    OtherVersion,
    /// The projection is too far behind to take new payments; what goes on with old ones is taken.
    #[error("the projection is too far behind for new payments")]
    Behind,
    /// The disk has no room for new payments; what goes on with old ones is taken.
    #[error("the disk has no room for new payments")]
    NoRoom,
    /// The group is larger than a batch may be.
    #[error("the group is too large to be written at once")]
    TooLarge,
}

/// Why the store cannot work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A write or sync failed, and nothing is taken any more.
    #[error("the store has failed and takes no more work: {why}")]
    Failed {
        /// What failed first.
        why: String,
    },
    /// Another process holds the journal.
    #[error("the journal in {folder} is held by another process")]
    Locked {
        /// Where it lies.
        folder: String,
    },
    /// The journal is damaged.
    #[error("the journal is damaged; restore it from a copy before the gateway may start")]
    Damaged(#[from] journal::Damage),
    /// The first and the second journal do not agree.
    #[error("the journal and its second copy in {folder} cannot be made equal")]
    Second {
        /// The second data folder.
        folder: String,
        /// What is wrong.
        source: Box<copies::CopyError>,
    },
    /// A file could not be used.
    #[error("cannot {what}")]
    File {
        /// What was attempted, with the path.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The projection failed.
    #[error("the projection failed")]
    Ledger(#[from] ledger::LedgerError),
}

impl StoreError {
    pub(crate) fn file(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }
}

/// Limits of the store; the defaults suit one gateway on a local disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Size of a journal segment, preallocated and zeroed; 1 MiB or more outside of tests. Segments of
    /// different sizes may follow one another.
    pub segment_bytes: u64,
    /// A second data folder whose journal takes every write and sync as well.
    pub second: Option<std::path::PathBuf>,
    /// How new segments are written; segments of different formats may follow one another.
    pub format: journal::segment::Format,
    /// How many records ride on one sync at most.
    pub batch_records_max: usize,
    /// How many records the projection may be behind before new payments are refused.
    pub unapplied_max: u64,
    /// How many groups may wait for the journal before new payments are refused.
    pub waiting_groups_max: usize,
    /// Room kept for reversals when the disk is full: it becomes one segment of this size, so 1 MiB or
    /// more. 0 keeps none; then a full disk ends all taking of work once the segment is full.
    pub ballast_bytes: u64,
    /// How long the projection collects records before it applies them in one transaction.
    pub apply_every: std::time::Duration,
    /// How long to wait before room is looked for again on a full disk.
    pub room_retry: std::time::Duration,
    /// How many payments that ended by a reversal a start hands out, for their late answers.
    pub late_answers_max: u32,
    /// How many threads read the projection.
    pub readers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            second: None,
            format: journal::segment::Format::NEWEST,
            batch_records_max: 1024,
            unapplied_max: 50_000,
            waiting_groups_max: 50_000,
            ballast_bytes: 16 << 20,
            apply_every: std::time::Duration::from_millis(10),
            room_retry: std::time::Duration::from_secs(5),
            late_answers_max: 10_000,
            readers: 2,
        }
    }
}

/// Whether a group begins a payment: only those are refused when the store is short of something.
pub(crate) fn begins_payment(group: &Group) -> bool {
    group.records.iter().any(|record| matches!(record, Record::Accepted(_)))
}
