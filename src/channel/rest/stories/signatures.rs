//! Stories of merchants' keys: every algorithm, roll-over, revocation, client certificates. RSA keys
//! of merchants are made by aws-lc-rs; that a stranger's signatures verify, the vectors of RFC 9421
//! and the sandbox's merchants show.

use super::world::{Message, Signs, World, check_signed_by, profile_with};
use super::*;
use crate::channel::client_certificate::{CertificateBinding, Subject};
use crate::channel::merchant::{MerchantKey, Validity};
use crate::channel::signature::VerifyingKey;
use crate::keys::algorithm::Algorithm;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA512, RsaKeyPair,
};
use data_encoding::BASE64;
use std::sync::OnceLock;

/// A merchant's key pair for one algorithm.
struct Pair {
    algorithm: Algorithm,
    kind: Kind,
}

enum Kind {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(&'static RsaKeyPair),
}

/// Two RSA keys for all stories: making one takes its time.
fn rsa_pair(number: usize) -> &'static RsaKeyPair {
    static PAIRS: OnceLock<[RsaKeyPair; 2]> = OnceLock::new();
    &PAIRS.get_or_init(|| [(), ()].map(|()| RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
        [number]
}

impl Pair {
    fn new(algorithm: Algorithm, number: usize) -> Self {
        let kind = match algorithm {
            Algorithm::Ed25519 => Kind::Ed25519(Ed25519KeyPair::generate().unwrap()),
            Algorithm::EcdsaP256Sha256 => {
                Kind::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
            }
            Algorithm::RsaPssSha512 | Algorithm::RsaV15Sha256 => Kind::Rsa(rsa_pair(number)),
        };
        Self { algorithm, kind }
    }

    /// The public key as `SubjectPublicKeyInfo` in base64.
    fn public(&self) -> String {
        let spki: PublicKeyX509Der<'_> = match &self.kind {
            Kind::Ed25519(pair) => pair.public_key().as_der().unwrap(),
            Kind::P256(pair) => pair.public_key().as_der().unwrap(),
            Kind::Rsa(pair) => pair.public_key().as_der().unwrap(),
        };
        BASE64.encode(spki.as_ref())
    }

    fn key(&self, id: &str, validity: Validity) -> MerchantKey {
        let key = VerifyingKey::read(self.algorithm, &self.public()).unwrap();
        MerchantKey::new(id, key, validity).unwrap()
    }
}

impl Signs for Pair {
    fn value(&self, base: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.kind {
            Kind::Ed25519(pair) => pair.sign(base).as_ref().to_vec(),
            Kind::P256(pair) => pair.sign(&random, base).unwrap().as_ref().to_vec(),
            Kind::Rsa(pair) => {
                let mut value = vec![0; pair.public_modulus_len()];
                let padding = match self.algorithm {
                    Algorithm::RsaPssSha512 => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                pair.sign(padding, &random, base, &mut value).unwrap();
                value
            }
        }
    }
}

const KEY: &str = "m-3003-2026";

/// A world with one more merchant, m-3003.
fn world_with(keys: Vec<MerchantKey>, change: impl Fn(&mut Merchant)) -> World {
    let mut merchant = profile_with("m-3003", keys);
    change(&mut merchant);
    World::with(1000, vec![merchant])
}

/// A payment that names this key.
fn payment(world: &World, key: &str) -> Message {
    let mut message = world.payment();
    message.key_id = key.into();
    message
}

#[track_caller]
fn refused(world: &World, answer: &Answer, reason: &str) {
    assert_eq!(*answer, Problem::not_authenticated().answer(5), "{reason}");
    assert_eq!(world.reasons(), [reason]);
    assert_eq!(asked(&world.core), 0, "{reason}");
}

/// The story of one algorithm, from the first payment to the forgeries.
async fn story(algorithm: Algorithm) {
    let (pair, stranger) = (Pair::new(algorithm, 0), Pair::new(algorithm, 1));
    let world = world_with(vec![pair.key(KEY, Validity::default())], |merchant| {
        merchant.response_algorithm = algorithm;
    });
    let answer = world.deliver(payment(&world, KEY).sign(&stranger)).await;
    refused(&world, &answer, "forged");

    let mut altered = payment(&world, KEY).sign(&pair);
    set(&mut altered, "idempotency-key", |_| "key-0002".into());
    refused(&world, &world.deliver(altered).await, "forged");
    let mut altered = payment(&world, KEY).sign(&pair);
    altered.body.push(b' ');
    refused(&world, &world.deliver(altered).await, "digest");

    for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
        // The message names another algorithm, and is even signed by it.
        let mut swapped = payment(&world, KEY);
        swapped.more += &format!(";alg=\"{}\"", other.name());
        let answer = world.deliver(swapped.sign(&Pair::new(other, 0))).await;
        refused(&world, &answer, "algorithm");
        let answer = world.deliver(payment(&world, KEY).sign(&Pair::new(other, 0))).await;
        refused(&world, &answer, "forged");
    }

