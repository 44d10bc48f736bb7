//! The guided tour: what a visitor sees first. A handful of payments is told step by step, some more
//! are made at once, the gateway is killed in the middle of one, and the checker judges it all.

mod telling;

use crate::bank::capture::WireEvent;
use crate::bank::ledger::Entry;
use crate::cards::{self, SPECIAL};
use crate::drain::drain;
use crate::history::{Act, Amount, Told};
use crate::load::{self, End, Load, Workload, forge};
use crate::meanwhile::Happened;
use crate::merchant::envelope::Recipe;
use crate::merchant::signature::Signed;
use crate::merchant::{self, Exchange, Merchant, Order, Original, Outcome, Tries};
use crate::operation::Operation;
use crate::run::{close, keep_evidence};
use crate::screen::{Screen, amount};
use crate::summary::{Measured, Summary, by_operation};
use crate::world::{Options, World};
use crate::{checker, iso};
use anyhow::Context as _;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);
const TRIES: Tries = Tries { count: 100, gap: Duration::from_millis(50) };
/// How many payments are made at once at the end.
const CROWD: u64 = 30;
/// The told payments are numbered behind the crowd.
const FIRST_OP: u64 = 1000;

struct Tour {
    screen: Screen,
    world: Arc<World>,
    merchant: Arc<Merchant>,
    ends: Vec<End>,
    next: u64,
}

/// Shows everything. Returns whether the checker found nothing.
/// # Errors
/// If the world could not be made, or something did not happen as announced.
pub async fn tour(options: Options, screen: Screen) -> anyhow::Result<(Summary, bool)> {
    let began = Instant::now();
    let (seed, keep) = (options.seed, options.keep.is_some());
    screen.heading(&format!("Tidegate sandbox, seed {seed}. Everything runs on this machine."));
    let world = Arc::new(World::open(options).await?);
    let merchant = world.merchants.first().context("a world without merchants")?.clone();
    let mut tour = Tour { screen, world, merchant, ends: Vec::new(), next: FIRST_OP };
    tour.introduce().await;
    let first = tour.approved().await?;
    tour.approved_by_rsa().await?;
    tour.declined().await?;
    tour.retried(&first).await?;
    tour.attacked(&first).await?;
    tour.silent().await?;
    tour.late().await?;
    tour.killed().await?;
    tour.captured_and_refunded().await?;
    tour.at_the_other_bank().await?;
    let load = tour.crowd(seed).await?;
    screen.heading("The end: every payment has one final answer");
    let endings = drain(&tour.world, &load, PATIENCE).await?;
    let cpu_us = tour.world.gateway.lock().await.cpu_us();
    let (evidence, exports) = close(&tour.world, &load, &|_| {}).await?;
    if keep {
        keep_evidence(tour.world.path(), &exports)?;
    }
    let violations = checker::check(&evidence);
    let measured = Measured {
        seed,
        faults: Vec::new(),
        load: load.elapsed,
        whole: began.elapsed(),
        cpu_us,
        happened: Happened::default(),
        operations: by_operation(&load, &endings),
    };
    let summary = Summary::of(&endings, &evidence, &violations, measured);
    summary.tell(screen);
    Ok((summary, violations.is_empty()))
}

impl Tour {
    async fn introduce(&self) {
        let gateway = self.world.gateway.lock().await;
        let screen = self.screen;
        screen.line(&format!("  folder    {}", self.world.path().display()));
        for bank in &self.world.banks {
            let lines = bank.lines().iter().map(|(name, address)| format!("{name} on {address}"));
            screen.line(&format!(
                "  {:<8}  a host with books of its own, speaks {}; lines {}",
                bank.host(),
                bank.dialect().name(),
                lines.collect::<Vec<_>>().join(", ")
            ));
        }
        if let (Some(address), Some(ports)) = (gateway.rest_address(), gateway.ports()) {
            let (internal, pid) = (ports.internal, ports.pid);
            screen.line(&format!(
                "  gateway   process {pid}, merchants at https://{address}, inside at http://{internal}"
            ));
        }
        let profile = &self.merchant.profile;
        screen.line(&format!(
            "  merchant  {} ({}), signs with {}, encrypts for the gateway's published keys",
            profile.name,
            profile.id,
            profile.algorithm.name()
        ));
        for card in SPECIAL {
            let number = iso::mask_card(card.number);
            screen.line(&format!("  card      {number}  {}", card.story));
        }
    }

