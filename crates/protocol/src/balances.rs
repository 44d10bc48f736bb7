//! The amounts on a card, as the answer to a balance inquiry carries them.
//!
//! Standard: ISO 8583:1987, DE 54: up to six amounts of twenty characters, each an account type
//! (n 2), an amount type (n 2), a currency (n 3), `C` or `D`, and an amount (n 12).

use tidegate_payment::money::{Balance, BalanceKind, Currency, Money};

/// How long one amount is, in characters.
const AMOUNT_CHARS: usize = 20;
/// How many amounts there can be.
const AMOUNTS_MAX: usize = 6;

/// Why the amounts of an answer cannot be read. Holds none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BalanceFault {
    /// Not a whole number of amounts, none, or too many.
    #[error("{found} characters: 1 to {AMOUNTS_MAX} amounts of {AMOUNT_CHARS} were expected")]
    Length {
        /// How long the element is.
        found: usize,
    },
    /// Something else than digits where digits stand, or than `C` or `D` for the sign.
    #[error("amount {number}: types, currency, C or D, and 12 digits were expected")]
    Form {
        /// Which amount, from 1.
        number: usize,
    },
}

/// Reads the amounts. Ledger (01) and available (02) of this currency are taken, whatever the
/// account; amounts of other types or currencies are left out.
///
/// # Errors
/// [`BalanceFault`] when any of the amounts is malformed; then none counts.
pub fn read(text: &str, currency: Currency) -> Result<Vec<Balance>, BalanceFault> {
    let length = text.len();
    let counts = (1..=AMOUNTS_MAX).map(|count| count.saturating_mul(AMOUNT_CHARS));
    if !counts.into_iter().any(|whole| whole == length) {
        return Err(BalanceFault::Length { found: length });
    }
    let mut balances = Vec::new();
    for (number, amount) in (1..).zip(text.as_bytes().chunks(AMOUNT_CHARS)) {
        balances.extend(read_one(amount, currency).ok_or(BalanceFault::Form { number })?);
    }
    Ok(balances)
}

/// `None` for a malformed amount, `Some(None)` for one that is not ours to tell.
fn read_one(amount: &[u8], currency: Currency) -> Option<Option<Balance>> {
    let text = std::str::from_utf8(amount).ok()?;
    let (types, rest) = text.split_at_checked(4)?;
    let (code, rest) = rest.split_at_checked(3)?;
    let (sign, minor) = rest.split_at_checked(1)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if ![types, code, minor].into_iter().all(digits) {
        return None;
    }
    let minor: i64 = minor.parse().ok()?;
    let minor = match sign {
        "C" => minor,
        "D" => minor.saturating_neg(),
        _ => return None,
    };
    let kind = match types.get(2..)? {
        "01" => BalanceKind::Ledger,
        "02" => BalanceKind::Available,
        _ => return Some(None),
    };
    let is_ours = code.parse() == Ok(currency.numeric());
    Some(is_ours.then_some(Balance { kind, amount: Money { minor, currency } }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn euro() -> Currency {
        Currency::from_alphabetic("EUR").unwrap()
    }

    #[test]
    fn ledger_and_available_of_the_currency_are_taken() {
        let text =
            "0001978C0000000123450002978D0000000001000040978C0000000000010002840C000000009999";
        let told: Vec<_> =
            read(text, euro()).unwrap().iter().map(|it| (it.kind, it.amount.minor)).collect();
        assert_eq!(told, [(BalanceKind::Ledger, 12_345), (BalanceKind::Available, -100)]);
    }

    #[test]
    fn one_malformed_amount_drops_all() {
        let good = "0001978C000000012345";
        let table = [
            (String::new(), BalanceFault::Length { found: 0 }),
            (good.repeat(7), BalanceFault::Length { found: 140 }),
            (format!("{good}0"), BalanceFault::Length { found: 21 }),
            (format!("{good}0002978X000000012345"), BalanceFault::Form { number: 2 }),
            ("00x1978C000000012345".to_owned(), BalanceFault::Form { number: 1 }),
            ("0001 78C000000012345".to_owned(), BalanceFault::Form { number: 1 }),
            ("0001978C00000001234-".to_owned(), BalanceFault::Form { number: 1 }),
            ("0001978C+00000012345".to_owned(), BalanceFault::Form { number: 1 }),
            ("000197€C0000000123".to_owned(), BalanceFault::Form { number: 1 }),
        ];
        for (text, fault) in table {
            assert_eq!(read(&text, euro()), Err(fault), "{text}");
        }
        assert_eq!(read(&good.repeat(6), euro()).unwrap().len(), 6);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,130}") {
            let _ = read(&text, euro());
        }

        #[test]
        fn any_amounts_come_back(
            amounts in prop::collection::vec((0..2_u8, -999_999_999_999_i64..=999_999_999_999), 1..=6)
        ) {
            let text: String = amounts.iter().map(|(kind, minor)| {
                let sign = if *minor < 0 { 'D' } else { 'C' };
                format!("300{}978{sign}{:012}", kind + 1, minor.unsigned_abs())
            }).collect();
            let told: Vec<_> = read(&text, euro()).unwrap().iter().map(|it| {
                (u8::from(it.kind == BalanceKind::Available), it.amount.minor)
            }).collect();
            prop_assert_eq!(told, amounts);
        }
    }
}
