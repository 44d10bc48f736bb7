//! The script of a certification: read, checked whole, then built. Every fault is told at once.
//!
//! In reading order: `section` reads tables key by key, `host` the host and who we are there, `step`
//! the cases.

mod host;
mod section;
mod step;

pub use host::{Acceptor, Card, HostTable};
pub use step::{Action, Case, Deed, Expectation, Step, Want};

use anyhow::{Context as _, bail};
use section::{Faults, Section};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The largest script that is read.
const SCRIPT_BYTES_MAX: usize = 4 << 20;

/// A checked script.
pub struct Script {
    /// What it certifies, for people.
    pub name: String,
    /// The host.
    pub host: HostTable,
    /// The gateway's `[reversal]`.
    pub reversal: toml::Table,
    /// Who asks.
    pub acceptor: Acceptor,
    /// The test cards by name.
    pub cards: BTreeMap<String, Card>,
    /// The cases, in order.
    pub cases: Vec<Case>,
    /// All of it as TOML, without the cards: not even a hash of their numbers is to be told.
    pub without_cards: String,
}

impl Script {
    /// Reads a script, and a file with another host, whose `[[host]]` and `[reversal]` then count.
    /// # Errors
    /// Everything that is wrong with them.
    pub fn open(path: &Path, host: Option<&Path>) -> anyhow::Result<Self> {
        let mut table = read(path)?;
        if let Some(host) = host {
            let mut other = read(host)?;
            for key in ["host", "reversal"] {
                if let Some(value) = other.remove(key) {
                    table.insert(key.to_owned(), value);
                }
            }
        }
        let mut shown = table.clone();
        shown.remove("card");
        let without_cards = toml::to_string(&shown)?;
        let script = build(table).map_err(|faults| {
            anyhow::anyhow!("{} cannot be used:\n  {}", path.display(), faults.join("\n  "))
        })?;
        Ok(Self { without_cards, ..script })
    }

    /// How long the last word about a payment may take: three attempts of a reversal and some more.
    pub fn patience(&self) -> Duration {
        let gaps = self.reversal.get("gaps_ms").and_then(toml::Value::as_array);
        let default = [10_000, 30_000];
        let gaps: Vec<i64> = match gaps {
            Some(list) => list.iter().take(2).filter_map(toml::Value::as_integer).collect(),
            None => default.to_vec(),
        };
        let unknown = self.reversal.get("unknown_original_wait_ms");
        let unknown = unknown.and_then(toml::Value::as_integer).unwrap_or(60_000);
        let waits = gaps.iter().fold(unknown, |sum, gap| sum.saturating_add(*gap));
        let waits = Duration::from_millis(u64::try_from(waits).unwrap_or(0));
        let replies = self.host.reply_timeout.saturating_mul(4);
        waits.saturating_add(replies).saturating_add(Duration::from_secs(5))
    }
}

/// Syntax faults are told by place alone: the line may hold a card number.
fn read(path: &Path) -> anyhow::Result<toml::Table> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    if text.len() > SCRIPT_BYTES_MAX {
        bail!("{} has more than {SCRIPT_BYTES_MAX} bytes", path.display());
    }
    text.parse::<toml::Table>().map_err(|fault| {
        let before = fault.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        anyhow::anyhow!("{}, line {line}: {}", path.display(), fault.message())
    })
}

fn build(table: toml::Table) -> Result<Script, Vec<String>> {
    let faults = Faults::default();
    let mut root = Section::new("", table, &faults);
    let name = root.wanted("name", "a name for the report");
    let host = host::host(&mut root);
    let reversal = root.table("reversal").unwrap_or_default();
    let acceptor = host::acceptor(&mut root, &faults);
    let cards = host::cards(&mut root, &faults);
    let cases = step::cases(&mut root, &cards);
    root.end();
    let faults = faults.into_inner();
    match (name, host, acceptor) {
        (Some(name), Some(host), Some(acceptor)) if faults.is_empty() => Ok(Script {
            name,
            host,
            reversal,
            acceptor,
            cards,
            cases,
            without_cards: String::new(),
        }),
        _ => Err(faults),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
