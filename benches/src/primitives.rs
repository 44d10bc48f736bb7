//! What the machine can do: the cryptography, disk and sockets below the steps of a payment.

use crate::measure::{Plan, Took};
use crate::merchant::rsa_pair;
use crate::table::{Counts, Row};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey};
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair, Signature, UnparsedPublicKey as VerifyingKey,
};
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

/// About the size of a signature base.
const MESSAGE: [u8; 500] = [0x5A; 500];

/// Measures them all; files go to `folder`.
pub fn measure(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut row = |name, what, took| rows.push(Row { name, what, counts: Counts::Beside, took });
    let (verify, sign) = ed25519(plan)?;
    row("ed25519_verify", "ed25519 verify, 500 bytes", verify);
    row("ed25519_sign", "ed25519 sign, 500 bytes", sign);
    row("ecdh_p256", "ECDH P-256, one agreement", ecdh(plan)?);
    row("rsa_unwrap", "RSA-2048 OAEP-SHA-256 decrypt", rsa(plan)?);
    row("aes_gcm", "AES-256-GCM seal, 100 bytes", aes_gcm(plan)?);
    row("sha_256", "SHA-256, 600 bytes", plan.time(|| digest(&SHA256, &[0x5A; 600])));
    row("fdatasync", "overwrite 4 KiB + fdatasync, preallocated file", overwrite(plan, folder)?);
    row("loopback", "loopback TCP round trip, 200 bytes, two threads", round_trip(plan)?);
    Ok(rows)
}

fn ed25519(plan: &Plan) -> anyhow::Result<(Took, Took)> {
    Ok((plan.time(verify()?), plan.time(sign()?)))
}

fn ecdh(plan: &Plan) -> anyhow::Result<Took> {
    Ok(plan.time(agree()?))
}

fn rsa(plan: &Plan) -> anyhow::Result<Took> {
    Ok(plan.time(unwrap()?))
}

/// One ed25519 verification.
pub fn verify() -> anyhow::Result<impl FnMut() -> bool> {
    let pair = Ed25519KeyPair::generate()?;
    let signature = pair.sign(&MESSAGE);
    let key = VerifyingKey::new(&ED25519, pair.public_key().as_ref().to_vec());
    key.verify(&MESSAGE, signature.as_ref())?;
    Ok(move || key.verify(&MESSAGE, signature.as_ref()).is_ok())
}

/// One ed25519 signature.
pub fn sign() -> anyhow::Result<impl FnMut() -> Signature> {
    let pair = Ed25519KeyPair::generate()?;
    Ok(move || pair.sign(&MESSAGE))
}

/// One key agreement on P-256.
pub fn agree() -> anyhow::Result<impl FnMut() -> bool> {
    let ours = PrivateKey::generate(&ECDH_P256)?;
    let theirs = PrivateKey::generate(&ECDH_P256)?.compute_public_key()?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, theirs.as_ref().to_vec());
    let agree = move || {
        let agreed = agreement::agree(&ours, &theirs, (), |secret| Ok(secret.to_vec()));
        agreed.is_ok()
    };
    anyhow::ensure!(agree(), "no agreement");
    Ok(agree)
}

/// One RSA-2048 OAEP decryption.
pub fn unwrap() -> anyhow::Result<impl FnMut() -> bool> {
    let (private, public) = rsa_pair()?;
    let private = OaepPrivateDecryptingKey::new(private)?;
    let mut room = vec![0; public.ciphertext_size()];
    let wrapped = public.encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 32], &mut room, None)?.to_vec();
    let mut clear = vec![0; private.min_output_size()];
    let mut unwrap =
        move || private.decrypt(&OAEP_SHA256_MGF1SHA256, &wrapped, &mut clear, None).is_ok();
    anyhow::ensure!(unwrap(), "nothing unwraps");
    Ok(unwrap)
}

fn aes_gcm(plan: &Plan) -> anyhow::Result<Took> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32])?);
    let mut content = [0x5A; 100];
    Ok(plan.time(|| {
        // The key seals nothing but this.
        let nonce = Nonce::assume_unique_for_key([1; 12]);
        key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut content)
    }))
}

fn overwrite(plan: &Plan, folder: &Path) -> anyhow::Result<Took> {
    const BLOCKS: u64 = 1024;
    let path = folder.join("overwrite");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    for block in 0..BLOCKS {
        file.write_all_at(&[0; 4096], block * 4096)?;
    }
    file.sync_all()?;
    let mut block = 0;
    let mut fault = Ok(());
    let took = plan.time_wall(|| {
        block = (block + 1) % BLOCKS;
        let written = file.write_all_at(&[0x5A; 4096], block * 4096);
        if let Err(error) = written.and_then(|()| file.sync_data()) {
            fault = Err(error);
        }
    });
    fault?;
    std::fs::remove_file(path)?;
    Ok(took)
}

fn round_trip(plan: &Plan) -> anyhow::Result<Took> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let echo = thread::spawn(move || {
        let mut frame = [0; 200];
        while far.read_exact(&mut frame).and_then(|()| far.write_all(&frame)).is_ok() {}
    });
    let mut frame = [0x5A; 200];
    let took = plan.time_wall(|| {
        near.write_all(&frame)?;
        near.read_exact(&mut frame)
    });
    drop(near);
    echo.join().map_err(|_| anyhow::anyhow!("the echo broke"))?;
    Ok(took)
}
