//! Runs the decisions: one task owns the engine, feeds it inputs, hands its groups to the store and
//! performs its effects. It never waits for anything but the next input: commits and look-ups are
//! under way beside it, and a full queue comes back to the engine as an input.

mod alarms;

use crate::calendar::BusinessDay;
use crate::host::Clock as _;
use crate::store::{Committed, Store, StoreError};
use alarms::Alarms;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::{Alarm, Effect, Outgoing, Refusal, Reply};
use tidegate_payment::engine::{Engine, Out, Status};
use tidegate_payment::id::PaymentId;
use tidegate_payment::input::{Input, LoadKey, Loaded, Waiter};
use tidegate_payment::record::{Group, GroupSubject};
use tidegate_payment::time::{BusinessDate, Mono, Now, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How many inputs one turn takes before it commits what they decided.
const INPUTS_PER_TURN: usize = 256;

/// How often the status is counted anew.
const STATUS_INTERVAL: Duration = Duration::from_millis(100);

/// How often the business date is looked at.
const DATE_INTERVAL: Duration = Duration::from_secs(1);

/// Where the engine's messages for the host go, without waiting.
pub trait Lines: Send + Sync + 'static {
    /// Takes a message, or says that it was not sent because a queue is full.
    /// # Errors
    /// The input that tells the engine so.
    fn send(&self, message: Box<Durable<Outgoing>>) -> Result<(), Box<Input>>;
    /// Wipes the security code that travels beside the payment.
    fn forget(&self, id: PaymentId);
}

/// Both clocks of the process.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    begun: Instant,
}

impl Clock {
    /// A clock whose monotonic reading begins now.
    pub fn start() -> Self {
        Self { begun: Instant::now() }
    }

    /// The instant of a monotonic reading.
    pub fn instant(&self, mono: Mono) -> Instant {
        self.begun.checked_add(mono.0).unwrap_or(self.begun)
    }
}

impl crate::host::Clock for Clock {
    fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        Now { mono: Mono(self.begun.elapsed()), wall: Timestamp(micros) }
    }
}

/// The engine's inbox: bounded, cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    inbox: mpsc::Sender<Letter>,
    next_waiter: Arc<AtomicU64>,
    status: watch::Receiver<Status>,
}

/// A question, and who waits for the reply to it.
#[derive(Debug)]
struct Letter {
    input: Input,
    waiter: Waiter,
    reply_to: oneshot::Sender<Reply>,
}

