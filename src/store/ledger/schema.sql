-- The ledger: a projection of the journal. Every row follows from it, so this file may be deleted at any
-- time while the gateway is stopped; the next start makes it again, with equal rows.

-- How far the journal is applied: the last record's sequence and its value in the chain of hashes.
CREATE TABLE position (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    sequence INTEGER NOT NULL,
    chain    BLOB    NOT NULL
) STRICT;
INSERT INTO position VALUES (1, 0, zeroblob(32));

-- The last record of each kind that is about no payment: the business date, and each lease of numbers.
CREATE TABLE latest (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL,
    record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a payment. Times are microseconds since 1970; amounts are minor units. `records` holds all the
-- payment's records as they stand in the journal: reading a payment is folding them.
CREATE TABLE payment (
    first_sequence  INTEGER PRIMARY KEY,
    last_sequence   INTEGER NOT NULL,
    id              BLOB    NOT NULL UNIQUE,
    merchant        TEXT    NOT NULL,
    operation       TEXT    NOT NULL,
    idempotency_key TEXT    NOT NULL,
    order_id        TEXT    NOT NULL,
    original        BLOB,
    state           TEXT    NOT NULL,
    verdict         TEXT    NOT NULL,
    amount_minor    INTEGER NOT NULL,
    currency        TEXT    NOT NULL,
    approved_minor  INTEGER,
    business_date   TEXT,
    accepted_at     INTEGER NOT NULL,
    nonce           TEXT    NOT NULL,
    nonce_created   INTEGER NOT NULL,
    is_open         INTEGER NOT NULL,
    is_case         INTEGER NOT NULL,
    is_suspect      INTEGER NOT NULL,
    reversal_due_at INTEGER,
    version         INTEGER NOT NULL,
    records         BLOB    NOT NULL
) STRICT;

-- A merchant's retry is found by its key; and no key can ever begin two payments (invariant M3).
CREATE UNIQUE INDEX payment_by_key ON payment (merchant, operation, idempotency_key);
-- The payments of an order: the merchant's question, and the rule of one payment an order.
CREATE INDEX payment_by_order ON payment (merchant, order_id);
-- The completions, voids and refunds of a payment: the sums over them, and its merchant's question.
CREATE INDEX payment_by_original ON payment (original) WHERE original IS NOT NULL;
-- What a start must have in memory; small, however many payments there are.
CREATE INDEX payment_open ON payment (first_sequence) WHERE is_open = 1;
-- What a late answer can still come for after a start; read from its end.
CREATE INDEX payment_reversed ON payment (first_sequence) WHERE state IN ('reversed', 'closed');
-- What waits for a person.
CREATE INDEX payment_case ON payment (first_sequence) WHERE is_case = 1;
-- What waits for reconciliation.
CREATE INDEX payment_suspect ON payment (first_sequence) WHERE is_suspect = 1;
-- The nonces that a start must still refuse; all of each is in the index, so that a start reads no row.
CREATE INDEX payment_by_nonce ON payment (nonce_created, first_sequence, merchant, nonce);
-- The totals of a business date.
CREATE INDEX payment_by_date ON payment (business_date);
