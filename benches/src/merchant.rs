//! A merchant that signs and encrypts by code of its own, and the channel that it speaks to.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD as B64};
use futures_util::future::BoxFuture;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegate::admission::Places;
use tidegate::channel::merchant::{Merchant, MerchantKey, Merchants, Validity};
use tidegate::channel::replay::ReplayWindow;
use tidegate::channel::rest::{Core, DecodedRequest, RestParts, RestSettings, Tally};
use tidegate::channel::signature::{PublicAddress, VerifyingKey};
use tidegate::edge::seam::Received;
use tidegate::keys::algorithm::Algorithm;
use tidegate::keys::pool::WorkerPool;
use tidegate::keys::ring::{Entry, KeyRing, Kind, fresh_entries};
use tidegate::keys::{KeyStore, PublicMaterial, Purpose};
use tidegate::observe::Stage;
use tidegate_payment::effect::{Refusal, Reply};
use tidegate_payment::id::{ChannelId, HostId, MerchantId, TerminalId};
use tidegate_payment::input::{QueryBy, Terms};
use tidegate_payment::money::Currency;
use tidegate_payment::payment::Verdict;
use tidegate_payment::request::{Acceptor, Operation};
use tidegate_payment::time::Timestamp;

/// The card of every payment here, as the encrypted part tells it.
pub const CARD: &str =
    r#"{"number":"4000000000000002","expiry":"2029-12","security_code":"123","eci":"05"}"#;
const ADDRESS: &str = "https://pay.bank.example:8443";
const TARGET: &str = "/v1/payments";
const KEY_ID: &str = "m-1001-2026";

/// The merchant, the bank's keys, and the channel's parts.
pub struct World {
    /// The bank's keys.
    pub keys: Arc<KeyRing>,
    /// The channel.
    pub parts: RestParts,
    rsa: OaepPublicEncryptingKey,
    pair: Ed25519KeyPair,
    sent: Cell<u64>,
}

/// Behind the channel: nobody. The channel is measured without what lies behind it.
struct Nobody;

impl Core for Nobody {
    fn submit(&self, _: DecodedRequest, _: Instant) -> BoxFuture<'_, Reply> {
        Box::pin(async { Reply::Refusal(Refusal::Stopping) })
    }
    fn query(&self, _: MerchantId, _: QueryBy) -> BoxFuture<'_, Reply> {
        Box::pin(async { Reply::Refusal(Refusal::Stopping) })
    }
}

