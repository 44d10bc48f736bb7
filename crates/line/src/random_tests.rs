//! Random events in random order: nothing panics, and what must never happen does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use crate::event::*;
use crate::host::Host;
use crate::limits::Limits;
use crate::name::*;
use core::time::Duration;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

const LINES: u16 = 3;

/// A step of the world: an event, or one that answers what the host last asked for.
#[derive(Debug, Clone)]
enum Step {
    Any(Event),
    /// The given outstanding duty is done as it should be.
    Duty(usize, bool),
}

fn limits() -> Limits {
    Limits {
        in_flight_max: 4,
        owed_in_flight_max: 2,
        late_max: 3,
        answered_max: 3,
        unparsable_max: 2,
        ..Limits::default()
    }
}

fn frame() -> Frame {
    Frame::new(vec![0])
}

fn a_line() -> impl Strategy<Value = LineIndex> {
    (0..LINES + 1).prop_map(LineIndex)
}

fn a_connection() -> impl Strategy<Value = Connection> {
    (0_u32..4).prop_map(Connection)
}

fn a_key() -> impl Strategy<Value = MatchKey> {
    (0_u8..16).prop_map(|key| MatchKey(vec![key]))
}

fn a_written() -> impl Strategy<Value = Written> {
    (a_line(), a_connection(), 0_u64..16, 0_u32..3).prop_map(
        |(line, connection, exchange, attempt)| Written {
            line,
            connection,
            exchange: ExchangeId(exchange),
            attempt,
        },
    )
}

fn a_read() -> impl Strategy<Value = Read> {
    prop_oneof![
        1 => Just(Read::KeepAlive),
        4 => a_key().prop_map(Read::Reply),
        1 => (a_key(), any::<bool>()).prop_map(|(key, accepted)| Read::NetworkReply { key, accepted }),
        1 => prop::sample::select(vec![
            HostRequest::Echo,
            HostRequest::SignOn,
            HostRequest::SignOff,
            HostRequest::CutOver,
            HostRequest::KeyExchange,
            HostRequest::Other,
        ])
        .prop_map(Read::Request),
        1 => Just(Read::Unparsable),
    ]
}

fn a_send() -> impl Strategy<Value = Send> {
    let which = (0_u64..16, 0_u32..3, a_key());
    (which, 0_u64..60, prop::option::of(a_line()), any::<bool>()).prop_map(
        |((exchange, attempt, key), deadline_s, prefer, owed)| Send {
            exchange: ExchangeId(exchange),
            attempt,
            key,
            frame: frame(),
            deadline: Duration::from_secs(deadline_s),
            prefer,
            owed,
        },
    )
}

fn an_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Tick),
        1 => (a_line(), a_connection()).prop_map(|(line, c)| Event::Connected(line, c)),
        1 => (a_line(), a_connection(), any::<u32>())
            .prop_map(|(line, connection, dice)| Event::Gone { line, connection, dice }),
        4 => (a_line(), a_connection(), a_read()).prop_map(|(line, connection, read)| {
            Event::Received { line, connection, read, frame: frame() }
        }),
        1 => (a_line(), a_connection(), a_key())
            .prop_map(|(line, connection, key)| Event::Asked { line, connection, key }),
        8 => a_send().prop_map(Event::Send),
        1 => a_written().prop_map(Event::Wrote),
        1 => a_written().prop_map(Event::WriteRefused),
        1 => (0_u64..16, a_key())
            .prop_map(|(exchange, key)| Event::Expect { exchange: ExchangeId(exchange), key }),
        1 => (0_u64..16).prop_map(|exchange| Event::NotItsAnswer(ExchangeId(exchange))),
        1 => a_line().prop_map(Event::SignOff),
        1 => a_line().prop_map(Event::SignOn),
    ]
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => an_event().prop_map(Step::Any),
        2 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(pick, good)| Step::Duty(pick, good)),
    ]
}

