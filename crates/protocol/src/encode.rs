//! Writes the host message of a payment: its request or advice, its reversal, or a repeat of either.

use std::fmt::Write as _;

use tidegate_iso8583::{
    mti::Mti,
    pack::{Builder, PackError},
};
use tidegate_payment::{
    card::{Pan, Secrets},
    effect::Outgoing,
    input::Attempt,
    request::{HostFields, Operation},
};

use crate::{
    definition::Definition,
    element::{Scratch, unfilled},
    fact::{Fact, Facts},
    mapping::{OperationPlan, Plan},
    operations::DE90_PARTS,
};

/// By what the reply to a message will be recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The match key: edition and class of the message type, and the values of the elements that
    /// the dialect names. Opaque, printable, and free of card data.
    pub match_key: Vec<u8>,
}

/// The match keys of a payment that was recovered from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredKeys {
    /// Of its request, and of every repeat of an advice.
    pub original: Vec<u8>,
    /// Of every attempt of its reversal, if its operation is reversed.
    pub reversal: Option<Vec<u8>>,
}

/// Why a message could not be written. Never holds a value of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The mapping does not have the operation.
    #[error("the mapping does not have the operation {}", .0.name())]
    Operation(Operation),
    /// The operation is never reversed.
    #[error("the mapping does not reverse the operation {}", .0.name())]
    NoReversal(Operation),
    /// The dialect has no type that marks the message as a repeat.
    #[error("the dialect has no repeat of {0}")]
    NoRepeat(Mti),
    /// The dialect has no type that answers the message.
    #[error("the dialect does not say what answers {0}")]
    NoReply(Mti),
    /// The mapping has no code for this network message.
    #[error("the mapping has no code for {0}")]
    NoCode(crate::network::NetworkKind),
    /// Something that the message must carry is missing.
    #[error("DE{0}: nothing to fill it with")]
    Missing(u8),
    /// A value does not fit its element.
    #[error("a value does not fit its element")]
    Pack(#[from] PackError),
}

impl Definition {
    /// Appends the body of a message to `frame`: the request; for [`Attempt::Repeat`] the same
    /// message marked as a repeat; for [`Attempt::Reversal`] the reversal, marked as a repeat when
    /// `out` says so. A repeat differs from the first message in its type and in nothing else. The
    /// secrets go into a request alone.
    ///
    /// The frame then holds a card number: the caller sends it and wipes it.
    ///
    /// # Errors
    /// [`EncodeError`]; `frame` is then as it was.
    pub fn encode(
        &self,
        out: &Outgoing,
        card: &Pan,
        secrets: &Secrets,
        frame: &mut Vec<u8>,
    ) -> Result<Keys, EncodeError> {
        let operation = out.request.operation;
        let plan = self.plan(operation).ok_or(EncodeError::Operation(operation))?;
        let message = plan.message(out.attempt).ok_or(EncodeError::NoReversal(operation))?;
        let mut mti = message.mti.value;
        if out.repeat || matches!(out.attempt, Attempt::Repeat(_)) {
            mti = self.dialect.repeat_of(mti).ok_or(EncodeError::NoRepeat(mti))?;
        }
        let data = self.original_data(plan, out)?;
        let facts = Facts {
            card: Some(card),
            secrets: (out.attempt == Attempt::Original).then_some(secrets),
            ..facts(out, data.as_deref())
        };
        let key = self.key(&self.dialect.financial_key, message, &facts)?;
        let mut builder = Builder::new(&self.dialect.wire, mti);
        message.fill(&facts, &mut builder)?;
        builder.pack(frame)?;
        Ok(Keys { match_key: key })
    }

    /// The keys by which replies to a recovered payment are recognised. The same as
    /// [`Definition::encode`] gave before the restart, if the definition has the same hashes.
    ///
    /// # Errors
    /// [`EncodeError::Operation`] when the mapping does not have the operation.
    pub fn recovered_keys(
        &self,
        operation: Operation,
        fields: &HostFields,
    ) -> Result<RecoveredKeys, EncodeError> {
        let plan = self.plan(operation).ok_or(EncodeError::Operation(operation))?;
        let facts = Facts { fields: Some(fields), ..Facts::default() };
        let key = |message| self.key(&self.dialect.financial_key, message, &facts);
        let reversal = plan.reversal.as_ref().map(key).transpose()?;
        Ok(RecoveredKeys { original: key(&plan.original)?, reversal })
    }

