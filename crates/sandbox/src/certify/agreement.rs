//! What the mapping has agreed with the host that a certification needs to know: the network messages,
//! and where the reference of a payment stands.

use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What was agreed.
pub struct Agreement {
    /// The type of network requests.
    pub network: String,
    /// The field of the network code.
    pub code: u8,
    /// The field of the time of transmission in network messages.
    pub transmitted: u8,
    /// The field of the trace number in network messages.
    pub stan: u8,
    /// The field of the date that a cut-over begins.
    pub business_date: Option<u8>,
    /// Network codes by name.
    pub codes: BTreeMap<String, String>,
    /// The response codes that accept a network message.
    pub accepted: Vec<String>,
    /// The field of the response code.
    pub response: u8,
    /// The field of the retrieval reference of a payment.
    pub reference: Option<u8>,
}

#[derive(Deserialize)]
struct RawMapping {
    answer: RawAnswer,
    network: RawNetwork,
    operation: BTreeMap<String, RawOperation>,
}

#[derive(Deserialize)]
struct RawAnswer {
    response_code: u8,
}

#[derive(Deserialize)]
struct RawNetwork {
    mti: String,
    accepted: Vec<String>,
    business_date: Option<u8>,
    fields: BTreeMap<String, toml::Value>,
    codes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawOperation {
    fields: BTreeMap<String, toml::Value>,
}

impl Agreement {
    /// Reads `mappings/NAME.toml`.
    /// # Errors
    /// If there is no such file, or its network messages carry no code.
    pub fn open(protocols: &Path, name: &str) -> anyhow::Result<Self> {
        let path = protocols.join("mappings").join(format!("{name}.toml"));
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        let raw: RawMapping =
            toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        let RawNetwork { mti, accepted, business_date, fields, codes } = raw.network;
        let of_network =
            |fact| place(&fields, fact).with_context(|| format!("{}: no {fact}", path.display()));
        let purchase = raw.operation.get("purchase");
        Ok(Self {
            network: mti,
            code: of_network("network.code")?,
            transmitted: of_network("transmitted")?,
            stan: of_network("stan")?,
            business_date,
            codes,
            accepted,
            response: raw.answer.response_code,
            reference: purchase.and_then(|purchase| place(&purchase.fields, "rrn")),
        })
    }

    /// A network code by its name.
    pub fn code_of(&self, name: &str) -> Option<&str> {
        self.codes.get(name).map(String::as_str)
    }
}

/// The field that carries a fact.
fn place(fields: &BTreeMap<String, toml::Value>, fact: &str) -> Option<u8> {
    let carries = |value: &toml::Value| value.as_str() == Some(fact);
    fields.iter().find(|(_, value)| carries(value)).and_then(|(number, _)| number.parse().ok())
}
