//! The gateway under test: a child process with a folder of its own, started, asked whether it is
//! ready, killed, started again, stopped in order. Everything goes through its command line, as an
//! operator would do it.

mod configuration;
pub mod fault;
pub mod second;
mod settings;

pub use settings::{HostLoad, Settings, Waits};

use crate::checker::evidence::{JournalRecord, Life};
use crate::clock::Clock;
use crate::footprint;
use fault::{GatewayError, io_error};
use second::Turn;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The host part of the address that merchants sign; the certificate is made for it.
pub const PUBLIC_NAME: &str = "localhost";
/// The port of the address that merchants sign, if the gateway listens wherever there is room.
pub const PUBLIC_PORT: u16 = 8443;

/// The environment variable that opens the gateway's key file.
pub const PASSPHRASE_NAME: &str = "TIDEGATE_KEY_PASSPHRASE";
const START_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// The address that merchants sign. With port 0 the gateway listens elsewhere: see its `ports.json`.
pub fn public_address(port: u16) -> String {
    let port = if port == 0 { PUBLIC_PORT } else { port };
    format!("https://{PUBLIC_NAME}:{port}")
}

/// Where the gateway listens, as it says itself.
#[derive(Debug, Clone, Deserialize)]
pub struct Ports {
    /// By channel.
    pub channels: BTreeMap<String, SocketAddr>,
    /// The internal listener.
    pub internal: SocketAddr,
    /// The process.
    pub pid: u32,
}

/// The gateway.
pub struct Gateway {
    settings: Settings,
    clock: Clock,
    passphrase: String,
    certificate_pem: String,
    child: Option<(Child, u64)>,
    ports: Option<Ports>,
    lives: Vec<Life>,
    /// How often it was started.
    starts: usize,
    cpu_us: u64,
}

