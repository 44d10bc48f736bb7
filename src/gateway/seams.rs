//! The seams at which a planted bug can be set: between the engine and the store, between the engine
//! and the lines, between the channel and the engine. Without the feature `sabotage` nothing stands
//! there.

#[cfg(not(feature = "sabotage"))]
pub(super) use plain::{core, forget_nonces, heard, lines, store};

#[cfg(feature = "sabotage")]
pub(super) use planted::{core, forget_nonces, heard, lines, store};

#[cfg(not(feature = "sabotage"))]
mod plain {
    use crate::channel::replay::ReplayWindow;
    use crate::gateway::hosts::Hosts;
    use crate::payment_path::PaymentPath;
    use crate::store::embedded::JournalStore;
    use std::sync::Arc;
    use tidegate_payment::input::Input;
    use tokio::sync::mpsc;

    pub(in crate::gateway) fn store(store: &Arc<JournalStore>) -> Arc<JournalStore> {
        Arc::clone(store)
    }

    pub(in crate::gateway) fn lines(hosts: Hosts, _events: &mpsc::Sender<Input>) -> Hosts {
        hosts
    }

    pub(in crate::gateway) fn heard(heard: mpsc::Receiver<Input>) -> mpsc::Receiver<Input> {
        heard
    }

    pub(in crate::gateway) fn core(path: PaymentPath) -> PaymentPath {
        path
    }

    pub(in crate::gateway) fn forget_nonces(replay: ReplayWindow) -> ReplayWindow {
        replay
    }
}

#[cfg(feature = "sabotage")]
mod planted {
    use crate::channel::replay::ReplayWindow;
    use crate::gateway::hosts::Hosts;
    use crate::payment_path::PaymentPath;
    use crate::sabotage::step::{self, Step};
    use crate::sabotage::{Sabotage, SabotagedCore, SabotagedLines};
    use crate::store::embedded::JournalStore;
    use crate::store::sabotaged::SabotagedStore;
    use std::sync::Arc;
    use tidegate_payment::input::Input;
    use tokio::sync::mpsc;

    pub(in crate::gateway) fn store(store: &Arc<JournalStore>) -> Arc<SabotagedStore> {
        step::reached(Step::StoreOpened);
        Arc::new(SabotagedStore::new(Arc::clone(store), Sabotage::chosen()))
    }

    pub(in crate::gateway) fn lines(
        hosts: Hosts,
        events: &mpsc::Sender<Input>,
    ) -> SabotagedLines<Hosts> {
        step::reached(Step::Restored);
        SabotagedLines::new(hosts, events.downgrade())
    }

    pub(in crate::gateway) fn heard(heard: mpsc::Receiver<Input>) -> mpsc::Receiver<Input> {
        step::overheard(heard)
    }

    pub(in crate::gateway) fn core(path: PaymentPath) -> SabotagedCore<PaymentPath> {
        SabotagedCore::new(path)
    }

    pub(in crate::gateway) fn forget_nonces(replay: ReplayWindow) -> ReplayWindow {
        match Sabotage::chosen() {
            Some(Sabotage::NonceTwice) => replay.forgetful(),
            _ => replay,
        }
    }
}