impl Tally for Nobody {
    fn not_authenticated(&self, _: &'static str) {}
    fn refused(&self, _: &'static str) {}
    fn told(&self, _: Verdict) {}
    fn took(&self, _: Stage, _: Duration) {}
}

/// Seconds since 1970.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl World {
    /// Fresh keys, one merchant.
    pub fn new() -> anyhow::Result<Self> {
        let entries = fresh_entries(0)?;
        let rsa = rsa_public(&entries)?;
        let keys = Arc::new(KeyRing::build(&entries, true)?);
        let pair = Ed25519KeyPair::generate()?;
        let parts = RestParts {
            settings: RestSettings {
                channel: ChannelId::parse("rest")?,
                address: PublicAddress::parse(ADDRESS)?,
                signature_window_s: 300,
                retry_after_s: 5,
                retry_spread_s: 0,
                places: Places { ordinary: 64, reserve: 16 },
                accept_within: Duration::from_secs(60),
            },
            merchants: Merchants::build([profile(pair.public_key().as_ref())?])?,
            keys: Arc::clone(&keys) as Arc<dyn KeyStore>,
            replay: Arc::new(ReplayWindow::new(300, 5_000_000, now_s() - 1)),
            pool: Arc::new(WorkerPool::start("bench", 1, 64)?),
            shares: Arc::default(),
            core: Arc::new(Nobody),
            tally: Arc::new(Nobody),
            clock: Arc::new(|| Timestamp(now_s() * 1_000_000)),
        };
        Ok(Self { keys, parts, rsa, pair, sent: Cell::new(0) })
    }

    /// A payment, signed afresh with a nonce, key and order of its own.
    pub fn payment(&self, jwe: &str) -> Received {
        let number = self.sent.get() + 1;
        self.sent.set(number);
        let body = format!(
            r#"{{"order_id":"A-{number}","amount":{{"minor":1234,"currency":"EUR"}},"card":{{"jwe":"{jwe}"}}}}"#
        );
        let content = BASE64.encode(digest(&SHA256, body.as_bytes()).as_ref());
        let (content, key) = (format!("sha-256=:{content}:"), format!("key-{number:08}"));
        let params = format!(
            "(\"@method\" \"@target-uri\" \"content-digest\" \"idempotency-key\");created={};\
             nonce=\"nonce-{number:010}\";keyid=\"{KEY_ID}\";alg=\"ed25519\"",
            now_s()
        );
        let base = format!(
            "\"@method\": POST\n\"@target-uri\": {ADDRESS}{TARGET}\n\"content-digest\": {content}\n\
             \"idempotency-key\": {key}\n\"@signature-params\": {params}"
        );
        let value = BASE64.encode(self.pair.sign(base.as_bytes()).as_ref());
        let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
        Received {
            listener: "rest".into(),
            peer: ([127, 0, 0, 1], 40_000).into(),
            client_certificate: None,
            method: "POST".into(),
            target: TARGET.into(),
            headers: vec![
                header("host", "pay.bank.example:8443".into()),
                header("content-type", "application/json".into()),
                header("content-length", body.len().to_string()),
                header("content-digest", content),
                header("idempotency-key", key),
                header("signature-input", format!("sig1={params}")),
                header("signature", format!("sig1=:{value}:")),
            ],
            body: body.into_bytes(),
        }
    }

    /// The card by `ECDH-ES` and `A256GCM`, written from RFC 7518.
    pub fn card_by_ecdh(&self) -> anyhow::Result<String> {
        let (id, x, y) = self.point()?;
        let ours = PrivateKey::generate(&ECDH_P256)?;
        let point = ours.compute_public_key()?;
        let (our_x, our_y) = point.as_ref().get(1..).unwrap_or_default().split_at(32);
        let header = format!(
            r#"{{"alg":"ECDH-ES","enc":"A256GCM","kid":"{id}","epk":{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}}}"#,
            B64.encode(our_x),
            B64.encode(our_y)
        );
        let theirs = UnparsedPublicKey::new(&ECDH_P256, [vec![4], x, y].concat());
        let key = agreement::agree(&ours, theirs, anyhow::anyhow!("no agreement"), |secret| {
            let info = [&[0, 0, 0, 7], &b"A256GCM"[..], &[0; 8], &[0, 0, 1, 0]].concat();
            Ok(digest(&SHA256, &[&[0, 0, 0, 1], secret, &info].concat()).as_ref().to_vec())
        })?;
        compact(&header, "", &key)
    }

    /// The card by `RSA-OAEP-256` and `A256GCM`.
    pub fn card_by_rsa(&self) -> anyhow::Result<String> {
        let is_rsa = |material: &PublicMaterial| matches!(material, PublicMaterial::Rsa { .. });
        let mut keys = self.keys.public_keys().into_iter();
        let key = keys.find(|key| key.purpose == Purpose::Encrypt && is_rsa(&key.material));
        let id = key.ok_or_else(|| anyhow::anyhow!("no RSA key"))?.id;
        let header = format!(r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{id}"}}"#);
        let secret = [7; 32];
        compact(&header, &B64.encode(&self.wrapped(&secret)?), &secret)
    }

    /// A content key, wrapped for the bank.
    pub fn wrapped(&self, secret: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut room = vec![0; self.rsa.ciphertext_size()];
        let wrapped = self.rsa.encrypt(&OAEP_SHA256_MGF1SHA256, secret, &mut room, None)?;
        Ok(wrapped.to_vec())
    }

    fn point(&self) -> anyhow::Result<(String, Vec<u8>, Vec<u8>)> {
        let keys = self.keys.public_keys().into_iter();
        let keys = keys.filter(|key| key.purpose == Purpose::Encrypt);
        let mut points = keys.filter_map(|key| match key.material {
            PublicMaterial::P256 { x, y } => Some((key.id, x, y)),
            _ => None,
        });
        points.next().ok_or_else(|| anyhow::anyhow!("no P-256 key"))
    }
}

fn compact(header: &str, wrapped: &str, key: &[u8]) -> anyhow::Result<String> {
    let header = B64.encode(header.as_bytes());
    let mut content = CARD.as_bytes().to_vec();
    let nonce = [1; 12];
    // One message per key.
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?);
    let tag = key.seal_in_place_separate_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(header.as_bytes()),
        &mut content,
    )?;
    let [nonce, content, tag] = [&nonce[..], &content, tag.as_ref()].map(|part| B64.encode(part));
    Ok(format!("{header}.{wrapped}.{nonce}.{content}.{tag}"))
}

fn rsa_public(entries: &[Entry]) -> anyhow::Result<OaepPublicEncryptingKey> {
    let mut entries = entries.iter().filter(|entry| entry.kind == Kind::EncryptionRsa);
    let entry = entries.next().ok_or_else(|| anyhow::anyhow!("no RSA key"))?;
    let public = PrivateDecryptingKey::from_pkcs8(&entry.bytes)?.public_key();
    Ok(OaepPublicEncryptingKey::new(public)?)
}

/// The private key of a fresh RSA-2048 pair and its public half, for the primitive alone.
pub fn rsa_pair() -> anyhow::Result<(PrivateDecryptingKey, OaepPublicEncryptingKey)> {
    let private = PrivateDecryptingKey::generate(aws_lc_rs::rsa::KeySize::Rsa2048)?;
    let public = OaepPublicEncryptingKey::new(private.public_key())?;
    Ok((private, public))
}

/// Who the merchant is to the host.
pub fn acceptor() -> anyhow::Result<Acceptor> {
    Ok(Acceptor {
        category: "5942".into(),
        terminal: TerminalId::parse("TERM0001")?,
        number: "CORNERBOOKS0001".into(),
        name_location: "Corner Books           Berlin       DE".into(),
    })
}

fn profile(public_key: &[u8]) -> anyhow::Result<Merchant> {
    let key = VerifyingKey::read(Algorithm::Ed25519, &BASE64.encode(public_key))?;
    let eur = Currency::from_alphabetic("EUR")?;
    Ok(Merchant {
        id: MerchantId::parse("m-1001")?,
        keys: vec![MerchantKey::new(KEY_ID, key, Validity::default())?],
        client_certificate: None,
        response_algorithm: Algorithm::Ed25519,
        operations: vec![Operation::Purchase],
        currencies: vec![eur],
        amount_max: BTreeMap::from([(eur, 500_000)]),
        weight: 1,
        terms: Terms { one_payment_per_order: true, partial_approval: false },
        acceptor: acceptor()?,
        zone: jiff::tz::TimeZone::UTC,
        host: HostId::parse("bank")?,
    })
}
