//! The native channel: JSON over HTTPS, requests and answers signed by RFC 9421, card data in JWE.
//!
//! [`serve`] is one request from the edge to the edge: [`authenticate`], [`decode`], [`screen`], the
//! core, [`respond`]. What computes runs on the worker pool. A payment belongs to the gateway: the
//! caller runs [`serve`] in a task of its own, so that a client that disconnects cancels nothing.

mod authenticate;
mod decode;
mod door;
mod openapi;
mod problem;
mod respond;
mod screen;
#[cfg(test)]
mod stories;
pub mod vectors;

pub use authenticate::{Authenticated, Unauthenticated, authenticate};
pub use decode::decode;
pub use door::lane;
pub use problem::{Code, Problem};
pub use respond::{answer, sign};
pub use screen::{Screened, screen};

use super::merchant::{Merchant, Merchants};
use super::replay::ReplayWindow;
use super::signature::{Binding, PublicAddress};
use crate::admission::{Crowded, Entering, Places, Shares};
use crate::edge::seam::{Answer, Received};
use crate::keys::KeyStore;
use crate::keys::pool::WorkerPool;
use crate::observe::Stage;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_payment::card::Secrets;
use tidegate_payment::effect::{Refusal, Reply};
use tidegate_payment::id::{ChannelId, MerchantId, PaymentId};
use tidegate_payment::input::QueryBy;
use tidegate_payment::payment::Verdict;
use tidegate_payment::request::{FollowUp, Operation, Request};
use tidegate_payment::time::Timestamp;

/// A request that may go to the engine. It has no Debug: secrets travel with it.
pub struct DecodedRequest {
    /// What is asked; all that may be written down.
    pub asked: Asked,
    /// The profile of who asks: acceptor, terms, zone and host for the engine's input.
    pub merchant: Arc<Merchant>,
    /// They travel beside the engine in a slot that is wiped.
    pub secrets: Secrets,
    /// What the screen holds against it. Only the engine knows a retry, and a retry is answered from
    /// its record whatever the profile has become since.
    pub objection: Option<Screened>,
}

/// What is asked.
pub enum Asked {
    /// Something new of a card.
    New(Request),
    /// Something about an earlier payment.
    FollowUp(FollowUp),
}

/// What lies behind the channel: the engine's task.
pub trait Core: Send + Sync {
    /// Takes a request and gives its outcome, or a refusal before anything was accepted.
    /// `came`: when the request was there, whole.
    fn submit(&self, request: DecodedRequest, came: Instant) -> BoxFuture<'_, Reply>;

    /// Before a new payment is looked at: whether there could be a place for it. `who` is whom it claims to
    /// be from; nothing is proved yet.
    /// # Errors
    /// [`Crowded`]: it would be refused.
    fn approach(&self, who: Option<&MerchantId>, weight: u32) -> Result<Option<Entering>, Crowded> {
        let _ = (who, weight);
        Ok(None)
    }

    /// Looks payments of a merchant up; never asks the host.
    fn query(&self, merchant: MerchantId, by: QueryBy) -> BoxFuture<'_, Reply>;
}

