//! STANs and RRNs from durable leases: a number that was given out once is never given out again
//! inside its space until the space has wrapped, whatever crashes in between.

use crate::id::{HostId, PaymentId, Rrn, Stan};
use crate::record::{Block, Leased, Record};
use crate::time::{BusinessDate, Timestamp};
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;

/// How many numbers are leased at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseSizes {
    /// STANs of one host, at most a quarter of the space.
    pub stans: u32,
    /// RRN sequence numbers.
    pub rrns: u32,
}

/// The numbers that may be given out, and those that must be leased first.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Numbering {
    sizes: LeaseSizes,
    stans: BTreeMap<HostId, Space>,
    rrns: Space,
    /// Who holds a number: only its holder gives it back.
    in_use: BTreeMap<(HostId, Stan), PaymentId>,
}

/// A circle of numbers `low ..= high`, of which a block may be given out.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Space {
    low: u32,
    high: u32,
    /// The next number to give out, if `left` is not zero.
    next: u32,
    left: u32,
    /// The first number after everything leased so far.
    frontier: u32,
    /// A durable block that waits until the present one is used up.
    ahead: Option<(u32, u32)>,
    /// A lease was asked for and is not durable yet.
    asked: bool,
}

impl Space {
    fn new(low: u32, high: u32) -> Self {
        Self { low, high, next: low, left: 0, frontier: low, ahead: None, asked: false }
    }

    fn after(&self, number: u32, steps: u32) -> u32 {
        let size = u64::from(self.high.saturating_sub(self.low)).saturating_add(1);
        let offset = u64::from(number.saturating_sub(self.low)).saturating_add(u64::from(steps));
        let offset = offset.checked_rem(size).unwrap_or(0);
        self.low.saturating_add(u32::try_from(offset).unwrap_or(0))
    }

    fn take(&mut self) -> Option<u32> {
        if self.left == 0 {
            let (first, count) = self.ahead.take()?;
            (self.next, self.left) = (first, count);
        }
        let number = self.next;
        self.next = self.after(number, 1);
        self.left = self.left.saturating_sub(1);
        Some(number)
    }

    /// The block to lease now, if half of the present one is used and no other is on its way.
    fn due(&mut self, size: u32) -> Option<(u32, u32)> {
        if self.asked || self.ahead.is_some() || self.left > size / 2 {
            return None;
        }
        self.asked = true;
        Some((self.frontier, size))
    }

    fn leased(&mut self, first: u32, count: u32) {
        self.asked = false;
        self.ahead = Some((first, count));
        self.frontier = self.after(first, count);
    }

    /// A block from before a restart: none of it may be used any more.
    fn spent(&mut self, first: u32, count: u32) {
        self.frontier = self.after(first, count);
    }
}

impl Numbering {
    /// Numbers for these hosts; nothing can be given out before a lease is durable.
    pub fn new(hosts: impl IntoIterator<Item = HostId>, sizes: LeaseSizes) -> Self {
        let stans = hosts.into_iter().map(|host| (host, Space::new(1, Stan::MAX)));
        Self {
            sizes,
            stans: stans.collect(),
            rrns: Space::new(0, 99_999_999),
            in_use: BTreeMap::new(),
        }
    }

    /// Leases that should be written now: at the start, and whenever a block is half used.
    pub fn due(&mut self, at: Timestamp) -> alloc::vec::Vec<Record> {
        let mut records = alloc::vec::Vec::new();
        for (host, space) in &mut self.stans {
            let Some((first, count)) = space.due(self.sizes.stans) else { continue };
            if let Ok(first) = Stan::new(first) {
                let block = Block::Stan { host: host.clone(), first, count };
                records.push(Record::Leased(Leased { at, block }));
            }
        }
        if let Some((first, count)) = self.rrns.due(self.sizes.rrns) {
            records.push(Record::Leased(Leased { at, block: Block::Rrn { first, count } }));
        }
        records
    }

    /// A lease became durable: its numbers may be given out.
    pub fn leased(&mut self, block: &Block) {
        match block {
            Block::Stan { host, first, count } => {
                if let Some(space) = self.stans.get_mut(host) {
                    space.leased(first.number(), *count);
                }
            }
            Block::Rrn { first, count } => self.rrns.leased(*first, *count),
        }
    }

    /// A lease of an earlier run: its numbers may have been given out.
    pub fn spent(&mut self, block: &Block) {
        match block {
            Block::Stan { host, first, count } => {
                if let Some(space) = self.stans.get_mut(host) {
                    space.spent(first.number(), *count);
                }
            }
            Block::Rrn { first, count } => self.rrns.spent(*first, *count),
        }
    }

