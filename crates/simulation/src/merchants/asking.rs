//! What merchants ask for, and how often.

use super::{Attempt, AttemptKind, Wish};
use crate::event::Event;
use crate::fault::Fault;
use crate::sabotage::Sabotage;
use crate::world::World;
use std::time::Duration;
use tidegate_payment::card::CardRef;
use tidegate_payment::id::{ChannelId, IdempotencyKey, Nonce, OrderId, PaymentId};
use tidegate_payment::input::{Ask, Incoming, Input, Query, QueryBy, Terms, Waiter};
use tidegate_payment::money::Money;
use tidegate_payment::request::{FollowUp, Freshness, Operation, Request};
use tidegate_payment::time::{LocalTime, Mono};

/// How long a merchant waits for an answer.
const PATIENCE_MS: (u64, u64) = (18_000, 40_000);

impl World {
    /// The next wish comes up, and the one after it is planned.
    pub(crate) fn begin(&mut self) {
        if self.merchants.last_wish >= self.options.payments {
            return;
        }
        let draft = self.draft();
        let number = self.wish(draft.clone());
        self.ask_soon(number, Duration::ZERO);
        let racing = self.dice.merchants.chance(1500) && self.has(Fault::Race);
        if racing && self.merchants.last_wish < self.options.payments {
            self.race(number, draft);
        }
        let wait = self.dice.merchants.micros(0, self.plan.gap_us.saturating_mul(2));
        self.plan_in(wait, Event::Begin);
    }

    /// Somebody else wants the same order, or the same money back, at the same time.
    fn race(&mut self, number: u64, mut draft: Wish) {
        let follows = draft.original.is_some();
        if !follows && draft.amount == 0 {
            return;
        }
        draft.race = true;
        if let Some(wish) = self.merchants.wishes.get(&number) {
            draft.order = wish.order.clone();
        }
        let other = self.wish(draft);
        if let Some(wish) = self.merchants.wishes.get_mut(&number) {
            wish.race = true;
        }
        let wait = self.dice.merchants.micros(0, 3_000);
        self.ask_soon(other, wait);
    }

    fn wish(&mut self, draft: Wish) -> u64 {
        self.merchants.last_wish = self.merchants.last_wish.saturating_add(1);
        let number = self.merchants.last_wish;
        let order = if draft.order.is_empty() { format!("o-{number}") } else { draft.order };
        let wish = Wish { number, key: format!("k-{number}"), order, ..draft };
        self.merchants.wishes.insert(number, wish);
        self.merchants.undone = self.merchants.undone.saturating_add(1);
        number
    }

    fn draft(&mut self) -> Wish {
        let follows = self.dice.merchants.chance(3_800);
        if let Some(draft) = follows.then(|| self.follow_up()).flatten() {
            return draft;
        }
        let dice = &mut self.dice.merchants;
        let shops = u64::try_from(self.cast.shops.len()).unwrap_or(1);
        let cards = u64::try_from(self.cast.cards.len()).unwrap_or(1);
        let operation = match dice.below(20) {
            0..=13 => Operation::Purchase,
            14..=17 => Operation::PreAuthorization,
            18 => Operation::BalanceInquiry,
            _ => Operation::CardVerification,
        };
        let amount = match operation {
            Operation::Purchase | Operation::PreAuthorization => dice.between(100, 99_999),
            _ => 0,
        };
        let shop = usize::try_from(dice.below(shops)).unwrap_or(0);
        let card = usize::try_from(dice.below(cards)).unwrap_or(0);
        blank(shop, card, operation, i64::try_from(amount).unwrap_or(0))
    }

