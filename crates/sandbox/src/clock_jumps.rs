//! The wall clock jumps while merchants pay: by seconds, by an hour, by a day, forwards and back. A library
//! loaded before libc (`tests/faults/preload.c`) adds what stands in a file to what the clock says, for this
//! process and for the gateway alike; the monotonic clock goes on. Afterwards the journal's times are told
//! in the time that really was, so that they can be laid beside what merchants and bank saw.

use crate::checker::Violation;
use crate::checker::evidence::JournalRecord;
use crate::clock::Clock;
use crate::dice::Dice;
use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// The jumps, in seconds off the true time.
const OFFSETS_S: &[i64] = &[86_400, -86_400, 1, -1, 3_600, -3_600];

/// How far a record may stand from the span in which its offset held, in microseconds: what was decided
/// just before a jump.
const SLACK_US: i64 = 1_000_000;

/// What the clock was off by, since when (microseconds of the run).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jumps(Vec<(u64, i64)>);

/// Lets the clock jump, spread over the payments, until all are made; then it is right again.
/// # Errors
/// If the file cannot be written, or the clock does not follow it.
pub async fn jump_now_and_then(
    file: PathBuf,
    clock: Clock,
    seed: u64,
    payments: u64,
    mut done: watch::Receiver<u64>,
) -> anyhow::Result<Jumps> {
    let mut dice = Dice::named(seed, "clock jumps");
    let mut jumps = Jumps(vec![(0, 0)]);
    let mean = (payments / 12).max(1);
    let mut next = 0;
    loop {
        next = mean.saturating_add(dice.below(mean)).saturating_add(next);
        if done.wait_for(|done| *done >= next).await.is_err() {
            break;
        }
        let offset_s = *dice.pick(OFFSETS_S).unwrap_or(&0);
        jumps.jump(&file, clock, offset_s)?;
    }
    jumps.jump(&file, clock, 0)?;
    Ok(jumps)
}

impl Jumps {
    /// How often the clock jumped.
    pub fn count(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    fn jump(&mut self, file: &Path, clock: Clock, offset_s: i64) -> anyhow::Result<()> {
        // Overwritten in place: whoever reads it has it mapped.
        let written = fs::OpenOptions::new().write(true).open(file).and_then(|file| {
            std::os::unix::fs::FileExt::write_all_at(&file, &offset_s.to_ne_bytes(), 0)
        });
        written.with_context(|| format!("writing {}", file.display()))?;
        let at_us = clock.now_us();
        self.0.push((at_us, offset_s));
        let off_us = jiff::Timestamp::now().as_microsecond().saturating_sub(clock.wall_us(at_us));
        let wrong_us = off_us.saturating_sub(offset_s.saturating_mul(1_000_000));
        anyhow::ensure!(
            wrong_us.abs() < 500_000,
            "the wall clock does not follow {}: start the sandbox by tests/faults/run",
            file.display()
        );
        Ok(())
    }

    /// A request that was signed on the other side of a jump is refused for its age, whoever sent it and
    /// whatever it asked: nobody is shown anything by that.
    pub fn forgive(&self, violations: &mut Vec<Violation>) {
        let for_its_age = |it: &Violation| it.invariant == "S4" && it.found.ends_with("Some(401)");
        violations.retain(|violation| self.count() == 0 || !for_its_age(violation));
    }

    /// Tells the times of records in the time that really was. A time that no offset explains stays.
    pub fn set_right(&self, clock: Clock, records: &mut [JournalRecord]) {
        for record in records {
            record.at_us = self.true_us(clock, record.at_us);
        }
    }

    fn true_us(&self, clock: Clock, told_us: i64) -> i64 {
        let ends = self.0.iter().skip(1).map(|(at_us, _)| *at_us).chain([u64::MAX]);
        let spans = self.0.iter().zip(ends);
        let explained = spans.filter_map(|(&(since_us, offset_s), until_us)| {
            let really_us = told_us.checked_sub(offset_s.checked_mul(1_000_000)?)?;
            let since_us = clock.wall_us(since_us).saturating_sub(SLACK_US);
            let until_us = clock.wall_us(until_us.min(u64::MAX / 4)).saturating_add(SLACK_US);
            (since_us..=until_us).contains(&really_us).then_some(really_us)
        });
        // The earliest: within the slack an event can look a second later than it was, and a check that
        // something happened in time is then not misled.
        explained.min().unwrap_or(told_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_told_while_the_clock_was_off_is_set_right() {
        let clock = Clock::start();
        let jumps =
            Jumps(vec![(0, 0), (10_000_000, 86_400), (20_000_000, -86_400), (30_000_000, 0)]);
        let day_us = 86_400_000_000;
        for (at_us, off_us) in [(5_000_000, 0), (15_000_000, day_us), (25_000_000, -day_us)] {
            let really_us = clock.wall_us(at_us);
            assert_eq!(jumps.true_us(clock, really_us + off_us), really_us);
        }
        let nobody = clock.wall_us(5_000_000) + day_us / 2;
        assert_eq!(jumps.true_us(clock, nobody), nobody, "no offset explains it");
    }

    #[tokio::test]
    async fn a_clock_that_does_not_follow_is_found() {
        let file = tempfile::NamedTempFile::new().map(|file| file.into_temp_path());
        let Ok(file) = file else { return };
        let (done, progress) = watch::channel(u64::MAX);
        drop(done);
        let path = file.to_path_buf();
        let jumped = jump_now_and_then(path, Clock::start(), 1, 100, progress).await;
        assert!(jumped.is_err(), "{jumped:?}");
    }
}
