//! Records as bytes and back. Version 1 of each kind is held by golden bytes in the tests of this
//! file: what was shipped once is readable for ever.
//!
//! Field numbers common to all kinds: 1 is the time (microseconds since 1970, 8 bytes), 2 the payment's
//! id (16 bytes). The numbers of the others are the constants of each kind below.

mod accepted;
mod codes;
mod intent;

use super::fields::{DecodeError, FieldFault, FieldReader, FieldWriter, TooLong};
use accepted::{read_request, write_request};
use codes::{
    balance_code, balance_of, class_code, class_of, flag_of, not_sent_code, not_sent_of, park_code,
    park_of, resolution_code, resolution_of, reversal_verdict_code, reversal_verdict_of,
    silence_code, silence_of,
};
use intent::{read_fields, write_fields};
use tidegate_payment::card::Expiry;
use tidegate_payment::id::{HostId, LineId, PaymentId, Stan};
use tidegate_payment::money::{Balance, Currency, Money};
use tidegate_payment::record::{
    Accepted, AdviceParked, AdviceRefused, AdviceRepeated, Answered, Block, CaseClosed,
    CaseRetried, CloseProposed, DateMoved, Deferred, HostAnswer, Lapsed, Leased, NotSent, Record,
    RepeatAbandoned, ReversalAnswered, ReversalDue, ReversalParked, ReversalRepeated, Reversed,
    SendIntent, TimedOut,
};
use tidegate_payment::time::{BusinessDate, LocalTime, Timestamp};

/// The version that this gateway writes.
pub const VERSION: u8 = 1;

/// How many kinds there are.
const KINDS: u8 = 22;

const AT: u8 = 1;
const ID: u8 = 2;
/// Why, how it ended, or what it means: the one code of a short record.
const CODE: u8 = 3;

/// The number of a record's kind in the journal.
pub fn kind(record: &Record) -> u8 {
    match record {
        Record::Accepted(_) => 1,
        Record::SendIntent(_) => 2,
        Record::NotSent(_) => 3,
        Record::Answered(_) => 4,
        Record::TimedOut(_) => 5,
        Record::ReversalDue(_) => 6,
        Record::ReversalRepeated(_) => 7,
        Record::ReversalAnswered(_) => 8,
        Record::Reversed(_) => 9,
        Record::ReversalParked(_) => 10,
        Record::LateAnswer(_) => 11,
        Record::CaseRetried(_) => 12,
        Record::CaseClosed(_) => 13,
        Record::DateMoved(_) => 14,
        Record::Leased(_) => 15,
        Record::AdviceRepeated(_) => 16,
        Record::AdviceParked(_) => 17,
        Record::Lapsed(_) => 18,
        Record::Deferred(_) => 19,
        Record::AdviceRefused(_) => 20,
        Record::RepeatAbandoned(_) => 21,
        Record::CloseProposed(_) => 22,
    }
}

