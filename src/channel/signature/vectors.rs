//! The vectors of RFC 9421, appendix B. Each base must equal the standard's text, and the standard's
//! signature must verify over it by our own verifier (HMAC, which no merchant has, by aws-lc-rs).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::*;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};

const DIGEST: &str = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
const ED25519_PUBLIC: &str = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";
const ED25519_SEED: &str = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU";
const P256_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----
";
const RSA_PSS_PUBLIC: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2\
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAv\
Lkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W\
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdD\
Op9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB";
const SHARED_SECRET: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

fn fields(list: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    list.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec())).collect()
}

/// The test-request of appendix B.2.
fn test_request() -> Vec<(String, Vec<u8>)> {
    fields(&[
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-digest", DIGEST),
        ("content-length", "18"),
    ])
}

fn read(input: &str, value: &str) -> RequestSignature {
    RequestSignature::read(input.as_bytes(), value.as_bytes()).unwrap()
}

fn base_of(signature: &RequestSignature) -> Result<String, SignatureError> {
    let (address, headers) = (PublicAddress::parse("https://example.com").unwrap(), test_request());
    let (method, target) = ("POST", "/foo?param=Value&Pet=dog");
    let request = RequestParts { method, target, address: &address, headers: &headers };
    signature_base(&signature.covered, |item| request.component(item))
}

fn key(algorithm: Algorithm, text: &str) -> VerifyingKey {
    VerifyingKey::read(algorithm, text).unwrap()
}

fn ed25519_public() -> VerifyingKey {
    let bytes = BASE64URL_NOPAD.decode(ED25519_PUBLIC.as_bytes()).unwrap();
    key(Algorithm::Ed25519, &BASE64.encode(&bytes))
}

/// Verifies as it must, and not when one bit of the message or of the signature is another.
#[track_caller]
fn check(key: &VerifyingKey, base: &str, value: &[u8]) {
    assert_eq!(key.verify(base.as_bytes(), value), Ok(()));
    let mut forged = value.to_vec();
    forged[5] ^= 1;
    assert_eq!(key.verify(base.as_bytes(), &forged), Err(SignatureError::Forged));
    let mut other = base.as_bytes().to_vec();
    other[5] ^= 1;
    assert_eq!(key.verify(&other, value), Err(SignatureError::Forged));
    let short = &value[..value.len() - 1];
    assert_eq!(key.verify(base.as_bytes(), short), Err(SignatureError::Forged));
}

#[track_caller]
fn check_rsa_pss(base: &str, value: &[u8]) {
    check(&key(Algorithm::RsaPssSha512, RSA_PSS_PUBLIC), base, value);
    // The same key for the other padding: a signature of one algorithm is none of the other.
    let other = key(Algorithm::RsaV15Sha256, RSA_PSS_PUBLIC);
    assert_eq!(other.verify(base.as_bytes(), value), Err(SignatureError::Forged));
}

#[test]
fn b_2_1_minimal_signature() {
    let signature = read(
        r#"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
        "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:",
    );
    let base = base_of(&signature).unwrap();
    assert_eq!(
        base,
        "\"@signature-params\": ();created=1618884473;keyid=\"test-key-rsa-pss\"\
         ;nonce=\"b3k2pp5k7z-50gnwp.yemd\""
    );
    check_rsa_pss(&base, &signature.value);
    assert_eq!(signature.check_covers(&["@method"]), Err(SignatureError::NotCovered("@method")));
}

