//! A dialect that extends another: what it says itself replaces what the other says.
//!
//! The result is one text that stands for itself, so that a payment can be finished under it when either
//! file has changed.

use std::ops::Range;

use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use crate::source::{Collector, Faults, Source};

/// How many dialects may extend each other in a row.
pub const DEPTH_MAX: usize = 4;

/// The name of the dialect that this one extends; `None` if it stands for itself.
///
/// # Errors
/// A file that is no TOML, or an `extends` that is no name.
pub fn extends(source: Source<'_>) -> Result<Option<String>, Faults> {
    let table = parse(source)?;
    match table.get("extends") {
        None => Ok(None),
        Some(Value::String(name)) if is_name(name) => Ok(Some(name.clone())),
        Some(_) => Err(fault(source, "`extends` is no dialect", "the name of a folder beside it")),
    }
}

/// Puts a dialect over the one that it extends: `[field]`, `[reply]`, `[repeat]` and `[match]` key by key,
/// where `false` takes a key away; every other key as a whole. What the other one extends is still said.
///
/// # Errors
/// Either text is no TOML.
pub fn merge(base: Source<'_>, over: Source<'_>) -> Result<String, Faults> {
    let mut merged = parse(base)?;
    for (key, value) in parse(over)? {
        match (key.as_str(), value, merged.get_mut(&key)) {
            ("extends", _, _) => {}
            (
                "field" | "reply" | "repeat" | "match",
                Value::Table(over),
                Some(Value::Table(base)),
            ) => {
                for (key, value) in over {
                    if value == Value::Boolean(false) {
                        base.remove(&key);
                    } else {
                        base.insert(key, value);
                    }
                }
            }
            (_, value, _) => {
                merged.insert(key, value);
            }
        }
    }
    Ok(merged.to_string())
}

/// Tells the faults of a merged text as those of the file that extends, wherever that file says what is wrong.
/// Faults of what only the other file says stay those of the whole.
#[must_use]
pub fn at_home(faults: &Faults, merged: Source<'_>, over: Source<'_>) -> Faults {
    let (whole, own) = (places(merged.text), places(over.text));
    let moved = faults.list().iter().map(|fault| {
        if fault.file != merged.name {
            return fault.clone();
        }
        let offset = fault.offset_in(merged.text);
        let mut there = whole.iter().filter(|place| place.span.start == offset);
        let home = there.find_map(|place| {
            own.iter().find(|it| it.path == place.path && it.is_key == place.is_key)
        });
        match home {
            Some(place) => fault.moved(over, &place.span),
            None => fault.clone(),
        }
    });
    Faults::of(moved.collect())
}

/// Where a key or its value stands.
struct Place {
    path: Vec<String>,
    is_key: bool,
    span: Range<usize>,
}

/// Every key and every value of a text, the innermost first where several begin at one place.
fn places(text: &str) -> Vec<Place> {
    fn gather(table: &DeTable<'_>, path: &[String], found: &mut Vec<Place>) {
        for (key, value) in table {
            let mut path = path.to_vec();
            path.push(key.get_ref().to_string());
            if let DeValue::Table(inner) = value.get_ref() {
                gather(inner, &path, found);
            }
            found.push(Place { path: path.clone(), is_key: true, span: key.span() });
            found.push(Place { path, is_key: false, span: value.span() });
        }
    }
    let mut found = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        gather(table.get_ref(), &[], &mut found);
    }
    found
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.bytes().all(fits)
}

fn parse(source: Source<'_>) -> Result<Table, Faults> {
    source.text.parse::<Table>().map_err(|error| {
        let mut faults = Collector::new(source);
        faults.add(&error.span().unwrap_or(0..0), error.message(), "");
        Collector::gather([faults]).unwrap_or_else(|| Collector::incomplete(source))
    })
}

fn fault(source: Source<'_>, message: &str, wanted: &str) -> Faults {
    let mut faults = Collector::new(source);
    let start = source.text.find("extends").unwrap_or(0);
    faults.add(&(start..start.saturating_add("extends".len())), message, wanted);
    Collector::gather([faults]).unwrap_or_else(|| Collector::incomplete(source))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::{dialect::HostDialect, sample};

    fn over(text: &str) -> Source<'_> {
        Source { name: "dialects/mine/dialect.toml", text }
    }

    #[test]
    fn a_banks_variant_is_a_few_lines() {
        let text = "name = \"mine\"\nextends = \"iso87-ascii\"\n\
                    [field]\n90 = false\n\
                    48 = { name = \"ours\", content = \"n\", length = 4, mask = \"clear\" }\n\
                    [match]\ncompared = [4]\n";
        assert_eq!(extends(over(text)).unwrap().as_deref(), Some("iso87-ascii"));
        let merged = merge(sample::dialect(), over(text)).unwrap();
        let dialect = HostDialect::read(over(&merged)).unwrap();
        assert_eq!(dialect.name(), "mine");
        assert_eq!(dialect.wire().field(48).unwrap().name, "ours");
        assert!(dialect.wire().field(90).is_none());
        assert_eq!(dialect.wire().field(4).unwrap().name, "amount, transaction");
        assert_eq!(extends(over(&merged)).unwrap(), None, "it stands for itself");
    }

    #[test]
    fn a_fault_is_told_where_its_own_file_says_it() {
        let text = "name = \"mine\"\nextends = \"iso87-ascii\"\n\n[field]\n\
                    48 = { name = \"ours\", content = \"q\", length = 4, mask = \"clear\" }\n\n\
                    [field.60]\nname = \"terminal\"\ncontent = \"ans\"\nlenght = 3\n";
        let merged = merge(sample::dialect(), over(text)).unwrap();
        let whole = Source { name: "the whole", text: &merged };
        let faults = at_home(&HostDialect::read(whole).unwrap_err(), whole, over(text));
        let told: Vec<_> = faults
            .list()
            .iter()
            .map(|fault| (fault.file.as_str(), fault.line, fault.message.as_str()))
            .collect();
        let home = "dialects/mine/dialect.toml";
        assert!(told.iter().any(|it| it.0 == home && it.1 == 5), "content of DE48: {told:?}");
        assert!(told.iter().any(|it| it.0 == home && it.1 == 10), "a misspelt key: {told:?}");
        let shown = faults.to_string();
        assert!(shown.contains("5 | 48 = { name = \"ours\", content = \"q\""), "{shown}");
    }

    #[test]
    fn what_extends_nothing_says_so_with_its_place() {
        for text in ["extends = 3", "extends = \"../mine\"", "extends = \"\""] {
            let faults = extends(over(text)).unwrap_err().to_string();
            assert!(faults.contains("`extends` is no dialect"), "{faults}");
        }
        assert!(merge(sample::dialect(), over("name = ")).is_err());
    }
}
