//! The merchants' side: opens every channel's listener over the payment path.

use super::hosts::DefinitionTable;
use super::seams;
use crate::admission::{Admission, Places, Shares};
use crate::channel::merchant::{Merchant, MerchantKey, Merchants, Validity};
use crate::channel::replay::ReplayWindow;
use crate::channel::rest::{self, RestParts, RestSettings, Tally};
use crate::channel::signature::PublicAddress;
use crate::config::{self, Config};
use crate::edge::carried::carried;
use crate::edge::http::{Edge, Handle, Lanes, Opening, Switch};
use crate::edge::seam::{Answer, Received};
use crate::edge::tls::{self, Clients, Identity, TlsError};
use crate::engine_task::{Clock, EngineHandle};
use crate::host::Clock as _;
use crate::host::slot::Slots;
use crate::keys::KeyStore;
use crate::keys::pool::WorkerPool;
use crate::lane::{kept_of, ordinary_of};
use crate::observe::{Metrics, Outcome, Stage};
use crate::out_of_service::OutOfService;
use crate::payment_path::PaymentPath;
use crate::routing::{Membership, Routing};
use anyhow::Context;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tidegate_payment::id::{MerchantId, Nonce};
use tidegate_payment::input::Terms;
use tidegate_payment::payment::Verdict;
use tidegate_payment::request::{Acceptor, Offer};
use tidegate_payment::time::Timestamp;

/// What `Retry-After` says at least, in seconds. It is spread over a few more, so that who was refused together
/// does not come again together.
const RETRY_AFTER_S: u32 = 1;
const RETRY_SPREAD_S: u32 = 3;

/// What the listeners are made of.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) identities: Vec<Identity>,
    pub(super) definitions: &'a DefinitionTable,
    pub(super) keys: Arc<dyn KeyStore>,
    pub(super) engine: EngineHandle,
    pub(super) secrets: Arc<Slots>,
    pub(super) out_of_service: Arc<OutOfService>,
    pub(super) admission: Arc<Admission>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) nonces: Vec<(MerchantId, Nonce, Timestamp)>,
    pub(super) clock: Clock,
}

/// What every channel works with, in the order of configuration; a request keeps to the end what it
/// began with.
pub(super) type Channels = Vec<Arc<RestParts>>;

/// The open listeners, as a reload sees them.
pub(super) struct Listening {
    live: Arc<RwLock<Channels>>,
    switches: Vec<(Switch, Mutex<Vec<u8>>)>,
    keys: Arc<dyn KeyStore>,
    engine: EngineHandle,
    secrets: Arc<Slots>,
    out_of_service: Arc<OutOfService>,
    metrics: Arc<Metrics>,
    clock: Clock,
    replay: Arc<ReplayWindow>,
    pools: Vec<Arc<WorkerPool>>,
    /// Who holds the places of each channel.
    shares: Vec<Arc<Shares>>,
    admission: Arc<Admission>,
}

/// Opens all listeners, in the order of configuration.
pub(super) async fn open(parts: Parts<'_>) -> anyhow::Result<(Vec<Edge>, Listening)> {
    let replay = Arc::new(seams::forget_nonces(replay_window(&parts)?));
    let channels = &parts.config.channels;
    let pools = channels.iter().map(|channel| Ok(Arc::new(pool(channel)?)));
    let pools = pools.collect::<anyhow::Result<Vec<_>>>()?;
    let Parts { config, identities, definitions, keys, engine, metrics, clock, .. } = parts;
    let Parts { secrets, out_of_service, admission, .. } = parts;
    let shares = channels.iter().map(|_| Arc::default()).collect();
    let live = Arc::new(RwLock::new(Vec::new()));
    let switches = Vec::new();
    let mut listening = Listening {
        live,
        switches,
        keys,
        engine,
        secrets,
        out_of_service,
        metrics,
        clock,
        replay,
        pools,
        shares,
        admission,
    };
    let prepared = listening.prepare(config, definitions)?;
    listening.go_live(prepared);
    let mut edges = Vec::new();
    for (index, (channel, identity)) in channels.iter().zip(identities).enumerate() {
        let leaf = Mutex::new(identity.leaf.clone());
        let opening = Opening {
            name: channel.name.to_string(),
            address: channel.listen,
            identity,
            limits: channel.limits.clone(),
        };
        let live = Arc::clone(&listening.live);
        let mut handler: Arc<dyn Handle> = Arc::new(Handler { live, index });
        if config.gateway.seams == config::Seams::Encoded {
            handler = carried(handler, &channel.limits)?;
        }
        let edge = Edge::open(opening, handler, Arc::clone(&listening.metrics)).await?;
        listening.switches.push((edge.switch(), leaf));
        edges.push(edge);
    }
    Ok((edges, listening))
}

/// Serves the requests of one channel with what is live when they come.
struct Handler {
    live: Arc<RwLock<Channels>>,
    index: usize,
}

