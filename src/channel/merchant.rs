//! Who may ask: merchants' profiles as channels need them. Configuration builds them.

use super::client_certificate::CertificateBinding;
use super::signature::VerifyingKey;
use crate::keys::algorithm::Algorithm;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_payment::id::{HostId, MerchantId};
use tidegate_payment::input::Terms;
use tidegate_payment::money::Currency;
use tidegate_payment::request::{Acceptor, Operation};

/// A merchant's profile.
#[derive(Debug, Clone)]
pub struct Merchant {
    /// Its id.
    pub id: MerchantId,
    /// The keys by which its messages are known; several overlap while one replaces another.
    pub keys: Vec<MerchantKey>,
    /// The client certificate without which its messages are refused, if it has one.
    pub client_certificate: Option<CertificateBinding>,
    /// How our answers to it are signed.
    pub response_algorithm: Algorithm,
    /// What it may ask for.
    pub operations: Vec<Operation>,
    /// In which currencies.
    pub currencies: Vec<Currency>,
    /// The largest amount of one payment, in minor units; a currency without one is bounded by the
    /// host message alone.
    pub amount_max: BTreeMap<Currency, i64>,
    /// How much of the gateway it may take, against others, when everything is taken; 1 or more.
    pub weight: u32,
    /// Options that the engine obeys.
    pub terms: Terms,
    /// Who it is to the host.
    pub acceptor: Acceptor,
    /// Where its day begins and ends.
    pub zone: jiff::tz::TimeZone,
    /// Which host its payments go to.
    pub host: HostId,
}

/// A merchant's public key, and when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantKey {
    id: String,
    key: VerifyingKey,
    validity: Validity,
}

/// When a key counts. By default always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Validity {
    /// From this second on, since 1970.
    pub not_before_s: Option<i64>,
    /// Until this second, since 1970, itself included.
    pub not_after_s: Option<i64>,
    /// Never again.
    pub revoked: bool,
}

/// Why a key that is known does not count now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lapse {
    /// It was revoked.
    #[error("the key was revoked")]
    Revoked,
    /// Its time has not come.
    #[error("the key counts from {not_before_s} s, now {now_s} s")]
    NotYet {
        /// From when on it counts, seconds since 1970.
        not_before_s: i64,
        /// Our clock.
        now_s: i64,
    },
    /// Its time is over.
    #[error("the key counted until {not_after_s} s, now {now_s} s")]
    Over {
        /// Until when it counted, seconds since 1970.
        not_after_s: i64,
        /// Our clock.
        now_s: i64,
    },
}

impl Validity {
    /// Whether a key counts now.
    /// # Errors
    /// [`Lapse`] saying why not.
    pub fn check(self, now_s: i64) -> Result<(), Lapse> {
        match (self.not_before_s, self.not_after_s) {
            _ if self.revoked => Err(Lapse::Revoked),
            (Some(not_before_s), _) if now_s < not_before_s => {
                Err(Lapse::NotYet { not_before_s, now_s })
            }
            (_, Some(not_after_s)) if now_s > not_after_s => {
                Err(Lapse::Over { not_after_s, now_s })
            }
            _ => Ok(()),
        }
    }
}

/// Why a merchant's key or the table of merchants cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MerchantError {
    /// An id that cannot stand in a signature's `keyid`.
    #[error("key id: 1 to 64 printable ASCII characters are expected")]
    KeyId,
    /// Two merchants of one id.
    #[error("two merchants have the id {0}")]
    TwoMerchants(MerchantId),
    /// Two keys of one id: a message could not be told to be the one's or the other's.
    #[error("two keys have the id {0}")]
    TwoKeys(String),
}

impl MerchantKey {
    /// A key from its id, its public half, and when it counts.
    /// # Errors
    /// [`MerchantError::KeyId`].
    pub fn new(id: &str, key: VerifyingKey, validity: Validity) -> Result<Self, MerchantError> {
        if !(1..=64).contains(&id.len()) || !id.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(MerchantError::KeyId);
        }
        Ok(Self { id: id.into(), key, validity })
    }

    /// Its id, which a signature names as `keyid`; unique among all merchants.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its public half, with the algorithm that no message can choose.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// When it counts.
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

/// All merchants, found by the id of a key.
#[derive(Debug, Default)]
pub struct Merchants {
    by_key: BTreeMap<String, (Arc<Merchant>, MerchantKey)>,
    by_id: BTreeMap<MerchantId, Arc<Merchant>>,
}

impl Merchants {
    /// Builds the table.
    /// # Errors
    /// [`MerchantError`] for two merchants or two keys of one id.
    pub fn build(merchants: impl IntoIterator<Item = Merchant>) -> Result<Self, MerchantError> {
        let mut table = Self::default();
        for merchant in merchants.into_iter().map(Arc::new) {
            for key in &merchant.keys {
                let entry = (Arc::clone(&merchant), key.clone());
                if table.by_key.insert(key.id.clone(), entry).is_some() {
                    return Err(MerchantError::TwoKeys(key.id.clone()));
                }
            }
            if let Some(first) = table.by_id.insert(merchant.id.clone(), merchant) {
                return Err(MerchantError::TwoMerchants(first.id.clone()));
            }
        }
        Ok(table)
    }

    /// The merchant whose key has this id, and the key.
    pub fn by_key(&self, key: &str) -> Option<(&Arc<Merchant>, &MerchantKey)> {
        self.by_key.get(key).map(|(merchant, key)| (merchant, key))
    }

    /// The merchant of this id.
    pub fn by_id(&self, id: &MerchantId) -> Option<&Arc<Merchant>> {
        self.by_id.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_between_its_first_and_its_last_second_unless_it_is_revoked() {
        let validity = Validity { not_before_s: Some(100), not_after_s: Some(200), revoked: false };
        let not_yet = Lapse::NotYet { not_before_s: 100, now_s: 99 };
        assert_eq!(validity.check(99), Err(not_yet));
        assert_eq!((validity.check(100), validity.check(200)), (Ok(()), Ok(())));
        assert_eq!(validity.check(201), Err(Lapse::Over { not_after_s: 200, now_s: 201 }));
        let revoked = Validity { revoked: true, ..validity };
        assert_eq!(revoked.check(150), Err(Lapse::Revoked));
        assert_eq!(Validity::default().check(i64::MAX), Ok(()));
    }

    #[test]
    fn a_key_id_is_one_that_a_signature_can_name() {
        let key = VerifyingKey::decoy(Algorithm::Ed25519).cloned();
        let named = |id| MerchantKey::new(id, key.clone()?, Validity::default()).ok();
        assert!(named("m-1").is_some());
        assert!(named("").is_none());
        assert!(named("m\n1").is_none());
    }
}
