//! What JetStream answered: stored, not stored and why, or "ask again".

use std::borrow::Cow;

use async_nats::Message;
use async_nats::StatusCode;
use async_nats::jetstream::{self, ErrorCode};
use serde::Deserialize;

use crate::outcome::Fault;

/// An event is stored; it may have been there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) duplicate: bool,
    pub(crate) sequence: u64,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Stored(Stored),
    /// A clustered stream is still storing the first copy of the id. Asked a little later, it knows.
    AskAgain,
    NotStored(Fault),
}

#[derive(Deserialize)]
struct Ack<'a> {
    error: Option<jetstream::Error>,
    #[serde(borrow)]
    stream: Option<Cow<'a, str>>,
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
}

impl Answer {
    /// Reads an answer of `stream`; `limit` is how many events may wait for one.
    pub(super) fn read(message: &Message, stream: &str, limit: usize) -> Answer {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Answer::NotStored(Fault::NoStream { stream: stream.to_owned() });
        }
        let refused = |why: String| Answer::NotStored(Fault::StreamRefused { stream: stream.to_owned(), why });
        match serde_json::from_slice(&message.payload) {
            Ok(Ack { error: Some(error), .. }) => of_error(&error, stream, limit),
            Ok(Ack { error: None, stream: Some(by), seq: Some(sequence), duplicate }) if by == stream => {
                Answer::Stored(Stored { duplicate, sequence })
            }
            Ok(Ack { error: None, stream: Some(by), seq: Some(_), .. }) => {
                refused(format!("another stream, {by}, acknowledged it"))
            }
            Ok(_) => refused("its acknowledgement names no stream or sequence".to_owned()),
            Err(error) => refused(format!("its acknowledgement cannot be read: {error}")),
        }
    }
}

fn of_error(error: &jetstream::Error, stream: &str, limit: usize) -> Answer {
    let (code, why) = (error.error_code(), error.to_string());
    match code {
        ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT => Answer::AskAgain,
        ErrorCode::STREAM_STORE_FAILED if why.contains("maximum") => {
            Answer::NotStored(Fault::StreamFull { stream: stream.to_owned() })
        }
        ErrorCode::STREAM_TOO_MANY_REQUESTS => Answer::NotStored(Fault::InFlight { limit }),
        _ => Answer::NotStored(Fault::StreamRefused { stream: stream.to_owned(), why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &str, status: Option<StatusCode>) -> Answer {
        let message = Message {
            subject: "_INBOX.x.1".into(),
            reply: None,
            payload: payload.to_owned().into(),
            headers: None,
            status,
            description: None,
            length: 0,
        };
        Answer::read(&message, "S", 9)
    }

    fn error(err_code: u64, description: &str) -> String {
        format!(
            r#"{{"error":{{"code":503,"err_code":{err_code},"description":"{description}"}},"stream":"S","seq":0}}"#
        )
    }

    #[test]
    fn an_acknowledgement_says_where_the_event_is() {
        let stored = |duplicate| Answer::Stored(Stored { duplicate, sequence: 7 });
        assert_eq!(read(r#"{"stream":"S","seq":7}"#, None), stored(false));
        assert_eq!(read(r#"{"stream":"S","domain":"d","seq":7,"duplicate":true}"#, None), stored(true));
    }

    #[test]
    fn what_is_not_stored_is_named() {
        let stream = || "S".to_owned();
        let full = Answer::NotStored(Fault::StreamFull { stream: stream() });
        assert_eq!(read(&error(10077, "maximum bytes exceeded"), None), full);
        assert_eq!(read(&error(10158, "duplicate message id is in process"), None), Answer::AskAgain);
        assert_eq!(read(&error(10167, "too many requests"), None), Answer::NotStored(Fault::InFlight { limit: 9 }));
        let none = Answer::NotStored(Fault::NoStream { stream: stream() });
        assert_eq!(read("", Some(StatusCode::NO_RESPONDERS)), none);
        for refused in [
            &error(10060, "expected stream does not match") as &str,
            "",
            "{}",
            "null",
            r#"{"stream":"S"}"#,
            r#"{"stream":"T","seq":7}"#,
        ] {
            let answer = read(refused, None);
            assert!(matches!(answer, Answer::NotStored(Fault::StreamRefused { .. })), "{refused}: {answer:?}");
        }
    }
}
