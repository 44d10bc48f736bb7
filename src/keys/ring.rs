//! The keys of a sealed file in memory, and what is done with them. All cryptography is aws-lc-rs.
//!
//! A sealed card number is `version (1) | data key id (8) | nonce (12) | ciphertext | tag (16)`,
//! AES-256-GCM over the digits; version, key id and the card's keyed hash are authenticated with it, so
//! that no sealed number can be put beside another card's hash. The nonce is random: a data key must be
//! replaced before it sealed 2^32 cards (NIST SP 800-38D, 8.3).

use super::algorithm::Algorithm;
use super::material::{point_material, rsa_numbers};
use super::signing::{self, SigningKey};
use super::{KeyError, KeyStore, PublicKey, PublicMaterial, Purpose, SealedCard};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, UnparsedPublicKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::{hmac, rand};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tidegate_payment::card::{CardHash, CardRef, Pan};
use zeroize::{Zeroize, Zeroizing};

const CARD_VERSION: u8 = 1;
const KEY_ID_LENGTH: usize = 8;
const CARD_HEAD: usize = 1 + KEY_ID_LENGTH;

/// The kinds of keys in a sealed file, by their numbers there. A number is never used again for
/// another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AES-256, seals card numbers; 32 raw bytes.
    CardData,
    /// HMAC-SHA-256, hashes card numbers; 32 raw bytes. Exactly one: a second would make one card two.
    CardHash,
    /// Signs answers by this algorithm; PKCS#8. RSA keys are for one padding each.
    ResponseSigning(Algorithm),
    /// EC P-256, agrees on content keys with merchants; PKCS#8.
    EncryptionP256,
    /// RSA-2048, unwraps content keys of merchants; PKCS#8.
    EncryptionRsa,
}

impl Kind {
    /// All kinds.
    const ALL: [Self; 8] = [
        Self::CardData,
        Self::CardHash,
        Self::ResponseSigning(Algorithm::Ed25519),
        Self::EncryptionP256,
        Self::EncryptionRsa,
        Self::ResponseSigning(Algorithm::EcdsaP256Sha256),
        Self::ResponseSigning(Algorithm::RsaPssSha512),
        Self::ResponseSigning(Algorithm::RsaV15Sha256),
    ];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Its number in the file.
    pub fn number(self) -> u8 {
        match self {
            Self::CardData => 1,
            Self::CardHash => 2,
            Self::ResponseSigning(Algorithm::Ed25519) => 3,
            Self::EncryptionP256 => 4,
            Self::EncryptionRsa => 5,
            Self::ResponseSigning(Algorithm::EcdsaP256Sha256) => 6,
            Self::ResponseSigning(Algorithm::RsaPssSha512) => 7,
            Self::ResponseSigning(Algorithm::RsaV15Sha256) => 8,
        }
    }
}

