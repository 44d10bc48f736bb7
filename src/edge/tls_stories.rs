//! Client certificates over real TLS on loopback.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::http::{Edge, Opening};
use super::limits::Limits;
use super::seam::{Answer, Received};
use super::tls::{self, Clients, TlsError};
use crate::observe::Metrics;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer};
use rcgen::{KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An authority that issues client certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn client(&self, usage: ExtendedKeyUsagePurpose, years: (i32, i32)) -> Client {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "shop.example");
        params.extended_key_usages = vec![usage];
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Client { certificate: certificate.der().clone(), key: key.serialize_der() }
    }
}

struct Client {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

/// A listener that answers with the client certificate that it was shown.
struct World {
    edge: Edge,
    server: CertificateDer<'static>,
    _folder: TempDir,
}

fn files(ca: &str) -> (TempDir, CertificateDer<'static>, [PathBuf; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let paths = ["tls.pem", "tls.key", "ca.pem"].map(|name| folder.path().join(name));
    let texts = [made.cert.pem(), made.signing_key.serialize_pem(), ca.to_owned()];
    for (path, text) in paths.iter().zip(texts) {
        std::fs::write(path, text).unwrap();
    }
    (folder, made.cert.der().clone(), paths)
}

impl World {
    async fn new(authority: &Authority, required: bool) -> Self {
        let (folder, server, [certificate, key, ca]) = files(&authority.pem);
        let clients = Some(Clients { ca: &ca, required });
        let identity = tls::load_asking(&certificate, &key, clients, SystemTime::now()).unwrap();
        let opening = Opening {
            name: "rest".to_owned(),
            address: "127.0.0.1:0".parse().unwrap(),
            identity,
            limits: Limits::default(),
        };
        let show = |received: Received| async move {
            let body = received.client_certificate.unwrap_or_default();
            Answer { status: 200, headers: vec![], body }
        };
        let edge = Edge::open(opening, Arc::new(show), Metrics::new()).await.unwrap();
        Self { edge, server, _folder: folder }
    }

    fn connector(&self, client: Option<&Client>) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.server.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some(Client { certificate, key }) => {
                let key = PrivateKeyDer::try_from(key.clone()).unwrap();
                config.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }

    /// Asks by a connection of this connector; none if the gateway refuses it. The body of the answer.
    async fn ask(&self, connector: &TlsConnector) -> Option<Vec<u8>> {
        let stream = TcpStream::connect(self.edge.address()).await.ok()?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.ok()?;
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let body = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        answer.get(body.checked_add(4)?..).map(<[u8]>::to_vec)
    }
}

#[tokio::test]
async fn the_certificate_that_a_client_proved_crosses_the_seam() {
    let authority = Authority::new();
    let client = authority.client(ExtendedKeyUsagePurpose::ClientAuth, (2020, 2120));
    for required in [true, false] {
        let world = World::new(&authority, required).await;
        let connector = world.connector(Some(&client));
        // The second connection may be resumed from the first: the certificate stays with it.
        for _ in 0..2 {
            assert_eq!(world.ask(&connector).await, Some(client.certificate.to_vec()));
        }
        let without = world.ask(&world.connector(None)).await;
        assert_eq!(without, if required { None } else { Some(vec![]) });
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_purpose_or_time_is_refused_even_if_none_is_required()
{
    let (authority, stranger) = (Authority::new(), Authority::new());
    let world = World::new(&authority, false).await;
    let clients = [
        stranger.client(ExtendedKeyUsagePurpose::ClientAuth, (2020, 2120)),
        authority.client(ExtendedKeyUsagePurpose::ServerAuth, (2020, 2120)),
        authority.client(ExtendedKeyUsagePurpose::ClientAuth, (2020, 2021)),
    ];
    for client in clients {
        assert_eq!(world.ask(&world.connector(Some(&client))).await, None);
    }
}

#[test]
fn a_file_without_authorities_is_refused_by_name() {
    let (_folder, _, [certificate, key, ca]) = files("no certificate here\n");
    let clients = Some(Clients { ca: &ca, required: true });
    let refused = tls::load_asking(&certificate, &key, clients, SystemTime::now()).unwrap_err();
    assert!(matches!(&refused, TlsError::ClientCa { path, .. } if *path == ca), "{refused}");
}
