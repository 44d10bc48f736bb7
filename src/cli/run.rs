//! `tidegate run`.

use super::arguments::Reach;
use super::check::{check_certificates, check_definitions};
use super::outcome::{Done, Exit};
use super::parts::Parts;
use crate::config::{self, ConfigErrors};

/// Runs the gateway, unless anything about it is wrong.
pub(super) fn run(reach: &Reach, parts: &Parts) -> Done {
    let config = config::load(&reach.config)?;
    let (mut faults, _) = check_definitions(&config);
    faults.extend(check_certificates(&config));
    if !faults.is_empty() {
        return Err(ConfigErrors { faults }.into());
    }
    (parts.run)(config)?;
    Ok(Exit::Good)
}
