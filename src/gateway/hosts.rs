//! The hosts of a gateway: their definitions, their lines, and where the engine's messages go.

use super::business_day;
use crate::admission::Admission;
use crate::config::{self, Config, DateSource};
use crate::definitions::{self, DefinitionError, Edition, Shelf};
use crate::engine_task::{Clock, Lines};
use crate::host::editions::Editions;
use crate::host::slot::Slots;
use crate::host::status::HostStatus;
use crate::host::wording::{Cards, UnsealError};
use crate::host::{self, CutOverRule, Dice, HostHandle, HostParts, HostSettings, LineSettings};
use crate::keys::KeyStore;
use crate::lane::ordinary_of;
use crate::out_of_service::OutOfService;
use crate::store::recovery::Recovered;
use anyhow::Context;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use subtle::ConstantTimeEq;
use tidegate_line::limits::Limits;
use tidegate_payment::card::{CardRef, Pan};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::{HostId, LineId, PaymentId};
use tidegate_payment::input::Input;
use tidegate_payment::payment::Payment;
use tidegate_payment::record::NotSentReason;
use tidegate_payment::time::BusinessDate;
use tokio::sync::{mpsc, watch};

/// The definition of each host.
pub(super) type DefinitionTable = BTreeMap<HostId, Edition>;

/// Loads the definition of each host.
pub(super) fn definitions(config: &Config) -> Result<DefinitionTable, DefinitionError> {
    let folder = &config.gateway.protocols_dir;
    let load = |host: &config::Host| {
        Ok((host.name.clone(), definitions::load_edition(folder, &host.dialect, &host.mapping)?))
    };
    config.hosts.iter().map(load).collect()
}

/// All hosts of a gateway; cheap to clone.
#[derive(Clone)]
pub struct Hosts {
    hosts: Arc<BTreeMap<HostId, HostHandle>>,
    secrets: Arc<Slots>,
    editions: Arc<BTreeMap<HostId, Arc<Editions>>>,
    out_of_service: Arc<OutOfService>,
}

/// What all hosts share of the rest.
pub(super) struct Outward<'a> {
    pub(super) keys: &'a Arc<dyn KeyStore>,
    /// To the engine.
    pub(super) events: &'a mpsc::Sender<Input>,
    /// The business date, as far as it is durable.
    pub(super) date: &'a watch::Receiver<Option<BusinessDate>>,
}

impl Hosts {
    /// Starts all hosts: their lines connect and sign on at once, but for those that an operator signed off.
    pub(super) fn start(
        config: &Config,
        definitions: &DefinitionTable,
        outward: &Outward<'_>,
        recovered: &Recovered,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let secrets = Arc::new(Slots::new(config.engine.open_payments_max));
        let (mut hosts, mut editions) = (BTreeMap::new(), BTreeMap::new());
        let shelf = Shelf::of(&config.gateway.data_dir);
        let out_of_service = Arc::new(OutOfService::open(&config.gateway.data_dir)?);
        for host in &config.hosts {
            let definition = definitions.get(&host.name).context("a host without a definition")?;
            shelf.keep(definition)?;
            let wording = Editions::new(Arc::clone(&definition.definition), shelf.clone());
            let wording = Arc::new(wording);
            editions.insert(host.name.clone(), Arc::clone(&wording));
            let leads = config.gateway.business_day == DateSource::Host(host.name.clone());
            let rule = CutOverRule { day: business_day(config), date: outward.date.clone() };
            let parts = HostParts {
                settings: settings(host, config.gateway.seams, &out_of_service)?,
                wording,
                cards: Arc::new(SealedCards(Arc::clone(outward.keys))),
                expected: expected(&host.name, recovered)?,
                codes: Arc::clone(&secrets),
                inputs: outward.events.clone(),
                cut_overs: leads.then_some(rule),
                clock: Arc::new(clock),
                dice: dice(),
            };
            hosts.insert(host.name.clone(), host::start(parts)?);
        }
        Ok(Self { hosts: Arc::new(hosts), secrets, editions: Arc::new(editions), out_of_service })
    }

    /// Hosts whose replies would find their requests in another way by these definitions.
    pub(super) fn unpaired(&self, wanted: &DefinitionTable) -> Vec<HostId> {
        let unpaired = |(host, edition): &(&HostId, &Edition)| {
            let held = self.editions.get(*host);
            held.is_none_or(|held| !held.present().pairs_like(edition))
        };
        wanted.iter().filter(unpaired).map(|(host, _)| host.clone()).collect()
    }

    /// Has payments begin with these definitions. Says for which hosts that is another one.
    pub(super) fn replace(&self, wanted: &DefinitionTable) -> Vec<HostId> {
        let mut changed = Vec::new();
        for (host, edition) in wanted {
            let Some(held) = self.editions.get(host) else { continue };
            if held.present().hashes() != edition.hashes() {
                held.replace(Arc::clone(&edition.definition));
                changed.push(host.clone());
            }
        }
        changed
    }

    /// Where secrets wait for their host frame.
    pub(super) fn secrets(&self) -> Arc<Slots> {
        Arc::clone(&self.secrets)
    }

