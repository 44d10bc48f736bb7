//! A world for the stories: a merchant that signs and encrypts by code of its own, the channel, and a
//! core that answers what it was told to.

use crate::channel::merchant::{Merchant, MerchantKey, Merchants, Validity};
use crate::channel::replay::ReplayWindow;
use crate::channel::rest::*;
use crate::channel::signature::VerifyingKey;
use crate::keys::algorithm::Algorithm;
use crate::keys::jwks;
use crate::keys::pool::WorkerPool;
use crate::keys::ring::{KeyRing, fresh_entries};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::VerificationAlgorithm;
use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use data_encoding::{BASE64, BASE64URL_NOPAD as B64};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::effect::Refusal;
use tidegate_payment::id::{HostId, TerminalId};
use tidegate_payment::input::Terms;
use tidegate_payment::money::Currency;
use tidegate_payment::payment::{FollowUps, Verdict, View};
use tidegate_payment::request::{Acceptor, Operation};

pub(super) const NOW_S: i64 = 1_795_370_000;
pub(super) const TARGET: &str = "/v1/payments";
pub(super) const CARD: &str =
    r#"{"number":"4000000000000002","expiry":"2029-12","security_code":"123","eci":"05"}"#;

/// One set of keys for all stories: making an RSA key takes its time.
pub(super) fn keys() -> Arc<KeyRing> {
    static KEYS: OnceLock<Arc<KeyRing>> = OnceLock::new();
    let make = || Arc::new(KeyRing::build(&fresh_entries(0).unwrap(), true).unwrap());
    Arc::clone(KEYS.get_or_init(make))
}

impl DecodedRequest {
    /// What was asked, where it is new.
    pub(super) fn request(&self) -> &Request {
        match &self.asked {
            Asked::New(request) => request,
            Asked::FollowUp(_) => panic!("a follow-up was asked"),
        }
    }
}

/// Remembers what it was asked, and answers what the story says.
#[derive(Default)]
pub(super) struct FakeCore {
    pub asked: Mutex<Vec<DecodedRequest>>,
    pub queries: Mutex<Vec<(MerchantId, QueryBy)>>,
    pub reply: Mutex<Option<Reply>>,
    pub crowded: Mutex<Option<Crowded>>,
    pub approached: Mutex<Vec<(Option<MerchantId>, u32)>>,
}

impl Core for FakeCore {
    fn approach(&self, who: Option<&MerchantId>, weight: u32) -> Result<Option<Entering>, Crowded> {
        self.approached.lock().unwrap().push((who.cloned(), weight));
        self.crowded.lock().unwrap().map_or(Ok(None), Err)
    }

    fn submit(&self, decoded: DecodedRequest, _: Instant) -> BoxFuture<'_, Reply> {
        let reply = match (self.reply.lock().unwrap().clone(), decoded.objection) {
            (Some(reply), _) => reply,
            (None, Some(_)) => Reply::Refusal(Refusal::NotPermitted),
            (None, None) => outcome(decoded.request(), Verdict::Approved, false),
        };
        if decoded.objection.is_none() {
            self.asked.lock().unwrap().push(decoded);
        }
        Box::pin(async move { reply })
    }

    fn query(&self, merchant: MerchantId, by: QueryBy) -> BoxFuture<'_, Reply> {
        self.queries.lock().unwrap().push((merchant, by));
        let reply = self.reply.lock().unwrap().clone().unwrap_or(Reply::List(vec![]));
        Box::pin(async move { reply })
    }
}

pub(super) fn outcome(request: &Request, verdict: Verdict, replayed: bool) -> Reply {
    let approved = verdict == Verdict::Approved;
    let view = View {
        id: PaymentId::parse("01234567-89ab-7def-8123-456789abcdef").unwrap(),
        verdict,
        request: request.clone(),
        accepted_at: Timestamp(NOW_S * 1_000_000),
        fields: None,
        approved: approved.then_some(request.amount),
        balances: vec![],
        follow_ups: FollowUps::default(),
        response_code: approved.then(|| "00".into()),
        approval_code: approved.then(|| "A12345".into()),
        version: 3,
    };
    Reply::Outcome { view: Box::new(Durable::attest(view, Sequence(3))), replayed }
}

#[derive(Default)]
pub(super) struct FakeTally {
    pub reasons: Mutex<Vec<&'static str>>,
}

impl Tally for FakeTally {
    fn not_authenticated(&self, reason: &'static str) {
        self.reasons.lock().unwrap().push(reason);
    }
    fn refused(&self, reason: &'static str) {
        self.reasons.lock().unwrap().push(reason);
    }
    fn told(&self, _: Verdict) {}
    fn took(&self, _: Stage, _: Duration) {}
}

