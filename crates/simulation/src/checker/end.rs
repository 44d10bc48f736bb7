//! The reckoning: when everything has drained, the bank's books and what merchants were told must be
//! two tellings of one story. Invariants M1, M5, M6, M7, M8, M12, M13, M14, F3, L1.

use super::Checker;
use super::journal::Known;
use crate::bank::books::{Books, Kind, Posting};
use crate::world::World;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_payment::id::PaymentId;
use tidegate_payment::request::Operation;

/// How long a commit may take while syncs are slow, and a pause comes on top, in seconds.
const SLOWEST_COMMIT_S: u64 = 90;
/// How long what was owed in the time of faults may take to be exhausted, in seconds.
const EXHAUSTED_S: u64 = 200;

impl World {
    /// Everything that is not at its end though nothing went wrong for a long time.
    pub(crate) fn tell_undone(&mut self) {
        let Some(node) = self.node.as_ref() else {
            return self.checker.breaks("L1", "the gateway does not start any more");
        };
        let status = node.engine.status();
        self.judge_cases();
        if status.reversing + status.repeating > 0 {
            let what = format!("{} reversals, {} advices", status.reversing, status.repeating);
            self.checker.breaks("F3", format!("{what} do not drain"));
        }
        if status.awaiting_host > 0 {
            let what = format!("{} payments wait for the host for ever", status.awaiting_host);
            self.checker.breaks("M1", what);
        }
        let undone = self.merchants.wishes().filter(|wish| !wish.is_done());
        let undone: Vec<u64> = undone.map(|wish| wish.number).take(5).collect();
        if status.cases > 0 {
            let what = format!("{} cases that nobody can bring to an end", status.cases);
            self.checker.breaks("L1", what);
        } else if self.merchants.undone > 0 {
            let count = self.merchants.undone;
            self.checker.breaks("M1", format!("{count} wishes have no final answer: {undone:?}"));
        }
    }

    /// Cases that nobody provoked: the bank refuses nothing any more, and answers everything.
    fn judge_cases(&mut self) {
        let calm = self.calm_since.saturating_add(Duration::from_secs(EXHAUSTED_S));
        let parked = self.checker.payments().filter(|known| known.parked && known.parked_at > calm);
        let first = parked.map(|known| known.id).next();
        if let Some(id) = first.filter(|_| self.calm) {
            self.checker.breaks("F3", format!("payment {id} is a case that nobody provoked"));
        }
    }

    /// After the drain: do all tell the same?
    pub(crate) fn settle_accounts(&mut self) {
        self.judge_cases();
        self.audit_journal();
        self.checker.reckon(&self.bank.books, self.life, self.clock.mono);
        for wish in self.merchants.wishes() {
            let Some(told) = &wish.told else { continue };
            let outcome = self.checker.known(told.id).and_then(Known::outcome);
            if outcome != Some((told.what, told.amount)) {
                let what =
                    format!("wish {} was told {}, it is {outcome:?}", wish.number, told.what);
                self.checker.breaks("M2", what);
                break;
            }
        }
    }
}

impl Checker {
    /// An approval came after the time-out.
    pub fn saw_late(&mut self, id: PaymentId, at: Duration, life: u64) {
        if let Some(known) = self.payments.get_mut(&id) {
            known.late_seen.get_or_insert((at, life));
        }
    }

    /// Compares journal and books, payment by payment, and then in sum.
    pub fn reckon(&mut self, books: &Books, life: u64, now: Duration) {
        let mut found = Vec::new();
        let postings: BTreeMap<&str, &Posting> =
            books.all().map(|(wide, posting)| (wide.as_str(), posting)).collect();
        for known in self.payments.values() {
            found.extend(compare(known, postings.get(known.wide.as_str()).copied()));
            if self.is_unrecorded(known, life, now) {
                found.push(("M14", format!("the late approval of {} is not on record", known.id)));
            }
        }
        for (wide, posting) in books.all() {
            found.extend(followed(books, wide, posting));
            if posting.reversals > 1 {
                found.push(("M12", format!("{wide} was reversed {} times", posting.reversals)));
            }
            if posting.approved.is_some() && !self.by_wide.contains_key(wide) {
                found.push(("M3", format!("the books hold {wide}, the journal does not")));
            }
        }
        found.extend(self.compare_days(books));
        found.extend(conserved(books));
        for (invariant, what) in found {
            self.breaks(invariant, what);
        }
    }

