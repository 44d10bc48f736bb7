//! Network messages: sign-on, echo, sign-off, and the answers to the host's own.

use std::fmt;

use tidegate_iso8583::pack::Builder;
use tidegate_payment::{id::Stan, time::Timestamp};

use crate::{
    definition::Definition,
    encode::{EncodeError, Keys},
    fact::{Facts, Network},
    read::HostMessage,
};

/// What a network message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// A line begins its work.
    SignOn,
    /// A line ends its work.
    SignOff,
    /// Is anybody there?
    Echo,
    /// The host's next business date begins.
    CutOver,
    /// New keys.
    KeyExchange,
    /// A code that the mapping does not have.
    Unknown,
}

impl fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SignOn => "sign-on",
            Self::SignOff => "sign-off",
            Self::Echo => "echo",
            Self::CutOver => "cut-over",
            Self::KeyExchange => "key exchange",
            Self::Unknown => "unknown",
        })
    }
}

/// The element of a cut-over message that should carry its date holds none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("DE{field}: no date (MMDD)")]
pub struct NoDate {
    /// The element.
    pub field: u8,
}

/// A month, 1..=12, and a day of it, 1..=31.
pub type MonthDay = (u8, u8);

impl Definition {
    /// The business date that a cut-over message of the host begins, if it carries one. `None`: the
    /// mapping names no element for it, or the message lacks it.
    ///
    /// # Errors
    /// [`NoDate`] when the element holds something else.
    pub fn cut_over_date(&self, request: &HostMessage<'_>) -> Result<Option<MonthDay>, NoDate> {
        let Some(field) = self.mapping.network.business_date.as_ref().map(|at| at.value) else {
            return Ok(None);
        };
        let Some(text) = request.message.get(field) else { return Ok(None) };
        let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u8>().ok();
        let date = part(0..2).zip(part(2..4)).filter(|_| text.len() == 4);
        let date = date.filter(|(month, day)| (1..=12).contains(month) && (1..=31).contains(day));
        date.map(Some).ok_or(NoDate { field })
    }

    /// Appends the body of a network request to `frame`.
    ///
    /// # Errors
    /// [`EncodeError::NoCode`] when the mapping has no code for it; `frame` is then as it was.
    pub fn network_request(
        &self,
        kind: NetworkKind,
        stan: Stan,
        transmitted: Timestamp,
        frame: &mut Vec<u8>,
    ) -> Result<Keys, EncodeError> {
        let network = &self.mapping.network;
        let found = network.codes.iter().find(|(known, _)| *known == kind);
        let (_, code) = found.ok_or(EncodeError::NoCode(kind))?;
        let facts = Facts {
            network: Some(Network { code: &code.value, stan, transmitted }),
            ..Facts::default()
        };
        let match_key = self.key(&self.dialect.network_key, &network.plan, &facts)?;
        let mut builder = Builder::new(&self.dialect.wire, network.plan.mti.value);
        network.plan.fill(&facts, &mut builder)?;
        builder.pack(frame)?;
        Ok(Keys { match_key })
    }

    /// Appends the answer to a network request of the host to `frame`: the elements that our own
    /// network messages have, as the host sent them, and the response code.
    ///
    /// # Errors
    /// [`EncodeError::NoReply`] when the dialect does not say what answers the message, and
    /// [`EncodeError::Pack`] for a code that does not fit; `frame` is then as it was.
    pub fn network_answer(
        &self,
        request: &HostMessage<'_>,
        response_code: &str,
        frame: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let message = &request.message;
        let mti = self.dialect.reply_to(message.mti());
        let mti = mti.ok_or(EncodeError::NoReply(message.mti()))?;
        let mut builder = Builder::new(&self.dialect.wire, mti);
        for field in &self.mapping.network.plan.fields {
            let number = field.value.0;
            if let Some(text) = message.get(number) {
                builder.set(number, &text)?;
            }
        }
        builder.set(self.mapping.response_code.value, response_code)?;
        builder.pack(frame)?;
        Ok(())
    }
}
