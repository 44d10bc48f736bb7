//! The store of one gateway: the journal and its ledger behind the [`Store`] trait.
//!
//! One thread writes the journal: whatever waits while a sync runs rides on the next one. One thread
//! applies what is durable to the ledger. A few threads read the ledger. The first failed write or sync
//! ends all taking of work; nothing is tried again.

use super::journal::frame::{BATCH_BYTES_MAX, RawRecord, records_of};
use super::journal::writer::Journal;
use super::ledger::{Ledger, LedgerError, Reader};
use super::queue::Queue;
use super::{Committed, Conflict, Settings, Store, StoreError, begins_payment};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::input::{LoadKey, Loaded};
use tidegate_payment::record::Group;
use tokio::sync::{oneshot, watch};

/// The journal and its ledger. Dropping it writes what waits, applies it, and joins the threads.
pub struct JournalStore {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// How the store stands, for metrics and health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauges {
    /// The last durable record.
    pub written: Sequence,
    /// The last record that the ledger has applied.
    pub applied: Sequence,
    /// How many groups wait for the journal.
    pub waiting_groups: usize,
    /// Whether the disk has no room for a next segment.
    pub short_of_room: bool,
    /// Whether the ledger has stopped following.
    pub ledger_stopped: bool,
    /// Whether the journal has failed for good.
    pub failed: bool,
}

/// What the threads and the callers share.
struct Shared {
    settings: Settings,
    calls: Queue<Call>,
    durable: Queue<Vec<u8>>,
    reads: Queue<Read>,
    failed: OnceLock<String>,
    waiting_groups: AtomicUsize,
    written: AtomicU64,
    applied: watch::Sender<Sequence>,
    short_of_room: Arc<AtomicBool>,
    ledger_stopped: AtomicBool,
}

/// One call of [`Store::commit`] on its way.
struct Call {
    /// What is to be written still, each with its place in the answer.
    groups: VecDeque<(usize, Group)>,
    answers: Vec<Option<Committed>>,
    reply: oneshot::Sender<Vec<Committed>>,
}

type Read = Box<dyn FnOnce(&mut Reader) + Send>;

impl JournalStore {
    /// Starts the threads over a journal and a ledger that stand at the same record.
    pub(super) fn start(
        journal: Journal,
        ledger: Ledger,
        ledger_path: &Path,
        settings: Settings,
    ) -> Result<Self, StoreError> {
        let last = journal.place().last;
        let readers = (0..settings.readers.max(1)).map(|_| Reader::open(ledger_path));
        let readers: Vec<Reader> = readers.collect::<Result<_, _>>()?;
        let shared = Arc::new(Shared {
            settings,
            calls: Queue::new(),
            durable: Queue::new(),
            reads: Queue::new(),
            failed: OnceLock::new(),
            waiting_groups: AtomicUsize::new(0),
            written: AtomicU64::new(last.0),
            applied: watch::Sender::new(last),
            short_of_room: journal.short_of_room(),
            ledger_stopped: AtomicBool::new(false),
        });
        let mut store = Self { shared, threads: Vec::new() };
        store.spawn("journal", move |shared| write(shared, journal))?;
        store.spawn("ledger", move |shared| follow(shared, ledger))?;
        for reader in readers {
            store.spawn("ledger-read", move |shared| read(shared, reader))?;
        }
        Ok(store)
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce(&Shared) + Send + 'static,
    ) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || run(&shared));
        self.threads.push(thread.map_err(StoreError::file("start a thread of the store"))?);
        Ok(())
    }

    /// Reads the ledger on one of the store's reading threads.
    /// # Errors
    /// [`StoreError`] when the ledger cannot be read, or the store is being closed.
    pub fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Reader) -> Result<T, LedgerError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let (reply, answer) = oneshot::channel();
        // Nobody may wait for the answer any more; that is no fault of the reader.
        let job: Read = Box::new(move |reader| drop(reply.send(look(reader))));
        let put = self.shared.reads.put(job);
        async move {
            let closed = || StoreError::Failed { why: "the store is being closed".into() };
            put.map_err(|_| closed())?;
            Ok(answer.await.map_err(|_| closed())??)
        }
    }

    /// How the store stands.
    pub fn gauges(&self) -> Gauges {
        let shared = &self.shared;
        Gauges {
            written: Sequence(shared.written.load(Ordering::Acquire)),
            applied: *shared.applied.borrow(),
            waiting_groups: shared.waiting_groups.load(Ordering::Acquire),
            short_of_room: shared.short_of_room.load(Ordering::Acquire),
            ledger_stopped: shared.ledger_stopped.load(Ordering::Acquire),
            failed: shared.failed.get().is_some(),
        }
    }
}

