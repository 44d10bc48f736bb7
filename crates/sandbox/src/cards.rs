//! The test cards of the sandbox's banks. All numbers start with 400000 or 622202, of which the banks know
//! test accounts alone, and carry a valid check digit.

use std::fmt::Write as _;

/// What the bank does with a card beyond its ordinary checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Ordinary checks: account, expiry, security code, balance.
    Normal,
    /// The account is blocked: response code 05.
    Blocked,
    /// Posted, but no answer is ever sent.
    Silent,
    /// Approved and posted, but answered only after the gateway's deadline.
    Late,
    /// Approved for half the amount: response code 10.
    Partial,
}

/// One line of the table of special cards.
#[derive(Debug, Clone, Copy)]
pub struct Special {
    /// The number.
    pub number: &'static str,
    /// What the bank does.
    pub behaviour: Behaviour,
    /// Its balance in minor units at the start.
    pub balance: i64,
    /// The expiry that the bank has on file, `YYMM`.
    pub expiry_on_file: &'static str,
    /// For people.
    pub story: &'static str,
}

/// The expiry that merchants send for every test card, `YYYY-MM`.
pub const EXPIRY: &str = "2029-12";
/// The first digits of the cards that any bank of the sandbox has.
pub const FIRST_RANGE: &str = "400000";
/// The first digits of more of them; of two hosts they go to the second.
pub const SECOND_RANGE: &str = "622202";
const EXPIRY_YYMM: &str = "2912";
const ORDINARY_BALANCE: i64 = 1_000_000_000;

/// The special cards. Any other number of the two ranges that has a valid check digit is an ordinary
/// account.
pub const SPECIAL: &[Special] = &[
    special("4000000000000002", Behaviour::Normal, ORDINARY_BALANCE, EXPIRY_YYMM, "approved"),
    special("4000000000000010", Behaviour::Normal, 0, EXPIRY_YYMM, "declined: no funds (51)"),
    special("4000000000000028", Behaviour::Blocked, 0, EXPIRY_YYMM, "declined: blocked (05)"),
    special("4000000000000036", Behaviour::Normal, ORDINARY_BALANCE, "2012", "expired (54)"),
    special("4000000000000044", Behaviour::Silent, ORDINARY_BALANCE, EXPIRY_YYMM, "bank is silent"),
    special(
        "4000000000000051",
        Behaviour::Late,
        ORDINARY_BALANCE,
        EXPIRY_YYMM,
        "answer comes late",
    ),
    special("4000000000000069", Behaviour::Partial, ORDINARY_BALANCE, EXPIRY_YYMM, "half approved"),
    special(SECOND, Behaviour::Normal, ORDINARY_BALANCE, EXPIRY_YYMM, "approved, of another range"),
];

/// An ordinary account of the second range.
pub const SECOND: &str = "6222020000000007";

const fn special(
    number: &'static str,
    behaviour: Behaviour,
    balance: i64,
    expiry_on_file: &'static str,
    story: &'static str,
) -> Special {
    Special { number, behaviour, balance, expiry_on_file, story }
}

/// A card as the bank has it on file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnFile {
    /// What the bank does with it.
    pub behaviour: Behaviour,
    /// Its balance at the start.
    pub balance: i64,
    /// `YYMM`.
    pub expiry: &'static str,
}

/// Looks a card up; `None` if the bank has no such account.
pub fn on_file(number: &str) -> Option<OnFile> {
    if let Some(special) = SPECIAL.iter().find(|special| special.number == number) {
        return Some(OnFile {
            behaviour: special.behaviour,
            balance: special.balance,
            expiry: special.expiry_on_file,
        });
    }
    let known = [FIRST_RANGE, SECOND_RANGE].iter().any(|range| number.starts_with(range));
    (known && number.len() == 16 && check_digit_is_valid(number)).then_some(OnFile {
        behaviour: Behaviour::Normal,
        balance: ORDINARY_BALANCE,
        expiry: EXPIRY_YYMM,
    })
}

/// The number of the ordinary account `index` of the first range.
pub fn ordinary(index: u32) -> String {
    ordinary_in(FIRST_RANGE, index)
}

/// The number of the ordinary account `index` of a range. Its digits look like chance, so that finding
/// them anywhere is no accident.
pub fn ordinary_in(range: &str, index: u32) -> String {
    // Another index, another account: the factor has no divisor in common with ten.
    let account = u64::from(index).wrapping_mul(648_391_711).wrapping_add(271_828_183);
    let body = format!("{range}{:09}", account.checked_rem(1_000_000_000).unwrap_or(0));
    (0..10_u8)
        .map(|digit| format!("{body}{digit}"))
        .find(|number| check_digit_is_valid(number))
        .unwrap_or(body)
}

/// The security code of a test card, three digits, never beginning with 0.
pub fn security_code(number: &str) -> String {
    let sum = number.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(131).wrapping_add(u64::from(byte)).checked_rem(1_000_003).unwrap_or(0)
    });
    let mut code = String::new();
    let _ = write!(code, "{}", sum.checked_rem(900).unwrap_or(0).saturating_add(100));
    code
}

/// The check digit of ISO/IEC 7812-1, annex B (Luhn).
pub fn check_digit_is_valid(number: &str) -> bool {
    let mut sum = 0_u32;
    for (place, byte) in number.bytes().rev().enumerate() {
        let Some(digit) = char::from(byte).to_digit(10) else { return false };
        let doubled = if place & 1 == 1 { digit.saturating_mul(2) } else { digit };
        sum = sum.saturating_add(if doubled > 9 { doubled.saturating_sub(9) } else { doubled });
    }
    !number.is_empty() && sum.checked_rem(10) == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_test_card_has_a_valid_check_digit() {
        for special in SPECIAL {
            assert!(check_digit_is_valid(special.number), "{}", special.number);
        }
        let second = |index| ordinary_in(SECOND_RANGE, index);
        let numbers: BTreeSet<_> = (0..500).flat_map(|it| [ordinary(it), second(it)]).collect();
        assert_eq!(numbers.len(), 1000);
        for number in numbers {
            assert!(SPECIAL.iter().all(|special| special.number != number));
            assert_eq!(number.len(), 16);
            assert!(check_digit_is_valid(&number), "{number}");
            assert_eq!(on_file(&number).map(|card| card.behaviour), Some(Behaviour::Normal));
        }
        // A number often quoted for the algorithm, and a neighbour of it.
        assert!(check_digit_is_valid("49927398716"));
        assert!(!check_digit_is_valid("49927398717"));
    }

    #[test]
    fn a_strangers_card_is_not_on_file() {
        assert_eq!(on_file("5555555555554444"), None);
        assert_eq!(on_file("4000000000000003"), None);
    }
}
