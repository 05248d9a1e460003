//! Asks the running runner: only it reads and writes the state store.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, Request, RequestError};
use event::Prefix;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A redrive is answered when it is committed.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("no runner answers on `{subject}`; start it with `roomwire up`")]
    NoRunner { subject: String },
    #[error("no answer from the runner on `{subject}`")]
    Request {
        subject: String,
        #[source]
        source: RequestError,
    },
    #[error("the runner's answer is not understood; do `roomwire` and the runner have the same version?")]
    Answer(#[source] serde_json::Error),
    #[error("the runner refuses: {0}")]
    Refused(String),
}

/// Asks the runner that serves this prefix.
#[derive(Debug)]
pub(crate) struct Control {
    client: Client,
    subject: String,
}

impl Control {
    pub(crate) fn new(client: Client, prefix: &Prefix) -> Self {
        Self { client, subject: runner::control_subject(prefix) }
    }

    /// Sends a command and decodes the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, command: &Value) -> Result<T, ControlError> {
        let request = Request::new().payload(command.to_string().into()).timeout(Some(ANSWER_WITHIN));
        let reply = self.client.send_request(self.subject.clone(), request).await.map_err(|source| {
            let subject = self.subject.clone();
            match source.kind() {
                RequestErrorKind::NoResponders => ControlError::NoRunner { subject },
                _ => ControlError::Request { subject, source },
            }
        })?;
        let answer: Value = serde_json::from_slice(&reply.payload).map_err(ControlError::Answer)?;
        if answer.get("ok") != Some(&Value::Bool(true)) {
            let words = answer.get("error").and_then(Value::as_str).unwrap_or("without words");
            return Err(ControlError::Refused(words.to_owned()));
        }
        serde_json::from_value(answer).map_err(ControlError::Answer)
    }
}
