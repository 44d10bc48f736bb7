//! Binds a data folder to its keys: a journal written under one card hash key is refused under another.
//! Reversals could not be sent, and honest retries would look like other content.

use crate::keys::KeyStore;
use anyhow::{Context, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Notes the keys of a new data folder; refuses those of another.
/// # Errors
/// When the folder belongs to other keys, or the note cannot be read or written.
pub(super) fn check(data_dir: &Path, keys: &dyn KeyStore) -> anyhow::Result<()> {
    let note = data_dir.join("keys.binding");
    let binding = keys.binding();
    match fs::read_to_string(&note) {
        Ok(noted) if noted.trim() == binding => Ok(()),
        Ok(_) => bail!(
            "{} was written under other keys than those of the key file: sealed cards could not be \
             opened and retries not be recognised; restore the key file that belongs to it",
            data_dir.display()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::write(&note, format!("{binding}\n"))
                .with_context(|| format!("cannot write {}", note.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", note.display())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::keys::ring::{KeyRing, fresh_entries};

    #[test]
    fn a_data_folder_knows_its_keys() {
        let ring = || KeyRing::build(&fresh_entries(0).unwrap(), true).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (keys, others) = (ring(), ring());
        check(folder.path(), &keys).unwrap();
        check(folder.path(), &keys).unwrap();
        let refused = check(folder.path(), &others).unwrap_err();
        assert!(refused.to_string().contains("restore the key file"), "{refused}");
    }
}
