//! The two lanes in which requests travel. The kept lane has places and threads of its own, so that a
//! merchant learns what became of its payments, and gives money back, also while new payments flood in.

/// One of the two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// New work.
    Ordinary,
    /// What must be answered also while new work floods in: questions, voids, refunds, and the
    /// answers to what was begun.
    Kept,
}

/// Of so many places or threads, those that only the kept lane gets: a fifth, and at least one.
pub fn kept_of(count: usize) -> usize {
    count.div_ceil(5).max(1)
}

/// Of so many places, those that the ordinary lane may take: what is not kept, and at least one.
pub fn ordinary_of(count: usize) -> usize {
    count.saturating_sub(kept_of(count)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_kept() {
        assert_eq!([1, 2, 5, 8, 1024].map(kept_of), [1, 1, 1, 2, 205]);
        assert_eq!([1, 2, 5, 8, 1024].map(ordinary_of), [1, 1, 4, 6, 819]);
    }
}
