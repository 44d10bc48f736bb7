//! Who may ask: merchants' profiles as channels need them. Configuration builds them.

use super::signature::Algorithm;
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
    /// What it may ask for.
    pub operations: Vec<Operation>,
    /// In which currencies.
    pub currencies: Vec<Currency>,
    /// The largest amount of one payment, in minor units; a currency without one is bounded by the
    /// host message alone.
    pub amount_max: BTreeMap<Currency, i64>,
    /// Options that the engine obeys.
    pub terms: Terms,
    /// Who it is to the host.
    pub acceptor: Acceptor,
    /// Where its day begins and ends.
    pub zone: jiff::tz::TimeZone,
    /// Which host its payments go to.
    pub host: HostId,
}

/// A merchant's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantKey {
    id: String,
    algorithm: Algorithm,
    public_key: Vec<u8>,
}

/// Why a merchant's key or the table of merchants cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MerchantError {
    /// An id that cannot stand in a signature's `keyid`.
    #[error("key id: 1 to 64 printable ASCII characters are expected")]
    KeyId,
    /// An algorithm that we do not verify.
    #[error("key {id}: unknown algorithm; ed25519 is expected")]
    Algorithm {
        /// The key.
        id: String,
    },
    /// A public key of the wrong length.
    #[error("key {id}: {length} bytes; {wanted} are expected")]
    KeyLength {
        /// The key.
        id: String,
        /// What was given.
        length: usize,
        /// What the algorithm wants.
        wanted: usize,
    },
    /// Two merchants of one id.
    #[error("two merchants have the id {0}")]
    TwoMerchants(MerchantId),
    /// Two keys of one id: a message could not be told to be the one's or the other's.
    #[error("two keys have the id {0}")]
    TwoKeys(String),
}

impl MerchantKey {
    /// A key from its id, the name of its algorithm and its raw public bytes.
    /// # Errors
    /// [`MerchantError`] naming what is wrong.
    pub fn new(id: &str, algorithm: &str, public_key: &[u8]) -> Result<Self, MerchantError> {
        if !(1..=64).contains(&id.len()) || !id.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(MerchantError::KeyId);
        }
        let known = Algorithm::from_name(algorithm);
        let algorithm = known.ok_or_else(|| MerchantError::Algorithm { id: id.into() })?;
        let (length, wanted) = (public_key.len(), algorithm.public_key_bytes());
        if length != wanted {
            return Err(MerchantError::KeyLength { id: id.into(), length, wanted });
        }
        Ok(Self { id: id.into(), algorithm, public_key: public_key.to_vec() })
    }

    /// Its id, which a signature names as `keyid`; unique among all merchants.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its algorithm, which no message can choose.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its public bytes.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
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
    fn a_merchants_key_is_checked_when_it_is_built() {
        let key = |id, algorithm, length: usize| MerchantKey::new(id, algorithm, &vec![0; length]);
        assert!(key("m-1", "ed25519", 32).is_ok());
        assert_eq!(key("", "ed25519", 32), Err(MerchantError::KeyId));
        assert_eq!(key("m-1", "none", 32), Err(MerchantError::Algorithm { id: "m-1".into() }));
        let refused = MerchantError::KeyLength { id: "m-1".into(), length: 31, wanted: 32 };
        assert_eq!(key("m-1", "ed25519", 31), Err(refused));
    }
}
