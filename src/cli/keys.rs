//! `tidegate keys`: the gateway's own keys.

use super::arguments::{KeyPlace, KeysArguments, KeysTask};
use super::outcome::{Done, Exit, Failure, print_json};
use super::parts::Parts;
use crate::config::{self, SecretRef};
use std::io::Write;
use std::path::PathBuf;
use zeroize::Zeroizing;

pub(super) fn keys(asked: &KeysArguments, parts: &Parts, out: &mut dyn Write) -> Done {
    match &asked.what {
        KeysTask::Init { place, example } => {
            let (file, passphrase) = find(place)?;
            (parts.init_keys)(&file, &passphrase, *example)?;
            writeln!(out, "{}: keys made and sealed", file.display())?;
        }
        KeysTask::Public { place, json } => {
            let (file, passphrase) = find(place)?;
            let (set, example) = (parts.public_keys)(&file, &passphrase)?;
            if *json {
                print_json(out, &set)?;
                return Ok(Exit::Good);
            }
            let keys = set.get("keys").and_then(serde_json::Value::as_array);
            for key in keys.into_iter().flatten() {
                let text = |name: &str| {
                    let value = key.get(name).and_then(serde_json::Value::as_str);
                    value.unwrap_or("-").to_owned()
                };
                let (id, kind, purpose, algorithm) =
                    (text("kid"), text("kty"), text("use"), text("alg"));
                writeln!(out, "{id}  {kind}  use {purpose}  {algorithm}")?;
            }
            if example {
                writeln!(out, "throw-away keys: production mode refuses them")?;
            }
        }
    }
    Ok(Exit::Good)
}

fn find(place: &KeyPlace) -> Result<(PathBuf, Zeroizing<String>), Failure> {
    let (file, secret) = match &place.file {
        Some(file) => (file.clone(), SecretRef::Env("TIDEGATE_KEY_PASSPHRASE".to_owned())),
        None => {
            let keys = config::load(&place.reach.config)?.keys;
            (keys.file, keys.passphrase)
        }
    };
    let passphrase = secret.read();
    Ok((file, passphrase.map_err(|fault| Failure::new("reading the passphrase", fault))?))
}
