//! `runner`: what holds for all handlers together.

use std::time::Duration;

use super::defaults;
use super::node::Node;
use super::problem::Problems;
use super::receiver::drain;
use super::section::{Keys, Section};

const KEYS: Keys = Keys { of: "`runner`", known: &["drain"], later: &[] };

/// The process that runs handlers.
#[derive(Debug, Clone)]
pub struct RunnerSection {
    /// How long a graceful stop may take.
    pub drain: Duration,
}

impl Default for RunnerSection {
    fn default() -> Self {
        Self { drain: defaults::DRAIN }
    }
}

impl RunnerSection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("drain", &mut decoded.drain, problems, drain);
        decoded
    }
}
