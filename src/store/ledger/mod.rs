//! The ledger: a SQLite file that follows the journal, one row a payment, for look-ups and reports.
//!
//! It is applied behind the journal in large transactions, by one thread. The position in the journal is
//! part of each transaction, so a crash at any instant leaves the rows of exactly that position. It is
//! never asked whether something is durable, and it can be made again from the journal at any time.

mod fold;
mod needed;
mod read;

pub use needed::Needed;
pub use read::{OpenReversals, PaymentLine, Reader, TimelineEntry, Total};

use super::fields::DecodeError;
use super::journal::frame::{Place, RawRecord};
use super::record_code;
use fold::{Fold, keep, state_name, verdict_name};
use rusqlite::config::DbConfig;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use tidegate_payment::durable::Sequence;
use tidegate_payment::id::PaymentId;
use tidegate_payment::payment::WrongTurn;
use tidegate_payment::record::{Block, Record};

/// Raised with every change of the tables; a ledger of another version is made again.
const SCHEMA_VERSION: i64 = 3;
const SCHEMA: &str = include_str!("schema.sql");
/// How many open payments are kept folded between transactions.
const KEPT_FOLDS_MAX: usize = 20_000;

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite refused.
    #[error("the ledger file refused")]
    Sqlite(#[from] rusqlite::Error),
    /// The file could not be made.
    #[error("the ledger file could not be made")]
    File(#[from] std::io::Error),
    /// A record in the journal or in a row says nothing.
    #[error("a record cannot be read")]
    Record(#[from] DecodeError),
    /// A record in the journal does not fit its payment.
    #[error("a record does not fit its payment")]
    Turn(#[from] WrongTurn),
    /// A record in the journal is about a payment that was never accepted.
    #[error("record {} is about payment {id}, which was never accepted", sequence.0)]
    Orphan {
        /// The record.
        sequence: Sequence,
        /// The payment.
        id: PaymentId,
    },
    /// A row does not hold what was written.
    #[error("a row of the ledger is damaged")]
    Row,
    /// The ledger was made by another version of the gateway.
    #[error("the ledger has schema version {found}, {SCHEMA_VERSION} is wanted")]
    Schema {
        /// The version found.
        found: i64,
    },
}

impl LedgerError {
    /// Whether the ledger is of no use as it is, and must be made again from the journal.
    pub fn wants_rebuild(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
            Self::Row | Self::Schema { .. } => true,
            Self::File(_) | Self::Record(_) | Self::Turn(_) | Self::Orphan { .. } => false,
        }
    }

    /// Whether the same transaction may succeed later. A transaction that the disk had no room for left
    /// nothing behind.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Sqlite(e) if e.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }
}

/// What every connection to the ledger needs: patience with another's transaction, and plans that do not
/// depend on the values bound to a statement. Without the latter (QPSG) SQLite plans a statement anew each
/// time it runs with other values, which costs more than running it.
fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// The ledger, open to write; there is one.
pub struct Ledger {
    connection: Connection,
    /// Payments that will change again, folded.
    folds: BTreeMap<PaymentId, Fold>,
}

impl Ledger {
    /// Opens the ledger, making the file if need be.
    /// # Errors
    /// [`LedgerError`]; see [`LedgerError::wants_rebuild`].
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        // SQLite gives its own files the permissions of this one.
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600).open(path)?;
        let mut connection = Connection::open(path)?;
        prepare(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // The position commits with the rows: a power cut takes both back, and the journal gives both.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match version {
            0 => make_tables(&mut connection)?,
            SCHEMA_VERSION => {}
            found => return Err(LedgerError::Schema { found }),
        }
        Ok(Self { connection, folds: BTreeMap::new() })
    }

    /// How far the journal is applied.
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    pub fn place(&self) -> Result<Place, LedgerError> {
        read_place(&self.connection)
    }

    /// Applies records, which must follow the position in order, in one transaction.
    /// # Errors
    /// [`LedgerError`]; nothing is applied then.
    pub fn apply(&mut self, records: &[RawRecord<'_>]) -> Result<(), LedgerError> {
        let applied = self.apply_all(records);
        if applied.is_err() {
            // The folds have run ahead of the rows.
            self.folds.clear();
        }
        if self.folds.len() > KEPT_FOLDS_MAX {
            self.folds.clear();
        }
        applied
    }

    fn apply_all(&mut self, records: &[RawRecord<'_>]) -> Result<(), LedgerError> {
        let Some(last) = records.last() else { return Ok(()) };
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let mut touched = BTreeSet::new();
        for raw in records {
            let record = record_code::decode(raw.kind, raw.version, raw.body)?;
            match record.payment() {
                Some(id) => {
                    fold_in(&transaction, &mut self.folds, id, &record, raw)?;
                    touched.insert(id);
                }
                None => write_latest(&transaction, &record, raw)?,
            }
        }
        for id in touched {
            if let Some(fold) = self.folds.get(&id) {
                write_row(&transaction, fold)?;
                if !fold.course.is_open() {
                    self.folds.remove(&id);
                }
            }
        }
        transaction
            .prepare_cached("UPDATE position SET sequence = ?1, chain = ?2")?
            .execute(params![number(last.sequence.0), last.chain])?;
        transaction.commit()?;
        Ok(())
    }
}

fn make_tables(connection: &mut Connection) -> Result<(), LedgerError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

fn read_place(connection: &Connection) -> Result<Place, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT sequence, chain FROM position")?;
    let (sequence, chain): (i64, [u8; 32]) =
        statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let last = Sequence(u64::try_from(sequence).map_err(|_| LedgerError::Row)?);
    Ok(Place { last, chain })
}

/// Folds a record into its payment, which is read from its row if it is not at hand.
fn fold_in(
    transaction: &Transaction<'_>,
    folds: &mut BTreeMap<PaymentId, Fold>,
    id: PaymentId,
    record: &Record,
    raw: &RawRecord<'_>,
) -> Result<(), LedgerError> {
    if let Some(begun) = Fold::begin(record, raw) {
        // Should the payment exist already, its row refuses the id.
        folds.insert(id, begun);
        return Ok(());
    }
    if let Some(fold) = folds.get_mut(&id) {
        return fold.add(record, raw);
    }
    let mut statement = transaction.prepare_cached("SELECT records FROM payment WHERE id = ?1")?;
    let kept: Option<Vec<u8>> =
        statement.query_row([id.0.to_be_bytes()], |row| row.get(0)).optional()?;
    let kept = kept.ok_or(LedgerError::Orphan { sequence: raw.sequence, id })?;
    let mut fold = Fold::read(&kept)?;
    fold.add(record, raw)?;
    folds.insert(id, fold);
    Ok(())
}

fn write_row(transaction: &Transaction<'_>, fold: &Fold) -> Result<(), LedgerError> {
    const SQL: &str = "INSERT INTO payment VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
         ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23) \
         ON CONFLICT (first_sequence) DO UPDATE SET last_sequence = excluded.last_sequence, \
         state = excluded.state, verdict = excluded.verdict, \
         approved_minor = excluded.approved_minor, business_date = excluded.business_date, \
         is_open = excluded.is_open, is_case = excluded.is_case, is_suspect = excluded.is_suspect, \
         reversal_due_at = excluded.reversal_due_at, version = excluded.version, \
         records = excluded.records";
    let payment = &fold.course.payment;
    let request = &payment.request;
    transaction.prepare_cached(SQL)?.execute(params![
        number(fold.first.0),
        number(fold.last.0),
        payment.id.0.to_be_bytes(),
        request.merchant.as_str(),
        request.operation.name(),
        request.key.as_str(),
        request.order.as_str(),
        request.original.map(|original| original.0.to_be_bytes()),
        state_name(payment.state),
        verdict_name(payment.verdict()),
        request.amount.minor,
        request.amount.currency.alphabetic(),
        payment.approved().map(|money| money.minor),
        payment.fields.as_ref().map(|fields| fields.business_date.to_string()),
        payment.accepted_at.0,
        request.freshness.nonce.as_str(),
        request.freshness.created.0,
        fold.course.is_open(),
        payment.is_case(),
        payment.suspect,
        fold.course.reversal_due_at().map(|at| at.0),
        payment.version,
        fold.records,
    ])?;
    Ok(())
}

/// Keeps a record that is about no payment, in the place of the one before it.
fn write_latest(
    transaction: &Transaction<'_>,
    record: &Record,
    raw: &RawRecord<'_>,
) -> Result<(), LedgerError> {
    let (name, value) = match record {
        Record::DateMoved(moved) => ("business date".to_owned(), moved.date.to_string()),
        Record::Leased(leased) => match &leased.block {
            Block::Stan { host, first, count } => {
                (format!("STANs of {host}"), format!("{count} from {first}"))
            }
            Block::Rrn { first, count } => ("RRNs".to_owned(), format!("{count} from {first:08}")),
        },
        _ => return Ok(()),
    };
    let mut kept = Vec::new();
    keep(raw, &mut kept);
    transaction
        .prepare_cached("INSERT OR REPLACE INTO latest VALUES (?1, ?2, ?3)")?
        .execute(params![name, value, kept])?;
    Ok(())
}

/// A sequence as SQLite holds it. It counts from 1 and will not reach 2^63.
fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