impl Handle for Handler {
    fn handle(&self, received: Received) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let channels = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let rest = channels.get(self.index).cloned();
        drop(channels);
        Box::pin(async move {
            match rest {
                Some(rest) => rest::serve(received, &rest).await,
                None => Answer { status: 404, headers: Vec::new(), body: Vec::new() },
            }
        })
    }

    fn lanes(&self) -> Lanes {
        rest::lane
    }
}

/// Of the places that new work has, a part is kept for merchants below their share.
fn places(channel: &config::Channel) -> anyhow::Result<Places> {
    let all = u32::try_from(ordinary_of(channel.limits.requests_in_flight_max))?;
    let reserve = u32::try_from(kept_of(usize::try_from(all)?))?;
    let ordinary = all.saturating_sub(reserve).max(1);
    Ok(Places { ordinary, reserve: all.saturating_sub(ordinary) })
}

impl Listening {
    /// Builds what every channel shall work with; changes nothing.
    pub(super) fn prepare(
        &self,
        config: &Config,
        definitions: &DefinitionTable,
    ) -> anyhow::Result<Channels> {
        let core = Arc::new(seams::core(self.path(config, definitions)?));
        let mut channels = Vec::new();
        let shared = self.pools.iter().zip(&self.shares);
        for (channel, (pool, shares)) in config.channels.iter().zip(shared) {
            let clock = self.clock;
            channels.push(Arc::new(RestParts {
                settings: RestSettings {
                    channel: channel.name.clone(),
                    address: PublicAddress::parse(&channel.public_address)?,
                    signature_window_s: i64::try_from(channel.signature_window.as_secs())?,
                    retry_after_s: RETRY_AFTER_S,
                    retry_spread_s: RETRY_SPREAD_S,
                    places: places(channel)?,
                    accept_within: config.engine.accept_within,
                },
                merchants: Merchants::build(merchants(config, self.keys.as_ref())?)?,
                keys: Arc::clone(&self.keys),
                replay: Arc::clone(&self.replay),
                pool: Arc::clone(pool),
                shares: Arc::clone(shares),
                core: Arc::clone(&core) as Arc<_>,
                tally: Arc::new(Counters(Arc::clone(&self.metrics))),
                clock: Arc::new(move || clock.now().wall),
            }));
        }
        Ok(channels)
    }

    fn go_live(&self, prepared: Channels) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = prepared;
    }

    /// Takes everything into use: requests, and handshakes, that begin from now on. Says whose
    /// certificate is another one.
    pub(super) fn swap(
        &self,
        prepared: Channels,
        identities: &[Identity],
        config: &Config,
    ) -> Vec<String> {
        self.go_live(prepared);
        let mut changed = Vec::new();
        let channels = config.channels.iter().zip(identities).zip(&self.switches);
        for ((channel, identity), (switch, leaf)) in channels {
            switch.replace(identity, channel.limits.clone());
            let mut leaf = leaf.lock().unwrap_or_else(PoisonError::into_inner);
            if *leaf != identity.leaf {
                leaf.clone_from(&identity.leaf);
                changed.push(format!("channel {}: certificate", channel.name));
            }
        }
        changed
    }

    fn path(&self, config: &Config, definitions: &DefinitionTable) -> anyhow::Result<PaymentPath> {
        let replies = config.hosts.iter().map(|host| host.reply_timeout);
        Ok(PaymentPath {
            engine: self.engine.clone(),
            clock: self.clock,
            secrets: Arc::clone(&self.secrets),
            secrets_lifetime: replies.max().unwrap_or_default(),
            routing: Arc::new(routing(config, definitions, &self.out_of_service)?),
            admission: Arc::clone(&self.admission),
            accept_within: config.engine.accept_within,
        })
    }
}

/// Loads the certificate and key of every channel, in the order of configuration.
pub(super) fn identities(config: &Config) -> Result<Vec<Identity>, TlsError> {
    config.channels.iter().map(identity).collect()
}

/// Loads the certificate and key of a channel, and whose client certificates it takes.
pub(crate) fn identity(channel: &config::Channel) -> Result<Identity, TlsError> {
    let files = &channel.tls;
    let clients = files.client_certificates.as_ref();
    let clients = clients.map(|held| Clients { ca: &held.ca, required: held.required });
    let identity = tls::load_asking(&files.certificate, &files.key, clients, SystemTime::now())?;
    Ok(identity.offering_http2(channel.http2))
}

fn routing(
    config: &Config,
    definitions: &DefinitionTable,
    out_of_service: &Arc<OutOfService>,
) -> anyhow::Result<Routing> {
    let (mut memberships, mut offers) = (BTreeMap::new(), BTreeMap::new());
    for host in &config.hosts {
        let definition = definitions.get(&host.name).context("a host without a definition")?;
        let (acquirer, forwarder) = (host.acquirer.clone(), host.forwarder.clone());
        memberships.insert(host.name.clone(), Membership { acquirer, forwarder });
        let (definitions, operations) = (definition.hashes(), definition.operations());
        offers.insert(host.name.clone(), Offer { definitions, operations });
    }
    let rules = config.routes.clone();
    Ok(Routing::new(rules, memberships, offers, Arc::clone(out_of_service)))
}