impl EngineHandle {
    /// Asks, and waits for the reply. A full inbox is a refusal at once.
    pub async fn ask(&self, input: impl FnOnce(Waiter) -> Input) -> Reply {
        let waiter = Waiter(self.next_waiter.fetch_add(1, Ordering::Relaxed));
        let (reply_to, receiver) = oneshot::channel();
        match self.inbox.try_send(Letter { input: input(waiter), waiter, reply_to }) {
            Ok(()) => receiver.await.unwrap_or(Reply::Refusal(Refusal::Unknown)),
            Err(mpsc::error::TrySendError::Full(_)) => Reply::Refusal(Refusal::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Reply::Refusal(Refusal::Stopping),
        }
    }

    /// How much of everything there is, as of a moment ago.
    pub fn status(&self) -> Status {
        *self.status.borrow()
    }
}

/// What the engine's task is made of.
pub struct EngineParts<S, L> {
    /// The engine, restored from the store and not yet recovered.
    pub engine: Engine,
    /// Where its groups become durable.
    pub store: Arc<S>,
    /// Where its messages go.
    pub lines: L,
    /// Both clocks.
    pub clock: Clock,
    /// The rule of the business date.
    pub business_day: BusinessDay,
    /// Whether the clock moves it. Otherwise a host's cut-over does, and the clock gives the first one.
    pub by_clock: bool,
    /// Who hears that it moved, once that is durable.
    pub date: watch::Sender<Option<BusinessDate>>,
    /// The age of the oldest reversal or advice from which on an alarm is raised.
    pub owed_alarm_after: Duration,
    /// Who hears of alarms.
    pub on_alarm: Box<dyn Fn(&Alarm) + Send>,
    /// What the hosts tell: a lane of its own, so that no flood of requests delays an answer.
    pub events: mpsc::Receiver<Input>,
    /// How many questions may wait.
    pub inbox_max: usize,
}

/// Makes the inbox and the task behind it. The task ends when `stop` was cancelled and no payment
/// waits for the host any more, or when the store failed.
pub fn engine_task<S: Store, L: Lines>(
    parts: EngineParts<S, L>,
    stop: CancellationToken,
) -> (EngineHandle, impl Future<Output = Result<(), StoreError>> + Send) {
    let (inbox, letters) = mpsc::channel(parts.inbox_max);
    let (status_sender, status) = watch::channel(Status::default());
    let handle = EngineHandle { inbox, next_waiter: Arc::new(AtomicU64::new(1)), status };
    let task = EngineTask {
        parts,
        letters,
        status: status_sender,
        waiters: BTreeMap::new(),
        under_way: FuturesUnordered::new(),
        out: Out::default(),
        alarms: Alarms::default(),
    };
    (handle, task.run(stop))
}

/// What came back from beside the task.
enum Back {
    Committed(Vec<(GroupSubject, Committed)>),
    Loaded(Loaded),
    LoadFailed(LoadKey, StoreError),
    Failed(StoreError),
}

type UnderWay = Pin<Box<dyn Future<Output = Back> + Send>>;

struct EngineTask<S, L> {
    parts: EngineParts<S, L>,
    letters: mpsc::Receiver<Letter>,
    status: watch::Sender<Status>,
    waiters: BTreeMap<Waiter, oneshot::Sender<Reply>>,
    under_way: FuturesUnordered<UnderWay>,
    out: Out,
    alarms: Alarms,
}

impl<S: Store, L: Lines> EngineTask<S, L> {
    async fn run(mut self, stop: CancellationToken) -> Result<(), StoreError> {
        let mut applied = self.parts.store.applied();
        let mut date_watch = tokio::time::interval(DATE_INTERVAL);
        // Counting costs time with every open payment, so it is not done on every turn.
        let mut status_watch = tokio::time::interval(STATUS_INTERVAL);
        status_watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = false;
        let mut letters = Vec::with_capacity(INPUTS_PER_TURN);
        let mut events = Vec::with_capacity(INPUTS_PER_TURN);
        let now = self.parts.clock.now();
        self.parts.engine.recover(now, &mut self.out);
        loop {
            self.perform_all();
            self.tell_date();
            if stopping && self.is_drained() {
                return Ok(());
            }
            let deadline = self.parts.engine.next_deadline();
            let deadline = deadline.map(|mono| self.parts.clock.instant(mono));
            tokio::select! {
                Some(back) = self.under_way.next() => self.hear_back(back)?,
                1.. = self.parts.events.recv_many(&mut events, INPUTS_PER_TURN) => {
                    events.drain(..).for_each(|input| self.hear(input));
                }
                1.. = self.letters.recv_many(&mut letters, INPUTS_PER_TURN) => {
                    letters.drain(..).for_each(|letter| self.open(letter));
                }
                () = sleep_until(deadline) => self.hear(Input::Tick),
                Ok(()) = applied.changed() => {
                    let sequence = *applied.borrow_and_update();
                    self.hear(Input::Projected(sequence));
                }
                _ = date_watch.tick() => self.look_at_the_date(),
                _ = status_watch.tick() => self.look_at_the_status(),
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.parts.engine.stop();
                }
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.parts.engine.status().awaiting_host == 0 && self.under_way.is_empty()
    }

    fn open(&mut self, letter: Letter) {
        self.waiters.insert(letter.waiter, letter.reply_to);
        self.hear(letter.input);
    }

    fn hear(&mut self, input: Input) {
        let now = self.parts.clock.now();
        self.parts.engine.handle(now, input, &mut self.out);
    }

    fn look_at_the_date(&mut self) {
        let now = self.parts.clock.now();
        let date = self.parts.business_day.date(now.wall);
        let current = self.parts.engine.date();
        if self.parts.by_clock || current.is_none() {
            if current != Some(date) {
                self.hear(Input::Date(date));
            }
        } else if let Some(current) = current {
            self.alarms.look_at_cut_over(now, current, &self.parts.business_day);
        }
    }

    fn look_at_the_status(&mut self) {
        let status = self.parts.engine.status();
        self.alarms.look_at_owed(self.parts.clock.now(), &status, self.parts.owed_alarm_after);
        self.status.send_replace(status);
    }

    /// The date in memory is durable: memory is never ahead of the journal.
    fn tell_date(&self) {
        let date = self.parts.engine.date();
        self.parts.date.send_if_modified(|held| std::mem::replace(held, date) != date);
    }

    fn hear_back(&mut self, back: Back) -> Result<(), StoreError> {
        match back {
            Back::Committed(results) => {
                for (subject, result) in results {
                    self.settled(subject, result);
                }
            }
            Back::Loaded(loaded) => self.hear(Input::Loaded(loaded)),
            // Without the projection nobody knows whether a key is new: the gateway must stop.
            Back::LoadFailed(key, error) => {
                tracing::error!(?key, %error, "the store could not look up a payment");
                return Err(error);
            }
            Back::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn settled(&mut self, subject: GroupSubject, result: Committed) {
        let now = self.parts.clock.now();
        match result {
            Ok(durable) => self.parts.engine.settled(now, durable, &mut self.out),
            Err(conflict) => {
                tracing::warn!(?subject, %conflict, "a group was not written");
                self.parts.engine.not_written(now, subject, &mut self.out);
            }
        }
    }

    /// Performs everything that the last inputs set in motion. What comes back at once (a full
    /// queue) is heard at once, so this ends only when nothing is left to do.
    fn perform_all(&mut self) {
        while !(self.out.groups.is_empty() && self.out.effects.is_empty()) {
            let out = std::mem::take(&mut self.out);
            if !out.groups.is_empty() {
                self.commit(out.groups);
            }
            for effect in out.effects {
                self.perform(effect);
            }
        }
    }

    fn commit(&mut self, groups: Vec<Group>) {
        let store = Arc::clone(&self.parts.store);
        let subjects: Vec<_> = groups.iter().map(Group::subject).collect();
        self.under_way.push(Box::pin(async move {
            match store.commit(groups).await {
                Ok(results) => Back::Committed(subjects.into_iter().zip(results).collect()),
                Err(error) => Back::Failed(error),
            }
        }));
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Reply(waiter, reply) => {
                if let Some(sender) = self.waiters.remove(&waiter) {
                    // Nobody listens any more: the payment goes on all the same.
                    drop(sender.send(reply));
                }
            }
            Effect::Send(message) => {
                if let Err(not_sent) = self.parts.lines.send(message) {
                    self.hear(*not_sent);
                }
            }
            Effect::Load(key) => {
                let store = Arc::clone(&self.parts.store);
                self.under_way.push(Box::pin(async move {
                    match store.load(key.clone()).await {
                        Ok(loaded) => Back::Loaded(loaded),
                        Err(error) => Back::LoadFailed(key, error),
                    }
                }));
            }
            Effect::Forget(id) => self.parts.lines.forget(id),
            Effect::Alarm(alarm) => (self.parts.on_alarm)(&alarm),
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
