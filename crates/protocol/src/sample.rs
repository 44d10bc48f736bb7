//! The definitions under `protocols/`, for tests.

#![allow(clippy::panic, reason = "a test stops at the first surprise")]

use std::sync::OnceLock;

use crate::{definition::Definition, source::Source};

pub(crate) const DIALECT: &str =
    include_str!("../../../protocols/dialects/iso87-ascii/dialect.toml");
pub(crate) const MAPPING: &str = include_str!("../../../protocols/mappings/iso87-ascii.toml");

pub(crate) fn dialect() -> Source<'static> {
    Source { name: "dialects/iso87-ascii/dialect.toml", text: DIALECT }
}

pub(crate) fn mapping() -> Source<'static> {
    Source { name: "mappings/iso87-ascii.toml", text: MAPPING }
}

pub(crate) fn definition() -> &'static Definition {
    static BUILT: OnceLock<Definition> = OnceLock::new();
    BUILT.get_or_init(|| {
        Definition::build(dialect(), mapping()).unwrap_or_else(|faults| panic!("{faults}"))
    })
}
