//! HTTP message signatures (RFC 9421) over plain data: reading, the signature base, verification.
//!
//! Stricter than the standard where the standard leaves a choice: one signature per message, no
//! component with parameters in a request, no component twice, no unknown component, no unknown
//! parameter. The algorithm is fixed by the key; the message may only agree with it.

mod request;
#[cfg(test)]
mod vectors;
mod verifying_key;

pub use request::{AddressError, PublicAddress, RequestParts};
pub use verifying_key::{VerifyingKey, VerifyingKeyError};

use super::structured::{Bare, InnerList, Item, Member, Params, StructuredError, read_dictionary};
use crate::keys::algorithm::Algorithm;

/// Why a message does not count as signed. For logs and counters: the sender is told none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A field that must stand there once is missing or stands there twice.
    #[error("the field {0} must stand there exactly once")]
    NotOnce(&'static str),
    /// A signature field cannot be read.
    #[error("a signature field cannot be read")]
    Field(#[from] StructuredError),
    /// Not exactly one signature, or its two fields use different labels.
    #[error("exactly one signature under one label is expected")]
    Label,
    /// A member of the wrong type.
    #[error("a signature field holds a member of the wrong type")]
    Type,
    /// A component that we do not build.
    #[error("the component {0} is none that a message may cover here")]
    Component(String),
    /// A component that stands there twice.
    #[error("the component {0} is covered twice")]
    Twice(String),
    /// A component that must be covered is not.
    #[error("the component {0} is not covered")]
    NotCovered(&'static str),
    /// A covered field that the message does not have, or whose value cannot stand in a base.
    #[error("the covered field {0} is missing or cannot be signed")]
    FieldValue(String),
    /// A parameter that is missing, unknown or of the wrong type.
    #[error("the signature parameter {0} is missing, unknown or of the wrong type")]
    Parameter(String),
    /// Made too long ago or too far ahead.
    #[error("created {created_s}, now {now_s}: at most {window_s} s apart are allowed")]
    Stale {
        /// When the message says that it was made, seconds since 1970.
        created_s: i64,
        /// Our clock.
        now_s: i64,
        /// The window.
        window_s: i64,
    },
    /// Past its own expiry.
    #[error("the signature expired")]
    Expired,
    /// The `alg` parameter names another algorithm than the key has.
    #[error("the alg parameter names another algorithm than the key's")]
    Algorithm,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Forged,
}

impl SignatureError {
    /// A short name for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotOnce(_) => "signature_field_count",
            Self::Field(_) | Self::Label | Self::Type => "signature_field",
            Self::Component(_) | Self::Twice(_) => "component",
            Self::NotCovered(_) => "not_covered",
            Self::FieldValue(_) => "covered_field",
            Self::Parameter(_) => "parameter",
            Self::Stale { .. } => "stale",
            Self::Expired => "expired",
            Self::Algorithm => "algorithm",
            Self::Forged => "forged",
        }
    }
}

/// A request's one signature, read but not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSignature {
    /// Its label, `sig1` by custom.
    pub label: String,
    /// What it covers and its parameters, as received.
    pub covered: InnerList,
    /// The signature itself.
    pub value: Vec<u8>,
    /// When it was made, seconds since 1970.
    pub created_s: i64,
    /// When it ends, seconds since 1970.
    pub expires_s: Option<i64>,
    /// What makes the message single.
    pub nonce: Option<String>,
    /// Which key.
    pub key_id: String,
    /// The algorithm, if the message names one.
    pub algorithm: Option<String>,
}

impl RequestSignature {
    /// Reads `Signature-Input` and `Signature`, which must hold exactly one signature.
    /// # Errors
    /// [`SignatureError`] naming what is wrong.
    pub fn read(input: &[u8], signature: &[u8]) -> Result<Self, SignatureError> {
        let (label, input) = only(read_dictionary(input)?)?;
        let (value_label, value) = only(read_dictionary(signature)?)?;
        if label != value_label {
            return Err(SignatureError::Label);
        }
        let (Member::List(covered), Member::Item(value)) = (input, value) else {
            return Err(SignatureError::Type);
        };
        let (Bare::Bytes(value), true) = (value.bare, value.params.is_empty()) else {
            return Err(SignatureError::Type);
        };
        let mut created_s = None;
        let (mut expires_s, mut nonce, mut key_id, mut algorithm) = (None, None, None, None);
        for (name, bare) in &covered.params {
            match (name.as_str(), bare) {
                ("created", Bare::Integer(number)) => created_s = Some(*number),
                ("expires", Bare::Integer(number)) => expires_s = Some(*number),
                ("nonce", Bare::Text(text)) => nonce = Some(text.clone()),
                ("keyid", Bare::Text(text)) => key_id = Some(text.clone()),
                ("alg", Bare::Text(text)) => algorithm = Some(text.clone()),
                // An application's own tag is covered by the signature and means nothing to us.
                ("tag", Bare::Text(_)) => {}
                _ => return Err(SignatureError::Parameter(name.clone())),
            }
        }
        let missing = |name: &str| SignatureError::Parameter(name.into());
        Ok(Self {
            created_s: created_s.ok_or_else(|| missing("created"))?,
            key_id: key_id.ok_or_else(|| missing("keyid"))?,
            label,
            covered,
            value,
            expires_s,
            nonce,
            algorithm,
        })
    }

