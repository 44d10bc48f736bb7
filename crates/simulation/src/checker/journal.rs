//! The journal, as the checker knows it: what became durable, and when.

use super::{Checker, wide};
use crate::node::start::HOST_REPLY;
use std::time::Duration;
use tidegate::store::journal::frame::RawRecord;
use tidegate_payment::id::PaymentId;
use tidegate_payment::money::Money;
use tidegate_payment::record::{
    Accepted, AnswerClass, Record, Resolution, ReversalVerdict, SilenceReason,
};
use tidegate_payment::request::{Operation, Silence};
use tidegate_payment::time::Timestamp;

/// A payment, as its durable records and the wire tell.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its id.
    pub id: PaymentId,
    /// Whose.
    pub merchant: String,
    /// What for.
    pub operation: Operation,
    /// Its key.
    pub key: String,
    /// How much, in minor units.
    pub amount: i64,
    /// The card's number, as the sealed card holds it.
    pub card: String,
    /// The payment that it is about.
    pub original: Option<PaymentId>,
    /// What silence calls for.
    pub silence: Silence,
    /// How the host knows it.
    pub wide: String,
    /// DE 7, DE 11 and DE 37.
    pub de7: String,
    /// When, as DE 7 tells.
    pub transmitted: Timestamp,
    /// DE 11.
    pub stan: String,
    /// DE 37.
    pub rrn: String,
    /// DE 15.
    pub date: String,
    /// The sequence of its first record.
    pub first: u64,
    /// When its intent was durable.
    pub intended: Duration,
    /// How many records it has had.
    pub version: u32,
    /// The host's answer in time: what it means, and the amount approved.
    pub answered: Option<(AnswerClass, i64)>,
    /// When and why it was given up.
    pub timed_out: Option<(Duration, SilenceReason)>,
    /// The reversal was accepted; whether in doubt.
    pub reversed: Option<bool>,
    /// It was proved unsent.
    pub not_sent: bool,
    /// It was an inquiry without an answer.
    pub lapsed: bool,
    /// A person must look.
    pub parked: bool,
    /// Who proposed to close it.
    pub proposed: Option<String>,
    /// A person closed it.
    pub closed: Option<Resolution>,
    /// A reversal is due.
    pub due: bool,
    /// A late answer is on record.
    pub late: bool,
    /// It was an approval.
    pub late_approval: bool,
    /// How often the host knew no original.
    pub unknown: u32,
    /// An advice was repeated.
    pub repeated: bool,
    /// Its requests on the wire.
    pub originals: u32,
    /// Its reversals on the wire.
    pub reversals: u32,
    /// When, and in which run, an approval was heard that came after the time-out.
    pub late_seen: Option<(Duration, u64)>,
    /// A conflict refused one of its records: what it was about may be lost.
    pub conflicted: bool,
    /// When it was parked.
    pub parked_at: Duration,
    /// Where its due reversal stands in the journal, if an earlier run left it.
    pub restarted: Option<u64>,
    /// In which run of the gateway it was accepted.
    pub run: u64,
}

impl Known {
    /// Whether a reversal is due and not ended.
    pub fn reversal_owed(&self) -> bool {
        self.due && self.reversed.is_none() && !self.parked && self.closed.is_none()
    }

    /// What may be told as final: what it ended as, and the amount approved.
    pub fn outcome(&self) -> Option<(&'static str, i64)> {
        if let Some(resolution) = self.closed {
            return Some(match resolution {
                Resolution::Reversed => ("reversed", 0),
                Resolution::DeclinedNeverPosted => ("declined", 0),
                Resolution::Posted => ("approved", self.amount),
            });
        }
        if self.reversed.is_some() {
            return Some(("reversed", 0));
        }
        match self.answered {
            Some((AnswerClass::Approved | AnswerClass::Partial, amount)) => {
                Some(("approved", amount))
            }
            Some((AnswerClass::Declined | AnswerClass::PickUp, _)) => Some(("declined", 0)),
            None => (self.not_sent || self.lapsed).then_some(("declined", 0)),
        }
    }
}