/// One window for all listeners, taking back what the journal remembers.
fn replay_window(parts: &Parts<'_>) -> anyhow::Result<ReplayWindow> {
    let channels = &parts.config.channels;
    let window = channels.iter().map(|channel| channel.signature_window).max().unwrap_or_default();
    let in_flight: usize = channels.iter().map(|it| it.limits.requests_in_flight_max).sum();
    // Room for the whole window at the rate at which requests under way can turn over in 10 ms.
    let nonces_max =
        in_flight.saturating_mul(100).saturating_mul(usize::try_from(window.as_secs())?);
    let seconds = |at: Timestamp| at.0.div_euclid(1_000_000);
    let replay = ReplayWindow::new(
        i64::try_from(window.as_secs())?,
        nonces_max.clamp(100_000, 5_000_000),
        seconds(parts.clock.now().wall),
    );
    for (merchant, nonce, created) in &parts.nonces {
        replay.recover(merchant, nonce, seconds(*created));
    }
    Ok(replay)
}

fn pool(channel: &config::Channel) -> std::io::Result<WorkerPool> {
    let threads = std::thread::available_parallelism()?.get();
    WorkerPool::start(channel.name.as_str(), threads, channel.limits.requests_in_flight_max)
}

fn merchants(config: &Config, keys: &dyn KeyStore) -> anyhow::Result<Vec<Merchant>> {
    for merchant in &config.merchants {
        let (id, algorithm) = (&merchant.id, merchant.response_algorithm);
        if keys.response_key(algorithm).is_none() {
            let (name, file) = (algorithm.name(), config.keys.file.display());
            anyhow::bail!(
                "merchant {id}: response_algorithm is {name:?}, but {file} holds no such signing \
                 key; add one with `tidegate keys add-signing --algorithm {name}`"
            );
        }
    }
    config.merchants.iter().map(merchant).collect()
}

fn merchant(merchant: &config::Merchant) -> anyhow::Result<Merchant> {
    let keys = merchant.keys.iter();
    let keys = keys.map(|key| {
        let validity = Validity {
            not_before_s: key.not_before.map(|time| time.as_second()),
            not_after_s: key.not_after.map(|time| time.as_second()),
            revoked: key.revoked,
        };
        MerchantKey::new(&key.id, key.public_key.clone(), validity)
    });
    Ok(Merchant {
        id: merchant.id.clone(),
        keys: keys.collect::<Result<_, _>>()?,
        client_certificate: merchant.client_certificate.clone(),
        response_algorithm: merchant.response_algorithm,
        operations: merchant.operations.clone(),
        currencies: merchant.currencies.clone(),
        amount_max: merchant.amount_max.clone(),
        weight: merchant.weight,
        terms: Terms {
            one_payment_per_order: merchant.one_payment_per_order,
            partial_approval: merchant.partial_approval,
        },
        acceptor: Acceptor {
            category: merchant.category.clone(),
            terminal: merchant.terminal.clone(),
            number: merchant.acceptor.clone(),
            name_location: merchant.name_location.clone(),
        },
        zone: merchant.time_zone.clone(),
        host: merchant.host.clone(),
    })
}

/// Counts refusals.
struct Counters(Arc<Metrics>);

impl Tally for Counters {
    fn not_authenticated(&self, reason: &'static str) {
        self.0.authentication_failed(reason);
    }

    fn refused(&self, reason: &'static str) {
        self.0.refused(reason);
    }

    fn told(&self, verdict: Verdict) {
        self.0.payment(match verdict {
            Verdict::Approved => Outcome::Approved,
            Verdict::Declined(_) => Outcome::Declined,
            Verdict::Reversed => Outcome::Reversed,
            Verdict::Pending(_) => Outcome::Pending,
        });
    }

    fn took(&self, stage: Stage, time: Duration) {
        self.0.stage(stage, time);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::keys::algorithm::Algorithm;
    use crate::keys::ring::{KeyRing, Kind, fresh_entries};
    use std::collections::BTreeMap;
    use std::path::Path;

    #[test]
    fn a_merchant_that_wants_an_algorithm_without_a_key_keeps_the_gateway_from_starting() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/tidegate.toml");
        let mut config = config::load_with(&shipped, &BTreeMap::new()).unwrap();
        let mut entries = fresh_entries(0).unwrap();
        entries.retain(|it| it.kind != Kind::ResponseSigning(Algorithm::RsaPssSha512));
        let keys = KeyRing::build(&entries, true).unwrap();
        assert_eq!(merchants(&config, &keys).unwrap().len(), 1);
        config.merchants.first_mut().unwrap().response_algorithm = Algorithm::RsaPssSha512;
        let refused = merchants(&config, &keys).unwrap_err().to_string();
        assert!(refused.contains("keys add-signing --algorithm rsa-pss-sha512"), "{refused}");
    }
}
