//! The headers between length and body, and what they say.
//!
//! TPDU: ISO 8583 over X.25 and TCP as terminals use it. CUPS: the 46 bytes before messages of China
//! UnionPay's hosts. BASE I: the 22 bytes of Visa's network; one header, no chain. BASE24: the start of an external
//! message in its ISO form.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use crate::{digits::hex, error::FrameError};

/// The bytes by which a terminal's block of routing data is known: "LRI", zero, and 28 bytes that follow.
const LRI: [u8; 5] = [0x4C, 0x52, 0x49, 0x00, 0x1C];
/// The length of such a block.
const LRI_LEN: usize = 33;

/// How an external message of BASE24 begins.
const START: [u8; 3] = *b"ISO";

/// What stands between the length and the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderForm {
    /// Nothing.
    None,
    /// 5 bytes: an identifier, where to, where from (two packed bytes each).
    Tpdu,
    /// A TPDU, 6 packed bytes about the terminal, and where a network adds it a block of routing data.
    ChinaTerminal,
    /// 46 bytes that say their own length, the whole length, where to and where from.
    Cups,
    /// 22 bytes that say their own length, the whole length, where to and where from.
    Base1,
    /// 12 characters: `ISO`, and nine digits about product, release and status.
    Base24,
}

impl HeaderForm {
    /// Its fewest bytes.
    #[must_use]
    pub const fn shortest(self) -> usize {
        match self {
            Self::None => 0,
            Self::Tpdu => 5,
            Self::ChinaTerminal => 11,
            Self::Cups => 46,
            Self::Base1 => 22,
            Self::Base24 => 12,
        }
    }

    /// Its most bytes.
    #[must_use]
    pub const fn longest(self) -> usize {
        match self {
            Self::ChinaTerminal => 11 + LRI_LEN,
            other => other.shortest(),
        }
    }

