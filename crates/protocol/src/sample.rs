//! Definitions for tests: those under `protocols/`, and a mapping of purchases alone, in which each
//! rule of mappings can be broken in one place.

#![allow(clippy::panic, reason = "a test stops at the first surprise")]

use std::sync::OnceLock;

use crate::{definition::Definition, source::Source};

pub(crate) const DIALECT: &str =
    include_str!("../../../protocols/dialects/iso87-ascii/dialect.toml");
pub(crate) const MAPPING: &str = include_str!("../../../protocols/mappings/iso87-ascii.toml");
pub(crate) const PURCHASES: &str = include_str!("sample_mapping.toml");

pub(crate) fn dialect() -> Source<'static> {
    Source { name: "dialects/iso87-ascii/dialect.toml", text: DIALECT }
}

/// The definition as it is shipped, all operations in ASCII.
pub(crate) fn definition() -> &'static Definition {
    static BUILT: OnceLock<Definition> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mapping = Source { name: "mappings/iso87-ascii.toml", text: MAPPING };
        Definition::build(dialect(), mapping).unwrap_or_else(|faults| panic!("{faults}"))
    })
}

/// The other one, packed.
pub(crate) fn binary() -> &'static Definition {
    static BUILT: OnceLock<Definition> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dialect = include_str!("../../../protocols/dialects/iso87-binary/dialect.toml");
        let mapping = include_str!("../../../protocols/mappings/iso87-binary.toml");
        Definition::build(
            Source { name: "dialects/iso87-binary/dialect.toml", text: dialect },
            Source { name: "mappings/iso87-binary.toml", text: mapping },
        )
        .unwrap_or_else(|faults| panic!("{faults}"))
    })
}
