//! Judges replies: a reply that was paired with its request is compared with it, and becomes an
//! input for the engine only if it agrees. On a thread of its own.

use super::exchange::Sent;
use super::order::Order;
use super::status::Judgements;
use super::wording::{Cards, Judged, Wording};
use std::sync::Arc;
use tidegate_line::name::{ExchangeId, Frame, LineIndex};
use tidegate_payment::id::LineId;
use tidegate_payment::input::Input;
use tokio::sync::mpsc;

/// The judge.
pub(super) struct Judge {
    /// The names of the lines, in order.
    pub(super) lines: Vec<LineId>,
    pub(super) wording: Arc<dyn Wording>,
    pub(super) cards: Arc<dyn Cards>,
    pub(super) inputs: mpsc::Sender<Input>,
    /// To the host task; weak, so that the judge does not keep the host running.
    pub(super) orders: mpsc::WeakSender<Order>,
    pub(super) judgements: Arc<Judgements>,
}

/// A reply that was paired with its request.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) exchange: ExchangeId,
    pub(super) sent: Sent,
    pub(super) line: LineIndex,
    pub(super) frame: Frame,
}

impl Judge {
    /// Works until the host task ended.
    pub(super) fn run(self, mut delivered: mpsc::Receiver<Delivered>) {
        while let Some(delivered) = delivered.blocking_recv() {
            if let Some(input) = self.judge(&delivered)
                && self.inputs.blocking_send(input).is_err()
            {
                break;
            }
        }
    }

    fn judge(&self, delivered: &Delivered) -> Option<Input> {
        let out = delivered.sent.get();
        let line = self.lines.get(usize::from(delivered.line.0))?;
        let is_card = |number: &str| self.cards.is_same(&out.request.card, number);
        match self.wording.judge(delivered.frame.body(), out, line, &is_card) {
            Judged::Answer(answer) => return Some(Input::HostAnswered(out.id, answer)),
            Judged::Reversal(answer) => return Some(Input::ReversalAnswered(out.id, answer)),
            Judged::Deferred(said) => {
                let (attempt, code) = (out.attempt, &said.response_code);
                tracing::warn!(payment = %out.id, ?attempt, %line, code, "the host asks for it later");
                return Some(Input::Deferred(out.id, attempt, said));
            }
            Judged::AdviceRefused(said) => return Some(Input::AdviceRefused(out.id, said)),
            Judged::UnlistedCode(code) => {
                self.judgements.unlisted_code();
                tracing::error!(
                    payment = %out.id, attempt = ?out.attempt, %line, code, alarm = true,
                    "the mapping does not list the response code: it counts as silence"
                );
            }
            Judged::Disagrees(field) => {
                self.judgements.disagreed();
                tracing::error!(
                    payment = %out.id, attempt = ?out.attempt, %line, field, alarm = true,
                    "the reply contradicts what was asked: quarantined"
                );
            }
        }
        // If the order finds no room, a true answer that still comes counts as a second one, and
        // the payment ends as after silence: safe, and one reversal more.
        let order = Order::NotItsAnswer(delivered.exchange);
        if self.orders.upgrade().is_none_or(|orders| orders.try_send(order).is_err()) {
            tracing::warn!(payment = %out.id, "the exchange is not reopened: the queue is full");
        }
        None
    }
}
