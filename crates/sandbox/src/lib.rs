//! The world around a Tidegate gateway: a bank host with its own double-entry books, merchants that
//! sign and encrypt, a load generator, and a checker that judges what happened from outside.
//!
//! Nothing here links the gateway's engine or its codec. The gateway under test is a child process,
//! started through the command line like any other.

pub mod bank;
pub mod cards;
pub mod certify;
pub mod checker;
pub mod clock;
pub mod clock_jumps;
pub mod dice;
pub mod drain;
pub mod footprint;
pub mod gateway;
pub mod history;
pub mod hosts;
pub mod iso;
pub mod lives;
pub mod load;
pub mod meanwhile;
pub mod merchant;
pub mod operation;
pub mod overload;
pub mod proxy;
pub mod run;
pub mod scan;
pub mod screen;
mod sequel;
pub mod serve;
pub mod soak;
pub mod summary;
pub mod token;
pub mod tour;
pub mod upheaval;
pub mod world;
