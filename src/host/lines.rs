//! The host task: owns the decisions of [`tidegate_line`] and performs what they say.

mod answers;

use super::connection::{Job, Link};
use super::encode::Encoded;
use super::exchange::{Exchanges, attempt_of, number_of, reason};
use super::judge::Delivered;
use super::order::Order;
use super::room::RoomTeller;
use super::slot::Slots;
use super::status::{self, Judgements, Quarantined};
use super::wording::Wording;
use super::{Clock, Dice, HostSettings, LineSettings};
use answers::CutOvers;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tidegate_line::event::{Ask, Event, NotSent, Output, Send, Written};
use tidegate_line::host::{Host, Room};
use tidegate_line::name::{Connection, ExchangeId, Frame, LineIndex};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::{LineId, Stan};
use tidegate_payment::input::Input;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often secrets past their deadline are wiped.
const WIPE_EVERY: Duration = Duration::from_millis(250);

/// What the host task hears from, and the judge that it speaks to.
pub(super) struct Queues {
    pub(super) to_send: mpsc::Receiver<Encoded>,
    pub(super) judged: mpsc::Sender<Delivered>,
    pub(super) ordered: mpsc::Receiver<Order>,
}

/// The host task.
pub(super) struct HostTask {
    host: Host,
    settings: HostSettings,
    wording: Arc<dyn Wording>,
    secrets: Arc<Slots>,
    inputs: mpsc::Sender<Input>,
    clock: Arc<dyn Clock>,
    dice: Dice,
    exchanges: Exchanges,
    sockets: BTreeMap<LineIndex, Socket>,
    quarantined: Quarantined,
    cut_overs: CutOvers,
    /// Of the last network message. Network messages have match keys of their own class, so these
    /// numbers never meet those of payments.
    last_stan: u32,
    /// How much the host may be given: whoever admits new payments obeys it.
    room: RoomTeller,
}

/// The present connection of a line.
struct Socket {
    connection: Connection,
    jobs: mpsc::Sender<Job>,
    stop: CancellationToken,
}

/// Whether the task goes on.
#[derive(PartialEq, Eq)]
enum Life {
    GoesOn,
    Ends,
}

impl HostTask {
    pub(super) fn new(
        host: Host,
        settings: HostSettings,
        wording: Arc<dyn Wording>,
        secrets: Arc<Slots>,
        inputs: mpsc::Sender<Input>,
        clock: Arc<dyn Clock>,
        dice: Dice,
    ) -> Self {
        let room = RoomTeller::new(&host);
        Self {
            host,
            settings,
            wording,
            secrets,
            inputs,
            clock,
            dice,
            exchanges: Exchanges::default(),
            sockets: BTreeMap::new(),
            quarantined: Quarantined::default(),
            cut_overs: CutOvers::new(None),
            last_stan: 0,
            room,
        }
    }

    /// How much the host may be given, as it changes.
    pub(super) fn room(&self) -> watch::Receiver<Room> {
        self.room.hear()
    }

    pub(super) async fn run(
        mut self,
        expected: Vec<Durable<Outgoing>>,
        mut queues: Queues,
        judgements: Arc<Judgements>,
    ) {
        let (events, mut happened) = mpsc::channel(self.settings.queue_max.get());
        for (index, line) in (0..).map(LineIndex).zip(self.settings.lines.clone()) {
            if line.signed_off {
                self.hear(Event::SignOff(index), &events, &queues.judged).await;
            }
        }
        for sent in expected {
            match self.wording.key(sent.get()) {
                Ok(key) => {
                    let exchange = self.exchanges.begin(Arc::new(sent));
                    let expect = Event::Expect { exchange, key };
                    self.hear(expect, &events, &queues.judged).await;
                }
                Err(error) => {
                    tracing::error!(payment = %sent.get().id, %error, "its answer is not awaited");
                }
            }
        }
        let mut wipe = tokio::time::interval(WIPE_EVERY);
        wipe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut event = Event::Tick;
        let mut handle_dropped = false;
        loop {
            if self.hear(event, &events, &queues.judged).await == Life::Ends {
                break;
            }
            let wait = self.wait();
            event = tokio::select! {
                Some(event) = happened.recv() => event,
                Some(encoded) = queues.to_send.recv() => {
                    self.begin(encoded, &events, &queues.judged).await
                }
                order = queues.ordered.recv(), if !handle_dropped => {
                    handle_dropped = order.is_none();
                    self.obey(order.unwrap_or(Order::Stop), &judgements)
                }
                () = tokio::time::sleep(wait) => Event::Tick,
                () = self.cut_overs.date_moved() => {
                    self.answer_cut_overs();
                    Event::Tick
                }
                _ = wipe.tick() => {
                    self.secrets.expire(self.clock.now().mono);
                    Event::Tick
                }
            };
        }
        for socket in self.sockets.values() {
            socket.stop.cancel();
        }
    }

