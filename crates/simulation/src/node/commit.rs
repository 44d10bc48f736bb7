//! The store's side of a run: groups are written, synced, applied and told to the engine.

use super::World;
use crate::event::NodeEvent;
use crate::fault::Fault;
use crate::points::Point;
use crate::sabotage::Sabotage;
use crate::store::writer::{Answer, Batch};
use tidegate::store::Conflict;
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::record::{Group, GroupSubject, ParkReason, Precondition, Record};
use tidegate_payment::request::Silence;

impl World {
    /// Hands groups to the store.
    pub(crate) fn commit(&mut self, groups: Vec<Group>) {
        let mut taken = Vec::with_capacity(groups.len());
        let (mut refused, mut pretended) = (Vec::new(), Vec::new());
        for mut group in groups {
            self.meddle(&mut group);
            self.preconditions(&group);
            let begins = matches!(group.records.first(), Some(Record::Accepted(_)));
            let guarded = !group.preconditions.is_empty();
            if guarded && self.strikes(Fault::Conflict, 60) {
                let point = if begins { Point::ConflictNew } else { Point::ConflictOpen };
                self.points.hit(point);
                let why = if begins { Conflict::KeyTaken } else { Conflict::OtherVersion };
                if let GroupSubject::Payment(id) = group.subject() {
                    self.checker.conflict(id);
                }
                if begins && self.is_sabotaged(Sabotage::AckRefused) {
                    pretended.push((group.subject(), Ok(self.store_attests(group))));
                } else {
                    refused.push((group, why));
                }
            } else {
                if begins && self.sabotage(Sabotage::DoubleGroup) {
                    taken.push(group.clone());
                }
                taken.push(group);
            }
        }
        let applied = self.projection.place().last;
        let Some(node) = self.node.as_mut() else { return };
        let mut wake = false;
        if !refused.is_empty() {
            wake |= node.store.take(Vec::new(), applied);
            refused.iter().for_each(|(group, why)| node.store.refuse(group, *why));
        }
        wake |= node.store.take(taken, applied);
        if wake {
            let wait = self.dice.node.micros(5, 150);
            self.plan_node(wait, NodeEvent::Batch);
        }
        self.answer(pretended);
    }

    /// What was decided must still be true: this store has one writer.
    fn preconditions(&mut self, group: &Group) {
        for precondition in &group.preconditions {
            let broken = match precondition {
                Precondition::AtVersion(id, version) => {
                    self.checker.known(*id).is_none_or(|known| known.version != *version)
                }
                Precondition::KeyIsNew(id) => {
                    let of = |record: &Record| match record {
                        Record::Accepted(it) if it.id == *id => Some(it.request.clone()),
                        _ => None,
                    };
                    group.records.iter().find_map(of).is_some_and(|request| {
                        let known = (request.merchant.as_str(), request.key.as_str());
                        self.checker.by_key(known.0, known.1).is_some()
                    })
                }
            };
            if broken {
                let (invariant, what) = match precondition {
                    Precondition::AtVersion(..) => ("T", "is decided at another version"),
                    Precondition::KeyIsNew(_) => ("M3", "has a key that is taken"),
                };
                let subject = group.subject();
                self.checker.breaks(invariant, format!("{subject:?} {what}"));
            }
        }
    }

    /// The writer takes what waits; the sync ends later.
    pub(crate) fn write_batch(&mut self) {
        let Some(node) = self.node.as_mut() else { return };
        let segments = self.disk.segments();
        match node.store.write() {
            Ok(batch) => {
                self.points.hit_if(self.disk.segments() > segments, Point::SegmentTurned);
                let wait = self.sync_wait(batch.bytes.is_empty());
                self.log.note(self.clock.mono, "a batch is written", size(&batch), 0);
                if self.sabotage(Sabotage::AckBeforeSync) {
                    let answers = batch.answers.clone();
                    self.answer(answers);
                    let late = Batch { answers: Vec::new(), ..batch };
                    self.plan_node(wait, NodeEvent::Synced(Box::new(late)));
                } else {
                    self.plan_node(wait, NodeEvent::Synced(Box::new(batch)));
                }
            }
            Err(_) if self.disk.is_dead() => self.points.hit(Point::CrashAtWrite),
            Err(error) => {
                let sync = error.to_string().contains("sync");
                self.points.hit(if sync { Point::SyncFailed } else { Point::WriteFailed });
                self.log.note(self.clock.mono, "the store fails", u64::from(sync), 0);
                self.plan_node(std::time::Duration::ZERO, NodeEvent::StoreFailed);
            }
        }
    }