/// Counts what was refused, by reason.
pub trait Tally: Send + Sync {
    /// A request that was not authenticated; the reason of [`Unauthenticated::reason`].
    fn not_authenticated(&self, reason: &'static str);

    /// A request that was refused: a [`Code::name`], or a reason why card data could not be read.
    fn refused(&self, reason: &'static str);

    /// What became of a payment was told to its merchant; a retry or a question is not counted.
    fn told(&self, verdict: Verdict);

    /// A part of a request's path took this long.
    fn took(&self, stage: Stage, time: Duration);
}

/// What configuration says about the channel.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// The channel's name.
    pub channel: ChannelId,
    /// Where merchants reach it; signatures are checked against this, never against `Host`.
    pub address: PublicAddress,
    /// How far a message's `created` may be from our clock, in seconds.
    pub signature_window_s: i64,
    /// What `Retry-After` says at least, in seconds.
    pub retry_after_s: u32,
    /// Over how many seconds more it is spread.
    pub retry_spread_s: u32,
    /// How many requests of the ordinary lane may be under way.
    pub places: Places,
    /// A request that was not looked at so long after it came is refused.
    pub accept_within: Duration,
}

/// All that the channel works with.
pub struct RestParts {
    /// From configuration.
    pub settings: RestSettings,
    /// Who may ask.
    pub merchants: Merchants,
    /// The bank's keys.
    pub keys: Arc<dyn KeyStore>,
    /// Nonces seen; one window for all channels and listeners that share merchants.
    pub replay: Arc<ReplayWindow>,
    /// Where signatures and decryption are computed.
    pub pool: Arc<WorkerPool>,
    /// Who holds the places of the ordinary lane.
    pub shares: Arc<Shares>,
    /// The engine's task.
    pub core: Arc<dyn Core>,
    /// Counters.
    pub tally: Arc<dyn Tally>,
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl RestParts {
    fn now_s(&self) -> i64 {
        (self.clock)().0.div_euclid(1_000_000)
    }

    /// Spread by the clock's last digits: who was refused together does not come again together.
    fn retry_after_s(&self) -> u32 {
        let RestSettings { retry_after_s, retry_spread_s, .. } = self.settings;
        let micros = (self.clock)().0.rem_euclid(i64::from(retry_spread_s).saturating_add(1));
        retry_after_s.saturating_add(u32::try_from(micros).unwrap_or(0))
    }
}

/// Serves one request.
pub async fn serve(received: Received, parts: &Arc<RestParts>) -> Answer {
    let endpoint = match route(&received) {
        Ok(endpoint) => endpoint,
        Err(problem) => return problem.answer(parts.retry_after_s()),
    };
    let came = Instant::now();
    let (posted, lane) = (endpoint.is_posted(), endpoint.lane());
    let (place, entering) = match door::pass(&received, &endpoint, parts) {
        Ok(passed) => passed,
        Err(crowded) => return door::refuse(crowded, parts),
    };
    let worker = Arc::clone(parts);
    let look = move || take(&received, &endpoint, &worker, came);
    let taken = parts.pool.try_run(lane, look).await;
    drop(entering);
    parts.tally.took(Stage::Admit, came.elapsed());
    let admitted = Instant::now();
    let mut objection = None;
    let (binding, reply) = match taken {
        Err(error) => {
            tracing::warn!(%error, "a request was not looked at");
            parts.tally.refused(Code::Busy.name());
            return respond::unsigned_busy(parts);
        }
        Ok(Taken::Answered(answer)) => return answer,
        Ok(Taken::Pay(binding, request)) => {
            objection = request.objection;
            (binding, parts.core.submit(*request, came).await)
        }
        Ok(Taken::Ask(binding, merchant, by)) => (binding, parts.core.query(merchant, by).await),
    };
    parts.tally.took(Stage::Decide, admitted.elapsed());
    note(&reply, posted, objection, parts);
    drop(place);
    let decided = Instant::now();
    let worker = Arc::clone(parts);
    let signed = parts.pool.run(move || {
        let answer = respond::answer(&reply, posted, objection, worker.retry_after_s());
        respond::sign(answer, &binding, &worker, worker.now_s())
    });
    let signed = signed.await;
    parts.tally.took(Stage::Respond, decided.elapsed());
    match signed {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "an answer was not made");
            respond::unsigned_busy(parts)
        }
    }
}

/// What a request is for.
pub enum Endpoint {
    /// `POST /v1/payments`.
    Pay,
    /// `POST /v1/cards/verify` or `/v1/cards/balance`.
    Inquire(Operation),
    /// `POST /v1/payments/{id}/captures`, `/voids` or `/refunds`, the id not yet read.
    Follow(Operation, String),
    /// `GET /v1/payments/{id}`, the id not yet read.
    One(String),
    /// `GET /v1/payments?...`, the query not yet read.
    Order(String),
    /// `GET /v1/keys`.
    Keys,
    /// `GET /v1/openapi.json`.
    Description,
}

