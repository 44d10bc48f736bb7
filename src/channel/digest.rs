//! Content digests (RFC 9530): the signature covers the field, the field covers the body.

use super::structured::{Bare, Item, Member, StructuredError, read_dictionary};
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use data_encoding::BASE64;
use subtle::ConstantTimeEq;

/// Why a body does not go with its `Content-Digest`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The field cannot be read.
    #[error("the Content-Digest cannot be read")]
    Field(#[from] StructuredError),
    /// The field holds no digest by `sha-256` or `sha-512`.
    #[error("the Content-Digest holds neither sha-256 nor sha-512")]
    NoneKnown,
    /// A digest differs from the body's.
    #[error("the Content-Digest is not the digest of the body")]
    Differs,
}

/// The `Content-Digest` field of a body: `sha-256=:base64:`.
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(digest(&SHA256, body).as_ref()))
}

/// Checks a body against its `Content-Digest` field. Every digest by an algorithm that we know must
/// agree; at least one is needed; others are passed over (RFC 9530, section 2).
/// # Errors
/// [`DigestError`] otherwise.
pub fn check(field: &[u8], body: &[u8]) -> Result<(), DigestError> {
    let mut known = false;
    for (algorithm, member) in read_dictionary(field)? {
        let wanted = match algorithm.as_str() {
            "sha-256" => digest(&SHA256, body),
            "sha-512" => digest(&SHA512, body),
            _ => continue,
        };
        let Member::Item(Item { bare: Bare::Bytes(told), .. }) = member else {
            return Err(DigestError::Differs);
        };
        if !bool::from(told.as_slice().ct_eq(wanted.as_ref())) {
            return Err(DigestError::Differs);
        }
        known = true;
    }
    known.then_some(()).ok_or(DigestError::NoneKnown)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9530, appendices B.1 and D; RFC 9421, appendix B.2 (`sha-512`).
    const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
    const SHA_256: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    const SHA_512_NO_NEWLINE: &str = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

    #[test]
    fn the_examples_of_the_standards_agree() {
        assert_eq!(content_digest(BODY), SHA_256);
        assert_eq!(check(SHA_256.as_bytes(), BODY), Ok(()));
        assert_eq!(check(SHA_512_NO_NEWLINE.as_bytes(), b"{\"hello\": \"world\"}"), Ok(()));
    }

    #[test]
    fn a_body_that_differs_or_a_field_without_a_known_digest_is_refused() {
        let other = b"{\"hello\": \"World\"}\n";
        let both = format!("{SHA_256}, {SHA_512_NO_NEWLINE}");
        let cases: [(&str, &[u8], DigestError); 5] = [
            (SHA_256, other, DigestError::Differs),
            (&both, BODY, DigestError::Differs),
            ("md5=:AQI=:", BODY, DigestError::NoneKnown),
            ("sha-256=:RK/0:", BODY, DigestError::Differs),
            ("sha-256=abc", BODY, DigestError::Differs),
        ];
        for (field, body, refused) in cases {
            assert_eq!(check(field.as_bytes(), body), Err(refused), "{field}");
        }
    }
}