    /// What it is, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::None => "no header",
            Self::Tpdu => "a TPDU of 5 bytes",
            Self::ChinaTerminal => "a TPDU and 6 bytes, with or without 33 bytes of routing data",
            Self::Cups => "46 bytes, the first of them 0x2E",
            Self::Base1 => "22 bytes, the first of them 0x16",
            Self::Base24 => "12 bytes, the first of them ISO",
        }
    }

    /// Whether these bytes are such a header, its lengths left out of account.
    #[must_use]
    pub fn fits(self, header: &[u8]) -> bool {
        let length = header.len();
        match self {
            Self::Cups => length == 46 && header.first() == Some(&46),
            Self::Base1 => length == 22 && header.first() == Some(&22),
            Self::Base24 => length == 12 && header.starts_with(&START),
            Self::ChinaTerminal => {
                length == 11 || length == 11 + LRI_LEN && header.get(11..16) == Some(&LRI)
            }
            _ => length == self.shortest(),
        }
    }

    /// The bytes of the header at the beginning of what arrived of a frame, which has `counted` bytes in
    /// all and lies `start` bytes behind the beginning of its length. `None`: more bytes are needed.
    pub(super) fn measure(
        self,
        arrived: &[u8],
        counted: usize,
        start: usize,
    ) -> Result<Option<usize>, FrameError> {
        let min = self.shortest();
        if counted < min {
            return Err(FrameError::TooShort { length: counted, min });
        }
        if let (Some(&found), Self::Cups | Self::Base1) = (arrived.first(), self)
            && usize::from(found) != min
        {
            return Err(match self {
                // Bit 0x80 of the next byte would announce another header; a reject is longer by itself.
                Self::Base1 if found >= 26 => FrameError::Rejected { length: usize::from(found) },
                _ => {
                    let expected = if self == Self::Cups { 46 } else { 22 };
                    FrameError::Unexpected { offset: start, found, expected }
                }
            });
        }
        if let (Self::Base1, Some(&format)) = (self, arrived.get(1))
            && format & 0x80 != 0
        {
            return Err(FrameError::Chained { offset: start.saturating_add(1) });
        }
        let differs = |(_, (found, expected)): &(usize, (&u8, u8))| *found != expected;
        if self == Self::Base24
            && let Some((place, (&found, expected))) =
                arrived.iter().zip(START).enumerate().find(differs)
        {
            let offset = start.saturating_add(place);
            return Err(FrameError::Unexpected { offset, found, expected });
        }
        let Some(header) = arrived.get(..min) else { return Ok(None) };
        let said = match self {
            Self::Cups => core::str::from_utf8(header.get(2..6).unwrap_or_default())
                .ok()
                .and_then(|digits| digits.parse::<u16>().ok())
                .map(usize::from),
            Self::Base1 => header
                .get(3..5)
                .and_then(|it| <[u8; 2]>::try_from(it).ok())
                .map(|it| usize::from(u16::from_be_bytes(it))),
            _ => Some(counted),
        };
        if said != Some(counted) {
            return Err(FrameError::LengthsDiffer { frame: counted, header: said });
        }
        if self != Self::ChinaTerminal || counted < self.longest() {
            return Ok(Some(min));
        }
        // The block is there if its five bytes are; until they have come, nothing is known.
        match arrived.get(min..min.saturating_add(LRI.len())) {
            Some(block) if block == LRI => Ok(Some(self.longest())),
            Some(_) => Ok(Some(min)),
            None => Ok(None),
        }
    }

    /// Writes the whole length where the header says it.
    pub(super) fn set_length(self, header: &mut [u8], counted: usize) {
        let text = alloc::format!("{counted:04}");
        match self {
            Self::Cups => {
                if let Some(place) = header.get_mut(2..6).filter(|it| it.len() == text.len()) {
                    place.copy_from_slice(text.as_bytes());
                }
            }
            Self::Base1 => {
                let length = u16::try_from(counted).unwrap_or(u16::MAX).to_be_bytes();
                if let Some(place) = header.get_mut(3..5) {
                    place.copy_from_slice(&length);
                }
            }
            Self::None | Self::Tpdu | Self::ChinaTerminal | Self::Base24 => {}
        }
    }

    /// The header of the answer to a message with this one: where to and where from change places. That of
    /// BASE24 has neither.
    #[must_use]
    pub fn reply(self, header: &[u8]) -> Vec<u8> {
        let mut reply = header.to_vec();
        let (to, from, size) = match self {
            Self::None | Self::Base24 => return reply,
            Self::Tpdu | Self::ChinaTerminal => (1, 3, 2),
            Self::Cups => (6, 17, 11),
            Self::Base1 => (5, 8, 3),
        };
        for (to, from) in (to..).zip(from..).take(size) {
            if from < reply.len() {
                reply.swap(to, from);
            }
        }
        reply
    }

    /// What a header says, part by part: name and value.
    #[must_use]
    pub fn parts(self, header: &[u8]) -> Vec<(&'static str, String)> {
        let bytes = |from: usize, to: usize| hex(header.get(from..to).unwrap_or_default());
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(header.get(from..to).unwrap_or_default()).trim_end().to_string()
        };
        match self {
            Self::None => Vec::new(),
            Self::Tpdu => {
                [("TPDU", bytes(0, 1)), ("to", bytes(1, 3)), ("from", bytes(3, 5))].into()
            }
            Self::ChinaTerminal => {
                let mut parts = Self::Tpdu.parts(header);
                parts.push(("class of application", bytes(5, 6)));
                parts.push(("version of software", bytes(6, 7)));
                let state = bytes(7, 8);
                let (state, handling) = state.split_at_checked(1).unwrap_or_default();
                parts.push(("state of the terminal", state.to_string()));
                parts.push(("what the terminal is to do", handling.to_string()));
                parts.push(("version, lower digits", bytes(8, 11)));
                if header.len() > self.shortest() {
                    parts.push(("routing data", bytes(11, header.len())));
                }
                parts
            }
            Self::Cups => [
                ("flag and version", bytes(1, 2)),
                ("whole length", text(2, 6)),
                ("to", text(6, 17)),
                ("from", text(17, 28)),
                ("batch", bytes(31, 32)),
                ("about the transaction", text(32, 40)),
                ("about the user", bytes(40, 41)),
                ("reject code", text(41, 46)),
            ]
            .into(),
            Self::Base24 => [
                ("product", text(3, 5)),
                ("release", text(5, 7)),
                ("status", text(7, 10)),
                ("originator", text(10, 11)),
                ("responder", text(11, 12)),
            ]
            .into(),
            Self::Base1 => [
                ("format of header and text", bytes(1, 3)),
                ("whole length", bytes(3, 5)),
                ("to", bytes(5, 8)),
                ("from", bytes(8, 11)),
                ("round-trip control", bytes(11, 12)),
                ("flags", bytes(12, 14)),
                ("status flags", bytes(14, 17)),
                ("batch", bytes(17, 18)),
                ("about the user", bytes(21, 22)),
            ]
            .into(),
        }
    }
}
