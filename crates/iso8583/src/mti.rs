//! The message type identifier: four digits that say version, class, function and origin.
//!
//! Meaning of the digits: ISO 8583:1987, message type identifier; the names of function and
//! origin as the 1993 edition words them.

use core::fmt;

use crate::error::{MtiError, MtiFault};

/// A message type such as `0200`: four decimal digits, held as ASCII.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mti([u8; 4]);

/// The second digit: what the message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `x1xx`: authorization; no money is posted by it.
    Authorization,
    /// `x2xx`: financial; money is posted.
    Financial,
    /// `x3xx`: file action (hot cards and the like).
    FileAction,
    /// `x4xx`: reversal and chargeback.
    Reversal,
    /// `x5xx`: reconciliation of totals.
    Reconciliation,
    /// `x6xx`: administrative text.
    Administrative,
    /// `x7xx`: fee collection.
    FeeCollection,
    /// `x8xx`: network management: sign-on, echo, keys, cut-over.
    NetworkManagement,
    /// `x0xx` and `x9xx`: reserved; the digit is kept.
    Reserved(u8),
}

/// The third digit: the part that the message plays in its exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `xx0x`: asks, and is not yet a fact.
    Request,
    /// `xx1x`: answers a request.
    RequestResponse,
    /// `xx2x`: tells a fact and wants it acknowledged.
    Advice,
    /// `xx3x`: acknowledges an advice.
    AdviceResponse,
    /// `xx4x`: tells a fact and wants no answer.
    Notification,
    /// `xx5x` to `xx9x`: reserved or of later editions; the digit is kept.
    Other(u8),
}

/// The fourth digit: who began the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `xxx0`, and `xxx1` when repeated.
    Acquirer,
    /// `xxx2`, and `xxx3` when repeated.
    Issuer,
    /// `xxx4`, and `xxx5` when repeated.
    Other,
    /// `xxx6` to `xxx9`: reserved; the digit is kept.
    Reserved(u8),
}

impl Mti {
    /// What stands in the place of a type until it is read.
    pub(crate) const UNREAD: Self = Self(*b"0000");

    /// Makes a message type of four decimal digits, such as `"0200"`.
    ///
    /// # Errors
    /// [`MtiError`] when the text is anything but four digits.
    pub fn parse(text: &str) -> Result<Self, MtiError> {
        let digits = <[u8; 4]>::try_from(text.as_bytes())
            .map_err(|_| MtiError::Length { found: text.len() })?;
        Ok(Self::from_digits(digits)?)
    }

    /// Makes a message type of four ASCII digits.
    ///
    /// # Errors
    /// [`MtiFault`] naming the first byte that is no digit.
    pub fn from_digits(digits: [u8; 4]) -> Result<Self, MtiFault> {
        match digits.iter().enumerate().find(|(_, byte)| !byte.is_ascii_digit()) {
            Some((position, &byte)) => Err(MtiFault { position, byte }),
            None => Ok(Self(digits)),
        }
    }

    /// The four digits, as ASCII.
    #[must_use]
    pub fn digits(&self) -> [u8; 4] {
        self.0
    }

    /// The digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only digits are ever stored, so the fallback is never taken.
        core::str::from_utf8(&self.0).unwrap_or("0000")
    }

    /// The year of the edition that the first digit names: 1987, 1993 or 2003.
    #[must_use]
    pub fn edition(&self) -> Option<u16> {
        match self.0[0] {
            b'0' => Some(1987),
            b'1' => Some(1993),
            b'2' => Some(2003),
            _ => None,
        }
    }

    /// What the message is about.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.0[1] {
            b'1' => Class::Authorization,
            b'2' => Class::Financial,
            b'3' => Class::FileAction,
            b'4' => Class::Reversal,
            b'5' => Class::Reconciliation,
            b'6' => Class::Administrative,
            b'7' => Class::FeeCollection,
            b'8' => Class::NetworkManagement,
            digit => Class::Reserved(digit.saturating_sub(b'0')),
        }
    }

    /// The part that the message plays in its exchange.
    #[must_use]
    pub fn function(&self) -> Function {
        match self.0[2] {
            b'0' => Function::Request,
            b'1' => Function::RequestResponse,
            b'2' => Function::Advice,
            b'3' => Function::AdviceResponse,
            b'4' => Function::Notification,
            digit => Function::Other(digit.saturating_sub(b'0')),
        }
    }

    /// Who began the exchange, whether repeated or not.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self.0[3] {
            b'0' | b'1' => Origin::Acquirer,
            b'2' | b'3' => Origin::Issuer,
            b'4' | b'5' => Origin::Other,
            digit => Origin::Reserved(digit.saturating_sub(b'0')),
        }
    }

    /// Whether an answer is owed: a request or an advice.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.function(), Function::Request | Function::Advice)
    }

    /// Whether this is the answer to a request or an advice.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        matches!(self.function(), Function::RequestResponse | Function::AdviceResponse)
    }

    /// Whether the message is marked as a repeat, such as `0421`.
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        matches!(self.0[3], b'1' | b'3' | b'5')
    }

    /// The answer's type: `0200` to `0210`, `0420` and `0421` to `0430`. The repeat mark is dropped.
    /// `None` for what is no request.
    #[must_use]
    pub fn reply(&self) -> Option<Self> {
        let function = match self.function() {
            Function::Request => b'1',
            Function::Advice => b'3',
            _ => return None,
        };
        let [version, class, _, origin] = self.original_of_repeat().0;
        Some(Self([version, class, function, origin]))
    }

    /// The same message marked as a repeat: `0420` to `0421`; a repeat stays as it is. `None` for what
    /// is never repeated by its sender: replies, and origins that the standard reserves.
    #[must_use]
    pub fn repeat(&self) -> Option<Self> {
        let [version, class, function, origin] = self.0;
        let origin = match origin {
            b'0' | b'1' => b'1',
            b'2' | b'3' => b'3',
            b'4' | b'5' => b'5',
            _ => return None,
        };
        (!self.is_reply()).then_some(Self([version, class, function, origin]))
    }

    /// The message without its repeat mark: `0421` to `0420`; any other stays as it is.
    #[must_use]
    pub fn original_of_repeat(&self) -> Self {
        let [version, class, function, origin] = self.0;
        let origin = match origin {
            b'1' => b'0',
            b'3' => b'2',
            b'5' => b'4',
            other => other,
        };
        Self([version, class, function, origin])
    }

    /// Whether an edition of the standard has such a type. Bytes that are read as any other one are mostly no
    /// message type.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        self.edition().is_some()
            && !matches!(self.class(), Class::Reserved(_))
            && !matches!(self.function(), Function::Other(_))
            && !matches!(self.origin(), Origin::Reserved(_))
    }

    /// The message type in words, such as "financial request, acquirer, ISO 8583:1987".
    #[must_use]
    pub fn in_words(&self) -> InWords {
        InWords(*self)
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mti({})", self.as_str())
    }
}

