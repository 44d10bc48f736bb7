#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::*;
use crate::store::samples;
use tidegate_payment::input::LoadKey;
use tidegate_payment::record::{DateMoved, ReversalVerdict};
use tidegate_payment::time::{BusinessDate, Timestamp};

/// Bodies of records with their sequences, as the journal would hand them over.
struct Feed {
    records: Vec<(u8, Vec<u8>)>,
}

impl Feed {
    fn new(records: &[Record]) -> Self {
        let encode = |record: &Record| {
            let mut body = Vec::new();
            record_code::encode(record, &mut body).unwrap();
            (record_code::kind(record), body)
        };
        Self { records: records.iter().map(encode).collect() }
    }

    fn raw(&self, from: u64) -> Vec<RawRecord<'_>> {
        let numbered = (from..).map(Sequence).zip(&self.records);
        numbered
            .map(|(sequence, (kind, body))| RawRecord {
                kind: *kind,
                version: 1,
                sequence,
                body,
                chain: [7; 32],
            })
            .collect()
    }
}

struct Files {
    folder: tempfile::TempDir,
    next: u64,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), next: 1 }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn ledger(&self) -> Ledger {
        Ledger::open(&self.path()).unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }

    fn apply(&mut self, ledger: &mut Ledger, records: &[Record]) {
        ledger.apply(&Feed::new(records).raw(self.next)).unwrap();
        self.next += u64::try_from(records.len()).unwrap();
    }
}

fn story() -> Vec<Vec<Record>> {
    vec![
        vec![samples::date_moved(), samples::stan_lease(1), samples::rrn_lease(1)],
        samples::begin(1).records,
        samples::begin(2).records,
        vec![samples::approved(1)],
        samples::begin(3).records,
        samples::silence(2).records,
        vec![samples::declined(3)],
        samples::begin(4).records,
        samples::silence(4).records,
        vec![samples::reversal_answered(4, ReversalVerdict::Refused), samples::parked(4)],
        samples::begin(5).records,
        vec![samples::stan_lease(1001)],
    ]
}

#[test]
fn one_large_transaction_and_many_small_ones_give_equal_rows() {
    let (mut many, mut one) = (Files::new(), Files::new());
    let mut ledger = many.ledger();
    for records in story() {
        many.apply(&mut ledger, &records);
    }
    let mut ledger = one.ledger();
    one.apply(&mut ledger, &story().concat());
    assert_eq!(many.reader().dump().unwrap(), one.reader().dump().unwrap());
    // Opened anew between any two records, with nothing folded in memory: the same again.
    let mut fresh = Files::new();
    for record in story().concat() {
        let mut ledger = fresh.ledger();
        fresh.apply(&mut ledger, &[record]);
    }
    assert_eq!(fresh.reader().dump().unwrap(), one.reader().dump().unwrap());
}

#[test]
fn open_payments_cases_totals_and_timelines_are_found() {
    let mut files = Files::new();
    let mut ledger = files.ledger();
    files.apply(&mut ledger, &story().concat());
    let reader = files.reader();
    let open: Vec<usize> =
        reader.open_payments().unwrap().iter().map(|group| group.get().records.len()).collect();
    assert_eq!(open, [4, 6, 2]);
    let cases = reader.cases().unwrap();
    assert_eq!(cases.iter().map(|case| case.id).collect::<Vec<_>>(), [samples::id(4)]);
    assert_eq!((cases[0].state.as_str(), cases[0].verdict.as_str()), ("parked", "pending"));
    let totals: Vec<_> = reader.totals(samples::date()).unwrap();
    let sums =
        totals.iter().map(|t| (t.verdict.as_str(), t.count, t.asked_minor, t.approved_minor));
    assert_eq!(
        sums.collect::<Vec<_>>(),
        [("approved", 1, 1234, 1234), ("declined", 1, 1234, 0), ("pending", 3, 3702, 0)]
    );
    let timeline = reader.payment_timeline(samples::id(1)).unwrap();
    let names: Vec<_> = timeline.iter().map(|e| (e.sequence.0, e.record.name())).collect();
    assert_eq!(names, [(4, "accepted"), (5, "send_intent"), (8, "answered")]);
    assert_eq!(reader.payment(samples::id(9)).unwrap(), None);
    let (date, leases) = reader.latest().unwrap();
    assert_eq!(date, Some(samples::date()));
    let expected = [samples::rrn_lease(1), samples::stan_lease(1001)];
    assert_eq!(leases.into_iter().map(Record::Leased).collect::<Vec<_>>(), expected);
    let reversals = reader.open_reversals().unwrap();
    assert_eq!((reversals.count, reversals.oldest_due_at), (1, Some(samples::at(17))));
    let since = Timestamp(samples::at(4).0);
    let nonces: Vec<_> =
        reader.nonces(since).unwrap().into_iter().map(|(_, nonce, _)| nonce.to_string()).collect();
    assert_eq!(nonces, ["nonce-0004", "nonce-0005"]);
}

