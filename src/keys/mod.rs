//! Keys: who holds them and what may be asked of them. Nothing outside this folder sees a key's bytes.
//!
//! [`KeyStore`] is the seam: today a sealed file ([`sealed_file`]), later PKCS#11. Its calls compute or
//! block, so they run on a [`pool::WorkerPool`] only, never on an I/O thread or in the engine. Types
//! that hold key material have no `Debug` and are wiped on drop.

pub mod algorithm;
pub mod jwk;
mod material;
pub mod pool;
pub mod ring;
pub mod sealed_file;
pub mod signing;

pub use jwk::jwks;

use algorithm::Algorithm;
use tidegate_payment::card::{CardHash, CardRef, Pan};
use zeroize::Zeroizing;

/// What may be asked of the bank's keys. Every call may take as long as a slow security module does.
pub trait KeyStore: Send + Sync {
    /// Seals a card number under the data key in use, and hashes it.
    /// # Errors
    /// [`KeyError::Operation`] if the random source or the cipher fails.
    fn seal(&self, pan: &Pan) -> Result<SealedCard, KeyError>;

    /// Opens what [`KeyStore::seal`] made, for the host frame.
    /// # Errors
    /// [`KeyError::UnknownKey`] for a data key that is not held, [`KeyError::SealedCard`] if the bytes
    /// were changed, or belong to a card with another hash.
    fn unseal(&self, card: &CardRef) -> Result<Pan, KeyError>;

    /// The keyed hash by which equal cards are recognised: HMAC-SHA-256 over the digits.
    fn card_hash(&self, pan: &Pan) -> CardHash;

    /// The id of the key that signs answers by this algorithm, for the `keyid` that the signature
    /// covers. None if there is no such key.
    fn response_key(&self, algorithm: Algorithm) -> Option<&str>;

    /// Signs an answer to a merchant, by the algorithm that the key is for.
    /// # Errors
    /// [`KeyError::UnknownKey`] if `key` signs no answers.
    fn sign_response(&self, key: &str, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// ECDH on P-256 with one of our encryption keys (JWE `ECDH-ES`): the 32 bytes of the shared
    /// point's x coordinate. `peer` is an uncompressed point, 65 bytes, checked to lie on the curve.
    /// # Errors
    /// [`KeyError::UnknownKey`], or [`KeyError::Operation`] for a point that is none.
    fn agree(&self, key: &str, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError>;

    /// Unwraps a content key with RSA-OAEP, SHA-256 (JWE `RSA-OAEP-256`).
    /// # Errors
    /// [`KeyError::UnknownKey`], or [`KeyError::Operation`] for whatever does not unwrap.
    fn unwrap_key(&self, key: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError>;

    /// All public keys that merchants may use, those in use first.
    fn public_keys(&self) -> Vec<PublicKey>;

    /// A name for the card hash key, from which nothing can be learned of it: a journal written under
    /// one key is useless under another, since equal cards would no longer have equal hashes.
    fn binding(&self) -> String;

    /// Whether these are the throw-away keys of `keys-example`, which production mode refuses.
    fn is_example(&self) -> bool;
}

/// A card number as it may be kept: the sealed number and its keyed hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCard {
    /// The keyed hash.
    pub hash: CardHash,
    /// The sealed number; its form is told in [`ring`].
    pub sealed: Vec<u8>,
}

/// A public key that merchants may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's id (`kid`): the first 8 bytes of the SHA-256 of its public bytes, in hex.
    pub id: String,
    /// What merchants do with it.
    pub purpose: Purpose,
    /// The key itself.
    pub material: PublicMaterial,
}

/// What a public key of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Verifies our answers, by this algorithm alone.
    Sign(Algorithm),
    /// Encrypts card data for us: `ECDH-ES` on P-256, `RSA-OAEP-256` with RSA.
    Encrypt,
}

/// The bytes of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicMaterial {
    /// On edwards25519 (RFC 8032): 32 bytes.
    Ed25519(Vec<u8>),
    /// The coordinates of a P-256 point, 32 bytes each, big-endian.
    P256 {
        /// The x coordinate.
        x: Vec<u8>,
        /// The y coordinate.
        y: Vec<u8>,
    },
    /// RSA; both numbers big-endian without leading zeros.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
    },
}

/// Why a key operation failed. Never holds a key or a card number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key of this id for this use.
    #[error("no key {id:?} for {purpose}")]
    UnknownKey {
        /// The id that was asked for.
        id: String,
        /// For what.
        purpose: &'static str,
    },
    /// The cryptographic operation failed; deliberately without a reason.
    #[error("{what} failed")]
    Operation {
        /// Which operation.
        what: &'static str,
    },
    /// A sealed card number could not be opened: changed, or not this card's.
    #[error("a sealed card number does not open: its bytes, its hash or its key id were changed")]
    SealedCard,
}