impl Endpoint {
    /// Whether it may change something: then a body, its digest and an idempotency key are signed.
    pub(super) fn is_posted(&self) -> bool {
        matches!(self, Self::Pay | Self::Inquire(_) | Self::Follow(..))
    }
}

/// What hangs below a payment, and what it does.
const FOLLOW_UPS: [(&str, Operation); 3] = [
    ("captures", Operation::Completion),
    ("voids", Operation::Void),
    ("refunds", Operation::Refund),
];

/// Questions about a card.
const INQUIRIES: [(&str, Operation); 2] = [
    ("/v1/cards/verify", Operation::CardVerification),
    ("/v1/cards/balance", Operation::BalanceInquiry),
];

/// The addresses that take a POST and nothing else.
fn post_only(path: &str) -> Option<Endpoint> {
    if let Some((_, operation)) = INQUIRIES.iter().find(|(address, _)| *address == path) {
        return Some(Endpoint::Inquire(*operation));
    }
    let (id, name) = path.strip_prefix("/v1/payments/")?.split_once('/')?;
    let (_, operation) = FOLLOW_UPS.iter().find(|(known, _)| *known == name)?;
    Some(Endpoint::Follow(*operation, id.into()))
}

fn route(received: &Received) -> Result<Endpoint, Problem> {
    let (path, query) = match received.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (received.target.as_str(), None),
    };
    if let Some(endpoint) = post_only(path) {
        return match (received.method.as_str(), query) {
            ("POST", None) => Ok(endpoint),
            ("POST", Some(_)) => Err(Problem::new(Code::Malformed, "POST wants no query.")),
            _ => Err(not_allowed("POST")),
        };
    }
    let one = path.strip_prefix("/v1/payments/").filter(|id| !id.is_empty() && !id.contains('/'));
    let (endpoint, allowed) = match (received.method.as_str(), path, query, one) {
        ("POST", "/v1/payments", None, _) => (Some(Endpoint::Pay), ""),
        ("GET", "/v1/payments", Some(query), _) => (Some(Endpoint::Order(query.into())), ""),
        ("GET", _, None, Some(id)) => (Some(Endpoint::One(id.into())), ""),
        ("GET", "/v1/keys", None, _) => (Some(Endpoint::Keys), ""),
        ("GET", "/v1/openapi.json", None, _) => (Some(Endpoint::Description), ""),
        (_, "/v1/payments", ..) => (None, "GET, POST"),
        (_, "/v1/keys" | "/v1/openapi.json", None, _) | (_, _, None, Some(_)) => (None, "GET"),
        _ => return Err(Problem::new(Code::NotFound, "There is nothing at this address.")),
    };
    match endpoint {
        Some(Endpoint::Pay) => Ok(Endpoint::Pay),
        Some(_) if !received.body.is_empty() => {
            Err(Problem::new(Code::Malformed, "A GET has no body here."))
        }
        Some(endpoint) => Ok(endpoint),
        // `GET /v1/payments` without a query and `POST` with one come here too.
        None if matches!(received.method.as_str(), "GET" | "POST") && path == "/v1/payments" => {
            Err(Problem::new(Code::Malformed, "GET wants ?order_id=, POST wants no query."))
        }
        None => Err(not_allowed(allowed)),
    }
}

fn not_allowed(allowed: &str) -> Problem {
    Problem {
        expected: Some(allowed.into()),
        ..Problem::new(Code::MethodNotAllowed, "The method does not go with this address.")
    }
}

/// What became of a request on the worker.
enum Taken {
    Answered(Answer),
    Pay(Binding, Box<DecodedRequest>),
    Ask(Binding, MerchantId, QueryBy),
}

