//! Checks what merchants are known by: their keys and client certificates, and the files of TLS.

use super::check::Checker;
use super::check_lists::{each, printable};
use super::raw::{RawClientCertificate, RawMerchantKey, RawTls};
use super::values::{Channel, ClientCertificates, Merchant, MerchantKey, TlsFiles};
use crate::channel::client_certificate::{CertificateBinding, Subject};
use crate::channel::signature::VerifyingKey;
use crate::keys::algorithm::Algorithm;
use data_encoding::HEXLOWER_PERMISSIVE;
use jiff::Timestamp;

impl Checker {
    pub(super) fn tls_files(&mut self, table: &str, raw: RawTls) -> Option<TlsFiles> {
        let certificate = self.required_path(&format!("{table}.certificate"), raw.certificate);
        let key = self.required_path(&format!("{table}.key"), raw.key);
        let clients = match raw.client_certificates {
            None => Some(None),
            Some(clients) => {
                let ca = format!("{table}.client_certificates.ca");
                let required = clients.required.unwrap_or(true);
                self.required_path(&ca, clients.ca)
                    .map(|ca| Some(ClientCertificates { ca, required }))
            }
        };
        Some(TlsFiles { certificate: certificate?, key: key?, client_certificates: clients? })
    }

    pub(super) fn response_algorithm(
        &mut self,
        key: &str,
        raw: Option<String>,
    ) -> Option<Algorithm> {
        let name = raw.unwrap_or_else(|| Algorithm::Ed25519.name().to_owned());
        self.algorithm(key, Some(name))
    }

    fn algorithm(&mut self, key: &str, raw: Option<String>) -> Option<Algorithm> {
        self.word(key, raw, &Algorithm::ALL.map(|one| (one.name(), one)))
    }

    pub(super) fn client_certificate(
        &mut self,
        table: &str,
        raw: Option<RawClientCertificate>,
    ) -> Option<Option<CertificateBinding>> {
        let Some(raw) = raw else { return Some(None) };
        if raw.spki_sha256.is_none() && raw.subject.is_none() {
            self.fault(table, "binds to nothing", "spki_sha256, subject or both are wanted");
            return None;
        }
        let key = format!("{table}.spki_sha256");
        let wanted = "64 hexadecimal digits";
        let spki_sha256 = self.optional(&key, raw.spki_sha256, wanted, |text| {
            HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
        });
        let key = format!("{table}.subject");
        let wanted = "a name such as \"CN=shop.example,O=Corner Books\"";
        let subject = self.optional(&key, raw.subject, wanted, Subject::parse);
        Some(Some(CertificateBinding { spki_sha256: spki_sha256?, subject: subject? }))
    }

    /// A text that may be left out: nothing is `Some(None)`, a fault is `None`.
    fn optional<T>(
        &mut self,
        key: &str,
        raw: Option<String>,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        match raw {
            None => Some(None),
            some => self.parsed(key, some, wanted, parse).map(Some),
        }
    }

    pub(super) fn merchant_keys(
        &mut self,
        table: &str,
        raw: Vec<RawMerchantKey>,
    ) -> Option<Vec<MerchantKey>> {
        if raw.is_empty() {
            self.fault(table, "is missing", "one [[merchant.key]] or more is wanted");
        }
        each(raw, |index, raw| self.merchant_key(&format!("{table}[{index}]"), raw))
    }

    fn merchant_key(&mut self, table: &str, raw: RawMerchantKey) -> Option<MerchantKey> {
        let key = |name: &str| format!("{table}.{name}");
        let id = self.parsed(&key("id"), raw.id, "1 to 64 printable characters", |text| {
            printable(64)(text).filter(|text| !text.contains(['"', '\\']))
        });
        let algorithm = self.algorithm(&key("algorithm"), raw.algorithm);
        let public_key = self.public_key(&key("public_key"), algorithm, raw.public_key);
        let wanted = "a time such as \"2027-01-31T12:00:00Z\"";
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let not_before = self.optional(&key("not_before"), raw.not_before, wanted, time);
        let not_after = self.optional(&key("not_after"), raw.not_after, wanted, time);
        if let (Some(Some(first)), Some(Some(last))) = (not_before, not_after)
            && last < first
        {
            let wanted = "a time behind not_before is wanted";
            self.fault(&key("not_after"), "lies before not_before", wanted);
        }
        Some(MerchantKey {
            id: id?,
            public_key: public_key?,
            not_before: not_before?,
            not_after: not_after?,
            revoked: raw.revoked.unwrap_or(false),
        })
    }

    fn public_key(
        &mut self,
        key: &str,
        algorithm: Option<Algorithm>,
        raw: Option<String>,
    ) -> Option<VerifyingKey> {
        let text = self.required(key, raw, "a public key")?;
        match VerifyingKey::read(algorithm?, &text) {
            Ok(public_key) => Some(public_key),
            Err(fault) => {
                let wanted = match algorithm {
                    Some(Algorithm::Ed25519) => {
                        "the base64 of the 32 bytes of an ed25519 public key, or its \
                         SubjectPublicKeyInfo as PEM or base64, is wanted"
                    }
                    _ => "a SubjectPublicKeyInfo as PEM or base64 is wanted",
                };
                self.fault(key, fault, wanted);
                None
            }
        }
    }

    /// A merchant bound to a client certificate is served only where connections are asked for one.
    pub(super) fn certificates_asked(&mut self, merchants: &[Merchant], channels: &[Channel]) {
        if channels.iter().any(|channel| channel.tls.client_certificates.is_some()) {
            return;
        }
        for (index, merchant) in merchants.iter().enumerate() {
            if merchant.client_certificate.is_some() {
                let key = format!("merchant[{index}].client_certificate");
                let wanted = "client_certificates in the tls of a [[channel]] is wanted";
                self.fault(&key, "no channel asks for client certificates", wanted);
            }
        }
    }
}
