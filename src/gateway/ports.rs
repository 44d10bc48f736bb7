//! Tells which ports were bound: `ports.json` in the data folder, for whoever configured port 0.

use crate::config::Config;
use crate::edge::http::Edge;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The file; it exists while the gateway serves.
pub(super) struct Ports {
    path: PathBuf,
    channels: BTreeMap<String, String>,
}

impl Ports {
    /// Writes the file in one step, when all listeners are bound.
    pub(super) fn write(config: &Config, edges: &[Edge], internal: SocketAddr) -> io::Result<Self> {
        let names = config.channels.iter().map(|channel| channel.name.to_string());
        let channels: BTreeMap<_, _> =
            names.zip(edges.iter().map(|edge| edge.address().to_string())).collect();
        let ports = json!({
            "channels": channels,
            "internal": internal.to_string(),
            "pid": std::process::id(),
        });
        let path = config.gateway.data_dir.join("ports.json");
        let draft = config.gateway.data_dir.join("ports.json.new");
        fs::write(&draft, ports.to_string())?;
        fs::rename(&draft, &path)?;
        Ok(Self { path, channels })
    }

    /// Where each channel listens.
    pub(super) fn listeners(&self) -> &BTreeMap<String, String> {
        &self.channels
    }

    /// Removes the file: nobody is served any more.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "ports.json could not be removed");
        }
    }
}
