//! Stories of the whole gateway, end to end, and the rules of its architecture.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod architecture;
mod command_line;
mod explanations;
mod fuzzed;
mod journal_copies;
mod operated;
mod out_of_service;
mod overload;
