//! The watch over the host's lines: it writes every frame down as it may be shown, does to it what the
//! step wants, and keeps what a case is judged by.
//!
//! What a host can make it keep is bounded: frames beyond [`FRAMES_MAX`] of a case pass and are counted
//! alone, and the case has failed.

use super::agreement::Agreement;
use super::dialect::Dialect;
use super::log::Log;
use super::role::{From, Role, words};
use super::script::Action;
use super::shown::{Shown, ShownField};
use crate::proxy::treatment::{Direction, Treatment};
use crate::proxy::watch::{Connection, Ruling, Voice, Watch};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// The most frames of a case that are written down.
pub const FRAMES_MAX: usize = 2_000;

/// A frame as it may be shown.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its record in the log.
    pub record: usize,
    /// The step in which it passed.
    pub step: usize,
    /// The line.
    pub line: String,
    /// Who sent it.
    pub from: From,
    /// What it is.
    pub role: Option<Role>,
    /// What became of it.
    pub fate: &'static str,
    /// Its contents.
    pub shown: Shown,
}

/// What is known of the case under way.
#[derive(Default)]
pub struct Seen {
    /// Its frames.
    pub frames: Vec<Frame>,
    /// Frames that the dialect cannot read, and those beyond [`FRAMES_MAX`].
    pub faults: Vec<String>,
    /// The connection of each line, while it is signed on.
    pub signed_on: BTreeMap<String, u32>,
    beyond: usize,
}

/// The watch.
#[derive(Clone)]
pub struct Wire(Arc<Shared>);

struct Shared {
    host: String,
    dialect: Dialect,
    agreement: Agreement,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    log: Option<Log>,
    broken: Option<io::Error>,
    case: String,
    step: usize,
    voids: bool,
    plan: BTreeMap<Role, Action>,
    held: Vec<oneshot::Sender<()>>,
    voices: BTreeMap<String, (u32, Voice)>,
    /// The trace number of what the proxy said in the host's name.
    said: Option<String>,
    seen: Seen,
}

/// A line of the log.
#[derive(Default, Serialize)]
struct Record<'a> {
    at: String,
    line: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u32>,
    case: &'a str,
    step: usize,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<From>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    mti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a BTreeMap<u8, ShownField>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

impl Wire {
    /// A watch over the lines of a host.
    pub fn new(host: &str, dialect: Dialect, agreement: Agreement, log: Log) -> Self {
        let state = Mutex::new(State { log: Some(log), ..State::default() });
        let changed = watch::Sender::new(0);
        Self(Arc::new(Shared { host: host.to_owned(), dialect, agreement, state, changed }))
    }

    /// What was agreed with the host.
    pub fn agreement(&self) -> &Agreement {
        &self.0.agreement
    }

    /// A case begins.
    pub fn begin_case(&self, name: &str) {
        self.state(|state| {
            name.clone_into(&mut state.case);
            let signed_on = std::mem::take(&mut state.seen.signed_on);
            state.seen = Seen { signed_on, ..Seen::default() };
        });
        self.begin_step(0, false, BTreeMap::new());
    }

    /// A step begins, counted from 1. `voids`: reversals are its requests. What an earlier step still held
    /// is lost.
    pub fn begin_step(&self, step: usize, voids: bool, plan: BTreeMap<Role, Action>) {
        self.state(|state| {
            state.step = step;
            state.voids = voids;
            state.plan = plan;
            state.held.clear();
            state.said = None;
        });
    }

