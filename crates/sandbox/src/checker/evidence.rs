//! What a run leaves behind for the checker.

use crate::bank::Books;
use crate::bank::capture::WireEvent;
use crate::bank::ledger::Entry;
use crate::history::ClientEvent;
use crate::hosts::Layout;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All that is judged.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// What merchants asked and were told (C).
    pub history: Vec<ClientEvent>,
    /// Each bank's books (H).
    pub books: Vec<Books>,
    /// What passed on the lines (W).
    pub wire: Vec<WireEvent>,
    /// The gateway's exported journal (J); empty if there is none to judge.
    pub journal: Vec<JournalRecord>,
    /// The journal exported once more, after another start and stop; `None` if that was not done.
    pub journal_again: Option<Vec<JournalRecord>>,
    /// The gateway's lives, in order.
    pub lives: Vec<Life>,
    /// Which hosts there are, and which payments belong to which.
    pub layout: Layout,
    /// The wall time, in microseconds since 1970, at which the world began.
    pub began_wall_us: i64,
}

impl Evidence {
    /// The entries of all banks' books.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.books.iter().flat_map(|books| &books.entries)
    }
}

/// From one start of the gateway to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// When it was started, in microseconds since the world began.
    pub started_us: u64,
    /// When it was stopped or killed.
    pub ended_us: u64,
    /// Whether it was killed.
    pub killed: bool,
}

/// One record of the journal export.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalRecord {
    /// Its number.
    pub sequence: u64,
    /// The wall time of the decision, in microseconds since 1970.
    pub at_us: i64,
    /// The record's name.
    pub kind: String,
    /// The payment that it is about.
    pub payment: Option<String>,
    /// The whole line.
    pub line: Value,
}

impl JournalRecord {
    /// Reads an export, one JSON object a line.
    /// # Errors
    /// A sentence naming the line that cannot be read.
    pub fn read_all(export: &str) -> Result<Vec<Self>, String> {
        let lines = export.lines().filter(|line| !line.trim().is_empty());
        lines
            .enumerate()
            .map(|(number, line)| {
                Self::read(line).ok_or_else(|| {
                    format!("line {} of the export is not a record", number.saturating_add(1))
                })
            })
            .collect()
    }

    fn read(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| Some(line.get(name)?.as_str()?.to_owned());
        let at: jiff::Timestamp = text("at")?.parse().ok()?;
        Some(Self {
            sequence: line.get("sequence")?.as_u64()?,
            at_us: at.as_microsecond(),
            kind: text("kind")?,
            payment: text("payment"),
            line,
        })
    }

    /// The first text, number or truth under this name, however deep.
    pub fn find(&self, name: &str) -> Option<String> {
        find(&self.line, name)
    }
}

fn find(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(members) => {
            let own = members.get(name).and_then(|value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(truth) => Some(truth.to_string()),
                _ => None,
            });
            own.or_else(|| members.values().find_map(|value| find(value, name)))
        }
        Value::Array(items) => items.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}
