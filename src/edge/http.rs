//! Listens: accepts connections, does their handshakes, reads whole requests under the listener's
//! limits, hands each to what lies behind the seam and writes its answer.

use super::answer::{refuse, respond};
use super::gate::{Gate, Notes};
use super::http2;
use super::limits::Limits;
use super::peer::Peer;
use super::refusal::Refusal;
use super::seam::{Answer, Received};
use super::sources::{Place, Sources};
use super::tls::{self, Identity};
use crate::lane::{Lane, ordinary_of};
use crate::observe::Metrics;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What lies behind the seam: takes one whole request, gives one whole answer. Any
/// `Fn(Received) -> impl Future<Output = Answer>` is one.
pub trait Handle: Send + Sync + 'static {
    /// Answers a request. Runs in a task of its own, to its end, whether or not the client waits.
    fn handle(&self, received: Received) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

    /// Says in which lane a request travels, by its method and target alone.
    fn lanes(&self) -> Lanes {
        |_, _| Lane::Ordinary
    }
}

/// In which lane a request of this method and target travels.
pub type Lanes = fn(&str, &str) -> Lane;

impl<F, W> Handle for F
where
    F: Fn(Received) -> W + Send + Sync + 'static,
    W: Future<Output = Answer> + Send + 'static,
{
    fn handle(&self, received: Received) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(self(received))
    }
}

/// What a listener needs to open.
pub struct Opening {
    /// Its name in configuration.
    pub name: String,
    /// Where it listens; port 0 takes any free port.
    pub address: SocketAddr,
    /// Its certificate and key.
    pub identity: Identity,
    /// Its limits.
    pub limits: Limits,
}

/// Why a listener could not open.
#[derive(Debug, thiserror::Error)]
#[error("listener {name} cannot listen on {address}: is the port taken, or the address not ours?")]
pub struct ListenError {
    /// The listener.
    pub name: String,
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// An open listener.
pub struct Edge {
    address: SocketAddr,
    stop: CancellationToken,
    cut: CancellationToken,
    tasks: TaskTracker,
    shared: Arc<Shared>,
}

impl Edge {
    /// Opens a listener and serves it in tasks of its own.
    /// # Errors
    /// [`ListenError`] when the address cannot be bound.
    pub async fn open(
        opening: Opening,
        handler: Arc<dyn Handle>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ListenError> {
        let Opening { name, address, identity, limits } = opening;
        let fault = |source| ListenError { name: name.clone(), address, source };
        let listener = TcpListener::bind(address).await.map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        metrics.certificate_not_after(&name, identity.not_after_unix_s);
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared {
            handshakes: Semaphore::new(limits.handshakes_max),
            in_flight: Arc::new(Semaphore::new(limits.requests_in_flight_max.max(2))),
            ordinary: Arc::new(Semaphore::new(ordinary_of(limits.requests_in_flight_max))),
            lanes: handler.lanes(),
            reading: Sources::new(limits.http2.reading_max, usize::MAX, limits.body_rate_grace),
            sources: Sources::new(
                limits.connections_max,
                limits.connections_per_source_max,
                limits.header_time,
            ),
            serving: RwLock::new(Serving::new(&identity, limits)),
            stop: stop.clone(),
            cut: cut.clone(),
            tasks: tasks.clone(),
            name,
            handler,
            metrics,
        });
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, stop, cut, tasks, shared })
    }

    /// What changes the listener while it serves.
    pub fn switch(&self) -> Switch {
        Switch(Arc::clone(&self.shared))
    }

    /// Where it listens, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting and waits until the requests under way are answered. At the deadline what is
    /// left is cut off (the payments go on; only their connections end). True when nothing was cut.
    pub async fn drain(self, within: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        let finished = tokio::time::timeout(within, self.tasks.wait()).await.is_ok();
        self.cut.cancel();
        finished
    }
}

/// Changes an open listener.
#[derive(Clone)]
pub struct Switch(Arc<Shared>);

