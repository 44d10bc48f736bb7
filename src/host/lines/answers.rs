//! Answers to what a host says of its own accord. They go out at once; only a cut-over that moves the
//! gateway's business date is answered when the new date is durable.

use super::HostTask;
use crate::host::CutOverRule;
use crate::host::connection::Job;
use std::collections::BTreeMap;
use tidegate_line::name::{Connection, Frame, LineIndex};
use tidegate_payment::input::Input;
use tidegate_payment::time::BusinessDate;

/// Cut-overs of this host.
pub(super) struct CutOvers {
    rule: Option<CutOverRule>,
    /// What the message said that is being heard.
    heard: Option<(LineIndex, Heard)>,
    /// The last one of each line, until its date is durable.
    waiting: BTreeMap<LineIndex, Waiting>,
}

enum Heard {
    Begins(BusinessDate),
    NoDate,
}

struct Waiting {
    connection: Connection,
    request: Frame,
    date: BusinessDate,
}

impl CutOvers {
    pub(super) fn new(rule: Option<CutOverRule>) -> Self {
        Self { rule, heard: None, waiting: BTreeMap::new() }
    }

    /// Waits until the gateway's business date moved.
    pub(super) async fn date_moved(&mut self) {
        let moved = match &mut self.rule {
            Some(rule) => rule.date.changed().await.is_ok(),
            None => false,
        };
        if !moved {
            std::future::pending().await
        }
    }

    /// What was heard is over with the event that brought it.
    pub(super) fn end_of_event(&mut self) {
        self.heard = None;
    }

    fn is_durable(&self, date: BusinessDate) -> bool {
        self.rule.as_ref().is_some_and(|rule| *rule.date.borrow() >= Some(date))
    }
}

impl HostTask {
    /// Writes an empty frame. A writer whose queue is full has something better to send.
    pub(super) fn keep_alive(&self, line: LineIndex, connection: Connection) {
        if let Some(socket) = self.socket(line, connection) {
            let _ = socket.jobs.try_send(Job::KeepAlive);
        }
    }

    /// The same, with cut-overs that do something.
    pub(in crate::host) fn cutting_over(self, rule: Option<CutOverRule>) -> Self {
        Self { cut_overs: CutOvers::new(rule), ..self }
    }

    /// The host says that its next business date begins.
    pub(super) async fn cut_over(&mut self, line: LineIndex, frame: &Frame) {
        let (host, name) = (&self.settings.id, self.name(line));
        let Some(rule) = &self.cut_overs.rule else {
            tracing::warn!(%host, line = name, "the host cut over: it does not move our date");
            return;
        };
        let announced = self.wording.cut_over_date(frame.body());
        let date = announced.map(|said| (said, rule.day.cut_over(self.clock.now().wall, said)));
        let heard = match date {
            Ok((_, Some(date))) => {
                tracing::warn!(%host, line = name, %date, "the host cuts over");
                Heard::Begins(date)
            }
            Ok((said, None)) => {
                tracing::error!(
                    %host, line = name, ?said, alarm = true,
                    "the host cuts over to a date that cannot be: refused"
                );
                Heard::NoDate
            }
            Err(error) => {
                tracing::error!(
                    %host, line = name, %error, alarm = true, "a cut-over without a date: refused"
                );
                Heard::NoDate
            }
        };
        if let Heard::Begins(date) = heard {
            self.input(Input::Date(date)).await;
        }
        self.cut_overs.heard = Some((line, heard));
    }

    /// Answers a message of the host's, or keeps the answer until it is true.
    pub(super) fn answer(
        &mut self,
        line: LineIndex,
        connection: Connection,
        request: Frame,
        accept: bool,
    ) {
        match self.cut_overs.heard.take_if(|(of, _)| *of == line) {
            Some((_, Heard::Begins(date))) if !self.cut_overs.is_durable(date) => {
                self.cut_overs.waiting.insert(line, Waiting { connection, request, date });
            }
            Some((_, Heard::NoDate)) => self.answer_now(line, connection, &request, false),
            _ => self.answer_now(line, connection, &request, accept),
        }
    }

    /// The date moved: cut-overs that waited for it are answered.
    pub(super) fn answer_cut_overs(&mut self) {
        let waiting = std::mem::take(&mut self.cut_overs.waiting);
        for (line, one) in waiting {
            if self.cut_overs.is_durable(one.date) {
                self.answer_now(line, one.connection, &one.request, true);
            } else {
                self.cut_overs.waiting.insert(line, one);
            }
        }
    }

    fn answer_now(&self, line: LineIndex, connection: Connection, request: &Frame, accept: bool) {
        let mut body = Vec::new();
        if let Err(error) = self.wording.answer(request.body(), accept, &mut body) {
            let (host, line) = (&self.settings.id, self.name(line));
            tracing::warn!(%host, line, %error, "a network message goes unanswered");
        } else if let Some(socket) = self.socket(line, connection)
            && socket.jobs.try_send(Job::Network(Frame::new(body))).is_err()
        {
            let (host, line) = (&self.settings.id, self.name(line));
            tracing::warn!(%host, line, "no room for an answer: the host asks too much");
        }
    }
}
