//! False replies around a true one: each differs in something that a gateway must look at, and says the
//! opposite of the truth, so that believing it shows.
//!
//! A reply that is true in all but the response code is no lie that anybody could find without a MAC,
//! and is not told here.

use crate::dice::Dice;
use crate::iso::{Dialect, Message};

/// The proxy stands before the bank that speaks this.
const DIALECT: Dialect = Dialect::Iso87Ascii;

/// Of so many lies one is no message at all. A gateway closes a line that brings many of those.
const GARBAGE_ONE_OF: u64 = 500;

/// False replies that go with a true one, as the bytes of their messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lies {
    /// These go before it: they answer nothing that was asked.
    pub before: Vec<Vec<u8>>,
    /// These go behind it: the like, and second answers to the same request with another content.
    pub behind: Vec<Vec<u8>>,
}

/// So many lies around a true reply. A second answer never goes before the true one: a gateway that is
/// still looking at it may take the true one for the second, and then ends the payment as after silence.
pub fn lies(dice: &mut Dice, truth: &Message, count: u32) -> Lies {
    let mut lies = Lies::default();
    for _ in 0..count {
        let kind = dice.below(9);
        if let Some(lie) = lie(dice, truth, kind) {
            let before = kind < STRANGERS && dice.per_mille(700);
            if before { lies.before.push(lie) } else { lies.behind.push(lie) }
        }
    }
    lies
}

/// Kinds of lies below this carry another key than the request.
const STRANGERS: u64 = 6;

fn lie(dice: &mut Dice, truth: &Message, kind: u64) -> Option<Vec<u8>> {
    if dice.below(GARBAGE_ONE_OF) == 0 {
        return Some(garbage(dice, truth));
    }
    let mut lie = truth.clone();
    contradict(&mut lie);
    match kind {
        0 => lie.set(11, other_digits(dice, truth.get(11))),
        1 => lie.set(37, other_digits(dice, truth.get(37))),
        2 => lie.set(7, other_digits(dice, truth.get(7))),
        3 => lie.set(41, other_letter(dice, truth.get(41))),
        4 => lie.set(42, other_letter(dice, truth.get(42))),
        // Types that answer nothing that was asked: a request, a network reply, other classes and
        // years.
        5 => {
            let types = ["0200", "0810", "0610", "0510", "1210", "0211", "0130"];
            (*dice.pick(&types).unwrap_or(&"0610")).clone_into(&mut lie.mti);
        }
        6 if !truth.get(2).is_empty() => lie.set(2, other_digits(dice, truth.get(2))),
        7 if !truth.get(49).is_empty() => lie.set(49, "840"),
        _ => lie.set(4, other_digits(dice, truth.get(4))),
    }
    DIALECT.encode(&lie).ok().filter(|bytes| DIALECT.encode(truth).as_ref() != Ok(bytes))
}

/// Approved becomes declined, and the other way round.
fn contradict(lie: &mut Message) {
    match lie.get(39) {
        "00" => lie.set(39, "05"),
        _ => lie.set(39, "00"),
    }
    lie.set(38, "LIE000");
}

fn garbage(dice: &mut Dice, truth: &Message) -> Vec<u8> {
    let mut bytes = DIALECT.encode(truth).unwrap_or_default();
    match dice.below(3) {
        0 => return dice.letters(60).into_bytes(),
        1 => bytes.truncate(usize::try_from(dice.below(60)).unwrap_or(0).saturating_add(1)),
        _ => {
            let place = dice.below(u64::try_from(bytes.len()).unwrap_or(0));
            if let Some(byte) = bytes.get_mut(usize::try_from(place).unwrap_or(0)) {
                *byte |= 0x80;
            }
        }
    }
    bytes
}

/// The same number with one digit changed.
fn other_digits(dice: &mut Dice, text: &str) -> String {
    changed(dice, text, |digit, by| {
        let value = digit.to_digit(10).unwrap_or(0).saturating_add(by) % 10;
        char::from_digit(value, 10).unwrap_or('0')
    })
}

fn other_letter(dice: &mut Dice, text: &str) -> String {
    changed(dice, text, |letter, _| if letter == 'X' { 'Y' } else { 'X' })
}

fn changed(dice: &mut Dice, text: &str, change: impl Fn(char, u32) -> char) -> String {
    let length = u64::try_from(text.chars().count()).unwrap_or(0);
    let place = usize::try_from(dice.below(length)).unwrap_or(0);
    let by = u32::try_from(dice.below(9)).unwrap_or(0).saturating_add(1);
    let one = |(at, c)| if at == place { change(c, by) } else { c };
    text.chars().enumerate().map(one).collect()
}
