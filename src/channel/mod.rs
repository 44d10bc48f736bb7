//! Merchants' protocols: authenticate, decode, respond. Stands behind the edge and sees whole bounded
//! messages as plain data; never a socket, the journal or a host.
//!
//! In reading order: [`merchant`] is who may ask, [`client_certificate`] by which connections;
//! [`structured`], [`digest`], [`signature`], [`jwe`]
//! and [`json`] are the blocks that channels share; [`replay`] acts on each message once; [`rest`] is
//! the native channel.

pub mod client_certificate;
pub mod digest;
pub mod json;
pub mod jwe;
pub mod merchant;
pub mod replay;
pub mod rest;
pub mod signature;
pub mod structured;
