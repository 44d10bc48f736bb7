//! What every store must keep, as functions over any implementation; run on the journal's store and on
//! the one in memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::memory::MemoryStore;
use super::recovery::{self, Recovered};
use super::{Committed, Settings, Store, embedded, samples};
use tidegate_payment::durable::Sequence;
use tidegate_payment::input::LoadKey;
use tidegate_payment::record::{Group, Record, ReversalVerdict};
use tidegate_payment::request::Operation;
use tidegate_payment::time::Timestamp;

/// Opens a store, and opens it again after a stop.
trait Opener {
    type Opened: Store;
    fn open(&mut self, nonces_since: Timestamp) -> (Self::Opened, Recovered);
    fn reopen(&mut self, old: Self::Opened, nonces_since: Timestamp) -> (Self::Opened, Recovered);
}

struct Memory;

impl Opener for Memory {
    type Opened = MemoryStore;

    fn open(&mut self, nonces_since: Timestamp) -> (MemoryStore, Recovered) {
        MemoryStore::new().reopen(nonces_since)
    }

    fn reopen(&mut self, old: MemoryStore, nonces_since: Timestamp) -> (MemoryStore, Recovered) {
        old.reopen(nonces_since)
    }
}

struct Journal(tempfile::TempDir);

impl Opener for Journal {
    type Opened = embedded::JournalStore;

    fn open(&mut self, nonces_since: Timestamp) -> (embedded::JournalStore, Recovered) {
        let settings = Settings {
            segment_bytes: 1 << 16,
            ballast_bytes: 0,
            batch_records_max: 7,
            apply_every: std::time::Duration::ZERO,
            ..Settings::default()
        };
        recovery::open(self.0.path(), settings, nonces_since).unwrap()
    }

    fn reopen(
        &mut self,
        old: embedded::JournalStore,
        nonces_since: Timestamp,
    ) -> (embedded::JournalStore, Recovered) {
        drop(old);
        self.open(nonces_since)
    }
}

macro_rules! conformance {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Memory).await;
            })+
        }
        mod journal {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Journal(tempfile::tempdir().unwrap())).await;
            })+
        }
    };
}

conformance!(
    groups_come_back_durable_in_order,
    calls_are_written_in_the_order_in_which_they_were_made,
    many_commits_at_once_leave_no_gap,
    what_is_open_is_recovered_with_all_its_records,
    recovering_twice_gives_the_same,
    payments_are_found_once_they_are_applied,
    an_empty_call_is_answered,
);

const EVER: Timestamp = Timestamp(i64::MIN);

async fn commit(store: &impl Store, groups: Vec<Group>) -> Vec<(Group, Sequence)> {
    let taken = |committed: Committed| {
        let durable = committed.unwrap();
        (durable.get().clone(), durable.sequence())
    };
    store.commit(groups).await.unwrap().into_iter().map(taken).collect()
}

async fn until_applied(store: &impl Store, sequence: Sequence) {
    store.applied().wait_for(|applied| *applied >= sequence).await.unwrap();
}

async fn groups_come_back_durable_in_order(mut opener: impl Opener) {
    let (store, recovered) = opener.open(EVER);
    assert_eq!((recovered.last, recovered.groups.len()), (Sequence(0), 0));
    let groups = vec![
        samples::begin(1),
        samples::begin(2),
        samples::later(1, 2, vec![samples::approved(1)]),
    ];
    let durable = commit(&store, groups.clone()).await;
    let sequences: Vec<u64> = durable.iter().map(|(_, sequence)| sequence.0).collect();
    assert_eq!(sequences, [2, 4, 5]);
    assert_eq!(durable.into_iter().map(|(group, _)| group).collect::<Vec<_>>(), groups);
}

async fn calls_are_written_in_the_order_in_which_they_were_made(mut opener: impl Opener) {
    let (store, _) = opener.open(EVER);
    let calls: Vec<_> = (0..20).map(|number| store.commit(vec![samples::begin(number)])).collect();
    // Awaited backwards: the order of calls counts, not the order of waiting.
    for (number, call) in calls.into_iter().enumerate().rev() {
        let answers = call.await.unwrap();
        let durable = answers[0].as_ref().unwrap();
        assert_eq!(durable.sequence().0, u64::try_from(number).unwrap() * 2 + 2);
    }
}

async fn many_commits_at_once_leave_no_gap(mut opener: impl Opener) {
    let (store, _) = opener.open(EVER);
    let mut sequences = Vec::new();
    for round in 0..5 {
        let calls: Vec<_> = (0..40)
            .map(|n| {
                vec![samples::begin(round * 100 + 2 * n), samples::begin(round * 100 + 2 * n + 1)]
            })
            .map(|groups| store.commit(groups))
            .collect();
        for call in calls {
            sequences.extend(call.await.unwrap().into_iter().map(|c| c.unwrap().sequence().0));
        }
    }
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=400).map(|n| n * 2).collect::<Vec<u64>>());
}

