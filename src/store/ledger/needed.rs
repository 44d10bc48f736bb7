//! For which payment the journal's segments must stay at hand.

use super::{LedgerError, Reader};
use rusqlite::{OptionalExtension, params};
use tidegate_payment::durable::Sequence;
use tidegate_payment::id::PaymentId;
use tidegate_payment::time::{BusinessDate, Timestamp};

/// A payment for which the journal must stay at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Its first record.
    pub first: Sequence,
    /// Its id.
    pub id: PaymentId,
    /// Where it stands; see [`super::PaymentLine::state`].
    pub state: String,
    /// Whether reconciliation must clear it.
    pub is_suspect: bool,
    /// Its business date, `YYYY-MM-DD`, if it has one.
    pub business_date: Option<String>,
}

impl Reader {
    /// The oldest payment that is open, a case, waits for reconciliation, or is of a business date from
    /// `date` on (of none, if it was accepted at `since` or later).
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    pub fn oldest_needed(
        &self,
        date: BusinessDate,
        since: Timestamp,
    ) -> Result<Option<Needed>, LedgerError> {
        // Each part is answered from an index of its own.
        let sql = "SELECT first_sequence, id, state, is_suspect, business_date FROM payment \
             WHERE first_sequence = (SELECT MIN(first) FROM (\
             SELECT MIN(first_sequence) AS first FROM payment WHERE is_open = 1 \
             UNION ALL SELECT MIN(first_sequence) FROM payment WHERE is_case = 1 \
             UNION ALL SELECT MIN(first_sequence) FROM payment WHERE is_suspect = 1 \
             UNION ALL SELECT MIN(first_sequence) FROM payment WHERE business_date >= ?1 \
             UNION ALL SELECT MIN(first_sequence) FROM payment WHERE business_date IS NULL \
             AND accepted_at >= ?2))";
        let mut statement = self.connection.prepare_cached(sql)?;
        let needed = statement.query_row(params![date.to_string(), since.0], |row| {
            let (first, id): (i64, [u8; 16]) = (row.get(0)?, row.get(1)?);
            Ok(Needed {
                first: Sequence(u64::try_from(first).unwrap_or(0)),
                id: PaymentId(u128::from_be_bytes(id)),
                state: row.get(2)?,
                is_suspect: row.get(3)?,
                business_date: row.get(4)?,
            })
        });
        Ok(needed.optional()?)
    }
}
