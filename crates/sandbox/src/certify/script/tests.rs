#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::*;
use std::path::PathBuf;

fn shipped(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocols/certification");
    Path::new(folder).join(name)
}

/// The faults of a script that differs from the shipped one.
fn faults(change: impl FnOnce(String) -> String) -> String {
    let text = change(fs::read_to_string(shipped("iso87.toml")).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.toml");
    fs::write(&path, text).unwrap();
    match Script::open(&path, None) {
        Ok(_) => String::new(),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn the_shipped_script_serves_both_dialects() {
    let ascii = Script::open(&shipped("iso87.toml"), None).unwrap();
    assert_eq!(ascii.host.dialect, "iso87-ascii");
    assert!(ascii.cases.len() >= 25, "{}", ascii.cases.len());
    let host = shipped("iso87-binary-host.toml");
    let binary = Script::open(&shipped("iso87.toml"), Some(&host)).unwrap();
    assert_eq!(binary.host.dialect, "iso87-binary");
    assert_eq!(binary.cases.len(), ascii.cases.len());
    let deeds: std::collections::BTreeSet<_> =
        ascii.cases.iter().flat_map(|case| &case.steps).map(|step| step.deed.name()).collect();
    for name in [
        "purchase",
        "pre_authorization",
        "completion",
        "void",
        "refund",
        "balance_inquiry",
        "card_verification",
        "retry",
        "status",
        "sign_on",
        "echo",
        "cut_over",
        "reconnect",
    ] {
        assert!(deeds.contains(name), "no case has {name}");
    }
}

#[test]
fn all_faults_of_a_script_are_told_at_once_each_with_its_key() {
    let said = faults(|text| {
        let text = text.replacen("terminal = ", "terminall = ", 1);
        let text = text.replacen("frame = \"length-be2\"", "frame = \"be2\"", 1);
        let text = text.replacen("do = \"sign_on\"", "do = \"sign_up\"", 1);
        let text = text.replacen("card = \"good\"", "card = \"golden\"", 1);
        let text = text.replacen("frames = [\"request\"", "frames = [\"answer\"", 1);
        text.replacen("of = \"paid\"", "of = \"payed\"", 1)
    });
    for wanted in [
        "acceptor.terminall: unknown; wanted one of",
        "acceptor.terminal: wanted 8 characters",
        "host[0].frame: wanted \"length-be2\" or",
        "case[0].step[0].do: wanted one of purchase,",
        "card: wanted the name of a [card.NAME]",
        "expect.frames: wanted a list of request,",
        "of: wanted the name of an earlier step",
    ] {
        assert!(said.contains(wanted), "{wanted}:\n{said}");
    }
}

#[test]
fn what_shows_nothing_or_cannot_be_is_refused() {
    let case = |body: &str| {
        let case = format!("\n[[case]]\nname = \"mine\"\nsentence = \"Mine.\"\n{body}");
        faults(move |text| text + &case)
    };
    let step = |keys: &str| case(&format!("[[case.step]]\n{keys}\n"));
    let good = "do = \"purchase\"\ncard = \"good\"\namount = 1\nexpect = { result = \"approved\" }";
    assert_eq!(step(good), "");
    for (keys, wanted) in [
        ("do = \"purchase\"\ncard = \"good\"\namount = 1", "expect: wanted what must come"),
        ("do = \"purchase\"\ncard = \"good\"\namount = 1\nexpect = {}", "shows nothing"),
        ("do = \"purchase\"\namount = 1\nexpect = { result = \"x\" }", "card: wanted a card"),
        ("do = \"refund\"\namount = 1\nexpect = { result = \"x\" }", "of: wanted the name"),
        ("do = \"echo\"\namount = -1\nexpect = { reply = { 39 = \"00\" } }", "amount: wanted"),
        (
            "do = \"echo\"\nwire = { reply = \"lose\" }\nexpect = { reply = { 39 = \"00\" } }",
            "wire: wanted none",
        ),
        (
            "do = \"purchase\"\ncard = \"good\"\namount = 1\nwire = { reversal = \"hold\" }\n\
             expect = { result = \"x\" }",
            "hold for a reply alone",
        ),
        (
            "do = \"purchase\"\ncard = \"good\"\namount = 1\nexpect = { reply = { 200 = true } }",
            "reply.200: wanted \"mti\" or a field's number",
        ),
    ] {
        let said = step(keys);
        assert!(said.contains(wanted), "{keys}\n{wanted}:\n{said}");
    }
    assert!(case("").contains("step: wanted one or more [[case.step]]"));
    assert!(faults(|text| text + "\n[[case]]\nname = \"echo\"\n").contains("a name of its own"));
}

#[test]
fn a_fault_never_shows_a_card_number() {
    let number = "4000000000000002";
    let broken = faults(|text| text.replacen(&format!("\"{number}\""), number, 1) + "\n= 4");
    assert!(broken.contains("line ") && !broken.contains(number), "{broken}");
    let wrong = faults(|text| text.replacen(number, "4000000000000003", 1));
    assert!(wrong.contains("card.good.number: wanted a card number"), "{wrong}");
    assert!(!wrong.contains("4000000000000003"), "{wrong}");
    let absent = faults(|text| {
        text.replacen(&format!("number = \"{number}\""), "number_env = \"NOT_SET_ANYWHERE\"", 1)
    });
    assert!(absent.contains("card.good.number_env: wanted an environment variable"), "{absent}");
}
