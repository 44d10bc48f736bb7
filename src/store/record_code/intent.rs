//! `SendIntent`: the resolved host fields.

use super::codes::{operation_code, operation_of, silence_class_code, silence_class_of};
use super::{date_bytes, read_date, read_local, read_money, read_stan};
use crate::store::fields::{DecodeError, FieldReader, FieldWriter};
use tidegate_payment::id::{HostId, Rrn, TerminalId};
use tidegate_payment::request::{
    Acceptor, Definitions, HostFields, Operation, OriginalFields, Route, Silence,
};
use tidegate_payment::time::Timestamp;

/// `SendIntent`: 3 host, 4 acquirer, 5 forwarder (optional), 6 dialect hash, 7 mapping hash, 8 category,
/// 9 terminal, 10 acceptor, 11 name and location, 12 STAN, 13 RRN, 14 transmission time, 15 local time
/// (month, day, hour, minute, second), 16 business date (year, month, day), 17 class of silence (left out
/// for a reversal). Of a follow-up's original: 18 operation, 19 STAN, 20 RRN, 21 transmission time, 22
/// business date, 23 approval code (optional), 24 amount, 25 currency.
pub(super) fn write_fields(w: &mut FieldWriter<'_>, fields: &HostFields) {
    let (route, acceptor, local) = (&fields.route, &fields.acceptor, fields.local);
    w.text(3, route.host.as_str())
        .text(4, &route.acquirer)
        .text_if(5, route.forwarder.as_deref())
        .bytes(6, &route.definitions.dialect)
        .bytes(7, &route.definitions.mapping)
        .text(8, &acceptor.category)
        .text(9, acceptor.terminal.as_str())
        .text(10, &acceptor.number)
        .text(11, &acceptor.name_location)
        .u32(12, fields.stan.number())
        .text(13, fields.rrn.as_str())
        .i64(14, fields.transmitted.0)
        .bytes(15, &[local.month, local.day, local.hour, local.minute, local.second])
        .bytes(16, &date_bytes(fields.business_date));
    if route.silence != Silence::Reversal {
        w.u8(17, silence_class_code(route.silence));
    }
    if let Some(original) = &fields.original {
        w.u8(18, operation_code(original.operation))
            .u32(19, original.stan.number())
            .text(20, original.rrn.as_str())
            .i64(21, original.transmitted.0)
            .bytes(22, &date_bytes(original.business_date))
            .text_if(23, original.approval_code.as_deref())
            .i64(24, original.amount.minor)
            .u16(25, original.amount.currency.numeric());
    }
}

pub(super) fn read_fields(r: &mut FieldReader<'_>) -> Result<HostFields, DecodeError> {
    let mut fields = HostFields {
        route: Route {
            host: r.parsed(3, "a host name", HostId::parse)?,
            acquirer: r.text(4)?.to_owned(),
            forwarder: r.text_if(5)?.map(str::to_owned),
            definitions: Definitions { dialect: r.array(6)?, mapping: r.array(7)? },
            silence: Silence::Reversal,
        },
        acceptor: Acceptor {
            category: r.text(8)?.to_owned(),
            terminal: r.parsed(9, "a terminal id", TerminalId::parse)?,
            number: r.text(10)?.to_owned(),
            name_location: r.text(11)?.to_owned(),
        },
        stan: read_stan(r, 12)?,
        rrn: r.parsed(13, "a retrieval reference number", Rrn::parse)?,
        transmitted: Timestamp(r.i64(14)?),
        local: read_local(r, 15)?,
        business_date: read_date(r, 16)?,
        original: None,
    };
    if let Some([code]) = r.array_if(17)? {
        let class = silence_class_of(code).ok_or(r.value_fault(17, "a class of silence"))?;
        fields.route.silence = class;
    }
    if let Some([code]) = r.array_if(18)? {
        let operation = operation_of(code).ok_or(r.value_fault(18, "an operation"))?;
        fields.original = Some(Box::new(read_original(operation, r)?));
    }
    Ok(fields)
}

fn read_original(
    operation: Operation,
    r: &mut FieldReader<'_>,
) -> Result<OriginalFields, DecodeError> {
    Ok(OriginalFields {
        operation,
        stan: read_stan(r, 19)?,
        rrn: r.parsed(20, "a retrieval reference number", Rrn::parse)?,
        transmitted: Timestamp(r.i64(21)?),
        business_date: read_date(r, 22)?,
        approval_code: r.text_if(23)?.map(str::to_owned),
        amount: read_money(r, 24)?,
    })
}
