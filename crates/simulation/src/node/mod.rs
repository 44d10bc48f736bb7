//! One run of the gateway: the real engine, the real lines and the real journal, and the glue between
//! them as the gateway's tasks have it, told again without threads.

mod commit;
mod date;
mod hearing;
mod lines;
mod planted;
pub(crate) mod start;
mod wires;

use crate::agenda::Lane;
use crate::event::{Event, NodeEvent};
use crate::network::Wire;
use crate::points::Point;
use crate::sabotage::Sabotage;
use crate::store::writer::Writer;
use crate::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidegate::host::exchange::Exchanges;
use tidegate_line::host::Host;
use tidegate_line::name::{Connection, LineIndex};
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::effect::{Alarm, Effect, Outgoing, Refusal, Reply};
use tidegate_payment::engine::{Engine, Out};
use tidegate_payment::input::{Attempt, Input, LoadKey, Waiter};
use tidegate_payment::record::{Group, NotSentReason, Record};

/// One run of the gateway.
pub(crate) struct Node {
    pub(crate) life: u64,
    pub(crate) engine: Engine,
    pub(crate) out: Out,
    pub(crate) host: Host,
    pub(crate) exchanges: Exchanges,
    pub(crate) sockets: BTreeMap<LineIndex, (Connection, Wire)>,
    pub(crate) store: Writer,
    /// Durable batches that the projection has not applied, with the last record of each.
    pub(crate) fresh: VecDeque<Vec<u8>>,
    pub(crate) applying: bool,
    pub(crate) engine_tick: Option<Duration>,
    pub(crate) host_tick: Option<Duration>,
    pub(crate) inputs: Lane,
    pub(crate) encoder: Lane,
    pub(crate) judge: Lane,
    /// How many messages wait for an encoder.
    pub(crate) encoding: usize,
    /// Of the last network message.
    pub(crate) last_stan: u32,
    /// A planted bug's card, of the message before.
    pub(crate) last_card: Option<Vec<u8>>,
    pub(crate) cut_overs: date::CutOvers,
    pub(crate) paused_until: Duration,
}

impl Node {
    /// Whether nothing is under way in the store.
    pub(crate) fn is_idle(&self) -> bool {
        self.fresh.is_empty() && !self.applying
    }
}

impl World {
    /// Something happens in a run of the gateway.
    pub(crate) fn in_node(&mut self, life: u64, event: NodeEvent) {
        let Some(node) = self.node.as_mut().filter(|node| node.life == life) else { return };
        if node.paused_until > self.clock.mono {
            let until = node.paused_until;
            return self.agenda.plan(until, Event::Node(life, event));
        }
        match event {
            NodeEvent::EngineTick => self.engine_tick(),
            NodeEvent::HostTick => self.host_tick(),
            NodeEvent::Input(input) => self.host_tells(*input),
            NodeEvent::Line(event) => self.hear_line(*event),
            NodeEvent::Encode(message) => self.encode(*message),
            NodeEvent::Judge(delivered) => self.judge(*delivered),
            NodeEvent::Write(wire) => self.write(wire),
            NodeEvent::Read(wire, bytes) => self.gateway_reads(wire, &bytes),
            NodeEvent::Gone(wire) => self.gateway_sees_end(wire),
            NodeEvent::Batch => self.write_batch(),
            NodeEvent::Synced(batch) => self.synced(*batch),
            NodeEvent::StoreFailed => self.store_failed(),
            NodeEvent::Look(key) => self.look_up(key),
            NodeEvent::Loaded(loaded) => self.hear(Input::Loaded(*loaded)),
            NodeEvent::Apply => self.apply(),
            NodeEvent::Projected(sequence) => self.hear(Input::Projected(sequence)),
            NodeEvent::Date => self.look_at_the_date(),
            NodeEvent::DateTold(date) => self.date_told(date),
            NodeEvent::Room => self.make_room(),
        }
        self.after();
    }