    /// DE90 of a message that names another one: a reversal names the message that it undoes, a
    /// follow-up the payment that it is about. `None` for a message without DE90.
    ///
    /// # Errors
    /// [`EncodeError::Operation`] when the mapping does not have the operation of that payment.
    pub(crate) fn original_data(
        &self,
        plan: &OperationPlan,
        out: &Outgoing,
    ) -> Result<Option<String>, EncodeError> {
        if !plan.message(out.attempt).is_some_and(|message| message.has(Fact::OriginalData)) {
            return Ok(None);
        }
        let fields = &out.fields;
        Ok(match (out.attempt, fields.original.as_deref()) {
            (Attempt::Reversal(_), _) => Some(plan.original.as_original_data(fields)),
            (Attempt::Original | Attempt::Repeat(_), Some(original)) => {
                let operation = original.operation;
                let named = self.plan(operation).ok_or(EncodeError::Operation(operation))?;
                // It went the same way, so the institutions are the same.
                let fields = HostFields {
                    stan: original.stan,
                    transmitted: original.transmitted,
                    original: None,
                    ..fields.clone()
                };
                Some(named.original.as_original_data(&fields))
            }
            (Attempt::Original | Attempt::Repeat(_), None) => None,
        })
    }

    /// The match key of a message that goes out.
    pub(crate) fn key(
        &self,
        elements: &[u8],
        message: &Plan,
        facts: &Facts<'_>,
    ) -> Result<Vec<u8>, EncodeError> {
        let mut scratch = Scratch::new();
        let mut key = KeyWriter::new(message.mti.value);
        for number in elements {
            let meaning = message.meaning(*number);
            let text = meaning.and_then(|meaning| meaning.text(facts, &mut scratch));
            let spec = self.dialect.wire.field(*number);
            let (Some(text), Some(spec)) = (text, spec) else {
                return Err(EncodeError::Missing(*number));
            };
            key.push(unfilled(spec, text));
        }
        Ok(key.0)
    }
}

/// Puts a match key together.
pub(crate) struct KeyWriter(pub(crate) Vec<u8>);

impl KeyWriter {
    /// Request and reply, first message and repeat share edition and class and differ in the rest.
    pub(crate) fn new(mti: Mti) -> Self {
        let [edition, class, _, _] = mti.digits();
        let mut key = Vec::with_capacity(80);
        key.extend([edition, class]);
        Self(key)
    }

    pub(crate) fn push(&mut self, value: &str) {
        self.0.push(b'|');
        for byte in value.bytes() {
            // A value may hold the separator itself.
            if matches!(byte, b'|' | b'\\') {
                self.0.push(b'\\');
            }
            self.0.push(byte);
        }
    }
}

/// What the journal knows of a message: everything but the card in clear and the secrets.
pub(crate) fn facts<'a>(out: &'a Outgoing, original_data: Option<&'a str>) -> Facts<'a> {
    Facts {
        fields: Some(&out.fields),
        request: Some(&out.request),
        approval_code: out.approval_code.as_deref(),
        original_data,
        ..Facts::default()
    }
}

impl OperationPlan {
    /// The message of an attempt, its repeat mark apart; `None` for the reversal of what is not
    /// reversed.
    pub(crate) fn message(&self, attempt: Attempt) -> Option<&Plan> {
        match attempt {
            Attempt::Original | Attempt::Repeat(_) => Some(&self.original),
            Attempt::Reversal(_) => self.reversal.as_ref(),
        }
    }
}

impl Plan {
    /// How DE90 names this message: its type and its DE11, DE7, DE32 and DE33, each
    /// right-justified and zero-filled; 42 digits. An element that it does not carry is all zeros.
    /// Standard: ISO 8583:1987, DE 90.
    fn as_original_data(&self, fields: &HostFields) -> String {
        let facts = Facts { fields: Some(fields), ..Facts::default() };
        let mut scratch = Scratch::new();
        let mut data = String::with_capacity(42);
        data.push_str(self.mti.value.as_str());
        for (number, width) in DE90_PARTS {
            let meaning = self.meaning(number);
            let text = meaning.and_then(|meaning| meaning.text(&facts, &mut scratch));
            let _infallible = write!(data, "{:0>width$}", text.unwrap_or_default());
        }
        data
    }

    /// Sets every element that the facts can fill.
    pub(crate) fn fill(
        &self,
        facts: &Facts<'_>,
        builder: &mut Builder<'_>,
    ) -> Result<(), EncodeError> {
        let mut scratch = Scratch::new();
        for field in &self.fields {
            let (number, meaning) = &field.value;
            match meaning.text(facts, &mut scratch) {
                Some(text) => {
                    builder.set(*number, text)?;
                }
                None if meaning.may_be_missing() => {}
                None => return Err(EncodeError::Missing(*number)),
            }
        }
        Ok(())
    }
}
