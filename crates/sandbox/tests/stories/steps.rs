//! A gateway that dies at each named step of a payment's path, is started again, and leaves nothing in
//! doubt. Needs the feature `sabotage`, which lets it die so.

use crate::runs::{all_is_well, sandbox};

/// A gateway that dies in each of its first lives, each at a step and a count, and then lives on.
#[track_caller]
fn dies(faults: &str, steps: &[&str]) {
    dies_among(400, faults, steps);
}

/// The same among so many payments: enough for each step to come several times as often as it must.
#[track_caller]
fn dies_among(payments: u32, faults: &str, steps: &[&str]) {
    let payments = payments.to_string();
    let arguments = ["--payments", &payments, "--reply-timeout", "600", "--seed", "31", "--json"];
    let arguments = [&arguments[..], &["--concurrency", "16"]].concat();
    let lives: Vec<String> =
        steps.iter().map(|step| format!("--life=TIDEGATE_DIE_AT={step}")).collect();
    let mut all = [&arguments[..], &["--faults", faults]].concat();
    all.extend(lives.iter().map(String::as_str));
    let (output, summary) = sandbox(&all);
    all_is_well(&output, &summary);
    assert_eq!(summary["own_ends"], steps.len(), "a step was not reached: {summary}");
}

#[test]
fn dying_between_the_intent_and_the_answer_leaves_nothing_in_doubt() {
    dies(
        "duplicate-reply",
        &[
            "intent-commit:2",
            "intent-durable:3",
            "sending:2",
            "written:1",
            "written:4",
            "reply-received:2",
            "answered-commit:3",
            "answered-durable:2",
        ],
    );
}

#[test]
fn dying_around_silence_and_its_reversal_leaves_nothing_in_doubt() {
    dies(
        "silence,late",
        &[
            "timed-out-commit:2",
            "timed-out-durable:1",
            "reversal-sending:2",
            "reversal-written:2",
            "reversal-reply-received:1",
            "reversed-durable:2",
        ],
    );
}

#[test]
fn dying_around_a_repeated_advice_leaves_nothing_in_doubt() {
    // A silent advice is rare: of these some ten meet a repeat in a life of their own.
    dies_among(600, "silence,late", &["repeat-durable", "repeat-sending", "repeat-durable"]);
}

#[test]
fn dying_again_and_again_in_the_recovery_leaves_nothing_in_doubt() {
    dies(
        "silence,late",
        &[
            "written:20",
            "store-opened",
            "restored",
            "timed-out-commit",
            "timed-out-durable",
            "reversal-sending",
            "reversal-written",
            "reversal-reply-received",
            "reversed-durable",
        ],
    );
}
