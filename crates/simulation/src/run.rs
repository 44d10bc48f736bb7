//! Runs seeds, and makes a failing one small.

use crate::cast::Cast;
use crate::checker::Violation;
use crate::log::Line;
use crate::plan::Options;
use crate::points::Points;
use crate::world::World;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What came of one seed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was asked for.
    pub options: Options,
    /// The faults that its plan has.
    pub faults: crate::fault::FaultSet,
    /// How many wishes there were.
    pub wishes: u64,
    /// How long it lasted, in its own time.
    pub lasted: Duration,
    /// How many events there were.
    pub steps: u64,
    /// The hash of all events: equal for equal seeds.
    pub hash: u64,
    /// Which branches were taken.
    pub points: Points,
    /// What is broken; the first one ended the run.
    pub violations: Vec<Violation>,
    /// The last events.
    pub last: Vec<Line>,
}

/// Runs one seed.
pub fn run(options: Options, cast: &Arc<Cast>) -> Outcome {
    let mut world = World::new(options, Arc::clone(cast));
    world.run();
    Outcome {
        options,
        faults: world.plan().faults,
        wishes: world.merchants.count(),
        lasted: world.clock.mono,
        steps: world.log().step(),
        hash: world.log().hash(),
        points: world.points().clone(),
        violations: world.checker().violations().to_vec(),
        last: world.log().last(),
    }
}

/// The smallest history that still breaks the same invariant: fewer wishes, then fault after fault
/// switched off, as long as it does. At most `tries` runs.
pub fn shrink(failed: &Outcome, cast: &Arc<Cast>, mut tries: u32) -> Outcome {
    let Some(invariant) = failed.violations.first().map(|it| it.invariant) else {
        return failed.clone();
    };
    let mut best = failed.clone();
    let mut attempt = |best: &mut Outcome, options: Options| {
        if tries == 0 {
            return false;
        }
        tries = tries.saturating_sub(1);
        let outcome = run(options, cast);
        let same = outcome.violations.first().is_some_and(|it| it.invariant == invariant);
        if same {
            *best = outcome;
        }
        same
    };
    // The chosen faults are written down, so that the seed's choice need not be made again.
    let chosen = Options { faults: best.faults, swarm: false, ..best.options };
    attempt(&mut best, chosen);
    let mut shrunk = true;
    while shrunk {
        shrunk = false;
        let wishes = best.wishes;
        for fewer in
            [wishes / 4, wishes / 2, wishes.saturating_mul(3) / 4, wishes.saturating_sub(1)]
        {
            if fewer > 0 && fewer < wishes {
                let options = Options { payments: fewer, ..best.options };
                if attempt(&mut best, options) {
                    shrunk = true;
                    break;
                }
            }
        }
        for fault in best.options.faults.iter() {
            let faults = best.options.faults.without(fault);
            let options = Options { faults, ..best.options };
            shrunk |= attempt(&mut best, options);
        }
    }
    best
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { seed, payments, .. } = self.options;
        writeln!(f, "seed {seed}, {payments} payments, faults {}", self.faults)?;
        for line in &self.last {
            writeln!(f, "{line}")?;
        }
        for violation in &self.violations {
            let Violation { invariant, what, step, at } = violation;
            writeln!(f, "step {step} at {at:?}: {invariant} is broken: {what}")?;
        }
        write!(f, "hash {:016x}", self.hash)
    }
}
