//! The bank at work: reads frames, acts on messages by its books, and answers, or lies.

use super::books::{Books, Kind, Posting};
use super::day::{CUT_OVER, Day};
use crate::checker::wide;
use crate::checker::wire::{is_reversal, named};
use crate::event::{Event, Said};
use crate::fault::Fault;
use crate::network::{Wire, take_frame};
use crate::points::Point;
use crate::sabotage::Sabotage;
use crate::world::World;
use sandbox::iso::{Dialect, Message};
use std::collections::BTreeMap;
use std::time::Duration;

/// An answer to a reversal or an advice that cannot be taken now.
const LATER: &str = "96";
/// An answer to a reversal or an advice that will not be taken.
const REFUSES: &str = "12";

/// The bank.
#[derive(Debug, Default)]
pub struct Bank {
    /// Its books.
    pub books: Books,
    /// Until when it does not want to be signed on to.
    pub closed_until: Duration,
    /// Until when it hears no payment at all.
    pub deaf_until: Duration,
    /// A reply that waits to be put into another one's place.
    pub swapped: Option<(Wire, Message)>,
    /// Its own network messages.
    pub last_stan: u32,
    /// Its business day.
    pub day: Day,
    /// What it said honestly, by key: the code, and the amount if it approved.
    honest: BTreeMap<String, (&'static str, Option<i64>)>,
}

impl Bank {
    /// Its honest word about a message.
    pub fn honest(&self, wide: &str) -> Option<(&'static str, Option<i64>)> {
        self.honest.get(wide).copied()
    }
}

impl World {
    /// Bytes reach the bank.
    pub(crate) fn bank_reads(&mut self, wire: Wire, bytes: &[u8]) {
        let Some(link) = self.network.link(wire).filter(|link| link.bank_open) else { return };
        link.at_bank.extend_from_slice(bytes);
        let mut bodies = Vec::new();
        while let Some(body) = take_frame(&mut link.at_bank) {
            bodies.push(body);
        }
        for body in bodies.iter().filter(|body| !body.is_empty()) {
            match Dialect::Iso87Ascii.decode(body) {
                Ok(message) => self.bank_hears(wire, message),
                Err(error) => self.checker.breaks("M9", format!("the bank reads: {error}")),
            }
        }
    }

    fn bank_hears(&mut self, wire: Wire, message: Message) {
        if message.mti.starts_with("08") {
            return self.bank_hears_network(wire, &message);
        }
        let signed_on = self.network.link(wire).is_some_and(|link| link.signed_on);
        if !signed_on {
            self.checker.breaks("S5", format!("the bank gets a {} before a sign-on", message.mti));
        }
        let odd = self.plan.odd;
        let deaf = self.bank.deaf_until > self.clock.mono;
        if (self.dice.bank.chance(odd) || deaf) && self.has(Fault::Silent) {
            self.log.note(self.clock.mono, "the bank hears nothing", wire, 0);
            return;
        }
        let reversal = is_reversal(&message);
        let overtaken = !reversal && self.dice.bank.chance(odd / 2) && self.has(Fault::Overtake);
        let late = self.dice.bank.chance(odd) && self.has(Fault::Late);
        let slow = self.dice.bank.chance(1_000) && self.has(Fault::Reorder);
        // Never as long as the wait between two answers "25".
        let wait = if overtaken {
            self.dice.bank.millis(15_000, 19_000)
        } else if late {
            self.dice.bank.millis(13_800, 17_500)
        } else if slow {
            self.dice.bank.millis(50, 4_000)
        } else {
            self.dice.bank.micros(800, 60_000)
        };
        self.plan_in(wait, Event::Act(wire, Box::new(message)));
    }

    fn bank_hears_network(&mut self, wire: Wire, message: &Message) {
        if message.mti == "0810" && message.get(70) == "002" {
            // Whoever answers a sign-off has heard it, and sends no more.
            if let Some(link) = self.network.link(wire).filter(|link| link.ending) {
                link.signed_on = false;
            }
        }
        if message.mti == "0810" && message.get(70) == CUT_OVER {
            self.bank.day.answered(message.get(11), message.get(39));
        }
        if message.mti != "0800" {
            return;
        }
        let closed = self.bank.closed_until > self.clock.mono;
        let mut reply = Message::new("0810");
        for field in [7, 11, 70] {
            reply.set(field, message.get(field));
        }
        let refuses = message.get(70) == "001" && closed;
        reply.set(39, if refuses { "91" } else { "00" });
        if let Some(link) = self.network.link(wire) {
            match message.get(70) {
                // A sign-on that is accepted is the last word, whatever crossed it on the way.
                "001" if !refuses => (link.signed_on, link.ending) = (true, false),
                "002" => link.signed_on = false,
                _ => {}
            }
        }
        let code = message.get(70).parse().unwrap_or(0);
        self.log.note(self.clock.mono, "the bank is asked", wire, code);
        let lost = self.dice.bank.chance(100) && self.has(Fault::Silent);
        if !lost {
            self.bank_sends(wire, &reply);
        }
    }

    /// The bank acts on a message, by its books.
    pub(crate) fn bank_acts(&mut self, wire: Wire, message: &Message) {
        let get = |field| message.get(field);
        let key = wide(get(7), get(11), get(37), get(41), get(42));
        let number = get(11).parse().unwrap_or(0);
        let reversal = is_reversal(message);
        self.log.note(self.clock.mono, "the bank acts", number, u64::from(reversal));
        let code = if reversal {
            self.bank_reverses(&key, message)
        } else {
            self.bank_posts(&key, message)
        };
        self.bank_replies(wire, message, &key, code);
    }

