//! The connections as the gateway has them: made, read, written, lost.

use super::World;
use crate::agenda::Lane;
use crate::event::{Event, NodeEvent};
use crate::fault::Fault;
use crate::network::{Job, Link, Wire, framed, take_frame};
use crate::points::Point;
use crate::sabotage::Sabotage;
use std::time::Duration;
use tidegate::host::wording::Wording;
use tidegate_line::event::{Event as LineEvent, HostRequest, Read};
use tidegate_line::name::{Connection, Frame, LineIndex};

impl World {
    pub(crate) fn connect(&mut self, line: LineIndex, connection: Connection) {
        let Some(node) = self.node.as_mut() else { return };
        let wire = self.network.connect(Link::new(node.life, line, connection));
        node.sockets.insert(line, (connection, wire));
        let wait = self.dice.network.micros(200, 30_000);
        self.plan_in(wait, Event::Reach(wire));
    }

    /// The other end is reached, or it is not.
    pub(crate) fn reach(&mut self, wire: Wire) {
        let unreachable = self.network.unreachable > self.clock.mono;
        let Some(link) = self.network.link(wire).filter(|link| link.gateway_open) else { return };
        if unreachable {
            return self.end_at_gateway(wire, Duration::ZERO);
        }
        link.bank_open = true;
        let (life, event) = (link.life, LineEvent::Connected(link.line, link.connection));
        let at = link.read.out(self.clock.mono, Duration::from_micros(50));
        self.agenda.plan(at, Event::Node(life, NodeEvent::Line(Box::new(event))));
    }

    /// The gateway closes a connection.
    pub(crate) fn close(&mut self, wire: Wire) {
        let flies = self.dice.network.micros(100, 20_000);
        let Some(link) = self.network.link(wire).filter(|link| link.gateway_open) else { return };
        let at = link.to_bank.out(self.clock.mono, flies);
        self.agenda.plan(at, Event::BankGone(wire));
        self.end_at_gateway(wire, Duration::ZERO);
    }

    /// The gateway's end is over: what is still queued was not sent.
    pub(crate) fn end_at_gateway(&mut self, wire: Wire, wait: Duration) {
        let now = self.clock.mono;
        let dice = self.dice.network.throw32();
        let Some(link) = self.network.link(wire).filter(|link| link.gateway_open) else { return };
        link.gateway_open = false;
        let (life, line, connection) = (link.life, link.line, link.connection);
        let mut events: Vec<LineEvent> = Vec::new();
        for job in link.jobs.drain(..) {
            if let Job::Financial { to, .. } = job {
                events.push(LineEvent::WriteRefused(to));
            }
        }
        let refused = !events.is_empty();
        events.push(LineEvent::Gone { line, connection, dice });
        let mut last = Lane::default();
        last.out(link.read.out(now, wait), Duration::ZERO);
        last.out(link.wrote.out(now, wait), Duration::ZERO);
        for event in events {
            let at = last.out(now, Duration::ZERO);
            self.agenda.plan(at, Event::Node(life, NodeEvent::Line(Box::new(event))));
        }
        self.points.hit_if(refused, Point::WriteRefused);
        let in_flight = self.node.as_ref().is_some_and(|node| node.host.in_flight() > 0);
        self.points.hit_if(in_flight, Point::LineLost);
        self.network.sweep(wire);
    }

    /// The gateway sees that the other end is gone.
    pub(crate) fn gateway_sees_end(&mut self, wire: Wire) {
        self.end_at_gateway(wire, Duration::ZERO);
    }

    /// Queues something for a line's writer.
    pub(crate) fn enqueue(&mut self, wire: Wire, job: Job) {
        let wait = self.dice.network.micros(5, 120);
        let Some(link) = self.network.link(wire).filter(|link| link.gateway_open) else { return };
        link.jobs.push_back(job);
        let (life, at) = (link.life, self.clock.mono.saturating_add(wait).max(link.stuck));
        self.agenda.plan(at, Event::Node(life, NodeEvent::Write(wire)));
    }

