//! A whole world: folder, bank, gateway, merchants, and what is written down about them.

mod banks;
mod options;

pub use options::Options;

use crate::bank::capture::Capture;
use crate::bank::fault::Plan;
use crate::bank::{Bank, Books};
use crate::checker::evidence::Evidence;
use crate::clock::Clock;
use crate::gateway::{self, Gateway, PUBLIC_NAME, Waits, public_address};
use crate::history::History;
use crate::hosts::Layout;
use crate::merchant::connection::Connections;
use crate::merchant::key::{Algorithm, SigningKey, signing_key};
use crate::merchant::published::PublishedKeys;
use crate::merchant::signature::Signed;
use crate::merchant::{Merchant, Profile, Surroundings};
use crate::proxy::Proxy;
use crate::token::Tokens;
use anyhow::{Context as _, anyhow};
use banks::{open_banks, sign_ons, stand_before};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

enum Folder {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

/// A world at work.
pub struct World {
    folder: Folder,
    /// The clock of everything noted down.
    pub clock: Clock,
    /// The bank's lies.
    pub plan: Arc<Plan>,
    /// What passes on the lines, on the gateway's side of the proxy if there is one.
    pub capture: Capture,
    /// What stands between gateway and bank, if anything does.
    pub proxy: Option<Proxy>,
    /// What merchants ask and are told.
    pub history: History,
    /// Which hosts there are, and which payments belong to which.
    pub layout: Layout,
    /// The banks, one for each host.
    pub banks: Vec<Bank>,
    /// The gateway.
    pub gateway: Mutex<Gateway>,
    /// The merchants' connections.
    pub connections: Arc<Connections>,
    /// The merchants.
    pub merchants: Vec<Arc<Merchant>>,
}

const PATIENCE: Duration = Duration::from_secs(30);

impl World {
    /// Makes a world and starts it.
    /// # Errors
    /// Whatever stands in the way of files, ports or the gateway.
    pub async fn open(options: Options) -> anyhow::Result<Self> {
        let folder = make_folder(options.keep.as_deref())?;
        let path = folder.path().to_owned();
        let clock = Clock::start();
        let tokens = Tokens::fresh().map_err(|_| anyhow!("the machine has no randomness"))?;
        let plan = Arc::new(Plan::new(options.seed, options.faults.clone(), options.reply_timeout));
        let kept = |name: &str| options.keep.as_ref().map(|_| path.join(name));
        let capture = Capture::new(clock, tokens.clone(), kept("wire.jsonl").as_deref())?;
        let history = History::new(clock, kept("history.jsonl").as_deref())?;
        let layout = Layout::of(options.hosts);
        let at_bank = match options.proxy.is_honest() {
            true => capture.clone(),
            false => Capture::new(clock, tokens.clone(), kept("wire-at-bank.jsonl").as_deref())?,
        };
        let banks = open_banks(&options, &path, clock, &plan, [&at_bank, &capture]).await?;
        let (proxy, lines) = stand_before(options.proxy.clone(), &banks, capture.clone()).await?;
        let owners = owners(options.merchants, options.seed)?;
        let (port, keeps_requests) = (options.port, options.keep_requests);
        let settings = settings(options, &path, layout, lines, &owners);
        let mut gateway = Gateway::prepare(settings, clock)?;
        gateway.start().await?;
        sign_ons(&capture, layout).await;
        let requests = keeps_requests.then(|| path.join("requests.jsonl"));
        let connections = connect(&gateway, requests.as_deref())?;
        let surroundings = Surroundings {
            public_address: public_address(port),
            connections: connections.clone(),
            keys: published_keys(&connections).await?,
            tokens,
            history: history.clone(),
        };
        let merchants = open_shops(owners, &path, &surroundings)?;
        let gateway = Mutex::new(gateway);
        Ok(Self {
            folder,
            clock,
            plan,
            capture,
            proxy,
            history,
            layout,
            banks,
            gateway,
            connections,
            merchants,
        })
    }

    /// Where everything lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Kills the gateway.
    pub async fn kill_gateway(&self) {
        self.gateway.lock().await.kill();
    }

    /// Starts the gateway again, and tells the merchants where it is now.
    /// # Errors
    /// If it does not come up.
    pub async fn start_gateway(&self) -> anyhow::Result<()> {
        let mut gateway = self.gateway.lock().await;
        gateway.start().await?;
        let address = gateway.rest_address().context("ports.json names no channel \"rest\"")?;
        self.connections.moved_to(address);
        Ok(())
    }

    /// Stops the gateway in order, starts it again, and tells the merchants where it is now.
    /// # Errors
    /// If it does not stop in order, or does not come up.
    pub async fn restart_gateway(&self) -> anyhow::Result<()> {
        let mut gateway = self.gateway.lock().await;
        gateway.stop().await?;
        gateway.start().await?;
        let address = gateway.rest_address().context("ports.json names no channel \"rest\"")?;
        self.connections.moved_to(address);
        Ok(())
    }

    /// Stops the gateway in order.
    /// # Errors
    /// If it does not stop, or not in order.
    pub async fn stop_gateway(&self) -> anyhow::Result<()> {
        Ok(self.gateway.lock().await.stop().await?)
    }

    /// The books of all banks.
    /// # Errors
    /// If a bank has stopped because its disk failed.
    pub async fn books(&self) -> anyhow::Result<Vec<Books>> {
        let mut all = Vec::new();
        for bank in &self.banks {
            all.push(bank.books().await.context("a bank has stopped: its disk failed")?);
        }
        Ok(all)
    }

