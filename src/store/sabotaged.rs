//! A store with a planted bug: outcomes count as durable before they are written, or late answers count
//! as durable and are never written. Built only with the feature `sabotage`.

use super::embedded::JournalStore;
use super::{Committed, Store, StoreError};
use crate::sabotage::{Sabotage, step};
use std::sync::Arc;
use std::time::Duration;
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::input::{LoadKey, Loaded};
use tidegate_payment::record::{Group, Record};
use tokio::sync::watch;

/// How late an outcome is written.
const LATENESS: Duration = Duration::from_millis(400);

/// The store of a gateway, with or without the bug.
pub struct SabotagedStore {
    inner: Arc<JournalStore>,
    chosen: Option<Sabotage>,
}

impl SabotagedStore {
    /// A store over `inner`; with the bug that was chosen.
    pub fn new(inner: Arc<JournalStore>, chosen: Option<Sabotage>) -> Self {
        Self { inner, chosen }
    }

    fn attest_early(&self, groups: &[Group]) -> Option<Vec<Committed>> {
        let outcome = |group: &Group| matches!(group.records.as_slice(), [Record::Answered(_)]);
        if self.chosen != Some(Sabotage::AnswerBeforeDurable) || !groups.iter().all(outcome) {
            return None;
        }
        Some(groups.iter().map(|group| Ok(self.attest(group))).collect())
    }

    fn attest(&self, group: &Group) -> Durable<Group> {
        let next = Sequence(self.inner.gauges().written.0.saturating_add(1));
        Durable::attest(group.clone(), next)
    }

    /// Writes all but the late answers, and says that all was written.
    async fn commit_forgetfully(&self, groups: Vec<Group>) -> Result<Vec<Committed>, StoreError> {
        let mut kept = Vec::new();
        for group in &groups {
            let mut group = group.clone();
            group.records.retain(|record| !matches!(record, Record::LateAnswer(_)));
            if !group.records.is_empty() {
                kept.push(group);
            }
        }
        let mut written = self.inner.commit(kept).await?.into_iter();
        let is_late = |group: &Group| matches!(group.records.as_slice(), [Record::LateAnswer(_)]);
        let committed = groups.iter().filter_map(|group| {
            if is_late(group) { Some(Ok(self.attest(group))) } else { written.next() }
        });
        Ok(committed.collect())
    }
}

impl Store for SabotagedStore {
    async fn commit(&self, groups: Vec<Group>) -> Result<Vec<Committed>, StoreError> {
        if self.chosen == Some(Sabotage::ForgetLateAnswer) {
            return self.commit_forgetfully(groups).await;
        }
        let Some(attested) = self.attest_early(&groups) else {
            let shown = groups.clone();
            let committing = self.inner.commit(groups);
            step::reached_with(&shown, false);
            let committed = committing.await?;
            step::reached_with(&shown, true);
            return Ok(committed);
        };
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            tokio::time::sleep(LATENESS).await;
            drop(inner.commit(groups).await);
        });
        Ok(attested)
    }

    fn load(&self, key: LoadKey) -> impl Future<Output = Result<Loaded, StoreError>> + Send {
        self.inner.load(key)
    }

    fn applied(&self) -> watch::Receiver<Sequence> {
        self.inner.applied()
    }
}
