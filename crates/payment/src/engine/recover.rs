//! After a start: what the journal says is taken over, and what was left open is brought to an end.

use super::sequencer::{Subject, UnderWay};
use super::{Engine, Out, owed};
use crate::durable::Durable;
use crate::id::PaymentId;
use crate::input::Attempt;
use crate::payment::State;
use crate::record::{Group, Leased, Precondition, SilenceReason};
use crate::request::Silence;
use crate::time::{BusinessDate, Now};
use alloc::vec::Vec;

impl Engine {
    /// Takes over one payment as the group of all its records, as the store kept them.
    pub fn restore(&mut self, group: Durable<Group>, out: &mut Out) {
        self.remember(group, out);
    }

    /// Takes over the business date.
    pub fn restore_date(&mut self, date: BusinessDate) {
        self.date = Some(date);
    }

    /// Takes over a lease of an earlier run, in the order of the journal: its numbers are spent.
    pub fn restore_lease(&mut self, lease: &Leased) {
        self.numbers.spent(&lease.block);
    }

    /// Ends what an earlier run left open: a request that may have been sent counts as unanswered,
    /// a reversal goes out again (marked as a repeat) as soon as its host is up, and until it was
    /// written no new request for its card is taken.
    pub fn recover(&mut self, now: Now, out: &mut Out) {
        let open: Vec<PaymentId> = self.book.open().map(|entry| entry.payment.id).collect();
        for id in open {
            let Some(entry) = self.book.get_mut(id) else { continue };
            if let Some(fields) = &entry.payment.fields {
                self.numbers.hold(id, &fields.route.host, fields.stan);
            }
            match entry.payment.state {
                State::MaybeSent => {
                    if entry.payment.silence() == Silence::Reversal {
                        self.book.hold_card(id);
                    }
                    let Some(entry) = self.book.get(id) else { continue };
                    let records = owed::silence(now, entry, SilenceReason::Restart);
                    let version = entry.payment.version;
                    let way = UnderWay {
                        subjects: alloc::vec![Subject::Payment(id)],
                        ..UnderWay::default()
                    };
                    let preconditions = alloc::vec![Precondition::AtVersion(id, version)];
                    self.commit(Group { records, preconditions }, way, out);
                }
                State::Parked(_) => {}
                state => {
                    let unknown = matches!(state, State::Reversing(it) if it.unknown_original > 0);
                    entry.unknown_since = unknown.then_some(now.mono);
                    entry.owed_since = Some(now.mono);
                    if matches!(entry.payment.owed(), Some(Attempt::Reversal(_))) {
                        self.book.hold_card(id);
                    }
                    self.send_owed(now, id);
                }
            }
        }
        self.send_paced(now, out);
        self.renew_leases(now, out);
    }
}
