//! Health that means work: ready is said only while each condition was met a short time ago by real
//! work, such as an echo answered by the host or a commit on the disk.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One condition of readiness.
pub struct Condition {
    /// Its name, for example `host bank: an echo`.
    pub name: String,
    /// Whether it is met now; otherwise why not.
    pub check: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.name).finish()
    }
}

/// A condition that is not met.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unmet {
    /// The condition's name.
    pub condition: String,
    /// Why it is not met.
    pub why: String,
}

/// All conditions of readiness. Without any, the process is never ready.
#[derive(Debug, Default)]
pub struct Health {
    conditions: Vec<Condition>,
}

impl Health {
    /// Readiness under these conditions.
    pub fn new(conditions: Vec<Condition>) -> Self {
        Self { conditions }
    }

    /// What stands between the process and its work; empty when it is ready.
    pub fn unmet(&self) -> Vec<Unmet> {
        if self.conditions.is_empty() {
            let (condition, why) = ("start".to_owned(), "the gateway is starting".to_owned());
            return vec![Unmet { condition, why }];
        }
        let failing = |condition: &Condition| {
            let why = (condition.check)().err()?;
            Some(Unmet { condition: condition.name.clone(), why })
        };
        self.conditions.iter().filter_map(failing).collect()
    }
}

/// Remembers when some work was last done; shared by who does it and who asks.
#[derive(Debug, Clone)]
pub struct Beat {
    began: Instant,
    /// Milliseconds from `began` to the last work, plus one; 0 for never.
    last_ms: Arc<AtomicU64>,
}

impl Default for Beat {
    fn default() -> Self {
        Self { began: Instant::now(), last_ms: Arc::default() }
    }
}

impl Beat {
    /// The work was done now.
    pub fn mark(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(since.saturating_add(1), Ordering::Release);
    }

    /// A condition that is met while the last work is no older than `age_max`.
    pub fn condition(&self, name: impl Into<String>, age_max: Duration) -> Condition {
        let beat = self.clone();
        Condition { name: name.into(), check: Box::new(move || beat.younger_than(age_max)) }
    }

    fn younger_than(&self, age_max: Duration) -> Result<(), String> {
        let Some(last_ms) = self.last_ms.load(Ordering::Acquire).checked_sub(1) else {
            return Err("not once since the start".to_owned());
        };
        let age = self.began.elapsed().saturating_sub(Duration::from_millis(last_ms));
        if age <= age_max {
            return Ok(());
        }
        Err(format!(
            "last {} ms ago, at most {} ms are allowed",
            age.as_millis(),
            age_max.as_millis()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_said_only_after_real_work() {
        assert_eq!(Health::default().unmet().len(), 1);
        let echo = Beat::default();
        let commit = Beat::default();
        let hour = Duration::from_secs(3_600);
        let health = Health::new(vec![
            echo.condition("an echo through a host line", hour),
            commit.condition("a commit", hour),
        ]);
        assert_eq!(health.unmet().len(), 2);
        echo.mark();
        let unmet = health.unmet();
        assert_eq!(unmet.len(), 1);
        assert!(unmet.iter().all(|unmet| unmet.condition == "a commit"));
        commit.mark();
        assert_eq!(health.unmet(), []);
    }

    #[test]
    fn old_work_does_not_count() {
        let echo = Beat { began: Instant::now(), last_ms: Arc::new(AtomicU64::new(1)) };
        let health = Health::new(vec![echo.condition("an echo", Duration::ZERO)]);
        while echo.began.elapsed().is_zero() {}
        assert_eq!(health.unmet().len(), 1);
    }
}
