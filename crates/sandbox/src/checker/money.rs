//! Whose money is where: M1, M2, M5 to M8, M12.

use super::Findings;
use super::index::{Index, Payment, Talk};
use crate::bank::Books;
use crate::bank::ledger::{Account, Cause};
use crate::history::{Asked, Told};
use crate::operation::Operation;
use std::collections::BTreeMap;

/// M1: every accepted payment ends in exactly one final answer; pending may come before it, nothing
/// after it. A payment that waits for a person has none yet, and the journal says that it waits.
pub(super) fn one_final_answer(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        let Some(last) = payment.last() else { continue };
        if payment.is_parked() {
            let parked = index
                .records(&last.id)
                .iter()
                .any(|record| ["reversal_parked", "advice_parked"].contains(&record.kind.as_str()));
            if index.has_journal() && !parked {
                findings.push((about(op, last), "under review, but no case is open".to_owned()));
            }
            continue;
        }
        if payment.final_answer().is_none() {
            let reason = last.reason.clone().unwrap_or_default();
            findings.push((about(op, last), format!("still pending ({reason}) after the drain")));
        }
        for (event, told) in &payment.told {
            let after_final = payment.told.iter().find(|(earlier, final_told)| {
                final_told.is_final() && earlier.at_us < event.sent_us.unwrap_or(0)
            });
            if !told.is_final() && after_final.is_some() {
                findings.push((about(op, told), "pending was told after a final answer".into()));
            }
        }
    }
    findings
}

/// M2: all final answers to a payment are the same.
pub(super) fn answers_never_change(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        let mut finals = payment.told.iter().map(|(_, told)| *told).filter(|told| told.is_final());
        let Some(first) = finals.next() else { continue };
        for other in finals {
            // What became of a payment since is not part of its answer.
            let same = |told: &Told| Told {
                version: 0,
                captured_amount: None,
                refunded_amount: None,
                voided: None,
                ..told.clone()
            };
            if same(first) != same(other) {
                let found = format!(
                    "told {} (code {:?}, approval {:?}), then {} (code {:?}, approval {:?})",
                    first.result,
                    first.response_code,
                    first.approval_code,
                    other.result,
                    other.response_code,
                    other.approval_code
                );
                findings.push((about(op, other), found));
                break;
            }
        }
        let ids = payment.told.iter().map(|(_, told)| &told.id);
        if ids.into_iter().any(|id| *id != first.id) {
            findings.push((about(op, first), "one order was answered under two ids".to_owned()));
        }
    }
    findings
}

/// M5: what was told as approved is in the books, with that amount and once.
pub(super) fn approvals_stand(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        for (_, told) in &payment.told {
            if told.result != "approved" {
                continue;
            }
            let Some(approved) = told.approved() else { continue };
            let kept: i64 = index.talks_of(payment).map(Talk::kept_by_merchant).sum();
            let taken: i64 = index.talks_of(payment).map(Talk::taken).sum();
            let right = match payment.operation() {
                Operation::Purchase => (taken, kept) == (approved, approved),
                Operation::PreAuthorization => (taken, kept) == (approved, 0),
                Operation::Completion => kept == approved && taken <= 0,
                Operation::Void => taken == approved.saturating_neg(),
                Operation::Refund => {
                    (taken, kept) == (approved.saturating_neg(), approved.saturating_neg())
                }
                Operation::BalanceInquiry | Operation::CardVerification => {
                    index.talks_of(payment).all(|talk| talk.entries.is_empty())
                }
            };
            if !right {
                let name = payment.operation().name();
                let found = format!(
                    "told approved, a {name} of {approved}; the books took {taken} from the card and \
                     gave {kept} to the merchant"
                );
                findings.push((about(op, told), found));
                break;
            }
        }
    }
    findings
}

/// M6: what was told as declined or reversed, or refused, or never answered at all, took no money.
pub(super) fn declines_take_nothing(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, asked) in index.asked() {
        let approved = payment.told.iter().any(|(_, told)| told.result == "approved");
        if approved || payment.is_parked() {
            continue;
        }
        let taken: i64 = index.talks_of(payment).map(Talk::taken).sum();
        if !index.talks_of(payment).all(Talk::is_even) {
            let told = payment.last().map_or("nothing", |told| told.result.as_str());
            let about = format!("payment {op} (order {})", asked.order_id);
            findings.push((about, format!("told {told}, but the books took {taken}")));
        }
    }
    findings
}

