//! A proxy between a gateway and its bank that knows where frames begin and end, and mistreats them.
//!
//! In reading order: [`treatment`] decides by seed what becomes of the n-th frame of a line, [`lies`]
//! makes false replies around true ones, a [`watch`] decides instead of the seed where there is one, the
//! relay moves the bytes. The n-th frame of a line in a direction is treated alike in every run of a seed,
//! whatever connection it comes on.
//!
//! Bytes are spoiled only so that any reader can see it (a byte that is no character): what nobody
//! could see is for a MAC to find, and no test of matching.

pub mod framing;
pub mod lies;
mod relay;
pub mod treatment;
pub mod watch;

use crate::bank::capture::{Capture, Line};
use framing::Framing;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use treatment::{Direction, Treatment, WireFault, treatment};
use watch::Watch;

/// How a proxy mistreats frames.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The same seed, the same treatment of the n-th frame.
    pub seed: u64,
    /// What may befall a frame.
    pub faults: BTreeSet<WireFault>,
    /// How many false replies go with each true one.
    pub hostile_replies: u32,
    /// The longest delay.
    pub delay_max: Duration,
    /// What stands before each message.
    pub framing: Framing,
}

impl Settings {
    /// Whether there is anything to do.
    pub fn is_honest(&self) -> bool {
        self.faults.is_empty() && self.hostile_replies == 0
    }
}

/// What a proxy did, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Frames that came in.
    pub frames: u64,
    /// False replies that were added.
    pub lies: u64,
    /// Frames by what befell them.
    pub treated: BTreeMap<&'static str, u64>,
}

/// A proxy, for as many lines as one likes.
#[derive(Clone)]
pub struct Proxy(Arc<Shared>);

struct Shared {
    settings: Settings,
    active: AtomicBool,
    /// What passes on the gateway's side.
    tap: Option<Capture>,
    /// Who decides instead of the seed.
    watch: Option<Arc<dyn Watch>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    numbers: BTreeMap<(String, Direction), u64>,
    counts: Counts,
    connections: u32,
}

impl Proxy {
    /// A proxy. `tap` is told what the gateway sent and what it got.
    pub fn new(settings: Settings, tap: Option<Capture>) -> Self {
        Self::with(settings, tap, None)
    }

    /// A proxy in which `watch` sees every frame and says what becomes of it.
    pub fn watched(framing: Framing, watch: Arc<dyn Watch>) -> Self {
        Self::with(Settings { framing, ..Settings::default() }, None, Some(watch))
    }

    fn with(settings: Settings, tap: Option<Capture>, watch: Option<Arc<dyn Watch>>) -> Self {
        let state = Mutex::new(State::default());
        Self(Arc::new(Shared { settings, active: AtomicBool::new(true), tap, watch, state }))
    }

    /// Stands before a line of the bank from now on; says where.
    /// # Errors
    /// If there is no such port to listen on.
    pub async fn stand_before(
        &self,
        line: Line,
        bank: SocketAddr,
        listen: SocketAddr,
    ) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let proxy = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = proxy.next_connection();
                let line = line.clone();
                tokio::spawn(relay::carry(proxy.clone(), line, connection, stream, bank));
            }
        });
        Ok(address)
    }

    /// From now on frames pass as they are.
    pub fn stop(&self) {
        self.0.active.store(false, Ordering::Relaxed);
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.state(|state| state.counts.clone())
    }

    fn is_active(&self) -> bool {
        self.0.active.load(Ordering::Relaxed)
    }

    fn next_connection(&self) -> u32 {
        self.state(|state| {
            state.connections = state.connections.saturating_add(1);
            state.connections
        })
    }

    /// What becomes of the next frame of a line in a direction, and the frame's number.
    fn next(&self, line: &str, direction: Direction, length: usize) -> (u64, Treatment) {
        let settings = &self.0.settings;
        let number = self.state(|state| {
            let number = state.numbers.entry((line.to_owned(), direction)).or_insert(0);
            *number = number.saturating_add(1);
            *number
        });
        let treatment = match self.is_active() {
            true => treatment(settings, line, direction, number, length),
            false => Treatment::Pass,
        };
        self.state(|state| {
            state.counts.frames = state.counts.frames.saturating_add(1);
            if let Some(fault) = treatment.fault() {
                let count = state.counts.treated.entry(fault.name()).or_insert(0);
                *count = count.saturating_add(1);
            }
        });
        (number, treatment)
    }

    fn count_lies(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.state(|state| state.counts.lies = state.counts.lies.saturating_add(count));
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
