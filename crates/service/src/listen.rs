//! Opens listening sockets and says what to do when that fails.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error(
        "{address} is taken, so {what} cannot be served there; stop what listens on it, or choose another address with \
         `{option} {}:0` (0 takes a free port)", address.ip()
    )]
    Taken {
        /// The address that was asked for.
        address: SocketAddr,
        /// What would be served there.
        what: &'static str,
        /// The command line option that changes the address.
        option: &'static str,
    },
    /// Anything else.
    #[error("cannot listen on {address} for {what}; change the address with `{option}`")]
    Refused {
        /// The address that was asked for.
        address: SocketAddr,
        /// What would be served there.
        what: &'static str,
        /// The command line option that changes the address.
        option: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Listens on `address`; port 0 takes a free one. `what` and `option` only appear in error messages.
///
/// # Errors
///
/// When the address is taken, not ours, or not allowed.
pub async fn bind(address: SocketAddr, what: &'static str, option: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address, what, option },
        _ => BindError::Refused { address, what, option, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_refused_with_the_option_that_changes_it() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "webhooks", "--listen").await.unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address, "webhooks", "--listen").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{address} is taken, so webhooks cannot be served there; stop what listens on it, or choose another \
                 address with `--listen 127.0.0.1:0` (0 takes a free port)"
            )
        );
    }
}
