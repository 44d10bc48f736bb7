//! A definition: a dialect and a mapping, checked against each other. With it a payment is
//! translated and a host is understood.

use std::collections::BTreeMap;

use tidegate_iso8583::{
    dialect::Dialect,
    explain::{ExplainOptions, Explanation},
};
use tidegate_payment::request::{Definitions, Operation, Silence};

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

impl Definition {
    /// Reads and checks both files.
    ///
    /// # Errors
    /// Every fault of both files, with line and caret. Faults of one file against the other are
    /// found when each is sound in itself.
    pub fn build(dialect: Source<'_>, mapping: Source<'_>) -> Result<Self, Faults> {
        let mut in_dialect = Collector::new(dialect);
        let mut in_mapping = Collector::new(mapping);
        let wire = dialect::read(dialect, &mut in_dialect);
        let meaning = mapping::read(mapping, &mut in_mapping);
        let sound = in_dialect.is_empty() && in_mapping.is_empty();
        if let (true, Some(wire), Some(meaning)) = (sound, &wire, &meaning) {
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

    /// What is done when the host is silent about this operation; `None` if the mapping does not
    /// have it.
    #[must_use]
    pub fn silence(&self, operation: Operation) -> Option<Silence> {
        self.plan(operation).map(|plan| plan.silence.value)
    }

    /// The operations that the mapping has, and what the host's silence calls for in each: what the
    /// host takes.
    #[must_use]
    pub fn operations(&self) -> BTreeMap<Operation, Silence> {
        let plans = self.mapping.operations.iter();
        plans.map(|plan| (plan.operation, plan.silence.value)).collect()
    }

    /// Why a host declines with this code, as a stable name for merchants: `expired_card`. `None`
    /// for a code that the mapping gives no reason for.
    #[must_use]
    pub fn reason(&self, response_code: &str) -> Option<&str> {
        self.mapping.reasons.get(response_code).map(|reason| reason.value.as_str())
    }

    /// Whether another definition can take this one's place while exchanges are under way: every reply
    /// finds its request as before. The same types answer, the same elements, written alike, pair them;
    /// further types may be added.
    #[must_use]
    pub fn pairs_like(&self, other: &Self) -> bool {
        let asked = |definition: &Self| -> Vec<_> {
            let plans = definition.mapping.operations.iter();
            let plans = plans.map(|plan| {
                (plan.original.mti.value, plan.reversal.as_ref().map(|plan| plan.mti.value))
            });
            plans.collect()
        };
        let pairing = |HostDialect { wire, financial_key, network_key, .. }: &HostDialect| {
            let keys = [financial_key.clone(), network_key.clone()];
            let fields = keys.concat().into_iter().map(|number| wire.field(number).cloned());
            (fields.collect::<Vec<_>>(), keys, wire.mti_encoding(), wire.bitmap_encoding())
        };
        let network = |definition: &Self| definition.mapping.network.plan.mti.value;
        let asks = asked(other);
        let (before, after) = (&self.dialect, &other.dialect);
        asked(self).iter().all(|types| asks.contains(types))
            && before.replies.iter().all(|pair| after.replies.contains(pair))
            && network(self) == network(other)
            && pairing(before) == pairing(after)
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

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_fault_is_shown_with_its_line_and_a_caret() {
        let source = sample::dialect();
        let mapping =
            sample::PURCHASES.replace("on_silence = \"reversal\"", "on_silence = \"hope\"");
        let dialect = source.text.replace("mask = \"pan\"", "mask = \"clear\"");
        let faults = Definition::build(
            Source { text: &dialect, ..source },
            Source { name: "mappings/iso87-ascii.toml", text: &mapping },
        );
        let shown = faults.map(|_| ()).unwrap_err().to_string();
        let expected = "\
error: DE2: carries card data
  --> dialects/iso87-ascii/dialect.toml:49:1
   |
49 | 2   = { name = \"primary account number\", content = \"n\", length = \"..19\", \
        mask = \"clear\" }
   | ^ expected mask pan or never

error: on_silence: unknown word `hope`
  --> mappings/iso87-ascii.toml:16:14
   |
16 | on_silence = \"hope\"
   |              ^^^^^^ expected one of `reversal`, `advice`, `inquiry`";
        assert_eq!(shown, expected);
    }

    #[test]
    fn hashes_are_those_of_the_texts() {
        let hashes = sample::definition().hashes();
        assert_ne!(hashes.dialect, hashes.mapping);
        let other = format!("{}\n# a comment\n", sample::PURCHASES);
        let other = Definition::build(sample::dialect(), Source { name: "m", text: &other });
        let other = other.unwrap().hashes();
        assert_eq!(other.dialect, hashes.dialect);
        assert_ne!(other.mapping, hashes.mapping);
    }

    #[test]
    fn a_definition_takes_anothers_place_only_if_replies_find_their_requests_alike() {
        let built = |from: &str, to: &str, mapping_from: &str, mapping_to: &str| {
            let source = sample::dialect();
            assert!(source.text.contains(from) && sample::MAPPING.contains(mapping_from));
            let dialect = source.text.replace(from, to);
            let mapping = sample::MAPPING.replace(mapping_from, mapping_to);
            let mapping = Source { name: "m", text: &mapping };
            Definition::build(Source { text: &dialect, ..source }, mapping).unwrap()
        };
        let same = sample::definition();
        assert!(same.pairs_like(&built("", "", "expired_card", "card_is_old")));
        assert!(!same.pairs_like(&built("financial = [7, 11, ", "financial = [11, ", "", "")));
    }

    #[test]
    fn reasons_are_told_for_the_codes_that_have_one() {
        let definition = sample::definition();
        assert_eq!(definition.reason("54"), Some("expired_card"));
        assert_eq!(definition.reason("05"), None);
        assert_eq!(definition.silence(Operation::Purchase), Some(Silence::Reversal));
    }
}
