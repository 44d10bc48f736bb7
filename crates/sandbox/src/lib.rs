//! The world around a Tidegate gateway: a bank host with its own double-entry books, merchants that
//! sign and encrypt, a load generator, and a checker that judges what happened from outside.
//!
//! Nothing here links the gateway's engine or its codec. The gateway under test is a child process,
//! started through the command line like any other.

pub mod bank;
pub mod cards;
pub mod checker;
pub mod clock;
pub mod dice;
pub mod drain;
pub mod gateway;
pub mod history;
pub mod hosts;
pub mod iso;
pub mod load;
pub mod merchant;
pub mod operation;
pub mod run;
pub mod scan;
pub mod screen;
mod sequel;
pub mod serve;
pub mod summary;
pub mod token;
pub mod tour;
pub mod upheaval;
pub mod world;
