//! Round after round of payments under faults that are drawn by seed, each judged, until the time is
//! over. A round is a world of its own, so that a failed one can be repeated alone.

use crate::bank::fault::Fault;
use crate::dice::Dice;
use crate::footprint::Footprint;
use crate::load::Workload;
use crate::merchant::Tries;
use crate::proxy;
use crate::proxy::treatment::{WEIGHTS, WireFault};
use crate::run::{Judged, judged};
use crate::upheaval::Upheaval;
use crate::world::Options;
use clap::ValueEnum;
use serde::Serialize;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How the second half of the rounds may be above the first, in hundredths of it, before memory or
/// handles count as growing.
pub const GROWTH_MAX: u64 = 125;

/// What is soaked, and for how long.
pub struct Plan {
    /// No round begins after this.
    pub time: Duration,
    /// Everything that falls by chance falls by this and the round's number.
    pub seed: u64,
    /// The faults to draw from, of the bank and of the proxy.
    pub faults: (BTreeSet<Fault>, BTreeSet<WireFault>),
    /// Most payments of a round; the least are a third of it.
    pub payments_max: u64,
    /// Where to keep rounds that failed.
    pub keep: Option<PathBuf>,
    /// The gateway's program and its first arguments.
    pub program: Vec<OsString>,
    /// The protocol definitions.
    pub protocols: PathBuf,
}

/// One round.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// Its number, from 1.
    pub number: u64,
    /// Its seed.
    pub seed: u64,
    /// Its payments.
    pub payments: u64,
    /// What was violated, by invariant, or why it could not be judged.
    pub fault: Option<String>,
    /// What the gateway held at its end.
    pub footprint: Footprint,
}

/// The one JSON object on the last line.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Rounds.
    pub rounds: u64,
    /// Payments of all rounds.
    pub payments: u64,
    /// Violations of all rounds.
    pub violations: u64,
    /// Payments without an end.
    pub pending: u64,
    /// How often the gateway was killed.
    pub kills: u64,
    /// How often it was reloaded.
    pub reloads: u64,
    /// How often it was restarted in order.
    pub restarts: u64,
    /// Frames that passed the proxy.
    pub frames: u64,
    /// What the gateway held at the end of a round: the median of the first half of the rounds.
    pub first_half: Footprint,
    /// The median of the second half.
    pub second_half: Footprint,
    /// The most of any round.
    pub most: Footprint,
    /// Whether the second half is within [`GROWTH_MAX`] of the first.
    pub flat: bool,
    /// The rounds that failed.
    pub failed: Vec<Round>,
    /// The seed.
    pub seed: u64,
    /// How long it took.
    pub seconds: u64,
}

impl Summary {
    /// Whether all is well.
    pub fn is_good(&self) -> bool {
        self.rounds > 0 && self.failed.is_empty() && self.flat
    }
}

/// The faults that a list of names means: `all`, or names of the bank's and of the proxy's faults.
/// # Errors
/// The name that is none.
pub fn faults(names: &[String]) -> Result<(BTreeSet<Fault>, BTreeSet<WireFault>), String> {
    let (mut of_bank, mut of_wire) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if name == "all" {
            of_bank.extend(Fault::value_variants());
            of_wire.extend(WEIGHTS.iter().map(|(fault, _)| *fault));
            continue;
        }
        let (bank, wire) = (Fault::from_str(name, false), WireFault::from_str(name, false));
        if bank.is_err() && wire.is_err() {
            return Err(format!("{name}: no such fault"));
        }
        of_bank.extend(bank);
        of_wire.extend(wire);
    }
    Ok((of_bank, of_wire))
}

