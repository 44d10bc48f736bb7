//! What a run is asked for, and what its seed makes of that.

use crate::dice::Dice;
use crate::fault::{Fault, FaultSet};
use crate::sabotage::Sabotage;
use std::num::NonZeroU32;
use tidegate_payment::engine::Pace;

/// What a run is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Decides everything.
    pub seed: u64,
    /// How many wishes the merchants have.
    pub payments: u64,
    /// What may go wrong.
    pub faults: FaultSet,
    /// Whether the seed chooses among them; otherwise all of them are on.
    pub swarm: bool,
    /// A planted bug.
    pub sabotage: Option<Sabotage>,
}

/// What the seed made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What goes wrong.
    pub faults: FaultSet,
    /// The mean time between two wishes, in microseconds.
    pub gap_us: u64,
    /// The mean time between two upheavals, in milliseconds.
    pub upheaval_ms: u64,
    /// How often, in ten thousand, the bank does something odd about a message.
    pub odd: u64,
    /// How many settled payments stay in memory.
    pub recent: usize,
    /// How many messages a queue of the bank side takes.
    pub queue: usize,
    /// How many requests await their reply.
    pub in_flight: u32,
    /// Whether the business date moves by the bank's cut-over; else the clock moves it.
    pub day_by_host: bool,
    /// Whether the bank's cut-over names the date that begins.
    pub names_date: bool,
    /// What the host may be asked of what is owed to it, and how many of its payments may be open.
    pub pace: Pace,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(options: &Options) -> Self {
        let mut dice = Dice::new(options.seed, "plan");
        let everything = !options.swarm || dice.chance(2_500);
        let mut faults = FaultSet::NONE;
        for (fault, _) in Fault::ALL {
            // Thrown for each, so that a fault more or less changes no other throw.
            let chosen = dice.chance(5_500);
            if options.faults.has(fault) && (everything || chosen) {
                faults = faults.with(fault);
            }
        }
        Self {
            faults,
            gap_us: dice.between(15_000, 150_000),
            upheaval_ms: dice.between(1_500, 12_000),
            odd: dice.between(50, 900),
            recent: usize::try_from(dice.between(4, 80)).unwrap_or(4),
            queue: usize::try_from(dice.between(6, 64)).unwrap_or(16),
            in_flight: dice.throw32() % 120 + 24,
            day_by_host: dice.chance(5_000),
            names_date: dice.chance(7_000),
            pace: pace(&mut dice),
        }
    }
}

/// A slow host takes few payments, so that what they may come to owe drains in half a minute.
fn pace(dice: &mut Dice) -> Pace {
    let rate = dice.between(2, 50);
    let owed_per_second = NonZeroU32::MIN.saturating_add(u32::try_from(rate).unwrap_or(0));
    let open_max = usize::try_from(rate.saturating_mul(30).clamp(60, 300)).unwrap_or(300);
    Pace { owed_per_second, open_max }
}
