//! A watch over a proxy: it sees each frame whole and says what becomes of it.

use super::relay::Parcel;
use super::treatment::{Direction, Treatment};
use tokio::sync::{mpsc, oneshot};

/// What becomes of a frame.
pub enum Ruling {
    /// This.
    Treat(Treatment),
    /// It waits until it is let go, and is lost if it never is.
    Hold(oneshot::Receiver<()>),
}

/// Where a connection stands.
pub enum Connection {
    /// The gateway has connected, and the bank was reached.
    Opened(Voice),
    /// The gateway has connected, and the bank could not be reached.
    Unreachable,
    /// It is over.
    Closed,
}

/// Speaks to the gateway on a connection as if the bank did.
pub struct Voice(pub(super) mpsc::WeakSender<Parcel>);

impl Voice {
    /// Sends a message; `false` if the connection has no room for it or is over.
    pub fn say(&self, body: Vec<u8>) -> bool {
        self.0.upgrade().is_some_and(|to| to.try_send(Parcel::now(body)).is_ok())
    }
}

/// Who watches.
pub trait Watch: Send + Sync {
    /// A connection changed.
    fn connection(&self, line: &str, connection: u32, now: Connection);
    /// A frame came in; what becomes of it.
    fn rule(&self, line: &str, connection: u32, direction: Direction, body: &[u8]) -> Ruling;
}
