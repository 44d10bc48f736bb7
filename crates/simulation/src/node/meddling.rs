//! Planted bugs inside the glue, and what the checker is told at it.

use super::World;
use crate::event::NodeEvent;
use crate::points::Point;
use std::time::Duration;
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::PaymentId;
use tidegate_payment::input::{Attempt, LoadKey, Loaded};
use tidegate_payment::payment::{Payment, View};
use tidegate_payment::record::{AnswerClass, Group, HostAnswer, Record};
use tidegate_payment::request::Silence;
use tidegate_payment::time::Mono;

impl World {
    /// An answer reaches the engine: is it the bank's word about this payment, and when does it come?
    pub(crate) fn hears_answer(&mut self, id: PaymentId, answer: &HostAnswer) {
        let Some(known) = self.checker.known(id) else { return };
        let honest = self.bank.honest(&known.wide);
        let amount = answer.amount.minor;
        let agrees = honest.is_some_and(|(code, approved)| {
            code == answer.response_code && approved.is_none_or(|approved| approved == amount)
        });
        let known = known.clone();
        if !agrees {
            let what =
                format!("payment {id} hears {}, the bank said {honest:?}", answer.response_code);
            self.checker.breaks("S2", what);
        }
        let approved = matches!(answer.class, AnswerClass::Approved | AnswerClass::Partial);
        if !approved || known.silence != Silence::Reversal {
            if known.silence == Silence::Advice && known.repeated {
                self.points.hit(Point::AdviceAnswered);
            }
            return;
        }
        let welcome = self.cast.shop(&known.merchant).is_some_and(|shop| shop.partial);
        let refused = answer.class == AnswerClass::Partial && !welcome;
        self.points.hit_if(refused, Point::PartialRefused);
        let deadline = known.intended.saturating_add(super::start::HOST_REPLY);
        let now = self.clock.mono;
        if known.timed_out.is_none() {
            let close = now < deadline && deadline.saturating_sub(now) < Duration::from_millis(5);
            self.points.hit_if(close, Point::LateBefore);
            self.points.hit_if(now == deadline, Point::LateAt);
            return;
        }
        self.saw_late(id);
        if known.reversed.is_some() {
            self.points.hit(Point::LateAfterReversed);
        } else if known.reversals > 0 {
            self.points.hit(Point::LateAfterReversal);
        } else {
            self.points.hit(Point::LateAfter);
        }
    }

    /// An approval came for a payment that was given up: it must be on record soon.
    pub(crate) fn saw_late(&mut self, id: PaymentId) {
        let (now, life) = (self.clock.mono, self.life);
        self.checker.saw_late(id, now, life);
    }

    /// A planted bug: an original is found without what followed it.
    pub(crate) fn forget_follow_ups(&self, loaded: &mut Loaded) {
        let LoadKey::FollowUp { key, original, .. } = &loaded.key else { return };
        let (key, original) = (key.clone(), *original);
        loaded.found.retain(|group| match group.get().records.first() {
            Some(Record::Accepted(it)) => it.id == original || it.request.key == key,
            _ => false,
        });
    }

    /// A planted bug: a payment that is being answered is reversed too.
    pub(crate) fn reverse_answered(&mut self, id: PaymentId) {
        let Some(node) = self.node.as_ref() else { return };
        let Some(out) = self.message_of(id, Attempt::Reversal(1)) else { return };
        let _ = node;
        let early = self.store_attests(out);
        self.plan_node(Duration::from_millis(30), NodeEvent::Encode(Box::new(early)));
    }

    fn message_of(&self, id: PaymentId, attempt: Attempt) -> Option<Outgoing> {
        let loaded = self.projection.load(LoadKey::Id(id));
        let of = |group: &Durable<Group>| Payment::fold(&group.get().records).ok().flatten();
        let payment = loaded.found.iter().filter_map(of).find(|payment| payment.id == id)?;
        if payment.silence() != Silence::Reversal {
            return None;
        }
        let deadline = Mono(self.clock.mono.saturating_add(Duration::from_secs(10)));
        payment.original().map(|out| Outgoing { attempt, deadline, ..out })
    }

    /// A planted bug: whoever waits is told the host's answer when it is handed to the store.
    pub(crate) fn answer_early(&mut self, group: &Group) {
        let Some(Record::Answered(answered)) = group.records.first() else { return };
        let loaded = self.projection.load(LoadKey::Id(answered.id));
        let of = |group: &Durable<Group>| Payment::fold(&group.get().records).ok().flatten();
        let Some(mut payment) = loaded.found.iter().filter_map(of).find(|it| it.id == answered.id)
        else {
            return;
        };
        if payment.apply(&Record::Answered(answered.clone())).is_err() {
            return;
        }
        let view: View = payment.view();
        let Some(number) = view.request.key.as_str().strip_prefix("k-") else { return };
        let Some(wish) = number.parse().ok().and_then(|it| self.merchants.wish(it)) else { return };
        let (wish, merchant) = (wish.clone(), view.request.merchant.to_string());
        self.checker.told(&wish, &merchant, &view);
    }
}
