//! `tidegate keys`: the sealed key file.

use super::{ConfigFile, print};
use crate::config;
use crate::keys::KeyStore;
use crate::keys::algorithm::Algorithm;
use crate::keys::jwk::jwks;
use crate::keys::sealed_file::{self, NewFile};
use anyhow::Context;
use clap::Subcommand;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// `tidegate keys …`
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make the key file: card data, card hash, answer signing (one for each algorithm) and
    /// encryption keys, all fresh.
    #[command(after_help = "Example: tidegate keys init -c deploy/tidegate.toml\n\
        The passphrase comes from where [keys] passphrase says. An existing file is not replaced.")]
    Init {
        #[command(flatten)]
        file: ConfigFile,
        /// Mark the keys as throw-away examples, which production mode refuses.
        #[arg(long)]
        example: bool,
    },
    /// Add the key that signs answers by one algorithm to a key file that has none for it.
    #[command(
        name = "add-signing",
        after_help = "Example: tidegate keys add-signing -c deploy/tidegate.toml \
            --algorithm rsa-pss-sha512\n\
            All other keys stay as they are. The gateway publishes the new key from its next start on."
    )]
    AddSigning {
        #[command(flatten)]
        file: ConfigFile,
        /// ed25519, ecdsa-p256-sha256, rsa-pss-sha512 or rsa-v1_5-sha256.
        #[arg(long, value_parser = algorithm)]
        algorithm: Algorithm,
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
                let created_s = now_s()?;
                let new = NewFile { example: *example, created_s, ..NewFile::default() };
                sealed_file::init(&config.keys.file, passphrase.as_bytes(), new)
                    .context("the key file was not made")?;
                print::line(format!("made {}", config.keys.file.display()));
            }
            Self::AddSigning { file, algorithm } => {
                let config = config::load(&file.config)?;
                let passphrase = config.keys.passphrase.read()?;
                let (path, passphrase) = (&config.keys.file, passphrase.as_bytes());
                sealed_file::add_signing(path, passphrase, *algorithm, now_s()?)
                    .context("no key was added")?;
                print::line(format!("added a {} key to {}", algorithm.name(), path.display()));
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

fn now_s() -> anyhow::Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let names = Algorithm::ALL.map(Algorithm::name);
    Algorithm::from_name(name).ok_or_else(|| format!("one of {} is wanted", names.join(", ")))
}