    /// Something that follows one of the approved payments.
    fn follow_up(&mut self) -> Option<Wish> {
        let dice = &mut self.dice.merchants;
        let number = *dice.pick(&self.merchants.approved)?;
        let original = self.merchants.wishes.get(&number)?;
        let told = original.told.as_ref()?;
        let operation = match (original.operation, dice.below(10)) {
            (Operation::PreAuthorization, 0..=4) => Operation::Completion,
            (_, 5..=6) => Operation::Void,
            _ => Operation::Refund,
        };
        let whole = u64::try_from(told.amount).unwrap_or(0);
        let part = dice.between(1, whole.saturating_add(whole / 8).max(1));
        let amount = if dice.chance(3_000) { whole } else { part };
        let amount = if operation == Operation::Void { 0 } else { amount };
        let mut wish =
            blank(original.shop, original.card, operation, i64::try_from(amount).unwrap_or(0));
        wish.order = original.order.clone();
        wish.original = Some((number, told.id));
        Some(wish)
    }

    /// A merchant asks for a wish, perhaps several times at once.
    pub(crate) fn ask(&mut self, number: u64) {
        let Some(wish) = self.merchants.wishes.get_mut(&number) else { return };
        if wish.is_done() {
            return;
        }
        let parallel = self.dice.merchants.chance(500);
        let mismatch = wish.asked > 0 && self.dice.merchants.chance(1_500);
        wish.asked = wish.asked.saturating_add(1);
        let copies = if parallel && self.has(Fault::Parallel) { 3 } else { 1 };
        for _ in 0..copies {
            self.send(number, AttemptKind::Ask);
        }
        let differs = self.merchants.wishes.get(&number);
        let differs = differs.is_some_and(|wish| wish.operation != Operation::Void);
        if mismatch && differs && self.has(Fault::Mismatch) && self.is_accepted(number) {
            self.send(number, AttemptKind::Mismatch);
        }
    }

    /// Whether the wish is on record: from then on its key is its own.
    fn is_accepted(&self, number: u64) -> bool {
        let Some(wish) = self.merchants.wishes.get(&number) else { return false };
        let merchant = self.cast.shops.get(wish.shop).map(|shop| shop.merchant.as_str());
        merchant.is_some_and(|merchant| self.checker.by_key(merchant, &wish.key).is_some())
    }

    /// A merchant asks what became of a wish.
    pub(crate) fn ask_about(&mut self, number: u64) {
        let refused = |wish: &Wish| wish.told.is_none() && wish.is_done();
        if self.merchants.wishes.get(&number).is_some_and(|wish| !refused(wish)) {
            self.send(number, AttemptKind::Query);
        }
    }

    fn send(&mut self, wish: u64, kind: AttemptKind) {
        self.merchants.last_attempt = self.merchants.last_attempt.saturating_add(1);
        let number = self.merchants.last_attempt;
        let since = self.clock.mono;
        let attempt = Attempt { wish, kind, life: 0, listens: true, since };
        self.merchants.attempts.insert(number, attempt);
        if let Some(wish) = self.merchants.wishes.get_mut(&wish) {
            wish.waiting = wish.waiting.saturating_add(1);
        }
        let wait = self.dice.merchants.micros(100, 3_000);
        self.plan_in(wait, Event::Arrive(number));
        let gone = self.dice.merchants.chance(300);
        let patience = match gone && self.has(Fault::Gone) {
            true => self.dice.merchants.millis(1, 500),
            false => self.dice.merchants.millis(PATIENCE_MS.0, PATIENCE_MS.1),
        };
        self.plan_in(patience, Event::Patience(number));
    }

    /// A request is at the gateway's door.
    pub(crate) fn arrive(&mut self, number: u64) {
        let Some(attempt) = self.merchants.attempts.get(&number).copied() else { return };
        let Some(life) = self.node.as_ref().map(|node| node.life) else {
            return self.unheard(number);
        };
        if let Some(attempt) = self.merchants.attempts.get_mut(&number) {
            attempt.life = life;
        }
        let Some(wish) = self.merchants.wishes.get(&attempt.wish).cloned() else { return };
        let input = match attempt.kind {
            AttemptKind::Query => self.question(number, &wish),
            _ => self.incoming(number, &wish, attempt.kind),
        };
        match input {
            Some(input) => self.letter(number, input),
            None => self.checker.breaks("T", format!("wish {} cannot be asked", wish.number)),
        }
    }

