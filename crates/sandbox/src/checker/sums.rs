//! What a payment allows afterwards, added up twice: over what merchants were told and over the bank's
//! books: M13.

use super::Findings;
use super::index::{Index, Payment};
use crate::bank::ledger::Cause;
use crate::operation::Operation;
use std::collections::BTreeMap;

/// What followed one payment.
#[derive(Default)]
struct Sums {
    captures: usize,
    captured: i64,
    voids: usize,
    refunded: i64,
}

impl Sums {
    /// What is wrong with them, for a payment of so much.
    fn wrong(&self, operation: Operation, approved: i64) -> Option<String> {
        let Self { captures, captured, voids, refunded } = *self;
        let taken = if operation == Operation::Purchase { approved } else { captured };
        if captures > 1 {
            Some(format!("{captures} captures"))
        } else if captures > 0 && operation != Operation::PreAuthorization {
            Some("a capture of what was taken at once".to_owned())
        } else if captured > approved {
            Some(format!("captured {captured} of {approved}"))
        } else if voids > 1 || voids == 1 && (captures > 0 || refunded > 0) {
            Some(format!("{voids} voids, {captures} captures, {refunded} refunded"))
        } else if refunded > taken {
            Some(format!("refunded {refunded} of {taken}"))
        } else {
            None
        }
    }
}

/// M13: completions, voids and refunds act on an original of the same merchant that is approved; one
/// completion of what was set aside or less; refunds of what was taken or less; nothing after a void.
/// And what a merchant is told of a payment's sums is what it was told of its follow-ups.
pub(super) fn follow_ups_stay_within(index: &Index<'_>) -> Findings {
    let mut told: BTreeMap<u64, Sums> = BTreeMap::new();
    let mut doubtful = Vec::new();
    let mut findings = Vec::new();
    for (op, payment, asked) in index.asked() {
        let Some(original) = asked.original else { continue };
        if payment.is_parked() || payment.last().is_none() {
            doubtful.push(original);
        }
        let Some(approved) = payment.approved() else { continue };
        let first = index.payments.get(&original);
        if first.is_none_or(|first| first.approved().is_none()) {
            let found = format!("a {} of what was not approved", asked.operation.name());
            findings.push((format!("payment {op}"), found));
        }
        if first.is_some_and(|first| first.merchant != payment.merchant) {
            findings.push((format!("payment {op}"), "of another merchant's payment".to_owned()));
        }
        told.entry(original).or_default().add(asked.operation, approved);
    }
    for (op, sums) in &told {
        let Some(payment) = index.payments.get(op) else { continue };
        let approved = payment.approved().unwrap_or(0);
        if let Some(wrong) = sums.wrong(payment.operation(), approved) {
            findings.push((format!("payment {op}, as told"), wrong));
        }
    }
    findings.extend(in_the_books(index));
    for (op, payment, _) in index.asked() {
        let sums = told.remove(&op).unwrap_or_default();
        if !doubtful.contains(&op)
            && let Some(wrong) = shown_wrong(payment, &sums)
        {
            findings.push((format!("payment {op}, as shown"), wrong));
        }
    }
    findings
}

impl Sums {
    fn add(&mut self, operation: Operation, minor: i64) {
        match operation {
            Operation::Completion => {
                self.captures = self.captures.saturating_add(1);
                self.captured = self.captured.saturating_add(minor);
            }
            Operation::Void => self.voids = self.voids.saturating_add(1),
            Operation::Refund => self.refunded = self.refunded.saturating_add(minor),
            _ => {}
        }
    }
}

/// The same sums over the entries that name their original.
fn in_the_books(index: &Index<'_>) -> Findings {
    let mut booked: BTreeMap<&str, Sums> = BTreeMap::new();
    let mut held: BTreeMap<&str, i64> = BTreeMap::new();
    let mut posted_at_once: BTreeMap<&str, bool> = BTreeMap::new();
    let mut findings = Vec::new();
    for entry in index.evidence.entries() {
        let about = &entry.about;
        if about.original.is_empty() {
            let at_once = posted_at_once.entry(&about.rrn).or_default();
            *at_once |= entry.cause == Cause::Posting;
            if entry.cause == Cause::Hold {
                held.insert(&about.rrn, entry.minor);
            }
            continue;
        }
        let operation = match entry.cause {
            Cause::Posting => Operation::Completion,
            Cause::Void => Operation::Void,
            Cause::Refund => Operation::Refund,
            _ => continue,
        };
        booked.entry(&about.original).or_default().add(operation, entry.minor);
    }
    for (reference, sums) in booked {
        let at_once = posted_at_once.get(reference).copied().unwrap_or(false);
        let operation = if at_once { Operation::Purchase } else { Operation::PreAuthorization };
        let approved = held.get(reference).copied().unwrap_or(0);
        if let Some(wrong) = sums.wrong(operation, approved) {
            findings.push((format!("reference {reference}, in the books"), wrong));
        }
    }
    findings
}

/// What was last shown of an approved payment, against what was told of its follow-ups.
fn shown_wrong(payment: &Payment<'_>, sums: &Sums) -> Option<String> {
    let last = payment.last()?;
    let approved = last.approved()?;
    let captured = last.captured_amount.as_ref()?.minor;
    let refunded = last.refunded_amount.as_ref()?.minor;
    let voided = last.voided?;
    let taken = match payment.operation() {
        Operation::Purchase if sums.voids > 0 => 0,
        Operation::Purchase => approved,
        _ => sums.captured,
    };
    let want = (taken, sums.refunded, sums.voids > 0);
    ((captured, refunded, voided) != want).then(|| {
        format!("shown {:?}, its follow-ups were told {want:?}", (captured, refunded, voided))
    })
}
