//! After the faults have stopped: asks for every payment until it is final or waits for a person, and
//! once more for all, so that the history says how each ended.

use crate::history::{Act, Told};
use crate::load::{End, Load};
use crate::merchant::{Order, Outcome};
use crate::operation::Operation;
use crate::world::World;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Serialize;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How a payment ended, as the merchant knows it. Exactly one per payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Approved.
    Approved,
    /// Declined.
    Declined,
    /// Reversed.
    Reversed,
    /// Not accepted.
    Refused,
    /// It waits for a person.
    Parked,
    /// It should be final and is not.
    Pending,
}

impl Ending {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Reversed => "reversed",
            Self::Refused => "refused",
            Self::Parked => "with a person",
            Self::Pending => "pending",
        }
    }
}

/// How many questions are under way at once.
const QUESTIONS: usize = 32;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(50);

/// Waits, at most for `patience`, until every payment is final or parked. Returns how each ended, in the
/// order of the load.
/// # Errors
/// If questions cannot be signed.
pub async fn drain(world: &World, load: &Load, patience: Duration) -> anyhow::Result<Vec<Ending>> {
    let began = Instant::now();
    let mut endings: Vec<Option<Ending>> = load.ends.iter().map(|_| None).collect();
    loop {
        let open: Vec<usize> = (0..load.ends.len())
            .filter(|&place| matches!(endings.get(place), Some(None | Some(Ending::Parked))))
            .collect();
        let answers = ask(world, load, &open).await?;
        let mut waiting = false;
        for (place, ending) in answers {
            waiting |= ending.is_none();
            if let Some(slot) = endings.get_mut(place) {
                *slot = ending;
            }
        }
        if !waiting || began.elapsed() > patience {
            break;
        }
        tokio::time::sleep(BETWEEN_ROUNDS).await;
    }
    Ok(endings.into_iter().map(|ending| ending.unwrap_or(Ending::Pending)).collect())
}

/// Asks once for some of the payments.
/// # Errors
/// If questions cannot be signed.
pub async fn ask(
    world: &World,
    load: &Load,
    places: &[usize],
) -> anyhow::Result<Vec<(usize, Option<Ending>)>> {
    let ends = places.iter().filter_map(|&place| Some((place, load.ends.get(place)?)));
    let known: HashMap<&str, u64> = load.ends.iter().filter_map(known).collect();
    let known = &known;
    let questions =
        ends.map(|(place, end)| async move { (place, ask_one(world, end, known).await) });
    let answers: Vec<_> = stream::iter(questions).buffer_unordered(QUESTIONS).collect().await;
    answers.into_iter().map(|(place, ending)| Ok((place, ending?))).collect()
}

/// The gateway's id of an operation that its merchant was told of.
fn known(end: &End) -> Option<(&str, u64)> {
    match &end.outcome {
        Outcome::Told(told) => Some((&told.id, end.order.op)),
        Outcome::Refused(_) | Outcome::Busy | Outcome::Unknown => None,
    }
}

/// `None`: not final, or nobody knows.
async fn ask_one(
    world: &World,
    end: &End,
    known: &HashMap<&str, u64>,
) -> anyhow::Result<Option<Ending>> {
    let Some(merchant) = world.merchants.get(end.merchant) else { return Ok(None) };
    if end.order.operation.is_follow_up() {
        match &end.outcome {
            // Nothing of it was accepted, and nothing of it can be found.
            Outcome::Refused(_) => return Ok(Some(Ending::Refused)),
            Outcome::Told(told) => {
                let exchange = merchant.query(end.order.op, Act::Query, &told.id).await?;
                return Ok(match &exchange.outcome {
                    Outcome::Told(told) => ending_of(told),
                    _ => None,
                });
            }
            Outcome::Busy | Outcome::Unknown => {}
        }
    }
    let answer = merchant.query_order(&end.order, |told| is_of(&end.order, told, known)).await?;
    let Some(list) = answer else { return Ok(None) };
    Ok(match list.first() {
        Some(told) => ending_of(told),
        // Refused, or its sending never reached the gateway.
        None if matches!(end.outcome, Outcome::Told(_)) => None,
        None => Some(Ending::Refused),
    })
}

/// Whether what an order's list shows is this operation of it: the amount tells a refund or a completion
/// from another, but that of a void is not its own, and one that was told to another is another's.
fn is_of(order: &Order, told: &Told, known: &HashMap<&str, u64>) -> bool {
    let amount = order.operation == Operation::Void || told.amount.minor == order.minor;
    let another = known.get(told.id.as_str()).is_some_and(|&op| op != order.op);
    told.operation == order.operation && amount && !another
}

fn ending_of(told: &Told) -> Option<Ending> {
    match (told.result.as_str(), told.reason.as_deref()) {
        ("approved", _) => Some(Ending::Approved),
        ("declined", _) => Some(Ending::Declined),
        ("reversed", _) => Some(Ending::Reversed),
        ("pending", Some("under_review")) => Some(Ending::Parked),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test's own orders")]
mod tests {
    use super::{End, is_of, known};
    use crate::history::Told;
    use crate::load::orders;
    use crate::merchant::{Order, Outcome};
    use crate::operation::Operation;
    use serde_json::json;
    use std::collections::HashMap;

    fn void(op: u64) -> Order {
        let (_, order) = orders(1, 1, 1, 1, false).pop().unwrap();
        Order { op, operation: Operation::Void, ..order }
    }

    fn told(order: &Order, id: &str) -> Told {
        serde_json::from_value(json!({
            "id": id, "operation": "void", "result": "approved", "reason": null,
            "will_be_approved": null, "order_id": order.order_id,
            "amount": {"minor": 7410, "currency": "EUR"},
            "card": {"bin": "400000", "last4": "5164"}, "response_code": "00",
            "approval_code": null, "rrn": null, "stan": null, "business_date": null, "version": 3,
        }))
        .unwrap()
    }

    #[test]
    fn the_void_of_another_operation_is_not_taken_for_ones_own() {
        let (first, second) = (void(10_000_014), void(20_000_014));
        let shown = told(&second, "of-the-second");
        let end = |order: &Order, outcome| End { merchant: 0, order: order.clone(), outcome };
        let ends =
            [end(&first, Outcome::Unknown), end(&second, Outcome::Told(Box::new(shown.clone())))];
        let known: HashMap<&str, u64> = ends.iter().filter_map(known).collect();

        assert!(!is_of(&first, &shown, &known), "the first's sending never arrived");
        assert!(is_of(&second, &shown, &known));
        assert!(is_of(&first, &told(&first, "told to nobody"), &known), "an answer that got lost");
    }
}
