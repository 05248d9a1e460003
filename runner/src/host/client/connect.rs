//! A connection to one of the judged addresses of a target.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use service::config::Host;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::io::TokioIo;

use super::{SendError, Target};

/// Bytes of an answer's head, and of its body that are read ahead.
const BUFFER: usize = 64 << 10;

/// Headers of an answer.
const HEADERS: usize = 128;

/// One connection. It is closed when this is dropped, whatever was under way.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects to the first address that answers.
pub(super) async fn connect(
    target: &Target,
    addresses: &[IpAddr],
    tls: Option<Arc<ClientConfig>>,
    until: Instant,
) -> Result<Connection, SendError> {
    let stream = reach(target, addresses, until).await?;
    let _ = stream.set_nodelay(true);
    match tls {
        None => handshake(stream).await,
        Some(config) => {
            let name = server_name(&target.host)?;
            let stream = TlsConnector::from(config).connect(name, stream).await;
            handshake(stream.map_err(|source| SendError::Tls { target: target.clone(), source })?).await
        }
    }
}

async fn reach(target: &Target, addresses: &[IpAddr], until: Instant) -> Result<TcpStream, SendError> {
    let mut failure = None;
    for (tried, address) in addresses.iter().enumerate() {
        // What is left of the time is shared by the addresses that are left, so that one that is silent does not use
        // it all.
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = Instant::now() + until.saturating_duration_since(Instant::now()) / left;
        match timeout_at(share, TcpStream::connect((*address, target.port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => failure = Some(source),
            Err(_) => failure = Some(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(match failure {
        Some(source) if source.kind() == io::ErrorKind::TimedOut => {
            SendError::ConnectTimeout { target: target.clone() }
        }
        Some(source) => SendError::Connect { target: target.clone(), source },
        None => SendError::NoAddress { target: target.clone() },
    })
}

fn server_name(host: &Host) -> Result<ServerName<'static>, SendError> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| SendError::Target),
    }
}

async fn handshake<S>(stream: S) -> Result<Connection, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new();
    builder.max_buf_size(BUFFER).max_headers(HEADERS);
    let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(SendError::of)?;
    // Its errors are told to the request that is under way.
    let driver = tokio::spawn(async move { drop(driver.await) }).abort_handle();
    Ok(Connection { sender, driver })
}
