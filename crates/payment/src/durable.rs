//! Proof that something was written and synced.

/// A value that the store has made durable. Effects and replies are made of these alone, so nothing
/// can be shown to the world before it would survive a crash.
///
/// Only a store calls [`Durable::attest`]; the architecture test holds the list of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durable<T> {
    value: T,
    sequence: Sequence,
}

/// The place of a record in the journal: counts from 1, without gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sequence(pub u64);

impl<T> Durable<T> {
    /// The store's word that `value`, whose last record stands at `sequence`, is durable.
    pub fn attest(value: T, sequence: Sequence) -> Self {
        Self { value, sequence }
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// Where its last record stands in the journal.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Something that follows from what is durable is durable too.
    pub fn map<U>(self, follow: impl FnOnce(T) -> U) -> Durable<U> {
        Durable { value: follow(self.value), sequence: self.sequence }
    }

    /// The value, when its proof is no longer needed.
    pub fn into_inner(self) -> T {
        self.value
    }
}
