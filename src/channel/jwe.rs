//! Card data in JSON Web Encryption, compact form (RFC 7516), by exactly two key managements and one
//! cipher: `ECDH-ES` (direct, P-256) or `RSA-OAEP-256` (RFC 7518, 4.6 and 4.3), and `A256GCM` (5.3).
//!
//! Everything else is refused: `none`, `RSA1_5`, `zip`, `crit`, header members that are not on the
//! list, base64 with padding or stray bits. Outside, every failure looks the same.

#[cfg(test)]
mod vectors;

use super::json;
use crate::keys::{KeyError, KeyStore};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A compact JWE longer than this is refused unread, in bytes.
pub const JWE_BYTES_MAX: usize = 4096;
/// A protected header longer than this is refused, in bytes before decoding.
const HEADER_BYTES_MAX: usize = 1024;
/// `apu` and `apv` longer than this are refused, in bytes after decoding.
const PARTY_BYTES_MAX: usize = 64;
const TAG_BYTES: usize = 16;

/// Why card data cannot be read. For logs and counters; the merchant is told none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// Too long, not five parts, or a part that is not base64url.
    #[error("not a compact JWE")]
    Form,
    /// A header that cannot be read or has members that are not on the list.
    #[error("a JWE header that is not acceptable")]
    Header,
    /// A key management or cipher that is not on the list.
    #[error("a JWE algorithm that is not acceptable")]
    Algorithm,
    /// The content key could not be had.
    #[error("the content key could not be had")]
    Key(#[from] KeyError),
    /// The content does not open: changed, or for another key.
    #[error("the content does not open")]
    Content,
}

impl JweError {
    /// A short name for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Form => "jwe_form",
            Self::Header => "jwe_header",
            Self::Algorithm => "jwe_algorithm",
            Self::Key(KeyError::UnknownKey { .. }) => "jwe_unknown_key",
            Self::Key(_) => "jwe_key",
            Self::Content => "jwe_content",
        }
    }
}

/// The allow-list of header members. `typ` and `cty` are read and mean nothing to us.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    kid: String,
    epk: Option<EphemeralKey>,
    apu: Option<String>,
    apv: Option<String>,
    #[serde(rename = "typ")]
    _typ: Option<String>,
    #[serde(rename = "cty")]
    _cty: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EphemeralKey {
    kty: String,
    crv: String,
    x: String,
    y: String,
}

/// Opens a compact JWE. The content's memory is wiped on drop. Computes and asks the key store: for
/// a worker.
/// # Errors
/// [`JweError`] for anything but a well-formed JWE by the algorithms above under a key of ours.
pub fn open(compact: &str, keys: &dyn KeyStore) -> Result<Zeroizing<Vec<u8>>, JweError> {
    let parts = split(compact)?;
    let header = base64url(parts.header)?;
    let header: Header = json::read(&header).map_err(|_| JweError::Header)?;
    if header.enc != "A256GCM" {
        return Err(JweError::Algorithm);
    }
    let wrapped = base64url(parts.wrapped_key)?;
    let key = match (header.alg.as_str(), &header.epk) {
        ("ECDH-ES", Some(epk)) if wrapped.is_empty() => {
            let secret = keys.agree(&header.kid, &point(epk)?)?;
            let (apu, apv) = (party(header.apu.as_deref())?, party(header.apv.as_deref())?);
            concat_kdf(&secret, "A256GCM", &apu, &apv)
        }
        ("RSA-OAEP-256", None)
            if !wrapped.is_empty() && header.apu.is_none() && header.apv.is_none() =>
        {
            keys.unwrap_key(&header.kid, &wrapped)?
        }
        ("ECDH-ES" | "RSA-OAEP-256", _) => return Err(JweError::Header),
        _ => return Err(JweError::Algorithm),
    };
    let (nonce, tag) = (base64url(parts.nonce)?, base64url(parts.tag)?);
    let mut content = Zeroizing::new(base64url(parts.content)?);
    open_content(&key, parts.header.as_bytes(), &nonce, &mut content, &tag)?;
    Ok(content)
}

struct Parts<'a> {
    header: &'a str,
    wrapped_key: &'a str,
    nonce: &'a str,
    content: &'a str,
    tag: &'a str,
}

fn split(compact: &str) -> Result<Parts<'_>, JweError> {
    if compact.len() > JWE_BYTES_MAX {
        return Err(JweError::Form);
    }
    let mut parts = compact.split('.');
    let mut part = || parts.next().ok_or(JweError::Form);
    let read = Parts {
        header: part()?,
        wrapped_key: part()?,
        nonce: part()?,
        content: part()?,
        tag: part()?,
    };
    if parts.next().is_some() || read.header.len() > HEADER_BYTES_MAX {
        return Err(JweError::Form);
    }
    Ok(read)
}

/// Base64url without padding; stray bits in the last letter are refused.
fn base64url(text: &str) -> Result<Vec<u8>, JweError> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| JweError::Form)
}

/// The uncompressed point of an ephemeral key (SEC 1, 2.3.3); whether it lies on the curve is checked
/// where it is used.
fn point(epk: &EphemeralKey) -> Result<Vec<u8>, JweError> {
    if epk.kty != "EC" || epk.crv != "P-256" {
        return Err(JweError::Header);
    }
    let (x, y) = (base64url(&epk.x)?, base64url(&epk.y)?);
    if x.len() != 32 || y.len() != 32 {
        return Err(JweError::Header);
    }
    Ok([vec![4], x, y].concat())
}

fn party(text: Option<&str>) -> Result<Vec<u8>, JweError> {
    let info = text.map(base64url).transpose()?.unwrap_or_default();
    if info.len() > PARTY_BYTES_MAX { Err(JweError::Header) } else { Ok(info) }
}

/// One round of the Concat KDF with SHA-256 (RFC 7518, 4.6.2; NIST SP 800-56A): 32 bytes, of which a
/// cipher with a shorter key takes the first.
fn concat_kdf(secret: &[u8], algorithm: &str, apu: &[u8], apv: &[u8]) -> Zeroizing<Vec<u8>> {
    let key_bits: u32 = if algorithm == "A128GCM" { 128 } else { 256 };
    let mut hash = Sha256::new();
    hash.update(1_u32.to_be_bytes());
    hash.update(secret);
    for part in [algorithm.as_bytes(), apu, apv] {
        // Each part is bounded far below 2^32 bytes.
        hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.update(key_bits.to_be_bytes());
    Zeroizing::new(hash.finalize().to_vec())
}

/// Opens AES-256-GCM content in place. The nonce is 96 bits, the tag 128 (RFC 7518, 5.3).
fn open_content(
    key: &[u8],
    authenticated: &[u8],
    nonce: &[u8],
    content: &mut Zeroizing<Vec<u8>>,
    tag: &[u8],
) -> Result<(), JweError> {
    let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| JweError::Content)?;
    if tag.len() != TAG_BYTES {
        return Err(JweError::Content);
    }
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| JweError::Content)?;
    LessSafeKey::new(key)
        .open_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(authenticated),
            tag,
            content,
        )
        .map(|_| ())
        .map_err(|_| JweError::Content)
}
