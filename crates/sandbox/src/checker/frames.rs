//! What the host was sent and what came of its answers: M3, M9 to M11, S1 to S3, S5, S8.

use super::Findings;
use super::index::{Index, Talk};
use crate::bank::capture::{Seen, Sender};
use crate::iso::Message;
use crate::operation::{Operation, is_repeat, meaning, original_data};
use std::collections::{BTreeMap, BTreeSet};

/// ISO 4217: the codes that the sandbox uses, in letters and in digits.
const CURRENCIES: &[(&str, &str)] = &[
    ("EUR", "978"),
    ("USD", "840"),
    ("GBP", "826"),
    ("CHF", "756"),
    ("JPY", "392"),
    ("CNY", "156"),
];

/// M3: one key, at most one purchase at the host; and no purchase that nobody asked for.
pub(super) fn one_original(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    let mut sent: BTreeMap<u64, usize> = BTreeMap::new();
    for (reference, talk) in &index.talks {
        match talk.origin {
            Some(origin) if origin.genuine => {
                let count = sent.entry(origin.op).or_default();
                *count = count.saturating_add(talk.requests.len().max(1));
            }
            // A request under a false signature or a used key is another invariant's business.
            Some(_) => {}
            None if talk.asking().next().is_none() => {}
            None => findings.push((
                format!("reference {reference}"),
                format!("a {} that nobody asked for", talk.operation.unwrap_or_default().name()),
            )),
        }
    }
    let twice = sent.into_iter().filter(|(_, count)| *count > 1);
    findings.extend(twice.map(|(op, count)| {
        (format!("payment {op}"), format!("it reached the host {count} times"))
    }));
    findings
}

/// M9: amount, currency, card, expiry, merchant and terminal at the host are those of the request.
pub(super) fn same_content(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for event in &index.evidence.wire {
        if let Seen::Garbage(Sender::Gateway, length) = event.seen {
            let about = format!("line {} at {} us", event.line, event.at_us);
            findings.push((about, format!("{length} bytes from the gateway are no message")));
        }
    }
    for (op, payment, asked) in index.asked() {
        // By what the host got (found by card and amount), and by what the gateway says it sent.
        let named = payment.last().and_then(|told| told.rrn.as_deref());
        let references = payment.references.iter().copied().chain(named);
        for reference in references.collect::<BTreeSet<_>>() {
            let Some(talk) = index.talks.get(reference) else { continue };
            for sighting in talk.asking() {
                let message = sighting.message;
                let expiry = asked.expiry.get(2..).unwrap_or("").replace('-', "");
                let currency = CURRENCIES.iter().find(|(letters, _)| *letters == asked.currency);
                let dialect = sighting.event.line.dialect;
                let (mti, code) = asked.operation.on_the_wire(dialect);
                let original = asked.original.map(|it| original_of(index, it));
                if message.mti.get(..3) != mti.get(..3) {
                    let about = format!("payment {op}, reference {reference}");
                    findings.push((about, format!("went out as {}, not {mti}", message.mti)));
                }
                let want = [
                    (3, code.to_owned()),
                    (90, original.unwrap_or_default()),
                    (2, asked.card.clone()),
                    (4, format!("{:012}", asked.minor)),
                    (14, expiry),
                    (41, asked.terminal.clone()),
                    (42, asked.acceptor.clone()),
                    (49, currency.map_or(String::new(), |(_, digits)| (*digits).to_owned())),
                ];
                for (field, want) in want {
                    let got = message.get(field).trim_end();
                    if got != want {
                        let about = format!("payment {op}, reference {reference}");
                        findings.push((about, format!("DE {field} is {got:?}, asked {want:?}")));
                    }
                }
            }
        }
    }
    findings
}

/// M10: a told amount is not above what was asked, and an approved one is what the host approved.
pub(super) fn no_more_than_asked(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, asked) in index.asked() {
        for (_, told) in &payment.told {
            let about = format!("payment {op} ({})", told.id);
            let most = told.approved().unwrap_or(told.amount.minor).max(told.amount.minor);
            if most > asked.minor || told.amount.currency != asked.currency {
                findings.push((about, format!("told {:?}, asked {}", told.amount, asked.minor)));
                break;
            }
            let given = index.talks_of(payment).flat_map(Talk::true_replies).find_map(|reply| {
                (Some(reply.message.get(39)) == told.response_code.as_deref())
                    .then(|| reply.message.get(4).parse::<i64>().ok())?
            });
            let approved = told.approved();
            if approved.is_some() && given.is_some() && given != approved {
                let found = format!("told {approved:?}, the host approved {given:?}");
                findings.push((about, found));
                break;
            }
            let shown = told.balances.iter().map(|it| (it.kind.as_str(), it.amount.minor));
            let shown: BTreeMap<_, _> = shown.collect();
            let mut true_replies = index.talks_of(payment).flat_map(Talk::true_replies);
            if !shown.is_empty() && !true_replies.any(|it| balances(it.message) == shown) {
                findings.push((about, format!("told {shown:?}, which the host did not say")));
                break;
            }
        }
    }
    findings
}

