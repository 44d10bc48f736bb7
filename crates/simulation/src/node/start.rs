//! How a run of the gateway begins and how it ends.

use super::Node;
use super::date::CutOvers;
use crate::agenda::Lane;
use crate::event::{Event, NodeEvent};
use crate::fault::Fault;
use crate::points::Point;
use crate::sabotage::Sabotage;
use crate::store::projection::{Projection, Recovered};
use crate::store::writer::Writer;
use crate::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tidegate::host::exchange::Exchanges;
use tidegate::host::wording::Wording;
use tidegate::store::journal::disk::Disk;
use tidegate::store::journal::frame::Place;
use tidegate::store::journal::room::RoomPlan;
use tidegate::store::journal::scan::{ScanError, Tail, scan};
use tidegate::store::journal::segment::Format;
use tidegate::store::journal::writer::Journal;
use tidegate_line::event::Event as LineEvent;
use tidegate_line::host::Host;
use tidegate_line::limits::Limits;
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::engine::{Engine, Out, Settings};
use tidegate_payment::numbering::LeaseSizes;
use tidegate_payment::payment::Payment;

/// How long the host may take to answer.
pub(crate) const HOST_REPLY: Duration = Duration::from_secs(15);
/// Between two answers "unknown original" at least this long passes: the bank's longest time.
pub(crate) const UNKNOWN_WAIT: Duration = Duration::from_secs(20);
/// Size of a journal segment.
const SEGMENT_BYTES: u64 = 256 << 10;
/// Size of the ballast.
const BALLAST_BYTES: u64 = 128 << 10;
/// How many ended reversals a start takes up for their late answers.
const LATE_MAX: usize = 400;

impl World {
    /// The process is to start.
    pub(crate) fn start(&mut self) {
        self.starting = false;
        if self.node.is_some() {
            return;
        }
        if self.locked {
            return self.start_in(Duration::from_secs(3));
        }
        self.life = self.life.saturating_add(1);
        self.log.note(self.clock.mono, "the gateway starts", self.life, 0);
        if self.strikes(Fault::Nested, 3_000) && self.life > 1 {
            let operations = self.dice.disk.below(9);
            self.disk.fail(|faults| faults.dies_at = Some(operations));
        }
        match self.open() {
            Ok((journal, tail)) => self.take_up(journal, &tail),
            Err(_) if self.disk.is_dead() => self.points.hit(Point::CrashInRecovery),
            Err(why) => {
                // No room for the first segment, or a sync that failed: an operator starts it again.
                self.log.note(self.clock.mono, "the gateway cannot start", self.life, 0);
                if let Some(damage) = why {
                    self.checker.breaks("D5", damage);
                }
                self.start_in(Duration::from_secs(3));
            }
        }
    }