async fn what_is_open_is_recovered_with_all_its_records(mut opener: impl Opener) {
    let (store, _) = opener.open(EVER);
    let facts = vec![samples::date_moved(), samples::stan_lease(1), samples::rrn_lease(1)];
    commit(&store, vec![Group { records: facts, preconditions: vec![] }]).await;
    commit(&store, (1..=4).map(samples::begin).collect()).await;
    let reversal =
        vec![samples::reversal_answered(3, ReversalVerdict::Accepted), samples::reversed(3, false)];
    let lease = vec![samples::stan_lease(1001)];
    let later = vec![
        samples::later(1, 2, vec![samples::approved(1)]),
        samples::silence(2),
        samples::silence(3),
        samples::later(3, 4, reversal),
        Group { records: lease, preconditions: vec![] },
    ];
    commit(&store, later).await;
    let (_store, recovered) = opener.reopen(store, samples::at(3));
    let open: Vec<Vec<Record>> = recovered.groups.iter().map(|g| g.get().records.clone()).collect();
    let second = [samples::begin(2).records, samples::silence(2).records].concat();
    assert_eq!(open, [second, samples::begin(4).records]);
    let last: Vec<u64> = recovered.groups.iter().map(|group| group.sequence().0).collect();
    assert_eq!(last, [14, 11]);
    assert_eq!(recovered.date, Some(samples::date()));
    let leases: Vec<Record> = recovered.leases.into_iter().map(Record::Leased).collect();
    assert_eq!(leases, [samples::rrn_lease(1), samples::stan_lease(1001)]);
    let nonces: Vec<String> =
        recovered.nonces.iter().map(|(_, nonce, _)| nonce.to_string()).collect();
    assert_eq!(nonces, ["nonce-0003", "nonce-0004"]);
    assert_eq!(recovered.last, Sequence(19));
}

async fn recovering_twice_gives_the_same(mut opener: impl Opener) {
    let (store, _) = opener.open(EVER);
    commit(&store, (1..=9).map(samples::begin).collect()).await;
    commit(&store, (4..=9).map(samples::silence).collect()).await;
    let (store, first) = opener.reopen(store, EVER);
    let (_store, second) = opener.reopen(store, EVER);
    assert_eq!(first.groups.len(), 9);
    assert_eq!(
        (first.groups, first.nonces, first.last),
        (second.groups, second.nonces, second.last)
    );
}

async fn payments_are_found_once_they_are_applied(mut opener: impl Opener) {
    let (store, _) = opener.open(EVER);
    let durable = commit(&store, vec![samples::begin(1), samples::begin(2)]).await;
    let done = commit(&store, vec![samples::later(1, 2, vec![samples::approved(1)])]).await;
    until_applied(&store, done[0].1).await;
    let loaded = store.load(LoadKey::Id(samples::id(1))).await.unwrap();
    assert_eq!(loaded.applied, Sequence(5));
    let records = [samples::begin(1).records, vec![samples::approved(1)]].concat();
    assert_eq!(loaded.found[0].get().records, records);
    assert_eq!(loaded.found[0].sequence(), Sequence(5));
    let request = samples::request(2);
    // It was a purchase: a pre-authorization with its key would be its retry with other content.
    let key = LoadKey::Request {
        merchant: request.merchant,
        operation: Operation::PreAuthorization,
        key: request.key,
        order: Some(samples::request(1).order),
    };
    let loaded = store.load(key.clone()).await.unwrap();
    let found: Vec<u64> = loaded.found.iter().map(|group| group.sequence().0).collect();
    assert_eq!((found, loaded.key), (vec![5, durable[1].1.0], key));
    let refund = commit(&store, vec![samples::refund(8, 1)]).await;
    until_applied(&store, refund[0].1).await;
    let family = LoadKey::FollowUp {
        merchant: samples::merchant(),
        operation: Operation::Refund,
        key: samples::request(8).key,
        original: samples::id(1),
    };
    for key in [LoadKey::Id(samples::id(1)), family] {
        let loaded = store.load(key).await.unwrap();
        let found: Vec<_> =
            loaded.found.iter().map(|group| group.get().records[0].payment()).collect();
        assert_eq!(found, [Some(samples::id(1)), Some(samples::id(8))]);
    }
    let loaded = store.load(LoadKey::Id(samples::id(99))).await.unwrap();
    assert_eq!((loaded.found.len(), loaded.applied), (0, Sequence(7)));
}

async fn an_empty_call_is_answered(mut opener: impl Opener) {
    let (store, _) = opener.open(EVER);
    assert!(commit(&store, vec![]).await.is_empty());
}
