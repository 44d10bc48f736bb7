#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::*;
use crate::certify::log::{Log, REPORTS, key};
use crate::merchant::key::SigningKey;
use serde_json::json;
use std::path::PathBuf;
use tempfile::TempDir;

const RECORDS: usize = 9;

/// Sealed evidence of some records, and the key that sealed it.
fn evidence() -> (TempDir, PathBuf, SigningKey) {
    let folder = tempfile::tempdir().unwrap();
    let key = key(&folder.path().join("certify.key")).unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let mut log = Log::create(&out).unwrap();
    for number in 0..RECORDS {
        log.append(&json!({"what": "frame", "amount": number})).unwrap();
    }
    for name in REPORTS {
        fs::write(out.join(name), "every case passed").unwrap();
    }
    log.seal(&out, &key).unwrap();
    (folder, out, key)
}

fn lines(out: &Path) -> Vec<String> {
    let text = fs::read_to_string(out.join(WIRE)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Puts these lines in the place of the log.
fn put(out: &Path, lines: &[String]) {
    fs::write(out.join(WIRE), lines.iter().map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
}

#[track_caller]
fn found(out: &Path, wanted: &str) {
    let why = verify(out, None).unwrap_err().to_string();
    assert!(why.contains(wanted), "wanted {wanted}, got {why}");
}

#[test]
fn evidence_as_it_was_sealed_is_proved() {
    let (folder, out, key) = evidence();
    let proved = verify(&out, Some(&key.public)).unwrap();
    assert_eq!(proved, Proved { records: RECORDS, public_key: key.public.clone() });
    let public = fs::read_to_string(folder.path().join("certify.key.pub")).unwrap();
    assert_eq!(public.trim(), key.public);
    assert!(verify(&out, Some("another")).unwrap_err().to_string().contains("another key"));
}

#[test]
fn every_record_that_is_altered_removed_added_or_moved_is_named() {
    let (_folder, out, _) = evidence();
    let whole = lines(&out);
    for place in 0..RECORDS {
        let n = place + 1;
        let mut altered = whole.clone();
        altered[place] = altered[place].replace("\"amount\":", "\"amount\":1");
        put(&out, &altered);
        found(&out, &format!("record {n} was altered"));
        let mut fewer = whole.clone();
        fewer.remove(place);
        put(&out, &fewer);
        found(&out, &format!("record {n} was removed"));
        let mut more = whole.clone();
        more.insert(place, whole[place].replace("\"amount\":", "\"amount\":2"));
        put(&out, &more);
        found(&out, &format!("record {n} was added"));
        for other in place + 1..RECORDS {
            let mut moved = whole.clone();
            moved.swap(place, other);
            put(&out, &moved);
            found(&out, &format!("record {n} was moved: record {} stands", other + 1));
        }
    }
    put(&out, &whole);
    verify(&out, None).unwrap();
    put(&out, &whole[..RECORDS - 3]);
    found(&out, &format!("record {} was removed, and all behind it", RECORDS - 2));
    fs::write(out.join(WIRE), whole.join("\n")).unwrap();
    found(&out, "its last line was cut");
}

/// Somebody who alters a record and binds all that follow to it anew.
#[test]
fn a_chain_that_was_made_anew_is_found_at_its_first_record() {
    let (_folder, out, _) = evidence();
    let mut forged = lines(&out);
    forged[4] = forged[4].replace("\"amount\":4", "\"amount\":40");
    for place in 5..RECORDS {
        let mut record: Value = serde_json::from_str(&forged[place]).unwrap();
        record["previous"] = sha256(forged[place - 1].as_bytes()).into();
        forged[place] = record.to_string();
    }
    put(&out, &forged);
    found(&out, "record 5 was altered");
}

#[test]
fn a_report_or_a_seal_that_was_altered_is_named() {
    let (_folder, out, _) = evidence();
    for name in REPORTS {
        fs::write(out.join(name), "every case passed!").unwrap();
        found(&out, &format!("{name} was altered"));
        fs::write(out.join(name), "every case passed").unwrap();
    }
    let sealed = fs::read_to_string(out.join(SEAL)).unwrap();
    let seal: Seal = serde_json::from_str(&sealed).unwrap();
    for place in 0..seal.records.len() {
        let mut altered = seal.clone();
        altered.records.remove(place);
        fs::write(out.join(SEAL), serde_json::to_vec(&altered).unwrap()).unwrap();
        found(&out, "seal.json was altered");
    }
    let mut altered = seal.clone();
    altered.files.clear();
    fs::write(out.join(SEAL), serde_json::to_vec(&altered).unwrap()).unwrap();
    found(&out, "seal.json was altered");
}
