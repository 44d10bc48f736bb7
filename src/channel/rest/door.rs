//! The door: what is refused before its signature is checked, because there is no room for it.
//!
//! Who sent a request is not proved here. A forged name holds a place only until its signature is
//! checked, and counts only while all places are taken.

use super::{Code, Endpoint, Problem, RestParts};
use crate::admission::{Crowded, Entering, Place};
use crate::channel::merchant::Merchant;
use crate::channel::signature::RequestSignature;
use crate::edge::seam::{Answer, Received};
use crate::lane::Lane;
use std::sync::Arc;
use tidegate_payment::effect::Refusal;
use tidegate_payment::request::Operation;

/// In which lane a request travels: what asks, and what gives money back, is kept apart from what takes
/// it.
pub fn lane(method: &str, target: &str) -> Lane {
    let path = target.split('?').next().unwrap_or_default();
    let gives_back = path.ends_with("/voids") || path.ends_with("/refunds");
    if method == "POST" && !gives_back { Lane::Ordinary } else { Lane::Kept }
}

impl Endpoint {
    /// As [`lane`], of what was understood.
    pub(super) fn lane(&self) -> Lane {
        match self {
            Self::Pay | Self::Inquire(_) => Lane::Ordinary,
            Self::Follow(Operation::Void | Operation::Refund, _) => Lane::Kept,
            Self::Follow(..) => Lane::Ordinary,
            Self::One(_) | Self::Order(_) | Self::Keys | Self::Description => Lane::Kept,
        }
    }
}

/// What a request holds behind the door: a place of the channel to its end, and its way to a host's door.
pub(super) type Passed = (Option<Place>, Option<Entering>);

/// Lets a request in, or says why not.
pub(super) fn pass(
    received: &Received,
    endpoint: &Endpoint,
    parts: &RestParts,
) -> Result<Passed, Crowded> {
    if endpoint.lane() == Lane::Kept {
        return Ok((None, None));
    }
    let claimed = claimed(received, parts);
    let who = claimed.map(|merchant| &merchant.id);
    let weight = claimed.map_or(1, |merchant| merchant.weight);
    let place = parts.shares.enter(who.cloned(), weight, parts.settings.places)?;
    let entering = match endpoint {
        Endpoint::Pay | Endpoint::Inquire(_) => parts.core.approach(who, weight)?,
        _ => None,
    };
    Ok((Some(place), entering))
}

/// Whom a request claims to be from.
fn claimed<'a>(received: &Received, parts: &'a RestParts) -> Option<&'a Arc<Merchant>> {
    let (input, value) =
        (received.only_header("signature-input")?, received.only_header("signature")?);
    let signed = RequestSignature::read(input, value).ok()?;
    parts.merchants.by_key(&signed.key_id).map(|(merchant, _)| merchant)
}

/// The answer at the door, unsigned: nobody is known yet.
pub(super) fn refuse(crowded: Crowded, parts: &RestParts) -> Answer {
    let problem = Problem::from(Refusal::from(crowded));
    parts.tally.refused(match problem.code {
        Code::TooManyRequests => "too_many_requests_at_the_door",
        _ => "busy_at_the_door",
    });
    problem.answer(parts.retry_after_s())
}
