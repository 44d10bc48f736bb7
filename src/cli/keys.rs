//! `tidegate keys`: the sealed key file.

use super::{ConfigFile, print};
use crate::config;
use crate::keys::KeyStore;
use crate::keys::jwk::jwks;
use crate::keys::sealed_file::{self, NewFile};
use anyhow::Context;
use clap::Subcommand;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// `tidegate keys …`
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make the key file: card data, card hash, answer signing and encryption keys, all fresh.
    #[command(after_help = "Example: tidegate keys init -c deploy/tidegate.toml\n\
        The passphrase comes from where [keys] passphrase says. An existing file is not replaced.")]
    Init {
        #[command(flatten)]
        file: ConfigFile,
        /// Mark the keys as throw-away examples, which production mode refuses.
        #[arg(long)]
        example: bool,
    },
    /// Print the public keys as JWKS (RFC 7517), as merchants get them from /v1/keys.
    #[command(after_help = "Example: tidegate keys public -c deploy/tidegate.toml")]
    Public {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON; it is the only form there is.
        #[arg(long)]
        json: bool,
    },
}

impl Keys {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Init { file, example } => {
                let config = config::load(&file.config)?;
                let passphrase = config.keys.passphrase.read()?;
                let created_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
                let created_s = i64::try_from(created_s)?;
                let new = NewFile { example: *example, created_s, ..NewFile::default() };
                sealed_file::init(&config.keys.file, passphrase.as_bytes(), new)
                    .context("the key file was not made")?;
                print::line(format!("made {}", config.keys.file.display()));
            }
            Self::Public { file, json: _ } => {
                let config = config::load(&file.config)?;
                let passphrase = config.keys.passphrase.read()?;
                let ring = sealed_file::open(&config.keys.file, passphrase.as_bytes())
                    .context("the key file was not opened")?;
                print::json(&jwks(&ring.public_keys()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
