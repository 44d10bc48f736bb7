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

use crate::admission::{Admission, Crowded, Entering, Entry, Place};
use crate::calendar::local_time;
use crate::channel::merchant::Merchant;
use crate::channel::rest::{Asked, Core, DecodedRequest};
use crate::engine_task::{Clock, EngineHandle};
use crate::host::Clock as _;
use crate::host::slot::Slots;
use crate::routing::Routing;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};
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
    /// How much new work each host may be given, and whose.
    pub admission: Arc<Admission>,
    /// What is not accepted so long after it came is refused.
    pub accept_within: Duration,
}

/// Where a request would go, and the place that it holds there.
struct Placed {
    ask: Ask,
    /// Held until the outcome is known.
    place: Option<Place>,
    /// Why there was none at the host that it would go to.
    crowded: Option<Crowded>,
    /// Why it may not be accepted, unless it is a retry.
    objection: Option<Refusal>,
}

impl PaymentPath {
    /// Adds where a request would go, and why it may not go anywhere if no host takes it. A host with an open
    /// breaker is passed over as one that is down. One that is merely full is not: then the request goes
    /// nowhere, unless it is a retry of one that was accepted before.
    fn place(&self, asked: Asked, merchant: &Merchant, objection: Option<Refusal>) -> Placed {
        let request = match asked {
            Asked::New(request) => request,
            Asked::FollowUp(follow_up) => {
                let ask = Ask::FollowUp { follow_up, offers: Arc::clone(&self.routing.offers) };
                return Placed { ask, place: None, crowded: None, objection };
            }
        };
        let routes = self.routing.routes(merchant, &request);
        let objection = objection.or(routes.as_ref().err().copied());
        let mut routes = routes.ok().filter(|_| objection.is_none()).unwrap_or_default();
        let (mut place, mut crowded) = (None, None);
        while let Some(best) = routes.first() {
            match self.admission.enter(&best.host, &merchant.id, merchant.weight) {
                Entry::In(taken) => {
                    place = Some(taken);
                    break;
                }
                Entry::Later(why) => {
                    crowded = Some(why);
                    routes.clear();
                }
                Entry::Closed => drop(routes.remove(0)),
            }
        }
        Placed { ask: Ask::New { request, routes }, place, crowded, objection }
    }
}

impl From<Crowded> for Refusal {
    fn from(crowded: Crowded) -> Self {
        match crowded {
            Crowded::Full => Self::Busy,
            Crowded::OverShare => Self::OverShare,
        }
    }
}

impl Core for PaymentPath {
    fn approach(&self, who: Option<&MerchantId>, weight: u32) -> Result<Option<Entering>, Crowded> {
        self.admission.approach(who, weight).map(Some)
    }

    fn submit(&self, decoded: DecodedRequest, came: Instant) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let DecodedRequest { asked, merchant, secrets, objection } = decoded;
            let objection = objection.map(|_| Refusal::NotPermitted);
            let Placed { ask, place, crowded, objection } = self.place(asked, &merchant, objection);
            let now = self.clock.now();
            let id = PaymentId(uuid::Uuid::now_v7().as_u128());
            let deadline = now.mono.after(self.secrets_lifetime);
            if !secrets.is_empty() && self.secrets.put(id, secrets, deadline).is_err() {
                return Reply::Refusal(Refusal::Busy);
            }
            let accept_by = now.mono.after(self.accept_within.saturating_sub(came.elapsed()));
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
                        accept_by,
                    }))
                })
                .await;
            // A refusal or a retry used no secrets of its own.
            self.secrets.forget(id);
            drop(place);
            match (reply, crowded) {
                (Reply::Refusal(Refusal::HostUnavailable), Some(why)) => Reply::Refusal(why.into()),
                (reply, _) => reply,
            }
        })
    }

    fn query(&self, merchant: MerchantId, by: QueryBy) -> BoxFuture<'_, Reply> {
        let ask = |waiter| Input::Query(Query { waiter, merchant: Some(merchant), by });
        Box::pin(self.engine.ask(ask))
    }
}