    fn question(&mut self, number: u64, wish: &Wish) -> Option<Input> {
        let shop = self.cast.shops.get(wish.shop)?;
        let by = match wish.pending {
            Some(id) => QueryBy::Id(id),
            None => QueryBy::Order(OrderId::parse(&wish.order).ok()?),
        };
        let merchant = Some(shop.merchant.clone());
        Some(Input::Query(Query { waiter: Waiter(number), merchant, by }))
    }

    fn card(&self, wish: &Wish) -> Option<CardRef> {
        let mut card = self.cast.cards.get(wish.card)?.clone();
        if self.is_sabotaged(Sabotage::SaltedCard) {
            card.hash.0 = [u8::try_from(wish.shop).unwrap_or(0); 32].map(|salt| salt ^ 0xa5);
            card.hash.0.iter_mut().zip(&card.sealed).for_each(|(byte, digit)| *byte ^= digit);
        }
        Some(card)
    }

    fn incoming(&mut self, number: u64, wish: &Wish, kind: AttemptKind) -> Option<Input> {
        let now = self.clock.now();
        let random = u128::from(self.dice.merchants.throw());
        let millis = u128::try_from(now.wall.0.div_euclid(1000)).unwrap_or(0);
        let id = PaymentId((millis << 80) | random);
        let fresh_key = wish.asked > 1 && self.sabotage(Sabotage::FreshKey);
        let key = if fresh_key { format!("{}.{number}", wish.key) } else { wish.key.clone() };
        let shop = self.cast.shops.get(wish.shop)?;
        let other = kind == AttemptKind::Mismatch && !self.is_sabotaged(Sabotage::IgnoreMismatch);
        let minor = if other { wish.amount.saturating_add(7) } else { wish.amount };
        let amount = Money { minor, currency: self.cast.currency };
        let freshness = Freshness {
            created: now.wall,
            nonce: Nonce::parse(&format!("nonce-{number:010}")).ok()?,
        };
        let (merchant, key) = (shop.merchant.clone(), IdempotencyKey::parse(&key).ok()?);
        let channel = ChannelId::parse("rest").ok()?;
        let card = self.card(wish)?;
        let ask = match wish.original {
            Some((_, original)) => Ask::FollowUp {
                follow_up: FollowUp {
                    merchant,
                    channel,
                    operation: wish.operation,
                    key,
                    freshness,
                    original,
                    amount: (wish.operation != Operation::Void).then_some(amount),
                },
                offers: self.cast.offers.clone(),
            },
            None => Ask::New {
                request: Request {
                    merchant,
                    channel,
                    operation: wish.operation,
                    key,
                    freshness,
                    order: OrderId::parse(&wish.order).ok()?,
                    amount,
                    card,
                    eci: None,
                    ds_transaction: None,
                    original: None,
                },
                routes: self.cast.routes(wish.operation),
            },
        };
        let incoming = Incoming {
            objection: None,
            accept_by: Mono(Duration::MAX),
            waiter: Waiter(number),
            id,
            ask,
            acceptor: shop.acceptor.clone(),
            local: LocalTime { month: 11, day: 22, hour: 12, minute: 0, second: 0 },
            terms: Terms { one_payment_per_order: true, partial_approval: shop.partial },
        };
        Some(Input::Request(Box::new(incoming)))
    }
}

fn blank(shop: usize, card: usize, operation: Operation, amount: i64) -> Wish {
    Wish {
        number: 0,
        shop,
        operation,
        key: String::new(),
        order: String::new(),
        card,
        amount,
        original: None,
        race: false,
        asked: 0,
        waiting: 0,
        told: None,
        pending: None,
        refused: None,
        in_doubt: false,
    }
}
