//! What of a request a signature may cover, and how its value is had (RFC 9421, section 2).

use super::SignatureError;
use crate::channel::structured::{Bare, Item};

/// The public address that merchants use, from configuration; the `Host` field is never asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress {
    authority: String,
}

/// Not an address of the form `https://host[:port]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("public address: https://HOST or https://HOST:PORT, without path, is expected")]
pub struct AddressError;

impl PublicAddress {
    /// Reads `https://host[:port]`; the default port is left out, letters become lower case
    /// (RFC 9421, section 2.2.3).
    /// # Errors
    /// [`AddressError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let authority = text.strip_prefix("https://").ok_or(AddressError)?;
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
        };
        if authority.is_empty() || !authority.bytes().all(allowed) {
            return Err(AddressError);
        }
        let authority = authority.strip_suffix(":443").unwrap_or(authority);
        Ok(Self { authority: authority.to_ascii_lowercase() })
    }

    /// The absolute URI of a request target such as `/v1/payments?order_id=A`.
    pub fn target_uri(&self, target: &str) -> String {
        format!("https://{}{target}", self.authority)
    }
}

/// What of a request a signature may cover.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    /// The method, as received.
    pub method: &'a str,
    /// The request target in origin form, as received.
    pub target: &'a str,
    /// Where merchants reach us.
    pub address: &'a PublicAddress,
    /// The fields, names in lower case.
    pub headers: &'a [(String, Vec<u8>)],
}

impl RequestParts<'_> {
    /// The value of a covered component.
    pub(super) fn component(&self, item: &Item) -> Result<String, SignatureError> {
        let unknown = || SignatureError::Component(item.to_string());
        let (Bare::Text(name), true) = (&item.bare, item.params.is_empty()) else {
            return Err(unknown());
        };
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        match name.as_str() {
            "@method" => Ok(self.method.into()),
            "@target-uri" => Ok(self.address.target_uri(self.target)),
            "@authority" => Ok(self.address.authority.clone()),
            "@path" => Ok(path.into()),
            "@query" => Ok(format!("?{query}")),
            name if name.starts_with('@') => Err(unknown()),
            name => self.field(name),
        }
    }

    /// A field's value: all its lines, trimmed, joined by a comma and a space (section 2.1).
    fn field(&self, name: &str) -> Result<String, SignatureError> {
        let bad = || SignatureError::FieldValue(name.into());
        let mut lines = Vec::new();
        for (_, value) in self.headers.iter().filter(|(field, _)| field == name) {
            lines.push(std::str::from_utf8(value).map_err(|_| bad())?.trim_matches([' ', '\t']));
        }
        if lines.is_empty() { Err(bad()) } else { Ok(lines.join(", ")) }
    }

    /// The value of a field that must stand there exactly once.
    /// # Errors
    /// [`SignatureError::NotOnce`] otherwise.
    pub fn once(&self, name: &'static str) -> Result<&[u8], SignatureError> {
        let mut values = self.headers.iter().filter(|(field, _)| field == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            _ => Err(SignatureError::NotOnce(name)),
        }
    }
}