impl Store for JournalStore {
    fn commit(
        &self,
        groups: Vec<Group>,
    ) -> impl Future<Output = Result<Vec<Committed>, StoreError>> + Send {
        let answer = self.shared.hand_over(groups);
        let shared = Arc::clone(&self.shared);
        async move {
            match answer {
                Some(answer) => answer.await.map_err(|_| shared.failure()),
                None => Err(shared.failure()),
            }
        }
    }

    fn load(&self, key: LoadKey) -> impl Future<Output = Result<Loaded, StoreError>> + Send {
        self.read(move |reader| reader.load(key))
    }

    fn applied(&self) -> watch::Receiver<Sequence> {
        self.shared.applied.subscribe()
    }
}

impl Drop for JournalStore {
    fn drop(&mut self) {
        self.shared.calls.close();
        self.shared.reads.close();
        for thread in self.threads.drain(..) {
            // A panic of a thread has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

impl Shared {
    /// Puts groups into the writer's queue, in the order of calls. `None` when the store has failed.
    fn hand_over(&self, groups: Vec<Group>) -> Option<oneshot::Receiver<Vec<Committed>>> {
        if self.failed.get().is_some() {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        let shortage = self.shortage();
        let refuse = |group: &Group| shortage.filter(|_| begins_payment(group));
        let answers = groups.iter().map(|group| refuse(group).map(Err)).collect::<Vec<_>>();
        let taken = groups.into_iter().enumerate().zip(&answers);
        let groups: VecDeque<_> =
            taken.filter(|(_, answer)| answer.is_none()).map(|(group, _)| group).collect();
        self.waiting_groups.fetch_add(groups.len(), Ordering::AcqRel);
        self.calls.put(Call { groups, answers, reply }).ok()?;
        Some(answer)
    }

    /// Why no new payment can be taken, if none can.
    fn shortage(&self) -> Option<Conflict> {
        let behind = self.written.load(Ordering::Acquire).saturating_sub(self.applied.borrow().0);
        if self.short_of_room.load(Ordering::Acquire) {
            Some(Conflict::NoRoom)
        } else if behind >= self.settings.unapplied_max
            || self.ledger_stopped.load(Ordering::Acquire)
            || self.waiting_groups.load(Ordering::Acquire) >= self.settings.waiting_groups_max
        {
            Some(Conflict::Behind)
        } else {
            None
        }
    }

    fn failure(&self) -> StoreError {
        let why = self.failed.get().cloned();
        StoreError::Failed { why: why.unwrap_or_else(|| "the store is being closed".into()) }
    }

    /// Ends all taking of work.
    fn fail(&self, error: &io::Error) {
        tracing::error!(%error, "the journal has failed; no more work is taken");
        // Only the first failure counts, and there is one writer to find it.
        drop(self.failed.set(format!("the journal could not be written: {error}")));
        self.calls.close();
    }
}

/// The writing thread: batches until the queue is closed and empty, or a write fails.
fn write(shared: &Shared, mut journal: Journal) {
    let mut waiting: VecDeque<Call> = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match shared.calls.take_all() {
                Some(calls) => waiting = calls,
                None => break,
            }
        } else {
            waiting.append(&mut shared.calls.take_present());
        }
        if let Err(error) = write_batch(shared, &mut journal, &mut waiting) {
            shared.fail(&error);
            // Whoever waits learns it from the closed channel.
            drop((waiting, shared.calls.take_present()));
            break;
        }
        answer_done(&mut waiting);
    }
    shared.durable.close();
}

/// Writes one batch of what waits, and notes the answers of its groups.
fn write_batch(
    shared: &Shared,
    journal: &mut Journal,
    waiting: &mut VecDeque<Call>,
) -> io::Result<()> {
    let mut batch = journal.batch();
    let mut written = Vec::new();
    for (index, call) in waiting.iter_mut().enumerate() {
        while let Some((place, group)) = call.groups.pop_front() {
            shared.waiting_groups.fetch_sub(1, Ordering::AcqRel);
            match batch.add(&group.records) {
                Ok(last) => written.push((index, place, Durable::attest(group, last))),
                Err(error) => {
                    tracing::error!(%error, "a group cannot be written");
                    note(call, place, Err(Conflict::TooLarge));
                }
            }
            if is_full(&batch, &shared.settings) {
                break;
            }
        }
        if is_full(&batch, &shared.settings) {
            break;
        }
    }
    if batch.records() > 0 {
        // The attestations above leave this function only behind the sync.
        let bytes = journal.append(batch)?;
        shared.written.store(journal.place().last.0, Ordering::Release);
        drop(shared.durable.put(bytes));
    }
    for (index, place, durable) in written {
        if let Some(call) = waiting.get_mut(index) {
            note(call, place, Ok(durable));
        }
    }
    Ok(())
}

fn is_full(batch: &super::journal::frame::BatchWriter, settings: &Settings) -> bool {
    let records = usize::try_from(batch.records()).unwrap_or(usize::MAX);
    records >= settings.batch_records_max || batch.len() >= batch_bytes(settings)
}

/// When a batch is closed, in bytes; one more group must always fit, also into a small segment.
fn batch_bytes(settings: &Settings) -> usize {
    let segment = settings.segment_bytes.min(settings.ballast_bytes.max(1 << 16));
    usize::try_from(segment / 4).unwrap_or(usize::MAX).min(BATCH_BYTES_MAX / 4)
}

fn note(call: &mut Call, place: usize, answer: Committed) {
    if let Some(slot) = call.answers.get_mut(place) {
        *slot = Some(answer);
    }
}

/// Answers the calls at the front of which nothing waits any more.
fn answer_done(waiting: &mut VecDeque<Call>) {
    while waiting.front().is_some_and(|call| call.groups.is_empty()) {
        if let Some(call) = waiting.pop_front() {
            // Nobody may wait any more; the groups are durable all the same.
            drop(call.reply.send(call.answers.into_iter().flatten().collect()));
        }
    }
}

/// The applying thread: large transactions until the writer is done.
fn follow(shared: &Shared, mut ledger: Ledger) {
    while let Some(mut batches) = shared.durable.take_all() {
        shared.durable.linger(shared.settings.apply_every);
        batches.append(&mut shared.durable.take_present());
        let records: Vec<RawRecord<'_>> =
            batches.iter().flat_map(|batch| records_of(batch)).collect();
        let Some(last) = records.last().map(|record| record.sequence) else { continue };
        if !apply(shared, &mut ledger, &records) {
            // The journal holds everything; the next start applies it.
            shared.durable.close();
            return;
        }
        shared.applied.send_replace(last);
    }
}

/// Applies records; on a full disk again and again until there is room. False when it cannot be done.
fn apply(shared: &Shared, ledger: &mut Ledger, records: &[RawRecord<'_>]) -> bool {
    loop {
        match ledger.apply(records) {
            Ok(()) => {
                shared.ledger_stopped.store(false, Ordering::Release);
                return true;
            }
            Err(error) => {
                shared.ledger_stopped.store(true, Ordering::Release);
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the ledger does not follow the journal");
                if !error.is_disk_full() || shared.durable.is_closed() {
                    return false;
                }
                shared.durable.linger(shared.settings.room_retry.max(Duration::from_millis(1)));
            }
        }
    }
}

/// A reading thread.
fn read(shared: &Shared, mut reader: Reader) {
    while let Some(look) = shared.reads.take_one() {
        look(&mut reader);
    }
}
