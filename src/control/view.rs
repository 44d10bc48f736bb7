//! What operators are shown. Plain data; of cards only BIN and last four digits.

use serde::{Deserialize, Serialize};

/// A payment with all that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentView {
    /// Its id.
    pub id: String,
    /// The operation, for example `purchase`.
    pub operation: String,
    /// What the merchant is told: `pending`, `approved`, `declined` or `reversed`.
    pub result: String,
    /// Why, where there is a reason.
    pub reason: Option<String>,
    /// Where it stands inside, for example `Reversing { attempt: 2 }`.
    pub state: String,
    /// The merchant's id.
    pub merchant: String,
    /// The merchant's order.
    pub order_id: String,
    /// For people, for example `12.34 EUR`.
    pub amount: String,
    /// Amount in minor units.
    pub minor: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// The first digits of the card.
    pub card_bin: String,
    /// The last four digits of the card.
    pub card_last4: String,
    /// The host.
    pub host: String,
    /// DE 11, once given.
    pub stan: Option<String>,
    /// DE 37, once given.
    pub rrn: Option<String>,
    /// DE 38, once known.
    pub approval_code: Option<String>,
    /// DE 39, once known.
    pub response_code: Option<String>,
    /// `YYYY-MM-DD`, once sent.
    pub business_date: Option<String>,
    /// The host knew no original of its reversal: reconciliation must clear it.
    pub suspect: bool,
    /// How many records it has.
    pub version: u32,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntry>,
}

/// One thing that happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When: RFC 3339 with microseconds, UTC.
    pub at: String,
    /// What, for example `send_intent`.
    pub what: String,
    /// More of it, for people.
    pub detail: String,
}

/// A case: a payment that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseView {
    /// The payment's id, which is the case's id.
    pub id: String,
    /// When it was opened: RFC 3339, UTC.
    pub opened: String,
    /// Why.
    pub why: String,
    /// The merchant's id.
    pub merchant: String,
    /// For people, for example `12.34 EUR`.
    pub amount: String,
    /// The host.
    pub host: String,
    /// DE 11 of the original.
    pub stan: Option<String>,
    /// DE 37 of the original.
    pub rrn: Option<String>,
    /// How often the reversal was tried.
    pub attempts: u32,
}

/// A line to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineView {
    /// The host's name.
    pub host: String,
    /// The line's name.
    pub line: String,
    /// `host:port`.
    pub address: String,
    /// `connecting`, `signing-on`, `up`, `draining` or `down`.
    pub state: String,
    /// Since when: RFC 3339, UTC.
    pub since: String,
    /// Why it is not up, if known.
    pub fault: Option<String>,
    /// Exchanges under way on it.
    pub in_flight: u64,
    /// Frames laid aside since the start.
    pub quarantined: u64,
}

/// The gateway as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Since when it runs: RFC 3339, UTC.
    pub started: String,
    /// The business date: `YYYY-MM-DD`.
    pub business_date: String,
    /// Whether it is ready.
    pub ready: bool,
    /// What it lacks to be ready.
    pub unmet: Vec<String>,
    /// Payments without a final result.
    pub open_payments: u64,
    /// Reversals that the host has not accepted.
    pub open_reversals: u64,
    /// Cases that wait for a person.
    pub cases: u64,
}

/// Counts and sums of one business date, one row for each merchant, currency and class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsView {
    /// The business date: `YYYY-MM-DD`.
    pub business_date: String,
    /// The rows.
    pub rows: Vec<TotalsRow>,
}

/// One row of the totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsRow {
    /// The merchant's id.
    pub merchant: String,
    /// ISO 4217 code.
    pub currency: String,
    /// `approved`, `declined`, `reversed` or `pending`.
    pub class: String,
    /// How many payments.
    pub count: u64,
    /// Their sum in minor units.
    pub minor: i64,
}

/// An operator's word on a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseWord {
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// An operator's word that ends a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseClosing {
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// How it ends.
    pub resolution: CaseResolution,
}

/// How a person ends a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseResolution {
    /// The money went back.
    Reversed,
    /// The host never posted it.
    NeverPosted,
}
