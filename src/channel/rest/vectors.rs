//! The vectors of the channel kind: signed requests of the standard, run through the very code that
//! authenticates merchants. They are part of the program, so an operator can run them where the
//! gateway will run.

use crate::channel::signature::{PublicAddress, RequestParts, RequestSignature, VerifyingKey};
use crate::keys::algorithm::Algorithm;
use data_encoding::BASE64;
use serde::Deserialize;

/// Requests and signatures of RFC 9421, appendix B.
const RFC_9421: &str = include_str!("vectors.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    vector: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    algorithm: String,
    public_key: String,
    /// Given for a signature alone, otherwise the request is.
    base: Option<String>,
    #[serde(default)]
    method: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    signature_input: String,
    signature: String,
    accepted: bool,
}

/// What became of one vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorResult {
    /// Its name.
    pub name: String,
    /// What was found instead, if it failed.
    pub fault: Option<String>,
}

/// Runs all vectors that the program carries.
pub fn run() -> Vec<VectorResult> {
    match toml::from_str::<File>(RFC_9421) {
        Ok(file) => file.vector.iter().map(result).collect(),
        // Cannot be, as a test reads them; should it be, it is a failed vector and nothing is hidden.
        Err(error) => {
            let name = "vectors.toml".to_owned();
            vec![VectorResult { name, fault: Some(error.to_string()) }]
        }
    }
}

fn result(vector: &Vector) -> VectorResult {
    let fault = match (verify(vector), vector.accepted) {
        (Ok(true), true) | (Ok(false), false) => None,
        (Ok(true), false) => Some("was accepted and must not be".to_owned()),
        (Ok(false), true) => Some("was refused and must not be".to_owned()),
        (Err(why), _) => Some(why),
    };
    VectorResult { name: vector.name.clone(), fault }
}

/// Whether the signature holds; what keeps it from being tried at all is an error.
fn verify(vector: &Vector) -> Result<bool, String> {
    let unread = |error: &dyn std::fmt::Display| error.to_string();
    let algorithm = Algorithm::from_name(&vector.algorithm).ok_or("an unknown algorithm")?;
    let key = VerifyingKey::read(algorithm, &vector.public_key).map_err(|error| unread(&error))?;
    if let Some(base) = &vector.base {
        let value = vector.signature.split(':').nth(1).ok_or("no signature")?;
        let value = BASE64.decode(value.as_bytes()).map_err(|error| unread(&error))?;
        return Ok(key.verify(base.as_bytes(), &value).is_ok());
    }
    let (input, value) = (vector.signature_input.as_bytes(), vector.signature.as_bytes());
    let signature = RequestSignature::read(input, value).map_err(|error| unread(&error))?;
    let address = PublicAddress::parse(&vector.address).map_err(|error| unread(&error))?;
    let headers = vector.headers.iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    let (method, target) = (vector.method.as_str(), vector.target.as_str());
    let request = RequestParts { method, target, address: &address, headers: &headers };
    Ok(signature.verify(&request, &key).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_of_the_standard_holds() {
        let results = run();
        assert_eq!(results.len(), 13);
        let failed: Vec<_> = results.iter().filter(|result| result.fault.is_some()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn a_vector_that_does_not_hold_is_told() {
        let turned = RFC_9421.replace("accepted = true", "accepted = false");
        let file: Result<File, _> = toml::from_str(&turned);
        let failed = file.map(|file| {
            file.vector.iter().map(result).filter(|result| result.fault.is_some()).count()
        });
        assert_eq!(failed, Ok(7));
    }
}
