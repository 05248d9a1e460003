//! Sends webhooks over HTTP as LiveKit does: one POST an event, keep-alive, the token bare in `Authorization`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Uri;
use hyper::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::token::{self, Secret};

/// LiveKit itself waits for ever; a simulator should end.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

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
    #[error("no answer from {url} within {} s", .within.as_secs())]
    Timeout {
        /// Where it went.
        url: String,
        /// How long it was waited for.
        within: Duration,
    },
}

/// What a receiver answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After` in whole seconds.
    pub retry_after: Option<Duration>,
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
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Ok(Sender { client, url: parsed, key: key.to_owned(), secret })
    }

    /// A token for this body, valid from now.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        token::sign(&self.key, &self.secret, body, now.as_secs())
    }

    /// Signs the body anew and sends it once.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, body: impl Into<Bytes>) -> Result<Answer, SendError> {
        let body = body.into();
        let token = self.sign(&body);
        self.send_signed(body, &token).await
    }

    /// Sends a body once with the token given, as a repeat does.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_signed(&self, body: Bytes, token: &str) -> Result<Answer, SendError> {
        let request = hyper::Request::post(self.url.clone())
            .header(USER_AGENT, "LiveKit")
            .header(AUTHORIZATION, token)
            .header(CONTENT_TYPE, "application/webhook+json")
            .header(ACCEPT_ENCODING, "gzip")
            .body(Full::new(body))
            .map_err(|source| SendError::Request { url: self.url.to_string(), source })?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.client.request(request)).await;
        let answer = answer.map_err(|_| SendError::Timeout { url: self.url.to_string(), within: ANSWER_WITHIN })?;
        let answer = answer.map_err(|source| SendError::Transport { url: self.url.to_string(), source })?;
        // Like LiveKit, this drops the answer's body unread: one that is not empty costs the connection.
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Answer { status: answer.status().as_u16(), retry_after: retry_after.map(Duration::from_secs) })
    }
}
