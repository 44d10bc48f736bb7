//! What is observed: logs, metrics, and health that means work. Nothing here holds card data: labels
//! and fields are names, counts, ids and times.

mod log;

mod metrics;
mod pressure;

mod health;

pub use health::{Beat, Condition, Health, Unmet};
pub use log::{LogError, LogSwitch, start_log};
pub use metrics::{Metrics, Outcome, Stage, UnderWay};
