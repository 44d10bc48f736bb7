//! Holds the schema of dialect files for editors (`protocols/dialect.schema.json`) to the reader: the same keys, the
//! same words, and the same verdict on files that are right and on files that are wrong.
//!
//! What a schema's keywords mean is told again here, as far as this one uses them; `tests/peers` asks a validator
//! that others wrote.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::Value;

use crate::{
    composite::{KIND, UNKNOWN},
    dialect::{BITMAP, HostDialect, MTI},
    fields::{CONTENT, COUNTS, ENCODING, MASK, PREFIX, TEXT},
    inherit, sample,
    source::{Faults, Source},
};

const SCHEMA: &str = include_str!("../../../protocols/dialect.schema.json");
const SHOWCASE: &str = include_str!("../../../protocols/dialects/showcase/dialect.toml");
const CASES: &str = include_str!("schema_cases.toml");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn document(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

/// Whether the schema takes a dialect file.
pub(crate) fn is_taken_by_schema(text: &str) -> bool {
    let schema = schema();
    fits(&schema, &schema, &document(text))
}

fn read(text: &str) -> Result<HostDialect, Faults> {
    let over = Source { name: "d.toml", text };
    if inherit::extends(over)?.is_none() {
        return HostDialect::read(over);
    }
    let merged = inherit::merge(sample::dialect(), over)?;
    HostDialect::read(Source { name: "d.toml", text: &merged })
}

#[test]
fn every_dialect_that_is_shipped_fits_the_schema() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../protocols/dialects");
    let dialects =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path().join("dialect.toml"));
    let dialects: Vec<_> = dialects.collect();
    assert!(dialects.len() >= 10, "{dialects:?}");
    for path in dialects {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(is_taken_by_schema(&text), "{}", path.display());
    }
}

#[test]
fn the_schema_and_the_reader_judge_alike() {
    let cases: toml::Table = CASES.parse().unwrap();
    let mut wrong = Vec::new();
    let mut judge = |text: &str, what: String, by_reader: bool, by_schema: bool| {
        let (read, fits) = (read(text), is_taken_by_schema(text));
        if read.is_err() != by_reader || fits == by_schema {
            wrong.push(format!("{what}: the schema {fits}, the reader {}", read.is_ok()));
        }
    };
    for (list, by_reader, by_schema) in
        [("both", true, true), ("reader", true, false), ("neither", false, false)]
    {
        for case in cases[list].as_array().unwrap() {
            let (from, to) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
            assert_eq!(SHOWCASE.matches(from).count(), 1, "`{from}` must name one place");
            let text = SHOWCASE.replace(from, to);
            judge(&text, format!("`{from}` became `{to}`"), by_reader, by_schema);
        }
    }
    for variant in cases["variant"].as_array().unwrap() {
        let text = variant["text"].as_str().unwrap();
        let refused = variant.get("refused").is_some();
        judge(text, text.to_owned(), refused, refused);
    }
    assert!(wrong.is_empty(), "who takes the file: {wrong:#?}");
}

#[test]
fn the_schema_has_every_word_that_the_reader_takes_and_no_other() {
    fn words<T>(table: &[(&'static str, T)]) -> BTreeSet<String> {
        table.iter().map(|(word, _)| (*word).to_owned()).collect()
    }
    let schema = schema();
    let axis = |name: &str| format!("/$defs/axes/properties/{name}/enum");
    let table = [
        ("/properties/mti/enum".to_owned(), words(MTI)),
        ("/properties/text/enum".to_owned(), words(TEXT)),
        ("/$defs/bitmap/enum".to_owned(), words(BITMAP)),
        ("/$defs/encoding/enum".to_owned(), words(ENCODING)),
        ("/$defs/prefix/enum".to_owned(), words(PREFIX)),
        (axis("content"), words(CONTENT)),
        (axis("counts"), words(COUNTS)),
        (axis("mask"), words(MASK)),
        (axis("parts"), words(KIND)),
        (axis("unknown"), words(UNKNOWN)),
    ];
    for (pointer, words) in table {
        let listed = schema.pointer(&pointer).unwrap_or_else(|| panic!("{pointer}")).as_array();
        let listed: Vec<_> =
            listed.unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        assert_eq!(listed.len(), words.len(), "{pointer}");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), words, "{pointer}");
    }
    every_word_is_explained(&schema);
}