    /// What operators have taken out of service.
    pub fn out_of_service(&self) -> Arc<OutOfService> {
        Arc::clone(&self.out_of_service)
    }

    /// The doors by which new payments come to the hosts.
    pub(super) fn doors(&self) -> Admission {
        let rooms = self.hosts.iter().map(|(id, host)| (id.clone(), host.room()));
        Admission::new(rooms.collect())
    }

    /// What operators see of every host.
    pub async fn status(&self) -> Vec<HostStatus> {
        let mut all = Vec::new();
        for host in self.hosts.values() {
            all.extend(host.status().await);
        }
        all
    }

    /// Has a line of a host drained, signed off and held down. Whether there is such a line.
    pub async fn sign_off(&self, host: &HostId, line: &LineId) -> bool {
        match self.hosts.get(host) {
            Some(host) => host.sign_off(line).await,
            None => false,
        }
    }

    /// Lets a line of a host connect and sign on. Whether there is such a line.
    pub async fn sign_on(&self, host: &HostId, line: &LineId) -> bool {
        match self.hosts.get(host) {
            Some(host) => host.sign_on(line).await,
            None => false,
        }
    }

    /// Signs all lines off and closes them.
    pub(super) async fn stop(&self) {
        for host in self.hosts.values() {
            host.stop().await;
        }
    }
}

impl Lines for Hosts {
    fn send(&self, message: Box<Durable<Outgoing>>) -> Result<(), Box<Input>> {
        let Outgoing { id, attempt, ref fields, .. } = *message.get();
        match self.hosts.get(&fields.route.host) {
            Some(host) => host.send(message),
            None => Err(Box::new(Input::NotSent(id, attempt, NotSentReason::NoLine))),
        }
    }

    fn forget(&self, id: PaymentId) {
        self.secrets.forget(id);
    }
}

/// The requests of an earlier run that a host may still answer, oldest first.
fn expected(host: &HostId, recovered: &Recovered) -> anyhow::Result<Vec<Durable<Outgoing>>> {
    let mut expected = Vec::new();
    for group in recovered.reversed.iter().rev().chain(&recovered.groups) {
        let payment = Payment::fold(&group.get().records)?;
        let original = payment.as_ref().and_then(Payment::original);
        if let Some(original) = original.filter(|original| original.fields.route.host == *host) {
            expected.push(group.clone().map(|_| original));
        }
    }
    Ok(expected)
}

fn settings(
    host: &config::Host,
    seams: config::Seams,
    out_of_service: &OutOfService,
) -> anyhow::Result<HostSettings> {
    let defaults = Limits::default();
    let in_flight_max = u32::try_from(host.in_flight_max)?;
    let remembered = u32::try_from(host.late_answer_window)?;
    let encoders = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Ok(HostSettings {
        id: host.name.clone(),
        lines: host
            .lines
            .iter()
            .map(|line| LineSettings {
                id: line.name.clone(),
                address: line.address.clone(),
                signed_off: out_of_service.holds(&host.name, &line.name),
            })
            .collect(),
        limits: Limits {
            in_flight_max,
            window_max: u32::try_from(ordinary_of(host.in_flight_max))?,
            reply_slow: host.reply_slow,
            breaker_silences: host.breaker_silences,
            breaker_wait: host.breaker_wait,
            owed_in_flight_max: (in_flight_max / 4).max(1),
            late_max: remembered,
            answered_max: remembered,
            sign_on_timeout: host.sign_on_timeout,
            echo_after: host.echo_after,
            echo_timeout: host.sign_on_timeout.min(host.echo_after),
            reconnect_min: host.reconnect_min,
            reconnect_max: host.reconnect_max,
            keep_alives: host.keep_alives,
            // What is in flight is answered by then, or counts as unanswered.
            drain_timeout: host.reply_timeout,
            ..defaults
        },
        frame: host.frame,
        header: host.header.clone(),
        frame_bytes_max: host.reply_frame_bytes_max,
        connect_timeout: host.connect_timeout,
        carried: seams == config::Seams::Encoded,
        queue_max: NonZeroUsize::new(host.in_flight_max).unwrap_or(NonZeroUsize::MIN),
        encoders,
    })
}

/// Uniform random numbers of the operating system.
fn dice() -> Dice {
    Box::new(|| {
        let mut bytes = [0; 4];
        // Without randomness the waits between connects lose their jitter, nothing more.
        let filled = aws_lc_rs::rand::fill(&mut bytes);
        filled.map_or(0, |()| u32::from_be_bytes(bytes))
    })
}

/// The key store, as the bank side needs it.
struct SealedCards(Arc<dyn KeyStore>);

impl Cards for SealedCards {
    fn unseal(&self, card: &CardRef) -> Result<Pan, UnsealError> {
        self.0.unseal(card).map_err(|error| UnsealError(error.to_string()))
    }

    fn is_same(&self, card: &CardRef, number: &str) -> bool {
        Pan::parse(number).is_ok_and(|pan| self.0.card_hash(&pan).0.ct_eq(&card.hash.0).into())
    }
}