/// DE 90 of what is about this payment; not empty even if nobody saw it.
fn original_of(index: &Index<'_>, op: u64) -> String {
    let payment = index.payments.get(&op);
    let mut talks = payment.into_iter().flat_map(|payment| index.talks_of(payment));
    let request = talks.find_map(|talk| Some(talk.requests.first()?.message));
    request.map_or_else(|| "unknown".to_owned(), original_data)
}

/// DE 54: account type n2, amount type n2, currency n3, C or D, amount n12.
fn balances(message: &Message) -> BTreeMap<&'static str, i64> {
    let mut rest = message.get(54);
    let mut balances = BTreeMap::new();
    while let Some((one, others)) = rest.split_at_checked(20) {
        let kind = if one.get(2..4) == Some("01") { "ledger" } else { "available" };
        let minor: i64 = one.get(8..).and_then(|text| text.parse().ok()).unwrap_or(-1);
        let sign = if one.get(7..8) == Some("D") { -1 } else { 1 };
        balances.insert(kind, minor.saturating_mul(sign));
        rest = others;
    }
    balances
}

/// M11: a reversal carries its own original's amount, numbers, times and parties, DE 90 composed of
/// them; a repeat is the same but for its type; and none carries track, PIN block or security code.
pub(super) fn reversal_names_original(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (reference, talk) in &index.talks {
        let original = talk.requests.first().map(|sighting| sighting.message);
        for sighting in &talk.reversals {
            let about = || format!("reference {reference}");
            let reversal = sighting.message;
            let forbidden = [35, 52, 55].iter().any(|field| reversal.fields.contains_key(field));
            if forbidden || reversal.get(48).contains("CV") {
                findings.push((about(), "a reversal carries secret data".to_owned()));
            }
            let Some(original) = original else { continue };
            for field in [2, 3, 4, 7, 11, 12, 13, 14, 32, 33, 37, 41, 42, 49] {
                if reversal.get(field) != original.get(field) {
                    let (got, want) = (reversal.get(field), original.get(field));
                    let found = format!("DE {field} is {got:?}, its original's is {want:?}");
                    findings.push((about(), found));
                }
            }
            let want = original_data(original);
            if reversal.get(90) != want {
                findings.push((about(), format!("DE 90 is {:?}, not {want}", reversal.get(90))));
            }
        }
        if talk.operation.is_some_and(Operation::is_follow_up) && changed_repeats(talk) {
            let found = "a repeated advice differs from the first one".to_owned();
            findings.push((format!("reference {reference}"), found));
        }
        let first = talk.reversals.first().map(|sighting| sighting.message);
        for repeat in talk.reversals.iter().skip(1) {
            let changed = first.is_some_and(|first| differs(first, repeat.message));
            if changed {
                let found = "a repeat differs from the first attempt".to_owned();
                findings.push((format!("reference {reference}"), found));
            }
        }
    }
    findings
}

/// M11 of advices: a repeat is what was sent first, but for its type.
fn changed_repeats(talk: &Talk<'_>) -> bool {
    let mut asking = talk.asking().map(|sighting| &sighting.message.fields);
    asking.next().is_some_and(|first| asking.any(|fields| fields != first))
}

/// A repeat may only add an approval code that became known in between.
fn differs(first: &Message, repeat: &Message) -> bool {
    let but_38 = |message: &Message| {
        let mut fields = message.fields.clone();
        fields.remove(&38);
        fields
    };
    let lost_38 = !first.get(38).is_empty() && first.get(38) != repeat.get(38);
    lost_38 || but_38(first) != but_38(repeat)
}

/// S1: no two requests share DE 7, 11, 37, 41 and 42.
pub(super) fn unique_keys(index: &Index<'_>) -> Findings {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (reference, talk) in &index.talks {
        for sighting in &talk.requests {
            if !seen.insert([7, 11, 37, 41, 42].map(|field| sighting.message.get(field))) {
                findings.push((format!("reference {reference}"), "its key was used twice".into()));
            }
        }
    }
    findings
}