/// An editor shows beside each word what it means: as many meanings as words.
fn every_word_is_explained(schema: &Value) {
    match schema {
        Value::Object(object) => {
            if let Some(meanings) = schema.pointer("/x-taplo/docs/enumValues") {
                let words = object["enum"].as_array().unwrap().len();
                assert_eq!(meanings.as_array().unwrap().len(), words, "{}", object["enum"]);
            }
            object.values().for_each(every_word_is_explained);
        }
        Value::Array(list) => list.iter().for_each(every_word_is_explained),
        _ => {}
    }
}

#[test]
fn the_schema_has_every_key_that_the_reader_takes_and_no_other() {
    let schema = schema();
    // Where an unknown key is put, and where the keys of that table stand in the schema.
    let table = [
        ("transmission_time = \"utc\"", "transmission_time = \"utc\"\nzz = 1", ""),
        ("network = [11]", "network = [11]\nzz = 1", "/properties/match"),
        ("mti = \"04xx\"", "mti = \"04xx\"\nzz = 1", "/properties/override/items"),
        ("name = \"processing code\", ", "name = \"processing code\", zz = 1, ", "/$defs/axes"),
        ("1 = { name = \"country\", ", "1 = { name = \"country\", zz = 1, ", "/$defs/axes"),
        ("tag = { length = 1, ", "tag = { zz = 1, length = 1, ", "/$defs/axes/properties/tag"),
        (
            "value = { length = \"...900\"",
            "value = { zz = 1, length = \"...900\"",
            "/$defs/axes/properties/value",
        ),
    ];
    for (from, to, pointer) in table {
        assert_eq!(SHOWCASE.matches(from).count(), 1, "`{from}` must name one place");
        let faults =
            HostDialect::read(Source { name: "d.toml", text: &SHOWCASE.replace(from, to) });
        let faults = faults.unwrap_err();
        let fault = faults.list().iter().find(|fault| fault.message.starts_with("unknown key"));
        let expected = fault.unwrap_or_else(|| panic!("{to}: {faults}")).expected.clone().unwrap();
        let mut keys: BTreeSet<_> =
            expected.trim_start_matches("one of ").split(", ").map(str::to_owned).collect();
        if pointer.is_empty() {
            // Taken away before the file is read.
            keys.insert("extends".to_owned());
        }
        let properties = schema.pointer(pointer).unwrap()["properties"].as_object().unwrap();
        assert_eq!(properties.keys().cloned().collect::<BTreeSet<_>>(), keys, "{to}");
        assert_eq!(schema.pointer(pointer).unwrap()["additionalProperties"], false, "{to}");
        let described = |it: &Value| it.get("description").is_some();
        assert!(properties.values().all(described), "{pointer}: each key has a description");
    }
}

/// Whether a value fits a schema: draft 2020-12, the keywords that this schema uses.
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let rules = match schema {
        Value::Bool(verdict) => return *verdict,
        _ => schema.as_object().unwrap(),
    };
    let each = |list: &Value| list.as_array().unwrap().clone();
    rules.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" | "x-taplo" | "$defs" | "then" | "else" => {
            true
        }
        "$ref" => {
            let pointer = rule.as_str().unwrap().trim_start_matches('#');
            fits(root, root.pointer(pointer).unwrap(), value)
        }
        "type" => is_of_type(rule.as_str().unwrap(), value),
        "enum" => each(rule).contains(value),
        "const" => rule == value,
        "pattern" => {
            value.as_str().is_none_or(|text| matches_pattern(rule.as_str().unwrap(), text))
        }
        "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
        "anyOf" => each(rule).iter().any(|it| fits(root, it, value)),
        "allOf" => each(rule).iter().all(|it| fits(root, it, value)),
        "not" => !fits(root, rule, value),
        "if" => {
            let then = rules.get(if fits(root, rule, value) { "then" } else { "else" });
            then.is_none_or(|then| fits(root, then, value))
        }
        "items" => value.as_array().is_none_or(|list| list.iter().all(|it| fits(root, rule, it))),
        _ => value.as_object().is_none_or(|object| object_fits(root, schema, keyword, object)),
    })
}

