//! Times work in windows. No floats: times are whole nanoseconds, shown as microseconds.
//!
//! Work that computes is timed by its thread's processor time, so that what else runs on the machine
//! counts less; work that waits is timed by the wall clock.

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The processor time of the calling thread.
pub fn thread_cpu() -> Duration {
    reading(ClockId::ThreadCPUTime)
}

/// The processor time of all threads.
pub fn process_cpu() -> Duration {
    reading(ClockId::ProcessCPUTime)
}

fn reading(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How long and how often everything is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How long one window lasts, about.
    pub window: Duration,
    /// How many windows: 1 or more.
    pub windows: usize,
}

/// Nanoseconds per operation over several windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Took {
    /// The median of the windows.
    pub median_ns: u64,
    /// The fastest window.
    pub min_ns: u64,
    /// The slowest window.
    pub max_ns: u64,
}

impl Took {
    /// What several windows come to.
    pub fn of(mut windows: Vec<u64>) -> Self {
        windows.sort_unstable();
        let at = |place: usize| windows.get(place).copied().unwrap_or(0);
        let last = windows.len().saturating_sub(1);
        Self { median_ns: at(last / 2), min_ns: at(0), max_ns: at(last) }
    }
}

/// Microseconds, with as many places as mean something.
#[derive(Debug, Clone, Copy)]
pub struct Micros(pub u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            ns if ns < 100 => format!("0.{ns:03}"),
            ns if ns < 10_000 => format!("{}.{:02}", ns / 1000, ns % 1000 / 10),
            ns => format!("{}.{}", ns / 1000, ns % 1000 / 100),
        };
        f.pad(&text)
    }
}

impl Plan {
    /// The processor time of work that can be done again and again with the same things.
    pub fn time<T>(&self, mut work: impl FnMut() -> T) -> Took {
        self.fill(|times| cpu_of(times, &mut work))
    }

    /// The same by the wall clock, for work that waits.
    pub fn time_wall<T>(&self, mut work: impl FnMut() -> T) -> Took {
        self.fill(|times| {
            let begun = Instant::now();
            (0..times).for_each(|_| drop(black_box(work())));
            begun.elapsed()
        })
    }

    /// The processor time of work that uses up what it is given, which is made outside the clock; all
    /// of a window's is made first. What the work returns is dropped within the clock.
    pub fn time_each<I, T>(
        &self,
        mut make: impl FnMut() -> I,
        mut work: impl FnMut(I) -> T,
    ) -> Took {
        self.fill(|times| cpu_of_each(times, &mut make, &mut work))
    }

    /// How much more processor time one thing takes than another, in hundredths. Their windows take
    /// turns, and each is compared with its neighbour: a machine that is faster or slower a second
    /// later, as shared ones are, changes nothing. Each is given a number of times and says what they
    /// took.
    pub fn ratio(
        &self,
        mut of: impl FnMut(u64) -> Duration,
        mut to: impl FnMut(u64) -> Duration,
    ) -> u64 {
        let short = Self { window: self.window / 4, ..*self };
        let (of_times, to_times) = (short.calibrated(&mut of), short.calibrated(&mut to));
        let compared = |_| {
            let (of_ns, to_ns) = (each(of(of_times), of_times), each(to(to_times), to_times));
            of_ns.saturating_mul(100).checked_div(to_ns).unwrap_or(0)
        };
        Took::of((0..self.windows.saturating_mul(3)).map(compared).collect()).median_ns
    }

    /// Runs `window`, which does so many operations and returns what they took, as often as planned;
    /// once more before that, to warm up.
    pub fn windows(&self, operations: u64, mut window: impl FnMut() -> Duration) -> Took {
        window();
        Took::of((0..self.windows).map(|_| each(window(), operations)).collect())
    }

    /// Finds out how many times fill a window, which warms up as well, and times windows of so many.
    fn fill(&self, mut repeat: impl FnMut(u64) -> Duration) -> Took {
        let times = self.calibrated(&mut repeat);
        Took::of((0..self.windows).map(|_| each(repeat(times), times)).collect())
    }

    fn calibrated(&self, repeat: &mut impl FnMut(u64) -> Duration) -> u64 {
        let mut times = 1_u64;
        loop {
            let took = repeat(times);
            if took.saturating_mul(5) >= self.window {
                let wanted = self.window.as_nanos().saturating_mul(u128::from(times));
                let fill = wanted.checked_div(took.as_nanos()).unwrap_or(1);
                return u64::try_from(fill).unwrap_or(u64::MAX).max(1);
            }
            times = times.saturating_mul(2);
        }
    }
}

/// The processor time of doing something so many times.
pub fn cpu_of<T>(times: u64, work: &mut impl FnMut() -> T) -> Duration {
    let before = thread_cpu();
    (0..times).for_each(|_| drop(black_box(work())));
    thread_cpu().saturating_sub(before)
}

/// The processor time of doing something so many times with what is made before.
pub fn cpu_of_each<I, T>(
    times: u64,
    make: &mut impl FnMut() -> I,
    work: &mut impl FnMut(I) -> T,
) -> Duration {
    let made: Vec<I> = (0..times).map(|_| make()).collect();
    let before = thread_cpu();
    made.into_iter().for_each(|item| drop(black_box(work(item))));
    thread_cpu().saturating_sub(before)
}

fn each(took: Duration, operations: u64) -> u64 {
    let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    ns.checked_div(operations).unwrap_or(0)
}