/// Writes the body of `record` behind what `body` holds.
/// # Errors
/// [`TooLong`] for a text of more than 65535 bytes; `body` is then to be thrown away.
pub fn encode(record: &Record, body: &mut Vec<u8>) -> Result<(), TooLong> {
    let mut w = FieldWriter::new(body);
    w.i64(AT, record.at().0);
    if let Some(id) = record.payment() {
        w.bytes(ID, &id.0.to_be_bytes());
    }
    match record {
        Record::Accepted(accepted) => write_request(&mut w, &accepted.request),
        Record::SendIntent(intent) => write_fields(&mut w, &intent.fields),
        Record::Answered(answered) | Record::LateAnswer(answered) => {
            write_answer(&mut w, &answered.answer);
        }
        Record::ReversalAnswered(answered) => {
            w.u8(CODE, reversal_verdict_code(answered.verdict));
            w.text(4, &answered.response_code).text(5, answered.line.as_str());
        }
        Record::NotSent(not_sent) => {
            w.u8(CODE, not_sent_code(not_sent.why));
        }
        Record::TimedOut(timed_out) => {
            w.u8(CODE, silence_code(timed_out.why));
        }
        Record::ReversalDue(_) | Record::RepeatAbandoned(_) => {}
        Record::Deferred(Deferred { response_code, line, .. })
        | Record::AdviceRefused(AdviceRefused { response_code, line, .. }) => {
            w.text(4, response_code).text(5, line.as_str());
        }
        Record::CloseProposed(proposed) => {
            w.u8(CODE, resolution_code(proposed.resolution));
            w.text(4, &proposed.by).text(5, &proposed.reason);
        }
        Record::ReversalRepeated(ReversalRepeated { attempt, .. })
        | Record::AdviceRepeated(AdviceRepeated { attempt, .. }) => {
            w.u32(CODE, *attempt);
        }
        Record::Lapsed(lapsed) => {
            w.u8(CODE, silence_code(lapsed.why));
        }
        Record::Reversed(reversed) => {
            w.u8(CODE, u8::from(reversed.suspect));
        }
        Record::ReversalParked(ReversalParked { why, .. })
        | Record::AdviceParked(AdviceParked { why, .. }) => {
            w.u8(CODE, park_code(*why));
        }
        Record::CaseRetried(retried) => {
            w.text(4, &retried.by).text(5, &retried.reason);
        }
        Record::CaseClosed(closed) => {
            w.u8(CODE, resolution_code(closed.resolution));
            w.text(4, &closed.by).text(5, &closed.reason);
        }
        Record::DateMoved(moved) => {
            w.bytes(CODE, &date_bytes(moved.date));
        }
        Record::Leased(leased) => write_block(&mut w, &leased.block),
    }
    w.end()
}

/// Reads the body of a record of the given kind and version.
/// # Errors
/// [`DecodeError`] names the record, the field and the byte.
pub fn decode(kind: u8, version: u8, body: &[u8]) -> Result<Record, DecodeError> {
    let name = name_of(kind);
    let fault = |fault| DecodeError { record: name, field: 0, offset: 0, fault };
    if !(1..=KINDS).contains(&kind) {
        return Err(fault(FieldFault::Kind { kind }));
    }
    if version != VERSION {
        return Err(fault(FieldFault::Version { version }));
    }
    let mut r = FieldReader::new(name, body);
    let at = Timestamp(r.i64(AT)?);
    let record = match kind {
        14 => Record::DateMoved(DateMoved { at, date: read_date(&mut r, CODE)? }),
        15 => Record::Leased(Leased { at, block: read_block(&mut r)? }),
        _ => {
            let id = PaymentId(u128::from_be_bytes(r.array(ID)?));
            read_payment_record(kind, at, id, &mut r)?
        }
    };
    r.end()?;
    Ok(record)
}

fn read_payment_record(
    kind: u8,
    at: Timestamp,
    id: PaymentId,
    r: &mut FieldReader<'_>,
) -> Result<Record, DecodeError> {
    Ok(match kind {
        1 => Record::Accepted(Box::new(Accepted { id, at, request: read_request(r)? })),
        2 => Record::SendIntent(Box::new(SendIntent { id, at, fields: read_fields(r)? })),
        3 => Record::NotSent(NotSent { id, at, why: r.code(CODE, "a reason", not_sent_of)? }),
        4 => Record::Answered(Answered { id, at, answer: read_answer(r)? }),
        5 => Record::TimedOut(TimedOut { id, at, why: r.code(CODE, "a reason", silence_of)? }),
        6 => Record::ReversalDue(ReversalDue { id, at }),
        7 => Record::ReversalRepeated(ReversalRepeated { id, at, attempt: r.u32(CODE)? }),
        8 => {
            let verdict = r.code(CODE, "a verdict", reversal_verdict_of)?;
            let response_code = r.text(4)?.to_owned();
            let line = r.parsed(5, "a line name", LineId::parse)?;
            Record::ReversalAnswered(ReversalAnswered { id, at, response_code, verdict, line })
        }
        9 => {
            let suspect = r.code(CODE, "0 or 1", flag_of)?;
            Record::Reversed(Reversed { id, at, suspect })
        }
        10 => {
            let why = r.code(CODE, "a reason", park_of)?;
            Record::ReversalParked(ReversalParked { id, at, why })
        }
        11 => Record::LateAnswer(Answered { id, at, answer: read_answer(r)? }),
        12 => {
            let by = r.text(4)?.to_owned();
            Record::CaseRetried(CaseRetried { id, at, by, reason: r.text(5)?.to_owned() })
        }
        13 => {
            let resolution = r.code(CODE, "a resolution", resolution_of)?;
            let (by, reason) = (r.text(4)?.to_owned(), r.text(5)?.to_owned());
            Record::CaseClosed(CaseClosed { id, at, resolution, by, reason })
        }
        16 => Record::AdviceRepeated(AdviceRepeated { id, at, attempt: r.u32(CODE)? }),
        17 => {
            let why = r.code(CODE, "a reason", park_of)?;
            Record::AdviceParked(AdviceParked { id, at, why })
        }
        18 => Record::Lapsed(Lapsed { id, at, why: r.code(CODE, "a reason", silence_of)? }),
        kind => read_later_record(kind, at, id, r)?,
    })
}

