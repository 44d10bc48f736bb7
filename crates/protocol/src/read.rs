//! Reads what a host sends and says what kind of message it is, and which request it may answer.

use std::fmt;

use tidegate_iso8583::{
    error::ParseError,
    mti::{Class, Mti},
    parse::Message,
};

use crate::{
    definition::Definition,
    element::{Meaning, unfilled},
    encode::KeyWriter,
    fact::Fact,
    network::NetworkKind,
};

/// A message of the host. Borrows the bytes that it was read from; its `Debug` shows no value of a
/// payment.
#[derive(Debug, Clone)]
pub struct HostMessage<'a> {
    pub(crate) message: Message<'a>,
    kind: Kind,
}

/// What kind of message it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Answers the request or the advice of a payment.
    FinancialReply {
        /// The match key of the request.
        key: Vec<u8>,
    },
    /// Answers a message of the class of reversals: the reversal of a silent payment, a void, or a
    /// repeat of either.
    ReversalReply {
        /// The match key of that message.
        key: Vec<u8>,
    },
    /// Answers a network message.
    NetworkReply {
        /// The match key of the network message.
        key: Vec<u8>,
        /// Whether the host agrees.
        ok: bool,
    },
    /// The host asks something of the line; it is to be answered by
    /// [`Definition::network_answer`].
    NetworkRequest {
        /// What it is about.
        kind: NetworkKind,
    },
    /// Nothing that can be acted on: quarantine it.
    Other(Odd),
}

/// Why a message cannot be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Odd {
    /// Nothing that we send is answered by this type, and it is no network request.
    #[error("a {0} was not asked for")]
    Type(Mti),
    /// A reply without an element of its match key.
    #[error("the {mti} lacks DE{field}, by which it would find its request")]
    KeyMissing {
        /// The reply's type.
        mti: Mti,
        /// The element.
        field: u8,
    },
}

impl<'a> HostMessage<'a> {
    /// What kind of message it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The message itself.
    #[must_use]
    pub fn message(&self) -> &Message<'a> {
        &self.message
    }

    /// The key of the request that it answers, if it is a reply.
    #[must_use]
    pub fn match_key(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::FinancialReply { key }
            | Kind::ReversalReply { key }
            | Kind::NetworkReply { key, .. } => Some(key),
            Kind::NetworkRequest { .. } | Kind::Other(_) => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FinancialReply { .. } => f.write_str("reply to a payment"),
            Self::ReversalReply { .. } => f.write_str("reply to a reversal"),
            Self::NetworkReply { ok: true, .. } => f.write_str("network reply, agreed"),
            Self::NetworkReply { ok: false, .. } => f.write_str("network reply, refused"),
            Self::NetworkRequest { kind } => write!(f, "network request: {kind}"),
            Self::Other(odd) => write!(f, "{odd}"),
        }
    }
}

impl Definition {
    /// Reads the body of a frame that the host sent. Whether a reply agrees with its request is for
    /// [`Definition::judge`].
    ///
    /// # Errors
    /// [`ParseError`] when the body does not follow the dialect.
    pub fn read<'a>(&'a self, body: &'a [u8]) -> Result<HostMessage<'a>, ParseError> {
        let message = self.dialect.wire.parse(body)?;
        let kind = self.classify(&message);
        Ok(HostMessage { message, kind })
    }

    fn classify(&self, message: &Message<'_>) -> Kind {
        let mti = message.mti();
        let network = &self.mapping.network;
        if mti.class() == Class::NetworkManagement && mti.is_request() {
            return Kind::NetworkRequest { kind: self.network_kind(message) };
        }
        let answers = |request| self.dialect.reply_to(request) == Some(mti);
        let operations = self.mapping.operations.iter();
        let mut messages =
            operations.flat_map(|plan| [Some(&plan.original), plan.reversal.as_ref()]).flatten();
        let kind: fn(Vec<u8>, bool) -> Kind = if answers(network.plan.mti.value) {
            |key, ok| Kind::NetworkReply { key, ok }
        } else if !messages.any(|plan| answers(plan.mti.value)) {
            return Kind::Other(Odd::Type(mti));
        } else if mti.class() == Class::Reversal {
            |key, _| Kind::ReversalReply { key }
        } else {
            |key, _| Kind::FinancialReply { key }
        };
        let elements = match mti.class() {
            Class::NetworkManagement => &self.dialect.network_key,
            _ => &self.dialect.financial_key,
        };
        match self.key_of(message, elements) {
            Ok(key) => kind(key, self.agrees(message)),
            Err(field) => Kind::Other(Odd::KeyMissing { mti, field }),
        }
    }

    /// The match key that a reply carries, or the element of it that is missing.
    pub(crate) fn key_of(&self, message: &Message<'_>, elements: &[u8]) -> Result<Vec<u8>, u8> {
        let mut key = KeyWriter::new(message.mti());
        for number in elements {
            let (text, spec) = (message.get(*number), self.dialect.wire.field(*number));
            let (Some(text), Some(spec)) = (text, spec) else { return Err(*number) };
            key.push(unfilled(spec, &text));
        }
        Ok(key.0)
    }

    fn agrees(&self, message: &Message<'_>) -> bool {
        let code = message.get(self.mapping.response_code.value);
        let accepted = &self.mapping.network.accepted;
        code.is_some_and(|code| accepted.iter().any(|accepted| accepted.value == *code))
    }

    fn network_kind(&self, message: &Message<'_>) -> NetworkKind {
        let network = &self.mapping.network;
        let mut fields = network.plan.fields.iter();
        let code = fields.find(|field| field.value.1 == Meaning::Fact(Fact::NetworkCode));
        let code = code.and_then(|field| message.get(field.value.0));
        let known = |text| network.codes.iter().find(|(_, code)| code.value == text);
        code.and_then(known).map_or(NetworkKind::Unknown, |(kind, _)| *kind)
    }
}
