//! What the bank decides: authorisation against its books, completions, voids, refunds, inquiries and
//! reversals. Pure but for the books; the server around it moves bytes and commits the faults.
//!
//! The bank trusts its acquirer in one thing on purpose: it does not add refunds and completions up
//! against their original. A gateway that lets too many pass is found by the sums over the books.

mod books;

use self::books::{Books, give_back};
use super::habits::{Habits, UnknownOriginal};
use super::ledger::{About, Account, Cause, Ledger, Movement};
use crate::cards::{self, Behaviour};
use crate::dice::Dice;
use crate::iso::{Message, additional_parts};
use crate::operation::{Meaning, Operation, meaning, original_trace};
use crate::token::Tokens;
use std::collections::{BTreeMap, BTreeSet};

/// How far a purchase is carried out: a bank can fall silent between hold and posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Held and, if it is a purchase, posted.
    Posted,
    /// Held alone.
    HeldAlone,
    /// As [`Extent::Posted`], but half the amount.
    Half,
}

/// What makes two messages the same: DE 7, 11, 37, 41, 42.
type Key = [String; 5];

/// By what a follow-up names its original: DE 7, 11, 41, 42.
type Trace = [String; 4];

struct Purchase {
    card: String,
    about: About,
    minor: i64,
    currency: String,
    taken: Taken,
    reply: Message,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Nothing,
    Held,
    Posted,
    GivenBack,
}

/// The bank's host.
pub struct Host {
    ledger: Ledger,
    habits: Habits,
    tokens: Tokens,
    dice: Dice,
    purchases: BTreeMap<Key, Purchase>,
    traces: BTreeMap<Trace, Key>,
    /// Replies to advices and inquiries: the same again is answered as the first time.
    replies: BTreeMap<Key, Message>,
    reversed_unseen: BTreeSet<Key>,
    funded: BTreeSet<(String, String)>,
}

impl Host {
    /// A host with empty books.
    pub fn new(ledger: Ledger, habits: Habits, tokens: Tokens, seed: u64) -> Self {
        Self {
            ledger,
            habits,
            tokens,
            dice: Dice::named(seed, "approval codes"),
            purchases: BTreeMap::new(),
            traces: BTreeMap::new(),
            replies: BTreeMap::new(),
            reversed_unseen: BTreeSet::new(),
            funded: BTreeSet::new(),
        }
    }

    /// The books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Makes what was decided so far durable.
    /// # Errors
    /// Whatever the disk says.
    pub fn sync(&mut self) -> std::io::Result<()> {
        self.ledger.sync()
    }

    /// Decides on whatever the gateway asks; `None` for what is no message of this bank's. The same again,
    /// marked as a repeat or not, gets the same reply and moves nothing.
    pub fn decide(&mut self, at_us: u64, request: &Message, extent: Extent) -> Option<Message> {
        Some(match meaning(request)? {
            Meaning::Reversal => self.reverse(at_us, request),
            Meaning::Request(Operation::Purchase | Operation::PreAuthorization) => {
                self.authorise(at_us, request, extent)
            }
            Meaning::Request(operation) => {
                let key = key_of(request);
                if let Some(reply) = self.replies.get(&key) {
                    return Some(reply.clone());
                }
                let reply = match operation {
                    Operation::BalanceInquiry | Operation::CardVerification => {
                        self.inquire(at_us, request, operation)
                    }
                    _ => self.follow(at_us, request, operation),
                };
                self.replies.insert(key, reply.clone());
                reply
            }
        })
    }

    /// Decides on a purchase (0200) or a pre-authorization (0100). The same again gets the same reply and
    /// moves nothing.
    pub fn authorise(&mut self, at_us: u64, request: &Message, extent: Extent) -> Message {
        let key = key_of(request);
        if let Some(purchase) = self.purchases.get(&key) {
            return purchase.reply.clone();
        }
        let card = self.tokens.token(request.get(2));
        let currency = request.get(49).to_owned();
        let decided = match request.get(4).parse::<i64>() {
            Err(_) => Err("30"),
            Ok(_) if self.reversed_unseen.contains(&key) => Err("05"),
            Ok(minor) => self.check(at_us, request, &card, minor, extent),
        };
        let mut reply = self.reply_to(request, reply_type(request));
        let mut about = about(request);
        let mut taken = Taken::Nothing;
        let mut minor = 0;
        match decided {
            Ok((code, amount)) => {
                about.approval_code = self.dice.letters(6);
                minor = amount;
                let held_alone = extent == Extent::HeldAlone || request.mti == "0100";
                taken = self.take(at_us, &card, &about, minor, &currency, held_alone);
                reply.set(39, code);
                reply.set(38, about.approval_code.clone());
                reply.set(4, format!("{minor:012}"));
            }
            Err(code) => reply.set(39, code),
        }
        let purchase = Purchase { card, about, minor, currency, taken, reply: reply.clone() };
        self.traces.insert(trace_of(request), key.clone());
        self.purchases.insert(key, purchase);
        reply
    }