impl Checker {
    /// These records are durable now, in run `run`. Invariants D4 and D6 on the way.
    pub fn durable<'a>(&mut self, raw: impl Iterator<Item = RawRecord<'a>>, run: u64) {
        for raw in raw {
            let count = u64::try_from(self.chains.len()).unwrap_or(0);
            let sequence = raw.sequence.0;
            if sequence <= count {
                let index = usize::try_from(sequence.saturating_sub(1)).unwrap_or(usize::MAX);
                if self.chains.get(index) != Some(&raw.chain) {
                    self.breaks("D3", format!("record {sequence} is another one than was told"));
                }
                continue;
            }
            if sequence != count.saturating_add(1) {
                self.breaks("D6", format!("record {sequence} follows record {count}"));
            }
            self.chains.push(raw.chain);
            let body = tidegate::store::record_code::decode(raw.kind, raw.version, raw.body);
            match body {
                Ok(record) => self.record(&record, sequence, run),
                Err(error) => self.breaks("D5", format!("record {sequence}: {error}")),
            }
        }
    }

    /// How many records are known to be durable.
    pub fn last(&self) -> u64 {
        u64::try_from(self.chains.len()).unwrap_or(0)
    }

    fn record(&mut self, record: &Record, sequence: u64, run: u64) {
        let now = self.now.0;
        if let Record::Accepted(accepted) = record {
            let request = &accepted.request;
            let key = (request.merchant.to_string(), request.key.to_string());
            let known = Known::begin(accepted, sequence, now, run);
            if self.by_key.insert(key, accepted.id).is_some() {
                self.breaks("M3", format!("the key {} has two payments", request.key));
            }
            self.payments.insert(accepted.id, known);
        }
        self.dated(record);
        self.decided(record);
        let Some(id) = record.payment() else { return };
        if let Record::SendIntent(intent) = record {
            self.intent(id, intent);
        }
        let Some(known) = self.payments.get_mut(&id) else {
            return self.breaks("T", format!("a {} of an unknown payment", record.name()));
        };
        if matches!(record, Record::NotSent(_)) && known.originals > 0 {
            // What is claimed is what is on record: a refused first attempt of an advice whose repeat
            // has left claims nothing.
            self.breaks("M15", format!("payment {id} was written and is called not sent"));
        }
        let hasty = self.payments.get(&id).is_some_and(|known| is_hasty(known, record, now));
        if hasty {
            let known = self.payments.get(&id);
            let since = known.map(|known| known.intended);
            let what = format!("payment {id}, sent at {since:?}, is given up before its deadline");
            self.breaks("K2", what);
        }
        let Some(known) = self.payments.get_mut(&id) else { return };
        known.version = known.version.saturating_add(1);
        known.take(record, now, sequence);
        let (card, owed, restarted) =
            (known.card.clone(), known.reversal_owed() && known.reversals == 0, known.restarted);
        let reversal = known.silence == Silence::Reversal;
        let waits = self.waits.entry(card.clone()).or_default();
        match record {
            Record::ReversalDue(_) => _ = waits.insert(id, sequence),
            Record::CaseRetried(_) if reversal => _ = waits.insert(id, sequence),
            Record::ReversalParked(_)
            | Record::Reversed(_)
            | Record::ReversalAnswered(_)
            | Record::CaseClosed(_) => _ = waits.remove(&id),
            _ => {}
        }
        if owed && restarted.is_some() {
            self.held.entry(card).or_default().insert(id);
        } else if let Some(held) = self.held.get_mut(&card) {
            held.remove(&id);
        }
    }

    fn intent(&mut self, id: PaymentId, intent: &tidegate_payment::record::SendIntent) {
        let fields = &intent.fields;
        let Some(known) = self.payments.get_mut(&id) else { return };
        known.silence = fields.route.silence;
        known.stan = format!("{:06}", fields.stan.number());
        known.rrn = fields.rrn.to_string();
        known.de7 = month_to_second(fields.transmitted);
        known.transmitted = fields.transmitted;
        let date = fields.business_date;
        known.date = format!("{:02}{:02}", date.month, date.day);
        let (terminal, shop) = (fields.acceptor.terminal.as_str(), &fields.acceptor.number);
        known.wide = wide(&known.de7, &known.stan, &known.rrn, terminal, shop);
        let (wide, rrn) = (known.wide.clone(), known.rrn.clone());
        if self.by_wide.insert(wide, id).is_some_and(|other| other != id) {
            self.breaks("S1", format!("payment {id} has the host key of another"));
        }
        if self.by_rrn.insert(rrn, id).is_some_and(|other| other != id) {
            self.breaks("S3", format!("payment {id} has the RRN of another"));
        }
    }
}

