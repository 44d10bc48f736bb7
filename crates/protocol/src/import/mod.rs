//! Brings the definitions of other programs over: a bank with a working set-up moves by one command.
//!
//! What comes out is the text of a dialect file, which a person reads, changes and keeps; the program never
//! reads the other file again. What the file says and a dialect cannot say is listed, each with its place.
//!
//! What is read is not trusted: it is bounded in size and depth, and whatever comes out was read back as a
//! dialect before it is handed out.

mod draft;
mod write;

mod jpos;
mod jpos_parts;

mod jpos_classes;

mod xml;

mod moov;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]
mod tests;

pub use draft::Loss;

use crate::source::Faults;

/// A dialect file made of another program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The text of the dialect file; [`HostDialect::read`](crate::dialect::HostDialect::read) takes it.
    pub text: String,
    /// What could not be carried over, in the order of the file.
    pub losses: Vec<Loss>,
}

/// The programs whose definitions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The XML of jPOS' `GenericPackager`.
    JposXml,
    /// The JSON of moov's `iso8583` specifications.
    MoovJson,
}

/// Why nothing was imported.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The text is not of the language that it should be of.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// Something that nobody could guess: what is wrong, and what was expected.
    #[error("{place}: {what}")]
    Unclear {
        /// Where.
        place: String,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// Not one element was found that a dialect can have.
    #[error("no element that a dialect can have is defined in it")]
    Empty,
    /// What was made of it is no dialect: a fault of the importer.
    #[error("what was made of it is no dialect, which is a fault of this program:\n{0}")]
    Refused(Faults),
}

/// Makes a dialect file of another program's definitions.
///
/// `name` is what the dialect is called, that of its folder.
///
/// # Errors
/// [`ImportError`]: the text is not of that language, or defines no element.
pub fn import(origin: Origin, text: &str, name: &str) -> Result<Imported, ImportError> {
    match origin {
        Origin::JposXml => jpos::read(text)?.finish(name, "a packager of jPOS (GenericPackager)"),
        Origin::MoovJson => moov::read(text)?.finish(name, "a specification of moov-io/iso8583"),
    }
}
