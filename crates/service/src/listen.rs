//! Opens listening sockets and says what to do when that fails.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// So many connections may wait to be accepted; the system may allow fewer (`net.core.somaxconn`). Those beyond are lost
/// without either side being told before the sender's first bytes are, so a burst of them should fit.
const BACKLOG: u32 = 4096;

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
pub fn bind(address: SocketAddr, what: &'static str, option: &'static str) -> Result<TcpListener, BindError> {
    listen(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address, what, option },
        _ => BindError::Refused { address, what, option, source },
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the last connections of the process before it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_refused_with_the_option_that_changes_it() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "webhooks", "--listen").unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address, "webhooks", "--listen").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{address} is taken, so webhooks cannot be served there; stop what listens on it, or choose another \
                 address with `--listen 127.0.0.1:0` (0 takes a free port)"
            )
        );
    }
}