/// A key as the sealed file holds it. The first of a kind is in use; later ones still open and unwrap.
pub struct Entry {
    /// What it is for.
    pub kind: Kind,
    /// Its id: random for a symmetric key, of the public bytes' hash otherwise.
    pub id: [u8; KEY_ID_LENGTH],
    /// When it was made, seconds since 1970.
    pub created_s: i64,
    /// Its bytes, as [`Kind`] says.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Makes one fresh key of each kind.
/// # Errors
/// [`KeyError::Operation`] if the random source fails.
pub fn fresh_entries(created_s: i64) -> Result<Vec<Entry>, KeyError> {
    let mut entries = Vec::new();
    for kind in [Kind::CardData, Kind::CardHash] {
        let mut bytes = Zeroizing::new(vec![0; 32]);
        let mut id = [0; KEY_ID_LENGTH];
        rand::fill(&mut bytes).map_err(|_| operation("drawing a key"))?;
        rand::fill(&mut id).map_err(|_| operation("drawing a key id"))?;
        entries.push(Entry { kind, id, created_s, bytes });
    }
    for algorithm in Algorithm::ALL {
        entries.push(fresh_signing(algorithm, created_s)?);
    }
    let made = |_| operation("making a key pair");
    let agreeing = agreement::PrivateKey::generate(&ECDH_P256).map_err(made)?;
    let point = agreeing.compute_public_key().map_err(made)?;
    let document: aws_lc_rs::encoding::Pkcs8V1Der = agreeing.as_der().map_err(made)?;
    entries.push(entry(Kind::EncryptionP256, id_of(point.as_ref()), created_s, document.as_ref()));

    let unwrapping = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(made)?;
    let document: aws_lc_rs::encoding::Pkcs8V1Der = unwrapping.as_der().map_err(made)?;
    let pair = RsaKeyPair::from_pkcs8(document.as_ref()).map_err(|_| operation("reading a key"))?;
    let id = id_of(pair.public_key().as_ref());
    entries.push(entry(Kind::EncryptionRsa, id, created_s, document.as_ref()));
    Ok(entries)
}

/// Makes a fresh key that signs answers.
/// # Errors
/// [`KeyError::Operation`] if the random source fails.
pub fn fresh_signing(algorithm: Algorithm, created_s: i64) -> Result<Entry, KeyError> {
    let (public, document) = signing::generate(algorithm)?;
    Ok(entry(Kind::ResponseSigning(algorithm), id_of(&public), created_s, &document))
}

fn entry(kind: Kind, id: [u8; KEY_ID_LENGTH], created_s: i64, bytes: &[u8]) -> Entry {
    Entry { kind, id, created_s, bytes: Zeroizing::new(bytes.to_vec()) }
}

/// An id of public bytes: the first 8 bytes of their SHA-256.
fn id_of(public: &[u8]) -> [u8; KEY_ID_LENGTH] {
    let hash: [u8; 32] = Sha256::digest(public).into();
    hash.first_chunk().copied().unwrap_or_default()
}

struct DataKey {
    id: [u8; KEY_ID_LENGTH],
    key: LessSafeKey,
}

struct AgreementKey {
    id: String,
    private: agreement::PrivateKey,
    point: Vec<u8>,
}

struct UnwrapKey {
    id: String,
    private: OaepPrivateDecryptingKey,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// The keys in memory. aws-lc wipes the memory of its key objects when it frees them.
pub struct KeyRing {
    example: bool,
    data: Vec<DataKey>,
    hash: hmac::Key,
    signing: Vec<(String, SigningKey)>,
    agreement: Vec<AgreementKey>,
    unwrapping: Vec<UnwrapKey>,
}

impl KeyRing {
    /// Builds the ring from the entries of a file.
    /// # Errors
    /// [`RingError`] if a kind is missing, or a key is not what its entry says.
    pub fn build(entries: &[Entry], example: bool) -> Result<Self, RingError> {
        let mut hash = None;
        let (mut data, mut signing) = (Vec::new(), Vec::new());
        let (mut agreement, mut unwrapping) = (Vec::new(), Vec::new());
        for entry in entries {
            let damaged = RingError::Damaged { kind: entry.kind };
            match entry.kind {
                Kind::CardData => data.push(data_key(entry).ok_or(damaged)?),
                Kind::CardHash if hash.is_some() => return Err(RingError::TwoHashKeys),
                Kind::CardHash if entry.bytes.len() != 32 => return Err(damaged),
                Kind::CardHash => hash = Some(hmac::Key::new(hmac::HMAC_SHA256, &entry.bytes)),
                Kind::ResponseSigning(algorithm) => {
                    signing.push(signing_key(entry, algorithm).ok_or(damaged)?);
                }
                Kind::EncryptionP256 => agreement.push(agreement_key(entry).ok_or(damaged)?),
                Kind::EncryptionRsa => unwrapping.push(unwrap_key(entry).ok_or(damaged)?),
            }
        }
        let missing = |kind| RingError::Missing { kind };
        if data.is_empty() {
            return Err(missing(Kind::CardData));
        }
        if agreement.is_empty() && unwrapping.is_empty() {
            return Err(missing(Kind::EncryptionP256));
        }
        if signing.is_empty() {
            return Err(missing(Kind::ResponseSigning(Algorithm::Ed25519)));
        }
        Ok(Self {
            example,
            data,
            hash: hash.ok_or(missing(Kind::CardHash))?,
            signing,
            agreement,
            unwrapping,
        })
    }
}

/// Why the keys of a file make no ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// A kind that the gateway cannot do without.
    #[error("the key file holds no key of kind {kind:?}")]
    Missing {
        /// Which.
        kind: Kind,
    },
    /// A key that is not what its entry says, or not the one of its id.
    #[error("a key of kind {kind:?} in the key file is damaged")]
    Damaged {
        /// Which.
        kind: Kind,
    },
    /// Two keys to hash cards would make one card two.
    #[error("the key file holds two keys of kind CardHash: exactly one is expected")]
    TwoHashKeys,
}

fn data_key(entry: &Entry) -> Option<DataKey> {
    let key = UnboundKey::new(&AES_256_GCM, &entry.bytes).ok()?;
    Some(DataKey { id: entry.id, key: LessSafeKey::new(key) })
}

fn signing_key(entry: &Entry, algorithm: Algorithm) -> Option<(String, SigningKey)> {
    let key = SigningKey::read(algorithm, &entry.bytes)?;
    Some((checked_id(entry, key.public_bytes())?, key))
}

fn agreement_key(entry: &Entry) -> Option<AgreementKey> {
    let private = agreement::PrivateKey::from_private_key_der(&ECDH_P256, &entry.bytes).ok()?;
    let point = private.compute_public_key().ok()?.as_ref().to_vec();
    let id = checked_id(entry, &point)?;
    Some(AgreementKey { id, private, point })
}

fn unwrap_key(entry: &Entry) -> Option<UnwrapKey> {
    let pair = RsaKeyPair::from_pkcs8(&entry.bytes).ok()?;
    let id = checked_id(entry, pair.public_key().as_ref())?;
    let (modulus, exponent) = rsa_numbers(pair.public_key().as_ref())?;
    let private = PrivateDecryptingKey::from_pkcs8(&entry.bytes).ok()?;
    let private = OaepPrivateDecryptingKey::new(private).ok()?;
    Some(UnwrapKey { id, private, modulus, exponent })
}

fn checked_id(entry: &Entry, public: &[u8]) -> Option<String> {
    (id_of(public) == entry.id).then(|| HEXLOWER.encode(&entry.id))
}

impl KeyStore for KeyRing {
    fn seal(&self, pan: &Pan) -> Result<SealedCard, KeyError> {
        let data = self.data.first().ok_or(operation("sealing a card number"))?;
        let hash = self.card_hash(pan);
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| operation("drawing a nonce"))?;
        let mut sealed = Vec::with_capacity(64);
        sealed.push(CARD_VERSION);
        sealed.extend_from_slice(&data.id);
        sealed.extend_from_slice(&nonce);
        let mut digits = Zeroizing::new([0_u8; 19]);
        let clear = digits.get_mut(..pan.expose().len()).ok_or(operation("sealing"))?;
        clear.copy_from_slice(pan.expose().as_bytes());
        let tag = data
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(card_aad(data.id, hash)),
                clear,
            )
            .map_err(|_| operation("sealing a card number"))?;
        sealed.extend_from_slice(clear);
        sealed.extend_from_slice(tag.as_ref());
        Ok(SealedCard { hash, sealed })
    }

    fn unseal(&self, card: &CardRef) -> Result<Pan, KeyError> {
        let (head, rest) = card.sealed.split_at_checked(CARD_HEAD).ok_or(KeyError::SealedCard)?;
        let (version, id) = head.split_first().ok_or(KeyError::SealedCard)?;
        if *version != CARD_VERSION {
            return Err(KeyError::SealedCard);
        }
        let data = self.data.iter().find(|data| data.id == *id);
        let data = data.ok_or_else(|| unknown(&HEXLOWER.encode(id), "card data"))?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(KeyError::SealedCard)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::SealedCard)?;
        let mut clear = Zeroizing::new(sealed.to_vec());
        let aad = Aad::from(card_aad(data.id, card.hash));
        let digits = data.key.open_in_place(nonce, aad, &mut clear);
        let digits = digits.map_err(|_| KeyError::SealedCard)?;
        let digits = std::str::from_utf8(digits).map_err(|_| KeyError::SealedCard)?;
        Pan::parse(digits).map_err(|_| KeyError::SealedCard)
    }

    fn card_hash(&self, pan: &Pan) -> CardHash {
        // Into a buffer of ours: `hmac::sign` moves its context, with the digits in its block, and leaves
        // an unwiped copy on this thread's stack.
        let mut tag = [0; 32];
        match hmac::sign_to_buffer(&self.hash, pan.expose().as_bytes(), &mut tag) {
            Ok(_) => CardHash(tag),
            // Only if the buffer were too small.
            Err(_) => {
                let tag = hmac::sign(&self.hash, pan.expose().as_bytes());
                CardHash(tag.as_ref().first_chunk().copied().unwrap_or_default())
            }
        }
    }

    fn binding(&self) -> String {
        let tag = hmac::sign(&self.hash, b"tidegate: the card hash key of a journal");
        HEXLOWER.encode(tag.as_ref().get(..16).unwrap_or_default())
    }

    fn response_key(&self, algorithm: Algorithm) -> Option<&str> {
        self.signing.iter().find(|(_, key)| key.algorithm() == algorithm).map(|(id, _)| id.as_str())
    }

    fn sign_response(&self, key: &str, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signing = self.signing.iter().find(|(id, _)| id == key);
        let (_, signing) = signing.ok_or_else(|| unknown(key, "signing answers"))?;
        signing.sign(message)
    }

    fn agree(&self, key: &str, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let own = self.agreement.iter().find(|own| own.id == key);
        let own = own.ok_or_else(|| unknown(key, "key agreement"))?;
        let peer = UnparsedPublicKey::new(&ECDH_P256, peer);
        agreement::agree(&own.private, peer, operation("key agreement"), |secret| {
            Ok(Zeroizing::new(secret.to_vec()))
        })
    }

    fn unwrap_key(&self, key: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let own = self.unwrapping.iter().find(|own| own.id == key);
        let own = own.ok_or_else(|| unknown(key, "key unwrapping"))?;
        let mut room = Zeroizing::new(vec![0; own.private.min_output_size()]);
        let content = own
            .private
            .decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut room, None)
            .map_err(|_| operation("key unwrapping"))?;
        let secret = Zeroizing::new(content.to_vec());
        content.zeroize();
        Ok(secret)
    }

    fn public_keys(&self) -> Vec<PublicKey> {
        let signing = self.signing.iter().filter_map(|(id, key)| {
            let purpose = Purpose::Sign(key.algorithm());
            Some(PublicKey { id: id.clone(), purpose, material: key.public_material()? })
        });
        let purpose = Purpose::Encrypt;
        let agreement = self.agreement.iter().filter_map(|key| {
            let material = point_material(&key.point)?;
            Some(PublicKey { id: key.id.clone(), purpose, material })
        });
        let unwrapping = self.unwrapping.iter().map(|key| {
            let (modulus, exponent) = (key.modulus.clone(), key.exponent.clone());
            let material = PublicMaterial::Rsa { modulus, exponent };
            PublicKey { id: key.id.clone(), purpose, material }
        });
        signing.chain(agreement).chain(unwrapping).collect()
    }

    fn is_example(&self) -> bool {
        self.example
    }
}

