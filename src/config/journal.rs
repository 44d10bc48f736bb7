//! `[journal]`: its values, and their check.

use super::check::Checker;
use super::raw::RawJournal;
use crate::store::journal::segment::Format;
use std::path::PathBuf;

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Size of a segment file.
    pub segment_bytes: u64,
    /// Records of one commit.
    pub batch_records_max: usize,
    /// Records that the projection may lag behind before new work is declined.
    pub unapplied_max: usize,
    /// Disk room kept back for reversals.
    pub ballast_bytes: u64,
    /// A data folder whose journal every commit is durable in as well, before anybody is told.
    pub second: Option<PathBuf>,
    /// How new segments are written.
    pub format: Format,
    /// How many business dates the archiving of segments leaves alone.
    pub retention_days: u64,
}

impl Checker {
    pub(super) fn journal(&mut self, raw: RawJournal) -> Journal {
        let segment = 65_536..=4_294_967_296;
        let unapplied = 1_000..=10_000_000;
        let newest = u64::from(Format::NEWEST.number());
        let formats = u64::from(Format::OLDEST.number())..=newest;
        let format = self.number("journal.format", raw.format, newest, formats);
        let format = u16::try_from(format).ok().and_then(Format::of);
        let second = raw.second.filter(|text| !text.is_empty());
        Journal {
            segment_bytes: self.number(
                "journal.segment_bytes",
                raw.segment_bytes,
                67_108_864,
                segment,
            ),
            batch_records_max: self.count(
                "journal.batch_records_max",
                raw.batch_records_max,
                1_024,
                1..=65_536,
            ),
            unapplied_max: self.count(
                "journal.unapplied_max",
                raw.unapplied_max,
                50_000,
                unapplied,
            ),
            ballast_bytes: self.number(
                "journal.ballast_bytes",
                raw.ballast_bytes,
                16_777_216,
                0..=68_719_476_736,
            ),
            second: second.map(|text| self.path(&text)),
            format: format.unwrap_or(Format::NEWEST),
            retention_days: self.number(
                "journal.retention_days",
                raw.retention_days,
                90,
                1..=36_500,
            ),
        }
    }
}
