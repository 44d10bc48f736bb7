//! Planted faults: each is a way in which a gateway could lose money, put between the engine and its
//! world. A search that does not find one of them is worth nothing.

use super::super::*;
use super::host::{Deed, Reply as HostReply};
use super::model::{Stage, Standing};
use super::world::World;
use crate::payment::View;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    LateApprovalIsDropped,
    LateApprovalIsTold,
    AnswerIsTakenForSilence,
    RetryIsSentAgain,
    CrashForgetsWhatIsOwed,
    RepeatIsNotMarked,
    SilenceOwesNoReversal,
    UnknownOnceIsEnough,
    AdviceIsReversed,
    SentBeforeDurable,
    StoreLosesWhatItAcknowledged,
    LookUpMissesFollowUps,
}

impl Sabotage {
    pub(super) fn on_group(planted: Option<Self>, group: &mut Group) {
        match planted {
            Some(Self::SilenceOwesNoReversal) => {
                group.records.retain(|record| !matches!(record, Record::ReversalDue(_)));
            }
            Some(Self::AnswerIsTakenForSilence) => {
                let Some(Record::Answered(answered)) = group.records.first() else { return };
                let (id, at) = (answered.id, answered.at);
                let why = crate::record::SilenceReason::Deadline;
                group.records = vec![
                    Record::TimedOut(crate::record::TimedOut { id, at, why }),
                    Record::ReversalDue(crate::record::ReversalDue { id, at }),
                ];
            }
            _ => {}
        }
    }

    pub(super) fn sends_early(planted: Option<Self>, group: &Group) -> bool {
        let intent = group.records.iter().any(|it| matches!(it, Record::SendIntent(_)));
        planted == Some(Self::SentBeforeDurable) && intent
    }

    pub(super) fn on_reply(world: &World, reply: &mut Reply) {
        let Reply::Outcome { view, .. } = reply else { return };
        let id = view.get().id;
        let money = world.payments.get(&id).map_or(0, |track| track.books.money());
        let told = world.sabotage == Some(Self::LateApprovalIsTold);
        if told && money > 0 && matches!(view.get().verdict, Verdict::Pending(_)) {
            let approved = Some(Money { minor: money, ..amount() });
            let shown = view.as_ref().clone();
            **view = shown.map(|view| View { verdict: Verdict::Approved, approved, ..view });
        }
    }

    pub(super) fn on_send(planted: Option<Self>, outgoing: &mut Outgoing) {
        match (planted, outgoing.attempt) {
            (Some(Self::RepeatIsNotMarked), Attempt::Reversal(_)) => outgoing.repeat = false,
            (Some(Self::AdviceIsReversed), Attempt::Repeat(_)) => {
                outgoing.attempt = Attempt::Reversal(1);
            }
            _ => {}
        }
    }

    pub(super) fn on_ask(world: &World, incoming: &mut Incoming) {
        let Ask::New { request, .. } = &mut incoming.ask else { return };
        let known = world.payments.values().any(|track| track.payment.is_some());
        if known && world.sabotage == Some(Self::RetryIsSentAgain) {
            request.key = IdempotencyKey::parse("another-key").unwrap();
            request.order = OrderId::parse("another-order").unwrap();
        }
    }

    pub(super) fn on_load(
        planted: Option<Self>,
        mut found: Vec<Durable<Group>>,
        wanted: Option<&IdempotencyKey>,
    ) -> Vec<Durable<Group>> {
        if planted == Some(Self::LookUpMissesFollowUps) {
            found.retain(|group| match group.get().records.first() {
                Some(Record::Accepted(it)) => {
                    it.request.original.is_none() || wanted == Some(&it.request.key)
                }
                _ => true,
            });
        }
        found
    }

    pub(super) fn drops(world: &World, reply: HostReply) -> bool {
        let stage = world.payments[&reply.id].standing().stage;
        let late = matches!(stage, Stage::Owed { .. } | Stage::Reversed);
        let approval = reply.deed == Deed::Approve;
        world.sabotage == Some(Self::LateApprovalIsDropped) && approval && late
    }

    pub(super) fn on_verdict(planted: Option<Self>, verdict: ReversalVerdict) -> ReversalVerdict {
        match (planted, verdict) {
            (Some(Self::UnknownOnceIsEnough), ReversalVerdict::UnknownOriginal) => {
                ReversalVerdict::Accepted
            }
            _ => verdict,
        }
    }

    pub(super) fn is_forgotten(planted: Option<Self>, standing: Standing) -> bool {
        planted == Some(Self::CrashForgetsWhatIsOwed) && standing.is_owed()
    }

    pub(super) fn store_loses(planted: Option<Self>) -> bool {
        planted == Some(Self::StoreLosesWhatItAcknowledged)
    }
}
