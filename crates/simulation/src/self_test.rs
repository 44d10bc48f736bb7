//! The checker tried on itself: every planted bug must be caught, each by an invariant that it breaks.

use crate::cast::Cast;
use crate::checker::JUDGED;
use crate::fault::FaultSet;
use crate::plan::Options;
use crate::run::run;
use crate::sabotage::{PLANTED, Planted};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long each bug is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds at most.
    pub seeds: u64,
    /// How many payments each.
    pub payments: u64,
}

/// What it took to catch a planted bug.
#[derive(Debug, Clone)]
pub struct Catch {
    /// The bug.
    pub planted: Planted,
    /// The first seed in which something was found, and the invariants that were broken at once.
    pub found: Option<(u64, Vec<&'static str>)>,
    /// What was broken first, in that seed and in those after it until the bug's own invariant was.
    pub by: BTreeSet<&'static str>,
    /// How many payments until then, in all seeds.
    pub payments: u64,
    /// How much time passed in the worlds.
    pub simulated: Duration,
    /// How much time passed here.
    pub took: Duration,
}

impl Catch {
    /// Whether it was caught, and as nothing else than it is.
    pub fn is_right(&self) -> bool {
        !self.by.is_empty() && self.by.iter().all(|first| self.planted.may_break(first))
    }
}

/// Looks for one bug, seed by seed, until it breaks first what it is planted for.
pub fn look_for(planted: Planted, search: Search, cast: &Arc<Cast>) -> Catch {
    let begun = Instant::now();
    let mut caught = Catch {
        planted,
        found: None,
        by: BTreeSet::new(),
        payments: 0,
        simulated: Duration::ZERO,
        took: Duration::ZERO,
    };
    for seed in search.first_seed..search.first_seed.saturating_add(search.seeds) {
        let options = Options {
            seed,
            payments: search.payments,
            faults: FaultSet::all(),
            swarm: true,
            sabotage: Some(planted.bug),
        };
        let outcome = run(options, cast);
        let first = outcome.violations.first().map(|it| it.invariant);
        caught.by.extend(first);
        if caught.found.is_none() {
            caught.payments = caught.payments.saturating_add(outcome.wishes);
            caught.simulated = caught.simulated.saturating_add(outcome.lasted);
            caught.took = begun.elapsed();
            let mut broken: Vec<_> = outcome.violations.iter().map(|it| it.invariant).collect();
            broken.dedup();
            caught.found = first.map(|_| (seed, broken));
        }
        if first.is_some_and(|first| planted.is_for(first) || !planted.may_break(first)) {
            break;
        }
    }
    caught
}

/// What is known when all were looked for.
#[derive(Debug, Default)]
pub struct Verdict {
    caught: usize,
    missed: Vec<String>,
    by: BTreeSet<&'static str>,
}

impl Verdict {
    /// Takes the next one in.
    pub fn hear(&mut self, caught: &Catch) {
        let Planted { name, .. } = caught.planted;
        if caught.is_right() {
            self.caught = self.caught.saturating_add(1);
            self.by.extend(&caught.by);
        } else if caught.by.is_empty() {
            self.missed.push(name.to_owned());
        } else {
            self.missed.push(format!("{name} (caught as {:?})", caught.by));
        }
    }

    /// How many were caught.
    pub fn caught(&self) -> usize {
        self.caught
    }

    /// Those that were not, or as something else, and the invariants by which none was.
    pub fn missed(&self) -> Vec<String> {
        let idle = JUDGED.iter().filter(|id| !self.by.contains(*id));
        self.missed.iter().cloned().chain(idle.map(|id| format!("nothing broke {id}"))).collect()
    }

    /// Whether all were.
    pub fn is_good(&self) -> bool {
        self.caught == PLANTED.len() && self.missed().is_empty()
    }
}

impl fmt::Display for Catch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Planted { name, what, .. } = self.planted;
        let (seed, broken) = match &self.found {
            Some((seed, broken)) => (seed.to_string(), broken.join(" ")),
            None => ("-".to_owned(), "missed".to_owned()),
        };
        let (simulated, took) = (self.simulated.as_secs(), self.took.as_secs_f64());
        let payments = self.payments;
        write!(
            f,
            "{name:<22} {broken:<8} {seed:>4} {payments:>8} {took:>7.2} {simulated:>9}  {what}"
        )
    }
}

/// The heading of the table.
pub const HEADING: &str =
    "bug                    caught   seed payments  seconds simulated  what it does";
