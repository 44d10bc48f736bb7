//! Puts card data into a compact JWE (RFC 7516) for one of the gateway's published keys: by ECDH-ES on
//! P-256 (RFC 7518, 4.6) or by RSA-OAEP-256 (RFC 7518, 4.3), contents by A256GCM. The RSA comes from a
//! library that the gateway does not use, so that two implementations meet.

use super::published::{Published, PublishedKeys};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use data_encoding::BASE64URL_NOPAD as B64;
use rsa::{BigUint, Oaep, RsaPublicKey};
use serde_json::json;

/// How the content key travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// ECDH-ES, direct key agreement.
    EcdhEs,
    /// RSA-OAEP with SHA-256.
    RsaOaep256,
}

/// Why card data could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The gateway published no key for the recipe.
    #[error("the gateway publishes no encryption key for {0:?}")]
    NoKey(Recipe),
    /// A key or a library refused.
    #[error("the {0} could not be used")]
    Refused(&'static str),
}

type Made<T> = Result<T, EnvelopeError>;

/// Seals a plaintext. Returns the compact serialization.
/// # Errors
/// [`EnvelopeError`] if the gateway's keys do not serve.
pub fn seal(keys: &PublishedKeys, recipe: Recipe, plaintext: &[u8]) -> Made<String> {
    match recipe {
        Recipe::EcdhEs => {
            let (kid, x, y) = keys
                .list
                .iter()
                .find_map(|key| match key {
                    Published::P256 { kid, x, y } => Some((kid, x, y)),
                    _ => None,
                })
                .ok_or(EnvelopeError::NoKey(recipe))?;
            seal_by_agreement(kid, x, y, plaintext)
        }
        Recipe::RsaOaep256 => {
            let (kid, n, e) = keys
                .list
                .iter()
                .find_map(|key| match key {
                    Published::Rsa { kid, n, e } => Some((kid, n, e)),
                    _ => None,
                })
                .ok_or(EnvelopeError::NoKey(recipe))?;
            seal_by_rsa(kid, n, e, plaintext)
        }
    }
}

fn seal_by_agreement(kid: &str, x: &[u8], y: &[u8], plaintext: &[u8]) -> Made<String> {
    let refused = |_| EnvelopeError::Refused("gateway's P-256 key");
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(refused)?;
    let public = own.compute_public_key().map_err(refused)?;
    let (own_x, own_y) = public
        .as_ref()
        .split_first()
        .and_then(|(_, point)| point.split_at_checked(32))
        .ok_or(EnvelopeError::Refused("ephemeral key"))?;
    let header = json!({
        "alg": "ECDH-ES", "enc": "A256GCM", "kid": kid,
        "epk": {"kty": "EC", "crv": "P-256", "x": B64.encode(own_x), "y": B64.encode(own_y)},
    });
    let peer = UnparsedPublicKey::new(&ECDH_P256, [&[4], x, y].concat());
    let refused = EnvelopeError::Refused("gateway's P-256 key");
    let key = agree_ephemeral(own, peer, refused, |secret| Ok(concat_kdf(secret, "", "")))?;
    serialize(&header, "", &key, plaintext)
}

fn seal_by_rsa(kid: &str, n: &[u8], e: &[u8], plaintext: &[u8]) -> Made<String> {
    let refused = |_| EnvelopeError::Refused("gateway's RSA key");
    let key =
        RsaPublicKey::new(BigUint::from_bytes_be(n), BigUint::from_bytes_be(e)).map_err(refused)?;
    let mut content_key = [0; 32];
    aws_lc_rs::rand::fill(&mut content_key)
        .map_err(|_| EnvelopeError::Refused("machine's randomness"))?;
    let padding = Oaep::new::<rsa::sha2::Sha256>();
    let wrapped =
        key.encrypt(&mut rsa::rand_core::OsRng, padding, &content_key).map_err(refused)?;
    let header = json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": kid});
    serialize(&header, &B64.encode(&wrapped), &content_key, plaintext)
}

