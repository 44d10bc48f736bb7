#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::*;
use crate::store::samples;
use data_encoding::HEXLOWER;

fn encoded(record: &Record) -> Vec<u8> {
    let mut body = Vec::new();
    encode(record, &mut body).unwrap();
    body
}

/// What is not of a kind of its own: another lease, a follow-up with all its fields, balances.
fn more() -> Vec<Record> {
    let mut records = vec![samples::rrn_lease(42)];
    records.extend(samples::refund(8, 7).records);
    records.push(samples::balances(9));
    records
}

/// Golden bytes of version 1: `NAME HEX`, one record a line, in the order of `samples::every_kind`.
const GOLDEN: &str = include_str!("golden-v1.txt");

#[test]
fn version_1_has_its_golden_bytes() {
    let mut records = samples::every_kind();
    records.extend(more());
    let found: String = records
        .iter()
        .map(|r| format!("{} {} {}\n", kind(r), r.name(), HEXLOWER.encode(&encoded(r))))
        .collect();
    if std::env::var_os("TIDEGATE_PRINT_GOLDEN").is_some() {
        std::fs::write("golden-found.txt", &found).unwrap();
    }
    assert_eq!(found, GOLDEN);
}

#[test]
fn golden_bytes_of_version_1_are_read() {
    let mut records = samples::every_kind();
    records.extend(more());
    assert_eq!(GOLDEN.lines().count(), records.len());
    for (line, record) in GOLDEN.lines().zip(records) {
        let parts: Vec<&str> = line.split(' ').collect();
        let body = HEXLOWER.decode(parts[2].as_bytes()).unwrap();
        assert_eq!(decode(parts[0].parse().unwrap(), 1, &body), Ok(record));
    }
}

#[test]
fn every_kind_has_the_number_of_its_name() {
    for (index, record) in samples::every_kind().iter().enumerate() {
        assert_eq!(usize::from(kind(record)), index + 1);
        assert_eq!(name_of(kind(record)), record.name());
    }
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    for record in samples::every_kind() {
        let body = encoded(&record);
        for length in 0..body.len() {
            let cut = decode(kind(&record), 1, &body[..length]);
            // A record whose last field is optional is whole without it.
            if let Ok(found) = cut {
                assert_ne!(found, record);
                assert!(matches!(found, Record::Accepted(_)), "{found:?}");
            }
        }
    }
}

#[test]
fn a_fault_names_record_field_and_offset() {
    let record = samples::timed_out(7);
    let mut body = encoded(&record);
    let last = body.len() - 1;
    body[last] = 9;
    let error = decode(kind(&record), 1, &body).unwrap_err();
    assert_eq!(
        error.to_string(),
        "record timed_out, field 3 at byte 30: the value is not a reason"
    );
}

#[test]
fn an_unknown_field_is_refused_and_an_unknown_remark_is_passed_over() {
    let record = samples::reversal_due(7);
    let mut body = encoded(&record);
    let whole = body.len();
    body.extend_from_slice(&[127, 0, 1, 5]);
    let error = decode(kind(&record), 1, &body).unwrap_err();
    assert_eq!((error.field, error.offset), (127, whole));
    assert_eq!(error.fault, FieldFault::Unexpected);
    body[whole] = 128;
    assert_eq!(decode(kind(&record), 1, &body), Ok(record));
}

#[test]
fn a_field_twice_is_refused() {
    let record = samples::reversal_due(7);
    let body = encoded(&record);
    let twice = [body.as_slice(), &body[11..]].concat();
    let error = decode(kind(&record), 1, &twice).unwrap_err();
    assert_eq!((error.field, error.fault), (2, FieldFault::Unexpected));
}

#[test]
fn a_newer_version_and_an_unknown_kind_are_refused() {
    let body = encoded(&samples::reversal_due(7));
    let error = decode(6, 2, &body).unwrap_err();
    assert_eq!(error.fault, FieldFault::Version { version: 2 });
    let error = decode(99, 1, &body).unwrap_err();
    assert_eq!(error.fault, FieldFault::Kind { kind: 99 });
}

#[test]
fn a_text_that_does_not_fit_is_refused() {
    let Record::CaseRetried(mut retried) = samples::case_retried(7) else { return };
    retried.reason = "x".repeat(65_536);
    let error = encode(&Record::CaseRetried(retried), &mut Vec::new()).unwrap_err();
    assert_eq!(error, TooLong { field: 5, length: 65_536 });
}
