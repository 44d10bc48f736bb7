//! Lives that end by themselves: the gateway is watched, buried when it ends though nobody asked it to,
//! and started again, as a supervisor would do it.

use crate::world::World;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(5);

/// How long, at most, a gateway whose journal has failed lives on before its end is seen, on a machine
/// with a lot else to do.
const AGONY: Duration = Duration::from_secs(5);

/// How often a start may fail beyond those that are planned to.
const STARTS_SPARE: usize = 2;

/// Somebody who watches the gateway.
pub struct Watch {
    stop: CancellationToken,
    task: Option<JoinHandle<anyhow::Result<u64>>>,
}

impl Watch {
    /// Watches the gateway of a world if lives are `planned` for it.
    pub fn over(world: &Arc<World>, planned: usize) -> Self {
        let stop = CancellationToken::new();
        let watching = revive(world.clone(), planned, stop.clone());
        Self { stop, task: (planned > 0).then(|| tokio::spawn(watching)) }
    }

    /// Ends the last planned life too, so that what follows is an ordinary one. Returns how often the
    /// gateway ended by itself.
    /// # Errors
    /// If it did not come up again.
    pub async fn end(self, world: &World) -> anyhow::Result<u64> {
        let Some(task) = self.task else { return Ok(0) };
        self.stop.cancel();
        let ends = task.await??;
        let mut gateway = world.gateway.lock().await;
        let (ended, planned) = (gateway.has_ended(), gateway.has_a_planned_life());
        gateway.plan_no_more_lives();
        drop(gateway);
        if ended || planned {
            world.kill_gateway().await;
            world.start_gateway().await.context("an ordinary life after the planned ones")?;
        }
        Ok(ends.saturating_add(u64::from(ended)))
    }
}

async fn revive(world: Arc<World>, planned: usize, stop: CancellationToken) -> anyhow::Result<u64> {
    let mut ends: u64 = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(ends),
            () = tokio::time::sleep(LOOK) => {}
        }
        let mut gateway = world.gateway.lock().await;
        if !gateway.has_ended() {
            continue;
        }
        gateway.bury(AGONY);
        drop(gateway);
        ends = ends.saturating_add(1);
        let mut spare = planned.saturating_add(STARTS_SPARE);
        while let Err(fault) = world.start_gateway().await {
            anyhow::ensure!(spare > 0, "after {ends} ends of its own: {fault:#}");
            spare = spare.saturating_sub(1);
            ends = ends.saturating_add(1);
        }
    }
}

/// One planned life, as the command line takes it: `NAME=VALUE` pairs with blanks between them; an
/// ordinary life if there are none.
/// # Errors
/// The pair that is none.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=').ok_or(format!("{word}: NAME=VALUE expected"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    text.split_whitespace().map(pair).collect()
}
