//! What merchants hear, and what they do then.

use super::{AttemptKind, Wish};
use crate::checker::told::Final;
use crate::event::Event;
use crate::fault::Fault;
use crate::points::Point;
use crate::world::World;
use std::time::Duration;
use tidegate_payment::effect::{Refusal, Reply};
use tidegate_payment::payment::View;
use tidegate_payment::record::AnswerClass;
use tidegate_payment::request::Operation;

/// How many approved wishes are kept to be followed up.
const APPROVED_KEPT: usize = 60;

impl World {
    pub(crate) fn ask_soon(&mut self, wish: u64, wait: Duration) {
        self.plan_in(wait, Event::Ask(wish));
    }

    /// A merchant does not wait any longer.
    pub(crate) fn patience(&mut self, number: u64) {
        if let Some(attempt) = self.merchants.attempts.get_mut(&number) {
            attempt.listens = false;
            let wish = attempt.wish;
            self.points.hit(Point::ClientGone);
            self.left(wish);
        }
    }

    /// The connection was lost before an answer came.
    pub(crate) fn unheard(&mut self, number: u64) {
        let Some(attempt) = self.merchants.attempts.remove(&number) else { return };
        if !attempt.listens {
            return;
        }
        if let Some(wish) = self.merchants.wishes.get_mut(&attempt.wish) {
            wish.in_doubt |= attempt.life > 0;
        }
        self.left(attempt.wish);
    }

    /// One request less is on its way; the merchant may try again.
    fn left(&mut self, number: u64) {
        let Some(wish) = self.merchants.wishes.get_mut(&number) else { return };
        wish.waiting = wish.waiting.saturating_sub(1);
        if wish.is_done() || wish.waiting > 0 {
            return;
        }
        let retries = self.has(Fault::Retry) || self.calm;
        if !retries {
            // Without retries in the time of faults, everybody asks when it is over.
            self.deferred.push(number);
            return;
        }
        let (known, wait) = (self.dice.merchants.chance(3_000), self.again_after());
        let event = if known { Event::Query(number) } else { Event::Ask(number) };
        self.plan_in(wait, event);
    }

    fn again_after(&mut self) -> Duration {
        if self.dice.merchants.chance(4_000) {
            self.dice.merchants.millis(5, 500)
        } else {
            self.dice.merchants.millis(1_000, 12_000)
        }
    }

    /// The gateway replies.
    pub(crate) fn told(&mut self, number: u64, reply: &Reply) {
        let Some(attempt) = self.merchants.attempts.remove(&number) else { return };
        let Some(wish) = self.merchants.wishes.get(&attempt.wish).cloned() else { return };
        let code = reply_code(reply);
        self.log.note(self.clock.mono, "a merchant is told", wish.number, code);
        let lost = self.dice.merchants.chance(300) && self.has(Fault::Gone);
        if !attempt.listens {
            return;
        }
        if lost {
            return self.left(attempt.wish);
        }
        match reply {
            Reply::Outcome { view, replayed } => {
                let view = view.get();
                self.outcome(&wish, attempt.kind, view, *replayed, attempt.since);
            }
            Reply::List(views) => {
                self.points.hit(Point::Queried);
                let own = |view: &&View| view.request.key.as_str() == wish.key;
                if let Some(view) = views.iter().map(|view| view.get()).find(own) {
                    let view = view.clone();
                    self.outcome(&wish, attempt.kind, &view, false, attempt.since);
                }
            }
            Reply::Refusal(refusal) => self.refused(&wish, attempt.kind, *refusal),
        }
        self.left(attempt.wish);
    }

