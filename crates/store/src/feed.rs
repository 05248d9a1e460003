//! The feed of dead letters: what is published of each, for NATS tools and handlers.

use event::{HandlerName, Prefix, header, subject};
use jiff::Timestamp;
use lanes::Millis;
use tracing::warn;

/// Header of the feed: the handler for which the event is dead.
pub const RW_HANDLER: &str = "Rw-Handler";
/// Header of the feed: why, in the word of [`crate::cause_word`].
pub const RW_CAUSE: &str = "Rw-Cause";
/// Header of the feed: the error's text, percent-encoded and cut after some length.
pub const RW_ERROR: &str = "Rw-Error";
/// Header of the feed: attempts in all.
pub const RW_ATTEMPTS: &str = "Rw-Attempts";
/// Header of the feed: the digest of the plugin that ran last.
pub const RW_PLUGIN_DIGEST: &str = "Rw-Plugin-Digest";
/// Header of the feed: when the first attempt was made.
pub const RW_FIRST_ATTEMPT_AT: &str = "Rw-First-Attempt-At";
/// Header of the feed: when it was given up. No other message has it.
pub const RW_DIED_AT: &str = "Rw-Died-At";

/// The error's text is cut after so many bytes of it: a server bounds headers together with the body.
const MAX_ERROR: usize = 1024;

/// A dead letter, as far as the feed tells of it.
#[derive(Debug)]
pub(crate) struct Death<'a> {
    pub(crate) prefix: &'a Prefix,
    pub(crate) handler: &'a str,
    pub(crate) run: &'a str,
    /// The number of this death of the event.
    pub(crate) n: u32,
    pub(crate) event: &'a crate::Event,
    pub(crate) cause: &'a str,
    pub(crate) message: &'a str,
    pub(crate) attempts: u32,
    pub(crate) digest: &'a str,
    pub(crate) first_at: Millis,
    pub(crate) died_at: Millis,
}

/// A message for the outbox; its body is the event's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) subject: String,
    pub(crate) msg_id: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Death<'_> {
    /// The message; none for what came out of the feed itself, which is stored only, so that nothing goes in circles.
    pub(crate) fn notice(&self) -> Option<Notice> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut headers: Vec<_> = self.event.headers.iter().map(owned).collect();
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(RW_DIED_AT)) {
            return None;
        }
        let handler = match HandlerName::try_from(self.handler) {
            Ok(handler) => handler,
            Err(error) => {
                warn!(%error, event = %self.event.identity.id, "a dead letter is stored, but cannot be published");
                return None;
            }
        };
        // The id of the event is taken in its stream; the server would drop the message as a repeat of another death.
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(header::NATS_MSG_ID));
        let mut put = |name: &str, value: String| headers.push((name.to_owned(), value));
        put(RW_HANDLER, handler.to_string());
        put(RW_CAUSE, self.cause.to_owned());
        put(RW_ERROR, header::encode(cut(self.message)).into_owned());
        put(RW_ATTEMPTS, self.attempts.to_string());
        if !self.digest.is_empty() {
            put(RW_PLUGIN_DIGEST, header::encode(self.digest).into_owned());
        }
        put(RW_FIRST_ATTEMPT_AT, time(self.first_at));
        put(RW_DIED_AT, time(self.died_at));
        Some(Notice { subject: subject::dead(self.prefix, &handler, &self.event.kind), msg_id: self.id(), headers })
    }

    /// `dead/<handler>/<event id>/<n>`, with the project before the id and the run after it where they are not the
    /// usual ones.
    fn id(&self) -> String {
        let mut id = format!("dead/{}/", self.handler);
        if &*self.event.project != "default" {
            id.push_str(&self.event.project);
            id.push('/');
        }
        id.push_str(&id_part(&self.event.identity.id));
        if self.run != crate::LIVE {
            id.push('/');
            id.push_str(&id_part(self.run));
        }
        id.push('/');
        id.push_str(&self.n.to_string());
        id
    }
}

/// A name as one part of a message id: visible ASCII without slashes, so that no two ids can be taken for each other.
pub(crate) fn id_part(name: &str) -> String {
    header::encode(name).replace('/', "%2F")
}

fn time(ms: Millis) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_ERROR)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
