//! Places that peers share: how many each source holds, and whose place a newcomer gets when all are
//! taken.
//!
//! A limit alone would let a few hundred patient strangers keep everybody out: so a full house makes
//! room. Whose work is under way, or who has shown that it has business here, keeps its place; of the
//! others, the source that holds the most gives up its oldest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Places, counted in all and by source: an IPv4 address, or an IPv6 /64, since one subscriber
/// commands a whole /64.
#[derive(Debug)]
pub struct Sources {
    in_all_max: usize,
    each_max: usize,
    /// How long a place is safe from those who would then hold as many.
    grace: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_all: usize,
    next: u64,
    by_source: BTreeMap<IpAddr, Held>,
    /// Each source with places to give up: how many, and its oldest.
    ranks: BTreeSet<(usize, Reverse<u64>, IpAddr)>,
}

/// What a source holds.
#[derive(Debug, Default)]
struct Held {
    places: usize,
    /// Of these, those that can be taken from it, the oldest first.
    loose: BTreeMap<u64, Loose>,
}

#[derive(Debug, Clone)]
struct Loose {
    since: Instant,
    lost: CancellationToken,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All are taken, and nobody can be asked to go.
    Listener,
    /// The source holds as many as it may.
    Source,
}

impl Full {
    /// The label of the metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Listener => "connections_max",
            Self::Source => "connections_per_source_max",
        }
    }
}

/// One place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    sources: Arc<Sources>,
    source: IpAddr,
    number: u64,
    taken: Loose,
    keeping: Mutex<Keeping>,
}

/// Why a place cannot be taken away.
#[derive(Debug, Default)]
struct Keeping {
    works: usize,
    for_good: bool,
}

/// Work under way for who holds a place, until dropped.
#[derive(Debug)]
pub struct Work(Arc<Place>);

impl Sources {
    /// Nothing is taken. A place can be taken from a source that holds more than the newcomer's would, and
    /// after `grace` from one that holds as many.
    pub fn new(in_all_max: usize, each_max: usize, grace: Duration) -> Arc<Self> {
        Arc::new(Self { in_all_max, each_max, grace, state: Mutex::default() })
    }

    /// Takes a place, perhaps another's.
    /// # Errors
    /// [`Full`] when there is none.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Arc<Place>, Full> {
        let source = prefix(peer);
        let mut state = self.lock();
        let held = state.by_source.get(&source);
        if held.map_or(0, |held| held.places) >= self.each_max {
            return Err(Full::Source);
        }
        let loose = held.map_or(0, |held| held.loose.len());
        if state.in_all >= self.in_all_max {
            state.make_room(loose.saturating_add(1), self.grace).ok_or(Full::Listener)?;
        }
        let number = state.next;
        state.next = number.saturating_add(1);
        state.in_all = state.in_all.saturating_add(1);
        let taken = Loose { since: Instant::now(), lost: CancellationToken::new() };
        state.change(source, |held| {
            held.places = held.places.saturating_add(1);
            held.loose.insert(number, taken.clone());
        });
        let keeping = Mutex::default();
        Ok(Arc::new(Place { sources: Arc::clone(self), source, number, taken, keeping }))
    }

    /// How many are taken.
    pub fn in_all(&self) -> usize {
        self.lock().in_all
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Changes what a source holds, and where it ranks by it.
    fn change(&mut self, source: IpAddr, change: impl FnOnce(&mut Held)) {
        let held = self.by_source.entry(source).or_default();
        let rank = |held: &Held| {
            let (oldest, _) = held.loose.first_key_value()?;
            Some((held.loose.len(), Reverse(*oldest), source))
        };
        let before = rank(held);
        change(held);
        let (after, gone) = (rank(held), held.places == 0);
        if before != after {
            before.map(|rank| self.ranks.remove(&rank));
            after.map(|rank| self.ranks.insert(rank));
        }
        if gone {
            self.by_source.remove(&source);
        }
    }

    /// Takes a place from the source with the most to give up; none if the newcomer, which would have
    /// `wanted` of that kind, has no better claim.
    fn make_room(&mut self, wanted: usize, grace: Duration) -> Option<()> {
        let (count, Reverse(oldest), source) = *self.ranks.last()?;
        let loose = self.by_source.get(&source)?.loose.get(&oldest)?.clone();
        if count <= wanted && loose.since.elapsed() < grace {
            return None;
        }
        self.give_back(source, oldest);
        loose.lost.cancel();
        Some(())
    }

    fn give_back(&mut self, source: IpAddr, number: u64) {
        self.in_all = self.in_all.saturating_sub(1);
        self.change(source, |held| {
            held.places = held.places.saturating_sub(1);
            held.loose.remove(&number);
        });
    }
}

impl Place {
    /// Waits until a newcomer has taken the place.
    pub async fn lost(&self) {
        self.taken.lost.cancelled().await;
    }