    for more in ["", &format!(";alg=\"{}\"", algorithm.name())] {
        let mut message = payment(&world, KEY);
        message.more += more;
        let request = message.sign(&pair);
        let answer = world.deliver(request.clone()).await;
        assert_eq!(answer.status, 201, "{}", body(&answer));
        check_signed_by(algorithm, &answer, &request);
    }
    assert_eq!(world.core.asked.lock().unwrap()[1].request().merchant.as_str(), "m-3003");
}

#[tokio::test]
async fn ed25519_is_accepted_from_its_key_alone_and_answered_in_kind() {
    story(Algorithm::Ed25519).await;
}

#[tokio::test]
async fn ecdsa_p256_sha256_is_accepted_from_its_key_alone_and_answered_in_kind() {
    story(Algorithm::EcdsaP256Sha256).await;
}

#[tokio::test]
async fn rsa_pss_sha512_is_accepted_from_its_key_alone_and_answered_in_kind() {
    story(Algorithm::RsaPssSha512).await;
}

#[tokio::test]
async fn rsa_v1_5_sha256_is_accepted_from_its_key_alone_and_answered_in_kind() {
    story(Algorithm::RsaV15Sha256).await;
}

#[tokio::test]
async fn an_ecdsa_signature_in_der_is_refused() {
    let pair = Pair::new(Algorithm::EcdsaP256Sha256, 0);
    let world = world_with(vec![pair.key(KEY, Validity::default())], |_| {});
    struct InDer<'a>(&'a Pair);
    impl Signs for InDer<'_> {
        fn value(&self, base: &[u8]) -> Vec<u8> {
            let value = self.0.value(base);
            let integer = |half: &[u8]| [&[2, 33, 0][..], half].concat();
            let (r, s) = value.split_at(32);
            [vec![0x30, 70], integer(r), integer(s)].concat()
        }
    }
    let answer = world.deliver(payment(&world, KEY).sign(&InDer(&pair))).await;
    refused(&world, &answer, "forged");
}

#[tokio::test]
async fn two_keys_overlap_while_one_replaces_the_other() {
    let (old, new) = (Pair::new(Algorithm::Ed25519, 0), Pair::new(Algorithm::EcdsaP256Sha256, 0));
    let until = Validity { not_after_s: Some(NOW_S + 50), ..Validity::default() };
    let from = Validity { not_before_s: Some(NOW_S - 50), ..Validity::default() };
    let world = world_with(vec![old.key("old", until), new.key("new", from)], |_| {});
    let send = async |seconds: i64, key: &str| {
        world.clock_s.store(NOW_S + seconds, Ordering::SeqCst);
        let mut message = payment(&world, key);
        message.created_s = NOW_S + seconds;
        let pair = if key == "old" { &old } else { &new };
        let answer = world.deliver(message.sign(pair)).await;
        (answer.status, world.reasons())
    };
    assert_eq!(send(-51, "new").await, (401, vec!["key_not_yet"]));
    assert_eq!(send(-51, "old").await, (201, vec![]));
    for key in ["old", "new"] {
        assert_eq!(send(0, key).await, (201, vec![]));
    }
    assert_eq!(send(51, "old").await, (401, vec!["key_expired"]));
    assert_eq!(send(51, "new").await, (201, vec![]));
}