impl Switch {
    /// Serves new connections by another certificate and other limits; those that are open go on with
    /// what they began with. The counts of the listener as a whole ([`Limits::fixed`]) stay as they
    /// were at the opening.
    pub fn replace(&self, identity: &Identity, limits: Limits) {
        let Self(shared) = self;
        shared.metrics.certificate_not_after(&shared.name, identity.not_after_unix_s);
        *shared.serving.write().unwrap_or_else(PoisonError::into_inner) =
            Serving::new(identity, limits);
    }
}

/// What all connections of a listener share.
pub(super) struct Shared {
    pub(super) name: String,
    serving: RwLock<Serving>,
    sources: Arc<Sources>,
    handshakes: Semaphore,
    in_flight: Arc<Semaphore>,
    /// Of these, the places that the ordinary lane may take.
    ordinary: Arc<Semaphore>,
    lanes: Lanes,
    /// One place a body that is being read over HTTP/2.
    pub(super) reading: Arc<Sources>,
    handler: Arc<dyn Handle>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: CancellationToken,
    pub(super) cut: CancellationToken,
    pub(super) tasks: TaskTracker,
}

/// What a new connection is served with, from its first byte to its last.
#[derive(Clone)]
struct Serving {
    tls: Arc<ServerConfig>,
    limits: Arc<Limits>,
}

impl Serving {
    fn new(identity: &Identity, limits: Limits) -> Self {
        Self { tls: Arc::clone(&identity.config), limits: Arc::new(limits) }
    }
}

