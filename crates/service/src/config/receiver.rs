//! `receiver`: where webhooks arrive and what is done with them.

mod limits;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::{KIB, MIB};

use super::defaults;
use super::node::Node;
use super::problem::{Problems, Refused};
use super::quarantine::QuarantineSection;
use super::section::{Keys, Section};
use super::spool::Spool;
use super::value;
pub use limits::ReceiverLimits;
pub use tls::TlsSection;

const KEYS: Keys = Keys {
    of: "`receiver`",
    known: &["listen", "path", "answer_within", "max_body", "leeway", "drain", "limits", "spool", "quarantine", "tls"],
    later: &[],
};

/// Where webhooks arrive.
#[derive(Debug, Clone)]
pub struct ReceiverSection {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The paths that webhooks are posted to.
    pub paths: Vec<String>,
    /// After this time the answer is 503: LiveKit's queue of the room waits for it.
    pub answer_within: Duration,
    /// The largest body.
    pub max_body: usize,
    /// How far the clocks of LiveKit and Roomwire may differ.
    pub leeway: Duration,
    /// How long a graceful stop may take.
    pub drain: Duration,
    /// Limits against floods.
    pub limits: ReceiverLimits,
    /// Where events wait that JetStream does not take.
    pub spool: Spool,
    /// How much is kept of what is refused; `None` keeps nothing.
    pub quarantine: Option<QuarantineSection>,
    /// The certificate to serve HTTPS with; `None` serves plain HTTP.
    pub tls: Option<TlsSection>,
}

impl Default for ReceiverSection {
    fn default() -> Self {
        Self {
            listen: defaults::RECEIVER_LISTEN,
            paths: vec![defaults::RECEIVER_PATH.to_owned()],
            answer_within: defaults::ANSWER_WITHIN,
            max_body: bytes(defaults::MAX_BODY),
            leeway: defaults::LEEWAY,
            drain: defaults::DRAIN,
            limits: ReceiverLimits::default(),
            spool: Spool::default(),
            quarantine: Some(QuarantineSection::default()),
            tls: None,
        }
    }
}

impl ReceiverSection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("listen", &mut decoded.listen, problems, value::address);
        section.set("path", &mut decoded.paths, problems, paths);
        section.set("answer_within", &mut decoded.answer_within, problems, |node| {
            value::duration(node, Duration::from_millis(50)..=Duration::from_secs(10))
        });
        // More than 60 MiB could not be published: NATS takes at most 64 MiB, headers included.
        section.set("max_body", &mut decoded.max_body, problems, |node| value::size(node, KIB..=60 * MIB).map(bytes));
        section.set("leeway", &mut decoded.leeway, problems, |node| {
            value::duration(node, Duration::ZERO..=Duration::from_hours(1))
        });
        section.set("drain", &mut decoded.drain, problems, drain);
        decoded.limits = ReceiverLimits::decode(section.get("limits"), decoded.max_body, problems);
        if let Some(node) = section.get("spool") {
            decoded.spool = Spool::decode(node, problems);
        }
        if let Some(node) = section.get("quarantine") {
            decoded.quarantine = QuarantineSection::decode(node, decoded.max_body, problems);
        }
        if let Some(node) = section.get("tls") {
            decoded.tls = TlsSection::decode(node, problems);
        }
        decoded
    }
}

/// How long a graceful stop may take.
pub(crate) fn drain(node: &Node) -> Result<Duration, Refused> {
    value::duration(node, Duration::ZERO..=Duration::from_mins(10))
}

fn paths(node: &Node) -> Result<Vec<String>, Refused> {
    let paths = value::items(node)?.iter().map(path).collect::<Result<Vec<_>, _>>()?;
    if paths.is_empty() {
        return Err(Refused::new("names no path", "write one, such as `/livekit`"));
    }
    Ok(paths)
}

fn path(node: &Node) -> Result<String, Refused> {
    let text = value::text(node)?;
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    if text.starts_with('/') && plain {
        return Ok(text);
    }
    Err(Refused::new(format!("is `{text}`"), "write a path that begins with `/` and has no query, such as `/livekit`"))
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
