//! Amounts: integers of a currency's smallest unit, added and subtracted with checks. No floats.

use core::fmt;

/// A currency by its ISO 4217 codes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    numeric: u16,
}

/// Alphabetic code, numeric code and number of minor digits (ISO 4217, list one).
const CURRENCIES: &[(&str, u16, u8)] = &[
    ("AED", 784, 2),
    ("AUD", 36, 2),
    ("BHD", 48, 3),
    ("BRL", 986, 2),
    ("CAD", 124, 2),
    ("CHF", 756, 2),
    ("CNY", 156, 2),
    ("CZK", 203, 2),
    ("DKK", 208, 2),
    ("EUR", 978, 2),
    ("GBP", 826, 2),
    ("HKD", 344, 2),
    ("HUF", 348, 2),
    ("INR", 356, 2),
    ("JPY", 392, 0),
    ("KRW", 410, 0),
    ("KWD", 414, 3),
    ("MXN", 484, 2),
    ("NOK", 578, 2),
    ("NZD", 554, 2),
    ("PLN", 985, 2),
    ("SEK", 752, 2),
    ("SGD", 702, 2),
    ("THB", 764, 2),
    ("TND", 788, 3),
    ("TRY", 949, 2),
    ("USD", 840, 2),
    ("VND", 704, 0),
    ("ZAR", 710, 2),
];

impl Currency {
    /// Finds a currency by its alphabetic code, for example `EUR`.
    /// # Errors
    /// [`UnknownCurrency`] for a code that the table does not hold.
    pub fn from_alphabetic(code: &str) -> Result<Self, UnknownCurrency> {
        let row = CURRENCIES.iter().find(|(alphabetic, ..)| *alphabetic == code);
        row.map(|(_, numeric, _)| Self { numeric: *numeric }).ok_or(UnknownCurrency)
    }

    /// Finds a currency by its numeric code, for example 978 (ISO 8583 DE 49).
    /// # Errors
    /// [`UnknownCurrency`] for a code that the table does not hold.
    pub fn from_numeric(numeric: u16) -> Result<Self, UnknownCurrency> {
        let known = CURRENCIES.iter().any(|row| row.1 == numeric);
        known.then_some(Self { numeric }).ok_or(UnknownCurrency)
    }

    /// The three-digit numeric code as a number, 1..=999.
    pub fn numeric(self) -> u16 {
        self.numeric
    }

    /// The alphabetic code.
    pub fn alphabetic(self) -> &'static str {
        self.row().0
    }

    /// How many digits stand behind the decimal point of the major unit (0, 2 or 3).
    pub fn minor_digits(self) -> u8 {
        self.row().2
    }

    fn row(self) -> (&'static str, u16, u8) {
        let row = CURRENCIES.iter().find(|row| row.1 == self.numeric);
        row.copied().unwrap_or(("XXX", self.numeric, 0))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alphabetic())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alphabetic())
    }
}

/// The code stands for no currency that the gateway knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown currency: an ISO 4217 code such as EUR (978) is expected")]
pub struct UnknownCurrency;

/// An amount of money: `minor` units (cents, fen, yen) of one currency. May be negative as a sum,
/// never as the amount of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// How many of the currency's smallest unit.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// The largest amount that fits ISO 8583 DE 4 (`n 12`).
    pub const MAX_MINOR: i64 = 999_999_999_999;

    /// An amount that a host message can carry.
    /// # Errors
    /// [`MoneyError::OutOfRange`] unless `1 <= minor <= 999_999_999_999`.
    pub fn payable(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if (1..=Self::MAX_MINOR).contains(&minor) {
            Ok(Self { minor, currency })
        } else {
            Err(MoneyError::OutOfRange { minor })
        }
    }

    /// Adds two amounts of one currency.
    /// # Errors
    /// [`MoneyError::Mixed`] for two currencies, [`MoneyError::Overflow`] past the range of `i64`.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// Subtracts an amount of the same currency.
    /// # Errors
    /// [`MoneyError::Mixed`] for two currencies, [`MoneyError::Overflow`] past the range of `i64`.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    fn combine(
        self,
        other: Self,
        operation: fn(i64, i64) -> Option<i64>,
    ) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed { left: self.currency, right: other.currency });
        }
        let minor = operation(self.minor, other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, currency: self.currency })
    }
}

impl fmt::Display for Money {
    /// `12.34 EUR`, `500 JPY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = u32::from(self.currency.minor_digits());
        let unit = 10_u64.pow(digits);
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        let (major, rest) = (minor.checked_div(unit), minor.checked_rem(unit));
        let (major, rest) = (major.unwrap_or(minor), rest.unwrap_or(0));
        match digits {
            0 => write!(f, "{sign}{major} {}", self.currency),
            2 => write!(f, "{sign}{major}.{rest:02} {}", self.currency),
            _ => write!(f, "{sign}{major}.{rest:03} {}", self.currency),
        }
    }
}

/// Why an amount could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not an amount that a host message can carry.
    #[error("amount {minor}: from 1 to {} minor units are expected", Money::MAX_MINOR)]
    OutOfRange {
        /// What was given.
        minor: i64,
    },
    /// Two currencies cannot be added.
    #[error("amounts of {left} and {right} cannot be combined")]
    Mixed {
        /// The left one.
        left: Currency,
        /// The right one.
        right: Currency,
    },
    /// The sum leaves the range of `i64`.
    #[error("the sum of two amounts is too large")]
    Overflow,
}

/// An amount on a card. Standard: ISO 8583:1987, DE 54.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Which amount.
    pub kind: BalanceKind,
    /// How much; below zero for a debt.
    pub amount: Money,
}

/// Which amount a balance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalanceKind {
    /// What is booked (amount type 01).
    Ledger,
    /// What can be spent (amount type 02).
    Available,
}

impl BalanceKind {
    /// The name in exports and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Available => "available",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn money(minor: i64, code: &str) -> Money {
        Money {
            minor,
            currency: Currency::from_alphabetic(code).unwrap_or(Currency { numeric: 0 }),
        }
    }

    #[test]
    fn an_amount_reads_in_the_major_unit_of_its_currency() {
        assert_eq!(money(1234, "EUR").to_string(), "12.34 EUR");
        assert_eq!(money(5, "USD").to_string(), "0.05 USD");
        assert_eq!(money(500, "JPY").to_string(), "500 JPY");
        assert_eq!(money(-1, "KWD").to_string(), "-0.001 KWD");
    }

    #[test]
    fn currencies_do_not_mix() {
        let mixed = money(1, "EUR").checked_add(money(1, "USD"));
        assert!(matches!(mixed, Err(MoneyError::Mixed { .. })));
    }

    #[test]
    fn no_amount_is_zero_or_wider_than_de_4() {
        let eur = money(0, "EUR").currency;
        assert!(Money::payable(0, eur).is_err());
        assert!(Money::payable(Money::MAX_MINOR + 1, eur).is_err());
        assert!(Money::payable(Money::MAX_MINOR, eur).is_ok());
    }
}
