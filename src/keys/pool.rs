//! A bounded pool of threads for work that computes or blocks: signatures, decryption, key stores.
//!
//! It never grows: when the places of a lane are taken, [`WorkerPool::try_run`] refuses at once and
//! [`WorkerPool::run`] waits its turn. What is begun is finished first: the kept lane goes before the
//! ordinary one on every thread, and has threads and places that the ordinary one never gets.

use crate::lane::{Lane, kept_of, ordinary_of};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that take jobs from one bounded queue for each lane. Dropping the pool lets them finish
/// what is queued.
pub struct WorkerPool {
    queues: Arc<Queues>,
    places: Arc<Semaphore>,
    ordinary: Arc<Semaphore>,
}

/// Why a job gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// All places of the lane are taken.
    #[error("all places of the worker pool are taken")]
    Full,
    /// The job panicked, or the pool is gone.
    #[error("a worker lost its job")]
    Lost,
}

/// The jobs that wait. Never more than there are places: each job holds one.
#[derive(Default)]
struct Queues {
    waiting: Mutex<Waiting>,
    /// For the threads that serve both lanes, and for those that serve the kept one alone.
    any: Condvar,
    kept: Condvar,
}

#[derive(Default)]
struct Waiting {
    ordinary: VecDeque<Job>,
    kept: VecDeque<Job>,
    closed: bool,
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        self.queues.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.queues.any.notify_all();
        self.queues.kept.notify_all();
    }
}

impl WorkerPool {
    /// Starts `threads` threads (at least one) named `name` for both lanes, and [`kept_of`] as many
    /// more for the kept lane; at most `jobs_max` jobs are queued or under way, [`ordinary_of`] them of
    /// the ordinary lane.
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn start(name: &str, threads: usize, jobs_max: usize) -> std::io::Result<Self> {
        let queues = Arc::<Queues>::default();
        let threads = threads.max(1);
        for number in 0..threads.saturating_add(kept_of(threads)) {
            let lane = if number < threads { Lane::Ordinary } else { Lane::Kept };
            let queues = Arc::clone(&queues);
            let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
            thread.spawn(move || queues.work(lane))?;
        }
        let places = Arc::new(Semaphore::new(jobs_max.max(2)));
        let ordinary = Arc::new(Semaphore::new(ordinary_of(jobs_max)));
        Ok(Self { queues, places, ordinary })
    }

    /// Runs a job if a place of its lane is free.
    /// # Errors
    /// [`PoolError::Full`] at once if none is; [`PoolError::Lost`] if the job panicked.
    pub async fn try_run<T: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let take = |places: &Arc<Semaphore>| {
            Arc::clone(places).try_acquire_owned().map_err(|_| PoolError::Full)
        };
        let ordinary = match lane {
            Lane::Ordinary => Some(take(&self.ordinary)?),
            Lane::Kept => None,
        };
        let place = take(&self.places)?;
        self.hand_over(lane, (place, ordinary), job).await
    }

    /// Runs a job of the kept lane as soon as a place is free. Callers are bounded by their own
    /// admission.
    /// # Errors
    /// [`PoolError::Lost`] if the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let places = Arc::clone(&self.places);
        let place = places.acquire_owned().await.map_err(|_| PoolError::Lost)?;
        self.hand_over(Lane::Kept, (place, None), job).await
    }

    /// The place is given back by the worker, not by the caller: a caller that goes away must not let
    /// more jobs in than there are places.
    async fn hand_over<T: Send + 'static>(
        &self,
        lane: Lane,
        places: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            let outcome = catch_unwind(AssertUnwindSafe(job));
            drop(places);
            if let Ok(value) = outcome {
                // Nobody waits any more: the result is dropped.
                let _ = done.send(value);
            }
        });
        self.queues.put(lane, job);
        result.await.map_err(|_| PoolError::Lost)
    }
}

impl Queues {
    fn put(&self, lane: Lane, job: Job) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match lane {
            Lane::Ordinary => waiting.ordinary.push_back(job),
            Lane::Kept => waiting.kept.push_back(job),
        }
        drop(waiting);
        // Whoever is free first takes a job of the kept lane; whom it finds taken sleeps on.
        if lane == Lane::Kept {
            self.kept.notify_one();
        }
        self.any.notify_one();
    }

    fn work(&self, lane: Lane) {
        while let Some(job) = self.next(lane) {
            job();
        }
    }

    fn next(&self, lane: Lane) -> Option<Job> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let job = waiting.kept.pop_front().or_else(|| match lane {
                Lane::Ordinary => waiting.ordinary.pop_front(),
                Lane::Kept => None,
            });
            if job.is_some() || waiting.closed {
                return job;
            }
            let bell = if lane == Lane::Kept { &self.kept } else { &self.any };
            waiting = bell.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[tokio::test]
    async fn a_full_pool_refuses_at_once_and_a_panic_costs_only_its_job() {
        let pool = Arc::new(WorkerPool::start("t", 1, 2).unwrap());
        let (release, held) = sync_channel::<()>(1);
        let busy = Arc::clone(&pool);
        let job = move || held.recv().is_ok();
        let first = tokio::spawn(async move { busy.try_run(Lane::Ordinary, job).await });
        while pool.ordinary.available_permits() != 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.try_run(Lane::Ordinary, || 1).await, Err(PoolError::Full));
        // The kept lane has a thread and a place of its own.
        assert_eq!(pool.try_run(Lane::Kept, || 2).await, Ok(2));
        assert_eq!(pool.run(|| 3).await, Ok(3));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        assert_eq!(pool.run(|| -> u8 { panic!("a job's own fault") }).await, Err(PoolError::Lost));
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }
}