    /// A line's writer hands what waits to the socket.
    pub(crate) fn write(&mut self, wire: Wire) {
        let now = self.clock.mono;
        let run = self.life;
        let Some(link) = self.network.link(wire).filter(|link| link.gateway_open) else { return };
        if link.stuck > now {
            let (life, at) = (link.life, link.stuck);
            return self.agenda.plan(at, Event::Node(life, NodeEvent::Write(wire)));
        }
        let (life, accepted) = (link.life, link.accepted);
        let jobs: Vec<Job> = link.jobs.drain(..).collect();
        let looks = !self.is_sabotaged(Sabotage::SendOverdue);
        for job in jobs {
            let (frame, to) = match job {
                Job::Network(frame) => (frame, None),
                Job::Financial { to, deadline, .. } if now >= deadline && looks => {
                    self.points.hit(Point::StuckWriter);
                    self.writer_says(wire, life, LineEvent::WriteRefused(to));
                    continue;
                }
                Job::Financial { to, frame, .. } => (frame, Some(to)),
            };
            let accepted = accepted && !(to.is_some() && self.sabotage(Sabotage::NoSignOn));
            let seen = self.checker.handed(frame.body(), accepted, &self.cast, run);
            if let Some(seen) = seen {
                let number = u64::try_from(seen.id.0 & u128::from(u64::MAX)).unwrap_or(0);
                self.log.note(now, "a message is written", number, u64::from(seen.reversal));
                self.points.hit_if(seen.marked && !seen.reversal, Point::AdviceRepeated);
                self.points.hit_if(seen.reversal && seen.old_date, Point::OldDateReversed);
                let again = seen.marked && seen.from_before;
                self.points.hit_if(again, Point::RepeatAfterRestart);
            }
            self.fly_to_bank(wire, &framed(frame.body()));
            if to.is_some() && self.sabotage(Sabotage::WriteTwice) {
                self.checker.handed(frame.body(), accepted, &self.cast, run);
            }
            if let Some(to) = to {
                self.writer_says(wire, life, LineEvent::Wrote(to));
            }
        }
    }

    fn writer_says(&mut self, wire: Wire, life: u64, event: LineEvent) {
        let wait = if self.dice.network.chance(500) {
            self.dice.network.millis(1, 400)
        } else {
            self.dice.network.micros(5, 200)
        };
        let Some(link) = self.network.link(wire) else { return };
        let at = link.wrote.out(self.clock.mono, wait);
        self.agenda.plan(at, Event::Node(life, NodeEvent::Line(Box::new(event))));
    }

    fn fly_to_bank(&mut self, wire: Wire, bytes: &[u8]) {
        let cut = if self.has(Fault::Split) && self.dice.network.chance(2_000) {
            let length = u64::try_from(bytes.len()).unwrap_or(0);
            usize::try_from(self.dice.network.between(1, length.saturating_sub(1).max(1)))
        } else {
            Ok(bytes.len())
        };
        let (front, back) = bytes.split_at_checked(cut.unwrap_or(0)).unwrap_or((bytes, &[]));
        for part in [front, back] {
            let wait = self.flight();
            let Some(link) = self.network.link(wire) else { return };
            if !part.is_empty() && !link.deaf {
                let at = link.to_bank.out(self.clock.mono, wait);
                self.agenda.plan(at, Event::ToBank(wire, part.to_vec()));
            }
        }
    }

    /// Bytes fly from the bank to the gateway.
    pub(crate) fn fly_to_gateway(&mut self, wire: Wire, bytes: Vec<u8>) {
        let cut = if self.has(Fault::Split) && self.dice.network.chance(2_000) {
            let length = u64::try_from(bytes.len()).unwrap_or(0);
            usize::try_from(self.dice.network.between(1, length.saturating_sub(1).max(1)))
        } else {
            Ok(bytes.len())
        };
        let (front, back) = bytes.split_at_checked(cut.unwrap_or(0)).unwrap_or((&bytes, &[]));
        for part in [front, back] {
            let wait = self.flight();
            let Some(link) = self.network.link(wire) else { return };
            if !part.is_empty() && !link.dumb && link.gateway_open {
                let (life, at) = (link.life, link.to_gateway.out(self.clock.mono, wait));
                let event = NodeEvent::Read(wire, part.to_vec());
                self.agenda.plan(at, Event::Node(life, event));
            }
        }
    }

    fn flight(&mut self) -> Duration {
        if self.has(Fault::Delay) && self.dice.network.chance(60) {
            self.dice.network.millis(50, 1_500)
        } else {
            self.dice.network.micros(150, 4_000)
        }
    }

    /// The gateway reads bytes off a socket.
    pub(crate) fn gateway_reads(&mut self, wire: Wire, bytes: &[u8]) {
        let now = self.clock.mono;
        let Some(link) = self.network.link(wire).filter(|link| link.gateway_open) else { return };
        link.at_gateway.extend_from_slice(bytes);
        while let Some(link) = self.network.link(wire) {
            let Some(body) = take_frame(&mut link.at_gateway) else { break };
            let ignores = self.options.sabotage == Some(Sabotage::IgnoreSignOff);
            let read = match body.is_empty() {
                true => Read::KeepAlive,
                false => Wording::read(&self.cast.definition, &body),
            };
            let read = match read {
                Read::Request(HostRequest::SignOff) if ignores => Read::Request(HostRequest::Echo),
                read => read,
            };
            let (life, line, connection) = (link.life, link.line, link.connection);
            // From here on the host task knows of the sign-on, and may send.
            link.accepted |= matches!(read, Read::NetworkReply { accepted: true, .. });
            let frame = Frame::new(body);
            let event = LineEvent::Received { line, connection, read, frame };
            let at = link.read.out(now, Duration::from_micros(20));
            self.agenda.plan(at, Event::Node(life, NodeEvent::Line(Box::new(event))));
        }
    }
}
