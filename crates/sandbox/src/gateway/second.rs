//! Two sound configurations of one gateway, taken in turns: another limit of each merchant, another
//! certificate, another reason in the mapping.

use super::fault::{GatewayError, io_error};
use super::{Gateway, PUBLIC_NAME, Settings, configuration};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MAPPING: &str = "mappings/iso87-ascii.toml";
const REASON: (&str, &str) = ("\"54\" = \"expired_card\"", "\"54\" = \"card_has_expired\"");
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// That with which the gateway starts.
    First,
    /// The other one.
    Second,
}

impl Turn {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// The largest amount of a merchant's payment, above all that is ever asked.
    pub(super) fn amount_max(self) -> u64 {
        match self {
            Self::First => 10_000_000,
            Self::Second => 9_000_000,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

/// Makes a certificate for each turn; returns both as PEM, one after the other.
pub(super) fn certificates(folder: &Path) -> Result<String, GatewayError> {
    let mut both = String::new();
    for turn in [Turn::First, Turn::Second] {
        let names = vec![PUBLIC_NAME.to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(|fault| {
            GatewayError::Unreadable { what: "the certificate".into(), why: fault.to_string() }
        })?;
        let name = turn.name();
        write(&folder.join(format!("tls-{name}.pem")), &made.cert.pem())?;
        write(&folder.join(format!("tls-{name}.key")), &made.signing_key.serialize_pem())?;
        both.push_str(&made.cert.pem());
    }
    Ok(both)
}

/// A copy of the definitions of its own, to be edited.
pub(super) fn own_protocols(settings: &mut Settings) -> Result<(), GatewayError> {
    let own = settings.folder.join("protocols");
    copy_folder(&settings.protocols, &own)?;
    settings.protocols = own;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), GatewayError> {
    let fault = || io_error(format!("copying {}", from.display()));
    fs::create_dir_all(to).map_err(fault())?;
    for entry in fs::read_dir(from).map_err(fault())? {
        let entry = entry.map_err(fault())?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &copy)?;
        } else {
            fs::copy(&source, &copy).map_err(fault())?;
        }
    }
    Ok(())
}

/// In one step, so that nobody reads half a file.
fn write(path: &Path, text: &str) -> Result<(), GatewayError> {
    let draft = path.with_extension("draft");
    let fault = || io_error(format!("writing {}", path.display()));
    fs::write(&draft, text).map_err(fault())?;
    fs::rename(&draft, path).map_err(fault())
}

impl Gateway {
    /// Writes the files of a turn, has the gateway reload by SIGHUP and waits until it has.
    /// # Errors
    /// [`GatewayError`], if it refuses what is sound, or does not answer.
    pub async fn take_turn(&self, turn: Turn) -> Result<(), GatewayError> {
        self.write_turn(turn)?;
        let not_running = || GatewayError::Unreadable {
            what: "the gateway's ports".into(),
            why: "it does not run".into(),
        };
        let ports = self.ports().ok_or_else(not_running)?;
        let before = reloads(ports.internal).await.unwrap_or_default();
        let signal = Command::new("sh").arg("-c").arg(format!("kill -HUP {}", ports.pid)).status();
        signal.map_err(io_error("asking the gateway to reload"))?;
        let began = Instant::now();
        loop {
            let now = reloads(ports.internal).await.unwrap_or(before);
            let refused = now.refused > before.refused;
            if refused || began.elapsed() > PATIENCE {
                let why = if refused { "a reload was refused" } else { "it did not reload" };
                return Err(GatewayError::NotUp { why: why.into(), log: self.end_of_log() });
            }
            if now.taken > before.taken {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn write_turn(&self, turn: Turn) -> Result<(), GatewayError> {
        let mapping = self.settings.protocols.join(MAPPING);
        let text = fs::read_to_string(&mapping);
        let text = text.map_err(io_error(format!("reading {}", mapping.display())))?;
        let (one, two) = REASON;
        let text = match turn {
            Turn::First => text.replace(two, one),
            Turn::Second => text.replace(one, two),
        };
        write(&mapping, &text)?;
        write(&self.config_file(), &configuration::configuration(&self.settings, Some(turn)))
    }
}

/// The names of the certificate's files in a turn.
pub(super) fn tls_files(turn: Option<Turn>) -> (PathBuf, PathBuf) {
    let stem = turn.map_or_else(|| "tls".to_owned(), |turn| format!("tls-{}", turn.name()));
    (format!("{stem}.pem").into(), format!("{stem}.key").into())
}

/// How many reloads there were in this life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reloads {
    taken: u64,
    refused: u64,
}

/// By the gateway's own metrics.
async fn reloads(internal: SocketAddr) -> Option<Reloads> {
    let asked = async {
        let mut stream = TcpStream::connect(internal).await.ok()?;
        let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let count = |result: &str| {
            let name = format!("tidegate_reloads_total{{result=\"{result}\"}} ");
            let found = answer.lines().find_map(|line| line.strip_prefix(name.as_str()));
            found.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
        };
        Some(Reloads { taken: count("taken"), refused: count("refused") })
    };
    tokio::time::timeout(Duration::from_secs(5), asked).await.ok().flatten()
}