    fn sync_wait(&mut self, nothing: bool) -> std::time::Duration {
        if nothing {
            return std::time::Duration::ZERO;
        }
        if self.strikes(Fault::SlowSync, 25) {
            let wait = self.dice.disk.millis(500, 25_000);
            self.points.hit_if(wait.as_secs() >= 15, Point::SlowSync);
            return wait;
        }
        self.dice.disk.micros(80, 1_800)
    }

    /// A sync has ended: what was written is durable, and may be told.
    pub(crate) fn synced(&mut self, batch: Batch) {
        self.disk.sync_ended();
        let life = self.life;
        self.checker.durable(batch.raw().into_iter(), life);
        let records = batch.answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
        for record in records.flat_map(|durable| &durable.get().records) {
            match record {
                Record::ReversalParked(it) if it.why == ParkReason::Refused => {
                    self.points.hit(Point::RefusedReversal);
                }
                Record::AdviceParked(it) if it.why == ParkReason::Refused => {
                    self.points.hit(Point::RefusedAdvice);
                }
                Record::ReversalParked(_) | Record::AdviceParked(_) => {
                    self.points.hit(Point::Exhausted);
                }
                Record::Deferred(it) => {
                    let silence = self.checker.known(it.id).map(|known| known.silence);
                    let advice = silence == Some(Silence::Advice);
                    let point = if advice { Point::AdviceLater } else { Point::ReversalLater };
                    self.points.hit(point);
                }
                Record::CaseRetried(_) => self.points.hit(Point::OperatorRetried),
                Record::CaseClosed(it) => {
                    let two = it.resolution.takes_two();
                    self.points.hit(if two { Point::ClosedByTwo } else { Point::OperatorClosed });
                }
                Record::Lapsed(_) => self.points.hit(Point::InquiryLapsed),
                _ => {}
            }
        }
        let drained = batch
            .answers
            .iter()
            .any(|(_, answer)| answer.as_ref().is_ok_and(|it| is_reversal(it.get())));
        let Some(node) = self.node.as_mut() else { return };
        self.points.hit_if(drained && node.store.is_short(), Point::DiskFullDrained);
        if !batch.bytes.is_empty() {
            node.fresh.push_back(batch.bytes);
            if !std::mem::replace(&mut node.applying, true) {
                let lags = self.strikes(Fault::Lag, 40);
                let wait = match lags {
                    true => self.dice.node.millis(1_000, 20_000),
                    false => self.dice.node.micros(200, 15_000),
                };
                self.plan_node(wait, NodeEvent::Apply);
            }
        }
        self.answer(batch.answers);
        if self.sabotage(Sabotage::FlipBit) {
            let mut dice = self.dice.sabotage.clone();
            self.disk.flip_bit(&mut dice, 4_000);
        }
        if self.node.as_mut().is_some_and(|node| node.store.rest()) {
            let wait = self.dice.node.micros(1, 60);
            self.plan_node(wait, NodeEvent::Batch);
        }
    }

    fn answer(&mut self, answers: Vec<Answer>) {
        let now = self.clock.now();
        for (subject, answer) in answers {
            let Some(node) = self.node.as_mut() else { return };
            match answer {
                Ok(durable) => {
                    let before = node.engine.date();
                    node.engine.settled(now, durable, &mut node.out);
                    self.tell_date(before);
                }
                Err(conflict) => {
                    match conflict {
                        Conflict::NoRoom => self.points.hit(Point::DiskFullDeclined),
                        Conflict::Behind => self.points.hit(Point::BehindDeclined),
                        _ => {}
                    }
                    node.engine.not_written(now, subject, &mut node.out);
                }
            }
        }
    }

    pub(crate) fn make_room(&mut self) {
        if let Some(node) = self.node.as_ref() {
            node.store.make_room();
        }
        self.plan_node(std::time::Duration::from_secs(1), NodeEvent::Room);
    }

    /// A planted bug's word that something is durable.
    pub(crate) fn store_attests<T>(&self, value: T) -> Durable<T> {
        crate::store::writer::pretend(value, Sequence(0))
    }
}

fn is_reversal(group: &Group) -> bool {
    group.records.iter().any(|it| matches!(it, Record::ReversalDue(_) | Record::Reversed(_)))
}

fn size(batch: &Batch) -> u64 {
    u64::try_from(batch.bytes.len()).unwrap_or(0)
}
