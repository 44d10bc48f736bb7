//! The keys that the gateway publishes (RFC 7517), as a merchant reads them.

use super::key::Algorithm;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD as B64;
use rsa::sha2::{Sha256, Sha512};
use rsa::signature::Verifier as _;
use rsa::{BigUint, RsaPublicKey};
use serde_json::Value;

/// One published key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// To encrypt for by ECDH-ES: the point's coordinates, 32 bytes each.
    P256 {
        /// Its id.
        kid: String,
        /// x.
        x: Vec<u8>,
        /// y.
        y: Vec<u8>,
    },
    /// To encrypt for by RSA-OAEP-256.
    Rsa {
        /// Its id.
        kid: String,
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// Under which the gateway signs.
    Signing {
        /// Its id.
        kid: String,
        /// The key.
        key: VerifyingKey,
    },
}

/// A key under which the gateway signs, for one algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyingKey {
    /// 32 bytes.
    Ed25519(Vec<u8>),
    /// An uncompressed point.
    P256(Vec<u8>),
    /// For rsa-pss-sha512.
    RsaPss(RsaPublicKey),
    /// For rsa-v1_5-sha256.
    RsaV15(RsaPublicKey),
}

impl VerifyingKey {
    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::P256(_) => Algorithm::EcdsaP256Sha256,
            Self::RsaPss(_) => Algorithm::RsaPssSha512,
            Self::RsaV15(_) => Algorithm::RsaV15Sha256,
        }
    }

    /// Whether this is a signature over the base.
    pub fn verifies(&self, base: &[u8], value: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(base, value).is_ok(),
            Self::P256(key) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(base, value).is_ok()
            }
            Self::RsaPss(key) => {
                let key = rsa::pss::VerifyingKey::<Sha512>::new(key.clone());
                let value = rsa::pss::Signature::try_from(value);
                value.is_ok_and(|value| key.verify(base, &value).is_ok())
            }
            Self::RsaV15(key) => {
                let key = rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key.clone());
                let value = rsa::pkcs1v15::Signature::try_from(value);
                value.is_ok_and(|value| key.verify(base, &value).is_ok())
            }
        }
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishedKeys {
    /// In the order of the document.
    pub list: Vec<Published>,
}

impl PublishedKeys {
    /// Reads a JWK set. Keys of kinds that a merchant has no use for are passed over.
    /// # Errors
    /// A sentence, if it is no JWK set or a key lacks a part.
    pub fn read(document: &[u8]) -> Result<Self, String> {
        let document: Value =
            serde_json::from_slice(document).map_err(|fault| fault.to_string())?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or("no member \"keys\"")?;
        let mut list = Vec::new();
        for key in keys {
            let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or("");
            let bytes = |name: &str| {
                B64.decode(text(name).as_bytes())
                    .ok()
                    .filter(|bytes| !bytes.is_empty())
                    .ok_or_else(|| format!("key {}: member {name} is not base64url", text("kid")))
            };
            let kid = text("kid").to_owned();
            let rsa = || {
                let (n, e) = (bytes("n")?, bytes("e")?);
                RsaPublicKey::new(BigUint::from_bytes_be(&n), BigUint::from_bytes_be(&e))
                    .map_err(|fault| format!("key {kid}: {fault}"))
            };
            let signing = match (text("kty"), text("crv"), text("alg"), text("use")) {
                (_, _, _, "enc") => None,
                ("OKP", "Ed25519", "EdDSA", _) => Some(VerifyingKey::Ed25519(bytes("x")?)),
                ("EC", "P-256", "ES256", _) => {
                    Some(VerifyingKey::P256([vec![4], bytes("x")?, bytes("y")?].concat()))
                }
                ("RSA", _, "PS512", _) => Some(VerifyingKey::RsaPss(rsa()?)),
                ("RSA", _, "RS256", _) => Some(VerifyingKey::RsaV15(rsa()?)),
                _ => None,
            };
            match (signing, text("kty"), text("crv"), text("use")) {
                (Some(key), ..) => list.push(Published::Signing { kid, key }),
                (None, "EC", "P-256", "enc") => {
                    list.push(Published::P256 { kid, x: bytes("x")?, y: bytes("y")? });
                }
                (None, "RSA", _, "enc") => {
                    list.push(Published::Rsa { kid, n: bytes("n")?, e: bytes("e")? });
                }
                _ => {}
            }
        }
        Ok(Self { list })
    }

    /// The signing key with this id.
    pub fn signing(&self, id: &str) -> Option<&VerifyingKey> {
        self.list.iter().find_map(|key| match key {
            Published::Signing { kid, key } if kid == id => Some(key),
            _ => None,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_key_set_is_read_and_a_broken_one_is_refused() {
        let document = br#"{"keys":[
            {"kty":"OKP","crv":"Ed25519","kid":"s","use":"sig","alg":"EdDSA","x":"AQID"},
            {"kty":"oct","kid":"unknown"},
            {"kty":"RSA","kid":"r","use":"enc","n":"AQID","e":"AQAB"}]}"#;
        let keys = PublishedKeys::read(document).unwrap();
        assert_eq!(keys.signing("s"), Some(&VerifyingKey::Ed25519(vec![1, 2, 3])));
        assert_eq!(keys.signing("r"), None);
        assert_eq!(keys.list.len(), 2);
        let broken = br#"{"keys":[{"kty":"RSA","kid":"r","use":"enc","n":"A=","e":"AQAB"}]}"#;
        assert!(PublishedKeys::read(broken).unwrap_err().contains("member n"));
    }
}
