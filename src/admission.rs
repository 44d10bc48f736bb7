//! How much new work there may be at a time, and whose. A place is taken before anything is accepted
//! and given back when the outcome is known; what finds no place is refused and told to come again.
//!
//! Fair: as long as places are free anybody takes them. Once they are all taken, a merchant that holds
//! its share already is refused, and one that holds less still gets in by a small reserve; so who floods
//! gives way to the others, and who is alone has everything. A share is by weight among the merchants
//! that hold places.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_line::breaker::Breaker;
use tidegate_line::host::Room;
use tidegate_payment::id::{HostId, MerchantId};
use tokio::sync::watch;

/// How many requests more than there are free places may be on their way to them: some are refused
/// later, or answered from the record.
const ENTERING_MORE: u32 = 4;

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    /// All places are taken.
    #[error("all places are taken")]
    Full,
    /// All places are taken, and this merchant holds its share of them while others want theirs.
    #[error("the merchant holds its share of the places")]
    OverShare,
}

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// For anybody.
    pub ordinary: u32,
    /// For merchants below their share, on top.
    pub reserve: u32,
}

impl Places {
    /// So many, and a quarter on top for merchants below their share.
    pub fn with_reserve(ordinary: u32) -> Self {
        Self { ordinary, reserve: (ordinary / 4).max(1) }
    }
}

/// Places that merchants share.
#[derive(Debug, Default)]
pub struct Shares(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    total: u32,
    by: BTreeMap<Option<MerchantId>, (u32, u32)>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    shares: Arc<Shares>,
    who: Option<MerchantId>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.total = held.total.saturating_sub(1);
        if let Some((count, _)) = held.by.get_mut(&self.who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.by.remove(&self.who);
            }
        }
    }
}

impl Held {
    /// How many places one could take now.
    fn free(&self, who: &Option<MerchantId>, weight: u32, places: Places) -> Result<u32, Crowded> {
        if self.total < places.ordinary {
            return Ok(places.ordinary.saturating_sub(self.total));
        }
        let mine = self.by.get(who).map_or(0, |(count, _)| *count);
        let others = self.by.iter().filter(|(other, _)| *other != who);
        let others = others.fold(0_u32, |sum, (_, (_, weight))| sum.saturating_add(*weight));
        let all = others.saturating_add(weight).max(1);
        let share = places.ordinary.saturating_mul(weight).checked_div(all).unwrap_or(0).max(1);
        let most = places.ordinary.saturating_add(places.reserve);
        match (mine < share, self.total < most) {
            (true, true) => {
                let below = share.saturating_sub(mine);
                Ok(most.saturating_sub(self.total).min(below))
            }
            (false, _) if others > 0 => Err(Crowded::OverShare),
            _ => Err(Crowded::Full),
        }
    }
}

