#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use super::*;
use crate::iso::{self, Message};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn wire() -> (TempDir, Wire) {
    let folder = tempfile::tempdir().unwrap();
    let protocols = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocols"));
    let dialect = Dialect::open(protocols, "iso87-ascii", Vec::new()).unwrap();
    let agreement = Agreement::open(protocols, "iso87-ascii").unwrap();
    let log = Log::create(folder.path()).unwrap();
    (folder, Wire::new("bank", dialect, agreement, log))
}

fn message(mti: &str) -> Vec<u8> {
    let mut message = Message::new(mti);
    message.set(11, "000042");
    iso::Dialect::Iso87Ascii.encode(&message).unwrap()
}

fn treated(ruling: &Ruling) -> Option<Treatment> {
    match ruling {
        Ruling::Treat(treatment) => Some(*treatment),
        Ruling::Hold(_) => None,
    }
}

#[test]
fn a_host_that_floods_fills_neither_memory_nor_disk_and_the_case_has_failed() {
    for body in [message("0210"), b"rubbish".to_vec()] {
        let (folder, wire) = wire();
        wire.begin_case("flood");
        for _ in 0..FRAMES_MAX * 2 {
            let ruling = wire.rule("a", 1, Direction::ToGateway, &body);
            assert_eq!(treated(&ruling), Some(Treatment::Pass));
        }
        wire.seen(|seen| {
            assert!(seen.frames.len() <= FRAMES_MAX && seen.faults.len() <= FRAMES_MAX + 1);
            assert!(seen.faults.iter().any(|fault| fault.contains("is not written down")));
        });
        let text = fs::read_to_string(folder.path().join(crate::certify::log::WIRE)).unwrap();
        assert_eq!(text.lines().count(), FRAMES_MAX);
        wire.begin_case("the next");
        wire.rule("a", 1, Direction::ToGateway, &message("0210"));
        wire.seen(|seen| assert_eq!((seen.frames.len(), seen.faults.len()), (1, 0)));
    }
}

#[test]
fn the_first_frame_of_a_kind_is_disturbed_and_no_other() {
    let (_folder, wire) = wire();
    wire.begin_case("silence");
    let plan = [(Role::Reply, Action::Lose), (Role::ReversalReply, Action::Double)];
    wire.begin_step(1, false, plan.into());
    let rule = |direction, mti| treated(&wire.rule("a", 1, direction, &message(mti)));
    let (out, back) = (Direction::ToBank, Direction::ToGateway);
    assert_eq!(rule(out, "0200"), Some(Treatment::Pass));
    assert_eq!(rule(back, "0210"), Some(Treatment::Drop));
    assert_eq!(rule(back, "0210"), Some(Treatment::Pass));
    assert_eq!(rule(out, "0420"), Some(Treatment::Pass));
    assert_eq!(rule(back, "0430"), Some(Treatment::Twice(Duration::ZERO)));
    assert_eq!(rule(back, "0430"), Some(Treatment::Pass));
    wire.seen(|seen| {
        let fates: Vec<&str> = seen.frames.iter().map(|frame| frame.fate).collect();
        assert_eq!(fates, ["passed", "lost", "passed", "passed", "passed twice", "passed"]);
    });
}

#[test]
fn a_reply_that_is_held_passes_when_the_reversal_does_and_is_lost_with_its_step() {
    let (_folder, wire) = wire();
    wire.begin_case("late");
    for reversed in [true, false] {
        wire.begin_step(1, false, [(Role::Reply, Action::Hold)].into());
        let Ruling::Hold(mut until) = wire.rule("a", 1, Direction::ToGateway, &message("0210"))
        else {
            panic!("the reply was not held");
        };
        assert!(until.try_recv().is_err());
        if reversed {
            wire.rule("a", 1, Direction::ToBank, &message("0420"));
        }
        wire.begin_step(2, false, BTreeMap::new());
        assert_eq!(until.try_recv().is_ok(), reversed);
    }
}
