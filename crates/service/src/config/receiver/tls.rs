//! `receiver.tls`: the files of the certificate.

use std::path::PathBuf;

use super::super::node::Node;
use super::super::problem::Problems;
use super::super::section::{Keys, Section};
use super::super::value;

const KEYS: Keys = Keys { of: "`tls`", known: &["cert", "key"], later: &[] };

/// The files of a certificate, in PEM. They are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSection {
    /// The certificate, followed by those between it and the root.
    pub cert: PathBuf,
    /// Its private key, without a password.
    pub key: PathBuf,
}

impl TlsSection {
    /// `None` when a file is missing, which has been noted then.
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let file = problems.file().to_owned();
        let section = Section::open(node, KEYS, problems);
        let cert = section.require("cert", "/etc/roomwire/tls.crt", problems, |node| value::path(node, &file));
        let key = section.require("key", "/etc/roomwire/tls.key", problems, |node| value::path(node, &file));
        Some(Self { cert: cert?, key: key? })
    }
}
