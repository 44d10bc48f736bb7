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
use crate::channel::merchant::Merchant;
use crate::channel::rest::{Asked, Core, DecodedRequest};
use crate::engine_task::{Clock, EngineHandle};
use crate::host::Clock as _;
use crate::host::slot::Slots;
use crate::routing::Routing;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tidegate_payment::effect::{Refusal, Reply};
use tidegate_payment::id::{MerchantId, PaymentId};
use tidegate_payment::input::{Ask, Incoming, Input, Query, QueryBy};

/// Where a channel hands requests over: adds id, routes and local time, and lets secrets
/// travel beside the engine.
pub struct PaymentPath {
    /// The engine's inbox.
    pub engine: EngineHandle,
    /// Both clocks.
    pub clock: Clock,
    /// Where secrets wait for their host frame.
    pub secrets: Arc<Slots>,
    /// How long they may wait there.
    pub secrets_lifetime: Duration,
    /// Which host a payment goes to, and what each takes.
    pub routing: Arc<Routing>,
}

impl PaymentPath {
    /// Adds where a request would go, and why it may not go anywhere if no host takes it.
    fn ask(&self, asked: Asked, merchant: &Merchant) -> (Ask, Option<Refusal>) {
        match asked {
            Asked::New(request) => {
                let routes = self.routing.routes(merchant, &request);
                let objection = routes.as_ref().err().copied();
                (Ask::New { request, routes: routes.unwrap_or_default() }, objection)
            }
            Asked::FollowUp(follow_up) => {
                let offers = Arc::clone(&self.routing.offers);
                (Ask::FollowUp { follow_up, offers }, None)
            }
        }
    }
}

impl Core for PaymentPath {
    fn submit(&self, decoded: DecodedRequest) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let DecodedRequest { asked, merchant, secrets, objection } = decoded;
            let (ask, nowhere) = self.ask(asked, &merchant);
            let objection = objection.map(|_| Refusal::NotPermitted).or(nowhere);
            let now = self.clock.now();
            let id = PaymentId(uuid::Uuid::now_v7().as_u128());
            let deadline = now.mono.after(self.secrets_lifetime);
            if !secrets.is_empty() && self.secrets.put(id, secrets, deadline).is_err() {
                return Reply::Refusal(Refusal::Busy);
            }
            let reply = self
                .engine
                .ask(|waiter| {
                    Input::Request(Box::new(Incoming {
                        waiter,
                        id,
                        ask,
                        acceptor: merchant.acceptor.clone(),
                        local: local_time(&merchant.zone, now.wall),
                        terms: merchant.terms,
                        objection,
                    }))
                })
                .await;
            // A refusal or a retry used no secrets of its own.
            self.secrets.forget(id);
            reply
        })
    }

    fn query(&self, merchant: MerchantId, by: QueryBy) -> BoxFuture<'_, Reply> {
        let ask = |waiter| Input::Query(Query { waiter, merchant: Some(merchant), by });
        Box::pin(self.engine.ask(ask))
    }
}
