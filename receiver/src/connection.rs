//! Serves one connection and notes why it ended early.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Late, Watched};
use crate::config::Config;
use crate::metrics::Counted;
use crate::webhook::Webhooks;

/// Streams that one HTTP/2 connection may have open.
const STREAMS: u32 = 256;
/// A peer of HTTP/2 that does not answer a ping is gone.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_WITHIN: Duration = Duration::from_secs(10);

pub(crate) type Builder = auto::Builder<TokioExecutor>;

/// How connections are served: HTTP/1.1, or HTTP/2 by prior knowledge.
pub(crate) fn builder(config: &Config) -> Builder {
    let limits = &config.limits;
    let mut builder = Builder::new(TokioExecutor::new());
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
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WITHIN)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}

/// Serves a connection until it ends, is late, or everything ends now.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    webhooks: Arc<Webhooks>,
    builder: Arc<Builder>,
    watcher: Watcher,
    end_now: CancellationToken,
) {
    let _counted = Counted::new(&webhooks.metrics.connections);
    // Answers are a few bytes that somebody waits for.
    let _unsupported = stream.set_nodelay(true);
    let activity = Activity::new();
    let service = {
        let (webhooks, activity) = (webhooks.clone(), activity.clone());
        service_fn(move |request| {
            let in_request = activity.request();
            let answer = webhooks.clone().answer(request, peer);
            async move {
                let answer = answer.await;
                drop(in_request);
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let io = TokioIo::new(Watched::new(stream, activity.clone()));
    let connection = watcher.watch(builder.serve_connection(io, service).into_owned());
    let reason = tokio::select! {
        ended = connection => ended.err().map(|error| reason(error.as_ref())),
        late = activity.late(webhooks.config.limits.header_timeout, webhooks.config.idle_timeout) => match late {
            Late::Header => Some("slow_header"),
            // Resting for long is nothing to be told.
            Late::Idle => None,
        },
        () = end_now.cancelled() => Some("stopped"),
    };
    if let Some(reason) = reason {
        webhooks.metrics.closed(reason);
        tracing::debug!(%peer, reason, "connection closed");
    }
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
