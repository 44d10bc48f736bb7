//! The host task, the encoder and the judge: `src/host` told again without threads and channels.

use super::World;
use crate::event::{Delivered, Event, NodeEvent};
use crate::network::Job;
use crate::points::Point;
use crate::sabotage::Sabotage;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tidegate::host::exchange::{attempt_of, number_of};
use tidegate::host::wording::{Judged, Wording};
use tidegate_line::event::{
    Ask, Event as LineEvent, LineState, NotSent, Output, Quarantine, Send, Written,
};
use tidegate_line::name::{Connection, ExchangeId, Frame, LineIndex, MatchKey};
use tidegate_payment::card::{Pan, Secrets};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::Stan;
use tidegate_payment::input::{Attempt, Input};
use tidegate_payment::record::{AnswerClass, HostAnswer, NotSentReason};

impl World {
    /// The encoder: words a message, or says why it was not sent.
    pub(crate) fn encode(&mut self, out: Durable<Outgoing>) {
        let Some(node) = self.node.as_mut() else { return };
        node.encoding = node.encoding.saturating_sub(1);
        let (id, attempt) = (out.get().id, out.get().attempt);
        let looks = !self.is_sabotaged(Sabotage::SendOverdue);
        if looks && self.clock.mono >= out.get().deadline.0 {
            self.points.hit(Point::Overdue);
            return self.tell(Input::NotSent(id, attempt, NotSentReason::Overdue));
        }
        let worded = self.word(out.get());
        let Some((key, original_key, frame)) = worded else {
            self.checker.breaks("T", format!("payment {id} cannot be worded"));
            return self.tell(Input::NotSent(id, attempt, NotSentReason::EncodeFailed));
        };
        let sent = Arc::new(out);
        if let Some(key) = original_key {
            let Some(node) = self.node.as_mut() else { return };
            if let Some(exchange) = node.exchanges.begin_original(&sent) {
                // Before the reversal is out, so that a late answer finds its payment.
                self.hear_line(LineEvent::Expect { exchange, key });
            }
        }
        let Some(node) = self.node.as_mut() else { return };
        let prefer = node.exchanges.line_before(&sent);
        let attempt = number_of(sent.get().attempt);
        let deadline = sent.get().deadline.0;
        let exchange = node.exchanges.begin(sent);
        let owed = attempt > 0;
        let send = Send { exchange, attempt, key, frame, deadline, prefer, owed };
        self.hear_line(LineEvent::Send(send));
    }

    fn word(&mut self, message: &Outgoing) -> Option<(MatchKey, Option<MatchKey>, Frame)> {
        let mut message = message.clone();
        let reversal = matches!(message.attempt, Attempt::Reversal(_));
        if self.sabotage(if reversal { Sabotage::OtherReversal } else { Sabotage::WrongAmount }) {
            message.request.amount.minor = message.request.amount.minor.saturating_add(1);
        }
        if reversal && self.sabotage(Sabotage::OtherDate) {
            let date = &mut message.fields.business_date;
            date.day = if date.day == 1 { 2 } else { 1 };
        }
        if self.sabotage(Sabotage::OtherOriginal) {
            self.misname(&mut message);
        }
        let own = message.request.card.sealed.clone();
        let before = self.node.as_mut()?.last_card.replace(own.clone());
        let other = self.sabotage(Sabotage::OtherCard);
        let card = String::from_utf8(before.filter(|_| other).unwrap_or(own)).ok()?;
        let card = Pan::parse(&card).ok()?;
        let definition = &self.cast.definition;
        let mut body = Vec::with_capacity(1024);
        let key =
            Wording::encode(definition, &message, &card, &Secrets::default(), &mut body).ok()?;
        let original_key = if reversal {
            let original =
                Outgoing { attempt: Attempt::Original, repeat: false, ..message.clone() };
            Some(Wording::key(definition, &original).ok()?)
        } else {
            None
        };
        Some((key, original_key, Frame::new(body)))
    }

    /// Has the lines decide on an event and performs what they say, until nothing follows from it.
    pub(crate) fn hear_line(&mut self, event: LineEvent) {
        let mut heard = VecDeque::from([event]);
        while let Some(event) = heard.pop_front() {
            let now = self.clock.mono;
            let Some(node) = self.node.as_mut() else { return };
            for output in node.host.handle(now, event) {
                heard.extend(self.perform_line(output));
            }
            if let Some(node) = self.node.as_mut() {
                node.cut_overs.end_of_event();
            }
        }
    }

