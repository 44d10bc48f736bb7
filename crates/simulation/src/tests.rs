//! The simulation tried on itself: seeds repeat, clean seeds are clean, planted bugs are found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::cast::Cast;
use crate::fault::{Fault, FaultSet};
use crate::plan::Options;
use crate::points::Points;
use crate::run::{run, shrink};
use crate::sabotage::{PLANTED, Sabotage};
use crate::self_test::{Search, Verdict, look_for};
use std::sync::Arc;

fn options(seed: u64, payments: u64) -> Options {
    Options { seed, payments, faults: FaultSet::all(), swarm: true, sabotage: None }
}

fn cast() -> Arc<Cast> {
    Arc::new(Cast::new().unwrap())
}

#[test]
fn a_seed_tells_the_same_story_twice_and_another_seed_another_one() {
    let cast = cast();
    let (first, again) = (run(options(11, 150), &cast), run(options(11, 150), &cast));
    assert_eq!((first.hash, first.steps), (again.hash, again.steps));
    assert_eq!(first.points, again.points);
    assert_ne!(run(options(12, 150), &cast).hash, first.hash);
}

#[test]
fn without_faults_every_wish_ends_and_no_branch_of_faults_is_taken() {
    let cast = cast();
    let calm = Options { faults: FaultSet::NONE, ..options(3, 300) };
    let outcome = run(calm, &cast);
    assert!(outcome.violations.is_empty(), "{outcome}");
    assert_eq!(outcome.points.count(crate::points::Point::CrashInFlight), 0);
}

#[test]
fn many_seeds_with_all_faults_break_nothing() {
    let (cast, mut points) = (cast(), Points::default());
    for seed in 1..=seeds(40) {
        let outcome = run(options(seed, 800), &cast);
        assert!(outcome.violations.is_empty(), "{outcome}");
        points.add(&outcome.points);
    }
    // A short run meets most branches; that a long one meets all is the binary's to say.
    let missed = points.missed();
    assert!(missed.len() <= 8, "never happened: {missed:?}");
}

#[test]
fn every_planted_bug_is_found_by_its_invariant_and_every_invariant_finds_one() {
    let (cast, mut verdict) = (cast(), Verdict::default());
    let search = Search { first_seed: 1, seeds: 60, payments: 2_000 };
    PLANTED.iter().for_each(|planted| verdict.hear(&look_for(*planted, search, &cast)));
    assert!(verdict.is_good(), "{:#?}", verdict.missed());
}

#[test]
fn a_failing_seed_is_made_small_and_fails_alike() {
    let cast = cast();
    let sabotage = Some(Sabotage::UnmarkRepeat);
    let planted = |seed| Options { sabotage, ..options(seed, 200) };
    let failed = (1..40).map(|seed| run(planted(seed), &cast)).find(|it| !it.violations.is_empty());
    let failed = failed.unwrap();
    let small = shrink(&failed, &cast, 40);
    let invariant = |it: &crate::run::Outcome| it.violations.first().unwrap().invariant;
    assert_eq!(invariant(&small), invariant(&failed));
    assert!(small.wishes <= failed.wishes && small.steps <= failed.steps);
    assert!(!small.last.is_empty(), "the last events are shown");
    assert_eq!(run(small.options, &cast).hash, small.hash, "it can be replayed");
}

#[test]
fn faults_are_read_as_they_are_shown() {
    let set = FaultSet::NONE.with(Fault::Kill).with(Fault::Jump);
    assert_eq!(FaultSet::parse(&set.to_string()), Ok(set));
    assert_eq!(FaultSet::parse("all"), Ok(FaultSet::all()));
    assert!(FaultSet::parse("kill,nothing").is_err());
}

/// `SEEDS=1000` makes the run longer.
fn seeds(usual: u64) -> u64 {
    std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
