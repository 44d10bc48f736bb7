//! The business date: it moves once, by one record, and never back.

use super::sequencer::{Subject, Turn, UnderWay};
use super::{Engine, Out};
use crate::input::Input;
use crate::record::{DateMoved, Group, Record};
use crate::time::{BusinessDate, Now};

impl Engine {
    /// The business date.
    pub fn date(&self) -> Option<BusinessDate> {
        self.date
    }

    /// A date was heard, of a clock or of a host. Only a later one moves it, so a message that comes
    /// again, or of another host, moves nothing; and a wall clock that was set back waits until it has
    /// caught up.
    pub(super) fn date_moved(&mut self, now: Now, date: BusinessDate, out: &mut Out) {
        if self.date.is_some_and(|current| date <= current) {
            return;
        }
        let turn = Turn::Heard(Input::Date(date));
        if self.sequencer.in_turn(&Subject::Date, turn).is_none() {
            return;
        }
        let records = alloc::vec![Record::DateMoved(DateMoved { at: now.wall, date })];
        let way = UnderWay { subjects: alloc::vec![Subject::Date], ..UnderWay::default() };
        self.commit(Group { records, preconditions: alloc::vec::Vec::new() }, way, out);
    }
}
