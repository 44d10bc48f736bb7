//! Planted bugs: a gateway that was told to misbehave must be caught by the checker under the
//! invariants that the bug breaks. Needs the feature `sabotage`, with which a gateway refuses to run in
//! production.
#![cfg(feature = "sabotage")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::Value;
use std::process::Command;

/// Runs a sabotaged gateway and expects one of the invariants to be found broken.
#[track_caller]
fn caught(sabotage: &str, faults: &str, invariants: &[&str]) {
    let arguments = ["--payments", "600", "--reply-timeout", "300", "--seed", "5", "--json"];
    let output = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .args(arguments)
        .args(["--faults", faults, "--sabotage", sabotage])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let summary: Value = serde_json::from_str(said.lines().last().unwrap_or_default())
        .unwrap_or_else(|_| panic_with(&said, &output.stderr));
    assert_eq!(output.status.code(), Some(1), "{sabotage} was not caught: {summary}");
    let found = invariants.iter().any(|id| summary["by_invariant"][id].as_u64() > Some(0));
    assert!(found, "{sabotage} was not caught as one of {invariants:?}: {summary}");
}

#[expect(clippy::panic, reason = "a test stops at the first surprise")]
fn panic_with(said: &str, err: &[u8]) -> Value {
    panic!("no summary:\n{said}\n{}", String::from_utf8_lossy(err))
}

#[test]
fn an_answer_before_it_is_durable_is_caught() {
    caught("answer-before-durable", "silence,kill-gateway", &["D2", "D3", "M2", "M5"]);
}

#[test]
fn a_dropped_reversal_is_caught() {
    caught("drop-reversal", "silence", &["M1", "M6", "M14"]);
}

#[test]
fn an_unmarked_repeat_is_caught() {
    caught("repeat-not-marked", "silence", &["S8"]);
}

#[test]
fn swapped_answers_are_caught() {
    caught("swap-answers", "silence", &["S2", "S4"]);
}

#[test]
fn a_nonce_that_counts_twice_is_caught() {
    caught("nonce-twice", "silence", &["X3"]);
}
