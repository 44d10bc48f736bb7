//! Makes a durable group true, and says what may now be shown to the world.

use super::book::Flight;
use super::owed::gap_after;
use super::sequencer::UnderWay;
use super::{Engine, Out};
use crate::durable::Durable;
use crate::effect::{Alarm, Effect, Outgoing};
use crate::id::PaymentId;
use crate::input::Attempt;
use crate::payment::Payment;
use crate::record::{AnswerClass, Group, Record, ReversalVerdict};
use crate::time::{Mono, Now};
use alloc::boxed::Box;
use alloc::string::ToString;

impl Engine {
    pub(super) fn apply(
        &mut self,
        now: Now,
        group: Durable<Group>,
        way: Option<UnderWay>,
        out: &mut Out,
    ) {
        for record in &group.get().records {
            self.apply_record(record, &group, out);
        }
        let Some(id) = group.get().records.first().and_then(Record::payment) else { return };
        if let Some(entry) = self.book.get_mut(id) {
            entry.proof = group.clone().map(|_| ());
            if let Some(way) = way {
                entry.terms = way.terms.or(entry.terms);
                entry.waiters.extend(way.waiter.map(|waiter| (waiter, false)));
            }
        }
        self.book.sort(id);
        for record in &group.get().records {
            self.follow(now, id, record, out);
        }
        self.tell_waiters(id, out);
        self.keep_numbers(id);
    }

    fn apply_record(&mut self, record: &Record, group: &Durable<Group>, out: &mut Out) {
        match record {
            Record::DateMoved(moved) => self.date = Some(moved.date),
            Record::Leased(leased) => self.numbers.leased(&leased.block),
            Record::Accepted(accepted) => {
                self.book.insert(Payment::begin(accepted), group.clone().map(|_| ()));
                if let Some(entry) = self.book.get_mut(accepted.id) {
                    entry.from_before = false;
                }
            }
            record => {
                let Some(id) = record.payment() else { return };
                let alarm = match self.book.get_mut(id) {
                    Some(entry) => entry.payment.apply(record).err().map(Alarm::WrongTurn),
                    None => Some(Alarm::Lost(id)),
                };
                out.effects.extend(alarm.map(Effect::Alarm));
            }
        }
    }

    /// What a record that is now durable sets in motion.
    fn follow(&mut self, now: Now, id: PaymentId, record: &Record, out: &mut Out) {
        match record {
            Record::SendIntent(_) => {
                let deadline = now.mono.after(self.settings.host_reply);
                self.book.start_timer(id, deadline);
                self.send(id, Attempt::Original, false, deadline, out);
            }
            Record::NotSent(_) | Record::Answered(_) | Record::Lapsed(_) => {
                self.book.release_card(id);
                self.book.stop_timer(id);
                out.effects.push(Effect::Forget(id));
            }
            Record::TimedOut(_) => out.effects.push(Effect::Forget(id)),
            Record::ReversalDue(_) | Record::CaseRetried(_) => {
                let advice = self.book.get(id).is_some_and(|entry| entry.payment.is_advice());
                if !advice {
                    self.book.hold_card(id);
                }
                self.owe_reversal(now, id);
                self.new_attempt(now, id);
            }
            Record::ReversalRepeated(_) => self.new_attempt(now, id),
            Record::AdviceRepeated(_) => {
                out.effects.push(Effect::Forget(id));
                if let Some(entry) = self.book.get_mut(id) {
                    entry.owed_since.get_or_insert(now.mono);
                }
                self.new_attempt(now, id);
            }
            Record::ReversalAnswered(answered) => {
                self.book.release_card(id);
                if answered.verdict == ReversalVerdict::UnknownOriginal {
                    self.wait_for_original(now, id);
                } else {
                    self.book.stop_timer(id);
                }
                self.alarm_if_in_doubt(id, out);
            }
            Record::LateAnswer(late) => {
                let refused = self.book.get(id).is_some_and(|entry| entry.payment.partial_refused);
                let taken =
                    matches!(late.answer.class, AnswerClass::Approved | AnswerClass::Partial);
                // What it calls for, if its reversal was done with, has a time of its own.
                if let Some(entry) = self.book.get_mut(id).filter(|it| it.payment.is_final()) {
                    entry.owed_since = Some(now.mono);
                }
                if taken && !refused {
                    out.effects.push(Effect::Alarm(Alarm::LateApproval(id)));
                }
            }
            record => self.follow_end(now, id, record, out),
        }
    }

