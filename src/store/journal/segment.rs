//! The head of a segment: its first sector.
//!
//! ```text
//!  0  magic "TIDEGATE"                  28  chain value before the first record (32 bytes)
//!  8  format (u16), zero (u16)          60  epoch (u32)
//! 12  size of the file in bytes (u64)   64  CRC-32 of 0..64
//! 20  sequence of the first record      68  zeroes
//! ```

use super::Chain;
use super::frame::SECTOR;

const MAGIC: [u8; 8] = *b"TIDEGATE";
const FORMAT: u16 = 1;
const COVERED: usize = 64;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHead {
    /// The size of the file.
    pub bytes: u64,
    /// The sequence of its first record.
    pub first: u64,
    /// The chain's value before that record.
    pub chain: Chain,
    /// Which opening of the journal began the segment.
    pub epoch: u32,
}

impl SegmentHead {
    /// The first sector of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(SECTOR);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&FORMAT.to_be_bytes());
        head.extend_from_slice(&[0, 0]);
        head.extend_from_slice(&self.bytes.to_be_bytes());
        head.extend_from_slice(&self.first.to_be_bytes());
        head.extend_from_slice(&self.chain);
        head.extend_from_slice(&self.epoch.to_be_bytes());
        let crc = crc32fast::hash(&head);
        head.extend_from_slice(&crc.to_be_bytes());
        head.resize(SECTOR, 0);
        head
    }

    /// Reads the first sector of a file; `None` unless every byte of it is as [`Self::encode`] writes.
    pub fn decode(file: &[u8]) -> Option<Self> {
        let sector = file.get(..SECTOR)?;
        let number = |from: usize| -> Option<u64> {
            Some(u64::from_be_bytes(*sector.get(from..)?.first_chunk()?))
        };
        let head = Self {
            bytes: number(12)?,
            first: number(20)?,
            chain: *sector.get(28..)?.first_chunk()?,
            epoch: u32::from_be_bytes(*sector.get(60..COVERED)?.first_chunk()?),
        };
        (head.encode() == sector).then_some(head)
    }
}

/// The file name of the segment whose first record has the sequence `first`.
pub fn file_name(first: u64) -> String {
    format!("{first:020}.journal")
}

/// The sequence in a segment's file name; `None` for other files.
pub fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".journal")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}
