//! Our public keys as merchants fetch them: a JSON Web Key Set (RFC 7517; RFC 8037 for `OKP`).

use super::{PublicKey, PublicMaterial, Purpose};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// The key set of these keys: `{"keys":[...]}`.
pub fn jwks(keys: &[PublicKey]) -> Value {
    json!({ "keys": keys.iter().map(jwk).collect::<Vec<Value>>() })
}

fn jwk(key: &PublicKey) -> Value {
    let kid = &key.id;
    let b64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let (usage, alg) = match (key.purpose, &key.material) {
        (Purpose::Sign(algorithm), _) => ("sig", algorithm.jose_name()),
        (Purpose::Encrypt, PublicMaterial::Rsa { .. }) => ("enc", "RSA-OAEP-256"),
        (Purpose::Encrypt, _) => ("enc", "ECDH-ES"),
    };
    match &key.material {
        PublicMaterial::Ed25519(x) => json!({
            "kty": "OKP", "crv": "Ed25519", "use": usage, "alg": alg, "kid": kid, "x": b64(x),
        }),
        PublicMaterial::P256 { x, y } => json!({
            "kty": "EC", "crv": "P-256", "use": usage, "alg": alg, "kid": kid,
            "x": b64(x), "y": b64(y),
        }),
        PublicMaterial::Rsa { modulus, exponent } => json!({
            "kty": "RSA", "use": usage, "alg": alg, "kid": kid,
            "n": b64(modulus), "e": b64(exponent),
        }),
    }
}