pub(super) struct World {
    pub parts: Arc<RestParts>,
    pub core: Arc<FakeCore>,
    pub tally: Arc<FakeTally>,
    pub clock_s: Arc<AtomicI64>,
    pub merchant: Ed25519KeyPair,
    pub other: Ed25519KeyPair,
    nonces: AtomicU64,
}

/// Whatever a merchant signs with.
pub(super) trait Signs {
    fn value(&self, base: &[u8]) -> Vec<u8>;
}

impl Signs for Ed25519KeyPair {
    fn value(&self, base: &[u8]) -> Vec<u8> {
        self.sign(base).as_ref().to_vec()
    }
}

/// A merchant with one key that always counts.
fn profile(id: &str, pair: &Ed25519KeyPair) -> Merchant {
    let public = BASE64.encode(pair.public_key().as_ref());
    let key = VerifyingKey::read(Algorithm::Ed25519, &public).unwrap();
    let key = MerchantKey::new(&format!("{id}-2026"), key, Validity::default());
    profile_with(id, vec![key.unwrap()])
}

pub(super) fn profile_with(id: &str, keys: Vec<MerchantKey>) -> Merchant {
    let eur = Currency::from_alphabetic("EUR").unwrap();
    Merchant {
        id: MerchantId::parse(id).unwrap(),
        keys,
        client_certificate: None,
        response_algorithm: Algorithm::Ed25519,
        operations: Operation::ALL.to_vec(),
        currencies: vec![eur],
        amount_max: BTreeMap::from([(eur, 500_000)]),
        weight: 1,
        terms: Terms { one_payment_per_order: true, partial_approval: false },
        acceptor: Acceptor {
            category: "5942".into(),
            terminal: TerminalId::parse("TERM0001").unwrap(),
            number: "CORNERBOOKS0001".into(),
            name_location: "Corner Books           Berlin       DE".into(),
        },
        zone: jiff::tz::TimeZone::UTC,
        host: HostId::parse("bank").unwrap(),
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_nonces_max(1000)
    }

    pub(super) fn with_nonces_max(nonces_max: usize) -> Self {
        Self::with(nonces_max, vec![])
    }

    /// A world with more merchants than the two that are always there.
    pub(super) fn with(nonces_max: usize, more: Vec<Merchant>) -> Self {
        let (merchant, other) =
            (Ed25519KeyPair::generate().unwrap(), Ed25519KeyPair::generate().unwrap());
        let (core, tally) = (Arc::new(FakeCore::default()), Arc::new(FakeTally::default()));
        let clock_s = Arc::new(AtomicI64::new(NOW_S));
        let clock = Arc::clone(&clock_s);
        let two = [profile("m-1001", &merchant), profile("m-2002", &other)];
        let profiles = two.into_iter().chain(more);
        let parts = RestParts {
            settings: RestSettings {
                channel: ChannelId::parse("rest").unwrap(),
                address: PublicAddress::parse("https://pay.bank.example:8443").unwrap(),
                signature_window_s: 300,
                retry_after_s: 5,
                retry_spread_s: 0,
                places: Places { ordinary: 8, reserve: 2 },
                accept_within: Duration::from_secs(60),
            },
            merchants: Merchants::build(profiles).unwrap(),
            keys: keys(),
            replay: Arc::new(ReplayWindow::new(300, nonces_max, NOW_S - 100)),
            pool: Arc::new(WorkerPool::start("story", 1, 8).unwrap()),
            shares: Arc::default(),
            core: Arc::clone(&core) as _,
            tally: Arc::clone(&tally) as _,
            clock: Arc::new(move || Timestamp(clock.load(Ordering::SeqCst) * 1_000_000)),
        };
        let nonces = AtomicU64::new(0);
        Self { parts: Arc::new(parts), core, tally, clock_s, merchant, other, nonces }
    }

    /// A good payment of 12.34 EUR for order A-1001, ready to be spoilt before it is signed.
    pub(super) fn payment(&self) -> Message {
        self.payment_with(&encrypt_ec(CARD))
    }

    pub(super) fn payment_with(&self, jwe: &str) -> Message {
        let body = format!(
            r#"{{"order_id":"A-1001","amount":{{"minor":1234,"currency":"EUR"}},"card":{{"jwe":"{jwe}"}}}}"#
        );
        self.post(&body)
    }

    pub(super) fn post(&self, body: &str) -> Message {
        self.post_to(TARGET, body)
    }

    pub(super) fn post_to(&self, target: &str, body: &str) -> Message {
        let covers = vec!["@method", "@target-uri", "content-digest", "idempotency-key"];
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("content-digest".to_owned(), digest_of(body.as_bytes())),
            ("idempotency-key".to_owned(), "key-0001".to_owned()),
        ];
        self.message("POST", target, covers, headers, body)
    }

    pub(super) fn get(&self, target: &str) -> Message {
        self.message("GET", target, vec!["@method", "@target-uri"], vec![], "")
    }

    fn message(
        &self,
        method: &str,
        target: &str,
        covers: Vec<&'static str>,
        headers: Vec<(String, String)>,
        body: &str,
    ) -> Message {
        let number = self.nonces.fetch_add(1, Ordering::SeqCst);
        Message {
            method: method.into(),
            target: target.into(),
            covers,
            headers,
            body: body.into(),
            created_s: NOW_S,
            more: format!(r#";nonce="nonce-{number:04}""#),
            key_id: "m-1001-2026".into(),
        }
    }

    pub(super) async fn send(&self, message: &Message) -> Answer {
        self.deliver(message.sign(&self.merchant)).await
    }

    pub(super) async fn deliver(&self, received: Received) -> Answer {
        serve(received, &self.parts).await
    }

    pub(super) fn reasons(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.tally.reasons.lock().unwrap())
    }

    pub(super) fn set_reply(&self, reply: Reply) {
        *self.core.reply.lock().unwrap() = Some(reply);
    }
}

