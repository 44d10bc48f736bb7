//! Vectors: RFC 7518, appendix C (key derivation), RFC 7516, appendix A.1 (its cipher part), and
//! messages made by an independent implementation; then what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::*;
use crate::keys::algorithm::Algorithm;
use crate::keys::{PublicKey, SealedCard};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use data_encoding::BASE64;
use tidegate_payment::card::{CardHash, CardRef, Pan};

const JWCRYPTO: &str = include_str!("jwcrypto.txt");

fn line(name: &str) -> &'static str {
    JWCRYPTO.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap()
}

fn b64(text: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
}

/// Holds two decryption keys, both under the id `k1`, and can do nothing else.
struct Vectors {
    ec: PrivateKey,
    rsa: OaepPrivateDecryptingKey,
}

impl Vectors {
    fn load() -> Self {
        let ec = PrivateKey::from_private_key(&ECDH_P256, &b64(line("ec_private"))).unwrap();
        let pkcs8 = BASE64.decode(line("rsa_private_pkcs8").as_bytes()).unwrap();
        let rsa = PrivateDecryptingKey::from_pkcs8(&pkcs8).unwrap();
        Self { ec, rsa: OaepPrivateDecryptingKey::new(rsa).unwrap() }
    }
}

const FAILED: KeyError = KeyError::Operation { what: "test" };

impl KeyStore for Vectors {
    fn seal(&self, _: &Pan) -> Result<SealedCard, KeyError> {
        Err(FAILED)
    }
    fn unseal(&self, _: &CardRef) -> Result<Pan, KeyError> {
        Err(FAILED)
    }
    fn card_hash(&self, _: &Pan) -> CardHash {
        CardHash([0; 32])
    }
    fn response_key(&self, _: Algorithm) -> Option<&str> {
        None
    }
    fn sign_response(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, KeyError> {
        Err(FAILED)
    }
    fn agree(&self, key: &str, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if key != "k1" {
            return Err(KeyError::UnknownKey { id: key.into(), purpose: "test" });
        }
        let peer = UnparsedPublicKey::new(&ECDH_P256, peer);
        agreement::agree(&self.ec, peer, FAILED, |secret| Ok(Zeroizing::new(secret.to_vec())))
    }
    fn unwrap_key(&self, key: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let mut room = vec![0; self.rsa.min_output_size()];
        let opened = self.rsa.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut room, None);
        match (key, opened) {
            ("k1", Ok(content)) => Ok(Zeroizing::new(content.to_vec())),
            _ => Err(FAILED),
        }
    }
    fn public_keys(&self) -> Vec<PublicKey> {
        Vec::new()
    }
    fn binding(&self) -> String {
        String::new()
    }

    fn is_example(&self) -> bool {
        true
    }
}

#[test]
fn rfc_7518_appendix_c_key_agreement() {
    let bob = b64("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw");
    let bob = PrivateKey::from_private_key(&ECDH_P256, &bob).unwrap();
    let epk = EphemeralKey {
        kty: "EC".into(),
        crv: "P-256".into(),
        x: "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0".into(),
        y: "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps".into(),
    };
    let alice = UnparsedPublicKey::new(&ECDH_P256, point(&epk).unwrap());
    let key = agreement::agree(&bob, alice, (), |secret| {
        Ok(concat_kdf(secret, "A128GCM", b"Alice", b"Bob"))
    });
    assert_eq!(key.unwrap()[..16], b64("VqqN6vgjbSBcIijNcacQGg"));
}

#[test]
fn rfc_7516_appendix_a_1_content_encryption() {
    let key = [
        177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7, 110,
        91, 112, 46, 34, 105, 47, 130, 203, 46, 122, 234, 64, 252,
    ];
    let header = b"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ";
    let mut content = Zeroizing::new(b64(
        "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A",
    ));
    let (nonce, tag) = (b64("48V1_ALb6US04U3b"), b64("XFBoMYUZodetZdvTiFvSkQ"));
    open_content(&key, header, &nonce, &mut content, &tag).unwrap();
    let wanted = b"The true sign of intelligence is not knowledge but imagination.";
    assert_eq!(content.as_slice(), wanted);
}

