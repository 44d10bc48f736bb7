//! The edge: what its thread spends on a request, and the TLS records of it alone.

use crate::measure::{Plan, Took, thread_cpu};
use crate::table::{Counts, Row};
use anyhow::Context;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection, StreamOwned};
use std::io::{Cursor, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, SystemTime};
use tidegate::edge::http::{Edge, Opening};
use tidegate::edge::limits::Limits;
use tidegate::edge::seam::{Answer, Received};
use tidegate::edge::tls;
use tidegate::observe::Metrics;

/// Connections that are kept alive, each with one request under way.
const CONNECTIONS: usize = 16;
/// Requests on each connection in one window.
const REQUESTS: usize = 125;

/// A server's identity and the client that trusts it.
struct Peers {
    identity: tls::Identity,
    client: Arc<ClientConfig>,
}

/// Measures the edge with this request and this answer; the certificate goes to `folder`.
pub fn measure(
    plan: &Plan,
    folder: &Path,
    received: &Received,
    answer: &Answer,
) -> anyhow::Result<Vec<Row>> {
    let peers = Peers::make(folder)?;
    let request = as_http(received);
    let listen = cpu_of_the_edge(plan, &peers, &request, answer)?;
    let (open, seal) = records(plan, &peers, &request, answer)?;
    let what = "listen: the edge's thread for one request: sockets, TLS, HTTP/1.1, limits";
    let part = Counts::Part;
    Ok(vec![
        Row { name: "listen", what, counts: Counts::Sum, took: listen },
        Row {
            name: "tls_open",
            what: "TLS record with the request opened",
            counts: part,
            took: open,
        },
        Row {
            name: "tls_seal",
            what: "TLS record with the answer sealed",
            counts: part,
            took: seal,
        },
    ])
}

impl Peers {
    fn make(folder: &Path) -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (certificate, key) = (folder.join("tls.pem"), folder.join("tls.key"));
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let identity = tls::load(&certificate, &key, SystemTime::now())?;
        let mut roots = RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(&certificate)?)?;
        let client = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { identity, client: Arc::new(client) })
    }

    fn connect(&self) -> anyhow::Result<ClientConnection> {
        let name = ServerName::try_from("localhost")?;
        Ok(ClientConnection::new(Arc::clone(&self.client), name)?)
    }
}

fn as_http(received: &Received) -> Vec<u8> {
    let mut bytes = format!("{} {} HTTP/1.1\r\n", received.method, received.target).into_bytes();
    for (name, value) in &received.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    bytes.extend(&received.body);
    bytes
}

/// One thread is the whole edge; clients on other threads keep it busy. What counts is that thread's
/// processor time. It tells it itself: `GET /cpu`.
fn cpu_of_the_edge(
    plan: &Plan,
    peers: &Peers,
    request: &[u8],
    answer: &Answer,
) -> anyhow::Result<Took> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = answer.clone();
    let handler = move |received: Received| {
        let answer = match received.method.as_str() {
            "GET" => Answer {
                status: 200,
                headers: Vec::new(),
                body: thread_cpu().as_nanos().to_string().into_bytes(),
            },
            _ => answer.clone(),
        };
        async move { answer }
    };
    let limits = Limits { requests_per_connection_max: u64::MAX, ..Limits::default() };
    let opening = Opening {
        name: "rest".into(),
        address: ([127, 0, 0, 1], 0).into(),
        identity: peers.identity.clone(),
        limits,
    };
    let edge = runtime.block_on(Edge::open(opening, Arc::new(handler), Metrics::new()))?;
    let address = edge.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = thread::spawn(move || {
        runtime.block_on(async {
            // Whoever holds the sender is measuring.
            let _ended = stopped.await;
            edge.drain(Duration::from_secs(5)).await
        })
    });
    let took = load(plan, peers, address, request);
    drop(stop);
    serving.join().map_err(|_| anyhow::anyhow!("the edge broke"))?;
    took
}

fn load(plan: &Plan, peers: &Peers, address: SocketAddr, request: &[u8]) -> anyhow::Result<Took> {
    let mut asking = Client::connect(peers, address)?;
    let clients = (0..CONNECTIONS).map(|_| Client::connect(peers, address));
    let mut clients = clients.collect::<anyhow::Result<Vec<_>>>()?;
    let mut fault = Ok(());
    let took = plan.windows(u64::try_from(CONNECTIONS * REQUESTS)?, || {
        let window = window(&mut asking, &mut clients, request);
        window.unwrap_or_else(|error| {
            fault = Err(error);
            Duration::ZERO
        })
    });
    fault?;
    Ok(took)
}