    fn outcome(
        &mut self,
        wish: &Wish,
        kind: AttemptKind,
        view: &View,
        replayed: bool,
        since: Duration,
    ) {
        if kind == AttemptKind::Mismatch {
            let what = format!("wish {} asked for something else and is answered", wish.number);
            return self.checker.breaks("M4", what);
        }
        let merchant = self.cast.shops.get(wish.shop).map(|shop| shop.merchant.to_string());
        self.checker.told(wish, merchant.as_deref().unwrap_or(""), view);
        self.points.hit_if(kind == AttemptKind::Query, Point::Queried);
        let last = Final::of(view);
        let quick = self.clock.mono.saturating_sub(since) < Duration::from_millis(5);
        self.points.hit_if(replayed && quick, Point::RetryAnswered);
        self.points.hit_if(replayed && !quick, Point::RetryJoined);
        let class = self.checker.known(view.id).and_then(|it| it.answered).map(|it| it.0);
        self.points.hit_if(class == Some(AnswerClass::Partial), Point::PartialTold);
        self.points.hit_if(class == Some(AnswerClass::PickUp), Point::PickUp);
        self.points.hit_if(wish.in_doubt && last.is_some(), Point::StoppedUnknown);
        let done_before = wish.is_done();
        let Some(kept) = self.merchants.wishes.get_mut(&wish.number) else { return };
        kept.pending = Some(view.id);
        if last.is_some() && kept.told.is_none() {
            kept.told = last;
            let approved = kept.told.as_ref().is_some_and(|it| it.what == "approved");
            let leads = matches!(kept.operation, Operation::Purchase | Operation::PreAuthorization);
            if approved && leads {
                self.merchants.approved.push(wish.number);
                if self.merchants.approved.len() > APPROVED_KEPT {
                    self.merchants.approved.remove(0);
                }
            }
        }
        let done = kept.is_done();
        self.done(wish.number, done_before);
        // What is final is asked for once more now and then: it stays so.
        if done && !done_before && self.dice.merchants.chance(1_500) {
            let wait = self.dice.merchants.millis(5, 20_000);
            self.plan_in(wait, Event::Query(wish.number));
        }
    }

    fn refused(&mut self, wish: &Wish, kind: AttemptKind, refusal: Refusal) {
        let merchant = self.cast.shops.get(wish.shop).map(|shop| shop.merchant.to_string());
        let known = self.checker.by_key(merchant.as_deref().unwrap_or(""), &wish.key);
        let known = known.map(|known| known.id);
        let for_good = match refusal {
            Refusal::KeyMismatch => {
                self.points.hit(Point::KeyMismatch);
                if kind != AttemptKind::Mismatch {
                    self.checker.breaks("M4", format!("wish {} is told a mismatch", wish.number));
                }
                None
            }
            Refusal::OriginalNotFinal => {
                self.points.hit(Point::NotFinal);
                None
            }
            Refusal::OriginalNotApproved => Some("not approved"),
            Refusal::WrongOriginal => Some("wrong original"),
            Refusal::AlreadyCaptured => Some("captured"),
            Refusal::AlreadyVoided => Some("voided"),
            Refusal::UseRefund => Some("taken"),
            Refusal::OverOriginal => {
                self.points.hit(Point::OverOriginal);
                let refund = wish.operation == Operation::Refund;
                self.points.hit_if(wish.race && refund, Point::RefundsRaced);
                Some("over the original")
            }
            Refusal::OrderInUse => {
                self.points.hit_if(wish.race, Point::OrdersRaced);
                Some("order in use")
            }
            Refusal::NotFound if kind == AttemptKind::Query => None,
            Refusal::NotFound | Refusal::NotOffered => Some("not found"),
            Refusal::Busy => {
                self.busy(wish);
                None
            }
            _ => None,
        };
        let Some(why) = for_good.filter(|_| kind == AttemptKind::Ask) else { return };
        let follows = wish.original.is_some();
        self.points.hit_if(wish.race && follows, Point::FollowUpsRaced);
        if let Some(id) = known {
            let what = format!("wish {} is refused ({why}) and is payment {id}", wish.number);
            return self.checker.breaks("M1", what);
        }
        let done_before = wish.is_done();
        if let Some(kept) = self.merchants.wishes.get_mut(&wish.number) {
            kept.refused = Some(why);
        }
        self.done(wish.number, done_before);
    }

    fn busy(&mut self, wish: &Wish) {
        let card = self.cast.cards.get(wish.card);
        let card = card.map(|it| String::from_utf8_lossy(&it.sealed).into_owned());
        let held = self.checker.owes_reversal(card.as_deref().unwrap_or(""));
        self.points.hit_if(held, Point::CardHeld);
        let open = self.node.as_ref().map(|node| node.engine.status());
        let open = open.map_or(0, |it| it.awaiting_host + it.reversing + it.repeating + it.cases);
        self.points.hit_if(open >= self.plan.pace.open_max, Point::HostFull);
    }

    fn done(&mut self, number: u64, before: bool) {
        let done = self.merchants.wishes.get(&number).is_some_and(Wish::is_done);
        if done && !before {
            self.merchants.undone = self.merchants.undone.saturating_sub(1);
        }
    }
}

fn reply_code(reply: &Reply) -> u64 {
    match reply {
        Reply::Outcome { view, .. } => Final::of(view.get()).map_or(1, |told| match told.what {
            "approved" => 2,
            "declined" => 3,
            _ => 4,
        }),
        Reply::List(_) => 5,
        Reply::Refusal(_) => 6,
    }
}
