//! The bank line: what a gateway does on the persistent lines to one bank host. Line life, sign-on,
//! echo, fail-over between lines, pairing of requests and replies, quarantine.
//!
//! Nothing here does I/O, reads a clock, draws a random number or awaits. [`host::Host::handle`]
//! takes the time and one [`event::Event`] and says what to do as [`event::Output`]s;
//! [`host::Host::next_deadline`] says when to call again though nothing happened. Frames are opaque
//! bytes and match keys opaque byte strings: no message format is known here.
//!
//! Reading order: [`name`] are the nouns; [`event`] is what is heard and said; [`limits`] bounds
//! everything; [`keep_alive`] is the law of empty frames; `life` is one line; `exchange` is the match table; `window` and [`breaker`] say how much
//! a host is given; [`host`] puts them together.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod breaker;
pub mod event;
mod exchange;
pub mod host;
pub mod keep_alive;
mod life;
pub mod limits;
pub mod name;
mod window;

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod story_tests;
