//! What the bank answers, and how it is spoiled on the way out.

use crate::event::Event;
use crate::fault::Fault;
use crate::network::{Wire, framed};
use crate::points::Point;
use crate::world::World;
use sandbox::iso::{Dialect, Message};

/// What a reply repeats of its request.
const ECHOED: [u8; 11] = [2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42];

impl World {
    /// Answers a message with a code, or spoils the answer.
    pub(crate) fn bank_replies(
        &mut self,
        wire: Wire,
        message: &Message,
        key: &str,
        code: &'static str,
    ) {
        let mut reply = Message::new(reply_type(&message.mti));
        for field in ECHOED {
            reply.set(field, message.get(field));
        }
        reply.set(49, message.get(49));
        reply.set(39, code);
        let reversal = crate::checker::wire::is_reversal(message);
        let posting = self.bank.books.posting(key).filter(|_| !reversal);
        if let Some(amount) = posting.and_then(|posting| posting.approved) {
            reply.set(38, format!("A{}", message.get(11).get(1..).unwrap_or("00000")));
            reply.set(4, format!("{amount:012}"));
        }
        let odd = self.plan.odd;
        if self.dice.bank.chance(odd) && self.has(Fault::Silent) {
            return;
        }
        if self.dice.bank.chance(odd / 2) && self.has(Fault::Unlisted) {
            reply.set(39, "68");
        }
        if self.dice.bank.chance(odd / 2) && self.has(Fault::Lie) {
            match self.dice.bank.below(3) {
                0 => reply.set(4, "000000999999"),
                1 => reply.set(2, "4000009999999999"),
                _ => reply.set(49, "840"),
            }
        }
        if self.dice.bank.chance(odd) && self.has(Fault::Swap) {
            self.swap(wire, &mut reply);
        }
        let mut to = wire;
        if self.dice.bank.chance(odd) && self.has(Fault::Reorder) {
            let others = self.network.standing();
            to = self.dice.bank.pick(&others).copied().unwrap_or(wire);
            self.points.hit_if(to != wire, Point::OtherLine);
        }
        if self.dice.bank.chance(odd / 2) && self.has(Fault::Late) && !reversal {
            // Posted in time, told late: before, behind or long behind the reversal.
            if let Ok(body) = Dialect::Iso87Ascii.encode(&reply) {
                let wait = self.dice.bank.millis(14_000, 45_000);
                self.plan_in(wait, Event::Leave(to, framed(&body)));
            }
            return;
        }
        self.bank_sends(to, &reply);
        if self.dice.bank.chance(odd) && self.has(Fault::Duplicate) {
            self.bank_sends(to, &reply);
        }
    }

    /// The card of one answer stands in the place of another's.
    fn swap(&mut self, wire: Wire, reply: &mut Message) {
        match self.bank.swapped.take() {
            None => self.bank.swapped = Some((wire, reply.clone())),
            Some((_, other)) if other.get(2) != reply.get(2) => {
                for field in [2, 3, 4, 12, 13, 39, 49] {
                    reply.set(field, other.get(field));
                }
            }
            Some(_) => {}
        }
    }

    /// Sends a message to the gateway.
    pub(crate) fn bank_sends(&mut self, wire: Wire, message: &Message) {
        if !self.network.link(wire).is_some_and(|link| link.bank_open) {
            return;
        }
        match Dialect::Iso87Ascii.encode(message) {
            Ok(body) => self.fly_to_gateway(wire, framed(&body)),
            Err(error) => self.checker.breaks("T", format!("the bank cannot write: {error}")),
        }
    }
}

fn reply_type(mti: &str) -> &'static str {
    match mti.get(..3) {
        Some("010") => "0110",
        Some("020") => "0210",
        Some("022") => "0230",
        _ => "0430",
    }
}
