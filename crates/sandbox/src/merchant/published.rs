//! The keys that the gateway publishes (RFC 7517), as a merchant reads them.

use data_encoding::BASE64URL_NOPAD as B64;
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
    /// Under which the gateway signs: 32 bytes.
    Ed25519 {
        /// Its id.
        kid: String,
        /// The key.
        x: Vec<u8>,
    },
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
            match (text("kty"), text("crv"), text("use")) {
                ("EC", "P-256", "enc" | "") => {
                    list.push(Published::P256 { kid, x: bytes("x")?, y: bytes("y")? });
                }
                ("RSA", _, "enc" | "") => {
                    list.push(Published::Rsa { kid, n: bytes("n")?, e: bytes("e")? });
                }
                ("OKP", "Ed25519", "sig" | "") => {
                    list.push(Published::Ed25519 { kid, x: bytes("x")? });
                }
                _ => {}
            }
        }
        Ok(Self { list })
    }

    /// The signing key with this id.
    pub fn signing(&self, id: &str) -> Option<&[u8]> {
        self.list.iter().find_map(|key| match key {
            Published::Ed25519 { kid, x } if kid == id => Some(x.as_slice()),
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
            {"kty":"OKP","crv":"Ed25519","kid":"s","use":"sig","x":"AQID"},
            {"kty":"oct","kid":"unknown"},
            {"kty":"RSA","kid":"r","use":"enc","n":"AQID","e":"AQAB"}]}"#;
        let keys = PublishedKeys::read(document).unwrap();
        assert_eq!(keys.signing("s"), Some([1, 2, 3].as_slice()));
        assert_eq!(keys.signing("r"), None);
        assert_eq!(keys.list.len(), 2);
        let broken = br#"{"keys":[{"kty":"RSA","kid":"r","use":"enc","n":"A=","e":"AQAB"}]}"#;
        assert!(PublishedKeys::read(broken).unwrap_err().contains("member n"));
    }
}
