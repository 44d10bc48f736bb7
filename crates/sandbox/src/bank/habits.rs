//! How a bank behaves where the standard leaves it free.

/// What the bank says to the reversal of an original that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownOriginal {
    /// 00, and the original is refused should it come later.
    Remembered,
    /// 25, unable to locate; an original that comes later is taken.
    Refused,
}

/// How the bank behaves where the standard leaves it free.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// See there.
    pub unknown_original: UnknownOriginal,
    /// Replies carry no DE 2 and no DE 32.
    pub terse_replies: bool,
}

impl Habits {
    /// Another bank's.
    #[must_use]
    pub fn other(self) -> Self {
        let unknown_original = match self.unknown_original {
            UnknownOriginal::Remembered => UnknownOriginal::Refused,
            UnknownOriginal::Refused => UnknownOriginal::Remembered,
        };
        Self { unknown_original, terse_replies: !self.terse_replies }
    }
}
