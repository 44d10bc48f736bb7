//! A merchant's signing key, made, kept and read.

use super::envelope::EnvelopeError;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::BASE64;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A merchant's signing key.
pub struct SigningKey {
    /// The key.
    pub pair: Ed25519KeyPair,
    /// Its public half as base64, for the gateway's configuration.
    pub public: String,
    pkcs8: Vec<u8>,
}

/// A fresh signing key.
/// # Errors
/// If the machine has no randomness.
pub fn signing_key() -> Result<SigningKey, EnvelopeError> {
    let refused = |_| EnvelopeError::Refused("randomness");
    let pair = Ed25519KeyPair::generate().map_err(refused)?;
    let pkcs8 = pair.to_pkcs8v1().map_err(refused)?.as_ref().to_vec();
    let public = BASE64.encode(pair.public_key().as_ref());
    Ok(SigningKey { pair, public, pkcs8 })
}

impl SigningKey {
    /// Keeps the key in a file that its owner alone may read: PKCS#8 as PEM (RFC 7468, section 10).
    /// # Errors
    /// Whatever writing says.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let text = BASE64.encode(&self.pkcs8);
        write!(file, "-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }

    /// Reads a kept key.
    /// # Errors
    /// Whatever reading says, or that the file holds no key.
    pub fn read(path: &Path) -> io::Result<Ed25519KeyPair> {
        let text = std::fs::read(path)?;
        PrivatePkcs8KeyDer::from_pem_slice(&text)
            .ok()
            .and_then(|key| Ed25519KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no ed25519 key"))
    }
}
