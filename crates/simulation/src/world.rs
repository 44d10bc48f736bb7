//! One world: everything of one seed, and the order in which things happen in it.

use crate::agenda::Agenda;
use crate::bank::desk::Bank;
use crate::cast::Cast;
use crate::checker::Checker;
use crate::clock::Clock;
use crate::dice::Dice;
use crate::disk::{DiskFaults, SimDisk};
use crate::event::{Event, Said};
use crate::fault::Fault;
use crate::log::Log;
use crate::merchants::Merchants;
use crate::network::Network;
use crate::node::Node;
use crate::plan::{Options, Plan};
use crate::points::Points;
use crate::sabotage::Sabotage;
use crate::store::projection::Projection;
use std::sync::Arc;
use std::time::Duration;

/// How long the world may go on after the faults have ended.
const CALM_MAX: Duration = Duration::from_secs(1800);
/// How often it is asked whether all is done.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The throws of each part.
pub(crate) struct Throws {
    pub(crate) world: Dice,
    pub(crate) merchants: Dice,
    pub(crate) node: Dice,
    pub(crate) network: Dice,
    pub(crate) bank: Dice,
    pub(crate) disk: Dice,
    pub(crate) sabotage: Dice,
}

/// One world.
pub struct World {
    pub(crate) options: Options,
    pub(crate) plan: Plan,
    pub(crate) cast: Arc<Cast>,
    pub(crate) clock: Clock,
    pub(crate) agenda: Agenda<Event>,
    pub(crate) dice: Throws,
    pub(crate) log: Log,
    pub(crate) points: Points,
    pub(crate) checker: Checker,
    pub(crate) disk: SimDisk,
    pub(crate) projection: Projection,
    pub(crate) network: Network,
    pub(crate) bank: Bank,
    pub(crate) merchants: Merchants,
    pub(crate) node: Option<Node>,
    /// Which run of the gateway is the latest.
    pub(crate) life: u64,
    /// Whether the faults have ended.
    pub(crate) calm: bool,
    /// When they ended.
    pub(crate) calm_since: Duration,
    /// Whether a start is planned.
    pub(crate) starting: bool,
    /// A planted bug's lock of a run that was killed.
    pub(crate) locked: bool,
    /// Wishes that are asked for again when the faults have ended.
    pub(crate) deferred: Vec<u64>,
    pub(crate) done: bool,
}

impl World {
    /// The world of a seed.
    pub fn new(options: Options, cast: Arc<Cast>) -> Self {
        let plan = Plan::new(&options);
        let part = |name| Dice::new(options.seed, name);
        let dice = Throws {
            world: part("world"),
            merchants: part("merchants"),
            node: part("node"),
            network: part("network"),
            bank: part("bank"),
            disk: part("disk"),
            sabotage: part("sabotage"),
        };
        let mut world = Self {
            options,
            plan,
            cast,
            clock: Clock::default(),
            agenda: Agenda::default(),
            dice,
            log: Log::default(),
            points: Points::default(),
            checker: Checker::default(),
            disk: SimDisk::default(),
            projection: Projection::default(),
            network: Network::default(),
            bank: Bank::default(),
            merchants: Merchants::default(),
            node: None,
            life: 0,
            calm: false,
            calm_since: Duration::ZERO,
            starting: false,
            locked: false,
            deferred: Vec::new(),
            done: false,
        };
        world.spoil_nothing_but_what_is_planted();
        world.start_in(Duration::ZERO);
        world.plan_in(Duration::from_secs(1), Event::Begin);
        world.plan_in(Duration::from_secs(2), Event::Upheaval);
        world.plan_in(LOOK_EVERY, Event::Look);
        world
    }

