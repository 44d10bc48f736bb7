//! What can happen next, and what must be true wherever one stands.

use super::super::*;
use super::host::{Books, Message};
use super::model::{Heard, Stage, Standing, Told};
use super::scenario::Replies;
use super::world::{Again, Step, Track, World};
use std::string::String;

impl World {
    /// Every choice that somebody has here. The merchant may retry at any time and any number of
    /// times (with one retry waiting at most); what else is bounded stands in the scenario.
    pub(super) fn choices(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let asks = self.scenario.before..self.scenario.asks.len();
        if self.waiting.len() < self.scenario.waiting_max {
            steps.extend(asks.map(Step::Ask));
        }
        if !self.loads.is_empty() {
            steps.push(Step::LookUp);
        }
        if !self.under_way.is_empty() {
            steps.push(Step::Commit);
            steps.extend(self.left.may(|left| left.refusals).then_some(Step::Refuse));
        }
        let unprojected = self.engine.projected < Sequence(self.journal.len() as u64);
        let settled = self.engine.book.len() > self.engine.book.open_count();
        if self.scenario.forgets && unprojected && settled {
            steps.push(Step::Forget);
        }
        for (place, handed) in self.handed.iter().enumerate() {
            // Messages of one payment are written in the order in which they were handed over.
            let first = self.handed.iter().take(place).all(|before| before.id != handed.id);
            steps.extend(first.then_some(Step::Write(place)));
            steps.push(Step::Bounce(place));
        }
        if !self.up {
            steps.push(Step::HostUp(true));
        } else if self.left.may(|left| left.downs) {
            steps.push(Step::HostUp(false));
        }
        for message in &self.to_host {
            let deeds = self.deeds(*message).into_iter();
            steps.extend(deeds.map(|deed| Step::Host(*message, deed)));
        }
        for reply in self.to_us.iter().filter(|reply| self.may_arrive(**reply)) {
            steps.push(Step::Deliver(*reply, Again::Never));
            let again = self.left.may(|left| left.doubles);
            steps.extend(again.then_some(Step::Deliver(*reply, Again::Once)));
        }
        let attempts = self.payments.values().filter_map(|it| it.payment.as_ref()?.owed());
        let enough = |attempt| match attempt {
            Attempt::Reversal(number) | Attempt::Repeat(number) => {
                number >= self.scenario.attempts_max
            }
            Attempt::Original => false,
        };
        let bounded = attempts.into_iter().any(enough);
        if self.engine.next_deadline().is_some() && !bounded {
            steps.push(Step::Time);
        }
        self.persons_choices(&mut steps);
        steps.extend(self.left.may(|left| left.crashes).then_some(Step::Crash));
        steps
    }

    fn deeds(&self, message: Message) -> Vec<super::host::Deed> {
        let track = &self.payments[&message.id];
        let silence = self.scenario.asks[track.asking].silence;
        let mut deeds = track.books.deeds(message, silence, self.scenario.host_gives_parts);
        let dutiful = track.books == Books::Forestalled && !self.scenario.careless;
        deeds.truncate(if dutiful { 1 } else { self.scenario.deeds_max });
        deeds
    }

    /// Whether nothing that the host said earlier of the same payment is still on its way, where its
    /// answers come in order.
    fn may_arrive(&self, reply: super::host::Reply) -> bool {
        let said = &self.payments[&reply.id].said;
        let first = said
            .iter()
            .find(|deed| self.to_us.contains(&super::host::Reply { id: reply.id, deed: **deed }));
        self.scenario.replies == Replies::InAnyOrder || first == Some(&reply.deed)
    }

    /// A person asks the host, and closes a case as its books stand.
    fn persons_choices(&self, steps: &mut Vec<Step>) {
        for (id, track) in &self.payments {
            if track.standing().stage != Stage::Parked || !track.pending.is_empty() {
                continue;
            }
            let retry = self.left.may(|left| left.retries);
            steps.extend(retry.then_some(Step::Person(*id, CaseAct::Retry)));
            let advice = self.scenario.asks[track.asking].silence == Silence::Advice;
            let ends: &[Resolution] = match (track.books.money(), advice) {
                (0, false) => &[Resolution::Reversed, Resolution::DeclinedNeverPosted],
                (0, true) => &[Resolution::DeclinedNeverPosted],
                // That it was posted takes two people's word, which is a story of its own.
                _ => &[],
            };
            let close = |end: &Resolution| Step::Person(*id, CaseAct::Close(*end));
            steps.extend(ends.iter().map(close).filter(|_| self.scenario.persons_close));
        }
    }

    /// With all faults over: the next thing that a dutiful world does. `None` when all is at rest.
    pub(super) fn dutiful_step(&self) -> Option<Step> {
        let step = if !self.loads.is_empty() {
            Step::LookUp
        } else if !self.under_way.is_empty() {
            Step::Commit
        } else if !self.up {
            Step::HostUp(true)
        } else if !self.handed.is_empty() {
            Step::Write(0)
        } else if let Some(message) = self.to_host.first() {
            Step::Host(*message, self.deeds(*message)[0])
        } else if let Some(reply) = self.to_us.iter().find(|reply| self.may_arrive(**reply)) {
            Step::Deliver(*reply, Again::Never)
        } else {
            self.engine.next_deadline().map(|_| Step::Time)?
        };
        Some(step)
    }

