//! What the command line prints: results to standard output, errors to standard error.

use serde_json::Value;
use std::io::Write;

/// Prints a line of a result. A reader who went away is no error.
pub(super) fn line(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// Prints a result as one JSON document.
pub(super) fn json(value: &Value) {
    line(format!("{value:#}"));
}

/// Prints an error with its causes: what was attempted first, why it failed behind it.
pub(super) fn error(error: &anyhow::Error) {
    let mut text = format!("tidegate: {error}");
    for cause in error.chain().skip(1) {
        text.push_str("\n  because: ");
        text.push_str(&cause.to_string());
    }
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints what is no result, and stays on its line: a question.
pub(super) fn note(text: &str) {
    let mut err = std::io::stderr();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Prints rows as a table: each column as wide as its widest cell.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let head = heads.get(column).map_or(0, |head| head.len());
        cells.chain([head]).max().unwrap_or(0)
    };
    let print_row = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        line(padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    print_row(&mut heads.iter().copied());
    for row in rows {
        print_row(&mut row.iter().map(String::as_str));
    }
}

/// A member of a JSON object as text: strings bare, absent ones as `-`.
pub(super) fn text(value: &Value, member: &str) -> String {
    match value.get(member) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