/// M7: per merchant, terminal, currency and business date, the books' net movement is the journal's.
/// Payments that wait for a person are left out on both sides.
pub(super) fn books_agree(index: &Index<'_>) -> Findings {
    if !index.has_journal() {
        return Vec::new();
    }
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (_, payment, asked) in index.asked() {
        if payment.is_parked() {
            continue;
        }
        for talk in index.talks_of(payment) {
            let Some(sent) = talk.first() else { continue };
            let account = format!(
                "{} / {} / {} / {}",
                asked.acceptor,
                asked.terminal,
                sent.get(49),
                sent.get(15)
            );
            let sum = sums.entry(account).or_default();
            sum.0 = sum.0.saturating_add(talk.kept_by_merchant());
            let records = payment.last().map_or(&[][..], |told| index.records(&told.id));
            let journal = records.iter().filter_map(|record| {
                let approved = record.kind == "answered"
                    && ["approved", "partial"].contains(&record.find("class")?.as_str());
                let refused = records.iter().any(|other| other.kind == "timed_out");
                let minor = record.find("minor")?.parse::<i64>().ok()?;
                (approved && !refused).then(|| to_merchant(index, asked, minor))
            });
            sum.1 = sum.1.saturating_add(journal.sum());
        }
    }
    let differ = sums.into_iter().filter(|(_, (books, journal))| books != journal);
    differ
        .map(|(account, (books, journal))| {
            (account, format!("the books say {books}, the journal says {journal}"))
        })
        .collect()
}

/// What an approved amount adds to the merchant's account.
fn to_merchant(index: &Index<'_>, asked: &Asked, minor: i64) -> i64 {
    let original = asked.original.and_then(|original| index.payments.get(&original));
    match (asked.operation, original.map(Payment::operation)) {
        (Operation::Purchase | Operation::Completion, _) => minor,
        (Operation::Refund, _) | (Operation::Void, Some(Operation::Purchase)) => {
            minor.saturating_neg()
        }
        _ => 0,
    }
}

/// M8: in each bank's books every entry takes from one account what it gives to another, the balances are
/// what the entries add up to, and none was made from nothing.
pub(super) fn money_is_conserved(index: &Index<'_>) -> Findings {
    index.evidence.books.iter().flat_map(conserved).collect()
}

fn conserved(books: &Books) -> Findings {
    let host = &books.host;
    let mut findings = Vec::new();
    let mut added: BTreeMap<(Account, String), i64> = BTreeMap::new();
    for (place, entry) in books.entries.iter().enumerate() {
        let about = format!("entry {} of {host}", entry.number);
        if entry.minor <= 0 || entry.debit == entry.credit {
            findings.push((about.clone(), "moves nothing".to_owned()));
        }
        if u64::try_from(place).ok().and_then(|place| place.checked_add(1)) != Some(entry.number) {
            findings.push((about, "an entry is missing before it".to_owned()));
        }
        let currency = &entry.currency;
        let from = added.entry((entry.debit.clone(), currency.clone())).or_default();
        *from = from.saturating_sub(entry.minor);
        let to = added.entry((entry.credit.clone(), currency.clone())).or_default();
        *to = to.saturating_add(entry.minor);
    }
    for (account, balance) in &books.balances {
        let sum = added.get(account).copied().unwrap_or(0);
        if sum != *balance {
            let found = format!("holds {balance}, its entries add up to {sum}");
            findings.push((format!("{account:?} of {host}"), found));
        }
        if *balance < 0 && account.0 != Account::Bank {
            findings.push((format!("{account:?} of {host}"), format!("is overdrawn: {balance}")));
        }
    }
    let total = books.balances.values().fold(0_i64, |sum, balance| sum.saturating_add(*balance));
    if total != 0 {
        findings.push((format!("all accounts of {host}"), format!("add up to {total}")));
    }
    findings
}

/// M12: however many repeats, the host gave a payment back at most once, and not more than it took; and
/// it did at most once whatever else it was asked for.
pub(super) fn given_back_once(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (reference, talk) in &index.talks {
        if talk.given_back() > 1 {
            let about = format!("reference {reference}");
            findings.push((about, format!("given back {} times", talk.given_back())));
        }
        let held = talk.entries.iter().any(|entry| entry.cause == Cause::Hold);
        if talk.given_back() == 1 && (!held || talk.taken() < 0) {
            findings.push((format!("reference {reference}"), "given back, never taken".to_owned()));
        }
        for cause in [Cause::Hold, Cause::Posting, Cause::Surplus, Cause::Void, Cause::Refund] {
            let times = talk.entries.iter().filter(|entry| entry.cause == cause).count();
            if times > 1 {
                let about = format!("reference {reference}");
                findings.push((about, format!("{cause:?} was booked {times} times")));
            }
        }
    }
    findings
}

fn about(op: u64, told: &Told) -> String {
    format!("payment {op} ({})", told.id)
}
