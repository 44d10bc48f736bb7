//! A world that is measured: its gateway, its merchant with sealed cards, its connections, and loads of
//! purchases that are made and signed before their clock starts.

use super::range::{End, Range, Request};
use super::step::{Phase, Sample, Step};
use crate::bank::capture::{Seen, Sender};
use crate::bank::ledger::Cause;
use crate::cards;
use crate::dice::Dice;
use crate::footprint::{Footprint, processor_time_us};
use crate::gateway::{PUBLIC_NAME, internal_page};
use crate::history::Told;
use crate::merchant::envelope::{EnvelopeError, Recipe};
use crate::merchant::{Merchant, Order};
use crate::operation::Operation;
use crate::world::{Options, World};
use anyhow::Context as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How many cards pay.
const CARDS: u32 = 100;
/// How often processor time and memory are read.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);

/// A world that is measured.
pub(super) struct Site {
    pub(super) world: Arc<World>,
    merchant: Arc<Merchant>,
    cards: Vec<Value>,
    range: Arc<Range>,
    pid: u32,
    internal: SocketAddr,
    seed: u64,
    /// How many requests were made so far.
    made: u64,
    /// How much of the bank's capture was looked at.
    seen: usize,
    /// What was told as approved, by reference: minor units.
    approved: BTreeMap<String, i64>,
    /// Requests whose end is unknown, or that were told to be pending.
    in_doubt: u64,
}

impl Site {
    /// Opens a world with so many connections to its gateway.
    /// # Errors
    /// Whatever stands in the way of the world.
    pub(super) async fn open(options: Options, connections: usize) -> anyhow::Result<Self> {
        let seed = options.seed;
        let world = Arc::new(World::open(options).await?);
        let merchant = Arc::clone(world.merchants.first().context("no merchant")?);
        let cards = (0..CARDS).map(|index| merchant.sealed(&card(index)));
        let cards = cards.collect::<Result<_, _>>()?;
        let range = Range::open(&world.connections, world.clock, connections).await?;
        let ports = world.gateway.lock().await.ports().context("no gateway")?.clone();
        Ok(Self {
            world,
            merchant,
            cards,
            range,
            pid: ports.pid,
            internal: ports.internal,
            seed,
            made: 0,
            seen: 0,
            approved: BTreeMap::new(),
            in_doubt: 0,
        })
    }

    /// The same world with so many connections instead, for another load.
    /// # Errors
    /// If one cannot be had.
    pub(super) async fn reconnect(&mut self, connections: usize) -> anyhow::Result<()> {
        let world = &self.world;
        self.range = Range::open(&world.connections, world.clock, connections).await?;
        Ok(())
    }

    /// Makes and signs the purchases of phases that follow each other without a pause: in each second
    /// as many as the phase says, at instants that fall by the seed.
    /// # Errors
    /// If the machine has no randomness.
    pub(super) fn prepare(&mut self, phases: &[Phase]) -> Result<Vec<Request>, EnvelopeError> {
        let mut dice = Dice::named(self.seed, &format!("arrivals after {}", self.made));
        let mut due = Vec::new();
        let mut second_us = 0_u64;
        for phase in phases {
            for _ in 0..phase.seconds {
                let from = due.len();
                let fall = |_| second_us.saturating_add(dice.below(1_000_000));
                due.extend((0..phase.per_second).map(fall));
                due.get_mut(from..).unwrap_or_default().sort_unstable();
                second_us = second_us.saturating_add(1_000_000);
            }
        }
        self.purchases(&due)
    }

    /// Purchases that are due at these instants, in order.
    /// # Errors
    /// If the machine has no randomness.
    pub(super) fn purchases(&mut self, due_us: &[u64]) -> Result<Vec<Request>, EnvelopeError> {
        let first = self.made;
        self.made = first.saturating_add(u64::try_from(due_us.len()).unwrap_or(0));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let numbered: Vec<(u64, u64)> = (first..).zip(due_us.iter().copied()).collect();
        let each = numbered.len().div_ceil(threads).max(1);
        let (merchant, cards) = (&self.merchant, &self.cards);
        let made = std::thread::scope(|scope| {
            let parts = numbered.chunks(each);
            let part = |part| scope.spawn(move || sign(merchant, cards, part));
            let parts: Vec<_> = parts.map(part).collect();
            let join = |part: std::thread::ScopedJoinHandle<'_, _>| part.join();
            parts.into_iter().map(join).collect::<Vec<_>>()
        });
        let mut requests = Vec::with_capacity(due_us.len());
        for part in made {
            requests.extend(part.map_err(|_| EnvelopeError::Refused("thread that signs"))??);
        }
        Ok(requests)
    }

