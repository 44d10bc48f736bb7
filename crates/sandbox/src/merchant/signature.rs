//! Signs requests and verifies answers by HTTP Message Signatures (RFC 9421) with ed25519, and makes
//! Content-Digest fields (RFC 9530).

use super::published::PublishedKeys;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
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
    pub key: &'a Ed25519KeyPair,
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
        let parameters = format!(
            "{components};created={created_s};nonce=\"{nonce}\";keyid=\"{key_id}\";alg=\"ed25519\""
        );
        let base = format!("{base}\"@signature-params\": {parameters}");
        let signature = BASE64.encode(self.key.sign(base.as_bytes()).as_ref());
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
    /// The signature is false.
    #[error("the answer's signature is false")]
    Signature,
}

/// Verifies that an answer is the gateway's and belongs to this request.
/// # Errors
/// [`Disbelief`].
pub fn verify(
    keys: &PublishedKeys,
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
    UnparsedPublicKey::new(&ED25519, key)
        .verify(base.as_bytes(), &signature)
        .map_err(|_| Disbelief::Signature)
}

/// The Content-Digest of a body, by SHA-256 (RFC 9530, 2).
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(digest(&SHA256, body).as_ref()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::super::published::Published;
    use super::*;
    use aws_lc_rs::signature::KeyPair as _;

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
        UnparsedPublicKey::new(&ED25519, public).verify(base.as_bytes(), &signature).unwrap();
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
        let merchant = Ed25519KeyPair::generate().unwrap();
        let gateway = Ed25519KeyPair::generate().unwrap();
        let x = gateway.public_key().as_ref().to_vec();
        let keys = PublishedKeys { list: vec![Published::Ed25519 { kid: "g".into(), x }] };
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
        verify(&world.keys, &world.request, status, find, body)
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
        world.request.headers.last_mut().unwrap().1 = "sig1=:AAAA:".to_owned();
        assert_eq!(check(&world, &headers, 201, b"{}"), Err(Disbelief::Signature));
    }
}