/// Authenticates, decodes and screens: everything that computes, in one go on one worker.
fn take(received: &Received, endpoint: &Endpoint, parts: &RestParts, came: Instant) -> Taken {
    // Whoever waited so long for a worker waits no longer.
    if came.elapsed() > parts.settings.accept_within {
        parts.tally.refused("waited_too_long");
        return Taken::Answered(respond::unsigned_busy(parts));
    }
    match endpoint {
        Endpoint::Keys => return Taken::Answered(respond::keys_answer(parts)),
        Endpoint::Description => return Taken::Answered(openapi::answer()),
        _ => {}
    }
    let now_s = parts.now_s();
    let (sender, admitted) = match authenticate::authenticate(received, endpoint, parts, now_s) {
        Ok(known) => known,
        Err(error) => {
            parts.tally.not_authenticated(error.reason());
            let (listener, peer) = (&received.listener, received.peer);
            tracing::warn!(%listener, %peer, reason = error.reason(), %error, "not authenticated");
            let problem = Problem::not_authenticated();
            return Taken::Answered(problem.answer(parts.retry_after_s()));
        }
    };
    let decoded = match (admitted, endpoint) {
        (Err(_), _) => Err(Refusal::Busy.into()),
        (Ok(()), Endpoint::Pay | Endpoint::Inquire(_) | Endpoint::Follow(..)) => {
            request(received, endpoint, &sender, parts)
        }
        (Ok(()), Endpoint::One(id)) => PaymentId::parse(id)
            .map(|id| Decoded::Query(QueryBy::Id(id)))
            .map_err(|_| Refusal::NotFound.into()),
        (Ok(()), Endpoint::Order(query)) => decode::order_query(query).map(Decoded::Query),
        (Ok(()), Endpoint::Keys | Endpoint::Description) => Err(Refusal::NotFound.into()),
    };
    match decoded {
        Ok(Decoded::Request(request)) => Taken::Pay(sender.binding, request),
        Ok(Decoded::Query(by)) => Taken::Ask(sender.binding, sender.merchant.id.clone(), by),
        Err(problem) => {
            parts.tally.refused(problem.code.name());
            let merchant = &sender.merchant.id;
            tracing::info!(%merchant, code = problem.code.name(), field = problem.field, "refused");
            let answer = problem.answer(parts.retry_after_s());
            Taken::Answered(respond::sign(answer, &sender.binding, parts, now_s))
        }
    }
}

enum Decoded {
    Request(Box<DecodedRequest>),
    Query(QueryBy),
}

fn request(
    received: &Received,
    endpoint: &Endpoint,
    sender: &authenticate::Authenticated,
    parts: &RestParts,
) -> Result<Decoded, Problem> {
    let mut decoded = decode(received, endpoint, sender, parts)?;
    let (operation, amount) = match &decoded.asked {
        Asked::New(request) => (request.operation, Some(request.amount)),
        Asked::FollowUp(follow_up) => (follow_up.operation, follow_up.amount),
    };
    decoded.objection = screen(operation, amount, &decoded.merchant).err();
    Ok(Decoded::Request(Box::new(decoded)))
}

/// Logs and counts what the core said.
fn note(reply: &Reply, posted: bool, objection: Option<Screened>, parts: &RestParts) {
    match reply {
        Reply::Outcome { view, replayed } => {
            let view = view.get();
            let (payment, merchant) = (view.id, &view.request.merchant);
            tracing::info!(%payment, %merchant, verdict = ?view.verdict, replayed, "replied");
            if posted && !replayed {
                parts.tally.told(view.verdict);
            }
        }
        Reply::List(views) => tracing::debug!(count = views.len(), "listed"),
        Reply::Refusal(refusal) => {
            let problem = respond::refused(*refusal, objection);
            parts.tally.refused(problem.code.name());
            tracing::info!(code = problem.code.name(), field = problem.field, "refused");
        }
    }
}