/// The kinds that were added for store and forward.
fn read_later_record(
    kind: u8,
    at: Timestamp,
    id: PaymentId,
    r: &mut FieldReader<'_>,
) -> Result<Record, DecodeError> {
    Ok(match kind {
        19 => {
            let response_code = r.text(4)?.to_owned();
            let line = r.parsed(5, "a line name", LineId::parse)?;
            Record::Deferred(Deferred { id, at, response_code, line })
        }
        20 => {
            let response_code = r.text(4)?.to_owned();
            let line = r.parsed(5, "a line name", LineId::parse)?;
            Record::AdviceRefused(AdviceRefused { id, at, response_code, line })
        }
        21 => Record::RepeatAbandoned(RepeatAbandoned { id, at }),
        22 => {
            let resolution = r.code(CODE, "a resolution", resolution_of)?;
            let (by, reason) = (r.text(4)?.to_owned(), r.text(5)?.to_owned());
            Record::CloseProposed(CloseProposed { id, at, resolution, by, reason })
        }
        kind => return Err(r.fault(0, FieldFault::Kind { kind })),
    })
}

/// `Answered` and `LateAnswer`: 3 class, 4 response code, 5 approval code (optional), 6 amount, 7
/// currency, 8 line, 9 balances (optional): of each its kind, its amount (8 bytes) and currency (2 bytes).
fn write_answer(w: &mut FieldWriter<'_>, answer: &HostAnswer) {
    w.u8(CODE, class_code(answer.class))
        .text(4, &answer.response_code)
        .text_if(5, answer.approval_code.as_deref())
        .i64(6, answer.amount.minor)
        .u16(7, answer.amount.currency.numeric())
        .text(8, answer.line.as_str());
    let balance = |balance: &Balance| {
        let [high, low] = balance.amount.currency.numeric().to_be_bytes();
        let mut bytes = vec![balance_code(balance.kind)];
        bytes.extend(balance.amount.minor.to_be_bytes());
        bytes.extend([high, low]);
        bytes
    };
    if !answer.balances.is_empty() {
        w.bytes(9, &answer.balances.iter().flat_map(balance).collect::<Vec<u8>>());
    }
}

fn read_answer(r: &mut FieldReader<'_>) -> Result<HostAnswer, DecodeError> {
    Ok(HostAnswer {
        class: r.code(CODE, "a class of answer", class_of)?,
        response_code: r.text(4)?.to_owned(),
        approval_code: r.text_if(5)?.map(str::to_owned),
        amount: read_money(r, 6)?,
        line: r.parsed(8, "a line name", LineId::parse)?,
        balances: read_balances(r, 9)?,
    })
}

fn read_balances(r: &mut FieldReader<'_>, field: u8) -> Result<Vec<Balance>, DecodeError> {
    let bytes = r.optional(field)?.unwrap_or_default();
    let (balances, rest) = bytes.as_chunks::<11>();
    let wanted = "balances of 11 bytes each";
    if !rest.is_empty() {
        return Err(r.value_fault(field, wanted));
    }
    let read = |[kind, a, b, c, d, e, f, g, h, high, low]: &[u8; 11]| {
        Some(Balance {
            kind: balance_of(*kind)?,
            amount: Money {
                minor: i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
                currency: Currency::from_numeric(u16::from_be_bytes([*high, *low])).ok()?,
            },
        })
    };
    let read: Option<Vec<Balance>> = balances.iter().map(read).collect();
    read.ok_or(r.value_fault(field, wanted))
}