    fn perform_line(&mut self, output: Output) -> Option<LineEvent> {
        match output {
            Output::Connect(line, connection) => self.connect(line, connection),
            Output::Close(line, connection) => {
                let open = self.node.as_ref().and_then(|node| node.sockets.get(&line));
                if let Some(wire) = open.filter(|it| it.0 == connection).map(|it| it.1) {
                    self.close(wire);
                }
            }
            Output::Ask(line, connection, ask) => return self.ask_line(line, connection, ask),
            Output::Answer { line, connection, request, accept } => {
                self.answer_line(line, connection, request, accept);
            }
            Output::Write { to, frame, deadline } => return self.queue_write(to, frame, deadline),
            Output::Written(exchange, attempt) => self.written(exchange, attempt, None),
            Output::NotSent(exchange, attempt, why) => self.written(exchange, attempt, Some(why)),
            Output::Delivered { exchange, line, frame, .. } => {
                self.deliver(exchange, line, frame);
            }
            Output::Quarantined(_, why, _) => self.quarantined(why),
            Output::Forgotten(exchange) => {
                if let Some(node) = self.node.as_mut() {
                    node.exchanges.forget(exchange);
                }
            }
            Output::HostUp(up) => {
                self.log.note(self.clock.mono, "the host is up", u64::from(up), 0);
                self.tell(Input::HostUp(self.cast.host.clone(), up));
            }
            Output::CutOver(line, frame) => self.cut_over(line, &frame),
            Output::LineChanged(line, state) => {
                let lines = self.node.as_ref().into_iter().flat_map(|node| node.host.lines());
                let half_open: u64 = lines.map(|line| line.counts.half_open).sum();
                self.points
                    .hit_if(half_open > 0 && state == LineState::Closing, Point::HalfOpenFound);
                let numbers = (u64::from(line.0), state as u64);
                self.log.note(self.clock.mono, "a line changes", numbers.0, numbers.1);
            }
            // The simulated host does without empty frames.
            Output::KeepAlive(..) | Output::Stopped => {}
        }
        None
    }

    fn quarantined(&mut self, why: Quarantine) {
        self.log.note(self.clock.mono, "a frame is quarantined", why as u64, 0);
        match why {
            Quarantine::Duplicate => self.points.hit(Point::DuplicateReply),
            Quarantine::Unmatched => self.points.hit(Point::UnmatchedReply),
            Quarantine::Unparsable => self.points.hit(Point::Unparsable),
            _ => {}
        }
    }

    fn ask_line(&mut self, line: LineIndex, connection: Connection, ask: Ask) -> Option<LineEvent> {
        let wall = self.clock.now().wall;
        let node = self.node.as_mut()?;
        node.last_stan = (node.last_stan % Stan::MAX).saturating_add(1);
        let stan = Stan::new(node.last_stan).ok()?;
        let mut body = Vec::new();
        let key = Wording::ask(&self.cast.definition, ask, stan, wall, &mut body).ok()?;
        let wire = node.sockets.get(&line).filter(|it| it.0 == connection)?.1;
        self.enqueue(wire, Job::Network(Frame::new(body)));
        Some(LineEvent::Asked { line, connection, key })
    }

    pub(super) fn answer_now(
        &mut self,
        line: LineIndex,
        connection: Connection,
        request: &Frame,
        accept: bool,
    ) {
        let mut body = Vec::new();
        let worded = Wording::answer(&self.cast.definition, request.body(), accept, &mut body);
        let Some(node) = self.node.as_ref() else { return };
        let socket = node.sockets.get(&line).filter(|it| it.0 == connection);
        if let (Ok(()), Some((_, wire))) = (worded, socket) {
            let wire = *wire;
            self.enqueue(wire, Job::Network(Frame::new(body)));
        }
    }

    fn queue_write(&mut self, to: Written, frame: Frame, deadline: Duration) -> Option<LineEvent> {
        let queue = self.plan.queue;
        let node = self.node.as_mut()?;
        node.exchanges.on_line(to.exchange, to.line);
        let socket = node.sockets.get(&to.line).filter(|it| it.0 == to.connection);
        let wire = socket.map(|it| it.1);
        let room = wire.and_then(|wire| self.network.link(wire));
        let room = room.is_some_and(|link| link.gateway_open && link.jobs.len() < queue);
        match wire.filter(|_| room) {
            Some(wire) => {
                self.enqueue(wire, Job::Financial { to, frame, deadline });
                None
            }
            None => Some(LineEvent::WriteRefused(to)),
        }
    }

    /// Tells the engine that a message was written, or why not.
    fn written(&mut self, exchange: ExchangeId, number: u32, not_sent: Option<NotSent>) {
        let Some(node) = self.node.as_ref() else { return };
        let Some(sent) = node.exchanges.sent(exchange) else { return };
        let (id, attempt) = (sent.get().id, attempt_of(sent, number));
        let lies = attempt == Attempt::Original && self.sabotage(Sabotage::NotSentLie);
        let not_sent = not_sent.or_else(|| lies.then_some(NotSent::NoLine));
        let input = match not_sent {
            None => Input::Written(id, attempt),
            Some(why) => {
                match why {
                    NotSent::NoLine => self.points.hit(Point::NoLine),
                    NotSent::Overdue => self.points.hit(Point::Overdue),
                    NotSent::QueueFull => self.points.hit(Point::QueueFull),
                    NotSent::DuplicateKey => {}
                }
                Input::NotSent(id, attempt, reason(why))
            }
        };
        self.tell(input);
    }