    /// Waits until a condition holds of what was seen; `false` if it does not in time.
    pub async fn until(&self, patience: Duration, holds: impl Fn(&Seen) -> bool) -> bool {
        let mut changed = self.0.changed.subscribe();
        let looking = async {
            while !self.seen(&holds) {
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(patience, looking).await.is_ok()
    }

    /// Looks at what was seen.
    pub fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        self.state(|state| look(&state.seen))
    }

    /// Says a network message to the gateway in the host's name, on a line.
    /// # Errors
    /// If the dialect does not write it so, or the line is down.
    pub fn say(&self, line: &str, mti: &str, fields: &BTreeMap<u8, String>) -> anyhow::Result<()> {
        let body = self.0.dialect.write(mti, fields)?;
        let shown = self.0.dialect.show(&body)?;
        let said = fields.get(&self.0.agreement.stan).cloned();
        let sent = self.state(|state| {
            state.said = said;
            let Some((connection, voice)) = state.voices.get(line) else { return false };
            let (connection, sent) = (*connection, voice.say(body.clone()));
            self.frame(state, line, connection, From::Proxy, "passed", shown, body.len());
            sent
        });
        self.changed();
        anyhow::ensure!(sent, "the line {line} is down");
        Ok(())
    }

    /// Writes down something that is no frame.
    pub fn note(&self, record: &impl Serialize) {
        self.state(|state| {
            state.write(record);
        });
    }

    /// The log, to be sealed; nothing is written any more.
    /// # Errors
    /// The first fault in writing it.
    pub fn close(&self) -> anyhow::Result<Log> {
        self.state(|state| match (state.broken.take(), state.log.take()) {
            (None, Some(log)) => Ok(log),
            (Some(fault), _) => Err(fault.into()),
            (None, None) => anyhow::bail!("the log is closed"),
        })
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn changed(&self) {
        self.0.changed.send_modify(|times| *times = times.wrapping_add(1));
    }

    fn event(&self, state: &mut State, line: &str, connection: u32, what: &str, why: Option<&str>) {
        let case = state.case.clone();
        state.write(&Record {
            at: Timestamp::now().to_string(),
            line: format!("{}/{line}", self.0.host),
            connection: Some(connection),
            case: &case,
            step: state.step,
            what,
            why,
            ..Record::default()
        });
    }

    #[expect(clippy::too_many_arguments, reason = "what is known of one frame")]
    fn frame(
        &self,
        state: &mut State,
        line: &str,
        connection: u32,
        from: From,
        fate: &'static str,
        shown: Shown,
        bytes: usize,
    ) {
        let case = state.case.clone();
        let written = state.write(&Record {
            at: Timestamp::now().to_string(),
            line: format!("{}/{line}", self.0.host),
            connection: Some(connection),
            case: &case,
            step: state.step,
            what: "frame",
            from: Some(from),
            mti: Some(&shown.mti),
            words: Some(words(&shown.mti)),
            proxy: (fate != "passed").then_some(fate),
            bytes: Some(bytes),
            fields: Some(&shown.fields),
            raw: Some(&shown.raw),
            why: None,
        });
        let (step, role) = (state.step, Role::of(&shown.mti, state.voids));
        let line = line.to_owned();
        state.seen.frames.push(Frame { record: written, step, line, from, role, fate, shown });
    }

    /// What becomes of a frame in this step, and in words.
    fn ruling(&self, state: &mut State, from: From, shown: &Shown) -> (Ruling, &'static str) {
        let role = Role::of(&shown.mti, state.voids);
        if from == From::Gateway
            && role == Some(Role::NetworkReply)
            && state.said.as_deref() == shown.text(self.0.agreement.stan)
            && state.said.is_some()
        {
            return (Ruling::Treat(Treatment::Drop), "kept: the host did not ask");
        }
        let action = role.and_then(|role| state.plan.remove(&role));
        match action {
            None => (Ruling::Treat(Treatment::Pass), "passed"),
            Some(Action::Lose) => (Ruling::Treat(Treatment::Drop), "lost"),
            Some(Action::Cut) => (Ruling::Treat(Treatment::Reset(0)), "lost: the line was cut"),
            Some(Action::Double) => {
                (Ruling::Treat(Treatment::Twice(Duration::ZERO)), "passed twice")
            }
            Some(Action::Hold) => {
                let (release, until) = oneshot::channel();
                state.held.push(release);
                (Ruling::Hold(until), "held")
            }
        }
    }

    /// A sign-on that the host has accepted.
    fn mark_sign_on(&self, state: &mut State, line: &str, connection: u32, shown: &Shown) {
        let Agreement { code, response, accepted, .. } = &self.0.agreement;
        let reply = Role::of(&shown.mti, false) == Some(Role::NetworkReply);
        let is_accepted =
            shown.text(*response).is_some_and(|code| accepted.iter().any(|it| it == code));
        let signs_on = shown.text(*code) == self.0.agreement.code_of("sign_on");
        if reply && signs_on && is_accepted {
            state.seen.signed_on.insert(line.to_owned(), connection);
        }
    }
}

impl State {
    /// Returns the record's number.
    fn write(&mut self, record: &impl Serialize) -> usize {
        let Some(log) = &mut self.log else { return 0 };
        log.append(record).unwrap_or_else(|fault| {
            self.broken.get_or_insert(fault);
            0
        })
    }

    /// Whether there is room for one more frame of this case.
    fn has_room(&mut self) -> bool {
        if self.seen.frames.len() < FRAMES_MAX && self.seen.faults.len() < FRAMES_MAX {
            return true;
        }
        if self.seen.beyond == 0 {
            let more = format!("more than {FRAMES_MAX} frames: the rest is not written down");
            self.seen.faults.push(more);
        }
        self.seen.beyond = self.seen.beyond.saturating_add(1);
        false
    }
}

impl Watch for Wire {
    fn connection(&self, line: &str, connection: u32, now: Connection) {
        self.state(|state| match now {
            Connection::Opened(voice) => {
                self.event(state, line, connection, "connected", None);
                state.voices.insert(line.to_owned(), (connection, voice));
            }
            Connection::Unreachable => {
                self.event(state, line, connection, "host not reached", None);
            }
            Connection::Closed => {
                self.event(state, line, connection, "closed", None);
                if state.seen.signed_on.get(line) == Some(&connection) {
                    state.seen.signed_on.remove(line);
                }
            }
        });
        self.changed();
    }

    fn rule(&self, line: &str, connection: u32, direction: Direction, body: &[u8]) -> Ruling {
        let from = match direction {
            Direction::ToBank => From::Gateway,
            Direction::ToGateway => From::Host,
        };
        let ruling = self.state(|state| {
            if !state.has_room() {
                return Ruling::Treat(Treatment::Pass);
            }
            let shown = match self.0.dialect.show(body) {
                Ok(shown) => shown,
                Err(why) => {
                    let why = format!("{} bytes: {why}", body.len());
                    self.event(state, line, connection, "unreadable frame", Some(&why));
                    state.seen.faults.push(format!("an unreadable frame, {why}"));
                    return Ruling::Treat(Treatment::Pass);
                }
            };
            let (ruling, fate) = self.ruling(state, from, &shown);
            let role = Role::of(&shown.mti, state.voids);
            let again = matches!(role, Some(Role::Reversal | Role::Repeat));
            if from == From::Host && fate == "passed" {
                self.mark_sign_on(state, line, connection, &shown);
            }
            self.frame(state, line, connection, from, fate, shown, body.len());
            if from == From::Gateway && again {
                for held in state.held.drain(..).collect::<Vec<_>>() {
                    let _ = held.send(());
                    self.event(state, line, connection, "the held reply passes now", None);
                }
            }
            ruling
        });
        self.changed();
        ruling
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