    /// Whether a late approval was heard and is not on record. What a run heard shortly before its end
    /// counts as silence.
    fn is_unrecorded(&self, known: &Known, life: u64, now: Duration) -> bool {
        let unrecorded = known.late_seen.is_some_and(|(at, in_life)| {
            let end = if in_life == life { Some(&now) } else { self.ends.get(&in_life) };
            let wait = if in_life == life { 1 } else { SLOWEST_COMMIT_S };
            end.is_some_and(|end| end.saturating_sub(at) > Duration::from_secs(wait))
        });
        unrecorded && !known.late && !known.conflicted
    }

    /// What each merchant got by the journal and by the books, for each business date.
    fn compare_days(&self, books: &Books) -> Option<(&'static str, String)> {
        let mut days: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
        for known in self.payments.values() {
            let (what, amount) = known.outcome()?;
            if what == "approved" && moves(known, self) {
                let takes = matches!(known.operation, Operation::Purchase | Operation::Completion);
                let day = (known.merchant.replace("m-", "SHOP"), known.date.clone());
                days.entry(day).or_default().0 += if takes { amount } else { -amount };
            }
        }
        for (_, posting) in books.all().filter(|(_, posting)| !posting.reversed) {
            let day = (posting.shop.clone(), posting.date.clone());
            days.entry(day).or_default().1 += posting.moved;
        }
        let ((shop, date), (ours, theirs)) = days.iter().find(|(_, (a, b))| a != b)?;
        Some(("M7", format!("{shop} has {ours} of {date} by the journal, {theirs} at the bank")))
    }
}

/// Whether no account made money: all of them sum to nothing, and each shop has what its messages moved.
fn conserved(books: &Books) -> Option<(&'static str, String)> {
    if books.sum() != 0 {
        return Some(("M8", "the bank's accounts do not sum to nothing".to_owned()));
    }
    let mut shops: BTreeMap<&str, i64> = BTreeMap::new();
    for (_, posting) in books.all() {
        let moved = if posting.reversed { 0 } else { posting.moved };
        *shops.entry(&posting.shop).or_default() += moved;
    }
    let (shop, moved) = shops.into_iter().find(|(shop, moved)| books.balance(shop) != *moved)?;
    let has = books.balance(shop);
    Some(("M8", format!("{shop} has {has} on its account, its messages moved {moved}")))
}

/// Whether an approved payment moved money: a void does if its original took some.
fn moves(known: &Known, checker: &Checker) -> bool {
    match known.operation {
        Operation::Purchase | Operation::Completion | Operation::Refund => true,
        Operation::Void => {
            let original = known.original.and_then(|id| checker.known(id));
            original.is_some_and(|original| original.operation == Operation::Purchase)
        }
        _ => false,
    }
}

/// What was told and what the books hold of one payment.
fn compare(known: &Known, posting: Option<&Posting>) -> Option<(&'static str, String)> {
    let id = known.id;
    let money = known.operation != Operation::BalanceInquiry
        && known.operation != Operation::CardVerification;
    let standing = posting.filter(|it| it.approved.is_some() && !it.reversed);
    match known.outcome() {
        Some(("approved", amount)) if money => match standing {
            None => Some(("M5", format!("payment {id} is approved and the books hold nothing"))),
            Some(posting) if posting.approved != Some(amount) => {
                let booked = posting.approved;
                Some(("M5", format!("payment {id} is approved for {amount}, booked {booked:?}")))
            }
            Some(_) => None,
        },
        Some((what, _)) if money && what != "approved" => standing.map(|posting| {
            let booked = posting.approved;
            ("M6", format!("payment {id} is {what} and the books hold {booked:?}"))
        }),
        _ => None,
    }
}

/// Whether what followed an original stays within it.
fn followed(books: &Books, wide: &str, posting: &Posting) -> Option<(&'static str, String)> {
    let approved =
        posting.approved.filter(|_| matches!(posting.kind, Kind::Purchase | Kind::Hold))?;
    let (voids, captured, refunded) = books.followed(wide);
    let takeable = if posting.kind == Kind::Purchase { approved } else { captured };
    let over = voids > 1
        || captured > approved
        || refunded > takeable
        || voids > 0 && (captured > 0 || refunded > 0);
    let gone = posting.reversed && (voids > 0 || captured > 0 || refunded > 0);
    (over || gone).then(|| {
        let what = format!(
            "{wide}: {approved} approved, {voids} voids, {captured} captured, {refunded} refunded"
        );
        ("M13", what)
    })
}
