//! The signature algorithms side by side: a merchant's request verified, an answer of ours signed. RSA
//! keys are of 2,048 bits for merchants and of 3,072 bits for us.

use crate::measure::Plan;
use crate::table::{Counts, Row};
use anyhow::Context as _;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use data_encoding::BASE64;
use tidegate::channel::signature::VerifyingKey;
use tidegate::keys::KeyStore;
use tidegate::keys::algorithm::Algorithm;

/// About the size of a signature base.
const MESSAGE: [u8; 500] = [0x5A; 500];

/// Measures each algorithm both ways.
pub fn measure(plan: &Plan, keys: &dyn KeyStore) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for algorithm in Algorithm::ALL {
        let (key, signature) = signed(algorithm)?;
        key.verify(&MESSAGE, &signature)?;
        let took = plan.time(|| key.verify(&MESSAGE, &signature).is_ok());
        let (verify, sign) = names(algorithm);
        rows.push(Row { name: verify, what: verify, counts: Counts::Beside, took });
        let ours = keys.response_key(algorithm).context("no key signs answers by it")?;
        keys.sign_response(ours, &MESSAGE)?;
        let took = plan.time(|| keys.sign_response(ours, &MESSAGE).is_ok());
        rows.push(Row { name: sign, what: sign, counts: Counts::Beside, took });
    }
    Ok(rows)
}

fn names(algorithm: Algorithm) -> (&'static str, &'static str) {
    match algorithm {
        Algorithm::Ed25519 => ("request verified, ed25519", "answer signed, ed25519"),
        Algorithm::EcdsaP256Sha256 => {
            ("request verified, ecdsa-p256-sha256", "answer signed, ecdsa-p256-sha256")
        }
        Algorithm::RsaPssSha512 => {
            ("request verified, rsa-pss-sha512 (2048)", "answer signed, rsa-pss-sha512 (3072)")
        }
        Algorithm::RsaV15Sha256 => {
            ("request verified, rsa-v1_5-sha256 (2048)", "answer signed, rsa-v1_5-sha256 (3072)")
        }
    }
}

/// A fresh key of a merchant, as configuration reads it, and a signature by it.
fn signed(algorithm: Algorithm) -> anyhow::Result<(VerifyingKey, Vec<u8>)> {
    let random = SystemRandom::new();
    let (public, signature) = match algorithm {
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate()?;
            (pair.public_key().as_ref().to_vec(), pair.sign(&MESSAGE).as_ref().to_vec())
        }
        Algorithm::EcdsaP256Sha256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            let signature = pair.sign(&random, &MESSAGE)?.as_ref().to_vec();
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
            (public.as_ref().to_vec(), signature)
        }
        Algorithm::RsaPssSha512 => rsa(&RSA_PSS_SHA512)?,
        Algorithm::RsaV15Sha256 => rsa(&RSA_PKCS1_SHA256)?,
    };
    Ok((VerifyingKey::read(algorithm, &BASE64.encode(&public))?, signature))
}

fn rsa(padding: &'static dyn RsaEncoding) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &SystemRandom::new(), &MESSAGE, &mut signature)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    Ok((public.as_ref().to_vec(), signature))
}