    /// Decides on a reversal (0420, 0421, or 0400, 0401). Any number of repeats gives the money back once.
    pub fn reverse(&mut self, at_us: u64, request: &Message) -> Message {
        let mut reply = self.reply_to(request, reply_type(request));
        let Some(key) = original_key(request) else {
            reply.set(39, "30");
            return reply;
        };
        let code = match self.purchases.get_mut(&key) {
            Some(purchase) => {
                if purchase.taken == Taken::Held || purchase.taken == Taken::Posted {
                    give_back(&mut self.ledger, at_us, purchase);
                }
                "00"
            }
            None if self.habits.unknown_original == UnknownOriginal::Remembered => {
                self.reversed_unseen.insert(key);
                "00"
            }
            None => "25",
        };
        reply.set(39, code);
        reply
    }

    /// A completion, void or refund of an original that it names in DE 90.
    fn follow(&mut self, at_us: u64, request: &Message, operation: Operation) -> Message {
        let mut reply = self.reply_to(request, reply_type(request));
        let known = original_trace(request)
            .map(|(transmitted, stan)| {
                [transmitted, stan, request.get(41), request.get(42)].map(str::to_owned)
            })
            .and_then(|trace| self.traces.get(&trace))
            .and_then(|key| self.purchases.get_mut(key));
        let minor = request.get(4).parse().unwrap_or(0);
        let code = match known {
            None => "25",
            Some(_) if minor <= 0 => "30",
            Some(original) => {
                let about =
                    About { original: original.about.rrn.clone(), ..about_of(request, original) };
                let mut books = Books { ledger: &mut self.ledger, at_us, about: &about };
                match operation {
                    Operation::Completion => books.complete(original, minor),
                    Operation::Void => books.void(original, minor),
                    _ => books.refund(original, minor),
                }
            }
        };
        reply.set(39, code);
        reply
    }

    /// A question about a card. Moves nothing, except that an account gets its balance when it is first
    /// seen.
    fn inquire(&mut self, at_us: u64, request: &Message, operation: Operation) -> Message {
        let mut reply = self.reply_to(request, reply_type(request));
        let token = self.tokens.token(request.get(2));
        match self.card(at_us, request, &token) {
            Err(code) => reply.set(39, code),
            Ok(_) => {
                reply.set(39, "00");
                if operation == Operation::BalanceInquiry {
                    let currency = request.get(49);
                    let free = self.ledger.balance(&Account::Card(token.clone()), currency);
                    let held = self.ledger.balance(&Account::Holds(token), currency);
                    let booked = free.saturating_add(held);
                    reply.set(54, format!("0001{currency}C{booked:012}0002{currency}C{free:012}"));
                }
            }
        }
        reply
    }

    /// Whether this card is one that the bank treats in a special way.
    pub fn behaviour(request: &Message) -> Behaviour {
        cards::on_file(request.get(2)).map_or(Behaviour::Normal, |card| card.behaviour)
    }

