//! Tokens for card numbers, so that evidence can be compared and kept without holding one.

use crate::iso::mask_card;
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;

/// Makes the same token for the same card number within one run; the key dies with the process.
#[derive(Clone)]
pub struct Tokens(hmac::Key);

impl Tokens {
    /// Tokens under a key that nobody knows.
    /// # Errors
    /// If the machine has no randomness.
    pub fn fresh() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new())?;
        Ok(Self(key))
    }

    /// The token: first six, last four, and the beginning of a keyed hash (HMAC-SHA-256).
    pub fn token(&self, number: &str) -> String {
        let tag = hmac::sign(&self.0, number.as_bytes());
        let hash = HEXLOWER.encode(tag.as_ref().get(..8).unwrap_or_default());
        format!("{}#{hash}", mask_card(number))
    }
}