/// `Leased`: 3 space (1 STAN, 2 RRN), 4 host (STAN only), 5 first, 6 count.
fn write_block(w: &mut FieldWriter<'_>, block: &Block) {
    match block {
        Block::Stan { host, first, count } => {
            w.u8(CODE, 1).text(4, host.as_str()).u32(5, first.number()).u32(6, *count);
        }
        Block::Rrn { first, count } => {
            w.u8(CODE, 2).u32(5, *first).u32(6, *count);
        }
    }
}

fn read_block(r: &mut FieldReader<'_>) -> Result<Block, DecodeError> {
    match r.u8(CODE)? {
        1 => Ok(Block::Stan {
            host: r.parsed(4, "a host name", HostId::parse)?,
            first: read_stan(r, 5)?,
            count: r.u32(6)?,
        }),
        2 => Ok(Block::Rrn { first: r.u32(5)?, count: r.u32(6)? }),
        _ => Err(r.value_fault(CODE, "a number space")),
    }
}

fn read_money(r: &mut FieldReader<'_>, field: u8) -> Result<Money, DecodeError> {
    let minor = r.i64(field)?;
    let field = field.saturating_add(1);
    let currency = Currency::from_numeric(r.u16(field)?)
        .map_err(|_| r.value_fault(field, "a currency of ISO 4217"))?;
    Ok(Money { minor, currency })
}

fn read_stan(r: &mut FieldReader<'_>, field: u8) -> Result<Stan, DecodeError> {
    Stan::new(r.u32(field)?).map_err(|_| r.value_fault(field, "a STAN of 1 to 999999"))
}

fn read_expiry(r: &mut FieldReader<'_>, field: u8) -> Result<Expiry, DecodeError> {
    let [high, low, month] = r.array(field)?;
    Expiry::new(u16::from_be_bytes([high, low]), month)
        .map_err(|_| r.value_fault(field, "an expiry"))
}

fn date_bytes(date: BusinessDate) -> [u8; 4] {
    let [high, low] = date.year.to_be_bytes();
    [high, low, date.month, date.day]
}

fn read_date(r: &mut FieldReader<'_>, field: u8) -> Result<BusinessDate, DecodeError> {
    let [high, low, month, day] = r.array(field)?;
    let year = u16::from_be_bytes([high, low]);
    if (1..=12).contains(&month) && (1..=31).contains(&day) && year <= 9999 {
        Ok(BusinessDate { year, month, day })
    } else {
        Err(r.value_fault(field, "a date"))
    }
}

fn read_local(r: &mut FieldReader<'_>, field: u8) -> Result<LocalTime, DecodeError> {
    let [month, day, hour, minute, second] = r.array(field)?;
    let date_fits = (1..=12).contains(&month) && (1..=31).contains(&day);
    if date_fits && hour <= 23 && minute <= 59 && second <= 59 {
        Ok(LocalTime { month, day, hour, minute, second })
    } else {
        Err(r.value_fault(field, "a date and time of day"))
    }
}

fn name_of(kind: u8) -> &'static str {
    const NAMES: [&str; KINDS as usize] = [
        "accepted",
        "send_intent",
        "not_sent",
        "answered",
        "timed_out",
        "reversal_due",
        "reversal_repeated",
        "reversal_answered",
        "reversed",
        "reversal_parked",
        "late_answer",
        "case_retried",
        "case_closed",
        "date_moved",
        "leased",
        "advice_repeated",
        "advice_parked",
        "lapsed",
        "deferred",
        "advice_refused",
        "repeat_abandoned",
        "close_proposed",
    ];
    let index = usize::from(kind).checked_sub(1);
    index.and_then(|index| NAMES.get(index)).copied().unwrap_or("of unknown kind")
}

#[cfg(test)]
mod tests;
