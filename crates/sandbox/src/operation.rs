//! What can be asked, by the gateway's names for it, and how a host message is read as one of them.

use crate::iso::{Dialect, Message};
use serde::{Deserialize, Serialize};

/// What a merchant asks for.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The money is taken at once.
    #[default]
    Purchase,
    /// The money is set aside.
    PreAuthorization,
    /// What was set aside is taken, or a part of it.
    Completion,
    /// A purchase or pre-authorization is undone in full.
    Void,
    /// A part, or all, goes back to the card.
    Refund,
    /// How much is on the card.
    BalanceInquiry,
    /// Whether the card is good.
    CardVerification,
}

/// What silence about an operation calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// A reversal.
    Reversal,
    /// The same again, marked as a repeat.
    Advice,
    /// Nothing.
    Nothing,
}

impl Operation {
    /// The name in the gateway's answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::PreAuthorization => "pre_authorization",
            Self::Completion => "completion",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::BalanceInquiry => "balance_inquiry",
            Self::CardVerification => "card_verification",
        }
    }

    /// Whether it is about an earlier payment.
    pub fn is_follow_up(self) -> bool {
        self.silence() == Silence::Advice
    }

    /// What silence calls for, as the sandbox's host has agreed it.
    pub fn silence(self) -> Silence {
        match self {
            Self::Purchase | Self::PreAuthorization => Silence::Reversal,
            Self::Completion | Self::Void | Self::Refund => Silence::Advice,
            Self::BalanceInquiry | Self::CardVerification => Silence::Nothing,
        }
    }

    /// The message type of the first sending, and the processing code.
    pub fn on_the_wire(self, dialect: Dialect) -> (&'static str, &'static str) {
        let [reversal, _] = dialect.reversal();
        match self {
            Self::Purchase => ("0200", "000000"),
            Self::PreAuthorization | Self::CardVerification => ("0100", "000000"),
            Self::Completion => ("0220", "000000"),
            Self::Void => (reversal, "000000"),
            Self::Refund => ("0220", "200000"),
            Self::BalanceInquiry => ("0100", "310000"),
        }
    }
}

/// What a message from the gateway asks of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The operation's request or advice, or a repeat of it.
    Request(Operation),
    /// The reversal of a request that the host was silent about, or a repeat of it.
    Reversal,
}

/// Reads a message, in whichever types its host has agreed to ([`Dialect::has`]). A reversal for silence
/// carries its original's own numbers; a void has its own, and names another message in DE 90.
pub fn meaning(message: &Message) -> Option<Meaning> {
    let code = message.get(3);
    Some(match message.mti.as_str() {
        "0200" => Meaning::Request(Operation::Purchase),
        "0100" if code.starts_with("31") => Meaning::Request(Operation::BalanceInquiry),
        "0100" if message.get(4).bytes().all(|digit| digit == b'0') => {
            Meaning::Request(Operation::CardVerification)
        }
        "0100" => Meaning::Request(Operation::PreAuthorization),
        "0220" | "0221" if code.starts_with("20") => Meaning::Request(Operation::Refund),
        "0220" | "0221" => Meaning::Request(Operation::Completion),
        "0400" | "0401" | "0420" | "0421" if names_itself(message) => Meaning::Reversal,
        "0400" | "0401" | "0420" | "0421" => Meaning::Request(Operation::Void),
        _ => return None,
    })
}

/// Whether a message is marked as a repeat.
pub fn is_repeat(message: &Message) -> bool {
    message.mti.ends_with('1')
}

fn names_itself(message: &Message) -> bool {
    original_trace(message)
        .is_none_or(|(transmitted, stan)| transmitted == message.get(7) && stan == message.get(11))
}

/// DE 7 and DE 11 of the message that DE 90 names (original type n4, DE 11 n6, DE 7 n10, DE 32 n11,
/// DE 33 n11).
pub fn original_trace(message: &Message) -> Option<(&str, &str)> {
    let data = message.get(90);
    (data.len() == 42).then_some(())?;
    Some((data.get(10..20)?, data.get(4..10)?))
}

/// DE 90 of a message that is about another one.
pub fn original_data(original: &Message) -> String {
    let (stan, transmitted) = (original.get(11), original.get(7));
    let (acquirer, forwarder) = (original.get(32), original.get(33));
    format!("{}{stan}{transmitted}{acquirer:0>11}{forwarder:0>11}", original.mti)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_void_is_told_from_a_reversal_by_the_number_that_it_names() {
        let mut original = Message::new("0200");
        original.set(7, "1122101530");
        original.set(11, "000007");
        for mti in ["0420", "0421", "0400", "0401"] {
            let mut message = Message::new(mti);
            message.set(7, "1122101530");
            message.set(11, "000007");
            message.set(90, original_data(&original));
            assert_eq!(meaning(&message), Some(Meaning::Reversal));
            message.set(11, "000008");
            assert_eq!(meaning(&message), Some(Meaning::Request(Operation::Void)));
        }
    }

    #[test]
    fn every_operation_is_read_back_from_its_message() {
        use Operation as O;
        let all = [O::Purchase, O::PreAuthorization, O::Completion, O::Refund, O::BalanceInquiry];
        for operation in all {
            let (mti, code) = operation.on_the_wire(Dialect::default());
            let mut message = Message::new(mti);
            message.set(3, code);
            message.set(4, "000000000001");
            assert_eq!(meaning(&message), Some(Meaning::Request(operation)));
        }
    }
}
