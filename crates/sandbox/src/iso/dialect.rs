//! The dialects: how a bank writes ISO 8583, and which message types it has agreed with the gateway.

use super::{IsoError, Message, ascii, packed};
use serde::{Deserialize, Serialize};

/// How a bank speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// All in characters; reversals and voids are advices (0420, 0421).
    #[default]
    Iso87Ascii,
    /// Packed digits and bytes; reversals and voids are requests (0400, 0401).
    Iso87Binary,
}

impl Dialect {
    /// The name of its definitions at the gateway, dialect and mapping alike.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso87Ascii => "iso87-ascii",
            Self::Iso87Binary => "iso87-binary",
        }
    }

    /// Reads one message.
    /// # Errors
    /// [`IsoError`] naming the byte.
    pub fn decode(self, bytes: &[u8]) -> Result<Message, IsoError> {
        match self {
            Self::Iso87Ascii => ascii::decode(bytes),
            Self::Iso87Binary => packed::decode(bytes),
        }
    }

    /// Writes a message. Digits that are hidden from people may be in it.
    /// # Errors
    /// [`IsoError::Length`] for a field that the dialect cannot carry so.
    pub fn encode(self, message: &Message) -> Result<Vec<u8>, IsoError> {
        match self {
            Self::Iso87Ascii => ascii::encode(message),
            Self::Iso87Binary => packed::encode(message),
        }
    }

    /// The message type of reversals and voids, and that of their repeats.
    pub fn reversal(self) -> [&'static str; 2] {
        match self {
            Self::Iso87Ascii => ["0420", "0421"],
            Self::Iso87Binary => ["0400", "0401"],
        }
    }

    /// Whether the bank has agreed to be sent such messages.
    pub fn has(self, mti: &str) -> bool {
        ["0100", "0200", "0220", "0221", "0800"].contains(&mti) || self.reversal().contains(&mti)
    }
}