/// What an outside observer knows, and what it insists on.
#[derive(Default)]
struct Observer {
    duties: Vec<Output>,
    replies: Vec<Event>,
    network_keys: u32,
    /// Attempts of which a byte may have left.
    written: BTreeSet<(ExchangeId, u32)>,
    /// Exchanges whose answer was delivered and that wait for no further one.
    answered: BTreeSet<ExchangeId>,
    states: BTreeMap<LineIndex, LineState>,
    connected: BTreeMap<LineIndex, Connection>,
}

impl Observer {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Send(send) => {
                self.answered.remove(&send.exchange);
                self.written.remove(&(send.exchange, send.attempt));
            }
            Event::Expect { exchange, .. } | Event::NotItsAnswer(exchange) => {
                self.answered.remove(exchange);
            }
            _ => {}
        }
    }

    fn see(&mut self, output: Output) {
        match &output {
            Output::LineChanged(line, state) => {
                self.states.insert(*line, *state);
            }
            Output::Connect(line, connection) => {
                self.connected.insert(*line, *connection);
                self.duties.push(output);
            }
            Output::Write { to, .. } => {
                assert_eq!(self.states.get(&to.line), Some(&LineState::Serving), "S5: {to:?}");
                assert_eq!(self.connected.get(&to.line), Some(&to.connection), "{to:?}");
                self.duties.push(output);
            }
            Output::Ask(..) | Output::Close(..) => self.duties.push(output),
            Output::Written(exchange, attempt) => {
                self.written.insert((*exchange, *attempt));
            }
            Output::NotSent(exchange, attempt, _) => {
                assert!(!self.written.contains(&(*exchange, *attempt)), "M15: {output:?}");
            }
            Output::Delivered { exchange, .. } => {
                assert!(self.answered.insert(*exchange), "delivered twice: {output:?}");
            }
            _ => {}
        }
    }

    /// What a well-behaved shell would say to something that it was asked to do.
    fn duty(&mut self, pick: usize, good: bool) -> Event {
        if let Some(reply) = self.replies.pop() {
            return reply;
        }
        if self.duties.is_empty() {
            return Event::Tick;
        }
        let duty = self.duties.swap_remove(pick % self.duties.len());
        match duty {
            Output::Connect(line, connection) if good => Event::Connected(line, connection),
            Output::Connect(line, connection) | Output::Close(line, connection) => {
                Event::Gone { line, connection, dice: 7 }
            }
            Output::Ask(line, connection, _) => {
                self.network_keys += 1;
                let key = MatchKey(self.network_keys.to_be_bytes().to_vec());
                // The host's answer to it is a duty of its own.
                let read = Read::NetworkReply { key: key.clone(), accepted: good };
                self.replies.push(Event::Received { line, connection, read, frame: frame() });
                Event::Asked { line, connection, key }
            }
            Output::Write { to, .. } if good => Event::Wrote(to),
            Output::Write { to, .. } => Event::WriteRefused(to),
            _ => Event::Tick,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(
        steps in prop::collection::vec((0_u64..3_000, a_step()), 1..300),
    ) {
        let mut now = Duration::ZERO;
        let mut host = Host::new(now, limits(), LINES).unwrap();
        let mut observer = Observer::default();
        for (wait_ms, step) in steps {
            now += Duration::from_millis(wait_ms);
            let event = match step {
                Step::Any(event) => event,
                Step::Duty(pick, good) => observer.duty(pick, good),
            };
            observer.hear(&event);
            for output in host.handle(now, event) {
                observer.see(output);
            }
            // A deadline that stays due would make the shell spin.
            prop_assert!(host.next_deadline().is_none_or(|next| next > now));
            prop_assert!(host.in_flight() <= 4 + 2 + 3, "what is reopened was remembered");
            prop_assert!(host.kept() <= 9 + 3 + 3);
        }
    }
}
