//! Planted bugs: a gateway that was told to misbehave must be caught by the checker under the
//! invariants that the bug breaks. Needs the feature `sabotage`, with which a gateway refuses to run in
//! production.

use serde_json::Value;
use std::process::Command;

/// Runs a sabotaged gateway and expects one of the invariants to be found broken.
#[track_caller]
fn caught(sabotage: &str, faults: &str, invariants: &[&str]) {
    caught_among(1, sabotage, faults, invariants);
}

/// The same with so many hosts.
#[track_caller]
fn caught_among(hosts: u8, sabotage: &str, faults: &str, invariants: &[&str]) {
    let arguments = ["--payments", "600", "--reply-timeout", "300", "--seed", "5", "--json"];
    let output = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .args(arguments)
        .args(["--faults", faults, "--sabotage", sabotage, "--hosts", &hosts.to_string()])
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
fn a_late_answer_that_is_forgotten_is_caught() {
    caught("forget-late-answer", "late", &["M14"]);
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
fn an_unmarked_repeat_of_an_advice_is_caught() {
    caught("advice-not-marked", "silence", &["S8"]);
}

#[test]
fn an_advice_that_never_left_is_caught() {
    caught("drop-advice", "duplicate-reply", &["M5"]);
}

#[test]
fn a_request_that_goes_out_twice_is_caught() {
    caught("double-send", "duplicate-reply", &["M3"]);
}

#[test]
fn another_amount_is_caught() {
    caught("wrong-amount", "duplicate-reply", &["M9", "M3"]);
}

#[test]
fn another_terminal_is_caught() {
    caught("wrong-terminal", "duplicate-reply", &["M9"]);
}

#[test]
fn a_reversal_of_another_amount_is_caught() {
    caught("wrong-reversal", "silence", &["M11"]);
}

#[test]
fn a_reversal_without_silence_is_caught() {
    caught("reverse-at-once", "duplicate-reply", &["M16"]);
}

#[test]
fn swapped_answers_are_caught() {
    caught("swap-answers", "silence", &["S2", "S4"]);
}

#[test]
fn a_decline_that_is_told_as_an_approval_is_caught() {
    caught("declined-as-approved", "duplicate-reply", &["M5"]);
}

#[test]
fn silence_that_is_told_as_an_approval_is_caught() {
    caught("pending-as-approved", "silence", &["M5", "M2"]);
}

#[test]
fn a_refund_that_is_made_twice_is_caught() {
    caught("refund-twice", "duplicate-reply", &["M3"]);
}

#[test]
fn a_retry_that_pays_again_is_caught() {
    caught("retry-pays-again", "duplicate-reply", &["M3"]);
}

#[test]
fn another_content_that_is_taken_is_caught() {
    caught("mismatch-accepted", "duplicate-reply", &["M4"]);
}

#[test]
fn a_payment_that_is_shown_to_anyone_is_caught() {
    caught("show-to-anyone", "duplicate-reply", &["S4"]);
}

#[test]
fn a_follow_up_at_another_host_than_its_original_is_caught() {
    caught_among(2, "follow-up-elsewhere", "duplicate-reply", &["H2"]);
}

#[test]
fn a_payment_at_another_host_than_its_route_says_is_caught() {
    caught_among(2, "wrong-host", "duplicate-reply", &["H1"]);
}

#[test]
fn a_security_code_in_the_log_is_caught() {
    caught("leak-code", "duplicate-reply", &["X1"]);
}

#[test]
fn a_nonce_that_counts_twice_is_caught() {
    caught("nonce-twice", "silence", &["X3"]);
}
