//! Makes payments in number: closed (so many at once) or open-loop (so many a second, sealed and
//! signed before the clock starts), with tricks in between: retries, another content under a used key,
//! replays, forgeries, questions for other merchants' payments.

use crate::cards;
use crate::dice::Dice;
use crate::history::{Act, Told};
use crate::merchant::envelope::{EnvelopeError, Recipe};
use crate::merchant::signature::Signed;
use crate::merchant::{Exchange, Merchant, Order, Original, Outcome, Tries};
use crate::operation::Operation;
use crate::sequel::Sequel;
use crate::world::World;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How much, and how.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// How many payments, counting everything that is asked under a key of its own.
    pub payments: u64,
    /// How many are under way at once, at most.
    pub concurrency: usize,
    /// How many begin in a second, whatever becomes of the earlier ones; `None`: as fast as answers come.
    pub rate: Option<u64>,
    /// Whether tricks are played.
    pub tricks: bool,
    /// Whether everything is asked that can be, or purchases alone.
    pub mix: bool,
    /// How often a payment is sent before its fate is left to the drain.
    pub tries: Tries,
}

/// A payment and how its sending ended.
#[derive(Clone)]
pub struct End {
    /// Whose.
    pub merchant: usize,
    /// What was ordered.
    pub order: Order,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a load left behind.
pub struct Load {
    /// Every payment.
    pub ends: Vec<End>,
    /// From the first sending to the last answer.
    pub elapsed: Duration,
}

/// How many different ordinary cards pay.
const CARDS: u64 = 300;

/// The payments of a run, by the seed. No two of a merchant share card and amount, so that each is
/// known again on the wire.
pub fn orders(
    seed: u64,
    count: u64,
    merchants: usize,
    hosts: usize,
    mix: bool,
) -> Vec<(usize, Order)> {
    let mut dice = Dice::named(seed, "orders");
    let mut kinds = Dice::named(seed, "operations");
    let mut ranges = Dice::named(seed, "card ranges");
    let run = dice.letters(6);
    let mut used = BTreeSet::new();
    let merchants = u64::try_from(merchants).unwrap_or(1).max(1);
    let mut orders = Vec::new();
    for op in 1..=count {
        let merchant = usize::try_from(dice.below(merchants)).unwrap_or(0);
        let second_range = hosts > 1 && ranges.per_mille(350);
        let range = if second_range { cards::SECOND_RANGE } else { cards::FIRST_RANGE };
        let number = pick_card(&mut dice, range);
        let mut minor = i64::try_from(dice.below(90_000)).unwrap_or(0).saturating_add(100);
        // Twice apart, so that the amounts of swapped or falsified replies meet no other payment.
        while !used.insert((merchant, number.clone(), minor)) {
            minor = minor.saturating_add(2);
        }
        let with_code = dice.per_mille(900);
        let recipe = if dice.per_mille(250) { Recipe::RsaOaep256 } else { Recipe::EcdhEs };
        let token = dice.letters(10);
        let operation = if mix { pick_operation(&mut kinds) } else { Operation::Purchase };
        let (number, minor) = match operation {
            // A card of its own, so that it is known again on the wire without an amount.
            Operation::BalanceInquiry | Operation::CardVerification => {
                let own = u32::try_from(op.saturating_add(CARDS)).unwrap_or(0);
                (cards::ordinary_in(range, own), 0)
            }
            _ => (number, minor),
        };
        let order = Order {
            op,
            operation,
            original: None,
            with_amount: true,
            key: format!("{run}-{op}-{}", dice.letters(8)),
            order_id: format!("A-{op}-{token}"),
            minor,
            currency: "EUR".to_owned(),
            number,
            with_code,
            recipe,
        };
        orders.push((merchant, order));
    }
    orders
}

fn pick_operation(dice: &mut Dice) -> Operation {
    match dice.below(100) {
        0..30 => Operation::PreAuthorization,
        30..34 => Operation::BalanceInquiry,
        34..38 => Operation::CardVerification,
        _ => Operation::Purchase,
    }
}

fn pick_card(dice: &mut Dice, range: &str) -> String {
    if dice.per_mille(40) {
        // Declined for one reason or another.
        let declined = ["4000000000000010", "4000000000000028", "4000000000000036"];
        return (*dice.pick(&declined).unwrap_or(&"4000000000000010")).to_owned();
    }
    if dice.per_mille(10) {
        return "4000000000000069".to_owned();
    }
    cards::ordinary_in(range, u32::try_from(dice.below(CARDS)).unwrap_or(0))
}

pub(crate) struct Work {
    world: Arc<World>,
    workload: Workload,
    seed: u64,
    left: Mutex<VecDeque<(usize, Order)>>,
    budget: AtomicU64,
    ends: Mutex<Vec<End>>,
    done: watch::Sender<u64>,
    tricks: AtomicU64,
}

/// Makes the payments. `done` is told how many are done, and closed after the last.
/// # Errors
/// If payments cannot be sealed with the gateway's keys.
pub async fn run(
    world: &Arc<World>,
    seed: u64,
    workload: Workload,
    done: watch::Sender<u64>,
) -> anyhow::Result<Load> {
    let hosts = world.layout.hosts.len();
    let orders = orders(seed, workload.payments, world.merchants.len(), hosts, workload.mix);
    let work = Arc::new(Work {
        world: world.clone(),
        workload,
        seed,
        left: Mutex::new(orders.into()),
        budget: AtomicU64::new(workload.payments),
        ends: Mutex::new(Vec::new()),
        done,
        tricks: AtomicU64::new(workload.payments),
    });
    let elapsed = match workload.rate {
        Some(rate) => open_loop(&work, rate).await?,
        None => closed_loop(&work).await?,
    };
    let ends = std::mem::take(&mut *work.ends.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Load { ends, elapsed })
}

async fn closed_loop(work: &Arc<Work>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..work.workload.concurrency {
        let work = work.clone();
        workers.spawn(async move {
            while let Some((merchant, order)) = work.next() {
                work.begin(merchant, order, None).await?;
            }
            Ok::<_, EnvelopeError>(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(began.elapsed())
}

async fn open_loop(work: &Arc<Work>, rate: u64) -> anyhow::Result<Duration> {
    let mut prepared = Vec::new();
    while let Some((merchant, order)) = work.next() {
        if let Some(payer) = work.world.merchants.get(merchant) {
            let request = payer.prepare(&order)?;
            prepared.push((merchant, order, request));
        }
    }
    let began = Instant::now();
    let mut under_way = JoinSet::new();
    for (place, (merchant, order, request)) in prepared.into_iter().enumerate() {
        let place = u64::try_from(place).unwrap_or(u64::MAX);
        let due_us = place.saturating_mul(1_000_000).checked_div(rate).unwrap_or(0);
        let due = began.checked_add(Duration::from_micros(due_us)).unwrap_or(began);
        tokio::time::sleep_until(due.into()).await;
        let work = work.clone();
        under_way.spawn(async move { work.begin(merchant, order, Some(request)).await });
        while let Some(ended) = under_way.try_join_next() {
            ended??;
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended??;
    }
    Ok(began.elapsed())
}

impl Work {
    fn next(&self) -> Option<(usize, Order)> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Whether one more may be asked.
    pub(crate) fn may_ask(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Makes a payment, and what follows it.
    async fn begin(
        &self,
        merchant: usize,
        order: Order,
        prepared: Option<Signed>,
    ) -> Result<(), EnvelopeError> {
        if !self.may_ask() {
            return Ok(());
        }
        let Some(outcome) = self.pay(merchant, order.clone(), prepared).await? else {
            return Ok(());
        };
        if let Outcome::Told(told) = outcome
            && self.workload.mix
        {
            let dice = Dice::named(self.seed, &format!("sequel {}", order.key));
            let mut sequel =
                Sequel { work: self, merchant, order: &order, told: &told, dice, next: 0 };
            sequel.play().await?;
        }
        Ok(())
    }

    pub(crate) async fn pay(
        &self,
        merchant: usize,
        order: Order,
        prepared: Option<Signed>,
    ) -> Result<Option<Outcome>, EnvelopeError> {
        let Some(payer) = self.world.merchants.get(merchant) else { return Ok(None) };
        let mut dice = Dice::named(self.seed, &format!("tricks {}", order.key));
        let tries = self.workload.tries;
        let exchange = if self.workload.tricks && dice.per_mille(20) {
            // The same payment twice at once: both must hear the same.
            let (one, two) =
                tokio::join!(payer.pay(&order, prepared, tries), payer.pay(&order, None, tries));
            two?;
            one?
        } else {
            payer.pay(&order, prepared, tries).await?
        };
        if self.workload.tricks {
            self.play_tricks(&mut dice, payer, merchant, &order, &exchange).await?;
        }
        self.done.send_modify(|done| *done = done.saturating_add(1));
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.push(End { merchant, order, outcome: exchange.outcome.clone() });
        Ok(Some(exchange.outcome))
    }

    async fn play_tricks(
        &self,
        dice: &mut Dice,
        payer: &Merchant,
        merchant: usize,
        order: &Order,
        exchange: &Exchange,
    ) -> Result<(), EnvelopeError> {
        let Outcome::Told(told) = &exchange.outcome else { return Ok(()) };
        let says_amount = match order.operation {
            Operation::Void | Operation::BalanceInquiry | Operation::CardVerification => false,
            Operation::Completion => order.with_amount,
            Operation::Purchase | Operation::PreAuthorization | Operation::Refund => true,
        };
        match dice.below(100) {
            0 | 1 => {
                payer.send(order, Act::Retry, &payer.prepare(order)?).await;
            }
            2 if !says_amount => {}
            2 => {
                let other = Order { minor: order.minor.saturating_add(1_000_000), ..order.clone() };
                payer.send(&other, Act::Mismatch, &payer.prepare(&other)?).await;
            }
            3 => {
                replay(payer, order).await?;
            }
            4 => {
                let op = self.tricks.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                forge(payer, order, op).await?;
            }
            5 => self.snoop(dice, merchant, order, told).await?,
            _ => {}
        }
        Ok(())
    }

    async fn snoop(
        &self,
        dice: &mut Dice,
        merchant: usize,
        order: &Order,
        told: &Told,
    ) -> Result<(), EnvelopeError> {
        let others: Vec<&Arc<Merchant>> = self
            .world
            .merchants
            .iter()
            .enumerate()
            .filter_map(|(index, other)| (index != merchant).then_some(other))
            .collect();
        if let Some(other) = dice.pick(&others) {
            other.query(order.op, Act::Snoop, &told.id).await?;
            let theft = Order {
                key: format!("{}-t", order.key),
                operation: Operation::Refund,
                original: Some(Original { op: order.op, id: told.id.clone() }),
                minor: 1,
                ..order.clone()
            };
            other.send(&theft, Act::Snoop, &other.prepare(&theft)?).await;
        }
        Ok(())
    }
}

/// Sends a genuine retry, and then its exact bytes once more.
/// # Errors
/// If it cannot be sealed.
pub async fn replay(payer: &Merchant, order: &Order) -> Result<Exchange, EnvelopeError> {
    let request = payer.prepare(order)?;
    let first = payer.send(order, Act::Retry, &request).await;
    if matches!(first.outcome, Outcome::Unknown | Outcome::Busy) {
        // Perhaps never acted on, so that its bytes would be no replay.
        return Ok(first);
    }
    Ok(payer.send(order, Act::Replay, &request).await)
}

/// Sends a new payment under another request's signature: digest right, signature false.
/// # Errors
/// If it cannot be sealed.
pub async fn forge(payer: &Merchant, like: &Order, op: u64) -> Result<Exchange, EnvelopeError> {
    let forged = Order {
        op,
        key: format!("{}-f", like.key),
        order_id: format!("{}-f", like.order_id),
        minor: like.minor.saturating_add(2_000_000),
        ..like.clone()
    };
    let mut request = payer.prepare(&forged)?;
    let other = payer.prepare(&Order { minor: 1, ..forged.clone() })?;
    for (header, (name, value)) in request.headers.iter_mut().zip(&other.headers) {
        if header.0 == "signature" && *name == "signature" {
            header.1.clone_from(value);
        }
    }
    Ok(payer.send(&forged, Act::Forgery, &request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_payments_and_no_merchant_asks_the_same_twice() {
        let first = orders(5, 3000, 3, 2, true);
        let content = |(merchant, order): &(usize, Order)| {
            (*merchant, order.number.clone(), order.minor, order.order_id.clone())
        };
        let list: Vec<_> = first.iter().map(content).collect();
        assert_eq!(list, orders(5, 3000, 3, 2, true).iter().map(content).collect::<Vec<_>>());
        assert_ne!(list, orders(6, 3000, 3, 2, true).iter().map(content).collect::<Vec<_>>());
        let contents: BTreeSet<_> =
            list.iter().map(|(merchant, number, minor, _)| (merchant, number, minor)).collect();
        assert_eq!(contents.len(), 3000);
        let keys: BTreeSet<_> = first.iter().map(|(_, order)| order.key.clone()).collect();
        assert_eq!(keys.len(), 3000);
    }
}