    /// Work begins for who holds the place; until its end the place cannot be taken away.
    pub fn work(self: &Arc<Self>) -> Work {
        self.keep(|keeping| keeping.works = keeping.works.saturating_add(1));
        Work(Arc::clone(self))
    }

    /// Who holds the place has business here: from now on it cannot be taken away.
    pub fn keep_for_good(&self) {
        self.keep(|keeping| keeping.for_good = true);
    }

    fn keep(&self, change: impl FnOnce(&mut Keeping)) {
        let mut keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let is_loose = |keeping: &Keeping| keeping.works == 0 && !keeping.for_good;
        let before = is_loose(&keeping);
        change(&mut keeping);
        let after = is_loose(&keeping);
        if before == after {
            return;
        }
        let mut state = self.sources.lock();
        if !self.taken.lost.is_cancelled() {
            state.change(self.source, |held| {
                if after {
                    held.loose.insert(self.number, self.taken.clone());
                } else {
                    held.loose.remove(&self.number);
                }
            });
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.sources.lock();
        if !self.taken.lost.is_cancelled() {
            state.give_back(self.source, self.number);
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.keep(|keeping| keeping.works = keeping.works.saturating_sub(1));
    }
}

fn prefix(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => IpAddr::V4(mapped),
            None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn is_lost(place: &Place) -> bool {
        place.taken.lost.is_cancelled()
    }

    #[test]
    fn a_source_cannot_hold_more_than_its_share_and_gets_it_back() {
        let sources = Sources::new(3, 2, LONG);
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let same_subscriber: IpAddr = "2001:db8::ffff:2".parse().unwrap();
        let first = sources.take(one).unwrap();
        let _second = sources.take(same_subscriber).unwrap();
        assert_eq!(sources.take(one).unwrap_err(), Full::Source);
        let _third = sources.take(source(7)).unwrap();
        assert_eq!(sources.take(source(7)).unwrap_err(), Full::Listener);
        drop(first);
        assert_eq!(sources.in_all(), 2);
        assert!(sources.take(one).is_ok());
    }

    #[test]
    fn an_ipv4_address_is_one_source_however_it_is_written() {
        let sources = Sources::new(9, 1, LONG);
        let _held = sources.take("192.0.2.7".parse().unwrap()).unwrap();
        assert_eq!(sources.take("::ffff:192.0.2.7".parse().unwrap()).unwrap_err(), Full::Source);
    }

    #[test]
    fn when_all_is_taken_the_source_that_holds_the_most_gives_up_its_oldest() {
        let sources = Sources::new(5, 9, LONG);
        let few: Vec<_> = (0..2).map(|_| sources.take(source(1)).unwrap()).collect();
        let many: Vec<_> = (0..3).map(|_| sources.take(source(2)).unwrap()).collect();
        let newcomer = sources.take(source(3)).unwrap();
        assert_eq!(
            many.iter().map(|place| is_lost(place)).collect::<Vec<_>>(),
            [true, false, false]
        );
        let another = sources.take(source(3)).unwrap_err();
        assert_eq!(another, Full::Listener, "nobody holds more than two now");
        assert!(few.iter().chain([&newcomer]).all(|place| !is_lost(place)));
        assert_eq!(sources.in_all(), 5);
        drop((few, many, newcomer));
        assert_eq!(sources.in_all(), 0);
        assert!(sources.lock().by_source.is_empty() && sources.lock().ranks.is_empty());
    }

    #[test]
    fn of_many_sources_with_one_place_each_the_oldest_goes_after_the_grace() {
        for (grace, goes) in [(LONG, false), (Duration::ZERO, true)] {
            let sources = Sources::new(3, 9, grace);
            let held: Vec<_> = (0..3).map(|last| sources.take(source(last)).unwrap()).collect();
            assert_eq!(sources.take(source(9)).is_ok(), goes);
            assert_eq!(held.iter().map(|it| is_lost(it)).collect::<Vec<_>>(), [goes, false, false]);
        }
    }

    #[test]
    fn work_under_way_and_proven_business_keep_their_places() {
        let sources = Sources::new(3, 9, Duration::ZERO);
        let at_work = sources.take(source(1)).unwrap();
        let (one, two) = (at_work.work(), at_work.work());
        let proven = sources.take(source(1)).unwrap();
        drop(proven.work());
        proven.keep_for_good();
        let stranger = sources.take(source(1)).unwrap();
        let newcomer = sources.take(source(2)).unwrap();
        assert!(is_lost(&stranger) && !is_lost(&at_work) && !is_lost(&proven));
        drop((one, newcomer.work()));
        newcomer.keep_for_good();
        assert_eq!(sources.take(source(2)).unwrap_err(), Full::Listener);
        drop(two);
        let last = sources.take(source(2)).unwrap();
        assert!(is_lost(&at_work) && !is_lost(&last));
        // What was lost and ends late counts no second time.
        drop((at_work, stranger));
        assert_eq!(sources.in_all(), 3);
    }
}
