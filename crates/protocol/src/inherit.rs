//! A dialect that extends another: what it says itself replaces what the other says.
//!
//! The result is one text that stands for itself, so that a payment can be finished under it when either
//! file has changed.

use toml::{Table, Value};

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
    fn what_extends_nothing_says_so_with_its_place() {
        for text in ["extends = 3", "extends = \"../mine\"", "extends = \"\""] {
            let faults = extends(over(text)).unwrap_err().to_string();
            assert!(faults.contains("`extends` is no dialect"), "{faults}");
        }
        assert!(merge(sample::dialect(), over("name = ")).is_err());
    }
}
