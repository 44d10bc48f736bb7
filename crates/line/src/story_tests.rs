//! Stories of one host with two lines, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use crate::event::*;
use crate::host::Host;
use crate::limits::Limits;
use crate::name::*;
use core::time::Duration;
use std::vec::Vec;
use std::{format, vec};

const A: LineIndex = LineIndex(0);
const B: LineIndex = LineIndex(1);

/// A host, its clock and what it last said.
struct World {
    host: Host,
    now: Duration,
    keys: u32,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn key(name: &str) -> MatchKey {
    MatchKey(name.as_bytes().to_vec())
}

fn frame() -> Frame {
    Frame::new(vec![1, 2, 3])
}

impl World {
    fn new(limits: Limits) -> Self {
        let host = Host::new(Duration::ZERO, limits, 2).unwrap();
        Self { host, now: Duration::ZERO, keys: 0 }
    }

    /// Both lines signed on, for the first time.
    fn serving(limits: Limits) -> Self {
        let mut world = Self::new(limits);
        world.tick();
        world.sign_on(A, 1);
        world.sign_on(B, 1);
        world
    }

    fn say(&mut self, event: Event) -> Vec<Output> {
        self.host.handle(self.now, event)
    }

    fn tick(&mut self) -> Vec<Output> {
        self.say(Event::Tick)
    }

    /// Moves the clock to the next deadline and no further.
    fn wait(&mut self) -> Vec<Output> {
        self.now = self.host.next_deadline().expect("something is due");
        self.tick()
    }

    fn connect(&mut self, line: LineIndex, connection: u32) -> Vec<Output> {
        self.say(Event::Connected(line, Connection(connection)))
    }

    fn gone(&mut self, line: LineIndex, connection: u32) -> Vec<Output> {
        self.say(Event::Gone { line, connection: Connection(connection), dice: 0 })
    }

    fn asked(&mut self, line: LineIndex, connection: u32) -> MatchKey {
        self.keys += 1;
        let key = key(&format!("network {}", self.keys));
        let connection = Connection(connection);
        self.say(Event::Asked { line, connection, key: key.clone() });
        key
    }

    fn receive(&mut self, line: LineIndex, connection: u32, read: Read) -> Vec<Output> {
        let connection = Connection(connection);
        self.say(Event::Received { line, connection, read, frame: frame() })
    }

    /// What was asked on the line is answered.
    fn answer(&mut self, line: LineIndex, connection: u32, accepted: bool) -> Vec<Output> {
        let key = self.asked(line, connection);
        self.receive(line, connection, Read::NetworkReply { key, accepted })
    }

    fn sign_on(&mut self, line: LineIndex, connection: u32) -> Vec<Output> {
        self.connect(line, connection);
        self.answer(line, connection, true)
    }

    fn send(&mut self, exchange: u64, name: &str) -> Vec<Output> {
        self.send_with(exchange, 0, name, None)
    }

    fn send_with(
        &mut self,
        exchange: u64,
        attempt: u32,
        name: &str,
        prefer: Option<LineIndex>,
    ) -> Vec<Output> {
        let deadline = self.now + seconds(15);
        let (exchange, key, owed) = (ExchangeId(exchange), key(name), attempt > 0);
        let send = Send { exchange, attempt, key, frame: frame(), deadline, prefer, owed };
        self.say(Event::Send(send))
    }

    fn reply(&mut self, line: LineIndex, name: &str) -> Vec<Output> {
        self.receive(line, 1, Read::Reply(key(name)))
    }

