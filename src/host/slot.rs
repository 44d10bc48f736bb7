//! Security codes and authentication values on their way from the channel to the host frame. They are
//! in no record and travel beside the engine; they are wiped when they are taken, forgotten, or
//! past their deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidegate_payment::card::Secrets;
use tidegate_payment::id::PaymentId;
use tidegate_payment::time::Mono;

/// The slots: at most one for each payment, at most `max` in all.
#[derive(Debug)]
pub struct Slots {
    max: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    secrets: BTreeMap<PaymentId, (Secrets, Mono)>,
    deadlines: BTreeSet<(Mono, PaymentId)>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held(of {} payments)", self.secrets.len())
    }
}

/// All slots are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all {max} slots for security codes and authentication values are taken")]
pub struct SlotsFull {
    /// How many there are.
    pub max: usize,
}

impl Slots {
    /// As many slots as payments may wait for their first message.
    pub fn new(max: usize) -> Self {
        Self { max, held: Mutex::default() }
    }

    /// Keeps secrets until `deadline`; what the payment had before is wiped.
    /// # Errors
    /// [`SlotsFull`]; the secrets are wiped then.
    pub fn put(&self, id: PaymentId, secrets: Secrets, deadline: Mono) -> Result<(), SlotsFull> {
        let mut held = self.held();
        held.remove(id);
        if held.secrets.len() >= self.max {
            return Err(SlotsFull { max: self.max });
        }
        held.deadlines.insert((deadline, id));
        held.secrets.insert(id, (secrets, deadline));
        Ok(())
    }

    /// Takes the payment's secrets, if it has any; whoever takes them wipes them by dropping them.
    pub fn take(&self, id: PaymentId) -> Option<Secrets> {
        self.held().remove(id)
    }

    /// Wipes the payment's secrets.
    pub fn forget(&self, id: PaymentId) {
        drop(self.take(id));
    }

    /// Wipes what is past its deadline and says of how many payments that was.
    pub fn expire(&self, now: Mono) -> usize {
        let mut held = self.held();
        let mut expired: usize = 0;
        while let Some(&(deadline, id)) = held.deadlines.first() {
            if deadline > now {
                break;
            }
            drop(held.remove(id));
            expired = expired.saturating_add(1);
        }
        expired
    }

    /// Of how many payments secrets are held.
    pub fn len(&self) -> usize {
        self.held().secrets.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A panic elsewhere while the lock was held leaves at worst secrets that expire.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn remove(&mut self, id: PaymentId) -> Option<Secrets> {
        let (secrets, deadline) = self.secrets.remove(&id)?;
        self.deadlines.remove(&(deadline, id));
        Some(secrets)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use std::time::Duration;
    use tidegate_payment::card::SecurityCode;

    fn code(text: &str) -> Secrets {
        Secrets { security_code: Some(SecurityCode::parse(text).unwrap()), cavv: None }
    }

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    #[test]
    fn a_code_is_taken_once() {
        let slots = Slots::new(2);
        slots.put(PaymentId(1), code("123"), at(10)).unwrap();
        assert_eq!(slots.take(PaymentId(1)).unwrap().security_code.unwrap().expose(), "123");
        assert!(slots.take(PaymentId(1)).is_none());
    }

    #[test]
    fn a_code_past_its_deadline_is_gone_and_the_others_stay() {
        let slots = Slots::new(3);
        slots.put(PaymentId(1), code("123"), at(10)).unwrap();
        slots.put(PaymentId(2), code("456"), at(20)).unwrap();
        assert_eq!(slots.expire(at(9)), 0);
        assert_eq!(slots.expire(at(10)), 1);
        assert!(slots.take(PaymentId(1)).is_none());
        assert!(slots.take(PaymentId(2)).is_some());
        assert_eq!(slots.expire(at(99)), 0);
    }

    #[test]
    fn slots_are_bounded_and_a_forgotten_one_is_free() {
        let slots = Slots::new(1);
        slots.put(PaymentId(1), code("123"), at(10)).unwrap();
        assert_eq!(slots.put(PaymentId(2), code("456"), at(10)), Err(SlotsFull { max: 1 }));
        slots.forget(PaymentId(1));
        slots.put(PaymentId(2), code("456"), at(10)).unwrap();
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn slots_print_no_code() {
        let slots = Slots::new(1);
        slots.put(PaymentId(1), code("9876"), at(10)).unwrap();
        assert!(!format!("{slots:?}").contains("9876"));
    }
}