    /// Checks that each of these components is covered.
    /// # Errors
    /// [`SignatureError::NotCovered`] naming the first that is not.
    pub fn check_covers(&self, required: &[&'static str]) -> Result<(), SignatureError> {
        let covers = |name: &str| {
            self.covered.items.iter().any(|item| {
                matches!(&item.bare, Bare::Text(covered) if covered == name)
                    && item.params.is_empty()
            })
        };
        match required.iter().find(|name| !covers(name)) {
            Some(name) => Err(SignatureError::NotCovered(name)),
            None => Ok(()),
        }
    }

    /// Checks that the message was made within `window_s` seconds of now and has not expired.
    /// # Errors
    /// [`SignatureError::Stale`] or [`SignatureError::Expired`].
    pub fn check_fresh(&self, now_s: i64, window_s: i64) -> Result<(), SignatureError> {
        let created_s = self.created_s;
        if now_s.abs_diff(created_s) > window_s.unsigned_abs() {
            return Err(SignatureError::Stale { created_s, now_s, window_s });
        }
        match self.expires_s {
            Some(expires_s) if expires_s < now_s => Err(SignatureError::Expired),
            _ => Ok(()),
        }
    }

    /// Verifies the signature over the request by a key whose algorithm is known beforehand.
    /// # Errors
    /// [`SignatureError`] naming what is wrong.
    pub fn verify(
        &self,
        request: &RequestParts<'_>,
        key: &VerifyingKey,
    ) -> Result<(), SignatureError> {
        let named = self.algorithm.as_deref();
        if named.is_some_and(|named| named != key.algorithm().name()) {
            self.verify_in_vain(request);
            return Err(SignatureError::Algorithm);
        }
        self.verify_under(request, key)
    }

    /// Does the work of a verification by the algorithm that the message names, so that the time of a
    /// refusal does not tell which keys exist.
    pub fn verify_in_vain(&self, request: &RequestParts<'_>) {
        let named = self.algorithm.as_deref().and_then(Algorithm::from_name);
        if let Some(decoy) = VerifyingKey::decoy(named.unwrap_or(Algorithm::Ed25519)) {
            // Refused whatever comes out.
            let _ = self.verify_under(request, decoy);
        }
    }

    fn verify_under(
        &self,
        request: &RequestParts<'_>,
        key: &VerifyingKey,
    ) -> Result<(), SignatureError> {
        let base = signature_base(&self.covered, |item| request.component(item))?;
        key.verify(base.as_bytes(), &self.value)
    }
}

fn only(members: Vec<(String, Member)>) -> Result<(String, Member), SignatureError> {
    let mut members = members.into_iter();
    match (members.next(), members.next()) {
        (Some(member), None) => Ok(member),
        _ => Err(SignatureError::Label),
    }
}

/// The signature base of RFC 9421, section 2.5: a line per covered component, then the parameters.
/// # Errors
/// [`SignatureError::Twice`], or whatever `value_of` finds.
pub fn signature_base(
    covered: &InnerList,
    value_of: impl Fn(&Item) -> Result<String, SignatureError>,
) -> Result<String, SignatureError> {
    let mut base = String::new();
    for (index, item) in covered.items.iter().enumerate() {
        if covered.items.iter().take(index).any(|earlier| earlier == item) {
            return Err(SignatureError::Twice(item.to_string()));
        }
        let value = value_of(item)?;
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Err(SignatureError::FieldValue(item.to_string()));
        }
        base.push_str(&format!("{item}: {value}\n"));
    }
    base.push_str(&format!("\"@signature-params\": {covered}"));
    Ok(base)
}

/// What an answer's signature binds it to: the request that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The algorithm by which this merchant's answers are signed.
    pub algorithm: Algorithm,
    /// The request's method.
    pub method: String,
    /// The request's absolute URI.
    pub target_uri: String,
    /// The label of the request's signature.
    pub label: String,
    /// The request's signature.
    pub value: Vec<u8>,
}

impl Binding {
    /// The covered components and parameters of an answer to this request, and their signature base.
    /// # Errors
    /// [`SignatureError`] if a value cannot stand in a base, which no value of ours does.
    pub fn answer_base(
        &self,
        status: u16,
        content_digest: &str,
        created_s: i64,
        key_id: &str,
    ) -> Result<(InnerList, String), SignatureError> {
        let text = |text: &str| Bare::Text(text.into());
        let req = || ("req".to_owned(), Bare::Flag(true));
        let item = |name: &str, params: Params| Item { bare: text(name), params };
        let covered = InnerList {
            items: vec![
                item("@status", vec![]),
                item("content-digest", vec![]),
                item("@method", vec![req()]),
                item("@target-uri", vec![req()]),
                item("signature", vec![req(), ("key".into(), text(&self.label))]),
            ],
            params: vec![
                ("created".into(), Bare::Integer(created_s)),
                ("keyid".into(), text(key_id)),
            ],
        };
        let base = signature_base(&covered, |item| match &item.bare {
            Bare::Text(name) => match name.as_str() {
                "@status" => Ok(status.to_string()),
                "content-digest" => Ok(content_digest.into()),
                "@method" => Ok(self.method.clone()),
                "@target-uri" => Ok(self.target_uri.clone()),
                "signature" => Ok(Bare::Bytes(self.value.clone()).to_string()),
                _ => Err(SignatureError::Component(item.to_string())),
            },
            _ => Err(SignatureError::Component(item.to_string())),
        })?;
        Ok((covered, base))
    }
}
