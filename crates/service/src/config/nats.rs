//! `nats`: how to reach the server, and the prefix of Roomwire's subjects.

use std::fmt;
use std::path::PathBuf;

use event::Prefix;

use super::node::Node;
use super::problem::{Problems, Refused};
use super::section::{Keys, Section};
use super::template::uses_variables;
use super::value;

const KEYS: Keys = Keys {
    of: "`nats`",
    known: &["url", "credentials", "nkey", "prefix"],
    later: &["tls", "domain", "user", "password", "token"],
};

/// How to reach NATS.
#[derive(Clone, Default)]
pub struct NatsSection {
    /// The server, or several with commas between them; may hold `${NAME}`. `None` when it is not given.
    pub url: Option<String>,
    /// A credentials file.
    pub credentials: Option<PathBuf>,
    /// A file that holds an `nkey` seed.
    pub nkey: Option<PathBuf>,
    /// What Roomwire's subjects begin with.
    pub prefix: Prefix,
}

impl fmt::Debug for NatsSection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NatsSection")
            .field("url", &self.url.as_deref().map(without_password))
            .field("credentials", &self.credentials)
            .field("nkey", &self.nkey)
            .field("prefix", &self.prefix)
            .finish()
    }
}

impl NatsSection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let file = problems.file().to_owned();
        let mut decoded = Self {
            url: section.read("url", problems, url),
            credentials: section.read("credentials", problems, |node| value::path(node, &file)),
            nkey: section.read("nkey", problems, |node| value::path(node, &file)),
            prefix: Prefix::default(),
        };
        if let (Some(_), Some(node)) = (&decoded.credentials, section.get("nkey")) {
            problems.refuse(node.place, Refused::new("`nkey` stands beside `credentials`", "keep one of the two"));
        }
        section.set("prefix", &mut decoded.prefix, problems, |node| {
            let text = value::text(node)?;
            Prefix::try_from(text.clone()).map_err(|_| {
                Refused::new(
                    format!("is `{text}`"),
                    "write a lower-case letter, then up to 31 of lower-case letters, digits, `_` and `-`",
                )
            })
        });
        decoded
    }
}

fn url(node: &Node) -> Result<String, Refused> {
    let text = value::filled(node)?;
    uses_variables(&text).map_err(|error| Refused::new(format!("is wrong: {error}"), "write `${NATS_URL}`"))?;
    Ok(text)
}

/// A NATS URL for log lines: user names and passwords are left out.
#[must_use]
pub fn without_password(url: &str) -> String {
    url.split(',')
        .map(|server| match server.split_once("://") {
            Some((scheme, rest)) => {
                format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, address)| address))
            }
            None => server.rsplit_once('@').map_or(server, |(_, address)| address).to_owned(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_reaches_a_log_line() {
        assert_eq!(
            without_password("nats://me:p@ss@one:4222,two:4222,tls://token@three"),
            "nats://one:4222,two:4222,tls://three"
        );
        let section = NatsSection { url: Some("nats://me:hush@one".into()), ..NatsSection::default() };
        assert!(!format!("{section:?}").contains("hush"));
    }
}