fn card_aad(id: [u8; KEY_ID_LENGTH], hash: CardHash) -> [u8; CARD_HEAD + 32] {
    let mut aad = [0; CARD_HEAD + 32];
    let parts = [CARD_VERSION].into_iter().chain(id).chain(hash.0);
    for (place, byte) in aad.iter_mut().zip(parts) {
        *place = byte;
    }
    aad
}

pub(super) fn operation(what: &'static str) -> KeyError {
    KeyError::Operation { what }
}

fn unknown(id: &str, purpose: &'static str) -> KeyError {
    KeyError::UnknownKey { id: id.chars().take(64).collect(), purpose }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;
    use tidegate_payment::card::Expiry;

    fn ring() -> KeyRing {
        KeyRing::build(&fresh_entries(0).unwrap(), true).unwrap()
    }

    fn card(ring: &KeyRing, number: &str) -> CardRef {
        let pan = Pan::parse(number).unwrap();
        let SealedCard { hash, sealed } = ring.seal(&pan).unwrap();
        let expiry = Expiry::new(2029, 12).unwrap();
        CardRef { bin: pan.bin().into(), last4: pan.last4().into(), hash, expiry, sealed }
    }

    #[test]
    fn a_sealed_card_number_opens_and_equal_cards_have_equal_hashes_but_unequal_seals() {
        let ring = ring();
        let (one, two) = (card(&ring, "4000000000000002"), card(&ring, "4000000000000002"));
        assert_eq!(ring.unseal(&one).unwrap().expose(), "4000000000000002");
        assert_eq!(one.hash, two.hash);
        assert_ne!(one.sealed, two.sealed);
        assert_ne!(one.hash, card(&ring, "4000000000000010").hash);
        assert!(!one.sealed.windows(6).any(|window| window == b"400000"));
    }

    #[test]
    fn a_sealed_card_number_with_any_byte_changed_or_another_cards_hash_does_not_open() {
        let ring = ring();
        let good = card(&ring, "4000000000000002");
        for place in 0..good.sealed.len() {
            let mut bad = good.clone();
            bad.sealed[place] ^= 1;
            assert!(ring.unseal(&bad).is_err(), "byte {place} was changed");
        }
        let mut swapped = good.clone();
        swapped.hash = card(&ring, "4000000000000010").hash;
        assert_eq!(ring.unseal(&swapped), Err(KeyError::SealedCard));
        let mut short = good;
        short.sealed.truncate(20);
        assert_eq!(ring.unseal(&short), Err(KeyError::SealedCard));
    }

    #[test]
    fn a_card_sealed_under_a_retired_data_key_still_opens() {
        let mut entries = fresh_entries(0).unwrap();
        let old = card(&KeyRing::build(&entries, true).unwrap(), "4000000000000002");
        let mut next = fresh_entries(1).unwrap();
        entries.insert(0, next.swap_remove(0));
        let ring = KeyRing::build(&entries, true).unwrap();
        assert_eq!(ring.unseal(&old).unwrap().expose(), "4000000000000002");
        assert_ne!(card(&ring, "4000000000000002").sealed[1..9], old.sealed[1..9]);
    }

    #[test]
    fn an_entry_whose_id_is_not_its_keys_is_refused() {
        let mut entries = fresh_entries(0).unwrap();
        let kind = Kind::ResponseSigning(Algorithm::Ed25519);
        let place = entries.iter().position(|entry| entry.kind == kind).unwrap();
        entries[place].id[0] ^= 1;
        let refused = KeyRing::build(&entries, true).err();
        assert_eq!(refused, Some(RingError::Damaged { kind }));
        entries.retain(|entry| !matches!(entry.kind, Kind::ResponseSigning(_)));
        let refused = KeyRing::build(&entries, true).err();
        assert_eq!(refused, Some(RingError::Missing { kind }));
    }

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
        }
        assert_eq!(Kind::from_number(9), None);
    }

    #[test]
    fn a_ring_signs_by_each_algorithm_under_a_key_of_its_own_and_says_which_it_lacks() {
        let mut entries = fresh_entries(0).unwrap();
        let ring = KeyRing::build(&entries, true).unwrap();
        let ids: Vec<_> = Algorithm::ALL.map(|one| ring.response_key(one).unwrap()).into();
        for (place, id) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(id));
        }
        let lengths: Vec<_> =
            ids.iter().map(|id| ring.sign_response(id, b"m").unwrap().len()).collect();
        assert_eq!(lengths, [64, 64, 384, 384]);
        entries.retain(|entry| entry.kind != Kind::ResponseSigning(Algorithm::RsaPssSha512));
        let ring = KeyRing::build(&entries, true).unwrap();
        assert_eq!(ring.response_key(Algorithm::RsaPssSha512), None);
        assert!(ring.response_key(Algorithm::RsaV15Sha256).is_some());
    }
}
