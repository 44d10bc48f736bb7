//! The edge: terminates TLS, speaks HTTP/1.1 and HTTP/2, enforces every limit and hands over whole bounded
//! messages. It never touches the journal, the keys of the host or the host's network, and knows no
//! merchant: signatures are checked behind it, so a conquered edge can forge nothing.

pub mod seam;

pub mod limits;

mod peer;

pub mod refusal;

mod answer;

pub mod head;

pub mod gate;

pub mod sources;

pub mod tls;

pub mod streams;

pub mod pace;

pub mod head2;

pub mod http2;

pub mod http;

pub mod carried;

#[cfg(test)]
mod stories;

#[cfg(test)]
mod tls_stories;

#[cfg(test)]
mod http2_stories;

#[cfg(test)]
mod malformed_stories;

#[cfg(test)]
mod http2_malformed_stories;
