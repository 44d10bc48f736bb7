//! References to secrets: configuration holds these, and never a secret.

use std::path::PathBuf;
use zeroize::Zeroizing;

/// Where a secret is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// In a variable of the environment.
    Env(String),
    /// In a file; one line end at its end does not count.
    File(PathBuf),
}

/// A secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, is empty, or is not UTF-8.
    #[error("the environment variable {name} is not set to a text: set it before the start")]
    Env {
        /// The variable.
        name: String,
    },
    /// The file cannot be read.
    #[error("the secret in {} cannot be read", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl SecretRef {
    /// Reads the secret.
    /// # Errors
    /// [`SecretError`], naming the place, never the content.
    pub fn read(&self) -> Result<Zeroizing<String>, SecretError> {
        match self {
            Self::Env(name) => {
                let value = std::env::var(name).ok().filter(|value| !value.is_empty());
                value.map(Zeroizing::new).ok_or_else(|| SecretError::Env { name: name.clone() })
            }
            Self::File(path) => {
                let fault = |source| SecretError::File { path: path.clone(), source };
                let mut text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(fault)?;
                let end = text.trim_end_matches(['\r', '\n']).len();
                text.truncate(end);
                Ok(text)
            }
        }
    }
}
