//! What was sent in each exchange, kept for as long as the line could still pair a reply with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_line::event::NotSent;
use tidegate_line::name::{ExchangeId, LineIndex};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::PaymentId;
use tidegate_payment::input::Attempt;
use tidegate_payment::record::NotSentReason;

/// A durable message, shared by those who wait for its reply.
pub type Sent = Arc<Durable<Outgoing>>;

/// The exchanges. Bounded by the limits of [`tidegate_line`], which says what it forgets.
#[derive(Debug, Default)]
pub struct Exchanges {
    last: u64,
    by_message: BTreeMap<Message, ExchangeId>,
    kept: BTreeMap<ExchangeId, Kept>,
}

/// A request and its repeats are one exchange, and so are all attempts of a reversal: the answer to
/// any of them closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Original(PaymentId),
    Reversal(PaymentId),
}

#[derive(Debug)]
struct Kept {
    message: Message,
    sent: Sent,
    line: Option<LineIndex>,
}

impl Message {
    fn of(sent: &Sent) -> Self {
        match sent.get().attempt {
            Attempt::Original | Attempt::Repeat(_) => Self::Original(sent.get().id),
            Attempt::Reversal(_) => Self::Reversal(sent.get().id),
        }
    }
}

impl Exchanges {
    /// The exchange of a message that is about to be sent: that of its earlier attempts, or a new
    /// one.
    pub fn begin(&mut self, sent: Sent) -> ExchangeId {
        let message = Message::of(&sent);
        let exchange = self.by_message.get(&message).copied().unwrap_or_else(|| {
            self.last = self.last.saturating_add(1);
            ExchangeId(self.last)
        });
        let line = self.kept.get(&exchange).and_then(|kept| kept.line);
        self.by_message.insert(message, exchange);
        self.kept.insert(exchange, Kept { message, sent, line });
        exchange
    }

    /// The exchange of the original of this reversal, if it is not known yet: it was sent before a
    /// restart, or was forgotten.
    pub fn begin_original(&mut self, reversal: &Sent) -> Option<ExchangeId> {
        let original = Message::Original(reversal.get().id);
        if self.by_message.contains_key(&original) {
            return None;
        }
        let sent = Durable::clone(reversal).map(|sent| Outgoing {
            attempt: Attempt::Original,
            repeat: false,
            ..sent
        });
        Some(self.begin(Arc::new(sent)))
    }

    /// What was sent, and where, in this exchange.
    pub fn sent(&self, exchange: ExchangeId) -> Option<&Sent> {
        self.kept.get(&exchange).map(|kept| &kept.sent)
    }

    /// The line of an earlier attempt of this message, or of its original: on one connection a repeat
    /// cannot overtake what it repeats.
    pub fn line_before(&self, sent: &Sent) -> Option<LineIndex> {
        let line = |message| self.kept.get(self.by_message.get(&message)?)?.line;
        let id = sent.get().id;
        line(Message::Reversal(id)).or_else(|| line(Message::Original(id)))
    }

    /// A message of this exchange goes out on this line.
    pub fn on_line(&mut self, exchange: ExchangeId, line: LineIndex) {
        if let Some(kept) = self.kept.get_mut(&exchange) {
            kept.line = Some(line);
        }
    }

    /// Lets an exchange go of which the lines say that nothing can come any more.
    pub fn forget(&mut self, exchange: ExchangeId) {
        if let Some(kept) = self.kept.remove(&exchange) {
            self.by_message.remove(&kept.message);
        }
    }
}

/// The attempt as the line counts it: 0 is the original.
pub fn number_of(attempt: Attempt) -> u32 {
    match attempt {
        Attempt::Original => 0,
        Attempt::Repeat(number) | Attempt::Reversal(number) => number,
    }
}

/// The attempt that the line counts so, in an exchange of this message.
pub fn attempt_of(sent: &Sent, number: u32) -> Attempt {
    match (sent.get().attempt, number) {
        (Attempt::Original | Attempt::Repeat(_), 0) => Attempt::Original,
        (Attempt::Original | Attempt::Repeat(_), _) => Attempt::Repeat(number),
        (Attempt::Reversal(_), _) => Attempt::Reversal(number),
    }
}

/// Why a message was not sent, as the engine hears it.
pub(super) fn reason(why: NotSent) -> NotSentReason {
    match why {
        NotSent::NoLine => NotSentReason::NoLine,
        NotSent::Overdue => NotSentReason::Overdue,
        NotSent::QueueFull => NotSentReason::QueueFull,
        // Two messages whose replies could not be told apart: the second one is at fault.
        NotSent::DuplicateKey => NotSentReason::EncodeFailed,
    }
}
