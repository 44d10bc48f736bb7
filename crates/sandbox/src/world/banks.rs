//! The banks of a world, one for each host.

use super::Options;
use crate::bank::capture::{Capture, Line, Seen, Sender, WireEvent};
use crate::bank::fault::Plan;
use crate::bank::{self, Bank};
use crate::clock::Clock;
use crate::hosts::{HostPlan, Layout};
use crate::proxy::{self, Proxy};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const LINES: &[&str] = &["a", "b"];
/// How far the banks' weather is apart.
const TICKS_APART: u64 = 20;

/// A bank for each host. All of them lie by one plan, and otherwise each has its own ways.
pub(super) async fn open_banks(
    options: &Options,
    folder: &Path,
    clock: Clock,
    plan: &Arc<Plan>,
    [first, others]: [&Capture; 2],
) -> io::Result<Vec<Bank>> {
    let mut banks = Vec::new();
    let mut capture = first;
    let mut habits = options.habits;
    for (number, host) in (0..).zip(Layout::of(options.hosts).hosts) {
        let settings = bank::Settings {
            host: host.name.to_owned(),
            dialect: host.dialect,
            seed: options.seed ^ number << 32,
            ledger_file: (!options.books_in_memory).then(|| folder.join(host.ledger)),
            habits,
            think_time_max: options.think_time_max,
            serves_per_second: options.serves_per_second,
            swap_wait: options.reply_timeout.checked_div(4).unwrap_or_default(),
            first_tick: number.saturating_mul(TICKS_APART),
        };
        banks.push(Bank::open(settings, LINES, clock, plan.clone(), capture.clone()).await?);
        capture = others;
        if !options.faults.is_empty() {
            habits = habits.other();
        }
    }
    Ok(banks)
}

/// Puts the proxy, if there is one, before the first bank; says which lines the gateway is to have of each host.
pub(super) async fn stand_before(
    proxy: proxy::Settings,
    banks: &[Bank],
    capture: Capture,
) -> io::Result<(Option<Proxy>, BTreeMap<String, Vec<(String, SocketAddr)>>)> {
    let mut lines: BTreeMap<_, _> =
        banks.iter().map(|bank| (bank.host().to_owned(), bank.lines().to_vec())).collect();
    let Some(first) = banks.first().filter(|_| !proxy.is_honest()) else {
        return Ok((None, lines));
    };
    let proxy = Proxy::new(proxy, Some(capture));
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut fronts = Vec::new();
    for (name, address) in first.lines() {
        let line = Line { host: first.host().to_owned(), name: name.clone(), ..Line::default() };
        fronts.push((name.clone(), proxy.stand_before(line, *address, anywhere).await?));
    }
    lines.insert(first.host().to_owned(), fronts);
    Ok((Some(proxy), lines))
}

/// Waits until every host has signed a line on: the gateway is ready as soon as one has. Not for long,
/// for a bank may lie.
pub(super) async fn sign_ons(capture: &Capture, layout: Layout) {
    let signed_on = |host: &HostPlan| {
        let answered = |event: &WireEvent| matches!(&event.seen, Seen::Message(Sender::Bank, message) if message.mti == "0810");
        let events = capture.with_field(70, "001");
        events.iter().any(|event| event.line.host == host.name && answered(event))
    };
    let all = async {
        while !layout.hosts.iter().all(signed_on) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), all).await;
}
