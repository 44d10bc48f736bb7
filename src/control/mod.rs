//! The inner side: health and metrics for monitoring, and the socket by which the command line speaks
//! to the daemon. Neither faces the Internet: one is an inner address, the other a file that only the
//! daemon's user and root may open.

pub mod view;

mod serve;

pub mod internal;

pub mod socket;

pub mod client;

pub mod ports;

#[cfg(test)]
mod stories;
