//! Faults of a configuration, and how they are shown.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;
use std::fmt;
use std::ops::Range;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The key, for example `host[0].in_flight_max`; empty for a fault of a whole file.
    pub key: String,
    /// What was found.
    pub message: String,
    /// What is wanted.
    pub wanted: String,
    /// The file, or `environment variable NAME`; empty when the key is nowhere.
    pub file: String,
    /// Line, from 1; 0 when the place is not in a file.
    pub line: usize,
    /// Column in characters, from 1; 0 when the place is not in a file.
    pub column: usize,
    /// The fault with its line and a caret, as a terminal shows it.
    #[serde(skip)]
    pub picture: String,
}

/// All faults of a configuration, one or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// In order of files and lines.
    pub faults: Vec<Fault>,
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{}\n", fault.picture)?;
        }
        match self.faults.len() {
            1 => write!(f, "The configuration has 1 fault."),
            count => write!(f, "The configuration has {count} faults."),
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Fault {
    /// A fault at a place. The place of a secret is named but never shown: somebody may have written
    /// the secret itself there.
    pub(super) fn at(place: Place<'_>, key: &str, message: &str, wanted: &str) -> Self {
        let before = place.text.get(..place.start).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        let line_text = before.rsplit('\n').next().unwrap_or_default();
        let column = line_text.chars().count().saturating_add(1);
        let title = Level::ERROR.primary_title(message);
        let picture = if key.starts_with("keys.passphrase") {
            format!("error: {message}: {wanted}\n  --> {}:{line}:{column}", place.file)
        } else {
            let span: Range<usize> = place.start..place.end.max(place.start);
            let mark = AnnotationKind::Primary.span(span).label(wanted);
            let snippet = Snippet::source(place.text).path(place.file).annotation(mark);
            Renderer::plain().render(&[title.element(snippet)])
        };
        Self {
            key: key.to_owned(),
            message: message.to_owned(),
            wanted: wanted.to_owned(),
            file: place.file.to_owned(),
            line,
            column,
            picture,
        }
    }

    /// A fault that has no place in a file; `source` says where else it is, or nothing.
    pub(super) fn elsewhere(source: &str, key: &str, message: &str, wanted: &str) -> Self {
        let mut picture = format!("error: {message}");
        if !source.is_empty() {
            picture.push_str(&format!("\n  --> {source}"));
        }
        if !wanted.is_empty() {
            picture.push_str(&format!("\n  = {wanted}"));
        }
        Self {
            key: key.to_owned(),
            message: message.to_owned(),
            wanted: wanted.to_owned(),
            file: source.to_owned(),
            line: 0,
            column: 0,
            picture,
        }
    }
}

impl Fault {
    /// A fault of a whole file that the configuration names.
    pub fn of_file(file: &str, key: &str, message: &str) -> Self {
        Self::elsewhere(file, key, message, "")
    }

    /// A fault of a definition that the configuration names, shown as its own reader shows it.
    pub fn of_definition(key: &str, told: &tidegate_protocol::source::Fault) -> Self {
        Self {
            key: key.to_owned(),
            message: told.message.clone(),
            wanted: told.expected.clone().unwrap_or_default(),
            file: told.file.clone(),
            line: told.line,
            column: told.column,
            picture: told.to_string(),
        }
    }
}
