//! Serves `/livez`, `/readyz` and `/metrics`.

use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Health, Metrics};

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const READ_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// How long a connection may take to send the header of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long accepting pauses when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the admin endpoint until `shutdown`. It goes on answering while the rest drains, when the caller cancels
/// this token last.
///
/// # Errors
///
/// Never at present; a connection that fails is the problem of its peer.
#[must_use]
pub fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> BoxFuture<'static, io::Result<()>> {
    // In a box, because a bare future is compiled where it is awaited: again in each binary.
    Box::pin(accept(listener, health, metrics, shutdown))
}

async fn accept(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> io::Result<()> {
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the admin endpoint");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (health, metrics, shutdown) = (health.clone(), metrics.clone(), shutdown.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let response = answer(&request, &health, &metrics);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let connection = builder.serve_connection(TokioIo::new(stream), answer);
            tokio::select! {
                () = shutdown.cancelled() => {}
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(error = %error, "a connection to the admin endpoint ended early");
                },
            }
        });
    }
}

fn answer(request: &Request<Incoming>, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served here\n".to_owned());
        response.headers_mut().insert(ALLOW, READ_METHODS);
        return response;
    }
    match request.uri().path() {
        "/livez" => plain(StatusCode::OK, "alive\n".to_owned()),
        "/readyz" => ready(health),
        "/metrics" => match metrics.encode() {
            Ok(text) => with_type(StatusCode::OK, OPEN_METRICS, text),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write the metrics: {error}\n")),
        },
        _ => plain(StatusCode::NOT_FOUND, "/livez, /readyz and /metrics are served here\n".to_owned()),
    }
}

/// Names what is missing (503), then what is wrong all the same, a line each, so that `curl` answers the first question of
/// whoever is on call.
fn ready(health: &Health) -> Response<Full<Bytes>> {
    let (reasons, notes) = (health.reasons(), health.notes());
    let (status, mut text) = if reasons.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, String::new())
    };
    for (about, words) in reasons.into_iter().chain(notes) {
        // A reason may quote a plugin, or a file. Writing to a string cannot fail.
        let _ = writeln!(text, "{about}: {}", words.replace(char::is_control, " "));
    }
    plain(status, text)
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    with_type(status, PLAIN, text)
}

fn with_type(status: StatusCode, content_type: HeaderValue, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
