//! Reading the ledger: for the engine, for a start, and for people.

use super::fold::{as_group, read_kept};
use super::{Ledger, LedgerError, prepare, read_place};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Statement, params};
use std::path::Path;
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::id::{MerchantId, Nonce, PaymentId};
use tidegate_payment::input::{LoadKey, Loaded};
use tidegate_payment::record::{Group, Leased, Record};
use tidegate_payment::request::Operation;
use tidegate_payment::time::{BusinessDate, Timestamp};

/// The ledger, open to read; beside its writer, in this process or another.
pub struct Reader {
    pub(super) connection: Connection,
}

/// A payment in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentLine {
    /// Its id.
    pub id: PaymentId,
    /// Whose.
    pub merchant: String,
    /// The merchant's order.
    pub order_id: String,
    /// Where it stands: `accepted`, `maybe_sent`, `not_sent`, `answered`, `timed_out`, `reversing`,
    /// `reversed`, `parked` or `closed`.
    pub state: String,
    /// What the merchant is told: `pending`, `approved`, `declined` or `reversed`.
    pub verdict: String,
    /// How much was asked, in minor units.
    pub amount_minor: i64,
    /// Of which currency (ISO 4217, alphabetic).
    pub currency: String,
    /// How much was approved, in minor units.
    pub approved_minor: Option<i64>,
    /// The business date, `YYYY-MM-DD`.
    pub business_date: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Whether reconciliation must clear it.
    pub is_suspect: bool,
    /// How many records it has had.
    pub version: u32,
}

/// A sum over payments of one business date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Whose.
    pub merchant: String,
    /// Of which operation.
    pub operation: String,
    /// Of which currency (ISO 4217, alphabetic).
    pub currency: String,
    /// `pending`, `approved`, `declined` or `reversed`.
    pub verdict: String,
    /// How many.
    pub count: i64,
    /// The sum of what was asked, in minor units.
    pub asked_minor: i64,
    /// The sum of what was approved, in minor units.
    pub approved_minor: i64,
}

/// A record of a payment's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Its place in the journal.
    pub sequence: Sequence,
    /// The record; shown to people through [`crate::store::export::masked`].
    pub record: Record,
}

/// Reversals under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenReversals {
    /// How many.
    pub count: i64,
    /// When the oldest became due.
    pub oldest_due_at: Option<Timestamp>,
}

const LINE: &str = "SELECT id, merchant, order_id, state, verdict, amount_minor, currency, \
     approved_minor, business_date, accepted_at, is_suspect, version FROM payment";

/// What a request with this key, or of this order, meets: its own earlier sending, what followed that, and
/// the order's other payments.
const BY_REQUEST: &str = "SELECT records FROM payment WHERE first_sequence IN (\
     SELECT first_sequence FROM payment \
     WHERE merchant = ?1 AND operation IN (?2, ?5) AND idempotency_key = ?3 \
     UNION SELECT further.first_sequence FROM payment AS further \
     JOIN payment AS known ON further.original = known.id \
     WHERE known.merchant = ?1 AND known.operation IN (?2, ?5) AND known.idempotency_key = ?3 \
     UNION SELECT first_sequence FROM payment \
     WHERE merchant = ?1 AND order_id = ?4) ORDER BY first_sequence";

/// What a request about an original meets: its own earlier sending, the original, and what followed it.
const BY_FOLLOW_UP: &str = "SELECT records FROM payment WHERE first_sequence IN (\
     SELECT first_sequence FROM payment \
     WHERE merchant = ?1 AND operation IN (?2, ?5) AND idempotency_key = ?3 \
     UNION SELECT first_sequence FROM payment WHERE id = ?4 \
     UNION SELECT first_sequence FROM payment WHERE original = ?4) ORDER BY first_sequence";

