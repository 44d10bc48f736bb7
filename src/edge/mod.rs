//! The edge (its other parts live on another branch).

pub mod seam;
