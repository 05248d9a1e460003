//! Sends webhooks over HTTP as LiveKit does: one POST an event, keep-alive, the token bare in `Authorization`.

mod retry_after;

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Uri;
use hyper::body::Body as _;
use hyper::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::TokioExecutor;

pub use retry_after::RetryAfter;

use crate::notifier::Post;
use crate::token::{self, Secret};

/// How long LiveKit's client tries to connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// How long it keeps a connection that is not used.
const KEPT_IDLE: Duration = Duration::from_secs(90);

/// Why a webhook could not be sent, or was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The address is not one to send to.
    #[error("the url {url:?} is not one to send webhooks to: write http://host:port/path")]
    Url {
        /// The address.
        url: String,
    },
    /// The request could not be built.
    #[error("could not build the request to {url}")]
    Request {
        /// Where it was to go.
        url: String,
        /// What is wrong with it.
        #[source]
        source: hyper::http::Error,
    },
    /// No connection, or it ended without an answer.
    #[error("could not send to {url}: is it running?")]
    Transport {
        /// Where it was to go.
        url: String,
        /// What happened.
        #[source]
        source: hyper_util::client::legacy::Error,
    },
    /// Nothing came back.
    #[error("no answer within {} s", .within.as_secs_f64())]
    Timeout {
        /// How long it was waited for.
        within: Duration,
    },
}

/// What a receiver answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, where it can be understood.
    pub retry_after: Option<RetryAfter>,
}

impl Answer {
    /// Whether the receiver took the event.
    #[must_use]
    pub fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether LiveKit sends again after this: 429, and 500 and above except 501. Any other answer it takes for success.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        self.status == 429 || (self.status >= 500 && self.status != 501)
    }
}

/// Signs and sends. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
    key: String,
    secret: Secret,
    /// How far the clock that tokens are made by is ahead, in seconds.
    ahead_s: i64,
}

impl Sender {
    /// One that sends to `url`, signed by the API key `key`.
    ///
    /// # Errors
    /// When the address is not `http://host…`.
    pub fn new(url: &str, key: &str, secret: Secret) -> Result<Sender, SendError> {
        let parsed: Option<Uri> = url.parse().ok();
        let parsed = parsed.filter(|url| url.scheme_str() == Some("http") && url.host().is_some());
        let parsed = parsed.ok_or_else(|| SendError::Url { url: url.to_owned() })?;
        Ok(Sender { client: client(), url: parsed, key: key.to_owned(), secret, ahead_s: 0 })
    }

    /// The same address and connections with another key.
    #[must_use]
    pub fn signed_by(&self, key: &str, secret: Secret) -> Sender {
        Sender { key: key.to_owned(), secret, ..self.clone() }
    }

    /// The same with tokens made by a clock that is so many seconds ahead, or behind where it is negative.
    #[must_use]
    pub fn with_clock_ahead(&self, ahead_s: i64) -> Sender {
        Sender { ahead_s, ..self.clone() }
    }

    /// A token for this body, valid from now.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        token::sign(&self.key, &self.secret, body, now.as_secs().saturating_add_signed(self.ahead_s))
    }

    /// Signs the body anew and sends it once. There is no limit to how long the answer may take.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, body: impl Into<Bytes>) -> Result<Answer, SendError> {
        let body = body.into();
        let token = self.sign(&body);
        self.send_signed(body, &token).await
    }

    /// Sends a body once with the token given, as a repeat does. There is no limit to how long the answer may take.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_signed(&self, body: Bytes, token: &str) -> Result<Answer, SendError> {
        let mut request = hyper::Request::post(self.url.clone())
            .header(USER_AGENT, "LiveKit")
            .header(AUTHORIZATION, token)
            .header(CONTENT_TYPE, "application/webhook+json")
            .header(ACCEPT_ENCODING, "gzip")
            .body(Full::new(body))
            .map_err(|source| SendError::Request { url: self.url.to_string(), source })?;
        let connection = capture_connection(&mut request);
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|source| SendError::Transport { url: self.url.to_string(), source })?;
        // LiveKit drops the answer's body unread, and one that is not empty costs it the connection. Hyper would keep the
        // connection where the whole body has arrived already.
        if !answer.body().is_end_stream()
            && let Some(connection) = connection.connection_metadata().as_ref()
        {
            connection.poison();
        }
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| RetryAfter::parse(value.to_str().ok()?));
        Ok(Answer { status: answer.status().as_u16(), retry_after })
    }
}

impl Post for Sender {
    fn sign(&self, body: &[u8]) -> String {
        Sender::sign(self, body)
    }

    async fn post(&self, body: Bytes, token: &str) -> Result<Answer, SendError> {
        self.send_signed(body, token).await
    }
}

/// One with the limits of LiveKit's: as many idle connections as there are processors, and one.
fn client() -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_WITHIN));
    let idle = available_parallelism().map_or(1, NonZero::get).saturating_add(1);
    Client::builder(TokioExecutor::new()).pool_idle_timeout(KEPT_IDLE).pool_max_idle_per_host(idle).build(connector)
}
