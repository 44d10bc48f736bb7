//! The configuration of the gateway that is certified: the host's table as the script has it, but for the
//! addresses, which are the proxy's.

use super::script::{HostTable, Script};
use crate::gateway::{PASSPHRASE_NAME, public_address};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use toml::{Table, Value};

/// Two merchants in one shop: the second takes a part of an amount.
pub(super) const MERCHANTS: [(&str, bool); 2] = [("certify", false), ("certify-partial", true)];

/// The configuration as text. `keys`: the merchants' public keys, as base64.
pub(super) fn configuration(
    script: &Script,
    protocols: &Path,
    fronts: &BTreeMap<String, SocketAddr>,
    keys: &[String],
) -> anyhow::Result<String> {
    let zone = script.acceptor.texts.get("time_zone").map_or("UTC", String::as_str);
    let mut table: Table = format!(
        r#"[gateway]
name = "certify"
mode = "development"
data_dir = "data"
protocols_dir = {protocols:?}
time_zone = {zone:?}
drain_timeout_ms = 5000
log = {{ format = "json", level = "info" }}
[keys]
file = "tidegate.keys"
passphrase = {{ env = "{PASSPHRASE_NAME}" }}
[internal]
listen = "127.0.0.1:0"
control_socket = "tidegate.sock"
[[channel]]
name = "rest"
kind = "rest"
listen = "127.0.0.1:0"
public_address = "{address}"
tls = {{ certificate = "tls.pem", key = "tls.key" }}
"#,
        protocols = protocols.display().to_string(),
        address = public_address(0),
    )
    .parse()?;
    table.insert("reversal".to_owned(), Value::Table(script.reversal.clone()));
    table.insert("host".to_owned(), Value::Array(vec![host(&script.host, fronts)]));
    let merchants = MERCHANTS.iter().zip(keys);
    let merchants = merchants.map(|((id, partial), key)| merchant(script, id, *partial, key));
    table.insert("merchant".to_owned(), Value::Array(merchants.collect()));
    Ok(toml::to_string(&table)?)
}

fn host(host: &HostTable, fronts: &BTreeMap<String, SocketAddr>) -> Value {
    let mut table = host.table.clone();
    if let Some(Value::Array(lines)) = table.get_mut("line") {
        for line in lines.iter_mut().filter_map(Value::as_table_mut) {
            let name = line.get("name").and_then(Value::as_str);
            if let Some(address) = name.and_then(|name| fronts.get(name)) {
                line.insert("address".to_owned(), Value::String(address.to_string()));
            }
        }
    }
    Value::Table(table)
}

fn merchant(script: &Script, id: &str, partial: bool, public_key: &str) -> Value {
    let mut table = Table::new();
    let mut set = |key: &str, value: Value| table.insert(key.to_owned(), value);
    for (key, text) in &script.acceptor.texts {
        set(key, text.as_str().into());
    }
    let currency = script.acceptor.currency.clone();
    let mut largest = Table::new();
    largest.insert(currency.clone(), Value::Integer(AMOUNT_MAX));
    let mut key = Table::new();
    key.insert("id".to_owned(), key_id(id).into());
    key.insert("algorithm".to_owned(), "ed25519".into());
    key.insert("public_key".to_owned(), public_key.into());
    set("id", id.into());
    set("host", script.host.name.as_str().into());
    set("currencies", Value::Array(vec![currency.into()]));
    set("amount_max", Value::Table(largest));
    set("partial_approval", partial.into());
    set("key", Value::Array(vec![Value::Table(key)]));
    Value::Table(table)
}

/// The id of a merchant's signing key.
pub(super) fn key_id(merchant: &str) -> String {
    format!("{merchant}-key")
}

/// What twelve digits of DE 4 hold.
const AMOUNT_MAX: i64 = 999_999_999_999;
