//! A small generator of repeatable randomness (splitmix64): the same seed, the same run. Never used for
//! keys, nonces or anything that must not be guessed.

/// Dice that fall the same way for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice for a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice for a seed and a name, so that what happens to one payment does not depend on the order
    /// in which payments arrive (FNV-1a over the name, mixed with the seed).
    pub fn named(seed: u64, name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut dice = Self(seed ^ hash);
        dice.0 = dice.throw();
        dice
    }

    /// Sixty-four bits.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.throw().checked_rem(bound).unwrap_or(0)
    }

    /// Whether an event of so many per thousand happens.
    pub fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }

    /// One of several; `None` of none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(u64::try_from(from.len()).ok()?)).ok()?;
        from.get(index)
    }

    /// So many characters of an alphabet without look-alikes.
    pub fn letters(&mut self, count: usize) -> String {
        const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
        (0..count).map(|_| char::from(*self.pick(ALPHABET).unwrap_or(&b'A'))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_seed_falls_the_same_way_and_another_one_does_not() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            [dice.throw(), dice.throw(), dice.throw()]
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
        // The first output of splitmix64 for seed 0, as its author's reference code prints it.
        assert_eq!(Dice::new(0).throw(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn five_per_cent_is_about_five_per_cent() {
        let mut dice = Dice::new(1);
        let hits = (0..100_000).filter(|_| dice.per_mille(50)).count();
        assert!((4_500..5_500).contains(&hits), "{hits}");
    }
}
