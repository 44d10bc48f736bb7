//! How a world is to be.

use crate::bank::fault::Fault;
use crate::bank::habits::{Habits, UnknownOriginal};
use crate::dice::Dice;
use crate::gateway::HostLoad;
use crate::proxy;
use crate::upheaval::Upheaval;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How a world is to be.
pub struct Options {
    /// Everything that falls by chance falls by this.
    pub seed: u64,
    /// The bank's lies.
    pub faults: BTreeSet<Fault>,
    /// Where to keep everything; `None` is a temporary folder.
    pub keep: Option<PathBuf>,
    /// Whether each signed request is kept there as it was sent, too.
    pub keep_requests: bool,
    /// The gateway's program and its first arguments.
    pub program: Vec<OsString>,
    /// Where the gateway listens for merchants; 0: wherever there is room.
    pub port: u16,
    /// The protocol definitions.
    pub protocols: PathBuf,
    /// The gateway's deadline for the host; the other waits follow.
    pub reply_timeout: Duration,
    /// How many messages the gateway may have in flight to the bank.
    pub in_flight_max: u32,
    /// How many merchants.
    pub merchants: usize,
    /// How many hosts: 1, or 2 of different dialects.
    pub hosts: usize,
    /// The longest that an honest decision of the bank takes.
    pub think_time_max: Duration,
    /// How many messages the bank serves in a second; `None`: as they come.
    pub serves_per_second: Option<u32>,
    /// What else the gateway is told about its hosts' load.
    pub host_load: HostLoad,
    /// The gaps between the attempts of a reversal, if they do not follow from the other waits.
    pub reversal_gaps_ms: Option<Vec<u64>>,
    /// How the bank behaves where the standard leaves it free.
    pub habits: Habits,
    /// The bank's books are kept in memory alone, for measuring.
    pub books_in_memory: bool,
    /// What operators do to the gateway during a run.
    pub upheaval: Upheaval,
    /// More environment for the gateway.
    pub environment: Vec<(String, String)>,
    /// What stands between gateway and bank.
    pub proxy: proxy::Settings,
    /// More environment for the first lives of the gateway, one after the other.
    pub lives: Vec<Vec<(String, String)>>,
    /// Where the gateway's data is to lie, if not in the run's folder.
    pub data: Option<PathBuf>,
    /// The file by which the wall clock jumps ([`crate::clock_jumps`]).
    pub clock_file: Option<PathBuf>,
}

impl Options {
    /// An honest world of one merchant.
    pub fn honest(seed: u64, program: Vec<OsString>, protocols: PathBuf) -> Self {
        let habits = Habits { unknown_original: UnknownOriginal::Remembered, terse_replies: false };
        Self {
            seed,
            faults: BTreeSet::new(),
            keep: None,
            keep_requests: false,
            program,
            port: 0,
            protocols,
            reply_timeout: Duration::from_millis(1000),
            in_flight_max: 4096,
            merchants: 1,
            hosts: 1,
            think_time_max: Duration::ZERO,
            serves_per_second: None,
            host_load: HostLoad::default(),
            reversal_gaps_ms: None,
            habits,
            books_in_memory: false,
            upheaval: Upheaval::default(),
            environment: Vec::new(),
            proxy: proxy::Settings::default(),
            lives: Vec::new(),
            data: None,
            clock_file: None,
        }
    }

    /// The same world with these faults; the bank's habits and the number of merchants then fall by the
    /// seed too.
    #[must_use]
    pub fn with_faults(mut self, faults: BTreeSet<Fault>) -> Self {
        let mut dice = Dice::named(self.seed, "habits");
        let remembers = dice.per_mille(500);
        let unknown_original =
            if remembers { UnknownOriginal::Remembered } else { UnknownOriginal::Refused };
        self.habits = Habits { unknown_original, terse_replies: dice.per_mille(500) };
        self.think_time_max = Duration::from_millis(5);
        self.merchants = 3;
        self.faults = faults;
        self
    }
}