#[tokio::test]
async fn a_revoked_or_expired_key_looks_like_every_other_refusal_and_is_told_to_operators() {
    let ways = [
        ("key_revoked", Validity { revoked: true, ..Validity::default() }),
        ("key_expired", Validity { not_after_s: Some(NOW_S - 1), ..Validity::default() }),
        ("key_not_yet", Validity { not_before_s: Some(NOW_S + 1), ..Validity::default() }),
    ];
    for algorithm in Algorithm::ALL {
        let (pair, stranger) = (Pair::new(algorithm, 0), Pair::new(algorithm, 1));
        for (reason, validity) in ways {
            let world = world_with(vec![pair.key(KEY, validity)], |_| {});
            let answer = world.deliver(payment(&world, KEY).sign(&pair)).await;
            refused(&world, &answer, reason);
            // A forgery under such a key is a forgery: its owner did not sign.
            let answer = world.deliver(payment(&world, KEY).sign(&stranger)).await;
            refused(&world, &answer, "forged");
        }
    }
}

#[tokio::test]
async fn a_merchant_bound_to_a_client_certificate_is_refused_without_it() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = |names: &[&str]| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in names {
            params.distinguished_name.push(rcgen::DnType::CommonName, *name);
        }
        Some(params.self_signed(&key).unwrap().der().to_vec())
    };
    for algorithm in Algorithm::ALL {
        let pair = Pair::new(algorithm, 0);
        let world = world_with(vec![pair.key(KEY, Validity::default())], |merchant| {
            let subject = Subject::parse("CN=shop.example");
            merchant.client_certificate = Some(CertificateBinding { subject, spki_sha256: None });
        });
        let mut request = payment(&world, KEY).sign(&pair);
        refused(&world, &world.deliver(request.clone()).await, "client_certificate_missing");
        request.client_certificate = certificate(&["other.example"]);
        refused(&world, &world.deliver(request.clone()).await, "client_certificate_other");
        request.client_certificate = Some(vec![0x30, 0]);
        refused(&world, &world.deliver(request.clone()).await, "client_certificate_other");
        // None of these spent the nonce: with the right certificate the same bytes are good.
        request.client_certificate = certificate(&["shop.example"]);
        assert_eq!(world.deliver(request).await.status, 201);
        // Another merchant, bound to none, may come by any connection.
        let mut others = world.payment().sign(&world.merchant);
        others.client_certificate = certificate(&["other.example"]);
        assert_eq!(world.deliver(others).await.status, 201);
    }
}

#[tokio::test]
async fn an_answer_that_has_no_key_to_sign_with_is_not_sent() {
    let entries = crate::keys::ring::fresh_entries(0).unwrap();
    let lacking = crate::keys::ring::Kind::ResponseSigning(Algorithm::RsaPssSha512);
    let entries: Vec<_> = entries.into_iter().filter(|entry| entry.kind != lacking).collect();
    let ring = crate::keys::ring::KeyRing::build(&entries, true).unwrap();
    let pair = Pair::new(Algorithm::Ed25519, 0);
    let mut world = world_with(vec![pair.key(KEY, Validity::default())], |merchant| {
        merchant.response_algorithm = Algorithm::RsaPssSha512;
    });
    Arc::get_mut(&mut world.parts).unwrap().keys = Arc::new(ring);
    let mut asking = world.get("/v1/payments?order_id=A");
    asking.key_id = KEY.into();
    let answer = world.deliver(asking.sign(&pair)).await;
    assert_eq!((answer.status, header(&answer, "signature")), (503, None));
}
