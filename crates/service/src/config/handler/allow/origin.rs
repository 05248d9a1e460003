//! `allow.http`: a scheme, a host and a port that requests may go to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::node::Node;
use crate::config::problem::Refused;

/// Characters of a host name, and of one label of it.
const NAME: usize = 253;
const LABEL: usize = 63;

/// Where requests may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// With TLS.
    pub secure: bool,
    /// The host.
    pub host: HostPattern,
    /// The port; where the text names none, that of the scheme.
    pub port: u16,
}

/// The hosts of an [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// One host.
    One(Host),
    /// `*.example.com`: each name below that one, and not that one itself.
    Below(String),
    /// `*`: each host, as far as its addresses are public.
    Any,
}

/// A host as a URL names it: in lower case, without the dot at its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host, IPv6 in brackets. `None` if it is neither a name nor an address in its usual form: what resolvers
    /// take for an address as well (`127.1`, `0x7f000001`) is no name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|address| Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        is_name(&name).then_some(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(out),
            Self::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
        }
    }
}

impl Origin {
    /// Reads `scheme://host[:port]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let bracket = rest.rfind(']').unwrap_or(0);
        let (host, port) = match rest.rfind(':').filter(|colon| *colon > bracket) {
            Some(colon) => {
                let (host, port) = rest.split_at(colon);
                let digits = port.strip_prefix(':')?;
                let port = digits.parse::<u16>().ok().filter(|port| *port != 0 && !digits.starts_with('+'))?;
                (host, port)
            }
            None => (rest, default_port(secure)),
        };
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => HostPattern::Any,
            Some(below) => match Host::parse(below)? {
                Host::Name(name) => HostPattern::Below(name),
                Host::Address(_) => return None,
            },
            None => HostPattern::One(Host::parse(host)?),
        };
        Some(Self { secure, host, port })
    }

    /// Whether a request may go there.
    #[must_use]
    pub fn matches(&self, secure: bool, host: &Host, port: u16) -> bool {
        self.secure == secure && self.port == port && self.host.matches(host)
    }

    /// Whether it stands for more than one host.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        !matches!(self.host, HostPattern::One(_))
    }
}

impl HostPattern {
    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::One(one), host) => one == host,
            (Self::Below(below), Host::Name(name)) => name
                .strip_suffix(below.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
            (Self::Below(_), Host::Address(_)) => false,
        }
    }
}

/// The port of a scheme.
#[must_use]
pub(crate) fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn is_name(name: &str) -> bool {
    let labels = || name.split('.');
    let well_formed = labels().all(|label| {
        (1..=LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    let looks_like_number = labels().next_back().is_some_and(|last| {
        last.bytes().all(|byte| byte.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    name.len() <= NAME && well_formed && !looks_like_number
}

pub(super) fn decode(node: &Node) -> Result<Origin, Refused> {
    let text = node.scalar().unwrap_or_default();
    Origin::parse(&text).ok_or_else(|| {
        let hint = if !text.contains("://") {
            "write the scheme too, such as `https://api.example.com`"
        } else if text.contains('@') {
            "leave user and password out; give the handler a secret instead"
        } else if text.splitn(4, '/').nth(3).is_some_and(|path| !path.is_empty()) {
            "leave the path out: a grant is for a scheme, a host and a port"
        } else {
            "write `https://api.example.com`, `https://*.example.com` or `http://127.0.0.1:9000`"
        };
        Refused::new(format!("`http` holds `{text}`, which is no scheme, host and port"), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_its_scheme_host_and_port_alone() {
        let matches = |origin: &str, secure, host: &str, port| {
            Origin::parse(origin).unwrap().matches(secure, &Host::parse(host).unwrap(), port)
        };
        for (origin, secure, host, port, granted) in [
            ("https://api.example.com", true, "api.example.com", 443, true),
            ("https://api.example.com", true, "API.Example.COM.", 443, true),
            ("https://api.example.com/", true, "api.example.com", 443, true),
            ("https://api.example.com", true, "api.example.com", 8443, false),
            ("https://api.example.com", false, "api.example.com", 443, false),
            ("https://api.example.com", true, "evil-api.example.com", 443, false),
            ("https://api.example.com", true, "api.example.com.evil.net", 443, false),
            ("http://127.0.0.1:9000", false, "127.0.0.1", 9000, true),
            ("http://127.0.0.1:9000", false, "localhost", 9000, false),
            ("http://[::1]:9000", false, "[::1]", 9000, true),
            ("http://[0:0::1]", false, "[::1]", 80, true),
            ("https://*.example.com", true, "a.b.example.com", 443, true),
            ("https://*.example.com", true, "example.com", 443, false),
            ("https://*.example.com", true, "evilexample.com", 443, false),
            ("https://*.example.com", true, "10.0.0.1", 443, false),
            ("https://*", true, "anything.net", 443, true),
            ("https://*", false, "anything.net", 443, false),
        ] {
            assert_eq!(matches(origin, secure, host, port), granted, "{origin}: {host}:{port}");
        }
    }

    #[test]
    fn what_a_resolver_would_take_for_an_address_is_no_name() {
        for text in
            ["127.1", "0x7f.1", "2130706433", "0x7f000001", "1.2.3.256", "a.0x1", "a..b", "-a.b", "a b", "", "é.fr"]
        {
            assert_eq!(Host::parse(text), None, "{text}");
        }
        assert_eq!(Host::parse("1and1.com"), Some(Host::Name("1and1.com".to_owned())));
    }
}