pub(super) fn digest_of(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(digest(&SHA256, body).as_ref()))
}

/// A merchant's message before it is signed.
#[derive(Clone)]
pub(super) struct Message {
    pub method: String,
    pub target: String,
    pub covers: Vec<&'static str>,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub created_s: i64,
    pub more: String,
    pub key_id: String,
}

impl Message {
    /// Signs as a merchant's SDK does: with text put together by hand.
    pub(super) fn sign(&self, pair: &impl Signs) -> Received {
        let mut base = String::new();
        for component in &self.covers {
            let value = match *component {
                "@method" => self.method.clone(),
                "@target-uri" => format!("https://pay.bank.example:8443{}", self.target),
                name => self.header(name),
            };
            base += &format!("\"{component}\": {value}\n");
        }
        let covered: Vec<String> = self.covers.iter().map(|name| format!("\"{name}\"")).collect();
        let params = format!(
            "({});created={}{};keyid=\"{}\"",
            covered.join(" "),
            self.created_s,
            self.more,
            self.key_id
        );
        base += &format!("\"@signature-params\": {params}");
        let value = BASE64.encode(&pair.value(base.as_bytes()));
        let mut headers = self.headers.clone();
        headers.push(("signature-input".into(), format!("sig1={params}")));
        headers.push(("signature".into(), format!("sig1=:{value}:")));
        Received {
            listener: "rest".into(),
            peer: "127.0.0.1:40000".parse().unwrap(),
            client_certificate: None,
            method: self.method.clone(),
            target: self.target.clone(),
            headers: headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
            body: self.body.clone().into_bytes(),
        }
    }

    fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(held, _)| held == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(held, _)| held != name);
        self.headers.push((name.into(), value.into()));
    }
}

pub(super) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let found = answer.headers.iter().find(|(held, _)| held == name);
    found.map(|(_, value)| value.as_str())
}

pub(super) fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// One of our public keys as a merchant fetches them: by its type those that encrypt, by its algorithm
/// those that sign.
pub(super) fn jwk(name: &str) -> Value {
    let set: Value = jwks(&keys().public_keys());
    let mut list = set["keys"].as_array().unwrap().iter();
    let fits = |key: &&Value| key["alg"] == name || key["use"] == "enc" && key["kty"] == name;
    list.find(fits).unwrap().clone()
}

pub(super) fn member(key: &Value, name: &str) -> Vec<u8> {
    B64.decode(key[name].as_str().unwrap().as_bytes()).unwrap()
}

/// Checks an answer's signature as a merchant does, against the request that it sent.
#[track_caller]
pub(super) fn check_signed(answer: &Answer, request: &Received) {
    check_signed_by(Algorithm::Ed25519, answer, request);
}

