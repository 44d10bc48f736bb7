//! Room on the disk: the next segment is made ahead by a thread of its own, and a ballast file is kept
//! that can be given up for one more segment when the disk is full.
//!
//! While the next segment cannot be made, [`Room::short`] says so: then no new payment is taken, and
//! what old ones still need (answers, reversals) goes into the rest of this segment and the ballast's.

use super::disk::{Disk, DiskFile};
use super::segment::Format;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How the names of files begin that are no segment yet; whatever a crash leaves of them is removed.
const UNUSED: &str = "unused-";
const BALLAST: &str = "ballast";

/// A file for the next segment.
pub struct Fresh {
    /// The file, zeroed.
    pub file: Box<dyn DiskFile>,
    /// What it is called until it becomes a segment.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// What the room's thread is asked to keep.
#[derive(Debug, Clone, Copy)]
pub struct RoomPlan {
    /// Size of a segment.
    pub segment_bytes: u64,
    /// Size of the ballast.
    pub ballast_bytes: u64,
    /// How long to wait before a full disk is tried again.
    pub retry: Duration,
    /// How segments are written.
    pub format: Format,
}

/// The next segment and the ballast.
pub struct Room {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    plan: RoomPlan,
    state: Mutex<State>,
    changed: Condvar,
    short: Arc<AtomicBool>,
    /// Whether the ballast is known to be there.
    ballast: AtomicBool,
}

#[derive(Default)]
struct State {
    spare: Option<Fresh>,
    closed: bool,
    /// No two files that are made get one name: the one before may still wait to become a segment.
    made: u64,
}

impl Room {
    /// Begins to make the first spare and the ballast.
    /// # Errors
    /// When no thread can be started.
    pub fn open(disk: Arc<dyn Disk>, plan: RoomPlan) -> io::Result<Self> {
        let mut room = Self::by_hand(disk, plan);
        let thread = std::thread::Builder::new().name("journal-room".into()).spawn({
            let shared = Arc::clone(&room.shared);
            move || shared.keep()
        })?;
        room.thread = Some(thread);
        Ok(room)
    }

    /// Room without a thread: it is made when [`Room::make`] is called, or when it is taken.
    pub fn by_hand(disk: Arc<dyn Disk>, plan: RoomPlan) -> Self {
        let (short, ballast) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
        let (state, changed) = (Mutex::new(State::default()), Condvar::new());
        let shared = Arc::new(Shared { disk, plan, state, changed, short, ballast });
        Self { shared, thread: None }
    }

    /// Makes the spare if it is missing and no thread does it.
    pub fn make(&self) {
        if self.thread.is_none() && self.shared.lock().spare.is_none() {
            drop(self.shared.keep_once());
        }
    }

    /// Whether there is no room for a next segment.
    pub fn short(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.short)
    }

    /// The next segment's file. Waits while it is being made; on a full disk gives up the ballast.
    /// # Errors
    /// What the system says when there is no room for the ballast's segment either.
    pub fn take(&self) -> io::Result<Fresh> {
        let shared = &self.shared;
        if !shared.short.load(Ordering::Acquire) {
            self.make();
        }
        let waiting = |state: &mut State| {
            state.spare.is_none() && !state.closed && !shared.short.load(Ordering::Acquire)
        };
        let state = shared.changed.wait_while(shared.lock(), waiting);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if let Some(spare) = state.spare.take() {
            shared.changed.notify_all();
            return Ok(spare);
        }
        // Under the lock, so that the room's thread does not take what the ballast gives up.
        shared.disk.remove(BALLAST)?;
        let bytes = shared.plan.ballast_bytes;
        make_fresh(shared.disk.as_ref(), state.next_name(), bytes)
    }

    /// Looks for room at once instead of after the retry wait.
    pub fn look_again(&self) {
        self.shared.changed.notify_all();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn keep(&self) {
        loop {
            if self.lock().closed {
                return;
            }
            let (state, made) = self.keep_once();
            if made {
                let taken = |state: &mut State| state.spare.is_some() && !state.closed;
                drop(self.changed.wait_while(state, taken));
            } else if !state.closed {
                drop(self.changed.wait_timeout(state, self.plan.retry));
            }
        }
    }

    /// Makes the spare, and says whether there was room for it.
    fn keep_once(&self) -> (MutexGuard<'_, State>, bool) {
        let made = self.make(self.ballast.load(Ordering::Acquire));
        let mut state = self.lock();
        let is_made = made.is_ok();
        match made {
            Ok(spare) => state.spare = Some(spare),
            Err(error) => tracing::error!(%error, "no room for the next journal segment"),
        }
        self.ballast.store(is_made, Ordering::Release);
        self.short.store(!is_made, Ordering::Release);
        self.changed.notify_all();
        (state, is_made)
    }

    /// Makes the spare, and the ballast before it where it may be missing.
    fn make(&self, ballast: bool) -> io::Result<Fresh> {
        if !ballast && self.plan.ballast_bytes > 0 && !self.has_ballast()? {
            let made = self.disk.create(BALLAST, self.plan.ballast_bytes);
            drop(made.inspect_err(|_| discard(self.disk.as_ref(), BALLAST))?);
        }
        let name = self.lock().next_name();
        make_fresh(self.disk.as_ref(), name, self.plan.segment_bytes)
    }

    fn has_ballast(&self) -> io::Result<bool> {
        Ok(self.disk.names()?.iter().any(|name| name == BALLAST))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_name(&mut self) -> String {
        self.made = self.made.saturating_add(1);
        format!("{UNUSED}{}", self.made)
    }
}

/// Makes a file for a segment.
/// # Errors
/// What the system says; nothing stays behind then.
pub fn make_fresh(disk: &dyn Disk, name: String, bytes: u64) -> io::Result<Fresh> {
    let file = disk.create(&name, bytes).inspect_err(|_| discard(disk, &name))?;
    Ok(Fresh { file, name, bytes })
}

/// Removes what a crash may have left of files that were to become segments.
/// # Errors
/// What the system says.
pub fn remove_unused(disk: &dyn Disk) -> io::Result<()> {
    let names = disk.names()?;
    names.iter().filter(|name| name.starts_with(UNUSED)).try_for_each(|name| disk.remove(name))
}

/// A half-made file would take the very room that is short.
fn discard(disk: &dyn Disk, name: &str) {
    if let Err(error) = disk.remove(name) {
        tracing::warn!(%error, name, "a half-made journal file stays behind");
    }
}
