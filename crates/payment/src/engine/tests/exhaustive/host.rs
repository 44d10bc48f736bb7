//! The host's side: what its books hold, and what it may do with a message. It is free to be slow,
//! forgetful and wrong; what the gateway tells is held against the books, not against its word.

use super::model::Answer;
use crate::id::PaymentId;
use crate::record::ReversalVerdict;
use crate::request::Silence;
use std::vec;
use std::vec::Vec;

/// A message on the network to the host. Two that are equal count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) id: PaymentId,
    pub(super) reversal: bool,
    /// Marked as a repeat.
    pub(super) repeat: bool,
}

/// An answer on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reply {
    pub(super) id: PaymentId,
    pub(super) deed: Deed,
}

/// What the host does with a message, and says in its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deed {
    Approve,
    ApprovePart,
    Decline,
    AcceptReversal,
    KnowNoOriginal,
    RefuseReversal,
}

impl Deed {
    pub(super) fn answer(self) -> Option<Answer> {
        match self {
            Self::Approve => Some(Answer::Approved),
            Self::ApprovePart => Some(Answer::Partial),
            Self::Decline => Some(Answer::Declined),
            _ => None,
        }
    }

    pub(super) fn verdict(self) -> ReversalVerdict {
        match self {
            Self::AcceptReversal => ReversalVerdict::Accepted,
            Self::KnowNoOriginal => ReversalVerdict::UnknownOriginal,
            _ => ReversalVerdict::Refused,
        }
    }
}

/// What the host's books say of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Books {
    /// Nothing.
    Unheard,
    /// Answered, and no money moved.
    Empty(Deed),
    /// So much was taken (or, for a refund, given back).
    Posted { minor: i64, deed: Deed },
    /// Taken, and given back by our reversal.
    Reversed,
    /// A reversal of it was accepted before the payment itself was heard of.
    Forestalled,
}

impl Books {
    /// Everything that the host may do, the dutiful thing first.
    pub(super) fn deeds(self, message: Message, silence: Silence, partial: bool) -> Vec<Deed> {
        use Deed::{AcceptReversal, Approve, ApprovePart, Decline, KnowNoOriginal, RefuseReversal};
        if message.reversal {
            return match self {
                Self::Unheard => vec![KnowNoOriginal, AcceptReversal, RefuseReversal],
                // That it says "unknown" of what it posted is a lie that no gateway can see.
                Self::Posted { .. } => vec![AcceptReversal, RefuseReversal, KnowNoOriginal],
                Self::Reversed => vec![AcceptReversal, RefuseReversal],
                Self::Empty(_) => vec![AcceptReversal, KnowNoOriginal],
                Self::Forestalled => vec![AcceptReversal],
            };
        }
        match self {
            Self::Unheard if partial && silence != Silence::Inquiry => {
                vec![Approve, Decline, ApprovePart]
            }
            Self::Unheard => vec![Approve, Decline],
            // A careless host takes the money though it agreed to its reversal before.
            Self::Forestalled => vec![Decline, Approve],
            // It knows a repeat, and answers as before.
            Self::Empty(deed) | Self::Posted { deed, .. } => vec![deed],
            Self::Reversed => vec![Decline],
        }
    }

    /// What the books say after the deed.
    pub(super) fn after(self, deed: Deed, silence: Silence, whole: i64, part: i64) -> Self {
        let moved = |minor| match silence {
            Silence::Inquiry => Self::Empty(deed),
            _ => Self::Posted { minor, deed },
        };
        match (self, deed) {
            (Self::Unheard | Self::Forestalled, Deed::Approve) => moved(whole),
            (Self::Unheard | Self::Forestalled, Deed::ApprovePart) => moved(part),
            (Self::Unheard, Deed::Decline) => Self::Empty(deed),
            (Self::Posted { .. }, Deed::AcceptReversal) => Self::Reversed,
            (Self::Unheard, Deed::AcceptReversal) => Self::Forestalled,
            (books, _) => books,
        }
    }

    /// The money that the host holds because of it.
    pub(super) fn money(self) -> i64 {
        match self {
            Self::Posted { minor, .. } => minor,
            _ => 0,
        }
    }
}
