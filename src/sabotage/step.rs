//! Sudden death at a named step of a payment's path, chosen by the environment variable
//! `TIDEGATE_DIE_AT=STEP:COUNT`: the process aborts when the step is reached for that time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_payment::input::{Attempt, Input};
use tidegate_payment::record::{Group, Record};
use tokio::sync::mpsc;

/// Where a process can die. What is durable is said by the last word of a pair: `…Commit` has been
/// handed to the journal, `…Durable` is in it and nobody has been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Acceptance and intent are handed to the journal.
    IntentCommit,
    /// Both are durable, nothing is on its way.
    IntentDurable,
    /// The request is about to be given to the lines.
    Sending,
    /// The line's socket took the request.
    Written,
    /// The host's answer came, nothing of it is durable.
    ReplyReceived,
    /// The answer is handed to the journal.
    AnsweredCommit,
    /// The answer is durable, nobody was told.
    AnsweredDurable,
    /// Silence, and the reversal that it calls for, are handed to the journal.
    TimedOutCommit,
    /// Both are durable.
    TimedOutDurable,
    /// The reversal is about to be given to the lines.
    ReversalSending,
    /// The line's socket took the reversal.
    ReversalWritten,
    /// The host's answer to the reversal came.
    ReversalReplyReceived,
    /// The reversal's end is durable.
    ReversedDurable,
    /// A silent advice's repeat is durable.
    RepeatDurable,
    /// A silent advice is about to be given to the lines once more.
    RepeatSending,
    /// A start has opened journal and ledger.
    StoreOpened,
    /// A start has restored every open payment; none is recovered.
    Restored,
}

const NAMES: &[(&str, Step)] = &[
    ("intent-commit", Step::IntentCommit),
    ("intent-durable", Step::IntentDurable),
    ("sending", Step::Sending),
    ("written", Step::Written),
    ("reply-received", Step::ReplyReceived),
    ("answered-commit", Step::AnsweredCommit),
    ("answered-durable", Step::AnsweredDurable),
    ("timed-out-commit", Step::TimedOutCommit),
    ("timed-out-durable", Step::TimedOutDurable),
    ("reversal-sending", Step::ReversalSending),
    ("reversal-written", Step::ReversalWritten),
    ("reversal-reply-received", Step::ReversalReplyReceived),
    ("reversed-durable", Step::ReversedDurable),
    ("repeat-durable", Step::RepeatDurable),
    ("repeat-sending", Step::RepeatSending),
    ("store-opened", Step::StoreOpened),
    ("restored", Step::Restored),
];

/// The step that was chosen, and how often it is still to be reached.
static CHOSEN: OnceLock<Option<(Step, AtomicU64)>> = OnceLock::new();

fn chosen() -> Option<&'static (Step, AtomicU64)> {
    CHOSEN.get_or_init(|| read(&std::env::var("TIDEGATE_DIE_AT").ok()?)).as_ref()
}

fn read(wanted: &str) -> Option<(Step, AtomicU64)> {
    let (name, count) = wanted.split_once(':').unwrap_or((wanted, "1"));
    let (_, step) = NAMES.iter().find(|(known, _)| *known == name)?;
    Some((*step, AtomicU64::new(count.parse().ok()?)))
}

/// A step is reached: dies if it was chosen and this is the time.
pub fn reached(step: Step) {
    if let Some((chosen, left)) = chosen()
        && *chosen == step
        && left.fetch_sub(1, Ordering::AcqRel) == 1
    {
        tracing::error!(?step, "dies here, as was asked for");
        std::process::abort();
    }
}

/// Groups are handed to the journal, or are durable by now.
pub(crate) fn reached_with(groups: &[Group], durable: bool) {
    let steps = |record: &Record| match (record, durable) {
        (Record::SendIntent(_), false) => Some(Step::IntentCommit),
        (Record::SendIntent(_), true) => Some(Step::IntentDurable),
        (Record::Answered(_), false) => Some(Step::AnsweredCommit),
        (Record::Answered(_), true) => Some(Step::AnsweredDurable),
        (Record::TimedOut(_), false) => Some(Step::TimedOutCommit),
        (Record::TimedOut(_), true) => Some(Step::TimedOutDurable),
        (Record::Reversed(_), true) => Some(Step::ReversedDurable),
        (Record::AdviceRepeated(_), true) => Some(Step::RepeatDurable),
        _ => None,
    };
    groups.iter().flat_map(|group| &group.records).filter_map(steps).for_each(reached);
}

/// A message is about to be given to the lines.
pub(crate) fn reached_sending(attempt: Attempt) {
    reached(match attempt {
        Attempt::Original => Step::Sending,
        Attempt::Repeat(_) => Step::RepeatSending,
        Attempt::Reversal(_) => Step::ReversalSending,
    });
}

/// What the hosts tell, on its way to the engine.
pub(crate) fn overheard(heard: mpsc::Receiver<Input>) -> mpsc::Receiver<Input> {
    if chosen().is_none() {
        return heard;
    }
    let mut heard = heard;
    let (on, overheard) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(input) = heard.recv().await {
            match &input {
                Input::Written(_, Attempt::Original) => reached(Step::Written),
                Input::Written(_, Attempt::Reversal(_)) => reached(Step::ReversalWritten),
                Input::HostAnswered(..) => reached(Step::ReplyReceived),
                Input::ReversalAnswered(..) => reached(Step::ReversalReplyReceived),
                _ => {}
            }
            if on.send(input).await.is_err() {
                return;
            }
        }
    });
    overheard
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_chosen_by_name_and_count() {
        let (step, left) = read("answered-durable:3").unwrap();
        assert_eq!((step, left.into_inner()), (Step::AnsweredDurable, 3));
        assert_eq!(read("written").unwrap().1.into_inner(), 1);
        assert!(read("nowhere:1").is_none() && read("written:x").is_none());
    }
}