    /// As [`Engine::follow`], for what ends or delays a reversal or an advice.
    fn follow_end(&mut self, now: Now, id: PaymentId, record: &Record, out: &mut Out) {
        match record {
            Record::Deferred(_) => self.wait_a_gap(now, id),
            Record::RepeatAbandoned(_) => {
                // It may never have left since a restart.
                self.book.release_card(id);
                self.book.stop_timer(id);
                self.alarm_if_in_doubt(id, out);
            }
            Record::Reversed(_) | Record::CaseClosed(_) => {
                self.book.release_card(id);
                self.book.stop_timer(id);
            }
            Record::ReversalParked(_) | Record::AdviceParked(_) => {
                self.book.release_card(id);
                self.book.stop_timer(id);
                out.effects.push(Effect::Alarm(Alarm::CaseOpened(id)));
            }
            // What the host refused is parked by the record behind it; the others have no more to do.
            _ => {}
        }
    }

    fn alarm_if_in_doubt(&self, id: PaymentId, out: &mut Out) {
        let entry = self.book.get(id);
        if entry.is_some_and(|entry| entry.payment.is_final() && entry.payment.suspect) {
            out.effects.push(Effect::Alarm(Alarm::Suspect(id)));
        }
    }

    /// The host knows no original: it may still be on its way inside the host, so the repeat waits.
    fn wait_for_original(&mut self, now: Now, id: PaymentId) {
        let again = now.mono.after(self.settings.unknown_original_wait);
        if let Some(entry) = self.book.get_mut(id) {
            entry.unknown_since.get_or_insert(now.mono);
        }
        self.book.start_timer(id, again);
    }

    /// The host asked for it later. An advice that was never repeated waits for its deadline.
    fn wait_a_gap(&mut self, now: Now, id: PaymentId) {
        let Some(attempt) = self.book.get(id).and_then(|entry| entry.payment.owed()) else {
            return;
        };
        self.book.release_card(id);
        self.book.start_timer(id, gap_after(&self.settings, attempt, now.mono));
    }

    /// A reversal begins, or begins anew by a person's word.
    fn owe_reversal(&mut self, now: Now, id: PaymentId) {
        if let Some(entry) = self.book.get_mut(id) {
            entry.owed_since = Some(now.mono);
            entry.unknown_since = None;
        }
    }

    fn new_attempt(&mut self, now: Now, id: PaymentId) {
        if let Some(entry) = self.book.get_mut(id) {
            entry.flight = Flight::Waiting;
            entry.from_before = false;
        }
        self.send_owed(now, id);
    }

    pub(super) fn send(
        &mut self,
        id: PaymentId,
        attempt: Attempt,
        repeat: bool,
        deadline: Mono,
        out: &mut Out,
    ) {
        let Some(entry) = self.book.get(id) else { return };
        let Some(fields) = entry.payment.fields.clone() else { return };
        let outgoing = Outgoing {
            id,
            attempt,
            repeat,
            request: entry.payment.request.clone(),
            fields,
            approval_code: entry.payment.approval_code().map(ToString::to_string),
            deadline,
        };
        let durable = entry.proof.clone().map(|()| outgoing);
        out.effects.push(Effect::Send(Box::new(durable)));
    }

    /// Everybody who waits hears the outcome once it is more than "in progress".
    fn tell_waiters(&mut self, id: PaymentId, out: &mut Out) {
        use crate::payment::{PendingReason, Verdict};
        let Some(entry) = self.book.get_mut(id) else { return };
        if entry.payment.verdict() == Verdict::Pending(PendingReason::InProgress) {
            return;
        }
        let waiters = core::mem::take(&mut entry.waiters);
        let Some(entry) = self.book.get(id) else { return };
        for (waiter, replayed) in waiters {
            out.effects.push(Effect::Reply(waiter, self.book.outcome(entry, replayed)));
        }
    }

    /// A payment that owes nothing gives its number back; one that owes something again takes it again.
    fn keep_numbers(&mut self, id: PaymentId) {
        let Some(entry) = self.book.get(id) else { return };
        let Some(fields) = &entry.payment.fields else { return };
        if entry.payment.is_settled() {
            self.numbers.release(id, &fields.route.host, fields.stan);
        } else if entry.payment.repeat_owed.is_some() {
            self.numbers.hold(id, &fields.route.host, fields.stan);
        }
    }
}
