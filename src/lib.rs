//! Tidegate, a bank's own payment gateway: the daemon's library.
//!
//! The folders follow the path of a payment; `ARCHITECTURE.md` tells it. In reading order: [`edge`]
//! listens, [`channel`] authenticates, decodes and responds, [`engine_task`] runs the decisions of
//! `tidegate-payment`, [`store`] makes them durable, [`host`] exchanges frames with the bank.

pub mod admission;
pub mod bounded_file;
pub mod calendar;
pub mod carriage;
pub mod channel;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod definitions;
pub mod edge;
pub mod engine_task;
pub mod gateway;
pub mod host;
pub mod keys;
pub mod lane;
pub mod observe;
pub mod out_of_service;
pub mod payment_path;
pub mod routing;
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod store;
pub mod survey;
