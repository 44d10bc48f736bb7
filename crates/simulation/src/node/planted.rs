//! Planted bugs inside the glue.

use super::World;
use crate::checker::journal::Known;
use crate::event::NodeEvent;
use crate::sabotage::Sabotage;
use crate::store::projection::Projection;
use std::time::Duration;
use tidegate::host::wording::Judged;
use tidegate::store::journal::disk::Disk;
use tidegate::store::journal::frame::Place;
use tidegate::store::journal::scan::{Tail, scan};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::{Outgoing, Reply};
use tidegate_payment::id::{PaymentId, Rrn, Stan};
use tidegate_payment::input::{Attempt, Input, LoadKey, Loaded, Query, QueryBy, ReversalAnswer};
use tidegate_payment::payment::{DeclineReason, Payment, PendingReason, Verdict, View};
use tidegate_payment::record::{
    AnswerClass, Group, HostAnswer, ParkReason, Record, ReversalVerdict, Reversed, SendIntent,
};
use tidegate_payment::request::Silence;
use tidegate_payment::time::Mono;

impl World {
    /// Between the engine and the store.
    pub(super) fn meddle(&mut self, group: &mut Group) {
        for record in &mut group.records {
            match record {
                Record::SendIntent(intent) => self.number_again(intent),
                Record::ReversalParked(parked) if self.is_sabotaged(Sabotage::NoCases) => {
                    let (id, at) = (parked.id, parked.at);
                    let suspect = parked.why == ParkReason::Exhausted;
                    *record = Record::Reversed(Reversed { id, at, suspect });
                }
                _ => {}
            }
        }
        match &*group.records {
            [Record::Accepted(accepted), Record::SendIntent(intent)] => {
                let out = Outgoing {
                    id: accepted.id,
                    attempt: Attempt::Original,
                    repeat: false,
                    request: accepted.request.clone(),
                    fields: intent.fields.clone(),
                    approval_code: None,
                    deadline: self.in_ten_seconds(),
                };
                if self.sabotage(Sabotage::SendBeforeDurable) {
                    self.send_early(Duration::ZERO, out);
                }
            }
            [Record::Answered(answered), ..] => {
                let id = answered.id;
                if self.sabotage(Sabotage::ReverseAnswered) {
                    self.reverse_early(Duration::from_millis(30), id);
                }
                if self.is_sabotaged(Sabotage::AnswerBeforeDurable) {
                    self.answer_early(group);
                }
            }
            [Record::TimedOut(timed_out), ..] => {
                let id = timed_out.id;
                if self.sabotage(Sabotage::ReverseBeforeDurable) {
                    self.reverse_early(Duration::ZERO, id);
                }
            }
            _ => {}
        }
    }

    /// A payment is given the numbers of another one.
    fn number_again(&mut self, intent: &mut SendIntent) {
        let (shop, de7) = (&intent.fields.acceptor.number, intent.fields.transmitted);
        let beside = |known: &&Known| known.transmitted == de7 && known.wide.ends_with(shop);
        let known = if self.is_sabotaged(Sabotage::SameNumber) {
            self.checker.payments().filter(beside).last()
        } else {
            self.checker.payments().last()
        };
        let Some((rrn, stan)) = known.map(|known| (known.rrn.clone(), known.stan.clone())) else {
            return;
        };
        let again = self.sabotage(Sabotage::ReuseNumber) || self.sabotage(Sabotage::SameNumber);
        let stan = stan.parse().ok().and_then(|stan| Stan::new(stan).ok());
        if let (true, Ok(rrn), Some(stan)) = (again, Rrn::parse(&rrn), stan) {
            (intent.fields.rrn, intent.fields.stan) = (rrn, stan);
        }
    }

    fn in_ten_seconds(&self) -> Mono {
        Mono(self.clock.mono.saturating_add(Duration::from_secs(10)))
    }

    fn send_early(&mut self, wait: Duration, out: Outgoing) {
        let early = self.store_attests(out);
        self.plan_node(wait, NodeEvent::Encode(Box::new(early)));
    }

    fn reverse_early(&mut self, wait: Duration, id: PaymentId) {
        if let Some(out) = self.message_of(id, Attempt::Reversal(1)) {
            self.send_early(wait, out);
        }
    }

    /// What the mapping makes of a reply.
    pub(super) fn misread(&self, judged: Judged, out: &Outgoing) -> Judged {
        let approved = |class| matches!(class, AnswerClass::Approved | AnswerClass::Partial);
        let is = |bug| self.is_sabotaged(bug);
        match judged {
            Judged::Answer(answer)
                if answer.class == AnswerClass::Declined && is(Sabotage::MisreadDecline) =>
            {
                let amount = out.request.amount;
                Judged::Answer(HostAnswer { class: AnswerClass::Approved, amount, ..answer })
            }
            Judged::Answer(answer) if approved(answer.class) && is(Sabotage::MisreadApproval) => {
                Judged::Answer(HostAnswer { class: AnswerClass::Declined, ..answer })
            }
            Judged::Reversal(answer)
                if answer.verdict == ReversalVerdict::UnknownOriginal
                    && is(Sabotage::BelieveUnknown) =>
            {
                let verdict = ReversalVerdict::Accepted;
                Judged::Reversal(ReversalAnswer { verdict, ..answer })
            }
            Judged::Deferred(said)
                if matches!(out.attempt, Attempt::Reversal(_)) && is(Sabotage::LaterAsDone) =>
            {
                let (response_code, line) = (said.response_code, said.line);
                let verdict = ReversalVerdict::Accepted;
                Judged::Reversal(ReversalAnswer { response_code, verdict, line })
            }
            judged => judged,
        }
    }