    /// A letter for the engine's inbox.
    pub(crate) fn letter(&mut self, number: u64, input: Input) {
        let Some(node) = self.node.as_ref() else { return self.unheard(number) };
        if node.paused_until > self.clock.mono {
            let until = node.paused_until;
            return self.agenda.plan(until, Event::Arrive(number));
        }
        self.log.note(self.clock.mono, "a request arrives", number, 0);
        if self.answers_from_projection(number, &input) {
            return;
        }
        self.hear(input);
        self.after();
    }

    /// How far a planted bug's deadlines run ahead of the monotonic clock.
    fn ahead(&self) -> Duration {
        let skew = u64::try_from(self.clock.skew).unwrap_or(0);
        let by_wall = self.is_sabotaged(Sabotage::WallDeadlines);
        Duration::from_micros(if by_wall { skew } else { 0 })
    }

    pub(crate) fn hear(&mut self, input: Input) {
        let mut now = self.clock.now();
        now.mono = now.mono.after(self.ahead());
        if let Some(node) = self.node.as_mut() {
            node.engine.handle(now, input, &mut node.out);
        }
    }

    /// Performs what was set in motion, and sets the timers.
    pub(crate) fn after(&mut self) {
        self.perform_all();
        let (now, ahead) = (self.clock.mono, self.ahead());
        let Some(node) = self.node.as_mut() else { return };
        let life = node.life;
        let next = node.engine.next_deadline().map(|mono| mono.0.saturating_sub(ahead).max(now));
        if next.is_some() && (node.engine_tick.is_none() || next < node.engine_tick) {
            node.engine_tick = next;
            let at = next.unwrap_or(now);
            self.agenda.plan(at, Event::Node(life, NodeEvent::EngineTick));
        }
        let next = node.host.next_deadline().map(|at| at.max(now));
        if next.is_some() && (node.host_tick.is_none() || next < node.host_tick) {
            node.host_tick = next;
            let at = next.unwrap_or(now);
            self.agenda.plan(at, Event::Node(life, NodeEvent::HostTick));
        }
    }

    fn engine_tick(&mut self) {
        let Some(node) = self.node.as_mut() else { return };
        if node.engine_tick.is_some_and(|at| at <= self.clock.mono) {
            node.engine_tick = None;
        }
        let next = node.engine.next_deadline();
        let now = self.clock.mono.saturating_add(self.ahead());
        if next.is_some_and(|at| at.0 <= now) {
            self.log.note(self.clock.mono, "the engine's timer", 0, 0);
            self.hear(Input::Tick);
        }
    }

    fn host_tick(&mut self) {
        let Some(node) = self.node.as_mut() else { return };
        if node.host_tick.is_some_and(|at| at <= self.clock.mono) {
            node.host_tick = None;
        }
        if node.host.next_deadline().is_some_and(|at| at <= self.clock.mono) {
            self.hear_line(tidegate_line::event::Event::Tick);
        }
    }