    /// Refunds of these payments, one minor unit each, due at these instants.
    /// # Errors
    /// If the machine has no randomness.
    pub(super) fn refunds(&self, due: &[(u64, String)]) -> Result<Vec<Request>, EnvelopeError> {
        let refund = |(due_us, id): &(u64, String)| {
            let signed = self.merchant.refund(id, &format!("refund-{id}"), 1)?;
            Ok(Request::new(*due_us, &signed, PUBLIC_NAME))
        };
        due.iter().map(refund).collect()
    }

    /// Loads the gateway with purchases, and says what came of each phase.
    /// # Errors
    /// If the world broke.
    pub(super) async fn load(&mut self, phases: &[Phase]) -> anyhow::Result<Vec<Step>> {
        let requests = self.prepare(phases)?;
        let (begin_us, ends, samples) = self.fire(requests).await?;
        self.steps(phases, begin_us, &ends, &samples)
    }

    /// Sends requests and waits for their ends; reads the gateway's footprint meanwhile.
    /// # Errors
    /// If the world broke.
    pub(super) async fn fire(
        &self,
        requests: Vec<Request>,
    ) -> anyhow::Result<(u64, Vec<End>, Vec<Sample>)> {
        let (clock, pid) = (self.world.clock, self.pid);
        let begin_us = clock.now_us().saturating_add(20_000);
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let sampling = tokio::spawn(async move {
            let mut samples = Vec::new();
            loop {
                let rss_kib = Footprint::of(pid).rss_kib;
                samples.push(Sample {
                    at_us: clock.now_us(),
                    cpu_us: processor_time_us(pid),
                    rss_kib,
                });
                match tokio::time::timeout(SAMPLE_EVERY, &mut stopped).await {
                    Ok(_) => return samples,
                    Err(_) => continue,
                }
            }
        });
        let ends = self.range.fire(begin_us, requests).await;
        drop(stop);
        Ok((begin_us, ends?, sampling.await?))
    }

    /// What came of phases whose requests ended so.
    /// # Errors
    /// If an answer cannot be read.
    pub(super) fn steps(
        &mut self,
        phases: &[Phase],
        begin_us: u64,
        ends: &[End],
        samples: &[Sample],
    ) -> anyhow::Result<Vec<Step>> {
        let host_us = self.host_times();
        let mut told = Vec::new();
        for end in ends {
            told.push(match end.status {
                200..=202 => Some(serde_json::from_slice::<Told>(&end.body)?),
                _ => None,
            });
            self.remember(end, told.last().and_then(Option::as_ref));
        }
        let all: Vec<_> = ends.iter().zip(told).collect();
        let mut from_us = begin_us;
        let mut steps = Vec::new();
        for phase in phases {
            let to_us = from_us.saturating_add(phase.seconds.saturating_mul(1_000_000));
            let within = all.iter().filter(|(end, _)| (from_us..to_us).contains(&end.due_us));
            let within = within.map(|(end, told)| (*end, told.as_ref()));
            let mut step = Step::of(phase, from_us, within, &host_us);
            step.footprint(from_us, to_us, samples);
            steps.push(step);
            from_us = to_us;
        }
        Ok(steps)
    }

    /// How long the bank had each message since the last look, by reference.
    fn host_times(&mut self) -> BTreeMap<String, u64> {
        let mut read = BTreeMap::new();
        let mut took = BTreeMap::new();
        self.seen = self.world.capture.show(self.seen, |event| {
            let Seen::Message(sender, message) = &event.seen else { return };
            match (sender, message.mti.as_str()) {
                (Sender::Gateway, "0200") => {
                    read.entry(message.get(37).to_owned()).or_insert(event.at_us);
                }
                (Sender::Bank, "0210") => {
                    if let Some(at_us) = read.get(message.get(37)) {
                        let time = event.at_us.saturating_sub(*at_us);
                        took.entry(message.get(37).to_owned()).or_insert(time);
                    }
                }
                _ => {}
            }
        });
        took
    }

