//! Public keys of merchants: read from the forms that configuration allows, used to verify.

use super::SignatureError;
use crate::keys::algorithm::Algorithm;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};
use data_encoding::BASE64;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt;
use std::sync::OnceLock;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// `id-Ed25519` (RFC 8410).
const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// `id-ecPublicKey` (RFC 5480).
const EC_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` (RFC 5480).
const P256_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `rsaEncryption` (RFC 3279).
const RSA_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The smallest and the largest RSA modulus, in bits: below, it can be broken; above, verifying takes
/// longer than a stranger's request may.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A public key together with the one algorithm that it is used for.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    /// The key without its wrapping: 32 bytes, an uncompressed point, or an `RSAPublicKey`.
    bytes: Vec<u8>,
    parsed: ParsedPublicKey,
}

/// Why a text is no public key for an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyingKeyError {
    /// Neither PEM nor base64.
    #[error("neither a PEM public key (BEGIN PUBLIC KEY) nor base64")]
    Text,
    /// No `SubjectPublicKeyInfo` (RFC 5280, 4.1.2.7).
    #[error("no SubjectPublicKeyInfo")]
    Form,
    /// A key for something else.
    #[error("a key of another kind than {} takes", .0.name())]
    Kind(Algorithm),
    /// An RSA modulus that is too short or too long.
    #[error("an RSA modulus of {bits} bits; 2048 to 4096 are expected")]
    RsaBits {
        /// How long it is.
        bits: usize,
    },
    /// Numbers that make no key.
    #[error("its numbers make no public key")]
    Numbers,
}

impl VerifyingKey {
    /// Reads a key from what configuration holds: a PEM `SubjectPublicKeyInfo`, the base64 of one in
    /// DER, or for ed25519 also the base64 of the 32 raw bytes.
    /// # Errors
    /// [`VerifyingKeyError`] naming what is wrong.
    pub fn read(algorithm: Algorithm, text: &str) -> Result<Self, VerifyingKeyError> {
        if text.contains("-----BEGIN") {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes());
            return Self::from_spki(algorithm, &der.map_err(|_| VerifyingKeyError::Text)?);
        }
        let text: String = text.split_ascii_whitespace().collect();
        let bytes = BASE64.decode(text.as_bytes()).map_err(|_| VerifyingKeyError::Text)?;
        match (algorithm, bytes.len()) {
            (Algorithm::Ed25519, 32) => Self::from_bytes(algorithm, bytes),
            _ => Self::from_spki(algorithm, &bytes),
        }
    }

    /// Reads a key from a DER `SubjectPublicKeyInfo`.
    /// # Errors
    /// [`VerifyingKeyError`] naming what is wrong.
    pub fn from_spki(algorithm: Algorithm, der: &[u8]) -> Result<Self, VerifyingKeyError> {
        let spki = SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| VerifyingKeyError::Form)?;
        let oid = spki.algorithm.oid;
        let parameters = spki.algorithm.parameters.as_ref();
        let fits = match algorithm {
            Algorithm::Ed25519 => oid == ED25519_OID && parameters.is_none(),
            Algorithm::EcdsaP256Sha256 => {
                let curve = parameters.and_then(|held| held.decode_as().ok());
                oid == EC_OID && curve == Some(P256_OID)
            }
            Algorithm::RsaPssSha512 | Algorithm::RsaV15Sha256 => {
                oid == RSA_OID && parameters.is_none_or(|held| held.is_null())
            }
        };
        if !fits {
            return Err(VerifyingKeyError::Kind(algorithm));
        }
        let bytes = spki.subject_public_key.as_bytes().ok_or(VerifyingKeyError::Form)?;
        Self::from_bytes(algorithm, bytes.to_vec())
    }

    fn from_bytes(algorithm: Algorithm, bytes: Vec<u8>) -> Result<Self, VerifyingKeyError> {
        let with: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::Ed25519 => &ED25519,
            Algorithm::EcdsaP256Sha256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
            Algorithm::RsaV15Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        if matches!(algorithm, Algorithm::RsaPssSha512 | Algorithm::RsaV15Sha256) {
            let bits = modulus_bits(&bytes).ok_or(VerifyingKeyError::Form)?;
            if !RSA_BITS.contains(&bits) {
                return Err(VerifyingKeyError::RsaBits { bits });
            }
        }
        let parsed = ParsedPublicKey::new(with, &bytes).map_err(|_| VerifyingKeyError::Numbers)?;
        Ok(Self { algorithm, bytes, parsed })
    }

    /// The algorithm, which no message can choose.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key without its wrapping.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Verifies a signature.
    /// # Errors
    /// [`SignatureError::Forged`] if it is not this key's over this message.
    pub fn verify(&self, message: &[u8], value: &[u8]) -> Result<(), SignatureError> {
        self.parsed.verify_sig(message, value).map_err(|_| SignatureError::Forged)
    }

    /// A key whose private half is printed in a standard, to verify with when the named key is
    /// unknown: what verifies under it is refused all the same.
    pub fn decoy(algorithm: Algorithm) -> Option<&'static Self> {
        static DECOYS: OnceLock<Vec<VerifyingKey>> = OnceLock::new();
        let decoys = DECOYS.get_or_init(|| {
            let pairs = Algorithm::ALL.into_iter().map(|one| (one, published(one)));
            pairs.filter_map(|(one, text)| Self::read(one, text).ok()).collect()
        });
        decoys.iter().find(|decoy| decoy.algorithm == algorithm)
    }

    /// Whether anybody can sign with it, since a standard prints its private half.
    pub fn is_published(&self) -> bool {
        Self::decoy(self.algorithm).is_some_and(|decoy| decoy.bytes == self.bytes)
    }
}

/// The test keys of RFC 9421, appendix B.1.
fn published(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
        Algorithm::EcdsaP256Sha256 => {
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAx\
             zic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ=="
        }
        Algorithm::RsaPssSha512 | Algorithm::RsaV15Sha256 => {
            "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40g\
             jUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAv\
             Lkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+b\
             J9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4\
             aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB"
        }
    }
}

/// The length of the modulus of an `RSAPublicKey` (RFC 8017, A.1.1).
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(der).ok()?;
    let modulus = reader.sequence(|inner| {
        let modulus = UintRef::decode(inner)?.as_bytes();
        UintRef::decode(inner)?;
        Ok::<_, x509_cert::der::Error>(modulus)
    });
    let modulus = modulus.ok()?;
    let empty = modulus.first()?.leading_zeros();
    modulus.len().checked_mul(8)?.checked_sub(usize::try_from(empty).ok()?)
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.bytes == other.bytes
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {} bytes)", self.algorithm.name(), self.bytes.len())
    }
}
