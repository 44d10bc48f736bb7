//! What happens to a gateway while payments are made: it is killed, reloaded, restarted, watched, and its
//! clock jumps.

use crate::bank::fault::Fault;
use crate::clock_jumps::{Jumps, jump_now_and_then};
use crate::dice::Dice;
use crate::footprint::Footprint;
use crate::lives::Watch;
use crate::proxy::{Counts, Proxy};
use crate::upheaval::{Upheaval, reload_now_and_then, restart_now_and_then};
use crate::world::{Options, World};
use anyhow::Context as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is to happen.
pub struct Wanted {
    seed: u64,
    kills: bool,
    upheaval: Upheaval,
    clock_file: Option<PathBuf>,
    planned_lives: usize,
}

/// What happened.
#[derive(Debug, Clone, Default)]
pub struct Happened {
    /// How often the gateway was killed.
    pub kills: u32,
    /// What operators did.
    pub did: Upheaval,
    /// How often it ended by itself.
    pub own_ends: u64,
    /// How the clock jumped.
    pub jumps: Jumps,
    /// What the proxy did.
    pub proxied: Counts,
    /// What the gateway held after the drain.
    pub footprint: Footprint,
}

/// All that goes on.
pub struct Meanwhile {
    wanted: Upheaval,
    killer: Option<JoinHandle<anyhow::Result<u32>>>,
    reloader: JoinHandle<anyhow::Result<u64>>,
    restarter: JoinHandle<anyhow::Result<u64>>,
    jumper: Option<JoinHandle<anyhow::Result<Jumps>>>,
    watch: Watch,
}

impl Wanted {
    /// What the options of a world want.
    pub fn of(options: &Options) -> Self {
        Self {
            seed: options.seed,
            kills: options.faults.contains(&Fault::KillGateway),
            upheaval: options.upheaval,
            clock_file: options.clock_file.clone(),
            planned_lives: options.lives.len(),
        }
    }

    /// Begins; `progress` counts the payments made.
    pub fn begin(self, world: &Arc<World>, all: u64, progress: &watch::Receiver<u64>) -> Meanwhile {
        let Self { seed, upheaval: Upheaval { reloads, restarts }, .. } = self;
        let (world, progress) = (|| world.clone(), || progress.clone());
        let kill = || tokio::spawn(kill_now_and_then(world(), seed, all, progress()));
        let jump =
            |file| tokio::spawn(jump_now_and_then(file, world().clock, seed, all, progress()));
        Meanwhile {
            wanted: self.upheaval,
            killer: self.kills.then(kill),
            reloader: tokio::spawn(reload_now_and_then(world(), reloads, all, progress())),
            restarter: tokio::spawn(restart_now_and_then(world(), restarts, all, progress())),
            jumper: self.clock_file.map(jump),
            watch: Watch::over(&world(), self.planned_lives),
        }
    }
}

impl Meanwhile {
    /// Ends all of it, and the faults of bank and proxy.
    /// # Errors
    /// If something could not be done, or the gateway did not come up after it.
    pub async fn end(self, world: &World) -> anyhow::Result<Happened> {
        let kills = match self.killer {
            Some(killer) => killer.await??,
            None => 0,
        };
        let did = Upheaval { reloads: self.reloader.await??, restarts: self.restarter.await?? };
        let wanted = self.wanted;
        anyhow::ensure!(
            did == wanted,
            "the payments were over after {did:?} of {wanted:?}: make more"
        );
        let jumps = match self.jumper {
            Some(jumper) => jumper.await??,
            None => Jumps::default(),
        };
        world.plan.stop();
        world.proxy.iter().for_each(Proxy::stop);
        let own_ends = self.watch.end(world).await?;
        Ok(Happened { kills, did, own_ends, jumps, ..Happened::default() })
    }
}

impl Happened {
    /// Looks once more, after the drain.
    pub async fn look(&mut self, world: &World) {
        self.proxied = world.proxy.as_ref().map(Proxy::counts).unwrap_or_default();
        let pid = world.gateway.lock().await.ports().map(|ports| ports.pid);
        self.footprint = pid.map(Footprint::of).unwrap_or_default();
    }
}

/// How often a run kills the gateway, about.
const KILLS: u64 = 40;

/// Fewer payments lie between two kills in no run but the smallest.
const BETWEEN_KILLS: u64 = 60;

/// Kills the gateway at random instants, counted in payments so that fast and slow machines see the
/// same number, and starts it again, until all payments are made. Returns how often.
async fn kill_now_and_then(
    world: Arc<World>,
    seed: u64,
    payments: u64,
    mut done: watch::Receiver<u64>,
) -> anyhow::Result<u32> {
    let mut dice = Dice::named(seed, "kills");
    let mean = (payments / KILLS).max(BETWEEN_KILLS).min(payments / 2);
    let mut kills: u32 = 0;
    let mut next: u64 = 0;
    loop {
        next = next.saturating_add(dice.below(mean.saturating_mul(2)));
        if done.wait_for(|done| *done >= next).await.is_err() {
            return Ok(kills);
        }
        // Off the instant of an answer, which is when the count moves.
        tokio::time::sleep(Duration::from_micros(dice.below(20_000))).await;
        world.kill_gateway().await;
        kills = kills.saturating_add(1);
        world.start_gateway().await.context("after a kill")?;
    }
}