    fn wait(&self) -> Duration {
        let next = self.host.next_deadline().unwrap_or(Duration::MAX);
        next.saturating_sub(self.clock.now().mono.0)
    }

    fn obey(&self, order: Order, judgements: &Judgements) -> Event {
        match order {
            Order::Stop => Event::Stop,
            Order::NotItsAnswer(exchange) => Event::NotItsAnswer(exchange),
            Order::Status(answer) => {
                let (now, id) = (self.clock.now().mono.0, self.settings.id.as_str());
                let name = |index| {
                    let line = self.settings(index)?;
                    Some((line.id.to_string(), line.address.clone()))
                };
                let status = status::look(now, id, &self.host, name, &self.quarantined, judgements);
                // Whoever asked may have gone away.
                drop(answer.send(status));
                Event::Tick
            }
            Order::SignOff(line, answer) => self.order_line(&line, answer, Event::SignOff),
            Order::SignOn(line, answer) => self.order_line(&line, answer, Event::SignOn),
        }
    }

    fn order_line(
        &self,
        line: &LineId,
        answer: oneshot::Sender<bool>,
        event: fn(LineIndex) -> Event,
    ) -> Event {
        let index = (0..).map(LineIndex).zip(&self.settings.lines).find(|(_, l)| l.id == *line);
        let _ = answer.send(index.is_some());
        index.map_or(Event::Tick, |(index, _)| event(index))
    }

    /// A message is ready: the event that asks for a line.
    async fn begin(
        &mut self,
        encoded: Encoded,
        events: &mpsc::Sender<Event>,
        judge: &mpsc::Sender<Delivered>,
    ) -> Event {
        let Encoded { sent, key, original_key, frame } = encoded;
        if let Some(key) = original_key
            && let Some(exchange) = self.exchanges.begin_original(&sent)
        {
            // Before the reversal is out, so that a late answer finds its payment.
            self.hear(Event::Expect { exchange, key }, events, judge).await;
        }
        let prefer = self.exchanges.line_before(&sent);
        let attempt = number_of(sent.get().attempt);
        let deadline = sent.get().deadline.0;
        let exchange = self.exchanges.begin(sent);
        Event::Send(Send { exchange, attempt, key, frame, deadline, prefer, owed: attempt > 0 })
    }

    /// Has the host decide on an event and performs what it says, until nothing follows from it.
    async fn hear(
        &mut self,
        event: Event,
        events: &mpsc::Sender<Event>,
        judge: &mpsc::Sender<Delivered>,
    ) -> Life {
        let mut heard = VecDeque::from([event]);
        let mut life = Life::GoesOn;
        while let Some(event) = heard.pop_front() {
            for output in self.host.handle(self.clock.now().mono.0, event) {
                match output {
                    Output::Stopped => life = Life::Ends,
                    Output::Delivered { exchange, line, frame, late } => {
                        self.deliver(exchange, line, frame, late, judge).await;
                    }
                    Output::Written(exchange, attempt) => {
                        self.tell(exchange, attempt, None).await;
                    }
                    Output::NotSent(exchange, attempt, why) => {
                        self.tell(exchange, attempt, Some(why)).await;
                    }
                    Output::HostUp(up) => {
                        tracing::info!(host = %self.settings.id, up, "host");
                        self.input(Input::HostUp(self.settings.id.clone(), up)).await;
                    }
                    Output::CutOver(line, frame) => self.cut_over(line, &frame).await,
                    output => heard.extend(self.perform(output, events)),
                }
            }
            self.cut_overs.end_of_event();
        }
        self.room.tell(&self.settings.id, &self.host);
        life
    }

    /// Performs what needs no wait; returns what follows from it at once.
    fn perform(&mut self, output: Output, events: &mpsc::Sender<Event>) -> Option<Event> {
        match output {
            Output::Connect(line, connection) => self.connect(line, connection, events.clone()),
            Output::Close(line, connection) => {
                if let Some(socket) = self.socket(line, connection) {
                    socket.stop.cancel();
                }
            }
            Output::Ask(line, connection, ask) => return self.ask(line, connection, ask),
            Output::Answer { line, connection, request, accept } => {
                self.answer(line, connection, request, accept);
            }
            Output::KeepAlive(line, connection) => self.keep_alive(line, connection),
            Output::Write { to, frame, deadline } => return self.write(to, frame, deadline),
            Output::Quarantined(line, why, frame) => {
                self.quarantined.count(why);
                let bytes = frame.body().len();
                let line = self.name(line);
                tracing::warn!(host = %self.settings.id, line, bytes, %why, "frame quarantined");
            }
            Output::Forgotten(exchange) => self.exchanges.forget(exchange),
            Output::LineChanged(line, state) => {
                let line = self.name(line);
                tracing::info!(host = %self.settings.id, line, state = state.name(), "line");
            }
            Output::Delivered { .. }
            | Output::Written(..)
            | Output::NotSent(..)
            | Output::HostUp(_)
            | Output::CutOver(..)
            | Output::Stopped => {}
        }
        None
    }