    async fn approved(&mut self) -> anyhow::Result<(Order, Signed, Told)> {
        self.screen.heading("1. A purchase, from JSON to ISO 8583 and back");
        let order = self.order("4000000000000002", 123_456, Recipe::EcdhEs);
        let (request, exchange) = self.pay_aloud(&order, true).await?;
        let told = expect(&exchange, "approved")?;
        Ok((order, request, told))
    }

    async fn approved_by_rsa(&mut self) -> anyhow::Result<()> {
        self.screen.heading("2. Another envelope: RSA-OAEP-256 instead of ECDH-ES");
        let order = self.order("4000000000000002", 205_000, Recipe::RsaOaep256);
        let (_, exchange) = self.pay_aloud(&order, false).await?;
        expect(&exchange, "approved").map(|_| ())
    }

    async fn declined(&mut self) -> anyhow::Result<()> {
        self.screen.heading("3. Declined cards: an answer like any other, never an HTTP error");
        let cards = ["4000000000000010", "4000000000000028", "4000000000000036"];
        for (number, minor) in cards.into_iter().zip([199_900, 199_901, 199_902]) {
            let order = self.order(number, minor, Recipe::EcdhEs);
            let (_, exchange) = self.pay_aloud(&order, false).await?;
            expect(&exchange, "declined")?;
        }
        Ok(())
    }

    async fn retried(&mut self, first: &(Order, Signed, Told)) -> anyhow::Result<()> {
        self.screen.heading("4. An honest retry: the same key, signed and encrypted afresh");
        let (order, _, told) = first;
        let before = self.purchases_at_the_bank();
        let request = self.merchant.prepare(order)?;
        let exchange = self.merchant.send(order, Act::Retry, &request).await;
        self.tell_answer(&exchange, false);
        let again = expect(&exchange, "approved")?;
        anyhow::ensure!(again.id == told.id, "a retry was answered with another payment");
        let heard = self.purchases_at_the_bank().saturating_sub(before);
        self.screen.detail(&format!("answered from the record; the bank heard {heard} messages"));
        let other = Order { minor: 3_000_000, ..order.clone() };
        let request = self.merchant.prepare(&other)?;
        let exchange = self.merchant.send(&other, Act::Mismatch, &request).await;
        self.screen.line("");
        self.screen.detail("the same key with another amount:");
        self.tell_answer(&exchange, false);
        Ok(())
    }

    async fn attacked(&mut self, first: &(Order, Signed, Told)) -> anyhow::Result<()> {
        self.screen.heading("5. A forged signature, and the exact bytes of an earlier request");
        let (order, request, _) = first;
        let before = self.purchases_at_the_bank();
        self.next = self.next.saturating_add(1);
        let forged = forge(&self.merchant, order, self.next).await?;
        self.tell_answer(&forged, false);
        let replayed = self.merchant.send(order, Act::Replay, request).await;
        self.tell_answer(&replayed, false);
        let heard = self.purchases_at_the_bank().saturating_sub(before);
        self.screen
            .detail(&format!("both look alike from outside; the bank heard {heard} messages"));
        Ok(())
    }

    async fn silent(&mut self) -> anyhow::Result<()> {
        self.screen.heading("6. The bank takes the money and falls silent");
        self.in_doubt("4000000000000044", 420_000).await
    }

    async fn late(&mut self) -> anyhow::Result<()> {
        self.screen
            .heading("7. The approval comes after the deadline: it is never told, and reversed");
        self.in_doubt("4000000000000051", 510_000).await
    }