    /// Opens the journal and brings the projection up to it. An error holds the damage, if it is that.
    fn open(&mut self) -> Result<(Journal, Tail), Option<String>> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let from = self.projection.place();
        let tail = scan(disk.as_ref(), from, |_, _| Ok::<_, String>(())).map_err(damage)?;
        self.points.hit_if(tail.torn.is_some(), Point::TornTail);
        let known = self.checker.last();
        if tail.place.last.0 < known {
            let what = format!("the journal ends at {}, {known} was told", tail.place.last.0);
            self.checker.breaks("D3", what);
        }
        let (epoch, torn) = (tail.epoch, tail.torn.is_some());
        let skips = torn && self.is_sabotaged(Sabotage::LostCut);
        self.disk.fail(|faults| faults.skips = skips);
        let mut tail = tail;
        if self.is_sabotaged(Sabotage::SameEpoch) {
            tail.epoch = tail.epoch.saturating_sub(1);
        }
        let plan = RoomPlan {
            segment_bytes: SEGMENT_BYTES,
            ballast_bytes: BALLAST_BYTES,
            retry: Duration::from_secs(1),
            // Without the time of day in it: a seed gives the same bytes each time.
            format: Format::V1,
        };
        let journal = Journal::open_by_hand(Arc::clone(&disk), &tail, plan).map_err(|_| None)?;
        if journal.epoch() <= epoch {
            self.checker.breaks("D6", format!("epoch {} follows {epoch}", journal.epoch()));
        }
        let survived = tail.place.last.0 > known;
        self.points.hit_if(survived, Point::KeptUnacknowledged);
        self.points.hit_if(torn, Point::LostUnacknowledged);
        let (projection, checker) = (&mut self.projection, &mut self.checker);
        let life = self.life;
        let caught_up = scan(disk.as_ref(), from, |_, raw| {
            checker.durable(std::iter::once(*raw), life.saturating_sub(1));
            projection.apply(raw)
        });
        let again = caught_up.map_err(damage)?;
        if again.place != tail.place || again.torn.is_some() {
            self.checker.breaks("D4", "a second look at the journal tells something else");
        }
        Ok((journal, tail))
    }

    /// Takes over what the journal says, and ends what an earlier run left open.
    fn take_up(&mut self, journal: Journal, tail: &Tail) {
        let mut recovered = self.projection.recovered(LATE_MAX);
        if self.is_sabotaged(Sabotage::ForgetOpen) {
            recovered.open.pop();
        }
        self.points.hit_if(!recovered.open.is_empty(), Point::RecoveredOpen);
        let mut out = Out::default();
        let mut engine = Engine::new(self.settings(), [self.cast.host.clone()]);
        for group in &recovered.open {
            engine.restore(group.clone(), &mut out);
        }
        if let Some(wrong) = out.effects.first() {
            self.checker.breaks("T", format!("the journal tells what cannot be: {wrong:?}"));
        }
        if !self.is_sabotaged(Sabotage::ForgetLease) {
            recovered.leases.iter().for_each(|lease| engine.restore_lease(lease));
        }
        if let Some(date) = recovered.date.filter(|_| !self.is_sabotaged(Sabotage::ForgetDate)) {
            engine.restore_date(date);
        }
        let lines = u16::try_from(self.cast.lines.len()).unwrap_or(1);
        let host = match Host::new(self.clock.mono, self.limits(), lines) {
            Ok(host) => host,
            Err(fault) => return self.checker.breaks("T", fault.to_string()),
        };
        self.node = Some(Node {
            life: self.life,
            engine,
            out: Out::default(),
            host,
            exchanges: Exchanges::default(),
            sockets: BTreeMap::new(),
            store: Writer::new(journal),
            fresh: VecDeque::new(),
            applying: false,
            engine_tick: None,
            host_tick: None,
            inputs: Lane::default(),
            encoder: Lane::default(),
            judge: Lane::default(),
            encoding: 0,
            last_stan: 0,
            last_card: None,
            cut_overs: CutOvers::new(recovered.date),
            paused_until: Duration::ZERO,
        });
        for sent in expected(&recovered) {
            self.expect(sent);
        }
        self.hear_line(LineEvent::Tick);
        let now = self.clock.now();
        if let Some(node) = self.node.as_mut() {
            node.engine.recover(now, &mut node.out);
        }
        self.log.note(self.clock.mono, "the gateway is up", self.life, tail.place.last.0);
        self.plan_node(Duration::ZERO, NodeEvent::Date);
        self.plan_node(Duration::from_millis(5), NodeEvent::Room);
        self.after();
    }

    fn expect(&mut self, sent: Durable<Outgoing>) {
        let Ok(key) = Wording::key(&self.cast.definition, sent.get()) else { return };
        let Some(node) = self.node.as_mut() else { return };
        let exchange = node.exchanges.begin(Arc::new(sent));
        self.hear_line(LineEvent::Expect { exchange, key });
    }

    fn settings(&self) -> Settings {
        Settings {
            host_reply: HOST_REPLY,
            reversal_gaps: [10, 20, 30].map(Duration::from_secs).to_vec(),
            reversal_give_up: Duration::from_secs(120),
            unknown_original_wait: UNKNOWN_WAIT,
            open_payments_max: 300,
            recent_payments_max: self.plan.recent,
            waiting_max: 200,
            waiters_max: 6,
            leases: LeaseSizes { stans: 64, rrns: 64 },
            paces: [(self.cast.host.clone(), self.plan.pace)].into(),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            in_flight_max: self.plan.in_flight,
            owed_in_flight_max: (self.plan.in_flight / 4).max(1),
            late_max: 4_000,
            answered_max: 4_000,
            sign_on_timeout: Duration::from_secs(5),
            echo_after: Duration::from_secs(8),
            echo_timeout: Duration::from_secs(5),
            reconnect_min: Duration::from_millis(300),
            reconnect_max: Duration::from_secs(8),
            drain_timeout: HOST_REPLY,
            ..Limits::default()
        }
    }

    /// The power failed: of what was not durable, the dice decide what is left.
    pub(crate) fn power_cut(&mut self) {
        self.note_death();
        let mut dice = self.dice.disk.clone();
        self.disk.cut_power(&mut dice);
        self.dice.disk = dice;
        if self.is_sabotaged(Sabotage::LoseLastBatch) {
            self.lose_last_batch();
        }
        if self.dice.disk.chance(2_000) && self.has(Fault::Lag) {
            self.points.hit(Point::ProjectionLost);
            self.projection = Projection::default();
        }
        self.die();
    }

    /// The process is killed, or ends itself; what it wrote stays.
    pub(crate) fn kill(&mut self) {
        self.note_death();
        self.disk.revive();
        self.locked = self.is_sabotaged(Sabotage::StaleLock);
        self.die();
    }

    /// The first failed write or sync ends the run.
    pub(crate) fn store_failed(&mut self) {
        self.kill();
    }

    fn note_death(&mut self) {
        let Some(node) = self.node.as_ref() else { return };
        self.log.note(self.clock.mono, "the gateway dies", node.life, 0);
        self.checker.run_ended(node.life);
        let busy = node.engine.status().awaiting_host > 0;
        self.points.hit_if(busy, Point::CrashInFlight);
        let life = node.life;
        let unsent = |known: &&crate::checker::journal::Known| {
            known.run == life
                && known.originals == 0
                && known.outcome().is_none()
                && known.timed_out.is_none()
        };
        let unsent = busy && self.checker.payments().any(|known| unsent(&known));
        self.points.hit_if(unsent, Point::CrashBeforeSend);
    }

    fn die(&mut self) {
        if let Some(node) = self.node.take() {
            for wire in self.network.of_run(node.life) {
                self.drop_wire(wire);
            }
            for attempt in self.merchants.attempts_of(node.life) {
                self.unheard(attempt);
            }
        }
        let wait = self.dice.world.millis(50, 6_000);
        self.start_in(wait);
    }

    /// A connection of a process that is gone.
    fn drop_wire(&mut self, wire: u64) {
        let flies = self.dice.network.micros(100, 20_000);
        let Some(link) = self.network.link(wire) else { return };
        link.gateway_open = false;
        link.jobs.clear();
        let at = link.to_bank.out(self.clock.mono, flies);
        self.agenda.plan(at, Event::BankGone(wire));
    }

    /// The journal from its first record, read once more: it must tell what the projection holds.
    pub(crate) fn audit_journal(&mut self) {
        let mut again = Projection::default();
        let (checker, life) = (&mut self.checker, self.life);
        let tail = scan(&self.disk, Place::START, |_, raw| {
            checker.durable(std::iter::once(*raw), life);
            again.apply(raw)
        });
        match tail {
            Ok(tail) if tail.place.last.0 != self.checker.last() => {
                let (found, known) = (tail.place.last.0, self.checker.last());
                self.checker.breaks("D3", format!("the journal ends at {found}, {known} was told"));
            }
            Ok(_) if again != self.projection => {
                self.checker.breaks("D10", "a projection made again is another one");
            }
            Ok(_) => {}
            Err(error) => self.checker.breaks("D5", error.to_string()),
        }
    }
}

fn damage(error: ScanError<String>) -> Option<String> {
    match error {
        ScanError::Damaged(damage) => Some(damage.to_string()),
        ScanError::File { .. } => None,
        ScanError::Visitor { error, .. } => Some(error),
    }
}

/// The requests of an earlier run that the host may still answer, oldest first.
fn expected(recovered: &Recovered) -> Vec<Durable<Outgoing>> {
    let mut expected = Vec::new();
    for group in recovered.reversed.iter().chain(&recovered.open) {
        let payment = Payment::fold(&group.get().records).ok().flatten();
        let original = payment.as_ref().and_then(Payment::original);
        expected.extend(original.map(|original| group.clone().map(|_| original)));
    }
    expected
}