#[test]
fn a_payment_is_found_by_id_by_key_and_by_order_with_the_position() {
    let mut files = Files::new();
    let mut ledger = files.ledger();
    files.apply(&mut ledger, &story().concat());
    let mut reader = files.reader();
    let request = samples::request(2);
    let (merchant, order) = (request.merchant.clone(), request.order.clone());
    let other = samples::request(3);
    let keys = [
        (LoadKey::Id(samples::id(2)), vec![2]),
        (LoadKey::Order { merchant: merchant.clone(), order: order.clone() }, vec![2]),
        (
            LoadKey::Request {
                merchant,
                operation: request.operation,
                key: other.key,
                order: Some(order.clone()),
            },
            vec![2, 3],
        ),
        (LoadKey::Id(samples::id(77)), vec![]),
    ];
    for (key, expected) in keys {
        let loaded = reader.load(key.clone()).unwrap();
        assert_eq!((loaded.applied.0, &loaded.key), (files.next - 1, &key));
        let ids: Vec<_> =
            loaded.found.iter().map(|group| group.get().records[0].payment().unwrap()).collect();
        assert_eq!(ids, expected.into_iter().map(samples::id).collect::<Vec<_>>(), "{key:?}");
    }
}

#[test]
fn a_repeat_that_a_late_approval_made_necessary_keeps_the_payment_open() {
    let mut files = Files::new();
    let mut ledger = files.ledger();
    files.apply(&mut ledger, &samples::begin(1).records);
    files.apply(&mut ledger, &samples::silence(1).records);
    let accepted = samples::reversal_answered(1, ReversalVerdict::Accepted);
    files.apply(&mut ledger, &[accepted.clone(), samples::reversed(1, false)]);
    let open = |files: &Files| files.reader().open_payments().unwrap().len();
    assert_eq!(open(&files), 0);
    files.apply(&mut ledger, &[samples::late_approval(1), samples::reversal_repeated(1, 2)]);
    assert_eq!(open(&files), 1);
    files.apply(&mut ledger, &[accepted]);
    assert_eq!(open(&files), 0);
}

#[test]
fn a_transaction_that_fails_leaves_nothing_behind() {
    let mut files = Files::new();
    let mut ledger = files.ledger();
    files.apply(&mut ledger, &samples::begin(1).records);
    let before = files.reader().dump().unwrap();
    // The second record does not fit the payment: the first must not stay either.
    let wrong = [samples::begin(2).records, vec![samples::reversed(1, false)]].concat();
    let error = ledger.apply(&Feed::new(&wrong).raw(3)).unwrap_err();
    assert!(matches!(error, LedgerError::Turn(_)), "{error}");
    assert_eq!(files.reader().dump().unwrap(), before);
    files.apply(&mut ledger, &[samples::approved(1)]);
    assert_eq!(files.reader().payment(samples::id(1)).unwrap().unwrap().state, "answered");
}

#[test]
fn a_second_payment_with_one_key_and_an_orphan_are_refused() {
    let mut files = Files::new();
    let mut ledger = files.ledger();
    files.apply(&mut ledger, &samples::begin(1).records);
    let Record::Accepted(mut twin) = samples::accepted(1) else { panic!() };
    twin.id = samples::id(2);
    let error = ledger.apply(&Feed::new(&[Record::Accepted(twin)]).raw(3)).unwrap_err();
    assert!(matches!(error, LedgerError::Sqlite(_)), "{error}");
    let error = ledger.apply(&Feed::new(&[samples::approved(9)]).raw(3)).unwrap_err();
    assert!(matches!(error, LedgerError::Orphan { .. }), "{error}");
}

#[test]
fn totals_of_each_date_are_right_across_a_cut_over_in_flight() {
    let next = BusinessDate { day: 23, ..samples::date() };
    let moved = Record::DateMoved(DateMoved { at: samples::at(10), date: next });
    let of_next = |number| {
        let Record::SendIntent(mut intent) = samples::send_intent(number) else { return vec![] };
        intent.fields.business_date = next;
        vec![samples::accepted(number), Record::SendIntent(intent)]
    };
    let mut files = Files::new();
    let mut ledger = files.ledger();
    let records = [
        vec![samples::date_moved()],
        samples::begin(1).records,
        samples::begin(2).records,
        vec![moved],
        of_next(3),
        // Decided after the cut-over, they belong where they began: an answer, and a reversal.
        vec![samples::approved(1)],
        samples::silence(2).records,
        vec![samples::reversal_answered(2, ReversalVerdict::Accepted), samples::reversed(2, false)],
        vec![samples::approved(3)],
    ];
    files.apply(&mut ledger, &records.concat());
    let reader = files.reader();
    let of = |date| -> Vec<(String, i64)> {
        let totals = reader.totals(date).unwrap().into_iter();
        totals.map(|total| (total.verdict, total.count)).collect()
    };
    let told = |verdict: &str, count| (verdict.to_owned(), count);
    assert_eq!(of(samples::date()), [told("approved", 1), told("reversed", 1)]);
    assert_eq!(of(next), [told("approved", 1)]);
}
