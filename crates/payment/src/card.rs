//! Card data. The engine never holds a clear card number: it holds a [`CardRef`].

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A primary account number: 12 to 19 digits. Its memory is wiped on drop, and it prints as its last
/// four digits only. (The check digit is a rule of a card table, not of the type.)
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Pan(String);

impl Pan {
    /// Reads a card number.
    /// # Errors
    /// [`CardError::Pan`] unless it is 12 to 19 digits.
    pub fn parse(text: &str) -> Result<Self, CardError> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !(12..=19).contains(&text.len()) {
            return Err(CardError::Pan { length: text.len() });
        }
        Ok(Self(text.into()))
    }

    /// The digits in clear, for the host frame and for sealing; never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first six digits: the bank identification number as PCI DSS 3.4.1 lets it be shown.
    pub fn bin(&self) -> &str {
        self.0.get(..6).unwrap_or("")
    }

    /// The last four digits.
    pub fn last4(&self) -> &str {
        self.0.len().checked_sub(4).and_then(|start| self.0.get(start..)).unwrap_or("")
    }
}

impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pan(…{})", self.last4())
    }
}

/// Whether a text holds what looks like a card number, which must not stand where it would be kept or
/// shown in clear: a run of 13 to 19 digits that begins as cards do and has a right check digit (ISO/IEC
/// 7812-1, annex B). Runs within hexadecimal words are passed over: random keys and UUIDs would
/// else be refused now and then for nothing.
pub fn has_card_number(text: &str) -> bool {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric());
    let hexadecimal = |word: &&str| {
        word.bytes().all(|it| it.is_ascii_hexdigit()) && !word.bytes().all(|it| it.is_ascii_digit())
    };
    words
        .filter(|word| !hexadecimal(word))
        .flat_map(|word| word.split(|it: char| !it.is_ascii_digit()))
        .any(|run| {
            (13..=19).contains(&run.len()) && begins_as_cards_do(run) && check_digit_holds(run)
        })
}

/// The ranges that card schemes issue from. Dates (2026...) and times since 1970 lie outside.
fn begins_as_cards_do(digits: &str) -> bool {
    let first = digits.get(..4).and_then(|first| first.parse::<u16>().ok());
    first.is_some_and(|first| {
        matches!(first, 2200..=2204 | 2221..=2720 | 3000..=3099 | 3400..=6999 | 8100..=8299)
    })
}

#[expect(clippy::arithmetic_side_effects, reason = "19 digits sum to 171 at most")]
fn check_digit_holds(digits: &str) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let digits = digits.chars().rev().filter_map(|it| it.to_digit(10)).enumerate();
    let sum: u32 =
        digits.map(|(place, digit)| if place % 2 == 1 { doubled(digit) } else { digit }).sum();
    sum.is_multiple_of(10)
}

/// A card's expiry: the last month in which it is good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Expiry {
    year: u16,
    month: u8,
}

impl Expiry {
    /// An expiry from a four-digit year and a month.
    /// # Errors
    /// [`CardError::Expiry`] unless the year is 2000..=2099 and the month 1..=12.
    pub fn new(year: u16, month: u8) -> Result<Self, CardError> {
        if (2000..=2099).contains(&year) && (1..=12).contains(&month) {
            Ok(Self { year, month })
        } else {
            Err(CardError::Expiry)
        }
    }

    /// Reads `YYYY-MM` (ISO 8601).
    /// # Errors
    /// [`CardError::Expiry`] for anything else.
    pub fn parse_iso(text: &str) -> Result<Self, CardError> {
        let (year, month) = text.split_once('-').ok_or(CardError::Expiry)?;
        if year.len() != 4
            || month.len() != 2
            || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
        {
            return Err(CardError::Expiry);
        }
        let year = year.parse().map_err(|_| CardError::Expiry)?;
        let month = month.parse().map_err(|_| CardError::Expiry)?;
        Self::new(year, month)
    }