    fn remember(&mut self, end: &End, told: Option<&Told>) {
        match told {
            Some(Told { result, rrn: Some(rrn), amount, .. }) if result == "approved" => {
                self.approved.insert(rrn.clone(), amount.minor);
            }
            Some(told) if !told.is_final() => self.in_doubt = self.in_doubt.saturating_add(1),
            None if end.status == 0 => self.in_doubt = self.in_doubt.saturating_add(1),
            _ => {}
        }
    }

    /// How many reversals and advices the gateway owes; `None` if it does not say.
    pub(super) async fn owed(&self) -> Option<u64> {
        let page = internal_page(self.internal, "/metrics").await?;
        let gauge = |name| page.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
        let (reversals, advices): (Option<u64>, Option<u64>) =
            (gauge("tidegate_open_reversals "), gauge("tidegate_open_advices "));
        Some(reversals?.saturating_add(advices?))
    }

    /// Stops the gateway and compares what was told with the bank's books: how many payments differ.
    /// What was told as approved stands there once and was not reversed; what stands there was told,
    /// but for as many as are in doubt.
    /// # Errors
    /// If the gateway does not stop in order.
    pub(super) async fn close(mut self) -> anyhow::Result<Money> {
        self.world.stop_gateway().await?;
        let mut posted: BTreeMap<String, i64> = BTreeMap::new();
        for entry in self.world.books().await?.into_iter().flat_map(|books| books.entries) {
            let sign = match entry.cause {
                Cause::Posting => 1,
                Cause::Reversal => -1,
                _ => continue,
            };
            let sum = posted.entry(entry.about.rrn).or_default();
            *sum = sum.saturating_add(entry.minor.saturating_mul(sign));
        }
        let approved = u64::try_from(self.approved.len()).unwrap_or(u64::MAX);
        let approvals = std::mem::take(&mut self.approved);
        let wrong = approvals.iter().filter(|(rrn, minor)| posted.remove(*rrn) != Some(**minor));
        let wrong = u64::try_from(wrong.count()).unwrap_or(u64::MAX);
        let untold = posted.values().filter(|minor| **minor != 0).count();
        let untold = u64::try_from(untold).unwrap_or(u64::MAX).saturating_sub(self.in_doubt);
        Ok(Money { approved, differences: wrong.saturating_add(untold), in_doubt: self.in_doubt })
    }
}

/// What was told, against the bank's books.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Money {
    /// Payments that were told as approved.
    pub approved: u64,
    /// Those that differ.
    pub differences: u64,
    /// Requests that got no answer, or were told to be pending.
    pub in_doubt: u64,
}

fn card(index: u32) -> Order {
    Order {
        op: 0,
        key: String::new(),
        order_id: String::new(),
        minor: 0,
        currency: "EUR".to_owned(),
        number: cards::ordinary(index),
        with_code: true,
        recipe: Recipe::EcdhEs,
        operation: Operation::Purchase,
        original: None,
        with_amount: true,
    }
}

fn sign(
    merchant: &Merchant,
    cards: &[Value],
    numbered: &[(u64, u64)],
) -> Result<Vec<Request>, EnvelopeError> {
    let no_card = Value::Null;
    let request = |(number, due_us): &(u64, u64)| {
        let count = u64::try_from(cards.len()).unwrap_or(1);
        let place = usize::try_from(number.checked_rem(count).unwrap_or(0)).unwrap_or(0);
        let card = cards.get(place).unwrap_or(&no_card);
        let minor = i64::try_from(number % 90_000).unwrap_or(0).saturating_add(100);
        let (order, key) = (format!("load-{number}"), format!("load-key-{number}"));
        let signed = merchant.purchase((&order, &key), minor, card)?;
        Ok(Request::new(*due_us, &signed, PUBLIC_NAME))
    };
    numbered.iter().map(request).collect()
}
