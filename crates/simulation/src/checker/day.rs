//! The business date, and what two people must say. Invariants S7 and X6.

use super::Checker;
use sandbox::iso::Message;
use tidegate_payment::id::PaymentId;
use tidegate_payment::record::{Record, Resolution};
use tidegate_payment::time::BusinessDate;

impl Checker {
    /// The bank tells a cut-over under this STAN: to this date, or to none that can be.
    pub fn cut_over(&mut self, stan: &str, date: Option<BusinessDate>) {
        self.cut_overs.insert(stan.to_owned(), date);
    }

    /// The business date by the journal.
    pub fn date(&self) -> Option<BusinessDate> {
        self.date
    }

    /// The answer to a cut-over is handed to the socket: it may agree to what is durable alone.
    pub(super) fn cut_over_answered(&mut self, message: &Message) {
        let Some(told) = self.cut_overs.get(message.get(11)).copied() else { return };
        if message.get(39) != "00" {
            return;
        }
        match told {
            None => self.breaks("S7", "a cut-over to no date is agreed to"),
            Some(date) if self.date < Some(date) => {
                self.breaks(
                    "S7",
                    format!("the cut-over to {date} is agreed to before it is durable"),
                );
            }
            Some(_) => {}
        }
    }

    /// The date moves once, and never back; what is accepted from then on belongs to the new one.
    pub(super) fn dated(&mut self, record: &Record) {
        match record {
            Record::DateMoved(moved) => {
                let (before, date) = (self.date.replace(moved.date), moved.date);
                if before >= Some(date) {
                    self.breaks("S7", format!("the date moves to {date} from {before:?}"));
                }
            }
            Record::SendIntent(intent) if Some(intent.fields.business_date) != self.date => {
                let (date, today) = (intent.fields.business_date, self.date);
                let what = format!("payment {} is of {date}, and today is {today:?}", intent.id);
                self.breaks("S7", what);
            }
            _ => {}
        }
    }

    /// This person says that a case shall be closed as posted.
    pub fn says_posted(&mut self, id: PaymentId, person: &str) {
        self.posted_by.entry(id).or_default().insert(person.to_owned());
    }

    /// What makes a payment approved takes two people.
    pub(super) fn decided(&mut self, record: &Record) {
        match record {
            Record::CaseRetried(retried) => {
                self.posted_by.remove(&retried.id);
            }
            Record::CaseClosed(closed) if closed.resolution == Resolution::Posted => {
                let people = self.posted_by.get(&closed.id).map_or(0, |people| people.len());
                if people < 2 {
                    let what =
                        format!("payment {} is closed as posted by {people} people", closed.id);
                    self.breaks("X6", what);
                }
            }
            _ => {}
        }
    }
}
