//! Why a request had no answer, for the log and for the guest.

use std::io;
use std::net::IpAddr;

use service::config::Host;
use wasmtime_wasi_http::Error;

use super::Target;

/// A request had no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// Nobody granted the target.
    #[error("{target} is not granted; add it to the handler's `allow.http`")]
    NotGranted {
        /// Where the request was to go.
        target: Target,
    },
    /// The host has no address that may be reached.
    #[error("{target} is at {address}, {why}, and is not granted; {}", fix(target, *address))]
    AddressRefused {
        /// Where the request was to go.
        target: Target,
        /// One of its addresses.
        address: IpAddr,
        /// What that address is.
        why: &'static str,
    },
    /// The name could not be resolved.
    #[error("failed to resolve {name}")]
    Resolve {
        /// The host.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The name has no address.
    #[error("{target} has no address")]
    NoAddress {
        /// Where the request was to go.
        target: Target,
    },
    /// No address let itself be connected to.
    #[error("failed to connect to {target}")]
    Connect {
        /// Where the request was to go.
        target: Target,
        /// Why, of the last address.
        #[source]
        source: io::Error,
    },
    /// There was no connection in time.
    #[error("no connection to {target} in time")]
    ConnectTimeout {
        /// Where the request was to go.
        target: Target,
    },
    /// The other side did not prove who it is, or speaks no TLS.
    #[error("failed to set up TLS with {target}")]
    Tls {
        /// Where the request was to go.
        target: Target,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// This machine trusts nobody.
    #[error(
        "there are no certificates to trust ({problems}); install `ca-certificates`, or name a file in SSL_CERT_FILE"
    )]
    NoRoots {
        /// What went wrong while loading them.
        problems: String,
    },
    /// The host cannot stand in a request.
    #[error("the host of the request is not valid")]
    Target,
    /// The other side closed the connection before the request was sent.
    #[error("the connection was closed before the request was sent")]
    Closed,
    /// The answer did not come, or did not end, in time.
    #[error("no whole answer in time")]
    Timeout,
    /// The answer's body is too large.
    #[error("the answer has more than the {} MiB that a handler may be sent", limit >> 20)]
    AnswerTooLarge {
        /// Bytes that are allowed.
        limit: u64,
    },
    /// The answer's head is too large.
    #[error("the head of the answer is too large")]
    HeadTooLarge,
    /// The other side does not speak HTTP, or stopped.
    #[error("failed to exchange a request for an answer")]
    Exchange(#[source] hyper::Error),
}

fn fix(target: &Target, address: IpAddr) -> String {
    match &target.host {
        Host::Address(_) => "add this very address to the handler's `allow.http`".to_owned(),
        Host::Name(_) => format!("add its network, such as `{address}`, to the handler's `allow.networks`"),
    }
}

impl SendError {
    pub(super) fn of(error: hyper::Error) -> Self {
        if error.is_parse_too_large() { Self::HeadTooLarge } else { Self::Exchange(error) }
    }

    /// Whether it is the other side's failure, or the way's, and not the handler's or its configuration's.
    pub(crate) fn is_upstream(&self) -> bool {
        !matches!(self, Self::NotGranted { .. } | Self::AddressRefused { .. } | Self::NoRoots { .. } | Self::Target)
    }

    /// Its name among the outcomes in metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::NotGranted { .. } | Self::AddressRefused { .. } => "denied",
            Self::ConnectTimeout { .. } | Self::Timeout => "timeout",
            _ => "failed",
        }
    }

    /// What the guest sees. Where WASI has no word for it, it is a text.
    pub(crate) fn into_wasi(self) -> Error {
        match self {
            Self::NotGranted { .. } => Error::HttpRequestDenied,
            Self::AddressRefused { .. } => Error::DestinationIpProhibited,
            Self::Resolve { source, .. } => Error::DnsError { rcode: Some(source.to_string()), info_code: None },
            Self::NoAddress { .. } => Error::DestinationNotFound,
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Error::ConnectionRefused
            }
            Self::Connect { .. } => Error::DestinationUnavailable,
            Self::ConnectTimeout { .. } => Error::ConnectionTimeout,
            Self::Tls { source, .. } => match source.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
                _ => Error::TlsProtocolError,
            },
            Self::NoRoots { .. } => Error::ConfigurationError,
            Self::Target => Error::HttpRequestUriInvalid,
            Self::Closed => Error::ConnectionTerminated,
            Self::Timeout => Error::HttpResponseTimeout,
            Self::AnswerTooLarge { limit } => Error::HttpResponseBodySize(Some(limit)),
            Self::HeadTooLarge => Error::HttpResponseHeaderSectionSize(None),
            Self::Exchange(error) if error.is_incomplete_message() || error.is_closed() => {
                Error::HttpResponseIncomplete
            }
            Self::Exchange(_) => Error::HttpProtocolError,
        }
    }
}