/// Soaks. `say` is told of each round.
/// # Errors
/// If a folder cannot be made or emptied.
pub async fn soak(plan: Plan, say: &(dyn Fn(&str) + Send + Sync)) -> anyhow::Result<Summary> {
    let began = Instant::now();
    let mut rounds: Vec<Round> = Vec::new();
    let mut summary = Summary { seed: plan.seed, ..Summary::default() };
    while rounds.is_empty() || began.elapsed() < plan.time {
        let number = u64::try_from(rounds.len()).unwrap_or(u64::MAX).saturating_add(1);
        let (options, workload) = drawn(&plan, number);
        let (seed, folder) = (options.seed, options.keep.clone());
        let told = describe(&options);
        let ended = judged(options, workload, Arc::new(|_: &str| {})).await;
        let round = match &ended {
            Ok(judged) => summary.add(number, seed, judged),
            Err(fault) => Round {
                number,
                seed,
                payments: workload.payments,
                fault: Some(format!("{fault:#}")),
                footprint: Footprint::default(),
            },
        };
        say(&format!("{}; {told}", tell(&round)));
        if let (Some(folder), None) = (folder, &round.fault) {
            fs::remove_dir_all(folder)?;
        }
        rounds.push(round);
    }
    summary.close(&rounds);
    summary.seconds = began.elapsed().as_secs();
    Ok(summary)
}

/// What a round is to be, by the soak's seed and its number.
fn drawn(plan: &Plan, number: u64) -> (Options, Workload) {
    let mut dice = Dice::named(plan.seed, &format!("round {number}"));
    let seed = dice.below(1 << 32);
    let (of_bank, of_wire) = &plan.faults;
    let mut options = Options::honest(seed, plan.program.clone(), plan.protocols.clone());
    let mut faults: BTreeSet<Fault> =
        of_bank.iter().copied().filter(|_| dice.per_mille(500)).collect();
    // Operators find a gateway to reload, so they and the killer take turns.
    let turn = dice.below(3);
    if turn == 0 {
        faults.extend(of_bank.get(&Fault::KillGateway));
    } else {
        faults.remove(&Fault::KillGateway);
    }
    if turn == 1 && of_bank.contains(&Fault::KillGateway) {
        options.upheaval = match dice.per_mille(500) {
            true => Upheaval { reloads: dice.below(4).saturating_add(1), restarts: 0 },
            false => Upheaval { reloads: 0, restarts: dice.below(3).saturating_add(1) },
        };
    }
    options.reply_timeout = Duration::from_millis(dice.below(500).saturating_add(300));
    if dice.per_mille(600) {
        let wire = of_wire.iter().copied().filter(|_| dice.per_mille(600)).collect();
        let hostile_replies = match of_wire.is_empty() {
            false if dice.per_mille(300) => 5,
            _ => 0,
        };
        let delay_max = options.reply_timeout.saturating_mul(2);
        let others = proxy::Settings::default();
        options.proxy =
            proxy::Settings { seed, faults: wire, hostile_replies, delay_max, ..others };
    }
    options.keep = plan.keep.as_ref().map(|folder| folder.join(format!("round-{number}")));
    let options = options.with_faults(faults);
    let least = plan.payments_max / 3;
    let workload = Workload {
        payments: least.saturating_add(dice.below(plan.payments_max.saturating_sub(least))).max(60),
        concurrency: usize::try_from(dice.below(60)).unwrap_or(0).saturating_add(8),
        rate: None,
        tricks: true,
        mix: true,
        tries: Tries { count: 400, gap: Duration::from_millis(50) },
    };
    (options, workload)
}

fn describe(options: &Options) -> String {
    let wire: Vec<&str> = options.proxy.faults.iter().map(|fault| fault.name()).collect();
    format!(
        "bank {:?}, wire {wire:?}, {} lies a reply, {} reloads, {} restarts",
        options.faults,
        options.proxy.hostile_replies,
        options.upheaval.reloads,
        options.upheaval.restarts
    )
}

fn tell(round: &Round) -> String {
    let Round { number, seed, payments, fault, footprint } = round;
    let verdict = fault.as_deref().unwrap_or("all holds");
    let Footprint { rss_kib, handles } = footprint;
    format!(
        "round {number} (seed {seed}): {payments} payments, {rss_kib} KiB, {handles} handles: {verdict}"
    )
}

