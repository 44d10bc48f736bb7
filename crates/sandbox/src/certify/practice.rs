//! The sandbox's own bank in the place of a real host, to practise with: on loopback, all waits short.

use super::script::Script;
use crate::bank::capture::Capture;
use crate::bank::fault::Plan;
use crate::bank::habits::{Habits, UnknownOriginal};
use crate::bank::{Bank, Settings};
use crate::clock::Clock;
use crate::iso::Dialect;
use crate::token::Tokens;
use anyhow::{Context as _, anyhow};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use toml::Value;

const REPLY_TIMEOUT: Duration = Duration::from_secs(1);
const ECHO_AFTER: Duration = Duration::from_secs(1);

/// Opens the bank and leads the script's lines there. It stands as long as what is returned.
pub(super) async fn practise(script: &mut Script) -> anyhow::Result<Bank> {
    let dialects = [Dialect::Iso87Ascii, Dialect::Iso87Binary];
    let dialect = dialects.into_iter().find(|it| it.name() == script.host.dialect);
    let dialect =
        dialect.context("the sandbox's bank speaks iso87-ascii and iso87-binary alone")?;
    let settings = Settings {
        host: script.host.name.clone(),
        dialect,
        seed: 1,
        ledger_file: None,
        habits: Habits { unknown_original: UnknownOriginal::Remembered, terse_replies: false },
        think_time_max: Duration::ZERO,
        serves_per_second: None,
        swap_wait: Duration::ZERO,
        first_tick: 0,
    };
    let clock = Clock::start();
    let tokens = Tokens::fresh().map_err(|_| anyhow!("the machine has no randomness"))?;
    let capture = Capture::new(clock, tokens, None)?;
    let honest = Arc::new(Plan::new(1, BTreeSet::new(), REPLY_TIMEOUT));
    let names: Vec<String> = script.host.lines.iter().map(|(name, _)| name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bank = Bank::open(settings, &names, clock, honest, capture).await?;
    let host = &mut script.host;
    host.lines = bank.lines().iter().map(|(name, at)| (name.clone(), at.to_string())).collect();
    (host.reply_timeout, host.echo_after) = (REPLY_TIMEOUT, ECHO_AFTER);
    for (key, wait_ms) in [("reply_timeout_ms", 1000), ("echo_after_ms", 1000)] {
        host.table.insert(key.to_owned(), Value::Integer(wait_ms));
    }
    script.reversal = "gaps_ms = [500, 1000, 2000]\nunknown_original_wait_ms = 2000".parse()?;
    Ok(bank)
}
