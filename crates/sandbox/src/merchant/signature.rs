//! Signs requests and verifies answers by HTTP Message Signatures (RFC 9421), and makes Content-Digest
//! fields (RFC 9530).

use super::key::{Algorithm, SigningKey};
use super::published::PublishedKeys;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;

/// A request as it goes on the wire. Its body may hold no card data in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The method.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// The whole address that was signed.
    pub target_uri: String,
    /// Header fields.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for GET.
    pub body: Vec<u8>,
}

/// Who signs, when, and for where.
pub struct Signing<'a> {
    /// The key.
    pub key: &'a SigningKey,
    /// Its id at the gateway.
    pub key_id: &'a str,
    /// The gateway's public address, scheme and host.
    pub public_address: &'a str,
    /// Seconds since 1970.
    pub created_s: i64,
    /// Used once.
    pub nonce: &'a str,
}

const POST_COMPONENTS: &str = r#"("@method" "@target-uri" "content-digest" "idempotency-key")"#;
const GET_COMPONENTS: &str = r#"("@method" "@target-uri")"#;
const ANSWER_COMPONENTS: &str =
    r#"("@status" "content-digest" "@method";req "@target-uri";req "signature";req;key="sig1")"#;

impl Signing<'_> {
    /// A signed POST.
    pub fn post(&self, target: &str, idempotency_key: &str, body: Vec<u8>) -> Signed {
        let digest = content_digest(&body);
        let target_uri = format!("{}{target}", self.public_address);
        let base = format!(
            "\"@method\": POST\n\"@target-uri\": {target_uri}\n\"content-digest\": {digest}\n\
             \"idempotency-key\": {idempotency_key}\n"
        );
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("content-digest", digest),
            ("idempotency-key", idempotency_key.to_owned()),
        ];
        headers.extend(self.sign(base, POST_COMPONENTS));
        Signed { method: "POST", target: target.to_owned(), target_uri, headers, body }
    }

    /// A signed GET.
    pub fn get(&self, target: &str) -> Signed {
        let target_uri = format!("{}{target}", self.public_address);
        let base = format!("\"@method\": GET\n\"@target-uri\": {target_uri}\n");
        let headers = self.sign(base, GET_COMPONENTS).into();
        Signed { method: "GET", target: target.to_owned(), target_uri, headers, body: Vec::new() }
    }

    fn sign(&self, base: String, components: &str) -> [(&'static str, String); 2] {
        let Self { key_id, created_s, nonce, .. } = self;
        let algorithm = self.key.algorithm().name();
        let parameters = format!(
            "{components};created={created_s};nonce=\"{nonce}\";keyid=\"{key_id}\";alg=\"{algorithm}\""
        );
        let base = format!("{base}\"@signature-params\": {parameters}");
        let signature = BASE64.encode(&self.key.sign(base.as_bytes()));
        [
            ("signature-input", format!("sig1={parameters}")),
            ("signature", format!("sig1=:{signature}:")),
        ]
    }
}

/// Why an answer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    /// A header field is absent or not of its form.
    #[error("the answer's {0} is absent or malformed")]
    Header(&'static str),
    /// The digest is not that of the body.
    #[error("the answer's content-digest is not that of its body")]
    Digest,
    /// It does not cover what it must.
    #[error("the answer's signature covers {0}")]
    Components(String),
    /// The gateway publishes no such key.
    #[error("the answer is signed under an unpublished key {0:?}")]
    Key(String),
    /// It is signed otherwise than agreed.
    #[error("the answer is signed by {}, {} is agreed", .0.name(), .1.name())]
    Algorithm(Algorithm, Algorithm),
    /// The signature is false.
    #[error("the answer's signature is false")]
    Signature,
}

