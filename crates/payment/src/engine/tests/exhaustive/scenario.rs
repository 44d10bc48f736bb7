//! What is searched: which requests, what the host may do, and what may go wrong how often.

use super::super::*;
use super::world::Faults;
use crate::request::{FollowUp, Offer};
use alloc::sync::Arc;

/// The first payment of every world; what follows it up names it.
pub(super) const ORIGINAL: PaymentId = PaymentId(1);

/// Waits in tens of seconds, so that few instants differ.
pub(super) const HOST_REPLY: Duration = Duration::from_secs(10);
pub(super) const UNKNOWN_WAIT: Duration = Duration::from_secs(20);
pub(super) const GIVE_UP: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) asks: &'static [Asking],
    /// So many of them are made and settled before the search begins.
    pub(super) before: usize,
    /// The merchant takes approvals for less than was asked.
    pub(super) partial_welcome: bool,
    pub(super) host_gives_parts: bool,
    pub(super) replies: Replies,
    /// So many things it may do with a message, the dutiful one first.
    pub(super) deeds_max: usize,
    /// The host may take money though it accepted the reversal before.
    pub(super) careless: bool,
    /// Settled payments may leave memory.
    pub(super) forgets: bool,
    /// A person may close cases.
    pub(super) persons_close: bool,
    pub(super) faults: Faults,
    /// From this attempt of a reversal or an advice on, time stands still but for the dutiful world.
    pub(super) attempts_max: u32,
    /// So many replies may be waited for at once.
    pub(super) waiting_max: usize,
}

/// How a host's answers to one payment arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replies {
    /// They overtake one another.
    InAnyOrder,
    /// As it gave them.
    InOrder,
}

/// A request that the merchant may make, and make again.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) key: u64,
    pub(super) operation: Operation,
    pub(super) minor: i64,
    pub(super) silence: Silence,
}

pub(super) const NO_FAULTS: Faults =
    Faults { crashes: 0, refusals: 0, downs: 0, doubles: 0, retries: 0, in_all: 0 };

impl Asking {
    /// What a partial approval of it is worth.
    pub(super) fn part(&self) -> i64 {
        self.minor / 2
    }

    pub(super) fn is_same_as(&self, request: &Request) -> bool {
        request.key == key(self.key)
            && request.operation == self.operation
            && request.amount.minor == self.minor
    }
}

fn key(number: u64) -> IdempotencyKey {
    IdempotencyKey::parse(&format!("key-{number}")).unwrap()
}

impl Scenario {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            paces: BTreeMap::new(),
            host_reply: HOST_REPLY,
            reversal_gaps: vec![Duration::from_secs(10)],
            reversal_give_up: GIVE_UP,
            unknown_original_wait: UNKNOWN_WAIT,
            open_payments_max: 10,
            recent_payments_max: if self.forgets { 0 } else { 10 },
            waiting_max: 10,
            waiters_max: 4,
            leases: LeaseSizes { stans: 50, rrns: 50 },
        }
    }

    /// Which request a payment came of.
    pub(super) fn asking_of(&self, request: &Request) -> usize {
        self.asks.iter().position(|asked| asked.is_same_as(request)).unwrap_or(0)
    }

    pub(super) fn incoming(&self, asking: usize, waiter: u64, id: PaymentId) -> Incoming {
        let asked = &self.asks[asking];
        let mut made = incoming(1, asked.key);
        (made.waiter, made.id) = (Waiter(waiter), id);
        made.terms.partial_approval = self.partial_welcome;
        let Ask::New { request, routes } = &mut made.ask else { return made };
        request.operation = asked.operation;
        request.amount.minor = asked.minor;
        routes[0].silence = asked.silence;
        if asked.operation.is_follow_up() {
            let amount = (asked.operation != Operation::Void).then_some(request.amount);
            let follow_up = FollowUp {
                merchant: request.merchant.clone(),
                channel: request.channel.clone(),
                operation: asked.operation,
                key: request.key.clone(),
                freshness: request.freshness.clone(),
                original: ORIGINAL,
                amount,
            };
            made.ask = Ask::FollowUp { follow_up, offers: self.offers() };
        }
        made
    }

    fn offers(&self) -> Arc<BTreeMap<HostId, Offer>> {
        let operations = self.asks.iter().map(|asked| (asked.operation, asked.silence)).collect();
        let definitions = Definitions { dialect: [0; 32], mapping: [0; 32] };
        Arc::new([(host(), Offer { definitions, operations })].into())
    }
}
