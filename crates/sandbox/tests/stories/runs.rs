//! The binary as a visitor runs it: the tour, and a short run under faults, judged. Each ends with a
//! verdict of the checker, so a violation fails the test.

use serde_json::Value;
use std::process::{Command, Output};

pub(crate) fn sandbox(arguments: &[&str]) -> (Output, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = said.lines().last().unwrap_or_default();
    let summary = serde_json::from_str(last).unwrap_or(Value::Null);
    (output, summary)
}

#[track_caller]
pub(crate) fn all_is_well(output: &Output, summary: &Value) {
    let said = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{err}");
    assert_eq!(summary["violations"], 0, "{said}");
    assert_eq!(summary["pending"], 0, "{said}");
    let parts = ["approved", "declined", "reversed", "refused", "parked", "pending"];
    let sum: u64 = parts.iter().map(|part| summary[part].as_u64().unwrap()).sum();
    assert_eq!(summary["payments"], sum, "{summary}");
}

#[test]
fn the_tour_shows_every_translation_and_no_card_number() {
    let (output, summary) = sandbox(&["--json"]);
    all_is_well(&output, &summary);
    let said = String::from_utf8_lossy(&output.stdout);
    for shown in [
        "0200 purchase",
        "0210 reply",
        "0420 reversal",
        "host_timeout",
        "DE 37",
        "401",
        "captured",
        "0220",
        "bank-2, which speaks iso87-binary",
        "16622202 FFFFFF00 07",
        "0400 void",
        "0410 reply",
    ] {
        assert!(said.contains(shown), "{shown} is not shown:\n{said}");
    }
    for card in sandbox::cards::SPECIAL {
        assert!(!said.contains(card.number), "a whole card number is shown:\n{said}");
    }
    assert_eq!(summary["kills"], 1);
    assert!(summary["reversed"].as_u64().unwrap() >= 3, "{summary}");
}

#[test]
fn a_run_under_faults_leaves_no_payment_in_doubt() {
    let faults = "silence,duplicate-reply,swap-replies,wrong-stan,wrong-amount,garbage-frame";
    let arguments = ["--payments", "250", "--faults", faults, "--seed", "11", "--json"];
    let (output, summary) = sandbox(&arguments);
    all_is_well(&output, &summary);
    assert_eq!(summary["payments"], 250);
    assert!(summary["reversed"].as_u64().unwrap() >= 10, "{summary}");
}

#[test]
fn every_operation_ends_under_falling_lines() {
    let faults = "flap,half-open,refuse-sign-on,slow,partial,late,silence,refuse-reversal";
    let arguments = ["--payments", "300", "--faults", faults, "--seed", "12", "--json"];
    let arguments = [&arguments[..], &["--reply-timeout", "400"]].concat();
    let (output, summary) = sandbox(&arguments);
    all_is_well(&output, &summary);
    let operations = summary["operations"].as_object().unwrap();
    for operation in ["purchase", "pre_authorization", "completion", "void", "refund"] {
        let approved = operations[operation]["approved"].as_u64();
        assert!(approved > Some(0), "no {operation} was approved: {summary}");
    }
    for operation in ["balance_inquiry", "card_verification"] {
        assert!(operations.contains_key(operation), "no {operation} was made: {summary}");
    }
    let refused = ["completion", "void", "refund"].map(|it| operations[it]["refused"].as_u64());
    assert!(refused.iter().flatten().sum::<u64>() > 0, "no follow-up was refused: {summary}");
}

#[test]
fn two_hosts_of_different_dialects_share_a_gateway_that_is_killed() {
    let faults = "silence,late,drop-line,flap,refuse-reversal,partial,kill-gateway";
    let arguments = ["--payments", "300", "--hosts", "2", "--faults", faults, "--seed", "13"];
    let arguments = [&arguments[..], &["--json", "--reply-timeout", "600"]].concat();
    let (output, summary) = sandbox(&arguments);
    all_is_well(&output, &summary);
    assert!(summary["kills"].as_u64() > Some(0), "{summary}");
    for host in ["bank", "bank-2"] {
        assert!(summary["hosts"][host].as_u64() > Some(50), "{summary}");
    }
}

#[test]
fn two_hosts_are_reloaded_and_nobody_notices() {
    let arguments = ["--payments", "200", "--hosts", "2", "--reloads", "4", "--json"];
    let (output, summary) = sandbox(&arguments);
    all_is_well(&output, &summary);
    assert_eq!(summary["reloads"], 4);
}

#[test]
fn what_cannot_run_says_so() {
    let (output, _) = sandbox(&["--protocols", "/nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("/nowhere") && err.contains("--protocols"), "{err}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("evidence"), "of an earlier run").unwrap();
    let (output, _) = sandbox(&["--keep", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("never overwritten"));
}
