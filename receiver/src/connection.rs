//! Serves one connection and notes why it ended early.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use service::config::ReceiverLimits;
use tokio::net::TcpStream;
use tokio::pin;
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Late, Watched};
use crate::body::Incoming;
use crate::metrics::Counted;
use crate::outcome::Outcome;
use crate::places::Places;
use crate::tls::{self, NoTls};
use crate::webhook::Webhooks;

/// How connections are served: HTTP/1.1, or HTTP/2 by ALPN or prior knowledge.
pub(crate) struct Connections {
    pub(crate) webhooks: Arc<Webhooks>,
    places: Places,
    builder: auto::Builder<TokioExecutor>,
    /// From then on each connection ends with the answers of the requests that it has.
    pub(crate) draining: CancellationToken,
    /// From then on there are none.
    pub(crate) end_now: CancellationToken,
}

impl Connections {
    pub(crate) fn new(webhooks: Arc<Webhooks>, places: Places) -> Connections {
        let builder = builder(&webhooks.config.limits);
        let (draining, end_now) = (CancellationToken::new(), CancellationToken::new());
        Connections { webhooks, places, builder, draining, end_now }
    }

    /// Serves a connection until it ends, is late or sent away, or everything ends now.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, activity: &Activity) {
        let _counted = Counted::new(&self.webhooks.metrics.connections);
        self.webhooks.metrics.accepted.inc();
        // Answers are a few bytes that somebody waits for.
        let _unsupported = stream.set_nodelay(true);
        let reason = tokio::select! {
            reason = self.talk(stream, peer, activity) => reason,
            () = activity.sent_away() => Some("made_room"),
            () = self.end_now.cancelled() => Some("stopped"),
        };
        if let Some(reason) = reason {
            self.webhooks.metrics.closed(reason);
            tracing::debug!(%peer, reason, "connection closed");
        }
    }

    /// Why the connection was closed, unless it ended as it should.
    async fn talk(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, activity: &Activity) -> Option<&'static str> {
        let config = &self.webhooks.config;
        let limits = &config.limits;
        let stream = tokio::select! {
            stream = tls::accept(stream, config.certificate.as_ref(), limits.tls_timeout) => match stream {
                Ok(stream) => stream,
                Err(NoTls::Slow) => return Some("slow_tls"),
                Err(NoTls::Failed(error)) => {
                    tracing::debug!(%peer, %error, "no TLS handshake: is the sender's URL https://?");
                    return Some("not_tls");
                }
            },
            () = self.draining.cancelled() => return None,
        };
        let io = TokioIo::new(Watched::new(stream, activity.clone()));
        let service = {
            let (connections, activity) = (self.clone(), activity.clone());
            service_fn(move |request| connections.clone().answer(request, peer, activity.clone()))
        };
        let connection = self.builder.serve_connection(io, service);
        pin!(connection);
        let rested = tokio::select! {
            ended = connection.as_mut() => return ended.err().map(|error| reason(error.as_ref())),
            late = activity.late(limits) => match late {
                Late::Header => return Some("slow_header"),
                Late::Reader => return Some("slow_reader"),
                Late::Idle => true,
            },
            () = self.draining.cancelled() => false,
        };
        // A request that is on its way right now is answered, or told by HTTP/2 that nobody will look at it.
        connection.as_mut().graceful_shutdown();
        if rested {
            let _gone = tokio::time::timeout(limits.header_timeout, connection).await;
        } else {
            let _ended = connection.await;
        }
        None
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<hyper::body::Incoming>,
        peer: SocketAddr,
        activity: Activity,
    ) -> Result<Response<Empty<Bytes>>, Infallible> {
        let (_in_request, in_body) = activity.request();
        // HTTP/1.1 with more is answered by the library.
        if request.headers().len() > self.webhooks.config.limits.headers {
            let outcome = Outcome::HeaderTooLarge;
            self.webhooks.metrics.answered(&outcome);
            return Ok(outcome.answer(request.version()));
        }
        Ok(self.webhooks.clone().answer(Incoming::watch(request, in_body, &self.places), peer).await)
    }
}

fn builder(limits: &ReceiverLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // An answer is one small piece: there is nothing to gather.
    builder
        .http1()
        .writev(false)
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes)
        .max_headers(limits.headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.http2_ping)
        .keep_alive_timeout(limits.http2_ping_timeout)
        .max_concurrent_streams(limits.http2_streams)
        .initial_stream_window_size(limits.http2_window)
        .initial_connection_window_size(limits.http2_window)
        .max_pending_accept_reset_streams(limits.http2_resets)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}

/// The library answers what it cannot read itself (400, 431, or nothing) and reports it here.
fn reason(error: &(dyn Error + Send + Sync + 'static)) -> &'static str {
    match error.downcast_ref::<hyper::Error>() {
        Some(error) if error.is_parse_too_large() => "header_too_large",
        Some(error) if error.is_parse() => "not_http",
        Some(error) if error.is_incomplete_message() => "sender_gone",
        _ => "broken",
    }
}
