//! What the bank decides: authorisation against its books, and reversals. Pure but for the books; the
//! server around it moves bytes and commits the faults.

use super::ledger::{About, Account, Cause, Ledger, Movement};
use crate::cards::{self, Behaviour};
use crate::dice::Dice;
use crate::iso::{Message, additional_parts};
use crate::token::Tokens;
use std::collections::{BTreeMap, BTreeSet};

/// What the bank says to the reversal of an original that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownOriginal {
    /// 00, and the original is refused should it come later.
    Remembered,
    /// 25, unable to locate; an original that comes later is taken.
    Refused,
}

/// How the bank behaves where the standard leaves it free.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// See there.
    pub unknown_original: UnknownOriginal,
    /// Replies carry no DE 2 and no DE 32.
    pub terse_replies: bool,
}

/// How far a purchase is carried out: a bank can fall silent between hold and posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Held and posted.
    Posted,
    /// Held alone.
    HeldAlone,
}

/// What makes two messages the same purchase: DE 7, 11, 37, 41, 42.
type Key = [String; 5];

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

    /// Decides on a purchase (0200). The same purchase again gets the same reply and moves nothing.
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
            Ok(minor) => self.check(at_us, request, &card, minor),
        };
        let mut reply = self.reply_to(request, "0210");
        let mut about = about(request);
        let mut taken = Taken::Nothing;
        let mut minor = 0;
        match decided {
            Ok((code, amount)) => {
                about.approval_code = self.dice.letters(6);
                minor = amount;
                taken = self.take(at_us, &card, &about, minor, &currency, extent);
                reply.set(39, code);
                reply.set(38, about.approval_code.clone());
                reply.set(4, format!("{minor:012}"));
            }
            Err(code) => reply.set(39, code),
        }
        let purchase = Purchase { card, about, minor, currency, taken, reply: reply.clone() };
        self.purchases.insert(key, purchase);
        reply
    }

    /// Decides on a reversal (0420, 0421). Any number of repeats gives the money back once.
    pub fn reverse(&mut self, at_us: u64, request: &Message) -> Message {
        let mut reply = self.reply_to(request, "0430");
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

    /// Whether this card is one that the bank treats in a special way.
    pub fn behaviour(request: &Message) -> Behaviour {
        cards::on_file(request.get(2)).map_or(Behaviour::Normal, |card| card.behaviour)
    }

    fn check(
        &mut self,
        at_us: u64,
        request: &Message,
        token: &str,
        minor: i64,
    ) -> Result<(&'static str, i64), &'static str> {
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
        let currency = request.get(49);
        self.fund(at_us, token, card.balance, currency);
        let approved = match card.behaviour {
            Behaviour::Partial => ("10", minor.checked_div(2).unwrap_or(minor).max(1)),
            _ => ("00", minor),
        };
        let available = self.ledger.balance(&Account::Card(token.to_owned()), currency);
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
        extent: Extent,
    ) -> Taken {
        let card_account = Account::Card(card.to_owned());
        let holds = Account::Holds(card.to_owned());
        let merchant = Account::Merchant(about.acceptor.clone());
        let hold = (Cause::Hold, card_account, holds.clone());
        let posting = (Cause::Posting, holds, merchant);
        let (legs, taken) = match extent {
            Extent::Posted => (vec![hold, posting], Taken::Posted),
            Extent::HeldAlone => (vec![hold], Taken::Held),
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

fn give_back(ledger: &mut Ledger, at_us: u64, purchase: &mut Purchase) {
    let card = Account::Card(purchase.card.clone());
    let (cause, debit) = if purchase.taken == Taken::Posted {
        (Cause::Reversal, Account::Merchant(purchase.about.acceptor.clone()))
    } else {
        (Cause::Release, Account::Holds(purchase.card.clone()))
    };
    let Purchase { about, minor, currency, .. } = &*purchase;
    let minor = *minor;
    if ledger.post(Movement { at_us, cause, about, debit, credit: card, minor, currency }) {
        purchase.taken = Taken::GivenBack;
    }
}

fn key_of(message: &Message) -> Key {
    [7, 11, 37, 41, 42].map(|field| message.get(field).to_owned())
}

/// The key of the original that a reversal names: by its DE 90 (original type n4, DE 11 n6, DE 7 n10,
/// DE 32 n11, DE 33 n11), and its own DE 37, 41 and 42.
fn original_key(reversal: &Message) -> Option<Key> {
    let data = reversal.get(90);
    let stan = data.get(4..10)?;
    let transmitted = data.get(10..20)?;
    let mut key = key_of(reversal);
    if data.get(..4)? != "0200" || data.len() != 42 {
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
    }
}

fn security_code_in(request: &Message) -> Option<&str> {
    let parts = additional_parts(request.get(48))?;
    parts.iter().find(|(tag, _)| *tag == "CV").map(|(_, value)| *value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
pub(crate) mod tests {
    use super::*;

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
        let original =
            format!("0200{}{}{:0>11}{:0>11}", of.get(11), of.get(7), of.get(32), of.get(33));
        message.set(90, original);
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
            for mti in ["0420", "0421", "0421"] {
                reversal.mti = mti.to_owned();
                let reply = host.reverse(2, &reversal);
                assert_eq!((reply.mti.as_str(), reply.get(39)), ("0430", "00"));
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
}