    fn state(&self, line: LineIndex) -> LineState {
        self.host.lines().nth(usize::from(line.0)).unwrap().state
    }
}

fn written(line: LineIndex, exchange: u64, attempt: u32) -> Written {
    Written { line, connection: Connection(1), exchange: ExchangeId(exchange), attempt }
}

fn line_of_write(out: &[Output]) -> LineIndex {
    let write = out.iter().find_map(|output| match output {
        Output::Write { to, .. } => Some(to.line),
        _ => None,
    });
    write.unwrap_or_else(|| panic!("nothing is written: {out:?}"))
}

#[track_caller]
fn not_sent(out: &[Output], why: NotSent) {
    assert!(
        out.iter().any(|output| matches!(output, Output::NotSent(_, _, said) if *said == why)),
        "{out:?}"
    );
    assert!(!out.iter().any(|output| matches!(output, Output::Write { .. })), "{out:?}");
}

#[track_caller]
fn quarantined(out: &[Output], why: Quarantine) {
    assert!(
        out.iter().any(|output| matches!(output, Output::Quarantined(_, said, _) if *said == why)),
        "{out:?}"
    );
    assert!(!out.iter().any(|output| matches!(output, Output::Delivered { .. })), "{out:?}");
}

#[track_caller]
fn delivered(out: &[Output], wanted: u64, wanted_late: bool) {
    let found = out.iter().find_map(|output| match output {
        Output::Delivered { exchange, late, .. } => Some((exchange.0, *late)),
        _ => None,
    });
    assert_eq!(found, Some((wanted, wanted_late)), "{out:?}");
}

#[test]
fn a_line_connects_signs_on_and_only_then_serves() {
    let mut world = World::new(Limits::default());
    let out = world.tick();
    assert!(out.contains(&Output::Connect(A, Connection(1))), "{out:?}");
    not_sent(&world.send(1, "k"), NotSent::NoLine);

    let out = world.connect(A, 1);
    assert!(out.contains(&Output::Ask(A, Connection(1), Ask::SignOn)), "{out:?}");
    not_sent(&world.send(2, "k"), NotSent::NoLine);

    let out = world.answer(A, 1, true);
    assert!(out.contains(&Output::HostUp(true)), "{out:?}");
    assert_eq!(line_of_write(&world.send(3, "k")), A);
}

#[test]
fn a_refused_sign_on_is_tried_again_after_a_wait_that_grows() {
    let mut world = World::new(Limits::default());
    world.tick();
    let mut waits = Vec::new();
    for connection in 1..=4 {
        world.connect(A, connection);
        let out = world.answer(A, connection, false);
        assert!(out.contains(&Output::Close(A, Connection(connection))), "{out:?}");
        let dice = u32::MAX;
        world.say(Event::Gone { line: A, connection: Connection(connection), dice });
        let began = world.now;
        let out = world.wait();
        assert!(out.contains(&Output::Connect(A, Connection(connection + 1))), "{out:?}");
        waits.push((world.now - began).as_secs());
    }
    assert_eq!(waits, [1, 3, 7, 15]);
}

#[test]
fn an_unanswered_sign_on_closes_the_line() {
    let mut world = World::new(Limits::default());
    world.tick();
    world.connect(A, 1);
    world.asked(A, 1);
    let out = world.wait();
    assert_eq!(world.now, Limits::default().sign_on_timeout);
    assert!(out.contains(&Output::Close(A, Connection(1))), "{out:?}");
    assert_eq!(world.state(A), LineState::Closing);
}

#[test]
fn a_half_open_line_is_found_within_two_echo_intervals() {
    let limits = Limits::default();
    let mut world = World::serving(limits);
    let mut last_heard = world.now;
    let out = world.wait();
    assert!(out.contains(&Output::Ask(A, Connection(1), Ask::Echo)), "{out:?}");
    world.answer(A, 1, true);
    world.answer(B, 1, true);
    last_heard = last_heard.max(world.now);

    world.wait();
    let out = world.wait();
    assert!(out.contains(&Output::Close(A, Connection(1))), "{out:?}");
    assert!(world.now - last_heard <= limits.echo_after * 2);
    assert!(out.contains(&Output::HostUp(false)), "{out:?}");
    assert_eq!(world.host.lines().next().unwrap().counts.half_open, 1);
}

#[test]
fn traffic_received_puts_the_echo_off() {
    let mut world = World::serving(Limits::default());
    world.now = seconds(29);
    world.receive(A, 1, Read::KeepAlive);
    world.now = seconds(31);
    let out = world.tick();
    assert!(!out.contains(&Output::Ask(A, Connection(1), Ask::Echo)), "{out:?}");
    assert!(out.contains(&Output::Ask(B, Connection(1), Ask::Echo)), "{out:?}");
}

#[test]
fn an_echo_is_answered_and_an_answer_never() {
    let mut world = World::serving(Limits::default());
    let out = world.receive(A, 1, Read::Request(HostRequest::Echo));
    assert!(matches!(out.as_slice(), [Output::Answer { line: A, accept: true, .. }]), "{out:?}");
    let stray = Read::NetworkReply { key: key("nobody asked"), accepted: true };
    quarantined(&world.receive(A, 1, stray), Quarantine::UnaskedNetworkReply);
    assert_eq!(world.receive(A, 1, Read::KeepAlive), []);
}

#[test]
fn a_key_is_refused_politely_and_an_advice_of_the_host_is_quarantined() {
    let mut world = World::serving(Limits::default());
    let out = world.receive(A, 1, Read::Request(HostRequest::KeyExchange));
    assert!(out.iter().any(|o| matches!(o, Output::Answer { accept: false, .. })), "{out:?}");
    quarantined(&out, Quarantine::KeyExchange);
    let out = world.receive(A, 1, Read::Request(HostRequest::Other));
    quarantined(&out, Quarantine::Unsolicited);
    let out = world.receive(A, 1, Read::Request(HostRequest::CutOver));
    assert!(out.iter().any(|o| matches!(o, Output::CutOver(A, _))), "{out:?}");
}

#[test]
fn replies_find_their_requests_in_any_order_and_on_any_line() {
    let mut world = World::serving(Limits::default());
    let first = line_of_write(&world.send(1, "one"));
    let second = line_of_write(&world.send(2, "two"));
    assert_ne!(first, second, "lines with equal load take turns");
    world.say(Event::Wrote(written(first, 1, 0)));
    delivered(&world.reply(first, "two"), 2, false);
    delivered(&world.reply(second, "one"), 1, false);
    assert_eq!(world.host.in_flight(), 0);
}

#[test]
fn a_second_reply_and_a_stranger_are_quarantined() {
    let mut world = World::serving(Limits::default());
    world.send(1, "one");
    delivered(&world.reply(A, "one"), 1, false);
    quarantined(&world.reply(A, "one"), Quarantine::Duplicate);
    quarantined(&world.reply(A, "foreign"), Quarantine::Unmatched);
}

#[test]
fn a_reply_at_the_deadline_is_late_and_still_delivered() {
    let mut world = World::serving(Limits::default());
    world.send(1, "one");
    world.now = seconds(15);
    delivered(&world.reply(A, "one"), 1, true);
    quarantined(&world.reply(A, "one"), Quarantine::Duplicate);
}

#[test]
fn a_reply_that_was_not_the_answer_leaves_the_exchange_waiting() {
    let mut world = World::serving(Limits::default());
    world.send(1, "one");
    delivered(&world.reply(A, "one"), 1, false);
    world.say(Event::NotItsAnswer(ExchangeId(1)));
    assert_eq!(world.host.in_flight(), 1);
    delivered(&world.reply(A, "one"), 1, false);
    world.now = seconds(16);
    world.say(Event::NotItsAnswer(ExchangeId(1)));
    delivered(&world.reply(A, "one"), 1, true);
}

#[test]
fn a_late_reply_after_a_restart_finds_what_was_expected() {
    let mut world = World::serving(Limits::default());
    world.say(Event::Expect { exchange: ExchangeId(9), key: key("old") });
    delivered(&world.reply(B, "old"), 9, true);
}

#[test]
fn what_the_writer_refused_is_not_sent_and_its_key_is_free_again() {
    let mut world = World::serving(Limits::default());
    let line = line_of_write(&world.send(1, "one"));
    let out = world.say(Event::WriteRefused(written(line, 1, 0)));
    not_sent(&out, NotSent::NoLine);
    assert!(out.contains(&Output::Forgotten(ExchangeId(1))), "{out:?}");
    line_of_write(&world.send(2, "one"));
}

#[test]
fn what_was_being_written_when_the_line_broke_may_have_been_sent() {
    let mut world = World::serving(Limits::default());
    let line = line_of_write(&world.send(1, "one"));
    let out = world.gone(line, 1);
    assert!(out.contains(&Output::Written(ExchangeId(1), 0)), "{out:?}");
    let out = world.say(Event::WriteRefused(written(line, 1, 0)));
    assert!(!out.iter().any(|o| matches!(o, Output::NotSent(..))), "{out:?}");
    let other = if line == A { B } else { A };
    delivered(&world.reply(other, "one"), 1, false);
}

#[test]
fn a_reversal_prefers_the_line_of_its_original_and_fails_over() {
    let mut world = World::serving(Limits::default());
    assert_eq!(line_of_write(&world.send_with(1, 1, "reversal", Some(B))), B);
    world.say(Event::Wrote(written(B, 1, 1)));
    world.gone(B, 1);
    assert_eq!(line_of_write(&world.send_with(1, 2, "reversal", Some(B))), A);
    delivered(&world.reply(A, "reversal"), 1, false);
    quarantined(&world.reply(A, "reversal"), Quarantine::Duplicate);
    assert_eq!(line_of_write(&world.send_with(1, 3, "reversal", Some(B))), A);
    delivered(&world.reply(A, "reversal"), 1, false);
}

#[test]
fn a_second_exchange_with_the_same_key_is_not_sent() {
    let mut world = World::serving(Limits::default());
    world.send(1, "one");
    not_sent(&world.send(2, "one"), NotSent::DuplicateKey);
    delivered(&world.reply(A, "one"), 1, false);
    not_sent(&world.send(3, "one"), NotSent::DuplicateKey);
}

#[test]
fn live_traffic_and_owed_messages_have_room_of_their_own() {
    let limits = Limits { in_flight_max: 1, owed_in_flight_max: 1, ..Limits::default() };
    let mut world = World::serving(limits);
    world.send(1, "one");
    not_sent(&world.send(2, "two"), NotSent::QueueFull);
    line_of_write(&world.send_with(3, 1, "three", None));
    not_sent(&world.send_with(4, 1, "four", None), NotSent::QueueFull);
    world.reply(A, "one");
    line_of_write(&world.send(5, "five"));
}

#[test]
fn an_overdue_message_is_not_sent() {
    let mut world = World::serving(Limits::default());
    let deadline = world.now;
    let (exchange, key) = (ExchangeId(1), key("one"));
    let send =
        Send { exchange, attempt: 0, key, frame: frame(), deadline, prefer: None, owed: false };
    not_sent(&world.say(Event::Send(send)), NotSent::Overdue);
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_forgotten_is_said() {
    let limits = Limits { late_max: 2, answered_max: 1, ..Limits::default() };
    let mut world = World::serving(limits);
    for (exchange, name) in [(1, "one"), (2, "two"), (3, "three"), (4, "four")] {
        let line = line_of_write(&world.send(exchange, name));
        world.say(Event::Wrote(written(line, exchange, 0)));
    }
    world.reply(A, "four");
    world.now = seconds(15);
    let out = world.tick();
    assert!(out.contains(&Output::Forgotten(ExchangeId(1))), "{out:?}");
    assert_eq!(world.host.kept(), 3);
    quarantined(&world.reply(A, "one"), Quarantine::Unmatched);
    delivered(&world.reply(A, "two"), 2, true);
    delivered(&world.reply(A, "three"), 3, true);
    assert_eq!(world.host.kept(), 1);
}

#[test]
fn too_many_unparsable_frames_close_the_line_and_a_few_do_not() {
    let limits = Limits { unparsable_max: 3, ..Limits::default() };
    let mut world = World::serving(limits);
    for _ in 0..3 {
        quarantined(&world.receive(A, 1, Read::Unparsable), Quarantine::Unparsable);
    }
    assert_eq!(world.state(A), LineState::Serving);
    let out = world.receive(A, 1, Read::Unparsable);
    assert!(out.contains(&Output::Close(A, Connection(1))), "{out:?}");
    assert_eq!(world.state(B), LineState::Serving);
}

#[test]
fn an_operator_drains_signs_off_holds_and_releases_a_line() {
    let mut world = World::serving(Limits::default());
    assert_eq!(line_of_write(&world.send_with(1, 0, "one", Some(A))), A);
    world.say(Event::SignOff(A));
    assert_eq!(world.state(A), LineState::Draining);
    assert_eq!(line_of_write(&world.send_with(2, 0, "two", Some(A))), B);
    let out = world.reply(A, "one");
    assert!(out.contains(&Output::Ask(A, Connection(1), Ask::SignOff)), "{out:?}");
    let out = world.answer(A, 1, true);
    assert!(out.contains(&Output::Close(A, Connection(1))), "{out:?}");
    world.gone(A, 1);
    assert_eq!(world.state(A), LineState::Held);
    let out = world.say(Event::SignOn(A));
    assert!(out.contains(&Output::Connect(A, Connection(2))), "{out:?}");
}

#[test]
fn a_line_that_is_drained_signs_off_when_its_time_is_over_and_says_who_wanted_it() {
    let limits = Limits { drain_timeout: seconds(15), ..Limits::default() };
    let mut world = World::serving(limits);
    let by_operator = |world: &World, line: LineIndex| {
        world.host.lines().any(|view| view.line == line && view.signed_off_by_operator)
    };
    world.send_with(1, 0, "one", Some(A));
    world.say(Event::SignOff(A));
    assert!(by_operator(&world, A) && !by_operator(&world, B));
    assert_eq!(world.state(A), LineState::Draining);
    world.now += seconds(14);
    world.tick();
    assert_eq!(world.state(A), LineState::Draining);
    world.now += seconds(1);
    let out = world.tick();
    assert!(out.contains(&Output::Ask(A, Connection(1), Ask::SignOff)), "{out:?}");
    delivered(&world.reply(A, "one"), 1, true);
    world.answer(A, 1, true);
    world.gone(A, 1);
    world.now += Limits::default().reconnect_max * 10;
    world.tick();
    assert_eq!(world.state(A), LineState::Held, "it stays down");
    world.say(Event::SignOn(A));
    assert!(!by_operator(&world, A));
}

#[test]
fn with_every_line_signed_off_the_host_is_down_and_a_reversal_waits() {
    let mut world = World::serving(Limits::default());
    world.say(Event::SignOff(A));
    let out = world.say(Event::SignOff(B));
    assert!(out.contains(&Output::HostUp(false)), "{out:?}");
    not_sent(&world.send_with(1, 1, "undo", Some(A)), NotSent::NoLine);
    for line in [A, B] {
        world.answer(line, 1, true);
        world.gone(line, 1);
        assert_eq!(world.state(line), LineState::Held);
    }
    world.say(Event::SignOn(B));
    let out = world.sign_on(B, 2);
    assert!(out.contains(&Output::HostUp(true)), "{out:?}");
    assert_eq!(line_of_write(&world.send_with(1, 1, "undo", Some(A))), B);
}

#[test]
fn a_sign_on_during_the_drain_ends_it() {
    let mut world = World::serving(Limits::default());
    world.send_with(1, 0, "one", Some(A));
    world.say(Event::SignOff(A));
    world.say(Event::SignOn(A));
    assert_eq!(world.state(A), LineState::Serving);
    assert_eq!(line_of_write(&world.send_with(2, 0, "two", Some(A))), A);
}

#[test]
fn a_host_that_signs_off_gets_nothing_until_it_signs_on() {
    let mut world = World::serving(Limits::default());
    world.say(Event::SignOff(B));
    let out = world.receive(A, 1, Read::Request(HostRequest::SignOff));
    assert!(out.contains(&Output::HostUp(false)), "{out:?}");
    assert_eq!(world.state(A), LineState::Resting);
    not_sent(&world.send(1, "one"), NotSent::NoLine);
    let out = world.receive(A, 1, Read::Request(HostRequest::SignOn));
    assert!(out.contains(&Output::Ask(A, Connection(1), Ask::SignOn)), "{out:?}");
    let out = world.answer(A, 1, true);
    assert!(out.contains(&Output::HostUp(true)), "{out:?}");
}

#[test]
fn a_stop_signs_off_every_line_and_ends() {
    let mut world = World::serving(Limits::default());
    let out = world.say(Event::Stop);
    assert!(out.contains(&Output::Ask(A, Connection(1), Ask::SignOff)), "{out:?}");
    not_sent(&world.send(1, "one"), NotSent::NoLine);
    world.answer(A, 1, true);
    world.wait();
    world.gone(A, 1);
    let out = world.gone(B, 1);
    assert!(out.contains(&Output::Stopped), "{out:?}");
    assert_eq!(world.host.next_deadline(), None);
}

#[test]
fn an_event_of_an_earlier_connection_changes_nothing() {
    let mut world = World::serving(Limits::default());
    world.gone(A, 1);
    world.wait();
    world.sign_on(A, 2);
    assert_eq!(world.gone(A, 1), []);
    assert_eq!(world.state(A), LineState::Serving);
}

#[test]
fn a_line_that_flaps_signs_on_at_most_once_a_second() {
    let mut world = World::new(Limits::default());
    world.tick();
    let mut sign_ons = 0_u64;
    let mut connection = 1;
    while world.now < seconds(600) {
        sign_ons += 1;
        world.sign_on(A, connection);
        world.gone(A, connection);
        connection += 1;
        while world.state(A) != LineState::Connecting {
            world.wait();
        }
    }
    assert!((30..=600).contains(&sign_ons), "{sign_ons}");
}

#[test]
fn a_frame_and_a_key_print_their_length_only() {
    assert_eq!(format!("{:?} {:?}", frame(), key("4000")), "Frame(3 bytes) MatchKey(4 bytes)");
}

/// Sends so many messages, numbered from `first`, each written at once.
fn flood(world: &mut World, first: u64, count: u64) {
    for number in first..first + count {
        let out = world.send(number, &format!("pay {number}"));
        let to = out.iter().find_map(|output| match output {
            Output::Write { to, .. } => Some(*to),
            _ => None,
        });
        world.say(Event::Wrote(to.unwrap_or_else(|| panic!("nothing is written: {out:?}"))));
    }
}

fn breakers(world: &World) -> Vec<&'static str> {
    world.host.lines().map(|view| view.breaker.name()).collect()
}

#[test]
fn a_silent_host_is_given_nothing_new_until_one_probe_is_answered() {
    let mut world = World::serving(Limits { window_max: 64, ..Limits::default() });
    assert_eq!(world.host.room().limit, 64);
    flood(&mut world, 1, 30);
    world.now += seconds(15);
    world.tick();
    let room = world.host.room();
    assert_eq!((room.limit, room.breaker.name(), room.breaker_opened), (0, "open", 1));
    // What is owed goes out all the same.
    let owed = world.send_with(1_000, 1, "undo 1", None);
    line_of_write(&owed);

    while world.host.room().breaker.name() == "open" {
        world.wait();
    }
    assert_eq!(world.now, seconds(20));
    assert_eq!(world.host.room().limit, 1, "one probe at a time");
    flood(&mut world, 31, 1);
    world.reply(A, "pay 31");
    assert_eq!(world.host.room().limit, 2, "then with little");
    assert_eq!(world.host.room().breaker.name(), "closed");
    for number in 40..400 {
        flood(&mut world, 2 * number, 2);
        world.now += Duration::from_millis(10);
        world.reply(A, &format!("pay {}", 2 * number));
        world.reply(B, &format!("pay {}", 2 * number + 1));
    }
    assert!((4..64).contains(&world.host.room().limit), "no wider than is used");
}

#[test]
fn a_reversal_that_is_answered_is_as_good_as_a_probe() {
    let mut world = World::serving(Limits::default());
    flood(&mut world, 1, 30);
    world.now += seconds(15);
    world.tick();
    world.send_with(1_000, 1, "undo 1", None);
    assert_eq!(world.host.room().limit, 0);
    world.reply(A, "undo 1");
    assert_eq!((world.host.room().limit, world.host.room().breaker.name()), (1, "half_open"));
}

#[test]
fn a_line_that_leaves_everything_unanswered_is_shunned_and_probed_with_one_message() {
    let limits = Limits { breaker_silences: 3, ..Limits::default() };
    let mut world = World::serving(limits);
    for number in 0..12 {
        let turn = if number % 2 == 0 { A } else { B };
        let out = world.send_with(number, 0, &format!("pay {number}"), Some(turn));
        let line = line_of_write(&out);
        world.say(Event::Wrote(written(line, number, 0)));
        if line == B {
            world.reply(B, &format!("pay {number}"));
        }
    }
    assert_eq!(breakers(&world), ["closed", "closed"]);
    // Later ones on the other line are answered: the host lives, one of its lines does not.
    world.now += seconds(14);
    world.send_with(100, 0, "pay 100", Some(B));
    world.reply(B, "pay 100");
    world.now += seconds(1);
    world.tick();
    assert_eq!(breakers(&world), ["open", "closed"]);
    assert_eq!(world.host.room().breaker.name(), "closed");
    let shunned: Vec<_> = (200..210)
        .map(|number| line_of_write(&world.send_with(number, 0, &format!("pay {number}"), Some(A))))
        .collect();
    assert_eq!(shunned, vec![B; 10], "even where it is preferred");
    while breakers(&world)[0] == "open" {
        world.wait();
    }
    let probe = line_of_write(&world.send(300, "pay 300"));
    assert_eq!(probe, A, "the idle line is tried with one");
    world.say(Event::Wrote(written(A, 300, 0)));
    assert_eq!(line_of_write(&world.send(301, "pay 301")), B);
    world.reply(A, "pay 300");
    assert_eq!(breakers(&world), ["closed", "closed"]);
}

#[test]
fn a_connection_that_ends_with_much_in_flight_is_one_silence() {
    let mut world = World::serving(Limits { window_max: 64, ..Limits::default() });
    flood(&mut world, 1, 60);
    world.gone(A, 1);
    world.gone(B, 1);
    world.now += seconds(15);
    world.tick();
    assert_eq!(breakers(&world), ["closed", "closed"]);
    assert_eq!(world.host.room().breaker.name(), "closed");
}
