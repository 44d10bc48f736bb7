//! The simulated store: the gateway's own journal on a simulated disk, and a projection in memory.

pub mod projection;
pub mod writer;