/// Verifies that an answer is the gateway's, belongs to this request, and is signed as agreed.
/// # Errors
/// [`Disbelief`].
pub fn verify(
    (keys, agreed): (&PublishedKeys, Algorithm),
    request: &Signed,
    status: u16,
    header: impl Fn(&str) -> Option<String>,
    body: &[u8],
) -> Result<(), Disbelief> {
    let get = |name: &'static str| header(name).ok_or(Disbelief::Header(name));
    let digest = get("content-digest")?;
    if digest != content_digest(body) {
        return Err(Disbelief::Digest);
    }
    let input = get("signature-input")?;
    let parameters = input.strip_prefix("sig1=").ok_or(Disbelief::Header("signature-input"))?;
    let rest = parameters
        .strip_prefix(ANSWER_COMPONENTS)
        .ok_or_else(|| Disbelief::Components(parameters.to_owned()))?;
    let key_id = rest
        .split(';')
        .find_map(|parameter| parameter.strip_prefix("keyid=\"")?.strip_suffix('"'))
        .ok_or(Disbelief::Header("signature-input"))?;
    let key = keys.signing(key_id).ok_or_else(|| Disbelief::Key(key_id.to_owned()))?;
    if key.algorithm() != agreed {
        return Err(Disbelief::Algorithm(key.algorithm(), agreed));
    }
    let own = request.headers.iter().find(|(name, _)| *name == "signature");
    let own = own.and_then(|(_, value)| value.strip_prefix("sig1=")).unwrap_or("");
    let base = format!(
        "\"@status\": {status}\n\"content-digest\": {digest}\n\"@method\";req: {}\n\
         \"@target-uri\";req: {}\n\"signature\";req;key=\"sig1\": {own}\n\
         \"@signature-params\": {parameters}",
        request.method, request.target_uri,
    );
    let signature = get("signature")?;
    let signature = signature
        .strip_prefix("sig1=:")
        .and_then(|rest| rest.strip_suffix(':'))
        .and_then(|text| BASE64.decode(text.as_bytes()).ok())
        .ok_or(Disbelief::Header("signature"))?;
    if key.verifies(base.as_bytes(), &signature) { Ok(()) } else { Err(Disbelief::Signature) }
}