    fn connect(&mut self, line: LineIndex, connection: Connection, events: mpsc::Sender<Event>) {
        let Some(settings) = self.settings.lines.get(usize::from(line.0)) else { return };
        let (jobs, to_write) = mpsc::channel(self.settings.queue_max.get());
        let stop = CancellationToken::new();
        let wording = Arc::clone(&self.wording);
        let link = Link {
            line,
            connection,
            name: settings.id.clone(),
            address: settings.address.clone(),
            format: self.settings.frame,
            header: self.settings.header.as_slice().into(),
            frame_bytes_max: self.settings.frame_bytes_max,
            connect_timeout: self.settings.connect_timeout,
            read: Arc::new(move |body| wording.read(body)),
            clock: Arc::clone(&self.clock),
            events,
            stop: stop.clone(),
            dice: (self.dice)(),
        };
        link.spawn(self.settings.carried, to_write);
        self.sockets.insert(line, Socket { connection, jobs, stop });
    }

    fn ask(&mut self, line: LineIndex, connection: Connection, ask: Ask) -> Option<Event> {
        self.last_stan = self.last_stan.checked_rem(Stan::MAX).unwrap_or(0).saturating_add(1);
        let stan = Stan::new(self.last_stan).ok()?;
        let mut body = Vec::new();
        let worded = self.wording.ask(ask, stan, self.clock.now().wall, &mut body);
        let socket = self.socket(line, connection)?;
        match worded {
            Ok(key) if socket.jobs.try_send(Job::Network(Frame::new(body))).is_ok() => {
                return Some(Event::Asked { line, connection, key });
            }
            // A writer that is stuck or gone: the answer will not come, and its absence closes the
            // line.
            Ok(_) => {}
            Err(error) => {
                socket.stop.cancel();
                tracing::error!(host = %self.settings.id, ?ask, %error, "cannot be asked");
            }
        }
        None
    }

    fn write(&mut self, to: Written, frame: Frame, deadline: Duration) -> Option<Event> {
        self.exchanges.on_line(to.exchange, to.line);
        let job = Job::Financial { to, frame, deadline };
        let queued = self
            .socket(to.line, to.connection)
            .is_some_and(|socket| socket.jobs.try_send(job).is_ok());
        (!queued).then_some(Event::WriteRefused(to))
    }

    async fn deliver(
        &self,
        exchange: ExchangeId,
        line: LineIndex,
        frame: Frame,
        late: bool,
        judge: &mpsc::Sender<Delivered>,
    ) {
        let Some(sent) = self.exchanges.sent(exchange).cloned() else { return };
        if late {
            let (id, attempt) = (sent.get().id, sent.get().attempt);
            let line = self.name(line);
            tracing::warn!(payment = %id, ?attempt, line, "a reply came after its deadline");
        }
        if judge.send(Delivered { exchange, sent, line, frame }).await.is_err() {
            tracing::error!(host = %self.settings.id, alarm = true, "the judge is gone");
        }
    }

    /// Tells the engine that a message was written, or why not.
    async fn tell(&self, exchange: ExchangeId, number: u32, not_sent: Option<NotSent>) {
        let Some(sent) = self.exchanges.sent(exchange) else { return };
        let (id, attempt) = (sent.get().id, attempt_of(sent, number));
        let input = match not_sent {
            None => Input::Written(id, attempt),
            Some(why) => {
                let (host, line) = (&self.settings.id, self.exchanges.line_before(sent));
                tracing::warn!(payment = %id, ?attempt, %host, ?line, %why, "not sent");
                Input::NotSent(id, attempt, reason(why))
            }
        };
        self.input(input).await;
    }

    async fn input(&self, input: Input) {
        if self.inputs.send(input).await.is_err() {
            tracing::debug!(host = %self.settings.id, "the engine is gone");
        }
    }

    fn socket(&self, line: LineIndex, connection: Connection) -> Option<&Socket> {
        self.sockets.get(&line).filter(|socket| socket.connection == connection)
    }

    fn settings(&self, line: LineIndex) -> Option<&LineSettings> {
        self.settings.lines.get(usize::from(line.0))
    }

    fn name(&self, line: LineIndex) -> &str {
        self.settings(line).map_or("", |settings| settings.id.as_str())
    }
}
