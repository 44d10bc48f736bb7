//! Who was told what, and who may make the gateway act: M4, S4, X3.

use super::Findings;
use super::index::Index;
use crate::history::{Act, Phase};

/// M4: the same key with another content is an error, and the host hears nothing of it.
pub(super) fn mismatch_refused(index: &Index<'_>) -> Findings {
    let mut findings = acted_upon(index, Act::Mismatch);
    for event in &index.evidence.history {
        let right_code = event.note.as_deref() == Some("idempotency_mismatch");
        let busy = matches!(event.status, Some(429 | 503));
        if event.act == Act::Mismatch && event.phase == Phase::Fail && !right_code && !busy {
            let about = format!("payment {}", event.op);
            findings.push((about, format!("another content was refused as {:?}", event.note)));
        }
    }
    findings
}

/// X3: a request under a false signature, or one seen before, is refused, and the host hears nothing
/// of it; and every answer to a genuine one is signed by the gateway.
pub(super) fn only_genuine_requests(index: &Index<'_>) -> Findings {
    let mut findings = acted_upon(index, Act::Forgery);
    findings.extend(acted_upon(index, Act::Replay));
    for event in &index.evidence.history {
        let about = || format!("payment {}", event.op);
        let false_request = matches!(event.act, Act::Forgery | Act::Replay);
        let uniform = matches!(event.status, Some(401 | 429 | 503));
        if false_request && event.phase == Phase::Fail && !uniform {
            findings.push((about(), format!("{:?} was answered {:?}", event.act, event.status)));
        }
        let disbelieved = event.note.as_deref().is_some_and(|note| note.starts_with("disbelief"));
        if disbelieved {
            let note = event.note.clone().unwrap_or_default();
            findings.push((about(), format!("an answer could not be believed: {note}")));
        }
    }
    findings
}

fn acted_upon(index: &Index<'_>, act: Act) -> Findings {
    let mut findings = Vec::new();
    for event in &index.evidence.history {
        if event.act == act && event.phase == Phase::Ok {
            let about = format!("payment {}", event.op);
            findings.push((about, format!("{act:?} was answered as if it were genuine")));
        }
    }
    for (reference, talk) in &index.talks {
        if talk.origin.is_some_and(|origin| origin.act == act) && talk.asking().next().is_some() {
            findings.push((format!("reference {reference}"), format!("{act:?} reached the host")));
        }
    }
    findings
}

/// S4: what a merchant is told is about its own order, amount and card; and a question for another
/// merchant's payment is answered as if there were none.
pub(super) fn no_cross_talk(index: &Index<'_>) -> Findings {
    let mut findings = Vec::new();
    for (reference, talk) in &index.talks {
        if talk.origin.is_some_and(|origin| origin.act == Act::Snoop) {
            let found = "asked about another merchant's payment".to_owned();
            findings.push((format!("reference {reference}"), found));
        }
    }
    for (op, payment, asked) in index.asked() {
        for (event, told) in &payment.told {
            let bin = asked.card.get(..6).unwrap_or("");
            let last4 = asked
                .card
                .split('#')
                .next()
                .and_then(|masked| masked.get(masked.len().checked_sub(4)?..));
            let same = told.order_id == asked.order_id
                && told.operation == asked.operation
                && told.card.bin == bin
                && Some(told.card.last4.as_str()) == last4;
            if !same {
                let found = format!(
                    "{} asked for {}, card {bin}..{last4:?}, and was shown {}, card {}..{}",
                    event.merchant, asked.order_id, told.order_id, told.card.bin, told.card.last4
                );
                findings.push((format!("payment {op} ({})", told.id), found));
                break;
            }
        }
    }
    for event in &index.evidence.history {
        let shown = event.act == Act::Snoop
            && (event.phase == Phase::Ok
                || event.phase == Phase::Fail && !matches!(event.status, Some(404 | 429 | 503)));
        if shown {
            let found = format!("{} asked for it and got {:?}", event.merchant, event.status);
            findings.push((format!("payment {}", event.op), found));
        }
    }
    findings
}
