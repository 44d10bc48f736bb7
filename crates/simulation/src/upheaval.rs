//! What the world does to everybody: crashes, broken wires, full disks, jumping clocks.

use crate::event::{Event, Said};
use crate::fault::Fault;
use crate::points::Point;
use crate::sabotage::Sabotage;
use crate::world::World;
use std::time::Duration;
use tidegate_payment::id::PaymentId;
use tidegate_payment::input::{CaseAct, Input, OperatorAct, Waiter};
use tidegate_payment::record::Resolution;

/// A day, in microseconds.
const DAY: u64 = 86_400_000_000;
/// What the world itself brings.
const UPHEAVALS: [Fault; 16] = [
    Fault::Kill,
    Fault::Power,
    Fault::Power,
    Fault::FailSync,
    Fault::FailWrite,
    Fault::DiskFull,
    Fault::Cut,
    Fault::Cut,
    Fault::HalfOpen,
    Fault::Silent,
    Fault::Split,
    Fault::CutOver,
    Fault::Garbage,
    Fault::SignOff,
    Fault::Pause,
    Fault::Jump,
];

impl World {
    /// The next upheaval.
    pub(crate) fn upheaval(&mut self) {
        if self.calm {
            return;
        }
        let gap = self.plan.upheaval_ms;
        let wait = self.dice.world.millis(gap / 10, gap.saturating_mul(2));
        self.plan_in(wait, Event::Upheaval);
        if self.dice.world.chance(1_500) {
            self.plan_in(Duration::from_millis(1), Event::Operator);
        }
        let Some(fault) = self.dice.world.pick(&UPHEAVALS).copied() else { return };
        if !self.has(fault) {
            return;
        }
        self.log.note(self.clock.mono, fault.name(), 0, 0);
        match fault {
            Fault::Kill => self.kill(),
            Fault::Power => self.lose_power(),
            Fault::FailSync | Fault::FailWrite => self.spoil_the_disk(fault),
            Fault::DiskFull => self.fill_the_disk(),
            Fault::Cut => self.cut_wires(),
            Fault::HalfOpen => self.swallow(),
            Fault::Silent => self.deafen(),
            Fault::Split => self.jam(),
            Fault::CutOver => self.bank_says(Said::CutOver),
            Fault::Garbage => {
                let said =
                    if self.dice.world.chance(5_000) { Said::Garbage } else { Said::Unasked };
                self.bank_says(said);
            }
            Fault::SignOff => self.bank_closes(),
            Fault::Pause => self.pause(),
            _ => self.jump(),
        }
    }

    /// At once, or at one of the next operations of the disk.
    fn lose_power(&mut self) {
        if self.dice.world.chance(4_000) {
            return self.power_cut();
        }
        let operations = self.dice.disk.below(24);
        self.disk.fail(|faults| faults.dies_at = Some(operations));
    }

    fn spoil_the_disk(&mut self, fault: Fault) {
        let operations = self.dice.disk.below(40);
        self.disk.fail(|faults| match fault {
            Fault::FailSync => faults.sync_fails = Some(operations),
            _ => faults.write_fails = Some(operations),
        });
    }

    fn fill_the_disk(&mut self) {
        let used = self.disk.used();
        self.disk.fail(|faults| faults.capacity = Some(used));
        let wait = self.dice.world.millis(2_000, 40_000);
        self.plan_in(wait, Event::Over(Fault::DiskFull));
    }

    fn cut_wires(&mut self) {
        let all = self.dice.world.chance(3_000);
        if all {
            let wait = self.dice.world.millis(100, 20_000);
            self.network.unreachable = self.clock.mono.saturating_add(wait);
        }
        for wire in self.network.standing() {
            if all || self.dice.network.chance(5_000) {
                self.cut_wire(wire);
            }
        }
    }

    /// Both ends see it, each in its time; what flies arrives or does not.
    fn cut_wire(&mut self, wire: u64) {
        let now = self.clock.mono;
        let (to_bank, to_gateway) =
            (self.dice.network.micros(10, 8_000), self.dice.network.micros(10, 8_000));
        let (deaf, dumb) = (self.dice.network.chance(5_000), self.dice.network.chance(5_000));
        let Some(link) = self.network.link(wire) else { return };
        let life = link.life;
        link.deaf |= deaf;
        link.dumb |= dumb;
        if deaf {
            // What flies is lost with the connection.
            link.bank_open = false;
            link.at_bank.clear();
        }
        let at = link.to_bank.out(now, to_bank);
        self.agenda.plan(at, Event::BankGone(wire));
        let at = if dumb { now } else { link.to_gateway.out(now, to_gateway) };
        let event = crate::event::NodeEvent::Gone(wire);
        self.agenda.plan(at, Event::Node(life, event));
    }

    /// Bytes vanish, and neither end is told.
    fn swallow(&mut self) {
        let wires = self.network.standing();
        let Some(wire) = self.dice.network.pick(&wires).copied() else { return };
        let both = self.dice.network.chance(5_000);
        let to_bank = self.dice.network.chance(5_000);
        if let Some(link) = self.network.link(wire) {
            link.deaf |= both || to_bank;
            link.dumb |= both || !to_bank;
        }
    }

