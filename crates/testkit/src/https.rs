//! A TLS client for tests that trusts the authority of `fixtures/tls`, and one POST over what it has connected.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::fixtures;

/// A connection over which requests can be posted one after the other.
#[derive(Debug)]
pub struct Https {
    sender: Sender,
    /// The certificate that the server showed, in DER.
    pub certificate: Vec<u8>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// The certificate of a file in `fixtures/tls`, in DER.
///
/// # Errors
/// When there is none.
pub fn certificate(name: &str) -> Result<Vec<u8>> {
    let path = fixtures::path(&format!("tls/{name}"));
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(CertificateDer::from_pem_slice(&text).context("no certificate")?.to_vec())
}

impl Https {
    /// Connects and offers one protocol: `h2` or `http/1.1`.
    ///
    /// # Errors
    /// When there is no connection, no handshake, or the server does not choose that protocol.
    pub async fn connect(address: &str, protocol: &str) -> Result<Self> {
        let stream = handshake(address, protocol).await?;
        let (_, connection) = stream.get_ref();
        anyhow::ensure!(connection.alpn_protocol() == Some(protocol.as_bytes()), "{protocol} was not chosen");
        let certificate = connection.peer_certificates().and_then(<[_]>::first).context("no certificate")?.to_vec();
        let io = TokioIo::new(stream);
        let sender = if protocol == "h2" {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.context("no HTTP/2")?;
            tokio::spawn(connection);
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(io).await.context("no HTTP/1.1")?;
            tokio::spawn(connection);
            Sender::Http1(sender)
        };
        Ok(Self { sender, certificate })
    }

    /// Posts a webhook with this token to a path and returns the status.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn webhook(&mut self, path: &str, token: &str, body: &str) -> Result<u16> {
        let request = Request::post(match self.sender {
            Sender::Http1(_) => path.to_owned(),
            Sender::Http2(_) => format!("https://localhost{path}"),
        });
        let request = request.header("host", "localhost").header("authorization", token);
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).context("not a request")?;
        let answer = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await.context("the connection is closed")?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await.context("the connection is closed")?;
                sender.send_request(request).await
            }
        };
        let answer: hyper::Response<Incoming> = answer.context("no answer")?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await.context("half an answer")?;
        Ok(status)
    }
}

/// A TLS connection that trusts the tests' authority.
///
/// # Errors
/// When there is no connection or no handshake.
pub async fn handshake(address: &str, protocol: &str) -> Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate("ca.crt")?)).context("not an authority")?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config = builder
        .with_safe_default_protocol_versions()
        .context("no TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    let name = ServerName::try_from("localhost").context("not a name")?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.context("no handshake")
}