    async fn in_doubt(&mut self, number: &str, minor: i64) -> anyhow::Result<()> {
        let order = self.order(number, minor, Recipe::EcdhEs);
        let (_, exchange) = self.pay_aloud(&order, false).await?;
        let told = expect(&exchange, "pending")?;
        self.tell_end(&order, &told).await
    }

    async fn killed(&mut self) -> anyhow::Result<()> {
        self.screen.heading("8. kill -9 while the bank holds a payment");
        let order = self.order("4000000000000044", 770_000, Recipe::EcdhEs);
        let request = self.merchant.prepare(&order)?;
        let (merchant, paid) = (self.merchant.clone(), order.clone());
        let sending = tokio::spawn(async move { merchant.send(&paid, Act::Pay, &request).await });
        let began = Instant::now();
        while self.messages_of(&order).is_empty() && began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.world.kill_gateway().await;
        sending.await?;
        for event in self.messages_of(&order) {
            self.screen.message(&event, false);
        }
        self.screen.detail("the gateway is killed; the merchant's connection is lost");
        self.world.start_gateway().await?;
        self.screen
            .detail("it starts again, finds the payment in its journal, and owes a reversal");
        let exchange = self.merchant.pay(&order, None, TRIES).await?;
        let Outcome::Told(told) = &exchange.outcome else {
            anyhow::bail!("after the restart the payment was {:?}", exchange.outcome);
        };
        anyhow::ensure!(told.result != "approved", "a payment in doubt was approved");
        self.tell_answer(&exchange, false);
        self.tell_end(&order, told).await?;
        self.ends.push(End { merchant: 0, order, outcome: exchange.outcome });
        Ok(())
    }

    async fn captured_and_refunded(&mut self) -> anyhow::Result<()> {
        self.screen
            .heading("9. Set aside, taken in part, refunded in part: three payments, one sum");
        let mut order = self.order("4000000000000002", 880_000, Recipe::EcdhEs);
        order.operation = Operation::PreAuthorization;
        let (_, exchange) = self.pay_aloud(&order, false).await?;
        let held = expect(&exchange, "approved")?;
        let original = Some(Original { op: order.op, id: held.id.clone() });
        for (operation, minor) in [(Operation::Completion, 610_000), (Operation::Refund, 160_000)] {
            let order_id = order.order_id.clone();
            let next = self.order("4000000000000002", minor, Recipe::EcdhEs);
            let follow_up = Order { order_id, operation, original: original.clone(), ..next };
            let (_, exchange) = self.pay_aloud(&follow_up, false).await?;
            expect(&exchange, "approved")?;
        }
        let next = self.order("4000000000000002", 450_001, Recipe::EcdhEs);
        let order_id = order.order_id.clone();
        let operation = Operation::Refund;
        let too_much = Order { order_id, operation, original: original.clone(), ..next };
        let (_, exchange) = self.pay_aloud(&too_much, false).await?;
        self.screen.detail("one cent more than is left of it");
        anyhow::ensure!(
            exchange.outcome == Outcome::Refused("amount_exceeds_original".to_owned()),
            "a refund above the original was {:?}",
            exchange.outcome
        );
        let exchange = self.merchant.query(order.op, Act::Query, &held.id).await?;
        self.screen.detail(&format!("GET /v1/payments/{}", held.id));
        let told = expect(&exchange, "approved")?;
        let said = |sum: &Option<Amount>| {
            sum.as_ref().map_or_else(|| "-".to_owned(), |sum| amount(sum.minor, &sum.currency))
        };
        self.screen.detail(&format!(
            "approved {}, captured {}, refunded {}; the merchant keeps {}",
            amount(told.amount.minor, &told.amount.currency),
            said(&told.captured_amount),
            said(&told.refunded_amount),
            amount(450_000, &told.amount.currency)
        ));
        let books = self.world.books().await?;
        let about = |entry: &&Entry| {
            let rrn = told.rrn.as_deref().unwrap_or("-");
            entry.about.rrn == rrn || entry.about.original == rrn
        };
        for entry in books.iter().flat_map(|books| &books.entries).filter(about) {
            let moved = amount(entry.minor, &told.amount.currency);
            self.screen.detail(&format!("the bank's books: {:?} {moved}", entry.cause));
        }
        Ok(())
    }

