//! Deterministic simulation of a whole gateway: the real engine, the real lines, the real codec and
//! mapping, and the real journal, in a world where time, disk, network, bank, merchants and the process
//! itself are made of dice. One seed decides everything.
//!
//! The world has two times. First things go wrong ([`fault`]), and nothing may be broken. Then nothing
//! goes wrong any more, and everything must come to its end: what merchants were told and what the
//! bank's books hold is one story.
//!
//! In reading order: [`run`] runs seeds, [`world`] is one of them, [`event`] all that can happen there;
//! [`mod@merchants`], [`network`] and [`bank`] live around the gateway, [`disk`] and [`store`] below it;
//! [`checker`] judges from outside.

pub mod agenda;
pub mod bank;
pub mod cast;
pub mod checker;
pub mod clock;
pub mod dice;
pub mod disk;
pub mod event;
pub mod fault;
pub mod log;
pub mod merchants;
pub mod network;
mod node;
pub mod plan;
pub mod points;
pub mod run;
pub mod sabotage;
pub mod self_test;
pub mod store;
mod upheaval;
pub mod world;

#[cfg(test)]
mod tests;
