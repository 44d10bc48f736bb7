//! The sandbox as a visitor runs it, and planted bugs that it must catch.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod certify;
mod faults;
mod runs;
#[cfg(feature = "sabotage")]
mod sabotage;
#[cfg(feature = "sabotage")]
mod steps;
