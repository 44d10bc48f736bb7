//! Tells how much a host may be given, to whoever admits new payments.

use tidegate_line::host::{Host, Room};
use tidegate_payment::id::HostId;
use tokio::sync::watch;

/// The host task's end.
pub(super) struct RoomTeller(watch::Sender<Room>);

impl RoomTeller {
    pub(super) fn new(host: &Host) -> Self {
        Self(watch::Sender::new(host.room()))
    }

    /// The other end.
    pub(super) fn hear(&self) -> watch::Receiver<Room> {
        self.0.subscribe()
    }

    /// Tells it if it changed; that a breaker opened or closed is logged.
    pub(super) fn tell(&self, id: &HostId, host: &Host) {
        let room = host.room();
        let mut before = room;
        self.0.send_if_modified(|held| {
            before = std::mem::replace(held, room);
            before != room
        });
        if before.breaker.name() != room.breaker.name() {
            let breaker = room.breaker.name();
            tracing::warn!(host = %id, breaker, "the breaker of a host");
        }
    }
}
