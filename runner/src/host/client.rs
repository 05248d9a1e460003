//! The client for requests that leave the host: one for each handler, so that connections, look-ups and limits of one
//! are nothing to the others.
//!
//! HTTP/1.1 over TCP or TLS. Names are resolved here, each address is judged before it is connected to, and the
//! connection goes to that very address. Redirects are not followed. Connections are kept for the handler's next request
//! to the same scheme, host and port.

mod address;
mod body;
mod connect;
mod error;
mod pool;
mod resolve;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use service::config::{Host, HostPattern, Network, Origin};
use tokio::time::{Instant, timeout_at};

pub(crate) use body::Incoming;
pub(crate) use error::SendError;
#[cfg(test)]
pub(crate) use resolve::Resolver;
pub(crate) use tls::Tls;

use super::calls::Open;
use connect::Connection;

/// A connection is there within this time or not at all.
const CONNECT: Duration = Duration::from_secs(5);

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) secure: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }
}

impl Target {
    /// Host and port as the `Host` header has them.
    pub(crate) fn authority(&self) -> String {
        let standard = if self.secure { 443 } else { 80 };
        if self.port == standard { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// How far requests may go.
#[derive(Debug)]
enum Reach {
    /// To what the handler is granted.
    Granted { origins: Vec<Origin>, networks: Vec<Network> },
    /// Anywhere: the operator named the target.
    Anywhere,
}

/// The time limits of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Until when the whole exchange must be over, the answer's body included.
    pub(crate) until: Instant,
    /// For the connection.
    pub(crate) connect: Option<Duration>,
    /// From the request to the answer's head.
    pub(crate) first_byte: Option<Duration>,
    /// Between two parts of the answer's body.
    pub(crate) between_bytes: Option<Duration>,
}

impl Limits {
    /// No limit but the end.
    pub(crate) fn until(until: Instant) -> Self {
        Self { until, connect: None, first_byte: None, between_bytes: None }
    }
}

/// Sends requests for one handler.
#[derive(Debug)]
pub(crate) struct Client {
    reach: Reach,
    resolver: resolve::Resolver,
    tls: Tls,
    pool: Arc<pool::Pool>,
}

impl Default for Client {
    fn default() -> Self {
        Self::granted(Vec::new(), Vec::new(), Tls::default())
    }
}

impl Client {
    /// A client that goes where it is granted, and into the named networks if a granted host is there.
    pub(crate) fn granted(origins: Vec<Origin>, networks: Vec<Network>, tls: Tls) -> Self {
        Self::new(Reach::Granted { origins, networks }, tls)
    }

    /// A client that goes wherever it is sent.
    pub(crate) fn anywhere(tls: Tls) -> Self {
        Self::new(Reach::Anywhere, tls)
    }

    fn new(reach: Reach, tls: Tls) -> Self {
        Self { reach, resolver: resolve::Resolver::default(), tls, pool: Arc::default() }
    }

    #[cfg(test)]
    pub(crate) fn with_resolver(self, resolver: Resolver) -> Self {
        Self { resolver, ..self }
    }

    /// Whether a request may go there at all; its addresses are judged when they are known.
    pub(crate) fn may(&self, target: &Target) -> bool {
        match &self.reach {
            Reach::Anywhere => true,
            Reach::Granted { origins, .. } => {
                origins.iter().any(|origin| origin.matches(target.secure, &target.host, target.port))
            }
        }
    }

    /// Sends a request and returns the answer's head, with the body to be read. The request's URI is its path and query,
    /// its headers are all but `Host` and those of the framing.
    ///
    /// # Errors
    /// If the target is not granted, or there is no answer. A request is sent a second time only if the first, on a kept
    /// connection, was not begun to be sent.
    pub(crate) async fn send(
        &self,
        target: &Target,
        mut request: Request<Full<Bytes>>,
        limits: Limits,
        open: Open,
    ) -> Result<Response<Incoming>, SendError> {
        if !self.may(target) {
            return Err(SendError::NotGranted { target: target.clone() });
        }
        let host = HeaderValue::from_str(&target.authority()).map_err(|_| SendError::Target)?;
        request.headers_mut().insert(header::HOST, host);
        let kept = self.pool.take(target);
        let fresh = kept.is_none();
        let connection = match kept {
            Some(connection) => connection,
            None => self.connect(target, limits).await?,
        };
        let (response, connection) = match exchange(connection, request, limits).await? {
            Exchanged::Answered(response, connection) => (response, connection),
            Exchanged::NotSent(_) if fresh => return Err(SendError::Closed),
            // The other side had closed the kept connection.
            Exchanged::NotSent(request) => match exchange(self.connect(target, limits).await?, *request, limits).await?
            {
                Exchanged::Answered(response, connection) => (response, connection),
                Exchanged::NotSent(_) => return Err(SendError::Closed),
            },
        };
        open.calls().answered(response.status().as_u16());
        let home = body::Home { connection, pool: self.pool.clone(), target: target.clone() };
        Ok(response.map(|body| Incoming::new(body, limits, home, open)))
    }

    async fn connect(&self, target: &Target, limits: Limits) -> Result<Connection, SendError> {
        let until = limits.until.min(Instant::now() + limits.connect.unwrap_or(CONNECT).min(CONNECT));
        let connecting = async {
            let addresses = self.resolver.resolve(&target.host).await?;
            let addresses = self.judge(target, addresses)?;
            let tls = if target.secure { Some(self.tls.config().await?) } else { None };
            connect::connect(target, &addresses, tls, until).await
        };
        timeout_at(until, connecting).await.unwrap_or(Err(SendError::ConnectTimeout { target: target.clone() }))
    }

    /// The addresses that may be connected to.
    fn judge(&self, target: &Target, addresses: Vec<std::net::IpAddr>) -> Result<Vec<std::net::IpAddr>, SendError> {
        let Reach::Granted { origins, networks } = &self.reach else { return Ok(addresses) };
        let literal = origins.iter().any(|origin| origin.host == HostPattern::One(target.host.clone()));
        let (mut allowed, mut refused) = (Vec::with_capacity(addresses.len()), None);
        for address in addresses {
            match address::judge(address, &target.host, literal, networks) {
                Ok(()) => allowed.push(address),
                Err(why) => refused = Some((address, why)),
            }
        }
        match refused {
            Some((address, why)) if allowed.is_empty() => {
                Err(SendError::AddressRefused { target: target.clone(), address, why })
            }
            _ if allowed.is_empty() => Err(SendError::NoAddress { target: target.clone() }),
            _ => Ok(allowed),
        }
    }
}

enum Exchanged {
    Answered(Response<hyper::body::Incoming>, Connection),
    NotSent(Box<Request<Full<Bytes>>>),
}

async fn exchange(
    mut connection: Connection,
    request: Request<Full<Bytes>>,
    limits: Limits,
) -> Result<Exchanged, SendError> {
    let until = limits.first_byte.map_or(limits.until, |time| limits.until.min(Instant::now() + time));
    match timeout_at(until, connection.sender.try_send_request(request)).await {
        Err(_) => Err(SendError::Timeout),
        Ok(Ok(response)) => Ok(Exchanged::Answered(response, connection)),
        Ok(Err(mut error)) => match error.take_message() {
            Some(request) => Ok(Exchanged::NotSent(Box::new(request))),
            None => Err(SendError::of(error.into_error())),
        },
    }
}
