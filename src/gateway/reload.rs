//! Takes the configuration anew while payments go on: everything is read and checked first, then taken
//! into use as one whole, or nothing is.

use super::hosts::Hosts;
use super::merchants::Listening;
use crate::check::{Extent, Sound, check};
use crate::config::{self, Config, Fault};
use crate::definitions::Shelf;
use crate::observe::{LogSwitch, Metrics};
use crate::routing::Way;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_payment::id::HostId;
use tokio::sync::Mutex as AsyncMutex;

/// What a reload works on.
pub struct Reloader {
    file: PathBuf,
    /// One reload at a time.
    turn: AsyncMutex<()>,
    running: Mutex<Config>,
    listening: Listening,
    hosts: Hosts,
    shelf: Shelf,
    log: LogSwitch,
    metrics: Arc<Metrics>,
}

/// What came of a reload.
#[derive(Debug)]
pub enum Reloaded {
    /// It is in use; what is different now.
    Taken(Vec<String>),
    /// Everything is as it was.
    Refused(Vec<Fault>),
}

impl Reloaded {
    /// For an operator.
    pub fn told(&self) -> Value {
        match self {
            Self::Taken(changed) => json!({ "reloaded": true, "changed": changed, "faults": [] }),
            Self::Refused(faults) => {
                let shown = |fault: &Fault| {
                    let mut shown = json!(fault);
                    if let Some(members) = shown.as_object_mut() {
                        members.insert("picture".to_owned(), json!(fault.picture));
                    }
                    shown
                };
                let faults: Vec<_> = faults.iter().map(shown).collect();
                json!({ "reloaded": false, "changed": [], "faults": faults })
            }
        }
    }
}

impl Reloader {
    pub(super) fn new(
        config: Config,
        listening: Listening,
        hosts: Hosts,
        log: LogSwitch,
        metrics: &Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            file: config.file.clone(),
            turn: AsyncMutex::new(()),
            shelf: Shelf::of(&config.gateway.data_dir),
            running: Mutex::new(config),
            listening,
            hosts,
            log,
            metrics: Arc::clone(metrics),
        })
    }

    /// The configuration file, as a whole path.
    pub fn file(&self) -> PathBuf {
        self.file.canonicalize().unwrap_or_else(|_| self.file.clone())
    }

    /// Takes the configuration file, and all that it names but the key file, anew.
    pub async fn reload(self: &Arc<Self>) -> Reloaded {
        let _turn = self.turn.lock().await;
        let reloader = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || reloader.check_and_swap()).await;
        let reloaded = done.unwrap_or_else(|broken| {
            let file = self.file.display().to_string();
            Reloaded::Refused(vec![Fault::of_file(&file, "", &broken.to_string())])
        });
        self.note(&reloaded);
        reloaded
    }

    fn note(&self, reloaded: &Reloaded) {
        match reloaded {
            Reloaded::Taken(changed) => {
                self.metrics.reloaded(true);
                tracing::info!(?changed, "the configuration was taken anew");
            }
            Reloaded::Refused(faults) => {
                self.metrics.reloaded(false);
                for fault in faults {
                    let Fault { key, message, wanted, file, line, .. } = fault;
                    tracing::error!(
                        key,
                        message,
                        wanted,
                        file,
                        line,
                        "a fault: nothing is reloaded"
                    );
                }
            }
        }
    }

    fn check_and_swap(&self) -> Reloaded {
        let (found, sound) = check(&self.file, Extent::Reload);
        let Some(sound) = sound else { return Reloaded::Refused(found.faults) };
        let running = self.running().clone();
        let mut faults = config::needs_restart(&running, &sound.config);
        faults.extend(self.unpaired(&sound));
        if !faults.is_empty() {
            return Reloaded::Refused(faults);
        }
        let refused = |error: &anyhow::Error| {
            let file = self.file.display().to_string();
            Reloaded::Refused(vec![Fault::of_file(&file, "", &format!("{error:#}"))])
        };
        for edition in sound.editions.values() {
            if let Err(error) = self.shelf.keep(edition) {
                return refused(&error.into());
            }
        }
        let prepared = match self.listening.prepare(&sound.config, &sound.editions) {
            Ok(prepared) => prepared,
            Err(error) => return refused(&error),
        };
        // From here on nothing can fail. The hosts come first: they word what is under way by any
        // edition, and what the channels begin next needs the new one.
        let mut changed = changes(&running, &sound.config);
        for host in self.hosts.replace(&sound.editions) {
            changed.push(format!("host {host}: dialect or mapping"));
        }
        let certificates = self.listening.swap(prepared, &sound.identities, &sound.config);
        changed.extend(certificates);
        self.log.set(sound.config.gateway.log.level);
        *self.running() = sound.config;
        Reloaded::Taken(changed)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Config> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be declined by name, by the configuration in use.
    pub fn ways(&self) -> Vec<Way> {
        Way::all(&self.running())
    }

    /// The bounds that follow from the configuration in use.
    pub fn bounds(&self) -> Vec<config::Bound> {
        self.running().bounds()
    }

    /// How long an orderly stop waits, by the configuration in use.
    pub(super) fn drain_timeout(&self) -> std::time::Duration {
        self.running().gateway.drain_timeout
    }

    /// Hosts whose replies would find their requests in another way.
    fn unpaired(&self, sound: &Sound) -> Vec<Fault> {
        let fault = |host: HostId| {
            let key = format!("host {host}");
            let message = format!(
                "{key}: which reply answers which request cannot change while the gateway runs \
                 (types, match elements, how they are written): needs a restart"
            );
            Fault::of_file(&self.file.display().to_string(), &key, &message)
        };
        self.hosts.unpaired(&sound.editions).into_iter().map(fault).collect()
    }
}

/// What the configuration itself says differently.
fn changes(running: &Config, wanted: &Config) -> Vec<String> {
    let mut changed = Vec::new();
    let mut note = |differs: bool, what: String| {
        if differs {
            changed.push(what);
        }
    };
    let level = wanted.gateway.log.level;
    note(running.gateway.log.level != level, format!("log level: {}", level.as_str()));
    let drain = wanted.gateway.drain_timeout;
    note(running.gateway.drain_timeout != drain, format!("drain_timeout: {drain:?}"));
    for (now, wanted) in running.channels.iter().zip(&wanted.channels) {
        note(now != wanted, format!("channel {}: settings", wanted.name));
    }
    for (now, wanted) in running.hosts.iter().zip(&wanted.hosts) {
        note(now != wanted, format!("host {}: settings", wanted.name));
    }
    note(running.routes != wanted.routes, "routes".to_owned());
    for merchant in &wanted.merchants {
        let now = running.merchants.iter().find(|now| now.id == merchant.id);
        note(now.is_none(), format!("merchant {}: added", merchant.id));
        note(now.is_some_and(|now| now != merchant), format!("merchant {}: changed", merchant.id));
    }
    for merchant in &running.merchants {
        let gone = wanted.merchants.iter().all(|wanted| wanted.id != merchant.id);
        note(gone, format!("merchant {}: removed", merchant.id));
    }
    changed
}