#[test]
fn b_2_2_a_component_with_parameters_is_refused_in_a_request_but_its_base_is_the_standards() {
    let signature = read(
        r#"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
        "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:",
    );
    let refused = base_of(&signature).unwrap_err();
    assert_eq!(refused, SignatureError::Component(r#""@query-param";name="Pet""#.into()));
    let base = signature_base(&signature.covered, |item| match &item.bare {
        Bare::Text(name) if name == "@authority" => Ok("example.com".into()),
        Bare::Text(name) if name == "content-digest" => Ok(DIGEST.into()),
        _ => Ok("dog".into()),
    });
    check_rsa_pss(&base.unwrap(), &signature.value);
}

#[test]
fn b_2_3_full_coverage() {
    let signature = read(
        r#"sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
        "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:",
    );
    let base = base_of(&signature).unwrap();
    let wanted = format!(
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\
         \"@query\": ?param=Value&Pet=dog\n\"@authority\": example.com\n\
         \"content-type\": application/json\n\"content-digest\": {DIGEST}\n\
         \"content-length\": 18\n\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@query\" \
         \"@authority\" \"content-type\" \"content-digest\" \"content-length\")\
         ;created=1618884473;keyid=\"test-key-rsa-pss\""
    );
    assert_eq!(base, wanted);
    check_rsa_pss(&base, &signature.value);
}

#[test]
fn b_2_4_signing_a_response() {
    let signature = read(
        r#"sig-b24=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#,
        "sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:",
    );
    let base = signature_base(&signature.covered, |item| match &item.bare {
        Bare::Text(name) => Ok(match name.as_str() {
            "@status" => "200",
            "content-type" => "application/json",
            "content-digest" => "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
            _ => "23",
        }
        .into()),
        _ => panic!("{item}"),
    })
    .unwrap();
    let key = key(Algorithm::EcdsaP256Sha256, P256_PUBLIC);
    check(&key, &base, &signature.value);
    assert_eq!(signature.value.len(), 64, "r and s, not DER");
}

#[test]
fn b_2_5_symmetric_signature() {
    let signature = read(
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
        "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    );
    let base = base_of(&signature).unwrap();
    let secret = BASE64.decode(SHARED_SECRET.as_bytes()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    assert!(hmac::verify(&key, base.as_bytes(), &signature.value).is_ok());
}

#[test]
fn b_2_6_ed25519_verifies_and_signs_to_the_same_bytes() {
    let signature = read(
        r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    );
    let public = BASE64URL_NOPAD.decode(ED25519_PUBLIC.as_bytes()).unwrap();
    let seed = BASE64URL_NOPAD.decode(ED25519_SEED.as_bytes()).unwrap();
    let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public).unwrap();
    assert_eq!(pair.public_key().as_ref(), public);
    let base = base_of(&signature).unwrap();
    assert_eq!(pair.sign(base.as_bytes()).as_ref(), signature.value);
    check(&ed25519_public(), &base, &signature.value);
}

/// Appendix B.4: what a relay may change of a signed message, and what it may not.
#[test]
fn b_4_message_transformations() {
    let signature = read(
        r#"transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519""#,
        "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:",
    );
    let verify = |method, address: &str, target, headers: &[(&str, &str)]| {
        let address = PublicAddress::parse(address).unwrap();
        let headers = fields(headers);
        let request = RequestParts { method, target, address: &address, headers: &headers };
        signature.verify(&request, &ed25519_public())
    };
    let (org, target) = ("https://example.org", "/demo?name1=Value1&Name2=value2");
    let accept = [("accept", "application/json"), ("accept", "*/*")];
    assert_eq!(verify("GET", org, target, &accept), Ok(()));
    let added = "/demo?name1=Value1&Name2=value2&param=added";
    assert_eq!(verify("GET", org, added, &accept), Ok(()));
    assert_eq!(verify("GET", org, target, &[("accept", "application/json, */*")]), Ok(()));
    let swapped = [accept[1], accept[0]];
    assert_eq!(verify("GET", org, target, &swapped), Err(SignatureError::Forged));
    let other = verify("POST", "https://example.com", target, &accept);
    assert_eq!(other, Err(SignatureError::Forged));
}

#[test]
fn an_answer_is_bound_to_its_request() {
    let binding = Binding {
        algorithm: Algorithm::Ed25519,
        method: "POST".into(),
        target_uri: "https://pay.bank.example/v1/payments".into(),
        label: "sig1".into(),
        value: vec![1, 2],
    };
    let (covered, base) = binding.answer_base(201, "sha-256=:AA==:", 5, "k").unwrap();
    let params = "(\"@status\" \"content-digest\" \"@method\";req \"@target-uri\";req \
                  \"signature\";req;key=\"sig1\");created=5;keyid=\"k\"";
    assert_eq!(covered.to_string(), params);
    let wanted = format!(
        "\"@status\": 201\n\"content-digest\": sha-256=:AA==:\n\"@method\";req: POST\n\
         \"@target-uri\";req: https://pay.bank.example/v1/payments\n\
         \"signature\";req;key=\"sig1\": :AQI=:\n\"@signature-params\": {params}"
    );
    assert_eq!(base, wanted);
}

#[test]
fn what_the_standard_leaves_open_is_refused() {
    let cases = [
        ("a=();created=1;keyid=\"k\", b=();created=1;keyid=\"k\"", "a=:AA==:"),
        ("a=();created=1;keyid=\"k\"", "b=:AA==:"),
        ("a=();created=1;keyid=\"k\"", "a=:AA==:;x"),
        ("a=();created=1;keyid=\"k\"", "a=\"AA==\""),
        ("a=();keyid=\"k\"", "a=:AA==:"),
        ("a=();created=1", "a=:AA==:"),
        ("a=();created=\"1\";keyid=\"k\"", "a=:AA==:"),
        ("a=();created=1;keyid=k", "a=:AA==:"),
        ("a=();created=1;keyid=\"k\";colour=1", "a=:AA==:"),
        ("a=();created=1;created=2;keyid=\"k\"", "a=:AA==:"),
        ("a=1;created=1;keyid=\"k\"", "a=:AA==:"),
        ("", ""),
    ];
    for (input, value) in cases {
        let read = RequestSignature::read(input.as_bytes(), value.as_bytes());
        assert!(read.is_err(), "{input} | {value}");
    }
    for covered in ["\"date\" \"date\"", "date", "\"@status\"", "\"date\";sf", "\"Date\"", "\"x\""]
    {
        let input = format!("a=({covered});created=1;keyid=\"k\"");
        let signature = read(&input, "a=:AA==:");
        assert!(base_of(&signature).is_err(), "{covered}");
    }
}

#[test]
fn only_fresh_signatures_count() {
    let mut signature = read("a=();created=1000;keyid=\"k\"", "a=:AA==:");
    for (now_s, fresh) in [(700, true), (699, false), (1300, true), (1301, false)] {
        assert_eq!(signature.check_fresh(now_s, 300).is_ok(), fresh, "now {now_s}");
    }
    signature.expires_s = Some(1010);
    assert_eq!(signature.check_fresh(1010, 300), Ok(()));
    assert_eq!(signature.check_fresh(1011, 300), Err(SignatureError::Expired));
}

#[test]
fn a_public_address_is_an_https_origin() {
    let address = PublicAddress::parse("https://Pay.Bank.example:443").unwrap();
    assert_eq!(address.target_uri("/v1/keys"), "https://pay.bank.example/v1/keys");
    let address = PublicAddress::parse("https://127.0.0.1:8443").unwrap();
    assert_eq!(address.target_uri("/"), "https://127.0.0.1:8443/");
    for bad in ["http://a", "https://", "https://a/", "https://u@a", "a:1"] {
        assert_eq!(PublicAddress::parse(bad), Err(AddressError), "{bad}");
    }
}

#[test]
fn a_public_key_is_read_in_each_form_and_only_for_its_own_algorithm() {
    use VerifyingKeyError::{Form, Kind, Numbers, Text};
    let raw = BASE64.encode(ed25519_public().bytes());
    let spki = BASE64.encode(
        &[&[0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 33, 0][..], ed25519_public().bytes()]
            .concat(),
    );
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n");
    for text in [&raw, &spki, &pem] {
        assert_eq!(key(Algorithm::Ed25519, text), ed25519_public());
    }
    let refused = |algorithm, text: &str| VerifyingKey::read(algorithm, text).unwrap_err();
    for algorithm in Algorithm::ALL {
        assert_eq!(refused(algorithm, "no key"), Text);
        assert_eq!(refused(algorithm, "AAAA"), Form);
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(refused(algorithm, garbage), Text);
        let texts = [&*spki, P256_PUBLIC, RSA_PSS_PUBLIC, RSA_PSS_PUBLIC];
        for (own, text) in Algorithm::ALL.into_iter().zip(texts) {
            let rsa = |one| matches!(one, Algorithm::RsaPssSha512 | Algorithm::RsaV15Sha256);
            if own == algorithm || rsa(own) && rsa(algorithm) {
                assert_eq!(key(algorithm, text).algorithm(), algorithm);
            } else {
                assert_eq!(refused(algorithm, text), Kind(algorithm));
            }
        }
    }
    let off_curve = P256_PUBLIC.replace("XQ==", "XA==");
    assert_eq!(refused(Algorithm::EcdsaP256Sha256, &off_curve), Numbers);
    assert!(ed25519_public().is_published());
}

/// An RSA key of a modulus of so many bytes, as `SubjectPublicKeyInfo`. Nobody has its factors.
fn rsa_spki(modulus_bytes: u16) -> Vec<u8> {
    let tlv = |tag: u8, value: &[u8]| {
        let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
        let length = if high == 0 { vec![0x81, low] } else { vec![0x82, high, low] };
        [&[tag][..], &length, value].concat()
    };
    let modulus = [vec![0], vec![0xff; usize::from(modulus_bytes)]].concat();
    let numbers = tlv(0x30, &[tlv(2, &modulus), vec![2, 3, 1, 0, 1]].concat());
    let oid = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    tlv(0x30, &[&oid[..], &tlv(3, &[vec![0], numbers].concat())].concat())
}

#[test]
fn an_rsa_key_has_2048_to_4096_bits() {
    for (bytes, fits) in [(128, false), (255, false), (256, true), (512, true), (513, false)] {
        for algorithm in [Algorithm::RsaPssSha512, Algorithm::RsaV15Sha256] {
            let read = VerifyingKey::from_spki(algorithm, &rsa_spki(bytes));
            let bits = usize::from(bytes) * 8;
            let wanted = if fits { None } else { Some(VerifyingKeyError::RsaBits { bits }) };
            assert_eq!(read.err(), wanted, "{bits} bits");
        }
    }
}
