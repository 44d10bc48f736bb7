//! Who waits for whom: at most one group under way for a payment, a key, an order or the date.

use crate::id::{HostId, IdempotencyKey, MerchantId, OrderId, PaymentId, Stan};
use crate::input::{Ask, Incoming, Input, Terms, Waiter};
use crate::record::{Group, GroupSubject};
use crate::request::Operation;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What a group under way keeps to itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Payment(PaymentId),
    Key(MerchantId, Operation, IdempotencyKey),
    Order(MerchantId, OrderId),
    Date,
}

impl Subject {
    /// What a new request keeps to itself until it is accepted or refused.
    pub(super) fn of_request(incoming: &Incoming) -> Vec<Self> {
        let (merchant, operation, key) = incoming.ask.key();
        let about = match &incoming.ask {
            Ask::New { request, .. } => Self::Order(merchant.clone(), request.order.clone()),
            // Two follow-ups of one original must meet one sum.
            Ask::FollowUp { follow_up, .. } => Self::Payment(follow_up.original),
        };
        alloc::vec![Self::Key(merchant.clone(), operation, key.clone()), about]
    }
}

/// Something to be decided: an input, or a timer of a payment that has come.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) enum Turn {
    Heard(Input),
    Due(PaymentId),
}

impl Turn {
    /// The one payment that it is about, if it is about one that exists.
    pub(super) fn payment(&self) -> Option<PaymentId> {
        match self {
            Self::Due(id)
            | Self::Heard(
                Input::HostAnswered(id, _)
                | Input::ReversalAnswered(id, _)
                | Input::Deferred(id, ..)
                | Input::AdviceRefused(id, _)
                | Input::NotSent(id, ..)
                | Input::Written(id, _),
            ) => Some(*id),
            Self::Heard(Input::Operator(act)) => Some(act.id),
            Self::Heard(_) => None,
        }
    }

    /// Who waits for the group that comes of it.
    pub(super) fn way(&self) -> UnderWay {
        let waiter = match self {
            Self::Heard(Input::Operator(act)) => Some(act.waiter),
            _ => None,
        };
        UnderWay { waiter, ..UnderWay::default() }
    }
}

/// A group that was handed to the store, and what belongs to it but not into the journal.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct UnderWay {
    pub(super) subjects: Vec<Subject>,
    pub(super) waiter: Option<Waiter>,
    pub(super) terms: Option<Terms>,
    /// The number that the group gave out, to be taken back if it is not written.
    pub(super) number: Option<(HostId, Stan)>,
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Sequencer {
    /// Whoever holds a subject has an entry, even if nobody waits behind it.
    held: BTreeMap<Subject, Vec<Turn>>,
    under_way: BTreeMap<GroupSubject, UnderWay>,
    waiting: usize,
}

impl Sequencer {
    /// Gives the turn back if the subject is free; otherwise lets it wait and gives nothing.
    pub(super) fn in_turn(&mut self, subject: &Subject, turn: Turn) -> Option<Turn> {
        match self.held.get_mut(subject) {
            Some(behind) => {
                behind.push(turn);
                self.waiting = self.waiting.saturating_add(1);
                None
            }
            None => Some(turn),
        }
    }

    /// As [`Sequencer::in_turn`] for a request, which needs several subjects, and takes them.
    pub(super) fn hold_request(
        &mut self,
        incoming: Box<Incoming>,
    ) -> Option<(Box<Incoming>, Vec<Subject>)> {
        let subjects = Subject::of_request(&incoming);
        let taken = subjects.iter().find(|subject| self.held.contains_key(subject)).cloned();
        if let Some(taken) = taken {
            self.in_turn(&taken, Turn::Heard(Input::Request(incoming)));
            return None;
        }
        for subject in &subjects {
            self.held.insert(subject.clone(), Vec::new());
        }
        Some((incoming, subjects))
    }

    /// A group goes to the store.
    pub(super) fn begin(&mut self, group: &Group, way: UnderWay) {
        for subject in &way.subjects {
            self.held.entry(subject.clone()).or_default();
        }
        self.under_way.insert(group.subject(), way);
    }

    /// A group came back. `None` for one that nobody waits behind (a lease).
    pub(super) fn finish(&mut self, subject: GroupSubject) -> Option<UnderWay> {
        self.under_way.remove(&subject)
    }

    /// The subject is free: whoever waited for it, in order.
    pub(super) fn release(&mut self, subject: &Subject) -> Vec<Turn> {
        let turns = self.held.remove(subject).unwrap_or_default();
        self.waiting = self.waiting.saturating_sub(turns.len());
        turns
    }

    /// Whether a group is under way for the subject.
    pub(super) fn is_held(&self, subject: &Subject) -> bool {
        self.held.contains_key(subject)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}
