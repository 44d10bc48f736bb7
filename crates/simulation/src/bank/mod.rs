//! The bank: its own books, its own reading of frames, and its ways to lie.

pub mod books;
pub mod day;
pub mod desk;
pub mod reply;
