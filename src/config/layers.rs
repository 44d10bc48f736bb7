//! Reads the layers: each file on its own, so that a fault is shown where it stands; then joined by
//! the `config` crate. Remembers where each key came from.

use super::fault::{Fault, Place};
use super::raw::RawConfig;
use config::{Environment, Map, Source, Value, ValueKind};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// The lists that are joined over all files.
const LISTS: [&str; 4] = ["channel", "host", "route", "merchant"];

/// A file of configuration.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// Its path, as it is shown.
    pub(super) name: String,
    /// Its text.
    pub(super) text: String,
}

/// Where a key was written last.
#[derive(Debug, Clone)]
enum Origin {
    File { index: usize, span: Range<usize> },
    Variable(String),
}

/// Where all keys were written.
#[derive(Debug)]
pub(super) struct Origins {
    files: Vec<Written>,
    places: BTreeMap<String, Origin>,
}

impl Origins {
    /// A fault of a key, shown where the key was written, or where its table was.
    pub(super) fn fault(&self, key: &str, message: &str, wanted: &str) -> Fault {
        let mut path = key;
        loop {
            match self.places.get(path) {
                Some(Origin::Variable(name)) => {
                    let source = format!("environment variable {name}");
                    return Fault::elsewhere(&source, key, message, wanted);
                }
                Some(Origin::File { index, span }) => {
                    if let Some(file) = self.files.get(*index) {
                        let place = place(file, span);
                        return Fault::at(place, key, message, wanted);
                    }
                }
                None => {}
            }
            match path.rsplit_once('.') {
                Some((table, _)) => path = table,
                None => return Fault::elsewhere("", key, message, wanted),
            }
        }
    }
}

/// What serde said of a key. Serde repeats what it found; of a secret that is not passed on.
fn told(key: &str, said: &str) -> String {
    match key {
        "" => said.to_owned(),
        key if key.starts_with("keys.passphrase") => format!("{key}: is no reference to a secret"),
        key => format!("{key}: {said}"),
    }
}

fn place<'a>(file: &'a Written, span: &Range<usize>) -> Place<'a> {
    Place { file: &file.name, text: &file.text, start: span.start, end: span.end }
}

/// What reading gives: the joined configuration, where its keys stand, and what could not be read.
pub(super) struct Layers {
    pub(super) raw: RawConfig,
    pub(super) origins: Origins,
    pub(super) faults: Vec<Fault>,
}

/// Reads and joins the files, in this order, and the variables.
pub(super) fn read(files: Vec<Written>, environment: &BTreeMap<String, String>) -> Layers {
    let mut reading = Reading::default();
    let mut joined = RawConfig::default();
    for (index, file) in files.iter().enumerate() {
        reading.file(index, file, &mut joined);
    }
    reading.variables(environment);
    let mut builder = config::Config::builder();
    for table in reading.tables {
        builder = builder.add_source(table);
    }
    let settled = builder.build().and_then(config::Config::try_deserialize::<RawConfig>);
    let mut faults = reading.faults;
    match settled {
        Ok(tables) => {
            let RawConfig { channel, host, route, merchant, .. } = joined;
            joined = RawConfig { channel, host, route, merchant, ..tables };
        }
        Err(fault) => faults.push(Fault::elsewhere("", "", &fault.to_string(), "")),
    }
    Layers { raw: joined, origins: Origins { files, places: reading.places }, faults }
}

/// One layer of tables, as the `config` crate joins them.
#[derive(Debug, Clone)]
struct Tables(Map<String, Value>);

impl Source for Tables {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

#[derive(Default)]
struct Reading {
    places: BTreeMap<String, Origin>,
    faults: Vec<Fault>,
    tables: Vec<Tables>,
}

impl Reading {
    fn file(&mut self, index: usize, file: &Written, joined: &mut RawConfig) {
        let mut root = match DeTable::parse(&file.text) {
            Ok(root) => root,
            Err(fault) => {
                let span = fault.span().unwrap_or_default();
                self.faults.push(Fault::at(place(file, &span), "", fault.message(), "not TOML"));
                return;
            }
        };
        let first =
            [joined.channel.len(), joined.host.len(), joined.route.len(), joined.merchant.len()];
        note_table(root.get_ref(), "", index, &first, &mut self.places);
        // Serde stops at the first fault; so each faulty entry is told, taken out, and reading begins
        // anew until nothing faulty is left.
        let part = loop {
            match RawConfig::deserialize(Deserializer::from(root.clone())) {
                Ok(part) => break part,
                Err(fault) => {
                    let span = fault.span().unwrap_or_default();
                    let key = take_out(root.get_mut(), &span, "", &first);
                    let shown = key.as_deref().unwrap_or_default();
                    let message = told(shown, fault.message());
                    let marked = place(file, &span);
                    self.faults.push(Fault::at(marked, shown, &message, "this is not expected"));
                    if key.is_none() {
                        return;
                    }
                }
            }
        };
        joined.channel.extend(part.channel);
        joined.host.extend(part.host);
        joined.route.extend(part.route);
        joined.merchant.extend(part.merchant);
        let is_list = |key: &str| LISTS.contains(&key);
        let entries = root.get_ref().iter().filter(|(key, _)| !is_list(key.get_ref()));
        let entries = entries.map(|(key, value)| (key.get_ref().to_string(), to_value(value)));
        self.tables.push(Tables(entries.collect()));
    }

