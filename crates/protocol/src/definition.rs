//! A definition: a dialect and a mapping, checked against each other. With it a payment is translated
//! and a host is understood.

use tidegate_iso8583::{
    dialect::Dialect,
    explain::{ExplainOptions, Explanation},
};
use tidegate_payment::request::{Definitions, Operation};

use crate::{
    consistency,
    dialect::{self, HostDialect},
    mapping::{self, Mapping, OperationPlan},
    source::{Collector, Faults, Source},
};

/// A checked dialect with a checked mapping.
#[derive(Debug)]
pub struct Definition {
    pub(crate) dialect: HostDialect,
    pub(crate) mapping: Mapping,
}

/// What is done when the host is silent about an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It is reversed.
    Reversal,
    /// It is repeated until it is answered, never reversed.
    Advice,
    /// It is declined, and nothing more is sent.
    Inquiry,
}

impl Definition {
    /// Reads and checks both files.
    ///
    /// # Errors
    /// Every fault of both files, with line and caret. Faults of one file against the other are found when
    /// each is sound in itself.
    pub fn build(dialect: Source<'_>, mapping: Source<'_>) -> Result<Self, Faults> {
        let mut in_dialect = Collector::new(dialect);
        let mut in_mapping = Collector::new(mapping);
        let wire = dialect::read(dialect, &mut in_dialect);
        let meaning = mapping::read(mapping, &mut in_mapping);
        if let (Some(wire), Some(meaning)) = (&wire, &meaning) {
            consistency::check(wire, meaning, &mut in_mapping);
        }
        match (Collector::gather([in_dialect, in_mapping]), wire, meaning) {
            (None, Some(dialect), Some(mapping)) => Ok(Self { dialect, mapping }),
            (Some(faults), _, _) => Err(faults),
            (None, _, _) => Err(Collector::incomplete(mapping)),
        }
    }

    /// The dialect with its rules of reply, repeat and match.
    #[must_use]
    pub fn dialect(&self) -> &HostDialect {
        &self.dialect
    }

    /// The wire format alone.
    #[must_use]
    pub fn wire(&self) -> &Dialect {
        &self.dialect.wire
    }

    /// The content hashes of both files, as `SendIntent` records them.
    #[must_use]
    pub fn hashes(&self) -> Definitions {
        Definitions { dialect: self.dialect.hash, mapping: self.mapping.hash }
    }

    /// What is done when the host is silent about this operation; `None` if the mapping does not have it.
    #[must_use]
    pub fn silence(&self, operation: Operation) -> Option<Silence> {
        self.plan(operation).map(|plan| plan.silence.value)
    }

    /// Why a host declines with this code, as a stable name for merchants: `expired_card`. `None` for a code that
    /// the mapping gives no reason for.
    #[must_use]
    pub fn reason(&self, response_code: &str) -> Option<&str> {
        self.mapping.reasons.get(response_code).map(|reason| reason.value.as_str())
    }

    /// Explains the body of a frame to a person, card data masked.
    #[must_use]
    pub fn explain(&self, body: &[u8], options: ExplainOptions) -> Explanation {
        self.dialect.explain(body, options)
    }

    pub(crate) fn plan(&self, operation: Operation) -> Option<&OperationPlan> {
        self.mapping.operations.iter().find(|plan| plan.operation == operation)
    }
}