impl Summary {
    fn add(&mut self, number: u64, seed: u64, judged: &Judged) -> Round {
        let of = &judged.summary;
        for (sum, more) in [
            (&mut self.payments, of.payments),
            (&mut self.violations, of.violations),
            (&mut self.pending, of.pending),
            (&mut self.kills, of.kills),
            (&mut self.reloads, of.reloads),
            (&mut self.restarts, of.restarts),
            (&mut self.frames, of.proxied.frames),
        ] {
            *sum = sum.saturating_add(more);
        }
        let fault = match (of.violations, of.pending) {
            (0, 0) => None,
            (_, pending) => Some(format!("{:?}, {pending} pending", of.by_invariant)),
        };
        Round { number, seed, payments: of.payments, fault, footprint: of.footprint }
    }

    fn close(&mut self, rounds: &[Round]) {
        self.rounds = u64::try_from(rounds.len()).unwrap_or(u64::MAX);
        self.failed = rounds.iter().filter(|round| round.fault.is_some()).cloned().collect();
        let (first, second) = rounds.split_at(rounds.len().div_ceil(2));
        (self.first_half, self.second_half) = (median(first), median(second));
        let most = |of: fn(&Footprint) -> u64| {
            rounds.iter().map(|round| of(&round.footprint)).max().unwrap_or(0)
        };
        self.most = Footprint { rss_kib: most(|it| it.rss_kib), handles: most(|it| it.handles) };
        let within = |first: u64, second: u64| {
            second.saturating_mul(100) <= first.saturating_mul(GROWTH_MAX)
        };
        self.flat = within(self.first_half.rss_kib, self.second_half.rss_kib)
            && within(self.first_half.handles, self.second_half.handles);
    }
}

fn median(rounds: &[Round]) -> Footprint {
    let middle = |of: fn(&Footprint) -> u64| {
        let mut all: Vec<u64> = rounds.iter().map(|round| of(&round.footprint)).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(0)
    };
    Footprint { rss_kib: middle(|it| it.rss_kib), handles: middle(|it| it.handles) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            time: Duration::ZERO,
            seed: 3,
            faults: faults(&["all".to_owned()]).unwrap(),
            payments_max: 900,
            keep: None,
            program: Vec::new(),
            protocols: PathBuf::new(),
        }
    }

    fn round(number: u64, rss_kib: u64) -> Round {
        let footprint = Footprint { rss_kib, handles: 30 };
        Round { number, seed: 1, payments: 10, fault: None, footprint }
    }

    #[test]
    fn all_means_every_fault_and_a_wrong_name_is_refused() {
        let (bank, wire) = faults(&["all".to_owned()]).unwrap();
        assert_eq!(bank.len(), Fault::value_variants().len());
        assert_eq!(wire.len(), WireFault::value_variants().len());
        assert_eq!(faults(&["half-open".to_owned()]).unwrap().0.len(), 1);
        assert!(faults(&["nothing".to_owned()]).unwrap_err().contains("nothing"));
    }

    #[test]
    fn a_round_falls_by_seed_and_number_and_all_kinds_of_rounds_come() {
        let kinds = |number| {
            let (options, workload) = drawn(&plan(), number);
            let kills = options.faults.contains(&Fault::KillGateway);
            let Upheaval { reloads, restarts } = options.upheaval;
            assert!(!kills || reloads + restarts == 0, "nobody reloads what is being killed");
            assert!((300..900).contains(&workload.payments));
            (options.seed, kills, reloads > 0, restarts > 0, options.proxy.is_honest())
        };
        let all: Vec<_> = (1..60).map(kinds).collect();
        assert_eq!(all, (1..60).map(kinds).collect::<Vec<_>>());
        assert!(all.iter().any(|kind| kind.1) && all.iter().any(|kind| kind.2));
        assert!(all.iter().any(|kind| kind.3) && all.iter().any(|kind| kind.4));
        assert!(all.iter().any(|kind| !kind.4));
    }

    #[test]
    fn growing_memory_is_not_flat() {
        let close = |sizes: [u64; 4]| {
            let mut summary = Summary::default();
            let rounds: Vec<Round> = (1..).zip(sizes).map(|(n, size)| round(n, size)).collect();
            summary.close(&rounds);
            summary.is_good()
        };
        assert!(close([1000, 1100, 1050, 1200]));
        assert!(!close([1000, 1100, 2000, 2100]));
    }
}