    /// Lets everything happen, until all is done or something is broken.
    pub fn run(&mut self) {
        while let Some((at, event)) = self.agenda.take() {
            self.clock.mono = at;
            self.checker.now = (at, self.log.step());
            self.happen(event);
            if self.done || self.checker.count() > 0 {
                break;
            }
        }
        if self.checker.count() == 0 {
            self.settle_accounts();
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Begin => self.begin(),
            Event::Ask(wish) => self.ask(wish),
            Event::Query(wish) => self.ask_about(wish),
            Event::Arrive(attempt) => self.arrive(attempt),
            Event::Patience(attempt) => self.patience(attempt),
            Event::Node(life, event) => self.in_node(life, event),
            Event::Reach(wire) => self.reach(wire),
            Event::ToBank(wire, bytes) => self.bank_reads(wire, &bytes),
            Event::BankGone(wire) => self.bank_sees_end(wire),
            Event::Leave(wire, bytes) => self.fly_to_gateway(wire, bytes),
            Event::Act(wire, message) => self.bank_acts(wire, &message),
            Event::BankSays(said) => self.bank_says(said),
            Event::Upheaval => self.upheaval(),
            Event::Start => self.start(),
            Event::Operator => self.operate(),
            Event::Over(fault) => self.over(fault),
            Event::Look => self.look(),
        }
        if self.disk.is_dead() {
            self.power_cut();
        }
    }

    /// Are all wishes begun, and is everything brought to its end?
    fn look(&mut self) {
        if !self.calm {
            let begun = self.merchants.count() >= self.options.payments;
            if begun {
                self.become_calm();
            }
        } else if self.is_drained() {
            self.done = true;
        } else if self.clock.mono.saturating_sub(self.calm_since) > CALM_MAX {
            self.done = true;
            self.tell_undone();
        }
        self.plan_in(LOOK_EVERY, Event::Look);
    }

    /// From here on nothing goes wrong any more.
    fn become_calm(&mut self) {
        self.calm = true;
        self.calm_since = self.clock.mono;
        self.log.note(self.clock.mono, "the faults end", self.merchants.count(), 0);
        self.spoil_nothing_but_what_is_planted();
        self.network.unreachable = Duration::ZERO;
        for wire in self.network.standing() {
            if let Some(link) = self.network.link(wire) {
                link.stuck = Duration::ZERO;
            }
        }
        for wish in std::mem::take(&mut self.deferred) {
            let wait = self.dice.merchants.millis(0, 20_000);
            self.ask_soon(wish, wait);
        }
        self.plan_in(Duration::from_millis(10), Event::BankSays(Said::SignOn));
        self.plan_in(Duration::from_secs(30), Event::Operator);
    }

    fn spoil_nothing_but_what_is_planted(&mut self) {
        let lies = self.is_sabotaged(Sabotage::LyingDisk);
        let hides = self.is_sabotaged(Sabotage::SwallowSyncError);
        self.disk.fail(|faults| *faults = DiskFaults { lies, hides, ..DiskFaults::default() });
    }

    fn is_drained(&self) -> bool {
        let Some(node) = &self.node else { return false };
        let status = node.engine.status();
        let pending = status.awaiting_host + status.reversing + status.repeating + status.cases;
        pending == 0 && self.merchants.undone == 0 && node.is_idle()
    }

    /// Whether a fault may happen now.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        !self.calm && self.plan.faults.has(fault)
    }

    /// A fault that is thrown for: `parts` in ten thousand.
    pub(crate) fn strikes(&mut self, fault: Fault, parts: u64) -> bool {
        let struck = self.dice.world.chance(parts);
        struck && self.has(fault)
    }

    /// Whether this bug is planted.
    pub(crate) fn is_sabotaged(&self, sabotage: Sabotage) -> bool {
        self.options.sabotage == Some(sabotage)
    }

    /// Whether this bug is planted and bites now.
    pub(crate) fn sabotage(&mut self, sabotage: Sabotage) -> bool {
        self.is_sabotaged(sabotage) && self.dice.sabotage.chance(1_500)
    }

    pub(crate) fn plan_in(&mut self, wait: Duration, event: Event) {
        self.agenda.plan(self.clock.mono.saturating_add(wait), event);
    }

    pub(crate) fn start_in(&mut self, wait: Duration) {
        if !self.starting {
            self.starting = true;
            self.plan_in(wait, Event::Start);
        }
    }

    /// What was logged, hit and found.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Which branches were taken.
    pub fn points(&self) -> &Points {
        &self.points
    }

    /// What was found.
    pub fn checker(&self) -> &Checker {
        &self.checker
    }

    /// What goes wrong in it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}
