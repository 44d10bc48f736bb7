//! Orders to the host task: from operators, from whoever stops the gateway, and from the judge.

use super::status::HostStatus;
use tidegate_line::name::ExchangeId;
use tidegate_payment::id::LineId;
use tokio::sync::oneshot;

/// What the host task is told besides frames.
#[derive(Debug)]
pub(super) enum Order {
    Status(oneshot::Sender<HostStatus>),
    SignOff(LineId, oneshot::Sender<bool>),
    SignOn(LineId, oneshot::Sender<bool>),
    /// The judge's word on a frame that was delivered.
    NotItsAnswer(ExchangeId),
    Stop,
}