    /// Each variable is tried alone first, so that a fault names it.
    fn variables(&mut self, environment: &BTreeMap<String, String>) {
        let ours = environment.iter().filter(|(name, _)| name.starts_with("TIDEGATE__"));
        for (name, value) in ours {
            let lower = name.to_lowercase();
            let key = lower.trim_start_matches("tidegate__").replace("__", ".");
            let one = Map::from([(name.clone(), value.clone())]);
            let source = Environment::with_prefix("TIDEGATE")
                .prefix_separator("__")
                .separator("__")
                .try_parsing(true)
                .source(Some(one));
            let alone = config::Config::builder().add_source(source.clone()).build();
            let read = alone.and_then(config::Config::try_deserialize::<RawConfig>);
            let listed = LISTS.iter().any(|list| key.split('.').next() == Some(list));
            let at = format!("environment variable {name}");
            if listed {
                let wanted = "channels, hosts, routes and merchants are set in files";
                self.faults.push(Fault::elsewhere(
                    &at,
                    &key,
                    &format!("{key} is in a list"),
                    wanted,
                ));
            } else if let Err(fault) = read {
                let message = told(&key, &fault.to_string());
                self.faults.push(Fault::elsewhere(&at, &key, &message, ""));
            } else if let Ok(tables) = source.collect() {
                self.places.insert(key, Origin::Variable(name.clone()));
                self.tables.push(Tables(tables));
            }
        }
    }
}

/// Where the elements of a top-level list go on, when it continues the list of an earlier file.
fn first_of(list: &str, prefix: &str, first: &[usize; 4]) -> usize {
    let position = LISTS.iter().position(|name| *name == list && prefix.is_empty());
    position.and_then(|position| first.get(position)).copied().unwrap_or(0)
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn note_table(
    table: &DeTable<'_>,
    prefix: &str,
    index: usize,
    first: &[usize; 4],
    places: &mut BTreeMap<String, Origin>,
) {
    for (key, value) in table {
        let path = join(prefix, key.get_ref());
        places.insert(path.clone(), Origin::File { index, span: value.span() });
        match value.get_ref() {
            DeValue::Table(inner) => note_table(inner, &path, index, first, places),
            DeValue::Array(elements) => {
                let begin = first_of(key.get_ref(), prefix, first);
                for (number, element) in elements.iter().enumerate() {
                    let path = format!("{path}[{}]", begin.saturating_add(number));
                    places.insert(path.clone(), Origin::File { index, span: element.span() });
                    if let DeValue::Table(inner) = element.get_ref() {
                        note_table(inner, &path, index, first, places);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Takes out the innermost entry whose key or value the span lies in; returns its path.
fn take_out(
    table: &mut DeTable<'_>,
    span: &Range<usize>,
    prefix: &str,
    first: &[usize; 4],
) -> Option<String> {
    let mut guilty = None;
    for (key, value) in table.iter_mut() {
        let path = join(prefix, key.get_ref());
        let inside = |whole: Range<usize>| whole.start <= span.start && span.end <= whole.end;
        let (on_key, on_value) = (inside(key.span()), inside(value.span()));
        let deeper =
            if on_key { None } else { take_out_of(value, span, &path, prefix, key, first) };
        if deeper.is_some() {
            return deeper;
        }
        if on_key || on_value {
            guilty = Some((key.get_ref().to_string(), path));
            break;
        }
    }
    let (key, path) = guilty?;
    table.remove(key.as_str());
    Some(path)
}

fn take_out_of(
    value: &mut Spanned<DeValue<'_>>,
    span: &Range<usize>,
    path: &str,
    prefix: &str,
    key: &Spanned<toml::de::DeString<'_>>,
    first: &[usize; 4],
) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(inner) => take_out(inner, span, path, first),
        DeValue::Array(elements) => {
            let begin = first_of(key.get_ref(), prefix, first);
            elements.iter_mut().enumerate().find_map(|(number, element)| {
                let path = format!("{path}[{}]", begin.saturating_add(number));
                match element.get_mut() {
                    DeValue::Table(inner) => take_out(inner, span, &path, first),
                    _ => None,
                }
            })
        }
        _ => None,
    }
}

fn to_value(value: &Spanned<DeValue<'_>>) -> Value {
    let kind = match value.get_ref() {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Integer(number) => {
            let digits = i64::from_str_radix(number.as_str(), number.radix());
            digits.map_or_else(|_| ValueKind::String(number.to_string()), ValueKind::I64)
        }
        DeValue::Float(number) => ValueKind::String(number.to_string()),
        DeValue::Boolean(whether) => ValueKind::Boolean(*whether),
        DeValue::Datetime(moment) => ValueKind::String(moment.to_string()),
        DeValue::Array(elements) => ValueKind::Array(elements.iter().map(to_value).collect()),
        DeValue::Table(table) => {
            let entries = table.iter();
            let entries = entries.map(|(key, value)| (key.get_ref().to_string(), to_value(value)));
            ValueKind::Table(entries.collect())
        }
    };
    Value::new(None, kind)
}