    fn deliver(&mut self, exchange: ExchangeId, line: LineIndex, frame: Frame) {
        let Some(node) = self.node.as_mut() else { return };
        let Some(sent) = node.exchanges.sent(exchange).cloned() else { return };
        let wait = self.dice.node.micros(10, 600);
        let at = node.judge.out(self.clock.mono, wait);
        let (life, delivered) = (node.life, Delivered { exchange, sent, line, frame });
        self.agenda.plan(at, Event::Node(life, NodeEvent::Judge(Box::new(delivered))));
    }

    /// The judge: compares a reply with what was asked.
    pub(crate) fn judge(&mut self, delivered: Delivered) {
        let Delivered { exchange, sent, line, frame } = delivered;
        let out = sent.get();
        let Some(name) = self.cast.lines.get(usize::from(line.0)) else { return };
        let is_card = |number: &str| out.request.card.sealed == number.as_bytes();
        let judged = Wording::judge(&self.cast.definition, frame.body(), out, name, &is_card);
        let judged = self.misread(judged, out);
        match judged {
            Judged::Answer(answer) => {
                self.checker.delivered(out.id, frame.body());
                return self.answered(out, answer);
            }
            Judged::Reversal(answer) => return self.tell(Input::ReversalAnswered(out.id, answer)),
            Judged::Deferred(said) => {
                return self.tell(Input::Deferred(out.id, out.attempt, said));
            }
            Judged::AdviceRefused(said) => {
                return self.tell(Input::AdviceRefused(out.id, said));
            }
            Judged::UnlistedCode(_) => self.points.hit(Point::UnlistedCode),
            Judged::Disagrees(_) => {
                self.points.hit(Point::Contradiction);
                if self.is_sabotaged(Sabotage::BelieveContradiction) {
                    self.checker.delivered(out.id, frame.body());
                    let answer = HostAnswer {
                        response_code: "00".to_owned(),
                        class: AnswerClass::Approved,
                        approval_code: None,
                        amount: out.request.amount,
                        line: name.clone(),
                        balances: Vec::new(),
                    };
                    return self.answered(out, answer);
                }
            }
        }
        self.hear_line(LineEvent::NotItsAnswer(exchange));
    }

    fn answered(&mut self, out: &Outgoing, answer: HostAnswer) {
        let known = self.checker.known(out.id);
        let timed_out = known.is_some_and(|known| known.timed_out.is_some());
        let approved = matches!(answer.class, AnswerClass::Approved | AnswerClass::Partial);
        if timed_out && approved && self.is_sabotaged(Sabotage::SwallowLate) {
            return self.saw_late(out.id);
        }
        self.tell(Input::HostAnswered(out.id, answer));
    }

    /// Tells the engine something from the bank side, in order.
    pub(crate) fn tell(&mut self, input: Input) {
        let Some(life) = self.node.as_ref().map(|node| node.life) else { return };
        let wait = self.tell_wait(&input);
        let Some(node) = self.node.as_mut() else { return };
        let at = node.inputs.out(self.clock.mono, wait);
        self.agenda.plan(at, Event::Node(life, NodeEvent::Input(Box::new(input))));
    }

    /// Answers that come near a deadline are aimed at it now and then.
    fn tell_wait(&mut self, input: &Input) -> Duration {
        if let Input::HostAnswered(id, _) = input
            && let Some(known) = self.checker.known(*id)
        {
            let deadline = known.intended.saturating_add(super::start::HOST_REPLY);
            let left = deadline.saturating_sub(self.clock.mono);
            if !left.is_zero() && left < Duration::from_millis(1500) && self.dice.node.chance(6_000)
            {
                return match self.dice.node.below(4) {
                    0 => left.saturating_sub(Duration::from_micros(1)),
                    1 | 2 => left,
                    _ => left.saturating_add(self.dice.node.micros(1, 40_000)),
                };
            }
        }
        self.dice.node.micros(5, 800)
    }

    /// The engine hears something from the bank side.
    pub(crate) fn host_tells(&mut self, input: Input) {
        if let Input::HostAnswered(id, answer) = &input {
            self.hears_answer(*id, answer);
        }
        self.hear(input);
    }
}

fn reason(why: NotSent) -> NotSentReason {
    match why {
        NotSent::NoLine => NotSentReason::NoLine,
        NotSent::Overdue => NotSentReason::Overdue,
        NotSent::QueueFull => NotSentReason::QueueFull,
        NotSent::DuplicateKey => NotSentReason::EncodeFailed,
    }
}
