//! Authenticate: who sent this, is it whole, is it fresh, was it acted on before. Over the exact bytes
//! received; keys and clock are handed in.

use super::{Endpoint, RestParts};
use crate::channel::client_certificate::CertificateError;
use crate::channel::digest::{self, DigestError};
use crate::channel::merchant::{Lapse, Merchant};
use crate::channel::replay::{ReplayError, Trace};
use crate::channel::signature::{self, Binding, RequestSignature, SignatureError};
use crate::edge::seam::Received;
use std::sync::Arc;
use tidegate_payment::id::{IdError, MerchantId, Nonce};
use tidegate_payment::request::Freshness;
use tidegate_payment::time::Timestamp;

/// What a POST must cover.
const POST_COVERS: &[&str] = &["@method", "@target-uri", "content-digest", "idempotency-key"];
/// What a GET must cover.
const GET_COVERS: &[&str] = &["@method", "@target-uri"];

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
    /// The key that it names does not count now. It was signed by that key.
    #[error("key {key} of merchant {merchant}: {lapse}")]
    Key {
        /// Whose it is.
        merchant: MerchantId,
        /// Which.
        key: String,
        /// Why not.
        lapse: Lapse,
    },
    /// The connection came without the merchant's client certificate.
    #[error("merchant {merchant}: {fault}")]
    Certificate {
        /// Who signed.
        merchant: MerchantId,
        /// What is wrong.
        fault: CertificateError,
    },
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
            Self::Key { lapse: Lapse::Revoked, .. } => "key_revoked",
            Self::Key { lapse: Lapse::NotYet { .. }, .. } => "key_not_yet",
            Self::Key { lapse: Lapse::Over { .. }, .. } => "key_expired",
            Self::Certificate { fault: CertificateError::Missing, .. } => {
                "client_certificate_missing"
            }
            Self::Certificate { .. } => "client_certificate_other",
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
        signed.verify_in_vain(&request);
        return Err(Unauthenticated::UnknownKey);
    };
    // First the signature: that somebody signs with a revoked key is news, a forgery is none.
    signed.verify(&request, key.key())?;
    key.validity().check(now_s).map_err(|lapse| Unauthenticated::Key {
        merchant: merchant.id.clone(),
        key: key.id().into(),
        lapse,
    })?;
    if let Some(binding) = &merchant.client_certificate {
        let shown = received.client_certificate.as_deref();
        binding.check(shown).map_err(|fault| Unauthenticated::Certificate {
            merchant: merchant.id.clone(),
            fault,
        })?;
    }
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
            algorithm: merchant.response_algorithm,
            method: received.method.clone(),
            target_uri: parts.settings.address.target_uri(&received.target),
            label: signed.label,
            value: signed.value,
        },
    };
    Ok((authenticated, admitted))
}
