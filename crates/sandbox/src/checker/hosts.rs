//! Which host was spoken to, and how: H1 to H3.

use super::Findings;
use super::index::{Index, Talk};
use crate::bank::capture::{Seen, Sender};
use crate::operation::meaning;
use std::collections::BTreeSet;

/// H1: what begins something goes to the host that the routes say, by card, merchant and operation.
pub(super) fn as_routed(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    let layout = &index.evidence.layout;
    for (op, payment, asked) in index.asked() {
        if asked.operation.is_follow_up() {
            continue;
        }
        let wanted = layout.hosts_for(payment.merchant, &asked.card, asked.operation);
        for talk in index.talks_of(payment) {
            for host in hosts_of(talk).into_iter().filter(|host| !wanted.contains(host)) {
                let found = format!("it went to {host}, its route leads to {wanted:?}");
                findings.push((format!("payment {op}"), found));
            }
        }
    }
    findings
}

/// H2: what belongs together stays at one host: a request, its repeats and its reversals, and whatever is
/// asked later about the same payment.
pub(super) fn never_moved(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (reference, talk) in &index.talks {
        let hosts = hosts_of(talk);
        if hosts.len() > 1 {
            findings.push((format!("reference {reference}"), format!("it went to {hosts:?}")));
        }
    }
    for (op, payment, asked) in index.asked() {
        let original = asked.original.and_then(|original| index.payments.get(&original));
        let Some(original) = original else { continue };
        let known: BTreeSet<&str> = index.talks_of(original).flat_map(hosts_of).collect();
        for host in index.talks_of(payment).flat_map(hosts_of) {
            if !known.contains(host) {
                let name = asked.operation.name();
                let found = format!("a {name} went to {host}, its original to {known:?}");
                findings.push((format!("payment {op}"), found));
            }
        }
    }
    findings
}

/// H3: a host is sent the message types that it has agreed to, under our numbers there (DE 32, DE 33).
pub(super) fn in_its_own_terms(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for event in &index.evidence.wire {
        let Seen::Message(Sender::Gateway, message) = &event.seen else { continue };
        let about = || format!("reference {} on {}", message.get(37), event.line);
        let (mti, dialect) = (&message.mti, event.line.dialect);
        if !dialect.has(mti) {
            findings.push((about(), format!("{mti} is not agreed in {}", dialect.name())));
        }
        let Some(plan) = index.evidence.layout.host(&event.line.host) else {
            findings.push((about(), "there is no such host".to_owned()));
            continue;
        };
        let numbers = (message.get(32), message.get(33));
        let wanted = (plan.acquirer, plan.forwarder.unwrap_or_default());
        if meaning(message).is_some() && numbers != wanted {
            findings.push((about(), format!("DE 32 and DE 33 are {numbers:?}, not {wanted:?}")));
        }
    }
    findings
}

fn hosts_of<'a>(talk: &Talk<'a>) -> BTreeSet<&'a str> {
    let sent = talk.asking().chain(&talk.reversals);
    sent.map(|sighting| sighting.event.line.host.as_str()).collect()
}