/// Prints a message type in words. Made by [`Mti::in_words`].
#[derive(Clone, Copy, Debug)]
pub struct InWords(Mti);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.0.class() {
            Class::Authorization => "authorization",
            Class::Financial => "financial",
            Class::FileAction => "file action",
            Class::Reversal => "reversal",
            Class::Reconciliation => "reconciliation",
            Class::Administrative => "administrative",
            Class::FeeCollection => "fee collection",
            Class::NetworkManagement => "network management",
            Class::Reserved(_) => "reserved class",
        };
        let function = match self.0.function() {
            Function::Request => "request",
            Function::RequestResponse => "request response",
            Function::Advice => "advice",
            Function::AdviceResponse => "advice response",
            Function::Notification => "notification",
            Function::Other(_) => "other function",
        };
        let origin = match self.0.origin() {
            Origin::Acquirer => "acquirer",
            Origin::Issuer => "issuer",
            Origin::Other => "other origin",
            Origin::Reserved(_) => "reserved origin",
        };
        let repeat = if self.0.is_repeat() { " repeat" } else { "" };
        write!(f, "{class} {function}, {origin}{repeat}, ")?;
        match self.0.edition() {
            Some(year) => write!(f, "ISO 8583:{year}"),
            None => f.write_str("national or private version"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn mti(text: &str) -> Mti {
        Mti::parse(text).unwrap()
    }

    #[test]
    fn a_reply_keeps_class_and_origin_and_drops_the_repeat_mark() {
        let table = [
            ("0100", "0110"),
            ("0200", "0210"),
            ("0220", "0230"),
            ("0400", "0410"),
            ("0401", "0410"),
            ("0420", "0430"),
            ("0421", "0430"),
            ("0800", "0810"),
            ("0820", "0830"),
            ("0802", "0812"),
            ("0803", "0812"),
            ("1200", "1210"),
        ];
        for (request, reply) in table {
            assert_eq!(mti(request).reply(), Some(mti(reply)), "{request}");
            assert!(mti(request).is_request() && !mti(request).is_reply());
            assert!(mti(reply).is_reply() && !mti(reply).is_request());
            assert_eq!(mti(reply).reply(), None, "a reply has no reply");
        }
        assert_eq!(mti("0240").reply(), None, "a notification wants no answer");
    }

    #[test]
    fn a_repeat_differs_by_its_last_digit_alone() {
        for (original, repeat) in [("0420", "0421"), ("0200", "0201"), ("0822", "0823")] {
            assert_eq!(mti(original).repeat(), Some(mti(repeat)));
            assert_eq!(mti(repeat).repeat(), Some(mti(repeat)));
            assert_eq!(mti(repeat).original_of_repeat(), mti(original));
            assert_eq!(mti(original).original_of_repeat(), mti(original));
            assert!(mti(repeat).is_repeat() && !mti(original).is_repeat());
        }
        assert_eq!(mti("0430").repeat(), None);
        assert_eq!(mti("0209").repeat(), None);
    }

    #[test]
    fn a_type_is_four_digits_and_nothing_else() {
        for text in ["", "020", "02000", "02x0", "٠٢٠٠", "0 00", "-200"] {
            assert!(Mti::parse(text).is_err(), "{text}");
        }
        assert_eq!(Mti::parse("02A0"), Err(MtiFault { position: 2, byte: b'A' }.into()));
        assert_eq!(mti("0200").to_string(), "0200");
        assert_eq!(mti("0200").digits(), *b"0200");
    }

    #[test]
    fn words_name_all_four_digits() {
        let table = [
            ("0200", "financial request, acquirer, ISO 8583:1987"),
            ("0421", "reversal advice, acquirer repeat, ISO 8583:1987"),
            ("1814", "network management request response, other origin, ISO 8583:1993"),
            ("9079", "reserved class other function, reserved origin, national or private version"),
        ];
        for (text, words) in table {
            assert_eq!(mti(text).in_words().to_string(), words);
        }
        assert!(["0100", "0421", "1804", "2200"].iter().all(|text| mti(text).is_usual()));
        assert!(!["3200", "0000", "0990", "0290", "0207"].iter().any(|text| mti(text).is_usual()));
        assert_eq!(mti("0990").class(), Class::Reserved(9));
        assert_eq!(mti("0290").function(), Function::Other(9));
        assert_eq!(mti("0207").origin(), Origin::Reserved(7));
    }
}