    fn card(
        &mut self,
        at_us: u64,
        request: &Message,
        token: &str,
    ) -> Result<cards::OnFile, &'static str> {
        let card = cards::on_file(request.get(2)).ok_or("14")?;
        if card.behaviour == Behaviour::Blocked {
            return Err("05");
        }
        if request.get(14) != card.expiry {
            return Err("54");
        }
        let code = security_code_in(request);
        if code.is_some_and(|code| code != cards::security_code(request.get(2))) {
            return Err("N7");
        }
        self.fund(at_us, token, card.balance, request.get(49));
        Ok(card)
    }

    fn check(
        &mut self,
        at_us: u64,
        request: &Message,
        token: &str,
        minor: i64,
        extent: Extent,
    ) -> Result<(&'static str, i64), &'static str> {
        let card = self.card(at_us, request, token)?;
        let halved = card.behaviour == Behaviour::Partial || extent == Extent::Half;
        let approved = match halved {
            true if minor > 1 => ("10", minor.checked_div(2).unwrap_or(minor)),
            _ => ("00", minor),
        };
        let available = self.ledger.balance(&Account::Card(token.to_owned()), request.get(49));
        if minor <= 0 || available < approved.1 { Err("51") } else { Ok(approved) }
    }

    fn fund(&mut self, at_us: u64, token: &str, minor: i64, currency: &str) {
        if self.funded.insert((token.to_owned(), currency.to_owned())) {
            let about = About::default();
            let (debit, credit) = (Account::Bank, Account::Card(token.to_owned()));
            let cause = Cause::Funding;
            let about = &about;
            self.ledger.post(Movement { at_us, cause, about, debit, credit, minor, currency });
        }
    }

    fn take(
        &mut self,
        at_us: u64,
        card: &str,
        about: &About,
        minor: i64,
        currency: &str,
        held_alone: bool,
    ) -> Taken {
        let card_account = Account::Card(card.to_owned());
        let holds = Account::Holds(card.to_owned());
        let merchant = Account::Merchant(about.acceptor.clone());
        let hold = (Cause::Hold, card_account, holds.clone());
        let posting = (Cause::Posting, holds, merchant);
        let (legs, taken) = if held_alone {
            (vec![hold], Taken::Held)
        } else {
            (vec![hold, posting], Taken::Posted)
        };
        for (cause, debit, credit) in legs {
            self.ledger.post(Movement { at_us, cause, about, debit, credit, minor, currency });
        }
        taken
    }

    fn reply_to(&self, request: &Message, mti: &str) -> Message {
        let mut reply = Message::new(mti);
        let echoed: &[u8] = if self.habits.terse_replies {
            &[3, 4, 7, 11, 37, 41, 42, 49]
        } else {
            &[2, 3, 4, 7, 11, 32, 37, 41, 42, 49]
        };
        for &field in echoed {
            if let Some(value) = request.fields.get(&field) {
                reply.set(field, value.clone());
            }
        }
        reply
    }
}

fn key_of(message: &Message) -> Key {
    [7, 11, 37, 41, 42].map(|field| message.get(field).to_owned())
}

fn trace_of(message: &Message) -> Trace {
    [7, 11, 41, 42].map(|field| message.get(field).to_owned())
}

/// The type of the reply to a request or advice, repeated or not.
pub(super) fn reply_type(request: &Message) -> &'static str {
    match request.mti.as_str() {
        "0100" => "0110",
        "0220" | "0221" => "0230",
        "0420" | "0421" => "0430",
        "0400" | "0401" => "0410",
        _ => "0210",
    }
}

/// The key of the original that a reversal names: by its DE 90 and its own DE 37, 41 and 42.
fn original_key(reversal: &Message) -> Option<Key> {
    let (transmitted, stan) = original_trace(reversal)?;
    let mut key = key_of(reversal);
    if !["0100", "0200"].contains(&reversal.get(90).get(..4)?) {
        return None;
    }
    let [de7, de11, ..] = &mut key;
    transmitted.clone_into(de7);
    stan.clone_into(de11);
    Some(key)
}

fn about(request: &Message) -> About {
    About {
        rrn: request.get(37).to_owned(),
        stan: request.get(11).to_owned(),
        terminal: request.get(41).to_owned(),
        acceptor: request.get(42).to_owned(),
        date: request.get(15).to_owned(),
        approval_code: String::new(),
        original: String::new(),
    }
}

fn about_of(request: &Message, original: &Purchase) -> About {
    About { approval_code: original.about.approval_code.clone(), ..about(request) }
}

