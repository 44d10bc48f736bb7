//! Randomness that a seed decides: one stream for each part of the world, so that a change in one
//! part leaves the throws of the others alone.

use std::time::Duration;

/// A stream of throws (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The stream of a part, by its name.
    pub fn new(seed: u64, part: &str) -> Self {
        let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut dice = Self { state: part.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix) };
        dice.throw();
        dice.state ^= seed.rotate_left(32);
        dice
    }

    /// A uniform number.
    pub fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A uniform number of 32 bits.
    pub fn throw32(&mut self) -> u32 {
        u32::try_from(self.throw() >> 32).unwrap_or(0)
    }

    /// A number below `count`; 0 if that is 0.
    pub fn below(&mut self, count: u64) -> u64 {
        let wide = u128::from(self.throw()).wrapping_mul(u128::from(count)) >> 64;
        u64::try_from(wide).unwrap_or(0)
    }

    /// True `parts` times in ten thousand.
    pub fn chance(&mut self, parts: u64) -> bool {
        self.below(10_000) < parts
    }

    /// A number of `low ..= high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low.saturating_add(self.below(high.saturating_sub(low).saturating_add(1)))
    }

    /// A wait of `low ..= high` microseconds.
    pub fn micros(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.between(low, high))
    }

    /// A wait of `low ..= high` milliseconds, in microseconds' steps.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        self.micros(low.saturating_mul(1000), high.saturating_mul(1000))
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(from.len()).unwrap_or(0);
        from.get(usize::try_from(self.below(count)).unwrap_or(0))
    }
}
