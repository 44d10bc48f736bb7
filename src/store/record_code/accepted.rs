//! `Accepted`: what was asked.

use super::codes::{operation_code, operation_of};
use super::{read_expiry, read_money};
use crate::store::fields::{DecodeError, FieldReader, FieldWriter};
use tidegate_payment::card::{CardHash, CardRef};
use tidegate_payment::id::{ChannelId, IdempotencyKey, MerchantId, Nonce, OrderId, PaymentId};
use tidegate_payment::request::{DsTransaction, Eci, Freshness, Request};
use tidegate_payment::time::Timestamp;

/// `Accepted`: 3 merchant, 4 channel, 5 operation, 6 key, 7 created, 8 nonce, 9 order, 10 amount (minor
/// units), 11 currency (ISO 4217 number), 12 BIN, 13 last four, 14 card hash, 15 expiry (year, month),
/// 16 sealed number, 17 electronic commerce indicator (optional), 18 directory server's transaction id
/// (optional), 19 original's id (follow-ups only).
pub(super) fn write_request(w: &mut FieldWriter<'_>, request: &Request) {
    w.text(3, request.merchant.as_str())
        .text(4, request.channel.as_str())
        .u8(5, operation_code(request.operation))
        .text(6, request.key.as_str())
        .i64(7, request.freshness.created.0)
        .text(8, request.freshness.nonce.as_str())
        .text(9, request.order.as_str())
        .i64(10, request.amount.minor)
        .u16(11, request.amount.currency.numeric());
    let card = &request.card;
    let [year_high, year_low] = card.expiry.year().to_be_bytes();
    w.text(12, &card.bin)
        .text(13, &card.last4)
        .bytes(14, &card.hash.0)
        .bytes(15, &[year_high, year_low, card.expiry.month()])
        .bytes(16, &card.sealed)
        .text_if(17, request.eci.as_ref().map(Eci::as_str))
        .text_if(18, request.ds_transaction.as_ref().map(DsTransaction::as_str));
    if let Some(original) = request.original {
        w.bytes(19, &original.0.to_be_bytes());
    }
}

pub(super) fn read_request(r: &mut FieldReader<'_>) -> Result<Request, DecodeError> {
    Ok(Request {
        merchant: r.parsed(3, "a merchant id", MerchantId::parse)?,
        channel: r.parsed(4, "a channel name", ChannelId::parse)?,
        operation: r.code(5, "an operation", operation_of)?,
        key: r.parsed(6, "an idempotency key", IdempotencyKey::parse)?,
        freshness: Freshness {
            created: Timestamp(r.i64(7)?),
            nonce: r.parsed(8, "a nonce", Nonce::parse)?,
        },
        order: r.parsed(9, "an order id", OrderId::parse)?,
        amount: read_money(r, 10)?,
        card: CardRef {
            bin: r.text(12)?.to_owned(),
            last4: r.text(13)?.to_owned(),
            hash: CardHash(r.array(14)?),
            expiry: read_expiry(r, 15)?,
            sealed: r.bytes(16)?.to_vec(),
        },
        eci: match r.text_if(17)? {
            None => None,
            Some(text) => Some(Eci::parse(text).ok_or(r.value_fault(17, "two digits"))?),
        },
        ds_transaction: match r.text_if(18)? {
            None => None,
            Some(text) => {
                Some(DsTransaction::parse(text).ok_or(r.value_fault(18, "a transaction id"))?)
            }
        },
        original: r.array_if(19)?.map(|id| PaymentId(u128::from_be_bytes(id))),
    })
}
