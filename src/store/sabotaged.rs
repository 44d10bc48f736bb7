//! A store with a planted bug: outcomes count as durable before they are written. Built only with the
//! feature `sabotage`.

use super::embedded::JournalStore;
use super::{Committed, Store, StoreError};
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
    early: bool,
}

impl SabotagedStore {
    /// A store over `inner`; `early`: with the bug.
    pub fn new(inner: Arc<JournalStore>, early: bool) -> Self {
        Self { inner, early }
    }

    fn attest_early(&self, groups: &[Group]) -> Option<Vec<Committed>> {
        let outcome = |group: &Group| matches!(group.records.as_slice(), [Record::Answered(_)]);
        if !self.early || !groups.iter().all(outcome) {
            return None;
        }
        let next = Sequence(self.inner.gauges().written.0.saturating_add(1));
        Some(groups.iter().map(|group| Ok(Durable::attest(group.clone(), next))).collect())
    }
}

impl Store for SabotagedStore {
    async fn commit(&self, groups: Vec<Group>) -> Result<Vec<Committed>, StoreError> {
        let Some(attested) = self.attest_early(&groups) else {
            return self.inner.commit(groups).await;
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