    /// Gives a payment a STAN of the host and an RRN of the date. STANs of payments that are still
    /// open or owe an advice are skipped. `None` when nothing is leased.
    pub fn take(
        &mut self,
        holder: PaymentId,
        host: &HostId,
        date: BusinessDate,
    ) -> Option<(Stan, Rrn)> {
        let stan = loop {
            let stan = Stan::new(self.stans.get_mut(host)?.take()?).ok()?;
            if self.hold(holder, host, stan) {
                break stan;
            }
        };
        let Some(sequence) = self.rrns.take() else {
            self.release(holder, host, stan);
            return None;
        };
        let rrn = format!("{}{:03}{sequence:08}", date.year % 10, date.day_of_year());
        Some((stan, Rrn::parse(&rrn).ok()?))
    }

    /// A STAN is in use by a payment, from before a restart or again: `false` if another one holds
    /// it by now.
    pub fn hold(&mut self, holder: PaymentId, host: &HostId, stan: Stan) -> bool {
        match self.in_use.entry((host.clone(), stan)) {
            Entry::Vacant(place) => {
                place.insert(holder);
                true
            }
            Entry::Occupied(held) => *held.get() == holder,
        }
    }

    /// How many STANs are in use.
    pub fn in_use(&self) -> usize {
        self.in_use.len()
    }

    /// A payment owes nothing any more: its STAN may be given out again when its turn comes. What
    /// another payment holds by now stays held.
    pub fn release(&mut self, holder: PaymentId, host: &HostId, stan: Stan) {
        let number = (host.clone(), stan);
        if self.in_use.get(&number) == Some(&holder) {
            self.in_use.remove(&number);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use std::vec::Vec;

    const PAYMENT: PaymentId = PaymentId(1);
    const OTHER: PaymentId = PaymentId(2);

    fn host() -> HostId {
        HostId::parse("bank").unwrap()
    }

    fn numbering() -> Numbering {
        Numbering::new([host()], LeaseSizes { stans: 4, rrns: 8 })
    }

    fn lease(numbering: &mut Numbering) -> usize {
        let due = numbering.due(Timestamp(0));
        for record in &due {
            if let Record::Leased(leased) = record {
                numbering.leased(&leased.block);
            }
        }
        due.len()
    }

    const DATE: BusinessDate = BusinessDate { year: 2026, month: 3, day: 1 };

    #[test]
    fn nothing_is_given_out_before_a_lease_is_durable() {
        let mut numbering = numbering();
        assert_eq!(numbering.take(PAYMENT, &host(), DATE), None);
        assert_eq!(lease(&mut numbering), 2);
        let (stan, rrn) = numbering.take(PAYMENT, &host(), DATE).unwrap();
        assert_eq!((stan.number(), rrn.as_str()), (1, "606000000000"));
    }

    #[test]
    fn a_lease_is_renewed_at_half_use_and_no_number_comes_twice() {
        let mut numbering = numbering();
        let mut seen = Vec::new();
        lease(&mut numbering);
        for _ in 0..40 {
            let (stan, _) = numbering.take(PAYMENT, &host(), DATE).unwrap();
            seen.push(stan);
            lease(&mut numbering);
        }
        let unique: BTreeSet<_> = seen.iter().copied().collect();
        assert_eq!(unique.len(), seen.len());
    }

    #[test]
    fn after_a_restart_numbering_goes_on_behind_the_last_lease() {
        let mut numbering = numbering();
        let first = Stan::new(999_998).unwrap();
        numbering.spent(&Block::Stan { host: host(), first, count: 4 });
        lease(&mut numbering);
        assert_eq!(numbering.take(PAYMENT, &host(), DATE).unwrap().0.number(), 3);
    }

    #[test]
    fn a_wrapped_stan_skips_one_that_is_still_open() {
        let mut numbering = numbering();
        lease(&mut numbering);
        numbering.hold(OTHER, &host(), Stan::new(1).unwrap());
        assert_eq!(numbering.take(PAYMENT, &host(), DATE).unwrap().0.number(), 2);
    }

    #[test]
    fn a_stan_is_given_back_by_its_holder_alone() {
        let mut numbering = numbering();
        lease(&mut numbering);
        let (stan, _) = numbering.take(PAYMENT, &host(), DATE).unwrap();
        numbering.release(PAYMENT, &host(), stan);
        assert!(numbering.hold(OTHER, &host(), stan));
        assert!(!numbering.hold(PAYMENT, &host(), stan), "another payment has it by now");
        numbering.release(PAYMENT, &host(), stan);
        assert_eq!(numbering.in_use(), 1, "released twice, it is still the other's");
        numbering.release(OTHER, &host(), stan);
        assert_eq!(numbering.in_use(), 0);
    }
}