impl Gateway {
    /// Prepares a folder: certificate, configuration, keys. Nothing runs yet.
    /// # Errors
    /// [`GatewayError`], if a file or a key could not be made.
    pub fn prepare(mut settings: Settings, clock: Clock) -> Result<Self, GatewayError> {
        let folder = &settings.folder;
        fs::create_dir_all(folder).map_err(io_error(format!("making {}", folder.display())))?;
        let names = vec![PUBLIC_NAME.to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(|fault| {
            GatewayError::Unreadable { what: "the certificate".into(), why: fault.to_string() }
        })?;
        let mut certificate_pem = made.cert.pem();
        if let Some(data) = &settings.data {
            let link = std::os::unix::fs::symlink(data, folder.join("data"));
            link.map_err(io_error(format!("putting the data into {}", data.display())))?;
        }
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).map_err(io_error(format!("writing {name}")))
        };
        write("tls.pem", &certificate_pem)?;
        write("tls.key", &made.signing_key.serialize_pem())?;
        let turn = settings.in_turns.then_some(Turn::First);
        if settings.in_turns {
            certificate_pem = second::certificates(folder)?;
            second::own_protocols(&mut settings)?;
        }
        let usual = || configuration::configuration(&settings, turn);
        let text = settings.configuration.clone().unwrap_or_else(usual);
        let config_file = settings.folder.join("tidegate.toml");
        fs::write(&config_file, text).map_err(io_error("writing tidegate.toml"))?;
        let mut secret = [0; 24];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| GatewayError::Unreadable {
            what: "the machine's randomness".into(),
            why: "none".into(),
        })?;
        let passphrase = data_encoding::HEXLOWER.encode(&secret);
        let gateway = Self {
            settings,
            clock,
            passphrase,
            certificate_pem,
            child: None,
            ports: None,
            lives: Vec::new(),
            starts: 0,
            cpu_us: 0,
        };
        gateway.command(&["keys", "init"])?;
        Ok(gateway)
    }

    /// Starts the gateway and waits until it says that it is ready.
    /// # Errors
    /// [`GatewayError::NotUp`], with the end of its log.
    pub async fn start(&mut self) -> Result<(), GatewayError> {
        let ports_file = self.settings.folder.join("data/ports.json");
        match fs::remove_file(&ports_file) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("removing an old ports.json")(fault));
            }
            _ => {}
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log_file());
        let log = log.map_err(io_error("opening the gateway's log"))?;
        let started_us = self.clock.now_us();
        let mut command = self.base_command()?;
        command.args(["run", "-c"]).arg(self.config_file());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.envs(self.settings.lives.get(self.starts).into_iter().flatten().cloned());
        self.starts = self.starts.saturating_add(1);
        let child = command.spawn().map_err(io_error("starting the gateway"))?;
        self.child = Some((child, started_us));
        let began = Instant::now();
        let ports = loop {
            if let Some(ports) = read_ports(&ports_file) {
                break ports;
            }
            self.still_starting(began)?;
            tokio::time::sleep(POLL).await;
        };
        while !is_ready(ports.internal).await {
            self.still_starting(began)?;
            tokio::time::sleep(POLL).await;
        }
        self.ports = Some(ports);
        Ok(())
    }

    fn still_starting(&mut self, began: Instant) -> Result<(), GatewayError> {
        let ended = self.child.as_mut().and_then(|(child, _)| child.try_wait().ok().flatten());
        let why = match ended {
            Some(status) => format!("ended while starting ({status})"),
            None if began.elapsed() > START_PATIENCE => {
                format!("was not ready within {START_PATIENCE:?}")
            }
            None => return Ok(()),
        };
        self.kill();
        Err(GatewayError::NotUp { why, log: self.end_of_log() })
    }

    /// Buries a gateway that has ended by itself. It may have been unable to write anything down for a
    /// while before its end, so its life counts as over by that much earlier.
    pub fn bury(&mut self, agony: Duration) {
        self.kill();
        let agony_us = crate::clock::micros(agony);
        if let Some(life) = self.lives.last_mut() {
            life.ended_us = life.ended_us.saturating_sub(agony_us).max(life.started_us);
        }
    }

    /// Kills the gateway (SIGKILL) and buries it.
    pub fn kill(&mut self) {
        self.count_cpu();
        if let Some((mut child, started_us)) = self.child.take() {
            let ended_us = self.clock.now_us();
            let _ = child.kill();
            let _ = child.wait();
            self.lives.push(Life { started_us, ended_us, killed: true });
        }
    }

    /// Stops the gateway in order (SIGTERM) and waits for its end.
    /// # Errors
    /// [`GatewayError::NotUp`], if it does not end, or ends with a fault.
    pub async fn stop(&mut self) -> Result<(), GatewayError> {
        self.count_cpu();
        let Some((mut child, started_us)) = self.child.take() else { return Ok(()) };
        let ended_us = self.clock.now_us();
        self.lives.push(Life { started_us, ended_us, killed: false });
        let signal =
            Command::new("sh").arg("-c").arg(format!("kill -TERM {}", child.id())).status();
        signal.map_err(io_error("asking the gateway to stop"))?;
        let began = Instant::now();
        loop {
            match child.try_wait().map_err(io_error("waiting for the gateway"))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let why = format!("stopped with {status}");
                    return Err(GatewayError::NotUp { why, log: self.end_of_log() });
                }
                None if began.elapsed() > START_PATIENCE => {
                    let _ = child.kill();
                    let _ = child.wait();
                    let why = format!("did not stop within {START_PATIENCE:?}");
                    return Err(GatewayError::NotUp { why, log: self.end_of_log() });
                }
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Whether the process lives.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|(child, _)| matches!(child.try_wait(), Ok(None)))
    }

    /// Whether it has ended though nobody asked it to.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|(child, _)| !matches!(child.try_wait(), Ok(None)))
    }

    /// Whether it lives with more environment than usual.
    pub fn has_a_planned_life(&self) -> bool {
        self.child.is_some() && self.starts <= self.settings.lives.len()
    }

    /// From now on it lives with its usual environment.
    pub fn plan_no_more_lives(&mut self) {
        self.settings.lives.clear();
    }

    /// The journal as the gateway exports it. It must be stopped.
    /// # Errors
    /// [`GatewayError`], if the journal does not verify or the export cannot be read.
    pub fn journal(&self) -> Result<(String, Vec<JournalRecord>), GatewayError> {
        self.command(&["journal", "verify"])?;
        let export = self.command(&["journal", "export"])?;
        let records = JournalRecord::read_all(&export)
            .map_err(|why| GatewayError::Unreadable { what: "the journal's export".into(), why })?;
        Ok((export, records))
    }

    /// Runs a command of the gateway's command line with its configuration.
    /// # Errors
    /// [`GatewayError::Command`], if it does not succeed.
    pub fn command(&self, arguments: &[&str]) -> Result<String, GatewayError> {
        let mut command = self.base_command()?;
        command.args(arguments).arg("-c").arg(self.config_file()).stdin(Stdio::null());
        let shown = arguments.join(" ");
        let output = command.output().map_err(io_error(format!("running tidegate {shown}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(GatewayError::Command {
            command: shown,
            status: output.status.to_string(),
            output: end_of(&String::from_utf8_lossy(&said)),
        })
    }

    fn base_command(&self) -> Result<Command, GatewayError> {
        let (program, first) = self.settings.program.split_first().ok_or_else(|| {
            GatewayError::Unreadable { what: "the gateway's program".into(), why: "none".into() }
        })?;
        let mut command = Command::new(program);
        command.args(first).env(PASSPHRASE_NAME, &self.passphrase);
        command.envs(self.settings.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Where it listens now.
    pub fn ports(&self) -> Option<&Ports> {
        self.ports.as_ref()
    }

    /// Where merchants reach it.
    pub fn rest_address(&self) -> Option<SocketAddr> {
        self.ports.as_ref()?.channels.get("rest").copied()
    }

    /// The certificate that merchants trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its lives so far.
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// The processor time of all its lives, in microseconds, as the kernel counts it in hundredths of a
    /// second.
    pub fn cpu_us(&mut self) -> u64 {
        let running = self.running_cpu_us();
        self.cpu_us.saturating_add(running)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }

    /// Its log.
    pub fn log_file(&self) -> PathBuf {
        self.settings.folder.join("gateway.log")
    }

    fn config_file(&self) -> PathBuf {
        self.settings.folder.join("tidegate.toml")
    }

    fn count_cpu(&mut self) {
        self.cpu_us = self.cpu_us.saturating_add(self.running_cpu_us());
    }

    fn running_cpu_us(&self) -> u64 {
        self.child.as_ref().map_or(0, |(child, _)| footprint::processor_time_us(child.id()))
    }

    fn end_of_log(&self) -> String {
        end_of(&fs::read_to_string(self.log_file()).unwrap_or_default())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(15);
    lines.get(from..).unwrap_or_default().join("\n")
}

fn read_ports(path: &Path) -> Option<Ports> {
    serde_json::from_reader(File::open(path).ok()?).ok()
}

async fn is_ready(internal: SocketAddr) -> bool {
    internal_page(internal, "/readyz").await.is_some_and(|page| page.starts_with("HTTP/1.1 200"))
}

/// What the internal listener answers, head and all; `None` if nothing within a second.
pub async fn internal_page(internal: SocketAddr, path: &str) -> Option<String> {
    let asked = async {
        let mut stream = TcpStream::connect(internal).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    tokio::time::timeout(Duration::from_secs(1), asked).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_leave_a_late_decision_time_before_the_second_reversal() {
        let waits = Waits::scaled(Duration::from_millis(500));
        assert_eq!(waits.reversal_gaps_ms, [250, 500, 1000]);
        // A decision comes at the latest after twice the time-out.
        assert!(waits.unknown_original > waits.reply_timeout * 2);
    }
}