    async fn at_the_other_bank(&mut self) -> anyhow::Result<()> {
        let [_, other, ..] = self.world.layout.hosts else { return Ok(()) };
        let (host, dialect) = (other.name, other.dialect.name());
        self.screen.heading(&format!(
            "10. A card of another range: the route leads to {host}, which speaks {dialect}"
        ));
        let order = self.order(cards::SECOND, 930_000, Recipe::EcdhEs);
        let (_, exchange) = self.pay_shown(&order, false, true).await?;
        let told = expect(&exchange, "approved")?;
        self.screen.detail("its void is a request there, 0400; at the other bank it is 0420");
        let operation = Operation::Void;
        let original = Some(Original { op: order.op, id: told.id });
        let next = self.order(cards::SECOND, order.minor, Recipe::EcdhEs);
        let void = Order { order_id: order.order_id, operation, original, ..next };
        let (_, exchange) = self.pay_aloud(&void, false).await?;
        expect(&exchange, "approved").map(|_| ())
    }

    /// Many at once, then everything told so far is joined to them.
    async fn crowd(&mut self, seed: u64) -> anyhow::Result<Load> {
        self.screen.heading(&format!("11. {CROWD} payments at once, some of them sent twice"));
        let workload = Workload {
            payments: CROWD,
            concurrency: 10,
            rate: None,
            tricks: true,
            mix: false,
            tries: TRIES,
        };
        let mut load = load::run(&self.world, seed, workload, watch::Sender::new(0)).await?;
        let milliseconds = load.elapsed.as_millis();
        self.screen.detail(&format!("answered within {milliseconds} ms"));
        load.ends.append(&mut self.ends);
        Ok(load)
    }

    /// An order. Amounts are above all those of the crowd, so that each is known again on the wire.
    fn order(&mut self, number: &str, minor: i64, recipe: Recipe) -> Order {
        self.next = self.next.saturating_add(1);
        let op = self.next;
        Order {
            op,
            key: format!("tour-{op}"),
            order_id: format!("A-{op}"),
            minor,
            currency: "EUR".to_owned(),
            number: number.to_owned(),
            with_code: true,
            recipe,
            operation: Operation::Purchase,
            original: None,
            with_amount: true,
        }
    }

    async fn pay_aloud(
        &mut self,
        order: &Order,
        whole: bool,
    ) -> anyhow::Result<(Signed, Exchange)> {
        self.pay_shown(order, whole, whole).await
    }

    /// `whole`: all that the merchant sends and gets; `frames`: all that crosses the lines.
    async fn pay_shown(
        &mut self,
        order: &Order,
        whole: bool,
        frames: bool,
    ) -> anyhow::Result<(Signed, Exchange)> {
        let request = self.merchant.prepare(order)?;
        self.tell_request(order, &request, whole);
        let shown = self.messages_of(order).len();
        let exchange = self.merchant.send(order, Act::Pay, &request).await;
        for event in self.messages_of(order).iter().skip(shown) {
            self.screen.message(event, frames);
        }
        self.tell_answer(&exchange, whole);
        let outcome = exchange.outcome.clone();
        self.ends.push(End { merchant: 0, order: order.clone(), outcome });
        Ok((request, exchange))
    }

    fn purchases_at_the_bank(&self) -> usize {
        self.world.capture.with_field(3, "000000").len()
    }
}

/// A late approval comes at most this long after the reversal.
const LATE: Duration = Duration::from_millis(700);

fn expect(exchange: &Exchange, result: &str) -> anyhow::Result<Told> {
    match &exchange.outcome {
        Outcome::Told(told) if told.result == result => Ok((**told).clone()),
        other => anyhow::bail!("a payment that should be {result} was {other:?}"),
    }
}
