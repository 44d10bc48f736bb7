//! Each signed message is acted on once: nonces seen lately, per merchant. Bounded by count; when it is
//! full of nonces that still matter, new messages are refused, never old nonces forgotten.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use tidegate_payment::id::{MerchantId, Nonce};

/// Why a message is not acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Its nonce was seen before.
    #[error("the nonce was seen before")]
    Seen,
    /// It was made before this process started, which cannot know the nonces of then.
    #[error("the message was made before the gateway started")]
    BeforeStart,
    /// Too many nonces are held.
    #[error("the replay window is full")]
    Full,
}

/// Whether a message leaves a trace in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Its nonce rides in its first record and comes back at the next start.
    Journalled,
    /// Its nonce lives in memory only.
    Memory,
}

/// The window. A nonce is held until twice the window after `created` (never less than its message
/// could still be fresh, though our clock be set back by as much).
pub struct ReplayWindow {
    window_s: i64,
    started_s: i64,
    nonces_max: usize,
    seen: Mutex<Seen>,
    #[cfg(feature = "sabotage")]
    forgetful: bool,
}

#[derive(Default)]
struct Seen {
    /// The first 16 bytes of SHA-256 over merchant and nonce.
    nonces: HashSet<[u8; 16]>,
    /// By the second after which they no longer matter.
    ends: BTreeMap<i64, Vec<[u8; 16]>>,
}

impl ReplayWindow {
    /// An empty window. `started_s`: when this process started, in seconds since 1970, rounded up.
    pub fn new(window_s: i64, nonces_max: usize, started_s: i64) -> Self {
        Self {
            window_s,
            started_s,
            nonces_max,
            seen: Mutex::default(),
            #[cfg(feature = "sabotage")]
            forgetful: false,
        }
    }

    /// The same window with a planted bug: a nonce that was seen is admitted again.
    #[cfg(feature = "sabotage")]
    #[must_use]
    pub fn forgetful(self) -> Self {
        Self { forgetful: true, ..self }
    }

    /// Takes back a nonce from the journal at the start. Not bounded: recovery must not forget.
    pub fn recover(&self, merchant: &MerchantId, nonce: &Nonce, created_s: i64) {
        self.lock().insert(fold(merchant, nonce), self.end(created_s));
    }

    /// Admits a message, once. Check and insertion are one step under one lock. Nonces whose time has
    /// passed are let go here.
    /// # Errors
    /// [`ReplayError`] if it must not be acted on.
    pub fn admit(
        &self,
        merchant: &MerchantId,
        nonce: &Nonce,
        created_s: i64,
        now_s: i64,
        trace: Trace,
    ) -> Result<(), ReplayError> {
        if trace == Trace::Memory && created_s < self.started_s {
            return Err(ReplayError::BeforeStart);
        }
        let folded = fold(merchant, nonce);
        let mut seen = self.lock();
        seen.let_go(now_s);
        #[cfg(feature = "sabotage")]
        if self.forgetful {
            return Ok(());
        }
        if seen.nonces.contains(&folded) {
            return Err(ReplayError::Seen);
        }
        if seen.nonces.len() >= self.nonces_max {
            return Err(ReplayError::Full);
        }
        seen.insert(folded, self.end(created_s));
        Ok(())
    }

    /// How many nonces are held.
    pub fn held(&self) -> usize {
        self.lock().nonces.len()
    }

    fn end(&self, created_s: i64) -> i64 {
        created_s.saturating_add(self.window_s.saturating_mul(2))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn insert(&mut self, folded: [u8; 16], end: i64) {
        if self.nonces.insert(folded) {
            self.ends.entry(end).or_default().push(folded);
        }
    }

    fn let_go(&mut self, now_s: i64) {
        while let Some(first) = self.ends.first_entry() {
            if *first.key() >= now_s {
                return;
            }
            for folded in first.remove() {
                self.nonces.remove(&folded);
            }
        }
    }
}

fn fold(merchant: &MerchantId, nonce: &Nonce) -> [u8; 16] {
    // A merchant id holds no zero byte, so the pair cannot be split in two ways.
    let text = [merchant.as_str().as_bytes(), &[0], nonce.as_str().as_bytes()].concat();
    digest(&SHA256, &text).as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn admit(window: &ReplayWindow, who: &str, nonce: &str, created_s: i64) -> Option<ReplayError> {
        let (merchant, nonce) = (MerchantId::parse(who).unwrap(), Nonce::parse(nonce).unwrap());
        window.admit(&merchant, &nonce, created_s, created_s, Trace::Journalled).err()
    }

    #[test]
    fn a_nonce_is_admitted_once_per_merchant_until_twice_the_window_passed() {
        let window = ReplayWindow::new(300, 10, 0);
        assert_eq!(admit(&window, "m1", "nonce-01", 1000), None);
        assert_eq!(admit(&window, "m1", "nonce-01", 1000), Some(ReplayError::Seen));
        assert_eq!(admit(&window, "m2", "nonce-01", 1000), None);
        assert_eq!(admit(&window, "m1", "nonce-01", 1600), Some(ReplayError::Seen));
        assert_eq!(admit(&window, "m1", "nonce-01", 1601), None);
        assert_eq!(window.held(), 1);
    }

    #[test]
    fn a_full_window_refuses_and_forgets_nothing() {
        let window = ReplayWindow::new(300, 2, 0);
        assert_eq!(admit(&window, "m1", "nonce-01", 1000), None);
        assert_eq!(admit(&window, "m1", "nonce-02", 1001), None);
        assert_eq!(admit(&window, "m1", "nonce-03", 1002), Some(ReplayError::Full));
        assert_eq!(admit(&window, "m1", "nonce-01", 1002), Some(ReplayError::Seen));
        assert_eq!(admit(&window, "m1", "nonce-03", 1601), None);
    }

    #[test]
    fn after_a_start_journalled_nonces_are_known_and_older_questions_refused() {
        let window = ReplayWindow::new(300, 10, 1000);
        let (merchant, nonce) =
            (MerchantId::parse("m1").unwrap(), Nonce::parse("nonce-01").unwrap());
        window.recover(&merchant, &nonce, 990);
        assert_eq!(admit(&window, "m1", "nonce-01", 995), Some(ReplayError::Seen));
        let other = Nonce::parse("nonce-02").unwrap();
        let ask = |created_s| window.admit(&merchant, &other, created_s, 1001, Trace::Memory);
        assert_eq!(ask(999), Err(ReplayError::BeforeStart));
        assert_eq!(ask(1000), Ok(()));
    }

    #[test]
    fn of_many_at_once_exactly_one_is_admitted() {
        let window = ReplayWindow::new(300, 1000, 0);
        let admitted = std::thread::scope(|scope| {
            let ask =
                || (0..50).filter(|_| admit(&window, "m1", "nonce-01", 1000).is_none()).count();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(admitted, 1);
    }
}