impl Shared {
    /// Hands a message of a peer over the seam and waits for its answer. `under_way` is held until the
    /// work is done. The peer's place is safe meanwhile, and for good once something but a question was
    /// not refused: that takes a signature.
    pub(super) async fn hand_over<P: Send + 'static>(
        &self,
        received: Received,
        peer: &Peer,
        under_way: P,
    ) -> Result<Answer, Refusal> {
        let _working = peer.place.work();
        let is_question = matches!(received.method.as_str(), "GET" | "HEAD");
        let take = |places: &Arc<Semaphore>| {
            Arc::clone(places).try_acquire_owned().map_err(|_| Refusal::Busy)
        };
        let ordinary = match (self.lanes)(&received.method, &received.target) {
            Lane::Ordinary => Some(take(&self.ordinary)?),
            Lane::Kept => None,
        };
        let in_flight = take(&self.in_flight)?;
        // A task of its own: a client that goes away takes no payment with it.
        let (handler, metrics) = (Arc::clone(&self.handler), Arc::clone(&self.metrics));
        let work = self.tasks.spawn(async move {
            let _held = (in_flight, ordinary, under_way, metrics.request_under_way());
            handler.handle(received).await
        });
        let answer = work.await.map_err(|fault| {
            tracing::error!(listener = self.name, %fault, "the work on a request broke off");
            Refusal::Broken
        })?;
        if answer.status < 400 && !is_question {
            peer.place.keep_for_good();
        }
        Ok(answer)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match shared.sources.take(peer.ip()) {
                Ok(place) => {
                    let connection = connect(stream, peer, place, Arc::clone(&shared));
                    shared.tasks.spawn(connection);
                }
                Err(full) => shared.metrics.edge_refused(&shared.name, full.label()),
            },
            Err(fault) => {
                // Out of file handles, most likely. Those that are open go on; new ones wait a little.
                tracing::warn!(listener = shared.name, %fault, "a connection could not be accepted");
                shared.metrics.edge_refused(&shared.name, "accept_failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connect(stream: TcpStream, peer: SocketAddr, place: Arc<Place>, shared: Arc<Shared>) {
    let _open = shared.metrics.connection_open(&shared.name);
    let lost = place.lost();
    tokio::select! {
        biased;
        () = lost => shared.metrics.edge_refused(&shared.name, "place_lost"),
        () = converse(stream, peer, &place, &shared) => {}
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, place: &Arc<Place>, shared: &Arc<Shared>) {
    let Serving { tls, limits } =
        shared.serving.read().unwrap_or_else(PoisonError::into_inner).clone();
    let handshake_by = Instant::now() + limits.handshake_time;
    let handshake = tls::accept(stream, tls, &shared.handshakes);
    let stream = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return,
        done = timeout_at(handshake_by, handshake) => match done {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return shared.metrics.edge_refused(&shared.name, "handshake_failed"),
            Err(_) => return shared.metrics.edge_refused(&shared.name, "handshake_time"),
        },
    };
    let from = Peer::of(&stream, peer, Arc::clone(place));
    // By what the client chose (ALPN), never by looking at its bytes.
    if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2) {
        http2::serve(stream, from, limits, shared).await;
    } else {
        serve(stream, from, limits, shared).await;
    }
}

async fn serve(
    stream: TlsStream<TcpStream>,
    from: Peer,
    limits: Arc<Limits>,
    shared: &Arc<Shared>,
) {
    let (peer, notes) = (from.address, Arc::new(Notes::default()));
    let gate = Gate::new(stream, Arc::clone(&limits), Arc::clone(&notes));
    let connection = Arc::new(Connection {
        peer: from,
        notes: Arc::clone(&notes),
        requests: AtomicU64::new(0),
        limits: Arc::clone(&limits),
        shared: Arc::clone(shared),
    });
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { Ok::<_, Infallible>(connection.answer(request).await) }
    });
    // The gate's own clocks and counts are tighter; these are the library's, should the gate err.
    let library = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_time + limits.request_time)
        .max_headers(limits.headers_max)
        .max_header_size(limits.header_bytes_max)
        .max_buf_size(limits.header_bytes_max.max(8_192).saturating_mul(2))
        .half_close(false)
        .keep_alive(true)
        .serve_connection(TokioIo::new(gate), service);
    tokio::pin!(library);
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = shared.cut.cancelled() => break,
            () = shared.stop.cancelled(), if !stopping => {
                stopping = true;
                library.as_mut().graceful_shutdown();
            }
            _ended = library.as_mut() => break,
        }
    }
    if let Some(refusal) = notes.refusal() {
        shared.metrics.edge_refused(&shared.name, refusal.code());
        tracing::debug!(listener = shared.name, %peer, %refusal, "a connection was closed");
    }
}

/// One connection, for its requests.
struct Connection {
    peer: Peer,
    notes: Arc<Notes>,
    requests: AtomicU64,
    limits: Arc<Limits>,
    shared: Arc<Shared>,
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let served = self.requests.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let shared = &self.shared;
        let (mut response, keeps) = match self.work(request).await {
            Ok(answer) => (respond(answer), true),
            Err(refusal) => {
                // What the gate refused is counted when the connection ends.
                if self.notes.refusal().is_none() {
                    shared.metrics.edge_refused(&shared.name, refusal.code());
                }
                (refuse(refusal), refusal.keeps_connection())
            }
        };
        let last = served >= self.limits.requests_per_connection_max;
        if !keeps || last || shared.stop.is_cancelled() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.notes.answered();
        response
    }

    async fn work(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let shared = &self.shared;
        let (head, body) = request.into_parts();
        let body = Limited::new(body, self.limits.body_bytes_max).collect().await;
        let unread = || self.notes.refusal().unwrap_or(Refusal::Malformed("a whole body"));
        let body = body.map_err(|_| unread())?.to_bytes().to_vec();
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let field = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        let received = Received {
            listener: shared.name.clone(),
            peer: self.peer.address,
            client_certificate: self.peer.certificate.clone(),
            method: head.method.as_str().to_owned(),
            target: target.to_owned(),
            headers: head.headers.iter().map(field).collect(),
            body,
        };
        shared.hand_over(received, &self.peer, ()).await
    }
}
