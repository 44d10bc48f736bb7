//! What the bank side needs of the definitions that word its messages, and of the key store.

use tidegate_line::event::{Ask, Read};
use tidegate_line::name::MatchKey;
use tidegate_payment::card::{CardRef, Pan, Secrets};
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::{LineId, Stan};
use tidegate_payment::input::{HostSaid, ReversalAnswer};
use tidegate_payment::record::HostAnswer;
use tidegate_payment::time::Timestamp;

/// The words of one host: its dialect and mapping. Pure; called on any thread. All bodies are
/// without framing and are appended to `body`, in which the caller reserved enough room that a
/// vector which holds card data never moves.
pub trait Wording: Send + Sync + 'static {
    /// Words a request, a reversal or a repeat of either; returns what its reply will carry. Only
    /// [`Attempt::Original`](tidegate_payment::input::Attempt) carries the secrets.
    /// # Errors
    /// [`WordingError`] when the message cannot be expressed.
    fn encode(
        &self,
        out: &Outgoing,
        card: &Pan,
        secrets: &Secrets,
        body: &mut Vec<u8>,
    ) -> Result<MatchKey, WordingError>;

    /// What the reply to this message carries, without wording it.
    /// # Errors
    /// [`WordingError`] when the message cannot be expressed.
    fn key(&self, out: &Outgoing) -> Result<MatchKey, WordingError>;

    /// What a frame that came in is. An empty body never comes here.
    fn read(&self, body: &[u8]) -> Read;

    /// What a reply that was paired with `out` means. `is_card` says whether a clear number is the
    /// card of `out`. `line`: where the reply came.
    fn judge(
        &self,
        body: &[u8],
        out: &Outgoing,
        line: &LineId,
        is_card: &dyn Fn(&str) -> bool,
    ) -> Judged;

    /// Words a network request; returns what its reply will carry. `transmitted`: DE 7.
    /// # Errors
    /// [`WordingError`] when the message cannot be expressed.
    fn ask(
        &self,
        ask: Ask,
        stan: Stan,
        transmitted: Timestamp,
        body: &mut Vec<u8>,
    ) -> Result<MatchKey, WordingError>;

    /// Words the answer to a network request of the host's.
    /// # Errors
    /// [`WordingError`] when the message cannot be expressed.
    fn answer(&self, request: &[u8], accept: bool, body: &mut Vec<u8>) -> Result<(), WordingError>;

    /// Month and day of the business date that a cut-over of the host's begins, if it says so.
    /// # Errors
    /// [`WordingError`] when what should be the date is none.
    fn cut_over_date(&self, request: &[u8]) -> Result<Option<(u8, u8)>, WordingError>;
}

/// What a reply means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// It answers the request, or a repeat of it.
    Answer(HostAnswer),
    /// It answers the reversal.
    Reversal(ReversalAnswer),
    /// The host cannot take the reversal or the advice now.
    Deferred(HostSaid),
    /// The host will not take the advice.
    AdviceRefused(HostSaid),
    /// The mapping does not list its response code: it counts as silence, and is alarmed.
    UnlistedCode(String),
    /// It contradicts what was asked, in the named field; never holds the values.
    Disagrees(String),
}

/// Why a message cannot be worded. Never holds card data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WordingError(pub String);

/// What the bank side needs of the key store. Its calls may block; they are made on threads for
/// that.
pub trait Cards: Send + Sync + 'static {
    /// Opens a sealed card number.
    /// # Errors
    /// [`UnsealError`] when the key is not available or the seal is broken.
    fn unseal(&self, card: &CardRef) -> Result<Pan, UnsealError>;

    /// Whether a clear number is this card's, by its keyed hash.
    fn is_same(&self, card: &CardRef, number: &str) -> bool;
}

/// A card number could not be opened. Never holds card data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnsealError(pub String);