fn serialize(
    header: &serde_json::Value,
    encrypted_key: &str,
    content_key: &[u8],
    plaintext: &[u8],
) -> Made<String> {
    let refused = |_| EnvelopeError::Refused("content key");
    let header = B64.encode(header.to_string().as_bytes());
    let mut nonce = [0; 12];
    aws_lc_rs::rand::fill(&mut nonce).map_err(refused)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, content_key).map_err(refused)?);
    let mut text = plaintext.to_vec();
    let nonce_used = Nonce::assume_unique_for_key(nonce);
    let aad = Aad::from(header.as_bytes());
    let tag = key.seal_in_place_separate_tag(nonce_used, aad, &mut text).map_err(refused)?;
    let (nonce, text, tag) = (B64.encode(&nonce), B64.encode(&text), B64.encode(tag.as_ref()));
    Ok(format!("{header}.{encrypted_key}.{nonce}.{text}.{tag}"))
}

/// One round of the Concat KDF (NIST SP 800-56A, 5.8.1) as RFC 7518, 4.6.2 uses it, for a 256-bit key.
fn concat_kdf(secret: &[u8], apu: &str, apv: &str) -> [u8; 32] {
    concat_kdf_for("A256GCM", 256, secret, apu, apv)
}

fn concat_kdf_for(enc: &str, bits: u32, secret: &[u8], apu: &str, apv: &str) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&1_u32.to_be_bytes());
    hash.update(secret);
    for part in [enc, apu, apv] {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        hash.update(&length.to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(&bits.to_be_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(hash.finish().as_ref());
    key
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;
    use rsa::traits::PublicKeyParts as _;

    /// RFC 7518, appendix C: the agreed secret and the key derived from it for A128GCM.
    #[test]
    fn the_derivation_agrees_with_the_standards_example() {
        let secret = [
            158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49,
            110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
        ];
        let key = concat_kdf_for("A128GCM", 128, &secret, "Alice", "Bob");
        assert_eq!(B64.encode(&key[..16]), "VqqN6vgjbSBcIijNcacQGg");
    }

    fn open(compact: &str, key: &[u8]) -> Vec<u8> {
        let parts: Vec<&str> = compact.split('.').collect();
        let nonce: [u8; 12] = B64.decode(parts[2].as_bytes()).unwrap().try_into().unwrap();
        let mut sealed = B64.decode(parts[3].as_bytes()).unwrap();
        sealed.extend(B64.decode(parts[4].as_bytes()).unwrap());
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
        let aad = Aad::from(parts[0].as_bytes());
        key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).unwrap().to_vec()
    }

    #[test]
    fn an_rsa_envelope_opens_with_the_private_key() {
        let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let (n, e) = (private.n().to_bytes_be(), private.e().to_bytes_be());
        let keys = PublishedKeys { list: vec![Published::Rsa { kid: "r1".into(), n, e }] };
        let compact = seal(&keys, Recipe::RsaOaep256, b"card").unwrap();
        let wrapped = B64.decode(compact.split('.').nth(1).unwrap().as_bytes()).unwrap();
        let key = private.decrypt(Oaep::new::<rsa::sha2::Sha256>(), &wrapped).unwrap();
        assert_eq!(open(&compact, &key), b"card");
    }

    #[test]
    fn an_agreement_envelope_opens_with_the_private_key() {
        let private = aws_lc_rs::agreement::PrivateKey::generate(&ECDH_P256).unwrap();
        let public = private.compute_public_key().unwrap();
        let (x, y) = public.as_ref()[1..].split_at(32);
        let key = Published::P256 { kid: "e1".into(), x: x.to_vec(), y: y.to_vec() };
        let keys = PublishedKeys { list: vec![key] };
        let compact = seal(&keys, Recipe::EcdhEs, b"card").unwrap();
        let header = B64.decode(compact.split('.').next().unwrap().as_bytes()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        let point = |name: &str| B64.decode(header["epk"][name].as_str().unwrap().as_bytes());
        let peer = [&[4][..], &point("x").unwrap(), &point("y").unwrap()].concat();
        let peer = UnparsedPublicKey::new(&ECDH_P256, peer);
        let derive = |secret: &[u8]| Ok::<_, ()>(concat_kdf(secret, "", ""));
        let key = aws_lc_rs::agreement::agree(&private, peer, (), derive).unwrap();
        assert_eq!(open(&compact, &key), b"card");
        let missing = seal(&keys, Recipe::RsaOaep256, b"card").unwrap_err();
        assert!(matches!(missing, EnvelopeError::NoKey(Recipe::RsaOaep256)));
    }
}
