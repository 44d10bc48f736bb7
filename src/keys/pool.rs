//! A bounded pool of threads for work that computes or blocks: signatures, decryption, key stores.
//!
//! It never grows: when all its places are taken, [`WorkerPool::try_run`] refuses at once and
//! [`WorkerPool::run`] waits its turn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, oneshot};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that take jobs from one bounded queue. Dropping the pool lets them finish what is queued.
pub struct WorkerPool {
    jobs: Sender<Job>,
    places: Arc<Semaphore>,
}

/// Why a job gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// All places of the pool are taken.
    #[error("all places of the worker pool are taken")]
    Full,
    /// The job panicked, or the pool is gone.
    #[error("a worker lost its job")]
    Lost,
}

impl WorkerPool {
    /// Starts `threads` threads (at least one) named `name`; at most `jobs_max` jobs are queued or
    /// under way.
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn start(name: &str, threads: usize, jobs_max: usize) -> std::io::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
            thread.spawn(move || work(&queue))?;
        }
        Ok(Self { jobs, places: Arc::new(Semaphore::new(jobs_max.max(1))) })
    }

    /// Runs a job if a place is free.
    /// # Errors
    /// [`PoolError::Full`] at once if none is; [`PoolError::Lost`] if the job panicked.
    pub async fn try_run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let places = Arc::clone(&self.places);
        let place = places.try_acquire_owned().map_err(|_| PoolError::Full)?;
        self.hand_over(place, job).await
    }

    /// Runs a job as soon as a place is free. Callers are bounded by their own admission.
    /// # Errors
    /// [`PoolError::Lost`] if the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let places = Arc::clone(&self.places);
        let place = places.acquire_owned().await.map_err(|_| PoolError::Lost)?;
        self.hand_over(place, job).await
    }

    /// The place is given back by the worker, not by the caller: a caller that goes away must not let
    /// more jobs in than there are places.
    async fn hand_over<T: Send + 'static>(
        &self,
        place: tokio::sync::OwnedSemaphorePermit,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            let outcome = catch_unwind(AssertUnwindSafe(job));
            drop(place);
            if let Ok(value) = outcome {
                // Nobody waits any more: the result is dropped.
                let _ = done.send(value);
            }
        });
        self.jobs.send(job).map_err(|_| PoolError::Lost)?;
        result.await.map_err(|_| PoolError::Lost)
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_pool_refuses_at_once_and_a_panic_costs_only_its_job() {
        let pool = Arc::new(WorkerPool::start("t", 1, 1).unwrap());
        let (release, held) = channel::<()>();
        let busy = Arc::clone(&pool);
        let first = tokio::spawn(async move { busy.try_run(move || held.recv().is_ok()).await });
        while pool.places.available_permits() != 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.try_run(|| 1).await, Err(PoolError::Full));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        assert_eq!(pool.run(|| -> u8 { panic!("a job's own fault") }).await, Err(PoolError::Lost));
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }
}