impl Known {
    fn begin(accepted: &Accepted, first: u64, now: Duration, run: u64) -> Self {
        let request = &accepted.request;
        Self {
            id: accepted.id,
            merchant: request.merchant.to_string(),
            operation: request.operation,
            key: request.key.to_string(),
            amount: request.amount.minor,
            card: String::from_utf8_lossy(&request.card.sealed).into_owned(),
            original: request.original,
            silence: Silence::Reversal,
            wide: String::new(),
            de7: String::new(),
            transmitted: Timestamp(0),
            stan: String::new(),
            rrn: String::new(),
            date: String::new(),
            first,
            intended: now,
            version: 0,
            answered: None,
            timed_out: None,
            reversed: None,
            not_sent: false,
            lapsed: false,
            parked: false,
            proposed: None,
            closed: None,
            due: false,
            late: false,
            late_approval: false,
            unknown: 0,
            repeated: false,
            originals: 0,
            reversals: 0,
            late_seen: None,
            conflicted: false,
            parked_at: Duration::ZERO,
            restarted: None,
            run,
        }
    }

    fn take(&mut self, record: &Record, now: Duration, sequence: u64) {
        match record {
            Record::Answered(it) => {
                self.answered = Some((it.answer.class, minor(it.answer.amount)))
            }
            Record::TimedOut(it) => {
                self.timed_out = Some((now, it.why));
                if it.why == SilenceReason::Restart {
                    self.restarted = Some(sequence);
                }
            }
            Record::ReversalDue(_) => self.due = true,
            Record::Reversed(it) => {
                (self.reversed, self.parked) = (Some(it.suspect), false);
            }
            Record::NotSent(_) => self.not_sent = true,
            Record::Lapsed(_) => self.lapsed = true,
            Record::ReversalParked(_) | Record::AdviceParked(_) => {
                (self.parked, self.parked_at) = (true, now);
            }
            Record::CaseRetried(_) => (self.parked, self.proposed) = (false, None),
            Record::CloseProposed(it) => self.proposed = Some(it.by.clone()),
            Record::CaseClosed(it) => {
                (self.closed, self.parked) = (Some(it.resolution), false);
            }
            Record::LateAnswer(it) => {
                self.late = true;
                self.late_approval =
                    matches!(it.answer.class, AnswerClass::Approved | AnswerClass::Partial);
            }
            Record::AdviceRepeated(_) => self.repeated = true,
            Record::ReversalAnswered(it) if it.verdict == ReversalVerdict::UnknownOriginal => {
                self.unknown = self.unknown.saturating_add(1);
            }
            _ => {}
        }
        if matches!(record, Record::Answered(_)) {
            self.parked = false;
        }
    }
}

/// Whether a payment is given up for its deadline, and that has not come by the monotonic clock.
fn is_hasty(known: &Known, record: &Record, now: Duration) -> bool {
    let waited = now.saturating_sub(known.intended);
    let deadline = match record {
        Record::TimedOut(it) => it.why == SilenceReason::Deadline,
        Record::Lapsed(it) => it.why == SilenceReason::Deadline,
        _ => false,
    };
    deadline && waited < HOST_REPLY
}

fn minor(money: Money) -> i64 {
    money.minor
}

/// DE 7 as the standard writes it: month, day, hour, minute and second, in UTC.
pub fn month_to_second(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{:02}{:02}{hour:02}{minute:02}{second:02}", at.month(), at.day())
}