/// As [`check_signed`], by the algorithm that the merchant has asked for.
#[track_caller]
pub(super) fn check_signed_by(algorithm: Algorithm, answer: &Answer, request: &Received) {
    let digest = header(answer, "content-digest").expect("a signed answer has a digest");
    assert_eq!(digest, digest_of(&answer.body));
    let params = header(answer, "signature-input").unwrap().strip_prefix("sig1=").unwrap();
    let key = jwk(algorithm.jose_name());
    assert_eq!(key["use"], "sig");
    let wanted = format!(
        "(\"@status\" \"content-digest\" \"@method\";req \"@target-uri\";req \
         \"signature\";req;key=\"sig1\");created={NOW_S};keyid={}",
        key["kid"]
    );
    assert_eq!(params, wanted);
    let sent = String::from_utf8(request.only_header("signature").unwrap().to_vec()).unwrap();
    let base = format!(
        "\"@status\": {}\n\"content-digest\": {digest}\n\"@method\";req: {}\n\
         \"@target-uri\";req: https://pay.bank.example:8443{}\n\
         \"signature\";req;key=\"sig1\": {}\n\"@signature-params\": {params}",
        answer.status,
        request.method,
        request.target,
        sent.strip_prefix("sig1=").unwrap()
    );
    let value = header(answer, "signature").unwrap();
    let value = value.strip_prefix("sig1=:").unwrap().strip_suffix(':').unwrap();
    let value = BASE64.decode(value.as_bytes()).unwrap();
    let (with, public): (&dyn VerificationAlgorithm, _) = match algorithm {
        Algorithm::Ed25519 => (&signature::ED25519, member(&key, "x")),
        Algorithm::EcdsaP256Sha256 => {
            let point = [vec![4], member(&key, "x"), member(&key, "y")].concat();
            (&signature::ECDSA_P256_SHA256_FIXED, point)
        }
        Algorithm::RsaPssSha512 => {
            let public = spki(&member(&key, "n"), &member(&key, "e"));
            (&signature::RSA_PSS_2048_8192_SHA512, public)
        }
        Algorithm::RsaV15Sha256 => {
            let public = spki(&member(&key, "n"), &member(&key, "e"));
            (&signature::RSA_PKCS1_2048_8192_SHA256, public)
        }
    };
    let public = ParsedPublicKey::new(with, public).expect("a public key");
    let verified = public.verify_sig(base.as_bytes(), &value);
    verified.expect("the answer's signature verifies");
}

/// `ECDH-ES` with `A256GCM`, written from RFC 7518 by itself.
pub(super) fn encrypt_ec(content: &str) -> String {
    let key = jwk("EC");
    let ours = PrivateKey::generate(&ECDH_P256).unwrap();
    let point = ours.compute_public_key().unwrap();
    let header = format!(
        r#"{{"alg":"ECDH-ES","enc":"A256GCM","kid":{},"epk":{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}}}"#,
        key["kid"],
        B64.encode(&point.as_ref()[1..33]),
        B64.encode(&point.as_ref()[33..])
    );
    let theirs = [vec![4], member(&key, "x"), member(&key, "y")].concat();
    let theirs = UnparsedPublicKey::new(&ECDH_P256, theirs);
    let derived = agreement::agree(&ours, theirs, (), |secret| {
        let mut text = vec![0, 0, 0, 1];
        text.extend(secret);
        text.extend([0, 0, 0, 7]);
        text.extend(b"A256GCM");
        text.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        Ok(digest(&SHA256, &text).as_ref().to_vec())
    });
    compact(&header, "", &derived.unwrap(), content)
}

/// `RSA-OAEP-256` with `A256GCM`.
pub(super) fn encrypt_rsa(content: &str) -> String {
    let key = jwk("RSA");
    let header = format!(r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":{}}}"#, key["kid"]);
    let public = PublicEncryptingKey::from_der(&spki(&member(&key, "n"), &member(&key, "e")));
    let public = OaepPublicEncryptingKey::new(public.unwrap()).unwrap();
    let mut room = vec![0; public.ciphertext_size()];
    let secret = [7; 32];
    let wrapped = public.encrypt(&OAEP_SHA256_MGF1SHA256, &secret, &mut room, None).unwrap();
    compact(&header, &B64.encode(wrapped), &secret, content)
}

/// `SubjectPublicKeyInfo` of an RSA key (RFC 3279, 2.3.1).
fn spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let tlv = |tag: u8, value: &[u8]| {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &length, value].concat()
    };
    let integer = |value: &[u8]| tlv(2, &[&[0], value].concat());
    let short =
        |tag: u8, value: &[u8]| [&[tag, u8::try_from(value.len()).unwrap()][..], value].concat();
    let exponent = short(2, exponent);
    let numbers = tlv(0x30, &[integer(modulus), exponent].concat());
    let oid = short(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]);
    let algorithm = short(0x30, &[oid, vec![5, 0]].concat());
    tlv(0x30, &[algorithm, tlv(3, &[vec![0], numbers].concat())].concat())
}

fn compact(header: &str, wrapped: &str, key: &[u8], content: &str) -> String {
    let header = B64.encode(header.as_bytes());
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let mut sealed = content.as_bytes().to_vec();
    let nonce = Nonce::assume_unique_for_key([9; 12]);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), &mut sealed);
    let (sealed, tag) = (B64.encode(&sealed), B64.encode(tag.unwrap().as_ref()));
    format!("{header}.{wrapped}.{}.{sealed}.{tag}", B64.encode(&[9; 12]))
}