    /// The four-digit year.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1..=12.
    pub fn month(self) -> u8 {
        self.month
    }
}

/// A card verification value (CVV2, CVC2, CVN2): 3 or 4 digits. Sensitive authentication data: it has
/// no text form, is in no record, and is wiped when it was sent or its deadline passed (PCI DSS 3.3).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecurityCode(String);

impl SecurityCode {
    /// Reads a security code.
    /// # Errors
    /// [`CardError::SecurityCode`] unless it is 3 or 4 digits.
    pub fn parse(text: &str) -> Result<Self, CardError> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !(3..=4).contains(&text.len()) {
            return Err(CardError::SecurityCode);
        }
        Ok(Self(text.into()))
    }

    /// The digits in clear, for the one host frame that carries them.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The proof of a 3-D Secure authentication (CAVV, AAV; EMV 3-D Secure `authenticationValue`): 20 bytes
/// as base64, 28 characters. Kept like a security code: no text form, in no record, wiped when sent.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Cavv(String);

impl Cavv {
    /// Reads 28 characters of base64.
    /// # Errors
    /// [`CardError::Cavv`] for anything else.
    pub fn parse(text: &str) -> Result<Self, CardError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        match text.as_bytes() {
            [content @ .., b'='] if content.len() == 27 && content.iter().all(|it| fits(*it)) => {
                Ok(Self(text.into()))
            }
            _ => Err(CardError::Cavv),
        }
    }

    /// The text in clear, for the one host frame that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What travels beside the engine to the one host frame that carries it, and is then wiped.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The card verification value, if the merchant gave one.
    pub security_code: Option<SecurityCode>,
    /// The proof of a 3-D Secure authentication, if the merchant gave one.
    pub cavv: Option<Cavv>,
}

impl Secrets {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.security_code.is_none() && self.cavv.is_none()
    }
}

/// A card as the journal knows it: enough to show, to recognise and, through the key store, to
/// unseal for the host frame; never the clear number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardRef {
    /// First six digits.
    pub bin: String,
    /// Last four digits.
    pub last4: String,
    /// HMAC-SHA-256 of the whole number under a key of the key store: equal cards have equal hashes
    /// (PCI DSS 3.5.1.1: keyed, over the whole number).
    pub hash: CardHash,
    /// The card's expiry.
    pub expiry: Expiry,
    /// The number sealed by AES-256-GCM under a data key of the key store; opaque here.
    pub sealed: Vec<u8>,
}

/// The keyed hash of a card number, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CardHash(pub [u8; 32]);

impl fmt::Debug for CardHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardHash(…)")
    }
}

/// Why card data was refused. Never holds the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// Not a card number.
    #[error("card number of {length} characters: 12 to 19 digits are expected")]
    Pan {
        /// How long the refused text was.
        length: usize,
    },
    /// Not an expiry.
    #[error("expiry: YYYY-MM with a year from 2000 to 2099 is expected")]
    Expiry,
    /// Not a security code.
    #[error("security code: 3 or 4 digits are expected")]
    SecurityCode,
    /// Not a CAVV.
    #[error("authentication value: 28 characters of base64 (20 bytes) are expected")]
    Cavv,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_number_in_a_text_is_seen() {
        assert!(has_card_number("4000000000000002"));
        assert!(has_card_number("card 4000000000000002 back"));
        assert!(!has_card_number("4000000000000003"));
        assert!(!has_card_number("order 20261122-0042, STAN 000123"));
        assert!(has_card_number("order4000000000000002"));
        assert!(has_card_number("2223000048400011"), "a card of the 2-series");
    }

    #[test]
    fn keys_as_programs_make_them_are_no_card_numbers() {
        let date = "2026112200000015";
        let time_ms = "1732300000004";
        assert!(check_digit_holds(date) && check_digit_holds(time_ms));
        for key in ["ab4000000000000002cd", "00000000-0000-0000-0000-400000000000", date, time_ms] {
            assert!(!has_card_number(key), "{key}");
        }
    }
}
