//! Authenticate: who sent this, is it whole, is it fresh, was it acted on before. Over the exact bytes
//! received; keys and clock are handed in.

use super::{Endpoint, RestParts};
use crate::channel::digest::{self, DigestError};
use crate::channel::merchant::Merchant;
use crate::channel::replay::{ReplayError, Trace};
use crate::channel::signature::{self, Algorithm, Binding, RequestSignature, SignatureError};
use crate::edge::seam::Received;
use std::sync::Arc;
use tidegate_payment::id::{IdError, Nonce};
use tidegate_payment::request::Freshness;
use tidegate_payment::time::Timestamp;

/// What a POST must cover.
const POST_COVERS: &[&str] = &["@method", "@target-uri", "content-digest", "idempotency-key"];
/// What a GET must cover.
const GET_COVERS: &[&str] = &["@method", "@target-uri"];
/// A public key whose verification is paid for when the named key is unknown, so that the time of a
/// refusal does not tell which keys exist. (RFC 8032, 7.1, test 1: its secret is public, so whatever
/// verifies under it is refused all the same.)
const DECOY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// A sender that is known, and what the answer will be bound to.
pub struct Authenticated {
    /// The profile of who asks.
    pub merchant: Arc<Merchant>,
    /// When the message was made, and what makes it single.
    pub freshness: Freshness,
    /// What the answer's signature will cover of the request.
    pub binding: Binding,
}

/// Why a message is not acted on. For logs and counters only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// The signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The key that it names.
    #[error("no merchant has the named key")]
    UnknownKey,
    /// The body.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// No nonce, or one of another form.
    #[error("a nonce is missing or malformed")]
    Nonce(#[from] IdError),
    /// Acted on before, or too old to know.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl Unauthenticated {
    /// A short name for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Signature(error) => error.reason(),
            Self::UnknownKey => "unknown_key",
            Self::Digest(_) => "digest",
            Self::Nonce(_) => "nonce",
            Self::Replay(ReplayError::Seen) => "replay",
            Self::Replay(ReplayError::BeforeStart) => "before_start",
            Self::Replay(ReplayError::Full) => "replay_window_full",
        }
    }
}

/// Authenticates a request. The nonce is spent last: only by a message that is otherwise good. When the
/// window is full, the answer is bound to the request already, so both come back.
/// # Errors
/// [`Unauthenticated`]; the sender is told none of it.
pub fn authenticate(
    received: &Received,
    endpoint: &Endpoint,
    parts: &RestParts,
    now_s: i64,
) -> Result<(Authenticated, Result<(), ReplayError>), Unauthenticated> {
    let request = signature::RequestParts {
        method: &received.method,
        target: &received.target,
        address: &parts.settings.address,
        headers: &received.headers,
    };
    let input = request.once("signature-input")?;
    let signed = RequestSignature::read(input, request.once("signature")?)?;
    let posts = endpoint.is_posted();
    signed.check_covers(if posts { POST_COVERS } else { GET_COVERS })?;
    signed.check_fresh(now_s, parts.settings.signature_window_s)?;

    let Some((merchant, key)) = parts.merchants.by_key(&signed.key_id) else {
        let _ = signed.verify(&request, Algorithm::Ed25519, &DECOY);
        return Err(Unauthenticated::UnknownKey);
    };
    signed.verify(&request, key.algorithm(), key.public_key())?;
    if posts {
        request.once("idempotency-key")?;
        digest::check(request.once("content-digest")?, &received.body)?;
    }
    let nonce = Nonce::parse(signed.nonce.as_deref().unwrap_or_default())?;
    let trace = if posts { Trace::Journalled } else { Trace::Memory };
    let admitted = parts.replay.admit(&merchant.id, &nonce, signed.created_s, now_s, trace);
    if let Err(error @ (ReplayError::Seen | ReplayError::BeforeStart)) = admitted {
        return Err(error.into());
    }
    let created = Timestamp(signed.created_s.saturating_mul(1_000_000));
    let authenticated = Authenticated {
        merchant: Arc::clone(merchant),
        freshness: Freshness { created, nonce },
        binding: Binding {
            method: received.method.clone(),
            target_uri: parts.settings.address.target_uri(&received.target),
            label: signed.label,
            value: signed.value,
        },
    };
    Ok((authenticated, admitted))
}
