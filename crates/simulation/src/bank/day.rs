//! The bank's business day: it moves by one date at a time, and is told again until the gateway takes it.

use crate::world::World;
use jiff::civil::Date;
use sandbox::iso::Message;
use tidegate_payment::time::BusinessDate;

/// DE 70 of a cut-over.
pub const CUT_OVER: &str = "201";
/// How often a world's bank cuts over: as long as the wall clock of the gateway can follow.
const CUT_OVERS_MAX: u32 = 6;
/// DE 15 that is no date.
const NO_DATE: &str = "0230";

/// The bank's business day.
#[derive(Debug)]
pub struct Day {
    date: Date,
    moved: u32,
    /// The STAN of the message that tells the date, as long as nobody has taken it.
    told: Option<String>,
}

impl Default for Day {
    fn default() -> Self {
        Self { date: jiff::civil::date(2026, 11, 22), moved: 0, told: None }
    }
}

impl Day {
    /// Month and day.
    pub fn text(&self) -> String {
        format!("{:02}{:02}", self.date.month(), self.date.day())
    }

    /// A cut-over is answered.
    pub fn answered(&mut self, stan: &str, code: &str) {
        if code == "00" && self.told.as_deref() == Some(stan) {
            self.told = None;
        }
    }
}

impl World {
    /// The bank's next date begins, or the one that nobody has taken yet; now and then it names none
    /// that can be.
    pub(crate) fn bank_cuts_over(&mut self, message: &mut Message) {
        let wrong = self.dice.bank.chance(1_000);
        let by_host = self.plan.day_by_host;
        if by_host && self.plan.names_date && wrong {
            message.set(15, NO_DATE);
            return self.checker.cut_over(message.get(11), None);
        }
        let day = &mut self.bank.day;
        if day.told.is_none() && day.moved < CUT_OVERS_MAX {
            day.moved = day.moved.saturating_add(1);
            day.date = day.date.tomorrow().unwrap_or(day.date);
        }
        day.told = Some(message.get(11).to_owned());
        if self.plan.names_date {
            let date = BusinessDate {
                year: day.date.year().unsigned_abs(),
                month: day.date.month().unsigned_abs(),
                day: day.date.day().unsigned_abs(),
            };
            message.set(15, day.text());
            if by_host {
                self.checker.cut_over(message.get(11), Some(date));
            }
        }
    }
}
