//! Reads TOML key by key, each value with its place, and collects every fault on the way: a key
//! that is missing, unknown, or of the wrong type does not hide the next one.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use toml::de::{DeTable, DeValue};

use crate::source::{Collector, Source};

/// Something read from a file, and where it stood.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

impl<T> At<T> {
    pub(crate) fn with<U>(&self, value: U) -> At<U> {
        At { value, span: self.span.clone() }
    }
}

/// The keys of one table that were not asked for yet.
pub(crate) struct Section<'t> {
    keys: BTreeMap<String, (Range<usize>, Item<'t>)>,
    /// The name of the table, as a fault calls it.
    name: String,
    pub(crate) span: Range<usize>,
}

/// One value of a table.
pub(crate) struct Item<'t> {
    value: &'t DeValue<'t>,
    /// The key's whole path, such as `field.2.length`.
    path: String,
    pub(crate) span: Range<usize>,
}

/// Parses a file. When it is not TOML, all places where it is not are noted and nothing else is
/// read: a lost bracket would make faults of everything behind it.
pub(crate) fn parse<'t>(source: Source<'t>, faults: &mut Collector<'_>) -> Option<DeTable<'t>> {
    let (table, errors) = DeTable::parse_recoverable(source.text);
    for error in &errors {
        faults.add(&error.span().unwrap_or(0..0), error.message(), "");
    }
    errors.is_empty().then(|| table.into_inner())
}

impl<'t> Section<'t> {
    /// The outermost table of a file.
    pub(crate) fn root(table: &'t DeTable<'t>) -> Self {
        Self::new(table, String::new(), 0..0)
    }

    fn new(table: &'t DeTable<'t>, name: String, span: Range<usize>) -> Self {
        let keys = table.iter().map(|(key, value)| {
            let plain: &Cow<'_, str> = key.as_ref();
            let path = if name.is_empty() { plain.to_string() } else { format!("{name}.{plain}") };
            let item = Item { value: value.as_ref(), path, span: value.span() };
            (plain.to_string(), (key.span(), item))
        });
        let keys = keys.collect();
        Self { keys, name, span }
    }

    /// Takes the value of a key, if the table has it.
    pub(crate) fn take(&mut self, key: &str) -> Option<Item<'t>> {
        self.keys.remove(key).map(|(_, item)| item)
    }

    /// Takes the value of a key that must be there.
    pub(crate) fn need(&mut self, key: &str, faults: &mut Collector<'_>) -> Option<Item<'t>> {
        let item = self.take(key);
        if item.is_none() {
            let message = match self.name.as_str() {
                "" => format!("the key `{key}` is missing"),
                name => format!("the key `{key}` of `{name}` is missing"),
            };
            faults.add(&self.span, message, "");
        }
        item
    }

    /// All keys that are left, in order, each with its place.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = (At<String>, Item<'t>)> + use<'t> {
        let keys = std::mem::take(&mut self.keys);
        keys.into_iter().map(|(value, (span, item))| (At { value, span }, item))
    }

    /// Refuses every key that nobody asked for.
    pub(crate) fn finish(mut self, known: &str, faults: &mut Collector<'_>) {
        for (key, item) in self.rest() {
            faults.add(&key.span, format!("unknown key `{}`", item.path), known);
        }
    }
}

impl<'t> Item<'t> {
    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(crate) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Whether the value is `false`, which takes something away.
    pub(crate) fn is_false(&self) -> bool {
        self.value.as_bool() == Some(false)
    }

    /// The value as `true` or `false`.
    pub(crate) fn flag(&self, faults: &mut Collector<'_>) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.wrong_type("true or false", faults),
        }
    }

    /// The value as a table.
    pub(crate) fn section(self, faults: &mut Collector<'_>) -> Option<Section<'t>> {
        match self.value {
            DeValue::Table(table) => Some(Section::new(table, self.path, self.span)),
            _ => self.wrong_type("a table", faults),
        }
    }

    /// The value as a text.
    pub(crate) fn text(&self, faults: &mut Collector<'_>) -> Option<At<&'t str>> {
        match self.value {
            DeValue::String(text) => Some(At { value: text.as_ref(), span: self.span.clone() }),
            _ => self.wrong_type("a text in quotes", faults),
        }
    }

    /// The value as a number that fits `T`; `wanted` says which numbers do.
    pub(crate) fn number<T: TryFrom<i64>>(
        &self,
        wanted: &str,
        faults: &mut Collector<'_>,
    ) -> Option<At<T>> {
        let number = self
            .value
            .as_integer()
            .and_then(|integer| i64::from_str_radix(integer.as_str(), integer.radix()).ok());
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(value) => Some(At { value, span: self.span.clone() }),
            None => self.wrong_type(wanted, faults),
        }
    }

    /// The value as a list.
    pub(crate) fn list(&self, faults: &mut Collector<'_>) -> Option<Vec<Item<'t>>> {
        let DeValue::Array(array) = self.value else {
            return self.wrong_type("a list in brackets", faults);
        };
        let items = array.iter().enumerate().map(|(place, value)| Item {
            value: value.as_ref(),
            path: format!("{}[{place}]", self.path),
            span: value.span(),
        });
        Some(items.collect())
    }

    /// The value as a list of texts; wrong ones are noted and left out.
    pub(crate) fn texts(&self, faults: &mut Collector<'_>) -> Option<Vec<At<&'t str>>> {
        let items = self.list(faults)?;
        Some(items.iter().filter_map(|item| item.text(faults)).collect())
    }

    fn wrong_type<T>(&self, wanted: &str, faults: &mut Collector<'_>) -> Option<T> {
        let found = self.value.type_str();
        let message = if found == "integer" && !wanted.starts_with("a t") {
            format!("`{}` does not fit", self.path)
        } else {
            format!("`{}` is of type {found}", self.path)
        };
        faults.add(&self.span, message, wanted);
        None
    }
}

/// One of some words; `wanted` lists them.
pub(crate) fn word<T>(
    text: &At<&str>,
    what: &str,
    table: &[(&str, T)],
    faults: &mut Collector<'_>,
) -> Option<T>
where
    T: Clone,
{
    let row = table.iter().find(|(name, _)| *name == text.value);
    if row.is_none() {
        let names: Vec<_> = table.iter().map(|(name, _)| format!("`{name}`")).collect();
        let message = format!("{what}: unknown word `{}`", text.value);
        faults.add(&text.span, message, &one_of(&names));
    }
    row.map(|(_, value)| value.clone())
}

/// One of some words, under a key that must be there.
pub(crate) fn need_word<T: Clone>(
    section: &mut Section<'_>,
    key: &str,
    table: &[(&str, T)],
    faults: &mut Collector<'_>,
) -> Option<T> {
    let text = section.need(key, faults)?.text(faults)?;
    word(&text, key, table, faults)
}

/// One of some words, under a key that may be there.
pub(crate) fn take_word<T: Clone>(
    section: &mut Section<'_>,
    key: &str,
    table: &[(&str, T)],
    faults: &mut Collector<'_>,
) -> Option<T> {
    let text = section.take(key)?.text(faults)?;
    word(&text, key, table, faults)
}

/// `a`, `a or b`, `one of a, b, c`.
pub(crate) fn one_of(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, other] => format!("{one} or {other}"),
        many => format!("one of {}", many.join(", ")),
    }
}