    /// Gathers the evidence. The gateway must be stopped; `journal` is its export, if one was made.
    /// # Errors
    /// If the bank or a file failed: evidence that is not whole is none.
    pub async fn evidence(&self) -> anyhow::Result<Evidence> {
        Ok(Evidence {
            history: self.history.events()?,
            books: self.books().await?,
            wire: self.capture.events()?,
            journal: Vec::new(),
            journal_again: None,
            lives: self.gateway.lock().await.lives().to_vec(),
            layout: self.layout,
            began_wall_us: self.clock.wall_us(0),
        })
    }
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }
}

/// The merchants, whose keys are kept beside everything else.
fn open_shops(
    owners: Vec<(Profile, SigningKey)>,
    path: &Path,
    surroundings: &Surroundings,
) -> anyhow::Result<Vec<Arc<Merchant>>> {
    let mut merchants = Vec::new();
    for (profile, key) in owners {
        key.keep(&path.join(format!("{}.key", profile.id)))?;
        merchants.push(Arc::new(Merchant::new(profile, key, surroundings)));
    }
    Ok(merchants)
}

fn make_folder(keep: Option<&Path>) -> anyhow::Result<Folder> {
    let Some(path) = keep else {
        let folder = tempfile::Builder::new().prefix("tidegate-sandbox-").tempdir()?;
        return Ok(Folder::Temporary(folder));
    };
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
    let path = path.canonicalize()?;
    let empty = fs::read_dir(&path)?.next().is_none();
    anyhow::ensure!(empty, "{} is not empty: evidence is never overwritten", path.display());
    Ok(Folder::Kept(path))
}

fn connect(gateway: &Gateway, requests: Option<&Path>) -> anyhow::Result<Arc<Connections>> {
    let address = gateway.rest_address().context("ports.json names no channel \"rest\"")?;
    let pem = gateway.certificate_pem();
    let connections = Connections::new(pem, PUBLIC_NAME, address, PATIENCE);
    let connections = connections.map_err(|why| anyhow!(why))?;
    Ok(Arc::new(match requests {
        Some(path) => connections.keeping_requests(path)?,
        None => connections,
    }))
}

/// The gateway's keys, as it publishes them.
pub(crate) async fn published_keys(connections: &Connections) -> anyhow::Result<PublishedKeys> {
    let request = Signed {
        method: "GET",
        target: "/v1/keys".to_owned(),
        target_uri: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let answer = connections.exchange(&request).await?;
    anyhow::ensure!(answer.status == 200, "GET /v1/keys was answered {}", answer.status);
    PublishedKeys::read(&answer.body).map_err(|why| anyhow!("GET /v1/keys: {why}"))
}

fn settings(
    options: Options,
    folder: &Path,
    layout: Layout,
    lines: BTreeMap<String, Vec<(String, SocketAddr)>>,
    owners: &[(Profile, SigningKey)],
) -> gateway::Settings {
    let mut waits = Waits::scaled(options.reply_timeout);
    waits.reversal_gaps_ms = options.reversal_gaps_ms.unwrap_or(waits.reversal_gaps_ms);
    gateway::Settings {
        configuration: None,
        program: options.program,
        folder: folder.to_owned(),
        port: options.port,
        protocols: options.protocols,
        layout,
        lines,
        merchants: owners.iter().map(|(who, key)| (who.clone(), key.public.clone())).collect(),
        waits,
        host_load: options.host_load,
        in_flight_max: options.in_flight_max,
        in_turns: options.upheaval.reloads > 0,
        environment: options.environment,
        lives: options.lives,
        data: options.data,
    }
}

fn owners(count: usize, seed: u64) -> anyhow::Result<Vec<(Profile, SigningKey)>> {
    let profiles = profiles(count, seed).into_iter();
    let owner = |profile: Profile| {
        let key = signing_key(profile.algorithm)?;
        Ok((profile, key))
    };
    profiles.map(owner).collect()
}

fn profiles(count: usize, seed: u64) -> Vec<Profile> {
    let shops = [("Corner Books", "5942"), ("Harbour Coffee", "5814"), ("North Station", "4111")];
    (0..count)
        .zip(shops.iter().cycle())
        .map(|(index, (name, category))| {
            let number = index.saturating_add(1001);
            let (algorithm, response_algorithm) = algorithms(index, seed);
            Profile {
                id: format!("m-{number}"),
                name: (*name).to_owned(),
                terminal: format!("TERM{number:04}"),
                acceptor: format!("SHOP{number:011}"),
                category: (*category).to_owned(),
                key_id: format!("m-{number}-2026"),
                algorithm,
                response_algorithm,
                partial_approval: index.checked_rem(3) == Some(2),
            }
        })
        .collect()
}

/// How a merchant signs, and how it is answered: the first always by ed25519; the second by ECDSA, the
/// third by RSA-PSS or, with one seed in four, by RSA PKCS #1 v1.5; their answers by the seed too.
fn algorithms(index: usize, seed: u64) -> (Algorithm, Algorithm) {
    let [first, second, third, fourth] = Algorithm::ALL;
    let own = match index.checked_rem(3) {
        Some(0) | None => first,
        Some(1) => second,
        _ if seed % 4 == 3 => fourth,
        _ => third,
    };
    if index == 0 {
        return (own, first);
    }
    let turn = seed.saturating_add(u64::try_from(index).unwrap_or(0)) % 4;
    let mut answers = Algorithm::ALL.into_iter().cycle();
    (own, answers.nth(usize::try_from(turn).unwrap_or(0)).unwrap_or(first))
}