#[test]
fn messages_of_an_independent_implementation_open() {
    let keys = Vectors::load();
    for name in ["ec_jwe", "rsa_jwe"] {
        let content = open(line(name), &keys).unwrap();
        assert!(content.starts_with(b"{\"number\":\"4000000000000002\""), "{name}");
    }
}

#[test]
fn a_message_with_any_letter_changed_does_not_open() {
    let keys = Vectors::load();
    for name in ["ec_jwe", "rsa_jwe"] {
        let good = line(name).as_bytes();
        for place in 0..good.len() {
            let mut bad = good.to_vec();
            bad[place] = if bad[place] == b'A' { b'Q' } else { b'A' };
            let bad = String::from_utf8(bad).unwrap();
            assert!(open(&bad, &keys).is_err(), "{name}: letter {place} was changed");
        }
    }
}

/// The message with its header replaced.
fn with_header(name: &str, header: &str) -> String {
    let rest = line(name).split_once('.').unwrap().1;
    format!("{}.{rest}", BASE64URL_NOPAD.encode(header.as_bytes()))
}

#[test]
fn headers_that_are_not_on_the_list_are_refused_before_any_key_is_used() {
    let keys = Vectors::load();
    let epk = r#""epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#;
    let cases = [
        (r#"{"alg":"none","enc":"A256GCM","kid":"k1"}"#, JweError::Algorithm),
        (r#"{"alg":"RSA1_5","enc":"A256GCM","kid":"k1"}"#, JweError::Algorithm),
        (r#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"k1"}"#, JweError::Algorithm),
        (r#"{"alg":"dir","enc":"A256GCM","kid":"k1"}"#, JweError::Algorithm),
        (r#"{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kid":"k1"}"#, JweError::Algorithm),
        (r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k1","zip":"DEF"}"#, JweError::Header),
        (r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k1","crit":[]}"#, JweError::Header),
        (r#"{"alg":"RSA-OAEP-256","alg":"none","enc":"A256GCM","kid":"k1"}"#, JweError::Header),
        (r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#, JweError::Header),
        (r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k1","apu":"AA"}"#, JweError::Header),
        (r#"{"alg":"ECDH-ES","enc":"A256GCM","kid":"k1"}"#, JweError::Header),
    ];
    for (header, refused) in cases {
        assert_eq!(open(&with_header("rsa_jwe", header), &keys).err(), Some(refused), "{header}");
    }
    let short = format!(r#"{{"alg":"ECDH-ES","enc":"A256GCM","kid":"k1",{epk}}}"#);
    assert_eq!(open(&with_header("ec_jwe", &short), &keys).err(), Some(JweError::Header));
}

#[test]
fn a_point_off_the_curve_and_an_unknown_key_are_refused() {
    let keys = Vectors::load();
    let one = BASE64URL_NOPAD.encode(&[1; 32]);
    let header = |kid: &str| {
        format!(
            r#"{{"alg":"ECDH-ES","enc":"A256GCM","kid":"{kid}","epk":{{"kty":"EC","crv":"P-256","x":"{one}","y":"{one}"}}}}"#
        )
    };
    let off_curve = open(&with_header("ec_jwe", &header("k1")), &keys).unwrap_err();
    assert_eq!(off_curve, JweError::Key(FAILED));
    let unknown = open(&with_header("ec_jwe", &header("k2")), &keys).unwrap_err();
    assert_eq!(unknown.reason(), "jwe_unknown_key");
}

#[test]
fn odd_forms_are_refused() {
    let keys = Vectors::load();
    let good = line("rsa_jwe");
    let long = "A".repeat(JWE_BYTES_MAX + 1);
    let padded = format!("{good}==");
    let six = format!("{good}.AA");
    for bad in ["", "a.b.c.d", "....", good.trim_end_matches('.'), &long, &padded, &six] {
        if bad != good {
            assert!(open(bad, &keys).is_err(), "{bad}");
        }
    }
}
