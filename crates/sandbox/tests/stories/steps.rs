//! A gateway that dies at each named step of a payment's path, is started again, and leaves nothing in
//! doubt. Needs the feature `sabotage`, which lets it die so.

use crate::runs::{all_is_well, sandbox};

/// Dies at a step, four times over, and lives on.
#[track_caller]
fn dies(step: &str, faults: &str) {
    let lives = [1, 3, 7, 2].map(|count| format!("--life=TIDEGATE_DIE_AT={step}:{count}"));
    run(&lives.each_ref().map(String::as_str), 4, faults);
}

#[track_caller]
fn run(lives: &[&str], ends: u64, faults: &str) {
    let arguments = ["--payments", "200", "--reply-timeout", "300", "--seed", "31", "--json"];
    let faults = ["--faults", faults];
    let (output, summary) = sandbox(&[&arguments[..], &faults[..], lives].concat());
    all_is_well(&output, &summary);
    assert_eq!(summary["own_ends"], ends, "the step was not reached each time: {summary}");
}

#[test]
fn dying_around_the_intent_leaves_nothing_in_doubt() {
    dies("intent-commit", "duplicate-reply");
    dies("intent-durable", "duplicate-reply");
}

#[test]
fn dying_around_the_sending_leaves_nothing_in_doubt() {
    dies("sending", "duplicate-reply");
    dies("written", "duplicate-reply");
}

#[test]
fn dying_around_the_answer_leaves_nothing_in_doubt() {
    dies("reply-received", "duplicate-reply");
    dies("answered-commit", "duplicate-reply");
    dies("answered-durable", "duplicate-reply");
}

#[test]
fn dying_around_silence_leaves_nothing_in_doubt() {
    dies("timed-out-commit", "silence,late");
    dies("timed-out-durable", "silence,late");
}

#[test]
fn dying_around_a_reversal_leaves_nothing_in_doubt() {
    dies("reversal-sending", "silence,late");
    dies("reversal-written", "silence,late");
    dies("reversal-reply-received", "silence,late");
    dies("reversed-durable", "silence,late");
}

#[test]
fn dying_around_a_repeated_advice_leaves_nothing_in_doubt() {
    dies("repeat-durable", "silence,late");
    dies("repeat-sending", "silence,late");
}

#[test]
fn dying_again_and_again_in_the_recovery_leaves_nothing_in_doubt() {
    let lives = [
        "--life=TIDEGATE_DIE_AT=written:20",
        "--life=TIDEGATE_DIE_AT=store-opened",
        "--life=TIDEGATE_DIE_AT=restored",
        "--life=TIDEGATE_DIE_AT=timed-out-commit",
        "--life=TIDEGATE_DIE_AT=timed-out-durable",
        "--life=TIDEGATE_DIE_AT=reversal-sending",
        "--life=TIDEGATE_DIE_AT=reversal-written",
        "--life=TIDEGATE_DIE_AT=reversal-reply-received",
        "--life=TIDEGATE_DIE_AT=reversed-durable",
    ];
    run(&lives, 9, "silence,late");
}
