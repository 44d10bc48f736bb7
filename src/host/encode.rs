//! Encodes what the engine sends: unseals the card, takes the secrets, words the frame. On a
//! thread of its own, because key stores block.

use super::Clock;
use super::exchange::Sent;
use super::slot::Slots;
use super::wording::{Cards, UnsealError, Wording, WordingError};
use std::sync::Arc;
use tidegate_line::name::{Frame, MatchKey};
use tidegate_payment::card::Secrets;
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::input::{Attempt, Input};
use tidegate_payment::record::NotSentReason;
use tokio::sync::mpsc;

/// One encoder.
pub(super) struct Encoder {
    pub(super) wording: Arc<dyn Wording>,
    pub(super) cards: Arc<dyn Cards>,
    pub(super) secrets: Arc<Slots>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) inputs: mpsc::Sender<Input>,
    /// To the host task.
    pub(super) encoded: mpsc::Sender<Encoded>,
    pub(super) frame_bytes_max: usize,
}

/// A message that is ready for a line.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) sent: Sent,
    pub(super) key: MatchKey,
    /// For a reversal: what a reply to its original carries.
    pub(super) original_key: Option<MatchKey>,
    pub(super) frame: Frame,
}

#[derive(Debug, thiserror::Error)]
enum EncodeError {
    #[error("its deadline passed")]
    Overdue,
    #[error("the card cannot be unsealed")]
    Unseal(#[from] UnsealError),
    #[error("it cannot be worded")]
    Wording(#[from] WordingError),
}

impl EncodeError {
    fn reason(&self) -> NotSentReason {
        match self {
            Self::Overdue => NotSentReason::Overdue,
            Self::Unseal(_) | Self::Wording(_) => NotSentReason::EncodeFailed,
        }
    }
}

impl Encoder {
    /// Works until nobody can send any more.
    pub(super) fn run(self, mut jobs: mpsc::Receiver<Box<Durable<Outgoing>>>) {
        while let Some(out) = jobs.blocking_recv() {
            let (id, attempt) = (out.get().id, out.get().attempt);
            let why = match self.encode(*out) {
                Ok(encoded) => match self.encoded.try_send(encoded) {
                    Ok(()) => continue,
                    Err(mpsc::error::TrySendError::Full(_)) => NotSentReason::QueueFull,
                    Err(mpsc::error::TrySendError::Closed(_)) => NotSentReason::NoLine,
                },
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(payment = %id, ?attempt, %error, cause, "not encoded");
                    error.reason()
                }
            };
            if self.inputs.blocking_send(Input::NotSent(id, attempt, why)).is_err() {
                break;
            }
        }
    }

    fn encode(&self, out: Durable<Outgoing>) -> Result<Encoded, EncodeError> {
        let message = out.get();
        // Taken in any case: what is not sent now is never sent with its secrets.
        let secrets = match message.attempt {
            Attempt::Original => self.secrets.take(message.id).unwrap_or_default(),
            Attempt::Repeat(_) | Attempt::Reversal(_) => Secrets::default(),
        };
        if self.clock.now().mono >= message.deadline {
            return Err(EncodeError::Overdue);
        }
        let card = self.cards.unseal(&message.request.card)?;
        let mut body = Vec::with_capacity(self.frame_bytes_max);
        let worded = self.wording.encode(message, &card, &secrets, &mut body);
        // Wiped whatever came of it.
        let frame = Frame::new(body);
        let key = worded?;
        let original_key = match message.attempt {
            // A repeat is answered as what it repeats.
            Attempt::Original | Attempt::Repeat(_) => None,
            Attempt::Reversal(_) => Some(self.original_key(message)?),
        };
        Ok(Encoded { sent: Arc::new(out), key, original_key, frame })
    }

    fn original_key(&self, reversal: &Outgoing) -> Result<MatchKey, WordingError> {
        let attempt = Attempt::Original;
        self.wording.key(&Outgoing { attempt, repeat: false, ..reversal.clone() })
    }
}