    fn bank_reverses(&mut self, key: &str, message: &Message) -> &'static str {
        let odd = self.plan.odd;
        let refuses = self.dice.bank.chance(odd) && self.has(Fault::Refuse);
        let later = self.dice.bank.chance(5_000);
        let denies = self.dice.bank.chance(odd) && self.has(Fault::Unknown);
        let missed = self.bank.books.missed(key);
        let Some(posting) = self.bank.books.posting(key) else {
            self.bank.books.miss(key);
            return "25";
        };
        if posting.refused && !posting.reversed && !self.calm {
            return REFUSES;
        }
        if refuses && !posting.reversed {
            // What it cannot do now it may do the next time; what it will not do stays so.
            if later {
                return LATER;
            }
            posting.refused = true;
            return REFUSES;
        }
        if denies && !posting.denied && !posting.reversed && missed == 0 {
            posting.denied = true;
            return "25";
        }
        let found_now = !posting.reversed && (posting.denied || missed > 0);
        self.points.hit_if(found_now, Point::UnknownThenFound);
        let half = self.is_sabotaged(Sabotage::HalfBooked);
        let again = self.is_sabotaged(Sabotage::ForgetReversed);
        self.bank.books.reverse(key, get_card(message), half, again);
        "00"
    }

    fn bank_posts(&mut self, key: &str, message: &Message) -> &'static str {
        if let Some(known) = self.bank.books.posting(key) {
            let (code, follows) = (known.code, known.kind.is_follow_up());
            // It took it, and does not take it again: only its books tell.
            let forgets = self.dice.bank.chance(self.plan.odd) && self.has(Fault::Refuse);
            return if forgets && follows { REFUSES } else { code };
        }
        let amount = message.get(4).parse().unwrap_or(0);
        let Some(kind) = Kind::of(&message.mti, message.get(3), amount) else { return REFUSES };
        let original = match kind.is_follow_up() {
            true => {
                let named = self.bank.books.named(&named(message.get(90)));
                if named.is_none() {
                    return "25";
                }
                named
            }
            false => None,
        };
        if self.bank.books.missed(key) > 0 {
            self.points.hit(Point::Overtaken);
        }
        let refuses = self.dice.bank.chance(self.plan.odd) && self.has(Fault::Refuse);
        if refuses && kind.is_follow_up() {
            return REFUSES;
        }
        let (code, approved) = self.bank_decides(kind, amount);
        // What cannot be posted now may be posted when it is asked again.
        if code == "91" && kind.is_follow_up() {
            return code;
        }
        let other_day = self.is_sabotaged(Sabotage::OtherDay);
        let date = if other_day { self.bank.day.text() } else { message.get(15).to_owned() };
        let posting = Posting {
            kind,
            amount,
            code,
            approved,
            shop: message.get(42).trim_end().to_owned(),
            date,
            moved: 0,
            reversed: false,
            reversals: 0,
            original,
            denied: false,
            refused: false,
        };
        let name = format!("{}{}", message.get(11), message.get(7));
        self.bank.books.enter(key.to_owned(), name, get_card(message), posting);
        self.bank.honest.insert(key.to_owned(), (code, approved));
        code
    }

    fn bank_decides(&mut self, kind: Kind, amount: i64) -> (&'static str, Option<i64>) {
        let throw = self.dice.bank.below(1_000);
        match (kind, throw) {
            (Kind::Inquiry, 0..=900) => ("00", Some(0)),
            (Kind::Inquiry, _) => ("14", None),
            (_, 0..=39) => ("51", None),
            (_, 40..=49) => ("91", None),
            (Kind::Purchase | Kind::Hold, 50..=54) => ("43", None),
            (Kind::Purchase | Kind::Hold, 55..=75) if amount > 200 => ("10", Some(amount / 2)),
            _ => ("00", Some(amount)),
        }
    }

    /// The bank sees a connection end.
    pub(crate) fn bank_sees_end(&mut self, wire: Wire) {
        if let Some(link) = self.network.link(wire) {
            (link.bank_open, link.signed_on) = (false, false);
            link.at_bank.clear();
        }
        self.network.sweep(wire);
    }

    /// The bank speaks first.
    pub(crate) fn bank_says(&mut self, said: Said) {
        let wires = self.network.standing();
        self.bank.last_stan = self.bank.last_stan % 999_999 + 1;
        let mut message = Message::new("0800");
        message.set(7, crate::checker::journal::month_to_second(self.clock.now().wall));
        message.set(11, format!("{:06}", self.bank.last_stan));
        let code = match said {
            Said::CutOver => CUT_OVER,
            Said::SignOff => "002",
            Said::SignOn => "001",
            Said::Garbage | Said::Unasked => "999",
        };
        message.set(70, code);
        if said == Said::CutOver {
            self.bank_cuts_over(&mut message);
        }
        self.log.note(self.clock.mono, "the bank says", said as u64, 0);
        for wire in wires {
            match said {
                Said::Garbage => {
                    let bytes = crate::network::framed(b"0210 what is this");
                    self.fly_to_gateway(wire, bytes);
                }
                Said::Unasked => self.bank_sends_unasked(wire),
                _ => {
                    if let Some(link) = self.network.link(wire).filter(|_| said == Said::SignOff) {
                        link.ending = true;
                    }
                    self.bank_sends(wire, &message);
                }
            }
        }
    }

    fn bank_sends_unasked(&mut self, wire: Wire) {
        let mut reply = Message::new("0210");
        for (field, value) in [
            (3, "000000"),
            (4, "000000001234"),
            (7, "1122203000"),
            (11, "999999"),
            (37, "632699999999"),
            (39, "00"),
            (41, "TERM0001"),
            (42, "SHOP1          "),
        ] {
            reply.set(field, value);
        }
        self.bank_sends(wire, &reply);
    }
}

fn get_card(message: &Message) -> &str {
    message.get(2)
}
