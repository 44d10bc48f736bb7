//! Holds what came of a step against what was expected. Pure.

use super::agreement::Agreement;
use super::role::{From, Role};
use super::script::{Deed, Expectation, Want};
use super::shown::ShownValue;
use super::wire::Frame;
use crate::history::Told;
use std::collections::BTreeSet;

/// What came of a step.
#[derive(Debug, Default)]
pub struct Came {
    /// What the merchant was told at first.
    pub told: Option<Told>,
    /// What it was told in the end.
    pub finally: Option<Told>,
    /// The code of a refusal, or why there was no answer.
    pub refused: Option<String>,
    /// Whatever else is wrong.
    pub faults: Vec<String>,
    /// The frames about it.
    pub frames: Vec<Frame>,
}

impl Came {
    /// Nothing but a fault.
    pub fn fault(why: impl std::fmt::Display) -> Self {
        Self { faults: vec![format!("{why:#}")], ..Self::default() }
    }
}

/// The frames that are about a payment: those of its reference, if both tell one.
pub fn about(frames: Vec<Frame>, told: Option<&Told>, agreement: &Agreement) -> Vec<Frame> {
    let reference = told.and_then(|told| told.rrn.as_deref());
    let is_about = |frame: &Frame| {
        let own = agreement.reference.and_then(|field| frame.shown.text(field));
        let payments = frame.role.is_some_and(|role| Role::OF_PAYMENTS.contains(&role));
        payments && (reference.is_none() || own.is_none() || own == reference)
    };
    frames.into_iter().filter(is_about).collect()
}

/// The network messages that `from` sends and their answers, of one line: that of the first answer, as
/// several lines may speak at once. An answer counts after its request alone: what was asked before the
/// step began may be answered in it.
pub fn conversation(mut frames: Vec<Frame>, from: From) -> Vec<Frame> {
    let mut asked = BTreeSet::new();
    frames.retain(|frame| match frame.role {
        Some(Role::Network) if frame.from == from => {
            asked.insert(frame.line.clone());
            true
        }
        Some(Role::NetworkReply) => frame.from != from && asked.contains(&frame.line),
        _ => false,
    });
    let answer = frames.iter().find(|frame| frame.role == Some(Role::NetworkReply));
    let line = answer.map(|answer| answer.line.clone());
    frames.retain(|frame| line.as_ref().is_none_or(|line| frame.line == *line));
    frames
}

/// What is wrong, a sentence each; nothing: it came as expected.
pub fn judge(expect: &Expectation, deed: Deed, came: &Came) -> Vec<String> {
    let mut faults = came.faults.clone();
    match (&expect.refused, &came.refused) {
        (wanted, got) if wanted == got => {}
        (None, Some(code)) => faults.push(format!("refused: {code}")),
        (Some(code), got) => {
            let got = got.as_deref().unwrap_or("none");
            faults.push(format!("wanted the refusal {code}, got {got}"));
        }
        (None, None) => {}
    }
    for (key, wanted) in &expect.told {
        let got = came.told.as_ref().and_then(|told| told_field(told, key));
        if got.as_ref() != Some(wanted) {
            let got = got.as_deref().unwrap_or("nothing");
            faults.push(format!("the merchant's {key}: wanted {wanted}, got {got}"));
        }
    }
    let last = came.finally.as_ref().or(came.told.as_ref());
    if let Some(wanted) = &expect.finally
        && !last.is_some_and(|told| is_word(told, wanted))
    {
        let got = last.map_or_else(|| "nothing".to_owned(), word);
        faults.push(format!("the merchant's final result: wanted {wanted}, got {got}"));
    }
    if let Some(wanted) = expect.approved {
        match last.and_then(Told::approved) {
            Some(got) if got == wanted => {}
            got => {
                let got = got.map_or_else(|| "nothing".to_owned(), |got| got.to_string());
                faults.push(format!("approved: wanted {wanted}, got {got}"));
            }
        }
    }
    if let Some(wanted) = expect.balances {
        let got = came.told.as_ref().is_some_and(|told| !told.balances.is_empty());
        if got != wanted {
            faults.push(format!("balances told: wanted {wanted}, got {got}"));
        }
    }
    frames(expect, deed, &came.frames, &mut faults);
    faults
}

fn frames(expect: &Expectation, deed: Deed, frames: &[Frame], faults: &mut Vec<String>) {
    if let Some(wanted) = &expect.frames {
        let got: Vec<Role> = frames.iter().filter_map(|frame| frame.role).collect();
        if got != *wanted {
            let list =
                |roles: &[Role]| roles.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
            let (wanted, got) = (list(wanted), list(&got));
            faults.push(format!("frames: wanted [{wanted}], got [{got}]"));
        }
    }
    for (role, fields) in &expect.fields {
        match first(frames, *role, deed) {
            None => faults.push(format!("no {} was seen", role.name())),
            Some(frame) => {
                for (field, want) in fields {
                    let other = match want {
                        Want::SameAs(other) => first(frames, *other, deed),
                        _ => None,
                    };
                    faults.extend(field_fault(frame, *role, *field, want, other));
                }
            }
        }
    }
}

/// The first frame of a role. Of network messages the request and the reply are meant.
fn first(frames: &[Frame], role: Role, deed: Deed) -> Option<&Frame> {
    let role = match (role, deed) {
        (role, Deed::Operation(_) | Deed::Retry | Deed::Status) => role,
        (Role::Request, _) => Role::Network,
        (Role::Reply, _) => Role::NetworkReply,
        (role, _) => role,
    };
    frames.iter().find(|frame| frame.role == Some(role))
}

fn field_fault(
    frame: &Frame,
    role: Role,
    field: u8,
    want: &Want,
    other: Option<&Frame>,
) -> Option<String> {
    let role = role.name();
    if field == 0 {
        let (mti, Want::Text(text)) = (&frame.shown.mti, want) else {
            return Some(format!("{role}: of its message type a text is wanted"));
        };
        return (mti != text).then(|| format!("{role}: wanted type {text}, got {mti}"));
    }
    let value = frame.shown.fields.get(&field).map(|field| &field.value);
    let wanted = match want {
        Want::Present(present) => {
            let is = if value.is_some() { "present" } else { "absent" };
            return (value.is_some() != *present).then(|| format!("{role}: DE {field} is {is}"));
        }
        Want::Text(text) => Some(text.as_str()),
        Want::SameAs(_) => other.and_then(|other| other.shown.text(field)),
    };
    match (value, wanted) {
        (Some(ShownValue::Value(got)), Some(wanted)) if got == wanted => None,
        (Some(ShownValue::Hidden(_)), _) => {
            Some(format!("{role}: DE {field} is hidden; want true or false of it"))
        }
        (got, wanted) => {
            let got = match got {
                Some(ShownValue::Value(text)) => text,
                _ => "nothing",
            };
            let wanted = wanted.unwrap_or("what the other frame lacks");
            Some(format!("{role}: DE {field}: wanted {wanted}, got {got}"))
        }
    }
}

/// Whether a payment ended so: by its result, or by `result/reason`.
pub fn is_word(told: &Told, wanted: &str) -> bool {
    told.result == wanted || word(told) == wanted
}

fn word(told: &Told) -> String {
    match &told.reason {
        Some(reason) => format!("{}/{reason}", told.result),
        None => told.result.clone(),
    }
}

fn told_field(told: &Told, key: &str) -> Option<String> {
    match key {
        "result" => Some(told.result.clone()),
        "reason" => told.reason.clone(),
        _ => told.response_code.clone(),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
