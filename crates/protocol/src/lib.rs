//! The dictionary: reads the definitions of hosts and translates a payment into a host's ISO 8583
//! and back.
//!
//! Two files define a host. A *dialect* says how it writes ISO 8583: fields, bitmaps, reply types
//! and the elements by which replies are matched. A *mapping* says what a payment means in it:
//! which element carries what, how silence is handled, what each response code stands for. Both are
//! read in three steps, raw -> checked -> built: unknown keys are refused, every fault is collected
//! and shown with file, line and caret, and a bad definition stops the start, never a payment. Test
//! vectors lie beside both.
//!
//! What this crate never does: open a file or a socket, read a clock, hold a key, keep a card
//! number longer than one call, or decide about money. Text comes in as [`source::Source`]; what a
//! host says goes out as the words of [`tidegate_payment`].
//!
//! Reading order: [`source`] is what is read and how faults look; [`dialect`] and `mapping` are
//! the two files; [`definition`] is both, checked against each other; [`encode`], [`read`],
//! [`judge`], [`balances`] and [`network`] are what a definition does; [`vectors`] tests it. [`import`] makes
//! dialect files of other programs' definitions.
#![forbid(unsafe_code)]

pub mod source;

mod toml_reader;

pub mod dialect;

mod fields;

mod composite;

pub mod inherit;

pub mod import;

mod mapping;

mod codes;

mod fact;

mod element;

pub mod definition;

mod consistency;

mod operations;

pub mod encode;

pub mod read;

pub mod judge;

pub mod balances;

pub mod network;

pub mod vectors;

mod vector_file;

mod sample_payment;

mod calendar;

#[cfg(test)]
mod fault_tests;

#[cfg(test)]
mod schema_tests;

#[cfg(test)]
mod path_tests;

#[cfg(test)]
mod operation_tests;

#[cfg(test)]
mod sample;