fn window(asking: &mut Client, clients: &mut [Client], request: &[u8]) -> anyhow::Result<Duration> {
    let before = asking.cpu()?;
    let start = Barrier::new(clients.len());
    let results: Vec<anyhow::Result<()>> = thread::scope(|scope| {
        let start = &start;
        let pay = |client: &'_ mut Client| -> anyhow::Result<()> {
            for _ in 0..REQUESTS {
                client.ask(request)?;
            }
            Ok(())
        };
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                scope.spawn(move || {
                    start.wait();
                    pay(client)
                })
            })
            .collect();
        let joined = running.into_iter().map(|it| it.join());
        joined.map(|it| it.unwrap_or_else(|_| anyhow::bail!("a client broke"))).collect()
    });
    results.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(asking.cpu()?.saturating_sub(before))
}

/// A connection of a merchant's.
struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    held: Vec<u8>,
}

impl Client {
    fn connect(peers: &Peers, address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let stream = StreamOwned::new(peers.connect()?, socket);
        Ok(Self { stream, held: Vec::new() })
    }

    fn cpu(&mut self) -> anyhow::Result<Duration> {
        let body = self.ask(b"GET /cpu HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        Ok(Duration::from_nanos(std::str::from_utf8(&body)?.parse()?))
    }

    /// Sends a request and reads its answer, which must be a good one; its body.
    fn ask(&mut self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.stream.write_all(request)?;
        self.held.clear();
        let mut room = [0; 8192];
        loop {
            let count = self.stream.read(&mut room)?;
            anyhow::ensure!(count > 0, "the edge closed the connection");
            self.held.extend_from_slice(room.get(..count).unwrap_or_default());
            if let Some(body) = whole_body(&self.held)? {
                return Ok(body);
            }
        }
    }
}

fn whole_body(held: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let (head, rest) = held.split_at(end + 4);
    let head = std::str::from_utf8(head)?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 20"), "refused: {head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("an answer without a length")?.parse()?;
    Ok((rest.len() >= length).then(|| rest.to_vec()))
}

/// Opening the request's records and sealing the answer's, in memory.
fn records(
    plan: &Plan,
    peers: &Peers,
    request: &[u8],
    answer: &Answer,
) -> anyhow::Result<(Took, Took)> {
    let mut client = peers.connect()?;
    let mut server = ServerConnection::new(Arc::clone(&peers.identity.config))?;
    while client.is_handshaking() || server.is_handshaking() {
        hand_over(|wire| client.write_tls(wire), |wire| server.read_tls(wire))?;
        server.process_new_packets()?;
        hand_over(|wire| server.write_tls(wire), |wire| client.read_tls(wire))?;
        client.process_new_packets()?;
    }
    let mut fault: Result<(), anyhow::Error> = Ok(());
    let mut clear = vec![0; 16_384];
    let seal_one = || {
        let mut wire = Vec::with_capacity(request.len() + 100);
        let sealed = client.writer().write_all(request);
        sealed.and_then(|()| client.write_tls(&mut wire)).map(|_| wire).unwrap_or_default()
    };
    let open = plan.time_each(seal_one, |wire| {
        let mut opened = || {
            server.read_tls(&mut Cursor::new(&wire))?;
            server.process_new_packets()?;
            anyhow::Ok(server.reader().read(&mut clear)?)
        };
        match opened() {
            Ok(count) if count == request.len() => {}
            other => fault = Err(anyhow::anyhow!("a record does not open: {other:?}")),
        }
    });
    fault?;
    let bytes = as_http_answer(answer);
    let mut wire = Vec::with_capacity(16_384);
    let seal = plan.time(|| {
        wire.clear();
        let sealed = server.writer().write_all(&bytes);
        sealed.and_then(|()| server.write_tls(&mut wire)).is_ok()
    });
    Ok((open, seal))
}

/// The answer in one record, as long as hyper writes it.
fn as_http_answer(answer: &Answer) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 201 Created\r\n".to_vec();
    for (name, value) in &answer.headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    let length = answer.body.len();
    bytes.extend(format!("content-length: {length}\r\ndate: {}\r\n\r\n", "x".repeat(29)).bytes());
    bytes.extend(&answer.body);
    bytes
}

fn hand_over(
    write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<usize>,
    read: impl FnOnce(&mut Cursor<Vec<u8>>) -> std::io::Result<usize>,
) -> anyhow::Result<()> {
    let mut wire = Vec::new();
    write(&mut wire)?;
    if !wire.is_empty() {
        read(&mut Cursor::new(wire))?;
    }
    Ok(())
}
