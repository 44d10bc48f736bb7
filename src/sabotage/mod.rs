//! Planted bugs, chosen by the environment variable `TIDEGATE_SABOTAGE`, to show that the checker
//! catches them. Built only with the feature `sabotage`; such a build refuses production mode.

use crate::channel::rest::{Core, DecodedRequest};
use crate::engine_task::Lines;
use futures_util::future::BoxFuture;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::{Outgoing, Reply};
use tidegate_payment::id::{LineId, MerchantId, PaymentId};
use tidegate_payment::input::{Attempt, Input, QueryBy, ReversalAnswer};
use tidegate_payment::record::ReversalVerdict;
use tokio::sync::{mpsc, oneshot};

/// How long a reply waits for another to be swapped with.
const SWAP_WAIT: Duration = Duration::from_millis(200);

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The outcome is told before it is written.
    AnswerBeforeDurable,
    /// A reversal is not sent, and counts as accepted.
    DropReversal,
    /// A repeat goes out as if it were the first.
    RepeatNotMarked,
    /// Two merchants' answers are swapped.
    SwapAnswers,
    /// A nonce that was seen is admitted again.
    NonceTwice,
}

impl Sabotage {
    /// The bug that the environment asks for.
    pub fn chosen() -> Option<Self> {
        Some(match std::env::var("TIDEGATE_SABOTAGE").ok()?.as_str() {
            "answer-before-durable" => Self::AnswerBeforeDurable,
            "drop-reversal" => Self::DropReversal,
            "repeat-not-marked" => Self::RepeatNotMarked,
            "swap-answers" => Self::SwapAnswers,
            "nonce-twice" => Self::NonceTwice,
            _ => return None,
        })
    }
}

/// Lines that may drop reversals or unmark repeats.
pub struct SabotagedLines<L> {
    inner: L,
    events: mpsc::WeakSender<Input>,
    chosen: Option<Sabotage>,
}

impl<L> SabotagedLines<L> {
    /// Lines over `inner`; what they pretend is told to `events`.
    pub fn new(inner: L, events: mpsc::WeakSender<Input>) -> Self {
        Self { inner, events, chosen: Sabotage::chosen() }
    }

    fn pretend_reversed(&self, id: PaymentId) {
        let Ok(line) = LineId::parse("none") else { return };
        let verdict = ReversalVerdict::Accepted;
        let answer = ReversalAnswer { response_code: "00".to_owned(), verdict, line };
        if let Some(events) = self.events.upgrade() {
            drop(events.try_send(Input::ReversalAnswered(id, answer)));
        }
    }
}

impl<L: Lines> Lines for SabotagedLines<L> {
    fn send(&self, message: Box<Durable<Outgoing>>) -> Result<(), Box<Input>> {
        let Outgoing { id, attempt, .. } = *message.get();
        match (self.chosen, attempt) {
            (Some(Sabotage::DropReversal), Attempt::Reversal(_)) => {
                self.pretend_reversed(id);
                Ok(())
            }
            (Some(Sabotage::RepeatNotMarked), Attempt::Reversal(_)) => {
                let unmark = |outgoing| Outgoing { repeat: false, ..outgoing };
                self.inner.send(Box::new(message.map(unmark)))
            }
            _ => self.inner.send(message),
        }
    }

    fn forget(&self, id: PaymentId) {
        self.inner.forget(id);
    }
}

/// A core that may swap the answers of two requests that wait at the same time.
pub struct SwappedAnswers<C> {
    inner: C,
    active: bool,
    waiting: Mutex<Option<(Reply, oneshot::Sender<Reply>)>>,
}

impl<C> SwappedAnswers<C> {
    /// A core over `inner`.
    pub fn new(inner: C) -> Self {
        let active = Sabotage::chosen() == Some(Sabotage::SwapAnswers);
        Self { inner, active, waiting: Mutex::new(None) }
    }

    async fn swap(&self, reply: Reply) -> Reply {
        let receiver = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match waiting.take() {
                Some((other, sender)) => {
                    return match sender.send(reply) {
                        Ok(()) => other,
                        Err(reply) => reply,
                    };
                }
                None => {
                    let (sender, receiver) = oneshot::channel();
                    *waiting = Some((reply.clone(), sender));
                    receiver
                }
            }
        };
        match tokio::time::timeout(SWAP_WAIT, receiver).await {
            Ok(Ok(other)) => other,
            _ => reply,
        }
    }
}

impl<C: Core> Core for SwappedAnswers<C> {
    fn submit(&self, request: DecodedRequest) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let reply = self.inner.submit(request).await;
            if self.active { self.swap(reply).await } else { reply }
        })
    }

    fn query(&self, merchant: MerchantId, by: QueryBy) -> BoxFuture<'_, Reply> {
        self.inner.query(merchant, by)
    }
}
