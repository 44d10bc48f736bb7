//! The journal: segments of a fixed size, each a chain of batches of records.
//!
//! A segment is a file, zeroed and synced before it is used, called after the sequence of its first
//! record. A batch begins on a sector, so that writing one never touches a sector in which an
//! acknowledged batch lies, and is one write and one sync. Each record carries a checksum and the
//! SHA-256 of itself and of the record before it.
//!
//! Only the last batch may be torn, and torn means *missing*: a sector that is still zero, or an end
//! without its mark. Sectors that are all there and wrong are damage, also in the last batch; so is
//! anything valid behind something that is not. Damage is located, reported and refused.

pub mod disk;
pub mod frame;
pub mod room;
pub mod scan;
pub mod segment;
pub mod twofold;
pub mod writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
pub(crate) mod memory_disk;
#[cfg(test)]
mod tests;

use super::fields::DecodeError;
use tidegate_payment::durable::Sequence;

/// Where and how the journal is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{segment} at byte {offset}, sequence {}: {fault}", sequence.0)]
pub struct Damage {
    /// The file.
    pub segment: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The sequence of the first record that cannot be trusted.
    pub sequence: Sequence,
    /// What is wrong there.
    pub fault: DamageFault,
}

/// What is wrong at a place of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DamageFault {
    /// The head of a segment is not one.
    #[error("the segment's head is wrong")]
    SegmentHead,
    /// A segment has a format that this release does not know.
    #[error(
        "the segment has format {found}, this release reads formats {oldest} to {newest}: it was written by a newer release (or its head is damaged)"
    )]
    Format {
        /// The format found.
        found: u16,
        /// The oldest that is read.
        oldest: u16,
        /// The newest that is read.
        newest: u16,
    },
    /// A segment's file is shorter or longer than its head says.
    #[error("the file has {found} bytes, its head says {wanted}")]
    SegmentSize {
        /// How many bytes there are.
        found: u64,
        /// How many there should be.
        wanted: u64,
    },
    /// Segments are missing, or one stands twice.
    #[error("the segment begins at sequence {found}, {wanted} was expected")]
    SegmentOrder {
        /// Where it begins.
        found: u64,
        /// Where it should begin.
        wanted: u64,
    },
    /// The chain of hashes breaks between two segments.
    #[error("the chain of hashes breaks between two segments")]
    SegmentChain,
    /// A batch is wrong.
    #[error("the batch is wrong: {0}")]
    Batch(frame::BatchFault),
    /// A batch is wrong and a valid one follows.
    #[error("the batch is wrong, and a valid one follows at byte {next}: {fault}")]
    Middle {
        /// What is wrong with it.
        fault: frame::BatchFault,
        /// Where the valid one begins.
        next: u64,
    },
    /// A record's body does not say anything.
    #[error("{0}")]
    Record(DecodeError),
    /// The journal ends before what the projection has applied, or is not the one it has applied.
    #[error("the projection has applied up to sequence {applied}, and the journal ends before it")]
    EndsEarly {
        /// What the projection has applied.
        applied: u64,
    },
    /// The projection was made from another journal.
    #[error("the projection was made from a journal with another record at this sequence")]
    OtherJournal,
}

impl Damage {
    /// What should have stood there.
    pub fn expected(&self) -> String {
        let next = self.sequence.0;
        match self.fault {
            DamageFault::SegmentHead => "the head of a segment, with its checksum".to_owned(),
            DamageFault::Format { oldest, newest, .. } => {
                format!("a segment of format {oldest} to {newest}")
            }
            DamageFault::SegmentSize { wanted, .. } => format!("a file of {wanted} bytes"),
            DamageFault::SegmentOrder { wanted, .. } => {
                format!("a segment that begins at sequence {wanted}")
            }
            DamageFault::SegmentChain => {
                "the chain value of the last record of the segment before".to_owned()
            }
            DamageFault::Batch(_) | DamageFault::Middle { .. } => {
                format!(
                    "a whole batch that begins at sequence {next} and continues the chain of hashes"
                )
            }
            DamageFault::Record(_) => "a record that this release understands".to_owned(),
            DamageFault::EndsEarly { applied } => {
                format!("records {next} to {applied}, which the ledger has applied")
            }
            DamageFault::OtherJournal => {
                format!("the record {next} that the ledger was made from")
            }
        }
    }
}

/// A hash of the chain.
pub type Chain = [u8; 32];

/// The chain's value before the first record.
pub const GENESIS: Chain = [0; 32];
