//! Signature algorithms by the names of RFC 9421's registry, for merchants' signatures and for ours.

/// A signature algorithm (RFC 9421, section 3.3). A new one is an arm wherever this is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// EdDSA on edwards25519 (3.3.6; RFC 8032).
    Ed25519,
    /// ECDSA on P-256 with SHA-256; the signature is r and s, 32 bytes each (3.3.4).
    EcdsaP256Sha256,
    /// RSASSA-PSS with SHA-512, MGF1 with SHA-512 and a salt of 64 bytes (3.3.1).
    RsaPssSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (3.3.2).
    RsaV15Sha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Ed25519, Self::EcdsaP256Sha256, Self::RsaPssSha512, Self::RsaV15Sha256];

    /// The name of RFC 9421's registry, which is the one in configuration too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaV15Sha256 => "rsa-v1_5-sha256",
        }
    }

    /// The algorithm of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The `alg` of a JSON Web Key that signs by it (RFC 7518, 3.1; RFC 8037, 3.1).
    pub fn jose_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "EdDSA",
            Self::EcdsaP256Sha256 => "ES256",
            Self::RsaPssSha512 => "PS512",
            Self::RsaV15Sha256 => "RS256",
        }
    }
}
