//! `receiver.quarantine`: how much is kept of what is refused.

use std::num::NonZeroU32;

use bytesize::{ByteSize, MIB, TIB};
use event::header;
use event::quarantine::Class;

use super::defaults;
use super::node::{Node, Value};
use super::problem::{Problems, Refused};
use super::section::{Keys, Section};
use super::value;

const KEYS: Keys = Keys { of: "`quarantine`", known: &["max_bytes", "rate"], later: &[] };
const OFF: &str = "off";
const HIGHEST_RATE: u32 = 100_000;

/// How much is kept of what is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineSection {
    /// Bytes of all classes together.
    pub max_bytes: u64,
    /// Refused requests a second that are kept, for each class; more are answered 503.
    pub rate: NonZeroU32,
}

impl Default for QuarantineSection {
    fn default() -> Self {
        Self { max_bytes: defaults::QUARANTINE_MAX_BYTES, rate: defaults::QUARANTINE_RATE }
    }
}

impl QuarantineSection {
    /// `None` where it is switched off. The part of each class must hold a request with a body of `max_body`.
    pub(crate) fn decode(node: &Node, max_body: usize, problems: &mut Problems) -> Option<Self> {
        if node.scalar().as_deref() == Some(OFF) {
            return None;
        }
        if !matches!(node.value, Value::Map(_)) {
            problems.refuse(
                node.place,
                Refused::new(
                    format!("`quarantine` is {}, not a map", node.kind()),
                    "write `off`, or a map such as `{ max_bytes: 256MiB, rate: 200/s }`",
                ),
            );
            return Some(Self::default());
        }
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("max_bytes", &mut decoded.max_bytes, problems, |node| value::size(node, MIB..=TIB));
        section.set("rate", &mut decoded.rate, problems, rate);
        let needed = (max_body as u64).saturating_add(header::ROOM as u64);
        if Class::ALL.into_iter().any(|class| class.share(decoded.max_bytes) < needed) {
            let place = section.get("max_bytes").map_or(section.place, |node| node.place);
            let least = needed.saturating_mul(4);
            problems.refuse(
                place,
                Refused::new(
                    format!(
                        "`max_bytes` is {}, of which a quarter must hold one body of `receiver.max_body` and its headers",
                        ByteSize(decoded.max_bytes).display().iec()
                    ),
                    format!("write at least {least}, or lower `receiver.max_body`"),
                ),
            );
        }
        Some(decoded)
    }
}

/// Requests a second: `200/s`.
fn rate(node: &Node) -> Result<NonZeroU32, Refused> {
    let text = value::text(node)?;
    let number = text.strip_suffix("/s").and_then(|number| number.trim_end().parse().ok());
    number.filter(|rate: &NonZeroU32| rate.get() <= HIGHEST_RATE).ok_or_else(|| {
        Refused::new(
            format!("is `{text}`"),
            format!("write a number from 1 to {HIGHEST_RATE} a second, such as `200/s`"),
        )
    })
}
