//! What operators do with cases.

use super::book::Entry;
use crate::effect::Refusal;
use crate::input::{CaseAct, OperatorAct};
use crate::record::{CaseClosed, CaseRetried, CloseProposed, Record, Resolution};
use crate::time::Now;
use alloc::vec;
use alloc::vec::Vec;

/// The records of an operator's act. What makes a payment approved takes two people: the first proposes,
/// another one's same word closes.
pub(super) fn operator(now: Now, entry: &Entry, act: &OperatorAct) -> Result<Vec<Record>, Refusal> {
    if !entry.payment.is_case() {
        return Err(Refusal::NoCase);
    }
    // What was reversed is not made approved by one person's word.
    if act.act == CaseAct::Close(Resolution::Posted) && !entry.payment.is_advice() {
        return Err(Refusal::NotAnAdvice);
    }
    let (id, at) = (entry.id(), now.wall);
    let (by, reason) = (act.by.clone(), act.reason.clone());
    let CaseAct::Close(resolution) = act.act else {
        return Ok(vec![Record::CaseRetried(CaseRetried { id, at, by, reason })]);
    };
    let same = |proposal: &&crate::payment::Proposal| proposal.resolution == resolution;
    match entry.payment.proposal.as_ref().filter(same) {
        Some(proposal) if resolution.takes_two() && proposal.by == by => {
            Err(Refusal::SecondPersonWanted)
        }
        None if resolution.takes_two() => {
            Ok(vec![Record::CloseProposed(CloseProposed { id, at, resolution, by, reason })])
        }
        _ => Ok(vec![Record::CaseClosed(CaseClosed { id, at, resolution, by, reason })]),
    }
}
