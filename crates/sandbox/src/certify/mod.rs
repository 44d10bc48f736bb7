//! Host certification: a script of test cases is played against a bank's real test host, each case is
//! judged, and what passed on the lines is kept as masked, sealed evidence.
//!
//! In reading order: [`script`] is read and checked, [`wire`] watches the lines at the proxy with
//! [`dialect`]'s eyes, [`act`] does what the steps say, [`judge`] holds it against what was expected,
//! [`report`] tells it, [`log`] seals it, [`verify`] proves it later. The gateway is a child process like
//! everywhere in the sandbox; nothing here shares its code.

pub mod act;
pub mod agreement;
pub mod command;
mod configuration;
pub mod dialect;
pub mod judge;
pub mod log;
mod practice;
pub mod report;
pub mod role;
pub mod script;
pub mod shown;
pub mod verify;
pub mod wire;

use crate::bank::capture::Line;
use crate::clock::Clock;
use crate::gateway::{self, Gateway, PUBLIC_NAME, public_address};
use crate::history::History;
use crate::merchant::connection::Connections;
use crate::merchant::key::{Algorithm, SigningKey, signing_key};
use crate::merchant::{Merchant, Profile, Surroundings};
use crate::proxy::Proxy;
use crate::scan::Canaries;
use crate::token::Tokens;
use crate::world::published_keys;
use act::Actor;
use agreement::Agreement;
use anyhow::{Context as _, anyhow, bail, ensure};
use configuration::{MERCHANTS, configuration, key_id};
use dialect::Dialect;
use jiff::Timestamp;
use judge::{Came, judge};
use log::{Log, REPORTS, WIRE, sha256};
use report::{CaseReport, Report};
use script::Script;
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Wire;

/// What to certify, and where to put the evidence.
pub struct Plan {
    /// The script.
    pub script: PathBuf,
    /// A file whose `[[host]]` and `[reversal]` count instead of the script's.
    pub host: Option<PathBuf>,
    /// A folder that is new or empty.
    pub out: PathBuf,
    /// The key that seals, made at its first use.
    pub key: PathBuf,
    /// Whether the sandbox's own bank stands in for the host.
    pub practice: bool,
    /// The names of the cases to play; none: all.
    pub only: Vec<String>,
    /// The gateway's program and its first arguments.
    pub program: Vec<OsString>,
    /// The protocol definitions.
    pub protocols: PathBuf,
}

/// Plays the cases and leaves the sealed evidence; `say` hears of each case.
/// # Errors
/// If the script has faults, the host cannot be reached, or the evidence cannot be kept.
pub async fn certify(plan: Plan, say: &dyn Fn(&str)) -> anyhow::Result<Report> {
    let mut script = Script::open(&plan.script, plan.host.as_deref())?;
    select(&mut script, &plan.only)?;
    let practice = match plan.practice {
        true => Some(practice::practise(&mut script).await?),
        false => None,
    };
    let key = log::key(&plan.key)?;
    open_folder(&plan.out)?;
    let began = Timestamp::now();
    let wire = watch(&script, &plan)?;
    let fronts = stand_before(&script, &wire).await?;
    let folder = tempfile::Builder::new().prefix("tidegate-certify-").tempdir()?;
    let (mut gateway, owners) = open_gateway(&script, &plan, &fronts, folder.path())?;
    let program = plan.program.first().context("there is no gateway")?;
    let version = format!(
        "tidegate {}, program of SHA-256 {}",
        env!("CARGO_PKG_VERSION"),
        sha256(&fs::read(program)?)
    );
    say("waiting for the host to sign a line on");
    gateway.start().await.context("the gateway could not sign on to the host")?;
    let patience = script.host.reply_timeout.saturating_add(Duration::from_secs(30));
    let merchants = open_shops(&gateway, owners, patience).await?;
    let run = began.as_second().to_string();
    let actor =
        Actor { script: &script, wire: &wire, gateway: &gateway, merchants: &merchants, run: &run };
    let mut cases = Vec::new();
    for case in &script.cases {
        let start = Instant::now();
        let came = actor.play(case).await.unwrap_or_else(|why| vec![Came::fault(why)]);
        let judged = case.steps.iter().zip(came).map(|(step, came)| {
            let faults = judge(&step.expect, step.deed, &came);
            (came, faults)
        });
        let milliseconds = start.elapsed().as_millis();
        let report = CaseReport::new(&script, case, judged.collect(), milliseconds);
        say(&format!("{} {}", if report.passed { "passed" } else { "FAILED" }, report.name));
        cases.push(report);
    }
    // What a deaf host still owes an answer to may hold the stop up: the evidence is whole without it.
    let _ = gateway.stop().await;
    let report = Report {
        script: script.name.clone(),
        host: match &practice {
            Some(_) => "the sandbox's own bank, for practice".to_owned(),
            None => script.host.name.clone(),
        },
        dialect: script.host.dialect.clone(),
        mapping: script.host.mapping.clone(),
        lines: script.host.lines.iter().map(|(name, at)| format!("{name} at {at}")).collect(),
        gateway: version,
        began: began.to_string(),
        ended: Timestamp::now().to_string(),
        passed: cases.iter().all(|case| case.passed),
        public_key: key.public.clone(),
        cases,
    };
    keep(&report, wire.close()?, &script, &plan.out, &key)?;
    Ok(report)
}

