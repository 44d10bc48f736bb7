//! How fast the bank serves, and whether it serves at all.

use super::*;

/// How the bank is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It serves.
    Well,
    /// Its lines stand and are signed on, and it takes no notice of what is asked of it.
    Deaf,
    /// Its lines are down: whoever connects is hung up on.
    Down,
}

/// One counter that serves whoever came first, each for as long; the others queue before it.
#[derive(Debug)]
pub(super) struct Counter {
    each_us: u64,
    free_at_us: u64,
}

impl Counter {
    pub(super) fn new(per_second: u32) -> Self {
        let each_us = 1_000_000_u64.checked_div(per_second.into()).unwrap_or(0);
        Self { each_us, free_at_us: 0 }
    }

    /// How long it takes until somebody who comes now was served.
    fn serve(&mut self, now_us: u64) -> Duration {
        self.free_at_us = self.free_at_us.max(now_us).saturating_add(self.each_us);
        Duration::from_micros(self.free_at_us.saturating_sub(now_us))
    }
}

impl Desk {
    /// How long a reply takes to be thought of, and to be served.
    pub(super) fn think(&mut self) -> Duration {
        let thought = Duration::from_micros(self.dice.below(micros(self.settings.think_time_max)));
        let now_us = self.clock.now_us();
        let served = self.counter.as_mut().map_or(Duration::ZERO, |it| it.serve(now_us));
        thought.saturating_add(served)
    }

    pub(super) fn turn(&mut self, mood: Mood) {
        self.mood = mood;
        if mood == Mood::Down {
            self.signed_on.clear();
            for handle in std::mem::take(&mut self.connections).into_values() {
                handle.hang_up.cancel();
            }
        }
    }

    pub(super) fn later(&self, wait: Duration, visit: Visit) {
        let visits = self.visits.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = visits.send(visit);
        });
    }

    pub(super) fn opened(&mut self, connection: u32, handle: Handle) {
        if self.mood == Mood::Down {
            handle.hang_up.cancel();
        } else {
            self.connections.insert(connection, handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_while_somebody_is_served_waits_for_its_turn() {
        let mut counter = Counter::new(500);
        let waits = [0, 0, 3_000, 50_000].map(|now_us| counter.serve(now_us).as_micros());
        assert_eq!(waits, [2_000, 4_000, 3_000, 2_000]);
    }
}
