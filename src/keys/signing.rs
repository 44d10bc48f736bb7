//! The private keys that sign our answers to merchants, one kind for each algorithm of RFC 9421.

use super::algorithm::Algorithm;
use super::material::{point_material, rsa_numbers};
use super::ring::operation;
use super::{KeyError, PublicMaterial};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA512, RsaKeyPair,
};
use zeroize::Zeroizing;

/// The size of new RSA keys: 128 bits of security (NIST SP 800-57 part 1, table 2).
const RSA_SIZE: KeySize = KeySize::Rsa3072;

/// A key that signs answers by one algorithm.
pub(super) struct SigningKey {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// Makes a key: its public bytes, and the whole of it as PKCS#8.
pub(super) fn generate(algorithm: Algorithm) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), KeyError> {
    let made = |_| operation("making a key pair");
    let (public, document): (Vec<u8>, Pkcs8V1Der<'_>) = match algorithm {
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(made)?;
            (pair.public_key().as_ref().to_vec(), pair.as_der().map_err(made)?)
        }
        Algorithm::EcdsaP256Sha256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(made)?;
            let document = Zeroizing::new(pair.to_pkcs8v1().map_err(made)?.as_ref().to_vec());
            return Ok((pair.public_key().as_ref().to_vec(), document));
        }
        Algorithm::RsaPssSha512 | Algorithm::RsaV15Sha256 => {
            let pair = RsaKeyPair::generate(RSA_SIZE).map_err(made)?;
            (pair.public_key().as_ref().to_vec(), pair.as_der().map_err(made)?)
        }
    };
    Ok((public, Zeroizing::new(document.as_ref().to_vec())))
}

impl SigningKey {
    /// Reads a key from PKCS#8; none if it is not one for this algorithm.
    pub(super) fn read(algorithm: Algorithm, pkcs8: &[u8]) -> Option<Self> {
        let pair = match algorithm {
            Algorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).ok()?),
            Algorithm::EcdsaP256Sha256 => {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                Pair::P256(EcdsaKeyPair::from_pkcs8(curve, pkcs8).ok()?)
            }
            Algorithm::RsaPssSha512 | Algorithm::RsaV15Sha256 => {
                Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8).ok()?)
            }
        };
        Some(Self { algorithm, pair })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key: 32 bytes, an uncompressed point, or an `RSAPublicKey` (RFC 8017, A.1.1).
    pub(super) fn public_bytes(&self) -> &[u8] {
        match &self.pair {
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::P256(pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
        }
    }

    pub(super) fn public_material(&self) -> Option<PublicMaterial> {
        let bytes = self.public_bytes();
        match &self.pair {
            Pair::Ed25519(_) => Some(PublicMaterial::Ed25519(bytes.to_vec())),
            Pair::P256(_) => point_material(bytes),
            Pair::Rsa(_) => {
                let (modulus, exponent) = rsa_numbers(bytes)?;
                Some(PublicMaterial::Rsa { modulus, exponent })
            }
        }
    }

    /// Signs a message.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| operation("signing");
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.try_sign(message).map_err(failed)?.as_ref().to_vec()),
            Pair::P256(pair) => {
                let made = pair.sign(&SystemRandom::new(), message).map_err(failed)?;
                Ok(made.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let padding = match self.algorithm {
                    Algorithm::RsaPssSha512 => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut made).map_err(failed)?;
                Ok(made)
            }
        }
    }
}
