//! The decisions about money: what a payment is, which states it passes, what is written before
//! anything is shown, and when a reversal is owed.
//!
//! Nothing here does I/O, reads a clock, draws a random number or awaits. Time, ids and randomness
//! arrive in the input; what must be written leaves as a [`record::Group`]; what may be shown to the
//! world leaves as an [`effect::Effect`], and only after the group came back [`durable::Durable`].
//!
//! Reading order: [`money`], [`card`], [`id`], [`time`] are the nouns; [`request`] is what a merchant
//! asks; [`record`] is what the journal holds; [`payment`] is one payment and its table of turns;
//! [`engine`] decides.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "a test may stop"))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod card;
pub mod durable;
pub mod effect;
pub mod engine;
pub mod id;
pub mod input;
pub mod money;
pub mod numbering;
pub mod payment;
pub mod record;
pub mod request;
pub mod time;
