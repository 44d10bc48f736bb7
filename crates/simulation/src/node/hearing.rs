//! What the checker is told of answers on their way to the engine.

use super::World;
use crate::points::Point;
use std::time::Duration;
use tidegate_payment::id::PaymentId;
use tidegate_payment::record::{AnswerClass, HostAnswer};
use tidegate_payment::request::Silence;

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
}