/// S2: what was told as the host's word is the host's word to this request, and its reply agreed with
/// the request.
pub(super) fn answers_match(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (op, payment, _) in index.asked() {
        for (_, told) in &payment.told {
            let Some(code) = &told.response_code else { continue };
            let mut replies = index.talks_of(payment).flat_map(Talk::true_replies);
            let said = replies.any(|reply| {
                let approval = told.approval_code.as_deref().unwrap_or("");
                let same_approval =
                    told.result != "approved" || reply.message.get(38).trim_end() == approval;
                reply.message.get(39) == code && same_approval
            });
            if !said {
                let found = format!(
                    "told {} (code {code}, approval {:?}); the host never said so of it",
                    told.result, told.approval_code
                );
                findings.push((format!("payment {op} ({})", told.id), found));
                break;
            }
        }
    }
    findings
}

/// S3: a retrieval reference belongs to one payment, and is the same in request, reversal and answer.
pub(super) fn references_kept(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (reference, talk) in &index.talks {
        let originals = talk
            .asking()
            .chain(&talk.reversals)
            .map(|sighting| [2, 7, 11, 41, 42].map(|field| sighting.message.get(field)));
        if originals.collect::<BTreeSet<_>>().len() > 1 {
            findings.push((format!("reference {reference}"), "names two payments".to_owned()));
        }
    }
    for (op, payment, _) in index.asked() {
        for (_, told) in &payment.told {
            let Some(rrn) = told.rrn.as_deref() else { continue };
            if !payment.references.is_empty() && !payment.references.contains(&rrn) {
                let found = format!("told {rrn}, the host got {:?}", payment.references);
                findings.push((format!("payment {op} ({})", told.id), found));
                break;
            }
        }
    }
    findings
}

/// S5: on each connection nothing financial goes out before the sign-on is answered, nor after a
/// sign-off.
pub(super) fn signed_on_first(index: &Index<'_>) -> Findings {
    let mut signed_on = BTreeSet::new();
    let mut findings = Vec::new();
    for event in &index.evidence.wire {
        let Seen::Message(sender, message) = &event.seen else { continue };
        match (sender, message.mti.as_str(), message.get(70)) {
            (Sender::Bank, "0810", "001") => {
                signed_on.insert(event.connection);
            }
            (Sender::Gateway, "0800", "002") => {
                signed_on.remove(&event.connection);
            }
            (Sender::Gateway, ..)
                if meaning(message).is_some() && !signed_on.contains(&event.connection) =>
            {
                let about = format!("reference {}", message.get(37));
                findings.push((about, format!("{} on a line not signed on", message.mti)));
            }
            _ => {}
        }
    }
    findings
}

/// How far apart a busy bank may read what was sent on two connections at once.
pub(super) const READ_LAG_US: u64 = 1_000_000;

/// S8: a reversal or an advice goes out unmarked once at most, and never after a marked one. What the bank reads
/// from an older connection, that of a killed gateway say, was sent before what it read from a newer one; and from
/// another connection that it reads a little later.
pub(super) fn repeats_marked(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (reference, talk) in &index.talks {
        let advice = talk.operation.is_some_and(Operation::is_follow_up);
        let mut sightings: Vec<_> = match advice {
            true => talk.asking().collect(),
            false => talk.reversals.iter().collect(),
        };
        sightings.sort_by_key(|sighting| sighting.event.at_us);
        let (mut unmarked, mut after_a_marked_one) = (0, 0);
        let mut oldest_marked: Option<(u32, u64)> = None;
        for sighting in sightings {
            let (connection, at_us) = (sighting.event.connection, sighting.event.at_us);
            if !is_repeat(sighting.message) {
                unmarked += 1;
                let after = oldest_marked.is_some_and(|(marked, marked_us)| {
                    marked == connection
                        || marked < connection && at_us > marked_us.saturating_add(READ_LAG_US)
                });
                after_a_marked_one += usize::from(after);
            } else {
                let oldest = oldest_marked.filter(|(marked, _)| *marked <= connection);
                oldest_marked = Some(oldest.unwrap_or((connection, at_us)));
            }
        }
        if unmarked > 1 || after_a_marked_one > 0 {
            let found = format!(
                "it went out {unmarked} times without the mark of a repeat, {after_a_marked_one} \
                 of them after one with the mark"
            );
            findings.push((format!("reference {reference}"), found));
        }
    }
    findings
}
