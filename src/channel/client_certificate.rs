//! Binds merchants to the client certificates of their connections. That a certificate was issued by
//! the configured CA, is valid now, and that the peer holds its key, TLS has proved at the edge.

use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::name::Name;

/// Which certificate a merchant's connections must show. What is set must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateBinding {
    /// SHA-256 of its `SubjectPublicKeyInfo`, DER: outlives a renewal with the same key.
    pub spki_sha256: Option<[u8; 32]>,
    /// Its subject: outlives a renewal with another key.
    pub subject: Option<Subject>,
}

/// A distinguished name as text (RFC 4514), in the one form that names of certificates are compared in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    /// Reads `CN=shop.example,O=Corner Books,C=DE`; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let name: Name = text.parse().ok()?;
        (!name.is_empty()).then(|| Self(name.to_string()))
    }
}

/// Why a connection's certificate is not the merchant's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The connection showed none.
    #[error("no client certificate was shown")]
    Missing,
    /// What it showed cannot be read.
    #[error("the client certificate cannot be read")]
    Unreadable,
    /// It is another's.
    #[error("the client certificate is another's: {subject}, SPKI SHA-256 {spki_sha256}")]
    Other {
        /// Its subject.
        subject: String,
        /// The hash of its key, in hex.
        spki_sha256: String,
    },
}

impl CertificateBinding {
    /// Checks the certificate that a connection showed, DER.
    /// # Errors
    /// [`CertificateError`].
    pub fn check(&self, shown: Option<&[u8]>) -> Result<(), CertificateError> {
        let shown = Certificate::from_der(shown.ok_or(CertificateError::Missing)?);
        let shown = shown.map_err(|_| CertificateError::Unreadable)?;
        let shown = shown.tbs_certificate();
        let spki = shown.subject_public_key_info().to_der();
        let spki: [u8; 32] = Sha256::digest(spki.map_err(|_| CertificateError::Unreadable)?).into();
        let subject = shown.subject().to_string();
        let fits = self.spki_sha256.is_none_or(|wanted| wanted == spki)
            && self.subject.as_ref().is_none_or(|wanted| wanted.0 == subject);
        if fits {
            return Ok(());
        }
        let spki_sha256 = data_encoding::HEXLOWER.encode(&spki);
        Err(CertificateError::Other { subject, spki_sha256 })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};

    fn certificate(key: &KeyPair, names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in names {
            params.distinguished_name.push(kind.clone(), *text);
        }
        params.self_signed(key).unwrap().der().to_vec()
    }

    #[test]
    fn what_a_merchant_is_bound_to_must_fit() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let names = [(DnType::CountryName, "DE"), (DnType::CommonName, "books, \"old\" & new")];
        let shown = certificate(&key, &names);
        let hash: [u8; 32] = Sha256::digest(key.subject_public_key_info()).into();
        let subject = |text| Some(Subject::parse(text).unwrap());
        let named = r#"CN=books\, \"old\" & new,C=DE"#;
        let by_key = CertificateBinding { spki_sha256: Some(hash), subject: None };
        let by_name = CertificateBinding { spki_sha256: None, subject: subject(named) };
        let by_both = CertificateBinding { subject: subject(named), ..by_key.clone() };
        for binding in [&by_key, &by_name, &by_both] {
            assert_eq!(binding.check(Some(&shown)), Ok(()), "{binding:?}");
            assert_eq!(binding.check(None), Err(CertificateError::Missing));
            assert_eq!(binding.check(Some(b"0")), Err(CertificateError::Unreadable));
        }
        let others = certificate(&other, &names);
        let refused = |binding: &CertificateBinding, shown: &[u8]| {
            matches!(binding.check(Some(shown)), Err(CertificateError::Other { .. }))
        };
        assert!(refused(&by_key, &others) && refused(&by_both, &others));
        assert_eq!(by_name.check(Some(&others)), Ok(()));
        let stranger = certificate(&key, &[(DnType::CommonName, "books")]);
        assert!(refused(&by_name, &stranger) && refused(&by_both, &stranger));
        assert_eq!(by_key.check(Some(&stranger)), Ok(()));
    }

    #[test]
    fn a_subject_is_read_in_the_form_in_which_certificates_show_it() {
        let one = Subject::parse("CN=shop.example,O=Corner Books,C=DE").unwrap();
        assert_eq!(one.0, "CN=shop.example,O=Corner Books,C=DE");
        assert_ne!(Some(one), Subject::parse("C=DE,O=Corner Books,CN=shop.example"));
        for bad in ["", "Corner Books", "CN"] {
            assert_eq!(Subject::parse(bad), None, "{bad}");
        }
    }
}
