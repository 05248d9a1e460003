//! `effects`: messages and requests that leave after the invocation is committed, or never.

mod request;

use store::Destination;

use crate::bindings::roomwire::plugin::effects;

use super::Host;

/// Effects of one invocation.
const COUNT: usize = 100;

/// Bytes of all effects of one invocation.
const BYTES: usize = 4 << 20;

/// A message or a request that leaves after the commit.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) to: Destination,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl effects::Host for Host {
    fn publish(&mut self, message: effects::Message) -> wasmtime::Result<Result<(), effects::Error>> {
        Ok(self.accept_message(message))
    }

    fn send(&mut self, request: effects::Request) -> wasmtime::Result<Result<(), effects::Error>> {
        Ok(self.accept_request(request))
    }
}

impl Host {
    fn accept_message(&mut self, message: effects::Message) -> Result<(), effects::Error> {
        event::subject::validate_publish(&message.subject)
            .map_err(|error| effects::Error::Denied(error.to_string()))?;
        if !self.grants.publish.iter().any(|pattern| event::subject::matches(pattern, &message.subject)) {
            return Err(effects::Error::Denied(format!(
                "subject `{}` is not granted; add it to the handler's `allow.publish`",
                message.subject
            )));
        }
        if let Some((name, _)) = message.headers.iter().find(|(name, value)| !is_header(name, value)) {
            return Err(effects::Error::Denied(format!("header `{}` is not allowed", name.escape_debug())));
        }
        let size = message.data.len() + message.subject.len() + size_of(&message.headers);
        if size > self.grants.max_message {
            return Err(effects::Error::TooLarge);
        }
        let to = Destination::Subject(message.subject);
        self.take(Pending { to, headers: message.headers, body: message.data }, size)
    }

    fn accept_request(&mut self, request: effects::Request) -> Result<(), effects::Error> {
        let (to, headers) = request::accept(&request, &self.grants, self.occasion.traceparent.as_deref())?;
        let size = request.body.len() + request.url.len() + size_of(&headers);
        self.take(Pending { to, headers, body: request.body }, size)
    }

    fn take(&mut self, pending: Pending, size: usize) -> Result<(), effects::Error> {
        if self.effects.len() >= COUNT || self.effect_bytes + size > BYTES {
            return Err(effects::Error::QuotaExceeded);
        }
        self.effect_bytes += size;
        self.effects.push(pending);
        Ok(())
    }
}

fn size_of(headers: &[(String, String)]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// Whether a guest may set this header: a token, no control characters, and none of the names with which NATS or
/// Roomwire steer what becomes of a message.
fn is_header(name: &str, value: &str) -> bool {
    let token =
        !name.is_empty() && name.len() <= 256 && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    let reserved = ["nats-", "rw-"]
        .iter()
        .any(|prefix| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)));
    token && !reserved && !value.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::is_header;

    #[test]
    fn headers_that_steer_nats_or_break_the_protocol_are_refused() {
        for (name, value, allowed) in [
            ("ce-id", "EV_1", true),
            ("X-Room", "stand up", true),
            ("Nats-Msg-Id", "1", false),
            ("nats-expected-stream", "OTHER", false),
            ("Rw-Key", "k", false),
            ("", "v", false),
            ("a:b", "v", false),
            ("a b", "v", false),
            ("a", "v\r\nNats-Msg-Id: 1", false),
            ("é", "v", false),
        ] {
            assert_eq!(is_header(name, value), allowed, "{name:?}: {value:?}");
        }
    }
}
