//! Lines that do not send what the engine says, or not as it says it.

use super::{Sabotage, step};
use crate::engine_task::Lines;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::{HostId, LineId, PaymentId, Stan, TerminalId};
use tidegate_payment::input::{Attempt, Input, ReversalAnswer};
use tidegate_payment::record::{AnswerClass, HostAnswer, ReversalVerdict};
use tidegate_payment::request::{Route, Silence};
use tokio::sync::mpsc;

/// Of so many requests one is falsified, so that the rest of the run goes on.
const ONE_OF: u64 = 8;

/// How far the STAN of a second sending is from that of the first.
const APART: u32 = 400_000;

/// Lines with a planted bug.
pub struct SabotagedLines<L> {
    inner: L,
    events: mpsc::WeakSender<Input>,
    chosen: Option<Sabotage>,
    sent: AtomicU64,
    /// The hosts seen, with the route of the last message to each.
    routes: Mutex<BTreeMap<HostId, Route>>,
}

impl<L: Lines> SabotagedLines<L> {
    /// Lines over `inner`; what they pretend is told to `events`.
    pub fn new(inner: L, events: mpsc::WeakSender<Input>) -> Self {
        Self {
            inner,
            events,
            chosen: Sabotage::chosen(),
            sent: AtomicU64::new(1),
            routes: Mutex::default(),
        }
    }

    fn pretend(&self, input: impl FnOnce(LineId) -> Input) {
        let Ok(line) = LineId::parse("none") else { return };
        if let Some(events) = self.events.upgrade() {
            drop(events.try_send(input(line)));
        }
    }

    fn pretend_reversed(&self, id: PaymentId) {
        let verdict = ReversalVerdict::Accepted;
        self.pretend(|line| {
            let answer = ReversalAnswer { response_code: "00".to_owned(), verdict, line };
            Input::ReversalAnswered(id, answer)
        });
    }

    fn pretend_approved(&self, outgoing: &Outgoing) {
        let (id, amount) = (outgoing.id, outgoing.request.amount);
        self.pretend(|line| {
            let answer = HostAnswer {
                response_code: "00".to_owned(),
                class: AnswerClass::Approved,
                approval_code: None,
                amount,
                line,
                balances: Vec::new(),
            };
            Input::HostAnswered(id, answer)
        });
    }

    fn is_chance(&self) -> bool {
        self.sent.fetch_add(1, Ordering::Relaxed).is_multiple_of(ONE_OF)
    }

    fn changed(
        &self,
        message: Durable<Outgoing>,
        change: impl FnOnce(&mut Outgoing),
    ) -> Result<(), Box<Input>> {
        self.inner.send(Box::new(message.map(|mut outgoing| {
            change(&mut outgoing);
            outgoing
        })))
    }

    /// A request for the first time.
    fn send_first(&self, message: Box<Durable<Outgoing>>, bug: Sabotage) -> Result<(), Box<Input>> {
        match bug {
            Sabotage::DoubleSend => {
                let again = (*message).clone();
                self.inner.send(message)?;
                drop(self.changed(again, |outgoing| {
                    outgoing.id = PaymentId(outgoing.id.0 ^ 1);
                    let other = outgoing.fields.stan.number().wrapping_add(APART);
                    outgoing.fields.stan = Stan::new(other).unwrap_or(outgoing.fields.stan);
                }));
                Ok(())
            }
            Sabotage::ReverseAtOnce => {
                let back = (*message).clone();
                self.inner.send(message)?;
                drop(self.changed(back, |outgoing| outgoing.attempt = Attempt::Reversal(1)));
                Ok(())
            }
            Sabotage::WrongAmount => self.changed(*message, |outgoing| {
                outgoing.request.amount.minor = outgoing.request.amount.minor.saturating_add(1);
            }),
            Sabotage::WrongTerminal => self.changed(*message, |outgoing| {
                if let Ok(other) = TerminalId::parse("TERM9999") {
                    outgoing.fields.acceptor.terminal = other;
                }
            }),
            Sabotage::WrongHost => self.send_elsewhere(*message),
            _ => self.inner.send(message),
        }
    }

    /// To another host than this one, if one was seen.
    fn send_elsewhere(&self, message: Durable<Outgoing>) -> Result<(), Box<Input>> {
        let own = message.get().fields.route.host.clone();
        let seen = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let other = seen.iter().find(|(host, _)| **host != own).map(|(_, route)| route.clone());
        drop(seen);
        self.changed(message, |outgoing| {
            let route = &mut outgoing.fields.route;
            if let Some(other) = other {
                *route = Route { silence: route.silence, ..other };
            }
        })
    }
}

impl<L: Lines> Lines for SabotagedLines<L> {
    fn send(&self, message: Box<Durable<Outgoing>>) -> Result<(), Box<Input>> {
        let outgoing = message.get();
        let route = outgoing.fields.route.clone();
        let mut seen = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(route.host.clone(), route);
        drop(seen);
        step::reached_sending(outgoing.attempt);
        let (attempt, silence) = (outgoing.attempt, outgoing.fields.route.silence);
        match (self.chosen, attempt) {
            (Some(Sabotage::DropReversal), Attempt::Reversal(_)) => {
                self.pretend_reversed(outgoing.id);
                Ok(())
            }
            (Some(Sabotage::RepeatNotMarked), Attempt::Reversal(_)) => {
                self.changed(*message, |outgoing| outgoing.repeat = false)
            }
            (Some(Sabotage::AdviceNotMarked), Attempt::Repeat(_)) => {
                self.changed(*message, |outgoing| {
                    outgoing.repeat = false;
                    outgoing.attempt = Attempt::Original;
                })
            }
            (Some(Sabotage::WrongReversal), Attempt::Reversal(_)) => {
                self.changed(*message, |outgoing| {
                    let less = outgoing.request.amount.minor.saturating_sub(1);
                    outgoing.request.amount.minor = less;
                })
            }
            (Some(Sabotage::DropAdvice), Attempt::Original | Attempt::Repeat(_))
                if silence == Silence::Advice =>
            {
                self.pretend_approved(outgoing);
                Ok(())
            }
            (Some(Sabotage::FollowUpElsewhere), Attempt::Original)
                if silence == Silence::Advice && self.is_chance() =>
            {
                self.send_elsewhere(*message)
            }
            (Some(bug), Attempt::Original) if silence == Silence::Reversal && self.is_chance() => {
                self.send_first(message, bug)
            }
            _ => self.inner.send(message),
        }
    }

    fn forget(&self, id: PaymentId) {
        self.inner.forget(id);
    }
}
