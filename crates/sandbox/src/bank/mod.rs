//! The bank: a host that speaks ISO 8583 on persistent lines, keeps its own books, and can lie.
//!
//! In reading order: [`host`] decides, [`ledger`] keeps the books, [`fault`] plans the lies, the desk
//! carries decisions and lies out, the lines move frames, [`capture`] writes down what passed. Nothing
//! of it is shared with the gateway that it tests.

pub mod capture;
mod desk;
pub mod fault;
pub mod habits;
pub mod host;
pub mod ledger;
mod line;

pub use desk::Mood;

use crate::clock::Clock;
use crate::iso::Dialect;
use capture::{Capture, Line};
use desk::{Desk, Visit};
use fault::Plan;
use habits::Habits;
use host::Host;
use ledger::{Account, Entry, Ledger};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// What the bank is started with.
pub struct Settings {
    /// The host's name, at the gateway and in the evidence.
    pub host: String,
    /// How it speaks.
    pub dialect: Dialect,
    /// The seed of its approval codes and of its thinking times.
    pub seed: u64,
    /// Where the books are written; `None` keeps them in memory.
    pub ledger_file: Option<PathBuf>,
    /// How it behaves where the standard leaves it free.
    pub habits: Habits,
    /// The longest that an honest decision takes.
    pub think_time_max: Duration,
    /// How many messages it serves in a second, one after the other; `None`: all at once.
    pub serves_per_second: Option<u32>,
    /// How long a reply that is to change places waits for another one.
    pub swap_wait: Duration,
    /// Where its weather begins, so that several banks' lines do not fall together.
    pub first_tick: u64,
}

/// A running bank.
pub struct Bank {
    host: String,
    dialect: Dialect,
    lines: Vec<(String, SocketAddr)>,
    visits: mpsc::UnboundedSender<Visit>,
}

/// The bank's books, whole.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Whose.
    pub host: String,
    /// All entries.
    pub entries: Vec<Entry>,
    /// What each account holds, by account and currency.
    pub balances: BTreeMap<(Account, String), i64>,
}

impl Bank {
    /// Opens the bank with a line per name, each on a loopback port of its own.
    /// # Errors
    /// If a port or the ledger's file cannot be had.
    pub async fn open(
        settings: Settings,
        names: &[&str],
        clock: Clock,
        plan: Arc<Plan>,
        capture: Capture,
    ) -> io::Result<Self> {
        let ledger = match &settings.ledger_file {
            Some(path) => Ledger::in_file(path)?,
            None => Ledger::in_memory(),
        };
        let (host_name, dialect) = (settings.host.clone(), settings.dialect);
        let host = Host::new(ledger, settings.habits, capture.tokens().clone(), settings.seed);
        let (visits, inbox) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Handle::current();
        let desk = Desk::new(host, plan, capture.clone(), clock, settings, visits.clone(), runtime);
        std::thread::Builder::new().name("bank-desk".into()).spawn(move || desk.sit(inbox))?;
        let mut lines = Vec::new();
        for name in names {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            lines.push(((*name).to_owned(), listener.local_addr()?));
            let line = Line { host: host_name.clone(), dialect, name: (*name).to_owned() };
            tokio::spawn(line::listen(line, listener, visits.clone(), capture.clone()));
        }
        Ok(Self { host: host_name, dialect, lines, visits })
    }

    /// Its name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How it speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The lines and where they listen.
    pub fn lines(&self) -> &[(String, SocketAddr)] {
        &self.lines
    }

    /// Changes how the bank is.
    pub fn turn(&self, mood: Mood) {
        // A bank that has stopped is not to be changed.
        let _ = self.visits.send(Visit::Turn(mood));
    }

    /// The books as they stand; `None` if the bank has stopped because its disk failed.
    pub async fn books(&self) -> Option<Books> {
        let (reply, books) = oneshot::channel();
        self.visits.send(Visit::ShowBooks(reply)).ok()?;
        books.await.ok()
    }
}
