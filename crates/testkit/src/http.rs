//! A small HTTP/1.1 client for tests: one request at a time over kept connections, and raw bytes.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header, or an empty text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A client; its clones share the connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// A client without any connection yet.
    #[must_use]
    pub fn new() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// GET.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, url: &str) -> Result<Answer> {
        self.request(Method::GET, url, &[], Bytes::new()).await
    }

    /// POST.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Answer> {
        self.request(Method::POST, url, headers, body.into()).await
    }

    /// POST of a webhook as LiveKit sends one, with this token.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn webhook(&self, url: &str, token: &str, body: impl Into<Bytes>) -> Result<Answer> {
        let headers =
            [("authorization", token), ("content-type", "application/webhook+json"), ("user-agent", "LiveKit")];
        self.post(url, &headers, body).await
    }

    /// Any request.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn request(&self, method: Method, url: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).context("not a request")?;
        let exchange = async {
            let response = self.client.request(request).await.with_context(|| format!("no answer from {url}"))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.with_context(|| format!("half an answer from {url}"))?.to_bytes();
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        tokio::time::timeout(ANSWER, exchange).await.with_context(|| format!("no answer from {url} in time"))?
    }
}

/// Sends bytes on a connection of their own and returns what comes back until the other side closes.
///
/// # Errors
/// When there is no connection, or it is not closed in time.
pub async fn raw(address: &str, bytes: &[u8]) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        // The other side may refuse, and close, before everything is written: its answer is what counts.
        let written = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        if answer.is_empty() {
            written.context("cannot write")?;
            read.context("cannot read")?;
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(ANSWER, exchange).await.with_context(|| format!("{address} did not close in time"))?
}