impl Shares {
    /// Takes a place for a merchant (or for those who are not known). `weight`: 1 or more.
    /// # Errors
    /// [`Crowded`].
    pub fn enter(
        self: &Arc<Self>,
        who: Option<MerchantId>,
        weight: u32,
        places: Places,
    ) -> Result<Place, Crowded> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.free(&who, weight, places)?;
        held.total = held.total.saturating_add(1);
        let (count, last) = held.by.entry(who.clone()).or_insert((0, weight));
        *count = count.saturating_add(1);
        *last = weight;
        drop(held);
        Ok(Place { shares: Arc::clone(self), who })
    }

    /// How many places one could take now.
    fn free(&self, who: &Option<MerchantId>, weight: u32, places: Places) -> Result<u32, Crowded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).free(who, weight, places)
    }

    /// How many are taken.
    pub fn held(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

/// The doors to all hosts.
#[derive(Debug, Default)]
pub struct Admission {
    doors: BTreeMap<HostId, Door>,
    entering: Arc<AtomicU32>,
}

#[derive(Debug)]
struct Door {
    room: watch::Receiver<Room>,
    shares: Arc<Shares>,
}

/// A request that is on its way to a host's door, until it is dropped.
#[derive(Debug)]
pub struct Entering(Arc<AtomicU32>);

impl Drop for Entering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a host's door says.
#[derive(Debug)]
pub enum Entry {
    /// Come in.
    In(Place),
    /// Come again.
    Later(Crowded),
    /// Nobody comes in: the host is down, its breaker is open, or its probe is under way.
    Closed,
}

impl Door {
    fn room(&self) -> Room {
        *self.room.borrow()
    }

    fn places(&self) -> Places {
        let Room { limit, breaker, .. } = self.room();
        match breaker {
            Breaker::Closed => Places::with_reserve(limit),
            // A probe is one and no more.
            Breaker::Open(_) | Breaker::HalfOpen => Places { ordinary: limit, reserve: 0 },
        }
    }
}

impl Admission {
    /// The doors to hosts, which say themselves how much room they have.
    pub fn new(rooms: BTreeMap<HostId, watch::Receiver<Room>>) -> Self {
        let door = |room| Door { room, shares: Arc::default() };
        let doors = rooms.into_iter().map(|(host, room)| (host, door(room))).collect();
        Self { doors, entering: Arc::default() }
    }

    /// Takes a place at a host.
    pub fn enter(&self, host: &HostId, who: &MerchantId, weight: u32) -> Entry {
        let Some(door) = self.doors.get(host) else { return Entry::Closed };
        let places = door.places();
        if places.ordinary == 0 {
            return Entry::Closed;
        }
        match door.shares.enter(Some(who.clone()), weight, places) {
            Ok(place) => Entry::In(place),
            Err(_) if places.reserve == 0 => Entry::Closed,
            Err(crowded) => Entry::Later(crowded),
        }
    }

    /// Before a request is looked at: whether any host could have a place for it. Where all hosts are
    /// closed nothing is held up here: what was accepted before is answered from its record.
    /// # Errors
    /// [`Crowded`].
    pub fn approach(&self, who: Option<&MerchantId>, weight: u32) -> Result<Entering, Crowded> {
        let who = who.cloned();
        let entering = self.entering.load(Ordering::Relaxed);
        let mut refused = None;
        for door in self.doors.values().filter(|door| door.room().limit > 0) {
            match door.shares.free(&who, weight, door.places()) {
                Ok(free) if entering < free.saturating_add(ENTERING_MORE) => {
                    refused = None;
                    break;
                }
                Ok(_) => refused = refused.or(Some(Crowded::Full)),
                Err(crowded) => refused = Some(crowded),
            }
        }
        if let Some(crowded) = refused {
            return Err(crowded);
        }
        self.entering.fetch_add(1, Ordering::Relaxed);
        Ok(Entering(Arc::clone(&self.entering)))
    }

    /// How many places are taken at each host.
    pub fn held(&self) -> BTreeMap<HostId, u32> {
        self.doors.iter().map(|(host, door)| (host.clone(), door.shares.held())).collect()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;

    fn merchant(name: &str) -> Option<MerchantId> {
        Some(MerchantId::parse(name).unwrap())
    }

    /// Takes places for a merchant until it is refused.
    fn fill(
        shares: &Arc<Shares>,
        name: &str,
        weight: u32,
        places: Places,
    ) -> (Vec<Place>, Crowded) {
        let mut taken = Vec::new();
        loop {
            match shares.enter(merchant(name), weight, places) {
                Ok(place) => taken.push(place),
                Err(crowded) => return (taken, crowded),
            }
        }
    }

    const PLACES: Places = Places { ordinary: 40, reserve: 10 };

    #[test]
    fn who_is_alone_has_everything_and_who_floods_gives_way() {
        let shares = Arc::<Shares>::default();
        let (mut flood, why) = fill(&shares, "flood", 1, PLACES);
        assert_eq!((flood.len(), why), (40, Crowded::Full));
        let (mut calm, why) = fill(&shares, "calm", 1, PLACES);
        assert_eq!((calm.len(), why), (10, Crowded::Full), "by the reserve at first");
        // Each place that the flood gives back goes to whoever is below its share.
        let mut refused = 0;
        while calm.len() < 20 {
            drop(flood.pop());
            assert_eq!(shares.enter(merchant("flood"), 1, PLACES).unwrap_err(), Crowded::OverShare);
            refused += 1;
            calm.push(shares.enter(merchant("calm"), 1, PLACES).unwrap());
        }
        assert_eq!((refused, flood.len(), shares.held()), (10, 30, 50));
        assert_eq!(shares.enter(merchant("calm"), 1, PLACES).unwrap_err(), Crowded::OverShare);
    }

    #[test]
    fn a_share_is_by_weight() {
        let shares = Arc::<Shares>::default();
        let places = Places { ordinary: 40, reserve: 1_000 };
        let (_flood, _) = fill(&shares, "flood", 1, places);
        let (heavy, why) = fill(&shares, "heavy", 3, places);
        assert_eq!((heavy.len(), why), (30, Crowded::OverShare));
        drop(heavy);
        let (light, _) = fill(&shares, "light", 1, places);
        assert_eq!(light.len(), 20);
    }

    #[test]
    fn places_come_back_and_nothing_is_kept_of_who_left() {
        let shares = Arc::<Shares>::default();
        let (taken, _) = fill(&shares, "m", 1, PLACES);
        drop(taken);
        assert_eq!(shares.held(), 0);
        assert!(shares.0.lock().unwrap().by.is_empty());
    }

    struct Doors {
        admission: Admission,
        rooms: Vec<watch::Sender<Room>>,
    }

    fn host(name: &str) -> HostId {
        HostId::parse(name).unwrap()
    }

    fn room(limit: u32, breaker: Breaker) -> Room {
        Room { limit, breaker, breaker_opened: 0 }
    }

    fn doors(limits: [u32; 2]) -> Doors {
        let names = ["one", "two"].map(host);
        let (rooms, hears): (Vec<_>, Vec<_>) =
            limits.map(|limit| watch::channel(room(limit, Breaker::Closed))).into_iter().unzip();
        Doors { admission: Admission::new(names.into_iter().zip(hears).collect()), rooms }
    }

    #[test]
    fn a_full_host_says_later_a_closed_one_nothing_and_a_probe_is_one() {
        let Doors { admission, rooms } = doors([1, 0]);
        let (m, n) = (merchant("m").unwrap(), merchant("n").unwrap());
        let enter = |who| admission.enter(&host("one"), who, 1);
        let Entry::In(first) = enter(&m) else { panic!("it is free") };
        assert!(matches!(enter(&m), Entry::Later(Crowded::Full)));
        let Entry::In(second) = enter(&n) else { panic!("below its share") };
        assert!(matches!(enter(&n), Entry::Later(Crowded::OverShare)));
        assert!(matches!(admission.enter(&host("two"), &m, 1), Entry::Closed));
        assert_eq!(admission.held().values().copied().collect::<Vec<_>>(), [2, 0]);
        drop((first, second));

        rooms[0].send_replace(room(1, Breaker::HalfOpen));
        let Entry::In(probe) = enter(&m) else { panic!("one probe") };
        assert!(matches!(enter(&n), Entry::Closed));
        drop(probe);
        assert!(matches!(enter(&n), Entry::In(_)));
    }

    #[test]
    fn no_more_approach_than_could_come_in() {
        let Doors { admission, rooms } = doors([2, 0]);
        let m = merchant("m");
        let on_their_way: Vec<_> =
            (0..6).map(|_| admission.approach(m.as_ref(), 1).unwrap()).collect();
        assert_eq!(admission.approach(m.as_ref(), 1).unwrap_err(), Crowded::Full);
        // A second host opens: there is room again.
        rooms[1].send_replace(room(10, Breaker::Closed));
        assert!(admission.approach(m.as_ref(), 1).is_ok());
        drop(on_their_way);
        // With all hosts closed everybody comes through, and learns it further on.
        for it in &rooms {
            it.send_replace(room(0, Breaker::Closed));
        }
        assert!(admission.approach(m.as_ref(), 1).is_ok());
    }
}
