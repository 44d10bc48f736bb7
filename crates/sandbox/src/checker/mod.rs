//! Judges a run from outside: by what the merchants asked and were told, by the bank's books, by what
//! passed on its lines, and, for the invariants about it alone, by the gateway's exported journal.
//!
//! Every invariant is one function that returns what violates it. In reading order: [`evidence`] is
//! what is judged, [`money`] says whose money is where, [`sums`] what a
//! payment allows afterwards, [`frames`] what the host was sent, [`hosts`] which host, [`silence`]
//! how doubt was ended, [`durable`] what survived, [`merchants`] who was told what.

pub mod durable;
pub mod evidence;
pub mod frames;
pub mod hosts;
pub mod index;
pub mod merchants;
pub mod money;
pub mod silence;
pub mod sums;
#[cfg(test)]
mod tests;

use evidence::Evidence;
use index::Index;
use serde::Serialize;
use std::fmt;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The invariant's id.
    pub invariant: &'static str,
    /// The payment, message or account that it is about.
    pub about: String,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.invariant, self.about, self.found)
    }
}

/// What one invariant found: whom about, and what.
pub type Findings = Vec<(String, String)>;

/// An invariant: its id, what it says, and the function that looks for violations.
pub struct Invariant {
    /// Its id.
    pub id: &'static str,
    /// What it says, in a line.
    pub says: &'static str,
    look: fn(&Index<'_>) -> Findings,
}

const fn invariant(
    id: &'static str,
    says: &'static str,
    look: fn(&Index<'_>) -> Findings,
) -> Invariant {
    Invariant { id, says, look }
}

/// Every invariant that is checked.
pub const INVARIANTS: &[Invariant] = &[
    invariant("M1", "every accepted payment has one final answer", money::one_final_answer),
    invariant("M2", "a final answer never changes", money::answers_never_change),
    invariant("M3", "a key reaches the host at most once", frames::one_original),
    invariant("M4", "another content under a used key is refused", merchants::mismatch_refused),
    invariant("M5", "no told approval was taken back", money::approvals_stand),
    invariant("M6", "no told decline or reversal keeps money", money::declines_take_nothing),
    invariant("M7", "the bank's books and the journal agree", money::books_agree),
    invariant("M8", "no account made money", money::money_is_conserved),
    invariant("M9", "the host was asked what the merchant asked", frames::same_content),
    invariant("M10", "no answer says more than was asked or given", frames::no_more_than_asked),
    invariant("M11", "a reversal names its own original", frames::reversal_names_original),
    invariant("M12", "a payment is given back at most once", money::given_back_once),
    invariant("M13", "what follows a payment stays within it", sums::follow_ups_stay_within),
    invariant("M14", "a late approval meets a reversal", silence::late_approvals_reversed),
    invariant("M15", "what was called not sent was not sent", silence::not_sent_is_true),
    invariant("M16", "what was answered is not reversed", silence::answered_not_reversed),
    invariant("D1", "nothing is sent before its intent is durable", durable::intent_first),
    invariant("D2", "nothing is told before it is durable", durable::outcome_first),
    invariant("D3", "what was acknowledged survives", durable::nothing_forgotten),
    invariant("D4", "recovering twice gives the same", durable::recovery_is_idempotent),
    invariant("D8", "after a restart doubt is reversed first", silence::restart_reverses_first),
    invariant("H1", "a payment goes to the host that the routes say", hosts::as_routed),
    invariant("H2", "what belongs together stays at one host", hosts::never_moved),
    invariant("H3", "a host is spoken to in its own terms", hosts::in_its_own_terms),
    invariant("S1", "the host key is unique", frames::unique_keys),
    invariant("S2", "an answer goes only to its own request", frames::answers_match),
    invariant("S3", "the retrieval reference is unique and kept", frames::references_kept),
    invariant("S4", "no merchant is shown another's payment", merchants::no_cross_talk),
    invariant("S5", "nothing financial before sign-on", frames::signed_on_first),
    invariant("S8", "a repeat is marked as a repeat", frames::repeats_marked),
    invariant("X3", "forged and replayed requests do nothing", merchants::only_genuine_requests),
];

/// Judges a run. An empty list is the verdict that one hopes for.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let index = Index::of(evidence);
    let mut violations = Vec::new();
    for invariant in INVARIANTS {
        for (about, found) in (invariant.look)(&index) {
            violations.push(Violation { invariant: invariant.id, about, found });
        }
    }
    violations
}
