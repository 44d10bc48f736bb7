//! Of a script: the host by the gateway's own `[[host]]`, who asks there, and the test cards.

use super::section::{Faults, Section};
use crate::cards::check_digit_is_valid;
use crate::proxy::framing::Framing;
use std::collections::BTreeMap;
use std::time::Duration;

/// The host. Only what the certification itself must know is looked at; the rest is the gateway's to
/// check.
pub struct HostTable {
    /// Its name.
    pub name: String,
    /// The name of its dialect.
    pub dialect: String,
    /// The name of its mapping.
    pub mapping: String,
    /// What stands before its messages.
    pub framing: Framing,
    /// Its lines: name and real address.
    pub lines: Vec<(String, String)>,
    /// After this it counts as silent.
    pub reply_timeout: Duration,
    /// After so long a silence a line is asked for an echo.
    pub echo_after: Duration,
    /// The table as it stands.
    pub table: toml::Table,
}

/// Who asks, by the keys of the gateway's `[[merchant]]`.
pub struct Acceptor {
    /// Text by key.
    pub texts: BTreeMap<&'static str, String>,
    /// Three letters.
    pub currency: String,
}

/// A test card. Its number and code have no printed form.
pub struct Card {
    /// The number.
    pub number: String,
    /// `YYYY-MM`.
    pub expiry: String,
    /// The security code, if it is to go along.
    pub security_code: Option<String>,
}

/// What a merchant is told by its gateway's configuration: key and what is wanted.
const ACCEPTOR: &[(&str, &str)] = &[
    ("name", "the merchant's name"),
    ("time_zone", "an IANA time zone"),
    ("category", "4 digits (DE 18)"),
    ("terminal", "8 characters (DE 41)"),
    ("acceptor", "up to 15 characters (DE 42)"),
    ("name_location", "up to 40 characters (DE 43)"),
];

pub(super) fn host(root: &mut Section<'_>) -> Option<HostTable> {
    let one = "one [[host]], as in the gateway's configuration";
    let Some(toml::Value::Array(mut list)) = root.take("host") else {
        root.fault("host", one);
        return None;
    };
    let (Some(toml::Value::Table(table)), true) = (list.pop(), list.is_empty()) else {
        root.fault("host", one);
        return None;
    };
    let text = |key: &str| {
        let text = table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        if text.is_none() {
            root.fault(&format!("host[0].{key}"), "a text, as in the gateway's configuration");
        }
        text
    };
    let [name, dialect, mapping] = ["name", "dialect", "mapping"].map(text);
    let framing = table.get("frame").and_then(toml::Value::as_str).and_then(Framing::named);
    if framing.is_none() {
        root.fault("host[0].frame", "\"length-be2\" or \"length-ascii4\"");
    }
    let lines = lines(&table);
    if lines.is_none() {
        root.fault("host[0].line", "one or more lines with name and address");
    }
    let wait = |key: &str, default: u64| {
        let value = table.get(key).and_then(toml::Value::as_integer);
        let value = value.and_then(|value| u64::try_from(value).ok());
        Duration::from_millis(value.unwrap_or(default))
    };
    Some(HostTable {
        name: name?,
        dialect: dialect?,
        mapping: mapping?,
        framing: framing?,
        lines: lines?,
        reply_timeout: wait("reply_timeout_ms", 15_000),
        echo_after: wait("echo_after_ms", 30_000),
        table,
    })
}

fn lines(host: &toml::Table) -> Option<Vec<(String, String)>> {
    let list = host.get("line")?.as_array()?.iter();
    let line = |line: &toml::Value| {
        let text = |key: &str| line.get(key)?.as_str().map(str::to_owned);
        Some((text("name")?, text("address")?))
    };
    list.map(line).collect::<Option<Vec<_>>>().filter(|lines| !lines.is_empty())
}

pub(super) fn acceptor(root: &mut Section<'_>, faults: &Faults) -> Option<Acceptor> {
    let Some(table) = root.table("acceptor") else {
        root.fault("acceptor", "a table: who asks");
        return None;
    };
    let mut section = Section::new("acceptor", table, faults);
    let mut texts = BTreeMap::new();
    for &(key, wanted) in ACCEPTOR {
        texts.extend(section.wanted(key, wanted).map(|text| (key, text)));
    }
    let currency = section.wanted("currency", "three letters, such as \"EUR\"");
    section.end();
    Some(Acceptor { texts, currency: currency? })
}

pub(super) fn cards(root: &mut Section<'_>, faults: &Faults) -> BTreeMap<String, Card> {
    let mut cards = BTreeMap::new();
    let Some(table) = root.table("card") else {
        root.fault("card", "a table [card.NAME] for each test card");
        return cards;
    };
    for (name, value) in table {
        let path = format!("card.{name}");
        let toml::Value::Table(table) = value else {
            root.fault(&path, "a table");
            continue;
        };
        let mut section = Section::new(&path, table, faults);
        cards.extend(card(&mut section).map(|card| (name, card)));
        section.end();
    }
    cards
}

fn card(section: &mut Section<'_>) -> Option<Card> {
    let number = secret(section, "number", "number_env");
    let number = number.filter(|it| (12..=19).contains(&it.len()) && check_digit_is_valid(it));
    if number.is_none() {
        section.fault(
            "number",
            "a card number with a valid check digit, or in number_env the name of an environment \
             variable that holds one",
        );
    }
    let security_code = secret(section, "security_code", "security_code_env");
    let digits = |code: &str| code.bytes().all(|byte| byte.is_ascii_digit());
    if security_code.as_ref().is_some_and(|code| !(3..=4).contains(&code.len()) || !digits(code)) {
        section.fault("security_code", "3 or 4 digits");
    }
    let expiry = section.wanted("expiry", "YYYY-MM")?;
    Some(Card { number: number?, expiry, security_code })
}

/// In the script itself, or in the environment.
fn secret(section: &mut Section<'_>, here: &'static str, env: &'static str) -> Option<String> {
    let text = section.text(here, "a text");
    let Some(name) = section.text(env, "the name of an environment variable") else {
        return text;
    };
    if text.is_some() {
        section.fault(env, &format!("{here} or {env}, not both"));
    }
    let value = std::env::var(&name).ok();
    if value.is_none() {
        section.fault(env, "an environment variable that is set");
    }
    value
}
