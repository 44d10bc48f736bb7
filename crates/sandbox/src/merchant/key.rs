//! A merchant's signing key, made, kept and read. Its RSA comes from a library that the gateway does
//! not use, so that two implementations meet.

use super::envelope::EnvelopeError;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use data_encoding::BASE64;
use rsa::RsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::rand_core::OsRng;
use rsa::sha2::{Sha256, Sha512};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The smallest that the gateway takes: the bigger, the longer its making.
const RSA_BITS: usize = 2048;

/// A signature algorithm (RFC 9421, 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// EdDSA on edwards25519.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// ECDSA on P-256, r and s in 32 bytes each.
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    /// RSASSA-PSS, salt of 64 bytes.
    #[serde(rename = "rsa-pss-sha512")]
    RsaPssSha512,
    /// RSASSA-PKCS1-v1_5.
    #[serde(rename = "rsa-v1_5-sha256")]
    RsaV15Sha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Ed25519, Self::EcdsaP256Sha256, Self::RsaPssSha512, Self::RsaV15Sha256];

    /// Its name in RFC 9421.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaV15Sha256 => "rsa-v1_5-sha256",
        }
    }
}

/// A merchant's signing key.
pub struct SigningKey {
    pair: Pair,
    /// Its public half for the gateway's configuration: 32 bytes (ed25519) or a `SubjectPublicKeyInfo`,
    /// as base64.
    pub public: String,
    pkcs8: Vec<u8>,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    RsaPss(Box<rsa::pss::SigningKey<Sha512>>),
    RsaV15(Box<rsa::pkcs1v15::SigningKey<Sha256>>),
}

/// A fresh signing key.
/// # Errors
/// If the machine has no randomness.
pub fn signing_key(algorithm: Algorithm) -> Result<SigningKey, EnvelopeError> {
    let refused = |_| EnvelopeError::Refused("randomness");
    let pkcs8 = match algorithm {
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(refused)?;
            pair.to_pkcs8v1().map_err(refused)?.as_ref().to_vec()
        }
        Algorithm::EcdsaP256Sha256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(refused)?;
            pair.to_pkcs8v1().map_err(refused)?.as_ref().to_vec()
        }
        Algorithm::RsaPssSha512 | Algorithm::RsaV15Sha256 => {
            let refused = || EnvelopeError::Refused("randomness");
            let key = RsaPrivateKey::new(&mut OsRng, RSA_BITS).map_err(|_| refused())?;
            key.to_pkcs8_der().map_err(|_| refused())?.as_bytes().to_vec()
        }
    };
    SigningKey::from_pkcs8(algorithm, pkcs8).ok_or(EnvelopeError::Refused("fresh key"))
}

impl SigningKey {
    fn from_pkcs8(algorithm: Algorithm, pkcs8: Vec<u8>) -> Option<Self> {
        let rsa = || RsaPrivateKey::from_pkcs8_der(&pkcs8).ok();
        let spki = |key: &RsaPrivateKey| {
            Some(BASE64.encode(key.to_public_key().to_public_key_der().ok()?.as_bytes()))
        };
        let (pair, public) = match algorithm {
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).ok()?;
                let public = BASE64.encode(pair.public_key().as_ref());
                (Pair::Ed25519(pair), public)
            }
            Algorithm::EcdsaP256Sha256 => {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(curve, &pkcs8).ok()?;
                let public = BASE64.encode(&p256_spki(pair.public_key().as_ref()));
                (Pair::P256(pair), public)
            }
            Algorithm::RsaPssSha512 => {
                let key = rsa()?;
                let public = spki(&key)?;
                (Pair::RsaPss(Box::new(rsa::pss::SigningKey::new(key))), public)
            }
            Algorithm::RsaV15Sha256 => {
                let key = rsa()?;
                let public = spki(&key)?;
                (Pair::RsaV15(Box::new(rsa::pkcs1v15::SigningKey::new(key))), public)
            }
        };
        Some(Self { pair, public, pkcs8 })
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Ed25519(_) => Algorithm::Ed25519,
            Pair::P256(_) => Algorithm::EcdsaP256Sha256,
            Pair::RsaPss(_) => Algorithm::RsaPssSha512,
            Pair::RsaV15(_) => Algorithm::RsaV15Sha256,
        }
    }

    /// Signs. Without randomness there is no signature, and the gateway will say so.
    pub fn sign(&self, base: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ed25519(pair) => pair.sign(base).as_ref().to_vec(),
            Pair::P256(pair) => pair
                .sign(&SystemRandom::new(), base)
                .map(|value| value.as_ref().to_vec())
                .unwrap_or_default(),
            Pair::RsaPss(key) => {
                let value = key.try_sign_with_rng(&mut OsRng, base);
                value.map(|value| value.to_vec()).unwrap_or_default()
            }
            Pair::RsaV15(key) => {
                let value = key.try_sign_with_rng(&mut OsRng, base);
                value.map(|value| value.to_vec()).unwrap_or_default()
            }
        }
    }

    /// Keeps the key in a file that its owner alone may read: PKCS#8 as PEM (RFC 7468, section 10).
    /// # Errors
    /// Whatever writing says.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "-----BEGIN PRIVATE KEY-----")?;
        for line in BASE64.encode(&self.pkcs8).as_bytes().chunks(64) {
            file.write_all(line)?;
            writeln!(file)?;
        }
        writeln!(file, "-----END PRIVATE KEY-----")
    }

    /// Reads a kept key of this algorithm.
    /// # Errors
    /// Whatever reading says, or that the file holds no such key.
    pub fn read(path: &Path, algorithm: Algorithm) -> io::Result<Self> {
        let text = std::fs::read(path)?;
        PrivatePkcs8KeyDer::from_pem_slice(&text)
            .ok()
            .and_then(|key| Self::from_pkcs8(algorithm, key.secret_pkcs8_der().to_vec()))
            .ok_or_else(|| {
                let fault = format!("no {} key", algorithm.name());
                io::Error::new(io::ErrorKind::InvalidData, fault)
            })
    }
}

/// A point of P-256 as `SubjectPublicKeyInfo` (RFC 5480).
fn p256_spki(point: &[u8]) -> Vec<u8> {
    const HEAD: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    [&HEAD, point].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        for algorithm in Algorithm::ALL {
            let path = folder.path().join(algorithm.name());
            let key = signing_key(algorithm).unwrap();
            key.keep(&path).unwrap();
            let read = SigningKey::read(&path, algorithm).unwrap();
            assert_eq!((&read.public, read.algorithm()), (&key.public, algorithm));
            if algorithm == Algorithm::Ed25519 {
                assert!(SigningKey::read(&path, Algorithm::RsaPssSha512).is_err());
            }
        }
    }
}
