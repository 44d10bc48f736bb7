//! The path of a payment on one screen.
//!
//! ```text
//! 1 listen        edge::http             one whole request under one deadline, handed over as plain data
//! 2 authenticate  channel::rest          signature over the bytes received, freshness, replay window
//! 3 decode        channel::rest          the card is unsealed and at once sealed again for us
//! 4 screen        channel::rest, engine  limits; idempotency, order, room
//! 5 journal       engine_task, store     Accepted and SendIntent, in one commit
//! 6 encode        host                   card unsealed, frame worded
//! 7 exchange      host                   frame out, reply matched, or silence
//! 8 journal       engine_task, store     Answered, or TimedOut and ReversalDue
//! 9 respond       channel::rest          the outcome, signed
//! ```
//!
//! Steps 1 to 4 and 9 lie on the merchant's side of [`PaymentPath`], steps 5 to 8 behind the engine's
//! inbox. A payment belongs to the gateway and not to the connection it came by: once the engine has
//! heard of it, a client that goes away cancels nothing.

use crate::calendar::local_time;
use crate::channel::rest::{Core, DecodedRequest};
use crate::engine_task::{Clock, EngineHandle};
use crate::host::Clock as _;
use crate::host::slot::Slots;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegate_payment::effect::{Refusal, Reply};
use tidegate_payment::id::{HostId, MerchantId, PaymentId};
use tidegate_payment::input::{Incoming, Input, Query, QueryBy};
use tidegate_payment::request::Route;

/// Where a channel hands requests over: adds id, route and local time, and lets the security code
/// travel beside the engine.
pub struct PaymentPath {
    /// The engine's inbox.
    pub engine: EngineHandle,
    /// Both clocks.
    pub clock: Clock,
    /// Where security codes wait for their host frame.
    pub codes: Arc<Slots>,
    /// How long one may wait there.
    pub code_lifetime: Duration,
    /// The route to each host.
    pub routes: BTreeMap<HostId, Route>,
}

impl Core for PaymentPath {
    fn submit(&self, decoded: DecodedRequest) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let DecodedRequest { request, merchant, security_code } = decoded;
            let Some(route) = self.routes.get(&merchant.host).cloned() else {
                return Reply::Refusal(Refusal::HostUnavailable);
            };
            let now = self.clock.now();
            let id = PaymentId(uuid::Uuid::now_v7().as_u128());
            if let Some(code) = security_code {
                let deadline = now.mono.after(self.code_lifetime);
                if self.codes.put(id, code, deadline).is_err() {
                    return Reply::Refusal(Refusal::Busy);
                }
            }
            let reply = self
                .engine
                .ask(|waiter| {
                    Input::Request(Box::new(Incoming {
                        waiter,
                        id,
                        request,
                        route,
                        acceptor: merchant.acceptor.clone(),
                        local: local_time(&merchant.zone, now.wall),
                        terms: merchant.terms,
                    }))
                })
                .await;
            // A refusal or a retry used no code of its own.
            self.codes.forget(id);
            reply
        })
    }

    fn query(&self, merchant: MerchantId, by: QueryBy) -> BoxFuture<'_, Reply> {
        let ask = |waiter| Input::Query(Query { waiter, merchant: Some(merchant), by });
        Box::pin(self.engine.ask(ask))
    }
}