    /// What was heard and led to no group must have changed nothing.
    pub(super) fn reconcile(&mut self) {
        let ids: Vec<_> = self.payments.keys().copied().collect();
        for id in ids {
            if self.is_busy(id) || self.is_loading(id) {
                continue;
            }
            for (heard, vain) in core::mem::take(&mut self.track(id).pending) {
                self.must_be_vain(id, heard, vain);
            }
        }
    }

    /// Whether what is heard changes nothing here. A timer may be older than the last thing that
    /// happened, and then says nothing: whether anybody still acts, the search sees at its end.
    pub(super) fn is_vain(&self, id: PaymentId, heard: Heard) -> bool {
        let track = &self.payments[&id];
        let standing = track.standing();
        heard == Heard::Time || standing.next(heard, self.known(track)) == standing
    }

    pub(super) fn must_be_vain(&mut self, id: PaymentId, heard: Heard, vain: bool) {
        let standing = self.payments[&id].standing();
        if !vain && !self.is_vain(id, heard) {
            self.fail(format!("{id} heard {heard:?} as {standing:?}, and nothing follows"));
        }
    }

    /// Whether a group of the payment is under way.
    pub(super) fn is_busy(&self, id: PaymentId) -> bool {
        self.under_way.iter().any(|group| group.subject() == GroupSubject::Payment(id))
    }

    /// Whether what is heard of a payment waits until it was looked up.
    pub(super) fn is_loading(&self, id: PaymentId) -> bool {
        let away = self.engine.book.get(id).is_none() && !self.loads.is_empty();
        away || self.loads.contains(&LoadKey::Id(id))
    }

    /// What must be true everywhere.
    pub(super) fn check(&mut self) {
        let wrong = self.payments.iter().find_map(|(id, track)| {
            let entry = self.engine.book.get(*id);
            let Some(payment) = &track.payment else {
                return entry.map(|_| format!("memory knows of {id}, and the journal does not"));
            };
            if entry.is_some_and(|entry| entry.payment != **payment) {
                return Some(format!("memory is not what the journal says of {id}"));
            }
            self.wrong_money(*id, track)
        });
        let wrong = wrong.or_else(|| self.wrong_sums()).or_else(|| self.wrong_numbers());
        if let Some(wrong) = wrong {
            self.fail(wrong);
        }
    }

    /// What the merchant may be told of a payment, held against the host's books.
    fn wrong_money(&self, id: PaymentId, track: &Track) -> Option<String> {
        let standing = track.standing();
        let Standing { stage, late, again, suspect } = standing;
        let (money, told) = (track.books.money(), standing.told());
        let inquiry = self.scenario.asks[track.asking].silence == Silence::Inquiry;
        let right = match told {
            Told::Approved(_) if inquiry => true,
            Told::Approved(minor) => money == minor,
            // Final, and no money left; or it is known that there may be, or the host has not said so.
            Told::Declined | Told::Reversed => {
                money == 0 || again || suspect || (track.behind && !late)
            }
            Told::Nothing | Told::Pending => stage != Stage::Impossible,
        };
        (!right).then(|| format!("{id} is {standing:?}, and the host holds {:?}", track.books))
    }

    /// Requests that may not both stand: one payment for a key, and no original gives more than it has.
    fn wrong_sums(&self) -> Option<String> {
        let mut keys: BTreeMap<u64, PaymentId> = BTreeMap::new();
        for (id, track) in &self.payments {
            let key = self.scenario.asks[track.asking].key;
            if let Some(other) = keys.insert(key, *id) {
                return Some(format!("{other} and {id} are payments of one key"));
            }
        }
        let sum = |operation, counts: &dyn Fn(&Track) -> i64| -> i64 {
            let of = self.payments.values().filter(|it| it.operation(self.scenario) == operation);
            of.map(counts).sum()
        };
        let reserved = |track: &Track| match track.standing().told() {
            Told::Declined | Told::Reversed => 0,
            _ => self.scenario.asks[track.asking].minor,
        };
        let books = |track: &Track| track.books.money();
        for (whose, counts) in [("gateway", &reserved as &dyn Fn(&Track) -> i64), ("host", &books)]
        {
            let taken = sum(Operation::Purchase, counts);
            let (refunds, voids) = (sum(Operation::Refund, counts), sum(Operation::Void, counts));
            let set_aside = sum(Operation::PreAuthorization, counts);
            let captured = sum(Operation::Completion, counts);
            let limit = if set_aside > 0 { captured } else { taken };
            let both = voids > 0 && (captured > 0 || refunds > 0);
            if (self.scenario.before > 0 && refunds > limit) || captured > set_aside || both {
                let sums = format!("taken {taken}, set aside {set_aside}, captured {captured}");
                return Some(format!("{whose}: {sums}, refunded {refunds}, voided {voids}"));
            }
        }
        None
    }

    fn wrong_numbers(&self) -> Option<String> {
        let mut stans = BTreeMap::new();
        self.payments.iter().find_map(|(id, track)| {
            let stan = track.payment.as_ref()?.fields.as_ref()?.stan;
            let other = stans.insert(stan, *id)?;
            Some(format!("{other} and {id} have one STAN"))
        })
    }

    /// What must be true when nothing is left to do.
    pub(super) fn wrong_at_rest(&self) -> Option<String> {
        if let Some((waiter, asked)) = self.waiting.first_key_value() {
            return Some(format!("waiter {waiter} of {asked:?} was never told anything"));
        }
        self.payments.iter().find_map(|(id, track)| {
            let standing = track.standing();
            (!standing.is_at_rest()).then(|| format!("{id} stays {standing:?} for ever"))
        })
    }
}