impl Reader {
    /// Opens the ledger to read.
    /// # Errors
    /// [`LedgerError::Sqlite`], also when there is no ledger.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        prepare(&connection)?;
        Ok(Self { connection })
    }

    /// How far the journal is applied.
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    pub fn applied(&self) -> Result<Sequence, LedgerError> {
        read_place(&self.connection).map(|place| place.last)
    }

    /// Looks payments up for the engine; rows and position are of one instant.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn load(&mut self, key: LoadKey) -> Result<Loaded, LedgerError> {
        let transaction = self.connection.transaction()?;
        let applied = read_place(&transaction)?.last;
        let found = match &key {
            LoadKey::Id(id) => {
                let sql = "SELECT records FROM payment WHERE id = ?1 OR original = ?1 \
                     ORDER BY first_sequence";
                groups(transaction.prepare_cached(sql)?, params![id.0.to_be_bytes()])?
            }
            LoadKey::Request { merchant, operation, key, order } => {
                let statement = transaction.prepare_cached(BY_REQUEST)?;
                let (merchant, order) =
                    (merchant.as_str(), order.as_ref().map(|order| order.as_str()));
                let [one, other] = operation.sharing_keys().map(Operation::name);
                groups(statement, params![merchant, one, key.as_str(), order, other])?
            }
            LoadKey::FollowUp { merchant, operation, key, original } => {
                let statement = transaction.prepare_cached(BY_FOLLOW_UP)?;
                let (merchant, original) = (merchant.as_str(), original.0.to_be_bytes());
                let [one, other] = operation.sharing_keys().map(Operation::name);
                groups(statement, params![merchant, one, key.as_str(), original, other])?
            }
            LoadKey::Order { merchant, order } => {
                let sql = "SELECT records FROM payment WHERE merchant = ?1 AND order_id = ?2 \
                     ORDER BY first_sequence";
                let statement = transaction.prepare_cached(sql)?;
                groups(statement, params![merchant.as_str(), order.as_str()])?
            }
        };
        Ok(Loaded { key, found, applied })
    }

    /// All payments of which something is still owed or awaited, oldest first.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn open_payments(&self) -> Result<Vec<Durable<Group>>, LedgerError> {
        let sql = "SELECT records FROM payment WHERE is_open = 1 ORDER BY first_sequence";
        groups(self.connection.prepare_cached(sql)?, [])
    }

    /// The latest payments that ended by a reversal or a person's word, at most `count`, youngest
    /// first: the host may still answer them.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn latest_reversed(&self, count: u32) -> Result<Vec<Durable<Group>>, LedgerError> {
        let sql = "SELECT records FROM payment WHERE state IN ('reversed', 'closed') \
             ORDER BY first_sequence DESC LIMIT ?1";
        groups(self.connection.prepare_cached(sql)?, params![count])
    }

    /// The gateway's business date, if it was ever set, and the last lease of each space of numbers.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn latest(&self) -> Result<(Option<BusinessDate>, Vec<Leased>), LedgerError> {
        let mut statement =
            self.connection.prepare_cached("SELECT record FROM latest ORDER BY name")?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        let (mut date, mut leases) = (None, Vec::new());
        for row in rows {
            for (_, record) in read_kept(&row?)? {
                match record {
                    Record::DateMoved(moved) => date = Some(moved.date),
                    Record::Leased(leased) => leases.push(leased),
                    _ => return Err(LedgerError::Row),
                }
            }
        }
        Ok((date, leases))
    }

    /// The nonces of messages that were created at `since` or later.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn nonces(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(MerchantId, Nonce, Timestamp)>, LedgerError> {
        let sql = "SELECT merchant, nonce, nonce_created FROM payment \
             WHERE nonce_created >= ?1 ORDER BY nonce_created, first_sequence";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([since.0], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?))
        })?;
        rows.map(|row| {
            let (merchant, nonce, created) = row?;
            let merchant = MerchantId::parse(&merchant).map_err(|_| LedgerError::Row)?;
            let nonce = Nonce::parse(&nonce).map_err(|_| LedgerError::Row)?;
            Ok((merchant, nonce, Timestamp(created)))
        })
        .collect()
    }

    /// The payments that wait for a person, oldest first.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn cases(&self) -> Result<Vec<PaymentLine>, LedgerError> {
        self.lines("WHERE is_case = 1 ORDER BY first_sequence")
    }

    /// The payments that wait for reconciliation, oldest first.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn suspects(&self) -> Result<Vec<PaymentLine>, LedgerError> {
        self.lines("WHERE is_suspect = 1 ORDER BY first_sequence")
    }

    /// One payment.
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    pub fn payment(&self, id: PaymentId) -> Result<Option<PaymentLine>, LedgerError> {
        let mut statement = self.connection.prepare_cached(&format!("{LINE} WHERE id = ?1"))?;
        Ok(statement.query_row([id.0.to_be_bytes()], payment_line).optional()?)
    }

    /// All records of a payment in order; empty if there is no such payment.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn payment_timeline(&self, id: PaymentId) -> Result<Vec<TimelineEntry>, LedgerError> {
        let sql = "SELECT records FROM payment WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let kept: Option<Vec<u8>> =
            statement.query_row([id.0.to_be_bytes()], |row| row.get(0)).optional()?;
        let records = read_kept(&kept.unwrap_or_default())?;
        let entry = |(sequence, record)| TimelineEntry { sequence, record };
        Ok(records.into_iter().map(entry).collect())
    }

    /// Counts and sums of a business date by merchant, operation, currency and verdict.
    /// # Errors
    /// [`LedgerError`] when they cannot be read, or a sum passes the range of `i64`.
    pub fn totals(&self, date: BusinessDate) -> Result<Vec<Total>, LedgerError> {
        let sql = "SELECT merchant, operation, currency, verdict, COUNT(*), SUM(amount_minor), \
             COALESCE(SUM(approved_minor), 0) FROM payment WHERE business_date = ?1 \
             GROUP BY merchant, operation, currency, verdict \
             ORDER BY merchant, operation, currency, verdict";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([date.to_string()], |row| {
            Ok(Total {
                merchant: row.get(0)?,
                operation: row.get(1)?,
                currency: row.get(2)?,
                verdict: row.get(3)?,
                count: row.get(4)?,
                asked_minor: row.get(5)?,
                approved_minor: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many reversals are under way, and since when the oldest is due.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn open_reversals(&self) -> Result<OpenReversals, LedgerError> {
        let sql = "SELECT COUNT(*), MIN(reversal_due_at) FROM payment INDEXED BY payment_open \
             WHERE is_open = 1 AND reversal_due_at IS NOT NULL";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_row([], |row| {
            let oldest: Option<i64> = row.get(1)?;
            Ok(OpenReversals { count: row.get(0)?, oldest_due_at: oldest.map(Timestamp) })
        })?;
        Ok(found)
    }

    /// Every row of every table as text, to compare two ledgers.
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn dump(&self) -> Result<Vec<String>, LedgerError> {
        let mut dump = Vec::new();
        for sql in [
            "SELECT * FROM position",
            "SELECT * FROM latest ORDER BY name",
            "SELECT * FROM payment ORDER BY first_sequence",
        ] {
            let mut statement = self.connection.prepare(sql)?;
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| {
                let values =
                    (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
                values
                    .map(|value| value.map(|value| format!("{value:?}")))
                    .collect::<Result<Vec<_>, _>>()
            })?;
            for row in rows {
                dump.push(row?.join("|"));
            }
        }
        Ok(dump)
    }

    fn lines(&self, which: &str) -> Result<Vec<PaymentLine>, LedgerError> {
        let mut statement = self.connection.prepare_cached(&format!("{LINE} {which}"))?;
        let rows = statement.query_map([], payment_line)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Ledger {
    /// How far a ledger file has applied the journal, without changing it; `None` if there is no file.
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    pub fn look(path: &Path) -> Result<Option<super::Place>, LedgerError> {
        if !path.exists() {
            return Ok(None);
        }
        read_place(&Reader::open(path)?.connection).map(Some)
    }
}

fn groups<'a>(
    mut statement: impl std::ops::DerefMut<Target = Statement<'a>>,
    params: impl rusqlite::Params,
) -> Result<Vec<Durable<Group>>, LedgerError> {
    let rows = statement.query_map(params, |row| row.get::<_, Vec<u8>>(0))?;
    rows.map(|row| as_group(&row?)).collect()
}

fn payment_line(row: &Row<'_>) -> rusqlite::Result<PaymentLine> {
    let id: [u8; 16] = row.get(0)?;
    Ok(PaymentLine {
        id: PaymentId(u128::from_be_bytes(id)),
        merchant: row.get(1)?,
        order_id: row.get(2)?,
        state: row.get(3)?,
        verdict: row.get(4)?,
        amount_minor: row.get(5)?,
        currency: row.get(6)?,
        approved_minor: row.get(7)?,
        business_date: row.get(8)?,
        accepted_at: Timestamp(row.get(9)?),
        is_suspect: row.get(10)?,
        version: row.get(11)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::store::samples;
    use rusqlite::StatementStatus;

    #[test]
    fn a_look_up_is_planned_once_whatever_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let _ledger = Ledger::open(&path).unwrap();
        let mut reader = Reader::open(&path).unwrap();
        for number in 1..=3 {
            let request = samples::request(number);
            let (merchant, operation, key) = (request.merchant, request.operation, request.key);
            let original = samples::id(number);
            let order = Some(request.order);
            let follow_up = LoadKey::FollowUp {
                merchant: merchant.clone(),
                operation,
                key: key.clone(),
                original,
            };
            reader.load(follow_up).unwrap();
            reader.load(LoadKey::Request { merchant, operation, key, order }).unwrap();
        }
        for sql in [BY_REQUEST, BY_FOLLOW_UP] {
            let statement = reader.connection.prepare_cached(sql).unwrap();
            let times = [StatementStatus::Run, StatementStatus::RePrepare]
                .map(|of| statement.get_status(of));
            assert_eq!(times, [3, 0], "{sql}");
        }
    }
}