/// The Content-Digest of a body, by SHA-256 (RFC 9530, 2).
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(digest(&SHA256, body).as_ref()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::super::key::signing_key;
    use super::super::published::{Published, VerifyingKey};
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use rsa::RsaPublicKey;
    use rsa::pkcs8::DecodePublicKey as _;

    /// RFC 9421, B.2.6: the test key and the signature over date, @method, @path, @authority,
    /// content-type and content-length.
    #[test]
    fn ed25519_agrees_with_the_standards_example() {
        let public = data_encoding::BASE64URL_NOPAD
            .decode(b"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs")
            .unwrap();
        let base = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\
            \"@authority\": example.com\n\"content-type\": application/json\n\
            \"content-length\": 18\n\"@signature-params\": (\"date\" \"@method\" \"@path\" \
            \"@authority\" \"content-type\" \"content-length\");created=1618884473;\
            keyid=\"test-key-ed25519\"";
        let signature = BASE64
            .decode(
                b"wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lI\
                  p5WPpBKRCw==",
            )
            .unwrap();
        assert!(VerifyingKey::Ed25519(public).verifies(base.as_bytes(), &signature));
    }

    /// RFC 9421, B.2.1: the test key and the minimal signature.
    #[test]
    fn rsa_pss_sha512_agrees_with_the_standards_example() {
        let public = BASE64
            .decode(
                b"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40g\
                  jUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAv\
                  Lkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+b\
                  J9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4\
                  aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB",
            )
            .unwrap();
        let base = "\"@signature-params\": ();created=1618884473;keyid=\"test-key-rsa-pss\"\
            ;nonce=\"b3k2pp5k7z-50gnwp.yemd\"";
        let signature = BASE64
            .decode(
                b"d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it\
                  ++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2\
                  cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvt\
                  l6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bL\
                  hdxO5Nyt8C8ssinQ98Xw9Q==",
            )
            .unwrap();
        let key = VerifyingKey::RsaPss(RsaPublicKey::from_public_key_der(&public).unwrap());
        assert!(key.verifies(base.as_bytes(), &signature));
        assert!(!key.verifies(b"another", &signature));
    }

    #[test]
    fn the_digest_agrees_with_the_standards_example() {
        // RFC 9421, B.2 test-request body.
        assert_eq!(
            content_digest(br#"{"hello": "world"}"#),
            "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
        );
    }

    struct World {
        gateway: Ed25519KeyPair,
        keys: PublishedKeys,
        request: Signed,
    }

    fn world() -> World {
        let merchant = signing_key(Algorithm::Ed25519).unwrap();
        let gateway = Ed25519KeyPair::generate().unwrap();
        let x = gateway.public_key().as_ref().to_vec();
        let key = VerifyingKey::Ed25519(x);
        let keys = PublishedKeys { list: vec![Published::Signing { kid: "g".into(), key }] };
        let signing = Signing {
            key: &merchant,
            key_id: "m",
            public_address: "https://pay.example",
            created_s: 1,
            nonce: "nonce-01",
        };
        let request = signing.post("/v1/payments", "k", b"{}".to_vec());
        World { gateway, keys, request }
    }

    /// An answer as the gateway signs it, written out once more by hand.
    fn answer(world: &World, status: u16, body: &[u8]) -> Vec<(&'static str, String)> {
        let digest = content_digest(body);
        let parameters = format!("{ANSWER_COMPONENTS};created=2;keyid=\"g\"");
        let own = &world.request.headers.last().unwrap().1;
        let base = [
            format!("\"@status\": {status}"),
            format!("\"content-digest\": {digest}"),
            "\"@method\";req: POST".to_owned(),
            "\"@target-uri\";req: https://pay.example/v1/payments".to_owned(),
            format!("\"signature\";req;key=\"sig1\": {}", own.replace("sig1=", "")),
            format!("\"@signature-params\": {parameters}"),
        ];
        let signature = world.gateway.sign(base.join("\n").as_bytes());
        vec![
            ("content-digest", digest),
            ("signature-input", format!("sig1={parameters}")),
            ("signature", format!("sig1=:{}:", BASE64.encode(signature.as_ref()))),
        ]
    }

    fn check(
        world: &World,
        headers: &[(&'static str, String)],
        status: u16,
        body: &[u8],
    ) -> Result<(), Disbelief> {
        let find = |name: &str| headers.iter().find(|h| h.0 == name).map(|h| h.1.clone());
        verify((&world.keys, Algorithm::Ed25519), &world.request, status, find, body)
    }

    #[test]
    fn an_answer_is_believed_only_whole_and_only_to_its_own_request() {
        let mut world = world();
        let headers = answer(&world, 201, b"{}");
        assert_eq!(check(&world, &headers, 201, b"{}"), Ok(()));
        assert_eq!(check(&world, &headers, 202, b"{}"), Err(Disbelief::Signature));
        assert_eq!(check(&world, &headers, 201, b"{ }"), Err(Disbelief::Digest));
        assert_eq!(check(&world, &[], 201, b"{}"), Err(Disbelief::Header("content-digest")));
        let mut other = headers.clone();
        for header in &mut other {
            header.1 = header.1.replace("keyid=\"g\"", "keyid=\"x\"");
        }
        assert_eq!(check(&world, &other, 201, b"{}"), Err(Disbelief::Key("x".into())));
        let find = |name: &str| headers.iter().find(|h| h.0 == name).map(|h| h.1.clone());
        let agreed = (&world.keys, Algorithm::RsaPssSha512);
        let otherwise = Disbelief::Algorithm(Algorithm::Ed25519, Algorithm::RsaPssSha512);
        assert_eq!(verify(agreed, &world.request, 201, find, b"{}"), Err(otherwise));
        world.request.headers.last_mut().unwrap().1 = "sig1=:AAAA:".to_owned();
        assert_eq!(check(&world, &headers, 201, b"{}"), Err(Disbelief::Signature));
    }
}
