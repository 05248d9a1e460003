//! What a handler sets off. It leaves once, after the end of the event is committed; of a call that fails nothing leaves.

use crate::bindings::roomwire::plugin::effects;

pub use effects::{Error, Message, Request};

/// Publishes a message without headers to a NATS subject that `allow.publish` grants.
///
/// # Errors
/// If it is not granted, too large or one too many. With `?` that becomes a failure of the event.
pub fn publish(subject: impl Into<String>, data: impl Into<Vec<u8>>) -> Result<(), Error> {
    Message::new(subject, data).publish()
}

impl Request {
    /// A request to a URL that `allow.http` grants. The host sends it once the end of the event is committed, with the same
    /// bytes and the same `Idempotency-Key` until it is answered 2xx.
    pub fn new(method: impl Into<String>, url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: body.into() }
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", url, body)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Has it sent after the commit.
    ///
    /// # Errors
    /// If it is not granted, too large or one too many. With `?` that becomes a failure of the event.
    pub fn send(&self) -> Result<(), Error> {
        effects::send(self)
    }
}

impl Message {
    /// A message without headers.
    pub fn new(subject: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self { subject: subject.into(), data: data.into(), headers: Vec::new() }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Publishes it.
    ///
    /// # Errors
    /// As [`publish`].
    pub fn publish(&self) -> Result<(), Error> {
        effects::publish(self)
    }
}
