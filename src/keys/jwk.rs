//! Our public keys as merchants fetch them: a JSON Web Key Set (RFC 7517; RFC 8037 for `OKP`).

use super::{PublicKey, PublicMaterial};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// The key set of these keys: `{"keys":[...]}`.
pub fn jwks(keys: &[PublicKey]) -> Value {
    json!({ "keys": keys.iter().map(jwk).collect::<Vec<Value>>() })
}

fn jwk(key: &PublicKey) -> Value {
    let kid = &key.id;
    let b64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    match &key.material {
        PublicMaterial::Ed25519(x) => json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": b64(x),
        }),
        PublicMaterial::P256 { x, y } => json!({
            "kty": "EC", "crv": "P-256", "use": "enc", "alg": "ECDH-ES", "kid": kid,
            "x": b64(x), "y": b64(y),
        }),
        PublicMaterial::Rsa { modulus, exponent } => json!({
            "kty": "RSA", "use": "enc", "alg": "RSA-OAEP-256", "kid": kid,
            "n": b64(modulus), "e": b64(exponent),
        }),
    }
}
