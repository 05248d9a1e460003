//! `wasi:http`: outgoing requests of a guest, as far as `allow.http` grants them.
//!
//! The host reads the whole body of a request before it connects: bodies are bounded, their length is certain, and a
//! request has the same `Idempotency-Key` on each attempt.

mod form;
mod key;
mod taped;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use wasmtime_wasi_http::WasiHttpHooks;
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody};

use super::Occasion;
use super::calls::{Calls, Open, Refused};
use super::client::{Client, Limits, SendError, Target};

pub(crate) use form::IDEMPOTENCY_KEY;
pub(super) use form::{Malformed, TRACEPARENT, target};

/// Bytes of a request's body.
pub(super) const BODY: usize = 1 << 20;

/// Bytes of the headers of a request, with what it costs to hold them.
pub(super) const FIELDS: usize = 64 << 10;

/// Headers that say how a message is framed or passed on: the host's business. What is in WASI's own list is not here.
const FORBIDDEN: [&str; 5] = ["te", "trailer", "expect", "forwarded", "via"];

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = (http::Response<WasiBody>, Done);
type Sent = Box<dyn Future<Output = Result<Answer, Error>> + Send>;

/// The outgoing requests of one invocation.
pub(crate) struct Outgoing {
    client: Arc<Client>,
    calls: Calls,
    occasion: Arc<Occasion>,
}

impl Outgoing {
    pub(super) fn new(client: Arc<Client>, calls: Calls, occasion: Arc<Occasion>) -> Self {
        Self { client, calls, occasion }
    }

    fn begin(&self, request: &http::Request<WasiBody>) -> Result<(Target, Open), Error> {
        let target = form::target(request).map_err(|refused| {
            self.calls.note(refused.to_string());
            refused.into_wasi()
        })?;
        let open = self.calls.begin().map_err(|refused| {
            self.calls.note(refused.to_string());
            match refused {
                Refused::TooManyOpen => Error::ConnectionLimitReached,
                Refused::TooMany | Refused::LeaseOver => Error::InternalError(Some(refused.to_string())),
            }
        })?;
        if self.client.may(&target) {
            return Ok((target, open));
        }
        let error = SendError::NotGranted { target };
        self.calls.failed(&error);
        Err(error.into_wasi())
    }
}

impl WasiHttpHooks for Outgoing {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    /// It is written where the request is judged.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(&mut self, request: http::Request<WasiBody>, options: Option<RequestOptions>, _done: Done) -> Sent {
        let begun = self.begin(&request);
        let (client, occasion) = (self.client.clone(), self.occasion.clone());
        let options = options.unwrap_or_default();
        let limits = Limits {
            until: self.calls.until(),
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        };
        Box::new(async move {
            let (target, open) = begun?;
            let request = tokio::time::timeout_at(limits.until, buffered(request)).await;
            let request = request.unwrap_or(Err(Error::HttpResponseTimeout));
            let request = request.inspect_err(|error| open.calls().note(format!("a request was not sent: {error}")))?;
            let body = request.body().clone();
            let request = form::finish(request, &target, &occasion);
            match open.calls().tape().cloned() {
                None => answer(&client, &target, request, limits, open).await,
                Some(tape) => {
                    let url = format!("{target}{}", request.uri());
                    let asked = tape.request(&url, &request, &body);
                    taped::answer(&tape, asked, open, |open| answer(&client, &target, request, limits, open)).await
                }
            }
        })
    }
}

/// Whether a header is the host's to say.
pub(super) fn is_forbidden(name: &http::HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name) || FORBIDDEN.contains(&name.as_str())
}

async fn answer(
    client: &Client,
    target: &Target,
    request: http::Request<Full<Bytes>>,
    limits: Limits,
    open: Open,
) -> Result<Answer, Error> {
    let calls = open.calls().clone();
    match client.send(target, request, limits, open).await {
        Ok(response) => {
            let done: Done = Box::new(async { Ok(()) });
            Ok((response.map(UnsyncBoxBody::new), done))
        }
        Err(error) => {
            calls.failed(&error);
            Err(error.into_wasi())
        }
    }
}

/// Reads the whole body, and holds its length against what the guest said of it.
async fn buffered(request: http::Request<WasiBody>) -> Result<http::Request<Bytes>, Error> {
    let (mut parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY).collect().await {
        Ok(body) => body,
        Err(error) if error.is::<LengthLimitError>() => return Err(Error::HttpRequestBodySize(Some(BODY as u64))),
        Err(error) => return Err(error.downcast::<Error>().map_or(Error::HttpProtocolError, |error| *error)),
    };
    if body.trailers().is_some() {
        return Err(Error::HttpRequestTrailerSectionSize(Some(0)));
    }
    let body = body.to_bytes();
    let said = parts.headers.remove(http::header::CONTENT_LENGTH);
    if said.is_some_and(|said| said.to_str().ok().and_then(|said| said.parse().ok()) != Some(body.len())) {
        return Err(Error::HttpRequestBodySize(Some(body.len() as u64)));
    }
    Ok(http::Request::from_parts(parts, body))
}
