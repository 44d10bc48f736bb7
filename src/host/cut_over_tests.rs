//! A host's cut-over, and when it is answered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use super::CutOverRule;
use super::bank_tests::{Words, World};
use crate::calendar::BusinessDay;
use jiff::tz::TimeZone;
use std::sync::Arc;
use tidegate_payment::input::Input;
use tidegate_payment::time::BusinessDate;
use tokio::sync::watch;

fn rule() -> (watch::Sender<Option<BusinessDate>>, CutOverRule) {
    let (moved, date) = watch::channel(Some(BusinessDate { year: 1969, month: 12, day: 31 }));
    let day = BusinessDay { zone: TimeZone::UTC, ends: jiff::civil::time(23, 0, 0, 0) };
    (moved, CutOverRule { day, date })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_over_is_answered_when_its_date_is_durable_and_a_repeat_at_once() {
    let (moved, rule) = rule();
    let mut world = World::start_cutting_over(Arc::new(Words), 1, Vec::new(), Some(rule)).await;
    let mut line = world.sign_on(0).await;
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    line.say("tomorrow! 0101").await;
    let Input::Date(date) = world.input().await else { panic!("no date") };
    assert_eq!(date, BusinessDate { year: 1970, month: 1, day: 1 });
    // What was asked later is answered first: the cut-over waits for the journal.
    line.say("there? 7").await;
    assert_eq!(line.hear().await, "here! 7");
    moved.send(Some(date)).unwrap();
    assert_eq!(line.hear().await, "here! 0101");
    line.say("tomorrow! 0101").await;
    assert_eq!(line.hear().await, "here! 0101");
    assert!(matches!(world.input().await, Input::Date(again) if again == date));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_over_to_a_date_that_cannot_be_is_refused_and_moves_nothing() {
    let (_moved, rule) = rule();
    let mut world = World::start_cutting_over(Arc::new(Words), 1, Vec::new(), Some(rule)).await;
    let mut line = world.sign_on(0).await;
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    for name in ["never", "1123"] {
        line.say(&format!("tomorrow! {name}")).await;
        assert_eq!(line.hear().await, format!("not here! {name}"));
    }
    line.say("tomorrow! 0101").await;
    assert!(matches!(world.input().await, Input::Date(_)), "nothing was heard before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_move_the_date_is_answered_at_once() {
    let mut world = World::start_cutting_over(Arc::new(Words), 1, Vec::new(), None).await;
    let mut line = world.sign_on(0).await;
    assert!(matches!(world.input().await, Input::HostUp(_, true)));
    line.say("tomorrow! 0101").await;
    assert_eq!(line.hear().await, "here! 0101");
}
