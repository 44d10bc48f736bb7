//! The head of a segment: its first sector.
//!
//! ```text
//!  0  magic "TIDEGATE"                  28  chain value before the first record (32 bytes)
//!  8  format (u16), zero (u16)          60  epoch (u32)
//! 12  size of the file in bytes (u64)   64  format 1: CRC-32 of 0..64, zeroes
//! 20  sequence of the first record      64  format 2: when it was made (i64, microseconds since 1970)
//!                                       72            by which release (24 bytes, zeroes behind)
//!                                       96            CRC-32 of 0..96, zeroes
//! ```
//! Every format to come keeps the first ten bytes, so that a release can say of a newer one which it is.
//! The batches behind the head are the same in both formats, and no chain value covers a head.

use super::Chain;
use super::frame::SECTOR;

const MAGIC: [u8; 8] = *b"TIDEGATE";

/// How segments are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Without a word on who wrote it.
    V1,
    /// With the time and the release that made it.
    V2,
}

impl Format {
    /// The oldest format that this release reads.
    pub const OLDEST: Self = Self::V1;
    /// The newest format that this release reads, and the one that it writes if nobody wants another.
    pub const NEWEST: Self = Self::V2;

    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The format of this number, if this release knows it.
    pub fn of(number: u16) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|format| format.number() == number)
    }
}

/// Who made a segment, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Microseconds since 1970, by the clock of the machine.
    pub at: i64,
    /// The gateway's release.
    pub release: Release,
}

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
    /// Who made it; `None` in format 1.
    pub made: Option<Made>,
}

/// Why a head cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadFault {
    /// A byte of it is wrong.
    Wrong,
    /// It says that it has a format that this release does not know.
    Format(u16),
}

impl SegmentHead {
    /// Its format.
    pub fn format(&self) -> Format {
        if self.made.is_some() { Format::V2 } else { Format::V1 }
    }

    /// The first sector of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(SECTOR);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&self.format().number().to_be_bytes());
        head.extend_from_slice(&[0, 0]);
        head.extend_from_slice(&self.bytes.to_be_bytes());
        head.extend_from_slice(&self.first.to_be_bytes());
        head.extend_from_slice(&self.chain);
        head.extend_from_slice(&self.epoch.to_be_bytes());
        if let Some(made) = &self.made {
            head.extend_from_slice(&made.at.to_be_bytes());
            head.extend_from_slice(made.release.bytes());
        }
        let crc = crc32fast::hash(&head);
        head.extend_from_slice(&crc.to_be_bytes());
        head.resize(SECTOR, 0);
        head
    }

    /// Reads the first sector of a file.
    /// # Errors
    /// [`HeadFault`] unless every byte of it is as [`Self::encode`] writes.
    pub fn decode(file: &[u8]) -> Result<Self, HeadFault> {
        let sector = file.get(..SECTOR).ok_or(HeadFault::Wrong)?;
        let format = sector.get(8..).and_then(|rest| rest.first_chunk()).copied();
        let format = u16::from_be_bytes(format.ok_or(HeadFault::Wrong)?);
        if !sector.starts_with(&MAGIC) {
            return Err(HeadFault::Wrong);
        }
        let format = Format::of(format).ok_or(HeadFault::Format(format))?;
        let head = Self::fields(sector, format).ok_or(HeadFault::Wrong)?;
        if head.encode() == sector { Ok(head) } else { Err(HeadFault::Wrong) }
    }

    fn fields(sector: &[u8], format: Format) -> Option<Self> {
        let number = |from: usize| -> Option<[u8; 8]> {
            sector.get(from..).and_then(|rest| rest.first_chunk()).copied()
        };
        let made = || -> Option<Made> {
            let release = Release::read(sector.get(72..)?.first_chunk()?)?;
            Some(Made { at: i64::from_be_bytes(number(64)?), release })
        };
        Some(Self {
            bytes: u64::from_be_bytes(number(12)?),
            first: u64::from_be_bytes(number(20)?),
            chain: *sector.get(28..)?.first_chunk()?,
            epoch: u32::from_be_bytes(*sector.get(60..)?.first_chunk()?),
            made: match format {
                Format::V1 => None,
                Format::V2 => Some(made()?),
            },
        })
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

/// A release of the gateway, at most 24 bytes of printable ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Release([u8; 24]);

impl Release {
    /// This one.
    pub fn this() -> Self {
        let mut bytes = [0; 24];
        let version = env!("CARGO_PKG_VERSION").bytes().filter(u8::is_ascii_graphic);
        bytes.iter_mut().zip(version).for_each(|(place, byte)| *place = byte);
        Self(bytes)
    }

    fn read(bytes: &[u8; 24]) -> Option<Self> {
        let used = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let (text, filling) = bytes.split_at_checked(used)?;
        let sound = text.iter().all(u8::is_ascii_graphic) && filling.iter().all(|byte| *byte == 0);
        sound.then_some(Self(*bytes))
    }

    fn bytes(&self) -> &[u8; 24] {
        &self.0
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        f.write_str(std::str::from_utf8(self.0.get(..used).unwrap_or(&[])).unwrap_or("?"))
    }
}

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Release({self})")
    }
}