fn security_code_in(request: &Message) -> Option<&str> {
    let parts = additional_parts(request.get(48))?;
    parts.iter().find(|(tag, _)| *tag == "CV").map(|(_, value)| *value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
pub(crate) mod tests {
    use super::*;
    use crate::iso::Dialect;
    use crate::operation::original_data;

    /// A purchase as the gateway sends it.
    pub(crate) fn purchase(number: &str, stan: u32, minor: i64) -> Message {
        let mut message = Message::new("0200");
        message.set(2, number);
        message.set(3, "000000");
        message.set(4, format!("{minor:012}"));
        message.set(7, "1122101530");
        message.set(11, format!("{stan:06}"));
        message.set(14, "2912");
        message.set(15, "1122");
        message.set(32, "00000123456");
        message.set(37, format!("6326{stan:08}"));
        message.set(41, "TERM0001");
        message.set(42, "CORNERBOOKS0001");
        message.set(48, format!("CV03{}EC0205", cards::security_code(number)));
        message.set(49, "978");
        message
    }

    /// The reversal of a purchase.
    pub(crate) fn reversal(of: &Message) -> Message {
        let mut message = of.clone();
        message.mti = "0420".to_owned();
        message.fields.remove(&48);
        message.set(90, original_data(of));
        message
    }

    /// A message of another operation, made like a purchase.
    pub(crate) fn asks(operation: Operation, number: &str, stan: u32, minor: i64) -> Message {
        let (mti, code) = operation.on_the_wire(Dialect::default());
        let mut message = purchase(number, stan, minor);
        message.mti = mti.to_owned();
        message.set(3, code);
        message
    }

    /// A completion, void or refund as the gateway sends it.
    pub(crate) fn follow_up(operation: Operation, of: &Message, stan: u32, minor: i64) -> Message {
        let mut message = asks(operation, of.get(2), stan, minor);
        message.fields.remove(&48);
        message.set(90, original_data(of));
        message
    }

    fn host(unknown_original: UnknownOriginal) -> Host {
        let habits = Habits { unknown_original, terse_replies: false };
        Host::new(Ledger::in_memory(), habits, Tokens::fresh().unwrap(), 1)
    }

    fn merchant_holds(host: &Host) -> i64 {
        host.ledger().balance(&Account::Merchant("CORNERBOOKS0001".into()), "978")
    }

    #[test]
    fn a_purchase_moves_money_once_however_often_it_is_sent() {
        let mut host = host(UnknownOriginal::Refused);
        let request = purchase("4000000000000002", 1, 1234);
        let first = host.authorise(1, &request, Extent::Posted);
        assert_eq!((first.mti.as_str(), first.get(39)), ("0210", "00"));
        assert_eq!(first.get(38).len(), 6);
        assert!(host.authorise(2, &request, Extent::Posted) == first);
        assert_eq!(merchant_holds(&host), 1234);
    }

    #[test]
    fn a_reversal_gives_back_once_however_often_it_is_repeated() {
        for extent in [Extent::Posted, Extent::HeldAlone] {
            let mut host = host(UnknownOriginal::Refused);
            let request = purchase("4000000000000002", 1, 1234);
            host.authorise(1, &request, extent);
            let mut reversal = reversal(&request);
            for (mti, reply_type) in [("0420", "0430"), ("0421", "0430"), ("0401", "0410")] {
                reversal.mti = mti.to_owned();
                let reply = host.reverse(2, &reversal);
                assert_eq!((reply.mti.as_str(), reply.get(39)), (reply_type, "00"));
            }
            assert_eq!(merchant_holds(&host), 0);
            let given_back = host.ledger().entries().iter();
            let causes = [Cause::Release, Cause::Reversal];
            assert_eq!(given_back.filter(|entry| causes.contains(&entry.cause)).count(), 1);
        }
    }

    #[test]
    fn an_unknown_original_is_remembered_or_refused_as_configured() {
        let request = purchase("4000000000000002", 9, 50);
        let mut remembers = host(UnknownOriginal::Remembered);
        assert_eq!(remembers.reverse(1, &reversal(&request)).get(39), "00");
        assert_eq!(remembers.authorise(2, &request, Extent::Posted).get(39), "05");
        let mut refuses = host(UnknownOriginal::Refused);
        assert_eq!(refuses.reverse(1, &reversal(&request)).get(39), "25");
        assert_eq!(refuses.authorise(2, &request, Extent::Posted).get(39), "00");
    }

    #[test]
    fn cards_are_declined_for_the_reason_that_is_true_of_them() {
        let mut host = host(UnknownOriginal::Refused);
        let mut ask = |number: &str, change: fn(&mut Message)| {
            let mut request = purchase(number, host.purchases.len().try_into().unwrap(), 100);
            change(&mut request);
            host.authorise(1, &request, Extent::Posted).get(39).to_owned()
        };
        assert_eq!(ask("4000000000000010", |_| {}), "51");
        assert_eq!(ask("4000000000000028", |_| {}), "05");
        assert_eq!(ask("4000000000000036", |_| {}), "54");
        assert_eq!(ask("5555555555554444", |_| {}), "14");
        assert_eq!(ask("4000000000000002", |m| m.set(14, "3001")), "54");
        assert_eq!(ask("4000000000000002", |m| m.set(48, "CV03000")), "N7");
        assert_eq!(ask("4000000000000002", |m| m.set(4, "x")), "30");
        assert_eq!(ask("4000000000000069", |_| {}), "10");
    }

    fn code(host: &mut Host, message: &Message) -> String {
        host.decide(1, message, Extent::Posted).unwrap().get(39).to_owned()
    }

    fn on_hold(host: &Host) -> i64 {
        let held = |account: &Account| matches!(account, Account::Holds(_));
        let balances = host.ledger().balances().iter();
        balances.filter(|((account, _), _)| held(account)).map(|(_, minor)| *minor).sum()
    }

    #[test]
    fn a_completion_takes_what_was_held_and_lets_the_rest_go_once() {
        let mut host = host(UnknownOriginal::Refused);
        let hold = asks(Operation::PreAuthorization, "4000000000000002", 1, 1000);
        assert_eq!(code(&mut host, &hold), "00");
        assert_eq!((on_hold(&host), merchant_holds(&host)), (1000, 0));
        let mut completion = follow_up(Operation::Completion, &hold, 2, 700);
        for mti in ["0220", "0221", "0221"] {
            completion.mti = mti.to_owned();
            let reply = host.decide(1, &completion, Extent::Posted).unwrap();
            assert_eq!((reply.mti.as_str(), reply.get(39)), ("0230", "00"));
            assert_eq!((on_hold(&host), merchant_holds(&host)), (0, 700));
        }
        let mut stranger = completion.clone();
        stranger.set(11, "000003");
        stranger.set(90, "0".repeat(42));
        assert_eq!(code(&mut host, &stranger), "25");
    }

    #[test]
    fn a_void_undoes_a_hold_or_a_posting_once() {
        for operation in [Operation::PreAuthorization, Operation::Purchase] {
            let mut host = host(UnknownOriginal::Refused);
            let original = asks(operation, "4000000000000002", 1, 1000);
            host.decide(1, &original, Extent::Posted);
            let mut void = follow_up(Operation::Void, &original, 2, 1000);
            assert_eq!(code(&mut host, &void), "00");
            void.mti = "0421".to_owned();
            assert_eq!(code(&mut host, &void), "00");
            assert_eq!((on_hold(&host), merchant_holds(&host)), (0, 0));
            let again = follow_up(Operation::Void, &original, 3, 1000);
            assert_eq!(code(&mut host, &again), "12", "nothing is left to undo");
            let late = follow_up(Operation::Refund, &original, 4, 1);
            assert_eq!(code(&mut host, &late), "12");
        }
    }

    #[test]
    fn a_refund_gives_back_a_part_once_under_its_own_reference() {
        let mut host = host(UnknownOriginal::Refused);
        let original = purchase("4000000000000002", 1, 1000);
        host.decide(1, &original, Extent::Posted);
        let refund = follow_up(Operation::Refund, &original, 2, 300);
        assert_eq!(code(&mut host, &refund), "00");
        assert_eq!(code(&mut host, &refund), "00");
        assert_eq!(merchant_holds(&host), 700);
        let entry = host.ledger().entries().last().unwrap();
        assert_eq!(entry.cause, Cause::Refund);
        assert_eq!((&*entry.about.rrn, &*entry.about.original), ("632600000002", "632600000001"));
    }

    #[test]
    fn inquiries_tell_and_take_nothing() {
        let mut host = host(UnknownOriginal::Refused);
        let hold = asks(Operation::PreAuthorization, "4000000000000002", 1, 1000);
        host.decide(1, &hold, Extent::Posted);
        let ask = asks(Operation::BalanceInquiry, "4000000000000002", 2, 0);
        let before = host.ledger().entries().len();
        let reply = host.decide(1, &ask, Extent::Posted).unwrap();
        assert_eq!((reply.mti.as_str(), reply.get(39)), ("0110", "00"));
        assert_eq!(reply.get(54), "0001978C0010000000000002978C000999999000");
        let verify = asks(Operation::CardVerification, "4000000000000028", 3, 0);
        assert_eq!(code(&mut host, &verify), "05");
        assert_eq!(host.ledger().entries().len(), before);
    }

    #[test]
    fn half_of_an_amount_can_be_approved() {
        let mut host = host(UnknownOriginal::Refused);
        let request = purchase("4000000000000002", 1, 1001);
        let reply = host.authorise(1, &request, Extent::Half);
        assert_eq!((reply.get(39), reply.get(4)), ("10", "000000000500"));
        assert_eq!(merchant_holds(&host), 500);
    }
}