fn select(script: &mut Script, only: &[String]) -> anyhow::Result<()> {
    if only.is_empty() {
        return Ok(());
    }
    for name in only {
        ensure!(script.cases.iter().any(|case| case.name == *name), "no case is named {name}");
    }
    script.cases.retain(|case| only.contains(&case.name));
    Ok(())
}

fn open_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
    let empty = fs::read_dir(path)?.next().is_none();
    ensure!(empty, "{} is not empty: evidence is never overwritten", path.display());
    Ok(())
}

fn watch(script: &Script, plan: &Plan) -> anyhow::Result<Wire> {
    let numbers = script.cards.values().map(|card| card.number.clone()).collect();
    let dialect = Dialect::open(&plan.protocols, &script.host.dialect, numbers)?;
    let agreement = Agreement::open(&plan.protocols, &script.host.mapping)?;
    let wire = Wire::new(&script.host.name, dialect, agreement, Log::create(&plan.out)?);
    let lines: BTreeMap<_, _> = script.host.lines.iter().cloned().collect();
    wire.note(&json!({
        "at": Timestamp::now().to_string(),
        "what": "opened",
        "script": script.name,
        "settings": script.host.table,
        "host": script.host.name,
        "dialect": script.host.dialect,
        "lines": lines,
    }));
    Ok(wire)
}

/// Puts the proxy before each line of the real host; says where.
async fn stand_before(
    script: &Script,
    wire: &Wire,
) -> anyhow::Result<BTreeMap<String, SocketAddr>> {
    let proxy = Proxy::watched(script.host.framing, Arc::new(wire.clone()));
    let mut fronts = BTreeMap::new();
    for (name, address) in &script.host.lines {
        let found = tokio::net::lookup_host(address).await;
        let mut found = found.with_context(|| format!("looking up {address}"))?;
        let real = found.next().with_context(|| format!("{address} is nowhere"))?;
        let line = Line { host: script.host.name.clone(), name: name.clone(), ..Line::default() };
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        fronts.insert(name.clone(), proxy.stand_before(line, real, anywhere).await?);
    }
    Ok(fronts)
}

type Owner = (Profile, SigningKey);

fn open_gateway(
    script: &Script,
    plan: &Plan,
    fronts: &BTreeMap<String, SocketAddr>,
    folder: &Path,
) -> anyhow::Result<(Gateway, Vec<Owner>)> {
    let text = |key: &str| script.acceptor.texts.get(key).cloned().unwrap_or_default();
    let mut owners = Vec::new();
    for (id, partial_approval) in MERCHANTS {
        let profile = Profile {
            id: id.to_owned(),
            name: text("name"),
            terminal: text("terminal"),
            acceptor: text("acceptor"),
            category: text("category"),
            key_id: key_id(id),
            algorithm: Algorithm::Ed25519,
            response_algorithm: Algorithm::Ed25519,
            partial_approval,
        };
        owners.push((profile, signing_key(Algorithm::Ed25519)?));
    }
    let keys: Vec<String> = owners.iter().map(|(_, key)| key.public.clone()).collect();
    let settings = gateway::Settings {
        configuration: Some(configuration(script, &plan.protocols, fronts, &keys)?),
        program: plan.program.clone(),
        folder: folder.to_owned(),
        protocols: plan.protocols.clone(),
        ..gateway::Settings::default()
    };
    let gateway = Gateway::prepare(settings, Clock::start())?;
    gateway.command(&["check"]).context("the gateway refuses the script's host or acceptor")?;
    Ok((gateway, owners))
}

async fn open_shops(
    gateway: &Gateway,
    owners: Vec<Owner>,
    patience: Duration,
) -> anyhow::Result<Vec<Merchant>> {
    let address = gateway.rest_address().context("the gateway listens nowhere")?;
    let connections = Connections::new(gateway.certificate_pem(), PUBLIC_NAME, address, patience);
    let connections = Arc::new(connections.map_err(|why| anyhow!(why))?);
    let keys = published_keys(&connections).await?;
    let surroundings = Surroundings {
        public_address: public_address(0),
        connections,
        keys,
        tokens: Tokens::fresh().map_err(|_| anyhow!("the machine has no randomness"))?,
        history: History::new(Clock::start(), None)?,
    };
    let open = |(profile, key)| Merchant::new(profile, key, &surroundings);
    Ok(owners.into_iter().map(open).collect())
}

/// Writes the reports and what was played, looks whether a card number or a code stands in clear
/// anywhere, and seals. If one does there is no evidence.
fn keep(
    report: &Report,
    log: Log,
    script: &Script,
    out: &Path,
    key: &SigningKey,
) -> anyhow::Result<()> {
    let [markdown, json, played] = REPORTS;
    fs::write(out.join(markdown), report.markdown())?;
    fs::write(out.join(json), serde_json::to_vec_pretty(report)?)?;
    fs::write(out.join(played), &script.without_cards)?;
    let numbers = script.cards.values().map(|card| card.number.as_str());
    let codes = script.cards.values().filter_map(|card| card.security_code.as_deref());
    if let Some(found) = Canaries::of(numbers, codes).in_folder(out)?.first() {
        for name in [WIRE, markdown, json, played] {
            fs::remove_file(out.join(name))?;
        }
        bail!("{} stood in {}: the evidence was deleted", found.what, found.place);
    }
    log.seal(out, key)
}