fn object_fits(
    root: &Value,
    schema: &Value,
    keyword: &str,
    object: &serde_json::Map<String, Value>,
) -> bool {
    let rule = &schema[keyword];
    let rows = |name: &str| schema.get(name).and_then(Value::as_object).into_iter().flatten();
    match keyword {
        "required" => {
            rule.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))
        }
        "minProperties" => object.len() >= usize::try_from(rule.as_u64().unwrap()).unwrap(),
        "properties" => rows("properties")
            .all(|(key, it)| object.get(key).is_none_or(|value| fits(root, it, value))),
        "patternProperties" => object.iter().all(|(key, value)| {
            rows("patternProperties")
                .all(|(pattern, it)| !matches_pattern(pattern, key) || fits(root, it, value))
        }),
        "additionalProperties" => object.iter().all(|(key, value)| {
            rows("properties").any(|(known, _)| known == key)
                || rows("patternProperties").any(|(pattern, _)| matches_pattern(pattern, key))
                || fits(root, rule, value)
        }),
        _ => panic!("the keyword `{keyword}` is not known here"),
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        _ => panic!("the type `{name}` is not known here"),
    }
}

fn matches_pattern(pattern: &str, text: &str) -> bool {
    let all = |low: usize, high: usize, fits: fn(char) -> bool| {
        (low..=high).contains(&text.chars().count()) && text.chars().all(fits)
    };
    let number = |least: u32, most: u32| {
        let read = text.parse().ok().filter(|number| (least..=most).contains(number));
        read.is_some() && !text.starts_with(['0', '+'])
    };
    let dots = |places: usize, digits: usize| {
        let rest = text.trim_start_matches('.');
        let dots = text.len() - rest.len();
        let right =
            (1..=digits).contains(&rest.len()) && rest.bytes().all(|it| it.is_ascii_digit());
        (1..=places).contains(&dots) && right
    };
    match pattern {
        "^[0-9]{4}$" => all(4, 4, |it| it.is_ascii_digit()),
        "^[0-9x]{4}$" => all(4, 4, |it| it.is_ascii_digit() || it == 'x'),
        "^[0-9x]{6}$" => all(6, 6, |it| it.is_ascii_digit() || it == 'x'),
        "^[A-Za-z0-9_-]+$" => {
            all(1, usize::MAX, |it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-'))
        }
        "^[ -~]$" => all(1, 1, |it| matches!(it, ' '..='~')),
        "^[!-~]{1,16}$" => all(1, 16, |it| matches!(it, '!'..='~')),
        "^([0-9A-Fa-f]{2}){1,8}$" => {
            all(2, 16, |it| it.is_ascii_hexdigit()) && text.len().is_multiple_of(2)
        }
        "^([2-9]|[1-9][0-9]|1[01][0-9]|12[0-8])$" => number(2, 128),
        "^([1-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$" => number(1, 255),
        "^([1-9]|[1-5][0-9]|6[0-4])$" => number(1, 64),
        "^(\\.{1,6}[0-9]{1,6}|rest)$" => text == "rest" || dots(6, 6),
        "^\\.{1,4}[0-9]{1,10}$" => dots(4, 10),
        _ => panic!("the pattern `{pattern}` is not known here"),
    }
}
