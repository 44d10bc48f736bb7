//! The business date of a run: the clock moves it, or the bank's cut-over does. Then the cut-over is
//! answered when the new date is durable: `src/host/lines/answers.rs` told again.

use super::World;
use crate::event::NodeEvent;
use crate::points::Point;
use crate::sabotage::Sabotage;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate::host::wording::Wording;
use tidegate_line::name::{Connection, Frame, LineIndex};
use tidegate_payment::input::Input;
use tidegate_payment::time::BusinessDate;

/// How often the clock is looked at.
const DATE_EVERY: Duration = Duration::from_secs(1);

/// Cut-overs of the bank.
#[derive(Debug, Default)]
pub(crate) struct CutOvers {
    /// The date that was told to the host task: durable, and perhaps a moment old.
    told: Option<BusinessDate>,
    /// What the message said that is being heard.
    heard: Option<(LineIndex, Heard)>,
    /// The last one of each line, until its date is durable.
    waiting: BTreeMap<LineIndex, Waiting>,
}

#[derive(Debug)]
enum Heard {
    Begins(BusinessDate),
    NoDate,
}

#[derive(Debug)]
struct Waiting {
    connection: Connection,
    request: Frame,
    date: BusinessDate,
}

impl CutOvers {
    /// None yet, in a run that finds this date in its journal.
    pub(super) fn new(told: Option<BusinessDate>) -> Self {
        Self { told, ..Self::default() }
    }

    /// What was heard is over with the event that brought it.
    pub(super) fn end_of_event(&mut self) {
        self.heard = None;
    }
}

impl World {
    /// The clock is looked at. Where the bank moves the date, the clock gives the first one only.
    pub(super) fn look_at_the_date(&mut self) {
        let date = self.clock.date();
        let Some(node) = self.node.as_ref() else { return };
        self.points.hit_if(node.engine.status().paced > 0, Point::Paced);
        let current = node.engine.date();
        let by_clock = !self.plan.day_by_host || current.is_none();
        if by_clock && current != Some(date) {
            self.hear(Input::Date(date));
        }
        self.plan_node(DATE_EVERY, NodeEvent::Date);
    }

    /// The date in memory is durable; the host task hears of it a moment later.
    pub(super) fn tell_date(&mut self, before: Option<BusinessDate>) {
        let Some(node) = self.node.as_ref() else { return };
        let date = node.engine.date();
        if date == before {
            return;
        }
        let busy = before.is_some() && node.engine.status().awaiting_host > 0;
        let by_host = self.plan.day_by_host;
        self.points.hit_if(busy, if by_host { Point::CutOverInFlight } else { Point::DateMoved });
        let wait = self.dice.node.micros(10, 500);
        self.plan_node(wait, NodeEvent::DateTold(date));
    }

    /// The host task hears that the date moved: cut-overs that waited for it are answered.
    pub(super) fn date_told(&mut self, date: Option<BusinessDate>) {
        let Some(node) = self.node.as_mut() else { return };
        node.cut_overs.told = node.cut_overs.told.max(date);
        let told = node.cut_overs.told;
        for (line, one) in std::mem::take(&mut node.cut_overs.waiting) {
            if told >= Some(one.date) {
                self.points.hit(Point::CutOverWaited);
                self.answer_now(line, one.connection, &one.request, true);
            } else if let Some(node) = self.node.as_mut() {
                node.cut_overs.waiting.insert(line, one);
            }
        }
    }

    /// The bank says that its next business date begins.
    pub(super) fn cut_over(&mut self, line: LineIndex, frame: &Frame) {
        if !self.plan.day_by_host {
            return;
        }
        let announced = Wording::cut_over_date(&self.cast.definition, frame.body());
        let date = announced.ok().and_then(|announced| self.clock.cut_over(announced));
        let Some(node) = self.node.as_mut() else { return };
        let heard = date.map_or(Heard::NoDate, Heard::Begins);
        node.cut_overs.heard = Some((line, heard));
        if let Some(date) = date {
            self.points.hit_if(node.engine.date() == Some(date), Point::CutOverRepeated);
            self.tell(Input::Date(date));
        }
    }

    /// Answers a message of the bank's, or keeps the answer until it is true.
    pub(super) fn answer_line(
        &mut self,
        line: LineIndex,
        connection: Connection,
        request: Frame,
        accept: bool,
    ) {
        let hasty = self.is_sabotaged(Sabotage::HastyCutOver);
        let Some(node) = self.node.as_mut() else { return };
        match node.cut_overs.heard.take_if(|(of, _)| *of == line) {
            Some((_, Heard::Begins(date))) if node.cut_overs.told < Some(date) && !hasty => {
                node.cut_overs.waiting.insert(line, Waiting { connection, request, date });
            }
            Some((_, Heard::NoDate)) => {
                self.points.hit(Point::CutOverRefused);
                self.answer_now(line, connection, &request, false);
            }
            _ => self.answer_now(line, connection, &request, accept),
        }
    }
}
