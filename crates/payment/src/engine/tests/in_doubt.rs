//! What the search of everything found: each a way to lose sight of money.

use super::*;

impl World {
    /// The store refuses every group of a payment that is under way.
    fn refuse(&mut self) {
        let now = self.now();
        for group in core::mem::take(&mut self.out.groups) {
            self.engine.not_written(now, group.subject(), &mut self.out);
        }
        self.commit();
    }
}

#[test]
fn a_time_out_that_was_not_written_is_decided_anew() {
    let mut world = World::new();
    let id = world.pay(1);
    world.clock_s += 15;
    let now = world.now();
    world.engine.handle(now, Input::Tick, &mut world.out);
    world.refuse();
    assert_eq!(world.verdict(id), Verdict::Pending(PendingReason::InProgress));
    world.wait(1);
    assert_eq!(world.told(1), Verdict::Pending(PendingReason::HostTimeout));
    assert_eq!(world.attempts(id).last(), Some(&(Attempt::Reversal(1), false)));
}
