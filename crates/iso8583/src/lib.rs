//! The ISO 8583 wire format: frames, message types, bitmaps, fields and dialects.
//!
//! A *dialect* says how one host writes ISO 8583: it is plain data ([`dialect::DialectSpec`]), checked once
//! by [`dialect::Dialect::build`]. With it a body is parsed into a [`parse::Message`] that borrows
//! the bytes, a [`pack::Builder`] makes the bytes again, and [`explain::explain`] tells a person
//! what a frame says, or where it breaks, without showing card data.
//!
//! What this crate never does: open a socket, read a clock or a file, know a bank, log, or panic
//! on bytes that a peer sent. What it refuses, it refuses with a path, an offset and what was
//! expected instead.
//!
//! Layout, in reading order: [`mti`], [`field`] and [`dialect`] are the words; [`frame`] cuts the
//! stream into bodies; [`parse`] and [`pack`] are the two directions, [`parts`] and [`tree`] those of
//! composites; [`explain`] is for people; [`error`] is what reading answers with.
//!
//! Text layout and meaning of the elements follow ISO 8583:1987, as hosts implement it.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod mti;

pub mod field;

pub mod parts;

pub mod dialect;

pub mod frame;

pub mod parse;

pub mod pack;

pub mod tree;

pub mod explain;

pub mod diagnosis;

pub mod shown;

pub mod error;

mod bitmap;

mod charset;

mod check;

mod content;

mod cursor;

mod digits;

mod emv;

mod guess;

mod head;

mod length;

mod plan;

mod printed;

mod read;

mod rule;

mod suspect;

mod tagged;

mod value;

mod walk;

mod write;

#[cfg(test)]
mod both_ways;
#[cfg(test)]
mod composite_tests;
#[cfg(test)]
mod sample;

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
