//! How many connections each source holds.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The connections of a listener, counted in all and by source: an IPv4 address, or an IPv6 /64, since
/// one subscriber commands a whole /64.
#[derive(Debug)]
pub struct Sources {
    in_all_max: usize,
    each_max: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    in_all: usize,
    by_source: BTreeMap<IpAddr, usize>,
}

/// Why one more connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The listener holds as many as it may.
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

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Sources {
    /// Counts from nothing.
    pub fn new(in_all_max: usize, each_max: usize) -> Arc<Self> {
        Arc::new(Self { in_all_max, each_max, counts: Mutex::default() })
    }

    /// Takes a place for a connection.
    /// # Errors
    /// [`Full`] when there is none.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Full> {
        let source = prefix(peer);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.in_all >= self.in_all_max {
            return Err(Full::Listener);
        }
        let held = counts.by_source.entry(source).or_default();
        if *held >= self.each_max {
            return Err(Full::Source);
        }
        *held = held.saturating_add(1);
        counts.in_all = counts.in_all.saturating_add(1);
        Ok(Place { sources: Arc::clone(self), source })
    }

    /// How many connections there are.
    pub fn in_all(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).in_all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.sources.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.in_all = counts.in_all.saturating_sub(1);
        let left = counts.by_source.get_mut(&self.source).map(|held| {
            *held = held.saturating_sub(1);
            *held
        });
        if left == Some(0) {
            counts.by_source.remove(&self.source);
        }
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

    #[test]
    fn a_source_cannot_hold_more_than_its_share_and_gets_it_back() {
        let sources = Sources::new(3, 2);
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let same_subscriber: IpAddr = "2001:db8::ffff:2".parse().unwrap();
        let other: IpAddr = "192.0.2.7".parse().unwrap();
        let first = sources.take(one).unwrap();
        let _second = sources.take(same_subscriber).unwrap();
        assert_eq!(sources.take(one).unwrap_err(), Full::Source);
        let _third = sources.take(other).unwrap();
        assert_eq!(sources.take(other).unwrap_err(), Full::Listener);
        drop(first);
        assert_eq!(sources.in_all(), 2);
        assert!(sources.take(one).is_ok());
    }

    #[test]
    fn an_ipv4_address_is_one_source_however_it_is_written() {
        let sources = Sources::new(9, 1);
        let _held = sources.take("192.0.2.7".parse().unwrap()).unwrap();
        assert_eq!(sources.take("::ffff:192.0.2.7".parse().unwrap()).unwrap_err(), Full::Source);
    }
}
