//! The nouns: lines, connections, exchanges, match keys, frames.

use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

/// A line of the host, by its place in configuration, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineIndex(pub u16);

/// Which connection of a line: counts the attempts to connect, from 1. Events of an earlier
/// connection cannot be mistaken for those of the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection(pub u32);

/// A request and its reply, with all repeats of the request. Chosen by the shell; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// What pairs a reply with its request: equal in both, opaque here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MatchKey(pub Vec<u8>);

impl fmt::Debug for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MatchKey({} bytes)", self.0.len())
    }
}

/// The body of one frame. It may hold a clear card number, so its memory is wiped on drop and it
/// prints as its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Zeroizing<Vec<u8>>);

impl Frame {
    /// A frame of these bytes. Whoever fills `body` reserves its room first: a vector that grows
    /// leaves unwiped copies behind.
    pub fn new(body: Vec<u8>) -> Self {
        Self(Zeroizing::new(body))
    }

    /// The bytes.
    pub fn body(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.0.len())
    }
}