    /// The bank hears no payment for a while, sometimes for long.
    fn deafen(&mut self) {
        let long = self.dice.world.chance(2_000);
        let wait = self.dice.world.millis(1_000, if long { 240_000 } else { 25_000 });
        self.bank.deaf_until = self.clock.mono.saturating_add(wait);
    }

    /// A socket takes nothing for a while.
    fn jam(&mut self) {
        let wires = self.network.standing();
        let Some(wire) = self.dice.network.pick(&wires).copied() else { return };
        let until = self.clock.mono.saturating_add(self.dice.network.millis(100, 22_000));
        if let Some(link) = self.network.link(wire) {
            link.stuck = until;
        }
    }

    fn bank_closes(&mut self) {
        let wait = self.dice.world.millis(500, 9_000);
        self.bank.closed_until = self.clock.mono.saturating_add(wait);
        self.bank_says(Said::SignOff);
        self.plan_in(wait, Event::BankSays(Said::SignOn));
    }

    fn pause(&mut self) {
        let wait = self.dice.world.millis(200, 30_000);
        let Some(node) = self.node.as_mut() else { return };
        let busy = node.engine.status().awaiting_host > 0;
        node.paused_until = self.clock.mono.saturating_add(wait);
        self.points.hit_if(busy, Point::Paused);
    }

    fn jump(&mut self) {
        let wide = self.dice.world.chance(3_000);
        let far = self.dice.world.below(if wide { DAY } else { 3_600_000_000 });
        let far = i64::try_from(far).unwrap_or(0);
        let back = self.dice.world.chance(5_000);
        let busy = self.node.as_ref().is_some_and(|it| it.engine.status().awaiting_host > 0);
        self.points.hit_if(busy, if back { Point::WallBack } else { Point::WallForth });
        let skew = self.clock.skew + if back { -far } else { far };
        let day = i64::try_from(DAY).unwrap_or(i64::MAX);
        self.clock.skew = skew.clamp(-day, day);
    }

    /// What lasted is over.
    pub(crate) fn over(&mut self, fault: Fault) {
        if fault == Fault::DiskFull {
            self.disk.fail(|faults| faults.capacity = None);
        }
    }

    /// An operator looks at the cases.
    pub(crate) fn operate(&mut self) {
        if self.calm {
            self.plan_in(Duration::from_secs(60), Event::Operator);
        }
        let parked = |known: &&crate::checker::journal::Known| known.parked;
        let cases: Vec<PaymentId> =
            self.checker.payments().filter(parked).map(|known| known.id).collect();
        if self.node.is_none() {
            return;
        }
        for id in cases {
            // Some cases are left to the next shift.
            if self.dice.world.chance(2_000) {
                continue;
            }
            let person = if self.dice.world.chance(5_000) { "operator-1" } else { "operator-2" };
            let act = self.operator_act(id);
            self.say(id, person, act);
        }
        self.after();
    }

    fn say(&mut self, id: PaymentId, person: &str, act: CaseAct) {
        let (mut by, reason) = (person.to_owned(), "asked the bank".to_owned());
        let proposed = self.checker.known(id).and_then(|known| known.proposed.clone());
        if proposed.as_ref() == Some(&by) && self.is_sabotaged(Sabotage::OnePerson) {
            by = format!("{by}-again");
        }
        if act == CaseAct::Close(Resolution::Posted) {
            self.checker.says_posted(id, person);
            // Whoever agrees, or is to agree, soon looks too.
            let wait = self.dice.world.millis(500, 5_000);
            self.plan_in(wait, Event::Operator);
        }
        self.hear(Input::Operator(OperatorAct { waiter: Waiter(0), id, by, reason, act }));
    }

    /// Once the bank's books are known, a case may be closed as they say.
    fn operator_act(&mut self, id: PaymentId) -> CaseAct {
        let proposed = self.checker.known(id).is_some_and(|known| known.proposed.is_some());
        let closes = self.dice.world.chance(if proposed { 9_000 } else { 3_000 });
        let Some(known) = self.checker.known(id).cloned().filter(|_| closes) else {
            return CaseAct::Retry;
        };
        let advice = known.silence == tidegate_payment::request::Silence::Advice;
        match self.bank.books.posting(&known.wide) {
            Some(posting) if advice && posting.approved.is_some() => {
                CaseAct::Close(Resolution::Posted)
            }
            Some(posting) if posting.reversed => CaseAct::Close(Resolution::Reversed),
            Some(posting) if posting.approved.is_none() => {
                CaseAct::Close(Resolution::DeclinedNeverPosted)
            }
            Some(_) => CaseAct::Retry,
            None if self.calm && self.clock.mono.saturating_sub(self.calm_since).as_secs() > 60 => {
                CaseAct::Close(Resolution::DeclinedNeverPosted)
            }
            None => CaseAct::Retry,
        }
    }
}