    fn perform_all(&mut self) {
        loop {
            let Some(node) = self.node.as_mut() else { return };
            if node.out.groups.is_empty() && node.out.effects.is_empty() {
                return;
            }
            let out = std::mem::take(&mut node.out);
            if !out.groups.is_empty() {
                self.commit(out.groups);
            }
            for effect in out.effects {
                self.perform(effect);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Reply(Waiter(number), reply) => self.reply(number, reply),
            Effect::Send(message) => self.send_to_host(message),
            Effect::Load(key) => {
                let wait = self.dice.node.micros(50, 2_500);
                self.plan_node(wait, NodeEvent::Look(key));
            }
            Effect::Forget(_) => {}
            Effect::Alarm(alarm) => self.alarm(&alarm),
        }
    }

    fn reply(&mut self, number: u64, reply: Reply) {
        let mut reply = reply;
        if let Reply::Outcome { view, replayed } = &mut reply {
            let told = self.misspeak(view.get().clone(), *replayed);
            **view = Durable::clone(view).map(|_| told);
        }
        let number = self.mistaken(number);
        let alone = matches!(reply, Reply::Refusal(Refusal::SecondPersonWanted));
        self.points.hit_if(alone, Point::SecondPersonWanted);
        self.told(number, &reply);
    }

    fn send_to_host(&mut self, message: Box<Durable<Outgoing>>) {
        let mut message = message;
        let Outgoing { id, attempt, .. } = *message.get();
        if matches!(attempt, Attempt::Reversal(_)) && self.is_sabotaged(Sabotage::DropReversal) {
            return;
        }
        if matches!(attempt, Attempt::Repeat(_)) && self.is_sabotaged(Sabotage::DropRepeat) {
            return;
        }
        if message.get().repeat && self.sabotage(Sabotage::UnmarkRepeat) {
            message = Box::new(message.map(|sent| Outgoing { repeat: false, ..sent }));
        }
        let queue = self.plan.queue;
        let Some(node) = self.node.as_mut() else { return };
        if node.encoding >= queue {
            self.points.hit(Point::QueueFull);
            return self.hear(Input::NotSent(id, attempt, NotSentReason::QueueFull));
        }
        node.encoding = node.encoding.saturating_add(1);
        let (life, wait) = (node.life, self.dice.node.micros(20, 400));
        let mut at = node.encoder.out(self.clock.mono, wait);
        if matches!(attempt, Attempt::Reversal(_)) && self.is_sabotaged(Sabotage::WrittenWhenQueued)
        {
            at = self.clock.mono.saturating_add(self.dice.sabotage.millis(1, 400));
            self.hear(Input::Written(id, attempt));
        }
        self.agenda.plan(at, Event::Node(life, NodeEvent::Encode(message)));
    }

    fn alarm(&mut self, alarm: &Alarm) {
        match alarm {
            Alarm::WrongTurn(wrong) => self.checker.breaks("T", wrong.to_string()),
            Alarm::Lost(id) => self.checker.breaks("T", format!("memory has lost payment {id}")),
            Alarm::OutOfNumbers(_) => self.checker.breaks("T", "the numbers ran out"),
            Alarm::LateApproval(_) | Alarm::CaseOpened(_) | Alarm::Suspect(_) => {}
        }
    }

    fn look_up(&mut self, key: LoadKey) {
        let mut loaded = self.projection.load(key);
        if let LoadKey::Request { key, .. } | LoadKey::FollowUp { key, .. } = &loaded.key {
            let of_key = |group: &Durable<Group>| match group.get().records.first() {
                Some(Record::Accepted(accepted)) => accepted.request.key == *key,
                _ => false,
            };
            self.points.hit_if(loaded.found.iter().any(of_key), Point::RetryFromStore);
        }
        if self.sabotage(Sabotage::ForgetKey) {
            loaded.found.clear();
        }
        if self.is_sabotaged(Sabotage::ForgetFollowUps) {
            self.forget_follow_ups(&mut loaded);
        }
        let wait = self.dice.node.micros(20, 1_500);
        self.plan_node(wait, NodeEvent::Loaded(Box::new(loaded)));
    }

    /// The projection applies what is durable.
    fn apply(&mut self) {
        let Some(node) = self.node.as_mut() else { return };
        node.applying = false;
        let batches = std::mem::take(&mut node.fresh);
        for bytes in &batches {
            for raw in tidegate::store::journal::frame::records_of(bytes) {
                if let Err(error) = self.projection.apply(&raw) {
                    self.checker.breaks("T", format!("the projection does not follow: {error}"));
                }
                if self.is_sabotaged(Sabotage::ForgetEnded) && raw.sequence.0.is_multiple_of(9) {
                    self.projection.forget_ended();
                }
            }
        }
        let wait = self.dice.node.micros(10, 3_000);
        let last: Sequence = self.projection.place().last;
        self.plan_node(wait, NodeEvent::Projected(last));
    }

    pub(crate) fn plan_node(&mut self, wait: Duration, event: NodeEvent) {
        if let Some(life) = self.node.as_ref().map(|node| node.life) {
            self.plan_in(wait, Event::Node(life, event));
        }
    }
}
