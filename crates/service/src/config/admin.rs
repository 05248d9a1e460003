//! `admin`: where `/livez`, `/readyz` and `/metrics` are served.

use std::net::SocketAddr;

use super::defaults;
use super::node::Node;
use super::problem::Problems;
use super::section::{Keys, Section};
use super::value;

const KEYS: Keys = Keys { of: "`admin`", known: &["listen"], later: &["console"] };

/// The admin endpoint.
#[derive(Debug, Clone)]
pub struct AdminSection {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for AdminSection {
    fn default() -> Self {
        Self { listen: defaults::ADMIN_LISTEN }
    }
}

impl AdminSection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("listen", &mut decoded.listen, problems, value::address);
        decoded
    }
}
