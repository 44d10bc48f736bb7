//! A flood: merchants ask for many times what the bank can take. Refusals are quick, whole and in good words;
//! nothing is lost or doubled; who asks what became of its payments is answered all the while.

use super::operated::{metrics, options, order, result};
use sandbox::checker::check;
use sandbox::drain::{Ending, drain};
use sandbox::history::{Act, Phase};
use sandbox::load::{self, Workload};
use sandbox::merchant::{Outcome, Tries};
use sandbox::upheaval::NO_RETRY_AFTER;
use sandbox::world::{Options, World};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The bank thinks up to 40 ms, and 4 payments at a time go to it: a hundred or two a second.
fn small_bank(seed: u64) -> Options {
    let think_time_max = Duration::from_millis(40);
    Options { in_flight_max: 5, think_time_max, merchants: 3, ..options(seed) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_loses_nothing_and_questions_are_answered_all_the_while() {
    let world = Arc::new(World::open(small_bank(21)).await.unwrap());
    assert_eq!(result(&world, order(9_001, 1_000)).await, "approved");
    let (done, progress) = watch::channel(0);
    let asking = {
        let (world, progress) = (Arc::clone(&world), progress.clone());
        tokio::spawn(async move {
            let mut answered = 0_u64;
            while *progress.borrow() < 240 && progress.has_changed().is_ok() {
                let asked = order(9_001, 1_000);
                let listed = world.merchants[0].query_order(&asked, |_| true).await.unwrap();
                assert_eq!(listed.map(|it| it.len()), Some(1), "a question was put off");
                answered += 1;
            }
            answered
        })
    };
    // Whoever is put off comes again at once: many times what the bank can take.
    let tries = Tries { count: 100_000, gap: Duration::from_millis(5) };
    let workload =
        Workload { payments: 240, concurrency: 80, rate: None, tricks: false, mix: false, tries };
    let load = load::run(&world, 21, workload, done).await.unwrap();
    assert!(asking.await.unwrap() > 0);
    let endings = drain(&world, &load, Duration::from_secs(60)).await.unwrap();
    // Some cards are answered late or never, flood or not: they are reversed.
    let settled =
        |it: &&Ending| matches!(it, Ending::Approved | Ending::Declined | Ending::Reversed);
    assert_eq!(endings.iter().filter(settled).count(), 240);

    // It is over at once: the next payment comes through at its first try.
    let once = Tries { count: 1, gap: Duration::ZERO };
    let after = world.merchants[1].pay(&order(9_002, 1_000), None, once).await.unwrap();
    assert!(matches!(after.outcome, Outcome::Told(told) if told.result == "approved"));
    let page = metrics(&world).await;
    assert!(page.contains("tidegate_host_window{host=\"bank\"} 4\n"), "{page}");
    assert!(page.contains("tidegate_host_breaker_open{host=\"bank\"} 0\n"), "{page}");

    world.stop_gateway().await.unwrap();
    let (_, journal) = world.gateway.lock().await.journal().unwrap();
    let accepted = journal.iter().filter(|record| record.kind == "accepted").count();
    assert_eq!(accepted, 242, "what was put off left no trace");
    let mut evidence = world.evidence().await.unwrap();
    evidence.journal = journal;
    assert_eq!(check(&evidence), []);
    let put_off = |it: &&sandbox::history::ClientEvent| {
        it.phase == Phase::Fail && matches!(it.status, Some(429 | 503))
    };
    let put_off: Vec<_> = evidence.history.iter().filter(put_off).collect();
    assert!(put_off.len() > 240, "{} were put off", put_off.len());
    for event in put_off {
        assert_ne!(event.note.as_deref(), Some(NO_RETRY_AFTER), "{event:?}");
        assert_ne!(event.act, Act::Query, "{event:?}");
    }
}