    /// What a merchant is told instead.
    pub(super) fn misspeak(&mut self, view: View, replayed: bool) -> View {
        let late = self.checker.known(view.id).is_some_and(|known| known.late_approval);
        let partial = view.approved.is_some_and(|it| it != view.request.amount);
        if replayed && self.sabotage(Sabotage::OtherAnswer) {
            let verdict = match view.verdict {
                Verdict::Approved => Verdict::Declined(DeclineReason::Host),
                Verdict::Pending(reason) => Verdict::Pending(reason),
                _ => Verdict::Approved,
            };
            View { verdict, ..view }
        } else if partial && self.is_sabotaged(Sabotage::TellPartialAsFull) {
            View { approved: Some(view.request.amount), ..view }
        } else if late && self.is_sabotaged(Sabotage::LateAsApproved) {
            View { verdict: Verdict::Approved, approved: Some(view.request.amount), ..view }
        } else if view.verdict == Verdict::Pending(PendingReason::HostTimeout)
            && self.sabotage(Sabotage::TimeoutAsDecline)
        {
            View { verdict: Verdict::Declined(DeclineReason::HostTimeout), ..view }
        } else if self.sabotage(Sabotage::OtherRrn) {
            let other = self.checker.payments().find(|known| known.id != view.id);
            let rrn = other.and_then(|known| Rrn::parse(&known.rrn).ok());
            let fields = view.fields.clone().zip(rrn);
            let fields =
                fields.map(|(fields, rrn)| tidegate_payment::request::HostFields { rrn, ..fields });
            View { fields: fields.or(view.fields.clone()), ..view }
        } else {
            view
        }
    }

    /// To whom an answer goes.
    pub(super) fn mistaken(&mut self, number: u64) -> u64 {
        if !self.sabotage(Sabotage::SwapAnswers) {
            return number;
        }
        let others = self.merchants.attempts_of(self.life);
        others.into_iter().find(|other| *other != number).unwrap_or(number)
    }

    /// A question that the projection answers, whatever the engine knows.
    pub(super) fn answers_from_projection(&mut self, number: u64, input: &Input) -> bool {
        let Input::Query(Query { by: QueryBy::Id(id), .. }) = input else { return false };
        if !self.is_sabotaged(Sabotage::StaleView) {
            return false;
        }
        let Some(payment) = self.projected(*id) else { return false };
        let view = Box::new(self.store_attests(payment.view()));
        self.told(number, &Reply::Outcome { view, replayed: false });
        true
    }

    fn projected(&self, id: PaymentId) -> Option<Payment> {
        let loaded = self.projection.load(LoadKey::Id(id));
        let of = |group: &Durable<Group>| Payment::fold(&group.get().records).ok().flatten();
        loaded.found.iter().filter_map(of).find(|payment| payment.id == id)
    }

    /// The disk loses what it had synced last, and the projection, which would know of it.
    pub(super) fn lose_last_batch(&mut self) {
        self.projection = Projection::default();
        let tail = scan(&self.disk, Place::START, |_, _| Ok::<_, String>(()));
        let Ok(Tail { segment: Some((name, _)), last_batch: Some((at, bytes)), .. }) = tail else {
            return;
        };
        if let Ok(file) = self.disk.open(&name) {
            drop(file.write_at(at, &vec![0; bytes.len()]).and_then(|()| file.sync()));
        }
    }

    /// What a completion, void or refund names as its original.
    pub(super) fn misname(&mut self, message: &mut Outgoing) {
        let (own, merchant) = (message.request.original, message.request.merchant.as_str());
        let Some(fields) = &mut message.fields.original else { return };
        let other = |known: &&Known| known.merchant == merchant && Some(known.id) != own;
        let Some(known) = self.checker.payments().find(other) else { return };
        if let Some(stan) = known.stan.parse().ok().and_then(|stan| Stan::new(stan).ok()) {
            (fields.stan, fields.transmitted) = (stan, known.transmitted);
        }
    }

    /// An original is found without what followed it.
    pub(crate) fn forget_follow_ups(&self, loaded: &mut Loaded) {
        let LoadKey::FollowUp { key, original, .. } = &loaded.key else { return };
        let (key, original) = (key.clone(), *original);
        loaded.found.retain(|group| match group.get().records.first() {
            Some(Record::Accepted(it)) => it.id == original || it.request.key == key,
            _ => false,
        });
    }

    fn message_of(&self, id: PaymentId, attempt: Attempt) -> Option<Outgoing> {
        let payment = self.projected(id)?;
        if payment.silence() != Silence::Reversal {
            return None;
        }
        let deadline = self.in_ten_seconds();
        payment.original().map(|out| Outgoing { attempt, deadline, ..out })
    }

    /// Whoever waits is told the host's answer when it is handed to the store.
    fn answer_early(&mut self, group: &Group) {
        let Some(Record::Answered(answered)) = group.records.first() else { return };
        let Some(mut payment) = self.projected(answered.id) else { return };
        if payment.apply(&Record::Answered(answered.clone())).is_err() {
            return;
        }
        let view: View = payment.view();
        let Some(number) = view.request.key.as_str().strip_prefix("k-") else { return };
        let Some(wish) = number.parse().ok().and_then(|it| self.merchants.wish(it)) else { return };
        let (wish, merchant) = (wish.clone(), view.request.merchant.to_string());
        self.checker.told(&wish, &merchant, &view);
    }
}
