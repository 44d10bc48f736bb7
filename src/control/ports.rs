//! `ports.json` in the data folder: which ports the system chose, for whoever started the gateway on
//! port 0. Written when all listeners are bound, removed on an orderly stop.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

/// Where a running gateway listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// By channel name.
    pub channels: BTreeMap<String, SocketAddr>,
    /// The internal listener.
    pub internal: SocketAddr,
    /// The process.
    pub pid: u32,
}

const NAME: &str = "ports.json";

impl Ports {
    /// Writes the file whole: a reader sees all of it or nothing.
    /// # Errors
    /// What the system says.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        let (new, whole) = (data_dir.join("ports.json.new"), data_dir.join(NAME));
        let mut file = std::fs::File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(new, whole)
    }

    /// Reads the file.
    /// # Errors
    /// What the system says; `InvalidData` for something else than [`Ports`].
    pub fn read(data_dir: &Path) -> io::Result<Self> {
        let text = std::fs::read(data_dir.join(NAME))?;
        serde_json::from_slice(&text)
            .map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))
    }

    /// Removes the file; none is no fault.
    pub fn remove(data_dir: &Path) {
        let _gone = std::fs::remove_file(data_dir.join(NAME));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_agreed_shape() {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports {
            channels: BTreeMap::from([("rest".to_owned(), "127.0.0.1:8443".parse().unwrap())]),
            internal: "127.0.0.1:9464".parse().unwrap(),
            pid: 7,
        };
        ports.write(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("ports.json")).unwrap();
        let agreed =
            r#"{"channels":{"rest":"127.0.0.1:8443"},"internal":"127.0.0.1:9464","pid":7}"#;
        assert_eq!(text, agreed);
        assert_eq!(Ports::read(folder.path()).unwrap(), ports);
        Ports::remove(folder.path());
        assert!(Ports::read(folder.path()).is_err());
    }
}
